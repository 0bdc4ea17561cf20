"""Who may go on where there is not room for all: places at a backend, and a gateway with ``max_in_flight``.

**Places at a backend** (:class:`Slots`). A call takes a place, or waits for one, or is turned away; when a call gives
its place back, the next in the queue has it. The queue is one line for each consumer, and the lines take turns: a
consumer that sends a thousand calls at once makes its own wait, not the others'. Nor does it keep others out of the
queue: where that is full, whoever has the longest line gives up the end of it for one that would still have fewer.
How long a call waits is its own business: it leaves the queue whenever it likes. Nothing here looks at all that wait.

**max_in_flight** (:func:`within_share`). Calls that run cannot be ended for others. So above the limit there is a
reserve, a quarter as much again, for consumers that have less than their share of it: whoever floods the gateway
cannot take it all, and gives up what is beyond its share as its calls end.

Calls without a consumer count by their address (:func:`share_name`), in one of a few groups: otherwise an open route
would be one consumer to us, and whoever floods it would keep all its other callers out.
"""

from __future__ import annotations

import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from zlib import crc32

#: Groups of addresses, by which calls without a consumer are counted.
ADDRESS_GROUPS = 256

#: What an IPv4 address begins with where it is written as an IPv6 one (RFC 4291, section 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


def share_name(consumer: str, client: str) -> str:
    """By what name a call is counted among others. No consumer has a name with ``@``.

    :param consumer: whose call it is; empty for nobody's.
    :param client: its address. Of IPv6 the network counts: a host has a whole one to itself.
    """
    if consumer:
        return consumer
    address = client.encode("utf-8", "replace")
    if ":" in client:
        with contextlib.suppress(OSError, ValueError):  # it is no address of a network
            address = socket.inet_pton(socket.AF_INET6, client.partition("%")[0])
            address = address if address.startswith(_MAPPED) else address[:8]
    return f"@{crc32(address) % ADDRESS_GROUPS}"


def address_groups() -> Iterable[str]:
    """All names that :func:`share_name` has for calls without a consumer."""
    return (f"@{number}" for number in range(ADDRESS_GROUPS))


def most_in_flight(limit: int) -> int:
    """How many calls there may be with the reserve above ``limit``."""
    return limit + (limit + 3) // 4


def within_share(limit: int, in_flight: int, own: int, holders: int) -> bool:
    """Whether a call may go on.

    :param limit: ``max_in_flight``.
    :param in_flight: all calls, with this one.
    :param own: those of its consumer, without this one.
    :param holders: consumers that have calls in flight, with this one.
    """
    if in_flight <= limit:
        return True
    return in_flight <= most_in_flight(limit) and own * holders < limit


class Place:
    """A call's place in the queue."""

    __slots__ = ("_granted", "_shed", "_slots", "consumer")

    def __init__(
        self, slots: Slots, consumer: str, granted: Callable[[], bool], shed: Callable[[], object] | None
    ) -> None:
        self._slots = slots
        self._granted: Callable[[], bool] | None = granted
        self._shed = shed
        self.consumer = consumer

    def leave(self) -> None:
        """Wait no longer. Harmless once the place was granted."""
        if self._granted is not None:
            self._granted = self._shed = None
            self._slots.left(self)

    def grant(self) -> bool:
        """For :class:`Slots`: the call may go on; whether it still wants to."""
        granted, self._granted, self._shed = self._granted, None, None
        return granted is not None and granted()

    def shed(self) -> None:
        """For :class:`Slots`: the call has lost its place to another consumer's."""
        shed, self._granted, self._shed = self._shed, None, None
        if shed is not None:
            shed()


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
        self._lines: dict[str, OrderedDict[Place, None]] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()
        # Which lines have so many calls; of none is there an entry for a length that no line has.
        self._by_length: dict[int, OrderedDict[str, None]] = {}
        self._longest = 0

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

    def wait(
        self, consumer: str, granted: Callable[[], bool], shed: Callable[[], object] | None = None
    ) -> Place | None:
        """Queue for a place; None where the queue is full of calls of which no consumer has more than this one's.

        :param consumer: as :func:`share_name` has it.
        :param granted: called when the call has its place, never from in here; returns whether it takes it. Where it
            does not, the next one has it.
        :param shed: called when the call loses its place in the queue to a call of a consumer that has fewer in it.
            It comes from within that one's :meth:`wait`, and must come back to the call later.
        """
        line = self._lines.get(consumer)
        loser: Place | None = None
        if self.queued >= self._most_queued:
            if self._longest <= (len(line) if line is not None else 0) + 1:
                return None
            loser = self._take_last(next(iter(self._by_length[self._longest])))
        place = Place(self, consumer, granted, shed)
        if line is None:
            line = self._lines[consumer] = OrderedDict()
            self._turns[consumer] = None
        line[place] = None
        self.queued += 1
        self._grown(consumer, len(line))
        if loser is not None:
            loser.shed()
        return place

    def release(self) -> None:
        """Give a place back; the next call in the queue has it, if the limit allows."""
        while self.queued and (not self.limit or self.in_flight <= self.limit):
            if self._grant_next():
                return
        self.in_flight -= 1

    def left(self, place: Place) -> None:
        """For :class:`Place`: one does not wait any more."""
        del self._lines[place.consumer][place]
        self._shrunk(place.consumer)

    def _take_last(self, consumer: str) -> Place:
        """The call of a consumer that has waited least leaves."""
        place, _ = self._lines[consumer].popitem()
        self._shrunk(consumer)
        return place

    def _grant_next(self) -> bool:
        """The consumer whose turn it is goes on with its first call, and behind all others; whether that takes it."""
        consumer = next(iter(self._turns))
        self._turns.move_to_end(consumer)
        place, _ = self._lines[consumer].popitem(last=False)
        self._shrunk(consumer)
        return place.grant()

    # -- how long the lines are

    def _grown(self, consumer: str, length: int) -> None:
        """A line has one more, and so many now."""
        if length > 1:
            self._not_of_length(consumer, length - 1)
        self._by_length.setdefault(length, OrderedDict())[consumer] = None
        self._longest = max(self._longest, length)

    def _shrunk(self, consumer: str) -> None:
        """A line has one less; where it has none it is closed."""
        self.queued -= 1
        length = len(self._lines[consumer])
        self._not_of_length(consumer, length + 1)
        if length:
            self._by_length.setdefault(length, OrderedDict())[consumer] = None
        else:
            del self._lines[consumer], self._turns[consumer]
        if self._longest not in self._by_length:
            self._longest = length  # this was the only one of that length, and is the longest still

    def _not_of_length(self, consumer: str, length: int) -> None:
        alike = self._by_length[length]
        del alike[consumer]
        if not alike:
            del self._by_length[length]
