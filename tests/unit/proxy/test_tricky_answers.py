"""What upstreams do that no specification has, on its way down untranslated (wire.md, part 6)."""

from __future__ import annotations

import time
from email.utils import formatdate

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.proxy.relay import MOST_RETRY_AFTER, capped
from tests.unit.llm.streams import DONE, chunk
from tests.unit.proxy.fakes import Scene

BOM = b"\xef\xbb\xbf"


class MislabelledTests(unittest.TestCase):
    """Case 9."""

    def test_json_that_says_it_were_a_stream_is_no_empty_one(self) -> None:
        """SDKs would show an empty answer, without a word."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(orjson.dumps({"choices": [{"message": {"content": "Hi"}}]}))
        sink.on_end(True)
        self.assertEqual((scene.request.status, scene.request.ended), (502, "finished"))

    def test_error_in_json_that_says_it_were_a_stream(self) -> None:
        """Nor is that."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(b'{"error": {"message": "no", "type": "server_error"}}\n\n')
        sink.on_end(True)
        self.assertGreaterEqual(scene.request.status, 500)


class RepairTests(unittest.TestCase):
    """Cases 5, 7 and 10: what the tap mends reaches the client."""

    def test_what_sdks_break_on_does_not_reach_them(self) -> None:
        """A mark, an event of nothing, half a character; all else is as it came."""
        scene = Scene(stream=True)
        sink = scene.events()
        broken = chunk("gr und").replace(b"gr und", b"gr\xc3 und")
        sink.on_data(BOM + b": hello\n\n" + chunk("a"))
        sink.on_data(b"event: ping\ndata:\n\n" + broken + DONE)
        sink.on_end(True)
        mended = broken.replace(b"\xc3", "\ufffd".encode())
        self.assertEqual(scene.request.body, b": hello\n\n" + chunk("a") + mended + DONE)
        self.assertEqual(scene.request.ended, "finished")


class BufferingTests(unittest.TestCase):
    """Case 49."""

    def test_streams_ask_proxies_not_to_collect_them(self) -> None:
        """nginx does otherwise, and the first token is seen with the last."""
        scene = Scene(stream=True)
        scene.events().on_data(chunk("a"))
        self.assertEqual(scene.request.response_headers[b"x-accel-buffering"], b"no")

    def test_whatever_the_upstream_wants_of_its_own_proxy(self) -> None:
        """Ours is another one."""
        scene = Scene(stream=True)
        scene.head(200, b"text/event-stream", x_accel_buffering=b"yes").on_data(chunk("a"))
        self.assertEqual(scene.request.response_headers[b"x-accel-buffering"], b"no")


class RetryAfterTests(unittest.TestCase):
    """Case 38: anthropic sleeps for as long as it is told, openai gives up when it is told too long."""

    def test_long_waits_are_cut(self) -> None:
        """In seconds, milliseconds, as a date, and as OpenAI writes durations."""
        for name, told, cut in (
            (b"retry-after", b"3600", b"60"),
            (b"retry-after", b"7", b"7"),
            (b"retry-after", b"59.5", b"59.5"),
            (b"retry-after", b"inf", b"60"),
            (b"retry-after-ms", b"3600000", b"60000"),
            (b"retry-after-ms", b"250", b"250"),
            (b"retry-after", formatdate(time.time() + 7200, usegmt=True).encode(), b"60"),
            (b"retry-after", b"Sun, 06 Nov 1994 08:49:37 GMT", b"0"),
            (b"retry-after", b"6m0s", b"60"),
            (b"retry-after", b"Fri, 31 Dec 2099 23:59:59 GMT", b"60"),
            (b"retry-after", formatdate(time.time() + 31 * 86400, usegmt=True).encode(), b"60"),
            (b"retry-after", b"99999h", b"60"),
            (b"retry-after", b"nan", b"60"),
            (b"retry-after", b"9" * 5000, b"60"),
            (b"retry-after", b"Fri, 31 Dec 9999 23:59:59 GMT", b"60"),
            (b"retry-after-ms", b"9999999999999999999", b"60000"),
            (b"retry-after", b"soon", b"soon"),
        ):
            self.assertEqual(capped(name, told), cut, told)

    def test_errors_have_it(self) -> None:
        """As they go down."""
        scene = Scene()
        sink = scene.head(429, retry_after=b"86400")
        sink.on_data(b'{"error":{"message":"slow"}}')
        sink.on_end(True)
        self.assertEqual(scene.request.response_headers[b"retry-after"], b"60")

    @given(st.binary(max_size=30), st.sampled_from([b"retry-after", b"retry-after-ms"]))
    def test_anything(self, value: bytes, name: bytes) -> None:
        """What is a number is at most the longest; nothing raises."""
        try:
            seconds = float(capped(name, value))
        except ValueError:
            return
        self.assertLessEqual(seconds, MOST_RETRY_AFTER * 1000)
