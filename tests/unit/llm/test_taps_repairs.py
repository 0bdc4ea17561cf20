"""What official SDKs break on is taken out of streams that otherwise pass byte for byte."""

from __future__ import annotations

import httpx2
import openai
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.taps import JsonTap, StreamTap
from aigw.llm.usage import Usage
from tests.unit.llm.sdk import chat_stream
from tests.unit.llm.streams import DONE, USAGE, chunk, sse, usage_chunk

BOM = b"\xef\xbb\xbf"
BROKEN = chunk("gr und").replace(b"gr und", b"gr\xc3 und")
STREAM = [chunk("Hi"), chunk("é\u2028", usage=None), usage_chunk(), DONE]
KNOWN = ("chat", "completions", "responses", "messages")


def passed(*runs: bytes, operation: str = "chat") -> bytes:
    """What the client gets of ``runs``."""
    tap = StreamTap(operation, hide_usage=False)
    return b"".join([tap.feed(run) for run in runs])


class RepairTests(unittest.TestCase):
    """wire.md, cases 5, 6, 7 and 10."""

    def test_byte_order_mark_is_taken_off(self) -> None:
        """At the beginning alone; openai-python loses the first event behind one."""
        self.assertEqual(passed(BOM + STREAM[0], *STREAM[1:]), b"".join(STREAM))
        self.assertEqual(passed(STREAM[0], BOM + STREAM[1]), STREAM[0] + BOM + STREAM[1])
        self.assertEqual(passed(BOM + STREAM[0], operation="raw"), BOM + STREAM[0])

    def test_bytes_that_are_no_utf8_are_replaced(self) -> None:
        """openai-python would raise UnicodeDecodeError, and the whole stream were lost."""
        with self.assertRaises(UnicodeDecodeError):
            chat_stream(BROKEN + DONE)
        for operation in KNOWN:
            visible = passed(chunk("Hi"), chunk("Hi"), BROKEN, DONE, operation=operation)
            self.assertIn("gr\ufffd und".encode(), visible)
            self.assertEqual(visible.count(b"\n\n"), 4)
        texts = [each.choices[0].delta.content for each in chat_stream(passed(chunk("Hi"), BROKEN, DONE))]
        self.assertEqual(texts, ["Hi", "gr\ufffd und"])
        self.assertEqual(passed(BROKEN, operation="raw"), BROKEN)

    def test_a_broken_byte_costs_no_usage(self) -> None:
        """It is read all the same, from a stream and from a whole answer."""
        tap = StreamTap("chat", hide_usage=False)
        tap.feed(usage_chunk(note="x").replace(b'"x"', b'"\xff"') + BROKEN + DONE)
        self.assertEqual((tap.usage, tap.malformed, tap.pieces), (Usage(9, 3), False, 1))
        whole = JsonTap()
        whole.read(orjson.dumps({"note": "x", "model": "m", "usage": USAGE}).replace(b'"x"', b'"\xff"'))
        self.assertEqual((whole.usage, whole.model), (Usage(9, 3), "m"))
        whole.read_tail(b'"x\xff","usage":%s,"note":"\xff"}' % orjson.dumps(USAGE))
        self.assertEqual(whole.usage, Usage(9, 3))

    def test_events_without_data_are_taken_out(self) -> None:
        """SDKs read their data as JSON all the same; comments they pass over."""
        empty = [b"event: ping\n\n", b"data:\n\n", b"data: \r\n\r\n", b"id: 7\n\n", b"retry: 3\n\n", b": c\nid: 1\n\n"]
        comments = [b"\n\n", b": OPENROUTER PROCESSING\n\n", b":\n\n", b": a\n: b\n\n", b"\r\n: late\r\n\r\n"]
        for each in empty:
            for operation in KNOWN:
                self.assertEqual(passed(each, operation=operation), b"", each)
            self.assertEqual(passed(each, operation="raw"), each)
        self.assertRaises(ValueError, chat_stream, chunk("Hi") + empty[0] + DONE)
        for each in comments:
            self.assertEqual(passed(each), each)
        whole = chat_stream(passed(*empty, *comments, chunk("Hi"), *empty[:2], DONE))
        self.assertEqual([each.choices[0].delta.content for each in whole], ["Hi"])

    @given(st.lists(st.binary(max_size=12), max_size=6), st.sampled_from(KNOWN))
    def test_any_bytes(self, texts: list[bytes], operation: str) -> None:
        """What comes out is UTF-8, and what was UTF-8 is unchanged."""
        runs = [b'data: {"choices":[{"delta":{"content":"' + text.replace(b"\n", b"") + b'"}}]}\n\n' for text in texts]
        for run in runs:
            if b"\r" in run:
                continue
            visible = passed(run, operation=operation)
            self.assertEqual(visible.decode(), run.decode("utf-8", "replace") if visible else "")

    @given(st.lists(st.sampled_from(STREAM), max_size=8))
    def test_what_is_right_is_the_same_object(self, stream: list[bytes]) -> None:
        """Not one byte is copied for it."""
        tap = StreamTap("chat", hide_usage=False)
        for run in stream:
            self.assertIs(tap.feed(run), run)


class SdkTests(unittest.TestCase):
    """The reasons, so that they are seen when they go away."""

    def test_openai_python_loses_an_event_behind_a_mark(self) -> None:
        """Without a word."""
        texts = [each.choices[0].delta.content for each in chat_stream(BOM + chunk("a") + chunk("b") + DONE)]
        self.assertEqual(texts, ["b"])

    def test_errors_in_streams_are_raised(self) -> None:
        """Both in ``data`` alone and as an event of that type."""
        for event in (sse({"error": {"message": "no", "code": "c"}}), sse({"error": {"message": "no"}}, "error")):
            error = self.assertRaises(openai.APIError, chat_stream, chunk("a") + event)
            self.assertIsInstance(error.request, httpx2.Request)
