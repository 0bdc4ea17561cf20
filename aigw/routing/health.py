"""How each target is doing, as far as its calls tell; kept over reloads.

A target is a backend and the model that it is asked for. What is known of it (calls in flight, how soon its first token
comes, until when it asked to be left alone) is one :class:`Health`, whatever public models lead to it; a breaker has
rules too, so there is one for each target and set of rules. A :class:`HealthRegistry` has all of them, and is handed
from one snapshot to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from aigw.routing.admission import Slots
from aigw.routing.breaker import Breaker, BreakerRules
from aigw.routing.budget import RetryBudget

#: Seconds in which what was measured loses two thirds of its weight.
_MEMORY = 10.0
#: The longest rest that a provider's word is good for, in seconds.
_LONGEST_REST = 3600.0


class Latency:
    """A moving mean of times, the newer the weightier; what was measured long ago fades to nothing.

    Fading makes a target that was slow, and so is not chosen any more, look better and better until it is tried again.
    """

    __slots__ = ("_at", "_mean")

    def __init__(self) -> None:
        self._mean = 0.0
        self._at = -math.inf

    def observe(self, seconds: float, now: float) -> None:
        """One more was measured."""
        kept = math.exp((self._at - now) / _MEMORY)
        self._mean = seconds + (self._mean - seconds) * kept if self._mean else seconds
        self._at = now

    def now(self, now: float) -> float:
        """The mean in seconds; 0.0 where nothing is known."""
        return self._mean * math.exp((self._at - now) / (6 * _MEMORY)) if self._mean else 0.0


class Health:
    """What is known of one target.

    :ivar in_flight: calls that it is working on.
    :ivar resting_until: it asked not to be called before then.
    """

    __slots__ = ("_streams", "_wholes", "in_flight", "resting_until")

    def __init__(self) -> None:
        self.in_flight = 0
        self.resting_until = 0.0
        self._streams = Latency()
        self._wholes = Latency()

    def latency(self, stream: bool) -> Latency:
        """Until the first token of a stream, or the head of a whole answer; the two have little in common."""
        return self._streams if stream else self._wholes

    def rest(self, seconds: float, now: float) -> None:
        """Leave it alone for so long; a shorter rest does not end a longer one."""
        self.resting_until = max(self.resting_until, now + min(seconds, _LONGEST_REST))


Target = tuple[str, str]
"""A backend's name and the model that it is asked for, empty where that is the client's choice."""


@attrs.frozen
class Limits:
    """What a backend is held to.

    :ivar max_in_flight: calls at a time; 0 for no limit.
    :ivar queue: calls that may wait for a place.
    :ivar retry_budget: see :class:`~aigw.routing.budget.RetryBudget`.
    """

    max_in_flight: int = 0
    queue: int = 0
    retry_budget: float = 0.2


class HealthRegistry:
    """See the module's head. Everything is made when it is first asked for."""

    def __init__(self) -> None:
        self._health: dict[Target, Health] = {}
        self._breakers: dict[tuple[Target, BreakerRules], Breaker] = {}
        self._slots: dict[str, Slots] = {}
        self._budgets: dict[str, RetryBudget] = {}

    def health(self, target: Target) -> Health:
        """Of a target."""
        return self._health.setdefault(target, Health())

    def breaker(self, target: Target, rules: BreakerRules) -> Breaker:
        """Of a target, by these rules; other rules are another breaker."""
        return self._breakers.setdefault((target, rules), Breaker(rules))

    def slots(self, backend: str) -> Slots:
        """A backend's places."""
        return self._slots.setdefault(backend, Slots())

    def budget(self, backend: str) -> RetryBudget:
        """A backend's budget for repetitions."""
        return self._budgets.setdefault(backend, RetryBudget())

    def hold(self, limits: Mapping[str, Limits], targets: Iterable[tuple[Target, BreakerRules | None]]) -> None:
        """Hold backends to these limits from now on, and forget what no configuration speaks of any more; calls that
        use it still end well.

        :param targets: each with the rules of its breakers; None for a target without one.
        """
        kept = set(targets)
        known = {target for target, _ in kept}
        for name, limit in limits.items():
            self.slots(name).resize(limit.max_in_flight, limit.queue)
            self.budget(name).ratio = limit.retry_budget
        self._health = {target: each for target, each in self._health.items() if target in known}
        self._breakers = {key: each for key, each in self._breakers.items() if key in kept}
        self._slots = {name: each for name, each in self._slots.items() if name in limits}
        self._budgets = {name: each for name, each in self._budgets.items() if name in limits}

    def probed(self, backend: str, well: bool, now: float) -> None:
        """A backend has answered a probe, or failed it; see :meth:`~aigw.routing.breaker.Breaker.probed`."""
        for (target, _), breaker in self._breakers.items():
            if target[0] == backend:
                breaker.probed(well, now)

    # -- for people and metrics

    def is_out(self, backend: str, now: float) -> bool:
        """Whether a target of ``backend`` is being left alone."""
        return any(self._out(target, now) for target in self._targets() if target[0] == backend)

    def overview(self, now: float) -> dict[str, str]:
        """Each target that is called, and how it is doing; and each backend that has room for so many only."""
        targets = {" ".join(target).strip(): self._words(target, now) for target in sorted(self._targets())}
        places = {
            f"{name}'s places": f"{slots.in_flight} of {slots.limit}, {slots.queued} waiting"
            for name, slots in sorted(self._slots.items())
            if slots.limit
        }
        return targets | places

    def _targets(self) -> set[Target]:
        return {*self._health, *(target for target, _ in self._breakers)}

    def _out(self, target: Target, now: float) -> bool:
        health = self._health.get(target)
        return (health is not None and health.resting_until > now) or any(
            breaker.is_open for (whose, _), breaker in self._breakers.items() if whose == target
        )

    def _words(self, target: Target, now: float) -> str:
        health = self.health(target)
        words = [f"{health.in_flight} in flight"]
        if health.resting_until > now:
            words.append(f"asked to be left alone for {health.resting_until - now:.0f} s")
        for (whose, _), breaker in self._breakers.items():
            if whose == target and breaker.is_open:
                left = f" for {breaker.open_until - now:.0f} s" if now < breaker.open_until else ""
                words.append(f"breaker {breaker.state(now)}{left}")
        for stream, name in ((True, "first token"), (False, "answer")):
            seconds = health.latency(stream).now(now)
            if seconds:
                words.append(f"{name} after {seconds * 1000:.0f} ms")
        return ", ".join(words)
