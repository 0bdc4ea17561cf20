"""The targets of a model, in the order in which a call tries them.

A :class:`Candidate` is a target ready to be called: which backend, which model, how it is doing, whether it may be
called. A :class:`Group` is all the candidates that a call for one public model may end at, in tiers: its own targets by
priority, then those of the models that it falls back on. In a tier the model's balance chooses among those that are
well. Which of them have been tried is a call's own knowledge (:class:`aigw.routing.failover.Failover`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from aigw.routing.admission import Slots
from aigw.routing.balance import Asking, Balance
from aigw.routing.breaker import Breaker
from aigw.routing.budget import RetryBudget
from aigw.routing.health import Health
from aigw.routing.retry import RetryRules


@dataclass(eq=False)
class Candidate:
    """One target.

    :ivar model: what the provider is asked for; None where that is the client's choice.
    :ivar public_model: the ``[models]`` entry that it belongs to, if it does to one.
    :ivar slots: the backend's places; None where it has no limit.
    :ivar prefill: whether it takes the beginning of its answer; None: as is known of its model.
    :ivar measured: how soon it answers is of interest.
    :ivar name: see :class:`~aigw.routing.balance.Rival`.
    """

    backend: str
    model: str | None
    public_model: str | None
    health: Health
    budget: RetryBudget
    breaker: Breaker | None = None
    slots: Slots | None = None
    weight: int = 1
    name: bytes = b""
    measured: bool = False
    prefill: bool | None = None

    def ready(self, now: float) -> bool:
        """Whether it is well: no breaker and no word of its own keep calls away."""
        breaker = self.breaker
        return (breaker is None or not breaker.is_open or breaker.ready(now)) and self.health.resting_until <= now

    @property
    def has_room(self) -> bool:
        """Whether a call could go there without queueing."""
        return self.slots is None or self.slots.has_room

    def back_at(self, now: float) -> float:
        """When it will be :meth:`ready`, as far as that is known."""
        breaker = self.breaker.back_at(now) if self.breaker is not None else now
        return max(now, self.health.resting_until, breaker)


@dataclass(frozen=True)
class Tier:
    """Candidates of equal rank, and how one of them is chosen."""

    candidates: tuple[Candidate, ...]
    balance: Balance


@dataclass(frozen=True, eq=False)
class Group:
    """See the module's head.

    :ivar public_model: the ``[models]`` entry that was asked for, if it was one.
    :ivar tiers: not empty, and none of them is.
    :ivar use_unhealthy: where no candidate is well, the one that is back first is tried all the same.
    :ivar patience: seconds; see ``patience`` of contract section 2's models in docs/config.md. 0: for ever.
    """

    public_model: str | None
    tiers: tuple[Tier, ...]
    rules: RetryRules
    use_unhealthy: bool = True
    patience: float = 0.0
    only: Candidate | None = field(init=False)

    def __post_init__(self) -> None:
        alone = len(self.tiers) == 1 and len(self.tiers[0].candidates) == 1
        object.__setattr__(self, "only", self.tiers[0].candidates[0] if alone else None)

    def first(self, call: Asking, now: float) -> Candidate | None:
        """Whom a call asks first; None if nobody is well and nobody is to be tried all the same."""
        only = self.only
        if only is not None and (self.use_unhealthy or only.ready(now)):
            return only
        return self.pick(call, now, ()) or (self.back_first(now, ()) if self.use_unhealthy else None)

    def pick(self, call: Asking, now: float, tried: Collection[Candidate]) -> Candidate | None:
        """A candidate that is well and was not tried: of the first tier in which one has room, else in the first one
        that has any, to wait in its queue."""
        waiting: tuple[Tier, Sequence[Candidate]] | None = None
        for tier in self.tiers:
            well = [each for each in tier.candidates if each not in tried and each.ready(now)]
            roomy = [each for each in well if each.has_room]
            if roomy:
                return tier.balance.pick(roomy, call, now)
            if well and waiting is None:
                waiting = tier, well
        return waiting[0].balance.pick(waiting[1], call, now) if waiting is not None else None

    def back_first(self, now: float, tried: Collection[Candidate]) -> Candidate | None:
        """The candidate that will be well before all others; of equals, the first."""
        others = [each for tier in self.tiers for each in tier.candidates if each not in tried]
        return min(others, key=lambda each: each.back_at(now), default=None)

    def back_in(self, now: float) -> float:
        """Seconds until somebody is expected to be well."""
        return min(each.back_at(now) for tier in self.tiers for each in tier.candidates) - now
