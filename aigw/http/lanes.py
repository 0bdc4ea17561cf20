"""The connections of one partition of a pool, the calls that wait for one, and the dials that are to bring more.

A :class:`Lane` only keeps what there is of its partition; which lane may dial, and how many connections there may be,
is :class:`~aigw.http.pool.Pool`'s to say.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from aigw.http.client import Call, Connection

if TYPE_CHECKING:
    from aigw.http.pool import Pool


class Dial(Factory):
    """One attempt to open a connection for a lane."""

    noisy = False

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.connection: Connection | None = None
        self.attempt: Deferred[Any] | None = None

    def buildProtocol(self, addr: object) -> Connection:
        """TCP is established; over TLS the handshake follows."""
        pool = self.lane.pool
        self.connection = connection = Connection(pool, self.lane, pool.limits)
        return connection

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        if self.connection is not None:
            self.connection.abort()
        elif self.attempt is not None:
            self.attempt.cancel()


class Lane:
    """The connections of one partition, and the calls that wait for one.

    :ivar idle: the one used last is last.
    :ivar open: all that may carry calls, idle or not.
    """

    __slots__ = ("dials", "idle", "open", "partition", "pool", "waiting")

    def __init__(self, pool: Pool, partition: bytes) -> None:
        self.pool = pool
        self.partition = partition
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()
        self.dials: list[Dial] = []
        self.waiting: deque[Call] = deque()

    def wait(self, call: Call) -> None:
        """A call waits for a connection."""
        self.waiting.append(call)
        self.pool.queued_count += 1

    def put_first(self, call: Call) -> None:
        """Send a call again, before anything that waits, on a fresh connection."""
        self.waiting.appendleft(call)
        self.pool.queued_count += 1

    def next_call(self, *, fresh: bool) -> Call | None:
        """Take the first call that waits and may use a connection.

        :param fresh: it has carried nothing yet; calls that are sent again need such a one.
        """
        for call in self.waiting:
            if fresh or not call.attempts:
                self.waiting.remove(call)
                self.pool.queued_count -= 1
                return call
        return None

    def withdraw(self, call: Call) -> None:
        """A call without a connection is cancelled."""
        if call not in self.waiting:
            return
        self.waiting.remove(call)
        self.pool.queued_count -= 1
        if len(self.dials) > len(self.waiting):
            dial = self.dials[-1]
            self.end_dial(dial)
            dial.give_up()
        self.pool.changed(self)
        self.pool.dial_where_wanted()

    def holds_up(self, call: Call) -> bool:
        """Whether the cap is why ``call`` waits: nobody dials for it, and most of the places are taken by others."""
        dials, pool = len(self.dials), self.pool
        if dials >= len(self.waiting) or pool.size < pool.dialling:
            return False
        return call.number >= self.waiting[dials].number  # they wait in order of their numbers

    def end_dial(self, dial: Dial) -> None:
        """A dial has brought a connection, or has failed, or is given up."""
        self.dials.remove(dial)
        self.pool.dialling -= 1

    def forget(self, connection: Connection) -> None:
        """A connection is closing."""
        if connection in self.open:
            self.open.remove(connection)
            if connection in self.idle:
                self.idle.remove(connection)
            self.pool.changed(self, -1)

    @property
    def wants(self) -> bool:
        """Whether a call waits for which nobody dials."""
        return len(self.waiting) > len(self.dials)

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to keep it for."""
        return not (self.open or self.waiting or self.dials)
