"""What Anthropic's tools say besides, at other providers: kept, told, or refused."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.call import Tool
from aigw.llm.dialects.messages import Messages
from aigw.llm.operations import MESSAGES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.tool_fields import description

OTHERS = ("azure", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai-compatible", "vertex")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = {"type": "object", "properties": {}}


def body(name: str, *tools: dict[str, Any], model: str = "", drop: bool = False, **fields: Any) -> dict[str, Any]:
    """The request that a client's tools become."""
    kind = provider(name)
    kind = kind.at(kind, Place("http://x/v1" if name == "openai-compatible" else None, "us-east-1", "p"))
    pair = pairing(MESSAGES, kind, Adjustments({}, {}), drop)
    assert pair is not None
    model = model or ("gemini-2.5-pro" if name == "vertex" else "m")
    messages = [{"role": "user", "content": "q"}]
    asked = {"model": model, "messages": messages, "max_tokens": 9, "tools": list(tools), **fields}
    made: dict[str, Any] = pair.translate(asked, "a", 0.0).request.body
    return made


def tool(**fields: Any) -> dict[str, Any]:
    """A tool of a client's."""
    return {"name": "f", "description": "d", "input_schema": SCHEMA, **fields}


class ElsewhereTests(unittest.TestCase):
    """Providers without fields for it."""

    def test_examples(self) -> None:
        """Are told in the description."""
        told = 'd\n\nExamples of its input:\n{"a":1}\n{"b":2}'
        self.assertEqual(description(Tool("f", "d", own={"input_examples": [{"a": 1}, {"b": 2}]})), told)
        for name in OTHERS:
            made = body(name, tool(input_examples=[{"a": 1}, {"b": 2}]))
            self.assertIn(repr(told)[1:-1], repr(made), name)

    def test_no_examples(self) -> None:
        """Change nothing."""
        for wrong in (None, [], "x", 5, {}):
            self.assertEqual(description(Tool("f", "d", own={"input_examples": wrong})), "d")

    def test_what_changes_who_calls_and_when(self) -> None:
        """Is a 400 that names it, or left out where that is allowed; values that ask for nothing pass."""
        for name in OTHERS:
            for field, value in (("defer_loading", True), ("allowed_callers", ["code_execution_20250825"])):
                error = self.assertRaises(BadRequest, body, name, tool(), tool(**{field: value}))
                self.assertEqual(error.param, f"tools[1].{field}", name)
                body(name, tool(**{field: value}), drop=True)
            body(name, tool(defer_loading=False, allowed_callers=["direct"], eager_input_streaming=True))


class BedrockTests(unittest.TestCase):
    """Claude on Bedrock."""

    def test_inputs_before_they_are_checked(self) -> None:
        """Are asked for by a beta, of streams."""
        asked = tool(eager_input_streaming=True)
        made = body("bedrock", asked, model=CLAUDE, stream=True)
        self.assertEqual(
            made["additionalModelRequestFields"], {"anthropic_beta": ["fine-grained-tool-streaming-2025-05-14"]}
        )
        self.assertNotIn("additionalModelRequestFields", body("bedrock", asked, model=CLAUDE))
        self.assertNotIn(
            "additionalModelRequestFields", body("bedrock", asked, model="amazon.nova-pro-v1:0", stream=True)
        )

    def test_tools_that_claude_knows(self) -> None:
        """Go among the model's own fields, beside the others."""
        computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600}
        made = body("bedrock", computer, tool(), model=CLAUDE)
        self.assertEqual(made["additionalModelRequestFields"], {"tools": [computer]})
        self.assertEqual([each["toolSpec"]["name"] for each in made["toolConfig"]["tools"]], ["f"])

    def test_nothing_but_such_tools(self) -> None:
        """May be chosen, too."""
        shell = {"type": "bash_20250124", "name": "bash"}
        made = body("bedrock", shell, model=CLAUDE, tool_choice={"type": "tool", "name": "bash"})
        expected = {"tools": [shell], "tool_choice": {"type": "tool", "name": "bash"}}
        self.assertEqual((made["additionalModelRequestFields"], "toolConfig" in made), (expected, False))
        choice = {"type": "any", "disable_parallel_tool_use": True}
        for wish in ({"type": "any"}, choice):
            made = body("bedrock", shell, model=CLAUDE, tool_choice=wish)["additionalModelRequestFields"]
            self.assertEqual(made, {"tools": [shell], "tool_choice": wish})
        made = body("bedrock", shell, model=CLAUDE, tool_choice={"type": "none"})
        self.assertNotIn("additionalModelRequestFields", made)

    def test_one_of_them_beside_others(self) -> None:
        """Is chosen where it is."""
        shell = {"type": "bash_20250124", "name": "bash"}
        for name, where in (("bash", "additionalModelRequestFields"), ("f", "toolConfig")):
            made = body("bedrock", shell, tool(), model=CLAUDE, tool_choice={"type": "tool", "name": name})
            self.assertEqual("tool_choice" in made["additionalModelRequestFields"], where != "toolConfig")
            self.assertEqual("toolChoice" in made["toolConfig"], where == "toolConfig")

    def test_what_anthropic_runs(self) -> None:
        """Is not there; other models know none of them."""
        for model, kind in ((CLAUDE, "web_search_20250305"), ("amazon.nova-pro-v1:0", "bash_20250124")):
            own = {"type": kind, "name": "x"}
            self.assertEqual(self.assertRaises(BadRequest, body, "bedrock", own, model=model).param, "tools[0]")


class AnthropicTests(unittest.TestCase):
    """Claude in its own dialect, where a stream has to be translated all the same."""

    def test_everything_is_kept(self) -> None:
        """Beside what is written anew."""
        kind = provider("anthropic")
        assert kind.wire is not None
        fields = {"defer_loading": True, "input_examples": [{}], "eager_input_streaming": True, "of_tomorrow": 1}
        asked = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "q"}], "max_tokens": 9}
        own = {"cache_control": {"type": "ephemeral"}, "context_management": {"edits": []}}
        made = kind.wire.request(Messages().read({**asked, **own, "tools": [tool(**fields)]})).body
        self.assertEqual(made["tools"], [tool(**fields)])
        self.assertEqual({name: made[name] for name in own}, own)
