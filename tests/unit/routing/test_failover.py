"""Whom a call asks, in which order, and when."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.admission import Slots
from aigw.routing.balance import Balance
from aigw.routing.breaker import Breaker, BreakerRules
from aigw.routing.budget import RetryBudget
from aigw.routing.failover import Failover, NextAttempt
from aigw.routing.health import Health
from aigw.routing.retry import KINDS, Failure, RetryRules
from aigw.routing.targets import Candidate, Group, Tier

NOW, LONG = 100.0, 1000.0


class Asking:
    """A call as choices see it."""

    stream = True

    def __init__(self, bound: bool = False) -> None:
        self.bound = bound

    def hash_key(self, on: str) -> bytes | None:
        return None


def candidate(name: str, *, weight: int = 1, slots: Slots | None = None) -> Candidate:
    return Candidate(
        backend=name.partition("/")[0],
        model=None,
        public_model="m",
        health=Health(),
        budget=RetryBudget(0.2),
        breaker=Breaker(BreakerRules(failures=3)),
        slots=slots,
        weight=weight,
        name=name.encode(),
    )


def group(*tiers: list[Candidate], use_unhealthy: bool = True, **rules: object) -> Group:
    balance = Balance("weighted", "consumer", random.Random(1).random)
    made = RetryRules(**rules)  # type: ignore[arg-type]
    return Group("m", tuple(Tier(tuple(tier), balance) for tier in tiers), made, use_unhealthy)


def shut(one: Candidate, now: float = NOW) -> None:
    """Open its breaker."""
    assert one.breaker is not None
    for _ in range(3):
        one.breaker.failed(one.breaker.begin(now), now)


class FirstTests(unittest.TestCase):
    """Whom a call asks first."""

    def test_priorities(self) -> None:
        """The next tier is for when nobody of this one is well."""
        a, b, c = candidate("a"), candidate("b"), candidate("c")
        both = group([a, b], [c])
        self.assertEqual({both.first(Asking(), NOW) for _ in range(50)}, {a, b})
        shut(a)
        self.assertEqual({both.first(Asking(), NOW) for _ in range(50)}, {b})
        b.health.rest(5.0, NOW)
        self.assertEqual({both.first(Asking(), NOW) for _ in range(50)}, {c})
        self.assertIn(b, {both.first(Asking(), NOW + 5.1) for _ in range(5)})

    def test_half_open_is_well_for_one(self) -> None:
        a, b = candidate("a"), candidate("b")
        both = group([a], [b])
        shut(a)
        self.assertIs(both.first(Asking(), NOW + 10), a)
        assert a.breaker is not None
        token = a.breaker.begin(NOW + 10)
        self.assertIs(both.first(Asking(), NOW + 10), b)
        a.breaker.succeeded(token, NOW + 11)
        self.assertIs(both.first(Asking(), NOW + 11), a)

    def test_when_all_are_open(self) -> None:
        """The one that is back first, or nobody."""
        a, b = candidate("a"), candidate("b")
        shut(a, NOW)
        shut(b, NOW - 5)
        self.assertIs(group([a, b]).first(Asking(), NOW), b)
        refusing = group([a, b], use_unhealthy=False)
        self.assertIsNone(refusing.first(Asking(), NOW))
        self.assertEqual(refusing.back_in(NOW), 5.0)

    def test_one_alone(self) -> None:
        """It is asked, whatever it is like, unless it is to be left alone."""
        a = candidate("a")
        shut(a)
        self.assertIs(group([a]).first(Asking(), NOW), a)
        self.assertIsNone(group([a], use_unhealthy=False).first(Asking(), NOW))
        self.assertIs(group([a], use_unhealthy=False).first(Asking(), NOW + 10), a)

    def test_a_full_one_gives_way(self) -> None:
        """To one that has room, even of a later tier; if none has, the call waits at the first."""
        full, roomy = Slots(1, 5), Slots(1, 5)
        full.take()
        a, b = candidate("a", slots=full), candidate("b", slots=roomy)
        both = group([a], [b])
        self.assertIs(both.first(Asking(), NOW), b)
        roomy.take()
        self.assertIs(both.first(Asking(), NOW), a)


class NextTests(unittest.TestCase):
    """Whom it asks after a failure."""

    def failover(self, own: Group, first: Candidate, chance: float = 1.0) -> Failover:
        return Failover(own, Asking(), first, lambda: chance)

    def test_somebody_else_at_once(self) -> None:
        a, b = candidate("a"), candidate("b")
        failover = self.failover(group([a], [b]), a)
        self.assertFalse(failover.exhausted)
        self.assertEqual(failover.next(a, Failure("overloaded"), NOW, LONG), NextAttempt(b, 0.0))
        self.assertTrue(failover.exhausted)

    def test_the_same_after_a_wait(self) -> None:
        """Where there is nobody else; exponentially later each time, and not for ever."""
        a = candidate("a")
        failover = self.failover(group([a], backoff=0.5), a)
        self.assertEqual(failover.next(a, Failure("server_error"), NOW, LONG), NextAttempt(a, 0.5))
        self.assertEqual(failover.next(a, Failure("server_error"), NOW + 1, LONG), NextAttempt(a, 1.0))
        self.assertIsNone(failover.next(a, Failure("server_error"), NOW + 2, LONG))

    def test_jitter(self) -> None:
        a = candidate("a")
        step = self.failover(group([a], backoff=0.5), a, chance=0.3).next(a, Failure("reset"), NOW, LONG)
        self.assertEqual(step, NextAttempt(a, 0.15))

    def test_a_silent_target_is_never_asked_again(self) -> None:
        for kind in ("first_byte_timeout", "first_token_timeout", "idle_timeout", "connect_timeout"):
            a, b = candidate("a"), candidate("b")
            failover = self.failover(group([a], [b], attempts=9), a)
            failure = Failure(kind, sent=kind != "connect_timeout")
            self.assertEqual(failover.next(a, failure, NOW, LONG), NextAttempt(b, 0.0))
            for _ in range(4):
                step = failover.next(b, Failure("server_error"), NOW, LONG)
                assert step is not None
                self.assertIs(step.candidate, b)
            self.assertIsNone(self.failover(group([a]), a).next(a, failure, NOW, LONG))

    def test_a_silent_one_stays_out_when_another_is_silent(self) -> None:
        a, b = candidate("a"), candidate("b")
        failover = self.failover(group([a, b], attempts=9), a)
        self.assertEqual(failover.next(a, Failure("overloaded"), NOW, LONG), NextAttempt(b))
        step = failover.next(b, Failure("first_token_timeout"), NOW, LONG)
        self.assertEqual(step, NextAttempt(a, 0.25))
        self.assertIsNone(failover.next(a, Failure("first_token_timeout"), NOW, LONG))

    def test_retry_after_is_a_floor_for_its_target_only(self) -> None:
        a, b = candidate("a"), candidate("b")
        a.health.rest(4.0, NOW)
        failover = self.failover(group([a], [b], attempts=9), a)
        self.assertEqual(failover.next(a, Failure("rate_limit", retry_after=4.0), NOW, LONG), NextAttempt(b, 0.0))
        self.assertEqual(failover.next(b, Failure("server_error"), NOW, LONG), NextAttempt(b, 0.25))
        for target in (a, candidate("c")):  # whether it is one for other calls, too, or not
            alone = self.failover(group([target]), target)
            self.assertEqual(
                alone.next(target, Failure("rate_limit", retry_after=4.0), NOW, LONG), NextAttempt(target, 4.0)
            )

    def test_who_wants_too_long_a_wait_is_not_asked_again(self) -> None:
        """Too long for the configuration, or for the call's own time."""
        a = candidate("a")
        a.health.rest(4.0, NOW)
        self.assertIsNone(self.failover(group([a], max_wait=3.0), a).next(a, Failure("rate_limit"), NOW, LONG))
        self.assertIsNone(self.failover(group([a]), a).next(a, Failure("rate_limit"), NOW, NOW + 3))

    def test_attempts_are_counted_over_all_targets(self) -> None:
        a, b, c = candidate("a"), candidate("b"), candidate("c")
        failover = self.failover(group([a], [b], [c], attempts=2), a)
        self.assertEqual(failover.next(a, Failure("reset"), NOW, LONG), NextAttempt(b))
        self.assertIsNone(failover.next(b, Failure("reset"), NOW, LONG))
        self.assertIsNone(self.failover(group([a], [b], attempts=1), a).next(a, Failure("reset"), NOW, LONG))

    def test_an_open_target_is_not_asked_twice(self) -> None:
        """In an outage, each call is one try and no more."""
        a = candidate("a")
        shut(a)
        self.assertIsNone(self.failover(group([a]), a).next(a, Failure("server_error"), NOW, LONG))

    def test_somebody_who_is_not_well_is_better_than_nobody(self) -> None:
        """Unless the configuration wants it otherwise."""
        a, b = candidate("a"), candidate("b")
        shut(a)
        shut(b)
        self.assertEqual(self.failover(group([a, b]), a).next(a, Failure("reset"), NOW, LONG), NextAttempt(b))
        refusing = group([a, b], use_unhealthy=False)
        self.assertIsNone(self.failover(refusing, a).next(a, Failure("reset"), NOW, LONG))

    def test_the_budget_bounds_repetitions(self) -> None:
        """1000 calls to a target that always fails: no more than the reserve and a fifth."""
        a, repeated = candidate("a"), 0
        a.breaker = None
        own = group([a])
        for _ in range(1000):
            a.budget.deposit()
            failover = self.failover(own, a)
            while failover.next(a, Failure("server_error"), NOW, LONG) is not None:
                repeated += 1
        self.assertLessEqual(repeated, 10 + 200)
        self.assertGreaterEqual(repeated, 200)

    def test_going_on_to_one_that_is_well_is_free(self) -> None:
        """An outage of one must not become an outage of all."""
        a, b = candidate("a"), candidate("b")
        own = group([a], [b])
        for _ in range(1000):
            self.assertEqual(self.failover(own, a).next(a, Failure("server_error"), NOW, LONG), NextAttempt(b))

    def test_another_model_of_the_same_account_is_not(self) -> None:
        a, b = candidate("a/1"), candidate("a/2")
        b.budget = a.budget
        own = group([a], [b], backoff=0.0)
        taken = sum(self.failover(own, a).next(a, Failure("quota"), NOW, LONG) is not None for _ in range(100))
        self.assertEqual(taken, 10)

    def test_another_account_is_asked_where_this_ones_budget_is_used_up(self) -> None:
        """A call does not fail for want of a budget that it need not use."""
        a, same, b = candidate("a/1", weight=1000), candidate("a/2", weight=1000), candidate("b")
        same.budget = a.budget
        a.budget.ratio = 0.0
        own = group([a, same, b])
        for _ in range(20):
            self.assertEqual(self.failover(own, a).next(a, Failure("quota"), NOW, LONG), NextAttempt(b))

    def test_a_call_that_goes_on_with_what_a_provider_has_kept(self) -> None:
        """It stays with that provider's account, whatever its other targets are."""
        a, same, b = candidate("a/1"), candidate("a/2"), candidate("b")
        failover = Failover(group([a], [b], [same], attempts=9), Asking(bound=True), a, lambda: 1.0)
        self.assertEqual(failover.next(a, Failure("first_byte_timeout"), NOW, LONG), NextAttempt(same))
        self.assertEqual(failover.next(same, Failure("server_error"), NOW, LONG), NextAttempt(same, 0.25))
        self.assertIsNone(failover.next(same, Failure("first_byte_timeout"), NOW, LONG))

    def test_context_length_goes_to_each_other_target_once(self) -> None:
        a, b = candidate("a"), candidate("b")
        failover = self.failover(group([a], [b], attempts=9), a)
        self.assertEqual(failover.next(a, Failure("context_length"), NOW, LONG), NextAttempt(b))
        self.assertIsNone(failover.next(b, Failure("context_length"), NOW, LONG))

    def test_who_cannot_be_asked_for_this_is_passed_over(self) -> None:
        """That is no attempt."""
        a, b, c = candidate("a"), candidate("b"), candidate("c")
        failover = self.failover(group([a], [b], [c], attempts=2), a)
        self.assertEqual(failover.next(a, Failure("reset"), NOW, LONG), NextAttempt(b))
        self.assertEqual(failover.instead(b, NOW), NextAttempt(c))
        self.assertIsNone(failover.instead(c, NOW))

    @given(
        st.lists(st.sampled_from(sorted(KINDS)), max_size=12),
        st.integers(1, 4),
        st.integers(1, 10),
        st.randoms(use_true_random=False),
    )
    def test_whatever_fails(self, kinds: list[str], targets: int, attempts: int, chance: random.Random) -> None:
        """Never more than the attempts, never the same silent target twice, never a wait beyond the call's time."""
        candidates = [candidate(str(number)) for number in range(targets)]
        own = group(candidates, attempts=attempts)
        asked = own.first(Asking(), NOW)
        assert asked is not None
        failover = Failover(own, Asking(), asked, chance.random)
        silent, made, until = set[Candidate](), 1, NOW + 5
        for kind in kinds:
            if KINDS[kind].on == "timeout" and kind != "request_timeout":
                silent.add(asked)
            step = failover.next(asked, Failure(kind, sent=KINDS[kind].sent is not None), NOW, until)
            if step is None:
                break
            made += 1
            asked = step.candidate
            self.assertNotIn(asked, silent)
            self.assertLessEqual(NOW + step.wait, until)
        self.assertLessEqual(made, attempts)
