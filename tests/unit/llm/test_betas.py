"""Anthropic's betas, told to each platform as it takes them."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm.betas import BEDROCK, VERTEX, beta_header, betas_at, betas_in, without_scopes
from aigw.llm.body import Adjustments
from aigw.llm.count_pair import CountPair
from aigw.llm.operations import CHAT, MESSAGES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.providers.anthropic import AnthropicWire

THINKING, COMPUTER = "interleaved-thinking-2025-05-14", "computer-use-2025-01-24"
CODE = "claude-code-20250219"
ASKED = [{"role": "user", "content": "q"}]
BEDROCK_CLAUDE = "us.anthropic.claude-sonnet-4-20250514-v1:0"


def made(operation: str, name: str, model: str, *betas: str, **fields: Any) -> Any:
    """The provider's request."""
    kind = provider(name)
    pair = pairing(operation, kind.at(kind, Place(None, "us-east-1", "p")), Adjustments({}, {}), False)
    assert pair is not None
    fields = {"model": model, "messages": ASKED, "max_tokens": 9, **fields}
    return pair.translate(fields, "a", 0.0, betas).request


class NamesTests(unittest.TestCase):
    """betas_in, betas_at, beta_header"""

    def test_read(self) -> None:
        """Of several headers, lists and fields, each once, in their order."""
        self.assertEqual(betas_in(b"a-1, b-2", ["c", "a-1"], None, "d,,d"), ("a-1", "b-2", "c", "d"))

    def test_what_can_be_none(self) -> None:
        """Is left out; there is an end to their number."""
        self.assertEqual(betas_in(b"a b, x\x00, \xff,\xc3\xa9", 5, [1, {}, None], {"a": 1}, "x" * 81), ())
        self.assertEqual(len(betas_in(",".join(f"b{at}" for at in range(1000)), [f"c{at}" for at in range(1000)])), 64)

    def test_platforms(self) -> None:
        """Have some of them, whatever their date; unknown ones stay here."""
        for platform in (VERTEX, BEDROCK):
            self.assertEqual(
                betas_at(platform, (CODE, THINKING, "computer-use-2031-01-01", "oauth-2025-04-20", "new-2030-01-01")),
                [THINKING, "computer-use-2031-01-01"],
            )
            self.assertEqual(betas_at(platform, ("advanced-tool-use-2025-11-20",)), ["tool-search-tool-2025-10-19"])

    def test_header(self) -> None:
        """One, or none."""
        self.assertEqual(beta_header(["b", "a", "b"]), ((b"anthropic-beta", b"a,b"),))
        self.assertEqual(beta_header([]), ())


class RequestTests(unittest.TestCase):
    """Where they go."""

    def test_vertex(self) -> None:
        """In the header, of messages that pass and of chats that are translated."""
        for operation in (MESSAGES, CHAT):
            request = made(operation, "vertex", "claude-sonnet-4-5@20250929", CODE, THINKING, COMPUTER)
            self.assertEqual(request.headers, ((b"anthropic-beta", f"{COMPUTER},{THINKING}".encode()),), operation)

    def test_vertex_from_the_body(self) -> None:
        """The same."""
        for operation in (MESSAGES, CHAT):
            request = made(operation, "vertex", "claude-sonnet-4-5@20250929", anthropic_beta=[COMPUTER, CODE])
            self.assertEqual(request.headers, ((b"anthropic-beta", COMPUTER.encode()),))
            self.assertNotIn("anthropic_beta", request.body)

    def test_anthropic(self) -> None:
        """All of them, of a chat that is translated."""
        request = made(CHAT, "anthropic", "claude-sonnet-4-5", CODE, THINKING, anthropic_beta="x-1,y-2")
        told = dict(request.headers)[b"anthropic-beta"]
        self.assertEqual(told, f"{CODE},{THINKING},x-1,y-2".encode())
        self.assertNotIn("anthropic_beta", request.body)

    def test_bedrock(self) -> None:
        """In the model's own fields, behind those that the body names; other models are told nothing."""
        for operation in (MESSAGES, CHAT):
            body = made(operation, "bedrock", BEDROCK_CLAUDE, CODE, THINKING).body
            self.assertEqual(body["additionalModelRequestFields"]["anthropic_beta"], [THINKING])
        body = made(CHAT, "bedrock", BEDROCK_CLAUDE, THINKING, anthropic_beta="own-1, " + THINKING).body
        self.assertEqual(body["additionalModelRequestFields"]["anthropic_beta"], ["own-1", THINKING])
        self.assertNotIn(
            "additionalModelRequestFields", made(MESSAGES, "bedrock", "amazon.nova-pro-v1:0", THINKING).body
        )

    def test_others(self) -> None:
        """Are told nothing."""
        request = made(MESSAGES, "gemini", "gemini-2.5-pro", THINKING)
        self.assertNotIn(b"interleaved", repr(request).encode() + repr(request.body).encode())

    def test_counts(self) -> None:
        """Go with them as well."""
        counted = CountPair(AnthropicWire()).translate({"model": "m", "messages": ASKED}, "a", 0.0, (THINKING,))
        self.assertIn((b"anthropic-beta", THINKING.encode()), counted.request.headers)


class ScopeTests(unittest.TestCase):
    """without_scopes"""

    def test_everywhere(self) -> None:
        """Marks stay, their scope does not."""
        told, left = {"type": "ephemeral", "ttl": "1h", "scope": "global"}, {"type": "ephemeral", "ttl": "1h"}
        block = {"type": "text", "text": "t"}

        def body(mark: dict[str, str]) -> dict[str, Any]:
            marked = {**block, "cache_control": mark}
            result = {"type": "tool_result", "content": [marked], "cache_control": mark}
            return {
                "system": [marked, block],
                "tools": [{"name": "f", "cache_control": mark}],
                "messages": [{"role": "user", "content": [marked, result]}, {"role": "user", "content": "x"}],
                "cache_control": mark,
            }

        fields = body(told)
        without_scopes(fields)
        self.assertEqual(fields, body(left))

    def test_wrong_types(self) -> None:
        """Stay as they are."""
        for wrong in (None, 5, "x", [None, 1], {"cache_control": {"scope": 1}}, [{"content": [{"content": 5}, 7]}]):
            fields = {"system": wrong, "tools": wrong, "messages": wrong}
            without_scopes(fields)
            self.assertEqual(fields, {"system": wrong, "tools": wrong, "messages": wrong})
