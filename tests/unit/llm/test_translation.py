"""A call across dialects: what comes out when, and what is known afterwards. The provider here is made up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.call import Call
from aigw.llm.decoders import Decoder, Frame, LineDecoder
from aigw.llm.dialects.chat import Chat
from aigw.llm.options import To, write_options
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Pair, StreamTranslation, Translation
from aigw.llm.usage import Usage
from aigw.llm.wire import Headers, WireRequest

#: What the made-up provider's lines say.
LINES: dict[str, r.Event] = {
    "start": r.Start("id", "acme-1"),
    "ping": r.Ping(),
    "usage": r.UsageTold(Usage(input=3, output=2)),
    "early usage": r.UsageTold(Usage(input=3)),
    "tool": r.ToolStart(0, "c", "f"),
    "arguments": r.ToolArguments(0, '{"abcdefgh":1}'),
    "stop": r.Finish(r.STOP),
    "end": r.End(),
    "error": r.Failed(ProviderError(529, "overloaded_error", "busy", "overloaded", retry_after=2.5)),
}


class Acme:
    """A wire whose frames are words."""

    def request(self, call: Call) -> WireRequest:
        body: dict[str, Any] = {"m": call.model}
        write_options(call, {"max_tokens": To("limit")}, body, "acme")
        return WireRequest(b"/v1/do", body)

    def decoder(self, content_type: bytes) -> Decoder:
        return LineDecoder()

    def reader(self, call: Call) -> Acme:
        return self

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        word = frame.data.decode()
        return [LINES.get(word) or r.TextDelta(word)]

    def end(self) -> Iterable[r.Event]:
        return []

    def whole(self, fields: Any) -> Iterable[r.Event]:
        return [LINES.get(word) or r.TextDelta(word) for word in fields]

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return ProviderError(401, "authentication_error", body.decode())


NONE = Adjustments(defaults={}, overrides={})


def translation(adjustments: Adjustments = NONE, drop: bool = False, **fields: Any) -> Translation:
    """A chat client in front of the made-up provider."""
    pair = Pair(Chat(), Acme(), adjustments, drop)
    return pair.translate({"model": "m", "messages": [], **fields}, "a1", 1.0)


def stream() -> StreamTranslation:
    return translation(stream=True).stream(b"application/x-ndjson")


def lines(*words: str) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()


class RequestTests(unittest.TestCase):
    """The way up."""

    def test_adjusted_before_and_after(self) -> None:
        """Common names before the translation, the provider's own behind it."""
        adjustments = Adjustments(defaults={"own": {"x": 1}}, overrides={"max_tokens": 7})
        self.assertEqual(translation(adjustments, max_tokens=99).request.body, {"m": "m", "limit": 7, "own": {"x": 1}})

    def test_unsupported(self) -> None:
        """Refused, or left out if the backend says so."""
        self.assertRaises(BadRequest, translation, n=2)
        self.assertEqual(translation(drop=True, n=2).request.body, {"m": "m"})

    def test_which_answers_are_streams(self) -> None:
        """Only where one was asked for."""
        self.assertTrue(translation(stream=True).is_stream(b"Text/Event-Stream; charset=utf-8"))
        self.assertFalse(translation(stream=True).is_stream(b"application/json"))
        self.assertFalse(translation().is_stream(b"text/event-stream"))


class WholeTests(unittest.TestCase):
    """Answers in one piece."""

    def test_answer(self) -> None:
        """With what metrics want to know."""
        answer = translation().whole(b'["start","Hi","stop","usage","end"]', "req-1")
        self.assertEqual(orjson.loads(answer.body)["choices"][0]["message"]["content"], "Hi")
        self.assertEqual((answer.status, answer.usage, answer.model), (200, Usage(input=3, output=2), "acme-1"))

    def test_whole_answer_to_a_stream(self) -> None:
        """Is a stream in one piece."""
        answer = translation(stream=True).whole(b'["start","Hi","stop","end"]', "req-1")
        self.assertTrue(answer.body.endswith(b"data: [DONE]\n\n"))

    def test_a_200_that_is_an_error(self) -> None:
        """Is answered as one; so is one that is no JSON."""
        answer = translation().whole(b'["error"]', "req-1")
        self.assertEqual((answer.status, answer.retry_after), (529, 2.5))
        self.assertEqual(orjson.loads(answer.body)["error"]["code"], "overloaded")
        self.assertEqual(translation().whole(b"<html>", "req-1").status, 502)

    def test_errors(self) -> None:
        """In the client's dialect, with the status that the provider meant."""
        answer = translation().error(400, [], b"bad key", "req-1")
        self.assertEqual((answer.status, orjson.loads(answer.body)["error"]["message"]), (401, "bad key"))


class StreamTests(unittest.TestCase):
    """Streams on their way."""

    def test_nothing_before_the_answer_has_begun(self) -> None:
        """A greeting and signs of life are held back, and come out with the first of the answer."""
        translated = stream()
        self.assertEqual(translated.feed(lines("start", "ping")), b"")
        self.assertFalse(translated.begun)
        out = translated.feed(lines("Hi"))
        self.assertTrue(translated.begun)
        self.assertEqual((out.count(b'"role"'), out.count(b": ping"), out.count(b'"Hi"')), (1, 1, 1))

    def test_error_before_the_answer(self) -> None:
        """Nothing was given out, so it can be a real HTTP error."""
        translated = stream()
        self.assertEqual(translated.feed(lines("start", "error")), b"")
        assert translated.error is not None
        self.assertEqual((translated.begun, translated.error.status), (False, 529))

    def test_error_in_the_answer(self) -> None:
        """What came before it is given out, nothing after it."""
        translated = stream()
        self.assertIn(b'"Hi"', translated.feed(lines("start", "Hi", "error", "lost")))
        self.assertIsNotNone(translated.error)
        self.assertEqual(translated.feed(lines("more")), b"")
        self.assertIn(b"busy", translated.failure(translated.error))

    def test_end(self) -> None:
        """Only the provider's own; what follows it is not looked at."""
        translated = stream()
        out = translated.feed(lines("start", "Hi", "stop", "usage", "end", "late"))
        self.assertTrue(translated.done)
        self.assertTrue(out.endswith(b"data: [DONE]\n\n"))
        self.assertEqual(translated.feed(lines("later")), b"")
        self.assertEqual((translated.partial_usage(), translated.model), (Usage(input=3, output=2), "acme-1"))

    def test_bytes_end_without_the_end(self) -> None:
        """Then it is not done, though the last frame was looked at."""
        translated = stream()
        translated.feed(b"start\nHi")
        self.assertIn(b'"Hi"', translated.end())
        self.assertFalse(translated.done)

    def test_estimate(self) -> None:
        """Where a stream breaks before its usage was told: what it said, marked partial."""
        translated = stream()
        translated.feed(lines("start", "early usage", "a" * 40, "tool", "arguments"))
        self.assertEqual(translated.partial_usage(), Usage(input=3, output=(40 + 14) // 4, partial=True))
