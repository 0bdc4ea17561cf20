"""How large a picture is, from the first bytes of its file."""

from __future__ import annotations

from typing import Literal


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from the beginning of a PNG, GIF, WebP or JPEG; None if that does not tell."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return _pair(data, 16, 4, "big")
    if data[:4] == b"GIF8":
        return _pair(data, 6, 2, "little")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return _jpeg(data) if data[:2] == b"\xff\xd8" else None


def _pair(data: bytes, at: int, size: int, order: Literal["big", "little"]) -> tuple[int, int] | None:
    if len(data) < at + 2 * size:
        return None
    return int.from_bytes(data[at : at + size], order), int.from_bytes(data[at + size : at + 2 * size], order)


def _webp(data: bytes) -> tuple[int, int] | None:
    """RFC 9649: a simple picture, a lossless one, or an extended one."""
    kind = data[12:16]
    if kind == b"VP8X":
        found = _pair(data, 24, 3, "little")
        return (found[0] + 1, found[1] + 1) if found else None
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    found = _pair(data, 26, 2, "little") if kind == b"VP8 " else None
    return (found[0] & 0x3FFF, found[1] & 0x3FFF) if found else None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """The first frame header (ITU T.81, B.2.2) among the segments."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(data, at + 5, 2, "big") or (0, 0)
            return width, height
        at += 2 + length
    return None
