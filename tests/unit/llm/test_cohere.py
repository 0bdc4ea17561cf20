"""Cohere's v2 API: requests, answers, streams, errors, embeddings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import reply as r
from aigw.llm.call import (
    Audio,
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
from aigw.llm.decoders import Frame, SseDecoder
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.chat_reply import ChatWriter
from aigw.llm.operations import CHAT, MODELS
from aigw.llm.providers.base import Place
from aigw.llm.providers.cohere import COHERE, CohereWire
from aigw.llm.providers.cohere.reply import CohereReader
from aigw.llm.usage import Usage, from_cohere
from aigw.llm.wire import EmbeddingCall
from tests.unit.llm.streams import DONE, NO_RECORDED, RECORDED, sse

WIRE = CohereWire()
MODEL = "command-a-03-2025"
REASONING = "command-a-reasoning-08-2025"
HELLO = (Turn("user", (Text("Hello"),), "messages[0]"),)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Tells the weather.", SCHEMA)
FUNCTION = {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA}
PIXEL = "iVBORw0KGgo="


def body(*turns: Turn, model: str = MODEL, **more: Any) -> dict[str, Any]:
    """The body that a call becomes."""
    request = WIRE.request(Call(model, turns or HELLO, **more))
    orjson.dumps(request.body)
    return request.body


def chat(**fields: Any) -> dict[str, Any]:
    """What becomes of the request of a chat client."""
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **fields}
    return WIRE.request(Chat().read(fields)).body


def user(*parts: Any) -> Turn:
    """A user's turn."""
    return Turn("user", parts, "messages[0]")


def assistant(*parts: Any) -> Turn:
    """An assistant's turn."""
    return Turn("assistant", parts, "messages[1]")


class RequestTests(unittest.TestCase):
    """Calls as requests."""

    def refused(self, field: str, *turns: Turn, **more: Any) -> BadRequest:
        """The call is refused because of the client's ``field``, and goes without it where that is allowed."""
        error = self.assertRaises(BadRequest, body, *turns, **more)
        self.assertEqual(error.param, field)
        body(*turns, **more, drop_unsupported=True)
        return error

    def test_conversation(self) -> None:
        """Roles stay where they are; a stream is asked for in the body."""
        turns = (
            Turn("system", (Text("Be brief."),)),
            *HELLO,
            assistant(Text("Hi"), Text("!")),
            user(Text("Bye"), Text("")),
        )
        self.assertEqual(WIRE.request(Call(MODEL, turns)).path, b"/v2/chat")
        self.assertEqual(
            body(*turns, stream=True),
            {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hello"},
                    {"role": "assistant", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "!"}]},
                    {"role": "user", "content": "Bye"},
                ],
                "stream": True,
            },
        )

    def test_options(self) -> None:
        """Under Cohere's names, within its ranges; its own fields go as they are."""
        made = chat(
            max_completion_tokens=9, temperature=1.5, top_p=1, top_k=3, seed=4, stop="x", presence_penalty=2, user="u",
            safety_mode="STRICT", citation_options={"mode": "FAST"}, documents=["d"], n=1, logprobs=False,
        )  # fmt: skip
        del made["messages"], made["model"]
        self.assertEqual(
            made,
            {"max_tokens": 9, "temperature": 1.5, "p": 0.99, "k": 3, "seed": 4, "stop_sequences": ["x"]}
            | {
                "presence_penalty": 1,
                "safety_mode": "STRICT",
                "citation_options": {"mode": "FAST"},
                "documents": ["d"],
            },
        )

    def test_options_that_are_not_there(self) -> None:
        """Are refused by the client's own name."""
        for name, value in (("n", 2), ("logit_bias", {"1": 1}), ("logprobs", True), ("service_tier", "flex")):
            self.refused(name, options={name: value})
        error = self.assertRaises(BadRequest, chat, frequency_penalty=-1)
        self.assertEqual(error.param, "frequency_penalty")

    def test_pictures(self) -> None:
        """By URL or by their bytes; documents are text."""
        made = body(
            user(
                Text("Look"),
                Image("image/png", PIXEL, detail="low"),
                Image(url="https://a/b.png"),
                Document("text/plain", text="words", name="a.txt"),
            )
        )
        self.assertEqual(
            made["messages"][0]["content"],
            [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                {"type": "text", "text": "a.txt\n\nwords"},
            ],
        )
        for part in (
            Image(file_id="f"),
            Document("application/pdf", PIXEL),
            Audio(PIXEL),
            Foreign("anthropic", {"type": "search_result"}),
        ):
            self.refused("messages[0]", user(Text("x"), part))

    def test_tools(self) -> None:
        """Declared as OpenAI does; what they do not declare is an empty object."""
        made = body(tools=(WEATHER, Tool("f")))
        empty = {"type": "object", "properties": {}}
        self.assertEqual(
            made["tools"],
            [
                {"type": "function", "function": FUNCTION},
                {"type": "function", "function": {"name": "f", "parameters": empty}},
            ],
        )
        self.assertNotIn("strict_tools", made)
        self.assertIs(body(tools=(Tool("f", strict=True), Tool("g", strict=True)))["strict_tools"], True)
        self.refused("tools[0]", tools=(Foreign("openai", {"type": "custom"}),))

    def test_choices(self) -> None:
        """``auto`` has no word; one by its name is any of one."""
        self.assertNotIn("tool_choice", body(tools=(WEATHER,), tool_choice=ToolChoice("auto")))
        self.assertEqual(body(tools=(WEATHER,), tool_choice=ToolChoice("none"))["tool_choice"], "NONE")
        self.assertEqual(body(tools=(WEATHER,), tool_choice=ToolChoice("any"))["tool_choice"], "REQUIRED")
        made = body(tools=(Tool("f"), WEATHER), tool_choice=ToolChoice("one", "get_weather"))
        self.assertEqual([each["function"]["name"] for each in made["tools"]], ["get_weather"])
        self.assertEqual(made["tool_choice"], "REQUIRED")
        error = self.assertRaises(BadRequest, body, tools=(WEATHER,), tool_choice=ToolChoice("one", "f"))
        self.assertEqual(error.param, "tool_choice")
        self.refused("parallel_tool_calls", tools=(WEATHER, Tool("f")), parallel_tools=False)
        self.assertEqual(body(tools=(WEATHER,), parallel_tools=False), body(tools=(WEATHER,)))

    def test_history(self) -> None:
        """A plan goes with the calls; results are messages of their own, before what the user says."""
        made = body(
            *HELLO,
            assistant(Reasoning("I will look."), ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "g")),
            user(
                Text("and?"),
                ToolResult("t1", (Text("15"), Text("C"))),
                ToolResult("t2", (), error=True),
                ToolResult("t3"),
            ),
        )
        self.assertEqual(
            made["messages"][1:],
            [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                        {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                    "tool_plan": "I will look.",
                },
                {"role": "tool", "tool_call_id": "t1", "content": "15\nC"},
                {"role": "tool", "tool_call_id": "t2", "content": "Error:"},
                {"role": "tool", "tool_call_id": "t3", "content": "(no output)"},
                {"role": "user", "content": "and?"},
            ],
        )
        self.refused("messages[0]", user(ToolResult("t", (Image("image/png", PIXEL),))))

    def test_thoughts_of_earlier_answers(self) -> None:
        """Are blocks before the text; without text there is no message."""
        made = body(*HELLO, assistant(Reasoning("Hm."), Text("Hi")), assistant(Reasoning("only")), user(Text("x")))
        self.assertEqual(
            made["messages"][1]["content"], [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}]
        )
        self.assertEqual(len(made["messages"]), 3)

    def test_formats(self) -> None:
        """A schema is JSON's."""
        self.assertEqual(body(format=ResponseFormat("json"))["response_format"], {"type": "json_object"})
        made = body(format=ResponseFormat("schema", SCHEMA))["response_format"]
        self.assertEqual(made, {"type": "json_object", "json_schema": SCHEMA})

    def test_reasoning(self) -> None:
        """A switch and a budget; models without thoughts need not be told to have none."""
        for wish, expected in (
            (ReasoningWish(effort="low"), {"type": "enabled", "token_budget": 1024}),
            (ReasoningWish(effort="max"), {"type": "enabled"}),
            (ReasoningWish(adaptive=True), {"type": "enabled"}),
            (ReasoningWish(budget=77), {"type": "enabled", "token_budget": 77}),
            (ReasoningWish(effort="none"), {"type": "disabled"}),
        ):
            self.assertEqual(body(model=REASONING, reasoning=wish)["thinking"], expected)
        for model in (MODEL, "command-r-plus-08-2024", "command-r7b-12-2024", "c4ai-aya-expanse-32b", "command"):
            for wish in (ReasoningWish(effort="none"), ReasoningWish(adaptive=True), ReasoningWish(budget=9)):
                self.assertNotIn("thinking", body(model=model, reasoning=wish))
        self.assertIn("thinking", body(model=MODEL, reasoning=ReasoningWish(effort="low")))

    def test_openai_endpoint(self) -> None:
        """A url that ends in /v1 is the one that speaks OpenAI's dialect."""
        at = COHERE.at(COHERE, Place("https://api.cohere.ai/compatibility/v1/"))
        self.assertEqual((at.name, at.paths[CHAT]), ("cohere", "/chat/completions"))
        self.assertIs(COHERE.at(COHERE, Place("https://cohere.example")), COHERE)
        self.assertEqual(list(COHERE.paths), [MODELS])


def event(kind: str, **fields: Any) -> bytes:
    """One event."""
    return sse({"type": kind, **fields}, kind)


def start() -> bytes:
    """The first event."""
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    return event("message-start", id="m1", delta={"message": message})


def block(index: int, name: str, *pieces: str) -> bytes:
    """A block of content."""
    begin = event("content-start", index=index, delta={"message": {"content": {"type": name, name: ""}}})
    said = [event("content-delta", index=index, delta={"message": {"content": {name: piece}}}) for piece in pieces]
    return b"".join([begin, *said, event("content-end", index=index)])


def tool(index: int, name: str, call_id: str, *pieces: str) -> bytes:
    """A call."""
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    begin = event("tool-call-start", index=index, delta={"message": {"tool_calls": call}})
    said = [
        event("tool-call-delta", index=index, delta={"message": {"tool_calls": {"function": {"arguments": piece}}}})
        for piece in pieces
    ]
    return b"".join([begin, *said, event("tool-call-end", index=index)])


USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 3},
    "tokens": {"input_tokens": 71.0, "output_tokens": 418},
    "cached_tokens": 64,
}


def end(reason: str = "COMPLETE", **more: Any) -> bytes:
    """The last event."""
    return event("message-end", delta={"finish_reason": reason, "usage": USAGE, **more}) + DONE


def read(stream: bytes, *cuts: int) -> list[r.Event]:
    """The events of a stream that comes in pieces."""
    decoder, reader = SseDecoder(), CohereReader()
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
        """Tokens are counted, not what is billed."""
        self.assertEqual(
            read(start() + block(0, "text", "Hi", " there") + event("debug", prompt="x") + end()),
            [
                r.Start("m1"),
                r.TextDelta("Hi"),
                r.TextDelta(" there"),
                r.UsageTold(Usage(71, 418, cached_input=64)),
                r.Finish("stop"),
                r.End(),
            ],
        )

    def test_thoughts(self) -> None:
        """Blocks of their own."""
        events = read(start() + block(0, "thinking", "Hm", ".") + block(1, "text", "Hi") + end())
        self.assertEqual(events[1:4], [r.ReasoningDelta("Hm"), r.ReasoningDelta("."), r.TextDelta("Hi")])

    def test_tools(self) -> None:
        """A plan, then the calls, in parallel; one without arguments has an empty object."""
        plan = event("tool-plan-delta", delta={"message": {"tool_plan": "I will"}})
        stream = start() + plan + tool(0, "f", "t1", '{"a"', ":1}") + tool(1, "g", "t2") + end("TOOL_CALL")
        self.assertEqual(
            read(stream)[1:-3],
            [
                r.ReasoningDelta("I will"),
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a"'),
                r.ToolArguments(0, ":1}"),
                r.ToolStart(1, "t2", "g"),
                r.ToolArguments(1, "{}"),
            ],
        )
        self.assertEqual(said(read(stream), r.Finish), [r.Finish("tool_calls")])

    def test_call_without_an_id_or_an_end(self) -> None:
        """Gets the one, and is ended by what follows."""
        stream = (
            start() + tool(0, "f", "").replace(b"tool-call-end", b"new-thing") + tool(1, "g", "t") + end("TOOL_CALL")
        )
        first, second = said(read(stream), r.ToolStart)
        self.assertRegex(first.id, r"^call_[0-9a-f]{24}$")  # type: ignore[union-attr]
        self.assertEqual(said(read(stream), r.ToolArguments), [r.ToolArguments(0, "{}"), r.ToolArguments(1, "{}")])
        self.assertEqual(second, r.ToolStart(1, "t", "g"))

    def test_citations(self) -> None:
        """As annotations: of the web as OpenAI has them, others after that pattern."""
        web = {
            "start": 1,
            "end": 4,
            "text": "abc",
            "sources": [{"type": "document", "document": {"url": "u", "title": "T"}}],
        }
        own = {"start": 0, "end": 2, "text": "x", "sources": [{"type": "tool", "id": "t"}]}
        stream = start() + b"".join(
            event("citation-start", index=index, delta={"message": {"citations": each}}) + event("citation-end")
            for index, each in enumerate((web, own))
        )
        self.assertEqual(
            [each.annotation for each in read(stream + end()) if isinstance(each, r.Citation)],
            [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "T", "start_index": 1, "end_index": 4}},
                {
                    "type": "citation",
                    "citation": {"text": "x", "sources": own["sources"], "start_index": 0, "end_index": 2},
                },
            ],
        )

    def test_reasons(self) -> None:
        """To OpenAI's words."""
        for reason, meaning in (
            ("COMPLETE", r.STOP),
            ("STOP_SEQUENCE", r.STOP_SEQUENCE),
            ("MAX_TOKENS", r.LENGTH),
            ("TOOL_CALL", r.TOOL_CALLS),
        ):
            self.assertEqual(said(read(start() + end(reason)), r.Finish), [r.Finish(meaning)])
        new = r.Finish(r.STOP, unknown="SOMETHING_NEW")
        self.assertEqual(said(read(start() + end("SOMETHING_NEW")), r.Finish), [new])

    def test_failures_are_no_ends(self) -> None:
        """Whatever came before."""
        for reason, more, status, words in (
            ("ERROR", {"error": "out of luck"}, 502, "out of luck"),
            ("ERROR", {}, 502, "ERROR"),
            ("TIMEOUT", {}, 504, "TIMEOUT"),
            ("COMPLETE", {"error": "really"}, 502, "really"),
        ):
            events = read(start() + block(0, "text", "Hi") + end(reason, **more))
            self.assertEqual(said(events, r.Finish, r.End), [])
            failed = events[-1]
            assert isinstance(failed, r.Failed)
            self.assertEqual((failed.error.status, words in failed.error.message), (status, True))

    def test_errors_in_the_stream(self) -> None:
        """By their event, or by having nothing but a message."""
        for stream in (
            sse({"message": "bad"}, "error"),
            sse({"message": "bad"}),
            sse({"error": "bad"}),
            event("error", message="bad"),
        ):
            (failed,) = read(stream)
            assert isinstance(failed, r.Failed)
            self.assertEqual(failed.error.message, "bad")

    def test_no_end_without_its_event(self) -> None:
        """``[DONE]`` alone is none."""
        self.assertNotIn(r.End(), read(start() + block(0, "text", "Hi") + DONE))

    def test_written_for_chat_clients(self) -> None:
        """The whole of it."""
        written = ChatWriter("m", True, "a", 0).events(read(start() + block(0, "text", "Hi") + end()))
        self.assertTrue(written.endswith(DONE))


class WholeTests(unittest.TestCase):
    """Whole answers."""

    def whole(self, **message: Any) -> list[r.Event]:
        fields = {"id": "m1", "finish_reason": "COMPLETE", "message": {"role": "assistant", **message}, "usage": USAGE}
        return list(WIRE.reader(Call(MODEL, ())).whole(fields))

    def test_everything(self) -> None:
        """Plan, thoughts, text, citations, calls."""
        self.assertEqual(
            self.whole(
                tool_plan="First",
                content=[{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}, {"type": "new"}],
                citations=[{"start": 0, "end": 2, "text": "Hi", "sources": []}],
                tool_calls=[
                    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "t2", "type": "function", "function": {"name": "g", "arguments": {}}},
                    {"id": "t3", "type": "function", "function": {"name": "h", "arguments": ""}},
                ],
            ),
            [
                r.Start("m1"),
                r.ReasoningDelta("First"),
                r.ReasoningDelta("Hm"),
                r.TextDelta("Hi"),
                r.Citation(
                    {"type": "citation", "citation": {"text": "Hi", "sources": [], "start_index": 0, "end_index": 2}}
                ),
                r.ToolStart(0, "t1", "f"),
                r.ToolArguments(0, '{"a":1}'),
                r.ToolStart(1, "t2", "g"),
                r.ToolArguments(1, "{}"),
                r.ToolStart(2, "t3", "h"),
                r.ToolArguments(2, "{}"),
                r.UsageTold(Usage(71, 418, cached_input=64)),
                r.Finish("stop"),
                r.End(),
            ],
        )

    def test_text_as_a_string(self) -> None:
        """Is text, too."""
        self.assertEqual(said(self.whole(content="Hi"), r.TextDelta), [r.TextDelta("Hi")])

    def test_what_is_no_answer(self) -> None:
        """Is an error, with the provider's words if it has any."""
        for fields, words in (
            (None, "no message"),
            ({"message": "bad"}, "bad"),
            ({"error": "bad"}, "bad"),
            ({"id": "x"}, "no message"),
        ):
            (failed,) = WIRE.reader(Call(MODEL, ())).whole(fields)
            assert isinstance(failed, r.Failed)
            self.assertIn(words, failed.error.message)

    def test_the_first_version_is_not_understood(self) -> None:
        """Kong's recordings are of v1: no answers of this API."""
        path = RECORDED / "kong" / "real-responses" / "cohere" / "llm-v1-chat.json"
        if not path.exists():
            raise unittest.SkipTest(NO_RECORDED)
        (failed,) = WIRE.reader(Call(MODEL, ())).whole(orjson.loads(path.read_bytes()))
        self.assertIsInstance(failed, r.Failed)

    def test_usage(self) -> None:
        """What was cached is a part of what was read, never taken off what is billed."""
        billed = {"billed_units": {"input_tokens": 2406, "output_tokens": 1}, "cached_tokens": 2928}
        whole = {**billed, "tokens": {"input_tokens": 2935, "output_tokens": 1}}
        self.assertEqual(from_cohere(whole), Usage(2935, 1, cached_input=2928))
        self.assertEqual(from_cohere(billed), Usage(2406, 1, cached_input=2406))
        for none in (None, [], {}, {"tokens": 5}, {"billed_units": {"search_units": 1}}):
            self.assertIsNone(from_cohere(none))


class ErrorTests(unittest.TestCase):
    """Answers of status 400 and above."""

    def test_errors(self) -> None:
        """They have a message only; the rest is the status's, or its words'."""
        for status, words, expected in (
            (400, "invalid request: x must be y", (400, "invalid_request_error", None)),
            (
                400,
                "too many tokens: size limit exceeded by 12 tokens",
                (400, "invalid_request_error", "context_length_exceeded"),
            ),
            (401, "invalid api token", (401, "authentication_error", "invalid_api_key")),
            (403, "forbidden", (403, "permission_error", None)),
            (
                404,
                "model 'x' not found, make sure the correct model ID was used",
                (404, "not_found_error", "model_not_found"),
            ),
            (422, "unprocessable", (422, "invalid_request_error", None)),
            (429, "trial key: 20 API calls / minute", (429, "rate_limit_error", "rate_limit_exceeded")),
            (429, "trial key: 1000 API calls / month", (429, "rate_limit_error", "insufficient_quota")),
            (498, "invalid token", (401, "authentication_error", "invalid_api_key")),
            (499, "request cancelled", (502, "server_error", None)),
            (500, "internal", (500, "server_error", None)),
            (503, "unavailable", (503, "overloaded_error", None)),
            (504, "timeout", (504, "timeout_error", None)),
        ):
            error = WIRE.error(status, [], orjson.dumps({"id": "1", "message": words}))
            self.assertEqual((error.status, error.type, error.code), expected, words)
            self.assertEqual(error.message, words)

    def test_bodies_of_any_kind(self) -> None:
        """HTML, empty, lists."""
        for given_body in (b"", b"<html></html>", b"[]", b"null", b"\xff"):
            self.assertTrue(WIRE.error(502, [], given_body).message)


class EmbeddingTests(unittest.TestCase):
    """Vectors."""

    def made(self, *inputs: Any, **more: Any) -> dict[str, Any]:
        return WIRE.embedding_request(EmbeddingCall("embed-v4.0", inputs, **more)).body

    def test_request(self) -> None:
        """What they are for must be said: to be found, unless the client says so."""
        self.assertEqual(
            self.made("a", "b"),
            {"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_document", "embedding_types": ["float"]},
        )
        options = {"input_type": "search_query", "truncate": "NONE", "user": "u", "embedding_types": ["int8"]}
        made = self.made("a", dimensions=256, options=options)
        self.assertEqual(
            (made["input_type"], made["truncate"], made["output_dimension"]), ("search_query", "NONE", 256)
        )
        self.assertEqual(made["embedding_types"], ["float"])
        self.assertNotIn("user", made)
        self.assertEqual(WIRE.embedding_request(EmbeddingCall("m", ("a",))).path, b"/v2/embed")

    def test_tokens(self) -> None:
        """Are not taken."""
        self.assertEqual(self.assertRaises(BadRequest, self.made, [1, 2]).param, "input")

    def test_answer(self) -> None:
        """By type; older models as they like."""
        fields = {"id": "1", "embeddings": {"float": [[0.1], [2]]}, "meta": {"billed_units": {"input_tokens": 4}}}
        embeddings = WIRE.embeddings(fields)
        self.assertEqual((embeddings.vectors, embeddings.usage), (([0.1], [2]), Usage(4)))
        self.assertEqual(WIRE.embeddings({"embeddings": [[1.0]]}).usage, None)
        for none in (None, [], {}, {"embeddings": {}}, {"embeddings": {"int8": [[1]]}}, {"embeddings": [["x"]]}):
            self.assertRaises(ValueError, WIRE.embeddings, none)


NAMES = ["type", "delta", "message", "content", "text", "thinking", "tool_calls", "function", "arguments", "name", "id"]
NAMES += ["usage", "tokens", "finish_reason", "citations", "sources", "document", "url", "error", "tool_plan", "index"]
KINDS = ["message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta"]
KINDS += ["tool-call-end", "citation-start", "message-end", "debug", "error"]
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6), st.sampled_from(KINDS)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)


class PropertyTests(unittest.TestCase):
    """What hypothesis thinks of."""

    @given(st.lists(st.tuples(st.sampled_from(KINDS), JSON), max_size=8))
    def test_any_frames(self, frames: list[tuple[str, Any]]) -> None:
        """Raise nothing, and can be written."""
        reader = CohereReader()
        events: list[r.Event] = []
        for kind, fields in frames:
            whole = {"type": kind, **fields} if isinstance(fields, dict) else fields
            events += reader.frame(Frame(kind.encode(), json.dumps(whole).encode()))
        ChatWriter("m", True, "a", 0).events(each for each in events if not isinstance(each, r.Failed))

    @given(JSON)
    def test_any_whole(self, fields: Any) -> None:
        """Ends with an end or a failure."""
        self.assertIsInstance(list(CohereReader().whole(fields))[-1], r.End | r.Failed)

    @given(st.integers(400, 599), st.one_of(st.binary(max_size=40), JSON.map(lambda each: json.dumps(each).encode())))
    def test_any_error(self, status: int, given_body: bytes) -> None:
        """Has a message and a status that is one."""
        error = WIRE.error(status, [], given_body)
        self.assertTrue(error.message and 400 <= error.status <= 599)

    @given(st.lists(st.integers(0, 10**4), max_size=6))
    def test_any_split(self, cuts: list[int]) -> None:
        """The same events."""
        stream = start() + block(0, "text", "Grüße", "…") + tool(1, "f", "t", '{"a":', "1}") + end("TOOL_CALL")
        self.assertEqual(read(stream, *cuts), read(stream))
