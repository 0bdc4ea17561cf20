"""Coarse timers, cheap enough to have one on every connection and every call.

Theory of operation. A reactor's ``callLater`` costs a heap operation to set, another to cancel, and a gateway sets
several a request and moves one with every chunk of a stream. Here a :class:`Deadline` is a plain object whose time
is an attribute: moving it later is one assignment, cancelling it another. Deadlines sit in buckets, one for each
tick of ``resolution`` seconds; a single reactor timer visits the buckets that are due. A deadline found there that
was moved meanwhile is put into the bucket of its new time; one that was cancelled is dropped. So a deadline fires
at its time or up to one tick later, never earlier. No deadline is put further ahead than ``horizon`` seconds: a far
one is visited on the way, so that what was cancelled does not lie in a bucket for minutes. What is discarded leaves
its bucket at once: of the tens of thousands that a busy gateway discards in a second, none should be kept.

Where the event loop itself was late, whatever came meanwhile has not been read, and nobody may be punished for it: the
loop gets one turn to read before any deadline is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_NEVER: Final = math.inf
#: Seconds behind its time after which the loop was busy with something else.
_LATE: Final = 0.5


class Deadline:
    """One timer. Create it with :meth:`Deadlines.after`.

    :ivar at: when it fires, in the clock's seconds; infinite once it fired or was cancelled.
    """

    __slots__ = ("_bucket", "_fire", "_wheel", "at")

    def __init__(self, wheel: Deadlines, at: float, fire: Callable[[], object] | None) -> None:
        self._wheel = wheel
        self._fire = fire
        self.at = at
        self._bucket = -1

    def restart(self, seconds: float) -> None:
        """Fire ``seconds`` from now instead of whenever it was to fire; also after it fired or was cancelled."""
        self.restart_at(self._wheel.now() + seconds)

    def restart_at(self, at: float) -> None:
        """Fire at ``at`` on the clock instead."""
        self.at = at
        # Later than its bucket: the bucket will find it and move it on. Sooner, or in no bucket: place it now.
        if self._bucket < 0 or at < self._bucket * self._wheel.resolution:
            self._wheel.place(self)

    def cancel(self) -> None:
        """Never fire, unless restarted. Harmless at any time."""
        self.at = _NEVER

    def discard(self) -> None:
        """Cancel for good, and let go of the callback and all that it holds on to."""
        self.at = _NEVER
        self._fire = None
        if self._bucket >= 0:
            self._wheel.remove(self)

    @property
    def active(self) -> bool:
        """Whether it is still to fire."""
        return self.at != _NEVER


class Deadlines:
    """All the timers of one event loop.

    :param clock: the reactor, or a ``task.Clock`` in tests. Its ``seconds()`` should be monotonic.
    :param resolution: seconds a tick; a deadline fires at most that much late.
    :param horizon: seconds after which a far deadline is looked at again.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, clock: IReactorTime, resolution: float = 0.05, horizon: float = 1.0) -> None:
        self._clock = clock
        self.resolution = resolution
        self._horizon = horizon
        self.now: Callable[[], float] = clock.seconds
        self._buckets: dict[int, dict[Deadline, None]] = {}  # in the order in which they came
        self._next_tick = -1
        self._call: IDelayedCall | None = None
        self._has_read = False

    def after(self, seconds: float, fire: Callable[[], object]) -> Deadline:
        """A deadline ``seconds`` from now that calls ``fire`` without arguments, once."""
        deadline = Deadline(self, self.now() + seconds, fire)
        self.place(deadline)
        return deadline

    def idle(self, fire: Callable[[], object]) -> Deadline:
        """A deadline that is not running yet; :meth:`Deadline.restart` starts it."""
        return Deadline(self, _NEVER, fire)

    def stop(self) -> None:
        """Forget every deadline; for the end of a gateway, or of a test."""
        self._buckets.clear()
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def place(self, deadline: Deadline) -> None:
        """Put a deadline into the bucket of its time. For :class:`Deadline` only."""
        tick = math.ceil(min(deadline.at, self.now() + self._horizon) / self.resolution)
        deadline._bucket = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = {deadline: None}
            if self._call is None or tick < self._next_tick:
                self._wake_at(tick)
        else:
            bucket[deadline] = None

    def remove(self, deadline: Deadline) -> None:
        """Take a deadline out of its bucket, unless that is being visited. For :class:`Deadline` only."""
        bucket = self._buckets.get(deadline._bucket)
        if bucket is not None:
            bucket.pop(deadline, None)
        deadline._bucket = -1

    def _wake_at(self, tick: int) -> None:
        self._next_tick = tick
        delay = max(0.0, tick * self.resolution - self.now())
        if self._call is not None and self._call.active():
            self._call.reset(delay)
        else:
            self._call = self._clock.callLater(delay, self._turn)

    def _turn(self) -> None:
        self._call = None
        now = self.now()
        if now - self._next_tick * self.resolution > _LATE and not self._has_read:
            self._has_read = True
            self._call = self._clock.callLater(0, self._turn)
            return
        self._has_read = False
        # A tick that comes a rounding error early must not be asked for again and again.
        due = sorted(tick for tick in self._buckets if tick * self.resolution <= now + 1e-6)
        for tick in due:
            for deadline in self._buckets.pop(tick):
                self._visit(deadline, tick, now)
        if self._buckets:
            self._wake_at(min(self._buckets))

    def _visit(self, deadline: Deadline, tick: int, now: float) -> None:
        if deadline._bucket != tick:
            return  # was placed again elsewhere; that bucket answers for it
        deadline._bucket = -1
        fire = deadline._fire
        if deadline.at == _NEVER or fire is None:
            return
        if deadline.at > now + 1e-6:
            self.place(deadline)
            return
        deadline.at = _NEVER
        try:
            fire()
        except Exception:
            self._log.failure("a deadline's callback failed")
