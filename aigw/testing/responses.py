"""What OpenAI sends for responses, with tools and thoughts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aigw.testing.openai import event
from aigw.testing.said import BUSY, READ, Called, Said, fragments, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if fields.get("stream") is True:
            return streamed(_numbered(_events(said, fields)), b"text/event-stream")(request)
        return whole(_response(fields, "completed", said))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        failed = {"type": "error", "error": {"type": "server_error", "code": None, "message": BUSY, "param": None}}
        pieces = _numbered([*list(_events(said, request.fields()))[:5], failed])
        return streamed(pieces, b"text/event-stream")(request)

    return answered


def _numbered(events: Iterable[Fields]) -> list[bytes]:
    return [event({**each, "sequence_number": number}, each["type"]) for number, each in enumerate(events)]


def _response(fields: Fields, status: str, said: Said | None) -> Fields:
    usage = said and {
        "input_tokens": READ,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said.written,
        "output_tokens_details": {"reasoning_tokens": len(said.thought_words)},
        "total_tokens": READ + said.written,
    }
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 1727967462,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": fields.get("model") or "scripted",
        "output": list(_items(said)) if said else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": fields.get("tools") or [],
        "usage": usage,
    }


def _items(said: Said) -> Iterator[Fields]:
    if said.thoughts:
        summary = [{"type": "summary_text", "text": said.thoughts}]
        yield {"id": "rs_scripted", "type": "reasoning", "summary": summary, "encrypted_content": said.signature}
    if said.text:
        yield _message("completed", [_part(said.text)])
    for called in said.calls:
        yield _call(called, "completed", called.json)


def _message(status: str, content: list[Fields]) -> Fields:
    return {"id": "msg_scripted", "type": "message", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> Fields:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(called: Called, status: str, arguments: str) -> Fields:
    return {
        "id": f"fc_{called.id}",
        "type": "function_call",
        "status": status,
        "call_id": called.id,
        "name": called.name,
        "arguments": arguments,
    }


def _events(said: Said, fields: Fields) -> Iterator[Fields]:
    begun = _response(fields, "in_progress", None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(_items(said)):
        place = {"item_id": item["id"], "output_index": index}
        yield from _EVENTS[item["type"]](item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": _response(fields, "completed", said)}


def _added(item: Fields, place: Fields, **begun: Any) -> Fields:
    return {"type": "response.output_item.added", "output_index": place["output_index"], "item": {**item, **begun}}


def _reasoning_events(item: Fields, place: Fields) -> Iterator[Fields]:
    at, text = {**place, "summary_index": 0}, item["summary"][0]["text"]
    yield _added(item, place, summary=[])
    yield {"type": "response.reasoning_summary_part.added", **at, "part": {"type": "summary_text", "text": ""}}
    yield {"type": "response.reasoning_summary_text.delta", **at, "delta": text}
    yield {"type": "response.reasoning_summary_text.done", **at, "text": text}
    yield {"type": "response.reasoning_summary_part.done", **at, "part": item["summary"][0]}


def _message_events(item: Fields, place: Fields) -> Iterator[Fields]:
    at, (part,) = {**place, "content_index": 0}, item["content"]
    yield _added(item, place, status="in_progress", content=[])
    yield {"type": "response.content_part.added", **at, "part": _part("")}
    for fragment in fragments(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": fragment, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _call_events(item: Fields, place: Fields) -> Iterator[Fields]:
    yield _added(item, place, status="in_progress", arguments="")
    for fragment in fragments(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": fragment}
    yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}


_EVENTS = {"reasoning": _reasoning_events, "message": _message_events, "function_call": _call_events}
