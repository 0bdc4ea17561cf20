"""Twisted's client interface over our pools, for side calls: treq runs on it.

The data path does not come through here: it has :meth:`aigw.http.pool.Pool.call`. This is for what a gateway asks
besides, tokens and probes, with whatever knows how to use an ``IAgent``; redirects, cookies and decompression are for
wrappers around it. Request bodies are collected in memory before anything is sent, so that they can be sent again.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone, ResponseFailed  # where twisted.web.client has them from
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer

from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import client_endpoint
from aigw.http.failures import CallFailure
from aigw.http.headers import HOP_BY_HOP, Header
from aigw.http.pool import Pool

#: What the agent says itself, or what would change where a request ends.
_OURS = HOP_BY_HOP | {b"content-length", b"host"}
_ENDS_A_LINE = frozenset(b"\r\n\0")
_PORTS = {"http": 80, "https": 443}


@implementer(IClientRequest)
@attrs.frozen
class AgentRequest:
    """What a response was asked for with.

    :ivar headers: as they were given.
    """

    method: bytes
    absoluteURI: bytes
    headers: Headers = attrs.field(repr=False)


@implementer(IResponse, IPushProducer)
class AgentResponse:
    """A response whose head is there and whose body waits for :meth:`deliverBody`."""

    version = (b"HTTP", 1, 1)
    #: LineReceiver asks its transport for this.
    disconnecting = False

    def __init__(self, request: AgentRequest, status: int, headers: list[Header], call: Call) -> None:
        self.request = request
        self.code = status
        self.phrase = _phrase(status)
        self.headers = Headers()
        self.length = _length(request, status, headers)
        self.previousResponse: Any = None
        for name, value in headers:
            if name not in HOP_BY_HOP:
                self.headers.addRawHeader(name, value)
        self._call = call
        self._held: list[bytes] = []
        self._end: Failure | None = None
        self._reader: Any = None
        if self.length:
            call.pause()

    def setPreviousResponse(self, response: IResponse) -> None:
        """The response that led to this one, such as a redirect."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to ``protocol``; once only.

        ``connectionLost`` tells how it ended: ResponseDone, PotentialDataLoss where only the connection's close says
        so, ResponseFailed where it is not complete.
        """
        if self._reader is not None:
            raise RuntimeError("the body is delivered once only")
        self._reader = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type]  # as much of a transport as bodies get anywhere
        held, self._held = self._held, []
        for data in held:
            protocol.dataReceived(data)
        if self._end is not None:
            protocol.connectionLost(self._end)
        else:
            self._call.resume()

    # -- the reader's transport

    def pauseProducing(self) -> None:
        """Read no more of the body for now."""
        self._call.pause()

    def resumeProducing(self) -> None:
        """Read on."""
        self._call.resume()

    def stopProducing(self) -> None:
        """The body is not wanted any more; its connection is closed."""
        if self._end is None:
            self._call.cancel()
            self.ended(Failure(ResponseFailed([Failure(ConnectionAborted())])))

    loseConnection = abortConnection = stopProducing

    # -- what the call brings

    def received(self, data: bytes) -> None:
        """A piece of the body."""
        if self._reader is None:
            self._held.append(data)
        else:
            self._reader.dataReceived(data)

    def ended(self, reason: Failure) -> None:
        """No more body."""
        self._end = reason
        if self._reader is not None:
            self._reader.connectionLost(reason)


class _AgentCall:
    """The sink of one call: first a Deferred waits for the head, then a response for the body."""

    def __init__(self, request: AgentRequest) -> None:
        self.call: Call | None = None
        self.answer: Deferred[IResponse] = Deferred(self._cancel)
        self.request = request
        self._response: AgentResponse | None = None

    def _cancel(self, _: Deferred[IResponse]) -> None:
        if self.call is not None:
            self.call.cancel()

    def on_sent(self) -> None:
        """See :class:`~aigw.http.client.ResponseSink`."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """The answer is there."""
        assert self.call is not None
        self._response = AgentResponse(self.request, status, headers, self.call)
        self.answer.callback(self._response)

    def on_data(self, data: bytes) -> None:
        """See :class:`~aigw.http.client.ResponseSink`."""
        assert self._response is not None
        self._response.received(data)

    def on_end(self, delimited: bool) -> None:
        """See :class:`~aigw.http.client.ResponseSink`."""
        assert self._response is not None
        self._response.ended(Failure(ResponseDone() if delimited else PotentialDataLoss()))

    def on_failure(self, failure: CallFailure) -> None:
        """No answer, or not all of it."""
        if self._response is None:
            self.answer.errback(failure)
        else:
            self._response.ended(Failure(ResponseFailed([Failure(failure)])))


@implementer(IConsumer)
class _Collected:
    """A request body on its way into memory."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Producers of bodies are told to start by :meth:`PooledAgent.request`."""

    def unregisterProducer(self) -> None:
        """See above."""

    def write(self, data: bytes) -> None:
        """A piece."""
        self.pieces.append(data)


@implementer(IAgent)
class PooledAgent:
    """Issues requests over a pool for each origin.

    :param reactor: connects.
    :param ca: the authorities to trust instead of the system's, in PEM.
    :param max_connections: to one origin.
    """

    def __init__(
        self, reactor: Any, deadlines: Deadlines, *, ca: bytes | None = None, max_connections: int = 16
    ) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._ca = ca
        self._max = max_connections
        self._pools: dict[tuple[str, str, int], Pool] = {}

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """See ``IAgent``. Cancelling the Deferred cancels the call.

        :returns: fires with the response's head; fails with :class:`~aigw.http.failures.CallFailure`.
        :raises ValueError: there is something in the request that would not arrive as it is.
        """
        request = AgentRequest(method, uri, headers or Headers())
        origin, host, target = _taken_apart(uri)
        head = _head(request, host, target)
        sink = _AgentCall(request)
        body = _Collected()
        produced: Deferred[Any] = succeed(None) if bodyProducer is None else bodyProducer.startProducing(body)
        produced.addCallback(lambda _: self._send(origin, head, body, sink)).addErrback(sink.answer.errback)
        return sink.answer

    def _send(self, origin: tuple[str, str, int], head: bytes, body: _Collected, sink: _AgentCall) -> None:
        if sink.answer.called:
            return  # cancelled meanwhile
        method, content = sink.request.method, b"".join(body.pieces)
        if content or method in (b"POST", b"PUT", b"PATCH"):
            head += b"content-length: %d\r\n" % len(content)
        sink.call = self._pool(origin).call(head + b"\r\n" + content, sink, head=method == b"HEAD")

    def close(self) -> None:
        """Keep no connection any more."""
        for pool in self._pools.values():
            pool.retire()

    @property
    def size(self) -> int:
        """Open connections."""
        return sum(pool.size for pool in self._pools.values())

    def _pool(self, origin: tuple[str, str, int]) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            scheme, host, port = origin
            endpoint = client_endpoint(self._reactor, host, port, scheme == "https", ca=self._ca)
            pool = Pool(endpoint, self._deadlines, name=f"{host}:{port}", max_connections=self._max)
            self._pools[origin] = pool
        return pool


def _taken_apart(uri: bytes) -> tuple[tuple[str, str, int], bytes, bytes]:
    """Origin, ``Host`` and request target of a URI."""
    text = uri.decode("ascii")
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("a URI holds no white space or control characters")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a URI to ask for begins with http:// or https://, then a host")
    port = parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, parts.hostname, port), parts.netloc.encode("ascii"), target.encode("ascii")


def _head(request: AgentRequest, host: bytes, target: bytes) -> bytes:
    """The request's head up to its framing."""
    lines = [b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (request.method, target, host)]
    for name, values in request.headers.getAllRawHeaders():
        if name.lower() not in _OURS:
            lines += [b"%b: %b\r\n" % (name, value) for value in values]
            if any(_ENDS_A_LINE & set(value) for value in values):
                raise ValueError("a header's value is one line")
    if not request.method.isalpha():
        raise ValueError("a method is a word")
    return b"".join(lines)


def _length(request: AgentRequest, status: int, headers: list[Header]) -> Any:
    if request.method == b"HEAD" or status in (204, 304):
        return 0
    return next((int(value) for name, value in headers if name == b"content-length"), UNKNOWN_LENGTH)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
