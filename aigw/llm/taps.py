"""Reading responses on their way through, without changing them: usage, model, errors, ends.

For a client and a backend that speak one dialect the response passes byte for byte. These taps look at it: a search
for bytes decides whether an event is worth parsing, a parse decides what it says, so that a model that *writes*
``"usage":{`` fools nobody. The one thing that is taken out is the extra chunk that ``stream_options.include_usage``
brings, where the gateway asked for it and the client did not.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import attrs
import orjson

from aigw.llm.operations import CHAT, COMPLETIONS, RESPONSES
from aigw.llm.usage import Usage, from_openai

#: Operations whose streams can be asked for usage.
_HAVE_OPTION = frozenset((CHAT, COMPLETIONS))

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINES = re.compile(rb"\r\n|\n|\r")
_TERMINAL = (b"response.completed", b"response.incomplete", b"response.failed")

#: Error codes and types to statuses, for errors that came without one (wire.md: OpenAI's and Anthropic's words).
_STATUSES = (
    ("rate_limit", 429),
    ("insufficient_quota", 429),
    ("overloaded", 529),
    ("authentication", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("invalid_request", 400),
    ("context_length", 400),
    ("timeout", 504),
)


def asks_for_usage(fields: dict[str, Any], operation: str) -> bool:
    """Whether the gateway must ask for the usage of this stream, since the client has not."""
    if operation not in _HAVE_OPTION or fields.get("stream") is not True:
        return False
    options = fields.get("stream_options")
    return options is None or (isinstance(options, dict) and not options.get("include_usage"))


def add_usage_option(fields: dict[str, Any]) -> None:
    """Ask for it; the client's other stream options stay."""
    fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}


class JsonTap:
    """Reads a whole JSON response.

    :ivar usage: if it has one.
    :ivar model: the model that answered.
    :ivar error: whether it is an error object.
    """

    __slots__ = ("error", "model", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model: str | None = None
        self.error = False

    def read(self, body: bytes) -> None:
        """Read ``body``; what is not JSON says nothing."""
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        if isinstance(fields, dict):
            self.usage = from_openai(fields.get("usage"))
            model = fields.get("model")
            self.model = model if isinstance(model, str) else None
            self.error = bool(fields.get("error")) and "choices" not in fields and "output" not in fields

    def read_tail(self, tail: bytes) -> None:
        """Read the usage off the end of a body that was too large to keep."""
        for match in reversed(list(_USAGE.finditer(tail))):
            usage = _object_at(tail, match.end() - 1)
            if usage is not None:
                self.usage = from_openai(usage)
                return


def _object_at(text: bytes, start: int) -> Any:
    """The JSON object that begins at ``start``."""
    end = text.find(b"}", start)
    while end >= 0:
        try:
            return orjson.loads(text[start : end + 1])
        except orjson.JSONDecodeError:
            end = text.find(b"}", end + 1)
    return None


@attrs.frozen
class StreamError:
    """A stream's first event that is an error, as the answer it should have been."""

    status: int
    body: bytes


def first_event_error(event: bytes) -> StreamError | None:
    """The error that ``event`` is; None for any other event."""
    if b"error" not in event:
        return None
    fields = _data_of(event)
    if not isinstance(fields, dict) or "choices" in fields:
        return None
    error = _error_of(fields)
    if error is None:
        return None
    body = {"error": error} if not isinstance(fields.get("error"), dict | str) else {"error": fields["error"]}
    return StreamError(_status_of(error), orjson.dumps(body))


def _error_of(fields: dict[str, Any]) -> dict[str, Any] | None:
    error = fields.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str) and error:
        return {"message": error, "type": None, "code": fields.get("code"), "param": None}
    if fields.get("type") == "error":
        return {name: value for name, value in fields.items() if name not in ("type", "sequence_number")}
    return None


def _status_of(error: dict[str, Any]) -> int:
    for name in ("status", "code"):
        number = error.get(name)
        if isinstance(number, int | str) and str(number).isdigit() and 400 <= int(number) <= 599:
            return int(number)
    words = f"{error.get('code')} {error.get('type')}"
    return next((status for word, status in _STATUSES if word in words), 500)


def _data_of(event: bytes) -> Any:
    """The JSON in an event's data; None if there is none."""
    data = [line[5:].lstrip(b" ") for line in _LINES.split(event) if line.startswith(b"data:")]
    try:
        return orjson.loads(b"\n".join(data)) if data else None
    except orjson.JSONDecodeError:
        return None


class StreamTap:
    """Reads a stream of events.

    :param hide_usage: take out the chunk that only brings usage.
    :ivar usage: as last told.
    :ivar model: the model that answers.
    :ivar done: the stream's own end was seen.
    :ivar error: an error event's object.
    :ivar events: how many there were.
    """

    def __init__(self, operation: str, hide_usage: bool) -> None:
        self._responses = operation == RESPONSES
        self._hide = hide_usage
        self._latest: deque[bytes] = deque(maxlen=4)
        self.usage: Usage | None = None
        self.model: str | None = None
        self.done = False
        self.error: dict[str, Any] | None = None
        self.events = 0

    def feed(self, run: bytes) -> bytes:
        """Look at a run of complete events; returns what the client is to get, the same object if that is all."""
        self.events += run.count(b"\n\n") or 1
        self._latest.append(run)
        if self.model is None:
            self._learn_model(run)
        if b'"usage"' in run and _USAGE.search(run) is not None:
            return self._look_at_each(run)
        if b"error" in run or b"[DONE]" in run or (self._responses and b"response." in run):
            return self._look_at_each(run)
        return run

    def finished_cleanly(self) -> bool:
        """Whether the stream was whole: its own end, or a ``finish_reason``, was seen."""
        if self.done or self._responses:
            return self.done
        return any(self._finishes(event) for run in self._latest for event in _split(run))

    def partial_usage(self) -> Usage:
        """The usage of a stream that was not completed: as told, or estimated from what was passed on.

        OpenAI and its like send about one token an event, after a first one that has only the role.
        """
        if self.usage is not None:
            return self.usage if self.done else attrs.evolve(self.usage, partial=True)
        return Usage(output=max(0, self.events - 1), partial=True)

    # -- inside

    def _learn_model(self, run: bytes) -> None:
        for event in _split(run):
            fields = _data_of(event)
            if isinstance(fields, dict):
                inner = fields.get("response")
                model = inner.get("model") if isinstance(inner, dict) else fields.get("model")
                if isinstance(model, str) and model:
                    self.model = model
                    return

    def _look_at_each(self, run: bytes) -> bytes:
        kept = [event for event in _split(run) if not self._look_at(event)]
        visible = b"".join(kept)
        return run if len(visible) == len(run) else visible

    def _look_at(self, event: bytes) -> bool:
        """Note what an event says; returns whether it is to be hidden."""
        if _is_done(event):
            self.done = True
            return False
        fields = _data_of(event)
        if not isinstance(fields, dict):
            return False
        if self._responses:
            self._look_at_response(fields)
            return False
        if "choices" not in fields or fields.get("error"):
            self.error = _error_of(fields) or self.error
        usage = from_openai(fields.get("usage"))
        if usage is None:
            return False
        self.usage = usage
        return self._hide and fields.get("choices") == []

    def _look_at_response(self, fields: dict[str, Any]) -> None:
        kind = fields.get("type")
        if kind == "error":
            self.error = fields
        elif isinstance(kind, str) and kind.encode() in _TERMINAL:
            self.done = True
            response = fields.get("response")
            if isinstance(response, dict):
                self.usage = from_openai(response.get("usage")) or self.usage

    def _finishes(self, event: bytes) -> bool:
        fields = _data_of(event)
        choices = fields.get("choices") if isinstance(fields, dict) else None
        return isinstance(choices, list) and any(
            isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
        )


def _split(run: bytes) -> list[bytes]:
    events, start = [], 0
    for match in _EVENT_END.finditer(run):
        events.append(run[start : match.end()])
        start = match.end()
    if start < len(run):
        events.append(run[start:])
    return events


def _is_done(event: bytes) -> bool:
    return b"[DONE]" in event and any(
        line[:5] == b"data:" and line[5:].strip() == b"[DONE]" for line in _LINES.split(event)
    )
