"""What servers do that no specification has, where no other suite holds it (wire.md, part 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.llm import reply
from aigw.llm.body import Adjustments
from aigw.llm.call import Tool
from aigw.llm.decoders import Frame, SseDecoder
from aigw.llm.operations import CHAT, MESSAGES
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import DIALECTS, Pair, Translation
from aigw.llm.usage import Usage
from aigw.testing.openai import TEXT
from tests.unit.llm.recordings import asked, events_of, paths, played, translating, wire_of
from tests.unit.llm.streams import DONE, chunk, sse, usage_chunk

ASKED: list[Any] = [{"role": "user", "content": "Hi"}]
BOM = b"\xef\xbb\xbf"


def translated(front: str, provider: str, *, stream: bool = False) -> Translation:
    pair = Pair(DIALECTS[front], wire_of(PROVIDERS[provider]), Adjustments(defaults={}, overrides={}))
    return pair.translate({"model": "m", "messages": ASKED, "max_tokens": 9, "stream": stream}, "a1", 0.0)


def frames(*events: bytes) -> list[Frame]:
    return SseDecoder().feed(b"".join(events))


class MarkTests(unittest.TestCase):
    """Case 5."""

    def test_byte_order_mark_costs_no_event(self) -> None:
        """However the bytes come."""
        stream = BOM + b"event: a\ndata: 1\n\ndata: 2\n\n"
        expected = [Frame(b"a", b"1"), Frame(b"", b"2")]
        for size in (1, 2, 3, 100):
            decoder = SseDecoder()
            found = [frame for at in range(0, len(stream), size) for frame in decoder.feed(stream[at : at + size])]
            self.assertEqual(found, expected)
        self.assertEqual(frames(BOM + b"data: 1\n\n"), [Frame(b"", b"1")])


class MislabelledTests(unittest.TestCase):
    """Case 9: a stream that its server calls JSON, or that nobody asked for."""

    def test_is_read(self) -> None:
        """Of every provider whose streams are events, for clients that stream and for others."""
        for name in ("anthropic", "gemini", "cohere", "mistral", "openai-compatible"):
            body = played(name, stream=True)[0].body
            front = CHAT if name == "anthropic" else MESSAGES
            for before in (b"", BOM, b"\r\n: hello\n\n"):
                answer = translated(front, name).whole(before + body, "r1")
                self.assertEqual((answer.status, answer.error), (200, None), name)
                self.assertIn(orjson.dumps(TEXT), answer.body, name)
                streamed = translated(front, name, stream=True).whole(before + body, "r1")
                self.assertTrue(streamed.body.rstrip().endswith((b"data: [DONE]", b'{"type":"message_stop"}')), name)
                self.assertEqual(streamed.usage, answer.usage)

    def test_half_of_one_is_no_answer(self) -> None:
        """Nor is what only looks like one; an error in it is that error."""
        body = played("anthropic", stream=True)[0].body
        for wrong in (body[: len(body) // 2], b"data: hello\n\n", b"data:", b"event: x\n\n"):
            self.assertEqual(translated(CHAT, "anthropic").whole(wrong, "r1").status, 502, wrong)
        for provider in translating():
            if provider.name != "openai":
                self.assertEqual(translated(MESSAGES, provider.name).whole(b"data: hello\n\n", "r1").status, 502)
        failing = played("anthropic", stream=True)[-1].body
        self.assertEqual(translated(CHAT, "anthropic").whole(failing, "r1").status, 529)


class RepetitionTests(unittest.TestCase):
    """What is told twice."""

    def test_two_ends_of_a_choice_are_one(self) -> None:
        """Case 25: and what comes behind the first is before it."""
        call, wire = asked("m", stream=True), wire_of(PROVIDERS["openai-compatible"])
        told = frames(chunk("a"), chunk(None, "stop"), chunk("b", "stop"), usage_chunk(), DONE)
        events = events_of(wire, call, told)
        self.assertEqual([event.reason for event in events if isinstance(event, reply.Finish)], [reply.STOP])
        self.assertIsInstance(events[-1], reply.End)
        told_text = [event.text for event in events if isinstance(event, reply.TextDelta)]
        self.assertEqual(told_text, ["a", "b"])

    def test_two_openings_of_a_message_are_one(self) -> None:
        """Case 62: and its usage is told once, the last one, never added up."""
        opening = sse({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 7}}})
        begin = sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        text = sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
        counts = {"input_tokens": 7, "output_tokens": 3}
        end = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts})
        stream = opening + opening + begin + text + end + end + sse({"type": "message_stop"})
        for front, once in ((CHAT, b'"role":"assistant"'), (MESSAGES, b"event: message_start")):
            translation = translated(front, "anthropic", stream=True).stream(b"text/event-stream")
            written = translation.feed(stream) + translation.end()
            self.assertEqual((written.count(once), translation.usage), (1, Usage(input=7, output=3)))
            self.assertTrue(translation.done)


class ThoughtTests(unittest.TestCase):
    """Case 28."""

    def test_thoughts_in_tags_are_text(self) -> None:
        """Whether they are thoughts only their server knows; one that should tell them apart can be told to."""
        call, wire = asked("m", stream=True), wire_of(PROVIDERS["openai-compatible"])
        events = events_of(wire, call, frames(chunk("<think>"), chunk("hm</think>Hi"), chunk(None, "stop"), DONE))
        texts = [event.text for event in events if isinstance(event, reply.TextDelta)]
        self.assertEqual(texts, ["<think>", "hm</think>Hi"])
        self.assertFalse([event for event in events if isinstance(event, reply.ReasoningDelta)])


class SchemaTests(unittest.TestCase):
    """Case 57."""

    def test_a_tools_kind_is_no_part_of_its_schema(self) -> None:
        """Every provider gets the schema of the arguments, and it is one of an object."""
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        for provider in translating():
            call = asked("claude-sonnet-4-5", stream=False)
            call.tools = (Tool("get_weather", "Tells the weather.", schema),)
            found = list(schemas(wire_of(provider).request(call).body))
            if provider.name != "echo":
                self.assertEqual([str(each["type"]).lower() for each in found], ["object"], provider.name)


def schemas(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (each for _, each in paths(body) if isinstance(each, dict) and "properties" in each)
