"""An upstream without sockets: an endpoint whose connections the test accepts or refuses, and a sink that remembers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.http.pool import Pool

GET = b"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


class Sink:
    """Remembers what a call brought; ``on`` runs at a callback's name."""

    def __init__(self, **on: Any) -> None:
        self.events: list[str] = []
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.pieces = 0
        self.delimited: bool | None = None
        self.failure: CallFailure | None = None
        self.on = on

    def _note(self, event: str) -> None:
        assert not self.over, f"{event} after the end"
        self.events.append(event)

    def _run(self, event: str) -> None:
        if event in self.on:
            self.on[event]()

    @property
    def over(self) -> bool:
        return self.delimited is not None or self.failure is not None

    def on_sent(self) -> None:
        self._note("sent")
        self._run("sent")

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._note("head")
        self.status, self.headers = status, headers
        self._run("head")

    def on_data(self, data: bytes) -> None:
        assert data, "an empty piece"
        self._note("data")
        self.body += data
        self.pieces += 1
        self._run("data")

    def on_end(self, delimited: bool) -> None:
        self._note("end")
        self.delimited = delimited
        self._run("end")

    def on_failure(self, failure: CallFailure) -> None:
        self._note("failure")
        self.failure = failure
        self._run("failure")

    @property
    def kind(self) -> str:
        return self.failure.kind if self.failure is not None else ""


class Wire(StringTransport):
    """One connection as the upstream sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.dataBuffer = b""

    def send(self, data: bytes) -> None:
        """The upstream sends."""
        self.protocol.dataReceived(data)

    def lose(self, reason: Exception | None = None) -> None:
        """The connection is lost."""
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))

    def settle(self) -> None:
        """What a reactor does a turn after a close."""
        if self.disconnected or self.disconnecting:
            self.lose(ConnectionAborted())

    def taken(self) -> bytes:
        """What was sent to the upstream since the last time."""
        data = self.value()
        self.clear()
        return data

    @property
    def closed(self) -> bool:
        return bool(self.disconnected or self.disconnecting)


@implementer(IStreamClientEndpoint)
class Upstream:
    """The endpoint; the test decides what becomes of each attempt."""

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, Deferred[Any]]] = []
        self.wires: list[Wire] = []
        self.cancelled = 0
        self.fail_at_once: Exception | None = None

    def connect(self, factory: Any) -> Deferred[Any]:
        attempt: Deferred[Any] = Deferred(self._cancelled)
        if self.fail_at_once is not None:
            attempt.errback(self.fail_at_once)
        else:
            self.attempts.append((factory, attempt))
        return attempt

    def _cancelled(self, attempt: Deferred[Any]) -> None:
        self.cancelled += 1
        self.attempts = [entry for entry in self.attempts if entry[1] is not attempt]

    def accept(self, number: int = 0) -> Wire:
        """Let an attempt succeed."""
        factory, attempt = self.attempts.pop(number)
        wire = Wire()
        wire.protocol = factory.buildProtocol(None)
        self.wires.append(wire)
        wire.protocol.makeConnection(wire)
        attempt.callback(wire.protocol)
        return wire

    def refuse(self, reason: Exception | None = None) -> None:
        """Let the first attempt fail."""
        _, attempt = self.attempts.pop(0)
        attempt.errback(reason or Refused())


class Scene:
    """A pool, its upstream and a clock."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.upstream = Upstream()
        self.pool = Pool(self.upstream, Deadlines(self.clock), name="provider:443", **settings)
        self.changes = 0
        self.pool.connections_changed = self._changed

    def _changed(self, by: int) -> None:
        self.changes += by

    def begin(self, request: bytes = POST, sink: Sink | None = None, **options: Any) -> tuple[Sink, Call]:
        """Begin a call."""
        sink = sink or Sink()
        return sink, self.pool.call(request, sink, **options)

    def connected(self, request: bytes = POST, **options: Any) -> tuple[Sink, Call, Wire]:
        """Begin a call and let it have a new connection."""
        sink, call = self.begin(request, **options)
        return sink, call, self.upstream.accept()

    def idle(self, partition: bytes = b"") -> Wire:
        """Leave an idle connection behind."""
        sink, _, wire = self.connected(partition=partition)
        wire.taken()
        wire.send(HELLO)
        assert sink.body == b"hello"
        return wire

    def pass_time(self, seconds: float) -> None:
        """Turn the clock in small steps."""
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
