"""Which model is meant."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.names import CatalogueMatcher


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

    def test_aliases_are_names_like_others(self) -> None:
        """An exact one comes before a pattern, whosever it is."""
        matcher = CatalogueMatcher(["smart", "gpt-*"], {"best": "smart", "gpt-4o": "smart", "claude-*": "gpt-*"})
        self.assertEqual(matcher.match("best"), "smart")
        self.assertEqual(matcher.match("gpt-4o"), "smart")
        self.assertEqual(matcher.match("gpt-4o-mini"), "gpt-*")
        self.assertEqual(matcher.match("claude-3"), "gpt-*")
        self.assertIsNone(matcher.match("bes"))

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
