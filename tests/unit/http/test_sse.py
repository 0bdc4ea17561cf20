"""Where server-sent events end, whatever the network does to them; after the HTML standard and its conformance tests."""

from __future__ import annotations

import itertools
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.sse import EventEnd, EventFramer, EventTooLarge, event_fields, split_events

lines = st.sampled_from(
    [b"data: a", b"data:b", b"data", b": comment", b"event: x", b"id: 1", b"", "data: ü\u2028".encode()]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.lists(st.tuples(lines, ends), max_size=30).map(lambda pairs: b"".join(line + end for line, end in pairs))
BYTES = st.lists(st.sampled_from([b"a", b":", b"data:", b"\n", b"\r"]), max_size=40).map(b"".join)


def dispatched(stream: bytes) -> list[tuple[bytes, bytes]]:
    """What the standard's algorithm dispatches, written down as it is there: all of the stream at once, line by line."""
    events, kind, data = [], b"", b""
    whole = stream.removeprefix(b"\xef\xbb\xbf")
    *complete, _unfinished = re.split(rb"\r\n|\n|\r", whole)
    for line in complete:
        if not line:
            if data:
                events.append((kind, data[:-1]))
            kind = data = b""
            continue
        name, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if name == b"data":
            data += value + b"\n"
        elif name == b"event":
            kind = value
    return events


def framed(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """The events of a stream that comes in ``pieces``, and what is left."""
    framer = EventFramer()
    runs = [framer.feed(piece) for piece in pieces]
    return [event for run in runs for event in split_events(run)], framer.rest


def read(pieces: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The same, interpreted; comments and blank lines left out."""
    fields = [event_fields(event, first=not place) for place, event in enumerate(framed(pieces)[0])]
    return [(event.type, event.data) for event in fields if event.has_data]


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    """``stream`` in pieces."""
    points = sorted({min(point, len(stream)) for point in at} | {0, len(stream)})
    return [stream[start:end] for start, end in itertools.pairwise(points)]


class FramerTests(unittest.TestCase):
    """EventFramer and split_events."""

    def test_whole_events_pass_without_a_copy(self) -> None:
        """The usual case costs next to nothing."""
        for data in (b"data: a\n\ndata: b\n\n", b"data: a\r\n\r\n"):
            self.assertIs(EventFramer().feed(data), data)

    def test_half_an_event_waits(self) -> None:
        framer = EventFramer()
        self.assertEqual(framer.feed(b"data: a\n\ndata: b"), b"data: a\n\n")
        self.assertEqual(framer.rest, b"data: b")
        self.assertEqual(framer.feed(b"\n"), b"")
        self.assertEqual(framer.feed(b"\n"), b"data: b\n\n")
        self.assertEqual(framer.rest, b"")

    def test_every_mixture_of_line_ends(self) -> None:
        for end in (b"\n", b"\r\n", b"\r"):
            for blank in (b"\n", b"\r\n", b"\r"):
                if end == b"\r" and blank[:1] == b"\n":
                    continue  # that is one CRLF, no blank line
                events, rest = framed([b"data: a" + end + blank + b"data: b" + end + blank + b":"])
                self.assertEqual((len(events), rest), (2, b":"), (end, blank))

    def test_carriage_return_at_the_end_may_be_half_of_a_line_end(self) -> None:
        """Or a phantom blank line would split the event behind it."""
        events, rest = framed([b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"])
        self.assertEqual(events, [b"data: a\r\ndata: b\r\n\r\n"])
        self.assertEqual(rest, b"")

    def test_stream_of_carriage_returns_is_not_one_event_behind(self) -> None:
        framer = EventFramer()
        self.assertEqual(framer.feed(b"data: a\r\r"), b"data: a\r\r")
        self.assertEqual((framer.feed(b"data: b\r"), framer.feed(b"\r")), (b"", b"data: b\r\r"))

    def test_other_separators_are_text(self) -> None:
        """U+2028, U+0085, VT and FF end lines in Python, not in streams."""
        data = "data: a\u2028b\u2029\u0085c\x0b\x0c\x1c\x1dd\n\n".encode()
        self.assertEqual(framed([data])[0], [data])
        self.assertEqual(read([data]), [(b"", data[6:-2])])

    def test_bound(self) -> None:
        framer = EventFramer(max_event=100)
        with self.assertRaises(EventTooLarge):
            for _ in range(20):
                framer.feed(b"data: 0123456789\n")

    def test_bound_is_for_one_event(self) -> None:
        framer = EventFramer(max_event=100)
        for _ in range(50):
            self.assertEqual(framer.feed(b"data: 0123456789\n\ndata"), b"data: 0123456789\n\n")
            self.assertEqual(framer.feed(b": 0123456789\n\n"), b"data: 0123456789\n\n")

    @settings(max_examples=400)
    @given(streams, st.lists(st.integers(0, 400), max_size=20))
    def test_any_split_gives_the_same_events(self, stream: bytes, cuts: list[int]) -> None:
        """And nothing is lost or changed. A byte behind the stream settles what its last CR was."""
        pieces = [*cut(stream, cuts), b":"]
        events, rest = framed(pieces)
        self.assertEqual(b"".join(events) + rest, stream + b":")
        self.assertEqual(read(pieces), dispatched(stream + b":"))

    @settings(max_examples=400)
    @given(BYTES, st.lists(st.integers(0, 100), max_size=20))
    def test_any_bytes(self, stream: bytes, cuts: list[int]) -> None:
        events, rest = framed(cut(stream, cuts))
        self.assertEqual(b"".join(events) + rest, stream)
        self.assertEqual(read([*cut(stream, cuts), b":"]), dispatched(stream + b":"))

    def test_events_do_not_wait(self) -> None:
        """An event whose blank line is complete beyond doubt is given out with the read that completes it."""
        for end in (b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n", b"\r\r"):
            stream = b"data: a" + end
            for point in range(len(stream)):
                framer = EventFramer()
                out = framer.feed(stream[:point]) + framer.feed(stream[point:])
                self.assertEqual(out, stream, (end, point))

    @settings(max_examples=400)
    @given(BYTES, st.lists(st.integers(0, 100), max_size=20), st.integers(1, 20))
    def test_nothing_is_lost_with_an_event_that_is_too_large(self, stream: bytes, cuts: list[int], most: int) -> None:
        """Before it are whole events, none of which is too large; from it on, there is all that has come."""
        framer, given, out = EventFramer(most), b"", b""
        try:
            for piece in cut(stream, cuts):
                given += piece
                out += framer.feed(piece)
        except EventTooLarge as error:
            self.assertEqual(out + error.before + error.behind, given)
            self.assertEqual(framer.rest, b"")
            self.assertLessEqual(max(map(len, split_events(out + error.before)), default=0), most)
            self.assertGreater(len(split_events(error.behind)[0]), most)
        else:
            self.assertEqual(out + framer.rest, stream)


class EndTests(unittest.TestCase):
    """EventEnd."""

    def found(self, pieces: list[bytes]) -> int:
        """Where the first event of a stream ends; -1 if it does not."""
        end, before = EventEnd(), 0
        for piece in pieces:
            at = end.find(piece)
            if at >= 0:
                return before + at
            before += len(piece)
        return -1

    @settings(max_examples=400)
    @given(BYTES, st.lists(st.integers(0, 100), max_size=20))
    def test_is_where_the_framer_finds_it(self, stream: bytes, cuts: list[int]) -> None:
        """However the event comes; lines of CR alone, where a CR at the end of a piece is one, are another matter."""
        stream = stream.replace(b"\r", b"\r\n") + b"data"
        events, _ = framed([stream])
        wanted = len(events[0]) if events else -1
        self.assertEqual(self.found([stream]), wanted)
        self.assertEqual(self.found(cut(stream, cuts)), wanted)
        self.assertEqual(self.found([bytes((byte,)) for byte in stream]), wanted)

    def test_carriage_returns(self) -> None:
        """A blank line of them is one as soon as it is there."""
        self.assertEqual(self.found([b"data: a\r", b"\r", b"data"]), 9)
        self.assertEqual(self.found([b"data: a\r\n\r", b"data"]), 10)
        self.assertEqual(self.found([b"data: a\r\n\r", b"\ndata"]), 11)


def _conforms(self: unittest.TestCase, case: tuple[bytes, list[Any]]) -> None:
    stream, expected = case
    wanted = [entry if isinstance(entry, tuple) else (b"", entry) for entry in expected]
    self.assertEqual(read([stream]), wanted)
    self.assertEqual(read([bytes((byte,)) for byte in stream]), wanted)


#: The stream tests of web-platform-tests' eventsource directory, by their names there; ``message`` events only have
#: their data written down. A stream's unfinished last event is never dispatched.
CONFORMANCE: dict[str, tuple[bytes, list[Any]]] = {
    "format_bom": (b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", [b"1", b"3"]),
    "format_bom_2": (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n", [b"2", b"3"]),
    "format_comments": (
        b"data:1\r:\0\n:\r\ndata:2\n:" + b"x" * 2048 + b"\rdata:3\n:data:fail\r:" + b"x" * 2048 + b"\ndata:4\n\n",
        [b"1\n2\n3\n4"],
    ),
    "format_data_before_final_empty_line": (b"retry:1000\ndata:test1\n\nid:test\ndata:test2", [b"test1"]),
    "format_field_data": (b"data:\n\ndata\ndata\n\ndata:test\n\n", [b"", b"\n", b"test"]),
    "format_field_event": (b"event:test\ndata:x\n\ndata:x\n\n", [(b"test", b"x"), b"x"]),
    "format_field_event_empty": (b"event: \ndata:data\n\n", [b"data"]),
    "format_field_parsing": (
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        [b"\0\n 2\n1\n3\n\n4"],
    ),
    "format_field_unknown": (b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\n\n", [b"test\n"]),
    "format_leading_space": (b"data:\ttest\rdata: \ndata:test\n\n", [b"\ttest\n\ntest"]),
    "format_newlines": (b"data:test\r\ndata\ndata:test\r\n\r\n", [b"test\n\ntest"]),
    "format_null_character": (b"data:\0\n\n\n\n", [b"\0"]),
    "format_utf_8": ("data:ok…\n\n".encode(), ["ok…".encode()]),
}
for name_, case_ in CONFORMANCE.items():
    setattr(FramerTests, f"test_wpt_{name_}", lambda self, case=case_: _conforms(self, case))


class FieldTests(unittest.TestCase):
    """event_fields."""

    def test_fields(self) -> None:
        cases = {
            b"data: a\n\n": (b"", b"a"),
            b"data:a\n\n": (b"", b"a"),
            b"data:  a\n\n": (b"", b" a"),
            b"data\n\n": (b"", b""),
            b"data: a\ndata: b\n\n": (b"", b"a\nb"),
            b"event: error\ndata: {}\n\n": (b"error", b"{}"),
            b"event: a\nevent: b\ndata: {}\n\n": (b"b", b"{}"),
            b"id: 1\r\ndata: a\r\n\r\n": (b"", b"a"),
            b"data: [DONE]": (b"", b"[DONE]"),
        }
        for event, (kind, data) in cases.items():
            fields = event_fields(event)
            self.assertEqual((fields.type, fields.data, fields.has_data), (kind, data, True), event)

    def test_byte_order_mark_is_dropped_once(self) -> None:
        """In front of a stream; anywhere else it makes an unknown field."""
        event = b"\xef\xbb\xbfdata: a\n\n"
        self.assertEqual(event_fields(event, first=True).data, b"a")
        self.assertFalse(event_fields(event).has_data)

    def test_comments_have_no_data(self) -> None:
        for event in (b": ping\n\n", b":\n\n", b"\n", b"retry: 3000\n\n", b"event: ping\n\n"):
            self.assertFalse(event_fields(event).has_data)
