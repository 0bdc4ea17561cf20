"""Connections to one upstream: opened when needed, used again, bounded in number.

Theory of operation. A call takes the idle connection that was used last (LIFO: the others may expire), else a new
one if the cap allows, else it waits, first come, first served. Whenever a connection comes free, fails or is lost, the
queue is looked at again. Connections of different partitions, that is of different credentials, are kept apart, each
partition in its :class:`~aigw.http.lanes.Lane`; at the cap an idle connection of another lane is closed to make room.
Dials belong to a lane, not to a call: each waiting call has one under way while the cap allows, and takes whatever
connection comes first, a new one or one that another call has done with. A dial that a cancelled call leaves over is
given up.

A call whose reused connection dies before one byte of the response is sent once more, on a fresh connection: servers
close idle connections all the time, and one that crossed with the request cannot be told from one that came before
(RFC 9112 section 9.3.1). So is one whose reused connection has died silently, which shows when nothing of its request
is acknowledged (:mod:`aigw.http.liveness`); idle connections are given up then, since what has forgotten one has mostly
forgotten all. There are no timeouts in here but that of idle connections: whoever calls has deadlines of
its own, and :meth:`~aigw.http.client.Call.cancel`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from aigw.http.client import Call, Connection, ResponseSink
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import failure_kind, failure_text
from aigw.http.lanes import Dial, Lane
from aigw.http.liveness import silence_of, stall_of
from aigw.http.response import ResponseLimits

#: Seconds for which an idle connection is taken without a look at its socket: those of one turn of the reactor, which
#: has just looked itself.
_FRESH: Final = 0.001


class Pool:
    """All connections to one upstream.

    :param endpoint: connects to it.
    :param name: how failures call it, such as ``api.openai.com:443``.
    :param max_connections: open and opening ones together.
    :param idle_timeout: seconds after which an unused connection is closed.
    :param queue_limit: calls that may wait for a connection; one more fails with ``queue_full``.
    :ivar max_connections: may be changed; what is open stays.
    :ivar silence: seconds for which the upstream may acknowledge nothing, on connections that are made from now on.
    :ivar stall: seconds between two looks at calls on reused connections without an answer.
    :ivar watching: whether there is to be another look.
    :ivar size: open connections.
    :ivar queued_count: calls that wait for a connection.
    :ivar dialling: attempts to connect under way.
    :ivar connections_changed: called with 1 when a connection is open and with -1 when it is open no more.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        deadlines: Deadlines,
        *,
        name: str,
        max_connections: int = 10_000,
        idle_timeout: float = 55.0,
        queue_limit: int = 10_000,
        limits: ResponseLimits | None = None,
    ) -> None:
        self.name = name
        self.limits = limits or ResponseLimits()
        self.connections_changed: Callable[[int], None] | None = None
        self.silence, self.stall = silence_of(60.0), stall_of(5.0)
        self.watching = False
        self.size = self.queued_count = self.dialling = 0
        self._endpoint = endpoint
        self._deadlines = deadlines
        self._now = deadlines.now
        self.max_connections = max_connections
        self._idle_timeout = idle_timeout
        self._queue_limit = queue_limit
        self._lanes: dict[bytes, Lane] = {}
        self._retired = self._calling = self._expiring = False
        self._calls = 0
        self._expiry = deadlines.idle(self._expire)
        self._next_look = deadlines.idle(self._look)

    # -- for callers

    def call(self, request: bytes, sink: ResponseSink, *, head: bool = False, partition: bytes = b"") -> Call:
        """Send ``request``, a whole HTTP/1.1 request, and give its response to ``sink``.

        :param head: the request's method is HEAD.
        :param partition: only connections of the same partition are used.
        :returns: the call; ``sink.on_sent`` may have been called already, nothing else.
        """
        lane = self._lanes.get(partition)
        if lane is not None:
            idle = lane.idle
            while idle:
                connection = idle.pop()
                if self._now() - connection.idle_since < _FRESH or connection.alive():
                    call = Call(lane, request, sink, head)
                    connection.carry(call)
                    return call
                connection.abort()
        return self._enqueue(request, sink, head, partition)

    def close_idle(self) -> None:
        """Close every connection that carries nothing."""
        for lane in list(self._lanes.values()):
            for connection in lane.idle[:]:
                connection.close()

    def retire(self) -> None:
        """No connection is kept any more; those that carry a call close after it. Calls still work."""
        self._retired = True
        self.close_idle()

    @property
    def idle_count(self) -> int:
        """Open connections that carry nothing."""
        return sum(len(lane.idle) for lane in self._lanes.values())

    @property
    def busy_count(self) -> int:
        """Open connections that carry a call."""
        return self.size - self.idle_count

    # -- for connections and lanes

    def release(self, connection: Connection) -> None:
        """A connection has carried its call and may carry another."""
        lane = connection.lane
        call = lane.next_call(fresh=False) if lane.waiting else None
        if call is not None:
            connection.carry(call)
        elif self._retired:
            connection.close()
        else:
            connection.idle_since = self._now()
            lane.idle.append(connection)
            if not self._expiring:
                self._expiring = True
                self._expiry.restart(self._idle_timeout)
            if self.queued_count:
                self.dial_where_wanted()

    def connected(self, connection: Connection) -> None:
        """A dial has brought a connection that may carry calls."""
        lane = connection.lane
        for dial in lane.dials:
            if dial.connection is connection:
                break
        else:
            connection.abort()  # it was given up
            return
        lane.end_dial(dial)
        connection.ready = True
        lane.open.add(connection)
        self.changed(lane, 1)
        call = lane.next_call(fresh=True)
        if call is not None:
            connection.carry(call)
        else:
            self.release(connection)

    def lost(self, connection: Connection, reason: Failure) -> None:
        """A connection is closed, by whomever."""
        lane = connection.lane
        lane.forget(connection)
        for dial in lane.dials:
            if dial.connection is connection:  # while it was shaking hands
                self._failed(reason, dial)
                return
        self.dial_where_wanted()

    def changed(self, lane: Lane, by: int = 0) -> None:
        """Lanes have changed; ``by`` says how the number of open connections has."""
        if by:
            self.size += by
            if self.connections_changed is not None:
                self.connections_changed(by)
        if lane.empty and self._lanes.get(lane.partition) is lane:
            del self._lanes[lane.partition]

    def dial_where_wanted(self) -> None:
        """Dial for waiting calls, first come, first served, as far as the cap allows."""
        while self.queued_count:
            wanting = [lane for lane in self._lanes.values() if lane.wants]
            if not wanting:
                return
            lane = min(wanting, key=lambda lane: lane.waiting[len(lane.dials)].number)
            if not self._room_for(lane):
                return
            self._dial(lane)

    def watch(self) -> None:
        """A reused connection carries a call: see that somebody is there."""
        self.watching = True
        self._next_look.restart(self.stall)

    def _look(self) -> None:
        self.watching = False
        for lane in list(self._lanes.values()):
            for connection in list(lane.open):
                if connection.look() and not self.watching:
                    self.watch()

    def stalled(self) -> None:
        """A reused connection had died silently; its call waits for another one."""
        self.close_idle()
        self.dial_where_wanted()

    # -- inside

    def _enqueue(self, request: bytes, sink: ResponseSink, head: bool, partition: bytes) -> Call:
        """No idle connection is there: dial, or wait."""
        lane = self._lanes.get(partition) or Lane(self, partition)
        call = Call(lane, request, sink, head)
        room = self._room_for(lane)
        if not room and self.queued_count - self.dialling >= self._queue_limit:
            self._fail_later(call, "queue_full", "too many calls wait for a connection")
            return call
        self._calls += 1
        call.number = self._calls
        self._lanes[partition] = lane
        lane.wait(call)
        if room:
            self._calling = True
            self._dial(lane)
            self._calling = False
        return call

    def _room_for(self, lane: Lane) -> bool:
        if self.size + self.dialling < self.max_connections:
            return True
        oldest = [other.idle[0] for other in self._lanes.values() if other is not lane and other.idle]
        if not oldest:
            return False
        min(oldest, key=lambda connection: connection.idle_since).close()
        return True

    def _dial(self, lane: Lane) -> None:
        dial = Dial(lane)
        lane.dials.append(dial)
        self.dialling += 1
        dial.attempt = self._endpoint.connect(dial)
        # The connection comes by itself, see connected(). What dialled must not keep it, since it keeps itself.
        dial.attempt.addCallbacks(lambda _connection: None, self._failed, errbackArgs=(dial,))

    def _failed(self, failure: Failure, dial: Dial) -> None:
        """A dial has brought nothing."""
        lane = dial.lane
        if dial not in lane.dials:
            return  # it was given up
        lane.end_dial(dial)
        call = lane.next_call(fresh=True)
        self.changed(lane)
        kind, why = failure_kind(failure), failure_text(failure)
        if call is None:
            pass
        elif self._calling:
            self._fail_later(call, kind, why)
        else:
            call.fail(kind, f"{self.name}: {why}")
        self.dial_where_wanted()

    def _fail_later(self, call: Call, kind: str, why: str) -> None:
        """Not from inside :meth:`call`: whoever calls has yet to learn which call it is that failed."""
        self._deadlines.after(0, partial(call.fail, kind, f"{self.name}: {why}"))

    def _expire(self) -> None:
        """Close what has been idle for too long; come again when the next one is due."""
        due = self._now() - self._idle_timeout + 1e-6
        for lane in list(self._lanes.values()):
            while lane.idle and lane.idle[0].idle_since <= due:
                lane.idle[0].close()
        left = [lane.idle[0].idle_since for lane in self._lanes.values() if lane.idle]
        self._expiring = bool(left)
        if left:
            self._expiry.restart_at(min(left) + self._idle_timeout)
