"""Counters in shared memory: each process reads what the others wrote."""

from __future__ import annotations

import os

from twisted.trial import unittest

from aigw.shared_counters import CONNECTIONS, CONSUMERS, REQUESTS, ROWS, SharedCounters, make_memory, with_rows


class SharedCountersTests(unittest.TestCase):
    """Three columns of one memory; that other processes map it makes no difference to a mapping."""

    def setUp(self) -> None:
        memory = make_memory(3)
        self.addCleanup(os.close, memory)
        self.counters = [SharedCounters(memory, 3, column) for column in range(3)]

    def test_sum_of_the_others(self) -> None:
        """One's own count is not among them."""
        for count, each in enumerate(self.counters, 1):
            each.put(REQUESTS, 10**count)
        self.assertEqual([each.elsewhere(REQUESTS) for each in self.counters], [1100, 1010, 110])

    def test_rows_are_apart(self) -> None:
        """Connections are no requests, and the last row of a column is not the first of the next."""
        self.counters[0].put(ROWS - 1, 5)
        self.counters[1].put(CONNECTIONS, 7)
        self.assertEqual(self.counters[2].elsewhere(ROWS - 1), 5)
        self.assertEqual(self.counters[2].elsewhere(CONNECTIONS), 7)
        self.assertEqual(self.counters[2].elsewhere(REQUESTS), 0)

    def test_consumers_by_name(self) -> None:
        """Those with a row are counted; of the others nobody wants to know."""
        for each in self.counters:
            each.rows = with_rows({}, ["ann", "bob"])
        self.counters[0].put_consumer("ann", 3)
        self.counters[0].put_consumer("cid", 4)
        self.counters[1].put_consumer("bob", 1)
        self.assertEqual([self.counters[2].consumer_elsewhere(name) for name in ("ann", "bob", "cid")], [3, 1, 0])

    def test_wiped_column(self) -> None:
        """What a process that has ended had under way is under way no more; the others' stays."""
        for each in self.counters:
            each.rows = with_rows({}, ["ann"])
            each.put(CONNECTIONS, 2)
            each.put(REQUESTS, 2)
            each.put_consumer("ann", 2)
        self.counters[0].wipe(1)
        self.assertEqual(self.counters[0].elsewhere(CONNECTIONS), 2)
        self.assertEqual(self.counters[0].elsewhere(REQUESTS), 2)
        self.assertEqual(self.counters[0].consumer_elsewhere("ann"), 2)

    def test_a_row_is_one_consumers_for_ever(self) -> None:
        """A reload that drops one and brings another must not count the one's calls as the other's."""
        first = with_rows({}, ["ann", "bob"])
        then = with_rows(first, ["cid", "bob"])
        self.assertEqual(then, {"ann": CONSUMERS, "bob": CONSUMERS + 1, "cid": CONSUMERS + 2})
        self.assertEqual(first, {"ann": CONSUMERS, "bob": CONSUMERS + 1})

    def test_full(self) -> None:
        """Whoever finds no row has none; nobody writes into the next column."""
        rows = with_rows({}, [str(number) for number in range(ROWS)])
        self.assertEqual(max(rows.values()), ROWS - 1)
        self.assertEqual(len(rows), ROWS - CONSUMERS)
