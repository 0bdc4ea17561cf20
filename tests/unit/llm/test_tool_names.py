"""Names of tools that providers refuse, there and back."""

from __future__ import annotations

import re
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.call import Call, Text, Tool, ToolCall, ToolChoice, ToolResult, Turn
from aigw.llm.operations import CHAT
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.tool_names import GOOGLE, IDENTIFIERS, PLAIN, fitted, fitting_names, own_names
from tests.unit.llm.recordings import SSE

NAMES = ("files/read", "github.create_issue", "x" * 90, "größe", "get-weather", "2nd", "plain")
#: What a provider takes, by its documentation.
TAKES = {
    "anthropic": r"[a-zA-Z0-9_-]{1,64}",
    "azure": r"[a-zA-Z0-9_-]{1,64}",
    "bedrock": r"[a-zA-Z0-9_-]{1,64}",
    "cohere": r"[a-zA-Z_][a-zA-Z0-9_]*",
    "gemini": r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    "mistral": r"[a-zA-Z0-9_-]{1,64}",
    "openai-compatible": r"[a-zA-Z0-9_-]{1,64}",
    "vertex": r"[a-zA-Z_][a-zA-Z0-9_.-]{0,63}",
}
MODELS = {"vertex": "gemini-2.5-pro", "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}


def translating(name: str, model: str, stream: bool = False) -> Any:
    """A chat with each of :data:`NAMES` declared, called and answered, the first of them to be called again."""
    kind = provider(name)
    kind = kind.at(kind, Place("http://x/v1" if name == "openai-compatible" else None, "us-east-1", "p"))
    pair = pairing(CHAT, kind, Adjustments({}, {}), False)
    assert pair is not None
    called = [
        {"id": f"call{at:05}", "type": "function", "function": {"name": each, "arguments": "{}"}}
        for at, each in enumerate(NAMES)
    ]
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": called},
        *({"role": "tool", "tool_call_id": each["id"], "content": "r"} for each in called),
    ]
    tools = [{"type": "function", "function": {"name": each}} for each in NAMES]
    choice = {"type": "function", "function": {"name": NAMES[0]}}
    fields = {"model": model, "messages": messages, "tools": tools, "tool_choice": choice, "stream": stream}
    return pair.translate(fields, "a1", 0.0)


def declared(body: dict[str, Any]) -> list[str]:
    """The names of the tools in a provider's request, in their order."""
    config = body.get("toolConfig", {})
    if "tools" in config:
        return [tool["toolSpec"]["name"] for tool in config["tools"]]
    tools = body["tools"]
    if "functionDeclarations" in tools[0]:
        return [each["name"] for each in tools[0]["functionDeclarations"]]
    return [tool["function"]["name"] if "function" in tool else tool["name"] for tool in tools]


def answer(name: str, tool: str) -> dict[str, Any]:
    """A provider's answer that calls a tool."""
    if name == "anthropic":
        block = {"type": "tool_use", "id": "t1", "name": tool, "input": {}}
        return {"type": "message", "content": [block], "stop_reason": "tool_use"}
    if name == "bedrock":
        use = {"toolUse": {"toolUseId": "t1", "name": tool, "input": {}}}
        return {"output": {"message": {"content": [use]}}, "stopReason": "tool_use"}
    if name in ("gemini", "vertex"):
        part = {"functionCall": {"name": tool, "args": {}}}
        return {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    call = {"id": "t1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    if name == "cohere":
        return {"finish_reason": "TOOL_CALL", "message": message}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def streamed(name: str, tool: str) -> bytes:
    """The same as a stream of server-sent events."""
    if name == "anthropic":
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {}},
            {"type": "content_block_start", "index": 0, "content_block": answer(name, tool)["content"][0]},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ]
    elif name in ("gemini", "vertex"):
        events = [answer(name, tool)]
    elif name == "cohere":
        call = answer(name, tool)["message"]["tool_calls"][0]
        events = [
            {"type": "message-start"},
            {"type": "tool-call-start", "delta": {"message": {"tool_calls": call}}},
            {"type": "tool-call-end"},
            {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
        ]
    else:
        choice = answer(name, tool)["choices"][0]
        events = [{"choices": [{"index": 0, "delta": choice["message"], "finish_reason": "tool_calls"}]}]
    return b"".join(b"data: %s\n\n" % orjson.dumps(event) for event in events)


class ProviderTests(unittest.TestCase):
    """Every provider gets names that it takes, and every client its own."""

    def test_there(self) -> None:
        """Declared, called, answered and chosen by one and the same name; what fits stays."""
        for name, pattern in TAKES.items():
            body = translating(name, MODELS.get(name, "m")).request.body
            told = declared(body)
            self.assertEqual(len(set(told)), len(told), name)
            for each in told if name != "cohere" else told[:1]:
                self.assertTrue(re.fullmatch(pattern, each), (name, each))
            text = orjson.dumps(body).decode()
            for own, each in zip(NAMES, told, strict=False):
                if own != each:
                    self.assertNotIn(f'"{own}"', text, name)
                    self.assertGreaterEqual(text.count(f'"{each}"'), 2, name)
            if name != "cohere":  # of which a forced tool is the only one
                self.assertEqual(told[-1], "plain")
                self.assertGreaterEqual(text.count(f'"{told[0]}"'), 3, f"{name}: not chosen")

    def test_back(self) -> None:
        """Whole."""
        for name in TAKES:
            translation = translating(name, MODELS.get(name, "m"))
            told = declared(translation.request.body)[0]
            got = orjson.loads(translation.whole(orjson.dumps(answer(name, told)), "r").body)
            called = got["choices"][0]["message"]["tool_calls"]
            self.assertEqual([each["function"]["name"] for each in called], [NAMES[0]], name)

    def test_back_in_streams(self) -> None:
        """Streamed; Bedrock's own framing is played in ``test_bedrock_reply``."""
        for name in TAKES.keys() - {"bedrock"}:
            translation = translating(name, MODELS.get(name, "m"), stream=True)
            told = declared(translation.request.body)[0]
            stream = translation.stream(SSE)
            got = stream.feed(streamed(name, told)) + stream.end()
            self.assertIn(b'"name":%s' % orjson.dumps(NAMES[0]), got, name)


class FittingTests(unittest.TestCase):
    """fitting_names, fitted, own_names"""

    def test_the_same_call_where_all_fit(self) -> None:
        """Nothing is copied."""
        call = Call("m", (Turn("user", (Text("x"),)),), tools=(Tool("a_b-c"),))
        self.assertIs(fitted(call, PLAIN), call)

    def test_names_anywhere(self) -> None:
        """Of tools that are only called, answered or chosen; of calls of one id, too."""
        calls = (ToolCall("1", "a.a"), ToolCall("1", "b.b"))
        turns = (Turn("assistant", calls), Turn("user", (ToolResult("1", name="c.c"),)))
        call = Call("m", turns, tools=(Tool("d.d"),), tool_choice=ToolChoice("one", "e.e"))
        self.assertEqual(set(fitting_names(call, PLAIN)), {"a.a", "b.b", "c.c", "d.d", "e.e"})
        self.assertEqual(set(own_names(fitted(call, PLAIN), PLAIN)), set())

    @given(st.text())
    def test_any_name(self, name: str) -> None:
        """Becomes one that fits, another for another."""
        for rule in (PLAIN, GOOGLE, IDENTIFIERS):
            told = fitting_names(Call("m", (), tools=(Tool(name), Tool(name + "."))), rule)
            self.assertEqual(len(set(told.values())), len(told))
            for each in told.values():
                self.assertTrue(rule.fits.fullmatch(each), each)
