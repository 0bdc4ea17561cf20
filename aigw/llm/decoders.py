"""Cutting a provider's stream of bytes into frames: server-sent events, lines of JSON, AWS event streams.

The three ways in which providers stream. All take bytes as they arrive, in pieces of any size, keep what is not
complete, and bound it. What a frame means is the provider's reader's to know.

A frame that is translated has to be whole. The largest are pictures: of 4K they are 15 to 30 MB of base64, and come in
one frame. So a frame may have as many bytes as a whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aigw.llm import events

#: Bytes that a frame may have.
MAX_FRAME = 128 * 1024 * 1024
#: Bytes from which on a frame is looked through before it is parsed, on the event loop,
_LONG = 1024 * 1024
#: and the objects and arrays, and the values, that it may have then. Pictures, the largest frames that there are, have
#: a few. A value takes 32 bytes for two of text.
_MOST_CONTAINERS = 100_000
_MOST_VALUES = 1_000_000


class Frame(NamedTuple):
    """One unit of a stream.

    :ivar kind: the event's type: the ``event`` field, or the ``:event-type`` of an AWS event stream. A frame that is
        an exception has the kind ``exception:NAME``. Empty where there is none.
    :ivar data: the payload, nearly always JSON.
    """

    kind: bytes
    data: bytes


def is_harmless(frame: Frame) -> bool:
    """Whether nothing is lost with a frame whose data are no JSON.

    They are empty, or OpenAI's end, which servers of other dialects like to send as well.
    """
    return frame.data.strip() in (b"", b"null", b"[DONE]")


class UnreadableStream(ValueError):
    """A stream cannot be read on from here.

    :ivar frames: those that came before the fault and were not given out yet. Nothing may depend on the pieces in
        which a stream comes, so they count as if they had come in a piece of their own.
    """

    def __init__(self, message: str, frames: Sequence[Frame] = ()) -> None:
        super().__init__(message)
        self.frames = frames


class FrameTooLarge(UnreadableStream):
    """A frame does not end within the bound."""


class BrokenFrame(UnreadableStream):
    """Bytes that cannot be a frame: a wrong checksum, an impossible length."""


class Decoder(Protocol):
    """Cuts a stream into frames.

    :ivar kept: bytes of the frame that is not complete.
    """

    @property
    def kept(self) -> int:
        """See the class."""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with ``data``.

        :raises FrameTooLarge: what is not complete is too long.
        :raises BrokenFrame: the stream is not what it should be.
        """

    def end(self) -> list[Frame]:
        """The bytes have ended: the last frame, where it may lack its end."""


#: A blank line. A CR that nothing follows yet may be half of a CRLF, so it ends no event by itself.
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?=[^\n]))")


INTRICATE = f"{{}} of more than {_MOST_CONTAINERS} objects and arrays, or {_MOST_VALUES} values"


def is_intricate(data: bytes) -> bool:
    """Whether parsing it would hold up the event loop."""
    if len(data) <= _LONG:
        return False
    return data.count(b"{") + data.count(b"[") > _MOST_CONTAINERS or data.count(b",") > _MOST_VALUES


class SseDecoder:
    """Server-sent events. Comments and events without data are no frames."""

    def __init__(self) -> None:
        self._rest = bytearray()  # an event that comes byte by byte is not copied as often as it has bytes

    @property
    def kept(self) -> int:
        """See :class:`Decoder`."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """See :class:`Decoder`."""
        if data.endswith((b"\n\n", b"\n\r\n")):
            whole = b"".join((self._rest, data)) if self._rest else data
            usual = whole.replace(b"\r\n", b"\n")  # Google's line ends; a lone CR makes it unusual
            if b"\r" not in usual:
                self._rest.clear()
                return _frames(usual)
        rest = self._rest
        looked = max(0, len(rest) - 3)  # a blank line that began there is not seen yet
        rest += data
        end = 0
        for match in _BLANK.finditer(rest, looked):
            end = match.end()
        run = bytes(rest[:end])
        del rest[:end]
        frames = _frames(run)
        if len(rest) > MAX_FRAME:
            raise _event_too_large(frames)
        return frames

    def end(self) -> list[Frame]:
        """An event that lacks its blank line counts: real providers leave it off at the end."""
        rest = bytes(self._rest)
        self._rest.clear()
        return _frames(rest.rstrip(b"\r\n") + b"\n\n") if rest.strip() else []


def _event_too_large(frames: list[Frame]) -> FrameTooLarge:
    return FrameTooLarge(f"an event of more than {MAX_FRAME} bytes", frames)


def _frames(run: bytes) -> list[Frame]:
    """The frames of a run of complete events.

    :raises FrameTooLarge: one has more bytes than it may, as it would have been noticed before it was complete.
    """
    frames: list[Frame] = []
    for event in events.split(run):
        if len(event) > MAX_FRAME:
            raise _event_too_large(frames)
        data = events.data(event)
        if is_intricate(data):
            raise FrameTooLarge(INTRICATE.format("an event"), frames)
        if data:
            frames.append(Frame(events.kind(event) if b"event" in event else b"", data))
    return frames


def _line_too_large(frames: list[Frame]) -> FrameTooLarge:
    return FrameTooLarge(f"a line of more than {MAX_FRAME} bytes", frames)


class LineDecoder:
    """One JSON value a line (NDJSON). Lines end in LF, with or without CR before it; blank ones are no frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def kept(self) -> int:
        """See :class:`Decoder`."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """See :class:`Decoder`."""
        first, *more = data.split(b"\n")
        self._rest += first
        lines: list[bytes] = []
        if more:
            *between, rest = more
            lines = [bytes(self._rest), *between]
            self._rest = bytearray(rest)
        frames: list[Frame] = []
        for line in lines:
            if len(line) > MAX_FRAME:
                raise _line_too_large(frames)
            if is_intricate(line):
                raise FrameTooLarge(INTRICATE.format("a line"), frames)
            if line := line.strip():
                frames.append(Frame(b"", line))
        if len(self._rest) > MAX_FRAME:
            raise _line_too_large(frames)
        return frames

    def end(self) -> list[Frame]:
        """The last line may lack its LF."""
        rest = bytes(self._rest).strip()
        self._rest.clear()
        return [Frame(b"", rest)] if rest else []
