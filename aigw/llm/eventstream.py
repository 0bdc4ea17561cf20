"""AWS event streams (``application/vnd.amazon.eventstream``), cut into frames.

A message is a prelude of three big-endian numbers (length of the whole, length of the headers, CRC-32 of these two),
the headers, the payload, and the CRC-32 of all before it. A header is its name behind one byte of length, a byte for
its type, and the value. Source: https://smithy.io/2.0/aws/amazon-eventstream.html; the limits are botocore's.

Messages of the type ``event`` are frames with the ``:event-type`` as their kind. An ``exception`` has the kind
``exception:NAME``; so has an ``error``, which has no payload: its ``:error-message`` becomes one.
"""

from __future__ import annotations

import struct
from zlib import crc32

import orjson

from aigw.llm.decoders import INTRICATE, BrokenFrame, Frame, FrameTooLarge, UnreadableStream, is_intricate

MAX_HEADERS = 128 * 1024
MAX_PAYLOAD = 24 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
#: Bytes of a message that are neither headers nor payload.
_AROUND = _PRELUDE.size + _CRC.size

#: Sizes of header values by type: true, false, 8, 16, 32 and 64 bits, timestamp, UUID. Bytes and strings tell theirs.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7

#: Headers are the same for all events of a kind, so what they mean is remembered: of so many different ones, none of
#: which has more bytes.
_REMEMBERED, _LONGEST_REMEMBERED = 64, 512


class EventStreamDecoder:
    """See :class:`aigw.llm.decoders.Decoder`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._kinds: dict[bytes, bytes] = {}

    @property
    def kept(self) -> int:
        """See :class:`aigw.llm.decoders.Decoder`."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """See :class:`aigw.llm.decoders.Decoder`. A message that is too long is refused by its prelude."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start, size = 0, len(buffer)
        while size - start >= _PRELUDE.size:
            try:
                total, headers = _prelude(bytes(buffer[start : start + _PRELUDE.size]))
                if size - start < total:
                    break
                frames.append(self._frame(bytes(buffer[start : start + total]), headers))
            except UnreadableStream as error:
                error.frames = frames
                raise
            start += total
        del buffer[:start]
        return frames

    def end(self) -> list[Frame]:
        """What is not complete is no frame."""
        self._buffer.clear()
        return []

    def _frame(self, message: bytes, headers: int) -> Frame:
        if crc32(memoryview(message)[:-4]) != _CRC.unpack_from(message, len(message) - 4)[0]:
            raise BrokenFrame("an event with a wrong checksum")
        begin = _PRELUDE.size + headers
        block, payload = message[_PRELUDE.size : begin], message[begin:-4]
        if is_intricate(payload):
            raise FrameTooLarge(INTRICATE.format("an event"))
        kind = self._kinds.get(block)
        if kind is not None:
            return Frame(kind, payload)
        fields = read_headers(block)
        kind = _kind(fields)
        if not payload and _text(fields, b":message-type") == b"error":
            message_text = _text(fields, b":error-message").decode("utf-8", "replace")
            return Frame(kind, orjson.dumps({"message": message_text}))
        if len(self._kinds) < _REMEMBERED and headers <= _LONGEST_REMEMBERED:
            self._kinds[block] = kind
        return Frame(kind, payload)


def _prelude(prelude: bytes) -> tuple[int, int]:
    """The lengths of a message and of its headers."""
    total, headers, checksum = _PRELUDE.unpack(prelude)
    if crc32(prelude[:8]) != checksum:
        raise BrokenFrame("an event whose beginning has a wrong checksum")
    if headers > MAX_HEADERS:
        raise FrameTooLarge(f"an event with more than {MAX_HEADERS} bytes of headers")
    if total < headers + _AROUND:
        raise BrokenFrame("an event with an impossible length")
    if total - headers - _AROUND > MAX_PAYLOAD:
        raise FrameTooLarge(f"an event of more than {MAX_PAYLOAD} bytes")
    return total, headers


def read_headers(block: bytes) -> dict[bytes, tuple[int, bytes]]:
    """The headers of a message: type and value of each as they are in it.

    :raises BrokenFrame: they are not well-formed, or one is there twice.
    """
    headers: dict[bytes, tuple[int, bytes]] = {}
    position = 0
    while position < len(block):
        begin = position + 1
        name, kind, start, end = _header(block, begin, begin + block[position])
        if end > len(block):
            raise BrokenFrame("an event with a header that is cut off")
        if name in headers:
            raise BrokenFrame("an event with a header that is there twice")
        headers[name] = (kind, block[start:end])
        position = end
    return headers


def _header(block: bytes, begin: int, end: int) -> tuple[bytes, int, int, int]:
    """Name, type, and where the value of a header begins and ends."""
    if end >= len(block):
        raise BrokenFrame("an event with a header that is cut off")
    kind, start = block[end], end + 1
    if kind in (_BYTES, _STRING):
        start += 2
        return block[begin:end], kind, start, start + int.from_bytes(block[start - 2 : start], "big")
    size = _SIZES.get(kind)
    if size is None:
        raise BrokenFrame(f"an event with a header of the unknown type {kind}")
    return block[begin:end], kind, start, start + size


def _text(headers: dict[bytes, tuple[int, bytes]], name: bytes) -> bytes:
    """The value of a header that is a string, empty if it is none."""
    kind, value = headers.get(name, (0, b""))
    return value if kind == _STRING else b""


def _kind(headers: dict[bytes, tuple[int, bytes]]) -> bytes:
    match _text(headers, b":message-type"):
        case b"exception":
            return b"exception:" + _text(headers, b":exception-type")
        case b"error":
            return b"exception:" + _text(headers, b":error-code")
        case _:
            return _text(headers, b":event-type")
