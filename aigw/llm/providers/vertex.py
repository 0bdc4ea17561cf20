"""Vertex AI: Gemini and Claude of a Google Cloud project (https://cloud.google.com/vertex-ai/generative-ai/docs).

Where a call goes is made of the backend's ``project`` and ``location``; what goes there is Gemini's API as AI Studio
has it, or Anthropic's with the version in the body and the model in the path only. Which of them a model speaks, its
name tells. The credential is an access token of Google's; see :mod:`aigw.upstream.google`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import attrs

from aigw import numbers
from aigw.errors import BadRequest
from aigw.llm import lenient
from aigw.llm.betas import VERTEX as VERTEX_BETAS
from aigw.llm.betas import beta_header, betas_at, betas_in, without_scopes
from aigw.llm.call import Call
from aigw.llm.decoders import Decoder, SseDecoder
from aigw.llm.providers.anthropic import AnthropicWire
from aigw.llm.providers.anthropic.errors import from_body as anthropic_error
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.gemini import STREAM, WHOLE, total_tokens
from aigw.llm.providers.gemini import embeddings as studio
from aigw.llm.providers.gemini.errors import error_object, google_error
from aigw.llm.providers.gemini.reply import GeminiReader
from aigw.llm.providers.gemini.request import OPTIONS, generate_content
from aigw.llm.reply import ProviderError
from aigw.llm.tool_names import GOOGLE, own_names
from aigw.llm.usage import MOST_TOKENS, Usage
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, Reader, WireRequest

#: Where a backend without a ``location`` is.
LOCATION = "global"

#: Hosts of the locations that are no region (https://cloud.google.com/vertex-ai/docs/general/locations).
_HOSTS = {
    "global": "aiplatform.googleapis.com",
    "us": "aiplatform.us.rep.googleapis.com",
    "eu": "aiplatform.eu.rep.googleapis.com",
}
#: In the body of each request to Claude (https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
_CLAUDE = {"anthropic_version": "vertex-2023-10-16"}

#: Embedding models that have ``embedContent``, for one text at a time; the others have ``predict``.
_EMBED_CONTENT = re.compile(r"gemini-embedding-(?!001)")

_PUBLISHER = re.compile(r"publishers/([a-z0-9-]+)/models/([^/]+)")
_ENDPOINT = re.compile(r"(?:endpoints/)?(\d+)")


def _split(model: str) -> tuple[str, str]:
    """Whose a model is, and its name: told by its whole name, or by what the name begins with.

    :raises BadRequest: it leads elsewhere.
    """
    found = _PUBLISHER.fullmatch(model)
    if found:
        return found[1], found[2]
    publisher = "anthropic" if model.startswith(("claude-", "anthropic/")) else "google"
    name = model.removeprefix(f"{publisher}/").removeprefix("models/")
    if not name or "/" in name:
        raise BadRequest(
            f"model {model!r} is none of Vertex AI's: give its name, publishers/NAME/models/MODEL, or the number of an"
            " endpoint",
            param="model",
            code="model_not_found",
        )
    return publisher, name


def _claude(call: Call) -> Call | None:
    """The call with the model's bare name if that is one of Anthropic's; else None."""
    if _ENDPOINT.fullmatch(call.model):
        return None
    publisher, name = _split(call.model)
    return attrs.evolve(call, model=name) if publisher == "anthropic" else None


class VertexWire:
    """Gemini's wire or Claude's, by the model of a call; see :class:`aigw.llm.wire.Wire`, ``MessagesWire``,
    ``EmbeddingWire`` and ``CountWire``.

    :param base: the path down to the location.
    """

    def __init__(self, base: str) -> None:
        self._base = base

        def claude_path(call: Call) -> bytes:
            method = ":streamRawPredict" if call.stream else ":rawPredict"
            return f"{base}/publishers/anthropic/models/{quote(call.model, safe='@')}{method}".encode()

        self._claude = AnthropicWire(
            name="vertex",
            version=None,
            path=claude_path,
            count_path=lambda call: f"{base}/publishers/anthropic/models/count-tokens:rawPredict".encode(),
            model_in_body=False,
            constants=_CLAUDE,
            fetches_urls=False,
            has_files=False,
            platform=VERTEX_BETAS,
        )

    # -- Claude's own messages

    def has_messages(self, model: str) -> bool:
        """See :class:`aigw.llm.wire.MessagesWire`."""
        return _claude(Call(model, ())) is not None

    def messages_request(self, fields: dict[str, Any], betas: tuple[str, ...]) -> WireRequest:
        """See :class:`aigw.llm.wire.MessagesWire`."""
        call = _claude(Call(fields.pop("model"), (), stream=fields.get("stream") is True))
        assert call is not None
        told = betas_in(fields.pop("anthropic_beta", None), fields.pop("betas", None))
        without_scopes(fields)
        headers = beta_header(betas_at(VERTEX_BETAS, (*betas, *told)))
        return WireRequest(self._claude.path(call), {**fields, **_CLAUDE}, headers)

    # -- conversations

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        claude = _claude(call)
        if claude is not None:
            return self._claude.request(claude)
        return self._gemini(call, STREAM if call.stream else WHOLE, generate_content(call, "vertex", OPTIONS))

    def decoder(self, content_type: bytes) -> Decoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return SseDecoder()

    def reader(self, call: Call) -> Reader:
        """See :class:`aigw.llm.wire.Wire`."""
        claude = _claude(call)
        return GeminiReader(own_names(call, GOOGLE)) if claude is None else self._claude.reader(claude)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`. Google's, Anthropic's, or Anthropic's as a text in one of Google's."""
        fields = lenient.loads(body)
        if isinstance(fields, dict) and fields.get("type") == "error":
            return anthropic_error(status, body)
        message = (error_object(fields) or {}).get("message")
        inner = message.strip() if isinstance(message, str) else ""
        if inner.startswith("{") and isinstance(lenient.loads(inner.encode("utf-8", "replace")), dict):
            return anthropic_error(status, inner.encode("utf-8", "replace"))
        return google_error(status, body)

    # -- counts

    def count_request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.CountWire`."""
        claude = _claude(call)
        if claude is not None:
            return self._claude.count_request(claude)
        body = generate_content(call, "vertex", OPTIONS)
        counted = ("contents", "systemInstruction", "tools", "generationConfig")
        return self._gemini(call, b":countTokens", {name: body[name] for name in counted if name in body})

    def count(self, fields: Any) -> int:
        """See :class:`aigw.llm.wire.CountWire`."""
        is_claude = isinstance(fields, dict) and "input_tokens" in fields
        return self._claude.count(fields) if is_claude else total_tokens(fields)

    # -- embeddings

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        method, body = _embed_content(call) if _EMBED_CONTENT.match(call.model) else _predict(call)
        return WireRequest(f"{self._path(call.model)}:{method}".encode(), body)

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        if isinstance(fields, dict) and "embedding" in fields:
            return studio.vectors({**fields, "embeddings": [fields["embedding"]]})
        return _predictions(fields)

    def _gemini(self, call: Call, method: bytes, body: dict[str, Any]) -> WireRequest:
        return WireRequest(self._path(call.model).encode() + method, body)

    def _path(self, model: str) -> str:
        """Of a model, or of an endpoint of the project's own by its number: a tuned model."""
        endpoint = _ENDPOINT.fullmatch(model)
        if endpoint:
            return f"{self._base}/endpoints/{endpoint[1]}"
        publisher, name = _split(model)
        return f"{self._base}/publishers/{publisher}/models/{quote(name, safe='@')}"


_AUTO_TRUNCATE = ("auto_truncate", "autoTruncate")


def _predict(call: EmbeddingCall) -> tuple[str, dict[str, Any]]:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api"""
    task, title = studio.common(call)
    common = {name: value for name, value in (("task_type", task), ("title", title)) if value is not None}
    body: dict[str, Any] = {"instances": [{"content": text, **common} for text in studio.texts(call, "vertex")]}
    parameters = {"outputDimensionality": call.dimensions, "autoTruncate": studio.option(call, _AUTO_TRUNCATE)}
    parameters = {name: value for name, value in parameters.items() if value is not None}
    return "predict", {**body, "parameters": parameters} if parameters else body


def _embed_content(call: EmbeddingCall) -> tuple[str, dict[str, Any]]:
    texts = studio.texts(call, "vertex")
    if len(texts) != 1:
        raise BadRequest(
            f"input is not supported by provider vertex as a list: {call.model} takes one text at a time",
            param="input",
            code="unsupported_parameter",
        )
    config = {
        "outputDimensionality": call.dimensions,
        "taskType": studio.option(call, studio.TASK_TYPES),
        "title": studio.option(call, ("title",)),
        "autoTruncate": studio.option(call, _AUTO_TRUNCATE),
    }
    config = {name: value for name, value in config.items() if value is not None}
    body: dict[str, Any] = {"content": {"parts": [{"text": texts[0]}]}}
    return "embedContent", {**body, "embedContentConfig": config} if config else body


def _predictions(fields: Any) -> Embeddings:
    found = fields.get("predictions") if isinstance(fields, dict) else None
    if not isinstance(found, list):
        raise ValueError("the answer has no predictions")
    vectors, tokens = [], 0
    for each in found:
        embedding = each.get("embeddings") if isinstance(each, dict) else None
        vectors.append(studio.vector(embedding))
        statistics = embedding.get("statistics") if isinstance(embedding, dict) else None
        count = statistics.get("token_count") if isinstance(statistics, dict) else None
        tokens += numbers.count(count, MOST_TOKENS) or 0
    return Embeddings(tuple(vectors), Usage(input=tokens) if tokens else None)


def _at(provider: Provider, place: Place) -> Provider:
    """Vertex AI of a project in a location. A backend's own ``url`` is another host with the same paths."""
    location = place.location or LOCATION
    host = _HOSTS.get(location, f"{location}-aiplatform.googleapis.com")
    version = quote(place.api_version or "v1", safe="")
    wire = VertexWire(f"/{version}/projects/{quote(place.project or '', safe='')}/locations/{quote(location, safe='')}")
    url = f"https://{host}"
    return attrs.evolve(provider, default_url=url, wire=wire, messages_wire=wire, embedding_wire=wire, count_wire=wire)


VERTEX = Provider(
    name="vertex",
    genai_name="gcp.vertex_ai",
    passthrough_headers=(b"authorization",),
    at=_at,
)
