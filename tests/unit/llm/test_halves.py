"""A character whose halves come in two deltas is one character, in every dialect."""

from __future__ import annotations

import itertools
import struct
from typing import Any
from zlib import crc32

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.halves import HalfText, Halves, join
from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS
from aigw.llm.rescue import Said, rescuable
from aigw.llm.translation import StreamTranslation
from tests.unit.llm.recordings import EVENT_STREAM

HIGH, LOW = "\ud83d", "\ude00"
GRIN = "\U0001f600"
NONE = Adjustments(defaults={}, overrides={})
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}]},
    COMPLETIONS: {"prompt": "Hi"},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100},
}
SSE, NDJSON = b"text/event-stream", b"application/x-ndjson"
#: Texts as UTF-16, halves of pairs anywhere in them.
UNITS = st.lists(st.sampled_from(["a", "\u00e9", "\ufffd", "\U0001f600", HIGH, LOW]), max_size=6).map("".join)


def written(text: str) -> str:
    """JSON as JavaScript writes it: each half of a pair as an escape."""
    return "".join(f"\\u{ord(letter):04x}" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def read(text: str) -> str:
    """``text`` as a provider's reader gets it."""
    value: str = lenient.peek(f'"{written(text)}"'.encode())
    return value


def whole_characters(text: str) -> str:
    """``text`` with its pairs put together, and U+FFFD for each half that is alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class HalvesTests(unittest.TestCase):
    """What is put together."""

    def joined(self, *events: r.Event) -> list[r.Event]:
        return Halves().joined(events)

    def test_two_deltas(self) -> None:
        """Of each kind of text."""
        for make in (
            r.TextDelta,
            r.ReasoningDelta,
            r.RefusalDelta,
            lambda text: r.ToolArguments(2, text),
        ):
            events = self.joined(make(read("a" + HIGH)), make(read(LOW + "b")))
            self.assertEqual(events, [make("a"), make(GRIN + "b")])
            self.assertEqual(self.joined(make(read(HIGH)), make(read(LOW))), [make(GRIN)])

    def test_across_other_events(self) -> None:
        """Pings, usage, other texts, other calls, other choices, empty deltas; each text by itself."""
        between: list[r.Event] = [
            r.Ping(),
            r.ReasoningDelta("hm"),
            r.TextDelta("other", 1),
            r.ToolStart(0, "c", "f"),
            r.ToolArguments(0, read(HIGH)),
            r.ToolArguments(1, "{"),
            r.TextDelta(""),
        ]
        events = self.joined(
            r.TextDelta(read(HIGH)), *between, r.TextDelta(read(LOW)), r.ToolArguments(0, read(LOW)), r.Finish("stop")
        )
        self.assertEqual(
            events,
            [*between[:4], between[5], r.TextDelta(GRIN), r.ToolArguments(0, GRIN), r.Finish("stop")],
        )

    def test_a_half_that_stays_alone(self) -> None:
        """Is U+FFFD: in front of other text, at the end of its choice, at the end of all."""
        self.assertEqual(self.joined(r.TextDelta(read(HIGH)), r.TextDelta("a")), [r.TextDelta("\ufffda")])
        self.assertEqual(self.joined(r.TextDelta(read(LOW))), [r.TextDelta("\ufffd")])
        self.assertEqual(
            self.joined(r.TextDelta(read(HIGH)), r.TextDelta(read(HIGH), 1), r.Finish("stop"), r.Finish("stop", 1)),
            [r.TextDelta("\ufffd"), r.Finish("stop"), r.TextDelta("\ufffd", 1), r.Finish("stop", 1)],
        )
        self.assertEqual(self.joined(r.TextDelta(read(HIGH)), r.End()), [r.TextDelta("\ufffd"), r.End()])

    @given(st.lists(UNITS, max_size=6))
    def test_any_texts(self, texts: list[str]) -> None:
        """Say what all of them say together; nothing of them is half a text afterwards."""
        events = self.joined(*[r.TextDelta(read(text)) for text in texts], r.End())
        said = [event.text for event in events if isinstance(event, r.TextDelta)]
        self.assertEqual("".join(said), whole_characters("".join(texts)))
        self.assertEqual({type(text) for text in said} - {str}, set())
        self.assertEqual("".join(join([*map(read, texts)])), whole_characters("".join(texts)))

    @given(st.lists(UNITS, max_size=4), st.lists(UNITS, max_size=4))
    def test_texts_that_were_joined_before(self, one: list[str], other: list[str]) -> None:
        """Are what they were."""
        events = self.joined(*[r.TextDelta(join(map(read, texts))) for texts in (one, other)], r.End())
        said = "".join(event.text for event in events if isinstance(event, r.TextDelta))
        self.assertEqual(said, whole_characters("".join([*one, *other])))

    def test_whoever_does_not_know(self) -> None:
        """Reads and writes U+FFFD."""
        half = read("a" + HIGH)
        self.assertIsInstance(half, HalfText)
        self.assertEqual((half, half + "b", orjson.dumps([half])), ("a\ufffd", "a\ufffdb", '["a\ufffd"]'.encode()))
        self.assertIs(type(read("a" + HIGH + "b")), str)


def event(fields: dict[str, Any], kind: str = "") -> bytes:
    """A server-sent event, written as JavaScript does."""
    data = orjson.dumps(fields).decode().replace("HIGH", written(HIGH)).replace("LOW", written(LOW))
    return (f"event: {kind}\n" if kind else "").encode() + f"data: {data}\n\n".encode()


def chat(**delta: Any) -> bytes:
    return event({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def call(arguments: str, **more: Any) -> bytes:
    return chat(tool_calls=[{"index": 0, "function": {"arguments": arguments, **more}}])


ENDING = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"


def block(kind: str, name: str, text: str) -> bytes:
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}})


def gemini(part: dict[str, Any], **more: Any) -> bytes:
    return event({"candidates": [{"content": {"parts": [part]}, "index": 0, **more}]})


def cohere(text: str) -> bytes:
    return event({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}})


def ollama(**message: Any) -> bytes:
    line = orjson.dumps({"message": {"role": "assistant", **message}, "done": False}).decode()
    return line.replace("HIGH", written(HIGH)).replace("LOW", written(LOW)).encode() + b"\n"


def bedrock(kind: str, fields: dict[str, Any]) -> bytes:
    """A message of an AWS event stream."""
    payload = event(fields)[len("data: ") :].strip()
    names = ((b":message-type", b"event"), (b":event-type", kind.encode()))
    headers = b"".join(
        bytes((len(name),)) + name + b"\x07" + struct.pack(">H", len(value)) + value for name, value in names
    )
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def converse(delta: dict[str, Any]) -> bytes:
    return bedrock("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})


CONVERSE_END = bedrock("messageStop", {"stopReason": "end_turn"})
CALLED = {"id": "c1", "type": "function"}
ANTHROPIC_END = event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}) + event({"type": "message_stop"})
#: By provider: what it streams, with a half at the end of one piece and the other at the beginning of the next.
STREAMS: dict[str, tuple[str, bytes, bytes]] = {
    "text": ("openai-compatible", SSE, chat(content="one HIGH") + chat(content="LOW two") + ENDING),
    "text, with other events between": (
        "openai-compatible",
        SSE,
        chat(content="one HIGH")
        + event({"choices": [], "usage": None})
        + chat(content="")
        + chat(content="LOW two")
        + ENDING,
    ),
    "thoughts": (
        "openai-compatible",
        SSE,
        chat(reasoning_content="one HIGH") + chat(reasoning_content="LOW two") + chat(content="x") + ENDING,
    ),
    "thoughts in details": (
        "openai-compatible",
        SSE,
        chat(reasoning_details=[{"text": "one "}, {"text": "HIGH"}])
        + chat(reasoning_details=[{"text": "LOW two"}])
        + chat(content="x")
        + ENDING,
    ),
    "arguments": (
        "openai-compatible",
        SSE,
        chat(tool_calls=[{"index": 0, **CALLED, "function": {"name": "f", "arguments": ""}}])
        + call('{"x":"one HIGH')
        + call('LOW two"}')
        + ENDING,
    ),
    "text of Mistral": ("mistral", SSE, chat(content="one HIGH") + chat(content="LOW two") + ENDING),
    "thoughts of Mistral": (
        "mistral",
        SSE,
        chat(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "one HIGH"}]}])
        + chat(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "LOW two"}]}])
        + chat(content="x")
        + ENDING,
    ),
    "text of Anthropic": (
        "anthropic",
        SSE,
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        + block("text_delta", "text", "one HIGH")
        + event({"type": "ping"})
        + block("text_delta", "text", "LOW two")
        + ANTHROPIC_END,
    ),
    "thoughts of Anthropic": (
        "anthropic",
        SSE,
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}})
        + block("thinking_delta", "thinking", "one HIGH")
        + block("thinking_delta", "thinking", "LOW two")
        + ANTHROPIC_END,
    ),
    "arguments of Anthropic": (
        "anthropic",
        SSE,
        event(
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}
        )
        + block("input_json_delta", "partial_json", '{"x":"one HIGH')
        + block("input_json_delta", "partial_json", 'LOW two"}')
        + ANTHROPIC_END,
    ),
    "text of Gemini": (
        "gemini",
        SSE,
        gemini({"text": "one HIGH"}) + gemini({"text": "LOW two"}, finishReason="STOP"),
    ),
    "thoughts of Gemini": (
        "gemini",
        SSE,
        gemini({"text": "one HIGH", "thought": True})
        + gemini({"text": "LOW two", "thought": True})
        + gemini({"text": "x"}, finishReason="STOP"),
    ),
    "text of Cohere": (
        "cohere",
        SSE,
        cohere("one HIGH") + cohere("LOW two") + event({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    ),
    "text of Bedrock": (
        "bedrock",
        EVENT_STREAM,
        converse({"text": "one HIGH"}) + converse({"text": "LOW two"}) + CONVERSE_END,
    ),
    "thoughts of Bedrock": (
        "bedrock",
        EVENT_STREAM,
        converse({"reasoningContent": {"text": "one HIGH"}})
        + converse({"reasoningContent": {"text": "LOW two"}})
        + CONVERSE_END,
    ),
    "arguments of Bedrock": (
        "bedrock",
        EVENT_STREAM,
        bedrock("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}})
        + converse({"toolUse": {"input": '{"x":"one HIGH'}})
        + converse({"toolUse": {"input": 'LOW two"}'}})
        + CONVERSE_END,
    ),
    "text of Ollama": (
        "ollama",
        NDJSON,
        ollama(content="one HIGH") + ollama(content="LOW two") + b'{"done":true,"done_reason":"stop"}\n',
    ),
    "thoughts of Ollama": (
        "ollama",
        NDJSON,
        ollama(thinking="one HIGH") + ollama(thinking="LOW two") + b'{"done":true,"done_reason":"stop"}\n',
    ),
}


def stream_of(provider: str, operation: str, kind: bytes) -> StreamTranslation:
    pair = pairing(operation, PROVIDERS[provider], NONE, drop_unsupported=True)
    assert pair is not None
    fields = orjson.loads(orjson.dumps({"model": "m", "stream": True, **ASKED[operation]}))
    return pair.translate(fields, "a1", 0.0).stream(kind)


def texts_in(value: Any) -> list[str]:
    """All strings of a JSON value."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in texts_in(each)]


def deltas(body: bytes) -> str:
    """What a client's stream says in its deltas, put together; Responses' repetitions of it are left out."""
    said = []
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            fields = orjson.loads(line[6:])
            kind = fields.get("type", "delta")
            if "delta" in kind or kind == "response.custom_tool_call_input.delta":
                said += texts_in(fields.get("choices", fields.get("delta")))
    return "".join(said)


class StreamTests(unittest.TestCase):
    """Every provider's text, thoughts and arguments, to every client."""

    def test_two_deltas_say_one_character(self) -> None:
        for (name, (provider, kind, body)), operation in itertools.product(STREAMS.items(), ASKED):
            if operation == COMPLETIONS and not name.startswith("text"):
                continue  # which have nothing else
            stream = stream_of(provider, operation, kind)
            out = stream.feed(body) + stream.end()
            self.assertTrue(stream.done, (name, operation))
            said = deltas(out)
            self.assertIn(GRIN, said, (name, operation))
            self.assertEqual(said.count("one"), 1, (name, operation))
            self.assertNotIn("\ufffd", out.decode(), (name, operation))

    def test_a_half_at_the_end(self) -> None:
        """Is U+FFFD, once, in front of the end."""
        for operation in ASKED:
            stream = stream_of("openai-compatible", operation, SSE)
            out = stream.feed(chat(content="one HIGH") + ENDING)
            self.assertEqual(deltas(out).count("\ufffd"), 1, operation)
            self.assertTrue(stream.done)

    def test_continued(self) -> None:
        """What the client has got of a stream that breaks off, and what the next target has to repeat, are characters."""
        pair = pairing(CHAT, PROVIDERS["openai-compatible"], NONE, drop_unsupported=True)
        fields: dict[str, Any] = {"model": "m", "stream": True, **ASKED[CHAT]}
        for first, client_has in (
            ([chat(content="one HIGH"), chat(content="LOW two")], f"one {GRIN} two"),
            ([chat(content="one HIGH")], "one "),
        ):
            said = Said()
            broken = rescuable(pair, {**fields}, "a1", 0.0, said, False)  # type: ignore[arg-type]
            stream = broken.stream(SSE)
            out = b"".join(map(stream.feed, first))
            self.assertEqual(broken.continuable(), client_has)
            said.add(client_has, None)
            going_on = rescuable(pair, {**fields}, "a2", 0.0, said, False).stream(SSE)  # type: ignore[arg-type]
            for piece in (chat(content="one HIGH"), chat(content="LOW two"), chat(content=" three"), ENDING):
                out += going_on.feed(piece)
            self.assertTrue(going_on.done)
            self.assertIn(f"one {GRIN} two three", deltas(out))
