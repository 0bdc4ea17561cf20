"""What is known of targets: kept by what they are, forgotten with them."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.routing.breaker import BreakerRules
from aigw.routing.health import HealthRegistry, Limits

TARGET, OTHER = ("one", "gpt-4o"), ("one", "")
RULES = BreakerRules(failures=1, cool_down=10.0)


class HealthRegistryTests(unittest.TestCase):
    """All targets of a gateway."""

    def test_the_same_target_is_the_same_for_everybody(self) -> None:
        """Whatever models lead to it; other rules are another breaker."""
        registry = HealthRegistry()
        self.assertIs(registry.health(TARGET), registry.health(TARGET))
        self.assertIsNot(registry.health(TARGET), registry.health(OTHER))
        self.assertIs(
            registry.breaker(TARGET, RULES), registry.breaker(TARGET, BreakerRules(failures=1, cool_down=10.0))
        )
        self.assertIsNot(registry.breaker(TARGET, RULES), registry.breaker(TARGET, BreakerRules(failures=2)))

    def test_what_stays_is_kept_and_what_goes_is_forgotten(self) -> None:
        registry = HealthRegistry()
        health, breaker, slots = registry.health(TARGET), registry.breaker(TARGET, RULES), registry.slots("one")
        gone = registry.health(("two", ""))
        registry.hold({"one": Limits(5, 10, 0.5)}, [(TARGET, RULES)])
        self.assertIs(registry.health(TARGET), health)
        self.assertIs(registry.breaker(TARGET, RULES), breaker)
        self.assertIs(registry.slots("one"), slots)
        self.assertEqual((slots.limit, registry.budget("one").ratio), (5, 0.5))
        self.assertIsNot(registry.health(("two", "")), gone)

    def test_a_breaker_whose_rules_have_gone_is_gone(self) -> None:
        """However open it was."""
        registry = HealthRegistry()
        breaker = registry.breaker(TARGET, RULES)
        breaker.failed(breaker.begin(0.0), 0.0)
        self.assertTrue(registry.is_out("one", 100.0))
        registry.hold({}, [(TARGET, BreakerRules(failures=9))])
        self.assertFalse(registry.is_out("one", 100.0))

    def test_who_is_out(self) -> None:
        """An open breaker, or its own wish; for the backend as a whole if for one of its targets."""
        registry = HealthRegistry()
        registry.health(TARGET)
        breaker = registry.breaker(OTHER, RULES)
        self.assertFalse(registry.is_out("one", 1.0))
        registry.health(TARGET).rest(5.0, 1.0)
        self.assertTrue(registry.is_out("one", 5.9))
        self.assertFalse(registry.is_out("one", 6.1))
        breaker.failed(breaker.begin(7.0), 7.0)
        self.assertTrue(registry.is_out("one", 30.0))
        self.assertFalse(registry.is_out("two", 7.0))

    def test_a_shorter_rest_does_not_end_a_longer_one(self) -> None:
        health = HealthRegistry().health(TARGET)
        health.rest(10.0, 0.0)
        health.rest(1.0, 5.0)
        self.assertEqual(health.resting_until, 10.0)
        health.rest(1e9, 5.0)
        self.assertEqual(health.resting_until, 5.0 + 3600)

    def test_for_people(self) -> None:
        registry = HealthRegistry()
        registry.health(TARGET).in_flight = 2
        registry.health(TARGET).latency(True).observe(0.25, 3.0)
        breaker = registry.breaker(OTHER, RULES)
        breaker.failed(breaker.begin(3.0), 3.0)
        registry.health(OTHER).rest(4.0, 3.0)
        registry.hold({"one": Limits(5, 10)}, [(TARGET, None), (OTHER, RULES)])
        registry.slots("one").take()
        self.assertEqual(
            registry.overview(3.0),
            {
                "one": "0 in flight, asked to be left alone for 4 s, breaker open for 10 s",
                "one gpt-4o": "2 in flight, first token after 250 ms",
                "one's places": "1 of 5, 0 waiting",
            },
        )
        self.assertIn("breaker half-open", registry.overview(14.0)["one"])
