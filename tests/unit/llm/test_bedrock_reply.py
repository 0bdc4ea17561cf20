"""What Bedrock's Converse answers, as events, and what it complains of."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.call import Call, ResponseFormat, Tool
from aigw.llm.decoders import BrokenFrame, Frame, FrameTooLarge
from aigw.llm.dialects.chat_reply import ChatWriter
from aigw.llm.dialects.messages_reply import MessagesWriter
from aigw.llm.providers.bedrock import BedrockWire
from aigw.llm.providers.bedrock.reply import ConverseReader
from aigw.llm.usage import Usage, from_bedrock
from tests.unit.llm.streams import NO_RECORDED, RECORDED
from tests.unit.llm.test_eventstream import WHOLE as RECORDED_STREAMS
from tests.unit.llm.test_eventstream import message

WIRE = BedrockWire()
CALL = Call("us.anthropic.claude-sonnet-4-20250514-v1:0", ())


def event(kind: str, **fields: Any) -> bytes:
    """One event, padded as Bedrock pads them."""
    payload = orjson.dumps({**fields, "p": "abcdefghij"})
    return message(payload, event_type=kind, content_type="application/json", message_type="event")


def exception(name: str, **fields: Any) -> bytes:
    """One exception."""
    payload = orjson.dumps(fields)
    return message(payload, exception_type=name, content_type="application/json", message_type="exception")


def start() -> bytes:
    """The first event."""
    return event("messageStart", role="assistant")


def deltas(index: int, *pieces: Any) -> bytes:
    """The deltas and the end of a block."""
    said = [event("contentBlockDelta", contentBlockIndex=index, delta=piece) for piece in pieces]
    return b"".join([*said, event("contentBlockStop", contentBlockIndex=index)])


def text(index: int, *pieces: str) -> bytes:
    """A block of text, which has no beginning."""
    return deltas(index, *({"text": piece} for piece in pieces))


def tool(index: int, name: str, call_id: str, *pieces: str, **more: Any) -> bytes:
    """A call."""
    use = {"toolUseId": call_id, "name": name, **more}
    begin = event("contentBlockStart", contentBlockIndex=index, start={"toolUse": use})
    return begin + deltas(index, *({"toolUse": {"input": piece}} for piece in pieces))


def end(reason: str = "end_turn", **usage: int) -> bytes:
    """The last two events."""
    told = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12, **usage}
    return event("messageStop", stopReason=reason) + event("metadata", usage=told, metrics={"latencyMs": 5})


def read(stream: bytes, *cuts: int, reader: ConverseReader | None = None) -> list[r.Event]:
    """The events of a stream that comes in pieces."""
    decoder, reader = WIRE.decoder(b"application/vnd.amazon.eventstream"), reader or WIRE.reader(CALL)
    events: list[r.Event] = []
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for begin, until in itertools.pairwise(bounds):
        for frame in decoder.feed(stream[begin:until]):
            events += reader.frame(frame)
    for frame in decoder.end():
        events += reader.frame(frame)
    return [*events, *reader.end()]


def whole(*content: Any, reason: str = "end_turn", reader: ConverseReader | None = None, **more: Any) -> list[r.Event]:
    """The events of a whole answer."""
    output = {"message": {"role": "assistant", "content": list(content)}}
    usage = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
    return list((reader or WIRE.reader(CALL)).whole({"output": output, "stopReason": reason, "usage": usage, **more}))


def said(events: Iterable[r.Event], *kinds: type) -> list[r.Event]:
    """Those of some kinds."""
    return [each for each in events if type(each) in kinds]


def failed(events: list[r.Event]) -> r.ProviderError:
    """The error that a list of events ends with."""
    last = events[-1]
    assert isinstance(last, r.Failed), events
    return last.error


class StreamTests(unittest.TestCase):
    """Streams, event by event."""

    def test_text(self) -> None:
        """The usage comes behind the end, the end with the bytes' end; empty deltas say nothing."""
        self.assertEqual(
            read(start() + text(0, "Hi", "", " there") + end()),
            [
                r.Start(),
                r.TextDelta("Hi"),
                r.TextDelta(" there"),
                r.Finish("stop"),
                r.UsageTold(Usage(9, 3)),
                r.End(),
            ],
        )

    def test_no_end_without_a_stop(self) -> None:
        """A stream that breaks off never looks whole; one without usage does."""
        stream = start() + text(0, "Hi")
        self.assertNotIn(r.End(), read(stream))
        self.assertEqual(read(stream + event("messageStop", stopReason="end_turn"))[-1], r.End())

    def test_parallel_tools(self) -> None:
        """Numbered by themselves: the blocks' indexes count text and thoughts too."""
        stream = start() + text(0, "Let me see.") + tool(1, "f", "t1", "", '{"a"', ": 1}") + tool(2, "g", "t2", "{}")
        self.assertEqual(
            said(read(stream + end("tool_use")), r.ToolStart, r.ToolArguments, r.Finish),
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
        """Has an empty object of them (wire.md, case 52), even if its block never ends."""
        stream = start() + tool(0, "f", "t1", "")
        stream += event("contentBlockStart", contentBlockIndex=1, start={"toolUse": {"toolUseId": "t2", "name": "g"}})
        events = said(read(stream + end("tool_use")), r.ToolArguments)
        self.assertEqual(events, [r.ToolArguments(0, "{}"), r.ToolArguments(1, "{}")])

    def test_call_without_an_id(self) -> None:
        """Gets one; each its own."""
        stream = start() + tool(0, "f", "", "{}") + tool(1, "f", "", "{}") + end("tool_use")
        ids = [each.id for each in read(stream) if isinstance(each, r.ToolStart)]
        self.assertEqual(len(set(ids)), 2)
        for call_id in ids:
            self.assertRegex(call_id, r"^call_[0-9a-f]{24}$")

    def test_thoughts(self) -> None:
        """With their signature, and those that are hidden."""
        stream = start() + deltas(
            0,
            {"reasoningContent": {"text": "Hm"}},
            {"reasoningContent": {"text": "."}},
            {"reasoningContent": {"signature": "SIG"}},
        )
        stream += deltas(1, {"reasoningContent": {"redactedContent": "T1BBUVVF"}}) + text(2, "Hi") + end()
        self.assertEqual(
            read(stream)[1:-3],
            [
                r.ReasoningDelta("Hm"),
                r.ReasoningDelta("."),
                r.ReasoningSignature("SIG"),
                r.RedactedReasoning("T1BBUVVF"),
                r.TextDelta("Hi"),
            ],
        )

    def test_citations(self) -> None:
        """As annotations of the block's text; pages of the web as OpenAI has them."""
        web = {"title": "T", "location": {"web": {"url": "https://a", "domain": "a"}}}
        page = {"title": "D", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
        stream = start() + text(0, "abc") + deltas(1, {"text": "de"}, {"citation": web}, {"citation": page}) + end()
        self.assertEqual(
            [each.annotation for each in read(stream) if isinstance(each, r.Citation)],
            [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "https://a", "title": "T", "start_index": 3, "end_index": 5},
                },
                {"type": "citation", "citation": {**page, "start_index": 3, "end_index": 5}},
            ],
        )

    def test_what_bedrock_does_itself(self) -> None:
        """Tools of its own and their results are not for the client to call."""
        stream = start() + tool(0, "nova_grounding", "s1", "{}", type="server_tool_use")
        stream += event("contentBlockStart", contentBlockIndex=1, start={"toolResult": {"toolUseId": "s1"}})
        stream += deltas(1, {"toolResult": [{"json": {}}]}) + text(2, "Hi") + end()
        self.assertEqual(read(stream)[1:3], [r.TextDelta("Hi"), r.Finish("stop")])

    def test_reasons(self) -> None:
        """To OpenAI's words; one that is not known is an end like others."""
        for reason, meaning in (
            ("end_turn", r.STOP),
            ("stop_sequence", r.STOP_SEQUENCE),
            ("tool_use", r.TOOL_CALLS),
            ("max_tokens", r.LENGTH),
            ("model_context_window_exceeded", r.LENGTH),
            ("guardrail_intervened", r.CONTENT_FILTER),
            ("content_filtered", r.CONTENT_FILTER),
            ("something_new", r.STOP),
        ):
            self.assertEqual(said(read(start() + end(reason)), r.Finish), [r.Finish(meaning)])
            self.assertEqual(said(whole({"text": "x"}, reason=reason), r.Finish), [r.Finish(meaning)])

    def test_guardrails_may_come_late(self) -> None:
        """What was said before is not taken back; the finish tells."""
        events = read(start() + text(0, "I would") + end("guardrail_intervened"))
        self.assertEqual(said(events, r.TextDelta, r.Finish), [r.TextDelta("I would"), r.Finish("content_filter")])

    def test_stop_sequence(self) -> None:
        """Which it was, where the client asked Converse to tell."""
        stop = event("messageStop", stopReason="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"})
        self.assertEqual(said(read(start() + stop), r.Finish), [r.Finish("stop_sequence", 0, "END")])

    def test_malformed_output(self) -> None:
        """Is an error and not an answer: clients would take it for whole."""
        for reason in ("malformed_model_output", "malformed_tool_use"):
            for events in (
                read(start() + text(0, "x") + event("messageStop", stopReason=reason)),
                whole(reason=reason),
            ):
                error = failed(events)
                self.assertEqual((error.status, error.type, error.code), (502, "server_error", reason))

    def test_usage(self) -> None:
        """What caches had is a part of the input."""
        told = end(cacheReadInputTokens=4, cacheWriteInputTokens=2)
        usage = Usage(15, 3, cached_input=4, cache_write=2)
        self.assertEqual(said(read(start() + told), r.UsageTold), [r.UsageTold(usage)])
        older = {"inputTokens": 9, "outputTokens": "3", "cacheReadInputTokenCount": 4, "cacheWriteInputTokenCount": 2.0}
        self.assertEqual(from_bedrock(older), usage)
        for none in (None, [], {}, {"totalTokens": 5}, "x"):
            self.assertIsNone(from_bedrock(none))

    def test_answers_in_a_tool(self) -> None:
        """Where the answer was asked for as a tool's input, that is its text."""
        wanted = Call("amazon.nova-pro-v1:0", (), format=ResponseFormat("schema", {"type": "object"}))
        stream = start() + tool(0, "json_tool_call", "t", '{"a"', ":1}") + end("tool_use")
        events = read(stream, reader=WIRE.reader(wanted))
        self.assertEqual(
            said(events, r.TextDelta, r.ToolStart, r.Finish),
            [r.TextDelta('{"a"'), r.TextDelta(":1}"), r.Finish("stop")],
        )
        use = {"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"a": 1}}}
        events = whole(use, reason="tool_use", reader=WIRE.reader(wanted))
        self.assertEqual(said(events, r.TextDelta, r.Finish), [r.TextDelta('{"a":1}'), r.Finish("stop")])

    def test_names_that_did_not_fit(self) -> None:
        """Come back as the client has them."""
        made = Call("amazon.nova-pro-v1:0", (), tools=(Tool("a.b"),))
        reader = WIRE.reader(made)
        short = WIRE.request(made).body["toolConfig"]["tools"][0]["toolSpec"]["name"]
        events = read(start() + tool(0, short, "t1", "{}") + end("tool_use"), reader=reader)
        self.assertEqual(said(events, r.ToolStart), [r.ToolStart(0, "t1", "a.b")])


class ExceptionTests(unittest.TestCase):
    """Errors inside a stream (wire.md, case 34)."""

    def test_exceptions(self) -> None:
        """Each stands for a status."""
        for name, status, kind, code in (
            ("throttlingException", 429, "rate_limit_error", "rate_limit_exceeded"),
            ("modelStreamErrorException", 502, "server_error", "model_error"),
            ("internalServerException", 500, "server_error", None),
            ("validationException", 400, "invalid_request_error", None),
            ("serviceUnavailableException", 503, "overloaded_error", None),
            ("modelTimeoutException", 504, "timeout_error", "model_timeout"),
            ("somethingNewException", 500, "server_error", None),
        ):
            error = failed(read(start() + exception(name, message="why")))
            self.assertEqual((error.status, error.type, error.code, error.message), (status, kind, code, "why"), name)

    def test_what_the_model_said(self) -> None:
        """Is a part of the message."""
        error = failed(read(exception("modelStreamErrorException", message="broken", originalMessage="out of memory")))
        self.assertEqual(error.message, "broken: out of memory")

    def test_errors_without_a_payload(self) -> None:
        """Are told in headers."""
        error = failed(
            read(start() + message(b"", message_type="error", error_code="InternalFailure", error_message="oops"))
        )
        self.assertEqual((error.status, error.message), (500, "oops"))

    def test_exceptions_without_words(self) -> None:
        """Still say what they are."""
        for payload in (b"", b"{}", b"[]", b"\xff", b'{"message":5}'):
            error = failed(list(WIRE.reader(CALL).frame(Frame(b"exception:throttlingException", payload))))
            self.assertEqual((error.status, "throttlingException" in error.message), (429, True))

    def test_input_that_is_too_long(self) -> None:
        """Is told by the same code as elsewhere."""
        error = failed(read(exception("validationException", message="Input is too long for requested model.")))
        self.assertEqual(error.code, "context_length_exceeded")


class WholeTests(unittest.TestCase):
    """Whole answers."""

    def test_text(self) -> None:
        """All of it."""
        self.assertEqual(
            whole({"text": "Hi"}),
            [r.Start(), r.TextDelta("Hi"), r.UsageTold(Usage(9, 3)), r.Finish("stop"), r.End()],
        )

    def test_everything(self) -> None:
        """Thoughts, citations, calls with and without arguments, blocks that nobody knows."""
        events = whole(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "SIG"}}},
            {"reasoningContent": {"redactedContent": "T1A="}},
            {"citationsContent": {"content": [{"text": "ab"}], "citations": [{"title": "D"}]}},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1]}}},
            {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
            {"toolUse": {"toolUseId": "s", "name": "own", "input": {"q": 1}, "type": "server_tool_use"}},
            {"image": {"format": "png", "source": {"bytes": "x"}}},
            reason="tool_use",
        )
        self.assertEqual(
            events[1:-3],
            [
                r.ReasoningDelta("Hm."),
                r.ReasoningSignature("SIG"),
                r.RedactedReasoning("T1A="),
                r.TextDelta("ab"),
                r.Citation({"type": "citation", "citation": {"title": "D", "start_index": 0, "end_index": 2}}),
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a":[1]}'),
                r.ToolStart(1, "t2", "g"),
                r.ToolArguments(1, "{}"),
            ],
        )

    def test_200_without_an_answer(self) -> None:
        """An operation that is not there is answered with 200; so may exceptions be (wire.md, case 34)."""
        coral = "com.amazon.coral.service#UnknownOperationException"
        error = failed(list(WIRE.reader(CALL).whole({"Output": {"__type": coral}, "Version": "1.0"})))
        self.assertEqual((error.status, error.code), (404, "unknown_operation"))
        self.assertIn("url", error.message)
        error = failed(list(WIRE.reader(CALL).whole({"__type": "ThrottlingException", "message": "slow"})))
        self.assertEqual((error.status, error.message), (429, "slow"))
        for fields in (None, [], {}, "x", {"output": None}, {"output": {"message": []}}):
            self.assertEqual(failed(list(WIRE.reader(CALL).whole(fields))).code, "invalid_answer")

    def test_recorded(self) -> None:
        """What agentgateway and Kong have."""
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)
        folder = RECORDED / "agentgateway" / "response" / "bedrock"
        expected = {
            "basic": ("stop", "Hello world", Usage(18, 46)),
            "cache_write": ("stop", "ok", Usage(2403, 9, cache_write=2387)),
            "max_tokens": ("length", "Partial response", Usage(18, 46)),
            "reasoning": ("stop", "The answer is 4.", Usage(18, 46)),
            "reasoning_unsigned": ("stop", "The answer is 4.", Usage(18, 46)),
            "tool": ("tool_calls", "", None),
        }
        for name, (reason, words, usage) in expected.items():
            events = list(WIRE.reader(CALL).whole(orjson.loads((folder / f"{name}.json").read_bytes())))
            self.assertEqual(said(events, r.Finish), [r.Finish(reason)])
            self.assertEqual("".join(each.text for each in events if isinstance(each, r.TextDelta)), words)
            self.assertEqual([each.usage for each in events if isinstance(each, r.UsageTold)], [usage] if usage else [])
            self.assertEqual(events[-1], r.End())
        kong = RECORDED / "kong" / "real-responses" / "bedrock" / "llm-v1-chat.json"
        events = list(WIRE.reader(CALL).whole(orjson.loads(kong.read_bytes())))
        self.assertEqual(said(events, r.UsageTold), [r.UsageTold(Usage(19, 119))])


class RecordedStreamTests(unittest.TestCase):
    """Recorded streams, and what clients get of them."""

    def setUp(self) -> None:
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)

    def stream(self, name: str) -> bytes:
        return (RECORDED / name).read_bytes()

    def test_tools(self) -> None:
        """Two calls behind some text."""
        events = read(self.stream("agentgateway/response/bedrock/tool.bin"))
        self.assertEqual([each.name for each in events if isinstance(each, r.ToolStart)], ["top_song", "hello"])
        arguments = [each.fragment for each in events if isinstance(each, r.ToolArguments) and each.number == 0]
        self.assertEqual("".join(arguments), '{"sign":"WZPZ"}')
        self.assertEqual(events[-2:], [r.UsageTold(Usage(150, 45)), r.End()])

    def test_reasoning(self) -> None:
        """A thought with its signature."""
        events = read(self.stream("agentgateway/response/bedrock/reasoning.bin"))
        self.assertEqual(
            events[1:4],
            [
                r.ReasoningDelta("Two plus two is four."),
                r.ReasoningSignature("SIG-xyz=="),
                r.TextDelta("The answer is 4."),
            ],
        )

    def test_kong(self) -> None:
        """Another recording."""
        events = read(self.stream("kong/streaming-chunk-formats/aws/input.bin"))
        self.assertEqual(events[-2:], [r.UsageTold(Usage(9, 97)), r.End()])

    def test_broken(self) -> None:
        """A checksum that is wrong."""
        self.assertRaises(BrokenFrame, read, self.stream("agentgateway/response/detect/bedrock-broken.bin"))

    def test_any_pieces(self) -> None:
        """The same events, however the bytes come."""
        for name in RECORDED_STREAMS:
            stream = self.stream(name)
            self.assertEqual(read(stream, *range(len(stream))), read(stream), name)

    def test_written_in_both_dialects(self) -> None:
        """Whole streams for both kinds of clients."""
        for name in RECORDED_STREAMS:
            if "invoke" in name:
                continue
            events = read(self.stream(name))
            self.assertTrue(ChatWriter("m", True, "a", 0).events(events).endswith(b"data: [DONE]\n\n"), name)
            written = MessagesWriter("m", "a").events(events)
            self.assertIn(b"event: message_stop", written.split(b"\n\n")[-2], name)


class ErrorTests(unittest.TestCase):
    """Answers of status 400 and above."""

    def error(self, status: int, body: Any, name: str = "") -> r.ProviderError:
        headers = [(b"x-amzn-errortype", name.encode())] if name else []
        return WIRE.error(status, headers, body if isinstance(body, bytes) else orjson.dumps(body))

    def test_by_the_header(self) -> None:
        """Every exception of the API."""
        for name, status, expected in (
            ("AccessDeniedException", 403, (403, "permission_error", None)),
            ("ValidationException", 400, (400, "invalid_request_error", None)),
            ("ThrottlingException", 429, (429, "rate_limit_error", "rate_limit_exceeded")),
            ("ModelNotReadyException", 429, (429, "rate_limit_error", "model_not_ready")),
            ("ServiceQuotaExceededException", 400, (400, "invalid_request_error", "insufficient_quota")),
            ("ResourceNotFoundException", 404, (404, "not_found_error", "model_not_found")),
            ("ModelTimeoutException", 408, (504, "timeout_error", "model_timeout")),
            ("ModelErrorException", 424, (502, "server_error", "model_error")),
            ("InternalServerException", 500, (500, "server_error", None)),
            ("ServiceUnavailableException", 503, (503, "overloaded_error", None)),
            ("UnrecognizedClientException", 403, (401, "authentication_error", "invalid_api_key")),
            ("ExpiredTokenException", 403, (401, "authentication_error", "invalid_api_key")),
            ("InvalidSignatureException", 403, (401, "authentication_error", "invalid_api_key")),
            ("MissingAuthenticationTokenException", 403, (401, "authentication_error", "invalid_api_key")),
        ):
            for told in (name, f"{name}:http://internal.amazon.com/coral/", f"com.amazon.coral.service#{name}"):
                error = self.error(status, {"message": "why"}, told)
                self.assertEqual((error.status, error.type, error.code), expected, name)
                self.assertEqual(error.message, "why")

    def test_by_the_body(self) -> None:
        """With a type in it, or with nothing but a message."""
        error = self.error(
            429, {"__type": "com.amazon#ThrottlingException", "Message": "Too many tokens, please wait."}
        )
        self.assertEqual((error.status, error.code), (429, "rate_limit_exceeded"))
        self.assertEqual(error.message, "Too many tokens, please wait.")
        error = self.error(400, {"message": "The model returned the following errors: bad"})
        self.assertEqual((error.status, error.type), (400, "invalid_request_error"))
        self.assertEqual(self.error(424, {"message": "x"}).status, 502)
        self.assertEqual(self.error(408, b"").status, 504)

    def test_words(self) -> None:
        """That say more than the exception does."""
        for status, name, words, expected in (
            (400, "ValidationException", "Input is too long for requested model.", (400, "context_length_exceeded")),
            (
                400,
                "ValidationException",
                "prompt is too long: 250000 tokens > 200000 maximum",
                (400, "context_length_exceeded"),
            ),
            (400, "ValidationException", "The provided model identifier is invalid.", (404, "model_not_found")),
            (400, "ValidationException", "Output blocked by content filtering policy", (400, "content_filter")),
            (
                403,
                "AccessDeniedException",
                "Authentication failed: Please make sure your API Key is valid.",
                (401, "invalid_api_key"),
            ),
            (
                403,
                "AccessDeniedException",
                "You don't have access to the model with the specified model ID.",
                (403, None),
            ),
            (
                429,
                "ThrottlingException",
                "Too many tokens per day, please wait before trying again.",
                (429, "insufficient_quota"),
            ),
            (
                429,
                "ThrottlingException",
                "Too many tokens, please wait before trying again.",
                (429, "rate_limit_exceeded"),
            ),
        ):
            error = self.error(status, {"message": words}, name)
            self.assertEqual((error.status, error.code), expected, words)

    def test_when_to_come_again(self) -> None:
        """Where the words say so and no header does."""
        self.assertEqual(self.error(429, {"message": "slow, try again in 7s"}, "ThrottlingException").retry_after, 7)

    def test_bodies_of_any_kind(self) -> None:
        """Of proxies on the way, empty, nested, lists."""
        for body in (
            b"",
            b"<html><title>502 Bad Gateway</title></html>",
            b"plain",
            b"[]",
            b"null",
            b'"x"',
            b'{"__type":5}',
            b"\xff",
        ):
            error = self.error(503, body)
            self.assertEqual((error.status, error.type), (503, "overloaded_error"))
            self.assertTrue(error.message)


NAMES = [
    "output",
    "message",
    "content",
    "text",
    "toolUse",
    "input",
    "toolUseId",
    "name",
    "start",
    "delta",
    "usage",
    "contentBlockIndex",
    "stopReason",
    "signature",
    "reasoningContent",
    "reasoningText",
    "citation",
    "inputTokens",
    "citationsContent",
    "citations",
    "__type",
    "Output",
    "location",
    "web",
    "p",
]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)
KINDS = st.sampled_from(
    b"messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata new exception:".split()
)


def dumped(fields: Any) -> bytes:
    """JSON with numbers of any size."""
    return json.dumps(fields).encode()


class PropertyTests(unittest.TestCase):
    """What hypothesis thinks of."""

    @given(st.lists(st.tuples(KINDS, JSON), max_size=8))
    def test_any_frames(self, frames: list[tuple[bytes, Any]]) -> None:
        """Raise nothing, and can be written."""
        reader = WIRE.reader(CALL)
        events = [each for kind, fields in frames for each in reader.frame(Frame(kind, dumped(fields)))]
        ChatWriter("m", True, "a", 0).events(each for each in events if not isinstance(each, r.Failed))

    @given(JSON)
    def test_any_whole(self, fields: Any) -> None:
        """Ends with an end or a failure."""
        self.assertIsInstance(list(WIRE.reader(CALL).whole(fields))[-1], r.End | r.Failed)

    @given(st.integers(400, 599), st.one_of(st.binary(max_size=40), JSON.map(dumped)), st.binary(max_size=20))
    def test_any_error(self, status: int, body: bytes, name: bytes) -> None:
        """Has a message and a status that is one."""
        error = WIRE.error(status, [(b"x-amzn-errortype", name)], body)
        self.assertTrue(error.message and 400 <= error.status <= 599)

    @given(st.binary(max_size=60), st.lists(st.integers(0, 10**4), max_size=4))
    def test_any_bytes(self, garbage: bytes, cuts: list[int]) -> None:
        """Garbage behind a good beginning raises nothing but the decoder's errors."""
        try:
            read(start() + text(0, "x") + garbage, *cuts)
        except (BrokenFrame, FrameTooLarge):
            self.assertTrue(garbage)

    @given(st.lists(st.integers(0, 10**4), max_size=6))
    def test_any_split(self, cuts: list[int]) -> None:
        """The same events."""
        stream = start() + text(0, "Grüße", "…") + tool(1, "f", "t", '{"a":', "1}") + end("tool_use")
        self.assertEqual(read(stream, *cuts), read(stream))
