"""Places for calls at a backend: so many at a time, a bounded queue behind them, fair between consumers.

A call takes a place, or waits for one, or is turned away; when a call gives its place back, the next in the queue has
it. The queue is one line for each consumer, and the lines take turns: a consumer that sends a thousand calls at once
makes its own wait, not the others'. How long a call waits is its own business: it leaves the queue whenever it likes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Place:
    """A call's place in the queue."""

    __slots__ = ("_granted", "_slots", "consumer")

    def __init__(self, slots: Slots, consumer: str, granted: Callable[[], bool]) -> None:
        self._slots = slots
        self._granted: Callable[[], bool] | None = granted
        self.consumer = consumer

    def leave(self) -> None:
        """Wait no longer. Harmless once the place was granted."""
        if self._granted is not None:
            self._granted = None
            self._slots.left(self)

    def grant(self) -> bool:
        """For :class:`Slots`: the call may go on; whether it still wants to."""
        granted, self._granted = self._granted, None
        return granted is not None and granted()


class Slots:
    """See the module's head.

    :ivar in_flight: calls that have a place.
    :ivar queued: calls that wait for one.
    """

    def __init__(self, limit: int = 0, queue: int = 0) -> None:
        self.limit = limit
        self.in_flight = 0
        self.queued = 0
        self._most_queued = queue
        self._lines: dict[str, deque[Place]] = {}
        self._turns: deque[str] = deque()

    def resize(self, limit: int, queue: int) -> None:
        """Other limits from now on; calls that have a place keep it, those that wait go on waiting.

        :param limit: calls at a time; 0 for no limit.
        :param queue: calls that may wait.
        """
        self.limit = limit
        self._most_queued = queue
        while self.queued and self.has_room:
            self.in_flight += 1
            if not self._grant_next():
                self.in_flight -= 1

    @property
    def has_room(self) -> bool:
        """Whether a call could go on at once."""
        return not self.limit or self.in_flight < self.limit

    def take(self) -> bool:
        """Take a place, if there is one that nobody waits for."""
        if self.limit and self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        return True

    def wait(self, consumer: str, granted: Callable[[], bool]) -> Place | None:
        """Queue for a place; None where the queue is full.

        :param granted: called when the call has its place, never from in here; returns whether it takes it. Where it
            does not, the next one has it.
        """
        if self.queued >= self._most_queued:
            return None
        place = Place(self, consumer, granted)
        line = self._lines.get(consumer)
        if line is None:
            line = self._lines[consumer] = deque()
            self._turns.append(consumer)
        line.append(place)
        self.queued += 1
        return place

    def release(self) -> None:
        """Give a place back; the next call in the queue has it, if the limit allows."""
        while self.queued and (not self.limit or self.in_flight <= self.limit):
            if self._grant_next():
                return
        self.in_flight -= 1

    def left(self, place: Place) -> None:
        """For :class:`Place`: one does not wait any more."""
        line = self._lines[place.consumer]
        line.remove(place)
        self.queued -= 1
        if not line:
            self._close_line(place.consumer)

    def _grant_next(self) -> bool:
        """The consumer whose turn it is goes on with its first call, and behind all others; whether that takes it."""
        consumer = self._turns.popleft()
        line = self._lines[consumer]
        place = line.popleft()
        self.queued -= 1
        if line:
            self._turns.append(consumer)
        else:
            del self._lines[consumer]
        return place.grant()

    def _close_line(self, consumer: str) -> None:
        del self._lines[consumer]
        self._turns.remove(consumer)
