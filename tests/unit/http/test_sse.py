"""Where server-sent events end, whatever the network does to them; after the HTML standard and its conformance tests."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.sse import EventFramer, EventTooLarge, event_fields, split_events

lines = st.sampled_from(
    [b"data: a", b"data:b", b"data", b": comment", b"event: x", b"id: 1", b"", "data: ü\u2028".encode()]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.lists(st.tuples(lines, ends), max_size=30).map(lambda pairs: b"".join(line + end for line, end in pairs))


def framed(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """The events of a stream that comes in ``pieces``, and what is left."""
    framer = EventFramer()
    runs = [framer.feed(piece) for piece in pieces]
    return [event for run in runs for event in split_events(run)], framer.rest


def meaning(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """The same without stray blank lines, which end nothing and may be counted to either side."""
    events, rest = framed(pieces)
    return [event.strip(b"\r\n") for event in events if event.strip(b"\r\n")], rest.lstrip(b"\r\n")


class FramerTests(unittest.TestCase):
    """EventFramer and split_events."""

    def test_whole_events_pass_without_a_copy(self) -> None:
        """The usual case costs next to nothing."""
        data = b"data: a\n\ndata: b\n\n"
        self.assertIs(EventFramer().feed(data), data)

    def test_half_an_event_waits(self) -> None:
        framer = EventFramer()
        self.assertEqual(framer.feed(b"data: a\n\ndata: b"), b"data: a\n\n")
        self.assertEqual(framer.rest, b"data: b")
        self.assertEqual(framer.feed(b"\n"), b"")
        self.assertEqual(framer.feed(b"\n"), b"data: b\n\n")

    def test_every_mixture_of_line_ends(self) -> None:
        for end in (b"\n", b"\r\n", b"\r"):
            for blank in (b"\n", b"\r\n"):
                if end == b"\r" and blank == b"\n":
                    continue  # that is one CRLF, no blank line
                events, rest = framed([b"data: a" + end + blank + b"data: b" + end + blank])
                self.assertEqual((len(events), rest), (2, b""), (end, blank))

    def test_carriage_return_at_the_end_may_be_half_of_a_line_end(self) -> None:
        """Or a phantom blank line would split the event behind it."""
        events, rest = framed([b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"])
        self.assertEqual(events, [b"data: a\r\ndata: b\r\n\r\n"])
        self.assertEqual(rest, b"")

    def test_other_separators_are_text(self) -> None:
        """U+2028, U+0085, VT and FF end lines in Python, not in streams."""
        data = "data: a\u2028b\u0085c\x0b\x0cd\n\n".encode()
        self.assertEqual(framed([data])[0], [data])

    def test_bound(self) -> None:
        framer = EventFramer(max_event=100)
        with self.assertRaises(EventTooLarge):
            for _ in range(20):
                framer.feed(b"data: 0123456789")

    @given(streams, st.lists(st.integers(0, 400), max_size=20))
    def test_any_split_gives_the_same_events(self, stream: bytes, cuts: list[int]) -> None:
        """And nothing is lost or changed."""
        points = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
        pieces = [stream[start:end] for start, end in itertools.pairwise(points)]
        events, rest = framed(pieces)
        self.assertEqual(b"".join(events) + rest, stream)
        # A trailing CR may be waited for or not, depending on where it was cut; a byte behind it settles it.
        self.assertEqual(meaning([*pieces, b"x"]), meaning([stream + b"x"]))


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
            b"\xef\xbb\xbfdata: a\n\n": (b"", b"a"),
            b"id: 1\r\ndata: a\r\n\r\n": (b"", b"a"),
        }
        for event, (kind, data) in cases.items():
            fields = event_fields(event)
            self.assertEqual((fields.type, fields.data, fields.has_data), (kind, data, True), event)

    def test_comments_have_no_data(self) -> None:
        self.assertFalse(event_fields(b": ping\n\n").has_data)
