"""Server-sent events: finding where one ends and the next begins, without changing a byte.

The format is the HTML standard's "event stream interpretation" (section 9.2.6): lines end in CR, LF or CRLF, a blank
line ends an event. :class:`EventFramer` cuts a stream of arbitrary pieces into runs of complete events; what it gives
out, joined, is what came in. Nothing is decoded: all structural bytes are ASCII, so UTF-8 passes untouched. Lines are
never split by ``str.splitlines``, which knows seven more ends of lines, all of which occur in what models write.

A CR at the end of a piece may be half of a CRLF. Where the event's lines end in CR alone, it is taken for the whole
blank line, since the next byte may be a long time coming; should an LF follow after all, it goes in front of the next
event, where it is one more blank line. Where they end in LF or CRLF, the LF is waited for.

An event that is longer than the framer may keep is handed over unfinished; :class:`EventEnd` finds where it ends in
what follows, and needs to keep nothing for that.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from aigw.http.failures import EventTooLarge

__all__ = ["Event", "EventEnd", "EventFramer", "EventTooLarge", "event_fields", "split_events"]

#: Nothing but these at the end of a piece says for certain, without a look at what is before them, that it ends an
#: event; and nearly every piece that does so ends in one of them.
_ENDS: Final = (b"\n\n", b"\r\n\r\n")

#: A line's end and a blank line, in every mixture; see the module's head about a CR at the very end.
_BLANK: Final = re.compile(rb"\r?\n(?:\r?\n|\r(?!\Z))|\r(?!\n)\r\n?")
#: The same where nothing follows, so that the last CR is whole.
_LAST_BLANK: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
#: Bytes before a piece in which a blank line may have begun: a line's LF and the CR of a CRLF.
_OVERLAP: Final = 2
_CR: Final = 0x0D


class EventFramer:
    """Cuts a stream into runs of complete events.

    :param max_event: bytes that an event may have, the blank line behind it included, in however many pieces it comes.
    """

    __slots__ = ("_max", "_rest")

    def __init__(self, max_event: int = 1 << 20) -> None:
        self._rest = bytearray()
        self._max = max_event

    @property
    def rest(self) -> bytes:
        """The unfinished event at the end, if there is one."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> bytes:
        """All events that are complete with ``data``, as one run; ``b""`` if there is none.

        :raises EventTooLarge: an event does not end within the bound.
        """
        if not data.endswith(_ENDS):
            return self._cut(data)
        if self._rest:
            data = bytes(self._rest + data)
            self._rest.clear()
        return data if len(data) <= self._max else self._checked(data)

    def _cut(self, data: bytes) -> bytes:
        # A bytearray, so that an event which comes byte by byte is not copied as often as it has bytes.
        rest = self._rest
        start = max(0, len(rest) - _OVERLAP)
        rest += data
        if _CR in data or _CR in rest[start : start + _OVERLAP]:
            end = max((match.end() for match in _BLANK.finditer(rest, start)), default=0)
        else:
            found = rest.rfind(b"\n\n", start)
            end = found + 2 if found >= 0 else 0
        run = bytes(rest[:end])
        if len(run) > self._max or len(rest) - end > self._max:
            unfinished = bytes(rest[end:])
            rest.clear()
            self._checked(run, unfinished)
            rest += unfinished
            return run
        del rest[:end]
        return run

    def _checked(self, run: bytes, unfinished: bytes = b"") -> bytes:
        """A run, if neither an event in it nor the unfinished one behind it has more bytes than one may have."""
        start = 0
        for event in split_events(run):
            if len(event) > self._max:
                break
            start += len(event)
        if start < len(run) or len(unfinished) > self._max:
            why = f"an event of more than {self._max} bytes"
            raise EventTooLarge(why, run[:start], run[start:] + unfinished)
        return run


class EventEnd:
    """Finds the end of one event that comes in pieces, none of which is kept."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = b""  # bytes of the event's pieces so far in which a blank line may have begun

    def find(self, data: bytes) -> int:
        """Where in its next piece the event ends, behind its blank line; -1 if it goes on."""
        before = len(self._last)
        joined = self._last + data
        if joined.find(b"\r") >= 0:
            match = _BLANK.search(joined)
            end = match.end() if match is not None else -1
        else:
            found = joined.find(b"\n\n")
            end = found + 2 if found >= 0 else -1
        if end < 0:
            self._last = joined[-_OVERLAP:]
            return -1
        return end - before


def split_events(run: bytes) -> list[bytes]:
    """The events of a run of complete ones, byte for byte; joined they are ``run``."""
    events = []
    start = 0
    for match in _LAST_BLANK.finditer(run):
        events.append(run[start : match.end()])
        start = match.end()
    if start < len(run):
        events.append(run[start:])
    return events


@attrs.frozen
class Event:
    """One event's fields.

    :ivar type: its ``event`` field, empty if there was none.
    :ivar data: its ``data`` lines, joined with LF.
    :ivar has_data: whether there was any; a comment has none.
    """

    type: bytes
    data: bytes
    has_data: bool


def event_fields(event: bytes, *, first: bool = False) -> Event:
    """Interpret one event; ``id`` and ``retry`` mean nothing to a gateway.

    :param first: it is its stream's first, which may begin with a byte order mark.
    """
    kind, data = b"", []
    for line in _LINE_END.split(event.removeprefix(b"\xef\xbb\xbf") if first else event):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            kind = value.removeprefix(b" ")
    return Event(kind, b"\n".join(data), bool(data))
