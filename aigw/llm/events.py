"""The little that readers of streams need to know of server-sent events.

The wire's framer (:mod:`aigw.http.sse`) has cut the stream into runs of complete events; here a run is taken apart
and an event's data is read, by the rules of the HTML standard: lines end in LF, CRLF or CR and in nothing else, one
space behind the colon is not part of the value, data lines are joined with LF, a byte order mark may come first.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

_BOM: Final = b"\xef\xbb\xbf"
_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


def split(run: bytes) -> list[bytes]:
    """The events of a run, byte for byte: joined they are the run."""
    if run.find(b"\r") < 0:  # for one byte, find is faster than "in"
        *events, rest = run.split(b"\n\n")
        events = [event + b"\n\n" for event in events]
        return [*events, rest] if rest else events
    events, start = [], 0
    for match in _END.finditer(run):
        events.append(run[start : match.end()])
        start = match.end()
    return [*events, run[start:]] if start < len(run) else events


def data(event: bytes) -> bytes:
    """An event's data, ``b""`` if it has none (or it is empty, which says as little)."""
    begin = event.find(b"\ndata") + 1 if event[:6] == b"event:" else 0
    end = event.find(b"\n", begin)
    usual = event[begin : begin + 5] == b"data:" and event.find(b"\ndata", end) < 0 and event.find(b"\r") < 0
    if end < 0 or not usual:
        return b"\n".join(_values(event, b"data"))
    return event[begin + 5 + (event[begin + 5] == 0x20) : end]


def kind(event: bytes) -> bytes:
    """An event's type, ``b""`` if it names none."""
    if event[:6] == b"event:" and event.find(b"\nevent", 6) < 0 and event.find(b"\r") < 0:
        end = event.find(b"\n")
        return event[6 + (event[6:7] == b" ") : end] if end >= 0 else event[6:].removeprefix(b" ")
    return (_values(event, b"event") or [b""])[-1]


def _values(event: bytes, wanted: bytes) -> list[bytes]:
    values = []
    for line in _LINE_END.split(event.removeprefix(_BOM)):
        name, _, value = line.partition(b":")
        if name == wanted:
            values.append(value.removeprefix(b" "))
    return values


def read(text: bytes) -> Any:
    """``text`` as JSON; None if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
