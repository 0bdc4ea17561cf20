"""The built-in provider answers in OpenAI's shapes, which OpenAI's own types are the judges of."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from twisted.trial import unittest

from aigw.llm import events
from aigw.llm.echo import EchoReply, reply
from aigw.llm.echo.parts import tokens
from aigw.llm.taps import JsonTap, StreamTap

NOW = 1_700_000_000.5
RESPONSE_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(["Say hello.", "a  b\n", " "])
LIMITS = st.none() | st.integers(0, 6)


def asked(text: str, **more: Any) -> dict[str, Any]:
    """A chat's fields."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


class EchoCase(unittest.TestCase):
    """Calls of the echo provider."""

    def answer(self, operation: str, fields: dict[str, Any]) -> Any:
        """The JSON of a whole answer."""
        answer = reply(operation, fields, now=NOW)
        self.assertEqual((answer.status, answer.events), (200, None))
        self.assertIn((b"content-type", b"application/json"), answer.headers)
        return orjson.loads(answer.body or b"")

    def stream(self, operation: str, fields: dict[str, Any]) -> list[Any]:
        """The JSON of a stream's events, without [DONE]."""
        answer = reply(operation, {**fields, "stream": True}, now=NOW)
        self.assertEqual((answer.status, answer.body), (200, None))
        self.assertIn((b"content-type", b"text/event-stream; charset=utf-8"), answer.headers)
        assert answer.events is not None
        made = list(answer.events)
        self.assertEqual(events.split(b"".join(made)), made)
        if operation != "responses":
            self.assertEqual(made.pop(), b"data: [DONE]\n\n")
        return [orjson.loads(events.data(event)) for event in made]


class ChatTests(EchoCase):
    """chat"""

    def test_last_user_message_comes_back(self) -> None:
        """In the shape of a chat completion."""
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Say hello."}, {"type": "image_url", "image_url": {}}],
            },
            {"role": "tool", "content": "Three", "tool_call_id": "x"},
        ]
        parsed = ChatCompletion.model_validate(self.answer("chat", {"model": "any", "messages": messages}), strict=True)
        (choice,) = parsed.choices
        self.assertEqual((choice.message.content, choice.finish_reason, parsed.model), ("Say hello.", "stop", "any"))
        self.assertEqual(parsed.created, 1_700_000_000)
        assert parsed.usage is not None
        self.assertEqual((parsed.usage.prompt_tokens, parsed.usage.completion_tokens), (7, 2))

    def test_same_call_has_the_same_answer(self) -> None:
        """At the same time; another call has another id."""
        self.assertEqual(self.answer("chat", asked("a")), self.answer("chat", asked("a")))
        self.assertNotEqual(self.answer("chat", asked("a"))["id"], self.answer("chat", asked("b"))["id"])

    def test_limit_cuts(self) -> None:
        """Under both names; null is none."""
        for limit in (
            {"max_tokens": 2},
            {"max_completion_tokens": 2, "max_tokens": 3},
            {"max_completion_tokens": None, "max_tokens": 2},
        ):
            answer = self.answer("chat", asked("one two three", **limit))
            self.assertEqual(answer["choices"][0]["message"]["content"], "one two")
            self.assertEqual(answer["choices"][0]["finish_reason"], "length")
            self.assertEqual(answer["usage"]["completion_tokens"], 2)
        self.assertEqual(self.answer("chat", asked("one two", max_tokens=2))["choices"][0]["finish_reason"], "stop")

    def test_stop_sequence_ends_the_answer(self) -> None:
        """One or several; it is not part of the answer."""
        for stop in (" two", ["x", " two", " three"]):
            answer = self.answer("chat", asked("one two three", stop=stop))
            self.assertEqual(answer["choices"][0]["message"]["content"], "one")
            self.assertEqual(answer["choices"][0]["finish_reason"], "stop")

    def test_forced_tool_is_called(self) -> None:
        """By name, or the first one where any must be."""
        tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "find")]
        named = {"type": "function", "function": {"name": "find"}}
        for choice, name, finish in ((named, "find", "stop"), ("required", "look", "tool_calls")):
            parsed = ChatCompletion.model_validate(
                self.answer("chat", asked("hi", tools=tools, tool_choice=choice)), strict=True
            )
            message = parsed.choices[0].message
            assert message.tool_calls is not None
            (call,) = message.tool_calls
            assert call.type == "function"
            self.assertEqual((call.function.name, call.function.arguments), (name, "{}"))
            self.assertEqual((message.content, parsed.choices[0].finish_reason), (None, finish))
        for choice in ("auto", "none", None):
            self.assertNotIn(
                "tool_calls", self.answer("chat", asked("hi", tools=tools, tool_choice=choice))["choices"][0]["message"]
            )

    def test_stream_begins_with_the_role_and_tells_usage_when_asked(self) -> None:
        """As recorded OpenAI streams do: null on all but the last chunk, which has no choices."""
        chunks = self.stream("chat", asked("Say hello.", stream_options={"include_usage": True}))
        self.assertEqual(chunks[0]["choices"][0]["delta"], {"role": "assistant", "content": "", "refusal": None})
        self.assertEqual([chunk["choices"][0]["delta"].get("content") for chunk in chunks[1:3]], ["Say", " hello."])
        self.assertEqual([chunk["usage"] for chunk in chunks[:-1]], [None] * 4)
        self.assertEqual((chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]), ([], 4))
        for chunk in self.stream("chat", asked("Say hello.")):
            self.assertNotIn("usage", chunk)

    def assembled(self, chunks: list[Any]) -> dict[str, Any]:
        """The answer that the chunks of a stream make, put together as the SDKs do it."""
        choices: dict[int, dict[str, Any]] = {}
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk, strict=True)
            for choice in chunk["choices"]:
                known = choices.setdefault(choice["index"], {"content": None, "tool_calls": [], "finish": None})
                self.assertIsNone(known["finish"], "a choice goes on after its end")
                delta = choice["delta"]
                if delta.get("content") is not None:
                    known["content"] = (known["content"] or "") + delta["content"]
                for call in delta.get("tool_calls", []):
                    if "id" in call:
                        known["tool_calls"].append(dict(call, function=dict(call["function"])))
                        self.assertEqual(known["tool_calls"][-1].pop("index"), call["index"])
                    else:
                        known["tool_calls"][call["index"]]["function"]["arguments"] += call["function"]["arguments"]
                known["finish"] = choice["finish_reason"]
        return choices and {"choices": choices, "usage": chunks[-1].get("usage"), "id": chunks[0]["id"]}

    @given(TEXTS, LIMITS, st.integers(1, 3), st.sampled_from([None, {"type": "function", "function": {"name": "f"}}]))
    def test_stream_makes_the_whole_answer(self, text: str, limit: int | None, n: int, tool: Any) -> None:
        """Text, tool calls, ends, usage and id."""
        fields = asked(text, max_tokens=limit, n=n, tool_choice=tool)
        answer = self.answer("chat", fields)
        ChatCompletion.model_validate(answer, strict=True)
        made = self.assembled(self.stream("chat", {**fields, "stream_options": {"include_usage": True}}))
        self.assertEqual((made["id"], made["usage"]), (answer["id"], answer["usage"]))
        self.assertEqual(
            [
                (choice["message"]["content"], choice["message"].get("tool_calls", []), choice["finish_reason"])
                for choice in answer["choices"]
            ],
            [
                (choice["content"], choice["tool_calls"], choice["finish"])
                for _, choice in sorted(made["choices"].items())
            ],
        )

    @given(TEXTS, LIMITS)
    def test_usage_is_what_the_taps_read(self, text: str, limit: int | None) -> None:
        """So that the demo's metrics count."""
        whole = JsonTap()
        whole.read(reply("chat", asked(text, max_tokens=limit), now=NOW).body or b"")
        stream = StreamTap("chat", True)
        fields = asked(text, max_tokens=limit, stream=True, stream_options={"include_usage": True})
        for event in reply("chat", fields, now=NOW).events or ():
            stream.feed(event)
        self.assertEqual(stream.usage, whole.usage)
        self.assertTrue(stream.done)
        assert whole.usage is not None
        self.assertEqual(whole.usage.input, len(tokens(text)))


class CompletionsTests(EchoCase):
    """completions"""

    @given(
        TEXTS | st.lists(TEXTS, min_size=1, max_size=3) | st.just([1, 2, 3]) | st.just([[1, 2], [3]]),
        LIMITS,
        st.integers(1, 2),
    )
    def test_prompts_come_back_whole_or_streamed(self, prompt: Any, limit: int | None, n: int) -> None:
        """``n`` choices for each of them."""
        fields = {"model": "m", "prompt": prompt, "max_tokens": limit, "n": n}
        answer = self.answer("completions", fields)
        Completion.model_validate(answer, strict=True)
        texts = [""] * len(answer["choices"])
        finishes: list[str | None] = [None] * len(texts)
        *chunks, last = self.stream("completions", {**fields, "stream_options": {"include_usage": True}})
        for chunk in chunks:
            self.assertIsNone(chunk["usage"])
            Completion.model_validate({**chunk, "choices": []}, strict=True)
            (choice,) = chunk["choices"]
            texts[choice["index"]] += choice["text"]
            finishes[choice["index"]] = choice["finish_reason"]
        self.assertEqual((last["choices"], last["usage"], last["id"]), ([], answer["usage"], answer["id"]))
        self.assertEqual(texts, [choice["text"] for choice in answer["choices"]])
        self.assertEqual(finishes, [choice["finish_reason"] for choice in answer["choices"]])

    def test_each_prompt_has_its_choices(self) -> None:
        """In the order of the prompts; usage counts all of them."""
        answer = self.answer("completions", {"prompt": ["a b", "c"], "n": 2})
        self.assertEqual([choice["text"] for choice in answer["choices"]], ["a b", "a b", "c", "c"])
        self.assertEqual([choice["index"] for choice in answer["choices"]], [0, 1, 2, 3])
        self.assertEqual((answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]), (3, 6))


class EmbeddingsTests(EchoCase):
    """embeddings"""

    def test_vectors_depend_on_their_input_alone(self) -> None:
        """One for each input, in their order."""
        answer = self.answer("embeddings", {"model": "m", "input": ["a b", "c", "a b"]})
        parsed = CreateEmbeddingResponse.model_validate(answer)
        first, second, third = (one.embedding for one in parsed.data)
        self.assertEqual((first, len(first)), (third, 8))
        self.assertNotEqual(first, second)
        self.assertEqual((parsed.usage.prompt_tokens, parsed.usage.total_tokens), (5, 5))
        self.assertEqual(self.answer("embeddings", {"input": "c"})["data"][0]["embedding"], second)

    def test_base64_holds_the_same_numbers(self) -> None:
        """Little-endian float32, which is what the SDK asks for and decodes."""
        for size in (1, 8, 33, 1536):
            fields = {"input": "text", "dimensions": size}
            vector = self.answer("embeddings", fields)["data"][0]["embedding"]
            text = self.answer("embeddings", {**fields, "encoding_format": "base64"})["data"][0]["embedding"]
            self.assertEqual(list(struct.unpack(f"<{size}f", base64.b64decode(text))), vector)
            self.assertTrue(all(-1 <= number < 1 for number in vector))

    def test_tokens_are_inputs_too(self) -> None:
        """One list of numbers is one input."""
        self.assertEqual(len(self.answer("embeddings", {"input": [1, 2, 3]})["data"]), 1)
        answer = self.answer("embeddings", {"input": [[1, 2], [3]]})
        self.assertEqual((len(answer["data"]), answer["usage"]["prompt_tokens"]), (2, 3))


class ResponsesTests(EchoCase):
    """responses"""

    def test_input_comes_back(self) -> None:
        """Plain, or the last user's among items."""
        items = [
            {"role": "user", "content": "One"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]
        for sent in ("Say hello.", items):
            answer = self.answer("responses", {"model": "any", "input": sent, "instructions": "Be brief."})
            parsed = Response.model_validate(answer)
            self.assertEqual((parsed.output_text, parsed.status, parsed.model), ("Say hello.", "completed", "any"))
            assert parsed.usage is not None
            self.assertEqual(
                (parsed.usage.input_tokens, parsed.usage.output_tokens),
                (2 + len(tokens("Say hello.")) + (sent is items), 2),
            )

    def test_limit_makes_it_incomplete(self) -> None:
        """And says why."""
        parsed = Response.model_validate(self.answer("responses", {"input": "one two three", "max_output_tokens": 1}))
        assert parsed.incomplete_details is not None
        self.assertEqual((parsed.status, parsed.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(parsed.output_text, "one")

    @given(TEXTS, LIMITS)
    def test_stream_makes_the_whole_answer(self, text: str, limit: int | None) -> None:
        """In OpenAI's order, numbered without a gap, each event named by its type."""
        fields = {"model": "m", "input": text, "max_output_tokens": limit}
        answer = self.answer("responses", fields)
        stream = self.stream("responses", fields)
        for event in stream:
            RESPONSE_EVENT.validate_python(event)
        self.assertEqual([event["sequence_number"] for event in stream], list(range(len(stream))))
        kinds = [event["type"] for event in stream]
        self.assertEqual(
            [kind for kind in kinds if kind != "response.output_text.delta"],
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
                "response.output_text.done", "response.content_part.done", "response.output_item.done",
                f"response.{answer['status']}",
            ],
        )  # fmt: skip
        self.assertEqual(kinds[4:-4], ["response.output_text.delta"] * (len(kinds) - 8))
        said = "".join(event["delta"] for event in stream[4:-4])
        self.assertEqual((said, stream[-1]["response"]), (answer["output"][0]["content"][0]["text"], answer))
        self.assertEqual(stream[-4]["text"], said)
        self.assertEqual(stream[-2]["item"], answer["output"][0])

    def test_events_are_named_by_their_types(self) -> None:
        """As clients switch by either."""
        made = reply("responses", {"input": "hi", "stream": True}, now=NOW).events or ()
        for event in made:
            self.assertEqual(events.kind(event).decode(), orjson.loads(events.data(event))["type"])


class OtherTests(EchoCase):
    """Models, errors on demand, and what it cannot do."""

    def test_models(self) -> None:
        """One."""
        answer = self.answer("models", {})
        self.assertEqual([Model.model_validate(one, strict=True).id for one in answer["data"]], ["echo"])

    def test_error_on_demand(self) -> None:
        """Of any status, streamed or not, with OpenAI's body."""
        for status in (400, 401, 403, 404, 408, 429, 500, 503, 529):
            for fields in (asked("x"), asked("x", stream=True)):
                answer = reply("chat", {**fields, "model": f"error-{status}"}, now=NOW)
                self.assertEqual((answer.status, answer.events), (status, None))
                error = orjson.loads(answer.body or b"")["error"]
                self.assertEqual(set(error), {"message", "type", "param", "code"})
                self.assertEqual((b"retry-after", b"1") in answer.headers, status == 429)

    def test_other_names_are_no_errors(self) -> None:
        """Only the three digits of an error status are."""
        for name in ("error", "error-", "error-200", "error-4290", "error-٤٠٠", "xerror-429", "error-429\n"):
            self.assertEqual(reply("chat", {**asked("x"), "model": name}, now=NOW).status, 200, name)

    def test_what_it_cannot_do_is_not_found(self) -> None:
        """With an error that says what it can."""
        for operation in ("raw", "messages"):
            answer = reply(operation, {}, now=NOW)
            self.assertEqual(answer.status, 404)
            self.assertIn(b"echo provider", answer.body or b"")

    @given(
        st.sampled_from(["chat", "completions", "embeddings", "responses"]),
        st.dictionaries(
            st.sampled_from(
                ["messages", "prompt", "input", "stop", "n", "max_tokens", "tools", "tool_choice", "stream", "model",
                 "stream_options", "dimensions", "instructions", "metadata"]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab ", max_size=3),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["role", "content", "text", "function", "name"]), inner, max_size=3),
                max_leaves=8,
            ),
        ),
    )  # fmt: skip
    def test_any_fields_get_an_answer(self, operation: str, fields: dict[str, Any]) -> None:
        """The echo judges nothing and falls over nothing."""
        answer = reply(operation, fields, now=NOW)
        self.assertIsInstance(answer, EchoReply)
        self.assertTrue((answer.body is None) != (answer.events is None))


class TokenTests(unittest.TestCase):
    """echo.parts.tokens()"""

    @given(st.text())
    def test_joined_they_are_the_text(self, text: str) -> None:
        """And none is empty."""
        self.assertEqual("".join(tokens(text)), text)
        self.assertNotIn("", tokens(text))

    def test_they_are_words(self) -> None:
        """White space goes with the word behind it, at the end with the one before it."""
        self.assertEqual(tokens(" Say\thello. \n"), [" Say", "\thello. \n"])
        self.assertEqual(tokens(""), [])
