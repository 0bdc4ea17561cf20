"""The order of a call's turns, and what providers make of it that want a message for each result of a tool."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import call as c
from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import DIALECTS, Pair
from tests.unit.llm.recordings import wire_of

#: Providers that want one.
WANTING = ("openai", "azure", "openai-compatible", "mistral", "cohere", "ollama")
PIXEL = "iVBORw0KGgo="
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
USER = c.Turn("user", (c.Text("q"),), "messages[0]")
CALLS = c.Turn("assistant", (c.ToolCall("A", "f"), c.ToolCall("B", "g")), "messages[1]")


def result(call_id: str, *parts: Any) -> dict[str, Any]:
    """A result as Anthropic's clients send it."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": list(parts) or "done"}


def sent(operation: str, provider: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages that a provider gets."""
    pair = Pair(DIALECTS[operation], wire_of(PROVIDERS[provider]), Adjustments(defaults={}, overrides={}))
    messages: list[dict[str, Any]] = pair.translate({"model": "m", **fields}, "a", 0.0).request.body["messages"]
    return messages


def asked(*turns: list[dict[str, Any]]) -> dict[str, Any]:
    """A request of Anthropic's whose model called two tools, with what the user sent then, turn by turn."""
    calls = [
        {"type": "tool_use", "id": call_id, "name": name, "input": {}} for call_id, name in (("A", "f"), ("B", "g"))
    ]
    first: list[dict[str, Any]] = [{"role": "user", "content": "q"}, {"role": "assistant", "content": calls}]
    return {"messages": first + [{"role": "user", "content": turn} for turn in turns], "max_tokens": 9}


class OrderTests(unittest.TestCase):
    """Results right behind their calls, in the order of these."""

    def assert_order(self, messages: list[dict[str, Any]], provider: str) -> None:
        """The first call's result, then the second's."""
        roles = [message["role"] for message in messages]
        self.assertEqual(roles[:4], ["user", "assistant", "tool", "tool"], provider)
        self.assertNotIn("tool", roles[4:], provider)
        ids = [call["id"] for call in messages[1]["tool_calls"]]
        self.assertEqual([message["tool_call_id"] for message in messages[2:4]], ids, provider)

    def test_results_in_turns_of_their_own(self) -> None:
        """A picture in the first result, or a text beside it, does not come between the two."""
        for provider in WANTING:
            if provider != "cohere":  # whose results are texts
                self.assert_order(sent(MESSAGES, provider, asked([result("A", PICTURE)], [result("B")])), provider)
            reminder = [result("A"), {"type": "text", "text": "a reminder"}]
            messages = sent(MESSAGES, provider, asked(reminder, [result("B")]))
            self.assert_order(messages, provider)
            self.assertIn("a reminder", str(messages[4:]), provider)

    def test_results_in_another_order(self) -> None:
        """As tools that run at once end; in one turn, and in two."""
        for provider in WANTING:
            self.assert_order(sent(MESSAGES, provider, asked([result("B"), result("A")])), provider)
            self.assert_order(sent(MESSAGES, provider, asked([result("B")], [result("A")])), provider)

    def test_chat_clients(self) -> None:
        """Whose words of user and system between two results go behind them."""
        calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in "AB"]
        for role in ("user", "system"):
            history = [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": "B", "content": "b"},
                {"role": role, "content": "between"},
                {"role": "tool", "tool_call_id": "A", "content": "a"},
            ]
            for provider in ("mistral", "cohere", "ollama"):
                messages = sent(CHAT, provider, {"messages": history})
                self.assert_order(messages, provider)
                self.assertEqual(messages[-1]["content"], "between")

    def test_responses_clients(self) -> None:
        """A picture in the first output."""
        picture = [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]
        items = [
            {"role": "user", "content": "q"},
            {"type": "function_call", "call_id": "A", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "B", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "A", "output": picture},
            {"type": "function_call_output", "call_id": "B", "output": "b"},
        ]
        for provider in ("openai-compatible", "mistral", "ollama"):
            self.assert_order(sent(RESPONSES, provider, {"input": items}), provider)

    def test_pictures_of_all_results_come_behind_the_last(self) -> None:
        """Each named by its call, before what the user says; without a word of the user's in a message of their own."""
        both = [result("A", PICTURE)], [result("B", PICTURE), {"type": "text", "text": "and?"}]
        messages = sent(MESSAGES, "openai", asked(*both))
        kinds = [part["type"] for part in messages[4]["content"]]
        self.assertEqual(kinds, ["text", "image_url", "text", "image_url", "text"])
        alone = sent(MESSAGES, "openai", asked([result("B")], [result("A", PICTURE)]))
        self.assertEqual([part["type"] for part in alone[4]["content"]], ["text", "image_url"])
        self.assertIn("A", alone[4]["content"][0]["text"])
        self.assertEqual(sent(MESSAGES, "ollama", asked([result("A", PICTURE)], [result("B")]))[4]["images"], [PIXEL])

    def test_pictures_come_before_the_next_answer(self) -> None:
        """And before what the system says."""
        for role in ("assistant", "system"):
            turns = (USER, CALLS, _turn("A", c.Image("image/png", PIXEL)), _turn("B"), c.Turn(role, (c.Text("on"),)))
            for provider in ("openai", "ollama"):
                written = wire_of(PROVIDERS[provider]).request(c.Call("m", turns)).body["messages"]
                roles = [message["role"] for message in written]
                self.assertEqual(roles, ["user", "assistant", "tool", "tool", "user", role], provider)

    def test_answers_in_a_row_become_one(self) -> None:
        """Where one calls tools whose results come behind the last."""
        apart = (c.Turn("assistant", (c.ToolCall("A", "f"),)), c.Turn("assistant", (c.ToolCall("B", "g"),)))
        ordered = c.results_first((USER, *apart, _turn("B"), _turn("A")))
        self.assertEqual(ordered, [USER, c.Turn("assistant", CALLS.parts), _turn("A"), _turn("B")])
        said = (USER, c.Turn("assistant", (c.Text("a"),)), c.Turn("assistant", (c.ToolCall("A", "f"),)), _turn("A"))
        self.assertEqual(c.results_first(said), list(said))

    def test_turns_without_results_stay(self) -> None:
        """As they are, also results that no answer called."""
        turns = [c.Turn("system", (c.Text("s"),)), USER, USER, c.Turn("assistant", (c.Text("a"),)), USER]
        self.assertEqual(c.results_first(turns), turns)
        self.assertEqual(c.results_first([_turn("X"), USER]), [_turn("X"), USER])

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["user", "assistant", "system"]),
                st.lists(
                    st.one_of(
                        st.builds(c.Text, st.text(max_size=2)),
                        st.builds(c.ToolCall, st.sampled_from("ABC"), st.just("f")),
                        st.builds(c.ToolResult, st.sampled_from("ABC")),
                    ),
                    max_size=4,
                ),
            ),
            max_size=8,
        )
    )
    def test_nothing_is_lost(self, said: list[tuple[Any, list[Any]]]) -> None:
        """Nor told twice; whatever clients send."""
        turns = [c.Turn(role, tuple(parts)) for role, parts in said]
        ordered = c.results_first(turns)
        before = [id(part) for turn in turns for part in turn.parts]
        self.assertEqual(sorted(id(part) for turn in ordered for part in turn.parts), sorted(before))


def _turn(call_id: str, *parts: Any) -> c.Turn:
    return c.Turn("user", (c.ToolResult(call_id, parts),))
