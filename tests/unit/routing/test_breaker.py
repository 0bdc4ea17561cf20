"""Breakers: when they open, how they find out that a target is back, what does not count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.breaker import Breaker, BreakerRules

RULES = BreakerRules(failures=3, rate=0.5, window=30.0, cool_down=10.0)


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(breaker.begin(now), now)


def answer(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeeded(breaker.begin(now), now)


class OpeningTests(unittest.TestCase):
    """From closed to open."""

    def test_failures_in_a_row_open_it(self) -> None:
        breaker = Breaker(RULES)
        fail(breaker, 1.0, 2)
        self.assertTrue(breaker.ready(1.0))
        fail(breaker, 1.0)
        self.assertEqual((breaker.is_open, breaker.ready(1.0), breaker.state(1.0)), (True, False, "open"))
        self.assertEqual(breaker.back_at(1.0), 11.0)

    def test_an_answer_ends_the_row(self) -> None:
        """Two failures, an answer, and so on: below the rate it stays closed."""
        breaker = Breaker(BreakerRules(3, 1.0, 30.0, 10.0))
        for _ in range(50):
            fail(breaker, 1.0, 2)
            answer(breaker, 1.0)
        self.assertFalse(breaker.is_open)

    def test_a_row_longer_than_the_window_is_none(self) -> None:
        """One failure a minute is not an outage; the last ones in the window count, whenever the row began."""
        breaker = Breaker(RULES)
        for minute in range(10):
            fail(breaker, minute * 60.0)
        self.assertFalse(breaker.is_open)
        breaker = Breaker(RULES)
        for at in (0.0, 25.0, 31.0):
            fail(breaker, at)
        self.assertFalse(breaker.is_open)
        fail(breaker, 32.0)
        self.assertTrue(breaker.is_open)

    def test_the_rate_opens_it(self) -> None:
        """Half of at least six calls, without three failures in a row."""
        breaker = Breaker(RULES)
        for at in range(3):
            answer(breaker, float(at))
            self.assertFalse(breaker.is_open)
            fail(breaker, float(at))
        self.assertTrue(breaker.is_open)

    def test_what_is_older_than_the_window_is_forgotten(self) -> None:
        """The answers of a good hour do not hide a bad minute."""
        breaker = Breaker(RULES)
        answer(breaker, 0.0, 1000)
        for at in range(40, 43):
            answer(breaker, float(at))
            fail(breaker, float(at))
        self.assertTrue(breaker.is_open)


class HalfOpenTests(unittest.TestCase):
    """From open to closed again."""

    def opened(self) -> Breaker:
        breaker = Breaker(RULES)
        fail(breaker, 0.0, 3)
        return breaker

    def test_one_call_at_a_time_tries(self) -> None:
        breaker = self.opened()
        self.assertFalse(breaker.ready(9.9))
        self.assertEqual((breaker.ready(10.0), breaker.state(10.0)), (True, "half-open"))
        token = breaker.begin(10.0)
        self.assertFalse(breaker.ready(10.0))
        breaker.succeeded(token, 11.0)
        self.assertEqual((breaker.is_open, breaker.ready(11.0)), (False, True))

    def test_a_failed_try_is_another_cool_down(self) -> None:
        breaker = self.opened()
        fail(breaker, 12.0)
        self.assertFalse(breaker.ready(21.9))
        self.assertTrue(breaker.ready(22.0))

    def test_a_try_without_a_verdict_frees_its_place(self) -> None:
        """Its client left: that says nothing of the target."""
        breaker = self.opened()
        breaker.dropped(breaker.begin(10.0))
        self.assertTrue(breaker.ready(10.0))
        self.assertTrue(breaker.is_open)

    def test_old_news_do_not_count(self) -> None:
        """Calls that began before it opened neither close it, nor keep it open, nor open it again."""
        breaker = Breaker(RULES)
        old = breaker.begin(0.0)
        fail(breaker, 0.0, 3)
        breaker.succeeded(old, 1.0)
        self.assertTrue(breaker.is_open)
        breaker.failed(old, 9.0)
        self.assertEqual(breaker.open_until, 10.0)
        answer(breaker, 10.0)
        for _ in range(3):
            breaker.failed(old, 11.0)
        self.assertFalse(breaker.is_open)

    def test_a_call_that_was_tried_in_spite_closes_it(self) -> None:
        """And its failure does not keep it open for longer: it would never be half open."""
        breaker = self.opened()
        breaker.failed(breaker.begin(5.0), 6.0)
        self.assertEqual(breaker.open_until, 10.0)
        breaker.succeeded(breaker.begin(7.0), 8.0)
        self.assertFalse(breaker.is_open)

    def test_a_closed_breaker_has_forgotten(self) -> None:
        """It takes as many failures as the first time."""
        breaker = self.opened()
        answer(breaker, 10.0)
        fail(breaker, 10.0, 2)
        self.assertFalse(breaker.is_open)


class ProbedTests(unittest.TestCase):
    """What is learnt without calls."""

    def test_failed_probes_open_it(self) -> None:
        """As failed calls do; between them, only an answered call ends the row."""
        breaker = Breaker(RULES)
        for at in (0.0, 5.0):
            breaker.probed(False, at)
            breaker.probed(True, at + 1)
        self.assertFalse(breaker.is_open)
        breaker.probed(False, 10.0)
        self.assertEqual((breaker.is_open, breaker.open_until), (True, 20.0))

    def test_an_answered_one_lets_a_call_try(self) -> None:
        """And does no more than that."""
        breaker = Breaker(RULES)
        fail(breaker, 0.0, 3)
        breaker.probed(True, 4.0)
        self.assertEqual((breaker.is_open, breaker.ready(4.0), breaker.state(4.0)), (True, True, "half-open"))
        token = breaker.begin(4.0)
        breaker.probed(True, 5.0)
        self.assertFalse(breaker.ready(5.0), "one at a time")
        breaker.failed(token, 6.0)
        self.assertEqual(breaker.open_until, 16.0)

    def test_a_failed_one_spares_the_call_that_would_try(self) -> None:
        breaker = Breaker(RULES)
        fail(breaker, 0.0, 3)
        for at in (5.0, 14.0):
            breaker.probed(False, at)
        self.assertFalse(breaker.ready(23.9))
        self.assertTrue(breaker.ready(24.0))


class AnyOrderTests(unittest.TestCase):
    """Whatever calls do."""

    @given(st.lists(st.tuples(st.sampled_from(["begin", "ok", "fail", "drop", "wait"]), st.integers(0, 5))))
    def test_it_never_stays_shut_for_ever(self, steps: list[tuple[str, int]]) -> None:
        """When all calls are over and the cool-down is, a call may try; and never do two at once."""
        breaker, now, tokens = Breaker(RULES), 0.0, list[int]()
        for step, number in steps:
            if step == "wait":
                now += number * 4
            elif step == "begin":
                ready, was_open = breaker.ready(now), breaker.is_open
                tokens.append(breaker.begin(now))
                if ready and was_open:
                    self.assertFalse(breaker.ready(now))
            elif tokens:
                token = tokens.pop(number % len(tokens))
                if step == "ok":
                    breaker.succeeded(token, now)
                elif step == "fail":
                    breaker.failed(token, now)
                else:
                    breaker.dropped(token)
        for token in tokens:
            breaker.dropped(token)
        self.assertTrue(breaker.ready(now + RULES.cool_down))
