"""Cohere's v2 API (https://docs.cohere.com/reference/about).

Nearly OpenAI's chat in shape, and unlike it in what counts: a call of one tool by its name is a call of any with only
that one declared; thinking has a switch and a budget; schemas are JSON's; what a model plans before it calls tools
(``tool_plan``) is its thoughts. Embeddings want to know what they are for. Requests are written in :mod:`.request`,
answers read in :mod:`.reply`.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm.call import Call
from aigw.llm.decoders import SseDecoder
from aigw.llm.operations import CHAT, EMBEDDINGS, MODELS
from aigw.llm.options import HINTS
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.cohere.reply import CohereReader
from aigw.llm.providers.cohere.request import NAME, chat_body
from aigw.llm.providers.openai import OPENAI_COMPATIBLE, PATHS
from aigw.llm.providers.openai_chat import provider_error
from aigw.llm.reply import ProviderError, type_of_status
from aigw.llm.tool_names import IDENTIFIERS, fitted, own_names
from aigw.llm.usage import from_cohere
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest

#: What texts are for that vectors are made of, unless the client says so (``input_type``): to be found.
INPUT_TYPE = "search_document"

#: What a message says that programs look for.
_TOO_LONG = re.compile(r"too many tokens|maximum context|context length|exceeds? the (?:maximum|limit)", re.IGNORECASE)
_USED_UP = re.compile(r"per month|/ ?month|trial key.{0,80}month|billing|payment", re.IGNORECASE)
#: Cohere's own statuses: a wrong token, a client that left.
_STATUSES = {498: 401, 499: 502}


@attrs.frozen
class CohereWire:
    """Chat; see :class:`aigw.llm.wire.Wire` and ``EmbeddingWire``."""

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        return WireRequest(b"/v2/chat", chat_body(fitted(call, IDENTIFIERS)))

    def decoder(self, content_type: bytes) -> SseDecoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return SseDecoder()

    def reader(self, call: Call) -> CohereReader:
        """See :class:`aigw.llm.wire.Wire`."""
        return CohereReader(own_names(call, IDENTIFIERS))

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        error = provider_error(status, headers, body)
        really, code = _STATUSES.get(error.status, error.status), error.code
        if really == 401:
            code = "invalid_api_key"
        elif really == 400 and _TOO_LONG.search(error.message):
            code = "context_length_exceeded"
        elif really == 429 and _USED_UP.search(error.message):
            code = "insufficient_quota"
        return ProviderError(really, type_of_status(really), error.message, code, error.param, error.retry_after)

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`. Vectors are always asked for as numbers."""
        texts = [text for text in call.inputs if isinstance(text, str)]
        if len(texts) < len(call.inputs):
            message = f"input is not supported by provider {NAME}: it must be text, not lists of tokens"
            raise BadRequest(message, param="input", code="unsupported_parameter")
        body: dict[str, Any] = {"model": call.model, "texts": texts, "input_type": INPUT_TYPE}
        body |= {name: value for name, value in call.options.items() if name not in HINTS and value is not None}
        if call.dimensions is not None:
            body["output_dimension"] = call.dimensions
        return WireRequest(b"/v2/embed", {**body, "embedding_types": ["float"]})

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        found = fields.get("embeddings") if isinstance(fields, dict) else None
        vectors = found.get("float") if isinstance(found, dict) else found
        if not isinstance(vectors, list) or not all(_is_vector(each) for each in vectors):
            raise ValueError("no list of vectors")
        return Embeddings(tuple(vectors), from_cohere(fields.get("meta")))


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )


def _at(provider: Provider, place: Place) -> Provider:
    """As it is; or, where the url ends in ``/v1`` (``…/compatibility/v1``), in OpenAI's dialect, byte for byte."""
    if place.url is None or not place.url.rstrip("/").endswith("/v1"):
        return provider
    paths = {operation: PATHS[operation] for operation in (CHAT, EMBEDDINGS)}
    return attrs.evolve(OPENAI_COMPATIBLE, name=provider.name, genai_name=provider.genai_name, paths=paths, at=_at)


_WIRE = CohereWire()

COHERE = Provider(
    name=NAME,
    genai_name="cohere",
    default_url="https://api.cohere.com",
    paths={MODELS: "/v1/models"},
    lists="cohere",
    wire=_WIRE,
    embedding_wire=_WIRE,
    at=_at,
)
