"""No key of a consumer goes up, wherever it stands; and nothing else is taken for one."""

from __future__ import annotations

import base64
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.consumers.key_filter import KeyFilter

KEY, OTHER = b"aigw_key-of+one/2", b"Token two"
NONE: frozenset[bytes] = frozenset()
NAMES = frozenset((b"apikey", b"api-key"))


class KeyFilterTestCase(unittest.TestCase):
    """A filter that knows two keys, and counts how often it is asked."""

    def setUp(self) -> None:
        self.asked: list[bytes] = []
        self.keys = KeyFilter(self.knows)

    def knows(self, token: bytes) -> bool:
        self.asked.append(token)
        return token in (KEY, OTHER)


class HeaderTests(KeyFilterTestCase):
    """Values of headers of any name."""

    def test_keys(self) -> None:
        """Whole, behind a scheme, as a parameter, as user or password."""
        for value in (
            *(
                KEY,
                OTHER,
                b"Bearer " + KEY,
                b"bearer  " + KEY,
                b"ApiKey " + KEY,
                b"key=" + KEY,
                b'Token token="' + KEY + b'"',
            ),
            *(b"Basic " + base64.b64encode(b"user:" + KEY), b"basic " + base64.b64encode(KEY + b":")),
            b"realm=a, key=" + KEY,
        ):
            self.assertTrue(self.keys.holds(value), value)
            self.assertTrue(self.keys.is_in(value), value)

    def test_what_is_none(self) -> None:
        for value in (
            b"",
            b"Bearer",
            b"Bearer theirs",
            b"Basic !!!",
            b"Basic eA==",
            KEY[:-1],
            KEY + b"x",
            b"two",
            b"===",
            b'"',
        ):
            self.assertFalse(self.keys.holds(value), value)

    def test_short_keys_are_no_words(self) -> None:
        """A key as short as a word is one where credentials stand, and nowhere else."""
        keys = KeyFilter(lambda token: token in (b"files", b"v1"))
        for value in (b"files", b"Bearer files", b"Basic " + base64.b64encode(b"files:")):
            self.assertTrue(keys.holds(value), value)
        for value in (b"curl/8 on files here", b"a=files", b"a; b; v1"):
            self.assertFalse(keys.holds(value), value)
        self.assertEqual(keys.clean_path(b"/v1/files"), b"/v1/files")
        self.assertEqual(keys.clean_query(b"files&a=v1x&b=v1", NONE), b"files&a=v1x")

    def test_values_that_are_none_are_hashed_once(self) -> None:
        """Those of most requests are those of the request before; a key is looked up each time."""
        for _ in range(3):
            self.keys.holds(b"application/json")
            self.keys.holds(KEY)
        self.assertEqual(self.asked, [b"application/json", KEY, KEY, KEY])

    def test_what_is_remembered_is_bounded(self) -> None:
        """In bytes, whatever clients send."""
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            self.asked = _Nothing()
            for number in range(20_000):
                self.keys.holds(b"%0256d" % number)
                self.keys.holds(b"%08192d" % number)
            self.assertLess(tracemalloc.get_traced_memory()[0] - before, 600_000)
        finally:
            tracemalloc.stop()

    def test_credentials_are_not_remembered(self) -> None:
        """Of a client that has one of the provider's."""
        self.keys.is_in(b"Bearer theirs")
        self.assertEqual(self.keys._harmless, set())


class _Nothing(list[bytes]):
    def append(self, token: bytes) -> None:
        pass


class QueryTests(KeyFilterTestCase):
    """Fields of a query."""

    def test_names(self) -> None:
        """In all spellings; everything else stays as it was, byte for byte."""
        for query, clean in (
            (b"a=1&apikey=x&b=%2f", b"a=1&b=%2f"),
            (b"%61PIkey=x&api-key=y&a", b"a"),
            (b"apikey", None),
            (b"apikey=x", None),
            (b"a=1&&b=+%zz", b"a=1&&b=+%zz"),
            (b"", b""),
        ):
            self.assertEqual(self.keys.clean_query(query, NAMES), clean, query)

    def test_keys_under_any_name(self) -> None:
        """Also on routes that ask for none."""
        for query, clean in (
            (b"a=1&key=" + KEY, b"a=1"),
            (b"key=aigw_key-of%2Bone%2F2&a=1", b"a=1"),
            (b"token=Token+two&a", b"a"),
            (b"token=Token%20two&a", b"a"),
            (b"a=1;key=" + KEY + b"&b", b"b"),
            (b"auth=Bearer%20" + KEY, None),
            (KEY, None),
            (b"key=AIza-theirs&alt=sse", b"key=AIza-theirs&alt=sse"),
        ):
            self.assertEqual(self.keys.clean_query(query, NONE), clean, query)

    @given(st.binary(max_size=60))
    def test_anything_else_stays(self, query: bytes) -> None:
        """Byte for byte."""
        self.assertEqual(KeyFilter(lambda token: False).clean_query(query, NONE), query)


class WorkTests(KeyFilterTestCase):
    """What looking for keys costs, whatever clients send: in calls, over n, 2n and 4n pieces."""

    def assert_linear(self, look: Callable[[int], object]) -> None:
        def calls(pieces: int) -> int:
            self.setUp()
            self.asked = _Nothing()
            counted = 0

            def count(frame: object, event: str, argument: object) -> None:
                nonlocal counted
                counted += 1

            sys.setprofile(count)
            try:
                look(pieces)
            finally:
                sys.setprofile(None)
            return counted

        one, two, four = (calls(pieces) for pieces in (250, 500, 1000))
        self.assertLess(two, 2.2 * one)
        self.assertLess(four, 2.2 * two)

    def test_it_is_linear(self) -> None:
        """Queries, paths, values, bodies."""
        form = b"application/x-www-form-urlencoded"
        for look in (
            lambda n: self.keys.clean_query(b"&".join(b"a%d=%%41+%d" % (i, i) for i in range(n)), NAMES),
            lambda n: self.keys.clean_query(b"a=" + b";".join(b"%d" % i for i in range(n)), NAMES),
            lambda n: self.keys.clean_path(b"/".join(b"%%41%d" % i for i in range(n))),
            lambda n: self.keys.holds(b" ".join(b"a=%d" % i for i in range(n))),
            lambda n: self.keys.clean_fields({f"f{i}": f"v{i}" for i in range(n)}),
            lambda n: self.keys.clean_body(b"&".join(b"a%d=%d" % (i, i) for i in range(n)), form),
            lambda n: self.keys.clean_body(b"{%s}" % b",".join(b'"a%d":"%d"' % (i, i) for i in range(n)), b""),
        ):
            self.assert_linear(look)


class PathTests(KeyFilterTestCase):
    """Segments of a path."""

    def test_keys(self) -> None:
        self.assertEqual(self.keys.clean_path(b"/bot/Token%20two/send"), b"/bot/***/send")
        self.assertEqual(self.keys.clean_path(b"/x/aigw_key-of+one%2F2"), b"/x/***")
        for path in (b"/v1/files/file-abc/content", b"/", b"//x"):
            self.assertIs(self.keys.clean_path(path), path)


class BodyTests(KeyFilterTestCase):
    """Bodies that are read, and those that are not."""

    def test_fields(self) -> None:
        fields: dict[str, Any] = {"model": "m", "api_key": KEY.decode(), "user": "Bearer " + KEY.decode(), "n": 1}
        self.assertTrue(self.keys.clean_fields(fields))
        self.assertEqual(fields, {"model": "m", "n": 1})
        self.assertFalse(self.keys.clean_fields(fields))

    def test_contents_stay(self) -> None:
        """What the conversation is about is the client's to say."""
        fields: dict[str, Any] = {"input": KEY.decode(), "messages": [{"role": "user", "content": KEY.decode()}]}
        self.assertFalse(self.keys.clean_fields(fields))
        self.assertEqual(self.asked, [])

    def test_lone_surrogates(self) -> None:
        self.assertFalse(self.keys.clean_fields({"user": "\ud800"}))

    def test_bodies_that_nobody_reads(self) -> None:
        """JSON, forms, parts of forms."""
        part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        for kind, body, clean in (
            (b"application/json", b'{"a": 1.50, "k": "%s"}' % KEY, b'{"a": 1.50}'),
            (b"", b'{"k": "aigw_key-of+one\\/2", "a": [1, 2 ]}', b'{"a": [1, 2 ]}'),
            (b"application/x-www-form-urlencoded", b"a=+1&k=aigw_key-of%2Bone%2F2", b"a=+1"),
            (
                b"multipart/form-data; boundary=b",
                part % (b"k", KEY) + part % (b"a", b"1") + b"--b--\r\n",
                part % (b"a", b"1") + b"--b--\r\n",
            ),
        ):
            self.assertEqual(self.keys.clean_body(body, kind), clean)

    def test_other_bodies_stay(self) -> None:
        """The same object: nothing is copied."""
        for kind, body in (
            (b"application/json", b'{"a": "b", "c": {"k": "%s"}}' % KEY),
            (b"application/json", b'["%s"]' % KEY),
            (b"application/json", b"{"),
            (b"audio/wav", b"RIFF" * 1000),
            (b"application/x-www-form-urlencoded", b"a=1"),
            (b"application/x-www-form-urlencoded", b"a=%s&b=%s" % (KEY, b"x" * 262144)),
            (b"", b""),
        ):
            self.assertIs(self.keys.clean_body(body, kind), body)
