"""What the gateway has to know of a provider."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Provider:
    """One kind of upstream.

    :ivar name: as the configuration has it.
    :ivar genai_name: ``gen_ai.provider.name`` of the OpenTelemetry conventions.
    :ivar default_url: where it is, if it is at one place.
    :ivar paths: operation to path, behind the backend's ``url``.
    :ivar key_header: where its key goes, in lower case; after ``key_prefix``.
    :ivar passthrough_headers: the client's headers that may bring this provider's credential.
    :ivar asks_usage: operations whose streams tell their usage only when asked.
    :ivar available: whether this version can call it.
    """

    name: str
    genai_name: str
    default_url: str | None = None
    paths: Mapping[str, str] = attrs.field(factory=dict)
    key_header: bytes = b"authorization"
    key_prefix: bytes = b"Bearer "
    passthrough_headers: tuple[bytes, ...] = (b"authorization",)
    asks_usage: frozenset[str] = frozenset()
    available: bool = True
