"""Counting tokens: the provider's own count, or an estimate that says that it is one."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import orjson
import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.call import Audio, Call, Document, Foreign, Image, Reasoning, Text, Tool, ToolCall, ToolResult, Turn
from aigw.llm.count_pair import CountPair
from aigw.llm.counting import estimate
from aigw.llm.dialects.chat import Chat
from aigw.llm.pairing import pairing
from aigw.llm.pictures import picture_size
from aigw.llm.providers import provider
from aigw.llm.providers.anthropic import AnthropicWire
from tests.unit.llm.streams import NO_RECORDED, RECORDED

NO_ADJUSTMENTS = Adjustments({}, {})


def png(width: int, height: int) -> bytes:
    """A picture's first bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg(width: int, height: int) -> bytes:
    """The same of another format, with other segments before."""
    other = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF" + bytes(10)
    return b"\xff\xd8" + other + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)


def of(*parts: Any, **more: Any) -> int:
    """The estimate of one turn."""
    return estimate(Call("m", (Turn("user", parts),), **more))


EMPTY = of()


class EstimateTests(unittest.TestCase):
    """estimate()"""

    def test_recorded_counts(self) -> None:
        """Within a third of what the provider counted, or within ten; mostly within a fifth."""
        folder = RECORDED / "envoy-ai-gateway"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        ratios = []
        for path in sorted(folder.glob("*chat-*.yaml")):
            for exchange in yaml.safe_load(path.read_text())["interactions"]:
                fields = orjson.loads(exchange["request"]["body"])
                told = _told(exchange["response"]["body"])
                if fields.get("messages") and told:
                    ratios.append(estimate(Chat().read(fields)) / told)
                    self.assertTrue(2 / 3 < ratios[-1] < 4 / 3, (path.stem, ratios[-1]))
        near = [ratio for ratio in ratios if abs(ratio - 1) <= 0.2]
        self.assertTrue(len(ratios) >= 15 and len(near) >= len(ratios) * 3 / 4, ratios)

    def test_documented_counts(self) -> None:
        """The examples of Anthropic's page on counting: within a few tokens of text so short."""
        greeting = Call("m", (Turn("system", (Text("You are a scientist"),)), Turn("user", (Text("Hello, Claude"),))))
        self.assertTrue(abs(estimate(greeting) - 14) < 10)

    def test_more_is_more(self) -> None:
        """Whatever it is more of."""
        for part in (
            Text("word " * 100),
            Image(url="https://x"),
            Document("application/pdf", "JVBERi0="),
            Document(url="https://x"),
            Document(text="word " * 100),
            ToolCall("c1", "f", '{"a": "%s"}' % ("b" * 100)),
            ToolResult("c1", (Text("word " * 100),)),
            Foreign("anthropic", {"type": "x", "content": "word " * 100}),
        ):
            self.assertGreater(of(part), EMPTY + 20, part)
        tool = Tool("f", "Does much.", {"type": "object", "properties": {"a": {"type": "string"}}})
        self.assertGreater(of(tools=(tool, tool)), of(tools=(tool,)))
        self.assertGreater(of(tools=(tool,)), EMPTY + 40)

    def test_what_is_not_read_again(self) -> None:
        """Costs nothing."""
        self.assertEqual(of(Reasoning("Hm. " * 100, "SIG" * 100), Audio("AAAA")), EMPTY)

    def test_scripts(self) -> None:
        """About a token for a Chinese character, half of one for a Russian letter."""
        self.assertTrue(60 <= of(Text("漢字" * 50)) - EMPTY <= 110)
        self.assertTrue(40 <= of(Text("привет" * 16)) - EMPTY <= 60)

    def test_pictures_by_their_size(self) -> None:
        """Up to the size that providers scale them down to."""
        for data, tokens in (
            (png(750, 100), 100),
            (jpeg(200, 200), 53),
            (png(4000, 4000), 1600),
            (png(10000, 100), 32),
            (b"no picture", 1600),
        ):
            image = Image("image/png", base64.b64encode(data).decode())
            self.assertEqual(of(image) - EMPTY, tokens, data[:4])
        self.assertEqual(of(Image("image/png", "%%%")) - EMPTY, 1600)
        self.assertEqual(of(Image(url="https://x", detail="low")) - EMPTY, 85)

    def test_documents_by_their_pages(self) -> None:
        """As far as they can be counted."""
        pages = b"%PDF-1.4\n" + b"<< /Type /Page /Parent 1 0 R >>\n" * 3 + b"<< /Type /Pages /Count 3 >>"
        self.assertEqual(of(Document("application/pdf", base64.b64encode(pages).decode())) - EMPTY, 6000)
        text = base64.b64encode(b"word" * 100).decode()
        self.assertEqual(of(Document("text/plain", text)) - EMPTY, 100)


def _told(body: str) -> int | None:
    """The input tokens that a recorded answer tells, whole or streamed."""
    pieces = [line[6:] for line in body.split("\n") if line.startswith("data: {")] or [body]
    told = [orjson.loads(piece).get("usage") for piece in pieces if piece.strip().startswith("{")]
    return next((usage["prompt_tokens"] for usage in reversed(told) if usage), None)


class PictureTests(unittest.TestCase):
    """picture_size()"""

    def test_all_formats(self) -> None:
        """Each by its own header."""
        riff = b"RIFF\x00\x00\x00\x00WEBP"
        for data in (
            png(640, 480),
            jpeg(640, 480),
            b"GIF89a" + struct.pack("<HH", 640, 480),
            riff + b"VP8X" + bytes(8) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"),
            riff + b"VP8L" + bytes(5) + (639 | 479 << 14).to_bytes(4, "little"),
            riff + b"VP8 " + bytes(10) + struct.pack("<HH", 640, 480),
        ):
            self.assertEqual(picture_size(data), (640, 480), data[:16])

    @given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF0000WEBP", b"\xff\xd8\xff"]), st.binary())
    def test_any_bytes(self, begin: bytes, rest: bytes) -> None:
        """Say something or nothing."""
        size = picture_size(begin + rest)
        self.assertTrue(size is None or len(size) == 2)


FIELDS = {"model": "claude-opus-4-8", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}


class CountPairTests(unittest.TestCase):
    """CountPair"""

    def test_estimate_is_marked(self) -> None:
        """And needs no provider."""
        translation = CountPair().translate(dict(FIELDS), "1", 0.0)
        assert translation.ready is not None
        answer = orjson.loads(translation.ready.body)
        self.assertEqual((translation.ready.status, answer["estimated"]), (200, True))
        self.assertEqual(set(answer), {"input_tokens", "estimated"})
        self.assertEqual(answer["input_tokens"], 9)

    def test_provider_counts_where_it_can(self) -> None:
        """And only what is counted is sent."""
        translation = CountPair(AnthropicWire()).translate({**FIELDS, "stream": True}, "1", 0.0)
        self.assertIsNone(translation.ready)
        self.assertEqual(translation.request.path, b"/v1/messages/count_tokens")
        self.assertEqual(set(translation.request.body), {"model", "messages"})
        answer = translation.whole(b'{"input_tokens": 42}', "req")
        self.assertEqual((answer.status, orjson.loads(answer.body)), (200, {"input_tokens": 42}))
        self.assertFalse(translation.is_stream(b"text/event-stream"))

    def test_stream_is_forgotten(self) -> None:
        """Even where a route streams always."""
        fields = {**FIELDS, "stream": True}
        CountPair().translate(fields, "1", 0.0)
        self.assertNotIn("stream", fields)

    def test_server_without_a_count_is_answered_for(self) -> None:
        """Claude Code would take the 404 for the model's."""
        translation = CountPair(AnthropicWire()).translate(dict(FIELDS), "1", 0.0)
        for status in (404, 405, 501):
            answer = translation.error(status, [], b"", "req")
            self.assertEqual((answer.status, orjson.loads(answer.body)["estimated"], answer.error), (200, True, None))

    def test_other_errors_are_told(self) -> None:
        """In Anthropic's form."""
        translation = CountPair(AnthropicWire()).translate(dict(FIELDS), "1", 0.0)
        for answer, status in (
            (translation.error(529, [], b'{"error": {"type": "overloaded_error", "message": "m"}}', "req"), 529),
            (translation.whole(b"[]", "req"), 502),
            (translation.whole(b"<html>", "req"), 502),
        ):
            self.assertEqual((answer.status, orjson.loads(answer.body)["type"]), (status, "error"))

    def test_nothing_is_refused_that_only_the_answer_needs(self) -> None:
        """But what is malformed is."""
        fields = {**FIELDS, "temperature": 0.2, "tools": [{"type": "web_search_20250305", "name": "w"}]}
        CountPair(AnthropicWire()).translate(dict(fields), "1", 0.0)
        CountPair().translate(dict(fields), "1", 0.0)
        self.assertRaises(BadRequest, CountPair().translate, {**FIELDS, "messages": ["x"]}, "1", 0.0)

    def test_every_provider_has_one(self) -> None:
        """Its own, or an estimate."""
        for name, counts in (("openai", False), ("mistral", False), ("anthropic", True)):
            found = pairing("count_tokens", provider(name), NO_ADJUSTMENTS, False)
            assert isinstance(found, CountPair)
            self.assertEqual(found.wire is not None, counts, name)
