"""OpenAI's chat in front: what requests are read into."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm.dialects.chat import Chat

ROLES = ("developer", "system", "user", "assistant", "tool", "function", "nobody")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(("", "text", "user", "function", "data:x")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "role",
                    "content",
                    "type",
                    "text",
                    "image_url",
                    "url",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "file",
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def read(*messages: dict[str, Any], **fields: Any) -> c.Call:
    """A request with these messages, as a call."""
    return Chat().read({"model": "gpt-4o", "messages": list(messages), **fields})


class MessageTests(unittest.TestCase):
    """Messages become turns."""

    def test_roles(self) -> None:
        """Developer is system; tool results are the user's."""
        call = read(
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi", "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}},
                    {"id": "call_2", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "1"}]},
        )
        self.assertEqual(
            call.turns,
            (
                c.Turn("system", (c.Text("Be brief."),), "messages[0]"),
                c.Turn("user", (c.Text("Hi"),), "messages[1]", "ann"),
                c.Turn(
                    "assistant", (c.ToolCall("call_1", "now"), c.ToolCall("call_2", "add", '{"a":1}')), "messages[2]"
                ),
                c.Turn("user", (c.ToolResult("call_1", (c.Text("noon"),)),), "messages[3]"),
                c.Turn("user", (c.ToolResult("call_2", (c.Text("1"),)),), "messages[4]"),
            ),
        )

    def test_parts(self) -> None:
        """Text, images by URL and by data, sound, files; what nobody knows is kept as it is."""
        call = read(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                    {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
                    {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "hologram", "of": "x"},
                ],
            }
        )
        self.assertEqual(
            call.turns[0].parts,
            (
                c.Text("See", {"type": "ephemeral"}),
                c.Image(url="https://x/y.png", detail="low"),
                c.Image("image/png", "AAAA"),
                c.Audio("BBBB", "mp3"),
                c.Document("application/pdf", "CCCC", name="a.pdf"),
                c.Document(file_id="file-1"),
                c.Foreign("openai", {"type": "hologram", "of": "x"}),
            ),
        )

    def test_thoughts_of_earlier_turns(self) -> None:
        """In either form in which the gateway gives them out; the one with the signature is preferred."""
        blocks = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "redacted_thinking", "data": "r"}]
        call = read(
            {"role": "assistant", "content": "A", "reasoning_content": "Hm", "thinking_blocks": blocks},
            {"role": "assistant", "content": "B", "reasoning_content": "Well"},
        )
        self.assertEqual(call.turns[0].parts, (c.Reasoning("Hm", "s"), c.Reasoning(redacted="r"), c.Text("A")))
        self.assertEqual(call.turns[1].parts, (c.Reasoning("Well"), c.Text("B")))

    def test_signature_of_a_call(self) -> None:
        """Where Google's own compatible endpoint has it."""
        extra = {"google": {"thought_signature": "sig"}}
        tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
        call = read({"role": "assistant", "tool_calls": [tool]})
        self.assertEqual(call.turns[0].parts, (c.ToolCall("1", "f", "{}", "sig"),))

    def test_deprecated_functions(self) -> None:
        """A function's call and its answer find each other by the name."""
        call = read(
            {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": "{}"}},
            {"role": "function", "name": "now", "content": "noon"},
        )
        made, answered = call.turns[0].parts[0], call.turns[1].parts[0]
        assert isinstance(made, c.ToolCall) and isinstance(answered, c.ToolResult)
        self.assertEqual(made.id, answered.id)

    def test_what_is_wrong_is_named(self) -> None:
        """With its place, for the SDK's ``param``."""
        for message, param in (
            ("Hi", "messages[0]"),
            ({"role": "king", "content": "x"}, "messages[0].role"),
            ({"content": "x"}, "messages[0].role"),
            ({"role": "user", "content": 5}, "messages[0].content"),
            ({"role": "user", "content": ["x"]}, "messages[0].content[0]"),
            ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
            ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
            (
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
                "messages[0].content[0].image_url.url",
            ),
            ({"role": "user", "content": [{"type": "file", "file": {}}]}, "messages[0].content[0].file"),
        ):
            error = self.assertRaises(BadRequest, read, message)
            self.assertEqual(error.param, param)
            self.assertIn(param, error.message)

    @settings(max_examples=300)
    @given(
        st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(ROLES)},
                optional={
                    "content": JSON,
                    "tool_calls": JSON,
                    "tool_call_id": JSON,
                    "name": JSON,
                    "function_call": JSON,
                    "reasoning_content": JSON,
                    "thinking_blocks": JSON,
                    "refusal": JSON,
                },
            )
            | JSON,
            max_size=3,
        ),
        JSON,
        JSON,
        JSON,
    )
    def test_anything_is_read_or_refused(self, messages: Any, tools: Any, choice: Any, form: Any) -> None:
        """Nothing that JSON can hold raises anything but our own error."""
        fields = {"model": "m", "messages": messages, "tools": tools, "tool_choice": choice, "response_format": form}
        try:
            Chat().read(fields)
        except BadRequest as error:
            self.assertTrue(error.param)


class OptionTests(unittest.TestCase):
    """Everything beside the messages."""

    def test_tools(self) -> None:
        """Functions with their schemas; other kinds are kept as they are."""
        schema = {"type": "object", "properties": {}}
        function = {"name": "f", "description": "d", "parameters": schema, "strict": True}
        custom = {"type": "custom", "custom": {"name": "c"}}
        call = read(tools=[{"type": "function", "function": function}, custom], parallel_tool_calls=False)
        self.assertEqual(call.tools, (c.Tool("f", "d", schema, True), c.Foreign("openai", custom)))
        self.assertIs(call.parallel_tools, False)

    def test_tool_choice(self) -> None:
        """Words, a name, and a choice that narrows the tools."""
        tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
        for sent, expected in (
            ("auto", c.ToolChoice("auto")),
            ("required", c.ToolChoice("any")),
            ("none", c.ToolChoice("none")),
            ({"type": "function", "function": {"name": "a"}}, c.ToolChoice("one", "a")),
        ):
            self.assertEqual(read(tools=tools, tool_choice=sent).tool_choice, expected)
        allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "b"}}]}
        call = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
        self.assertEqual((call.tools, call.tool_choice), ((c.Tool("b"),), c.ToolChoice("any")))
        self.assertRaises(BadRequest, read, tools=tools, tool_choice="maybe")

    def test_format(self) -> None:
        """Text is nothing to ask for."""
        schema = {"type": "object"}
        given_schema = {"name": "n", "schema": schema, "strict": True, "description": "d"}
        self.assertIsNone(read(response_format={"type": "text"}).format)
        self.assertEqual(read(response_format={"type": "json_object"}).format, c.ResponseFormat("json"))
        self.assertEqual(
            read(response_format={"type": "json_schema", "json_schema": given_schema}).format,
            c.ResponseFormat("schema", schema, "n", "d", True),
        )
        self.assertRaises(BadRequest, read, response_format={"type": "xml"})

    def test_two_spellings_of_one_limit(self) -> None:
        """One option, and errors say what the client said."""
        call = read(max_completion_tokens=5, max_tokens=9)
        self.assertEqual((call.options["max_tokens"], call.spelt("max_tokens")), (5, "max_completion_tokens"))
        self.assertEqual(read(max_tokens=9).spelt("max_tokens"), "max_tokens")

    def test_the_rest_is_kept(self) -> None:
        """Fields that nobody knows included."""
        call = read(
            temperature=0.5,
            top_k=3,
            novelty={"x": 1},
            reasoning_effort="low",
            stream=True,
            stream_options={"include_usage": True},
        )
        self.assertEqual(call.options, {"temperature": 0.5, "top_k": 3, "novelty": {"x": 1}})
        self.assertEqual(call.reasoning, c.ReasoningWish(effort="low"))
        self.assertTrue(call.stream and call.include_usage)

    def test_no_prompt_in_a_repr(self) -> None:
        """A traceback may show a call."""
        secret = {"role": "user", "content": "my-secret-prompt"}
        self.assertNotIn("my-secret-prompt", repr(read(secret, user="my-secret-prompt")))
        self.assertIn(b"my-secret", orjson.dumps(secret))
