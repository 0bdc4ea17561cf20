"""One connection of a client: requests are read, answered in the order they came, and the connection is ended well.

Theory of operation. A :class:`~aigw.http.reader.RequestReader` turns bytes into requests, one at a time. A request
that is complete goes to ``site.render``; one whose head is there but whose body is not goes to ``site.admit`` first,
so that it can be refused unread. While a request is being answered, or its answer is stuck because the client does
not read, nothing is parsed: bytes are kept up to a bound, then the transport is paused. So a client costs one
request, one bounded buffer of input and what one write left over of output, whatever it does.

One deadline serves all phases: the head (absolute, so that a trickle of bytes does not extend it), the body, a reader
that has stopped reading, the time between requests. It is restarted, seldom cancelled: where it finds nothing to end,
it does nothing. The bytes of a body move its deadline: each by its share of the least rate, up to ``body_idle`` from
now. So a pause is forgiven and a trickle is not, and what came fast does not pay for an hour of silence.

A refusal of the wire's own (malformed, too large, too late) is answered, then the connection lingers: our side is
shut, what the client still sends is thrown away for a moment, so that the client gets to read the answer instead of a
reset. The same where a request was answered before its body was read.

A client that shuts its side (FIN) has left: upstream work for nobody costs money. Clients that close after sending
and still read are not served; none of the SDKs does that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.errors import GatewayError, Overloaded, RequestTimeout
from aigw.http.peer_address import plain
from aigw.http.reader import RequestReader
from aigw.http.request import Request
from aigw.http.writer import EagerWriter

if TYPE_CHECKING:
    from aigw.http.server import ServerFactory

#: Bytes of following requests that are kept while one is answered.
_AHEAD: Final = 64 * 1024

#: Bytes of a refused request that are read and thrown away before the connection is closed regardless,
_LINGER_BYTES: Final = 64 * 1024 * 1024
#: and the times ``linger`` that this may take.
_LINGER_TIMES: Final = 15

#: Seconds that a connection without a request so far has left when a drain begins: one may be on its way.
_FIRST_REQUEST_GRACE: Final = 1.0


class ServerChannel(TwistedProtocol):
    """One connection of a client.

    :ivar client: the peer's address as :func:`~aigw.http.peer_address.plain`, empty on a unix socket.
    :ivar secure: it came over TLS.
    :ivar stalled: the client does not take what was written; it is taken again from whoever feeds it.
    """

    __deletable__ = ["_reader"]  # mypyc asks to be told

    log: ClassVar[Logger] = Logger()
    transport: Any

    def __init__(self, factory: ServerFactory, address: IAddress | None) -> None:
        self.factory = factory
        self.client: str = plain(getattr(address, "host", "") or "")
        self.secure = False
        self.stalled = False
        self._reader = RequestReader(self)
        self._now = factory.deadlines.now
        self._deadline = factory.deadlines.idle(self._too_late)
        self._answering: Request | None = None
        self._ahead = b""  # came while it could not be read
        self._paused = False  # because of too much of that
        self._in_turn = False  # within _read, which goes on by itself
        self._served = False
        self._closing = False  # nothing will be read any more
        self._lost = False
        self._thrown_away = 0
        self._head_until = 0.0  # of the first request
        self._body_until = 0.0
        self._linger_until = 0.0
        self._untaken_then = 0

    # -- the connection

    def connectionMade(self) -> None:
        """A client is there."""
        factory = self.factory
        self._writer = EagerWriter(self.transport)
        self.secure = ISSLTransport.providedBy(self.transport)
        self.transport.registerProducer(self, True)
        factory.made(self)
        self._head_until = self._now() + factory.limits.head_timeout
        self._deadline.restart_at(self._head_until)
        if factory.all_connections() > factory.limits.max_connections:
            self._turn_away()

    def _turn_away(self) -> None:
        """There are too many connections. Say so, unless saying so costs as much as serving, or too many are told."""
        if self.secure or len(self.factory.channels) > 2 * self.factory.limits.max_connections:
            self._closing = True
            self.transport.abortConnection()
        else:
            self._refuse(Overloaded("too many connections", code="too_many_connections", retry_after=1))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client is gone; so is whoever works for it."""
        self._lost = self._closing = True
        self._deadline.discard()
        self._ahead = b""
        answering, self._answering = self._answering, None
        request = answering or self._reader.request
        # It knows us: without this, every connection would be work for the garbage collector.
        self._reader.close()
        del self._reader
        try:
            if request is not None:
                request.lost()
        finally:
            self.factory.lost(self)

    # -- reading

    def dataReceived(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._closing:
            self._throw_away(len(data))
        elif self._answering is None and not self.stalled:
            self._read(data)
        else:
            self._ahead += data
            if len(self._ahead) > _AHEAD and not self._paused:
                self._paused = True
                self.transport.pauseProducing()

    def _read(self, data: bytes) -> None:
        """Read requests and have them answered, as long as that happens at once."""
        reader = self._reader
        self._in_turn = True
        while data:
            try:
                request = reader.feed(data, self._now())
            except GatewayError as error:
                self._refuse(error)
                break
            if request is None:
                self._expect_more(len(data))
                break
            self._ahead = reader.rest
            self._served = True
            self._answering = request
            self._ask(request, self.factory.site.render)
            if self._occupied():
                break
            data, self._ahead = self._ahead, b""
        self._in_turn = False

    def _occupied(self) -> bool:
        return self._answering is not None or self.stalled or self._closing

    def _read_on(self) -> None:
        """Take what was kept; it was kept because of something that is over now."""
        data, self._ahead = self._ahead, b""
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
        self._read(data)

    def _expect_more(self, size: int) -> None:
        """A request is there in part, of which ``size`` bytes have just come."""
        reader = self._reader
        request = reader.request
        limits = self.factory.limits
        if request is None:
            self._deadline.restart_at(reader.began + limits.head_timeout if self._served else self._head_until)
            return
        latest = self._now() + limits.body_idle
        if request.admitted:
            self._body_until = min(self._body_until + size / limits.least_rate, latest)
            self._deadline.restart_at(self._body_until)
            return
        self._body_until = latest
        self._deadline.restart_at(latest)
        request.admitted = True
        self._admit(request)

    def _admit(self, request: Request) -> None:
        """The body is still to come: ask whether it is wanted."""
        self._ask(request, self.factory.site.admit)
        if request.http_minor and not request.status and not self._closing and b"expect" in request.fields:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _ask(self, request: Request, site: Callable[[Request], None]) -> None:
        """Have the site look at a request; a refusal, or a fault of its own, becomes the answer."""
        try:
            site(request)
        except GatewayError as error:
            self._answer_error(request, error)
        except Exception:
            self.log.failure("answering a request failed")
            self._answer_error(request, GatewayError("an internal error occurred"))

    def _answer_error(self, request: Request, error: GatewayError) -> None:
        if request.status:
            request.abort()
        else:
            request.refuse(error)

    def _throw_away(self, size: int) -> None:
        """The rest of what was refused. As long as it comes, the client has not come to the answer."""
        self._thrown_away += size
        if self._thrown_away > _LINGER_BYTES:
            self.transport.abortConnection()
        elif self._linger_until:
            self._deadline.restart_at(min(self._now() + self.factory.limits.linger, self._linger_until))

    # -- refusals of our own

    def _refuse(self, error: GatewayError) -> None:
        """Answer what never became a proper request, and close so that the answer is read."""
        request = self._reader.request
        answer = request or Request(self, b"", b"", [], self._reader.began)
        if not answer.request_id:
            answer.request_id = os.urandom(16).hex()
        answer.keep = False
        self._answering = answer
        answer.refuse(error)
        if isinstance(error, RequestTimeout):
            self._linger_until = 0.0  # it has had its time
        self.factory.site.refused(request, self.client, error)

    # -- what requests do

    def write(self, data: bytes) -> None:
        """Send; a client that does not take all of it pauses whoever feeds it."""
        if not self._lost and not self._writer.write(data):
            self.pauseProducing()

    def closing_lines(self, request: Request) -> bytes:
        """The last lines of a response's head: what only the connection knows."""
        factory = self.factory
        if factory.draining or not request.whole:
            request.keep = False  # a body that was not read cannot be told from the next request
        lines: bytes = (factory.date_lines or factory.make_date())[request.keep]
        return lines

    def response_done(self, request: Request) -> None:
        """All of a response was written."""
        self._answering = None
        request.over()
        request.tell(None)
        if self._closing:
            return
        if not request.whole or (self._ahead and not request.keep):
            self._linger()
        elif not request.keep or self.factory.draining:
            self._hang_up()
        elif not self.stalled:
            self._deadline.restart(self.factory.limits.keep_alive)
            if self._ahead and not self._in_turn:
                self._read_on()

    def response_aborted(self, request: Request) -> None:
        """A response ends where it is."""
        self._answering = None
        request.over()
        request.tell(None)
        if request.chunked or request.left:
            self._hang_up()
        else:
            # Without framing, a close would look like the end: only a reset tells (HTTP/1.0).
            self._closing = True
            self.transport.abortConnection()

    # -- the transport takes, or does not take, what is written

    def pauseProducing(self) -> None:
        """The client does not take what was written."""
        if self.stalled or self._lost:
            return
        self.stalled = True
        self._untaken_then = self._untaken()
        self._deadline.restart(self.factory.limits.write_stall)
        answering = self._answering
        if answering is not None and answering.producer is not None:
            answering.producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken all."""
        if not self.stalled or self._lost:
            return
        self.stalled = False
        answering = self._answering
        if answering is not None:
            if answering.producer is not None:
                answering.producer.resumeProducing()
        elif self.factory.draining:
            self._hang_up()
        elif not self._closing and not self._in_turn:
            self._deadline.restart(self.factory.limits.keep_alive)
            self._read_on()

    def stopProducing(self) -> None:
        """connectionLost tells the same."""

    def _unsent(self) -> int:
        """Bytes that wait in the transport for the client to take them."""
        transport = self.transport
        waiting = getattr(transport, "_tempDataLen", 0) + len(getattr(transport, "dataBuffer", b""))
        return int(waiting) - int(getattr(transport, "offset", 0))

    def _untaken(self) -> int:
        """Bytes that the client's side has not acknowledged: those, and the kernel's."""
        unsent, sock = self._unsent(), getattr(self.transport, "socket", None)
        try:
            # Twisted gets to send again when a third of the kernel's are taken: till then progress is only seen here.
            queued = ioctl(sock.fileno(), TIOCOUTQ, bytes(4)) if sock is not None else b""
        except (OSError, ValueError):  # of a kind that does not tell, or closed
            queued = b""
        return unsent + int.from_bytes(queued, sys.byteorder)

    # -- the clock

    def _too_late(self) -> None:
        if (self._unsent() and self._closing) or (self.stalled and not self._closing):
            self._check_stall()
        elif self._closing:
            self.transport.abortConnection()
        elif self._answering is not None:
            return  # which has deadlines of its own
        elif self._reader.request is not None:
            self._refuse(RequestTimeout("the request body did not come in time"))
        elif self._reader.waiting:
            self._refuse(RequestTimeout("the request head did not come in time"))
        else:
            self._hang_up()

    def _check_stall(self) -> None:
        limits = self.factory.limits
        untaken = self._untaken()
        if self._untaken_then - untaken >= limits.least_rate * limits.write_stall:
            self._untaken_then = untaken
            self._deadline.restart(limits.write_stall)
        else:
            self._closing = True
            self.transport.abortConnection()

    # -- ends

    def drain(self) -> None:
        """Close an idle connection now. One that is in use is closed behind its response; one that has not carried
        a request yet gets a moment for its first."""
        if self._answering is not None or self.stalled or self._closing:
            return
        if self._reader.request is None and not self._reader.waiting:
            if self._served:
                self._hang_up()
            else:
                self._deadline.restart(_FIRST_REQUEST_GRACE)

    def cut(self, error: GatewayError) -> None:
        """Let whoever answers end the response, then close."""
        answering = self._answering
        if answering is not None and answering.cut is not None:
            answering.cut(error)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close when all that was written is sent."""
        if self._closing:
            return
        self._stop_reading()
        self.transport.loseConnection()

    def _linger(self) -> None:
        """Close our side, and leave the client time to read; input that nobody takes would make a close a reset."""
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None or self.secure:
            self._hang_up()  # TLS lingers by itself: it waits for the client's close
        else:
            self._stop_reading()
            half_close()
        self._linger_until = self._now() + _LINGER_TIMES * self.factory.limits.linger

    def _stop_reading(self) -> None:
        """From here on, input is thrown away."""
        self._closing = True
        self._ahead = b""
        self._reader.stop()
        self._untaken_then = self._untaken()
        # Behind TLS, the close waits for the client's own.
        limits = self.factory.limits
        self._deadline.restart(limits.write_stall if self._unsent() else limits.linger)
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()
        self.transport.unregisterProducer()
