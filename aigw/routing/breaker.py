"""When a target is left alone: its breaker.

Theory of operation. A breaker is closed as long as its target answers. It opens after so many failures in a row, or
when a part of the calls fails, both within a window. While it is open the target is left out for the cool-down; then it
is half open: one call at a time is let through to see, a success closes the breaker, a failure opens it for another
cool-down. A call that was tried in spite of an open breaker, because there was no other, closes it by its success too.

Every call takes a token with :meth:`Breaker.begin` and gives it back with its verdict. What a call has to say that
began before the breaker opened is old news and does not count.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

import attrs

#: The window is counted in so many slices; what is older than the window goes slice by slice.
_SLICES: Final = 10


@attrs.frozen
class BreakerRules:
    """When a breaker opens, and for how long (``breaker`` of contract section 2).

    :ivar failures: in a row.
    :ivar rate: of at least ``2 * failures`` calls, above 0 to 1.
    :ivar window: seconds in which both count.
    :ivar cool_down: seconds.
    """

    failures: int = 5
    rate: float = 0.5
    window: float = 30.0
    cool_down: float = 10.0


class Breaker:
    """See the module's head. All times are the clock's seconds.

    :ivar is_open: or half open.
    :ivar open_until: the end of the cool-down.
    """

    __slots__ = ("_counts", "_failed", "_ok", "_opened", "_per_slice", "_probing", "_row", "_rules", "_slice",
                 "is_open", "open_until")  # fmt: skip

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._per_slice = rules.window / _SLICES
        self._opened = 0
        self._probing = False
        self.is_open = False
        self.open_until = 0.0
        self._forget()

    def ready(self, now: float) -> bool:
        """Whether a call may be put to the target."""
        return not self.is_open or (now >= self.open_until and not self._probing)

    def back_at(self, now: float) -> float:
        """When :meth:`ready` will be true at the latest, as far as that is known."""
        if not self.is_open:
            return now
        return max(self.open_until, now + self._rules.cool_down if self._probing else now)

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """For people."""
        if not self.is_open:
            return "closed"
        return "open" if now < self.open_until else "half-open"

    # -- what calls tell

    def begin(self, now: float) -> int:
        """A call begins, whether :meth:`ready` or not; returns its token."""
        if self.is_open and now >= self.open_until and not self._probing:
            self._probing = True
            return self._opened * 2 + 1
        return self._opened * 2

    def succeeded(self, token: int, now: float) -> None:
        """The target has answered the call of that token."""
        if not self.is_open:
            if self._row:
                self._row.clear()
            if int(now / self._per_slice) != self._slice:
                self._turn(now)
            self._ok += 1
        elif token >> 1 == self._opened:
            self.is_open = self._probing = False
            self._forget()

    def failed(self, token: int, now: float) -> None:
        """The target has failed it."""
        if token >> 1 != self._opened:
            return
        if self.is_open:
            if token & 1:
                self._probing = False
                self.open_until = now + self._rules.cool_down
            return
        self._turn(now)
        self._failed += 1
        row, rules = self._row, self._rules
        row.append(now)
        if (len(row) == rules.failures and now - row[0] <= rules.window) or self._fails_too_often():
            self.is_open = True
            self._opened += 1
            self.open_until = now + self._rules.cool_down

    def dropped(self, token: int) -> None:
        """The call ended without a verdict: its client left, or it never was sent."""
        if token & 1 and token >> 1 == self._opened:
            self._probing = False

    def probed(self, well: bool, now: float) -> None:
        """The target's backend has answered a probe that is no call, or failed it.

        An answer lets a call try at once; it closes nothing. A failure counts, and keeps calls away for another
        cool-down where they are kept away already.
        """
        if not self.is_open:
            if not well:
                self.failed(self.begin(now), now)
        elif well:
            self.open_until = min(self.open_until, now)
        else:
            self.open_until = max(self.open_until, now + self._rules.cool_down)

    # -- the window

    def _forget(self) -> None:
        self._row: deque[float] = deque(maxlen=self._rules.failures)
        self._slice = -1
        self._ok = self._failed = 0
        self._counts: list[tuple[int, int, int]] = []

    def _turn(self, now: float) -> None:
        """Begin the slice of ``now``, and forget those that are older than the window."""
        current = int(now / self._per_slice)
        if current != self._slice:
            self._counts.append((self._slice, self._ok, self._failed))
            self._counts = [each for each in self._counts if each[0] > current - _SLICES]
            self._slice, self._ok, self._failed = current, 0, 0

    def _fails_too_often(self) -> bool:
        failed = self._failed + sum(each[2] for each in self._counts)
        total = failed + self._ok + sum(each[1] for each in self._counts)
        return total >= 2 * self._rules.failures and failed >= self._rules.rate * total
