"""A call across dialects: what comes out when, and what is known afterwards. The provider here is made up."""

from __future__ import annotations

import re

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.usage import Usage
from tests.unit.llm.acme import lines, stream, translation


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

    def test_a_byte_that_is_wrong_costs_a_character(self) -> None:
        """Not the answer (wire.md, cases 10 and 11)."""
        for wrong in (b"gr\xc3 und", rb"gr\ud83d und"):
            answer = translation().whole(b'["start","%s","stop","end"]' % wrong, "req-1")
            self.assertEqual(answer.status, 200)
            self.assertEqual(orjson.loads(answer.body)["choices"][0]["message"]["content"], "gr\ufffd und")

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

    def test_calls_are_told_apart(self) -> None:
        """Where a server gives one id to several: the results of tools go by them."""
        translated = stream()
        out = translated.feed(lines("start", "tool", "arguments"))
        out += translated.feed(lines("same", "same")) + translated.end()
        self.assertEqual(re.findall(rb'"id":"(c\w*)"', out), [b"c", b"c_2", b"c_3"])
        answer = translation().whole(b'["start","tool","same","stop","end"]', "req-1")
        calls = orjson.loads(answer.body)["choices"][0]["message"]["tool_calls"]
        self.assertEqual([(call["id"], call["function"]["name"]) for call in calls], [("c", "f"), ("c_2", "g")])

    def test_estimate(self) -> None:
        """Where a stream breaks before its usage was told: what it said, marked partial."""
        translated = stream()
        translated.feed(lines("start", "early usage", "a" * 40, "tool", "arguments"))
        self.assertEqual(translated.partial_usage(), Usage(input=3, output=(40 + 14) // 4, partial=True))
