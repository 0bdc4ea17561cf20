"""What Anthropic answers, as events."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.call import Call, ResponseFormat
from aigw.llm.decoders import SseDecoder
from aigw.llm.dialects.chat_reply import ChatWriter
from aigw.llm.providers.anthropic import AnthropicWire
from aigw.llm.providers.anthropic.answer import AnthropicReader
from aigw.llm.usage import Usage
from tests.unit.llm.streams import NO_RECORDED, RECORDED, sse

WIRE = AnthropicWire()
FOLDER = RECORDED / "agentgateway" / "response" / "anthropic"


def event(kind: str, **fields: Any) -> bytes:
    """One of Anthropic's events."""
    return sse({"type": kind, **fields}, kind)


def start(**usage: Any) -> bytes:
    """The first."""
    return event("message_start", message={"id": "msg_1", "model": "claude-opus-4-6", "content": [], "usage": usage})


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """A block, from its beginning to its end."""
    return b"".join(
        [
            event("content_block_start", index=index, content_block=begin),
            *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
            event("content_block_stop", index=index),
        ]
    )


def text(*pieces: str) -> list[dict[str, Any]]:
    """The deltas of a block of text."""
    return [{"type": "text_delta", "text": piece} for piece in pieces]


def arguments(*pieces: str) -> list[dict[str, Any]]:
    """The deltas of a call."""
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def tool(name: str, call_id: str, **given: Any) -> dict[str, Any]:
    """The beginning of a call."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    """The last two."""
    last = event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
    return last + event("message_stop")


TEXT = {"type": "text", "text": ""}


def read(stream: bytes, *cuts: int, format_tool: bool = False) -> list[r.Event]:
    """The events of a stream that comes in pieces."""
    decoder, reader = SseDecoder(), AnthropicReader(format_tool)
    events: list[r.Event] = []
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for begin, until in itertools.pairwise(bounds):
        for frame in decoder.feed(stream[begin:until]):
            events += reader.frame(frame)
    for frame in decoder.end():
        events += reader.frame(frame)
    return [*events, *reader.end()]


def said(events: Iterable[r.Event], *kinds: type) -> list[r.Event]:
    """Those of some kinds."""
    return [each for each in events if type(each) in kinds]


class StreamTests(unittest.TestCase):
    """Streams, event by event."""

    def test_text(self) -> None:
        """From the beginning to the end; later counts override, those left out stay."""
        stream = start(input_tokens=15, cache_read_input_tokens=3, output_tokens=5)
        stream += block(0, TEXT, *text("Hi", " there")) + end(output_tokens=21)
        self.assertEqual(
            read(stream),
            [
                r.Start("msg_1", "claude-opus-4-6"),
                r.UsageTold(Usage(18, 0, cached_input=3)),
                r.TextDelta("Hi"),
                r.TextDelta(" there"),
                r.UsageTold(Usage(18, 21, cached_input=3)),
                r.Finish("stop"),
                r.End(),
            ],
        )

    def test_parallel_tools(self) -> None:
        """Numbered by themselves, whatever the blocks' numbers are."""
        stream = start() + block(0, TEXT, *text("Let me see."))
        stream += block(1, tool("f", "t1"), *arguments("", '{"a"', ": 1}"))
        stream += block(2, tool("g", "t2"), *arguments("{}")) + end("tool_use")
        self.assertEqual(
            said(read(stream), r.ToolStart, r.ToolArguments, r.Finish),
            [
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a"'),
                r.ToolArguments(0, ": 1}"),
                r.ToolStart(1, "t2", "g"),
                r.ToolArguments(1, "{}"),
                r.Finish("tool_calls"),
            ],
        )

    def test_call_without_arguments(self) -> None:
        """Is one with none; what came with its beginning is not lost."""
        stream = start() + block(0, tool("f", "t1"), *arguments("")) + block(1, tool("g", "t2", x=1)) + end("tool_use")
        self.assertEqual(said(read(stream), r.ToolArguments), [r.ToolArguments(0, "{}"), r.ToolArguments(1, '{"x":1}')])

    def test_thoughts(self) -> None:
        """With their signature, and those that are hidden."""
        stream = start() + block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": "."},
            {"type": "signature_delta", "signature": "SIG"},
        )
        stream += block(1, {"type": "redacted_thinking", "data": "OPAQUE"}) + block(2, TEXT, *text("Hi")) + end()
        self.assertEqual(
            read(stream)[1:-2],
            [
                r.ReasoningDelta("Hm"),
                r.ReasoningDelta("."),
                r.ReasoningSignature("SIG"),
                r.RedactedReasoning("OPAQUE"),
                r.TextDelta("Hi"),
            ],
        )

    def test_reasons(self) -> None:
        """All that there are; one that is new is told as such."""
        for reason, meaning in {
            "end_turn": r.STOP,
            "max_tokens": r.LENGTH,
            "model_context_window_exceeded": r.LENGTH,
            "stop_sequence": r.STOP_SEQUENCE,
            "tool_use": r.TOOL_CALLS,
            "pause_turn": r.PAUSE,
            "refusal": r.REFUSAL,
            "compaction": r.PAUSE,
        }.items():
            self.assertEqual(said(read(start() + end(reason)), r.Finish), [r.Finish(meaning)])
        new = r.Finish(r.STOP, unknown="something_new")
        self.assertEqual(said(read(start() + end("something_new")), r.Finish), [new])

    def test_stop_sequence_is_told(self) -> None:
        """Which one it was."""
        delta = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
        stream = start() + event("message_delta", delta=delta, usage={}) + event("message_stop")
        self.assertEqual(said(read(stream), r.Finish), [r.Finish(r.STOP_SEQUENCE, 0, "END")])

    def test_refusal_before_any_word(self) -> None:
        """No blocks at all, but a reason, perhaps in words."""
        details = {"type": "refusal", "category": "cyber", "explanation": "I must not."}
        delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
        stream = start(input_tokens=9) + event("message_delta", delta=delta, usage={"output_tokens": 0})
        events = read(stream + event("message_stop"))
        self.assertEqual(events[-3:], [r.RefusalDelta("I must not."), r.Finish(r.REFUSAL), r.End()])

    def test_only_message_stop_is_an_end(self) -> None:
        """A stream that breaks off before it never looks complete."""
        whole = start() + block(0, TEXT, *text("Hi")) + end()
        for cut in range(len(whole) - 2):
            self.assertNotIn(r.End(), read(whole[:cut]) if not whole[:cut].endswith(b'message_stop"}') else [])
        self.assertEqual(read(start() + event("message_stop"))[-2:], [r.Finish(r.STOP), r.End()])

    def test_error_in_the_stream(self) -> None:
        """With the status that its type stands for."""
        for kind, status, word in (
            ("overloaded_error", 529, "overloaded_error"),
            ("api_error", 500, "server_error"),
            ("rate_limit_error", 429, "rate_limit_error"),
            ("new_error", 500, "server_error"),
        ):
            events = read(start() + event("error", error={"type": kind, "message": "Sorry"}))
            failed = events[-1]
            assert isinstance(failed, r.Failed)
            self.assertEqual((failed.error.status, failed.error.type, failed.error.message), (status, word, "Sorry"))

    def test_pings_and_unknown_things(self) -> None:
        """A ping is a sign of life; what is new is passed over."""
        stream = event("ping") + start() + event("novelty", x=1) + block(0, {"type": "novelty"}, {"type": "novelty"})
        stream += block(1, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, *arguments("{}"))
        stream += block(2, {"type": "web_search_tool_result", "content": []}) + block(3, TEXT, *text("Hi")) + end()
        self.assertEqual(read(stream), [r.Ping(), *read(start()), r.TextDelta("Hi"), r.Finish(r.STOP), r.End()])

    def test_citations(self) -> None:
        """Behind the text that they belong to, with its place."""
        page = {"type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "..."}
        passage = {"type": "char_location", "document_index": 0, "cited_text": "..."}
        cited = {"type": "citations_delta", "citation": page}
        stream = start() + block(0, TEXT, *text("Hello. ")) + block(1, TEXT, cited, *text("Blue.")) + end()
        place = {"start_index": 7, "end_index": 12}
        self.assertEqual(
            read(stream)[-4:-2],
            [
                r.TextDelta("Blue."),
                r.Citation({"type": "url_citation", "url_citation": {"url": "https://x", "title": "X", **place}}),
            ],
        )
        stream = start() + block(0, TEXT, {"type": "citations_delta", "citation": passage}) + end()
        annotation = said(read(stream), r.Citation)[0]
        assert isinstance(annotation, r.Citation)
        self.assertEqual(annotation.annotation["char_location"]["document_index"], 0)

    def test_format_tool_is_text(self) -> None:
        """Its input is the answer, and calling it is no reason."""
        wire = WIRE.reader(Call("claude-3-5-sonnet-20241022", (), format=ResponseFormat("schema", {})))
        self.assertTrue(wire._format_tool)
        stream = start() + block(0, tool("json_tool_call", "t1"), *arguments('{"age"', ": 3}")) + end("tool_use")
        self.assertEqual(
            read(stream, format_tool=True)[1:],
            [r.TextDelta('{"age"'), r.TextDelta(": 3}"), r.Finish(r.STOP), r.End()],
        )
        stream = start() + block(0, tool("f", "t1"), *arguments("{}")) + end("tool_use")
        self.assertIn(r.Finish(r.TOOL_CALLS), read(stream, format_tool=True))

    @given(st.lists(st.integers(0, 10**6), max_size=12))
    def test_split_makes_no_difference(self, cuts: list[int]) -> None:
        """However the bytes come."""
        stream = start(input_tokens=5) + block(0, {"type": "thinking"}, {"type": "thinking_delta", "thinking": "é🎉"})
        stream += (
            block(1, TEXT, *text("Grüße 🎉")) + block(2, tool("f", "t1"), *arguments('{"ü": ', "1}")) + end("tool_use")
        )
        self.assertEqual(read(stream, *cuts), read(stream))
        crlf = stream.replace(b"\n", b"\r\n")
        self.assertEqual(read(crlf, *cuts), read(stream))


class RecordedTests(unittest.TestCase):
    """Anthropic's own answers."""

    def setUp(self) -> None:
        if not FOLDER.is_dir():
            raise unittest.SkipTest(NO_RECORDED)

    def test_streams(self) -> None:
        """Text, reason and usage of each."""
        for name, begin, finish, usage in (
            ("stream_basic", "Hi there!", r.STOP, Usage(15, 21)),
            ("stream_thinking", "I don't have", r.STOP, Usage(47, 264)),
            ("stream_tool", "", r.TOOL_CALLS, Usage(15, 12)),
            ("stream_tool_empty_args", "", r.TOOL_CALLS, Usage(15, 8)),
            ("stream_message_delta_usage", "", r.STOP, Usage(34347, 49, cached_input=30464)),
        ):
            events = read((FOLDER / f"{name}.json").read_bytes())
            spoken = "".join(each.text for each in events if isinstance(each, r.TextDelta))
            self.assertTrue(spoken.startswith(begin), name)
            self.assertEqual(events[-2:], [r.Finish(finish), r.End()], name)
            told = said(events, r.UsageTold)[-1]
            assert isinstance(told, r.UsageTold)
            self.assertEqual(told.usage.counts(), usage.counts(), name)

    def test_any_split_of_any_stream(self) -> None:
        """Gives the same events: at every byte."""
        for path in sorted(FOLDER.glob("stream_*.json")):
            stream = path.read_bytes()
            once = read(stream)
            for cut in range(0, len(stream), 7):
                self.assertEqual(read(stream, cut, cut + 1, cut + 3), once, path.stem)

    def test_whole(self) -> None:
        """The same of those that came in one piece."""
        events = whole(orjson.loads((FOLDER / "basic.json").read_bytes()))
        self.assertEqual(events[-1], r.End())
        self.assertEqual(said(events, r.UsageTold)[-1], r.UsageTold(Usage(40, 21, cached_input=12, cache_write=13)))
        events = whole(orjson.loads((FOLDER / "tool.json").read_bytes()))
        self.assertEqual(
            said(events, r.ToolStart, r.ToolArguments, r.Finish),
            [
                r.ToolStart(0, "toolu_01A09q90qw90lq917835lq9", "get_weather"),
                r.ToolArguments(0, '{"location":"San Francisco, CA","unit":"celsius"}'),
                r.Finish(r.TOOL_CALLS),
            ],
        )
        events = whole(orjson.loads((FOLDER / "thinking.json").read_bytes()))
        self.assertIn(r.ReasoningSignature("Es8DCkYI"), events)
        events = whole(orjson.loads((FOLDER / "multiple_text_blocks.json").read_bytes()))
        self.assertEqual([each.text for each in events if isinstance(each, r.TextDelta)],
                         ["The sky is ", "blue during the day", "."])  # fmt: skip
        citation = said(events, r.Citation)[0]
        assert isinstance(citation, r.Citation)
        place = citation.annotation["char_location"]
        self.assertEqual((place["start_index"], place["end_index"], place["document_title"]), (11, 30, "Sky Facts"))


def whole(fields: Any) -> list[r.Event]:
    """The events of a whole answer."""
    return list(AnthropicReader().whole(fields))


class WholeTests(unittest.TestCase):
    """Whole answers."""

    def test_what_is_no_message_failed(self) -> None:
        """A client would take it for an empty answer."""
        for fields in (None, [], "x", {}, {"content": None}, {"completion": "Hi", "stop_reason": "stop_sequence"}):
            events = whole(fields)
            self.assertEqual([type(each) for each in events], [r.Failed])
        failed = whole({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})[0]
        assert isinstance(failed, r.Failed)
        self.assertEqual(failed.error.status, 529)

    def test_refusal_and_format_tool(self) -> None:
        """As in streams."""
        details = {"explanation": "No."}
        events = whole({"content": [], "stop_reason": "refusal", "stop_details": details, "usage": {"input_tokens": 1}})
        self.assertEqual(events[-3:], [r.RefusalDelta("No."), r.Finish(r.REFUSAL), r.End()])
        called = [{"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"age": 3}}]
        events = list(AnthropicReader(format_tool=True).whole({"content": called, "stop_reason": "tool_use"}))
        self.assertEqual(events[-3:], [r.TextDelta('{"age":3}'), r.Finish(r.STOP), r.End()])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "delta",
                    "content_block",
                    "message",
                    "usage",
                    "text",
                    "error",
                    "id",
                    "name",
                    "input",
                    "citation",
                    "partial_json",
                    "thinking",
                    "signature",
                    "stop_reason",
                    "content",
                    "citations",
                    "stop_details",
                    "url",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
KINDS = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
     "message_stop", "error", "ping", "x"]
)  # fmt: skip


class GarbageTests(unittest.TestCase):
    """Nothing that a provider sends breaks the reader."""

    @given(st.lists(st.tuples(KINDS, JSON), max_size=6), st.booleans())
    def test_frames(self, frames: list[tuple[str, Any]], format_tool: bool) -> None:
        """Every JSON type anywhere; what comes out can be written."""
        stream = b"".join(
            sse({**fields, "type": kind} if isinstance(fields, dict) else fields, kind) for kind, fields in frames
        )
        events = read(stream, format_tool=format_tool)
        ChatWriter("m", True, "1", 0.0).events(each for each in events if not isinstance(each, r.Failed))

    @given(JSON)
    def test_whole(self, fields: Any) -> None:
        """Any body."""
        events = whole(fields)
        self.assertIn(type(events[-1]), (r.End, r.Failed))
        content = fields if isinstance(fields, list) else [fields]
        self.assertEqual(whole({"content": content})[-1], r.End())

    @given(st.integers(400, 599), st.binary(max_size=30) | JSON.map(orjson.dumps))
    def test_errors(self, status: int, body: bytes) -> None:
        """Any status, any body."""
        error = WIRE.error(status, [], body)
        self.assertEqual(error.status, status)
        self.assertTrue(error.message)


class ErrorTests(unittest.TestCase):
    """Errors as the provider answers them."""

    def error(self, status: int, kind: str, message: str = "Sorry.") -> r.ProviderError:
        """One in Anthropic's form."""
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
        return WIRE.error(status, [], orjson.dumps(body))

    def test_every_class(self) -> None:
        """The status is kept, type and code are OpenAI's words."""
        for status, kind, word, code in (
            (400, "invalid_request_error", "invalid_request_error", None),
            (401, "authentication_error", "authentication_error", "invalid_api_key"),
            (402, "billing_error", "insufficient_quota", "insufficient_quota"),
            (403, "permission_error", "permission_error", None),
            (404, "not_found_error", "not_found_error", None),
            (409, "conflict_error", "conflict_error", None),
            (413, "request_too_large", "invalid_request_error", "request_too_large"),
            (429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
            (500, "api_error", "server_error", None),
            (504, "timeout_error", "timeout_error", None),
            (529, "overloaded_error", "overloaded_error", "overloaded"),
        ):
            self.assertEqual(self.error(status, kind), r.ProviderError(status, word, "Sorry.", code))

    def test_words_that_mean_a_code(self) -> None:
        """Programs look for those."""
        for status, kind, message, code in (
            (400, "invalid_request_error", "prompt is too long: 214000 tokens > 200000 maximum", "context_length_exceeded"),
            (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
             "context_length_exceeded"),
            (404, "not_found_error", "model: claude-9", "model_not_found"),
            (400, "invalid_request_error", "model: Field required", None),
            (400, "invalid_request_error", "Your credit balance is too low to access the API.", "insufficient_quota"),
        ):  # fmt: skip
            self.assertEqual(self.error(status, kind, message).code, code, message)

    def test_other_bodies(self) -> None:
        """Pages, nothing, plain words, other gateways' errors, an error inside of an error."""
        for status, body, kind, message in (
            (502, b"<html><body>Bad Gateway</body></html>", "server_error", "the provider answered 502"),
            (503, b"", "overloaded_error", "the provider answered 503"),
            (429, b"slow down", "rate_limit_error", "slow down"),
            (404, b'{"error": {"message": "no such thing", "code": 404}}', "not_found_error", "no such thing"),
            (500, b'{"error": "boom"}', "server_error", "boom"),
            (400, b'[{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}]',
             "invalid_request_error", "bad"),
        ):  # fmt: skip
            error = WIRE.error(status, [], body)
            self.assertEqual((error.status, error.type, error.message), (status, kind, message))
        inner = orjson.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow."}}).decode()
        error = WIRE.error(429, [], orjson.dumps({"error": {"code": 429, "message": inner}}))
        self.assertEqual((error.type, error.message, error.code), ("rate_limit_error", "Slow.", "rate_limit_exceeded"))
