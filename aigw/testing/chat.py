"""What OpenAI, Azure and compatible servers send for chats; for everything else that OpenAI has as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigw.testing import answers, responses
from aigw.testing.openai import DONE, event, operation
from aigw.testing.said import BUSY, READ, Called, Said, fragments, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        match operation(request.path):
            case "chat":
                return chat(said, request.fields())(request)
            case "responses":
                return responses.answer(said)(request)
        return answers.openai(said.text)(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        if operation(request.path) == "responses":
            return responses.failing(said)(request)
        pieces = [*events(said, request.fields())[:3], event({"error": {"message": BUSY, "type": "server_error"}})]
        return streamed(pieces, b"text/event-stream")(request)

    return answered


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    kinds = {429: ("requests", "rate_limit_exceeded"), 404: ("invalid_request_error", "model_not_found")}
    return answers.error(status, BUSY, *kinds.get(status, ("server_error", None)))


def chat(said: Said, fields: Fields) -> Answer:
    """The answer to a chat."""
    if fields.get("stream") is True:
        return streamed(events(said, fields), b"text/event-stream")
    message: Fields = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.thoughts:
        message["reasoning_content"] = said.thoughts
    if said.calls:
        message["tool_calls"] = [_call(called, called.json) for called in said.calls]
    choice: Fields = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(said)}
    return whole({**envelope("chat.completion", fields), "choices": [choice], "usage": usage(said)})


def events(said: Said, fields: Fields) -> list[bytes]:
    """The events of its stream, the usage where it is asked for."""
    options = fields.get("stream_options") or {}
    frame = envelope("chat.completion.chunk", fields)
    deltas: list[Fields] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"reasoning_content": word} for word in said.thought_words]
    deltas += [{"content": word} for word in said.words]
    for index, called in enumerate(said.calls):
        deltas.append({"tool_calls": [{"index": index, **_call(called, "")}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}
            for fragment in fragments(called.json)[1:]
        ]
    choices: list[Fields] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason(said)})
    chunks: list[Fields] = [{**frame, "choices": [choice]} for choice in choices]
    if options.get("include_usage"):
        chunks.append({**frame, "choices": [], "usage": usage(said)})
    return [*map(event, chunks), DONE]


def envelope(kind: str, fields: Fields) -> Fields:
    """What an answer and each of its chunks begin with."""
    return {
        "id": "chatcmpl-scripted",
        "object": kind,
        "created": 1727967462,
        "model": fields.get("model") or "scripted",
    }


def finish_reason(said: Said) -> str:
    """Why it ended."""
    return "tool_calls" if said.calls else "stop"


def usage(said: Said) -> Fields:
    """Its tokens."""
    return {
        "prompt_tokens": READ,
        "completion_tokens": said.written,
        "total_tokens": READ + said.written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(said.thought_words)},
    }


def _call(called: Called, arguments: str) -> Fields:
    return {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": arguments}}
