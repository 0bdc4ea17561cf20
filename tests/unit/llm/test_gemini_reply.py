"""Gemini's answers, streams and errors as events, and as the clients in front get them.

The shapes are those of recorded exchanges; the texts are our own.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.call import Call
from aigw.llm.decoders import Frame
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.providers.gemini import GeminiWire
from aigw.llm.providers.gemini.errors import google_error
from aigw.llm.translation import Pair
from aigw.llm.usage import Usage, from_gemini
from tests.unit.llm import sdk
from tests.unit.llm.streams import NO_RECORDED, RECORDED

WIRE = GeminiWire()
CALL = Call("gemini-2.5-flash", ())
SIGNATURE = "EjQKMgG+Pvb7a+BCB+Y31VaoyKyrqwNLWNCEjl8bzr3GjnEO"


def answer(*parts: Any, finish: str | None = "STOP", usage: Any = None, **more: Any) -> dict[str, Any]:
    """An answer with one candidate; a part that is a string is text."""
    written = [{"text": part} if isinstance(part, str) else part for part in parts]
    candidate: dict[str, Any] = {"content": {"parts": written, "role": "model"}, "index": 0, **more}
    if finish is not None:
        candidate["finishReason"] = finish
    fields: dict[str, Any] = {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1"}
    return fields if usage is None else {**fields, "usageMetadata": usage}


def call_of(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    """A part that calls a function."""
    function = {"name": name} if args is None else {"name": name, "args": args}
    return {"functionCall": function, **more}


def sse(*chunks: Any) -> bytes:
    """A stream as Google writes it."""
    return b"".join(b"data: %s\r\n\r\n" % orjson.dumps(chunk) for chunk in chunks)


def read(stream: bytes, cuts: list[int] | None = None) -> list[r.Event]:
    """The events of a stream that comes in pieces; with made-up ids numbered."""
    decoder, reader = WIRE.decoder(b"text/event-stream"), WIRE.reader(CALL)
    events: list[r.Event] = []
    edges = [0, *sorted(cuts or []), len(stream)]
    for begin, end in itertools.pairwise(edges):
        for frame in decoder.feed(stream[begin:end]):
            events += reader.frame(frame)
    for frame in decoder.end():
        events += reader.frame(frame)
    return numbered([*events, *reader.end()])


def whole(fields: Any) -> list[r.Event]:
    """The events of a whole answer."""
    return numbered(WIRE.reader(CALL).whole(fields))


def numbered(events: Any) -> list[r.Event]:
    """Made-up ids are random; here they are not."""
    found = list(events)
    for event in found:
        if isinstance(event, r.ToolStart) and event.id.startswith("call_"):
            event.id = f"call_{event.number}"
    return found


START = r.Start("r1", "gemini-2.5-flash")


class WholeTests(unittest.TestCase):
    """Answers in one piece."""

    def test_text(self) -> None:
        """What is said, why it ends, what it used."""
        usage = {"promptTokenCount": 8, "candidatesTokenCount": 6, "totalTokenCount": 14}
        self.assertEqual(
            whole(answer("Hello", usage=usage)),
            [START, r.TextDelta("Hello"), r.UsageTold(Usage(8, 6)), r.Finish(r.STOP), r.End()],
        )

    def test_thoughts(self) -> None:
        """Are told apart by a mark on the part."""
        events = whole(answer({"text": "Hm.", "thought": True}, {"text": "Yes", "thoughtSignature": SIGNATURE}))
        self.assertEqual(events[1:4], [r.ReasoningDelta("Hm."), r.TextDelta("Yes"), r.ReasoningSignature(SIGNATURE)])

    def test_signature_on_an_empty_text(self) -> None:
        """As a stream's last part has it."""
        events = whole(answer("Yes", {"text": "", "thoughtSignature": SIGNATURE}))
        self.assertEqual(events[1:3], [r.TextDelta("Yes"), r.ReasoningSignature(SIGNATURE)])

    def test_calls(self) -> None:
        """Several at once, with and without id, arguments and signature; the reason is a plain STOP."""
        parts = [
            call_of("get_weather", {"city": "Zürich"}, thoughtSignature=SIGNATURE),
            {"functionCall": {"name": "clock", "id": "8qww9c6v", "args": {}}},
            call_of("clock"),
        ]
        self.assertEqual(
            whole(answer(*parts))[1:],
            [
                r.ToolStart(0, "call_0", "get_weather", 0, SIGNATURE),
                r.ToolArguments(0, '{"city":"Zürich"}'),
                r.ToolStart(1, "8qww9c6v", "clock"),
                r.ToolArguments(1, "{}"),
                r.ToolStart(2, "call_2", "clock"),
                r.ToolArguments(2, "{}"),
                r.Finish(r.TOOL_CALLS),
                r.End(),
            ],
        )

    def test_ids_are_made_up_once(self) -> None:
        """Each its own."""
        starts = [
            each for each in WIRE.reader(CALL).whole(answer(call_of("a"), call_of("a"))) if type(each) is r.ToolStart
        ]
        self.assertRegex(starts[0].id, r"\Acall_[0-9a-f]{24}\Z")
        self.assertNotEqual(starts[0].id, starts[1].id)

    def test_several_candidates(self) -> None:
        """Are choices."""
        fields = {
            "candidates": [{**answer(text)["candidates"][0], "index": index} for index, text in ((1, "B"), (0, "A"))]
        }
        events = whole(fields)
        self.assertEqual(events[1:3], [r.TextDelta("B", 1), r.TextDelta("A", 0)])
        self.assertEqual(events[3:], [r.Finish(r.STOP, 0), r.Finish(r.STOP, 1), r.End()])

    def test_reasons(self) -> None:
        """By table; one that nobody knows is a stop."""
        for reason, meaning in (
            ("STOP", r.STOP),
            ("MAX_TOKENS", r.LENGTH),
            ("SAFETY", r.CONTENT_FILTER),
            ("RECITATION", r.CONTENT_FILTER),
            ("PROHIBITED_CONTENT", r.CONTENT_FILTER),
            ("MODEL_ARMOR", r.CONTENT_FILTER),
        ):
            self.assertEqual(whole(answer("x", finish=reason))[-2], r.Finish(meaning), reason)
        for reason in ("FINISH_REASON_UNSPECIFIED", "TO_BE_INVENTED"):
            self.assertEqual(whole(answer("x", finish=reason))[-2], r.Finish(r.STOP, unknown=reason))
            self.assertEqual(whole(answer(call_of("f"), finish=reason))[-2], r.Finish(r.TOOL_CALLS, unknown=reason))
        self.assertEqual(whole(answer(call_of("f"), finish="MAX_TOKENS"))[-2], r.Finish(r.LENGTH))

    def test_broken_before_a_word(self) -> None:
        """Is an error, so that another try is made, and no empty answer."""
        fields = answer(finish="MALFORMED_FUNCTION_CALL", finishMessage="print(f(")
        (failed,) = whole(fields)
        assert isinstance(failed, r.Failed)
        self.assertEqual((failed.error.status, failed.error.code), (502, "malformed_function_call"))
        self.assertIn("print(f(", failed.error.message)
        (failed,) = whole({"candidates": [{"finishReason": "MISSING_THOUGHT_SIGNATURE"}]})
        assert isinstance(failed, r.Failed)
        self.assertEqual((failed.error.status, failed.error.type), (400, "invalid_request_error"))

    def test_blocked_prompt(self) -> None:
        """No candidates, and a reason: an answer that was filtered."""
        usage = {"promptTokenCount": 12, "totalTokenCount": 12}
        fields = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
        expected = [r.Start(), r.UsageTold(Usage(12)), r.Finish(r.CONTENT_FILTER), r.End()]
        self.assertEqual(whole(fields), expected)
        self.assertEqual(whole({**fields, "candidates": []}), expected)
        said = whole({"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "No."}})
        self.assertEqual(said[1:], [r.RefusalDelta("No."), r.Finish(r.CONTENT_FILTER), r.End()])

    def test_candidates_without_content(self) -> None:
        """Have nothing to say, and end all the same."""
        for candidate in (
            {"finishReason": "SAFETY"},
            {"content": {}, "finishReason": "SAFETY"},
            {"content": {"parts": [{}]}, "finishReason": "SAFETY"},
        ):
            self.assertEqual(whole({"candidates": [candidate]}), [r.Start(), r.Finish(r.CONTENT_FILTER), r.End()])
        self.assertEqual(whole({"candidates": [{}]})[-2:], [r.Finish(r.STOP), r.End()])

    def test_no_answer(self) -> None:
        """JSON that is something else is an error, and no empty answer."""
        for fields in (
            {},
            [],
            None,
            "x",
            7,
            {"usageMetadata": {"promptTokenCount": 1}},
            {"candidates": None},
            {"promptFeedback": {}},
        ):
            (failed,) = whole(fields)
            assert isinstance(failed, r.Failed)
            self.assertEqual(failed.error.status, 502)

    def test_error_in_a_200(self) -> None:
        """With the status that it names."""
        for fields in (
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded"}},
            [{"error": {"status": "UNAVAILABLE"}}],
        ):
            (failed,) = whole(fields)
            assert isinstance(failed, r.Failed)
            self.assertEqual((failed.error.status, failed.error.type), (503, "overloaded_error"))

    def test_list(self) -> None:
        """What a stream without ``alt=sse`` is."""
        self.assertEqual(
            whole([answer("a", finish=None), answer("b")])[1:],
            [r.TextDelta("a"), r.TextDelta("b"), r.Finish(r.STOP), r.End()],
        )

    def test_code_and_pictures(self) -> None:
        """As Markdown, which every client can show."""
        parts = [
            {"executableCode": {"language": "PYTHON", "code": "print(28)\n"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "28\n"}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            {"inlineData": {"mimeType": "audio/L16", "data": "AAA="}},
            {"fileData": {"fileUri": "gs://x"}},
        ]
        texts = [event.text for event in whole(answer(*parts)) if isinstance(event, r.TextDelta)]
        self.assertEqual(
            texts,
            [
                "\n```python\nprint(28)\n```\n",
                "\n```\n28\n```\n",
                "![image](data:image/png;base64,iVBORw0KGgo=)",
                "[audio/L16](data:audio/L16;base64,AAA=)",
            ],
        )

    def test_what_googles_tools_did(self) -> None:
        """Beside functions, Gemini 3 tells its searches as parts; their proofs belong to nothing that is sent back."""
        search = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s"}, "thoughtSignature": SIGNATURE}
        found = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s"}, "thoughtSignature": SIGNATURE}
        self.assertEqual(whole(answer(search, found, "Found.")), whole(answer("Found.")))

    def test_thoughts_in_code_and_pictures(self) -> None:
        """Are thoughts: what an image model draws on its way, what a model tries out; not part of the answer."""
        parts = [
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thought": True},
            {"executableCode": {"language": "PYTHON", "code": "print(28)\n"}, "thought": True},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "28\n"}, "thought": True},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": SIGNATURE},
        ]
        events = whole(answer(*parts))
        thoughts = [event.text for event in events if isinstance(event, r.ReasoningDelta)]
        self.assertEqual(
            thoughts,
            ["![image](data:image/png;base64,iVBORw0KGgo=)", "\n```python\nprint(28)\n```\n", "\n```\n28\n```\n"],
        )
        self.assertEqual(
            [event.text for event in events if isinstance(event, r.TextDelta)], ["![image](data:image/png;base64,AAAA)"]
        )

    def test_recorded(self) -> None:
        """Every whole answer that was recorded is one."""
        folder = RECORDED / "agentgateway" / "response" / "vertex-gemini"
        if not folder.exists():
            raise unittest.SkipTest(NO_RECORDED)
        kong = RECORDED / "kong" / "real-responses" / "gemini" / "llm-v1-chat.json"
        for path in [*folder.glob("*.json"), kong]:
            if not path.name.startswith("stream"):
                events = whole(orjson.loads(path.read_bytes()))
                self.assertEqual(type(events[-1]), r.End, path.name)
                self.assertTrue(any(type(event) is r.UsageTold for event in events))


class UsageTests(unittest.TestCase):
    """Tokens in the normal form."""

    def test_normal_form(self) -> None:
        """Thoughts beside the candidates or among them, caches, what Google's tools read."""
        counts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")
        for numbers, more, expected in (
            ((10, 12, 5, 27), {}, Usage(10, 17, reasoning=5)),
            ((10, 12, 5, 22), {}, Usage(10, 12, reasoning=5)),
            ((38, None, 68, 106), {}, Usage(38, 68, reasoning=68)),
            ((21, 126, 95, 485), {"toolUsePromptTokenCount": 243}, Usage(264, 221, reasoning=95)),
            ((2000, 7, None, 2007), {"cachedContentTokenCount": 1024}, Usage(2000, 7, cached_input=1024)),
            (("8", 6.0, None, None), {}, Usage(8, 6)),
        ):
            self.assertEqual(from_gemini({**dict(zip(counts, numbers, strict=True)), **more}), expected)
        for nothing in (None, [], {}, {"trafficType": "ON_DEMAND"}, {"promptTokenCount": None}):
            self.assertIsNone(from_gemini(nothing))


class CitationTests(unittest.TestCase):
    """Where an answer is from."""

    def told(self, events: list[r.Event]) -> list[tuple[Any, ...]]:
        """The annotations' places and sources."""
        citations = [event.annotation["url_citation"] for event in events if isinstance(event, r.Citation)]
        return [(each["start_index"], each["end_index"], each["url"], each["title"]) for each in citations]

    def test_citations(self) -> None:
        """By the names that AI Studio and Vertex AI have for the list."""
        source = {"startIndex": 2, "endIndex": 5, "uri": "https://a.test/", "title": "A"}
        for name in ("citationSources", "citations"):
            events = whole(answer("abcdef", citationMetadata={name: [source, {"license": "mit"}]}))
            self.assertEqual(self.told(events), [(2, 5, "https://a.test/", "A")])

    def test_grounding(self) -> None:
        """Google counts bytes, OpenAI characters."""
        text = "67°F (19°C), warm."
        grounding = {
            "groundingChunks": [
                {"web": {"uri": "https://a.test/", "title": "A"}},
                {"maps": {"uri": "https://m.test/"}},
                {},
            ],
            "groundingSupports": [
                {"segment": {"endIndex": 5}, "groundingChunkIndices": [0, 2, 9]},
                {"segment": {"startIndex": 15, "endIndex": 20}, "groundingChunkIndices": [1]},
            ],
        }
        events = whole(answer(text, groundingMetadata=grounding))
        self.assertEqual(self.told(events), [(0, 4, "https://a.test/", "A"), (13, 18, "https://m.test/", "")])
        self.assertEqual(text[13:18], "warm.")

    def test_sources_without_segments(self) -> None:
        """Are for all of it."""
        events = whole(answer("abc", groundingMetadata={"groundingChunks": [{"web": {"uri": "https://a.test/"}}]}))
        self.assertEqual(self.told(events), [(0, 3, "https://a.test/", "")])

    def test_once(self) -> None:
        """However often a stream repeats them."""
        metadata = {"citationSources": [{"endIndex": 1, "uri": "https://a.test/"}]}
        chunks = [answer("abc", finish=None, citationMetadata=metadata), answer("def", citationMetadata=metadata)]
        self.assertEqual(len(self.told(read(sse(*chunks)))), 1)


class StreamTests(unittest.TestCase):
    """Streams of events."""

    STREAM = sse(
        answer(
            {"text": "Hm, ", "thought": True},
            finish=None,
            usage={"promptTokenCount": 8, "thoughtsTokenCount": 4, "totalTokenCount": 12},
        ),
        answer("Grüß ", finish=None, usage={"trafficType": "ON_DEMAND"}),
        answer("Gott", finish=None),
        answer(call_of("f", {"a": "ö\n"}, thoughtSignature=SIGNATURE), call_of("g"), finish=None),
        answer(
            "", usage={"promptTokenCount": 8, "candidatesTokenCount": 9, "thoughtsTokenCount": 4, "totalTokenCount": 21}
        ),
    )
    EVENTS = (
        START,
        r.ReasoningDelta("Hm, "),
        r.UsageTold(Usage(8, 4, reasoning=4)),
        r.TextDelta("Grüß "),
        r.TextDelta("Gott"),
        r.ToolStart(0, "call_0", "f", 0, SIGNATURE),
        r.ToolArguments(0, '{"a":"ö\\n"}'),
        r.ToolStart(1, "call_1", "g"),
        r.ToolArguments(1, "{}"),
        r.UsageTold(Usage(8, 13, reasoning=4)),
        r.Finish(r.TOOL_CALLS),
        r.End(),
    )

    def test_stream(self) -> None:
        """In the order in which it comes, the end at the end."""
        self.assertEqual(read(self.STREAM), list(self.EVENTS))

    @given(st.lists(st.integers(0, len(STREAM)), max_size=8))
    def test_any_split(self, cuts: list[int]) -> None:
        """Wherever the bytes are cut, also within a character."""
        self.assertEqual(read(self.STREAM, cuts), list(self.EVENTS))

    def test_every_byte_alone(self) -> None:
        """The worst of splits."""
        self.assertEqual(read(self.STREAM, list(range(len(self.STREAM)))), list(self.EVENTS))

    def test_recorded_splits(self) -> None:
        """The recorded stream, cut at random."""
        path = RECORDED / "agentgateway" / "response" / "vertex-gemini" / "stream_tool.json"
        if not path.exists():
            raise unittest.SkipTest(NO_RECORDED)
        stream, dice = path.read_bytes(), random.Random(7)
        expected = read(stream)
        self.assertEqual([type(each) for each in expected[-2:]], [r.Finish, r.End])
        for _ in range(20):
            self.assertEqual(read(stream, [dice.randrange(len(stream)) for _ in range(5)]), expected)

    def test_no_blank_line_at_the_end(self) -> None:
        """Counts as one."""
        self.assertEqual(read(self.STREAM.rstrip()), list(self.EVENTS))

    def test_reason_on_every_chunk(self) -> None:
        """Early models did that: what comes behind the first belongs to the answer."""
        events = read(sse(answer("a"), answer("b"), answer("c", finish="MAX_TOKENS")))
        self.assertEqual(
            events[1:], [r.TextDelta("a"), r.TextDelta("b"), r.TextDelta("c"), r.Finish(r.LENGTH), r.End()]
        )

    def test_cut(self) -> None:
        """Without a reason it has not ended."""
        self.assertEqual(read(sse(answer("a", finish=None)))[-1], r.TextDelta("a"))
        self.assertEqual(read(b""), [])

    def test_blocked(self) -> None:
        """A prompt that is refused."""
        self.assertEqual(
            read(sse({"promptFeedback": {"blockReason": "SAFETY"}}))[-2:], [r.Finish(r.CONTENT_FILTER), r.End()]
        )

    def test_error(self) -> None:
        """In the middle; nothing counts behind it."""
        error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow down"}}
        events = read(sse(answer("a", finish=None), error, answer("b")))
        self.assertEqual(events[1], r.TextDelta("a"))
        self.assertEqual(
            events[2:], [r.Failed(r.ProviderError(429, "rate_limit_error", "Slow down", "rate_limit_exceeded"))]
        )

    def test_broken_call(self) -> None:
        """Is an error at the end."""
        (_, failed) = read(sse({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}))
        self.assertIsInstance(failed, r.Failed)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["STOP", "error", "34.4s"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "thoughtSignature",
                    "functionCall",
                    "name",
                    "id",
                    "args",
                    "finishReason",
                    "index",
                    "usageMetadata",
                    "promptTokenCount",
                    "candidatesTokenCount",
                    "promptFeedback",
                    "blockReason",
                    "error",
                    "code",
                    "message",
                    "status",
                    "details",
                    "retryDelay",
                    "reason",
                    "groundingMetadata",
                    "groundingChunks",
                    "groundingSupports",
                    "groundingChunkIndices",
                    "segment",
                    "startIndex",
                    "endIndex",
                    "web",
                    "uri",
                    "title",
                    "citationMetadata",
                    "citationSources",
                    "inlineData",
                    "data",
                    "mimeType",
                    "executableCode",
                    "responseId",
                    "modelVersion",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


class GarbageTests(unittest.TestCase):
    """Providers may send anything."""

    @given(JSON)
    def test_frames(self, fields: Any) -> None:
        """Are read without raising."""
        for data in (
            orjson.dumps(fields),
            orjson.dumps({"candidates": [fields]}),
            orjson.dumps({"candidates": [{"content": {"parts": [fields]}}]}),
        ):
            reader = WIRE.reader(CALL)
            list(reader.frame(Frame(b"", data)))
            list(reader.end())

    @given(JSON)
    def test_whole(self, fields: Any) -> None:
        """Either an answer that ends or an error."""
        events = whole(fields)
        self.assertIn(type(events[-1]), (r.End, r.Failed))

    @given(st.binary(max_size=40))
    def test_bytes(self, data: bytes) -> None:
        """Not even JSON."""
        list(WIRE.reader(CALL).frame(Frame(b"", data)))

    @given(st.integers(400, 599), JSON | st.binary(max_size=20))
    def test_errors(self, status: int, body: Any) -> None:
        """Always one that a client can be told."""
        error = google_error(status, body if isinstance(body, bytes) else orjson.dumps(body))
        self.assertTrue(400 <= error.status <= 599 and error.message and error.type)

    def test_deep(self) -> None:
        """Lists in lists."""
        data = b'{"candidates":' + b"[" * 900 + b"]" * 900 + b"}"
        list(WIRE.reader(CALL).frame(Frame(b"", data)))
        list(WIRE.reader(CALL).frame(Frame(b"", b"[" * 900 + b"]" * 900)))


def error_body(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    """An error as Google writes it."""
    return orjson.dumps({"error": {"code": code, "message": message, "status": status, "details": list(details)}})


class ErrorTests(unittest.TestCase):
    """Errors before an answer."""

    def test_statuses(self) -> None:
        """Status, type and code in OpenAI's words."""
        for status, word, kind, code in (
            (400, "INVALID_ARGUMENT", "invalid_request_error", "invalid_argument"),
            (400, "FAILED_PRECONDITION", "invalid_request_error", "failed_precondition"),
            (401, "UNAUTHENTICATED", "authentication_error", "invalid_api_key"),
            (403, "PERMISSION_DENIED", "permission_error", "permission_denied"),
            (404, "NOT_FOUND", "not_found_error", "model_not_found"),
            (429, "RESOURCE_EXHAUSTED", "rate_limit_error", "rate_limit_exceeded"),
            (500, "INTERNAL", "server_error", "internal"),
            (503, "UNAVAILABLE", "overloaded_error", "unavailable"),
            (504, "DEADLINE_EXCEEDED", "timeout_error", "deadline_exceeded"),
        ):
            error = WIRE.error(status, (), error_body(status, word, "Why"))
            self.assertEqual(error, r.ProviderError(status, kind, "Why", code))

    def test_wrong_key(self) -> None:
        """Is a 401, whatever Google calls it; what the details echo stays there."""
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        echo = {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": "Invalid API key: AIzaSecret"}
        error = WIRE.error(400, (), error_body(400, "INVALID_ARGUMENT", "API key not valid.", info, echo))
        self.assertEqual((error.status, error.type, error.code), (401, "authentication_error", "invalid_api_key"))
        self.assertNotIn("AIzaSecret", repr(error))

    def test_retry_delay(self) -> None:
        """Is in the details only."""
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
        self.assertEqual(WIRE.error(429, (), error_body(429, "RESOURCE_EXHAUSTED", "Quota", delay)).retry_after, 34.4)
        for wrong in ("soon", "1m", 5, None, "-1s", "nans", "infs"):
            odd = {"retryDelay": wrong}
            self.assertIsNone(WIRE.error(429, (), error_body(429, "RESOURCE_EXHAUSTED", "Quota", odd)).retry_after)

    def test_too_long(self) -> None:
        """As AI Studio and Vertex AI say it."""
        for message in (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "Unable to submit request because the input token count is 2097153 but model only supports up to 1048576.",
        ):
            self.assertEqual(
                WIRE.error(400, (), error_body(400, "INVALID_ARGUMENT", message)).code, "context_length_exceeded"
            )

    def test_other_bodies(self) -> None:
        """A list of one, a string, a page of HTML, text, nothing."""
        listed = b"[" + error_body(404, "NOT_FOUND", "No model") + b"]"
        self.assertEqual(
            WIRE.error(404, (), listed), r.ProviderError(404, "not_found_error", "No model", "model_not_found")
        )
        refused = WIRE.error(401, (), b'{"error":"invalid_grant","error_description":"Bad"}')
        self.assertEqual((refused.message, refused.code), ("invalid_grant: Bad", "invalid_api_key"))
        page = WIRE.error(404, (), b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
        self.assertEqual((page.status, page.message), (404, "Google answered 404 without saying why"))
        self.assertEqual(WIRE.error(503, (), b"upstream connect error").message, "upstream connect error")
        self.assertEqual(WIRE.error(500, (), b"").type, "server_error")


class FrontTests(unittest.TestCase):
    """What clients get, read by their own SDK; the round trip of what they must keep."""

    def translated(self, dialect: Any, stream: bytes, fields: dict[str, Any]) -> bytes:
        """A stream as a client of ``dialect`` gets it."""
        translation = Pair(dialect, WIRE, Adjustments({}, {})).translate(fields, "abc", 1.0)
        across = translation.stream(b"text/event-stream")
        written = across.feed(stream) + across.end()
        self.assertTrue(across.done)
        return written

    def test_openai(self) -> None:
        """Two tool calls, thoughts and usage, by the SDK's strict helper."""
        fields = {
            "model": "gemini-2.5-flash",
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        final = sdk.chat_final(self.translated(Chat(), StreamTests.STREAM, fields))
        choice = final.choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("Grüß Gott", "tool_calls"))
        self.assertEqual([each.function.arguments for each in choice.message.tool_calls], ['{"a":"ö\\n"}', "{}"])
        self.assertEqual((final.usage.prompt_tokens, final.usage.completion_tokens), (8, 13))

    def test_signatures_come_back_from_chat_clients(self) -> None:
        """The message that the client got, sent again as it is, has Gemini's signature where it was."""
        fields = {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "x"}]}
        pair = Pair(Chat(), WIRE, Adjustments({}, {}))
        got = pair.translate(fields, "abc", 1.0).whole(
            orjson.dumps(answer(call_of("f", {}, thoughtSignature=SIGNATURE))), "req"
        )
        message = orjson.loads(got.body)["choices"][0]["message"]
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "y"}
        again = pair.translate({**fields, "messages": [*fields["messages"], message, result]}, "abd", 1.0)  # type: ignore[misc]
        said = again.request.body["contents"][1]["parts"]
        self.assertEqual(said, [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": SIGNATURE}])

    def test_signatures_come_back_from_anthropic_clients(self) -> None:
        """Likewise, in a thinking block."""
        fields = {"model": "gemini-3-flash-preview", "max_tokens": 99, "messages": [{"role": "user", "content": "x"}]}
        pair = Pair(Messages(), WIRE, Adjustments({}, {}))
        parts = [{"text": "Hm", "thought": True}, call_of("f", {}, thoughtSignature=SIGNATURE)]
        got = orjson.loads(pair.translate(fields, "abc", 1.0).whole(orjson.dumps(answer(*parts)), "req").body)
        result = {"type": "tool_result", "tool_use_id": got["content"][-1]["id"], "content": "y"}
        messages = [
            *fields["messages"],
            {"role": "assistant", "content": got["content"]},
            {"role": "user", "content": [result]},
        ]  # type: ignore[misc]
        said = pair.translate({**fields, "messages": messages}, "abd", 1.0).request.body["contents"][1]["parts"]
        self.assertEqual(said, [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": SIGNATURE}])
