"""The pooled client as Twisted's ``IAgent``, for side calls: treq and everything else that takes an agent runs on it.

The data path does not come this way; it needs no objects for a response. Side calls are few, small, and written
against the interfaces that all of Twisted's ecosystem knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import client_endpoint
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.http.pool import Pool

_STANDARD_PORTS = {"http": 80, "https": 443}


class _Collected:
    """A consumer that keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """A body producer writes when it likes."""

    def unregisterProducer(self) -> None:
        """Nothing was registered."""


@implementer(IResponse)
class AgentResponse:
    """A response whose body goes to one protocol, kept until that is there."""

    version = (b"HTTP", 1, 1)
    previousResponse = None

    def __init__(self, request: Any, status: int, headers: list[Header]) -> None:
        self.request = request
        self.code = status
        self.phrase = b""
        self.headers = Headers()
        self.length: Any = UNKNOWN_LENGTH
        for name, value in headers:
            self.headers.addRawHeader(name, value)
            if name == b"content-length":
                self.length = int(value)
        self.call: Call | None = None
        self._protocol: Protocol | None = None
        self._waiting: list[bytes] = []
        self._end: Failure | None = None

    def setPreviousResponse(self, response: Any) -> None:
        """Redirects are not followed here."""

    def deliverBody(self, protocol: Protocol) -> None:
        """Give the body to ``protocol``; its ``connectionLost`` reason tells whether it was complete."""
        self._protocol = protocol
        protocol.makeConnection(_BodyTransport(self))
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            protocol.dataReceived(data)
        if self._end is not None:
            protocol.connectionLost(self._end)
        elif self.call is not None:
            self.call.resume()

    def received(self, data: bytes) -> None:
        """A piece of the body came; nobody to take it yet stops more from coming."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)
            return
        self._waiting.append(data)
        if self.call is not None:
            self.call.pause()

    def ended(self, reason: Failure) -> None:
        """No more comes."""
        self._end = reason
        if self._protocol is not None:
            self._protocol.connectionLost(reason)


@implementer(IPushProducer)
class _BodyTransport:
    """What a body's protocol has for a transport."""

    disconnecting = False

    def __init__(self, response: AgentResponse) -> None:
        self._response = response

    def pauseProducing(self) -> None:
        if self._response.call is not None:
            self._response.call.pause()

    def resumeProducing(self) -> None:
        if self._response.call is not None:
            self._response.call.resume()

    def stopProducing(self) -> None:
        if self._response.call is not None:
            self._response.call.cancel()

    loseConnection = stopProducing


class _AgentSink:
    """Turns a call's callbacks into a Deferred and a response."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.response: AgentResponse | None = None
        self.call: Call | None = None
        self.done: Deferred[IResponse] = Deferred(self._cancel)

    def _cancel(self, _deferred: Deferred[IResponse]) -> None:
        if self.call is not None:
            self.call.cancel()

    def on_sent(self) -> None:
        """Nothing to do."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """There is a response."""
        self.response = AgentResponse(self._request, status, headers)
        self.response.call = self.call
        self.done.callback(self.response)

    def on_data(self, data: bytes) -> None:
        """A piece of its body."""
        assert self.response is not None
        self.response.received(data)

    def on_end(self, delimited: bool) -> None:
        """Its body is complete, as far as one can know."""
        assert self.response is not None
        self.response.ended(Failure(ResponseDone() if delimited else PotentialDataLoss()))

    def on_failure(self, failure: CallFailure) -> None:
        """There is none, or not all of it."""
        if self.response is None:
            self.done.errback(failure)
        else:
            self.response.ended(Failure(failure))


@attrs.frozen
class Origin:
    """Where a URL leads: scheme, host, port."""

    scheme: str
    host: str
    port: int


@implementer(IAgent)
class PooledAgent:
    """An agent with a pool for each origin.

    :param connect: makes the pool of an origin; the default one verifies TLS against the system's trust.
    """

    def __init__(self, reactor: Any, deadlines: Deadlines, connect: Callable[[Origin], Pool] | None = None) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._connect = connect or self._pool
        self._pools: dict[Origin, Pool] = {}

    def _pool(self, origin: Origin) -> Pool:
        endpoint = client_endpoint(self._reactor, origin.host, origin.port, origin.scheme == "https")
        return Pool(endpoint, self._deadlines, name=f"{origin.host}:{origin.port}", max_connections=16)

    def close(self) -> None:
        """Keep no connection any more."""
        for pool in self._pools.values():
            pool.retire()

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """See ``IAgent``. The body is collected before it is sent.

        :returns: fires with the response's head; fails with :class:`CallFailure`, or ValueError for a URI of
            another scheme.
        """
        if bodyProducer is None:
            collected: Deferred[bytes] = succeed(b"")
        else:
            consumer = _Collected()
            producing = maybeDeferred(bodyProducer.startProducing, consumer)
            collected = producing.addCallback(lambda _: b"".join(consumer.pieces))
        return collected.addCallback(lambda body: self._send(method, uri, headers or Headers(), body))

    def _send(self, method: bytes, uri: bytes, headers: Headers, body: bytes) -> Deferred[IResponse]:
        parts = urlsplit(uri.decode("ascii"))
        if parts.scheme not in _STANDARD_PORTS or not parts.hostname:
            raise ValueError("the agent speaks http and https only")
        origin = Origin(parts.scheme, parts.hostname, parts.port or _STANDARD_PORTS[parts.scheme])
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._connect(origin)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        data = _request(method, target.encode("ascii"), parts.netloc.encode("ascii"), headers, body)
        sink = _AgentSink(None)
        sink.call = pool.call(data, sink, head=method == b"HEAD")
        return sink.done


def _request(method: bytes, target: bytes, host: bytes, headers: Headers, body: bytes) -> bytes:
    """The whole request; framing and Host are ours, whatever ``headers`` has of them."""
    ours = (b"host", b"content-length", b"transfer-encoding", b"connection")
    lines = [b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (method, target, host.rpartition(b"@")[2])]
    for name, values in headers.getAllRawHeaders():
        if name.lower() not in ours:
            lines += [b"%s: %s\r\n" % (name, value) for value in values]
    if body or method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"content-length: %d\r\n" % len(body))
    return b"".join(lines) + b"\r\n" + body
