"""The way of one call over its targets, once an attempt has failed.

Made at the first failure: most calls need none. :meth:`Failover.next` is asked after each failed attempt and says who
is to be asked next, and when:

1. a candidate that is well and was not tried yet, at once;
2. else one that may be tried again, after a back-off and not before it wants to be asked; for that a repetition is
   taken out of its backend's budget. A target that was silent, or whose breaker is open, is never asked again;
3. else, where nobody is well and the configuration says "try", one that was not tried yet all the same.
"""

from __future__ import annotations

import attrs

from aigw.routing.balance import Asking, Chance
from aigw.routing.retry import Failure, Where, backoff, where_next
from aigw.routing.targets import Candidate, Group


@attrs.frozen
class NextAttempt:
    """Ask this one, ``wait`` seconds from now."""

    candidate: Candidate
    wait: float = 0.0


class Failover:
    """See the module's head.

    :param first: whom the call asked first.
    """

    def __init__(self, group: Group, call: Asking, first: Candidate, chance: Chance) -> None:
        self._group = group
        self._call = call
        self._chance = chance
        self._tried = [first]
        if call.bound:  # a 404 of another backend would hide what really happened
            everybody = (each for tier in group.tiers for each in tier.candidates)
            self._tried += [each for each in everybody if each.backend != first.backend]
        self._attempts = 1
        self._again: dict[Candidate, int] = {}
        self._not_before: dict[Candidate, float] = {}

    @property
    def exhausted(self) -> bool:
        """Whether more than one attempt was made: a client that repeats the call multiplies them."""
        return self._attempts > 1

    @property
    def last(self) -> bool:
        """Whether the attempt under way is the last that the rules allow."""
        return self._attempts >= self._group.rules.attempts

    def next(self, failed: Candidate, failure: Failure, now: float, until: float) -> NextAttempt | None:
        """Who is asked next; None: nobody, the client is told of the failure.

        :param until: when the call's time is over.
        """
        rules = self._group.rules
        where = where_next(failure, rules)
        if where is Where.AGAIN:
            self._again[failed] = self._again.get(failed, 0) + 1
        else:
            self._again.pop(failed, None)
        self._not_before[failed] = now + (failure.retry_after or 0.0)
        if where is Where.STOP or self._attempts >= rules.attempts:
            return None
        step = self._other(now) or self._same(now, until) or self._in_spite(now)
        if step is not None:
            self._attempts += 1
            if step.candidate not in self._tried:
                self._tried.append(step.candidate)
        return step

    def instead(self, unfit: Candidate, now: float) -> NextAttempt | None:
        """Who is asked instead of a candidate that cannot be asked for this; that was no attempt."""
        if unfit not in self._tried:
            self._tried.append(unfit)
        self._again.pop(unfit, None)
        step = self._other(now)
        if step is not None:
            self._tried.append(step.candidate)
        return step

    def _other(self, now: float) -> NextAttempt | None:
        """Somebody new who is well; of a backend that was asked already only as far as its budget goes."""
        passed: list[Candidate] = []
        while (other := self._group.pick(self._call, now, [*self._tried, *passed])) is not None:
            known = any(each.backend == other.backend for each in self._tried)
            if not known or other.budget.withdraw(now):
                return NextAttempt(other)
            passed.append(other)
        return None

    def _same(self, now: float, until: float) -> NextAttempt | None:
        """The one that may be asked again soonest."""
        longest = min(self._group.rules.max_wait, until - now)
        waits = sorted(
            ((self._wait(each, now), number, each) for number, each in enumerate(self._again)), key=lambda one: one[:2]
        )
        for wait, _, candidate in waits:
            open_ = candidate.breaker is not None and candidate.breaker.is_open
            if wait <= longest and not open_ and candidate.budget.withdraw(now):
                return NextAttempt(candidate, wait)
        return None

    def _wait(self, candidate: Candidate, now: float) -> float:
        pause = backoff(self._group.rules, self._again[candidate], self._chance)
        return max(pause, candidate.health.resting_until - now, self._not_before[candidate] - now)

    def _in_spite(self, now: float) -> NextAttempt | None:
        """Somebody new who is not well, where that is better than nobody."""
        if not self._group.use_unhealthy:
            return None
        other = self._group.back_first(now, self._tried)
        return NextAttempt(other) if other is not None and other.budget.withdraw(now) else None
