"""Cache marks of chat clients, wherever they put them, for Claude wherever it is served."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider

MARK = {"type": "ephemeral", "ttl": "1h"}
MARKED = {"cache_control": MARK}
POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUFB"}}
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
CALLED = [
    {"role": "user", "content": "q"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "A", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
]
MODELS = {"anthropic": "claude-sonnet-4-5", "vertex": "claude-sonnet-4-5@20250929"}
BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def body(name: str, *messages: Any, **fields: Any) -> dict[str, Any]:
    """What becomes of a chat."""
    kind = provider(name)
    pair = pairing(CHAT, kind.at(kind, Place(None, "us-east-1", "p")), Adjustments({}, {}), False)
    assert pair is not None
    asked = list(messages) or [{"role": "user", "content": "q"}]
    made = pair.translate({"model": MODELS.get(name, BEDROCK), "messages": asked, **fields}, "a", 0.0)
    return made.request.body


def result(content: Any, **more: Any) -> dict[str, Any]:
    """What a tool answered."""
    return {"role": "tool", "tool_call_id": "A", "content": content, **more}


class MessagesTests(unittest.TestCase):
    """Anthropic, and Vertex AI's Claude: on what is marked."""

    def last(self, *messages: Any) -> Any:
        """The last block of the last message, the same at both."""
        made, other = (body(name, *messages)["messages"][-1]["content"][-1] for name in MODELS)
        self.assertEqual(made, other)
        return made

    def test_tools(self) -> None:
        """Beside the function, or in it."""
        for tool in (
            {"type": "function", "function": FUNCTION, **MARKED},
            {"type": "function", "function": {**FUNCTION, **MARKED}},
        ):
            for name in MODELS:
                self.assertEqual(body(name, tools=[tool])["tools"][0]["cache_control"], MARK)

    def test_messages(self) -> None:
        """The last of a message's parts."""
        text = {"type": "text", "text": "q"}
        self.assertEqual(self.last({"role": "user", "content": "q", **MARKED}), {**text, **MARKED})
        self.assertEqual(self.last({"role": "user", "content": [PIXEL, text], **MARKED}), {**text, **MARKED})
        self.assertEqual(self.last({"role": "user", "content": [text, PIXEL], **MARKED})["cache_control"], MARK)
        self.assertEqual(self.last(CALLED[0], {**CALLED[1], **MARKED})["cache_control"], MARK)

    def test_a_part_s_own_mark(self) -> None:
        """Stays what it is."""
        own = {"type": "ephemeral"}
        part = {"type": "text", "text": "q", "cache_control": own}
        self.assertEqual(self.last({"role": "user", "content": [part], **MARKED})["cache_control"], own)

    def test_systems(self) -> None:
        """The same."""
        for name in MODELS:
            made = body(name, {"role": "system", "content": "s", **MARKED}, CALLED[0])
            self.assertEqual(made["system"], [{"type": "text", "text": "s", **MARKED}])

    def test_results(self) -> None:
        """The block of the result; or a text in it."""
        self.assertEqual(self.last(*CALLED, result("r", **MARKED))["cache_control"], MARK)
        made = self.last(*CALLED, result([{"type": "text", "text": "r", **MARKED}]))
        self.assertEqual(made["content"], [{"type": "text", "text": "r", **MARKED}])

    def test_pictures_and_files(self) -> None:
        """Their blocks."""
        for part in (PIXEL, FILE):
            self.assertEqual(self.last({"role": "user", "content": [{**part, **MARKED}]})["cache_control"], MARK)

    def test_what_is_no_mark(self) -> None:
        """Marks nothing, and breaks nothing."""
        for wrong in (None, "x", 5, []):
            made = body("anthropic", {"role": "user", "content": "q", "cache_control": wrong})
            self.assertEqual(made["messages"], [{"role": "user", "content": "q"}])

    def test_nothing_to_mark(self) -> None:
        """Is left as it is."""
        made = body("anthropic", CALLED[0], {"role": "assistant", "content": None, **MARKED}, CALLED[0])
        self.assertNotIn("cache_control", repr(made))


class BedrockTests(unittest.TestCase):
    """A point behind what is marked."""

    def content(self, *messages: Any) -> Any:
        """Of the last message."""
        return body("bedrock", *messages)["messages"][-1]["content"]

    def test_tools(self) -> None:
        """Beside the function, or in it."""
        for tool in (
            {"type": "function", "function": FUNCTION, **MARKED},
            {"type": "function", "function": {**FUNCTION, **MARKED}},
        ):
            self.assertEqual(body("bedrock", tools=[tool])["toolConfig"]["tools"][1], POINT)

    def test_messages(self) -> None:
        """Of all roles, and their pictures and files."""
        self.assertEqual(self.content({"role": "user", "content": "q", **MARKED}), [{"text": "q"}, POINT])
        self.assertEqual(self.content(CALLED[0], {**CALLED[1], **MARKED})[1:], [POINT])
        for part in (PIXEL, FILE):
            text = {"type": "text", "text": "q"}
            made = self.content({"role": "user", "content": [{**part, **MARKED}, text]})
            self.assertEqual(made[1:], [POINT, {"text": "q"}])
        made = body("bedrock", {"role": "system", "content": "s", **MARKED}, CALLED[0])
        self.assertEqual(made["system"], [{"text": "s"}, POINT])

    def test_results(self) -> None:
        """Behind the result, in which none can be."""
        for marked in (result("r", **MARKED), result([{"type": "text", "text": "r", **MARKED}])):
            made = self.content(*CALLED, marked)
            self.assertEqual((list(made[0]), made[1:]), (["toolResult"], [POINT]))
            self.assertEqual(made[0]["toolResult"]["content"], [{"text": "r"}])
