"""Which regular expressions take more than linear time: told without running them, and held against counted work."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.config.backtracking import Use, runs, weakness
from tests.unit.config.files import BACKEND, FileTestCase
from tests.unit.counting_matcher import work

#: What gateways and others have stood still for, and how it was used.
SLOW: tuple[tuple[str, Use], ...] = (
    (r"<(title|h1)[^>]*>\s*(.*?)\s*</\1>", "search"),
    (r"/v\d+[a-z0-9]*(?=/|$)", "match"),
    (r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s)", "search"),
    (r"<[^>]*>", "search"),
    (r"a*b", "search"),
    (r"\s+$", "search"),
    (r"(?m)^\s*export ", "search"),
    (r".*b.*c", "fullmatch"),
    (r"a*a*b", "match"),
    (r"\d+\.?\d+x", "match"),
    (r"x(?:a|b)*(?:[ab]*d)", "match"),
)
DOUBLING: tuple[tuple[str, Use], ...] = (
    (r"(a*)*b", "match"),
    (r"(a|a)*b", "match"),
    (r"(a|aa)+$", "match"),
    (r"([a-z]+)*\d$", "match"),
    (r"^(\w+\s?)*$", "match"),
    (r"(?:a{0,5}b?)*c", "match"),
    (r"(x+x+)+y", "search"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "match"),
)
FINE: tuple[tuple[str, Use], ...] = (
    (r"a*b", "match"),
    (r"a*", "search"),
    (r"/v\d[a-z0-9]*(?=/|$)", "match"),
    (r"(?:/[a-z]+)*/?", "fullmatch"),
    (r"(?:[ \t\n]|#[^\n]*)*", "match"),
    (r"(?>.*?b)(?>.*?c).*d", "fullmatch"),
    (r"[^\d\n]*+\d", "match"),
    (r"<[^<>]*>", "search"),
    (r'"(?:[^"\\]|\\.)*"', "match"),
    (r"[a-z]{1,8}x", "search"),
    (r"^/v\d+/(chat|models)/?$", "match"),
    (r"(?i)^content-type:\s*[^\s;]+", "search"),
)
SIZE = 60


def grows(pattern: re.Pattern[str], use: Use, before: str, again: str, behind: str) -> tuple[int, int]:
    """The work on a text, and on one that is four times as long."""
    counts = [work(pattern, use, before + again * (n // len(again)) + behind) for n in (SIZE, 4 * SIZE)]
    return counts[0], counts[1]


class WeaknessTests(unittest.TestCase):
    """Expressions that are known, for better or worse."""

    def test_powers_of_the_length(self) -> None:
        """Found, with a text that shows it: four times the length is much more than four times the work."""
        for text, use in SLOW:
            found = weakness(text, use)
            assert found is not None, text
            self.assertFalse(found.exponential, text)
            once, four = grows(re.compile(text), use, found.before, found.again, found.behind)
            self.assertGreater(four, 7 * once, (text, found))

    def test_exponential(self) -> None:
        """Found likewise: a few characters more are many times the work."""
        for text, use in DOUBLING:
            found = weakness(text, use)
            assert found is not None, text
            self.assertTrue(found.exponential, text)
            counts = [work(re.compile(text), use, found.before + found.again * n + found.behind) for n in (4, 8)]
            self.assertGreater(counts[1], 6 * counts[0], (text, found))

    def test_linear_ones(self) -> None:
        """Passed, and linear on their own worst texts."""
        for text, use in FINE:
            self.assertIsNone(weakness(text, use), text)
            for run in runs(text, use):
                once, four = grows(re.compile(text), use, run.before, run.again, run.behind)
                self.assertLess(four, 6 * once + 100, (text, run))

    @given(
        st.recursive(
            st.sampled_from(["a", "b", "[ab]", "[^a]", "(?:)"]),
            lambda inner: (
                st.builds("{}{}".format, inner, inner)
                | st.builds("(?:{}|{})".format, inner, inner)
                | st.builds("(?:{})*".format, inner)
                | st.builds("(?:{})+?".format, inner)
                | st.builds("(?:{})?".format, inner)
            ),
            max_leaves=6,
        ),
        st.sampled_from(["", "c", "$", "b"]),
        st.sampled_from(["match", "search", "fullmatch"]),
        st.text("abc", min_size=1, max_size=3),
        st.text("abc", max_size=2),
    )
    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=300)
    def test_what_is_passed_is_linear(self, text: str, end: str, use: Use, again: str, behind: str) -> None:
        """On any text that repeats something."""
        pattern = re.compile(text + end)
        if weakness(pattern, use) is None:
            once, four = grows(pattern, use, "", again, behind)
            self.assertLess(four, 8 * once + 400, (pattern.pattern, use, again, behind))

    def test_too_large_ones_are_not_looked_at(self) -> None:
        """Rather than for minutes."""
        for text in ("|".join(f"x{n}y" for n in range(200)), "(?:" + "|".join(f"[a-z]*{n}" for n in range(10)) + ")*$"):
            self.assertRaises(ValueError, weakness, text, "match")


class RouteTests(FileTestCase):
    """``aigw check`` warns of the operator's own."""

    def test_warned_of(self) -> None:
        for path, word in (("~^/(a+)+$", "twice as long"), (r"~^/.*/x/.*\.json$", "far too long")):
            ((key, message),) = self.warnings(f"{BACKEND}[routes.r]\nauth='none'\nbackend='echo'\npaths=['{path}']")
            self.assertEqual(key, "routes.r.paths[0]")
            self.assertIn(word, message)

    def test_others_are_not(self) -> None:
        paths = r"['~^/v\d+/chat', '~/[a-z]+/models$', '/x', '=/y', '~^/(?>a+)/.*']"
        self.assertEqual(self.warnings(f"{BACKEND}[routes.r]\nauth='none'\nbackend='echo'\npaths={paths}"), [])
