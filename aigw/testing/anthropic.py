"""What Anthropic sends for messages (API version 2023-06-01), after recorded traffic; on Vertex AI as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from aigw.testing.openai import event
from aigw.testing.said import BUSY, READ, Called, Said, fragments, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if request.path.endswith((b"/count_tokens", b"/count-tokens:rawPredict")):
            return whole({"input_tokens": READ})(request)
        meant = forced(said, fields.get("tool_choice"))
        if fields.get("stream") is True:
            return streamed(list(events(meant, fields)), b"text/event-stream; charset=utf-8")(request)
        return whole(message(meant, fields))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        failed = _event("error", error={"type": "overloaded_error", "message": BUSY})
        return streamed([*list(events(said, request.fields()))[:4], failed], b"text/event-stream")(request)

    return answered


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    inner = {"type": _KINDS.get(status, "api_error"), "message": BUSY}
    return whole({"type": "error", "error": inner, "request_id": "req_scripted"}, status)


def forced(said: Said, choice: Any) -> Said:
    """A model that has to call a tool calls it: what it would have said in JSON are the arguments."""
    if said.calls or not isinstance(choice, dict) or choice.get("type") != "tool":
        return said
    return Said(text="", calls=(Called("toolu_forced", choice["name"], orjson.loads(said.text)),))


def message(said: Said, fields: Fields) -> Fields:
    """The whole answer."""
    content: list[Fields] = []
    if said.thoughts:
        content.append({"type": "thinking", "thinking": said.thoughts, "signature": said.signature})
    if said.text:
        content.append({"type": "text", "text": said.text})
    content += [
        {"type": "tool_use", "id": called.id, "name": called.name, "input": called.arguments} for called in said.calls
    ]
    return {**_envelope(fields), "content": content, **_stop(said), "usage": _usage(said.written)}


def events(said: Said, fields: Fields) -> Iterator[bytes]:
    """The events of its stream."""
    begun = {**_envelope(fields), "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(1)}
    yield _event("message_start", message=begun)
    for index, (block, deltas) in enumerate(_blocks(said)):
        yield _event("content_block_start", index=index, content_block=block)
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event("message_delta", delta=_stop(said), usage={"output_tokens": said.written})
    yield _event("message_stop")


def _blocks(said: Said) -> Iterator[tuple[Fields, list[Fields]]]:
    if said.thoughts:
        deltas: list[Fields] = [{"type": "thinking_delta", "thinking": word} for word in said.thought_words]
        signed = {"type": "signature_delta", "signature": said.signature}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if said.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in said.words]
    for called in said.calls:
        block = {"type": "tool_use", "id": called.id, "name": called.name, "input": {}}
        told = fragments(called.json) if called.arguments else [""]
        yield block, [{"type": "input_json_delta", "partial_json": fragment} for fragment in told]


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _envelope(fields: Fields) -> Fields:
    return {"id": "msg_scripted", "type": "message", "role": "assistant", "model": fields.get("model") or "scripted"}


def _stop(said: Said) -> Fields:
    return {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}


def _usage(written: int) -> Fields:
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": READ, **cached, "output_tokens": written}
