"""One form for each path: normalised once, then matched, judged, logged and forwarded in that form.

Gateways have been walked around by paths that one part of them read in one way and another in another: ``//x``,
``/a/../b``, ``/%2e%2e/``, ``/x;a=b``, ``\\``. So each path is brought into one form (RFC 3986 section 6.2.2: escapes
in upper case, unreserved characters unescaped, dot segments removed; slashes merged), and what has no safe form is
refused.
"""

from __future__ import annotations

import re
from typing import Final

from aigw.bounded_cache import remember
from aigw.errors import BadRequest

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_HEX: Final = {b"%%%02X" % byte: byte for byte in range(256)}

#: Paths that are their own normal form: no escapes, no empty or dotted segment to look into.
_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*/?")


#: Paths with their form: those of an API are few and short.
_remembered: Final[dict[bytes, bytes]] = {}


def normalise_path(raw: bytes) -> bytes:
    """The one form of ``raw``, a request target's path.

    An escaped slash inside a segment stays escaped, since model names have slashes; it never separates segments.

    :raises BadRequest: the path has no safe form.
    """
    path = _remembered.get(raw)
    if path is None:
        path = _normalise(raw)
        remember(_remembered, raw, path, len(raw))
    return path


def _normalise(raw: bytes) -> bytes:
    if raw and _PLAIN.fullmatch(raw):
        return raw
    if not raw.startswith(b"/"):
        raise BadRequest("the request target must be a path that starts with /", code="bad_path")
    if b"\\" in raw or b"#" in raw or any(byte <= 0x20 or byte >= 0x7F for byte in raw):
        raise BadRequest("the path holds a character that must not be in it", code="bad_path")
    path = _ESCAPE.sub(_unescape, raw)
    _check_utf8(path)
    return b"/" + b"/".join(_without_dots(path))


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        raise BadRequest("the path holds a % that begins no escape", code="bad_path")
    byte = int(match[1], 16)
    if byte < 0x20 or byte == 0x7F or byte == 0x5C:
        raise BadRequest("the path holds an escaped character that must not be in it", code="bad_path")
    return bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte


def _check_utf8(path: bytes) -> None:
    if b"%" not in path:
        return
    decoded = _ESCAPE.sub(lambda match: bytes((_HEX[match[0]],)), path)
    try:
        decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the path's escapes are not UTF-8", code="bad_path") from None


def _without_dots(path: bytes) -> list[bytes]:
    """The segments, slashes merged and dot segments resolved; a slash at the end stays."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if not kept:
                raise BadRequest("the path leaves its root", code="bad_path")
            kept.pop()
        elif b"%2F" in segment and not {b".", b".."}.isdisjoint(segment.split(b"%2F")):
            raise BadRequest("the path hides a dot segment", code="bad_path")
        elif segment not in (b"", b"."):
            kept.append(segment)
    if segments[-1] in (b"", b".", b".."):
        kept.append(b"")
    return kept
