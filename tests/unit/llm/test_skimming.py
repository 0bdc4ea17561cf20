"""An event of any size is read without its long strings, in whatever pieces it comes."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events, skimming
from aigw.llm.skimming import BEGINNING, Skimmer

NOISE = st.lists(
    st.sampled_from([b'"', b"\\", b"\n", b"\r", b"a", b"{", b":", b"data: ", b"aaaaaaaa"]), max_size=60
).map(b"".join)
VALUES = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def skimmed(data: bytes, cuts: list[int] | None = None, most: int = 100_000) -> bytes:
    """What is left of an event that comes in pieces."""
    skimmer = Skimmer(most)
    points = sorted({cut % (len(data) + 1) for cut in cuts or ()} | {0, len(data)})
    for start, end in itertools.pairwise(points):
        skimmer.feed(data[start:end])
    return skimmer.event()


def without_long(value: Any) -> Any:
    """``value`` with its long strings empty."""
    if isinstance(value, str):
        return "" if len(orjson.dumps(value)) - 1 > skimming.LONGEST else value
    if isinstance(value, list):
        return [without_long(each) for each in value]
    return (
        {without_long(name): without_long(each) for name, each in value.items()} if isinstance(value, dict) else value
    )


class SkimmerTests(unittest.TestCase):
    """Skimmer."""

    def test_a_picture_in_a_response(self) -> None:
        """Usage, model and end are read beside megabytes of it."""
        response = {"model": "gpt-5", "output": [{"result": "A" * 3_000_000}], "usage": {"input_tokens": 3}}
        fields = {"type": "response.completed", "response": response}
        event = b"event: response.completed\ndata: %s\n\n" % orjson.dumps(fields)
        found = skimmed(event, list(range(0, len(event), 16_384)))
        response["output"] = [{"result": ""}]
        self.assertEqual(orjson.loads(events.data(found)), fields)
        self.assertEqual(events.kind(found), b"response.completed")

    def test_escapes_end_no_string(self) -> None:
        """Quotes and backslashes in it, at the edge of a piece too."""
        for inside in (b'\\"', b"\\\\", b'\\\\\\"', b"\\u0022"):
            event = b'data: {"x":"%s","n":1}\n\n' % (inside * 1000)
            for size in (1, 2, 3, 5, 4096):
                cuts = list(range(0, len(event), size))
                self.assertEqual(skimmed(event, cuts), b'data: {"x":"","n":1}\n\n', (inside, size))

    def test_quotes_outside_of_json_reach_no_further_than_their_line(self) -> None:
        event = b': an odd " quote\nevent: a"b\r\ndata: {"x":"%s"}\n\n' % (b"A" * 5000)
        self.assertEqual(skimmed(event, [3, 17, 200]), b': an odd " quote\nevent: a"b\r\ndata: {"x":""}\n\n')

    def test_what_is_kept_is_bounded(self) -> None:
        """Of an event of many small values its beginning is left, which tells its kind."""
        event = b"event: response.completed\ndata: [" + b'{"a":1},' * 10_000 + b"0]\n\n"
        found = skimmed(event, [1, 100, 70_000], most=4096)
        self.assertEqual(found, event[:BEGINNING])

    def test_half_an_event(self) -> None:
        """Is what has come of it."""
        self.assertEqual(skimmed(b'data: {"x":"y'), b'data: {"x":"y')

    @given(NOISE, st.lists(st.integers(0, 500), max_size=10), st.sampled_from([5, 40, 100_000]))
    def test_any_bytes_in_any_pieces(self, data: bytes, cuts: list[int], most: int) -> None:
        """Give the same; what is short is kept as it is."""
        longest = skimming.LONGEST
        skimming.LONGEST = 6  # type: ignore[misc]
        try:
            whole = skimmed(data, most=most)
            self.assertEqual(skimmed(data, cuts, most), whole)
            self.assertEqual(skimmed(data, list(range(len(data))), most), whole)
        finally:
            skimming.LONGEST = longest  # type: ignore[misc]
        if most > len(data):
            self.assertEqual(skimmed(data, cuts), data)

    @given(VALUES, st.lists(st.integers(0, 500), max_size=10))
    def test_any_json(self, value: Any, cuts: list[int]) -> None:
        """Stays JSON."""
        longest = skimming.LONGEST
        skimming.LONGEST = 6  # type: ignore[misc]
        try:
            found = skimmed(b"data: %s\n\n" % orjson.dumps(value), cuts)
            self.assertEqual(orjson.loads(events.data(found)), without_long(value))
        finally:
            skimming.LONGEST = longest  # type: ignore[misc]
