"""Answers of another dialect on their way down: when they begin, how they end, what breaks them."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial import unittest

from aigw.http.failures import CallFailure
from aigw.llm.decoders import BrokenFrame, Frame
from aigw.llm.usage import Usage
from aigw.proxy import translated
from tests.unit.llm.acme import lines, translation
from tests.unit.proxy.fakes import Scene

NDJSON = b"application/x-ndjson"


def scene(stream: bool = True) -> Scene:
    """A chat client in front of the made-up provider."""
    return Scene(stream=stream, translation=translation(stream=stream))


def told(scene: Scene) -> Any:
    """The error that the client was answered with."""
    return orjson.loads(scene.request.body)["error"]


class StreamTests(unittest.TestCase):
    """Streams."""

    def test_whole_stream(self) -> None:
        """Begins with the first word, is sent as events, ends with the provider's end, booked with its usage."""
        s = scene()
        sink = s.head(200, NDJSON, x_ratelimit_remaining_requests=b"5", set_cookie=b"x", x_acme=b"y")
        sink.on_data(lines("start", "ping"))
        self.assertEqual(s.request.status, 0)
        sink.on_data(lines("Hi"))
        self.assertEqual(s.request.status, 200)
        headers = s.request.response_headers
        self.assertEqual(headers[b"content-type"], b"text/event-stream; charset=utf-8")
        self.assertEqual(headers[b"x-ratelimit-remaining-requests"], b"5")
        self.assertNotIn(b"x-acme", headers)
        sink.on_data(lines("stop", "usage", "end"))
        sink.on_end(True)
        self.assertTrue(s.request.body.endswith(b"data: [DONE]\n\n"))
        self.assertEqual((s.request.ended, s.account.usage), ("finished", Usage(input=3, output=2)))
        self.assertEqual((s.ledger.outcomes, s.account.response_model), ([("openai", "ok")], "acme-1"))

    def test_first_event_is_an_error(self) -> None:
        """The client gets that error, with the status that it stands for and when to come again."""
        s = scene()
        s.head(200, NDJSON).on_data(lines("start", "error"))
        self.assertEqual((s.request.status, s.request.ended), (529, "finished"))
        self.assertEqual(told(s)["code"], "overloaded")
        self.assertEqual(s.request.response_headers[b"retry-after"], b"3")
        self.assertEqual((s.ledger.outcomes, s.call.cancelled), ([("openai", "status_5xx")], True))

    def test_error_in_the_middle(self) -> None:
        """Is told as an event; the stream never looks complete."""
        s = scene()
        s.head(200, NDJSON).on_data(lines("start", "Hi", "error"))
        self.assertIn(b'"busy"', s.request.body)
        self.assertNotIn(b"[DONE]", s.request.body)
        self.assertEqual((s.request.ended, s.account.error), ("finished", "upstream_error"))
        assert s.account.usage is not None
        self.assertTrue(s.account.usage.partial)

    def test_credential_in_an_error(self) -> None:
        """A provider that quotes our credential in the middle of its stream does not hand it out."""
        s = scene()
        s.head(200, NDJSON).on_data(lines("start", "Hi", "leak"))
        self.assertIn(b"wrong key ***", s.request.body)

    def test_ends_too_early(self) -> None:
        """Before its first word: 502. After it: an error event, behind which the body ends."""
        s = scene()
        sink = s.head(200, NDJSON)
        sink.on_data(lines("start"))
        sink.on_end(True)
        self.assertEqual(s.request.status, 502)
        s = scene()
        sink = s.head(200, NDJSON)
        sink.on_data(lines("start", "Hi"))
        sink.on_end(True)
        self.assertEqual((s.request.ended, s.ledger.outcomes), ("finished", [("openai", "cut")]))
        self.assertIn(b"too early", s.request.body)

    def test_breaks_behind_its_end(self) -> None:
        """Nobody's loss."""
        s = scene()
        sink = s.head(200, NDJSON)
        sink.on_data(lines("start", "Hi", "stop", "end"))
        sink.on_failure(CallFailure("cut", "gone", began=True))
        self.assertEqual((s.request.ended, s.ledger.outcomes), ("finished", [("openai", "ok")]))

    def test_does_not_wait_long_behind_the_end(self) -> None:
        """The provider's connection may linger, the client's answer may not."""
        s = scene()
        s.head(200, NDJSON).on_data(lines("start", "Hi", "stop", "end"))
        s.pass_time(1.5)
        self.assertEqual(s.request.ended, "finished")

    def test_unknown_reason_for_the_end(self) -> None:
        """Is a plain end for the client, and a warning for the operator, once for each backend and word."""
        heard: list[dict[str, Any]] = []
        self.patch(translated, "_HEARD", {})
        globalLogPublisher.addObserver(heard.append)
        self.addCleanup(globalLogPublisher.removeObserver, heard.append)
        for stream in (True, True, False):
            s = scene(stream)
            sink = s.head(200, NDJSON if stream else b"application/json")
            sink.on_data(lines("start", "Hi", "odd", "end") if stream else b'["start","Hi","odd","end"]')
            sink.on_end(True)
            self.assertEqual((s.request.status, s.request.ended), (200, "finished"))
        told = [formatEvent(event) for event in heard if event.get("log_namespace") == "aigw.proxy.translated"]
        self.assertEqual(len(told), 1)
        self.assertIn("backend openai", told[0])
        self.assertIn("'odd'", told[0])

    def test_client_leaves(self) -> None:
        """What was seen is booked."""
        s = scene()
        s.head(200, NDJSON).on_data(lines("start", "a" * 40))
        s.request.leave()
        self.assertTrue(s.call.cancelled)
        self.assertEqual(s.account.usage, Usage(output=10, partial=True))

    def test_a_picture_of_many_megabytes(self) -> None:
        """Is one frame, and has the bound of a whole answer. What has come of it is counted as the body that it is,
        until it is complete."""
        s = scene()
        sink = s.head(200, NDJSON)
        sink.on_data(lines("start", "Hi"))
        picture = b'"' + b"A" * (17 << 20) + b'"\n'
        held = []
        for at in range(0, len(picture), 1 << 20):
            sink.on_data(picture[at : at + (1 << 20)])
            held.append(s.request.held)
        self.assertEqual(held[:2] + held[-1:], [1 << 20, 2 << 20, 0])
        sink.on_data(lines("stop", "end"))
        sink.on_end(True)
        self.assertEqual((s.request.ended, s.account.error), ("finished", ""))
        self.assertEqual(s.request.body.count(b"A" * (17 << 20)), 1)

    def test_no_room_for_a_picture(self) -> None:
        """It is refused where nothing was sent yet, else told as the stream's last event."""
        for before, status in (((), 503), (("start", "Hi"), 200)):
            s = scene()
            s.request.room = 3 << 20
            sink = s.head(200, NDJSON)
            sink.on_data(lines(*before))
            for _ in range(8):
                if not s.exchange.over:
                    sink.on_data(b'"' + b"A" * (1 << 20))
            self.assertEqual((s.request.status, s.request.ended), (status, "finished"))
            self.assertIn(b"short_of_memory", s.request.body)
            self.assertTrue(s.call.cancelled)

    def test_frames_that_are_none(self) -> None:
        """A stream that cannot be read is a broken one."""
        across = translation(stream=True)
        s = Scene(stream=True, translation=across)
        sink = s.head(200, NDJSON)
        assert s.exchange.attempt is not None

        def broken(data: bytes) -> list[Frame]:
            raise BrokenFrame("a frame with a wrong checksum")

        s.exchange.attempt.relay._stream._feed = broken  # type: ignore[attr-defined]
        sink.on_data(b"x")
        self.assertEqual(s.request.status, 502)
        self.assertIn("wrong checksum", told(s)["message"])


class WholeTests(unittest.TestCase):
    """Answers in one piece."""

    def test_answer(self) -> None:
        """Comes out when it is complete."""
        s = scene(stream=False)
        sink = s.head()
        sink.on_data(b'["start","Hi",')
        self.assertEqual(s.request.status, 0)
        sink.on_data(b'"stop","usage","end"]')
        sink.on_end(True)
        body = orjson.loads(s.request.body)
        self.assertEqual(body["choices"][0]["message"]["content"], "Hi")
        self.assertEqual((s.account.usage, s.account.response_model), (Usage(input=3, output=2), "acme-1"))

    def test_answer_to_a_stream(self) -> None:
        """A provider that does not stream is streamed in one piece."""
        s = scene()
        sink = s.head()
        sink.on_data(b'["start","Hi","stop","end"]')
        sink.on_end(True)
        self.assertEqual(s.request.response_headers[b"content-type"], b"text/event-stream; charset=utf-8")
        self.assertEqual((s.request.ended, s.request.body[-14:]), ("finished", b"data: [DONE]\n\n"))

    def test_error(self) -> None:
        """In the client's dialect, without our credential, with the provider's retry-after, capped."""
        s = scene()
        sink = s.head(400, retry_after=b"3600")
        sink.on_data(b"the key sk-upstream-secret is bad")
        sink.on_end(True)
        self.assertEqual((s.request.status, told(s)["message"]), (401, "the key *** is bad"))
        self.assertEqual(s.request.response_headers[b"retry-after"], b"60")
        self.assertEqual(s.ledger.outcomes, [("openai", "status_4xx")])

    def test_a_200_that_is_an_error(self) -> None:
        """Is answered as one."""
        s = scene(stream=False)
        sink = s.head()
        sink.on_data(b'["error"]')
        sink.on_end(True)
        self.assertEqual(s.request.status, 529)

    def test_redirect(self) -> None:
        """Is never followed, and no answer."""
        s = scene(stream=False)
        s.head(302, location=b"http://elsewhere/")
        self.assertEqual((s.request.status, s.call.cancelled), (502, True))
        s = scene(stream=False)
        s.head(302, location=b"/nearby").on_end(True)
        self.assertEqual(s.request.status, 502)

    def test_encoded(self) -> None:
        """Nobody asked for it, nobody can read it."""
        s = scene(stream=False)
        s.head(200, content_encoding=b"gzip")
        self.assertEqual((s.request.status, s.call.cancelled), (502, True))

    def test_encoded_error(self) -> None:
        """What its status means is the client's to know all the same, and when to come again; not the bytes."""
        s = scene()
        sink = s.head(401, content_encoding=b"gzip", retry_after=b"3")
        sink.on_data(b"\x1f\x8b\x08")
        sink.on_end(True)
        self.assertEqual((s.request.status, s.request.response_headers[b"retry-after"]), (401, b"3"))
        self.assertEqual(told(s)["message"], "")

    def test_broken_off(self) -> None:
        """An honest 502."""
        s = scene(stream=False)
        sink = s.head()
        sink.on_data(b'["start","Hi"')
        sink.on_failure(CallFailure("cut", "gone", began=True))
        self.assertEqual(s.request.status, 502)
