"""The client of the streaming work: opens the streams, reads and checks them all, prints what it saw.

Started as ``python -m bench.streams.load``; writes ``open`` on stdout when every stream has had its first
chunk, and at the end one JSON line with counts and percentiles. Exit status 1 and a reason on stderr if any
answer was wrong.

Theory of operation: one thread, one epoll. All connections are made first. Each then starts its answers at
fixed times, spread over the ramp and over the interval, so that the chunks of different streams never leave
the upstream in step. An answer is over when its last byte was right; the next one of that connection starts
a fixed time after the one before, or at once if that has passed.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import json
import socket
import sys
import time
from array import array
from collections.abc import Sequence

from bench.errors import WrongAnswerError
from bench.statistics import percentile
from bench.streams.answer import Answer
from bench.streams.anthropic import TranslatedAnswer
from bench.streams.rewritten import RewrittenAnswer
from bench.streams.turns import CLIENT_PRIORITY, FineEpoll, take_priority
from bench.traffic import stream_request

_READINGS: dict[str, type[Answer]] = {"exact": Answer, "rewritten": RewrittenAnswer, "translated": TranslatedAnswer}
_GOLDEN = 0.6180339887498949
_GRACE_NS = 30 * 10**9


class Reader:
    """One client connection and the answer that it reads now."""

    def __init__(self, serial: int, sock: socket.socket, options: argparse.Namespace) -> None:
        self.serial = serial
        self.sock = sock
        self.turn = 0
        self.asked = 0
        self.waiting = False
        self.answer: Answer | None = None
        self._options = options

    def ask(self) -> None:
        """Send the next request."""
        options = self._options
        name = f"{self.serial:05d}-{self.turn:03d}"
        self.answer = _READINGS[options.reading](name.encode(), options.temperature.encode(), options.chunks)
        self.waiting = True
        request = self._request(stream_request(name))
        self.asked = time.monotonic_ns()
        if self.sock.send(request) != len(request):
            raise WrongAnswerError("a request did not fit into the socket")

    def _request(self, body: bytes) -> bytes:
        lines = [f"POST {self._options.path} HTTP/1.1", f"Host: 127.0.0.1:{self._options.port}"]
        lines += [f"{name}: {value}" for name, value in json.loads(self._options.headers).items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


class Load:
    """All streams of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._epoll = FineEpoll()
        self._readers: dict[int, Reader] = {}
        self._starts: list[tuple[int, int, Reader]] = []
        self._period = round((options.chunks + 5) * options.interval * 1e9)
        self._unfinished = options.streams * options.turns
        self._unopened = options.streams
        self.delays = array("q")
        self.first = array("q")

    def run(self) -> None:
        """Until every answer was read.

        :raises WrongAnswerError: one was wrong, or they do not come to an end.
        """
        self._connect()
        begin = time.monotonic_ns() + 50_000_000
        for reader in self._readers.values():
            self._plan(reader, begin + self._offset(reader.serial))
        span = self._options.ramp * 1e9 + self._period * self._options.turns
        deadline = begin + round(span) + _GRACE_NS
        while self._unfinished:
            now = time.monotonic_ns()
            if now > deadline:
                raise WrongAnswerError(f"{self._unfinished} answers are not finished after {_GRACE_NS / 1e9} s grace")
            self._start_due(now)
            for fd in self._epoll.wait(self._wait()):
                self._read(self._readers[fd])

    def _connect(self) -> None:
        for serial in range(self._options.streams):
            sock = socket.create_connection(("127.0.0.1", self._options.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._readers[sock.fileno()] = Reader(serial, sock, self._options)
            self._epoll.add(sock)

    def _offset(self, serial: int) -> int:
        """When a stream starts: along the ramp, and in the interval by the golden ratio, so evenly anyhow."""
        options = self._options
        along: float = options.ramp * serial / options.streams
        within: float = options.interval * (serial * _GOLDEN % 1)
        return round((along + within) * 1e9)

    def _plan(self, reader: Reader, when: int) -> None:
        heapq.heappush(self._starts, (when, reader.serial, reader))

    def _start_due(self, now: int) -> None:
        while self._starts and self._starts[0][0] <= now:
            heapq.heappop(self._starts)[2].ask()

    def _wait(self) -> int:
        """Nanoseconds until the next start; a second if there is none, for the deadline."""
        return self._starts[0][0] - time.monotonic_ns() if self._starts else 10**9

    def _read(self, reader: Reader) -> None:
        try:
            data = reader.sock.recv(262144)
        except OSError as error:
            raise WrongAnswerError(f"stream {reader.serial}: {error}") from error
        now = time.monotonic_ns()
        answer = reader.answer
        if answer is None or not data:
            raise WrongAnswerError(f"stream {reader.serial}: closed or spoke out of turn: {data[:80]!r}")
        stamps = answer.feed(data)
        for stamp in stamps:
            self.delays.append(now - stamp)
        if reader.waiting and stamps:
            self._opened(reader, now)
        if answer.complete:
            self._finished(reader)

    def _opened(self, reader: Reader, now: int) -> None:
        reader.waiting = False
        self.first.append(now - reader.asked)
        if reader.turn == 0:
            self._unopened -= 1
            if not self._unopened:
                print("open", flush=True)

    def _finished(self, reader: Reader) -> None:
        reader.answer = None
        reader.turn += 1
        self._unfinished -= 1
        if reader.turn < self._options.turns:
            self._plan(reader, reader.asked + self._period)


def summary(load: Load) -> dict[str, float]:
    """Counts, and percentiles in microseconds."""
    return {
        "answers": len(load.first),
        "chunks": len(load.delays),
        "delay_p50_us": _microseconds(load.delays, 50),
        "delay_p99_us": _microseconds(load.delays, 99),
        "first_p50_us": _microseconds(load.first, 50),
        "first_p99_us": _microseconds(load.first, 99),
    }


def _microseconds(values: Sequence[int], rank: float) -> float:
    return round(percentile(values, rank) / 1000, 1)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("port", "streams", "chunks", "turns"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("interval", "ramp"):
        parser.add_argument(f"--{name}", type=float, required=True)
    for name in ("path", "headers", "temperature"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--reading", choices=_READINGS, default="exact")
    return parser.parse_args(arguments)


def main() -> str | None:
    """Run; the reason if it failed."""
    load = Load(parse())
    prompt = take_priority(CLIENT_PRIORITY)
    gc.disable()  # nothing here is cyclic, and a collection would show as delay
    try:
        load.run()
    except WrongAnswerError as wrong:
        return str(wrong)
    print(json.dumps(summary(load) | {"prompt": prompt}), flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
