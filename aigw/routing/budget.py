"""How much may be repeated, so that an outage is not multiplied.

A token bucket in the way of Finagle's RetryBudget: each call that comes to a backend for the first time puts a part
of a token in, each repetition takes one out, and none is made where there is none. The bucket fills by itself as well,
by a little, so that a gateway with three calls a minute may repeat one.
"""

from __future__ import annotations

from typing import Final

#: Tokens that are there at first, and up to which the bucket fills by itself.
_RESERVE: Final = 10.0
#: Tokens a second by which it does.
_TRICKLE: Final = 1.0
#: Tokens that it holds: so many repetitions may come at once after a long quiet time.
_CAPACITY: Final = 100.0


class RetryBudget:
    """One backend's.

    :param ratio: tokens for each first call; 0 to 1. With 0, nothing is ever repeated.
    """

    __slots__ = ("_at", "_tokens", "ratio")

    def __init__(self, ratio: float = 0.2) -> None:
        self.ratio = ratio
        self._tokens = _RESERVE
        self._at = 0.0

    def deposit(self) -> None:
        """A call came for the first time."""
        tokens = self._tokens + self.ratio
        self._tokens = tokens if tokens < _CAPACITY else _CAPACITY

    def withdraw(self, now: float) -> bool:
        """Take the token of one repetition; whether there was one.

        :param now: the clock's seconds.
        """
        if not self.ratio:
            return False
        elapsed, self._at = max(0.0, now - self._at), now
        if self._tokens < _RESERVE:
            self._tokens = min(_RESERVE, self._tokens + elapsed * _TRICKLE)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
