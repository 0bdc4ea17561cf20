"""Which events of a stream say something of the answer, and which come before."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events
from aigw.llm.preamble import is_preamble
from aigw.testing import anthropic
from aigw.testing.openai import events_for
from aigw.testing.said import HELLO, TOOLS


def delta(**members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": None}]}


def first_that_says(stream: list[bytes], operation: str) -> Any:
    """The data of the first event that is no preamble."""
    data = [events.read(events.data(event)) for event in stream]
    return next(fields for fields in data if not is_preamble(fields, operation))


class PreambleTests(unittest.TestCase):
    """Event by event."""

    def test_chat(self) -> None:
        for fields in (
            delta(role="assistant"),
            delta(role="assistant", content="", refusal=None),
            delta(role="assistant", content=None, tool_calls=[]),
            delta(),
            {"choices": [], "prompt_filter_results": [{}]},
            {"choices": [], "usage": None},
            {"choices": None},
            {"choices": None, "usage": {"prompt_tokens": 0}},
            {"message": "busy", "code": 1},
            {},
        ):
            self.assertTrue(is_preamble(fields, "chat"), fields)
        for fields in (
            delta(content="a"),
            delta(reasoning_content="a"),
            delta(tool_calls=[{"index": 0}]),
            delta(refusal="no"),
            delta(role="assistant", audio={"id": "a"}),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 1}},
            None,
            [],
            "text",
        ):
            self.assertFalse(is_preamble(fields, "chat"), fields)

    def test_completions(self) -> None:
        self.assertTrue(is_preamble({"choices": [{"text": "", "finish_reason": None}]}, "completions"))
        self.assertFalse(is_preamble({"choices": [{"text": "a", "finish_reason": None}]}, "completions"))

    def test_messages(self) -> None:
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        tool = {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {}}}
        for fields in ({"type": "message_start", "message": {}}, {"type": "ping"}, block, {}, {"type": 3}):
            self.assertTrue(is_preamble(fields, "messages"), fields)
        for fields in (tool, {"type": "content_block_delta"}, {"type": "message_stop"}, {"type": "new_thing"}):
            self.assertFalse(is_preamble(fields, "messages"), fields)

    def test_responses(self) -> None:
        item = {"type": "response.output_item.added", "item": {"type": "message", "content": []}}
        call = {"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}}
        part = {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}}
        for fields in ({"type": "response.created"}, {"type": "response.in_progress"}, item, part, {}, {"type": 3}):
            self.assertTrue(is_preamble(fields, "responses"), fields)
        for fields in (call, {"type": "response.output_text.delta"}, {"type": "response.completed"}):
            self.assertFalse(is_preamble(fields, "responses"), fields)

    def test_unknown_operations_have_none(self) -> None:
        self.assertFalse(is_preamble(delta(), "raw"))

    def test_whole_streams(self) -> None:
        """The first event that says something is the first word, or the first tool."""
        for path, operation in ((b"/v1/chat/completions", "chat"), (b"/v1/completions", "completions")):
            self.assertIn("Hello", orjson.dumps(first_that_says(events_for(path, {}), operation)).decode())
        self.assertEqual(
            first_that_says(events_for(b"/v1/responses", {}), "responses")["type"], "response.output_text.delta"
        )
        first = first_that_says(list(anthropic.events(HELLO, {})), "messages")
        self.assertEqual(first["type"], "content_block_delta")
        self.assertEqual(
            first_that_says(list(anthropic.events(TOOLS, {})), "messages")["content_block"]["type"], "tool_use"
        )

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["choices", "delta", "type", "item", "part", "content"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
        st.sampled_from(["chat", "completions", "messages", "responses", "raw"]),
    )
    def test_no_event_is_too_strange(self, fields: Any, operation: str) -> None:
        self.assertIn(is_preamble(fields, operation), (True, False))
