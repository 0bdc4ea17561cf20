"""The upstream of the streaming work: ``python -m bench.streams.upstream --port P --chunks N --interval S``.

Theory of operation: one thread, one epoll. A request that is what the provider should get (path, the
provider's key and not the consumer's, a whole JSON body that asks for a stream with usage) starts a stream;
anything else is answered 400 with the reason. A stream's first chunk leaves at once and the others on their
own beat, one ``send`` each, stamped just before it. All streams have one interval, so a queue in which each
stream goes to the end after its chunk is always in order of time. A ``send`` that the kernel does not take
whole is a stalled reader, which a correct run does not have: the stream is cut, which its client reports.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.streams import anthropic, events
from bench.streams.events import STAMP_DIGITS, framed
from bench.streams.turns import UPSTREAM_PRIORITY, FineEpoll, take_priority
from bench.traffic import CONSUMER_KEY, PROVIDER_KEY, PROVIDER_PATH, TRANSLATED_PATH

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
_LAST = b"0\r\n\r\n"


class RefusedError(Exception):
    """The request is not what a provider should get; says why."""


class Connection:
    """One connection from the gateway and the stream that it carries now."""

    __slots__ = ("due", "fingerprint", "index", "received", "sock", "stream")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.stream = b""
        self.fingerprint = b""
        self.index = 0
        self.due = 0


class Upstream:
    """Serves streams of ``chunks`` chunks, ``interval`` nanoseconds apart, in OpenAI's dialect or Anthropic's."""

    def __init__(self, listener: socket.socket, chunks: int, interval: int, dialect: str) -> None:
        self._wire: Any = anthropic if dialect == "anthropic" else events
        self._accepts = ANTHROPIC if dialect == "anthropic" else OPENAI
        self._listener = listener
        self._chunks = chunks
        self._interval = interval
        self._epoll = FineEpoll()
        self._epoll.add(listener)
        self._connections: dict[int, Connection] = {}
        self._queue: deque[Connection] = deque()

    def serve(self) -> None:
        """Until the process is ended."""
        while True:
            wait = self._queue[0].due - time.monotonic_ns() if self._queue else None
            for fd in self._epoll.wait(wait):
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._connections[fd])
            self._send_due()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = Connection(sock)
        self._epoll.add(sock)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.received += data
        try:
            self._begin(connection)
        except RefusedError as refusal:
            reason = str(refusal).encode()
            connection.sock.send(REFUSAL % (len(reason), reason))
            self._drop(connection)

    def _begin(self, connection: Connection) -> None:
        body = whole_body(connection.received, self._accepts)
        if body is None:
            return
        connection.received = b""
        connection.stream, connection.fingerprint = named(body, self._accepts)
        connection.index = 0
        connection.due = time.monotonic_ns()
        beginning = self._wire.beginning(connection.stream, connection.fingerprint)
        connection.sock.send(_HEAD + (framed(beginning) if beginning else b""))
        self._send_next(connection)

    def _send_due(self) -> None:
        queue = self._queue
        now = time.monotonic_ns()
        while queue and queue[0].due <= now:
            self._send_next(queue.popleft())

    def _send_next(self, connection: Connection) -> None:
        if connection.index == self._chunks:
            self._end(connection)
            return
        head = self._wire.chunk_head(connection.stream, connection.fingerprint, connection.index)
        connection.index += 1
        connection.due += self._interval
        stamp = b"%0*d" % (STAMP_DIGITS, time.monotonic_ns())
        if self._sent(connection, framed(head + stamp + self._wire.TAIL)):
            self._queue.append(connection)

    def _end(self, connection: Connection) -> None:
        ending = self._wire.ending(connection.stream, connection.fingerprint, self._chunks)
        self._sent(connection, b"".join(map(framed, ending)) + _LAST)

    def _sent(self, connection: Connection, data: bytes) -> bool:
        """Whether the kernel took all of it; otherwise the connection is gone."""
        if connection.sock.fileno() < 0:
            return False
        try:
            whole = connection.sock.send(data) == len(data)
        except OSError:
            whole = False
        if not whole:
            self._drop(connection)
        return whole

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is not None:
            self._epoll.remove(connection.sock)
            connection.sock.close()


class Accepts(NamedTuple):
    """What a request must be.

    :param key: the header that carries the provider's key, and its value.
    :param asked_for: the stream's name and fingerprint of a body; raises if it is not the one that was sent.
    """

    path: str
    key: tuple[str, str]
    asked_for: Callable[[bytes], tuple[bytes, bytes]]


def whole_body(received: bytes, accepts: Accepts) -> bytes | None:
    """The body of the request if it is all there.

    :raises RefusedError: the head is not what the provider should get.
    """
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = length_of(head, accepts)
    if len(body) > length:
        raise RefusedError("bytes behind the request")
    return body if len(body) == length else None


def length_of(head: bytes, accepts: Accepts) -> int:
    """How long the body is, of a request that is what the provider should get.

    :raises RefusedError: it is not.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if first != f"POST {accepts.path} HTTP/1.1":
        raise RefusedError(f"wrong request line: {first}")
    if headers.get(accepts.key[0]) != accepts.key[1]:
        raise RefusedError("the provider's key is missing")
    if CONSUMER_KEY.encode() in head:
        raise RefusedError("the consumer's key came through")
    if "content-length" not in headers:
        raise RefusedError("no Content-Length")
    return int(headers["content-length"])


def named(body: bytes, accepts: Accepts) -> tuple[bytes, bytes]:
    """The stream's name and fingerprint, out of the request's body.

    :raises RefusedError: the body is not the one that was sent.
    """
    try:
        return accepts.asked_for(body)
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"broken body: {error!r}") from error


def asked_for(body: bytes) -> tuple[bytes, bytes]:
    """The same for OpenAI's body.

    :raises ValueError: the body is not the one that was sent.
    """
    fields = json.loads(body)
    name, temperature = fields["user"], fields["temperature"]
    complete = fields["stream"] is True and fields["stream_options"] == {"include_usage": True}
    if not complete or len(fields["messages"]) != 2:
        raise ValueError("the body lost something on its way")
    return name.encode(), b"%.1f" % temperature


OPENAI = Accepts(PROVIDER_PATH, ("authorization", f"Bearer {PROVIDER_KEY}"), asked_for)
ANTHROPIC = Accepts(TRANSLATED_PATH, ("x-api-key", PROVIDER_KEY), anthropic.asked_for)


def main() -> None:
    """Listen and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--dialect", choices=("openai", "anthropic"), default="openai")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=4096)
    take_priority(UPSTREAM_PRIORITY)
    gc.disable()  # nothing here is cyclic, and a collection would show as delay
    Upstream(listener, options.chunks, round(options.interval * 1e9), options.dialect).serve()


if __name__ == "__main__":
    main()
