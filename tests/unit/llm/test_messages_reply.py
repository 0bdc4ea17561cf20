"""Anthropic's messages in front: answers, judged by Anthropic's own SDK."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events as sse
from aigw.llm import reply as r
from aigw.llm.call import Call, Text, Turn
from aigw.llm.decoders import SseDecoder
from aigw.llm.dialects.messages import Messages
from aigw.llm.dialects.messages_reply import MessagesWriter
from aigw.llm.providers.anthropic.answer import AnthropicReader
from aigw.llm.usage import Usage
from tests.unit.llm.streams import NO_RECORDED, RECORDED

START = r.Start("resp_1", "gpt-4o")
USAGE = r.UsageTold(Usage(100, 20, cached_input=60, cache_write=10, reasoning=5))
END = r.End()


def writer() -> MessagesWriter:
    """For one answer."""
    return Messages().writer(Call("asked", (Turn("user", (Text("Hi"),)),)), answer_id="1", now=0.0)


def stream(*events: r.Event) -> bytes:
    """A stream whose events come one at a time."""
    one = writer()
    return b"".join(one.events([event]) for event in events)


def parsed(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each of which names itself."""
    found = []
    for event in sse.split(body):
        fields = orjson.loads(sse.data(event))
        assert sse.kind(event).decode() == fields["type"], event
        found.append(fields)
    return found


def kinds(body: bytes) -> list[str]:
    """The types of a stream's events."""
    return [fields["type"] for fields in parsed(body)]


def client(answer: httpx2.Response) -> anthropic.Anthropic:
    """Anthropic's SDK, for which there is one answer."""
    transport = httpx2.MockTransport(lambda request: answer)
    return anthropic.Anthropic(api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)


def understood(body: bytes) -> Any:
    """The message that the SDK makes of a stream."""
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    with client(answer).messages.stream(model="m", max_tokens=9, messages=[]) as events:
        return events.get_final_message()


def blocks(message: Any) -> list[Any]:
    """What a message says, block by block."""
    told = []
    for block in message.content:
        fields = block.to_dict()
        told.append(tuple(fields.get(name) for name in ("type", "text", "thinking", "signature", "data", "name", "input")
                          if fields.get(name) is not None))  # fmt: skip
    return told


class StreamTests(unittest.TestCase):
    """Streams."""

    def test_text(self) -> None:
        """Byte for byte as Anthropic writes it."""
        body = stream(START, r.TextDelta("Hi"), r.TextDelta(" there"), USAGE, r.Finish(r.STOP), END)
        usage = {"input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60}
        self.assertEqual(
            parsed(body),
            [
                {
                    "type": "message_start",
                    "message": {
                        "id": "msg_1",
                        "type": "message",
                        "role": "assistant",
                        "model": "gpt-4o",
                        "content": [],
                        "stop_reason": None,
                        "stop_sequence": None,
                        "usage": {
                            "input_tokens": 0,
                            "cache_creation_input_tokens": 0,
                            "cache_read_input_tokens": 0,
                            "output_tokens": 0,
                        },
                    },
                },
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " there"}},
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {**usage, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 5}},
                },
                {"type": "message_stop"},
            ],
        )

    def test_sdk_understands_everything(self) -> None:
        """Thoughts, text, calls; reason and usage."""
        body = stream(
            START,
            r.ReasoningDelta("Hm"),
            r.ReasoningDelta("."),
            r.ReasoningSignature("SIG"),
            r.RedactedReasoning("OPAQUE"),
            r.TextDelta("Let me see."),
            r.ToolStart(0, "t1", "f"),
            r.ToolArguments(0, '{"a":'),
            r.ToolArguments(0, " 1}"),
            r.ToolStart(1, "t2", "g"),
            r.ToolArguments(1, "{}"),
            r.Finish(r.TOOL_CALLS),
            USAGE,
            END,
        )
        message = understood(body)
        self.assertEqual(
            blocks(message),
            [
                ("thinking", "Hm.", "SIG"),
                ("redacted_thinking", "OPAQUE"),
                ("text", "Let me see."),
                ("tool_use", "f", {"a": 1}),
                ("tool_use", "g", {}),
            ],
        )
        self.assertEqual((message.stop_reason, message.model, message.id), ("tool_use", "gpt-4o", "msg_1"))
        usage = message.usage
        self.assertEqual((usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens), (30, 20, 60))

    def test_usage_of_the_beginning_is_told_there(self) -> None:
        """Where it comes together with it; of the output nothing is there yet."""
        body = writer().events([START, r.UsageTold(Usage(50, 7, cached_input=20))])
        usage = parsed(body)[0]["message"]["usage"]
        self.assertEqual((usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]), (30, 20, 0))

    def test_nothing_ends_before_the_end(self) -> None:
        """The reason and the usage wait, since more may come; a stream that breaks off never looks complete."""
        for last in (r.Finish(r.STOP), USAGE):
            body = stream(START, r.TextDelta("Hi"), last)
            self.assertEqual(kinds(body)[-1], "content_block_delta")

    def test_reasons(self) -> None:
        """Anthropic's words; what was called or refused counts more than what the provider says of it."""
        called = (r.ToolStart(0, "t", "f"), r.ToolArguments(0, "{}"))
        for said, reason, expected in (
            ((), r.STOP, "end_turn"),
            ((), r.LENGTH, "max_tokens"),
            ((), r.TOOL_CALLS, "end_turn"),
            ((), r.CONTENT_FILTER, "refusal"),
            ((), r.REFUSAL, "refusal"),
            ((), r.PAUSE, "pause_turn"),
            ((), "novelty", "end_turn"),
            (called, r.TOOL_CALLS, "tool_use"),
            (called, r.STOP, "tool_use"),
            (called, r.LENGTH, "max_tokens"),
            ((r.RefusalDelta("No."),), r.STOP, "refusal"),
        ):
            body = stream(START, *said, r.Finish(reason), END)
            self.assertEqual(parsed(body)[-2]["delta"]["stop_reason"], expected, (said, reason))
            whole = orjson.loads(writer().whole([START, *said, r.Finish(reason), END]))
            self.assertEqual(whole["stop_reason"], expected, (said, reason))

    def test_stop_sequence(self) -> None:
        """Which one it was."""
        message = understood(stream(START, r.TextDelta("a"), r.Finish(r.STOP_SEQUENCE, 0, "END"), END))
        self.assertEqual((message.stop_reason, message.stop_sequence), ("stop_sequence", "END"))

    def test_no_words_at_all(self) -> None:
        """An answer without blocks is one."""
        body = stream(START, r.Finish(r.REFUSAL), END)
        self.assertEqual(kinds(body), ["message_start", "message_delta", "message_stop"])
        self.assertEqual(understood(body).content, [])
        self.assertEqual(kinds(stream(END)), ["message_start", "message_delta", "message_stop"])

    def test_interleaved_calls_are_told_one_after_the_other(self) -> None:
        """Each waits until the one before it is complete."""
        events = [
            START,
            r.ToolStart(0, "t0", "f"),
            r.ToolStart(1, "t1", "g"),
            r.ToolArguments(0, '{"a":'),
            r.ToolArguments(1, '{"b":'),
            r.TextDelta("meanwhile"),
            r.ToolArguments(1, "2}"),
            r.ToolArguments(0, "1}"),
            r.ToolStart(2, "t2", "h"),
            r.ToolArguments(2, "{}"),
            r.Finish(r.TOOL_CALLS),
            END,
        ]
        self.assertEqual(
            blocks(understood(stream(*events))),
            [("tool_use", "f", {"a": 1}), ("tool_use", "g", {"b": 2}), ("text", "meanwhile"), ("tool_use", "h", {})],
        )

    def test_calls_that_are_cut_off_are_told_as_they_are(self) -> None:
        """And what waited behind them is not lost."""
        body = stream(
            START,
            r.ToolStart(0, "t0", "f"),
            r.ToolArguments(0, '{"a": "hel'),
            r.ToolStart(1, "t1", "g"),
            r.ToolArguments(1, "{}"),
            r.Finish(r.LENGTH),
            END,
        )
        message = understood(body)
        self.assertEqual([block.name for block in message.content], ["f", "g"])
        self.assertEqual(message.stop_reason, "max_tokens")

    def test_signature_of_a_call_goes_there_and_back(self) -> None:
        """In a thought before it, since clients return those unchanged."""
        body = stream(START, r.ToolStart(0, "t0", "f", 0, "GEM"), r.ToolArguments(0, "{}"), r.Finish(r.TOOL_CALLS), END)
        returned = [block.to_dict() for block in understood(body).content]
        call = Messages().read({"model": "m", "messages": [{"role": "assistant", "content": returned}]})
        self.assertEqual([part.signature for part in call.turns[0].parts if hasattr(part, "name")], ["GEM"])
        self.assertEqual(len(call.turns[0].parts), 1)
        whole = orjson.loads(
            writer().whole([START, r.ToolStart(0, "t0", "f", 0, "GEM"), r.ToolArguments(0, "{}"), END])
        )
        call = Messages().read({"model": "m", "messages": [{"role": "assistant", "content": whole["content"]}]})
        self.assertEqual(call.turns[0].parts[0].signature, "GEM")  # type: ignore[union-attr]

    def test_each_signature_has_its_thought(self) -> None:
        """What is thought behind one is another block."""
        body = stream(START, r.ReasoningDelta("a"), r.ReasoningSignature("S1"), r.ReasoningDelta("b"), END)
        self.assertEqual(blocks(understood(body)), [("thinking", "a", "S1"), ("thinking", "b", "")])

    def test_citations(self) -> None:
        """Of pages and of documents; what is none is none."""
        page = {
            "type": "url_citation",
            "url_citation": {"url": "https://x", "title": "X", "start_index": 0, "end_index": 2},
        }
        passage = {"type": "char_location", "char_location": {"cited_text": "c", "document_index": 0, "start_index": 0}}
        events = [START, r.TextDelta("Hi"), *map(r.Citation, (page, passage, {"type": "file_path"}, {})), END]
        told = [each.to_dict() for each in understood(stream(*events)).content[0].citations]
        self.assertEqual(
            [(each["type"], each.get("url")) for each in told],
            [("web_search_result_location", "https://x"), ("char_location", None)],
        )
        self.assertEqual(orjson.loads(writer().whole(events))["content"][0]["citations"], told)

    def test_pings(self) -> None:
        """Named as Anthropic's are, and allowed before everything."""
        self.assertEqual(stream(r.Ping()), b'event: ping\ndata: {"type": "ping"}\n\n')
        understood(stream(r.Ping(), START, r.Ping(), r.TextDelta("a"), r.Ping(), END))

    def test_other_choices_are_left_out(self) -> None:
        """A message has one."""
        body = stream(START, r.TextDelta("a"), r.TextDelta("b", 1), r.Finish(r.STOP), r.Finish(r.LENGTH, 1), END)
        message = understood(body)
        self.assertEqual((blocks(message), message.stop_reason), ([("text", "a")], "end_turn"))

    def test_failure_is_raised_by_the_sdk(self) -> None:
        """In the middle of a stream."""
        one = writer()
        body = one.events([START, r.TextDelta("Hi")])
        body += one.failure(r.ProviderError(529, "overloaded_error", "Too much."))
        error = self.assertRaises(anthropic.APIStatusError, understood, body)
        self.assertEqual(error.body, {"type": "error", "error": {"type": "overloaded_error", "message": "Too much."}})


class WholeTests(unittest.TestCase):
    """Whole answers."""

    def test_sdk_understands_everything(self) -> None:
        """The blocks in their order."""
        body = writer().whole(
            [
                START,
                r.ReasoningDelta("Hm."),
                r.ReasoningSignature("SIG"),
                r.RedactedReasoning("OPAQUE"),
                r.TextDelta("Hi "),
                r.TextDelta("there"),
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a": 1}'),
                r.Finish(r.TOOL_CALLS),
                USAGE,
                END,
            ]
        )
        answer = httpx2.Response(200, json=orjson.loads(body))
        message = client(answer).messages.create(model="m", max_tokens=9, messages=[])
        self.assertEqual(
            blocks(message),
            [
                ("thinking", "Hm.", "SIG"),
                ("redacted_thinking", "OPAQUE"),
                ("text", "Hi there"),
                ("tool_use", "f", {"a": 1}),
            ],
        )
        self.assertEqual((message.id, message.model, message.role), ("msg_1", "gpt-4o", "assistant"))
        self.assertEqual((message.stop_reason, message.usage.input_tokens), ("tool_use", 30))

    def test_arguments_that_are_no_object_are_kept(self) -> None:
        """As the text that they are; a string is never an input."""
        for arguments, expected in (("", {}), ("[1]", {"_raw": "[1]"}), ('{"a": "hel', {"_raw": '{"a": "hel'})):
            body = writer().whole([START, r.ToolStart(0, "t", "f"), r.ToolArguments(0, arguments), END])
            self.assertEqual(orjson.loads(body)["content"][0]["input"], expected)

    def test_refusal_is_told_in_words(self) -> None:
        """Behind whatever was said before."""
        body = orjson.loads(writer().whole([START, r.TextDelta("Hm"), r.RefusalDelta("No."), END]))
        self.assertEqual([block["text"] for block in body["content"]], ["Hm", "No."])

    def test_no_words_at_all(self) -> None:
        """Is an answer, with the model that was asked for."""
        body = orjson.loads(writer().whole([END]))
        self.assertEqual((body["content"], body["model"], body["stop_reason"]), ([], "asked", "end_turn"))


class ErrorTests(unittest.TestCase):
    """Errors."""

    def test_sdk_raises_its_own(self) -> None:
        """By the status, with Anthropic's type."""
        for status, kind, raised, word in (
            (400, "invalid_request_error", anthropic.BadRequestError, "invalid_request_error"),
            (401, "authentication_error", anthropic.AuthenticationError, "authentication_error"),
            (403, "permission_error", anthropic.PermissionDeniedError, "permission_error"),
            (404, "not_found_error", anthropic.NotFoundError, "not_found_error"),
            (413, "invalid_request_error", anthropic.APIStatusError, "request_too_large"),
            (429, "rate_limit_error", anthropic.RateLimitError, "rate_limit_error"),
            (429, "insufficient_quota", anthropic.RateLimitError, "rate_limit_error"),
            (402, "insufficient_quota", anthropic.APIStatusError, "billing_error"),
            (500, "server_error", anthropic.InternalServerError, "api_error"),
            (502, "server_error", anthropic.InternalServerError, "api_error"),
            (502, "upstream_error", anthropic.InternalServerError, "api_error"),
            (503, "overloaded_error", anthropic.APIStatusError, "overloaded_error"),
            (504, "timeout_error", anthropic.APIStatusError, "timeout_error"),
            (529, "overloaded_error", anthropic.APIStatusError, "overloaded_error"),
        ):
            body = Messages().error(r.ProviderError(status, kind, "Sorry."), "req-1")
            answer = httpx2.Response(status, json=orjson.loads(body))
            create = client(answer).messages.create
            error = self.assertRaises(raised, create, model="m", max_tokens=9, messages=[])
            assert isinstance(error.body, dict)
            self.assertEqual(error.body["error"], {"type": word, "message": "Sorry."})
            self.assertEqual((error.body["type"], error.body["request_id"]), ("error", "req-1"))

    def test_too_long_a_conversation_is_told_in_words_that_claude_code_knows(self) -> None:
        """It then shortens it."""
        error = r.ProviderError(400, "invalid_request_error", "Maximum is 128000 tokens.", "context_length_exceeded")
        message = orjson.loads(Messages().error(error, ""))["error"]["message"]
        self.assertEqual(message, "prompt is too long: Maximum is 128000 tokens.")
        error = r.ProviderError(400, "invalid_request_error", "Prompt is too long: 9 > 8", "context_length_exceeded")
        self.assertEqual(orjson.loads(Messages().error(error, ""))["error"]["message"], "Prompt is too long: 9 > 8")


class RoundTripTests(unittest.TestCase):
    """Anthropic's own answers, read and written again."""

    def test_recorded_streams(self) -> None:
        """Say the same to the SDK as they did before."""
        folder = RECORDED / "agentgateway" / "response" / "anthropic"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for path in sorted(folder.glob("stream_*.json")):
            original = path.read_bytes()
            decoder, reader, one = SseDecoder(), AnthropicReader(), writer()
            written = b"".join(one.events(reader.frame(frame)) for frame in decoder.feed(original))
            before, after = understood(original), understood(written)
            self.assertEqual(blocks(after), blocks(before), path.stem)
            for name in ("model", "stop_reason", "stop_sequence"):
                self.assertEqual(getattr(after, name), getattr(before, name), path.stem)
            for name in ("input_tokens", "output_tokens"):
                self.assertEqual(getattr(after.usage, name), getattr(before.usage, name), path.stem)

    def test_recorded_answers(self) -> None:
        """The same in one piece; text that came in several blocks is one."""
        folder = RECORDED / "agentgateway" / "response" / "anthropic"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for name in ("basic", "thinking", "tool"):
            original = orjson.loads((folder / f"{name}.json").read_bytes())
            written = orjson.loads(writer().whole(AnthropicReader().whole(original)))
            self.assertEqual(written["content"], original["content"], name)
            self.assertEqual(written["stop_reason"], original["stop_reason"], name)
            for count in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
                self.assertEqual(written["usage"][count], original["usage"][count], name)


TEXTS = st.sampled_from(["", "a", "é🎉", "\n\n", '"', "\u2028", "\x00"])
#: What readers may give out in the middle of an answer, calls aside.
SAID = st.one_of(
    TEXTS.map(r.TextDelta),
    TEXTS.map(r.ReasoningDelta),
    TEXTS.map(r.ReasoningSignature),
    TEXTS.map(r.RedactedReasoning),
    TEXTS.map(r.RefusalDelta),
    st.just(r.Ping()),
    st.just(USAGE),
    st.just(r.Finish(r.STOP)),
    st.just(r.Citation({"type": "url_citation", "url_citation": {"url": "u"}})),
)


@st.composite
def answers(draw: st.DrawFn) -> list[r.Event]:
    """Answers with calls whose pieces are interleaved with everything else."""
    said: list[r.Event] = draw(st.lists(SAID, max_size=8))
    order = draw(st.randoms(use_true_random=False))
    lanes: list[list[r.Event]] = [said]
    for number in range(draw(st.integers(0, 3))):
        given_ = orjson.dumps({"n": number, "text": draw(TEXTS)}).decode()
        cut = draw(st.integers(0, len(given_)))
        lanes.append([r.ToolArguments(number, given_[:cut]), r.ToolArguments(number, given_[cut:])])
    return [START, *_merged(lanes, order), END]


def _merged(lanes: list[list[r.Event]], order: random.Random) -> Iterable[r.Event]:
    """The lanes in one, each in its order; calls begin in the order of their numbers."""
    for number in range(len(lanes) - 1):
        lanes[number + 1].insert(0, r.ToolStart(number, f"t{number}", "f"))
    begun = 0
    while any(lanes):
        lane = order.choice([index for index, lane in enumerate(lanes) if lane])
        if isinstance(lanes[lane][0], r.ToolStart):
            lane = begun + 1
            begun += 1
        yield lanes[lane].pop(0)


class AnyAnswerTests(unittest.TestCase):
    """Whatever a provider says, in whatever order."""

    @given(answers())
    def test_sdk_understands_it(self, events: list[r.Event]) -> None:
        """Blocks are numbered without gaps, and every call has the arguments that it was given."""
        body = stream(*events)
        message = understood(body)
        called = {block.id: block.input for block in message.content if block.type == "tool_use"}
        expected: dict[str, str] = {}
        for event in events:
            if isinstance(event, r.ToolArguments):
                expected[f"t{event.number}"] = expected.get(f"t{event.number}", "") + event.fragment
        self.assertEqual(called, {call_id: orjson.loads(text) for call_id, text in expected.items()})
        spoken = "".join(each.text for each in events if isinstance(each, r.TextDelta | r.RefusalDelta))
        self.assertEqual("".join(block.text for block in message.content if block.type == "text"), spoken)
        self.assertEqual(kinds(body)[-2:], ["message_delta", "message_stop"])

    @given(answers())
    def test_one_by_one_or_together(self, events: list[r.Event]) -> None:
        """Makes no difference, but for the usage that the beginning can tell."""
        events = [event for event in events if not isinstance(event, r.Ping)]
        together = parsed(writer().events(events))
        apart = parsed(stream(*events))
        for each in (together, apart):
            del each[0]["message"]["usage"]
        self.assertEqual(together, apart)

    @given(answers())
    def test_whole(self, events: list[r.Event]) -> None:
        """The same in one piece."""
        body = orjson.loads(writer().whole(events))
        self.assertEqual(body["type"], "message")
        self.assertEqual(
            len([block for block in body["content"] if block["type"] == "tool_use"]),
            len([each for each in events if isinstance(each, r.ToolStart)]),
        )
