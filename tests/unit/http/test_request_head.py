"""Fields that hold one value come once: nobody can be told another one than who judged the request."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

import aigw
from aigw.http.request_head import SINGLETONS
from tests.unit.http.connection import Connection, get

#: Fields that are lists, or that others judge: they may come more than once.
REPEATABLE = (
    *(b"accept", b"accept-language", b"anthropic-beta", b"authorization", b"baggage", b"cache-control", b"connection"),
    *(
        b"cookie",
        b"if-match",
        b"if-none-match",
        b"openai-beta",
        b"te",
        b"tracestate",
        b"via",
        b"x-api-key",
        b"x-forwarded-for",
    ),
)


class SingletonTests(unittest.SynchronousTestCase):
    """See the module's head."""

    def refusal(self, *fields: bytes) -> tuple[int, str, str]:
        """Status, code and message."""
        (answer,) = Connection().send(get(b"/", *fields)).answers
        error = json.loads(answer.body)["error"]
        return answer.status, error["code"], error["message"]

    def test_each_of_them(self) -> None:
        """Is named; two equal values are two."""
        for name in SINGLETONS - {b"host", b"content-length", b"transfer-encoding", b"expect"}:
            for values in ((b"1", b"2"), (b"1", b"1")):
                status, code, message = self.refusal(*(b"%s: %s" % (name, value) for value in values))
                self.assertEqual((status, code), (400, "malformed_request"), name)
                self.assertIn(f"{name.decode().title()} comes more than once", message)

    @given(
        st.sampled_from(sorted(SINGLETONS - {b"host", b"content-length", b"transfer-encoding", b"expect"})), st.data()
    )
    def test_wherever_the_two_stand(self, name: bytes, data: st.DataObject) -> None:
        """In any case of letters, with others around them."""
        others = [b"X-Other-%d: 1" % number for number in range(5)] + [b"Accept: a", b"Accept: b"]
        lines = data.draw(st.permutations([b"%s: 1" % name.upper(), b"%s: 2" % name, *others]))
        self.assertEqual(self.refusal(*lines)[0], 400)

    def test_others_may_come_again(self) -> None:
        connection = Connection().send(get(b"/", *(b"%s: 1" % name for name in REPEATABLE * 2)))
        self.assertEqual(connection.statuses, [200])

    def test_the_work_is_linear(self) -> None:
        """In calls, over the number of fields that are repeated."""

        def calls(fields: int) -> int:
            counted = 0

            def count(frame: object, event: str, argument: object) -> None:
                nonlocal counted
                counted += 1

            request = get(b"/", *[b"X-%d: 1" % (number // 2) for number in range(fields)])
            sys.setprofile(count)
            try:
                connection = Connection().send(request)
            finally:
                sys.setprofile(None)
            self.assertEqual(connection.statuses, [200])
            return counted

        calls(20)
        base = calls(20)
        self.assertLess(calls(80) - base, 4.5 * (calls(40) - base))

    def test_the_documented_list(self) -> None:
        page = Path(aigw.__file__).parent.parent / "docs" / "providers" / "headers.md"
        if not page.exists():
            raise unittest.SkipTest("an installation has no docs")
        section = (
            page.read_text().partition("**Headers that hold one value come once**")[2].partition("A header that a")[0]
        )
        names = re.findall(r"`([A-Z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)`", section)
        self.assertEqual({name.lower().encode() for name in names}, SINGLETONS)
