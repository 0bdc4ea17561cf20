"""Ollama's own API: requests, answers, streams, errors, embeddings."""

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
from aigw.llm.decoders import Frame, LineDecoder
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.chat_reply import ChatWriter
from aigw.llm.operations import CHAT, EMBEDDINGS, MODELS
from aigw.llm.providers.base import Place
from aigw.llm.providers.ollama import OLLAMA, OllamaWire
from aigw.llm.providers.ollama.reply import OllamaReader
from aigw.llm.usage import Usage, from_ollama
from aigw.llm.wire import EmbeddingCall
from tests.unit.llm.streams import NO_RECORDED, RECORDED

WIRE = OllamaWire()
MODEL = "qwen3:8b"
HELLO = (Turn("user", (Text("Hello"),), "messages[0]"),)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Tells the weather.", SCHEMA)
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
        """Texts are strings; that it is no stream must be said."""
        turns = (
            Turn("system", (Text("Be brief."),)),
            *HELLO,
            assistant(Text("Hi")),
            user(Text("a"), Text("b"), Text("")),
        )
        self.assertEqual(WIRE.request(Call(MODEL, turns)).path, b"/api/chat")
        self.assertEqual(
            body(*turns),
            {
                "model": MODEL,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hello"},
                    {"role": "assistant", "content": "Hi"},
                    {"role": "user", "content": "a\nb"},
                ],
                "stream": False,
            },
        )
        self.assertIs(body(stream=True)["stream"], True)

    def test_as_kong_writes_it(self) -> None:
        """The same request becomes the same body."""
        path = RECORDED / "kong" / "expected-requests" / "llama2" / "ollama" / "llm-v1-chat.json"
        if not path.exists():
            raise unittest.SkipTest(NO_RECORDED)
        expected = orjson.loads(path.read_bytes())
        made = chat(model="llama2", messages=expected["messages"], max_tokens=512, temperature=0.5)
        self.assertEqual(made, expected)

    def test_options(self) -> None:
        """In an object of their own, with those that only Ollama has; its own fields beside."""
        made = chat(
            max_tokens=9, temperature=0, top_p=0.5, top_k=3, seed=4, stop="x", frequency_penalty=1, presence_penalty=0.5,
            num_ctx=8192, keep_alive="5m", options={"min_p": 0.1, "seed": 7}, user="u", n=1,
        )  # fmt: skip
        self.assertEqual(
            made["options"],
            {"num_predict": 9, "temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 7, "stop": ["x"]}
            | {"frequency_penalty": 1, "presence_penalty": 0.5, "num_ctx": 8192, "min_p": 0.1},
        )
        self.assertEqual(sorted(made), ["keep_alive", "messages", "model", "options", "stream"])
        error = self.assertRaises(BadRequest, chat, options=[1])
        self.assertEqual(error.param, "options")
        for name, value in (("n", 2), ("logprobs", True), ("logit_bias", {"1": 1})):
            self.refused(name, options={name: value})

    def test_pictures(self) -> None:
        """Their bytes, beside the text; nothing is fetched."""
        made = body(user(Text("Look"), Image("image/png", PIXEL), Document("text/plain", text="words", name="a.txt")))
        self.assertEqual(made["messages"], [{"role": "user", "content": "Look\na.txt\n\nwords", "images": [PIXEL]}])
        self.assertEqual(body(user(Image("image/png", PIXEL)))["messages"][0]["content"], "")
        for part in (
            Image(url="https://a/b.png"),
            Document("application/pdf", PIXEL),
            Audio(PIXEL),
            Foreign("openai", {"type": "video_url"}),
        ):
            self.refused("messages[0]", user(Text("x"), part))

    def test_tools(self) -> None:
        """As OpenAI declares them; models call them as they like."""
        made = body(tools=(WEATHER, Tool("f")), tool_choice=ToolChoice("auto"))
        self.assertEqual(
            made["tools"],
            [
                {
                    "type": "function",
                    "function": {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA},
                },
                {
                    "type": "function",
                    "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}},
                },
            ],
        )
        self.assertNotIn("tool_choice", made)
        self.assertNotIn("tools", body(tools=(WEATHER,), tool_choice=ToolChoice("none")))
        self.refused("tool_choice", tools=(WEATHER,), tool_choice=ToolChoice("any"))
        self.refused("tool_choice", tools=(WEATHER,), tool_choice=ToolChoice("one", "get_weather"))
        self.refused("parallel_tool_calls", tools=(WEATHER, Tool("f")), parallel_tools=False)
        self.assertEqual(body(tools=(WEATHER,), parallel_tools=False), body(tools=(WEATHER,)))
        self.refused("tools[0]", tools=(Foreign("anthropic", {"type": "bash_20250124"}),))

    def test_history(self) -> None:
        """Arguments are objects; results tell the tool's name; their pictures follow in the user's message."""
        made = body(
            *HELLO,
            assistant(Reasoning("Hm."), Text("Let me see."), ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "g")),
            user(
                Text("and?"),
                ToolResult("t1", (Text("15"), Image("image/png", PIXEL))),
                ToolResult("t2", (Text("no"),), error=True),
            ),
        )
        self.assertEqual(
            made["messages"][1:],
            [
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "thinking": "Hm.",
                    "tool_calls": [
                        {"id": "t1", "function": {"name": "f", "arguments": {"a": 1}}},
                        {"id": "t2", "function": {"name": "g", "arguments": {}}},
                    ],
                },
                {"role": "tool", "content": "15", "tool_call_id": "t1", "tool_name": "f"},
                {"role": "tool", "content": "Error:\nno", "tool_call_id": "t2", "tool_name": "g"},
                {"role": "user", "content": "and?", "images": [PIXEL]},
            ],
        )
        turns = (*HELLO, assistant(ToolCall("t", "f", "[1]")), user(ToolResult("x", (Text("r"),))))
        made = body(*turns)
        self.assertEqual(made["messages"][1]["tool_calls"][0]["function"]["arguments"], {"INVALID_JSON": "[1]"})
        self.assertNotIn("tool_name", made["messages"][2])

    def test_formats(self) -> None:
        """A word, or the schema itself."""
        self.assertEqual(body(format=ResponseFormat("json"))["format"], "json")
        self.assertEqual(body(format=ResponseFormat("schema", SCHEMA))["format"], SCHEMA)

    def test_thinking(self) -> None:
        """A switch, where the client names an effort; gpt-oss has levels and cannot be switched off."""
        for wish, switch, level in (
            (ReasoningWish(effort="none"), False, "low"),
            (ReasoningWish(effort="low"), True, "low"),
            (ReasoningWish(effort="max"), True, "high"),
            (ReasoningWish(effort="high", adaptive=True), None, "high"),
            (ReasoningWish(budget=2048), None, "medium"),
            (ReasoningWish(adaptive=True), None, None),
        ):
            self.assertIs(body(reasoning=wish).get("think"), switch)
            self.assertEqual(body(model="gpt-oss:20b", reasoning=wish).get("think"), level)
        self.assertNotIn("think", body())
        self.assertIs(chat(think=False)["think"], False)

    def test_openai_paths(self) -> None:
        """A url that ends in /v1 is Ollama's OpenAI-compatible API, byte for byte."""
        at = OLLAMA.at(OLLAMA, Place("http://localhost:11434/v1"))
        self.assertEqual(
            (at.name, at.paths[CHAT], at.paths[EMBEDDINGS]), ("ollama", "/chat/completions", "/embeddings")
        )
        self.assertIn(CHAT, at.asks_usage)
        own = OLLAMA.at(OLLAMA, Place("http://gpu:11434"))
        self.assertEqual((own, dict(own.paths)), (OLLAMA, {MODELS: "/v1/models"}))
        self.assertEqual(OLLAMA.default_url, "http://localhost:11434")


def line(done: bool = False, **fields: Any) -> bytes:
    """One line."""
    return orjson.dumps({"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "done": done, **fields}) + b"\n"


def piece(text: str = "", **more: Any) -> bytes:
    """A piece of an answer."""
    return line(message={"role": "assistant", "content": text, **more})


def called(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """A call."""
    return {"function": {"name": name, "arguments": arguments}, **more}


def end(reason: str | None = "stop", **more: Any) -> bytes:
    """The last line."""
    told = {"prompt_eval_count": 9, "eval_count": 3, "total_duration": 5, **more}
    return line(
        True, message={"role": "assistant", "content": ""}, **({"done_reason": reason} if reason else {}), **told
    )


def read(stream: bytes, *cuts: int) -> list[r.Event]:
    """The events of a stream that comes in pieces."""
    decoder, reader = LineDecoder(), OllamaReader()
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
    """Streams, line by line."""

    def test_text(self) -> None:
        """The last line has the usage; it may lack its end."""
        expected = [
            r.Start(None, MODEL),
            r.TextDelta("Hi"),
            r.TextDelta(" there"),
            r.UsageTold(Usage(9, 3)),
            r.Finish("stop"),
            r.End(),
        ]
        stream = piece("Hi") + b"\r\n" + piece(" there") + end()
        self.assertEqual(read(stream), expected)
        self.assertEqual(read(stream.rstrip(b"\n")), expected)

    def test_thoughts(self) -> None:
        """Beside the text, in one line or in lines of their own."""
        events = read(piece("", thinking="Hm") + piece("Hi", thinking=".") + end())
        self.assertEqual(events[1:4], [r.ReasoningDelta("Hm"), r.ReasoningDelta("."), r.TextDelta("Hi")])

    def test_tools(self) -> None:
        """Calls come whole; their end is an end with calls, whatever it is called (wire.md, cases 22 and 24)."""
        stream = piece("", tool_calls=[called("f", {"a": 1}, id="t1"), called("g", {})]) + piece(
            "", tool_calls=[called("h", '{"b":2}')]
        )
        events = said(read(stream + end()), r.ToolStart, r.ToolArguments, r.Finish)
        starts = [each for each in events if isinstance(each, r.ToolStart)]
        self.assertEqual([(each.number, each.name) for each in starts], [(0, "f"), (1, "g"), (2, "h")])
        self.assertEqual(starts[0].id, "t1")
        for each in starts[1:]:
            self.assertRegex(each.id, r"^call_[0-9a-f]{24}$")
        self.assertEqual(len({each.id for each in starts}), 3)
        self.assertEqual(
            said(events, r.ToolArguments, r.Finish),
            [
                r.ToolArguments(0, '{"a":1}'),
                r.ToolArguments(1, "{}"),
                r.ToolArguments(2, '{"b":2}'),
                r.Finish("tool_calls"),
            ],
        )

    def test_reasons(self) -> None:
        """To OpenAI's words; older versions tell none."""
        for reason, meaning in (
            ("stop", r.STOP),
            ("length", r.LENGTH),
            ("load", r.STOP),
            (None, r.STOP),
        ):
            self.assertEqual(said(read(piece("x") + end(reason)), r.Finish), [r.Finish(meaning)])
        self.assertEqual(said(read(piece("x") + end("new")), r.Finish), [r.Finish(r.STOP, unknown="new")])

    def test_failure_in_the_middle(self) -> None:
        """Is a line with an error under status 200."""
        events = read(piece("Hi") + b'{"error":"model runner has unexpectedly stopped"}\n')
        failed = events[-1]
        assert isinstance(failed, r.Failed)
        self.assertEqual((failed.error.status, failed.error.message), (502, "model runner has unexpectedly stopped"))

    def test_no_end_without_its_line(self) -> None:
        """A stream that breaks off never looks whole."""
        self.assertNotIn(r.End(), read(piece("Hi")))

    def test_usage(self) -> None:
        """A prompt that was cached is not counted there."""
        self.assertEqual(from_ollama({"eval_count": 3}), Usage(0, 3))
        self.assertIsNone(from_ollama({"done": True}))
        self.assertIsNone(from_ollama(None))
        self.assertEqual(said(read(line(True)), r.UsageTold), [])

    def test_written_for_chat_clients(self) -> None:
        """The whole of it."""
        written = ChatWriter("m", True, "a", 0).events(read(piece("Hi") + end()))
        self.assertTrue(written.endswith(b"data: [DONE]\n\n"))
        self.assertIn(b'"prompt_tokens":9', written)


class WholeTests(unittest.TestCase):
    """Whole answers."""

    def test_recorded(self) -> None:
        """Kong's."""
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)
        for name in ("llama2", "mistral"):
            path = RECORDED / "kong" / "real-responses" / name / "ollama" / "llm-v1-chat.json"
            events = list(WIRE.reader(Call(MODEL, ())).whole(orjson.loads(path.read_bytes())))
            self.assertEqual(events[-3:], [r.UsageTold(Usage(26, 100)), r.Finish("stop"), r.End()])
            self.assertEqual(len(said(events, r.TextDelta)), 1)

    def test_what_is_no_answer(self) -> None:
        """Is an error, with Ollama's words if it has any."""
        for fields, words in (
            (None, "no message"),
            ([], "no message"),
            ({"response": "x"}, "no message"),
            ({"error": "bad"}, "bad"),
        ):
            failed = list(WIRE.reader(Call(MODEL, ())).whole(fields))[-1]
            assert isinstance(failed, r.Failed)
            self.assertIn(words, failed.error.message)

    def test_errors(self) -> None:
        """Their body is a string; the status tells the rest."""
        for status, words, expected in (
            (400, '"llama2" does not support tools', (400, "invalid_request_error", None)),
            (400, "the input length exceeds the context length", (400, "invalid_request_error", None)),
            (404, 'model "qwen3:8b" not found, try pulling it first', (404, "not_found_error", "model_not_found")),
            (500, "llama runner process has terminated", (500, "server_error", None)),
            (503, "server busy, please try again. maximum pending requests exceeded", (503, "overloaded_error", None)),
        ):
            error = WIRE.error(status, [], orjson.dumps({"error": words}))
            self.assertEqual((error.status, error.type), expected[:2], words)
            self.assertEqual(error.message, words)
            if expected[2]:
                self.assertEqual(error.code, expected[2])
        for given_body in (b"", b"404 page not found", b"[]", b"\xff"):
            self.assertTrue(WIRE.error(404, [], given_body).message)


class EmbeddingTests(unittest.TestCase):
    """Vectors."""

    def test_request(self) -> None:
        """Several texts at once; Ollama's own fields go along."""
        call = EmbeddingCall("nomic-embed-text", ("a", "b"), 256, {"user": "u", "truncate": False, "keep_alive": "1m"})
        request = WIRE.embedding_request(call)
        self.assertEqual(request.path, b"/api/embed")
        self.assertEqual(
            request.body,
            {
                "model": "nomic-embed-text",
                "input": ["a", "b"],
                "dimensions": 256,
                "truncate": False,
                "keep_alive": "1m",
            },
        )
        error = self.assertRaises(BadRequest, WIRE.embedding_request, EmbeddingCall("m", ([1, 2],)))
        self.assertEqual(error.param, "input")

    def test_answer(self) -> None:
        """With the tokens that were read."""
        embeddings = WIRE.embeddings({"model": "m", "embeddings": [[0.1], [2]], "prompt_eval_count": 4})
        self.assertEqual((embeddings.vectors, embeddings.usage, embeddings.model), (([0.1], [2]), Usage(4), "m"))
        for none in (None, [], {}, {"embeddings": [["x"]]}, {"embedding": [1.0]}):
            self.assertRaises(ValueError, WIRE.embeddings, none)


NAMES = ["message", "content", "thinking", "tool_calls", "function", "arguments", "name", "id", "done", "done_reason"]
NAMES += ["error", "model", "prompt_eval_count", "eval_count"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=12,
)


class PropertyTests(unittest.TestCase):
    """What hypothesis thinks of."""

    @given(st.lists(JSON, max_size=8))
    def test_any_lines(self, lines: list[Any]) -> None:
        """Raise nothing, and can be written."""
        reader = OllamaReader()
        events = [each for fields in lines for each in reader.frame(Frame(b"", json.dumps(fields).encode()))]
        ChatWriter("m", True, "a", 0).events(each for each in events if not isinstance(each, r.Failed))

    @given(JSON)
    def test_any_whole(self, fields: Any) -> None:
        """Ends with an end or a failure."""
        self.assertIsInstance(list(OllamaReader().whole(fields))[-1], r.End | r.Failed)

    @given(st.binary(max_size=80))
    def test_any_bytes(self, garbage: bytes) -> None:
        """Raise nothing."""
        read(piece("x") + garbage)

    @given(st.lists(st.integers(0, 10**4), max_size=6))
    def test_any_split(self, cuts: list[int]) -> None:
        """The same events (wire.md, case 15)."""
        stream = piece("Grüße") + piece("…", tool_calls=[called("f", {"ä": "ö"}, id="t")]) + end()
        self.assertEqual(read(stream, *cuts), read(stream))
