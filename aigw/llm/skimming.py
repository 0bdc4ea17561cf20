"""An event of any size, read without its long strings.

What makes an event of a stream large is nearly always a string or a few: a picture in base64, a page that was fetched.
What the gateway wants to know of it (usage, model, why it ended) is beside these. So an event that is too large to be
kept is skimmed as it passes: strings of more than :data:`LONGEST` bytes become empty, all else is kept, up to a bound.
The outcome is the same in whatever pieces the event comes.

A string is what is between two quotes of one line, with no more said of what that line is: JSON has no line end inside
of a string (RFC 8259 section 7), so a quote in a comment or in a field's name reaches no further than its line.
"""

from __future__ import annotations

import re
from typing import Final

#: Bytes of a string that is kept, as it is written.
LONGEST: Final = 1024

#: Bytes that are left of an event's beginning where more is kept than may be: it tells what kind of event it was.
BEGINNING: Final = 512

_BACKSLASH: Final = 0x5C
#: What matters inside of a string: escapes, whose second bytes end nothing; its end; the end of its line.
_MARK: Final = re.compile(rb'(?:\\[^\r\n])+|["\r\n]')
_LINE_ENDS: Final = b"\r\n"


class Skimmer:
    """One event; see the module's head.

    :param most: bytes that are kept. Of an event that has more without its long strings, only the beginning is.
    """

    __slots__ = ("_escaped", "_full", "_kept", "_long", "_most", "_quoted", "_string")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self._full = False
        self._quoted = False  # the last byte was inside of a string
        self._escaped = False  # and was a backslash that escapes what comes next
        self._string = bytearray()
        self._long = False

    def feed(self, data: bytes) -> None:
        """The event's next piece."""
        at = 0
        while at < len(data) and not self._full:
            at = self._read_string(data, at) if self._quoted else self._read_outside(data, at)

    def event(self) -> bytes:
        """What was kept of the event."""
        return bytes(self._kept + self._string) if self._quoted and not self._long else bytes(self._kept)

    def _read_outside(self, data: bytes, at: int) -> int:
        """Read up to where a string begins; returns where to read on."""
        quote = data.find(b'"', at)
        end = quote + 1 if quote >= 0 else len(data)
        self._keep(data[at:end])
        self._quoted = quote >= 0
        return end

    def _read_string(self, data: bytes, at: int) -> int:
        """Read up to where a string ends; returns where to read on."""
        start = at + 1 if self._escaped and data[at] not in _LINE_ENDS else at
        end = self._end_of_string(data, start)
        if end < 0:
            self._add(data[at:])
            return len(data)
        self._escaped = False
        self._add(data[at : end + 1])
        self._end_string(data[end : end + 1])
        return end + 1

    def _end_of_string(self, data: bytes, start: int) -> int:
        """Where the quote or the line end is that ends a string; -1 if it goes on.

        :param start: behind this there are whole escapes.
        """
        quote = data.find(b'"', start)
        if quote > start and data[quote - 1] == _BACKSLASH:  # which may be one half of an escape, or the other
            return self._end_behind_escapes(data, start)
        stop = quote if quote >= 0 else len(data)
        ends = [end for end in (data.find(b"\n", start, stop), data.find(b"\r", start, stop)) if end >= 0]
        if ends or quote >= 0:
            return min(ends, default=quote)
        part = data[start:]
        self._escaped = (len(part) - len(part.rstrip(b"\\"))) % 2 == 1
        return -1

    def _end_behind_escapes(self, data: bytes, start: int) -> int:
        """The same, escape by escape."""
        behind = start
        for mark in _MARK.finditer(data, start):
            if data[mark.start()] != _BACKSLASH:
                return mark.start()
            behind = mark.end()
        self._escaped = behind < len(data) and data[-1] == _BACKSLASH
        return -1

    def _add(self, part: bytes) -> None:
        """More of a string."""
        if not self._long and len(self._string) + len(part) > LONGEST:
            self._long = True
            self._string.clear()
        if not self._long:
            self._string += part

    def _end_string(self, end: bytes) -> None:
        """A string has ended, with a quote or with its line."""
        self._keep(end if self._long else bytes(self._string))
        self._string.clear()
        self._quoted = self._long = False

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if len(self._kept) > self._most:
            self._full = True
            self._quoted = False
            del self._kept[min(BEGINNING, self._most) :]
