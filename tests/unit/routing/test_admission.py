"""Places at a backend: bounded, fair, none lost."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial import unittest

from aigw.routing.admission import Place, Slots

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


class SlotsMachine(RuleBasedStateMachine):
    """Any order of calls that come, go, wait and leave."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(2, 3)
        self.limit = 2
        self.running = 0
        self.waiting: dict[int, Place] = {}
        self.numbers = 0

    def _granted(self, number: int) -> bool:
        del self.waiting[number]
        wants = number % 3 > 0
        self.running += wants
        return wants

    @rule(consumer=st.sampled_from("abc"))
    def come(self, consumer: str) -> None:
        if self.slots.take():
            self.running += 1
            return
        self.numbers += 1
        place = self.slots.wait(consumer, lambda number=self.numbers: self._granted(number))  # type: ignore[misc]
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
