"""Which of several healthy targets gets a call."""

from __future__ import annotations

import random
from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.balance import Balance, weighted
from aigw.routing.health import Health


@attrs.frozen(eq=False)
class Rival:
    """A target as choices see it."""

    name: bytes
    weight: int = 1
    health: Health = attrs.field(factory=Health)


@attrs.frozen
class Asking:
    """A call as choices see it."""

    key: bytes | None = b""
    stream: bool = True
    bound: bool = False

    def hash_key(self, on: str) -> bytes | None:
        return self.key


def shares(rivals: list[Rival], balance: Balance, calls: list[Asking], now: float = 0.0) -> dict[str, int]:
    return dict(Counter(balance.pick(rivals, call, now).name.decode() for call in calls))


class WeightedTests(unittest.TestCase):
    """By weight."""

    def test_exactly_in_proportion_if_chance_is_even(self) -> None:
        for weights in ({"a": 80, "b": 20}, {"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 1}):
            rivals = [Rival(name.encode(), weight) for name, weight in weights.items()]
            found = Counter(weighted(rivals, lambda n=n: n / 1000).name.decode() for n in range(1000))  # type: ignore[misc]
            total = sum(weights.values())
            self.assertEqual(found, {name: 1000 * weight // total for name, weight in weights.items()})

    def test_chance_that_is_rounded_up(self) -> None:
        rivals = [Rival(b"a", 3), Rival(b"b", 7)]
        self.assertEqual(weighted(rivals, lambda: 1.0).name, b"b")


class LeastBusyTests(unittest.TestCase):
    """The power of two choices."""

    def balance(self, seed: int = 1) -> Balance:
        return Balance("least-busy", "consumer", random.Random(seed).random)

    def test_of_two_the_less_busy(self) -> None:
        one, other = Rival(b"a"), Rival(b"b")
        one.health.in_flight = 3
        self.assertEqual(shares([one, other], self.balance(), [Asking()] * 50), {"b": 50})

    def test_busy_is_for_its_weight(self) -> None:
        """Twelve calls at a target of weight 10 are less than two at one of weight 1."""
        one, other = Rival(b"a", 10), Rival(b"b", 1)
        one.health.in_flight, other.health.in_flight = 12, 2
        self.assertEqual(shares([one, other], self.balance(), [Asking()] * 50), {"a": 50})

    def test_loads_stay_close_together(self) -> None:
        """10,000 calls that never end, over ten targets: no target is far above another."""
        rivals, balance = [Rival(b"%d" % number) for number in range(10)], self.balance()
        for _ in range(10_000):
            balance.pick(rivals, Asking(), 0.0).health.in_flight += 1
        loads = [rival.health.in_flight for rival in rivals]
        self.assertLess(max(loads) - min(loads), 20)

    def test_never_the_busiest_of_many(self) -> None:
        """With two choices out of three, the busiest loses against whomever it meets."""
        rivals = [Rival(b"a"), Rival(b"b"), Rival(b"c")]
        rivals[1].health.in_flight = 9
        self.assertNotIn("b", shares(rivals, self.balance(), [Asking()] * 200))


class LowestLatencyTests(unittest.TestCase):
    """The soonest first token."""

    def setUp(self) -> None:
        self.rivals = [Rival(b"slow"), Rival(b"fast"), Rival(b"middling")]
        for rival, seconds in zip(self.rivals, (2.0, 0.2, 0.9), strict=True):
            rival.health.latency(True).observe(seconds, 100.0)
        self.balance = Balance("lowest-latency", "consumer", random.Random(3).random)

    def test_mostly_the_soonest(self) -> None:
        """And one call in twenty anywhere, so that the others stay known."""
        found = shares(self.rivals, self.balance, [Asking()] * 2000, 100.0)
        self.assertGreater(found["fast"], 1900)
        self.assertGreater(found["slow"], 10)
        self.assertGreater(found["middling"], 10)

    def test_whole_answers_are_measured_apart(self) -> None:
        """Their head comes when the answer is complete."""
        for rival, seconds in zip(self.rivals, (1.0, 9.0, 9.0), strict=True):
            rival.health.latency(False).observe(seconds, 100.0)
        found = shares(self.rivals, self.balance, [Asking(stream=False)] * 200, 100.0)
        self.assertGreater(found["slow"], 180)

    def test_an_unknown_one_is_tried_once(self) -> None:
        """Not by everybody at the same time."""
        new = Rival(b"new")
        first = self.balance.pick([*self.rivals, new], Asking(), 100.0)
        self.assertIs(first, new)
        new.health.in_flight += 1
        found = shares([*self.rivals, new], self.balance, [Asking()] * 200, 100.0)
        self.assertLess(found.get("new", 0), 20)

    def test_what_was_slow_long_ago_may_be_fast_now(self) -> None:
        """A target that is never chosen is not condemned for ever."""
        for at in range(101, 400):
            self.rivals[1].health.latency(True).observe(0.2, float(at))
            self.rivals[2].health.latency(True).observe(0.9, float(at))
        found = shares(self.rivals, self.balance, [Asking()] * 100, 400.0)
        self.assertGreater(found["slow"], 80)

    def test_the_newer_the_weightier(self) -> None:
        latency = Health().latency(True)
        for at in range(10):
            latency.observe(1.0, float(at))
        latency.observe(3.0, 19.0)
        self.assertGreater(latency.now(19.0), 2.0)
        self.assertLess(latency.now(19.0), 3.0)


class HashTests(unittest.TestCase):
    """The same target for the same key."""

    balance = Balance("hash", "consumer", random.Random(5).random)

    def test_always_the_same(self) -> None:
        rivals = [Rival(b"a"), Rival(b"b"), Rival(b"c")]
        for number in range(50):
            call = Asking(b"consumer-%d" % number)
            self.assertEqual(len(shares(rivals, self.balance, [call] * 5)), 1)
            self.assertEqual(self.balance.pick(rivals, call, 0.0).name, self.balance.pick(rivals[::-1], call, 9.0).name)

    def test_by_weight(self) -> None:
        rivals = [Rival(b"a", 3), Rival(b"b", 1)]
        found = shares(rivals, self.balance, [Asking(b"%d" % number) for number in range(4000)])
        self.assertLess(abs(found["a"] - 3000), 150)

    @given(st.sets(st.binary(min_size=1, max_size=8), min_size=2, max_size=8), st.binary(max_size=8))
    def test_only_the_share_of_the_one_that_goes_moves(self, names: set[bytes], key: bytes) -> None:
        rivals = [Rival(name) for name in sorted(names)]
        chosen = self.balance.pick(rivals, Asking(key), 0.0)
        for gone in rivals:
            left = [rival for rival in rivals if rival is not gone]
            found = self.balance.pick(left, Asking(key), 0.0)
            if gone is not chosen:
                self.assertIs(found, chosen)

    def test_without_a_key_by_weight(self) -> None:
        """A call without the header is not always the same one's."""
        found = shares([Rival(b"a"), Rival(b"b")], self.balance, [Asking(None)] * 200)
        self.assertGreater(min(found.values()), 50)
