"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages), and Claude wherever else it is served.

- :mod:`~aigw.llm.providers.anthropic.models`: what each model takes and refuses, as a table
- :mod:`~aigw.llm.providers.anthropic.request`: a call as a Messages request; its turns in ``content``, its wish for
  reasoning in ``thinking``, its schemas in ``schema``
- :mod:`~aigw.llm.providers.anthropic.answer`: streams and whole answers as events
- :mod:`~aigw.llm.providers.anthropic.errors`: what went wrong
- :mod:`~aigw.llm.providers.anthropic.wire`: all of it as one Wire, with parameters for other places that serve Claude
"""

from __future__ import annotations

import attrs

from aigw.llm.operations import COUNT_TOKENS, MESSAGES, MODELS
from aigw.llm.providers.anthropic.wire import COUNT_PATH, MESSAGES_PATH, VERSION, AnthropicWire
from aigw.llm.providers.base import Place, Provider


def _at(provider: Provider, place: Place) -> Provider:
    """With the ``anthropic-version`` that the backend asks for."""
    if place.api_version is None:
        return provider
    wire = AnthropicWire(version=place.api_version)
    headers = {b"anthropic-version": place.api_version.encode("ascii")}
    return attrs.evolve(provider, headers=headers, wire=wire, count_wire=wire)


_WIRE = AnthropicWire()

ANTHROPIC = Provider(
    name="anthropic",
    genai_name="anthropic",
    default_url="https://api.anthropic.com",
    paths={
        MESSAGES: MESSAGES_PATH.decode("ascii"),
        COUNT_TOKENS: COUNT_PATH.decode("ascii"),
        MODELS: "/v1/models",
    },
    headers={b"anthropic-version": VERSION.encode("ascii")},
    wire=_WIRE,
    count_wire=_WIRE,
    lists="anthropic",
    key_header=b"x-api-key",
    key_prefix=b"",
    passthrough_headers=(b"x-api-key", b"authorization"),
    at=_at,
)

__all__ = ["ANTHROPIC", "AnthropicWire"]
