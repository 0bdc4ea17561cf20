"""OpenAI's legacy completions in front of chats."""

from __future__ import annotations

from typing import Any

import openai
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.dialects.completions import Completions
from aigw.llm.usage import Usage
from tests.unit.llm.sdk import openai_client

ANSWER: list[r.Event] = [
    r.Start("p", "real"),
    r.ReasoningDelta("Hm"),
    r.TextDelta("Hel"),
    r.Ping(),
    r.TextDelta('lo "🎉"'),
    r.Finish(r.STOP),
    r.UsageTold(Usage(input=4, output=2, cached_input=1)),
    r.End(),
]


def read(prompt: Any = "Once", **fields: Any) -> c.Call:
    return Completions().read({"model": "m", "prompt": prompt, **fields})


def writer(**fields: Any) -> Any:
    return Completions().writer(read(**fields), answer_id="a1", now=1700000000.5)


def stream(events: list[r.Event], **fields: Any) -> bytes:
    writes = writer(**fields)
    return b"".join(writes.events([event]) for event in events)


def chunks(body: bytes) -> list[Any]:
    """The chunks that the SDK yields."""
    client = openai_client(body, "text/event-stream")
    with client.completions.create(model="m", prompt="p", stream=True) as read_chunks:
        return list(read_chunks)


class RequestTests(unittest.TestCase):
    def test_prompt(self) -> None:
        """One text, by itself or in a list, is what the user says."""
        for prompt in ("Once", ["Once"]):
            (turn,) = read(prompt).turns
            self.assertEqual((turn.role, turn.parts, turn.field), ("user", (c.Text("Once"),), "prompt"))

    def test_prompts_that_are_no_chat(self) -> None:
        """Refused with the field and the remedy."""
        for prompt, remedy in (
            (["a", "b"], "one prompt at a time"),
            ([1, 2], "as text"),
            ([[1, 2]], "as text"),
            ("", "not empty"),
            ([], "not empty"),
            (None, "not empty"),
        ):
            error = self.assertRaises(BadRequest, read, prompt)
            self.assertEqual(error.param, "prompt")
            self.assertIn(remedy, error.message)

    def test_what_chats_cannot_do(self) -> None:
        """Each field by its name; values that ask for nothing are left out."""
        for name, value in (("suffix", "x"), ("echo", True), ("best_of", 2), ("logprobs", 3), ("logprobs", 0)):
            error = self.assertRaises(BadRequest, read, **{name: value})
            self.assertEqual((error.param, error.code), (name, "unsupported_parameter"))
        self.assertEqual(read(suffix="", echo=False, best_of=1, logprobs=None).options, {})

    def test_options(self) -> None:
        """All others go on; no limit is made up."""
        call = read(max_tokens=5, n=2, stop=["\n"], stream=True, stream_options={"include_usage": True}, top_k=3)
        self.assertEqual(call.options, {"max_tokens": 5, "n": 2, "stop": ["\n"], "top_k": 3})
        self.assertEqual((call.stream, call.include_usage), (True, True))
        self.assertEqual((read().options, read().stream, read().include_usage), ({}, False, False))

    @given(
        st.dictionaries(
            st.sampled_from(["prompt", "suffix", "echo", "best_of", "logprobs", "stream_options"]),
            st.none()
            | st.integers()
            | st.text()
            | st.lists(st.integers() | st.text())
            | st.dictionaries(st.text(), st.none()),
        )
    )
    def test_any_json(self, fields: dict[str, Any]) -> None:
        try:
            Completions().read(fields)
        except BadRequest as error:
            self.assertTrue(error.param)


class ReplyTests(unittest.TestCase):
    def test_stream(self) -> None:
        """Pieces, the reason by itself, one id and model; no usage unless asked for."""
        body = stream(ANSWER)
        self.assertTrue(body.endswith(b"data: [DONE]\n\n"))
        read_chunks = chunks(body)
        self.assertEqual([chunk.choices[0].text for chunk in read_chunks], ["Hel", 'lo "🎉"', ""])
        self.assertEqual([chunk.choices[0].finish_reason for chunk in read_chunks], [None, None, "stop"])
        told = {(chunk.id, chunk.model, chunk.object, chunk.created) for chunk in read_chunks}
        self.assertEqual(told, {("cmpl-a1", "real", "text_completion", 1700000000)})
        self.assertNotIn(b'"usage"', body)
        self.assertNotIn(b'"finish_reason":"', stream(ANSWER[:-1]))  # a stream that breaks

    def test_usage(self) -> None:
        """On a chunk of its own at the end, null before it."""
        body = stream(ANSWER, stream_options={"include_usage": True})
        *before, last = chunks(body)
        self.assertEqual((last.choices, last.usage.prompt_tokens, last.usage.total_tokens), ([], 4, 6))
        self.assertEqual([chunk.usage for chunk in before], [None] * 3)
        self.assertEqual(body.count(b'"usage":null'), 3)

    def test_whole(self) -> None:
        """Text, reason and usage."""
        answer = openai_client(writer().whole(ANSWER)).completions.create(model="m", prompt="p")
        (choice,) = answer.choices
        self.assertEqual((choice.text, choice.finish_reason, choice.index), ('Hello "🎉"', "stop", 0))
        self.assertEqual((answer.object, answer.model, answer.usage.completion_tokens), ("text_completion", "real", 2))

    def test_several_choices(self) -> None:
        """By their numbers, streamed and whole."""
        events: list[r.Event] = [
            r.TextDelta("a"),
            r.TextDelta("b", 1),
            r.Finish(r.LENGTH),
            r.Finish(r.REFUSAL, 1),
            r.End(),
        ]
        answer = orjson.loads(writer().whole(events))
        found = [(each["index"], each["text"], each["finish_reason"]) for each in answer["choices"]]
        self.assertEqual(found, [(0, "a", "length"), (1, "b", "content_filter")])
        reasons = {chunk.choices[0].index: chunk.choices[0].finish_reason for chunk in chunks(stream(events))}
        self.assertEqual(reasons, {0: "length", 1: "content_filter"})

    def test_what_has_no_place(self) -> None:
        """Thoughts and calls are left out, a refusal is text."""
        events: list[r.Event] = [
            r.RedactedReasoning("x"),
            r.ReasoningSignature("s"),
            r.ToolStart(0, "c", "f"),
            r.ToolArguments(0, "{}"),
            r.Citation({"type": "url_citation"}),
            r.RefusalDelta("No."),
            r.Finish(r.TOOL_CALLS),
            r.End(),
        ]
        self.assertEqual([chunk.choices[0].text for chunk in chunks(stream(events))], ["No.", ""])
        (choice,) = orjson.loads(writer().whole(events))["choices"]
        self.assertEqual((choice["text"], choice["finish_reason"]), ("No.", "stop"))

    def test_written_together_or_one_by_one(self) -> None:
        """The same bytes."""
        self.assertEqual(stream(ANSWER), writer().events(ANSWER))

    def test_failure(self) -> None:
        """The SDK raises, behind the text that was there."""
        body = stream(ANSWER[:3]) + writer().failure(r.ProviderError(529, "overloaded_error", "busy"))
        error = self.assertRaises(openai.APIError, chunks, body)
        self.assertEqual(error.message, "busy")

    def test_error_body(self) -> None:
        """OpenAI's form."""
        body = Completions().error(r.ProviderError(404, "not_found_error", "no model", "model_not_found"), "r")
        call = openai_client(body, status=404).completions.create
        self.assertEqual(self.assertRaises(openai.NotFoundError, call, model="m", prompt="p").code, "model_not_found")
