"""Streams are cut into frames, however the bytes arrive."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import decoders
from aigw.llm.decoders import Decoder, Frame, FrameTooLarge, LineDecoder, SseDecoder

STREAM = (
    b": hello\n\n"
    b'event: a\ndata: {"x":"\xe2\x80\xa8\xf0\x9f\x8e\x89"}\n\n'
    b"data:no space\r\n\r\n"
    b"data: one\ndata: two\n\n"
    b"event: nothing\n\n"
    b"\rdata: cr\r\r"
    b"id: 7\ndata: [DONE]\n\n"
)
FRAMES = [
    Frame(b"a", '{"x":"\u2028🎉"}'.encode()),
    Frame(b"", b"no space"),
    Frame(b"", b"one\ntwo"),
    Frame(b"", b"cr"),
    Frame(b"", b"[DONE]"),
]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` in pieces."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


def decoded(decoder: Decoder, pieces: list[bytes]) -> list[Frame]:
    """All frames of a stream that comes in these pieces."""
    return [frame for piece in pieces for frame in decoder.feed(piece)] + decoder.end()


class SseTests(unittest.TestCase):
    """Server-sent events (WHATWG HTML, section 9.2.6)."""

    def test_whole(self) -> None:
        """Comments and events without data are no frames."""
        self.assertEqual(decoded(SseDecoder(), [STREAM]), FRAMES)

    @given(st.lists(st.integers(0, 1000)))
    def test_any_split(self, cuts: list[int]) -> None:
        """Nothing depends on how the bytes come, characters and line ends cut in two included."""
        self.assertEqual(decoded(SseDecoder(), split(STREAM, cuts)), FRAMES)

    def test_byte_by_byte(self) -> None:
        """The worst of splits."""
        self.assertEqual(decoded(SseDecoder(), [STREAM[i : i + 1] for i in range(len(STREAM))]), FRAMES)

    def test_last_event_without_its_blank_line(self) -> None:
        """Counts."""
        for rest in (b"data: x", b"data: x\n", b"data: x\r\n"):
            self.assertEqual(decoded(SseDecoder(), [rest]), [Frame(b"", b"x")])

    def test_long_events_are_looked_through_once(self) -> None:
        """A picture of megabytes comes in hundreds of pieces."""
        looked = []

        class Blank:
            @staticmethod
            def finditer(data: bytes, start: int) -> list[object]:
                looked.append(len(data) - start)
                return []

        self.patch(decoders, "_BLANK", Blank)
        decoder = SseDecoder()
        for _ in range(50):
            decoder.feed(b"x" * 1000)
        self.assertLess(sum(looked), 60_000)

    def test_bound(self) -> None:
        """An event that does not end."""
        self.patch(decoders, "MAX_FRAME", 100)
        decoder = SseDecoder()
        decoder.feed(b"data: " + b"x" * 80)
        self.assertRaises(FrameTooLarge, decoder.feed, b"x" * 80)

    @given(st.lists(st.binary(max_size=40), max_size=6))
    def test_garbage(self, pieces: list[bytes]) -> None:
        """Is cut into something, the same for every split."""
        self.assertEqual(decoded(SseDecoder(), pieces), decoded(SseDecoder(), [b"".join(pieces)]))


class IntricateTests(unittest.TestCase):
    """Frames that would take the event loop a second to parse."""

    def test_many_objects(self) -> None:
        """End the stream; what came before them, and pictures of any length, are passed on."""
        self.patch(decoders, "_LONG", 100)
        self.patch(decoders, "_MOST_CONTAINERS", 20)
        self.patch(decoders, "_MOST_VALUES", 100)
        self.refuses(b"[" + b"{}," * 50 + b"0]")

    def test_many_values(self) -> None:
        """The same: each takes many times its bytes."""
        self.patch(decoders, "_LONG", 100)
        self.patch(decoders, "_MOST_VALUES", 100)
        self.refuses(b"[" + b"1," * 101 + b"1]")

    def refuses(self, intricate: bytes) -> None:
        fine = b'{"a":"%s"}' % (b"x" * 500)
        for decoder, framed in (
            (SseDecoder(), b"data: %s\n\ndata: %s\n\n"),
            (SseDecoder(), b"data: %s\r\n\r\ndata: %s\r\n\r\n"),
            (LineDecoder(), b"%s\n%s\n"),
        ):
            with self.assertRaises(FrameTooLarge) as caught:
                decoder.feed(framed % (fine, intricate))
            self.assertEqual([frame.data for frame in caught.exception.frames], [fine])


class LineTests(unittest.TestCase):
    """One JSON value a line."""

    @given(st.lists(st.integers(0, 100)))
    def test_any_split(self, cuts: list[int]) -> None:
        """Blank lines are none, the last may lack its end."""
        data = '{"a":"\u2028é"}\n\r\n\n{"b":2}\r\n{"c":3}'.encode()
        expected = [Frame(b"", each) for each in ('{"a":"\u2028é"}'.encode(), b'{"b":2}', b'{"c":3}')]
        self.assertEqual(decoded(LineDecoder(), split(data, cuts)), expected)

    def test_bound(self) -> None:
        """A line that does not end."""
        self.patch(decoders, "MAX_FRAME", 10)
        self.assertRaises(FrameTooLarge, LineDecoder().feed, b"x" * 11)
