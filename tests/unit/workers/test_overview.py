"""One status page for several workers."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.workers.overview import together


class TogetherTests(unittest.TestCase):
    """The facts of two workers."""

    def test_amounts_are_added(self) -> None:
        self.assertEqual(together({1: {"connections": 3}, 2: {"connections": 4}}), {"connections": 7})

    def test_agreement_is_told_once(self) -> None:
        facts = {"models": ["a"], "routes": {"r": "/v1"}, "digest": "x"}
        self.assertEqual(together({1: facts, 2: dict(facts)}), facts)

    def test_each_ones_word_where_they_differ(self) -> None:
        """In a table, for those rows alone."""
        one = {"backends": {"a": "openai", "b": "resting"}}
        other = {"backends": {"a": "openai", "b": "well", "c": "new"}}
        self.assertEqual(
            together({1: one, 3: other}),
            {"backends": {"a": "openai", "b": "worker 1: resting; worker 3: well", "c": "new"}},
        )

    def test_facts_that_one_has_alone(self) -> None:
        self.assertEqual(together({1: {"x": "y"}, 2: {}}), {"x": "y"})

    def test_nobody_answers(self) -> None:
        self.assertEqual(together({}), {})

    def test_a_switch_is_no_amount(self) -> None:
        self.assertEqual(together({1: {"x": True}, 2: {"x": True}}), {"x": True})
