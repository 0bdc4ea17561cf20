"""OpenAI's chat in front: answers, as its SDK reads them."""

from __future__ import annotations

from typing import Any

import openai
import orjson
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.call import Call
from aigw.llm.dialects.chat import Chat
from aigw.llm.usage import Usage
from tests.unit.llm.sdk import chat_final, chat_stream, chat_whole

USAGE = Usage(input=10, output=6, cached_input=4, cache_write=1, reasoning=2)
TOOLS: list[r.Event] = [
    r.Start("p1", "real-model"),
    r.ReasoningDelta("Hm"),
    r.ReasoningSignature("sig"),
    r.TextDelta("Let "),
    r.TextDelta("me see 🎉"),
    r.ToolStart(0, "call_1", "now"),
    r.ToolArguments(0, "{}"),
    r.ToolStart(1, "call_2", "add", signature="thought"),
    r.ToolArguments(1, '{"a"'),
    r.ToolArguments(1, ":1}"),
    r.Finish(r.STOP),
    r.UsageTold(USAGE),
    r.End(),
]


def writer(include_usage: bool = False) -> Any:
    call = Call(model="asked", turns=(), include_usage=include_usage)
    return Chat().writer(call, answer_id="a1", now=1700000000.5)


def stream(events: list[r.Event], include_usage: bool = False) -> bytes:
    """The bytes of a stream, each event written by itself."""
    writes = writer(include_usage)
    return b"".join(writes.events([event]) for event in events)


def chunks(body: bytes) -> list[Any]:
    return [orjson.loads(event[6:]) for event in body.split(b"\n\n") if event.startswith(b"data: {")]


class StreamTests(unittest.TestCase):
    """The rules of wire.md part 5.1, with the SDK as the judge."""

    def test_order(self) -> None:
        """Role first, the finish by itself, [DONE] last; the same id, model and time on all chunks."""
        body = stream([r.Start(None, "real"), r.TextDelta("Hi"), r.Finish(r.STOP), r.End()])
        told = chunks(body)
        self.assertEqual(
            [chunk["choices"][0]["delta"] for chunk in told],
            [
                {"role": "assistant", "content": "", "refusal": None},
                {"content": "Hi"},
                {},
            ],
        )
        self.assertEqual([chunk["choices"][0]["finish_reason"] for chunk in told], [None, None, "stop"])
        self.assertEqual({(c["id"], c["model"], c["created"]) for c in told}, {("chatcmpl-a1", "real", 1700000000)})
        self.assertTrue(body.endswith(b"data: [DONE]\n\n"))

    def test_written_together_or_one_by_one(self) -> None:
        """The same bytes."""
        for usage in (False, True):
            self.assertEqual(stream(TOOLS, usage), writer(usage).events(TOOLS))

    def test_tools_for_the_sdk(self) -> None:
        """The helper, which insists on contiguous indexes and joins whatever is repeated, gets whole calls."""
        message = chat_final(stream(TOOLS)).choices[0].message
        self.assertEqual(message.content, "Let me see 🎉")
        self.assertEqual(
            [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls],
            [("call_1", "now", "{}"), ("call_2", "add", '{"a":1}')],
        )

    def test_called_tools_are_the_reason(self) -> None:
        """Whatever the provider says; but not where it ran out of tokens."""
        self.assertEqual(chat_final(stream(TOOLS)).choices[0].finish_reason, "tool_calls")
        cut = [r.Finish(r.LENGTH) if isinstance(event, r.Finish) else event for event in TOOLS]
        self.assertEqual(chat_stream(stream(cut))[-1].choices[0].finish_reason, "length")

    def test_usage_only_where_asked_for(self) -> None:
        """Then on a chunk of its own, the last; the others say null."""
        asked, unasked = chat_stream(stream(TOOLS, True)), stream(TOOLS)
        self.assertEqual(asked[-1].choices, [])
        self.assertEqual(asked[-1].usage.prompt_tokens, 10)
        self.assertEqual(asked[-1].usage.completion_tokens_details.reasoning_tokens, 2)
        self.assertEqual({chunk.usage for chunk in asked[:-1]}, {None})
        self.assertNotIn(b'"usage"', unasked)

    def test_thoughts(self) -> None:
        """In the field that most servers use, and with the signature that the next turn needs."""
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks(stream(TOOLS))]
        self.assertIn({"reasoning_content": "Hm"}, deltas)
        block = {"type": "thinking", "thinking": "Hm", "signature": "sig"}
        self.assertIn({"thinking_blocks": [{"index": 0, **block}]}, deltas)
        redacted = chunks(stream([r.RedactedReasoning("xx")]))[-1]["choices"][0]["delta"]
        self.assertEqual(redacted, {"thinking_blocks": [{"index": 0, "type": "redacted_thinking", "data": "xx"}]})

    def test_lists_in_pieces(self) -> None:
        """The SDK's helper raises on a second entry of a list that has no index."""
        notes = [{"type": "url_citation", "url_citation": {"url": url}} for url in ("https://x", "https://y")]
        thoughts = [r.ReasoningDelta("A"), r.ReasoningSignature("s1"), r.RedactedReasoning("xx")]
        cited = [r.TextDelta("Hi"), *map(r.Citation, notes)]
        message = chat_final(stream([r.Start(), *thoughts, *cited, r.Finish(r.STOP), r.End()])).choices[0].message
        self.assertEqual([block["type"] for block in message.thinking_blocks], ["thinking", "redacted_thinking"])
        self.assertEqual([note.url_citation.url for note in message.annotations], ["https://x", "https://y"])

    def test_finish_waits_for_the_end(self) -> None:
        """What a stream that breaks has sent says nowhere that it is complete."""
        self.assertNotIn(b'"finish_reason":"', stream(TOOLS[:-1], True))
        self.assertIn(b'"finish_reason":"tool_calls"', stream(TOOLS, True))

    def test_pings_are_comments(self) -> None:
        """A chunk without choices would break the SDK's users."""
        body = stream([r.Start(), r.Ping(), r.TextDelta("x"), r.Finish(r.STOP), r.End()])
        self.assertIn(b"\n\n: ping\n\n", body)
        self.assertEqual(len(chat_stream(body)), 3)

    def test_choices_come_in_order(self) -> None:
        """Even if the provider's second one begins first."""
        body = stream(
            [r.Start(), r.TextDelta("b", 1), r.TextDelta("a", 0), r.Finish(r.STOP, 1), r.Finish(r.STOP, 0), r.End()]
        )
        final = chat_final(body)
        self.assertEqual([choice.message.content for choice in final.choices], ["a", "b"])

    def test_a_refusal_without_a_word(self) -> None:
        """The role is there all the same, and the helper says what happened."""
        body = stream([r.Start(), r.Finish(r.REFUSAL), r.End()])
        self.assertEqual([chunk.choices[0].finish_reason for chunk in chat_stream(body)], [None, "content_filter"])
        self.assertRaises(openai.ContentFilterFinishReasonError, chat_final, body)

    def test_failure(self) -> None:
        """The SDK raises."""
        error = r.ProviderError(529, "overloaded_error", "too busy", "overloaded")
        body = stream([r.Start(), r.TextDelta("x")]) + writer().failure(error)
        raised = self.assertRaises(openai.APIError, chat_stream, body)
        self.assertEqual((raised.message, raised.code, raised.type), ("too busy", "overloaded", "overloaded_error"))


class WholeTests(unittest.TestCase):
    """Answers in one piece."""

    def test_everything(self) -> None:
        """What a stream says, a whole answer says."""
        body = writer().whole(TOOLS)
        completion = chat_whole(body)
        choice = completion.choices[0]
        self.assertEqual(
            (completion.model, completion.id, completion.created), ("real-model", "chatcmpl-a1", 1700000000)
        )
        self.assertEqual((choice.finish_reason, choice.message.content), ("tool_calls", "Let me see 🎉"))
        self.assertEqual([call.function.arguments for call in choice.message.tool_calls], ["{}", '{"a":1}'])
        self.assertEqual((completion.usage.total_tokens, completion.usage.prompt_tokens_details.cached_tokens), (16, 4))
        message = orjson.loads(body)["choices"][0]["message"]
        self.assertEqual(message["reasoning_content"], "Hm")
        self.assertEqual(message["thinking_blocks"][0]["signature"], "sig")
        self.assertEqual(message["tool_calls"][1]["extra_content"], {"google": {"thought_signature": "thought"}})

    def test_only_tools(self) -> None:
        """Content is null then, and arguments are never nothing."""
        events: list[r.Event] = [r.Start(), r.ToolStart(0, "c", "f"), r.Finish(r.TOOL_CALLS), r.End()]
        message = orjson.loads(writer().whole(events))["choices"][0]["message"]
        self.assertIsNone(message["content"])
        self.assertEqual(message["tool_calls"][0]["function"]["arguments"], "{}")

    def test_refusal_and_citations(self) -> None:
        """Have fields of their own."""
        note = {
            "type": "url_citation",
            "url_citation": {"url": "https://x", "title": "t", "start_index": 0, "end_index": 1},
        }
        events: list[r.Event] = [r.Start(), r.RefusalDelta("No."), r.Citation(note), r.Finish(r.STOP), r.End()]
        message = chat_whole(writer().whole(events)).choices[0].message
        self.assertEqual((message.refusal, message.content), ("No.", None))
        self.assertEqual(message.annotations[0].url_citation.url, "https://x")

    def test_error(self) -> None:
        """One body for the SDK and for those who read Kong's."""
        error = r.ProviderError(429, "rate_limit_error", "slow down", "rate_limit_exceeded")
        body = orjson.loads(Chat().error(error, "req-1"))
        self.assertEqual((body["message"], body["request_id"]), ("slow down", "req-1"))
        self.assertEqual(body["error"]["code"], "rate_limit_exceeded")
