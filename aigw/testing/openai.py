"""What OpenAI sends: bodies and events for a request's path and fields. Plain data, no network.

The shapes follow recorded traffic: a role chunk first, ``[DONE]`` last, the usage chunk only when asked for
and then ``"usage": null`` in all the others, numbered events on ``/responses``.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson

#: What the answers say unless told otherwise.
TEXT = "Hello from the scripted upstream."
#: The model that is named where a request names none.
MODEL = "gpt-4o-2024-08-06"
_CREATED = 1727967462
_ENDINGS = (
    (b"/chat/completions", "chat"),
    (b"/completions", "completions"),
    (b"/responses", "responses"),
    (b"/embeddings", "embeddings"),
    (b"/models", "models"),
)


def event(data: object, kind: str = "") -> bytes:
    """One server-sent event; ``data`` as JSON unless it is bytes."""
    raw = data if isinstance(data, bytes) else orjson.dumps(data)
    return (b"event: %s\n" % kind.encode() if kind else b"") + b"data: " + raw + b"\n\n"


DONE = event(b"[DONE]")


def operation(path: bytes) -> str:
    """The API call that a path asks for; ``""`` for none of those known here."""
    for ending, name in _ENDINGS:
        if path.endswith(ending):
            return name
    return "model" if b"/models/" in path else ""


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """An error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def body_for(path: bytes, fields: dict[str, Any], text: str = TEXT) -> dict[str, Any] | None:
    """The whole answer; None for a path that OpenAI does not have."""
    model = fields.get("model") or MODEL
    match operation(path):
        case "chat":
            message = {"role": "assistant", "content": text, "refusal": None}
            return _completed("chatcmpl", "chat.completion", model, {"message": message}, text)
        case "completions":
            return _completed("cmpl", "text_completion", model, {"text": text}, text)
        case "responses":
            return _response(model, text)
        case "embeddings":
            return _embeddings(fields, model)
        case "models":
            return {"object": "list", "data": [_model(MODEL), _model("gpt-4o")]}
        case "model":
            return _model(path.rpartition(b"/models/")[2].decode())
    return None


def events_for(path: bytes, fields: dict[str, Any], text: str = TEXT) -> list[bytes]:
    """The events of the stream that says ``text``, ``[DONE]`` included where the operation has it."""
    model = fields.get("model") or MODEL
    options = fields.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    match operation(path):
        case "responses":
            return _response_events(model, text)
        case "completions":
            return _completion_events(model, text, usage)
    return _chat_events(model, text, usage)


def words(text: str) -> list[str]:
    """The text in the pieces that a stream brings it in; joined they are the text."""
    first, *rest = text.split(" ")
    return [first, *(" " + word for word in rest)]


def _envelope(prefix: str, kind: str, model: str) -> dict[str, Any]:
    return {
        "id": f"{prefix}-scripted",
        "object": kind,
        "created": _CREATED,
        "model": model,
        "system_fingerprint": None,
    }


def _completed(prefix: str, kind: str, model: str, content: dict[str, Any], text: str) -> dict[str, Any]:
    choice = {"index": 0, **content, "logprobs": None, "finish_reason": "stop"}
    return {**_envelope(prefix, kind, model), "choices": [choice], "usage": _usage(text)}


def _usage(text: str) -> dict[str, Any]:
    output = len(words(text))
    return {
        "prompt_tokens": 9,
        "completion_tokens": output,
        "total_tokens": 9 + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _chat_events(model: str, text: str, usage: bool) -> list[bytes]:
    opening = {"delta": {"role": "assistant", "content": "", "refusal": None}}
    pieces: list[dict[str, Any]] = [opening, *({"delta": {"content": word}} for word in words(text))]
    return _events(_envelope("chatcmpl", "chat.completion.chunk", model), pieces, {"delta": {}}, text, usage)


def _completion_events(model: str, text: str, usage: bool) -> list[bytes]:
    pieces = [{"text": word} for word in words(text)]
    return _events(_envelope("cmpl", "text_completion", model), pieces, {"text": ""}, text, usage)


def _events(
    envelope: dict[str, Any], pieces: list[dict[str, Any]], last: dict[str, Any], text: str, usage: bool
) -> list[bytes]:
    """One event a piece, the finishing one, the usage where asked for, ``[DONE]``."""
    choices = [{"index": 0, **piece, "logprobs": None, "finish_reason": None} for piece in pieces]
    choices.append({"index": 0, **last, "logprobs": None, "finish_reason": "stop"})
    unknown = {"usage": None} if usage else {}
    chunks = [{**envelope, "choices": [choice], **unknown} for choice in choices]
    if usage:
        chunks.append({**envelope, "choices": [], "usage": _usage(text)})
    return [*map(event, chunks), DONE]


def _embeddings(fields: dict[str, Any], model: str) -> dict[str, Any]:
    given = fields.get("input")
    count = len(given) if isinstance(given, list) and given and not isinstance(given[0], int) else 1
    vector = [0.5, -0.25, 0.125]
    packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    value = packed if fields.get("encoding_format") == "base64" else vector
    data = [{"object": "embedding", "index": index, "embedding": value} for index in range(count)]
    usage = {"prompt_tokens": 4 * count, "total_tokens": 4 * count}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "scripted"}


def _response(model: str, text: str | None) -> dict[str, Any]:
    """A response object: complete with its text, or begun without one."""
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": _CREATED,
        "status": "in_progress" if text is None else "completed",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [] if text is None else [_message(text)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if text is None else _response_usage(text),
    }


def _response_usage(text: str) -> dict[str, Any]:
    output = len(words(text))
    return {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9 + output,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _message(text: str | None) -> dict[str, Any]:
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "status": "in_progress" if text is None else "completed",
        "content": [] if text is None else [_part(text)],
    }


def _response_events(model: str, text: str) -> list[bytes]:
    part = {"item_id": "msg_scripted", "output_index": 0, "content_index": 0}
    begun = {"response": _response(model, None)}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("created", begun),
        ("in_progress", begun),
        ("output_item.added", {"output_index": 0, "item": _message(None)}),
        ("content_part.added", {**part, "part": _part("")}),
        *(("output_text.delta", {**part, "delta": word, "logprobs": []}) for word in words(text)),
        ("output_text.done", {**part, "text": text, "logprobs": []}),
        ("content_part.done", {**part, "part": _part(text)}),
        ("output_item.done", {"output_index": 0, "item": _message(text)}),
        ("completed", {"response": _response(model, text)}),
    ]
    return [
        event({"type": f"response.{name}", "sequence_number": number, **fields}, f"response.{name}")
        for number, (name, fields) in enumerate(steps)
    ]
