"""Tools that a provider runs itself, asked for by clients of another."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.providers.base import Place
from aigw.llm.translation import DIALECTS, Pair
from tests.unit.llm.recordings import wire_of

#: What Codex adds to each request.
CODEX = {"type": "web_search", "external_web_access": False, "search_content_types": ["text", "image"]}
FUNCTION = {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}
CLAUDE = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
#: Providers without a search of their own.
WITHOUT = ("openai-compatible", "azure", "mistral", "cohere", "ollama", "bedrock")


def sent(
    operation: str, provider: str, tools: list[dict[str, Any]], drop: bool = False, model: str = "m", **more: Any
) -> Any:
    """The body of a provider's request."""
    kind = PROVIDERS[provider]
    kind = kind.at(kind, Place("http://x/v1" if provider == "openai-compatible" else None, "us-east-1", "p", "l", None))
    pair = Pair(DIALECTS[operation], wire_of(kind), Adjustments(defaults={}, overrides={}), drop)
    said: dict[str, Any] = (
        {"input": "hi"} if operation == RESPONSES else {"messages": [{"role": "user", "content": "x"}]}
    )
    return pair.translate({"model": model, "max_tokens": 9, "tools": tools, **said, **more}, "a", 0.0).request.body


class SearchTests(unittest.TestCase):
    """The search of the web."""

    def test_codex_at_anthropic(self) -> None:
        """Becomes Anthropic's, with the place and the domains; on Vertex AI as well."""
        place = {"type": "approximate", "country": "NO", "city": "Oslo"}
        asked = {**CODEX, "user_location": place, "filters": {"allowed_domains": ["example.com"]}}
        search = {"type": "web_search_20250305", "name": "web_search"}
        for provider, model in (("anthropic", "claude-sonnet-4-5"), ("vertex", "claude-sonnet-4-5@20250929")):
            tools = sent(RESPONSES, provider, [FUNCTION, CODEX], model=model)["tools"]
            self.assertEqual((len(tools), tools[1]), (2, search))
            tools = sent(RESPONSES, provider, [asked], model=model)["tools"]
            self.assertEqual(tools, [{**search, "allowed_domains": ["example.com"], "user_location": place}])

    def test_codex_at_gemini(self) -> None:
        """Becomes Google's."""
        body = sent(RESPONSES, "gemini", [FUNCTION, CODEX], model="gemini-3.1-pro")
        self.assertEqual(body["tools"][1], {"googleSearch": {}})

    def test_elsewhere(self) -> None:
        """Is refused by its place, with the setting that turns it off; left out where that is allowed."""
        for provider in WITHOUT:
            error = self.assertRaises(BadRequest, sent, RESPONSES, provider, [FUNCTION, CODEX])
            self.assertEqual((error.param, error.code), ("tools[1]", "unsupported_parameter"))
            self.assertIn('web_search = "disabled"', error.message)
            error = self.assertRaises(BadRequest, sent, MESSAGES, provider, [CLAUDE])
            self.assertIn("WebSearch", error.message)
            body = sent(RESPONSES, provider, [FUNCTION, CODEX], drop=True)
            self.assertEqual(len(body.get("tools") or body["toolConfig"]["tools"]), 1)

    def test_what_a_search_cannot_do(self) -> None:
        """Is refused, since it would search more than is wanted."""
        narrow = {**CODEX, "filters": {"allowed_domains": ["example.com"]}}
        blocking = {**CODEX, "filters": {"blocked_domains": ["example.com"]}}
        for provider, tool in (("gemini", narrow), ("anthropic", blocking), ("anthropic", {**CODEX, "new": 1})):
            error = self.assertRaises(BadRequest, sent, RESPONSES, provider, [tool])
            self.assertEqual(error.param, "tools[0]")
        error = self.assertRaises(BadRequest, sent, MESSAGES, "gemini", [{**CLAUDE, "blocked_domains": ["a"]}])
        self.assertIn("blocked_domains", error.message)

    def test_chat_clients(self) -> None:
        """May ask for it among their tools."""
        tools = sent(CHAT, "anthropic", [{"type": "web_search"}], model="claude-sonnet-4-5")["tools"]
        self.assertEqual([tool["name"] for tool in tools], ["web_search"])

    def test_what_anthropics_tools_did(self) -> None:
        """In an earlier answer of Claude's is left out elsewhere; its words stay, and an answer of nothing else goes."""
        use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
        found = {"type": "web_search_result", "url": "https://x", "title": "x", "encrypted_content": "secret"}
        result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]}
        for provider in ("openai", "mistral", "cohere", "ollama", "gemini"):
            for said in ([use, result, {"type": "text", "text": "Found."}], [use, result]):
                turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": said}]
                fields = {"messages": [*turns, {"role": "user", "content": "and?"}]}
                body = orjson.dumps(sent(MESSAGES, provider, [], **fields))
                self.assertEqual(b"Found." in body, len(said) > 2, provider)
                self.assertNotIn(b"srvtoolu_1", body)
                self.assertNotIn(b"secret", body)
        other = {"messages": [{"role": "user", "content": [{"type": "to_be_invented"}]}]}
        error = self.assertRaises(BadRequest, sent, MESSAGES, "openai", [], **other)
        self.assertIn("to_be_invented", error.message)

    def test_other_tools(self) -> None:
        """Are named by their type."""
        error = self.assertRaises(BadRequest, sent, RESPONSES, "anthropic", [{"type": "image_generation"}])
        self.assertIn("image_generation", error.message)
