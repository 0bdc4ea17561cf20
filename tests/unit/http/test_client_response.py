"""Responses as bytes: what is accepted, what is refused, and that it does not matter how they are cut into reads."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.failures import BadResponse
from aigw.http.response import ResponseLimits, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n\r\nhi"
EMPTY = b"Content-Length: 0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

#: Name, bytes, then status, body, whether it is complete, whether the connection may be kept.
GOOD: dict[str, tuple[bytes, int, bytes, bool, bool]] = {
    "length": (OK + LENGTH, 200, b"hi", True, True),
    "no_body": (OK + EMPTY, 200, b"", True, True),
    "no_reason": (b"HTTP/1.1 200\r\n" + EMPTY, 200, b"", True, True),
    "empty_reason": (b"HTTP/1.1 200 \r\n" + EMPTY, 200, b"", True, True),
    "unknown_status": (b"HTTP/1.1 999 Odd\r\n" + LENGTH, 999, b"hi", True, True),
    "space_behind_length": (OK + b"Content-Length: 2 \r\n\r\nhi", 200, b"hi", True, True),
    "chunked": (OK + CHUNKED + b"2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n", 200, b"hi ho", True, True),
    "chunked_in_capitals": (OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, b"hi", True, True),
    "chunk_extension": (OK + CHUNKED + b"2;a=b\r\nhi\r\n0\r\n\r\n", 200, b"hi", True, True),
    "trailer": (OK + CHUNKED + b"2\r\nhi\r\n0\r\nX-Evil: y\r\n\r\n", 200, b"hi", True, True),
    "body_ends_in_a_line": (OK + b"Content-Length: 6\r\n\r\nhi\r\n\r\n", 200, b"hi\r\n\r\n", True, True),
    "until_close": (OK + b"\r\nhi", 200, b"hi", False, False),
    "http_1_0": (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi", False, False),
    "http_1_0_length": (b"HTTP/1.0 200 OK\r\n" + LENGTH, 200, b"hi", True, False),
    "http_1_0_kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH, 200, b"hi", True, True),
    "close": (OK + b"Connection: close\r\n" + LENGTH, 200, b"hi", True, False),
    "close_among_others": (OK + b"Connection: x, Close\r\n" + LENGTH, 200, b"hi", True, False),
    "upgrade_offered": (OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + LENGTH, 200, b"hi", True, True),
    "no_content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True, True),
    "not_modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True, True),
    "informational": (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\n" + OK + LENGTH,
        200,
        b"hi",
        True,
        True,
    ),
    "sixteen_informational": (b"HTTP/1.1 102 P\r\n\r\n" * 16 + OK + LENGTH, 200, b"hi", True, True),
}

#: What no response may be, and so is refused before a head is delivered.
BAD: dict[str, bytes] = {
    "garbage": b"hello, I am no HTTP server\r\n\r\n",
    "http_0_9": b"<html>",
    "http_0_9_line": b"HTTP/0.9 200 OK\r\n" + EMPTY,
    "http_2_0": b"HTTP/2.0 200 OK\r\n" + EMPTY,
    "http_2": b"HTTP/2 200 OK\r\n" + EMPTY,
    "http_1_2": b"HTTP/1.2 200 OK\r\n" + EMPTY,
    "rtsp": b"RTSP/1.0 200 OK\r\n" + EMPTY,
    "icy": b"ICY 200 OK\r\n\r\n",
    "tls_alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "http2_settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "empty_line_first": b"\r\n" + OK + EMPTY,
    "space_first": b" " + OK + EMPTY,
    "status_of_two_digits": b"HTTP/1.1 20 OK\r\n" + EMPTY,
    "status_of_four_digits": b"HTTP/1.1 2000 OK\r\n" + EMPTY,
    "status_0": b"HTTP/1.1 000 No\r\n" + EMPTY,
    "status_99": b"HTTP/1.1 099 No\r\n" + EMPTY,
    "length_of_zeros": OK + b"Content-Length: " + b"0" * 4301 + b"2\r\n\r\nhi",
    "length_of_21_digits": OK + b"Content-Length: " + b"0" * 20 + b"2\r\n\r\nhi",
    "bare_lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "lf_in_the_head": OK + b"X: a\nY: b\r\n" + EMPTY,
    "cr_in_the_reason": b"HTTP/1.1 200 O\rK\r\n" + EMPTY,
    "cr_in_a_value": OK + b"X: a\rb\r\n" + EMPTY,
    "nul_in_a_value": OK + b"X: a\x00b\r\n" + EMPTY,
    "bell_in_a_value": OK + b"X: a\x07b\r\n" + EMPTY,
    "delete_in_a_value": OK + b"X: a\x7fb\r\n" + EMPTY,
    "nul_in_a_name": OK + b"X\x00: b\r\n" + EMPTY,
    "folded_line": OK + b"X: a\r\n b\r\n" + EMPTY,
    "space_before_the_first_field": OK + b" X: a\r\n" + EMPTY,
    "no_colon": OK + b"Xab\r\n" + EMPTY,
    "space_before_colon": OK + b"X : a\r\n" + EMPTY,
    "empty_name": OK + b": a\r\n" + EMPTY,
    "length_and_coding": OK + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "coding_and_length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "two_lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "list_of_lengths": OK + b"Content-Length: 2, 2\r\n\r\nhi",
    "negative_length": OK + b"Content-Length: -2\r\n\r\nhi",
    "signed_length": OK + b"Content-Length: +2\r\n\r\nhi",
    "empty_length": OK + b"Content-Length:\r\n\r\nhi",
    "length_beyond_64_bits": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhi",
    "coding_gzip": OK + b"Transfer-Encoding: gzip\r\n\r\nhi",
    "coding_identity": OK + b"Transfer-Encoding: identity\r\n\r\nhi",
    "coding_like_chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\nhi",
    "coding_chunked_not_last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nhi",
    "coding_gzip_then_chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "codings_in_two_fields": OK + b"Transfer-Encoding: gzip\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "chunked_twice": OK + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "empty_coding": OK + b"Transfer-Encoding:\r\n\r\nhi",
    "chunked_in_http_1_0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "switching_protocols": b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfoo",
    "switching_to_nothing": b"HTTP/1.1 101 S\r\n\r\nfoo",
    "informational_with_length": b"HTTP/1.1 104 X\r\nContent-Length: 3\r\n\r\nabc" + OK + LENGTH,
    "informational_chunked": b"HTTP/1.1 104 X\r\n" + CHUNKED + b"0\r\n\r\n" + OK + LENGTH,
    "informational_then_http_1_0": b"HTTP/1.1 103 X\r\n\r\nHTTP/1.0 200 OK\r\n" + LENGTH,
    "seventeen_informational": b"HTTP/1.1 103 E\r\n\r\n" * 17 + OK + LENGTH,
    "many_fields": OK + b"".join(b"X-%d: a\r\n" % number for number in range(201)) + EMPTY,
    "large_field": OK + b"X: " + b"a" * 70_000 + b"\r\n" + EMPTY,
    "large_name": OK + b"X" * 70_000 + b": a\r\n" + EMPTY,
}

#: Refused behind a head that was delivered.
BROKEN: dict[str, bytes] = {
    "chunk_size_of_letters": OK + CHUNKED + b"2\r\nhi\r\nZZ\r\n",
    "chunk_size_in_c": OK + CHUNKED + b"2\r\nhi\r\n0x2\r\nhi\r\n",
    "chunk_size_negative": OK + CHUNKED + b"2\r\nhi\r\n-2\r\nhi\r\n",
    "chunk_size_with_space": OK + CHUNKED + b"2\r\nhi\r\n2 \r\nhi\r\n",
    "chunk_size_beyond_64_bits": OK + CHUNKED + b"2\r\nhi\r\nfffffffffffffffff\r\n",
    "chunk_with_bare_lf": OK + CHUNKED + b"2\r\nhi\r\n2\nhi\n",
    "chunk_longer_than_its_size": OK + CHUNKED + b"2\r\nhi\r\n2\r\nhihi\r\n",
    "chunk_extension_of_nothing": OK + CHUNKED + b"2\r\nhi\r\n2;\r\nhi\r\n",
    "framing_in_trailers": OK + CHUNKED + b"2\r\nhi\r\n0\r\nContent-Length: 5\r\n\r\n",
}

#: Complete, but the connection is spoilt by what follows.
STRAY: dict[str, bytes] = {
    "response": OK + LENGTH + OK + b"Content-Length: 4\r\n\r\nevil",
    "response_begun": OK + LENGTH + b"HTT",
    "garbage": OK + LENGTH + b"\x00",
    "empty_line": OK + LENGTH + b"\r\n",
    "empty_line_behind_no_body": OK + EMPTY + b"\r\n",
    "empty_line_behind_chunks": OK + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n\r\n",
    "body_of_no_content": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    "chunks_of_no_content": b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "body_of_not_modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
    "bytes_behind_a_closing_one": OK + b"Connection: close\r\n" + LENGTH + b"X",
}


class Read:
    """What a reader makes of a response that comes in ``pieces``."""

    def __init__(self, pieces: list[bytes], head: bool = False, limits: ResponseLimits | None = None) -> None:
        self.reader = reader = ResponseReader(limits or ResponseLimits())
        reader.expect(head)
        self.body = b""
        self.why = ""
        self.left = list(pieces)
        while self.left and not reader.complete:
            self.feed(self.left.pop(0))
            if self.why:
                break

    def feed(self, data: bytes) -> None:
        try:
            self.reader.feed(data)
        except BadResponse as error:
            self.why = str(error)
        self.body += b"".join(self.reader.body)
        self.reader.body.clear()

    @property
    def outcome(self) -> tuple[Any, ...]:
        reader = self.reader
        return (
            reader.status,
            reader.status and reader.headers,
            self.body,
            reader.complete,
            reader.until_close,
            bool(self.why),
        )


def tests_of(cases: dict[str, Any], check: Any) -> Any:
    """A class decorator: one test for each case."""

    def decorate(tests: Any) -> Any:
        for name, case in cases.items():
            setattr(tests, f"test_{name}", lambda self, case=case: check(self, case))
        return tests

    return decorate


def _accepted(self: unittest.TestCase, case: tuple[bytes, int, bytes, bool, bool]) -> None:
    data, status, body, complete, keep = case
    read = Read([data])
    self.assertEqual(read.why, "")
    reader = read.reader
    self.assertEqual((reader.status, read.body, reader.complete, reader.keep), (status, body, complete, keep))
    self.assertEqual(reader.until_close, not complete)
    self.assertNotIn(b"x-evil", dict(reader.headers))


def _refused(self: unittest.TestCase, data: bytes) -> None:
    read = Read([data])
    self.assertNotEqual(read.why, "")
    self.assertEqual((read.reader.status, read.body), (0, b""))


def _broken(self: unittest.TestCase, data: bytes) -> None:
    read = Read([data])
    self.assertNotEqual(read.why, "")
    self.assertEqual((read.reader.status, read.body[:2], read.reader.complete), (200, b"hi", False))


def _spoilt(self: unittest.TestCase, data: bytes) -> None:
    read = Read([data])
    self.assertTrue(read.reader.complete)
    self.assertNotIn(b"evil", read.body)
    self.assertTrue(read.why)


@tests_of(GOOD, _accepted)
class GoodResponseTests(unittest.TestCase):
    """Unusual ones among them, but right."""


@tests_of(BAD, _refused)
class BadResponseTests(unittest.TestCase):
    """None of these reaches a client, not even in part."""


@tests_of(BROKEN, _broken)
class BrokenBodyTests(unittest.TestCase):
    """What came before the fault is there, an end is not."""


@tests_of(STRAY, _spoilt)
class StrayBytesTests(unittest.TestCase):
    """The response is good, its connection is not."""


class HeadRequestTests(unittest.TestCase):
    """Responses to HEAD have no body, whatever they announce."""

    def test_announced_length_is_not_waited_for(self) -> None:
        read = Read([OK + b"Content-Length: 10\r\n\r\n"], head=True)
        self.assertEqual((read.reader.complete, read.body, read.why, read.reader.keep), (True, b"", "", True))

    def test_announced_chunks_are_not_waited_for(self) -> None:
        read = Read([OK + CHUNKED], head=True)
        self.assertEqual((read.reader.complete, read.why, read.reader.until_close), (True, "", False))

    def test_body_all_the_same_spoils_the_connection(self) -> None:
        for body in (OK + LENGTH, OK + CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", OK + CHUNKED + b"2\r\nhi", OK + EMPTY + b"X"):
            read = Read([body], head=True)
            self.assertEqual((read.reader.complete, read.body), (True, b""))
            self.assertTrue(read.why, body)

    def test_next_response_is_read_afresh(self) -> None:
        """The parser would take the next response for the body."""
        read = Read([OK + b"Content-Length: 10\r\n\r\n"], head=True)
        read.reader.expect(False)
        read.feed(OK + LENGTH)
        self.assertEqual((read.reader.status, read.body, read.reader.complete, read.why), (200, b"hi", True, ""))


class SuccessionTests(unittest.TestCase):
    """One reader reads a connection's responses one after the other."""

    def test_nothing_of_one_is_left_in_the_next(self) -> None:
        reader = ResponseReader(ResponseLimits())
        for number in range(3):
            for data, status, body, _, keep in GOOD.values():
                if not keep:
                    continue
                reader.expect(False)
                self.assertEqual((reader.status, reader.headers, reader.complete), (0, [], False))
                reader.feed(data)
                self.assertEqual((reader.status, b"".join(reader.body), reader.complete), (status, body, True), number)
                reader.body.clear()


class LimitTests(unittest.TestCase):
    """Nothing grows without bound, however slowly it comes."""

    limits = ResponseLimits(head_bytes=1000, head_count=10)

    def fed(self, data: bytes, size: int) -> int:
        """Feed ``data`` without an end; how much was taken before it was refused."""
        reader = ResponseReader(self.limits)
        for taken in range(0, 100_000, size):
            try:
                reader.feed(data[taken : taken + size] if taken < len(data) else b"a" * size)
            except BadResponse:
                return taken
            reader.body.clear()
        raise AssertionError("never refused")

    def test_endless_status_line(self) -> None:
        self.assertLess(self.fed(b"HTTP/1.1 200 ", 7), 1100)

    def test_endless_value(self) -> None:
        self.assertLess(self.fed(OK + b"X: ", 100), 1200)

    def test_endless_chunk_extension(self) -> None:
        self.assertLess(self.fed(OK + CHUNKED + b"2;", 50), 1200)

    def test_endless_trailers(self) -> None:
        trailers = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 80) for number in range(1000))
        self.assertLess(self.fed(OK + CHUNKED + b"2\r\nhi\r\n0\r\n" + trailers, 100), 1400)

    def test_many_small_informational_heads(self) -> None:
        with self.assertRaises(BadResponse):
            reader = ResponseReader(self.limits)
            for _ in range(100):
                reader.feed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")

    def test_tiny_chunks_are_no_fault(self) -> None:
        """Framing is bounded where no body comes with it, not as a share of the body."""
        reader = ResponseReader(self.limits)
        reader.feed(OK + CHUNKED)
        for _ in range(1000):
            reader.feed(b"1\r\n")
            reader.feed(b"x\r\n")
        reader.feed(b"0\r\n\r\n")
        self.assertEqual((len(reader.body), reader.complete), (1000, True))

    def test_head_of_just_the_size(self) -> None:
        value = b"a" * (1000 - len(b"x") - 4 - len(b"content-length") - 1 - 4)
        data = OK + b"X: " + value + b"\r\n" + EMPTY
        self.assertEqual(Read([data], limits=self.limits).reader.status, 200)
        self.assertEqual(Read([data.replace(b"X: ", b"X: a")], limits=self.limits).reader.status, 0)

    def test_body_behind_a_head_does_not_count(self) -> None:
        read = Read([OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000], limits=self.limits)
        self.assertEqual((len(read.body), read.reader.complete), (5000, True))


WHOLE = [case[0] for case in GOOD.values()]
ANY = WHOLE + [data for data in (*BAD.values(), *BROKEN.values()) if len(data) < 2000]


@st.composite
def cut(draw: Any, responses: list[bytes]) -> tuple[bytes, list[bytes]]:
    """A response, and the same in pieces."""
    data = draw(st.sampled_from(responses))
    points = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=12))})
    return data, [data[start:end] for start, end in itertools.pairwise(points)]


class SplitTests(unittest.TestCase):
    """How a response is cut into reads changes nothing."""

    @settings(max_examples=600)
    @given(cut(ANY))
    def test_any_split_gives_the_same_response(self, case: tuple[bytes, list[bytes]]) -> None:
        data, pieces = case
        whole, parts = Read([data]), Read(pieces)
        self.assertEqual(whole.outcome, parts.outcome)
        self.assertTrue(parts.why or not parts.left)

    def test_byte_by_byte(self) -> None:
        for data in ANY:
            self.assertEqual(Read([data]).outcome, Read([bytes((byte,)) for byte in data]).outcome, data)

    @given(cut(list(STRAY.values())))
    def test_stray_bytes_never_become_a_response(self, case: tuple[bytes, list[bytes]]) -> None:
        """They are refused with the response, or are left for a connection that carries nothing."""
        data, pieces = case
        read = Read(pieces)
        self.assertEqual(read.outcome[:4], Read([data]).outcome[:4])
        ambiguous = b"".join(pieces).endswith(b"\r\n\r\n\r\n")  # see ResponseReader; harmless, llhttp skips them
        self.assertTrue(read.why or read.left or ambiguous)
