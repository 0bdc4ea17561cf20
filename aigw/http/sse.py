"""Server-sent events: finding where one ends and the next begins, without changing a byte.

The format is the HTML standard's "event stream interpretation": lines end in CR, LF or CRLF, a blank line ends an
event. :class:`EventFramer` cuts a stream of arbitrary pieces into runs of complete events; what it gives out,
joined, is what came in. Nothing is decoded: all structural bytes are ASCII, so UTF-8 passes untouched.
"""

from __future__ import annotations

import re

import attrs

from aigw.http.failures import EventTooLarge

__all__ = ["Event", "EventFramer", "EventTooLarge", "event_fields", "split_events"]

#: The end of an event: a line's end and a blank line, in every mixture. A CR that is the last byte may be half of
#: a CRLF, so a blank line that ends in CR counts only when the next byte is there and is no LF.
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")
_BLANK_AT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


class EventFramer:
    """Cuts a stream into runs of complete events.

    :param max_event: bytes that an unfinished event may have.
    """

    __slots__ = ("_max", "_rest")

    def __init__(self, max_event: int = 1 << 20) -> None:
        self._rest = b""
        self._max = max_event

    @property
    def rest(self) -> bytes:
        """The unfinished event at the end, if there is one."""
        return self._rest

    def feed(self, data: bytes) -> bytes:
        """All events that are complete with ``data``, as one run; ``b""`` if there is none.

        :raises EventTooLarge: an event does not end within the bound.
        """
        if not self._rest and data[-2:] == b"\n\n":
            return data
        return self._feed_slowly(data)

    def _feed_slowly(self, data: bytes) -> bytes:
        # What was kept holds no complete event but may end within a blank line: look again at its last bytes.
        start = max(0, len(self._rest) - 4)
        data = self._rest + data if self._rest else data
        end = _last_end(data, start)
        self._rest = data[end:]
        if len(self._rest) > self._max:
            raise EventTooLarge(f"an event of more than {self._max} bytes")
        return data[:end]


def _last_end(data: bytes, start: int) -> int:
    """Where the last complete event ends, 0 if none does."""
    if b"\r" not in data:
        return data.rfind(b"\n\n", start) + 2 if b"\n\n" in data[start:] else 0
    end = 0
    for match in _BLANK.finditer(data, start):
        end = match.end()
    return end


def split_events(run: bytes) -> list[bytes]:
    """The events of a run of complete ones, byte for byte."""
    events = []
    start = 0
    for match in _BLANK_AT_END.finditer(run):
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


def event_fields(event: bytes) -> Event:
    """Interpret one event; ``id`` and ``retry`` mean nothing to a gateway."""
    kind, data = b"", []
    for line in re.split(rb"\r\n|\n|\r", event.removeprefix(b"\xef\xbb\xbf")):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
    return Event(kind, b"\n".join(data), bool(data))
