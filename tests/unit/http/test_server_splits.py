"""How the network cuts the bytes is nobody's business: the same bytes are the same requests and the same answers."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.request import Request
from aigw.http.server import ServerLimits
from tests.unit.http.connection import Connection, chunked, get, post
from tests.unit.http.test_server_refusals import BODIES, HEADS

LIMITS = ServerLimits(head_bytes=600, head_count=8, body=400)

#: Bytes that mean something to somebody who reads HTTP.
SPECIAL = [
    b"\r\n", b"\n", b"\r", b" ", b"  ", b"\t", b":", b";", b",", b"0", b"5", b"a", b"0\r\n\r\n", b"\r\n\r\n", b"\x00", b"\xff",
    b"GET ", b"PUTT ", b"/", b" HTTP/1.1\r\n", b"Host: h\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"X: y\r\n",
]  # fmt: skip

bodies = st.binary(max_size=60) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"x" * 401])
fields = st.lists(st.sampled_from([b"X-A: b", b"x-a:c ", b"Connection: x-a", b"Accept: */*\t", b"Y:"]), max_size=3)
paths = st.sampled_from([b"/", b"/v1/chat?x", b"//a/../b", b"/%2e", b"http://h/x", b"*", b"/%zz"])
good = st.one_of(
    st.builds(lambda path, lines: get(path, *lines), paths, fields),
    st.builds(lambda body, lines: post(body, *lines), bodies, fields),
    st.builds(lambda pieces: chunked(*[piece for piece in pieces if piece]), st.lists(bodies, max_size=4)),
    st.builds(lambda pieces: chunked(*pieces, trailers=b"T: x\r\n"), st.lists(st.binary(min_size=1), max_size=2)),
    st.just(b"\r\n" + get()),
    st.sampled_from([get(version=b"1.3"), get(b"http://h:80/x"), get(b"/", version=b"1.0")]),
)
bad = st.sampled_from([request for request, _ in {**HEADS, **BODIES}.values() if len(request) < 1000])
noise = st.lists(st.sampled_from(SPECIAL), max_size=25).map(b"".join)
streams = st.lists(good, max_size=4).map(b"".join) | st.tuples(good | st.just(b""), bad | noise).map(b"".join)


def summary(connection: Connection) -> list[Any]:
    """What was read and what was answered, without what differs from run to run and the words of refusals."""
    read = [(each.method, each.uri, each.headers, each.body, each.keep) for each in connection.site.requests]
    said: list[Any] = []
    for answer in connection.answers:
        if answer.status == 200:
            said.append((200, answer.headers.get(b"connection"), answer.body))
        elif answer.status >= 400:
            said.append((answer.status, json.loads(answer.body)["error"]["code"]))
    return [read, said, connection.open]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """``data`` in pieces that end at these places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


class SplitTests(unittest.SynchronousTestCase):
    """Properties over random requests, attacks and noise."""

    @settings(max_examples=400, deadline=None)
    @given(data=streams, at=st.lists(st.integers(0, 5000), max_size=12))
    def test_any_split_is_read_alike(self, data: bytes, at: list[int]) -> None:
        """In one piece, in any pieces, byte by byte."""
        whole = Connection(LIMITS)
        if data:
            whole.send(data)
        expected = summary(whole)
        self.assertEqual(summary(Connection(LIMITS).send(*cut(data, at))), expected)
        self.assertEqual(summary(Connection(LIMITS).trickle(data)), expected)

    def test_the_first_fault_counts(self) -> None:
        """Of several that a head has: an unknown method, a bare line feed, too many bytes, a coding that is unknown."""
        long = b"X: " + b"x" * 700 + b"\r\n"
        for data in (
            b"POSOST / HTTP/1.1\r\nHost: h\r\nX: x\n",
            b"POSOST / HTTP/1.1\r\n" + long + b"\r\n",
            b"POSOST /\n HTTP/1.1\r\n\r\n",
            b"GET /a\nb HTTP/1.0\r\nHost: h\r\n\r\n",
            b"POSOST /" + b"x" * 700 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n" + long + b"\r\n",
            b"GET / HTTP/1.1\r\n" + long + b"X: y\n\r\n\r\n",
            b"GET / HTTP/9.1\r\n" + long + b"\r\n",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nX: y\n\r\n\r\n",
        ):
            whole = summary(Connection(LIMITS).send(data))
            for at in range(1, len(data)):
                self.assertEqual(summary(Connection(LIMITS).send(data[:at], data[at:])), whole, (data, at))
            self.assertEqual(summary(Connection(LIMITS).trickle(data)), whole, data)

    @settings(max_examples=200, deadline=None)
    @given(data=st.lists(good, min_size=1, max_size=4).map(b"".join), at=st.lists(st.integers(0, 5000), max_size=6))
    def test_slow_answers_change_nothing(self, data: bytes, at: list[int]) -> None:
        """Answered between any two pieces, requests are read as if they had come alone."""
        at_once = Connection(LIMITS).send(data)
        slow = Connection(LIMITS)
        waiting: list[Request] = []
        answer, slow.site.answer = slow.site.answer, waiting.append
        for piece in cut(data, at):
            slow.send(piece)
            if waiting:
                answer(waiting.pop(0))
        while waiting:
            answer(waiting.pop(0))
        self.assertEqual(summary(slow), summary(at_once))

    @settings(max_examples=300, deadline=None)
    @given(data=st.binary(max_size=300) | noise)
    def test_noise_never_breaks_anything(self, data: bytes) -> None:
        """It is answered, refused or waited for; whatever is said is HTTP."""
        connection = Connection(LIMITS).trickle(data, 7)
        for answer in connection.answers:
            self.assertIn(answer.status, (100, 200, 400, 405, 413, 417, 431, 501))
