"""Connections to one upstream: opened when needed, used again, bounded in number.

Theory of operation. A call takes the idle connection that was used last (LIFO: the others may expire), else a new
one if the cap allows, else it waits in a queue, first in, first out. Whenever a connection comes free, fails or is
lost, the queue is looked at again. Connections of different partitions, that is of different credentials, are kept
apart: at the cap an idle one of another partition is closed to make room. A call whose reused connection dies
before one byte of the response is sent once more on a fresh one: nobody can know why a server closes an idle
connection, and servers close them all the time (RFC 9112 section 9.3.1).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from aigw.http.client import Call, Connection, ResponseLimits, ResponseSink
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import failure_kind, failure_text

#: Seconds for which an idle connection is taken without a look at its socket: those of one turn of the reactor, which
#: has just looked itself.
_FRESH = 0.001


class _Dialler(Factory):
    """Makes the protocol of one connection attempt."""

    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> Connection:
        """The one connection that this attempt is for."""
        return self._connection


class Pool:
    """All connections to one upstream.

    :param endpoint: connects to it.
    :param name: how failures call it, such as ``api.openai.com:443``.
    :param max_connections: open and opening ones together.
    :param idle_timeout: seconds after which an unused connection is closed.
    :param queue_limit: calls that may wait for a connection; one more fails with ``queue_full``.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        deadlines: Deadlines,
        *,
        name: str,
        max_connections: int = 512,
        idle_timeout: float = 55.0,
        queue_limit: int = 10_000,
        limits: ResponseLimits | None = None,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._deadlines = deadlines
        self._max = max_connections
        self._idle_timeout = idle_timeout
        self._queue_limit = queue_limit
        self._limits = limits or ResponseLimits()
        self._idle: dict[bytes, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._dialling: dict[Connection, Deferred[Any]] = {}
        self._queue: deque[Call] = deque()
        self._retired = False
        self._expiry = deadlines.idle(self._expire)

    # -- for callers

    def call(self, request: bytes, sink: ResponseSink, *, head: bool = False, partition: bytes = b"") -> Call:
        """Send ``request``, a whole HTTP/1.1 request, and give its response to ``sink``.

        :param head: the request's method is HEAD.
        :param partition: only connections of the same partition are used.
        :returns: the call; ``sink.on_sent`` may have been called already, nothing else.
        """
        call = Call(self, request, sink, head, partition)
        connection = self._take_idle(partition)
        if connection is not None:
            connection.carry(call)
        elif len(self._queue) >= self._queue_limit:
            # Not from inside this call: its caller has yet to learn which call failed.
            self._deadlines.after(0, lambda: call.fail("queue_full", f"{self.name}: too many calls wait"))
        else:
            self._queue.append(call)
            self._serve_queue()
        return call

    def close_idle(self) -> None:
        """Close every connection that carries nothing."""
        for connection in [one for kept in self._idle.values() for one in kept]:
            self.discard(connection)
            connection.close()

    def retire(self) -> None:
        """No connection is kept any more; those that carry a call close after it."""
        self._retired = True
        self.close_idle()

    @property
    def size(self) -> int:
        """Open connections."""
        return len(self._open)

    @property
    def idle_count(self) -> int:
        """Open connections that carry nothing."""
        return sum(map(len, self._idle.values()))

    @property
    def queued_count(self) -> int:
        """Calls that wait for a connection."""
        return len(self._queue)

    # -- for calls and connections

    def withdraw(self, call: Call) -> None:
        """A call without a connection is cancelled."""
        if call in self._queue:
            self._queue.remove(call)
        # One attempt for each waiting call is enough.
        attempts = [c for c in self._dialling if c.partition == call.partition]
        waiting = sum(1 for c in self._queue if c.partition == call.partition)
        for connection in attempts[waiting:]:
            attempt = self._dialling.pop(connection)
            if attempt.called:
                connection.close()
            else:
                attempt.cancel()

    def release(self, connection: Connection) -> None:
        """A connection has carried its call and may carry another."""
        if self._retired:
            self.discard(connection)
            connection.close()
            return
        call = self._next_waiting(connection.partition) if self._queue else None
        if call is not None:
            connection.carry(call)
            return
        connection.idle_since = self._deadlines.now()
        self._idle.setdefault(connection.partition, []).append(connection)
        if not self._expiry.active:
            self._expiry.restart(self._idle_timeout)
        if self._queue:
            self._serve_queue()

    def discard(self, connection: Connection) -> None:
        """A connection must not be used again."""
        kept = self._idle.get(connection.partition)
        if kept and connection in kept:
            kept.remove(connection)
        if kept is not None and not kept:
            del self._idle[connection.partition]

    def ready(self, connection: Connection) -> None:
        """A connection may carry its first call."""
        if self._dialling.pop(connection, None) is None:
            connection.close()  # nobody waits for it any more
            return
        self._open.add(connection)
        for call in self._queue:
            if call.partition == connection.partition:
                self._queue.remove(call)
                connection.carry(call)
                return
        self.release(connection)

    def lost(self, connection: Connection, reason: Failure) -> None:
        """A connection is closed."""
        if connection in self._dialling:  # while it was shaking hands
            self._failed(reason, connection)
            return
        self.discard(connection)
        self._open.discard(connection)
        if self._queue:
            self._serve_queue()

    def replay(self, call: Call) -> None:
        """Send a call again whose reused connection was dead, before anything that waits, on a fresh connection."""
        call.connection = None
        self._queue.appendleft(call)
        if self.idle_count:
            # What killed this connection has likely killed its neighbours.
            self.close_idle()
        self._serve_queue()

    # -- inside

    def _take_idle(self, partition: bytes) -> Connection | None:
        kept = self._idle.get(partition)
        while kept:
            connection = kept.pop()
            if not kept:
                self._idle.pop(partition, None)
            if self._deadlines.now() - connection.idle_since < _FRESH or connection.usable():
                return connection
            connection.close()
        return None

    def _next_waiting(self, partition: bytes) -> Call | None:
        for call in self._queue:
            if call.partition == partition and call.attempts == 0:
                self._queue.remove(call)
                return call
        return None

    def _serve_queue(self) -> None:
        """Dial for waiting calls as far as the cap allows."""
        waiting: dict[bytes, int] = {}
        for call in self._queue:
            waiting[call.partition] = waiting.get(call.partition, 0) + 1
        for connection in self._dialling:
            waiting[connection.partition] = waiting.get(connection.partition, 0) - 1
        for partition, missing in waiting.items():
            for _ in range(missing):
                if not self._room_for(partition):
                    return
                self._dial(partition)

    def _room_for(self, partition: bytes) -> bool:
        if len(self._open) + len(self._dialling) < self._max:
            return True
        for other, kept in self._idle.items():
            if other != partition:
                oldest = kept[0]
                self.discard(oldest)
                self._open.discard(oldest)
                oldest.close()
                return True
        return False

    def _dial(self, partition: bytes) -> None:
        connection = Connection(self, partition, self._limits)
        attempt: Deferred[Any] = self._endpoint.connect(_Dialler(connection))
        self._dialling[connection] = attempt
        attempt.addCallbacks(lambda _: self._connected(connection), self._failed, errbackArgs=(connection,))

    def _connected(self, connection: Connection) -> None:
        # Over TLS the connection says itself when it is ready.
        if connection.open and not connection.handshaking:
            self.ready(connection)

    def _failed(self, failure: Failure, connection: Connection) -> None:
        if self._dialling.pop(connection, None) is None:
            return  # it was given up
        kind, text = failure_kind(failure), failure_text(failure)
        for call in self._queue:
            if call.partition == connection.partition:
                self._queue.remove(call)
                call.fail(kind, f"{self.name}: {text}")
                break
        self._serve_queue()

    def _expire(self) -> None:
        """Close what has been idle for too long; come again when the next one is due."""
        now = self._deadlines.now()
        due = now - self._idle_timeout + 1e-6
        for connection in [one for kept in self._idle.values() for one in kept if one.idle_since <= due]:
            self.discard(connection)
            connection.close()
        if self._idle:
            oldest = min(kept[0].idle_since for kept in self._idle.values())
            self._expiry.restart_at(oldest + self._idle_timeout)
