"""Reading responses on their way through, without changing them: usage, model, errors, ends.

For a client and a backend that speak one dialect the response passes byte for byte, and a tap looks at it. What is
taken out is the extra chunk that ``stream_options.include_usage`` brings, where the gateway asked for it and the
client did not; and what the official SDKs break on, in the streams of known operations: a byte order mark, events
without data, bytes that are no UTF-8 (U+FFFD stands in for them).

An event that is too large to be kept passes unread, but for what is beside its long strings (:mod:`aigw.llm.skimming`).

A stream is read event by event, each one parsed: a model that *writes* ``"usage":{`` fools nobody. What would be
parsed most, chunks that differ from the one before in their text alone, is recognised by its :class:`ChunkFrame`
and not parsed again.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aigw.llm import events, lenient
from aigw.llm.errors import StreamError, choice_error, error_of, event_error, first_event_error
from aigw.llm.frames import NO_FRAME, ChunkFrame
from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from aigw.llm.usage import ANTHROPIC_COUNTS, Usage, from_anthropic, from_openai

__all__ = [
    "JsonTap",
    "StreamError",
    "StreamTap",
    "add_usage_option",
    "asks_for_usage",
    "first_event_error",
    "is_unreadable",
]

#: Operations whose streams can be asked for usage.
_HAVE_OPTION: Final = frozenset((CHAT, COMPLETIONS))

_BOM: Final = b"\xef\xbb\xbf"
#: A line that is no comment. An event without one is a sign of life, on which no SDK breaks.
_FIELD: Final = re.compile(rb"(?:^|[\r\n])[^:\r\n]")

#: Places in the end of a body at which its usage is looked for, from behind.
_MOST_PLACES: Final = 8

#: Bytes of text a token, for the estimate of what a broken stream has brought.
_BYTES_PER_TOKEN: Final = 4

#: Places in a body's end that are tried for its usage: each try reads all that is behind it.
_MOST_TRIES: Final = 16

#: Operations whose streams are events of JSON.
_STREAMED: Final = frozenset((CHAT, COMPLETIONS, MESSAGES, RESPONSES))

_TERMINAL: Final = ("response.completed", "response.incomplete", "response.failed")
_TERMINAL_KINDS: Final = frozenset([kind.encode() for kind in _TERMINAL])

#: What tells one response from another, and how long a text in it may be.
_NAMING: Final = ("id", "created_at", "model")
_LONGEST_NAME: Final = 256

#: Where a chunk's text is, in a choice's ``delta``.
_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")

#: Where it is in the delta of one of Anthropic's blocks.
_BLOCK_TEXTS: Final = ("text", "thinking", "partial_json")
#: What only Anthropic's usage has. Some servers have it beside OpenAI's counts, which then say it their own way.
_ANTHROPIC_COUNTS: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")


def asks_for_usage(fields: dict[str, Any], operation: str) -> bool:
    """Whether the gateway must ask for the usage of this stream, since the client has not."""
    if operation not in _HAVE_OPTION or fields.get("stream") is not True:
        return False
    options = fields.get("stream_options")
    return options is None or (isinstance(options, dict) and not options.get("include_usage"))


def add_usage_option(fields: dict[str, Any]) -> None:
    """Ask for it; the client's other stream options stay."""
    fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}


def is_unreadable(data: bytes, fields: Any) -> bool:
    """Whether something is lost with an event of a known operation.

    :param data: the event's data, neither empty nor ``[DONE]``.
    :param fields: the same as :func:`aigw.llm.lenient.peek` reads it.
    """
    return fields is None and data.strip() != b"null"


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

    def read(self, body: bytes) -> Any:
        """Read ``body``; what is not JSON says nothing.

        :returns: it, as JSON.
        """
        fields = lenient.peek(body)
        if isinstance(fields, dict):
            self._read_object(fields)
        self.error = error_of(fields) is not None and not (
            "choices" in fields or "output" in fields or "data" in fields
        )
        return fields

    def read_tail(self, tail: bytes) -> None:
        """Read the usage off the end of a body that was too large to keep; ``tail`` reaches to its last byte.

        Members of the outermost object, and only they, make an object again with a brace before them.
        """
        at = len(tail)
        for _ in range(_MOST_PLACES):
            at = tail.rfind(b'"usage"', 0, at)
            if at < 0:
                return
            fields = lenient.peek(b"{" + tail[at:])
            if isinstance(fields, dict):
                self._read_object(fields)
                return

    def _read_object(self, fields: dict[str, Any]) -> None:
        self.usage = _usage(fields.get("usage"), fields.get("type") == "message")
        model = fields.get("model")
        self.model = model if isinstance(model, str) and model else None


def _usage(told: Any, anthropic: bool) -> Usage | None:
    """The usage of a whole answer, of whichever dialect."""
    if isinstance(told, dict) and "input_tokens" in told:
        anthropic = anthropic or any(name in told for name in _ANTHROPIC_COUNTS)
    return from_anthropic(told) if anthropic else from_openai(told)


class StreamTap:
    """Reads a stream of events.

    :param hide_usage: take out the chunk that only brings usage.
    :ivar usage: as last told.
    :ivar model: the model that answers, as first told.
    :ivar done: the stream's own end was seen.
    :ivar error: an error event's object.
    :ivar malformed: an event was not JSON: something is lost. It was taken out, and so was all that came behind it,
        whatever pieces it came in, so that the stream cannot look complete.
    :ivar events: how many there were, comments too.
    :ivar pieces: how many of them brought text.
    :ivar output_bytes: the length of that text in UTF-8, as far as it was recognised.
    :ivar response: ``id``, ``created_at`` and ``model`` of a stream of responses, as first told; else empty.
    """

    __slots__ = (
        "_finished",
        "_frame",
        "_goes_on",
        "_hide",
        "_known",
        "_messages",
        "_note",
        "_told",
        "done",
        "error",
        "events",
        "malformed",
        "model",
        "output_bytes",
        "pieces",
        "response",
        "usage",
    )

    def __init__(self, operation: str, hide_usage: bool) -> None:
        # Plain functions: a bound method would tie the tap to itself, and every stream to the garbage collector.
        notes = {RESPONSES: StreamTap._note_response, MESSAGES: StreamTap._note_message}
        self._note = notes.get(operation, StreamTap._note_chunk)
        self._messages = operation == MESSAGES
        self._known = operation in _STREAMED
        # Behind an error nothing counts, least of all an end. Only responses tell by one more event that they failed.
        self._goes_on = operation == RESPONSES
        self._told: dict[str, Any] = {}
        self._hide = hide_usage
        self._frame = NO_FRAME
        self._finished = False
        self.usage: Usage | None = None
        self.model: str | None = None
        self.done = False
        self.error: dict[str, Any] | None = None
        self.malformed = False
        self.events = self.pieces = self.output_bytes = 0
        self.response: dict[str, Any] = {}

    @property
    def drops(self) -> bool:
        """Whether nothing more goes down to the client, whatever comes."""
        return self.malformed or (self.error is not None and self._known and not self._goes_on)

    @property
    def known(self) -> bool:
        """Whether it is a stream of an operation whose events are read."""
        return self._known

    def feed(self, run: bytes) -> bytes:
        """Look at a run of complete events; returns what the client is to get, the same object if that is all."""
        if self._known and not run.isascii():
            run = _readable(run, first=not self.events)
        size = self._frame.text_size(run)
        if size >= 0:
            self.events += 1
            self._note_text(size)
            return run
        return self._feed_slowly(run)

    def note_skimmed(self, event: bytes) -> None:
        """Note what an event says that was passed on as it came.

        :param event: without its long strings, perhaps only its beginning: of what cannot be read nobody says that it
            is malformed.
        """
        self._passes(event)
        self.malformed = False
        if self._goes_on and events.kind(event) in _TERMINAL_KINDS:
            self.done = True

    def finished_cleanly(self) -> bool:
        """Whether the stream was whole: its own end or, in chat and completions, a ``finish_reason`` was seen."""
        return self.done or self._finished

    def partial_usage(self) -> Usage:
        """The usage of a stream that was not completed: as told, or estimated from what was passed on.

        A piece of text is one token at OpenAI and its like, many at others, so the text's length counts as well.
        """
        told = self.usage
        if told is not None and (self.done or told.output):
            return told if self.done else told.cut()
        output = max(self.pieces, self.output_bytes // _BYTES_PER_TOKEN)
        return (told or Usage()).cut(output)

    # -- inside

    def _feed_slowly(self, run: bytes) -> bytes:
        kept = [event for event in events.split(run) if self._passes(event)]
        visible = b"".join(kept)
        return run if len(visible) == len(run) else visible

    def _passes(self, event: bytes) -> bool:
        """Note what an event says; returns whether the client is to see it."""
        if self.malformed:
            return False
        self.events += 1
        if self.error is not None and self._known and not self._goes_on:
            return False
        size = self._frame.text_size(event)
        if size >= 0:
            self._note_text(size)
            return True
        data = events.data(event)
        if data.strip() == b"[DONE]":
            self.done = self.done or not self._messages
            return True
        if not data.strip() and self._known:
            if not event.strip():
                self.events -= 1  # one more blank line is no event, and where it is cut off is chance
            return _FIELD.search(event) is None
        fields = lenient.peek(data)
        error = event_error(event, fields)
        if error is not None:
            self.error = error
            self._frame = NO_FRAME
        elif self._known and is_unreadable(data, fields):
            self.malformed = True
            self._frame = NO_FRAME
            return False
        if not isinstance(fields, dict):
            return True
        return self._note(self, event, fields, error is None)

    def _note_response(self, event: bytes, fields: dict[str, Any], well: bool) -> bool:
        kind, response, delta = fields.get("type"), fields.get("response"), fields.get("delta")
        if isinstance(response, dict):
            self._note_model(response)
            if not self.response:
                self.response = {name: response[name] for name in _NAMING if _is_short(response.get(name))}
            self.usage = from_openai(response.get("usage")) or self.usage
        elif isinstance(delta, str) and well:
            self._note_text(len(delta.encode()))
            self._frame = ChunkFrame.of(event) or self._frame
        if kind in _TERMINAL:
            self.done = True
            if kind == "response.failed" and self.error is None:
                self.error = error_of(response) or {"message": "the response failed"}
        return True

    def _note_message(self, event: bytes, fields: dict[str, Any], well: bool) -> bool:
        kind, delta, message = fields.get("type"), fields.get("delta"), fields.get("message")
        if kind == "content_block_delta" and isinstance(delta, dict) and well:
            self._note_text(_size(delta, _BLOCK_TEXTS))
            self._frame = ChunkFrame.of(event) or self._frame
        elif kind == "message_start" and isinstance(message, dict):
            self._note_model(message)
            # The output that is told here is a placeholder; what was passed on is nearer to the truth.
            self._note_counts(message.get("usage"), output_tokens=0)
        elif kind == "message_delta":
            self._note_counts(fields.get("usage"))
        elif kind == "message_stop":
            self.done = True
        return True

    def _note_counts(self, usage: Any, **instead: Any) -> None:
        """Lay what an event tells over what was told before: the counts are cumulative, never to be added."""
        if isinstance(usage, dict):
            self._told |= {name: usage[name] for name in ANTHROPIC_COUNTS if usage.get(name) is not None} | instead
            self.usage = from_anthropic(self._told) or self.usage

    def _note_chunk(self, event: bytes, fields: dict[str, Any], well: bool) -> bool:
        if self.model is None:
            self._note_model(fields)
        told = fields.get("usage")
        if told is None:
            told = _usage_elsewhere(fields)
        self.usage = from_openai(told) or self.usage
        choices = fields.get("choices")
        if isinstance(choices, list) and choices:
            finishes = self._note_choices(choices)
            if well and not finishes and told is None and self.error is None:
                self._frame = ChunkFrame.of(event) or self._frame
        return not (self._hide and well and choices == [] and isinstance(told, dict))

    def _note_choices(self, choices: list[Any]) -> bool:
        """Note the text of a chunk; returns whether a choice ends in it."""
        finishes = False
        for choice in choices:
            if isinstance(choice, dict):
                self._note_text(_text_size(choice))
                finishes = finishes or bool(choice.get("finish_reason"))
                self.error = self.error or choice_error(choice)
        if self.error is not None:
            self._frame = NO_FRAME
        self._finished = self._finished or finishes
        return finishes

    def _note_text(self, size: int) -> None:
        self.pieces += size > 0
        self.output_bytes += size

    def _note_model(self, fields: dict[str, Any]) -> None:
        model = fields.get("model")
        if self.model is None and isinstance(model, str) and model:
            self.model = model


def _usage_elsewhere(fields: dict[str, Any]) -> Any:
    """The usage of a chunk that has none where OpenAI has it: in ``x_groq``, or in its first choice (Moonshot)."""
    choices = fields.get("choices")
    places = [fields.get("x_groq"), choices[0] if isinstance(choices, list) and choices else None]
    return next((place["usage"] for place in places if isinstance(place, dict) and "usage" in place), None)


def _readable(run: bytes, *, first: bool) -> bytes:
    """``run`` as UTF-8; events are whole in it, and so are characters."""
    if first:
        run = run.removeprefix(_BOM)
    try:
        run.decode()
    except UnicodeDecodeError:
        return run.decode("utf-8", "replace").encode()
    return run


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _LONGEST_NAME)


def _text_size(choice: dict[str, Any]) -> int:
    """The length of the text in a chunk's choice: spoken, thought, or a tool's arguments."""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        text = choice.get("text")
        return len(text.encode()) if isinstance(text, str) else 0
    size = _size(delta, _TEXTS)
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        size += len(arguments.encode()) if isinstance(arguments, str) else 0
    return size


def _size(delta: dict[str, Any], names: tuple[str, ...]) -> int:
    return sum(len(text.encode()) for text in map(delta.get, names) if isinstance(text, str))
