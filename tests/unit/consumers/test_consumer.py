"""What a consumer may do."""

from __future__ import annotations

import re
from fnmatch import translate

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.consumers.consumer import Consumer, ModelPatterns

NAMES = st.text(alphabet="ab-./\n", max_size=12)
PATTERNS = st.text(alphabet="ab-./\n*", max_size=8)


class ModelPatternsTests(unittest.TestCase):
    """Names of models, with ``*`` for anything."""

    def test_stars_anywhere(self) -> None:
        """At the end, at the beginning, between, and alone."""
        for pattern, yes, no in (
            ("gpt-4o", ["gpt-4o"], ["gpt-4o-mini", "GPT-4o", "xgpt-4o", ""]),
            ("gpt-4o*", ["gpt-4o", "gpt-4o-mini"], ["gpt-4", "a gpt-4o"]),
            ("*-mini", ["o3-mini", "-mini"], ["o3-mini-2", "mini"]),
            ("meta/*-8b", ["meta/llama-8b", "meta/-8b"], ["meta/8b", "meta/llama-8b-x"]),
            ("*", ["", "anything/at all"], []),
        ):
            patterns = ModelPatterns([pattern])
            for name in yes:
                self.assertTrue(patterns.allows(name), (pattern, name))
            for name in no:
                self.assertFalse(patterns.allows(name), (pattern, name))

    def test_only_the_star_is_special(self) -> None:
        """A dot is a dot; question marks and brackets are not fnmatch's."""
        self.assertFalse(ModelPatterns(["gpt-3.5*"]).allows("gpt-315"))
        self.assertFalse(ModelPatterns(["gpt-?*", "[a-z]*"]).allows("gpt-4"))
        self.assertTrue(ModelPatterns(["a[1]*"]).allows("a[1]b"))

    def test_pieces_may_not_overlap(self) -> None:
        """``ab*ba`` wants four letters."""
        self.assertFalse(ModelPatterns(["ab*ba"]).allows("aba"))
        self.assertTrue(ModelPatterns(["ab*ba"]).allows("abba"))

    def test_any_of_several(self) -> None:
        """None of them allows nothing."""
        patterns = ModelPatterns(["smart", "gpt-*", "*-mini"])
        self.assertEqual([patterns.allows(n) for n in ("smart", "gpt-4", "o-mini", "other")], [True, True, True, False])
        self.assertFalse(ModelPatterns([]).allows(""))

    def test_names_made_to_cost_time(self) -> None:
        """Clients choose names. With backtracking over three stars this one would take years; here it is linear."""
        name = "a" + "bc" * 100_000
        self.assertFalse(ModelPatterns(["a*b*c*b*c*d"]).allows(name))
        self.assertTrue(ModelPatterns(["a*b*c*b*c*d"]).allows(name + "d"))

    @given(st.lists(PATTERNS, max_size=3), NAMES)
    @example(["a*a*"], "a")
    @example(["*ab*ab"], "aabab")
    def test_same_as_fnmatch(self, patterns: list[str], name: str) -> None:
        """The standard library's translation, which backtracks, agrees."""
        expected = any(re.match(translate(pattern), name) for pattern in patterns)
        self.assertEqual(ModelPatterns(patterns).allows(name), expected)


class ConsumerTests(unittest.TestCase):
    """One consumer's limits."""

    def test_no_limits_by_default(self) -> None:
        """Absent means all."""
        consumer = Consumer(name="one")
        self.assertTrue(consumer.may_use_route("any"))
        self.assertTrue(consumer.may_use_model("any"))

    def test_empty_means_nothing(self) -> None:
        """An empty list is not an absent one."""
        consumer = Consumer(name="one", routes=frozenset(), models=ModelPatterns([]))
        self.assertFalse(consumer.may_use_route("any"))
        self.assertFalse(consumer.may_use_model("any"))

    def test_limits(self) -> None:
        """Routes by name, models by pattern."""
        consumer = Consumer(name="one", routes=frozenset({"chat"}), models=ModelPatterns(["gpt-*"]))
        self.assertEqual([consumer.may_use_route(name) for name in ("chat", "cha", "chats")], [True, False, False])
        self.assertEqual([consumer.may_use_model(name) for name in ("gpt-4", "claude")], [True, False])

    def test_limited(self) -> None:
        """Unless everything is allowed, in one way or another."""
        for models, limited in (
            (None, False),
            (["*"], False),
            (["a", "**"], False),
            ([], True),
            (["a"], True),
            (["a*", "*b"], True),
            (["a", ""], True),
        ):
            patterns = ModelPatterns(models) if models is not None else None
            self.assertIs(Consumer("c", models=patterns).limited, limited, models)

    def test_settings_are_not_in_repr(self) -> None:
        """A consumer's settings of a backend may hold that backend's key."""
        self.assertNotIn("sk-", repr(Consumer(name="one", backends={"openai": "sk-secret"})))
