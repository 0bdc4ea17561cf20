"""The built-in provider's answers: OpenAI's shapes around an echo, the same at every run.

Chat and the like answer with what they were told, word by word in a stream; ``model = "error-429"`` answers with an
error of that status. Tokens are words, so usage counts, and ``max_tokens`` cuts. Only ids and the clock differ
between two calls.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Callable
from typing import Any

import attrs
import orjson

from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RESPONSES

_JSON = ((b"content-type", b"application/json"),)
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
_WORD = re.compile(r"\s*\S+")
_ERROR = re.compile(r"error-([45]\d\d)")
_DIMENSIONS = 8

_ERRORS = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


@attrs.frozen
class EchoReply:
    """An answer: a body, or the events of a stream."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None = None
    events: tuple[bytes, ...] | None = None


@attrs.frozen
class _Said:
    """What is echoed: the words, whether they were cut, and what was read to get them."""

    words: list[str]
    cut: bool
    read: int

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def finish(self) -> str:
        return "length" if self.cut else "stop"


def reply(operation: str, fields: dict[str, Any], *, now: float) -> EchoReply:
    """The answer to a call.

    :param fields: the request's body.
    :param now: Unix time, for ``created``.
    """
    model = str(fields.get("model") or "echo")
    refused = _ERROR.fullmatch(model)
    if refused:
        return _error(int(refused[1]), f"the model {model} answers with this error")
    make = _MAKERS.get(operation)
    if make is None:
        return _error(404, "the echo provider has chat, completions, embeddings, responses and models only")
    identity = hashlib.sha256(f"{now}{orjson.dumps(fields)!r}".encode()).hexdigest()[:24]
    return make(fields, model, identity, int(now))


def _error(status: int, message: str) -> EchoReply:
    kind, code = _ERRORS.get(status, ("server_error", "server_error"))
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = (*_JSON, (b"retry-after", b"1")) if status == 429 else _JSON
    return EchoReply(status, headers, orjson.dumps(body))


def _say(text: str, limit: Any, read: str) -> _Said:
    words = _WORD.findall(text)
    count = limit if isinstance(limit, int) and limit >= 0 else len(words)
    return _Said(words[:count], count < len(words), len(_WORD.findall(read)))


def _limit(fields: dict[str, Any]) -> Any:
    return fields.get("max_completion_tokens", fields.get("max_tokens"))


def _text_of(content: Any) -> str:
    """The text of a message's content, which may be a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    return ""


def _usage(said: _Said, times: int = 1) -> dict[str, Any]:
    written = len(said.words) * times
    return {
        "prompt_tokens": said.read,
        "completion_tokens": written,
        "total_tokens": said.read + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _event(fields: dict[str, Any], name: str = "") -> bytes:
    return (b"event: %s\n" % name.encode() if name else b"") + b"data: %s\n\n" % orjson.dumps(fields)


def _choices(fields: dict[str, Any]) -> int:
    n = fields.get("n")
    return n if isinstance(n, int) and 1 <= n <= 128 else 1


def _wants_usage(fields: dict[str, Any]) -> bool:
    options = fields.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


# -- chat


def _chat(fields: dict[str, Any], model: str, identity: str, now: int) -> EchoReply:
    messages = [message for message in fields.get("messages") or [] if isinstance(message, dict)]
    texts = [_text_of(message.get("content")) for message in messages]
    asked = [text for message, text in zip(messages, texts, strict=True) if message.get("role") == "user"]
    said = _say(asked[-1] if asked else "", _limit(fields), " ".join(texts))
    common = {"id": f"chatcmpl-{identity}", "created": now, "model": model, "system_fingerprint": "fp_echo"}
    tool = _forced_tool(fields)
    if fields.get("stream"):
        return EchoReply(200, _EVENTS, events=tuple(_chat_events(fields, said, common, tool)))
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
    if tool is not None:
        message |= {"content": None, "tool_calls": [tool]}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": said.finish}
        for index in range(_choices(fields))
    ]
    whole = {**common, "object": "chat.completion", "choices": choices, "usage": _usage(said, len(choices))}
    return EchoReply(200, _JSON, orjson.dumps(whole))


def _forced_tool(fields: dict[str, Any]) -> dict[str, Any] | None:
    """A call of the function that ``tool_choice`` forces, with no arguments."""
    choice = fields.get("tool_choice")
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        return None
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}


def _chat_events(
    fields: dict[str, Any], said: _Said, common: dict[str, Any], tool: dict[str, Any] | None
) -> list[bytes]:
    usage: dict[str, Any] = {"usage": None} if _wants_usage(fields) else {}

    def chunk(delta: dict[str, Any], index: int, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**common, "object": "chat.completion.chunk", "choices": [choice], **usage})

    events = []
    count = _choices(fields)
    for index in range(count):
        events.append(chunk({"role": "assistant", "content": "", "refusal": None}, index))
        if tool is not None:
            events.append(chunk({"tool_calls": [{"index": 0, **tool}]}, index))
        else:
            events += [chunk({"content": word}, index) for word in said.words]
        events.append(chunk({}, index, said.finish))
    if usage:
        last = {"object": "chat.completion.chunk", "choices": [], "usage": _usage(said, count)}
        events.append(_event({**common, **last}))
    return [*events, b"data: [DONE]\n\n"]


# -- legacy completions


def _completions(fields: dict[str, Any], model: str, identity: str, now: int) -> EchoReply:
    prompt = fields.get("prompt")
    prompts = [str(one) for one in prompt] if isinstance(prompt, list) else [str(prompt or "")]
    said = _say(" ".join(prompts), _limit(fields), " ".join(prompts))
    common = {"id": f"cmpl-{identity}", "object": "text_completion", "created": now, "model": model}

    def choice(text: str, finish: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}

    if not fields.get("stream"):
        whole = {**common, "choices": [choice(said.text, said.finish)], "usage": _usage(said)}
        return EchoReply(200, _JSON, orjson.dumps(whole))
    events = [_event({**common, "choices": [choice(word, None)]}) for word in said.words]
    events.append(_event({**common, "choices": [choice("", said.finish)]}))
    if _wants_usage(fields):
        events.append(_event({**common, "choices": [], "usage": _usage(said)}))
    return EchoReply(200, _EVENTS, events=(*events, b"data: [DONE]\n\n"))


# -- embeddings


def _embeddings(fields: dict[str, Any], model: str, identity: str, now: int) -> EchoReply:
    wanted = fields.get("input")
    inputs = wanted if isinstance(wanted, list) and not _is_tokens(wanted) else [wanted]
    dimensions = fields.get("dimensions")
    size = dimensions if isinstance(dimensions, int) and 1 <= dimensions <= 4096 else _DIMENSIONS
    as_text = fields.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(one, size, as_text)}
        for index, one in enumerate(inputs)
    ]
    read = sum(len(one) if isinstance(one, list) else len(_WORD.findall(str(one))) for one in inputs)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return EchoReply(200, _JSON, orjson.dumps({"object": "list", "data": data, "model": model, "usage": usage}))


def _is_tokens(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(one, int) for one in value)


def _vector(value: Any, size: int, as_text: bool) -> list[float] | str:
    """A unit-less vector that depends on ``value`` alone; little-endian float32 in base64 where asked for."""
    seed = orjson.dumps(value)
    digest = b"".join(hashlib.sha256(seed + bytes((n % 256, n // 256))).digest() for n in range(-(-size // 32)))
    numbers = [byte / 128 - 1 for byte in digest[:size]]
    return base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if as_text else numbers


# -- responses


def _responses(fields: dict[str, Any], model: str, identity: str, now: int) -> EchoReply:
    asked = fields.get("input")
    items = asked if isinstance(asked, list) else []
    texts = [_text_of(item.get("content")) for item in items if isinstance(item, dict)]
    last = asked if isinstance(asked, str) else (texts[-1] if texts else "")
    read = " ".join([str(fields.get("instructions") or ""), *(texts or [last])])
    said = _say(last, fields.get("max_output_tokens"), read)
    maker = _Response(fields, model, identity, now, said)
    if fields.get("stream"):
        return EchoReply(200, _EVENTS, events=tuple(maker.events()))
    return EchoReply(200, _JSON, orjson.dumps(maker.whole(done=True)))


class _Response:
    """One answer of the responses API, whole or as events with sequence numbers."""

    def __init__(self, fields: dict[str, Any], model: str, identity: str, now: int, said: _Said) -> None:
        self._fields, self._model, self._now, self._said = fields, model, now, said
        self._id, self._item_id = f"resp_{identity}", f"msg_{identity}"
        self._number = 0

    def whole(self, *, done: bool) -> dict[str, Any]:
        """The response object, finished or just begun."""
        said, fields = self._said, self._fields
        status = ("incomplete" if said.cut else "completed") if done else "in_progress"
        usage = {
            "input_tokens": said.read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": len(said.words),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.read + len(said.words),
        }
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._now,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if done and said.cut else None,
            "instructions": fields.get("instructions"),
            "max_output_tokens": fields.get("max_output_tokens"),
            "model": self._model,
            "output": [self._item(status)] if done else [],
            "parallel_tool_calls": True,
            "temperature": fields.get("temperature", 1.0),
            "tool_choice": fields.get("tool_choice", "auto"),
            "tools": fields.get("tools", []),
            "top_p": fields.get("top_p", 1.0),
            "metadata": fields.get("metadata", {}),
            "usage": usage if done else None,
        }

    def events(self) -> list[bytes]:
        """The stream, in the order that OpenAI's has (wire.md part 2.3)."""
        text = self._said.text
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        end = "response.incomplete" if self._said.cut else "response.completed"
        status = "incomplete" if self._said.cut else "completed"
        item = {**self._item("in_progress"), "content": []}
        return [
            self._event("response.created", response=self.whole(done=False)),
            self._event("response.in_progress", response=self.whole(done=False)),
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.content_part.added", **place, part=self._part("")),
            *(self._event("response.output_text.delta", **place, delta=word, logprobs=[]) for word in self._said.words),
            self._event("response.output_text.done", **place, text=text, logprobs=[]),
            self._event("response.content_part.done", **place, part=self._part(text)),
            self._event("response.output_item.done", output_index=0, item=self._item(status)),
            self._event(end, response=self.whole(done=True)),
        ]

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        return _event({"type": kind, "sequence_number": number, **fields}, kind)

    def _item(self, status: str) -> dict[str, Any]:
        content = [self._part(self._said.text)]
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


# -- models


def _models(fields: dict[str, Any], model: str, identity: str, now: int) -> EchoReply:
    entry = {"id": "echo", "object": "model", "created": now, "owned_by": "aigw"}
    return EchoReply(200, _JSON, orjson.dumps({"object": "list", "data": [entry]}))


_MAKERS: dict[str, Callable[[dict[str, Any], str, str, int], EchoReply]] = {
    CHAT: _chat,
    COMPLETIONS: _completions,
    EMBEDDINGS: _embeddings,
    RESPONSES: _responses,
    MODELS: _models,
}
