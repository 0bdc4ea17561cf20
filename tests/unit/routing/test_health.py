"""What is known of targets: kept by what they are, forgotten with them."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.routing.breaker import BreakerRules
from aigw.routing.health import HealthBook, Limits

TARGET, OTHER = ("one", "gpt-4o"), ("one", "")
RULES = BreakerRules(failures=1, cool_down=10.0)


class HealthBookTests(unittest.TestCase):
    """All targets of a gateway."""

    def test_the_same_target_is_the_same_for_everybody(self) -> None:
        """Whatever models lead to it; other rules are another breaker."""
        book = HealthBook()
        self.assertIs(book.health(TARGET), book.health(TARGET))
        self.assertIsNot(book.health(TARGET), book.health(OTHER))
        self.assertIs(book.breaker(TARGET, RULES), book.breaker(TARGET, BreakerRules(failures=1, cool_down=10.0)))
        self.assertIsNot(book.breaker(TARGET, RULES), book.breaker(TARGET, BreakerRules(failures=2)))

    def test_what_stays_is_kept_and_what_goes_is_forgotten(self) -> None:
        book = HealthBook()
        health, breaker, slots = book.health(TARGET), book.breaker(TARGET, RULES), book.slots("one")
        gone = book.health(("two", ""))
        book.hold({"one": Limits(5, 10, 0.5)}, [(TARGET, RULES)])
        self.assertIs(book.health(TARGET), health)
        self.assertIs(book.breaker(TARGET, RULES), breaker)
        self.assertIs(book.slots("one"), slots)
        self.assertEqual((slots.limit, book.budget("one").ratio), (5, 0.5))
        self.assertIsNot(book.health(("two", "")), gone)

    def test_a_breaker_whose_rules_have_gone_is_gone(self) -> None:
        """However open it was."""
        book = HealthBook()
        breaker = book.breaker(TARGET, RULES)
        breaker.failed(breaker.begin(0.0), 0.0)
        self.assertTrue(book.is_out("one", 100.0))
        book.hold({}, [(TARGET, BreakerRules(failures=9))])
        self.assertFalse(book.is_out("one", 100.0))

    def test_who_is_out(self) -> None:
        """An open breaker, or its own wish; for the backend as a whole if for one of its targets."""
        book = HealthBook()
        book.health(TARGET)
        breaker = book.breaker(OTHER, RULES)
        self.assertFalse(book.is_out("one", 1.0))
        book.health(TARGET).rest(5.0, 1.0)
        self.assertTrue(book.is_out("one", 5.9))
        self.assertFalse(book.is_out("one", 6.1))
        breaker.failed(breaker.begin(7.0), 7.0)
        self.assertTrue(book.is_out("one", 30.0))
        self.assertFalse(book.is_out("two", 7.0))

    def test_a_shorter_rest_does_not_end_a_longer_one(self) -> None:
        health = HealthBook().health(TARGET)
        health.rest(10.0, 0.0)
        health.rest(1.0, 5.0)
        self.assertEqual(health.resting_until, 10.0)
        health.rest(1e9, 5.0)
        self.assertEqual(health.resting_until, 5.0 + 3600)

    def test_for_people(self) -> None:
        book = HealthBook()
        book.health(TARGET).in_flight = 2
        book.health(TARGET).latency(True).observe(0.25, 3.0)
        breaker = book.breaker(OTHER, RULES)
        breaker.failed(breaker.begin(3.0), 3.0)
        book.health(OTHER).rest(4.0, 3.0)
        book.hold({"one": Limits(5, 10)}, [(TARGET, None), (OTHER, RULES)])
        book.slots("one").take()
        self.assertEqual(
            book.overview(3.0),
            {
                "one": "0 in flight, asked to be left alone for 4 s, breaker open for 10 s",
                "one gpt-4o": "2 in flight, first token after 250 ms",
                "one's places": "1 of 5, 0 waiting",
            },
        )
        self.assertIn("breaker half-open", book.overview(14.0)["one"])
