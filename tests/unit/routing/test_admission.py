"""Places at a backend: bounded, fair, none lost."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial import unittest

from aigw.routing.admission import (
    ADDRESS_GROUPS,
    Place,
    Slots,
    address_groups,
    most_in_flight,
    share_name,
    within_share,
)

T = TypeVar("T")


def taken(granted: list[T], value: T) -> bool:
    """A call takes its place."""
    granted.append(value)
    return True


class SlotsTests(unittest.TestCase):
    """One backend's places."""

    def test_a_place_goes_to_the_next(self) -> None:
        slots, granted = Slots(1, 10), list[str]()
        self.assertTrue(slots.take())
        self.assertFalse(slots.take())
        slots.wait("a", lambda: taken(granted, "first"))
        slots.wait("a", lambda: taken(granted, "second"))
        self.assertEqual((slots.in_flight, slots.queued, granted), (1, 2, []))
        slots.release()
        self.assertEqual((slots.in_flight, slots.queued, granted), (1, 1, ["first"]))
        slots.release()
        slots.release()
        self.assertEqual((slots.in_flight, slots.queued, granted), (0, 0, ["first", "second"]))

    def test_consumers_take_turns(self) -> None:
        """Whoever sends a hundred calls at once makes its own wait."""
        slots, granted = Slots(1, 1000), list[str]()
        slots.take()
        for _ in range(100):
            slots.wait("greedy", lambda: taken(granted, "greedy"))
        for name in ("a", "b"):
            for _ in range(2):
                slots.wait(name, lambda name=name: taken(granted, name))  # type: ignore[misc]
        for _ in range(8):
            slots.release()
        self.assertEqual(granted, ["greedy", "a", "b", "greedy", "a", "b", "greedy", "greedy"])

    def test_the_queue_is_bounded(self) -> None:
        slots = Slots(1, 2)
        slots.take()
        self.assertIsNotNone(slots.wait("a", lambda: True))
        place = slots.wait("b", lambda: True)
        self.assertIsNone(slots.wait("c", lambda: True))
        assert place is not None
        place.leave()
        self.assertIsNotNone(slots.wait("c", lambda: True))

    def test_who_has_left_gets_nothing(self) -> None:
        slots, granted = Slots(1, 10), list[str]()
        slots.take()
        place = slots.wait("a", lambda: taken(granted, "a"))
        slots.wait("b", lambda: taken(granted, "b"))
        assert place is not None
        place.leave()
        place.leave()
        slots.release()
        self.assertEqual((granted, slots.in_flight, slots.queued), (["b"], 1, 0))

    def test_who_does_not_want_it_any_more_passes_it_on(self) -> None:
        """To the next one in the queue, however many do so; in the end the place is free."""
        slots, granted = Slots(1, 5000), list[str]()
        slots.take()
        for _ in range(2000):
            slots.wait("a", lambda: False)
        slots.wait("a", lambda: taken(granted, "a"))
        slots.wait("a", lambda: False)
        slots.release()
        self.assertEqual((granted, slots.in_flight, slots.queued), (["a"], 1, 1))
        slots.release()
        self.assertEqual((slots.in_flight, slots.queued), (0, 0))
        slots.take()
        slots.wait("a", lambda: False)
        slots.resize(2, 10)
        self.assertEqual((slots.in_flight, slots.queued), (1, 0))

    def test_other_limits(self) -> None:
        """More places are given out at once; fewer, as calls end."""
        slots, granted = Slots(1, 10), list[int]()
        slots.take()
        for number in range(3):
            slots.wait("a", lambda number=number: taken(granted, number))  # type: ignore[misc]
        slots.resize(3, 10)
        self.assertEqual((granted, slots.in_flight), ([0, 1], 3))
        slots.resize(1, 10)
        slots.release()
        slots.release()
        self.assertEqual((granted, slots.in_flight), ([0, 1], 1))
        slots.release()
        self.assertEqual((granted, slots.in_flight), ([0, 1, 2], 1))

    def test_no_limit(self) -> None:
        slots = Slots()
        self.assertTrue(all(slots.take() for _ in range(1000)))
        self.assertTrue(slots.has_room)

    @given(st.lists(st.sampled_from("abcd"), min_size=20, max_size=60))
    def test_nobody_is_more_than_one_turn_ahead(self, callers: list[str]) -> None:
        """Of consumers that all still wait, none was served twice more than another since both were there."""
        slots, order = Slots(1, 1000), list[str]()
        slots.take()
        for name in callers:
            slots.wait(name, lambda name=name: taken(order, name))  # type: ignore[misc]
        waiting = Counter(callers)
        while min(waiting[name] - order.count(name) for name in set(callers)) > 0:
            slots.release()
            counts = [order.count(name) for name in set(callers)]
            self.assertLessEqual(max(counts) - min(counts), 1)


class ShedTests(unittest.TestCase):
    """A full queue."""

    def setUp(self) -> None:
        self.shed: list[str] = []

    def wait(self, slots: Slots, consumer: str, name: str = "") -> Place | None:
        return slots.wait(consumer, lambda: True, lambda: self.shed.append(name or consumer))

    def test_whoever_has_most_waiting_makes_room(self) -> None:
        """One consumer that has filled the queue keeps nobody out; the last of its calls goes."""
        slots = Slots(1, 10)
        slots.take()
        for number in range(12):
            self.wait(slots, "greedy", f"greedy {number}")
        self.assertEqual(self.shed, [])
        for _ in range(5):
            self.assertIsNotNone(self.wait(slots, "quiet"))
        self.assertEqual(self.shed, [f"greedy {number}" for number in (9, 8, 7, 6, 5)])
        self.assertIsNone(self.wait(slots, "quiet"), "they have as many")
        self.assertIsNone(self.wait(slots, "greedy"))
        self.assertEqual(slots.queued, 10)

    def test_nobody_is_shed_for_one_that_would_have_as_many(self) -> None:
        """Else two consumers would take turns in turning each other out, and nobody would be served."""
        slots = Slots(1, 1)
        slots.take()
        self.assertIsNotNone(self.wait(slots, "a"))
        self.assertIsNone(self.wait(slots, "b"))
        self.assertEqual(self.shed, [])

    def test_who_was_shed_gets_nothing(self) -> None:
        """Nor does it hold anything up when it leaves."""
        slots = Slots(1, 2)
        slots.take()
        places = [self.wait(slots, "a"), self.wait(slots, "a")]
        self.wait(slots, "b")
        assert places[1] is not None
        places[1].leave()
        self.assertEqual(slots.queued, 2)
        slots.release()
        slots.release()
        slots.release()
        self.assertEqual((slots.in_flight, slots.queued), (0, 0))

    @given(st.lists(st.sampled_from("abcde"), max_size=80))
    def test_a_full_queue_is_shared_out(self, callers: list[str]) -> None:
        """Whoever is turned away has as many in it as anybody, but for one."""
        slots = Slots(1, 9)
        slots.take()
        for name in callers:
            if self.wait(slots, name) is None:
                lengths = {each: len(line) for each, line in slots._lines.items()}
                self.assertLessEqual(max(lengths.values()), lengths.get(name, 0) + 1)
        self.assertEqual(slots.queued, min(9, len(callers)))

    def test_no_call_looks_at_all_that_wait(self) -> None:
        """Of ten times as many, ten times as long: in coming, in being shed, and in leaving from anywhere."""

        def work(size: int) -> int:
            slots = Slots(1, size)
            slots.take()
            calls = 0

            def count(_frame: object, event: str, _argument: object) -> None:
                nonlocal calls
                calls += event in ("call", "c_call")

            sys.setprofile(count)
            try:
                places = [slots.wait("greedy", bool, bool) for _ in range(size)]
                places += [slots.wait(f"quiet{number}", bool, bool) for number in range(size)]
                for place in reversed(places):
                    if place is not None:
                        place.leave()
            finally:
                sys.setprofile(None)
            self.assertEqual((slots.queued, slots._lines, slots._by_length, slots._longest), (0, {}, {}, 0))
            return calls

        small, large = work(100), work(1000)
        self.assertLess(large, 11 * small)


class ShareTests(unittest.TestCase):
    """max_in_flight of the whole gateway."""

    def test_names(self) -> None:
        """Consumers by their own; the others by address, in a bounded number of groups that no consumer's name is."""
        self.assertEqual(share_name("ann", "10.0.0.1"), "ann")
        groups = {share_name("", f"10.0.{high}.{low}") for high in range(20) for low in range(256)}
        self.assertEqual(len(groups), ADDRESS_GROUPS)
        self.assertEqual(groups, set(address_groups()))
        self.assertTrue(all(name.startswith("@") for name in groups))
        for odd in ("", "unix", "fe80::1%eth0", "::ffff:1.2.3.4", "\udcff", "x" * 10_000):
            self.assertIn(share_name("", odd), groups)

    def test_a_network_of_ipv6_is_one_client(self) -> None:
        """Whoever has one address of it has them all."""
        self.assertEqual(share_name("", "2001:db8:0:7::1"), share_name("", "2001:db8:0:7:ffff:ffff:ffff:ffff"))
        self.assertEqual(len({share_name("", f"2001:db8:0:{number:x}::1") for number in range(5000)}), ADDRESS_GROUPS)

    def test_ipv4_in_ipv6_counts_as_addresses(self) -> None:
        """A listener of both kinds writes all its IPv4 clients so."""
        self.assertGreater(len({share_name("", f"::ffff:10.0.{number}.7") for number in range(256)}), 100)

    def test_one_consumer_has_the_whole_limit_and_no_more(self) -> None:
        for limit in range(1, 40):
            let_in = 0
            while within_share(limit, let_in + 1, let_in, 1):
                let_in += 1
            self.assertEqual(let_in, limit)

    def test_there_is_an_end(self) -> None:
        """However many consumers: no more than a quarter above the limit, rounded up."""
        self.assertEqual([most_in_flight(limit) for limit in (1, 4, 5, 100)], [2, 5, 7, 125])
        for limit in range(1, 40):
            for own in range(3):
                self.assertFalse(within_share(limit, most_in_flight(limit) + 1, own, 1000))


class Gateway:
    """One with ``max_in_flight``: who has how many calls."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls: Counter[str] = Counter()

    def come(self, name: str) -> bool:
        holders = len(self.calls) + (name not in self.calls)
        if not within_share(self.limit, self.calls.total() + 1, self.calls[name], holders):
            self.calls += Counter()  # forget who has none
            return False
        self.calls[name] += 1
        return True

    def end(self, name: str) -> None:
        self.calls[name] -= 1
        self.calls += Counter()


class AnyTrafficTests(unittest.TestCase):
    """Floods beside quiet consumers, in any order."""

    @given(
        st.integers(4, 60), st.lists(st.sampled_from(["flood", "flood", "flood", "end", "quiet", "done"]), max_size=300)
    )
    def test_a_flood_keeps_no_quiet_consumer_out(self, limit: int, events: list[str]) -> None:
        """One that has at most one call at a time is never refused, whatever another one does."""
        gateway = Gateway(limit)
        for event in events:
            if event == "flood":
                gateway.come("flood")
            elif event == "end" and gateway.calls["flood"]:
                gateway.end("flood")
            elif event == "quiet" and not gateway.calls["quiet"]:
                self.assertTrue(gateway.come("quiet"))
            elif event == "done" and gateway.calls["quiet"]:
                gateway.end("quiet")
            self.assertLessEqual(gateway.calls.total(), most_in_flight(limit))

    @given(st.integers(4, 60), st.integers(2, 5), st.randoms(use_true_random=False))
    def test_a_flood_gives_up_what_is_beyond_its_share(self, limit: int, consumers: int, chance: Random) -> None:
        """As its calls end, others that want as much get as much: none stays a whole call below its share."""
        gateway = Gateway(limit)
        names = [f"c{number}" for number in range(consumers)]
        while gateway.come("c0"):
            pass
        for _ in range(40 * limit):
            for name in names:
                gateway.come(name)
            gateway.end(chance.choice([name for name in names for _ in range(gateway.calls[name])]))
        for name in names:
            gateway.come(name)
        self.assertGreaterEqual(min(gateway.calls[name] for name in names) + 1, limit // consumers)


class SlotsMachine(RuleBasedStateMachine):
    """Any order of calls that come, go, wait and leave."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(2, 3)
        self.limit = 2
        self.running = 0
        self.waiting: dict[int, Place] = {}
        self.numbers = 0
        self.shed: list[int] = []

    def _granted(self, number: int) -> bool:
        del self.waiting[number]
        wants = number % 3 > 0
        self.running += wants
        return wants

    @rule(consumer=st.sampled_from("abcd"))
    def come(self, consumer: str) -> None:
        if self.slots.take():
            self.running += 1
            return
        self.numbers += 1
        lengths = Counter(place.consumer for place in self.waiting.values())
        full = len(self.waiting) >= 3
        place = self.slots.wait(
            consumer,
            lambda number=self.numbers: self._granted(number),  # type: ignore[misc]
            lambda number=self.numbers: self.shed.append(number),  # type: ignore[misc]
        )
        longest = max(lengths.values(), default=0)
        assert (place is not None) == (not full or longest > lengths[consumer] + 1)
        assert len(self.shed) == (place is not None and full)
        for number in self.shed:
            loser = self.waiting.pop(number).consumer
            assert lengths[loser] == longest
            others = [each for each, waiting in self.waiting.items() if waiting.consumer == loser]
            assert max(others) < number, "another of its calls has waited less"
        self.shed.clear()
        if place is not None:
            self.waiting[self.numbers] = place

    @precondition(lambda self: self.running)
    @rule()
    def end(self) -> None:
        self.running -= 1
        self.slots.release()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 100))
    def leave(self, which: int) -> None:
        number = sorted(self.waiting)[which % len(self.waiting)]
        self.waiting.pop(number).leave()

    @rule(limit=st.integers(0, 4))
    def resize(self, limit: int) -> None:
        self.limit = limit
        self.slots.resize(limit, 3)

    @invariant()
    def counts_hold(self) -> None:
        assert self.slots.in_flight == self.running
        assert self.slots.queued == len(self.waiting)
        if self.waiting:
            assert not self.slots.has_room, "somebody waits although there is room"


class AnyOrderTests(unittest.TestCase):
    """See :class:`SlotsMachine`."""

    def test_no_place_is_lost_or_given_twice(self) -> None:
        run_state_machine_as_test(SlotsMachine)
