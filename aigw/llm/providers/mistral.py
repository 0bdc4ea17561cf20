"""Mistral: nearly OpenAI's chat completions, so nearly that nothing is passed on as it is (https://docs.mistral.ai/api).

What differs from :mod:`aigw.llm.providers.openai_chat`, which writes and reads the rest:

- options have names of their own or do not exist (:data:`TABLE`), there is no ``stream_options``, efforts are
  ``none`` and ``high``;
- a tool call's id has nine letters and digits, so every id becomes nine, the same in the call and in its result;
- a user's message must not follow a tool's: an assistant's word goes between them;
- the last message of an assistant is only taken as the beginning of the answer (``prefix``);
- documents, sound and pictures have simpler forms, and may be in a tool's message too;
- schemas are read strictly, so what is only for validators is taken out.

Answers have thoughts in lists of contents, usage on their last chunk and reasons of their own; the shared reader knows.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm.operations import MODELS
from aigw.llm.options import Table, To, number, one_of, strings, whole_number
from aigw.llm.providers.base import Provider
from aigw.llm.providers.openai_chat import ChatWire, Server, efforts, parts, provider_error
from aigw.llm.providers.openai_chat.request import Messages, chat_body
from aigw.llm.reply import ProviderError
from aigw.llm.usage import from_openai
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest

NAME = "mistral"

#: Options; what is not here is refused or left out by :func:`aigw.llm.options.write_options`.
TABLE: Table = {
    "frequency_penalty": To("frequency_penalty", number),
    "presence_penalty": To("presence_penalty", number),
    "temperature": To("temperature", lambda value: min(number(value), 1.5)),
    "top_p": To("top_p", number),
    "seed": To("random_seed", number),
    "stop": To("stop", strings),
    "n": To("n", whole_number),
    "metadata": To("metadata"),
    "prediction": To("prediction"),
    "prompt_cache_key": To("prompt_cache_key"),
}

#: What says nothing about values: for validators and for people's tools.
_ONLY_FOR_VALIDATORS = frozenset(("$id", "$schema", "$comment", "additionalProperties", "strict"))
#: Where a schema has names of the schema's author, not keywords.
_NAMES = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
_VALUES = frozenset(("const", "default", "enum", "example", "examples", "required"))

_ID = re.compile(r"[a-zA-Z0-9]{9}")
_DIGITS = string.ascii_letters + string.digits
#: Goes between a tool's message and a user's.
_BETWEEN = "I have read the result."


def tool_id(call_id: str) -> str:
    """A tool call's id in the only form that is taken; those that have it stay."""
    if _ID.fullmatch(call_id):
        return call_id
    value = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big")
    digits = []
    for _ in range(9):
        value, digit = divmod(value, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def _effort(call: c.Call) -> dict[str, Any]:
    """Models always think (Magistral), or do so when asked to, or have no such field.

    So what asks for no thoughts is left out, and what a client asks for without naming an effort is left out where
    that is allowed.
    """
    wish = call.reasoning
    if wish is None or _thinks_anyway(call.model) or (wish.effort is None and call.drop_unsupported):
        return {}
    effort = efforts.effort_of(wish) or ("high" if wish.adaptive else "none")
    return {"reasoning_effort": "high"} if effort not in ("none", "minimal") else {}


def _thinks_anyway(model: str) -> bool:
    return "magistral" in model


def _image(part: c.Image) -> dict[str, Any] | None:
    url = parts.image_url(part)
    return {"type": "image_url", "image_url": url} if url is not None else None


def _audio(part: c.Audio) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": part.data}


def _document(part: c.Document) -> dict[str, Any] | None:
    if part.text is not None:
        return {"type": "text", "text": parts.titled(part)}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    url = part.url or f"data:{part.media_type or 'application/pdf'};base64,{part.data}"
    return {"type": "document_url", "document_url": url} | ({"document_name": part.name} if part.name else {})


def _foreign(part: c.Foreign) -> dict[str, Any] | None:
    """Mistral's own parts come from clients that speak OpenAI's dialect with them."""
    own = part.fields.get("type") in ("document_url", "reference", "file", "thinking")
    return part.fields if part.dialect == "openai" and own else None


SERVER = Server(
    name=NAME,
    table=TABLE,
    max_tokens=lambda model: "max_tokens",
    effort=_effort,
    tells_usage=False,
    strict_subset=False,
    tool_id=tool_id,
    parts={
        c.Text: parts.text,
        c.Image: _image,
        c.Audio: _audio,
        c.Document: _document,
        c.Foreign: _foreign,
    },
)


class _Messages(Messages):
    """Messages in the order and the forms that Mistral takes."""

    def __init__(self, call: c.Call, server: Server, names: dict[str, str]) -> None:
        super().__init__(call, server, names)
        self._thinks_anyway = _thinks_anyway(call.model)

    def all(self) -> list[dict[str, Any]]:
        """See :class:`~aigw.llm.providers.openai_chat.request.Messages`."""
        written = super().all()
        if written and written[-1]["role"] == "assistant" and not written[-1].get("tool_calls"):
            written[-1]["prefix"] = True
        return written

    def add(self, role: str, content: Any, name: str | None) -> None:
        """Without a name, which it refuses."""
        if content is not None and role != "assistant" and self.written and self.written[-1]["role"] == "tool":
            self.written.append({"role": "assistant", "content": _BETWEEN})
        if content is not None and role == "system" and self.written and self.written[-1]["role"] == "assistant":
            role = "user"  # instructions cannot follow an answer, words of the user can
        super().add(role, content, None)

    def result(self, result: c.ToolResult, field: str) -> list[c.Part]:
        """Whole: its tool messages may have pictures."""
        content = self.content(result.parts, field) or ""
        if result.error:
            content = (
                f"Error: {content}" if isinstance(content, str) else [{"type": "text", "text": "Error:"}, *content]
            )
        self.written.append({"role": "tool", "tool_call_id": tool_id(result.id), "content": content})
        return []

    def assistant(self, turn: c.Turn) -> None:
        """Without a name; thoughts are a part of the content, at the models that read them again."""
        before = len(self.written)
        super().assistant(attrs.evolve(turn, name=None))
        thoughts = "".join(part.text for part in turn.parts if isinstance(part, c.Reasoning))
        if not thoughts or not self._thinks_anyway or len(self.written) == before:
            return
        said = self.written[-1]["content"]
        rest = [{"type": "text", "text": said}] if isinstance(said, str) else said or []
        self.written[-1]["content"] = [{"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}, *rest]


def clean_schema(schema: Any) -> Any:
    """``schema`` without what only validators need."""
    if isinstance(schema, list):
        return [clean_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _clean_member(name, value) for name, value in schema.items() if name not in _ONLY_FOR_VALIDATORS}


def _clean_member(name: str, value: Any) -> Any:
    if name in _VALUES:
        return value
    if name in _NAMES and isinstance(value, dict):
        return {each: clean_schema(schema) for each, schema in value.items()}
    return clean_schema(value)


class MistralWire(ChatWire):
    """See :class:`aigw.llm.wire.Wire`."""

    def request(self, call: c.Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        body = chat_body(call, self.server, _Messages)
        for tool in body.get("tools", ()):
            if isinstance(tool.get("function"), dict):
                function = tool["function"]
                tool["function"] = {**function, "parameters": clean_schema(function.get("parameters"))}
        if body.get("tool_choice") == "required":
            body["tool_choice"] = "any"
        return WireRequest(self.path(call.model), body)


class MistralEmbeddings:
    """See :class:`aigw.llm.wire.EmbeddingWire`."""

    _table: Table = {
        "metadata": To("metadata"),
        "output_dtype": To("output_dtype", one_of("float", "int8", "uint8", "binary", "ubinary")),
    }

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`. Vectors are always asked for as numbers."""
        if not all(isinstance(text, str) for text in call.inputs):
            raise BadRequest(
                f"input is not supported by provider {NAME}: it must be text, not lists of tokens",
                param="input",
                code="unsupported_parameter",
            )
        body: dict[str, Any] = {"model": call.model, "input": list(call.inputs)}
        if call.dimensions is not None:
            body["output_dimension"] = call.dimensions
        known = {name: value for name, value in call.options.items() if name in self._table and value is not None}
        return WireRequest(b"/embeddings", body | known)

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        data = fields.get("data") if isinstance(fields, dict) else None
        if not isinstance(data, list) or not all(_is_vector(each) for each in data):
            raise ValueError("no list of vectors")
        placed = sorted(enumerate(data), key=lambda each: _index(each[1], each[0]))
        model = fields.get("model")
        return Embeddings(
            tuple(each["embedding"] for _, each in placed),
            from_openai(fields.get("usage")),
            model if isinstance(model, str) and model else None,
        )

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return provider_error(status, headers, body)


def _is_vector(entry: Any) -> bool:
    vector = entry.get("embedding") if isinstance(entry, dict) else None
    return isinstance(vector, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in vector
    )


def _index(entry: dict[str, Any], place: int) -> int:
    index = entry.get("index")
    return index if type(index) is int else place


MISTRAL = Provider(
    name=NAME,
    genai_name="mistral_ai",
    default_url="https://api.mistral.ai/v1",
    paths={MODELS: "/models"},
    wire=MistralWire(SERVER),
    embedding_wire=MistralEmbeddings(),
)
