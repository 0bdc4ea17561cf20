"""What Mistral sends, after recorded traffic: like OpenAI, but for thoughts in ``content``, whole calls and usage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigw.testing import answers
from aigw.testing.chat import envelope, finish_reason, usage
from aigw.testing.openai import DONE, event, operation
from aigw.testing.said import BUSY, VECTOR, Called, Said, inputs, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]

_CODES = {400: ("invalid_request_error", "3051"), 404: ("invalid_model", "1500"), 429: ("rate_limited", "1300")}


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if operation(request.path) == "embeddings":
            return whole(_embeddings(fields))(request)
        if operation(request.path) != "chat":
            return answers.openai(said.text)(request)
        if fields.get("stream") is True:
            return streamed(events(said, fields), b"text/event-stream; charset=utf-8")(request)
        choice = {"index": 0, "message": _message(said), "finish_reason": finish_reason(said)}
        return whole({**envelope("chat.completion", fields), "choices": [choice], "usage": _usage(said)})(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        failed = {"object": "error", "message": BUSY, "type": "internal_server_error", "param": None, "code": "3000"}
        pieces = [*events(said, request.fields())[:3], event(failed)]
        return streamed(pieces, b"text/event-stream")(request)

    return answered


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    kind, code = _CODES.get(status, ("internal_server_error", "3000"))
    return whole({"object": "error", "message": BUSY, "type": kind, "param": None, "code": code}, status)


def events(said: Said, fields: Fields) -> list[bytes]:
    """The events of its stream; the last chunk has the last call, the reason and the usage all at once."""
    deltas: list[Fields] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": [_thinking(word)]} for word in said.thought_words]
    deltas += [{"content": word} for word in said.words]
    if said.calls:
        deltas.append({"content": "", "tool_calls": _calls(said.calls)})
    *before, last = deltas
    frame = {**envelope("chat.completion.chunk", fields), "p": "abcdefgh"}
    chunks = [{**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in before]
    choice = {"index": 0, "delta": last, "finish_reason": finish_reason(said)}
    return [*map(event, chunks), event({**frame, "choices": [choice], "usage": _usage(said)}), DONE]


def _embeddings(fields: Fields) -> Fields:
    count = inputs(fields, "input")
    data = [{"object": "embedding", "embedding": list(VECTOR), "index": index} for index in range(count)]
    told = {"prompt_tokens": 4 * count, "total_tokens": 4 * count, "completion_tokens": 0}
    return {**envelope("list", fields), "data": data, "usage": told}


def _message(said: Said) -> Fields:
    text = {"type": "text", "text": said.text}
    content: Any = [_thinking(said.thoughts), text] if said.thoughts else said.text
    return {"role": "assistant", "content": content, "tool_calls": _calls(said.calls) if said.calls else None}


def _thinking(text: str) -> Fields:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _calls(calls: tuple[Called, ...]) -> list[Fields]:
    return [
        {"index": index, "id": called.id, "function": {"name": called.name, "arguments": called.json}}
        for index, called in enumerate(calls)
    ]


def _usage(said: Said) -> Fields:
    return {name: value for name, value in usage(said).items() if not name.endswith("_details")}
