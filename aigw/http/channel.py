"""The server side of HTTP/1.1: one channel a connection, requests answered in the order they came.

Theory of operation. What arrives is fed to one llhttp parser, whose callbacks build a :class:`Request`. Whenever the
parser has taken a piece, the channel looks where it stands: a request that is complete goes to ``site.render``; one
whose head is there but whose body is not goes to ``site.admit`` first, so that it can be refused unread. While a
request is being answered, bytes of the next ones are kept, up to a bound, then the transport is paused: one request
at a time, in order, in bounded memory.

One deadline serves all phases of a connection: waiting for a head (absolute, so that a trickle of bytes does not
extend it), for more of a body, for a reader that has stopped reading, between requests.

A refusal of the wire's own (malformed, too large, too late) is answered, then the connection lingers: our side is
shut, what the client still sends is thrown away for a moment, so that the client gets to read the answer instead of a
reset. What httptools leaves to us is judged in :mod:`aigw.http.judge`.

Reading, answering and ending share the state of one connection, so they stay in one module, although it is long.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httptools
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.errors import BadRequest, BodyTooLarge, GatewayError, HeadTooLarge, Overloaded, RequestTimeout
from aigw.http.headers import Header
from aigw.http.judge import judge
from aigw.http.request import Request
from aigw.http.writer import EagerWriter

if TYPE_CHECKING:
    from aigw.http.server import ServerFactory

#: Bytes of following requests that are kept while one is answered.
_AHEAD = 64 * 1024

#: Bytes of chunk framing that a body may have whatever its size.
_CHUNK_OVERHEAD = 16 * 1024

#: Bytes of a refused request that are read and thrown away before the connection is closed regardless.
_LINGER_BYTES = 64 * 1024 * 1024


class ServerChannel(Protocol):
    """One connection of a client."""

    log = Logger()
    transport: Any

    def __init__(self, factory: ServerFactory, address: IAddress | None) -> None:
        self.factory = factory
        self.client: str = getattr(address, "host", "") or ""
        self.secure = False
        self.keep = True
        self.limits = factory.limits
        self._parser = httptools.HttpRequestParser(self)
        self._deadline = factory.deadlines.idle(self._too_late)
        self._ready: deque[Request] = deque()  # complete, not yet answered
        self._current: Request | None = None  # being answered
        self._reading: Request | None = None  # its head is there, its body is not
        self._refusal: GatewayError | None = None  # to be answered after all that came before it
        self._ahead: list[bytes] = []
        self._ahead_size = 0
        self._served = self._pumping = self._stalled = self._lingering = self._closed = False
        self._left_unread = 0
        self._idle_since = 0.0
        self._stall_mark = 0
        self._clear()

    def _clear(self) -> None:
        """Before a request's first byte."""
        self._url = b""
        self._headers: list[Header] = []
        self._pieces: list[bytes] = []
        self._trailers = self._body_size = self._raw_size = self._chunk = 0
        self._began = 0.0
        self._admitted = False

    # -- the connection

    def connectionMade(self) -> None:
        """A client is there."""
        factory = self.factory
        self._writer = EagerWriter(self.transport)
        self.secure = hasattr(self.transport, "getPeerCertificate")
        self.transport.registerProducer(self, True)
        factory.channels.add(self)
        if len(factory.channels) > self.limits.max_connections:
            self._refuse_wire(Overloaded("too many connections", code="too_many_connections", retry_after=1))
        else:
            self._deadline.restart(self.limits.head_timeout)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client is gone; so is whoever works for it."""
        self._closed = True
        self._deadline.discard()
        current, self._current = self._current, None
        reading, self._reading = self._reading, None
        for request in (current, reading):
            if request is not None:
                request.lost()
        self._ready.clear()
        self.factory.lost(self)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._lingering or self._refusal is not None:
            self._throw_away(len(data))
        elif self._current is not None:
            self._ahead.append(data)
            self._ahead_size += len(data)
            if self._ahead_size > _AHEAD:
                self.transport.pauseProducing()
        else:
            self._feed(data)
            self._pump()

    def _throw_away(self, size: int) -> None:
        self._left_unread += size
        if self._left_unread > _LINGER_BYTES:
            self.transport.abortConnection()

    # -- reading

    def _feed(self, data: bytes) -> None:
        if not self._began:
            self._begin(data)
            if self._refusal is not None:
                return
        self._chunk = len(data)
        self._raw_size += self._chunk
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refusal = BadRequest("Upgrade and CONNECT are not served here", code="upgrade_refused")
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, GatewayError):
                raise
            self._refusal = error.__context__
        except httptools.HttpParserError as error:
            self._refusal = self._refusal or BadRequest(f"malformed request: {error}", code="malformed_request")
        else:
            self._check_progress()

    def _begin(self, data: bytes) -> None:
        self._began = self.factory.deadlines.now()
        self._raw_size = 0
        # What the parser forgives, and other servers do not: RFC 9112 section 2.2 allows one empty line.
        if data.find(b"  ", 0, max(0, data.find(b"\r\n"))) >= 0 or data.startswith(b"\r\n\r\n"):
            self._refusal = BadRequest("malformed request: stray white space", code="malformed_request")

    def _check_progress(self) -> None:
        """Bounds on what the parser has taken without calling back."""
        if self._reading is not None:
            self._deadline.restart(self.limits.body_idle)
            overhead = self._raw_size - self.limits.head_bytes - self._body_size
            if overhead > _CHUNK_OVERHEAD + 16 * self._body_size:
                self._refusal = BadRequest("the body's chunks are mostly framing", code="malformed_request")
        elif self._began:
            self._deadline.restart_at(self._began + self.limits.head_timeout)
            if self._raw_size > self.limits.head_bytes + _AHEAD:
                self._refusal = HeadTooLarge(f"the request's head is larger than {self.limits.head_bytes} bytes")

    # -- what the parser tells

    def on_message_begin(self) -> None:
        """Another request begins, maybe behind one in the same piece."""
        if not self._began:
            self._began = self.factory.deadlines.now()
            self._raw_size = self._chunk

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; or a trailer, which is counted and dropped (RFC 9110 section 6.5.1)."""
        if self._reading is None:
            self._headers.append((name.lower(), value))
        else:
            self._trailers += len(name) + len(value) + 4
            if self._trailers > self.limits.head_bytes:
                raise HeadTooLarge(f"the request's trailers are larger than {self.limits.head_bytes} bytes")

    def on_headers_complete(self) -> None:
        """The head is there: is it one that everybody reads alike?"""
        if self._raw_size > self.limits.head_bytes or len(self._headers) > self.limits.head_count:
            self._check_head()
        parser = self._parser
        version = parser.get_http_version()
        request = Request(self, parser.get_method(), self._url, self._headers, self._began)
        length = judge(request, version)
        if length is not None and length > self.limits.body:
            raise BodyTooLarge(f"the request body is larger than max_request_body = {self.limits.body} bytes")
        if not parser.should_keep_alive() or version == "1.0":
            request.keep = False
        self._reading = request

    def _check_head(self) -> None:
        """More came than a head may have; how much of it is head?"""
        if len(self._headers) > self.limits.head_count:
            raise HeadTooLarge(f"the request has more than {self.limits.head_count} header fields")
        if len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers) > self.limits.head_bytes:
            raise HeadTooLarge(f"the request's head is larger than {self.limits.head_bytes} bytes")

    def on_body(self, data: bytes) -> None:
        """A piece of the body, counted as it comes."""
        self._body_size += len(data)
        if self._body_size > self.limits.body:
            raise BodyTooLarge(f"the request body is larger than max_request_body = {self.limits.body} bytes")
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The request is complete."""
        request = self._reading
        if request is None:
            return
        self._reading = None
        pieces = self._pieces
        if pieces:
            request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            request.bytes_in = self._body_size
        request.complete = self.factory.deadlines.now()
        self._ready.append(request)
        self._clear()

    # -- answering

    def _pump(self) -> None:
        """Answer what is ready, in order, one at a time; then look at what came meanwhile."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._current is None and not self._closed and not self._lingering:
                if self._ready:
                    self._render(self._ready.popleft())
                elif self._refusal is not None:
                    self._refuse_wire(self._refusal)
                elif self._ahead:
                    self._feed_ahead()
                else:
                    self._wait()
                    return
        finally:
            self._pumping = False

    def _feed_ahead(self) -> None:
        data, self._ahead = b"".join(self._ahead), []
        if self._ahead_size > _AHEAD:
            self.transport.resumeProducing()
        self._ahead_size = 0
        self._feed(data)

    def _wait(self) -> None:
        """Nothing to answer: is a request on its way, or are we between two?"""
        if self._reading is not None:
            if not self._admitted:
                self._admit(self._reading)
        elif not self._began and not self._stalled:
            if self.factory.draining:
                self._hang_up()
            elif self._served:
                self._idle_since = self.factory.deadlines.now()
                if not self._deadline.active:
                    self._deadline.restart(self.limits.keep_alive)

    def _admit(self, request: Request) -> None:
        """The body is still to come: ask whether it is wanted."""
        self._admitted = True
        self._guard(request, self.factory.site.admit)
        if request.status or self._closed:
            return
        if request.http_minor and request.header(b"expect") is not None:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _render(self, request: Request) -> None:
        self._current = request
        self._served = True
        self._guard(request, self.factory.site.render)

    def _guard(self, request: Request, ask: Callable[[Request], None]) -> None:
        try:
            ask(request)
        except GatewayError as error:
            request.refuse(error)
        except Exception:
            self.log.failure("answering a request failed")
            if request.status:
                request.abort()
            else:
                request.refuse(GatewayError("an internal error occurred"))

    def _refuse_wire(self, error: GatewayError) -> None:
        """Answer what never became a proper request, and close so that the answer is read."""
        self._refusal = None
        self.keep = False
        request, self._reading = self._reading, None
        answer = request or Request(self, b"", b"", [], self._began)
        answer.gone = None
        self._current = answer
        if not answer.request_id:
            answer.request_id = os.urandom(16).hex()
        if not answer.status:
            answer.refuse(error)
        site = self.factory.site
        site.refused(request, self.client, error)
        self._linger()

    # -- what requests do

    def write(self, data: bytes) -> None:
        """Send; a client that does not take all of it pauses whoever feeds it."""
        if not self._closed and not self._writer.write(data):
            self.pauseProducing()

    def closing_lines(self, request: Request) -> bytes:
        """The last lines of a response's head: what only the connection knows."""
        if self.factory.draining or request is self._reading or not self.keep:
            request.keep = False
        lines: bytes = self.factory.date_lines(request.keep)
        return lines

    def response_done(self, request: Request) -> None:
        """All of a response was written."""
        request.tell(None)
        unread = request is self._reading
        if unread:
            self._reading = None
        if self._current is request:
            self._current = None
        if unread:
            self._linger()
        elif not request.keep and not self._lingering:
            self._hang_up()
        else:
            self._pump()

    def response_aborted(self, request: Request) -> None:
        """A response ends where it is."""
        self._current = None
        request.tell(None)
        if request.chunked or request.left:
            self._hang_up()
        else:
            # Without framing, a close would look like the end: only a reset tells (HTTP/1.0).
            self.transport.abortConnection()

    # -- the transport as a consumer of ours

    def pauseProducing(self) -> None:
        """The client does not take what was written."""
        if self._stalled:
            return
        self._stalled = True
        self._stall_mark = self._unsent()
        self._deadline.restart(self.limits.write_stall)
        current = self._current
        if current is not None and current.producer is not None:
            current.producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken all."""
        self._stalled = False
        self._deadline.cancel()
        current = self._current
        if current is not None:
            if current.producer is not None:
                current.producer.resumeProducing()
        elif not self._closed:
            self._pump()

    def stopProducing(self) -> None:
        """connectionLost tells the same."""

    def _unsent(self) -> int:
        transport = self.transport
        waiting = getattr(transport, "_tempDataLen", 0) + len(getattr(transport, "dataBuffer", b""))
        return int(waiting) - int(getattr(transport, "offset", 0))

    # -- the clock and the end

    def _too_late(self) -> None:
        if self._lingering:
            self.transport.abortConnection()
        elif self._stalled:
            unsent = self._unsent()
            if unsent < self._stall_mark:
                self._stall_mark = unsent
                self._deadline.restart(self.limits.write_stall)
            else:
                self.transport.abortConnection()
        elif self._reading is not None:
            self._refuse_wire(RequestTimeout("the request body did not come in time"))
        elif self._began:
            self._refuse_wire(RequestTimeout("the request head did not come in time"))
        elif self._current is not None:
            pass  # whoever answers has timeouts of its own; _wait() starts the clock again
        elif self._idle_since + self.limits.keep_alive > self.factory.deadlines.now() + 1e-3:
            # Left running from before the last request, which is cheaper than to stop and start it for each.
            self._deadline.restart_at(self._idle_since + self.limits.keep_alive)
        else:
            self._hang_up()

    def cut(self, error: GatewayError) -> None:
        """Let whoever answers end the response, then close."""
        current = self._current
        if current is not None and current.cut is not None:
            current.cut(error)
        self._hang_up()

    def hang_up_if_idle(self) -> None:
        """For a drain: close at once, unless a request is being read or answered."""
        if self._current is None and self._reading is None and not self._ready and not self._stalled:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close when all that was written is sent."""
        self.keep = False
        if not self._closed and not self._lingering:
            self._lingering = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._deadline.restart(self.limits.write_stall)

    def _linger(self) -> None:
        """Close our side, and leave the client time to read before the rest."""
        if self._closed or self._lingering:
            return
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None or self.secure:
            self._hang_up()
            return
        self._lingering = True
        self.transport.unregisterProducer()
        half_close()
        self._deadline.restart(self.limits.linger)
