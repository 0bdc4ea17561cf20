"""Which model is meant, and which of its targets answers."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.targets import CatalogueMatcher, choose


@attrs.frozen
class Target:
    """A target as choices see it."""

    name: str
    weight: int = 1
    priority: int = 0


def shares(*targets: Target, steps: int = 1000) -> dict[str, int]:
    """How often each is chosen, of ``steps`` chances spread evenly."""
    return dict(Counter(choose(targets, lambda n=n: n / steps).name for n in range(steps)))  # type: ignore[misc]


class ChoiceTests(unittest.TestCase):
    """One target of several."""

    def test_by_weight(self) -> None:
        """Exactly in proportion, if chance is even."""
        self.assertEqual(shares(Target("a", 80), Target("b", 20)), {"a": 800, "b": 200})
        self.assertEqual(shares(Target("a"), Target("b"), Target("c"), Target("d")), dict.fromkeys("abcd", 250))

    def test_lowest_priority_number_only(self) -> None:
        """The others wait for those to fail."""
        self.assertEqual(shares(Target("a", 1, 1), Target("b", 99, 2), Target("c", 3, 1)), {"a": 250, "c": 750})

    def test_without_weight_never(self) -> None:
        """Drained, at both ends of chance."""
        targets = [Target("a", 0), Target("b", 1), Target("c", 1), Target("d", 0)]
        for chance in (0.0, 0.5, 1 - 2**-53):
            self.assertIn(choose(targets, lambda chance=chance: chance).name, "bc")

    def test_rounding_finds_a_target_with_weight(self) -> None:
        """A product may round up to the sum."""
        targets = [Target("a", 2**60), Target("b", 2**60), Target("c", 0)]
        self.assertEqual(choose(targets, lambda: 1.0).name, "b")

    def test_nobody_has_weight(self) -> None:
        """Then the first: a call is not refused for that."""
        self.assertEqual(shares(Target("a", 0), Target("b", 0)), {"a": 1000})

    def test_alone(self) -> None:
        """No chance is taken where there is no choice."""
        self.assertEqual(choose([Target("a", 5), Target("b", 5, 1)], lambda: 1 / 0).name, "a")


class CatalogueMatcherTests(unittest.TestCase):
    """Names, and names with stars."""

    def test_exact_names_first(self) -> None:
        """Wherever they stand."""
        matcher = CatalogueMatcher(["*", "claude-*", "claude-3"])
        self.assertEqual([matcher.match(n) for n in ("claude-3", "claude-4", "gpt")], ["claude-3", "claude-*", "*"])

    def test_most_literal_characters_win(self) -> None:
        """Then the file's order."""
        matcher = CatalogueMatcher(["gpt-*", "gpt-4*", "*-mini", "g*-mini", "a*c", "ab*"])
        self.assertEqual(matcher.match("gpt-4-mini"), "g*-mini")
        self.assertEqual(matcher.match("gpt-4"), "gpt-4*")
        self.assertEqual(matcher.match("abc"), "a*c")

    def test_none(self) -> None:
        """Names with no entry, and the names of entries with a star taken literally."""
        self.assertIsNone(CatalogueMatcher(["smart"]).match("smarter"))
        self.assertIsNone(CatalogueMatcher([]).match(""))
        self.assertEqual(CatalogueMatcher(["a*"]).match("a*"), "a*")
        self.assertIsNone(CatalogueMatcher(["gpt-3.5*"]).match("gpt-315"))

    def test_names_made_to_cost_time(self) -> None:
        """Clients choose names; it stays linear."""
        self.assertIsNone(CatalogueMatcher(["a*b*c*b*c*d"]).match("a" + "bc" * 100_000))

    @given(st.lists(st.text(alphabet="ab*", max_size=5), max_size=4), st.text(alphabet="ab", max_size=6))
    def test_same_as_trying_all(self, names: list[str], asked: str) -> None:
        """What is found matches, and nothing more literal does."""
        found = CatalogueMatcher(names).match(asked)
        fitting = [name for name in names if fnmatchcase(asked, name)]
        if asked in names:
            self.assertEqual(found, asked)
        elif fitting:
            self.assertEqual(found, max(fitting, key=lambda name: len(name.replace("*", ""))))
        else:
            self.assertIsNone(found)
