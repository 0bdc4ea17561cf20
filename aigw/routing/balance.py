"""Which of several healthy targets gets a call.

- ``weighted``: by chance, each by its weight.
- ``least-busy``: of two taken by weight, the one with fewer calls in flight for its weight. Two are enough, and better
  than all: many gateways that look at the same loads do not all run to the same target (Mitzenmacher, "The Power of
  Two Choices in Randomized Load Balancing", 2001).
- ``lowest-latency``: the one whose first token came soonest, as a moving mean that fades; one call in twenty goes by
  weight, so that the others stay known.
- ``hash``: the same target for the same key, as long as it is healthy; weighted rendezvous hashing, so that only the
  calls of a target that comes or goes move (Thaler and Ravishankar, 1998).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from aigw.routing.health import Health

Chance = Callable[[], float]
"""A number in [0, 1) at each call."""

#: The part of calls that goes by weight, to know the other targets' latencies.
_EXPLORING = 0.05
_HASHES = float(1 << 53)


class Rival(Protocol):
    """What a choice needs of a target."""

    @property
    def weight(self) -> int:
        """Its share, above 0."""

    @property
    def health(self) -> Health:
        """How it is doing."""

    @property
    def name(self) -> bytes:
        """Stays the same over reloads; differs from its rivals'."""


class Asking(Protocol):
    """What a choice needs of a call."""

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""

    @property
    def bound(self) -> bool:
        """Whether only the backend that is asked first can answer it."""

    def hash_key(self, on: str) -> bytes | None:
        """What ``hash_on`` stands for in this call, None if it has no such thing."""


R = TypeVar("R", bound=Rival)


def weighted(rivals: Sequence[R], chance: Chance) -> R:
    """One by weight; ``rivals`` are not empty."""
    if len(rivals) == 1:
        return rivals[0]
    point = chance() * sum(rival.weight for rival in rivals)
    for rival in rivals:
        point -= rival.weight
        if point < 0:
            return rival
    return rivals[-1]  # where a float was rounded up to the sum


class Balance:
    """One of the ways above.

    :param kind: its name.
    :param hash_on: ``consumer`` or ``header:NAME``.
    """

    def __init__(self, kind: str, hash_on: str, chance: Chance) -> None:
        self._kind = kind
        self._hash_on = hash_on
        self._chance = chance

    def pick(self, rivals: Sequence[R], call: Asking, now: float) -> R:
        """One of ``rivals``, which are not empty."""
        if len(rivals) == 1:
            return rivals[0]
        if self._kind == "least-busy":
            return self._least_busy(rivals)
        if self._kind == "lowest-latency":
            return self._soonest(rivals, call.stream, now)
        if self._kind == "hash":
            key = call.hash_key(self._hash_on)
            if key is not None:
                return max(rivals, key=lambda rival: _score(key, rival))
        return weighted(rivals, self._chance)

    def _least_busy(self, rivals: Sequence[R]) -> R:
        one = weighted(rivals, self._chance)
        other = weighted([rival for rival in rivals if rival is not one], self._chance)
        if other.health.in_flight * one.weight < one.health.in_flight * other.weight:
            return other
        return one

    def _soonest(self, rivals: Sequence[R], stream: bool, now: float) -> R:
        if self._chance() < _EXPLORING:
            return weighted(rivals, self._chance)
        known = [(rival.health.latency(stream).now(now), rival) for rival in rivals]
        # Of those that nobody has measured, one that is being measured already can wait.
        unknown = [rival for seconds, rival in known if not seconds and not rival.health.in_flight]
        if unknown:
            return weighted(unknown, self._chance)
        measured = [(seconds, rival) for seconds, rival in known if seconds]
        if not measured:
            return weighted(rivals, self._chance)
        return min(measured, key=lambda each: each[0])[1]


def _score(key: bytes, rival: Rival) -> float:
    """The rival's score for ``key``: the highest wins, with a chance in proportion to its weight."""
    digest = hashlib.blake2b(key + b"\0" + rival.name, digest_size=8).digest()
    return -rival.weight / math.log(((int.from_bytes(digest) >> 11) + 0.5) / _HASHES)
