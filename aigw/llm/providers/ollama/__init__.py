"""Ollama's own API (https://docs.ollama.com/api): one JSON object a line, options in an object of their own.

Where a backend's url ends in ``/v1``, it is Ollama's OpenAI-compatible API that is meant, and that passes byte for
byte; its own has what the other leaves out (``num_ctx``, ``keep_alive``, ``think``). Requests are written in
:mod:`.request`, answers read in :mod:`.reply`.
"""

from __future__ import annotations

from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm.call import Call
from aigw.llm.decoders import LineDecoder
from aigw.llm.operations import MODELS
from aigw.llm.options import HINTS
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.ollama.reply import OllamaReader
from aigw.llm.providers.ollama.request import NAME, chat_body
from aigw.llm.providers.openai import OPENAI_COMPATIBLE
from aigw.llm.providers.openai_chat import provider_error
from aigw.llm.reply import ProviderError
from aigw.llm.usage import from_ollama
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest


@attrs.frozen
class OllamaWire:
    """Chat and embeddings; see :class:`aigw.llm.wire.Wire` and ``EmbeddingWire``."""

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        return WireRequest(b"/api/chat", chat_body(call))

    def decoder(self, content_type: bytes) -> LineDecoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return LineDecoder()

    def reader(self, call: Call) -> OllamaReader:
        """See :class:`aigw.llm.wire.Wire`."""
        return OllamaReader()

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return provider_error(status, headers, body)

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        texts = [text for text in call.inputs if isinstance(text, str)]
        if len(texts) < len(call.inputs):
            message = f"input is not supported by provider {NAME}: it must be text, not lists of tokens"
            raise BadRequest(message, param="input", code="unsupported_parameter")
        body: dict[str, Any] = {"model": call.model, "input": texts}
        if call.dimensions is not None:
            body["dimensions"] = call.dimensions
        known = {name: value for name, value in call.options.items() if name not in HINTS and value is not None}
        return WireRequest(b"/api/embed", body | known)

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        vectors = fields.get("embeddings") if isinstance(fields, dict) else None
        if not isinstance(vectors, list) or not all(_is_vector(each) for each in vectors):
            raise ValueError("no list of vectors")
        model = fields.get("model")
        return Embeddings(tuple(vectors), from_ollama(fields), model if isinstance(model, str) and model else None)


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )


def _at(provider: Provider, place: Place) -> Provider:
    """As it is; or, where the url ends in ``/v1``, in OpenAI's dialect, byte for byte."""
    if place.url is None or not place.url.rstrip("/").endswith("/v1"):
        return provider
    return attrs.evolve(OPENAI_COMPATIBLE, name=provider.name, genai_name=provider.genai_name, at=_at)


_WIRE = OllamaWire()

OLLAMA = Provider(
    name=NAME,
    genai_name="ollama",
    default_url="http://localhost:11434",
    # The list in OpenAI's shape; Ollama's own is at /api/tags.
    paths={MODELS: "/v1/models"},
    wire=_WIRE,
    embedding_wire=_WIRE,
    at=_at,
)
