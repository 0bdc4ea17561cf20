"""Request bodies without their content coding (RFC 9110 section 8.4), within bounds.

Theory of operation. What a coded body comes to is not known before it is decoded, and may be a thousand times its size.
So it is decoded in pieces: a bounded piece of what came, and as many bounded pieces of what that comes to, with a look
at the sum behind each. More than is allowed ends it there. What a decoder remembers is bounded as well: 32 KiB for
``gzip`` and ``deflate``, 8 MiB for ``zstd``, which is what RFC 9659 has all senders keep to.

A body is all that its coding says, and nothing else: what ends too soon, and what comes behind the end, is refused,
since readers differ in what they make of it. Behind a member of ``gzip`` may be another one (RFC 1952 section 2.2),
behind a frame of ``zstd`` another one or one to be skipped (RFC 8878 section 3.1).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from aigw.errors import BadRequest, BodyTooLarge, UnsupportedEncoding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What is decoded here, in the words of ``Accept-Encoding``.
KNOWN: Final = b"gzip, deflate, zstd"

#: Bytes of a body that a decoder is given at once, and that it makes at once.
_PIECE: Final = 64 * 1024
_ROOM: Final = 256 * 1024

#: Codings that a body may have, one around the other; members and frames that each may be made of. More is nobody's
#: honest request, and each of them costs whatever its size.
_MOST_CODINGS: Final = 2
_MOST_MEMBERS: Final = 1024
_MOST_FRAMES: Final = 64

_WINDOW: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}


class _Member(Protocol):
    """A decoder of one member or frame."""

    @property
    def eof(self) -> bool:
        """Its end was read."""

    @property
    def unused_data(self) -> bytes:
        """What came behind it."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Read on; make so many bytes at most. What was not read then is kept."""

    @property
    def needs_input(self) -> bool:
        """Nothing more can be made of what it has read."""


class _Deflated:
    """zlib's decoder, used as zstd's is.

    :param window: see :func:`zlib.decompressobj`.
    """

    def __init__(self, window: int) -> None:
        self._decoder = zlib.decompressobj(window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """See :class:`_Member`."""
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        """See :class:`_Member`."""
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """See :class:`_Member`."""
        decoder = self._decoder
        made = decoder.decompress(decoder.unconsumed_tail + data, max_length)
        self.needs_input = len(made) < max_length and not decoder.unconsumed_tail
        return made


def _gzip(beginning: bytes) -> _Member:
    return _Deflated(zlib.MAX_WBITS | 16)


def _deflate(beginning: bytes) -> _Member:
    """``deflate`` is zlib's format, and some send it without zlib's header (RFC 9110 section 8.4.1.2): told by the
    header's check (RFC 1950 section 2.2)."""
    method, check = (*beginning[:2], 0, 0)[:2]
    wrapped = method & 0x0F == 8 and method >> 4 <= 7 and (method * 256 + check) % 31 == 0
    return _Deflated(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _zstd(beginning: bytes) -> _Member:
    return zstd.ZstdDecompressor(options=_WINDOW)


#: Each coding's decoder, and how many members it may be made of. ``x-gzip`` is ``gzip`` (RFC 9110 section 8.4.1.3).
_DECODERS: Final[dict[str, tuple[Callable[[bytes], _Member], int]]] = {
    "gzip": (_gzip, _MOST_MEMBERS),
    "x-gzip": (_gzip, _MOST_MEMBERS),
    "deflate": (_deflate, 1),
    "zstd": (_zstd, _MOST_FRAMES),
}


def codings_of(value: bytes) -> tuple[str, ...]:
    """The codings that ``Content-Encoding`` names, in the order in which they are taken off.

    :raises UnsupportedEncoding: one of them is not decoded here, or there are too many.
    """
    names = [name.strip().lower() for name in value.decode("latin-1").split(",")]
    found = [name for name in names if name not in ("", "identity")]
    unknown = next((name for name in found if name not in _DECODERS), None)
    if unknown is not None:
        raise _unsupported(f"Content-Encoding {_shown(unknown)} is not decoded here")
    if len(found) > _MOST_CODINGS:
        raise _unsupported(f"Content-Encoding names more than {_MOST_CODINGS} codings")
    return tuple(reversed(found))


def decoded(body: bytes, codings: tuple[str, ...], limit: int, pause: Callable[[], None] = lambda: None) -> bytes:
    """``body`` without its codings.

    :param codings: as :func:`codings_of` has them.
    :param limit: bytes that it may come to, behind each coding.
    :param pause: called every few hundred KiB; what it raises ends the work.
    :raises BodyTooLarge: it comes to more.
    :raises BadRequest: it is not in these codings, or not all of it is.
    """
    for coding in codings:
        body = _undo(body, coding, limit, pause)
    return body


def _undo(body: bytes, coding: str, limit: int, pause: Callable[[], None]) -> bytes:
    make, most = _DECODERS[coding]
    made: list[bytes] = []
    member: _Member | None = None
    size = at = members = 0
    while at < len(body):
        piece = body[at : at + _PIECE]
        if member is None:
            members += 1
            if members > most:
                raise _malformed(
                    coding, "something follows its end" if most == 1 else f"it has more than {most} members"
                )
            member = make(piece)
        at += len(piece)
        for data in _made_of(member, piece, coding):
            size += len(data)
            if size > limit:
                raise _too_large(limit)
            made.append(data)
            pause()
        if member.eof:
            at -= len(member.unused_data)
            member = None
    if member is not None:
        raise _malformed(coding, "it ends too soon")
    return b"".join(made)


def _made_of(member: _Member, piece: bytes, coding: str) -> Iterator[bytes]:
    """All that a decoder makes of a piece, in bounded pieces.

    :raises BadRequest: it is not in the coding.
    """
    try:
        yield member.decompress(piece, _ROOM)
        while not member.eof and not member.needs_input:
            yield member.decompress(b"", _ROOM)
    except (zlib.error, zstd.ZstdError):
        raise _malformed(coding, "it is something else, or needs more memory than is common") from None


def _shown(name: str) -> str:
    """A coding as an error may show it: printable and short."""
    return "".join(each if each.isprintable() else "?" for each in name[:40])


def _unsupported(why: str) -> UnsupportedEncoding:
    known = KNOWN.decode("ascii")
    return UnsupportedEncoding(f"{why} (it may be {known})", headers=[(b"accept-encoding", KNOWN)])


def _malformed(coding: str, why: str) -> BadRequest:
    return BadRequest(
        f"the request body is not {coding}, as its Content-Encoding says: {why}", code="malformed_request"
    )


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the request body, decoded, is larger than max_request_body = {limit} bytes")
