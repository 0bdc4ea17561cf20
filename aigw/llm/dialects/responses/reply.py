"""Answers of the Responses API: events in OpenAI's order, or one object.

An answer is a list of items. One is open at a time, but for calls of tools whose arguments come in turns: a call is
closed when another item begins and its arguments are whole, at the latest when the answer has ended. A whole answer
is what the stream's last event has, so that both always say the same.

A stream ends with the one event that tells how it ended: ``response.completed``, ``.incomplete`` or ``.failed``.
Behind the last of these comes an ``error`` as well: OpenAI's SDK raises on that one alone, Codex knows the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson

from aigw.llm import reply as r
from aigw.llm.dialects.openai_shapes import error_fields, responses_usage
from aigw.llm.dialects.responses import sealed
from aigw.llm.dialects.responses.output import CustomCall, EventWriter, FunctionCall, Item, Message, Thoughts
from aigw.llm.dialects.responses.tools import Toolbox
from aigw.llm.usage import Usage

_Kind = TypeVar("_Kind", bound=Item)

#: What OpenAI says of parameters that a request does not name.
_DEFAULTS: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}

#: Codes that a failed response may have: of those that OpenAI lists what a provider can mean, and what Codex acts on.
_CODES = frozenset(
    ("context_length_exceeded", "insufficient_quota", "invalid_prompt", "rate_limit_exceeded", "server_error")
)

#: Why an answer is incomplete, by why it ended.
_INCOMPLETE = {r.LENGTH: "max_output_tokens", r.CONTENT_FILTER: "content_filter", r.REFUSAL: "content_filter"}


class ResponsesWriter:
    """See :class:`aigw.llm.wire.Writer`.

    :param echo: what the response repeats of its request.
    :param toolbox: what the client calls its tools.
    """

    def __init__(self, model: str, echo: Mapping[str, Any], toolbox: Toolbox, answer_id: str, now: float) -> None:
        self._model = model
        self._echo = echo
        self._toolbox = toolbox
        self._answer_id = answer_id
        self._created = int(now)
        self._written = EventWriter()
        self._begun = False
        self._items: list[Item] = []
        #: Items that have not ended: what is said or thought, and the calls whose arguments may have become whole.
        self._open: Item | None = None
        self._argued: dict[int, FunctionCall] = {}
        self._calls: dict[int, FunctionCall] = {}
        self._reason = r.STOP
        self._usage: Usage | None = None

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`. A response is one answer, so there is one choice."""
        return b"".join([_WRITE[type(event)](self, event) for event in events if not getattr(event, "choice", 0)])

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        self.events(events)
        self._close_all()
        return orjson.dumps(self._response(self._status()))

    def failure(self, error: r.ProviderError) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        begin = self._begin()
        for item in self._items:
            item.cut()
        failed = self._response("failed", {"code": _code(error), "message": error.message})
        terminal = self._written.write("response.failed", {"response": failed})
        # The documentation has the error's members beside the type, the API itself has them in an object.
        flat = {"code": error.code, "message": error.message, "param": error.param}
        return begin + terminal + self._written.write("error", {**flat, "error": error_fields(error)})

    # -- the response

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = {"response": self._response("in_progress")}
        created = self._written.write("response.created", response)
        return created + self._written.write("response.in_progress", response)

    def _response(self, status: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
        reason = _INCOMPLETE.get(self._reason) if status == "incomplete" else None
        return {
            "id": f"resp_{self._answer_id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": reason} if reason is not None else None,
            "model": self._model,
            "output": [item.fields() for item in self._items],
            **_DEFAULTS,
            **self._echo,
            "usage": responses_usage(self._usage) if self._usage is not None else None,
        }

    def _status(self) -> str:
        """How the answer ended. A refusal in the model's own words is an answer."""
        if self._reason == r.REFUSAL and any(isinstance(item, Message) and item.refused for item in self._items):
            return "completed"
        return "incomplete" if self._reason in _INCOMPLETE else "completed"

    def _start(self, event: r.Start) -> bytes:
        if not self._begun and event.model:
            self._model = event.model
        return self._begin()

    def _note_usage(self, event: r.UsageTold) -> bytes:
        self._usage = event.usage
        return b""

    def _finish(self, event: r.Finish) -> bytes:
        self._reason = event.reason
        return self._begin() + self._close_all()

    def _end(self, event: r.End) -> bytes:
        ended = self._begin() + self._close_all()
        status = self._status()
        return ended + self._written.write(f"response.{status}", {"response": self._response(status)})

    # -- its items

    def _add(self, item: Item) -> bytes:
        ended = self._begin() + self._close_before()
        self._items.append(item)
        if not isinstance(item, FunctionCall):
            self._open = item
        return ended + item.open()

    def _close_before(self) -> bytes:
        """Close what cannot go on when another item begins."""
        closing: list[Item] = [call for call in self._argued.values() if call.whole]
        self._argued.clear()
        if self._open is not None:
            closing.append(self._open)
            self._open = None
        return b"".join([item.close() for item in sorted(closing, key=lambda item: item.index)])

    def _close_all(self) -> bytes:
        """Close what is open; the last item is what an incomplete answer broke off in."""
        last = len(self._items) - 1
        cut = self._status() == "incomplete"
        return b"".join([item.close(not cut or index < last) for index, item in enumerate(self._items)])

    def _last(self, kind: type[_Kind]) -> _Kind | None:
        """The last item, if it is of that kind and open."""
        last = self._items[-1] if self._items else None
        return last if isinstance(last, kind) and not last.closed else None

    def _message(self) -> tuple[bytes, Message]:
        message = self._last(Message)
        if message is not None:
            return b"", message
        message = Message(self._written, len(self._items), self._answer_id)
        return self._add(message), message

    def _say(self, event: r.TextDelta) -> bytes:
        begin, message = self._message()
        return begin + message.say(event.text)

    def _refuse(self, event: r.RefusalDelta) -> bytes:
        begin, message = self._message()
        return begin + message.refuse(event.text)

    def _cite(self, event: r.Citation) -> bytes:
        """A citation belongs to what is being said; one that comes too late for that has no place any more."""
        message, annotation = self._last(Message), _annotation(event.annotation)
        return message.cite(annotation) if message is not None and annotation is not None else b""

    def _think(self, event: r.ReasoningDelta) -> bytes:
        thoughts = self._last(Thoughts)
        if thoughts is not None and not thoughts.signed:
            return thoughts.think(event.text)
        thoughts = Thoughts(self._written, len(self._items), self._answer_id)
        return self._add(thoughts) + thoughts.think(event.text)

    def _sign(self, event: r.ReasoningSignature) -> bytes:
        thoughts = self._last(Thoughts)
        if thoughts is None:
            return self._hide(event.signature)
        thoughts.sign(event.signature)
        return b""

    def _hide(self, content: str) -> bytes:
        """An item of reasoning that only the provider can read."""
        return self._add(Thoughts(self._written, len(self._items), self._answer_id, content))

    def _call(self, event: r.ToolStart) -> bytes:
        signed = b""
        if event.signature is not None:
            signed = self._hide(sealed.call_signature(event.id, event.signature))
        declared = self._toolbox.name_in_front(event.name)
        kind = CustomCall if declared.custom else FunctionCall
        call = kind(self._written, len(self._items), self._answer_id, event.id, declared)
        self._calls[event.number] = call
        return signed + self._add(call)

    def _add_arguments(self, event: r.ToolArguments) -> bytes:
        call = self._calls.get(event.number)
        if call is None or call.closed:
            return b""
        self._argued[event.number] = call
        return call.add(event.fragment)


#: Not the writer's own: a table of its bound methods would know it, and be work for the garbage collector.
_WRITE: dict[type, Callable[[ResponsesWriter, Any], bytes]] = {
    r.Start: ResponsesWriter._start,
    r.TextDelta: ResponsesWriter._say,
    r.RefusalDelta: ResponsesWriter._refuse,
    r.Citation: ResponsesWriter._cite,
    r.ReasoningDelta: ResponsesWriter._think,
    r.ReasoningSignature: ResponsesWriter._sign,
    r.RedactedReasoning: lambda writer, event: writer._hide(sealed.redacted(event.data)),
    r.ToolStart: ResponsesWriter._call,
    r.ToolArguments: ResponsesWriter._add_arguments,
    r.Finish: ResponsesWriter._finish,
    r.UsageTold: ResponsesWriter._note_usage,
    r.Ping: lambda writer, event: b": ping\n\n",
    r.End: ResponsesWriter._end,
}


def _code(error: r.ProviderError) -> str:
    """The code of a failed response, which is one of a few."""
    if error.code in _CODES:
        return error.code
    if error.status == 429:
        return "rate_limit_exceeded"
    return "server_error" if error.status >= 500 else "invalid_prompt"


#: OpenAI's annotations, with what each must have and what stands in for it; typed clients refuse any other.
_ANNOTATIONS: Mapping[str, Mapping[str, Any]] = {
    "container_file_citation": {"container_id": "", "file_id": "", "filename": "", "start_index": 0, "end_index": 0},
    "file_citation": {"file_id": "", "filename": "", "index": 0},
    "file_path": {"file_id": "", "index": 0},
    "url_citation": {"url": "", "title": "", "start_index": 0, "end_index": 0},
}


def _annotation(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """A citation as responses have it: those of chats are inside of an object named by their type."""
    kind = told.get("type")
    members = _ANNOTATIONS.get(kind) if isinstance(kind, str) else None
    if members is None:
        return None
    inside = told.get(str(kind))
    given = inside if isinstance(inside, dict) else told
    return {**members, **{name: value for name, value in given.items() if value is not None}, "type": kind}
