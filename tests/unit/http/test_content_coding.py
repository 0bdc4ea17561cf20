"""Bodies without their content coding: all of what the coding says, nothing else, and never more than is allowed."""

from __future__ import annotations

import gzip
import random
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest, BodyTooLarge, GatewayError, UnsupportedEncoding
from aigw.http import content_coding
from aigw.http.content_coding import codings_of, decoded

zstd = content_coding.zstd

LIMIT = 1 << 20
TEXT = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
#: Bytes that no coding makes much shorter.
NOISE = random.Random(1).randbytes(300_000)


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's header, as some send it."""
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return coder.compress(data) + coder.flush()


def stored_zstd(data: bytes) -> bytes:
    """A frame of one block that is not compressed, which tells its size."""
    header = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    return header + struct.pack("<I", (len(data) << 3) | 1)[:3] + data


def skippable(data: bytes) -> bytes:
    """A frame that decoders pass over (RFC 8878 section 3.1.2)."""
    return struct.pack("<II", 0x184D2A50, len(data)) + data


CODERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}


class CodingsTests(unittest.SynchronousTestCase):
    """codings_of"""

    def test_known_ones(self) -> None:
        """In any case of letters; identity is none; the last one is taken off first."""
        for value, codings in (
            (b"gzip", ("gzip",)),
            (b"X-GZip", ("x-gzip",)),
            (b" deflate ", ("deflate",)),
            (b"zstd", ("zstd",)),
            (b"identity", ()),
            (b"", ()),
            (b"identity, gzip", ("gzip",)),
            (b"gzip, zstd", ("zstd", "gzip")),
            (b"gzip,, ", ("gzip",)),
        ):
            self.assertEqual(codings_of(value), codings, value)

    def test_others_are_named(self) -> None:
        """With what could have been sent instead, also where they stand beside one that is known."""
        for value in (b"br", b"gzip, br", b"compress", b"aws-chunked", b"gzip;q=1", b"x" * 9000, b"\xff\x00"):
            error = self.assertRaises(UnsupportedEncoding, codings_of, value)
            self.assertEqual((error.status, error.code), (415, "unsupported_encoding"))
            self.assertIn((b"accept-encoding", b"gzip, deflate, zstd"), error.response_headers())
            self.assertLess(len(error.message), 200)
        self.assertIn("br", self.assertRaises(UnsupportedEncoding, codings_of, b"br").message)

    def test_not_one_around_the_other_without_end(self) -> None:
        self.assertRaises(UnsupportedEncoding, codings_of, b"gzip, gzip, gzip")


class DecodedTests(unittest.SynchronousTestCase):
    """decoded"""

    def refused(self, body: bytes, coding: str, limit: int = LIMIT) -> GatewayError:
        error: GatewayError = self.assertRaises(GatewayError, decoded, body, (coding,), limit)
        return error

    def test_each_coding(self) -> None:
        for coding, code in CODERS.items():
            for data in (TEXT, b"", NOISE, TEXT * 5000):
                self.assertEqual(decoded(code(data), (coding,), LIMIT), data, coding)
        self.assertEqual(decoded(raw_deflate(TEXT), ("deflate",), LIMIT), TEXT)
        self.assertEqual(decoded(raw_deflate(NOISE), ("deflate",), LIMIT), NOISE)
        self.assertEqual(decoded(stored_zstd(TEXT), ("zstd",), LIMIT), TEXT)

    def test_one_around_the_other(self) -> None:
        """Taken off in the order that ``codings_of`` has them in."""
        body = zstd.compress(gzip.compress(TEXT))
        self.assertEqual(decoded(body, codings_of(b"gzip, zstd"), LIMIT), TEXT)

    def test_no_body(self) -> None:
        """Nothing is nothing in any coding."""
        for coding in CODERS:
            self.assertEqual(decoded(b"", (coding,), LIMIT), b"")

    def test_members_and_frames(self) -> None:
        """One behind the other."""
        self.assertEqual(decoded(gzip.compress(b"a") * 3, ("gzip",), LIMIT), b"aaa")
        self.assertEqual(decoded(gzip.compress(NOISE) + gzip.compress(TEXT), ("gzip",), LIMIT), NOISE + TEXT)
        body = skippable(b"x" * 100_000) + zstd.compress(b"a") + skippable(b"") + stored_zstd(b"b") + skippable(b"c")
        self.assertEqual(decoded(body, ("zstd",), LIMIT), b"ab")

    def test_what_ends_too_soon(self) -> None:
        """Wherever it does."""
        for coding, code in CODERS.items():
            whole = code(TEXT)
            for end in range(1, len(whole)):
                error = self.refused(whole[:end], coding)
                self.assertEqual((error.status, error.code), (400, "malformed_request"), (coding, end))
                self.assertIn(coding, error.message)

    def test_what_comes_behind(self) -> None:
        """Is refused, be it zeros: readers differ in what they make of it."""
        for coding, code in CODERS.items():
            for more in (b"\0", b"garbage", TEXT, zlib.compress(b"x")):
                self.assertEqual(self.refused(code(TEXT) + more, coding).status, 400, (coding, more))

    def test_something_else(self) -> None:
        for coding in CODERS:
            for body in (TEXT, b"\0" * 100, NOISE[:1000]):
                self.assertEqual(self.refused(body, coding).status, 400, (coding, body[:9]))
        for coding, other in (("gzip", "zstd"), ("zstd", "gzip"), ("deflate", "gzip")):
            self.assertEqual(self.refused(CODERS[other](TEXT), coding).status, 400)
        broken = bytearray(gzip.compress(NOISE))
        broken[-6] ^= 1  # the checksum
        self.assertEqual(self.refused(bytes(broken), "gzip").status, 400)

    def test_with_a_dictionary(self) -> None:
        """Which nobody here has."""
        coder = zlib.compressobj(zdict=b"messages")
        self.assertEqual(self.refused(coder.compress(TEXT) + coder.flush(), "deflate").status, 400)

    def test_the_limit_is_for_what_comes_out(self) -> None:
        for coding, code in CODERS.items():
            self.assertEqual(len(decoded(code(b"x" * 1000), (coding,), 1000)), 1000)
            error = self.refused(code(b"x" * 1001), coding, 1000)
            self.assertEqual((error.status, error.code), (413, "request_too_large"))
            self.assertIn("max_request_body = 1000", error.message)

    def test_bombs_end_early(self) -> None:
        """Whatever they would come to: the work, and the memory, is that of the limit."""
        zeros = b"\0" * (64 << 20)
        for coding, code in CODERS.items():
            body, turns = code(zeros), 0

            def turn() -> None:
                nonlocal turns
                turns += 1

            self.assertLess(len(body), 100_000)
            self.assertRaises(BodyTooLarge, decoded, body, (coding,), LIMIT, turn)
            self.assertLess(turns, 10, coding)
        inner = gzip.compress(gzip.compress(zeros))
        self.assertRaises(BodyTooLarge, decoded, inner, ("gzip", "gzip"), LIMIT)

    def test_a_window_that_nobody_needs(self) -> None:
        """Of more than 8 MiB (RFC 9659), whatever the frame holds."""
        for log, works in ((23, True), (24, False), (27, False)):
            coder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
            body = coder.compress(TEXT) + coder.flush()
            if works:
                self.assertEqual(decoded(body, ("zstd",), LIMIT), TEXT)
            else:
                self.assertEqual(self.refused(body, "zstd").status, 400)

    def test_a_flood_of_members(self) -> None:
        """Costs whatever they hold, so there are so many and no more."""
        for coding, member, most in (
            ("gzip", gzip.compress(b""), 1024),
            ("zstd", skippable(b""), 64),
            ("zstd", zstd.compress(b""), 64),
        ):
            self.assertEqual(decoded(member * most, (coding,), LIMIT), b"")
            self.assertEqual(self.refused(member * (most + 1), coding).status, 400)

    def test_the_work_can_be_ended(self) -> None:
        class Enough(Exception):
            pass

        def enough() -> None:
            raise Enough

        self.assertRaises(Enough, decoded, gzip.compress(NOISE), ("gzip",), LIMIT, enough)

    @given(st.binary(max_size=2000), st.sampled_from(sorted(CODERS)))
    def test_any_bytes_there_and_back(self, data: bytes, coding: str) -> None:
        self.assertEqual(decoded(CODERS[coding](data), (coding,), LIMIT), data)

    @given(st.binary(min_size=1, max_size=300), st.sampled_from(sorted(CODERS)))
    def test_any_bytes(self, body: bytes, coding: str) -> None:
        """Are decoded, or refused with a status of their own."""
        try:
            decoded(body, (coding,), LIMIT)
        except (BadRequest, BodyTooLarge) as error:
            self.assertIn(error.status, (400, 413))
