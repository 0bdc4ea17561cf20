"""Bytes in, one request at a time out: how the server reads HTTP/1.1. No I/O, no timers.

Theory of operation. A request's head is collected until the empty line that ends it, then read in one piece by llhttp
(through httptools, in its strict default). So nothing depends on how the network cut the bytes, and what llhttp
forgives can be looked for in the raw text: :meth:`RequestReader._begin_request` does that for the request line,
:mod:`aigw.http.request_head` for the fields. A head that is not complete yet is only looked at for what can never
become right, so that nobody waits for a deadline to be told.

The reader finds the end of every message itself, and llhttp never sees a byte behind it: what follows is the next
request, whose turn comes when this one is answered. A sized body is cut off by its length. A chunked one is read by
llhttp, up to one empty line after the other, since such a body ends with one; trailers are read and dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools

from aigw.errors import BodyTooLarge, GatewayError, HeadTooLarge, NotSupported, short_of_memory
from aigw.http.headers import Header
from aigw.http.request import Request
from aigw.http.request_head import CHUNKED, malformed, not_served, unknown_coding, validate_request_head

if TYPE_CHECKING:
    from aigw.http.channel import ServerChannel
    from aigw.http.server import ServerLimits

_CR: Final = 13
_LF: Final = 10
_TAB: Final = 9
_SPACE: Final = 32
#: What a method is made of: the characters of a token (RFC 9110 section 5.6.2).
_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
#: The methods that are understood, of which TRACE and CONNECT are not served. WebDAV's and others that llhttp reads
#: mean nothing to any provider.
METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"))
#: Their minor digits; whoever speaks more than HTTP/1.1 is answered in that (RFC 9110 section 2.5).
_VERSIONS: Final = {b"HTTP/1.%d" % minor: minor for minor in range(10)}

_BARE_LF: Final = "a line ends without a carriage return"

#: The name of the field that llhttp knows, behind the line before it, and one that it does not know.
_UPGRADE: Final = b"\r\nupgrade:"
_NO_UPGRADE: Final = b"\r\nxpgrade:"

#: Bytes of chunk framing, extensions and trailers that a body may have whatever its size,
_CHUNK_OVERHEAD: Final = 16 * 1024
#: and for each byte of it: chunks of one byte whose size is written with many zeros are odd, but not an attack.
_CHUNK_OVERHEAD_BY_BYTE: Final = 16


class RequestReader:
    """Reads the requests of one connection.

    :ivar request: the one whose head is there and whose body is not; None between requests and within a head. Also
        the one that was refused, if its head could be read.
    :ivar rest: what came behind the request that :meth:`feed` returned last.
    :ivar began: when the first byte of the present request came.
    :ivar waiting: bytes of an incomplete head.
    """

    __slots__ = (
        "_body",
        "_channel",
        "_complete",
        "_fed",
        "_fields",
        "_left",
        "_line_seen",
        "_parser",
        "_tail",
        "began",
        "request",
        "rest",
        "waiting",
    )

    def __init__(self, channel: ServerChannel) -> None:
        self._channel = channel
        self.request: Request | None = None
        self.rest = self.waiting = b""
        self.began = 0.0
        self._parser: httptools.HttpRequestParser | None = None  # of a chunked body
        self._fields: list[Header] = []
        self._body = bytearray()
        self._left = 0  # of a sized body
        self._fed = 0  # of a chunked one, framing included
        self._tail = b""
        self._complete = False
        self._line_seen = False  # of an incomplete head

    def feed(self, data: bytes, now: float) -> Request | None:
        """Read on.

        :param now: the clock.
        :returns: the request that is complete with ``data``; :attr:`rest` is what came behind it. None if it takes
            more.
        :raises GatewayError: this is refused; nothing that follows on this connection can be read.
        """
        if self.request is not None:
            return self._feed_body(data, now)
        seen = len(self.waiting)  # and looked at: a head that comes byte by byte is not searched as often
        if seen:
            data, self.waiting = self.waiting + data, b""
        else:
            self.began = now
            self._line_seen = False
        start = 0 if data[0] != _CR else _behind_first_line_end(data)
        end = data.find(b"\r\n\r\n", max(start, seen - 3))
        if end < 0:
            self._wait(data, start, seen)
            return None
        return self._begin_request(data, start, end + 4, now)

    def stop(self) -> None:
        """Nothing more is fed: let go of what has come of a body, and of the parser, which knows us."""
        self._parser = None
        self._body = bytearray()
        self.rest = self.waiting = b""

    def close(self) -> None:
        """The connection is gone: let go of the request, too."""
        self.stop()
        self.request = None

    # -- heads

    def _begin_request(self, data: bytes, start: int, end: int, now: float) -> Request | None:
        """A head is complete; the body may be, too."""
        limits = self._channel.factory.limits
        if end - start > limits.head_bytes:
            raise _fault_of_long_head(data, start, limits)
        method, uri, version = _request_line(data, start)
        head = data[start:end]
        if version > 1:  # llhttp knows no such version
            head = head.replace(b" HTTP/1.%d\r\n" % version, b" HTTP/1.1\r\n", 1)
        parser = self._parse(head, method)
        fields, self._fields = self._fields, []
        if len(fields) > limits.head_count:
            raise HeadTooLarge(f"the request has more than {limits.head_count} header fields")
        self.request = request = Request(self._channel, method, uri, fields, self.began)
        length = validate_request_head(request, version)
        if length == 0:
            return self._end(request, b"", data[end:], now)
        if length == CHUNKED:
            return self._begin_chunks(parser, data[end:], now)
        return self._begin_sized(length, data[end:], now)

    def _parse(self, head: bytes, method: bytes) -> httptools.HttpRequestParser:
        """Let llhttp read a whole head; its fields are in ``_fields`` then."""
        self._fields = []
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            if method == b"CONNECT":
                raise not_served("CONNECT") from None
            return self._parse_again(head, method)
        except httptools.HttpParserError as error:
            raise self._refusal(str(error), head) from None
        return parser

    def _parse_again(self, head: bytes, method: bytes) -> httptools.HttpRequestParser:
        """The same without its ``Upgrade``: behind one, llhttp reads no body, and not every rule is looked at."""
        fields = self._fields
        parser = self._parse(_with_upgrade_renamed(head), method)
        self._fields = fields
        return parser

    def _refusal(self, why: str, head: bytes) -> GatewayError:
        """llhttp's reason, or a better one."""
        if _has_bare_lf(head):
            return malformed(_BARE_LF)
        fields = [value for name, value in self._fields if name == b"transfer-encoding"]
        codings = {coding.strip() for field in fields for coding in field.lower().split(b",")}
        if len(fields) == 1 and "Transfer-Encoding" in why and b"chunked" not in codings:
            return unknown_coding()
        return malformed(why)

    def _wait(self, data: bytes, start: int, seen: int) -> None:
        """Keep an incomplete head, unless it can be seen already that nothing good will come of it.

        :param seen: bytes of it that came through here before.
        """
        limits = self._channel.factory.limits
        if len(data) - start > limits.head_bytes:
            raise _fault_of_long_head(data, start, limits)
        if not self._line_seen and data.find(b"\r\n", max(start, seen - 1)) >= 0:
            _request_line(data, start)
            self._line_seen = True
        elif len(data) > start and data[start] not in _TOKEN:
            raise malformed("not an HTTP request")
        if data.count(b"\n", seen) != data.count(b"\r\n", max(0, seen - 1)):
            raise malformed(_BARE_LF)
        self.waiting = data

    # -- bodies

    def _begin_sized(self, length: int, data: bytes, now: float) -> Request | None:
        limit = self._channel.factory.limits.body
        if length > limit:
            raise _body_too_large(limit)
        request = self.request
        assert request is not None
        if len(data) >= length:
            request.hold(length)  # whoever answers looks whether there is room
            return self._end(request, data[:length], data[length:], now)
        if not self._channel.factory.memory.has_room(length):
            raise short_of_memory()
        request.hold(len(data))
        self._body += data
        self._left = length - len(data)
        return None

    def _begin_chunks(self, parser: httptools.HttpRequestParser, data: bytes, now: float) -> Request | None:
        self._parser = parser
        self._complete = False
        self._fed = 0
        self._tail = b""
        return self._feed_chunks(parser, data, now) if data else None

    def _feed_body(self, data: bytes, now: float) -> Request | None:
        if self._parser is not None:
            return self._feed_chunks(self._parser, data, now)
        left = self._left
        self._hold(min(left, len(data)))
        self._left = left - len(data)
        self._body += data if self._left >= 0 else data[:left]
        if self._left > 0:
            return None
        return self._end_collected(data[left:], now)

    def _feed_chunks(self, parser: httptools.HttpRequestParser, data: bytes, now: float) -> Request | None:
        """Feed up to each empty line, so that the parser stops where the body does."""
        at = 0
        # The first empty line may have begun in what came before.
        joint = (self._tail + data[:3]).find(b"\r\n\r\n")
        cut = joint + 4 - len(self._tail) if joint >= 0 else _behind_empty_line(data, 0)
        while True:
            self._feed_piece(parser, data[at:cut])
            if self._complete:
                return self._end_collected(data[cut:], now)
            if cut == len(data):
                self._tail = (self._tail + data[-3:])[-3:]
                return None
            at, cut = cut, _behind_empty_line(data, cut)

    def _feed_piece(self, parser: httptools.HttpRequestParser, piece: bytes) -> None:
        try:
            parser.feed_data(piece)
        except httptools.HttpParserError as error:
            raise malformed(f"the body's chunks: {error}") from None
        self._fed += len(piece)
        size = len(self._body)
        assert self.request is not None
        self._hold(size - self.request.held)
        limit = self._channel.factory.limits.body
        if size > limit:
            raise _body_too_large(limit)
        if self._fed - size > _CHUNK_OVERHEAD + _CHUNK_OVERHEAD_BY_BYTE * size:
            raise malformed("the body's chunks are mostly framing")

    def _hold(self, size: int) -> None:
        """Count what has come. Who is refused here is whose body grows, since all others must not die of it."""
        request = self.request
        if request is not None and not request.hold(size):
            raise short_of_memory()

    def _end_collected(self, rest: bytes, now: float) -> Request:
        request = self.request
        assert request is not None
        body, self._body = bytes(self._body), bytearray()
        self._parser = None
        return self._end(request, body, rest, now)

    def _end(self, request: Request, body: bytes, rest: bytes, now: float) -> Request:
        self.request = None
        self.rest = rest
        if body:
            request.body = body
            request.bytes_in = len(body)
        request.complete = now
        request.whole = True
        return request

    # -- what llhttp tells

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; or a trailer, into a list that nobody reads (RFC 9110 section 6.5.1)."""
        if value and (value[-1] == _SPACE or value[-1] == _TAB):
            value = value.rstrip(b" \t")  # RFC 9112 section 5.1; llhttp leaves it
        self._fields.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        """What a chunk holds."""
        self._body += data

    def on_message_complete(self) -> None:
        """The last chunk and the trailers are read."""
        self._complete = True


def _request_line(data: bytes, start: int) -> tuple[bytes, bytes, int]:
    """Method, target and minor version: exactly three words with one space between them (RFC 9112 section 3).

    llhttp also takes more spaces, and the request lines of RTSP, ICE and HTTP/2.
    """
    words = data[start : data.find(b"\r\n", start)].split(b" ")
    if len(words) != 3:
        raise malformed("the request line is not METHOD TARGET VERSION")
    method, target, protocol = words
    if _LF in target:  # llhttp takes it there
        raise malformed(_BARE_LF)
    version = _VERSIONS.get(protocol)
    if version is None:
        raise malformed("only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in METHODS:
        if not method or not _TOKEN.issuperset(method):
            raise malformed("the request line is not METHOD TARGET VERSION")
        raise NotSupported("the method is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS")
    return method, target, version


def _behind_first_line_end(data: bytes) -> int:
    """An empty line in front of a request is ignored: one, not a flood of them (RFC 9112 section 2.2)."""
    if data[1:2] not in (b"\n", b""):
        raise malformed("not an HTTP request")
    return 2


def _behind_empty_line(data: bytes, start: int) -> int:
    found = data.find(b"\r\n\r\n", start)
    return found + 4 if found >= 0 else len(data)


def _with_upgrade_renamed(head: bytes) -> bytes:
    """``head`` of the same length, in which no field is called ``Upgrade``."""
    pieces, lower, start = [], head.lower(), 0
    while (found := lower.find(_UPGRADE, start)) >= 0:
        pieces += [head[start:found], _NO_UPGRADE]
        start = found + len(_UPGRADE)
    return b"".join((*pieces, head[start:]))


def _has_bare_lf(head: bytes) -> bool:
    return head.count(b"\n") != head.count(b"\r\n")


def _fault_of_long_head(data: bytes, start: int, limits: ServerLimits) -> GatewayError:
    """What is wrong with a head that is too long: that, or what can be seen before it is.

    :raises GatewayError: its request line is refused.
    """
    seen = data[start : start + limits.head_bytes]
    if seen.find(b"\r\n") >= 0:
        _request_line(seen, 0)
    return malformed(_BARE_LF) if _has_bare_lf(seen) else _head_too_large(limits)


def _head_too_large(limits: ServerLimits) -> GatewayError:
    return HeadTooLarge(f"the request's head is larger than {limits.head_bytes} bytes")


def _body_too_large(limit: int) -> GatewayError:
    return BodyTooLarge(f"the request body is larger than max_request_body = {limit} bytes")
