"""AWS event streams, with botocore's reader of them as the oracle."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import struct
from typing import Any
from zlib import crc32

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.decoders import BrokenFrame, Frame, FrameTooLarge
from aigw.llm.eventstream import MAX_HEADERS, MAX_PAYLOAD, EventStreamDecoder, read_headers
from tests.unit.llm.streams import NO_RECORDED, RECORDED

#: Files that are event streams and whole.
WHOLE = (
    "agentgateway/response/bedrock/basic.bin",
    "agentgateway/response/bedrock/reasoning.bin",
    "agentgateway/response/bedrock/tool.bin",
    "agentgateway/response/detect/bedrock-basic.bin",
    "agentgateway/response/detect/bedrock-invoke.bin",
    "kong/streaming-chunk-formats/aws/input.bin",
)
BROKEN = "agentgateway/response/detect/bedrock-broken.bin"


def header(name: str, value: Any, kind: int = 7) -> bytes:
    """One header; strings and bytes with their length, everything else as it is."""
    encoded = value.encode() if isinstance(value, str) else value
    length = struct.pack(">H", len(encoded)) if kind in (6, 7) else b""
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + length + encoded


def message(payload: bytes = b"{}", *headers: bytes, **named: str) -> bytes:
    """One message. Names of headers as keywords: ``event_type`` is ``:event-type``."""
    block = b"".join((*headers, *(header(":" + name.replace("_", "-"), value) for name, value in named.items())))
    prelude = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    prelude += struct.pack(">I", crc32(prelude))
    whole = prelude + block + payload
    return whole + struct.pack(">I", crc32(whole))


def event(kind: str, payload: bytes = b"{}") -> bytes:
    """An event as Bedrock sends it."""
    return message(payload, event_type=kind, content_type="application/json", message_type="event")


def frames(stream: bytes, *cuts: int) -> list[Frame]:
    """The frames of a stream that comes in pieces."""
    decoder = EventStreamDecoder()
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    found = [frame for begin, end in itertools.pairwise(bounds) for frame in decoder.feed(stream[begin:end])]
    return [*found, *decoder.end()]


def oracle(stream: bytes) -> list[Frame]:
    """What botocore reads."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [Frame(each.headers[":event-type"].encode(), each.payload) for each in buffer]


class FrameTests(unittest.TestCase):
    """Messages to frames."""

    def test_events(self) -> None:
        """The kind is the event's type; one header more or less changes nothing."""
        stream = event("messageStart", b'{"role":"assistant"}') + message(b"x", event_type="metadata")
        self.assertEqual(frames(stream), [Frame(b"messageStart", b'{"role":"assistant"}'), Frame(b"metadata", b"x")])
        self.assertEqual(frames(message(b"")), [Frame(b"", b"")])

    def test_exceptions(self) -> None:
        """Are of a kind of their own, whatever they are called."""
        stream = message(b'{"message":"slow"}', message_type="exception", exception_type="throttlingException")
        self.assertEqual(frames(stream), [Frame(b"exception:throttlingException", b'{"message":"slow"}')])
        self.assertEqual(frames(message(b"", message_type="exception")), [Frame(b"exception:", b"")])

    def test_errors(self) -> None:
        """Have no payload; what their headers say becomes one, each time."""
        one = message(b"", message_type="error", error_code="InternalError", error_message="sorry")
        two = message(b"", message_type="error", error_code="InternalError", error_message="sorry „again“")
        self.assertEqual(
            frames(one + two + one),
            [
                Frame(b"exception:InternalError", b'{"message":"sorry"}'),
                Frame(b"exception:InternalError", '{"message":"sorry „again“"}'.encode()),
                Frame(b"exception:InternalError", b'{"message":"sorry"}'),
            ],
        )

    def test_all_types_of_headers(self) -> None:
        """Are passed over in their right size, and read as botocore reads them."""
        block = b"".join(
            (
                header("t", b"", 0),
                header("f", b"", 1),
                header("i8", b"\xff", 2),
                header("i16", b"\xff\xfe", 3),
                header("i32", b"\0\0\0\1", 4),
                header("i64", b"\0" * 7 + b"\2", 5),
                header("bytes", b"\0\xff", 6),
                header("string", "für"),
                header("time", b"\0" * 8, 8),
                header("uuid", b"u" * 16, 9),
            )
        )
        stream = message(b"{}", block, event_type="e")
        self.assertEqual(frames(stream), [Frame(b"e", b"{}")])
        (read,) = list(self._botocore(stream))
        ours = read_headers(block)
        self.assertEqual([name.decode() for name in ours], [name for name in read if name != ":event-type"])
        self.assertEqual(ours[b"string"][1].decode(), read["string"])
        self.assertEqual(int.from_bytes(ours[b"i16"][1], "big", signed=True), read["i16"])
        self.assertEqual((ours[b"bytes"][1], ours[b"uuid"][1]), (read["bytes"], read["uuid"]))

    def _botocore(self, stream: bytes) -> Any:
        buffer = EventStreamBuffer()
        buffer.add_data(stream)
        return (each.headers for each in buffer)

    def test_a_type_that_is_no_string_is_none(self) -> None:
        """Nothing is made of a number where a name belongs."""
        self.assertEqual(frames(message(b"", header(":event-type", b"\0\0\0\1", 4))), [Frame(b"", b"")])

    def test_an_unfinished_message_is_no_frame(self) -> None:
        """Neither while more may come nor at the end."""
        stream = event("a") + event("b")
        self.assertEqual(frames(stream[:-1]), [Frame(b"a", b"{}")])
        self.assertEqual(frames(stream[:5]), [])

    def test_many_kinds_of_headers_are_not_all_remembered(self) -> None:
        """A stream cannot make the decoder grow without end."""
        decoder = EventStreamDecoder()
        for number in range(200):
            self.assertEqual(decoder.feed(event(f"e{number}"))[0].kind, b"e%d" % number)
        self.assertLessEqual(len(decoder._kinds), 64)


class BrokenTests(unittest.TestCase):
    """Streams that are not what they should be."""

    def fails(self, error: type[Exception], stream: bytes) -> None:
        """Whatever the pieces are."""
        self.assertRaises(error, frames, stream)
        self.assertRaises(error, frames, stream, *range(len(stream)))

    def test_wrong_checksums(self) -> None:
        """Of the prelude before anything is waited for, of the message at its end."""
        stream = event("a", b"hello")
        self.fails(BrokenFrame, b"\1" + stream[1:])
        self.fails(BrokenFrame, stream[:-6] + b"X" + stream[-5:])
        self.fails(BrokenFrame, stream[:-1] + bytes([stream[-1] ^ 1]))

    def test_limits_hold_before_anything_is_kept(self) -> None:
        """The prelude says enough."""
        for total, headers in ((MAX_PAYLOAD + 17, 0), (MAX_HEADERS + 17, MAX_HEADERS + 1), (2**32 - 1, 0)):
            prelude = struct.pack(">II", total, headers)
            self.assertRaises(FrameTooLarge, EventStreamDecoder().feed, prelude + struct.pack(">I", crc32(prelude)))

    def test_impossible_lengths(self) -> None:
        """A message is never shorter than its parts."""
        for total, headers in ((0, 0), (15, 0), (20, 5)):
            prelude = struct.pack(">II", total, headers)
            self.assertRaises(BrokenFrame, EventStreamDecoder().feed, prelude + struct.pack(">I", crc32(prelude)))

    def test_broken_headers(self) -> None:
        """Cut off, of unknown types, there twice."""
        for block in (
            b"\5ab",
            b"\1a",
            b"\1a\7",
            b"\1a\7\0",
            b"\1a\7\0\5abc",
            b"\1a\5\0",
            b"\1a\x0a",
            header("a", "") * 2,
        ):
            self.fails(BrokenFrame, message(b"{}", block))

    def test_recorded_broken(self) -> None:
        """What agentgateway keeps as a broken stream."""
        path = RECORDED / BROKEN
        if not path.exists():
            raise unittest.SkipTest(NO_RECORDED)
        self.fails(BrokenFrame, path.read_bytes())


class RecordedTests(unittest.TestCase):
    """Recorded streams, against botocore."""

    def setUp(self) -> None:
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)

    def paths(self) -> list[pathlib.Path]:
        return [RECORDED / name for name in WHOLE]

    def test_as_botocore_reads_them(self) -> None:
        """The same events with the same payloads."""
        for path in self.paths():
            stream = path.read_bytes()
            self.assertEqual(frames(stream), oracle(stream), path.name)
            self.assertGreater(len(frames(stream)), 4)

    def test_byte_by_byte(self) -> None:
        """However slowly it comes."""
        for path in self.paths():
            stream = path.read_bytes()
            self.assertEqual(frames(stream, *range(len(stream))), frames(stream), path.name)


NAMES = st.text("abc:-", min_size=1, max_size=8)
HEADERS = st.dictionaries(NAMES, st.text(max_size=20), max_size=5)


class PropertyTests(unittest.TestCase):
    """What hypothesis thinks of."""

    @given(
        st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=6), st.lists(st.integers(0, 10**6), max_size=8)
    )
    def test_any_message_in_any_pieces(self, messages: list[Any], cuts: list[int]) -> None:
        """Botocore agrees on headers and payloads."""
        stream = b"".join(
            message(payload, *(header(name, value) for name, value in headers.items())) for headers, payload in messages
        )
        buffer = EventStreamBuffer()
        buffer.add_data(stream)
        read = [(each.headers, each.payload) for each in buffer]
        self.assertEqual(read, messages)
        self.assertEqual([frame.data for frame in frames(stream, *cuts)], [payload for _, payload in read])

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
    def test_garbage(self, stream: bytes, cuts: list[int]) -> None:
        """Raises nothing but the two errors that decoders raise."""
        with contextlib.suppress(BrokenFrame, FrameTooLarge):
            frames(stream, *cuts)

    @given(st.binary(max_size=80))
    def test_garbage_headers(self, block: bytes) -> None:
        """The same behind checksums that are right."""
        with contextlib.suppress(BrokenFrame):
            frames(message(b"{}", block))
