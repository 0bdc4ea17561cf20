"""What the process has, may have, and is about to have."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.memory import Memory, parsed_size

MB = 1_000_000


class System:
    """Tells what the test wants it to."""

    def __init__(self, *resident: int) -> None:
        self.resident = list(resident)
        self.releases = 0

    def measure(self) -> int:
        return self.resident.pop(0) * MB

    def release(self) -> None:
        self.releases += 1

    def memory(self, most: int | None = 100) -> Memory:
        memory = Memory(self.measure, self.release)
        memory.most = most and most * MB
        return memory


class RoomTests(unittest.TestCase):
    """``max_memory``."""

    def test_without_a_limit_nothing_is_measured(self) -> None:
        memory = System().memory(None)
        self.assertTrue(memory.look())
        memory.held = 10**15
        self.assertTrue(memory.has_room(10**15))

    def test_bodies_count_at_once(self) -> None:
        """Each byte twice: it is there, and its copy is on its way."""
        memory = System(60).memory()
        self.assertTrue(memory.look())
        self.assertTrue(memory.has_room(40 * MB))
        self.assertFalse(memory.has_room(40 * MB + 1))
        memory.held += 20 * MB
        self.assertTrue(memory.has_room())
        memory.held += 1
        self.assertFalse(memory.has_room())
        memory.held -= 1
        self.assertTrue(memory.has_room())

    def test_what_was_seen_counts_once(self) -> None:
        """Bodies that were there at the last look are part of what was measured."""
        memory = System(60, 90).memory()
        memory.look()
        memory.held += 15 * MB
        memory.look()
        self.assertTrue(memory.has_room(10 * MB))
        memory.held -= 15 * MB
        self.assertTrue(memory.has_room(40 * MB))

    def test_above_it_all_that_is_free_is_given_back_first(self) -> None:
        system = System(150, 70)
        memory = system.memory()
        self.assertTrue(memory.look())
        self.assertEqual((system.releases, memory.resident), (1, 70 * MB))

    def test_it_comes_back_by_itself(self) -> None:
        """As soon as what is there is less, whatever the reason."""
        system = System(150, 140, 150, 130, 90)
        memory = system.memory()
        self.assertEqual([memory.look() for _ in range(3)], [False, False, True])
        self.assertEqual(system.releases, 2)

    def test_a_system_that_does_not_say(self) -> None:
        memory = Memory(lambda: None, lambda: None)
        memory.most = 1
        self.assertTrue(memory.look())


class ParsedTests(unittest.TestCase):
    """What a parsed body takes."""

    @given(
        st.recursive(
            st.none() | st.integers(0, 9) | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=9),
            max_leaves=40,
        )
    )
    def test_never_more_than_estimated(self, value: object) -> None:
        body = orjson.dumps(value)
        self.assertLessEqual(taken(orjson.loads(body)) - 300, 5 * parsed_size(body) // 2)

    def test_the_worst_and_the_usual(self) -> None:
        self.assertGreater(parsed_size(b"[" + b'{"":0},' * 1000 + b"0]"), 30 * 7000)
        self.assertLess(parsed_size(b'{"messages":[{"role":"user","content":"' + b"x" * 100_000 + b'"}]}'), 101_000)


def taken(value: object) -> int:
    """Bytes of an object and all that is in it."""
    size = value.__sizeof__() + 16
    if isinstance(value, dict):
        size += sum(taken(each) for pair in value.items() for each in pair)
    elif isinstance(value, list):
        size += sum(taken(each) for each in value)
    return size
