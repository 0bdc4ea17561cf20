"""Mistral: what differs from OpenAI's chat completions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.operations import CHAT, EMBEDDINGS, MODELS
from aigw.llm.providers import provider
from aigw.llm.providers.mistral import MISTRAL, MistralEmbeddings, MistralWire, clean_schema, tool_id
from aigw.llm.usage import Usage
from aigw.llm.wire import EmbeddingCall, Embeddings
from tests.unit.llm.streams import DONE, NO_RECORDED, RECORDED, USAGE, sse
from tests.unit.llm.test_openai_chat_reply import ANYTHING, TOLD, delta, events_of, piece

WIRE = MISTRAL.wire
USER = c.Turn("user", (c.Text("Hello"),), "messages[0]")
NINE = re.compile("[a-zA-Z0-9]{9}")


def body(*turns: c.Turn, model: str = "mistral-large-latest", **more: Any) -> dict[str, Any]:
    """A request's JSON."""
    assert isinstance(WIRE, MistralWire)
    request = WIRE.request(c.Call(model, turns or (USER,), **more))
    orjson.dumps(request.body)
    assert request.path == b"/chat/completions"
    return request.body


def messages(*turns: c.Turn, **more: Any) -> list[dict[str, Any]]:
    """A request's messages."""
    written: list[dict[str, Any]] = body(*turns, **more)["messages"]
    return written


class ProviderTests(unittest.TestCase):
    """The entry in the table."""

    def test_conversations_are_always_translated(self) -> None:
        """It refuses what OpenAI's clients send; models pass as they are."""
        one = provider("mistral")
        self.assertEqual((one.default_url, one.genai_name), ("https://api.mistral.ai/v1", "mistral_ai"))
        self.assertEqual(dict(one.paths), {MODELS: "/models"})
        self.assertNotIn(CHAT, one.paths)
        self.assertNotIn(EMBEDDINGS, one.paths)
        self.assertIsNotNone(one.embedding_wire)


class RequestTests(unittest.TestCase):
    """The request."""

    def refused(self, field: str, **more: Any) -> None:
        """A call is refused by name, and left out where that is allowed."""
        error = self.assertRaises(BadRequest, body, **more)
        self.assertEqual((error.param, error.code), (field, "unsupported_parameter"))
        self.assertNotIn(field, body(drop_unsupported=True, **more))

    def test_golden(self) -> None:
        """As a client of OpenAI asks."""
        tool = c.Tool(
            "f",
            "F",
            {"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            strict=True,
        )
        self.assertEqual(
            body(
                c.Turn("system", (c.Text("Be brief."),), name="boss"),
                c.Turn("user", (c.Text("Hi"),), name="bob"),
                stream=True,
                include_usage=True,
                tools=(tool,),
                tool_choice=c.ToolChoice("any"),
                parallel_tools=False,
                format=c.ResponseFormat("schema", {"type": "object"}, "answer", None, True),
                reasoning=c.ReasoningWish(effort="medium"),
                options={
                    "max_tokens": 5,
                    "temperature": 2,
                    "top_p": 0.5,
                    "seed": 0,
                    "stop": "END",
                    "n": 2,
                    "presence_penalty": 1,
                    "user": "u",
                    "safe_prompt": True,
                },
            ),
            {
                "model": "mistral-large-latest",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "stream": True,
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "f",
                            "description": "F",
                            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
                            "strict": True,
                        },
                    }
                ],
                "parallel_tool_calls": False,
                "tool_choice": "any",
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
                },
                "reasoning_effort": "high",
                "max_tokens": 5,
                "temperature": 1.5,
                "top_p": 0.5,
                "random_seed": 0,
                "stop": ["END"],
                "n": 2,
                "presence_penalty": 1,
                "safe_prompt": True,
            },
        )

    def test_what_it_does_not_have(self) -> None:
        """Is refused; what asks for nothing is not."""
        self.refused("logit_bias", options={"logit_bias": {"1": 2}})
        self.refused("logprobs", options={"logprobs": True})
        self.refused("top_k", options={"top_k": 5})
        self.refused("service_tier", options={"service_tier": "flex"})
        self.assertEqual(set(body(options={"logprobs": False, "store": False, "user": "u"})), {"model", "messages"})

    def test_choice(self) -> None:
        """ "any" is its word; others are OpenAI's."""
        tools = (c.Tool("f"),)
        self.assertEqual(body(tools=tools, tool_choice=c.ToolChoice("auto"))["tool_choice"], "auto")
        self.assertEqual(body(tools=tools, tool_choice=c.ToolChoice("none"))["tool_choice"], "none")
        named = body(tools=tools, tool_choice=c.ToolChoice("one", "f"))["tool_choice"]
        self.assertEqual(named, {"type": "function", "function": {"name": "f"}})

    def test_efforts(self) -> None:
        """There is one; a wish that nobody named is left out where that is allowed."""
        wish = c.ReasoningWish
        for asked, effort in (
            (wish(effort="none"), None),
            (wish(effort="minimal"), None),
            (wish(effort="low"), "high"),
            (wish(effort="max"), "high"),
            (wish(budget=2048), "high"),
            (wish(budget=100), None),
            (wish(adaptive=True), "high"),
        ):
            self.assertEqual(body(reasoning=asked).get("reasoning_effort"), effort, asked)
        self.assertNotIn("reasoning_effort", body(reasoning=wish(effort="high"), model="magistral-medium-latest"))
        self.assertNotIn("reasoning_effort", body(reasoning=wish(budget=2048), drop_unsupported=True))
        self.assertIn("reasoning_effort", body(reasoning=wish(effort="high"), drop_unsupported=True))

    def test_parts(self) -> None:
        """In simpler forms than OpenAI's."""
        parts = (
            c.Image("image/png", "QUJD"),
            c.Image(url="https://x/a.png", detail="high"),
            c.Audio("QUJD", "mp3"),
            c.Document("application/pdf", "QUJD", name="a.pdf"),
            c.Document(url="https://x/a.pdf"),
            c.Document(file_id="f1"),
            c.Document(text="Once", name="Tale"),
            c.Foreign("openai", {"type": "document_url", "document_url": "https://x"}),
        )
        self.assertEqual(
            messages(c.Turn("user", parts))[0]["content"],
            [
                {"type": "image_url", "image_url": "data:image/png;base64,QUJD"},
                {"type": "image_url", "image_url": "https://x/a.png"},
                {"type": "input_audio", "input_audio": "QUJD"},
                {
                    "type": "document_url",
                    "document_url": "data:application/pdf;base64,QUJD",
                    "document_name": "a.pdf",
                },
                {"type": "document_url", "document_url": "https://x/a.pdf"},
                {"type": "file", "file_id": "f1"},
                {"type": "text", "text": "Tale\n\nOnce"},
                {"type": "document_url", "document_url": "https://x"},
            ],
        )
        for part in (c.Image(file_id="f"), c.Foreign("openai", {"type": "future"}), c.Foreign("anthropic", {})):
            error = self.assertRaises(BadRequest, body, c.Turn("user", (part,), "messages[0]"))
            self.assertEqual(error.param, "messages[0].content")


class OrderTests(unittest.TestCase):
    """Messages in the only order that it takes."""

    CALLED = c.Turn("assistant", (c.ToolCall("toolu_1", "f", '{"a":1}'),))

    def test_ids_of_nine(self) -> None:
        """The same in the call and in its result (case 54)."""
        asked, answered = messages(self.CALLED, c.Turn("user", (c.ToolResult("toolu_1", (c.Text("x"),)),)))
        self.assertEqual(asked["tool_calls"][0]["id"], answered["tool_call_id"])
        self.assertRegex(answered["tool_call_id"], NINE)
        self.assertEqual(tool_id("D681PevKs"), "D681PevKs")

    @given(st.text(max_size=50), st.text(max_size=50))
    def test_any_id(self, one: str, other: str) -> None:
        """Becomes nine letters and digits of its own."""
        self.assertTrue(NINE.fullmatch(tool_id(one)))
        self.assertEqual(tool_id(one) == tool_id(other), one == other)
        self.assertEqual(tool_id(tool_id(one)), tool_id(one))

    def test_user_does_not_follow_a_tool(self) -> None:
        """An assistant's word goes between, in one turn and in two."""
        result = c.ToolResult("toolu_1", (c.Text("x"),))
        for turns in ((c.Turn("user", (result, c.Text("And?"))),), (c.Turn("user", (result,)), USER)):
            written = messages(USER, self.CALLED, *turns)
            self.assertEqual([each["role"] for each in written], ["user", "assistant", "tool", "assistant", "user"])
            self.assertTrue(written[3]["content"])

    def test_results_may_have_pictures(self) -> None:
        """In the tool's own message; errors say so."""
        picture = c.Image("image/png", "QUJD")
        written = {"type": "image_url", "image_url": "data:image/png;base64,QUJD"}
        for result, content in (
            (c.ToolResult("t", (c.Text("a"), picture)), [{"type": "text", "text": "a"}, written]),
            (c.ToolResult("t", (picture,), error=True), [{"type": "text", "text": "Error:"}, written]),
            (c.ToolResult("t", (c.Text("a"),), error=True), "Error: a"),
            (c.ToolResult("t"), ""),
        ):
            self.assertEqual(messages(self.CALLED, c.Turn("user", (result,)))[1]["content"], content)

    def test_last_answer_is_the_beginning_of_the_next(self) -> None:
        """As Anthropic's clients mean it."""
        first, last = messages(USER, c.Turn("assistant", (c.Text("It is"),)))
        self.assertEqual(last, {"role": "assistant", "content": "It is", "prefix": True})
        self.assertNotIn("prefix", first)
        self.assertNotIn("prefix", messages(USER, self.CALLED)[1])

    def test_instructions_behind_an_answer_are_the_users(self) -> None:
        """It takes system messages at the beginning and behind users' only."""
        system = c.Turn("system", (c.Text("x"),))
        said = c.Turn("assistant", (c.Text("Hi"),))
        self.assertEqual(
            [each["role"] for each in messages(USER, system, said, system, USER)][1:4], ["system", "assistant", "user"]
        )

    def test_empty_answers_are_left_out(self) -> None:
        """It refuses them."""
        self.assertEqual(len(messages(USER, c.Turn("assistant", (c.Reasoning("hm"),)), USER)), 2)

    def test_thoughts(self) -> None:
        """Go back as a part of the content, to the models that have them."""
        turn = c.Turn("assistant", (c.Reasoning("Hm."), c.Text("Yes"), c.ToolCall("t", "f")))
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        self.assertEqual(
            messages(turn, model="magistral-medium")[0]["content"], [thinking, {"type": "text", "text": "Yes"}]
        )
        self.assertEqual(messages(turn)[0]["content"], "Yes")
        lone = c.Turn("assistant", (c.Reasoning("Hm."), c.ToolCall("t", "f")))
        self.assertEqual(messages(lone, model="magistral-small")[0]["content"], [thinking])


class SchemaTests(unittest.TestCase):
    """clean_schema()"""

    def test_keywords_go_and_names_stay(self) -> None:
        """A property may be called as a keyword is; values are left alone."""
        schema = {
            "$id": "x",
            "type": "object",
            "properties": {
                "strict": {"type": "boolean", "additionalProperties": False},
                "$schema": {"enum": [{"strict": 1}], "default": {"$id": 2}},
            },
            "items": [{"$comment": "x", "type": "string"}],
            "required": ["strict"],
            "$defs": {"additionalProperties": {"$schema": "x", "type": "null"}},
            "strict": True,
        }
        before = orjson.dumps(schema)
        self.assertEqual(
            clean_schema(schema),
            {
                "type": "object",
                "properties": {
                    "strict": {"type": "boolean"},
                    "$schema": {"enum": [{"strict": 1}], "default": {"$id": 2}},
                },
                "items": [{"type": "string"}],
                "required": ["strict"],
                "$defs": {"additionalProperties": {"type": "null"}},
            },
        )
        self.assertEqual(orjson.dumps(schema), before)


class StreamTests(unittest.TestCase):
    """Its streams, read by the shared reader."""

    def test_golden(self) -> None:
        """Thoughts in a list, then text, and the last chunk has all the rest."""
        thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
        last = {"index": 0, "delta": {"content": "!"}, "finish_reason": "model_length"}
        stream: Sequence[bytes] = (
            delta(role="assistant", content=""),
            delta(content=thinking),
            delta(content="Yes", p="abc"),
            sse({"id": "c", "choices": [last], "usage": USAGE, "p": "abcdef"}),
            DONE,
        )
        self.assertEqual(
            events_of(*stream)[1:],
            [
                r.ReasoningDelta("Hm."),
                r.TextDelta("Yes"),
                r.TextDelta("!"),
                TOLD,
                r.Finish("length"),
                r.End(),
            ],
        )

    def test_whole_calls(self) -> None:
        """Several in one chunk, arguments as text or as objects."""
        pieces = [piece(0, "D681PevKs", "f", '{"a":1}'), piece(1, "X9", "g", {"b": 2})]
        self.assertEqual(
            events_of(delta("tool_calls", content="", tool_calls=pieces), DONE)[1:],
            [
                r.ToolStart(0, "D681PevKs", "f"),
                r.ToolArguments(0, '{"a":1}'),
                r.ToolStart(1, "X9", "g"),
                r.ToolArguments(1, '{"b":2}'),
                r.Finish("tool_calls"),
                r.End(),
            ],
        )

    def test_error_for_a_finish(self) -> None:
        """Is one."""
        self.assertIsInstance(events_of(delta("error"), DONE)[-1], r.Failed)


class EmbeddingTests(unittest.TestCase):
    """Embeddings."""

    def test_request(self) -> None:
        """Numbers are asked for, whatever the client decodes."""
        asked = EmbeddingCall(
            "mistral-embed", ("a", "b"), 256, {"encoding_format": "base64", "user": "u", "output_dtype": "float"}
        )
        request = MistralEmbeddings().embedding_request(asked)
        self.assertEqual(request.path, b"/embeddings")
        self.assertEqual(
            request.body,
            {"model": "mistral-embed", "input": ["a", "b"], "output_dimension": 256, "output_dtype": "float"},
        )

    def test_tokens_are_refused(self) -> None:
        """It has its own, which are not the client's."""
        error = self.assertRaises(BadRequest, MistralEmbeddings().embedding_request, EmbeddingCall("m", ([1, 2],)))
        self.assertEqual((error.param, error.code), ("input", "unsupported_parameter"))

    def test_answer(self) -> None:
        """In the order of the inputs."""
        fields = {
            "model": "mistral-embed",
            "data": [{"index": 1, "embedding": [2, 3.5]}, {"index": 0, "embedding": [0.5, 1]}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8},
        }
        self.assertEqual(
            MistralEmbeddings().embeddings(fields), Embeddings(([0.5, 1], [2, 3.5]), Usage(8), "mistral-embed")
        )

    @given(ANYTHING)
    def test_garbage(self, fields: Any) -> None:
        """Is no answer, and raises nothing else."""
        for each in (fields, {"data": fields}, {"data": [{"embedding": fields}]}):
            with contextlib.suppress(ValueError):
                MistralEmbeddings().embeddings(each)

    def test_error(self) -> None:
        """As those of chats."""
        self.assertEqual(MistralEmbeddings().error(401, (), b'{"message":"Unauthorized"}').code, "invalid_api_key")


class RecordedTests(unittest.TestCase):
    """What Kong sends and gets."""

    if not RECORDED.is_dir():
        skip = NO_RECORDED

    def test_request_and_answer(self) -> None:
        """The same conversation makes the same request."""
        expected = orjson.loads((RECORDED / "kong/expected-requests/mistral/openai/llm-v1-chat.json").read_bytes())
        turns = [c.Turn(each["role"], (c.Text(each["content"]),)) for each in expected["messages"]]
        written = body(*turns, model=expected["model"], options={"max_tokens": 512, "temperature": 0.5})
        self.assertEqual(written, {name: value for name, value in expected.items() if name != "stream"})
