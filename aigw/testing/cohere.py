"""What Cohere sends (API v2), after recorded traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aigw.testing.openai import DONE, event
from aigw.testing.said import BUSY, READ, VECTOR, Called, Said, fragments, inputs, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if request.path.endswith(b"/embed"):
            return whole(_embeddings(inputs(fields, "texts", "inputs")))(request)
        if fields.get("stream") is True:
            return streamed([*events(said), DONE], b"text/event-stream")(request)
        return whole(body(said))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""
    ended = {"finish_reason": "ERROR", "error": BUSY, "usage": {}}
    return streamed([*list(events(said))[:4], _event("message-end", delta=ended)], b"text/event-stream")


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    return whole({"id": "scripted", "message": BUSY}, status)


def _embeddings(count: int) -> Fields:
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4 * count}}
    return {"id": "scripted", "embeddings": {"float": [list(VECTOR)] * count}, "texts": [], "meta": meta}


def body(said: Said) -> Fields:
    """The whole answer."""
    content: list[Fields] = [{"type": "thinking", "thinking": said.thoughts}] if said.thoughts else []
    content += [{"type": "text", "text": said.text}] if said.text else []
    message: Fields = {"role": "assistant", "content": content}
    if said.calls:
        message["tool_plan"] = ""
        message["tool_calls"] = [_call(called, called.json) for called in said.calls]
    return {"id": "scripted", "message": message, **_end(said)}


def events(said: Said) -> Iterator[bytes]:
    """The events of its stream."""
    opening = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _event("message-start", id="scripted", delta={"message": opening})
    blocks = [("thinking", said.thought_words), ("text", said.words)]
    for index, (kind, told) in enumerate((kind, told) for kind, told in blocks if told):
        yield _event("content-start", index=index, delta={"message": {"content": {"type": kind, kind: ""}}})
        for word in told:
            yield _event("content-delta", index=index, delta={"message": {"content": {kind: word}}})
        yield _event("content-end", index=index)
    for index, called in enumerate(said.calls):
        yield _event("tool-call-start", index=index, delta={"message": {"tool_calls": _call(called, "")}})
        for fragment in fragments(called.json):
            told_call = {"function": {"arguments": fragment}}
            yield _event("tool-call-delta", index=index, delta={"message": {"tool_calls": told_call}})
        yield _event("tool-call-end", index=index)
    yield _event("message-end", id="scripted", delta=_end(said))


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _call(called: Called, arguments: str) -> Fields:
    return {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": arguments}}


def _end(said: Said) -> Fields:
    tokens = {"input_tokens": READ, "output_tokens": said.written}
    reason = "TOOL_CALL" if said.calls else "COMPLETE"
    return {"finish_reason": reason, "usage": {"billed_units": tokens, "tokens": tokens}}
