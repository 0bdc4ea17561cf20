"""What Cohere answers, as events (https://docs.cohere.com/v2/docs/streaming): streams and whole messages.

A stream's events name their type in the data. Text and thoughts are blocks of content, a plan for calling tools is
told before the calls; citations come behind the text that they are about.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, is_harmless
from aigw.llm.providers.openai_chat.calls import made_up_id
from aigw.llm.providers.openai_chat.errors import stream_error
from aigw.llm.usage import from_cohere

_REASONS = {
    "COMPLETE": r.STOP,
    "ERROR_LIMIT": r.LENGTH,
    "ERROR_TOXIC": r.CONTENT_FILTER,
    "MAX_TOKENS": r.LENGTH,
    "STOP_SEQUENCE": r.STOP_SEQUENCE,
    "TOOL_CALL": r.TOOL_CALLS,
}
#: Reasons that are no ends of an answer.
_FAILURES = {"ERROR": (502, "server_error"), "TIMEOUT": (504, "timeout_error"), "USER_CANCEL": (502, "server_error")}

_NO_MESSAGE = r.ProviderError(502, "server_error", "the provider's answer is no message", "invalid_answer")


class CohereReader:
    """See :class:`aigw.llm.wire.Reader`.

    :param names: what tools are really called whose names do not fit.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._calls = 0
        self._argued = True
        self._seed = ""

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        fields = lenient.loads(frame.data)
        if not isinstance(fields, dict):
            return () if fields is not None or is_harmless(frame) else (r.Failed(r.NOT_JSON),)
        kind = fields.get("type")
        read = _EVENTS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            return read(self, _object(fields.get("delta")), fields)
        failed = (
            frame.kind == b"error" or kind == "error" or (kind is None and ("message" in fields or "error" in fields))
        )
        return (r.Failed(stream_error(fields)),) if failed else ()

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`. Only ``message-end`` is an end."""
        return ()

    def whole(self, fields: Any) -> Iterator[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        message = fields.get("message") if isinstance(fields, dict) else None
        if not isinstance(message, dict):
            known = isinstance(fields, dict) and (isinstance(message, str) or "error" in fields)
            yield r.Failed(stream_error(fields) if known else _NO_MESSAGE)
            return
        yield r.Start(_text(fields.get("id")) or None)
        yield from self._thought(message.get("tool_plan"))
        content = message.get("content")
        for block in _objects([{"text": content}] if isinstance(content, str) else content):
            yield from self._content(block)
        for citation in _objects(message.get("citations")):
            yield r.Citation(annotation_of(citation))
        for call in _objects(message.get("tool_calls")):
            yield from self._call(call)
            yield from self._call_end({}, {})
        yield from self._message_end(fields, fields)

    # -- events

    def _message_start(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        return (r.Start(_text(fields.get("id")) or None),)

    def _content_delta(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        return self._content(_object(_object(delta.get("message")).get("content")))

    def _content(self, block: dict[str, Any]) -> Iterable[r.Event]:
        text = block.get("text")
        if isinstance(text, str) and text:
            return (r.TextDelta(text),)
        return self._thought(block.get("thinking"))

    def _thought(self, text: Any) -> Iterable[r.Event]:
        return (r.ReasoningDelta(text),) if isinstance(text, str) and text else ()

    def _plan(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        return self._thought(_object(delta.get("message")).get("tool_plan"))

    def _call_start(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterator[r.Event]:
        yield from self._call_end({}, {})
        yield from self._call(_call_in(delta))

    def _call(self, call: dict[str, Any]) -> Iterator[r.Event]:
        function = _object(call.get("function"))
        number, self._calls = self._calls, self._calls + 1
        self._seed = self._seed or uuid.uuid4().hex
        call_id = _text(call.get("id")) or made_up_id(self._seed, 0, number)
        self._argued = False
        name = _text(function.get("name"))
        yield r.ToolStart(number, call_id, self._names.get(name, name) or "unknown")
        yield from self._arguments(function.get("arguments"))

    def _call_delta(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        return self._arguments(_object(_call_in(delta).get("function")).get("arguments"))

    def _arguments(self, given: Any) -> Iterable[r.Event]:
        fragment = lenient.dumps(given) if isinstance(given, dict) else _text(given)
        if not fragment or not self._calls:
            return ()
        self._argued = True
        return (r.ToolArguments(self._calls - 1, fragment),)

    def _call_end(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        if self._argued:
            return ()
        return self._arguments("{}")

    def _citation(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterable[r.Event]:
        citations = _object(delta.get("message")).get("citations")
        each = _objects(citations if isinstance(citations, list) else [citations])
        return [r.Citation(annotation_of(citation)) for citation in each]

    def _message_end(self, delta: dict[str, Any], fields: dict[str, Any]) -> Iterator[r.Event]:
        yield from self._call_end({}, {})
        usage = from_cohere(delta.get("usage"))
        if usage is not None:
            yield r.UsageTold(usage)
        reason, complaint = _text(delta.get("finish_reason")), _text(delta.get("error"))
        if reason in _FAILURES or complaint:
            status, kind = _FAILURES.get(reason, _FAILURES["ERROR"])
            message = complaint or f"the provider broke off: {reason}"
            yield r.Failed(r.ProviderError(status, kind, message, reason.lower() or None))
            return
        yield r.finish(reason, _REASONS)
        yield r.End()


_EVENTS: dict[str, Callable[[CohereReader, dict[str, Any], dict[str, Any]], Iterable[r.Event]]] = {
    "citation-start": CohereReader._citation,
    "content-delta": CohereReader._content_delta,
    "content-start": CohereReader._content_delta,
    "message-end": CohereReader._message_end,
    "message-start": CohereReader._message_start,
    "tool-call-delta": CohereReader._call_delta,
    "tool-call-end": CohereReader._call_end,
    "tool-call-start": CohereReader._call_start,
    "tool-plan-delta": CohereReader._plan,
}


def annotation_of(citation: dict[str, Any]) -> dict[str, Any]:
    """A citation as one of OpenAI's annotations: a page of the web as they have it, others after that pattern."""
    begin, end = citation.get("start"), citation.get("end")
    for source in _objects(citation.get("sources")):
        document = _object(source.get("document"))
        if isinstance(document.get("url"), str):
            place = {"url": document["url"], "title": _text(document.get("title"))}
            return {"type": "url_citation", "url_citation": {**place, "start_index": begin, "end_index": end}}
    rest = {name: value for name, value in citation.items() if name not in ("start", "end")}
    return {"type": "citation", "citation": {**rest, "start_index": begin, "end_index": end}}


def _call_in(delta: dict[str, Any]) -> dict[str, Any]:
    """The call that an event is about: an object, though its name is plural."""
    calls = _object(delta.get("message")).get("tool_calls")
    return _object(calls[0] if isinstance(calls, list) and calls else calls)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
