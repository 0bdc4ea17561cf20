"""A server that says exactly what a test wants, byte for byte, and a client's pool in front of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import client_endpoint
from aigw.http.failures import CallFailure
from aigw.http.pool import Pool

GET = b"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


class Sink:
    """Remembers what a call brought, and fires when it is over."""

    def __init__(self) -> None:
        self.sent = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.delimited: bool | None = None
        self.failure: CallFailure | None = None
        self.began: Deferred[None] = Deferred()
        self.over: Deferred[None] = Deferred()

    def on_sent(self) -> None:
        self.sent += 1

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        self.body += data
        if not self.began.called:
            self.began.callback(None)

    def on_end(self, delimited: bool) -> None:
        self.delimited = delimited
        self.over.callback(None)

    def on_failure(self, failure: CallFailure) -> None:
        self.failure = failure
        self.over.callback(None)

    @property
    def kind(self) -> str:
        return self.failure.kind if self.failure is not None else ""


class RawConnection(Protocol):
    """One connection, from the server's side."""

    transport: Any

    def __init__(self, server: RawServer) -> None:
        self._server = server
        self.received = bytearray()
        self.lost: Deferred[str] = Deferred()
        self.answered = 0

    def connectionMade(self) -> None:
        self._server.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._server.answer(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback("done" if reason.check(ConnectionDone) else "reset")

    def requests(self) -> int:
        """How many of the requests above have arrived."""
        return self.received.count(b" HTTP/1.1\r\n")


class RawServer(Factory):
    """Answers each request by calling ``script[n]`` with the connection, n counting over all connections."""

    noisy = False

    def __init__(self, *script: Callable[[RawConnection], object]) -> None:
        self.script = list(script)
        self.connections: list[RawConnection] = []

    def buildProtocol(self, addr: object) -> RawConnection:
        return RawConnection(self)

    def answer(self, connection: RawConnection) -> None:
        while connection.answered < connection.requests() and self.script:
            connection.answered += 1
            self.script.pop(0)(connection)


def say(data: bytes) -> Callable[[RawConnection], None]:
    """Write ``data``."""
    return lambda connection: connection.transport.write(data)


def say_and_close(data: bytes) -> Callable[[RawConnection], None]:
    """Write ``data``, then FIN."""

    def act(connection: RawConnection) -> None:
        connection.transport.write(data)
        connection.transport.loseConnection()

    return act


def reset(connection: RawConnection) -> None:
    """RST."""
    connection.transport.abortConnection()


def hang(connection: RawConnection) -> None:
    """Nothing, for ever."""


class WireTestCase(unittest.TestCase):
    """Pools and servers that a test leaves behind are gone when it ends."""

    timeout = 120

    def setUp(self) -> None:
        self.deadlines = Deadlines(reactor)
        self.pools: list[Pool] = []
        self.servers: list[RawServer] = []

    def listen(self, *script: Callable[[RawConnection], object], tls: Any = None) -> int:
        """A server with this script; its port. ``self.servers[-1]`` is the server."""
        server = RawServer(*script)
        self.servers.append(server)
        if tls is None:
            port = reactor.listenTCP(0, server, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, server, tls, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def pool_to(
        self, port: int, host: str = "127.0.0.1", *, tls: bool = False, ca: bytes | None = None, **settings: Any
    ) -> Pool:
        """A pool of connections to ``port``."""
        pool = Pool(client_endpoint(reactor, host, port, tls, ca=ca), self.deadlines, name=f"{host}:{port}", **settings)
        self.pools.append(pool)
        return pool

    def begin(self, pool: Pool, request: bytes = POST, **options: Any) -> tuple[Sink, Call]:
        """Begin a call."""
        sink = Sink()
        return sink, pool.call(request, sink, **options)

    async def ask(self, pool: Pool, request: bytes = POST, **options: Any) -> Sink:
        """A call to its end."""
        sink, _ = self.begin(pool, request, **options)
        await sink.over
        return sink

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the reactor turn until ``condition`` holds; the test's timeout is the limit."""
        while not condition():
            await deferLater(reactor, 0.001)

    async def tearDown(self) -> None:
        for pool in self.pools:
            pool.retire()
        for server in self.servers:
            for connection in server.connections:
                if not connection.lost.called:
                    connection.transport.abortConnection()
                    await connection.lost
        await self.until(lambda: not any(pool.size for pool in self.pools))
        self.deadlines.stop()
