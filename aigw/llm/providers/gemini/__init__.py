"""Gemini on AI Studio (https://ai.google.dev/api): requests in :mod:`.request` and :mod:`.contents`, answers in
:mod:`.reply`, what models differ in in :mod:`.thinking`, errors in :mod:`.errors`.

The key goes into ``x-goog-api-key``, never into a URL, and streams are always asked for with ``alt=sse``. Vertex AI
has the same API at other places; see :mod:`aigw.llm.providers.vertex`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs

from aigw.llm.call import Call
from aigw.llm.decoders import Decoder, SseDecoder
from aigw.llm.operations import MODELS
from aigw.llm.options import To
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.gemini.embeddings import batch, vectors
from aigw.llm.providers.gemini.errors import google_error
from aigw.llm.providers.gemini.reply import GeminiReader
from aigw.llm.providers.gemini.request import STUDIO_OPTIONS, generate_content
from aigw.llm.reply import ProviderError
from aigw.llm.tool_names import GOOGLE, own_names
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest

#: How a stream is asked for, and anything else.
STREAM = b":streamGenerateContent?alt=sse"
WHOLE = b":generateContent"


def model_path(model: str) -> str:
    """A model as the last part of a path, percent-encoded; ``models/`` before it may be there or not.

    Models that were tuned are resources of another kind (``tunedModels/…``).
    """
    kind, slash, name = model.partition("/")
    if slash and kind in ("models", "tunedModels"):
        return f"{kind}/{quote(name, safe='')}"
    return f"models/{quote(model, safe='')}"


@attrs.frozen
class GeminiWire:
    """``generateContent``; see :class:`aigw.llm.wire.Wire`, ``EmbeddingWire`` and ``CountWire``.

    :ivar version: the API's, as paths begin.
    """

    version: str = "/v1beta"
    provider: str = "gemini"
    options: Mapping[str, To] = STUDIO_OPTIONS

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        body = generate_content(call, self.provider, self.options)
        return WireRequest(self._path(call.model, STREAM if call.stream else WHOLE), body)

    def decoder(self, content_type: bytes) -> Decoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return SseDecoder()

    def reader(self, call: Call) -> GeminiReader:
        """See :class:`aigw.llm.wire.Wire`."""
        return GeminiReader(own_names(call, GOOGLE))

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return google_error(status, body)

    def count_request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.CountWire`. Everything is counted that would be sent, tools included."""
        body = generate_content(call, self.provider, self.options)
        whole = {"model": model_path(call.model), **body}
        return WireRequest(self._path(call.model, b":countTokens"), {"generateContentRequest": whole})

    def count(self, fields: Any) -> int:
        """See :class:`aigw.llm.wire.CountWire`."""
        return total_tokens(fields)

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        body = batch(call, model_path(call.model), self.provider)
        return WireRequest(self._path(call.model, b":batchEmbedContents"), body)

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        return vectors(fields)

    def _path(self, model: str, method: bytes) -> bytes:
        return f"{self.version}/{model_path(model)}".encode() + method


def total_tokens(fields: Any) -> int:
    """What ``countTokens`` answers.

    :raises ValueError: it is no such answer.
    """
    total = fields.get("totalTokens") if isinstance(fields, dict) else None
    if type(total) is not int or total < 0:
        raise ValueError("the answer has no totalTokens")
    return total


def _at(provider: Provider, place: Place) -> Provider:
    """With the version of the API that the backend asks for, such as ``v1``."""
    if place.api_version is None:
        return provider
    version = f"/{quote(place.api_version, safe='')}"
    wire = GeminiWire(version=version)
    return attrs.evolve(provider, paths=_paths(version), wire=wire, embedding_wire=wire, count_wire=wire)


def _paths(version: str) -> Mapping[str, str]:
    return {MODELS: f"{version}/models"}


_WIRE = GeminiWire()

GEMINI = Provider(
    name="gemini",
    genai_name="gcp.gemini",
    default_url="https://generativelanguage.googleapis.com",
    paths=_paths(_WIRE.version),
    lists="gemini",
    wire=_WIRE,
    embedding_wire=_WIRE,
    count_wire=_WIRE,
    key_header=b"x-goog-api-key",
    key_prefix=b"",
    passthrough_headers=(b"x-goog-api-key", b"authorization"),
    at=_at,
)

__all__ = ["GEMINI", "STREAM", "WHOLE", "GeminiWire", "model_path", "total_tokens"]
