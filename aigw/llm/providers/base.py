"""What the gateway has to know of a provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from aigw.llm.wire import CountWire, EmbeddingWire, MessagesWire, Wire


@attrs.frozen
class Place:
    """What a backend's settings say of where it is; None: nothing.

    :ivar url: the backend's own, never the provider's default.
    """

    url: str | None = None
    region: str | None = None
    project: str | None = None
    location: str | None = None
    api_version: str | None = None


@attrs.frozen
class Provider:
    """One kind of upstream.

    :ivar name: as the configuration has it.
    :ivar genai_name: ``gen_ai.provider.name`` of the OpenTelemetry conventions.
    :ivar default_url: where it is, if it is at one place.
    :ivar paths: the operations that it has itself, to be passed on byte for byte, and their paths behind the backend's
        ``url``; a version that the url ends with is not doubled. ``{model}`` in a path stands for the model.
    :ivar query: what the query of each of those has, where the client's own does not say it.
    :ivar headers: what their requests have, where the client's own do not say it. In lower case.
    :ivar wire: translates the operations of a conversation that are not in ``paths``.
    :ivar messages_wire: passes Anthropic's messages on as they are to models of it that speak them.
    :ivar embedding_wire: translates embeddings, if they are not in ``paths``.
    :ivar count_wire: counts a call's tokens, if it can; else they are estimated.
    :ivar lists: whose shape its list of models has, as :func:`aigw.llm.dialects.models.read_models` knows them.
    :ivar key_header: where its key goes, in lower case; after ``key_prefix``.
    :ivar passthrough_headers: the client's headers that may bring this provider's credential.
    :ivar asks_usage: operations whose streams tell their usage only when asked.
    :ivar at: this provider as it is at a place: another url, other paths.
    """

    name: str
    genai_name: str
    default_url: str | None = None
    paths: Mapping[str, str] = attrs.field(factory=dict)
    query: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[bytes, bytes] = attrs.field(factory=dict)
    wire: Wire | None = None
    messages_wire: MessagesWire | None = None
    embedding_wire: EmbeddingWire | None = None
    count_wire: CountWire | None = None
    lists: str = "openai"
    key_header: bytes = b"authorization"
    key_prefix: bytes = b"Bearer "
    passthrough_headers: tuple[bytes, ...] = (b"authorization",)
    asks_usage: frozenset[str] = frozenset()
    at: Callable[[Provider, Place], Provider] = lambda provider, place: provider
    available: bool = True
