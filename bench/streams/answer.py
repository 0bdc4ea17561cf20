"""One streamed answer as its client reads it: HTTP head, chunked body, events; every byte is checked."""

from __future__ import annotations

from bench.errors import WrongAnswerError
from bench.streams.events import STAMP_DIGITS, TAIL, chunk_head, ending

_SEPARATOR = b"\n\n"


class ChunkedBody:
    """Incremental decoder of HTTP's chunked coding, for answers without trailers."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """The body bytes of the chunks that are complete now.

        :raises WrongAnswerError: this is not chunked coding, or something follows its end.
        """
        raw = self._rest + data if self._rest else data
        parts: list[bytes] = []
        position = 0
        while not self.ended:
            line_end = raw.find(b"\r\n", position)
            if line_end < 0:
                break
            start = line_end + 2
            end = start + _chunk_size(raw[position:line_end])
            if len(raw) < end + 2:
                break
            if raw[end : end + 2] != b"\r\n":
                raise WrongAnswerError(f"broken chunk: {raw[position:][:80]!r}")
            self.ended = end == start
            parts.append(raw[start:end])
            position = end + 2
        self._rest = raw[position:]
        if self.ended and self._rest:
            raise WrongAnswerError(f"bytes behind the end: {self._rest[:80]!r}")
        return b"".join(parts)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line, 16)
    except ValueError:
        raise WrongAnswerError(f"not a chunk size: {line[:80]!r}") from None


class Answer:
    """Reads one answer.

    ``stamps`` holds the send time of each chunk that :meth:`feed` has completed, in order.
    """

    def __init__(self, stream: bytes, fingerprint: bytes, chunks: int) -> None:
        self._stream = stream
        self._fingerprint = fingerprint
        self._chunks = chunks
        self._ending = ending(stream, fingerprint, chunks)
        self._head: bytes | None = b""
        self._body = ChunkedBody()
        self._events = b""
        self._count = 0

    @property
    def complete(self) -> bool:
        """All events were there and the body ended cleanly behind them."""
        return self._body.ended

    def feed(self, data: bytes) -> list[int]:
        """Take what came; returns the send times of the chunks that it completed.

        :raises WrongAnswerError: it is not the answer that the upstream sent.
        """
        if self._head is not None:
            data = self._read_head(data)
        self._events += self._body.feed(data)
        stamps = self._read_events()
        if self._body.ended and (self._count < self._last or self._events):
            raise WrongAnswerError(f"{self._name}: ended after {self._count} events, rest {self._events[:80]!r}")
        return stamps

    @property
    def _last(self) -> int:
        """How many events there must be."""
        return self._chunks + len(self._ending)

    @property
    def _name(self) -> str:
        return f"stream {self._stream.decode()}"

    def _read_head(self, data: bytes) -> bytes:
        """Takes the head off; what it leaves belongs to the body."""
        assert self._head is not None
        head, separator, rest = (self._head + data).partition(b"\r\n\r\n")
        if not separator:
            self._head = head
            return b""
        self._head = None
        lines = head.lower().split(b"\r\n")
        good = lines[0].startswith(b"http/1.1 200") and b"transfer-encoding: chunked" in lines
        good = good and any(line.startswith(b"content-type: text/event-stream") for line in lines)
        if not good or b"connection: close" in lines:
            raise WrongAnswerError(f"{self._name}: wrong head {head!r}, then {rest[:300]!r}")
        return rest

    def _read_events(self) -> list[int]:
        stamps: list[int] = []
        while (end := self._events.find(_SEPARATOR)) >= 0:
            event = self._events[: end + 2]
            self._events = self._events[end + 2 :]
            if self._count < self._chunks:
                stamps.append(self._stamp(event))
            elif self._ending[self._count - self._chunks :][:1] != [event]:
                raise WrongAnswerError(f"{self._name}: event {self._count} is {event!r}")
            self._count += 1
        return stamps

    def _stamp(self, event: bytes) -> int:
        """The time stamp of the next chunk, whose every other byte is known."""
        head = chunk_head(self._stream, self._fingerprint, self._count)
        stamp = event[len(head) : -len(TAIL)]
        if len(stamp) != STAMP_DIGITS or not stamp.isdigit() or event != head + stamp + TAIL:
            raise WrongAnswerError(f"{self._name}: chunk {self._count} is {event!r}, not {head!r}…")
        return int(stamp)


class AnswerByEvents(Answer):
    """Reads one answer that is not the upstream's byte for byte, event by event."""

    def _read_events(self) -> list[int]:
        stamps: list[int] = []
        while (end := self._events.find(b"\n\n")) >= 0:
            event, self._events = self._events[: end + 2], self._events[end + 2 :]
            stamps += self._read_event(event)
        return stamps

    def _read_event(self, event: bytes) -> list[int]:
        """The stamps in a whole event.

        :raises WrongAnswerError: it is not the one that must come.
        """
        raise NotImplementedError
