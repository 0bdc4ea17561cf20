"""A client's connection without a socket: a channel, a transport that remembers, a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from aigw.errors import GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.http.server import ServerFactory, ServerLimits

LIMITS = ServerLimits(body=100_000, max_connections=10)


class Answer(NamedTuple):
    """A response as a client reads it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Transport(StringTransport):
    """Counts writes and can be a client that does not read."""

    half_closed = False
    aborted = False
    dataBuffer = b""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.full = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)
        if self.full:
            self.dataBuffer += data
            if self.producer is not None:
                self.producer.pauseProducing()

    def drain(self, left: int = 0) -> None:
        """The client has read all but ``left`` bytes."""
        self.dataBuffer = self.dataBuffer[len(self.dataBuffer) - left :]
        if not left:
            self.full = False
            self.producer.resumeProducing()

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()


class RecordingSite:
    """Answers with what it was asked, or as ``answer`` does; and remembers."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.admitted: list[Request] = []
        self.refusals: list[tuple[Request | None, GatewayError]] = []
        self.answer: Callable[[Request], object] = echo
        self.on_admit: Callable[[Request], object] = lambda request: None

    def admit(self, request: Request) -> None:
        self.admitted.append(request)
        self.on_admit(request)

    def render(self, request: Request) -> None:
        self.requests.append(request)
        self.answer(request)

    def refused(self, request: Request | None, client: str, error: GatewayError) -> None:
        self.refusals.append((request, error))


def echo(request: Request) -> None:
    """What was asked, as the answer."""
    request.respond(200, [(b"x-path", request.path)], b"%s %s %s" % (request.method, request.uri, request.body))


class Connection:
    """One client, already connected."""

    def __init__(
        self,
        limits: ServerLimits = LIMITS,
        *,
        site: RecordingSite | None = None,
        factory: ServerFactory | None = None,
        clock: Clock | None = None,
        half_close: bool = True,
    ) -> None:
        self.clock = clock or Clock()
        self.site = site or RecordingSite()
        self.factory = factory or ServerFactory(self.site, Deadlines(self.clock), limits)
        self.channel = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 4711))
        self.transport = Transport()
        if not half_close:
            self.transport.loseWriteConnection = None  # type: ignore[method-assign, assignment]
        self.channel.makeConnection(self.transport)

    def send(self, *pieces: bytes) -> Connection:
        """Each piece as one read of the server."""
        for piece in pieces:
            self.channel.dataReceived(piece)
        return self

    def trickle(self, data: bytes, size: int = 1) -> Connection:
        """Piece by piece."""
        return self.send(*(data[at : at + size] for at in range(0, len(data), size)))

    def pass_time(self, seconds: float, step: float = 0.05) -> None:
        """Turn the clock in small steps."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def leave(self) -> None:
        """The client goes away."""
        self.channel.connectionLost(Failure(ConnectionDone()))

    @property
    def received(self) -> bytes:
        """All that the server has sent."""
        return bytes(self.transport.value())

    @property
    def answers(self) -> list[Answer]:
        """The responses, one by one; to GET unless ``head`` says otherwise."""
        return read_answers(self.received)

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]

    @property
    def open(self) -> bool:
        """The server has neither closed the connection nor its own side of it."""
        return not (self.transport.disconnecting or self.transport.half_closed)


def read_answers(data: bytes, *, to_head: bool = False) -> list[Answer]:
    """Responses behind one another, as a strict client reads them."""
    answers = []
    while data:
        head, found, data = data.partition(b"\r\n\r\n")
        assert found, f"not a whole head: {head!r}"
        line, *fields = head.split(b"\r\n")
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1"
        pairs: list[Any] = [field.split(b": ", 1) for field in fields]
        headers = dict(pairs)
        assert len(headers) == len(pairs), f"repeated field in {head!r}"
        body = b""
        if not to_head and int(status) >= 200:
            body, data = _body(headers, data)
        answers.append(Answer(int(status), headers, body))
    return answers


def _body(headers: dict[bytes, bytes], data: bytes) -> tuple[bytes, bytes]:
    if headers.get(b"transfer-encoding") != b"chunked":
        length = int(headers.get(b"content-length", b"0"))
        assert len(data) >= length, "the body is cut short"
        return data[:length], data[length:]
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        piece, end, data = data[: int(size, 16)], data[int(size, 16) :][:2], data[int(size, 16) + 2 :]
        assert end == b"\r\n", "a chunk without its end"
        if not piece:
            return body, data
        body += piece


def get(path: bytes = b"/", *fields: bytes, version: bytes = b"1.1", host: bytes = b"Host: h\r\n") -> bytes:
    """A request without a body."""
    return b"GET %s HTTP/%s\r\n%s%s\r\n" % (path, version, host, b"".join(field + b"\r\n" for field in fields))


def post(body: bytes, *fields: bytes, path: bytes = b"/") -> bytes:
    """A request with a sized body."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s" % (path, lines, len(body), body)


def chunked(*pieces: bytes, trailers: bytes = b"", path: bytes = b"/") -> bytes:
    """A request whose body comes in these chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n%s\r\n" % (path, body, trailers)
