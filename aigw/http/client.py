"""One connection to an upstream, and the calls that it carries one after the other.

Theory of operation. A :class:`Connection` carries at most one :class:`Call` at a time. Bytes that arrive are fed to
one llhttp parser, which calls back; the callbacks hand the response to the call's sink. When the response is
complete and nothing speaks against it, the connection goes back to its pool; any byte that arrives without a call,
or behind a response's end, poisons it. A call that is cancelled closes its connection at once, since the rest of
its response would otherwise have to be read and paid for.

Left to us by httptools: how many informational responses come (RFC 9110 section 15.2), how large a head is, the
responses to HEAD, whose ``Content-Length`` announces nothing, and transfer codings other than ``chunked``.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import httptools
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.http.writer import EagerWriter

if TYPE_CHECKING:
    from aigw.http.pool import Pool


@attrs.frozen
class ResponseLimits:
    """Bounds on what an upstream may send besides a body."""

    head_bytes: int = 64 * 1024
    head_count: int = 200
    informational: int = 16


class ResponseSink(Protocol):
    """Who gets a response. None of these is called after ``on_end``, ``on_failure`` or :meth:`Call.cancel`."""

    def on_sent(self) -> None:
        """The request is on a connection (told again after a replay). May come before ``Pool.call`` returns."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """The final response's head; names in lower case, hop-by-hop fields still in."""

    def on_data(self, data: bytes) -> None:
        """A piece of the body, without its chunk framing."""

    def on_end(self, delimited: bool) -> None:
        """The body is complete. ``delimited`` is False where only the connection's close says so."""

    def on_failure(self, failure: CallFailure) -> None:
        """There will be no complete response."""


class Call:
    """One request and its response. Made by :meth:`aigw.http.pool.Pool.call`.

    :ivar attempts: connections it was written to.
    :ivar reused: the present one had carried a call before.
    """

    __slots__ = ("attempts", "began", "connection", "head", "partition", "pool", "request", "reused", "sink")

    def __init__(self, pool: Pool, request: bytes, sink: ResponseSink, head: bool, partition: bytes) -> None:
        self.pool = pool
        self.request = request
        self.sink: ResponseSink | None = sink
        self.head = head
        self.partition = partition
        self.connection: Connection | None = None
        self.attempts = 0
        self.reused = False
        self.began = False

    def cancel(self) -> None:
        """End it, wherever it is: nothing is called back any more, its connection or place in the queue is given up."""
        if self.sink is None:
            return
        self.sink = None
        connection = self.connection
        if connection is not None:
            connection.abandon()
        else:
            self.pool.withdraw(self)

    def pause(self) -> None:
        """Read no more of the response until :meth:`resume`; the upstream feels it through TCP."""
        if self.connection is not None:
            self.connection.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self.connection is not None:
            self.connection.transport.resumeProducing()

    def fail(self, kind: str, message: str) -> None:
        """For the pool and its connections: the call is over."""
        sink, self.sink = self.sink, None
        self.connection = None
        if sink is not None:
            sink.on_failure(CallFailure(kind, message, began=self.began))


@implementer(IHandshakeListener)
class Connection(TwistedProtocol):
    """A connection of one pool. Idle when ``call`` is None.

    :ivar handshaking: TLS is not established yet.
    """

    transport: Any

    def __init__(self, pool: Pool, partition: bytes, limits: ResponseLimits) -> None:
        self.pool = pool
        self.partition = partition
        self.call: Call | None = None
        self.idle_since = 0.0
        self.carried = 0
        self.open = self.handshaking = False
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self._refusal = ""
        self._reset()

    def _reset(self) -> None:
        self._headers: list[Header] = []
        self._trailers = self._unparsed = self._informational = 0
        self._received = self._in_body = self._bodyless = self._until_close = self._finished = False
        self._keep = True

    # -- what the pool does

    def connectionMade(self) -> None:
        """Ready to carry calls, or to shake hands first."""
        self.open = True
        self._writer = EagerWriter(self.transport)
        self.handshaking = ISSLTransport.providedBy(self.transport)

    def handshakeCompleted(self) -> None:
        """TLS: the server is who it should be. Not one byte of a request is written before that."""
        self.handshaking = False
        self.pool.ready(self)

    def carry(self, call: Call) -> None:
        """Send ``call``'s request; its response goes to its sink."""
        self.call = call
        call.connection = self
        call.attempts += 1
        call.reused = self.carried > 0
        self.carried += 1
        self._reset()
        self._writer.write(call.request)
        if call.sink is not None:
            call.sink.on_sent()

    def usable(self) -> bool:
        """Whether an idle connection may carry another call: the socket has neither its end nor stray bytes."""
        if not self.open:
            return False
        sock = getattr(self.transport, "socket", None)
        if sock is None or getattr(self.transport, "TLS", False):
            return True
        try:
            sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False  # the peer's FIN, or bytes nobody asked for

    def abandon(self) -> None:
        """Close at once; nobody wants what is on its way."""
        self.call = None
        self.close()

    def close(self) -> None:
        """Close at once, without flushing."""
        if self.open:
            self.open = False
            self.transport.abortConnection()

    # -- what the transport tells

    def dataReceived(self, data: bytes) -> None:
        """Bytes of a response; or, without a call, the connection is spoilt."""
        call = self.call
        if call is None:
            self._spoil()
            return
        if not self._in_body:
            # Also counts an endless status line, of which the parser tells nothing before it is complete.
            self._unparsed += len(data)
            if self._unparsed > self._limits.head_bytes + _READ:
                self._broken("its response head is too large")
                return
        self._received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._broken("it switched protocols unasked")
        except httptools.HttpParserError as error:
            if self.call is None:
                self._spoil()  # bytes behind a complete response, which has been delivered
            else:
                self._broken(self._refusal or str(error))
        if self._finished and self.open:
            self._release()

    def connectionLost(self, reason: Failure = ConnectionDone) -> None:  # type: ignore[assignment]
        """The connection is gone; so is the call it carried, unless its body ends exactly here."""
        self.open = False
        call, self.call = self.call, None
        self.pool.lost(self, reason)
        if call is None or call.sink is None:
            return
        if self._until_close and reason.check(ConnectionDone):
            sink, call.sink = call.sink, None
            sink.on_end(False)
        elif self._received:
            call.fail("cut", f"{self.pool.name} closed the connection within its answer")
        elif call.reused:
            self.pool.replay(call)
        else:
            call.fail("reset", f"{self.pool.name} closed the connection without an answer")

    def _broken(self, why: str) -> None:
        """What came cannot be trusted: the call fails, the connection is closed."""
        call, self.call = self.call, None
        self._spoil()
        if call is not None:
            call.fail("protocol", f"{self.pool.name}: {why}")

    def _spoil(self) -> None:
        self.pool.discard(self)
        self.close()

    # -- what the parser tells

    def on_message_begin(self) -> None:
        """A response begins; behind a complete one it is nobody's."""
        if self.call is None:
            self._refuse("it sent more than it was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; or a trailer, which is counted and dropped (RFC 9110 section 6.5.1)."""
        if self._in_body:
            self._trailers += len(name) + len(value) + 4
            if self._trailers > self._limits.head_bytes:
                self._refuse("its trailers are too large")
            return
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole: an informational one is skipped, the final one delivered."""
        status = self._parser.get_status_code()
        if self._unparsed > self._limits.head_bytes or len(self._headers) > self._limits.head_count:
            self._check_head()
        if status < 200:
            self._skip_informational(status)
            return
        self._in_body = True
        call = self.call
        if call is None or call.sink is None:
            return
        headers = self._headers
        self._delimit(status, headers, call.head)
        call.began = True
        call.sink.on_head(status, headers)
        if self._bodyless and self.call is call:
            # The parser would wait for the body that Content-Length seems to announce.
            self._keep = False
            self._end(call)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        call = self.call
        if call is not None and call.sink is not None:
            call.sink.on_data(data)

    def on_message_complete(self) -> None:
        """The response is whole."""
        if not self._in_body:
            return  # an informational one; the final response follows
        call = self.call
        if call is None:
            return
        self._keep = self._keep and self._parser.should_keep_alive()
        self._end(call)

    def _check_head(self) -> None:
        """More came than a head may have; how much of it is head?"""
        size = sum(len(name) + len(value) + 4 for name, value in self._headers)
        if size > self._limits.head_bytes or len(self._headers) > self._limits.head_count:
            self._refuse("its response head is too large")

    def _delimit(self, status: int, headers: list[Header], head: bool) -> None:
        """Find out how the body ends (RFC 9112 section 6.3)."""
        length, chunked = None, False
        for name, value in headers:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                chunked = True
                if value.strip().lower() != b"chunked":
                    self._refuse("its transfer coding is not chunked")
        self._bodyless = head
        self._until_close = not chunked and length is None and status not in (204, 304) and not head

    def _skip_informational(self, status: int) -> None:
        self._informational += 1
        if status == 101 or self._informational > self._limits.informational:
            self._refuse("it sent too many informational responses" if status != 101 else "it switched protocols")
        self._headers = []

    def _end(self, call: Call) -> None:
        sink, call.sink = call.sink, None
        call.connection = None
        self.call = None
        self._finished = True
        if sink is not None:
            sink.on_end(True)

    def _release(self) -> None:
        """After a complete response: back to the pool, or closed."""
        self._finished = False
        if self._keep and not self._unsent():
            self.pool.release(self)
        else:
            self._spoil()

    def _unsent(self) -> bool:
        """Whether part of the request still waits: its upstream answered early and may not read the rest."""
        transport = self.transport
        return bool(getattr(transport, "dataBuffer", b"") or getattr(transport, "_tempDataBuffer", None))

    def _refuse(self, why: str) -> None:
        self._refusal = why
        raise ValueError(why)  # out of the parser, which wraps it


_READ = 64 * 1024
