"""JSON in slices: the same as in one piece, whatever it is and wherever it is cut."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import large_json
from aigw.llm.large_json import InvalidJson, JsonTooLarge, RepeatedMember, dumps, loads

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(alphabet='"\\,:[]{}a\u00e9', max_size=12),
    lambda inside: st.lists(inside, max_size=6) | st.dictionaries(st.text(alphabet='"\\,[{ab', max_size=3), inside),
    max_leaves=40,
)
CONTAINERS = st.lists(VALUES, max_size=8) | st.dictionaries(st.text(max_size=4), VALUES, max_size=8)
#: Ways to write the same.
WRITTEN = st.sampled_from(
    [{"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (" , ", " : ")}]
)
NOISE = st.sampled_from([b",", b"]", b"}", b"[", b"{", b'"', b"\\", b":", b" ", b"1", b"nul", b"\xff", b"NaN", b""])


def never() -> None:
    """Between slices nothing has to be done."""


class LoadsTests(unittest.TestCase):
    """loads()"""

    def setUp(self) -> None:
        """Slices so small that every container is cut."""
        self.patch(large_json, "SLICE", 3)

    def outcome(self, text: bytes) -> Any:
        """What was read, or that nothing was."""
        try:
            return "read", loads(text, never, 1000)
        except InvalidJson as error:
            self.assertRegex(str(error), r" \(at \d+\)$")
            return "invalid", None

    def expected(self, text: bytes) -> Any:
        """What orjson reads."""
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return "invalid", None
        return ("read", value) if isinstance(value, dict | list) else ("invalid", None)

    @given(CONTAINERS, WRITTEN, st.integers(1, 40))
    def test_what_is_json_is_read(self, value: Any, form: dict[str, Any], size: int) -> None:
        """As orjson reads it."""
        self.patch(large_json, "SLICE", size)
        text = json.dumps(value, **form).encode("utf-8", "surrogatepass")
        self.assertEqual(self.outcome(text), self.expected(text))

    @given(CONTAINERS, st.lists(st.tuples(st.integers(0, 400), NOISE, st.booleans()), min_size=1, max_size=3))
    def test_what_is_none_is_refused(self, value: Any, changes: list[tuple[int, bytes, bool]]) -> None:
        """As orjson refuses it: a byte more or less, anywhere."""
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        for at, noise, instead in changes:
            at %= len(text) + 1
            text = text[:at] + noise + text[at + instead :]
        self.assertEqual(self.outcome(text), self.expected(text), text)

    def test_commas_and_ends(self) -> None:
        """What stands between the slices is looked at as well."""
        for text in (
            b"[[1,2],,[3]]", b"[[1,2],]", b"[,[1,2]]", b"[[1,2][3]]", b"[[1,2] 5]", b"[5 [1,2]]", b"[[1,2],5,]",
            b'{"a":[1,2],}', b'{"a":[1,2] "b":1}', b'{"a" [1,2]}', b'{[1,2]}', b'{1:[1,2]}', b'{"a":1 "b":[1,2]}',
            b'{"a":,"b":[1]}', b"[[1,2}", b'{"a":[1,2]]', b"[[1,2]", b"[1,2]]", b"[1] x", b"", b" ", b'"a"', b"1", b",",
        ):  # fmt: skip
            self.assertEqual(self.outcome(text), ("invalid", None), text)

    def test_limits(self) -> None:
        """Of depth and number, told as soon as they are exceeded."""
        self.assertRaisesRegex(JsonTooLarge, "deeper than 5 levels", loads, b"[" * 6, never, 5)
        self.assertEqual(loads(b"[" * 5 + b"]" * 5, never, 5), [[[[[]]]]])
        self.patch(large_json, "MOST_CONTAINERS", 4)
        self.assertEqual(loads(b"[[],[],[]]", never, 5), [[], [], []])
        self.assertRaisesRegex(JsonTooLarge, "more than 4 objects", loads, b"[[],[],[],{", never, 5)

    @given(st.sampled_from([b"model", b"m\\u006fdel", b"stream"]), st.integers(1, 60))
    def test_members_that_may_not_come_twice(self, name: bytes, size: int) -> None:
        """In whatever spelling, at the top level and there only."""
        self.patch(large_json, "SLICE", size)
        once = frozenset(("model", "stream"))
        fine = b'{"model":"a","x":[{"model":1,"model":2}],"Model":1,"stream":{"model":1}}'
        self.assertEqual(loads(fine, never, 9, once), orjson.loads(fine))
        for value in (b"1", b'[1,[2,3],"abcdefghijklmnop"]', b'{"a":[1,2,3,4,5,6,7,8,9]}'):
            text = b'{"model":"a","stream":true,"x":[1],"%s":%s}' % (name, value)
            self.assertRaises(RepeatedMember, loads, text, never, 9, once)

    def test_work_is_linear_and_pauses_are_regular(self) -> None:
        """The walk looks at each byte once, whatever is in it, and nothing larger than some slices is read at once."""
        self.patch(large_json, "SLICE", 100)
        read: list[int] = []

        class Counted:
            JSONDecodeError = orjson.JSONDecodeError

            @staticmethod
            def loads(text: bytes) -> Any:
                read.append(len(text))
                return orjson.loads(text)

        self.patch(large_json, "orjson", Counted)
        for item in (
            b'{"":0}',
            b"[]",
            b"1",
            b'"' + b'\\"' * 40 + b'"',
            b'[[[["a",{"b":[1,2]}]]]]',
            b'{"a":{"b":[1,2,3]}}',
        ):
            totals = []
            for count in (500, 1000, 2000):
                read.clear()
                pauses: list[None] = []
                text = b"[" + b",".join([item] * count) + b"]"
                loads(text, lambda pauses=pauses: pauses.append(None), 20)  # type: ignore[misc]
                self.assertGreaterEqual(len(pauses), len(text) // 200)
                self.assertLessEqual(max(read), 3 * 100 + len(item) + 2, item)
                totals.append(sum(read))
            self.assertLess(totals[2], 2.1 * totals[1], item)
            self.assertLess(totals[1], 2.1 * totals[0], item)

    def test_a_pause_may_give_up(self) -> None:
        """What it raises ends the reading."""

        def give_up() -> None:
            raise KeyError("enough")

        self.assertRaises(KeyError, loads, b"[1,2,3,4,5]", give_up, 9)


class DumpsTests(unittest.TestCase):
    """dumps()"""

    @given(VALUES, st.integers(1, 20))
    def test_the_same_bytes(self, value: Any, size: int) -> None:
        """As orjson writes in one piece."""
        self.patch(large_json, "_VALUES", size)
        self.assertEqual(dumps(value, never), orjson.dumps(value))

    def test_pieces_are_small(self) -> None:
        """However the values are nested."""
        self.patch(large_json, "_VALUES", 10)
        sizes: list[int] = []

        class Counted:
            @staticmethod
            def dumps(value: Any) -> bytes:
                sizes.append(orjson.dumps(value).count(b"1"))
                return orjson.dumps(value)

        self.patch(large_json, "orjson", Counted)
        for value in (
            [1] * 1,
            [[1]] * 500,
            [[[1] * 8] * 8] * 8,
            {"a": [{"b": [1]}] * 300},
            {str(n): [1] for n in range(99)},
        ):
            dumps(value, never)
        self.assertLessEqual(max(sizes), 11)
