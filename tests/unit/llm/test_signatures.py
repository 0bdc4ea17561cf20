"""Signatures of thoughts, and conversations that began with another provider."""

from __future__ import annotations

import base64
import copy
from typing import Any

from hypothesis import given, strategies
from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.dialects.chat import Chat
from aigw.llm.providers.anthropic import ANTHROPIC
from aigw.llm.providers.bedrock import BEDROCK
from aigw.llm.signatures import leave_out_others, maker, may_have_others
from aigw.llm.translation import Pair

#: As recorded: of Claude, of Gemini on calls and on text.
CLAUDES = "EsgDCkYIBxgCKkDIY0kwFva57N6iFPjhIgYy221Ub+EFYZWV+OTmoLv3y/bb"
GEMINIS = "CjEBc2lnbmF0dXJlLWZvci10aGUtY2FsbA=="
GEMINIS_2 = base64.b64encode(b"\x12\xda\x02\x0a\xd7\x02\x01" + b"k" * 40).decode()
OPENAIS = "gAAAAABo1234"
UNKNOWN = "c2NyaXB0ZWQ="


def claude_request(wire: Any, signature: str) -> bytes:
    """What Claude gets of a conversation in which an assistant's thought has ``signature``."""
    thought = {"type": "thinking", "thinking": "Hm", "signature": signature}
    said = {"role": "assistant", "content": "Hi", "thinking_blocks": [thought]}
    messages = [{"role": "user", "content": "a"}, said, {"role": "user", "content": "b"}]
    pair = Pair(Chat(), wire, Adjustments({}, {}))
    return repr(pair.translate({"model": "claude-sonnet-4-5", "messages": messages}, "a1", 0.0).request.body).encode()


class MakerTests(unittest.TestCase):
    """Who made a signature."""

    def test_makers(self) -> None:
        """By how it begins."""
        self.assertEqual(maker(CLAUDES), "anthropic")
        self.assertEqual([maker(GEMINIS), maker(GEMINIS_2)], ["gemini", "gemini"])
        self.assertEqual(maker(OPENAIS), "openai")
        self.assertEqual([maker("aigw-tool:x"), maker("aigw:call:1:ax")], ["aigw", "aigw"])
        self.assertEqual([maker(each) for each in ("", UNKNOWN, "äöü", "0", "EsgD")], [None] * 5)

    @given(strategies.text())
    def test_anything(self, text: str) -> None:
        """Never raises."""
        maker(text)


class TranslatedTests(unittest.TestCase):
    """Claude refuses a conversation with a signature that is not its own."""

    def test_others_stay_out(self) -> None:
        """At Anthropic and at Bedrock; those that nothing is known of go along."""
        for provider in (ANTHROPIC, BEDROCK):
            for signature in (GEMINIS, GEMINIS_2, OPENAIS):
                self.assertNotIn(signature.encode(), claude_request(provider.wire, signature))
            for signature in (CLAUDES, UNKNOWN):
                self.assertIn(signature.encode(), claude_request(provider.wire, signature))


class NativeTests(unittest.TestCase):
    """Bodies that pass byte for byte, but for thoughts that would have them refused."""

    def test_messages(self) -> None:
        """What a translation gave out in an earlier turn, and another provider's; nothing else."""
        thoughts = [{"type": "thinking", "thinking": "", "signature": each} for each in (GEMINIS, "aigw-tool:x")]
        call = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
        kept = [{"type": "thinking", "thinking": "", "signature": each} for each in (CLAUDES, UNKNOWN, "")]
        said: dict[str, Any] = {"role": "assistant", "content": [*thoughts, *kept, call]}
        fields: dict[str, Any] = {"messages": [{"role": "user", "content": "a"}, said, None]}
        for operation in ("messages", "count_tokens"):
            changed = copy.deepcopy(fields)
            self.assertTrue(leave_out_others(changed, operation))
            self.assertEqual(changed["messages"][1]["content"], [*kept, call])
            self.assertFalse(leave_out_others(changed, operation))
        self.assertFalse(leave_out_others({"messages": 3}, "messages"))

    def test_no_budget_where_thoughts_are_missing(self) -> None:
        """Behind a call; a turn without calls, or with thoughts of its own, is another matter."""
        budget = {"type": "enabled", "budget_tokens": 2000}
        thought = {"type": "thinking", "thinking": "", "signature": "aigw-tool:x"}
        call, text = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}, {"type": "text", "text": "Hi"}
        own = {**thought, "signature": CLAUDES}
        for content, expected in (
            ([thought, call], {"type": "disabled"}),
            ([thought, own, call], budget),
            ([thought, text], budget),
        ):
            fields = {"thinking": budget, "messages": [{"role": "assistant", "content": content}]}
            self.assertTrue(leave_out_others(fields, "messages"))
            self.assertEqual(fields["thinking"], expected)

    def test_responses(self) -> None:
        """Reasoning items; OpenAI's own stay."""
        contents = (OPENAIS, None, "aigw:call:2:c1x", GEMINIS, CLAUDES)
        items = [{"type": "reasoning", "summary": [], "encrypted_content": each} for each in contents]
        fields: dict[str, Any] = {"input": [*items, {"role": "user", "content": "a"}]}
        self.assertTrue(leave_out_others(fields, "responses"))
        self.assertEqual(fields["input"], [*items[:2], {"role": "user", "content": "a"}])
        self.assertFalse(leave_out_others({"input": "aigw:call:"}, "responses"))

    def test_only_where_it_can_matter(self) -> None:
        """Other bodies are not looked at."""
        self.assertTrue(may_have_others(b'{"signature":1}', "messages"))
        self.assertTrue(may_have_others(b'{"encrypted_content":1}', "responses"))
        self.assertFalse(may_have_others(b'{"signature":1}', "chat"))
        self.assertFalse(may_have_others(b"{}", "messages"))
