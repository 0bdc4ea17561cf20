"""One connection to an upstream, and the calls that it carries one after the other.

Theory of operation. A :class:`Connection` carries at most one :class:`Call` at a time. Bytes that arrive go to its
:class:`~aigw.http.response.ResponseReader`; what that finds is handed to the call's sink. When the response is
complete and nothing speaks against it, the connection goes back to its pool, before the sink hears of the end. Any
byte that arrives without a call, or behind a response's end, spoils the connection. A call that is cancelled closes
its connection at once: the rest of its response would otherwise have to be read, and paid for.

A connection is ``ready`` when it may carry a call: over TLS only once the server has proved who it is, so that not
one byte of a request is written before.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import classImplements

from aigw.http.failures import BadResponse, CallFailure
from aigw.http.headers import Header
from aigw.http.liveness import unacknowledged, watch
from aigw.http.response import ResponseLimits, ResponseReader
from aigw.http.writer import EagerWriter

if TYPE_CHECKING:
    from aigw.http.lanes import Lane
    from aigw.http.pool import Pool

#: Nobody has looked yet at a call on a reused connection; somebody has; something of its request was acknowledged.
_UNSEEN: Final = 0
_SEEN: Final = 1
_ACKNOWLEDGED: Final = 2

__all__ = ["Call", "Connection", "ResponseLimits", "ResponseSink"]


class ResponseSink(Protocol):
    """Who gets a response. None of these is called after ``on_end``, ``on_failure`` or :meth:`Call.cancel`."""

    def on_sent(self) -> None:
        """The request is on a connection; told again after a replay.

        May come before ``Pool.call`` has returned: do not rely on having its result yet.
        """

    def on_head(self, status: int, headers: list[Header]) -> None:
        """The final response's head; names in lower case, hop-by-hop fields still in. The list is the sink's."""

    def on_data(self, data: bytes) -> None:
        """A piece of the body, without its chunk framing. May still come once after :meth:`Call.pause`."""

    def on_end(self, delimited: bool) -> None:
        """The body is complete. ``delimited`` is False where only the connection's close says so."""

    def on_failure(self, failure: CallFailure) -> None:
        """There will be no complete response. Never comes before ``Pool.call`` has returned."""


class Call:
    """One request and its response. Made by :meth:`aigw.http.pool.Pool.call`.

    :ivar request: empty once it can not be sent again.
    :ivar attempts: connections that the request was written to; 2 after a replay.
    :ivar reused: the present one had carried a call before.
    :ivar began: ``on_head`` was called.
    :ivar watched: what is known of its request on a reused connection; see :meth:`Connection.look`.
    :ivar number: its place among the calls of its pool that had to wait.
    """

    __slots__ = ("attempts", "began", "connection", "head", "lane", "number", "request", "reused", "sink", "watched")

    def __init__(self, lane: Lane, request: bytes, sink: ResponseSink, head: bool) -> None:
        self.lane = lane
        self.request = request
        self.sink: ResponseSink | None = sink
        self.head = head
        self.connection: Connection | None = None
        self.number = 0
        self.attempts = 0
        self.reused = False
        self.began = False
        self.watched = _UNSEEN

    def cancel(self) -> None:
        """End it, wherever it is: nothing is called back any more, its connection or place in the queue is given up.

        Harmless when it is over.
        """
        if self.sink is None:
            return
        self.sink = None
        connection = self.connection
        if connection is not None:
            connection.abandon()
        else:
            self.lane.withdraw(self)
        self.request = b""

    @property
    def queued(self) -> bool:
        """Whether it waits for a connection to come free, and not for one that is being made."""
        return self.connection is None and self.sink is not None and self.lane.holds_up(self)

    def pause(self) -> None:
        """Read no more of the response until :meth:`resume`; the upstream feels it through TCP."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """Read on."""
        if self.connection is not None:
            self.connection.resume()

    def fail(self, kind: str, message: str) -> None:
        """For the pool and its connections: the call is over."""
        sink, self.sink = self.sink, None
        self.connection = None
        self.request = b""
        if sink is not None:
            sink.on_failure(CallFailure(kind, message, began=self.began))


class Connection(TwistedProtocol):
    """A connection of one lane of a pool.

    :ivar call: what it carries; None while it is idle.
    :ivar idle_since: the clock when it last became idle.
    :ivar carried: calls that it has carried, the present one included.
    :ivar ready: it may carry calls; False again once it is closing.
    """

    transport: Any

    def __init__(self, pool: Pool, lane: Lane, limits: ResponseLimits) -> None:
        self.pool = pool
        self.lane = lane
        self.call: Call | None = None
        self.idle_since = 0.0
        self.carried = 0
        self.ready = False
        self._paused = False
        self._secure = False
        self._wire: Any = None
        self._input: select.poll | None = None
        self._reader = ResponseReader(limits)

    # -- what the pool does

    def carry(self, call: Call) -> None:
        """Send ``call``'s request; its response goes to its sink."""
        self.call = call
        call.connection = self
        call.attempts += 1
        call.reused = reused = self.carried > 0
        self.carried += 1
        if reused and not self.pool.watching:
            self.pool.watch()
        self._reader.expect(call.head)
        self._writer.write(call.request)
        if not call.reused:
            call.request = b""  # only what a connection was used again for is replayed
        sink = call.sink
        if sink is not None:
            sink.on_sent()

    def alive(self) -> bool:
        """Whether an idle connection may carry another call: neither its end nor stray bytes wait in the socket."""
        # Cheaper than peeking, whose usual answer is an exception.
        return self._input is None or not self._input.poll(0)

    def look(self) -> bool:
        """Look, from time to time, whether anybody is there: at a call on a reused connection without an answer.

        Where between two looks not one byte of its request was acknowledged, the connection has died silently: the
        call is sent once more on a fresh one. Of one that was acknowledged somebody has taken charge; that is not
        repeated in here, however it ends.

        :returns: whether to look again.
        """
        call = self.call
        if call is None or not call.reused or call.watched == _ACKNOWLEDGED or self._reader.touched:
            return False
        if call.watched == _UNSEEN:
            call.watched = _SEEN
            return True
        unacknowledged = self._unacknowledged(call)
        if unacknowledged is None:
            return False
        if unacknowledged:
            self.call = call.connection = None
            call.watched = _UNSEEN
            self.lane.put_first(call)
            self.abort()
            self.pool.stalled()
        else:
            call.watched = _ACKNOWLEDGED
        return False

    def _unacknowledged(self, call: Call) -> bool | None:
        """Whether nothing of the request was acknowledged; None where that cannot be known."""
        wire = self._wire
        sock = getattr(wire, "socket", None)
        if sock is None:
            return None
        queued = unacknowledged(sock)
        if queued is None:
            return None
        waiting = len(wire.dataBuffer) - wire.offset + wire._tempDataLen
        if self._secure and (waiting or self._unsent()):
            return None  # how much of the request is in what the kernel has, only TLS knows
        return bool(queued >= len(call.request) - waiting)  # TLS makes it more, never less

    def abandon(self) -> None:
        """Close at once; nobody wants what is on its way."""
        self.call = None
        self.abort()

    def abort(self) -> None:
        """Close at once, throwing away what waits to be sent."""
        self.ready = False
        self.lane.forget(self)
        self.transport.abortConnection()

    def close(self) -> None:
        """Close an idle connection in an orderly way."""
        self.ready = False
        self.lane.forget(self)
        self.transport.loseConnection()
        if self._secure:
            # TLS would wait for the other side's goodbye, for ever if need be; what is below it does not.
            self._wire.loseConnection()

    def pause(self) -> None:
        """Stop reading."""
        self._paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        self.transport.resumeProducing()

    # -- what the transport tells

    def connectionMade(self) -> None:
        """The transport is there; over TLS the handshake is yet to come."""
        transport = self.transport
        self._writer = EagerWriter(transport)
        secure = ISSLTransport.providedBy(transport)
        self._wire = wire = transport.transport if secure else transport
        self._input = _input_of(wire)
        if isinstance(wire, tcp.Connection):
            watch(wire.socket, self.pool.silence)
            # The endpoint's own protocol has done its part; every read would still pass through it.
            wire.protocol = transport if secure else self
        self._secure = secure
        if not secure:
            self.pool.connected(self)

    def handshakeCompleted(self) -> None:
        """TLS is established with the server that was meant."""
        self.pool.connected(self)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of a response; without a call, they are nobody's."""
        call = self.call
        if call is None:
            if self.ready:
                self.abort()
            return
        reader = self._reader
        why = ""
        try:
            reader.feed(data)
        except BadResponse as refused:
            why = str(refused)
        if reader.status:
            self._deliver(call, reader)
        if self.call is not call:
            return  # cancelled meanwhile
        if reader.complete:
            self._finish(call, reader.keep and not why)
        elif why:
            self.abandon()
            call.fail("protocol", f"{self.pool.name}: {why}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; so is the call that it carried, unless its body ends exactly here."""
        self.ready = False
        self._input = None
        connector = getattr(self._wire, "connector", None)
        if connector is not None:
            # They know each other: without this, every connection would be work for the garbage collector.
            connector.transport, connector.factory = None, _NOBODY
        call, self.call = self.call, None
        reader = self._reader
        reader.close()
        retry = call is not None and not reader.touched and call.reused and call.watched != _ACKNOWLEDGED
        if call is not None and retry:
            call.connection = None
            self.lane.put_first(call)
        self.pool.lost(self, reason)
        if call is None or retry:
            return
        if reader.until_close and call.began and reason.check(ConnectionDone):
            self._end(call, False)
        elif reader.touched:
            call.fail("cut", f"{self.pool.name} closed the connection within its response")
        else:
            call.fail("reset", f"{self.pool.name} closed the connection without a response")

    # -- inside

    def _deliver(self, call: Call, reader: ResponseReader) -> None:
        """Head and body as far as they have come."""
        if not call.began:
            call.began = True
            call.request = b""
            headers, reader.headers = reader.headers, []  # not to outlive the call in an idle connection
            call.sink.on_head(reader.status, headers)  # type: ignore[union-attr]
        pieces = reader.body
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if self.call is call:
                call.sink.on_data(data)  # type: ignore[union-attr]

    def _finish(self, call: Call, keep: bool) -> None:
        """The response is complete: the connection goes back to its pool, or is closed."""
        self.call = None
        if keep and not self._unsent():
            if self._paused:
                self.resume()
            self.pool.release(self)
        else:
            self.abort()
        self._end(call, True)

    def _end(self, call: Call, delimited: bool) -> None:
        sink, call.sink = call.sink, None
        call.connection = None
        if sink is not None:
            sink.on_end(delimited)

    def _unsent(self) -> bool:
        """Whether part of the request still waits: its upstream answered early and may not read the rest."""
        wire = self._wire
        if getattr(wire, "dataBuffer", None) or getattr(wire, "_tempDataBuffer", None):
            return True
        return self._secure and bool(getattr(self.transport, "_appSendBuffer", None))


# Not by a decorator: mypyc lays out no class that has one which it does not know.
classImplements(Connection, IHandshakeListener)

#: Told that a connection is gone in the place of whoever dialled, who has no use for it.
_NOBODY: Final = ClientFactory()


def _input_of(wire: Any) -> select.poll | None:
    """Tells whether something waits in the socket of ``wire``: bytes, its end, an error. None: it is in memory."""
    sock = getattr(wire, "socket", None)
    if sock is None:
        return None
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return poll
