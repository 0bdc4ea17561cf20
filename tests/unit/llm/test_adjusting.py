"""Defaults and overrides on bodies that pass byte for byte."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm.adjusting import left_out_natively, natively
from aigw.llm.body import Adjustments

CONFIGURED = {"max_tokens": 5, "temperature": 1, "stop": ["x"], "thinking": {}, "user": "u", "tool_choice": "auto"}


def own(operation: str, fields: dict[str, Any]) -> Any:
    """``fields`` as defaults for an operation; as overrides they must be the same."""
    found = natively(Adjustments(defaults=fields, overrides=fields), operation)
    assert found.defaults == found.overrides
    return found.defaults


class NativeTests(unittest.TestCase):
    """Each operation gets the fields that it has."""

    def test_conversations(self) -> None:
        """All, under the operation's names."""
        self.assertEqual(own("chat", CONFIGURED), CONFIGURED)
        self.assertEqual(own("chat", {"max_completion_tokens": 5}), {"max_completion_tokens": 5})
        for name in ("max_tokens", "max_completion_tokens"):
            self.assertEqual(own("responses", {name: 5, "top_p": 1}), {"max_output_tokens": 5, "top_p": 1})
            self.assertEqual(own("messages", {name: 5, "stop": "x"}), {"max_tokens": 5, "stop_sequences": "x"})
            self.assertEqual(own("completions", {name: 5, "stop": "x"}), {"max_tokens": 5, "stop": "x"})

    def test_what_messages_have_not(self) -> None:
        """Is left out and named: Anthropic would refuse each call. Its own fields stay, known or not."""
        fields = {"seed": 5, "reasoning_effort": "high", "frequency_penalty": 1, "user": "u", "stop": "x"}
        own_fields = {"top_k": 5, "metadata": {}, "service_tier": "auto", "of_tomorrow": 1}
        self.assertEqual(own("messages", {**fields, **own_fields}), {"stop_sequences": "x", **own_fields})
        named = left_out_natively(Adjustments(fields, {"n": 1}), "messages")
        self.assertEqual(named, ("seed", "reasoning_effort", "frequency_penalty", "user", "n"))
        for operation in ("chat", "responses", "embeddings", "count_tokens"):
            self.assertEqual(left_out_natively(Adjustments(fields, {}), operation), ())

    def test_others(self) -> None:
        """Embeddings and counts are refused with a field that only conversations have."""
        self.assertEqual(
            own("embeddings", CONFIGURED | {"dimensions": 8}), {"thinking": {}, "user": "u", "dimensions": 8}
        )
        self.assertEqual(own("count_tokens", CONFIGURED), {"thinking": {}, "tool_choice": "auto"})
