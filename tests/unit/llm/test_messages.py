"""Anthropic's messages in front: requests."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.call import (
    Call,
    Document,
    Foreign,
    Image,
    Reasoning,
    ReasoningWish,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from aigw.llm.dialects.messages import Messages
from tests.unit.llm.streams import NO_RECORDED, RECORDED

HELLO = [{"role": "user", "content": "Hello"}]
MARK = {"type": "ephemeral"}


def read(**fields: Any) -> Call:
    """The call that a request is."""
    fields.setdefault("model", "m")
    fields.setdefault("messages", HELLO)
    return Messages().read(fields)


def parts(*blocks: Any, role: str = "user") -> tuple[Any, ...]:
    """The parts of a message of these blocks."""
    return read(messages=[{"role": role, "content": list(blocks)}]).turns[0].parts


class RequestTests(unittest.TestCase):
    """Everything that a request can have."""

    def test_least(self) -> None:
        """A greeting. The usage is always told."""
        self.assertEqual(
            read(max_tokens=10),
            Call(
                "m",
                (Turn("user", (Text("Hello"),), "messages[0]"),),
                include_usage=True,
                options={"max_tokens": 10},
                names=read().names,
            ),
        )

    def test_system(self) -> None:
        """A string, or blocks with their marks."""
        self.assertEqual(read(system="Be brief.").turns[0], Turn("system", (Text("Be brief."),), "system"))
        blocks = [{"type": "text", "text": "A"}, {"type": "text", "text": "B", "cache_control": MARK}]
        self.assertEqual(read(system=blocks).turns[0].parts, (Text("A"), Text("B", MARK)))
        for nothing in (None, "", []):
            self.assertEqual([turn.role for turn in read(system=nothing).turns], ["user"])

    def test_billing_line_of_claude_code_stays_here(self) -> None:
        """It changes with every call, and no cache would ever be hit."""
        line = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1a2b;"}
        self.assertEqual(read(system=[line, {"type": "text", "text": "A"}]).turns[0].parts, (Text("A"),))
        self.assertEqual([turn.role for turn in read(system=[line]).turns], ["user"])

    def test_system_in_the_middle(self) -> None:
        """Stays in the middle."""
        messages = [*HELLO, {"role": "system", "content": [{"type": "text", "text": "S"}]}]
        self.assertEqual(read(messages=messages).turns[1], Turn("system", (Text("S"),), "messages[1]"))

    def test_pictures_and_documents(self) -> None:
        """In all the ways in which they are told."""
        self.assertEqual(
            parts(
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "image", "source": {"type": "url", "url": "https://x"}, "cache_control": MARK},
                {"type": "image", "source": {"type": "file", "file_id": "f1"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
                {"type": "document", "source": {"type": "url", "url": "https://x"}, "title": "T"},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                    "context": "C",
                },
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "E"}]}},
                {"type": "document", "source": {"type": "file", "file_id": "f2"}, "citations": {"enabled": False}},
            ),
            (
                Image("image/png", "AA=="),
                Image(url="https://x", cache=MARK),
                Image(file_id="f1"),
                Document("application/pdf", "AA=="),
                Document(url="https://x", name="T"),
                Text("C"),
                Document("text/plain", text="D"),
                Text("E"),
                Document(file_id="f2"),
            ),
        )

    def test_calls_and_results(self) -> None:
        """With pictures in results, marks, and errors."""
        self.assertEqual(
            parts(
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "cache_control": MARK},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                role="assistant",
            ),
            (ToolCall("t1", "f", '{"a":1}', cache=MARK), ToolCall("t2", "g", "{}")),
        )
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
        self.assertEqual(
            parts(
                {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "x"}, image]},
                {"type": "tool_result", "tool_use_id": "t3", "is_error": True, "cache_control": MARK},
                {"type": "text", "text": "go on"},
            ),
            (
                ToolResult("t1", (Text("ok"),)),
                ToolResult("t2", (Text("x"), Image("image/png", "AA=="))),
                ToolResult("t3", error=True, cache=MARK),
                Text("go on"),
            ),
        )

    def test_thoughts(self) -> None:
        """With their proof, without, and hidden; those of nothing at all are nothing."""
        self.assertEqual(
            parts(
                {"type": "thinking", "thinking": "Hm", "signature": "SIG"},
                {"type": "thinking", "thinking": "Hm", "signature": ""},
                {"type": "thinking", "thinking": "", "signature": "SIG"},
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "redacted_thinking", "data": "OPAQUE"},
                role="assistant",
            ),
            (Reasoning("Hm", "SIG"), Reasoning("Hm"), Reasoning("", "SIG"), Reasoning(redacted="OPAQUE")),
        )

    def test_signature_of_a_call_comes_back_to_it(self) -> None:
        """From the thought that carried it."""
        carrier = {"type": "thinking", "thinking": "", "signature": "aigw-tool:S1"}
        called = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
        self.assertEqual(
            parts(carrier, called, {**called, "id": "t2"}, role="assistant"),
            (ToolCall("t1", "f", "{}", "S1"), ToolCall("t2", "f", "{}")),
        )
        self.assertEqual(parts(carrier, role="assistant"), ())

    def test_what_only_anthropic_has(self) -> None:
        """Goes on as it is, for providers that know it."""
        block = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
        cited = {"type": "document", "source": {"type": "url", "url": "u"}, "citations": {"enabled": True}}
        self.assertEqual(parts(block, cited), (Foreign("anthropic", block), Foreign("anthropic", cited)))
        search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
        self.assertEqual(read(tools=[search]).tools, (Foreign("anthropic", search),))

    def test_tools(self) -> None:
        """Under OpenAI's words for choices."""
        schema = {"type": "object", "properties": {}}
        tools = [
            {"name": "f", "description": "F", "input_schema": schema, "strict": True, "cache_control": MARK},
            {"name": "g", "type": "custom", "input_schema": schema, "eager_input_streaming": True},
        ]
        self.assertEqual(read(tools=tools).tools, (Tool("f", "F", schema, True, MARK), Tool("g", None, schema)))
        for choice, expected in (
            (None, (None, None)),
            ({"type": "auto"}, (ToolChoice("auto"), None)),
            ({"type": "any", "disable_parallel_tool_use": True}, (ToolChoice("any"), False)),
            ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, (ToolChoice("one", "f"), True)),
            ({"type": "none"}, (ToolChoice("none"), None)),
        ):
            call = read(tool_choice=choice)
            self.assertEqual((call.tool_choice, call.parallel_tools), expected)

    def test_reasoning(self) -> None:
        """Budget, effort, or none."""
        for thinking, effort, wish in (
            (None, None, None),
            (None, "high", ReasoningWish(effort="high")),
            ({"type": "enabled", "budget_tokens": 2000}, None, ReasoningWish(budget=2000)),
            ({"type": "adaptive"}, "low", ReasoningWish(effort="low", adaptive=True)),
            ({"type": "adaptive", "display": "omitted"}, None, ReasoningWish(adaptive=True, show=False)),
            ({"type": "adaptive", "display": "summarized"}, None, ReasoningWish(adaptive=True, show=True)),
            ({"type": "disabled"}, "low", ReasoningWish(effort="none")),
            ({"type": "between_tools"}, None, ReasoningWish(effort="none")),
        ):
            output = {"effort": effort} if effort else None
            self.assertEqual(read(thinking=thinking, output_config=output).reasoning, wish, thinking)

    def test_format(self) -> None:
        """Where it is, and where it was."""
        form = {"type": "json_schema", "schema": {"type": "object"}}
        expected = ResponseFormat("schema", {"type": "object"}, "structured_output", strict=True)
        self.assertEqual(read(output_config={"format": form}).format, expected)
        self.assertEqual(read(output_format=form).format, expected)
        self.assertIsNone(read(output_format="markdown").format)

    def test_options(self) -> None:
        """Under OpenAI's names; what the client calls them is remembered."""
        call = read(
            max_tokens=10,
            stop_sequences=["END"],
            temperature=0.5,
            top_k=4,
            metadata={"user_id": "u1"},
            service_tier="standard_only",
            stream=True,
            new_field=1,
        )
        self.assertEqual(
            call.options,
            {"max_tokens": 10, "stop": ["END"], "temperature": 0.5, "top_k": 4, "user": "u1", "service_tier": "default",
             "new_field": 1},
        )  # fmt: skip
        self.assertTrue(call.stream)
        self.assertEqual(call.spelt("stop"), "stop_sequences")
        self.assertEqual(call.spelt("reasoning_effort"), "thinking")

    def test_what_is_for_anthropics_own_service_stays_here(self) -> None:
        """So that Claude Code reaches any provider."""
        call = read(
            betas=["a"],
            cache_control=MARK,
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            diagnostics={},
            speed="fast",
        )
        self.assertEqual(call.options, {})

    def test_what_is_malformed_is_refused_by_name(self) -> None:
        """With what it should be."""
        block = {"type": "text", "text": 5}
        for field, fields in {
            "messages[0]": {"messages": ["Hello"]},
            "messages[0].role": {"messages": [{"role": "tool", "content": "x"}]},
            "messages[0].content": {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content[0].text": {"messages": [{"role": "user", "content": [block]}]},
            "messages[0].content[0].source": {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0].source.type": {
                "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]
            },
            "messages[0].content[0].tool_use_id": {
                "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]
            },
            "system": {"system": 5},
            "system[0].text": {"system": [block]},
            "thinking": {"thinking": "yes"},
            "thinking.type": {"thinking": {"type": "x"}},
            "thinking.budget_tokens": {"thinking": {"type": "enabled"}},
            "output_config": {"output_config": []},
            "output_config.effort": {"output_config": {"effort": 5}},
            "output_config.format.type": {"output_config": {"format": {"type": "text"}}},
            "tools": {"tools": {}},
            "tools[0].name": {"tools": [{}]},
            "tools[0].input_schema": {"tools": [{"name": "f", "input_schema": "x"}]},
            "tool_choice.type": {"tool_choice": {"type": "x"}},
            "tool_choice.name": {"tool_choice": {"type": "tool"}},
            "metadata": {"metadata": "u1"},
        }.items():
            error = self.assertRaises(BadRequest, read, **fields)
            self.assertEqual((error.param, error.status), (field, 400))
            self.assertTrue(error.message.startswith(field + " must "), error.message)

    def test_inputs_that_are_no_objects(self) -> None:
        """Are what a model once wrote: the provider's side wraps them."""
        for sent, expected in (('{"a":', '{"a":'), ([1], "[1]"), (None, "{}"), ({"a": 1}, '{"a":1}')):
            block = {"type": "tool_use", "id": "t", "name": "f", "input": sent}
            part = read(messages=[{"role": "assistant", "content": [block]}]).turns[0].parts[0]
            self.assertEqual(part, ToolCall("t", "f", expected))

    def test_search_results(self) -> None:
        """Are texts, unless they are to be cited; Claude gets them as they were."""
        texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        block = {"type": "search_result", "source": "https://s", "title": "T", "content": texts, "cache_control": MARK}
        part = read(messages=[{"role": "user", "content": [block]}]).turns[0].parts[0]
        self.assertEqual(part, Document("text/plain", text="https://s\n\na\n\nb", name="T", cache=MARK))
        self.assertIs(part.own, block)  # type: ignore[union-attr]
        cited = {**block, "citations": {"enabled": True}}
        part = read(messages=[{"role": "user", "content": [cited]}]).turns[0].parts[0]
        self.assertEqual(part, Foreign("anthropic", cited))
        for wrong in ({"source": 5}, {"title": None}, {"content": "x"}, {"content": [5]}, {"citations": 5}):
            error = self.assertRaises(BadRequest, read, messages=[{"role": "user", "content": [{**block, **wrong}]}])
            self.assertTrue(str(error.param).startswith("messages[0].content[0]"))

    def test_threads(self) -> None:
        """Are refused in the words by which Anthropic's SDKs fall back; one that is null is none."""
        for thread in ({"type": "create"}, {"type": "continue", "previous_message_id": "m"}, "x"):
            error = self.assertRaises(BadRequest, read, thread=thread)
            self.assertEqual((error.param, error.status), ("thread", 400))
            self.assertEqual(error.details, {"error_code": "thread_unsupported_request"})
        self.assertEqual(read(thread=None).options, {})

    def test_recorded_requests_are_read(self) -> None:
        """All of them."""
        folder = RECORDED / "agentgateway" / "requests" / "messages"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for path in folder.glob("*.json"):
            fields = orjson.loads(path.read_bytes())
            call = Messages().read(fields)
            spoken = [turn for turn in call.turns if turn.field.startswith("messages")]
            self.assertEqual(len(spoken), len(fields["messages"]), path.stem)

    @given(
        st.dictionaries(
            st.sampled_from(
                ["system", "thinking", "tools", "tool_choice", "output_config", "metadata", "stop_sequences"]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=3),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["type", "text", "source", "name", "input", "content", "format", "schema"]),
                        inner | st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "enabled"]),
                        max_size=4,
                    )
                ),
                max_leaves=8,
            ),
        ),
        st.lists(st.none() | st.dictionaries(st.sampled_from(["role", "content"]), st.sampled_from(["user", "x", 5]))),
    )
    def test_garbage_is_a_bad_request(self, fields: dict[str, Any], messages: list[Any]) -> None:
        """And nothing else."""
        try:
            read(**{**fields, "messages": messages})
        except BadRequest as error:
            self.assertTrue(error.param)
