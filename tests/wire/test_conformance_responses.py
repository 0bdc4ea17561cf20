"""llhttp's cases of responses, and others that upstreams have been seen to send: what the client makes of them.

See :mod:`tests.wire.conformance`. Left out: lenient modes, which are never on, and the pausing of callbacks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater

from tests.unit.http.fakes import Scene
from tests.wire.conformance import in_bytes, in_two
from tests.wire.raw_upstream import GET, HELLO, OK, RawConnection, WireTestCase, say

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
TEN = b"0123456789"


class Response(NamedTuple):
    """One row.

    :ivar sent: by the upstream.
    :ivar closes: it closes the connection then.
    :ivar seen: the status and the body that whoever called is told of; 0 for no head.
    :ivar failure: how the call fails (:data:`aigw.http.failures.KINDS`); empty if it does not.
    :ivar kept: the connection carries the next call.
    """

    name: str
    rule: str
    sent: bytes
    closes: bool
    seen: tuple[int, bytes]
    failure: str
    kept: bool
    why: str = ""


def good(
    name: str, rule: str, sent: bytes, body: bytes = b"", status: int = 200, why: str = "", *, kept: bool = True
) -> Response:
    """A response that is complete."""
    return Response(name, rule, sent, False, (status, body), "", kept, why)


def ended(name: str, rule: str, sent: bytes, body: bytes = b"", status: int = 200, why: str = "") -> Response:
    """A response that only the close completes."""
    return Response(name, rule, sent, True, (status, body), "", False, why)


def bad(name: str, rule: str, sent: bytes, body: bytes | None = None, why: str = "") -> Response:
    """A response that is refused: before its head was passed on, or, with ``body``, within it."""
    return Response(name, rule, sent, False, (0, b"") if body is None else (200, body), "protocol", False, why)


def cut(name: str, rule: str, sent: bytes, body: bytes | None = None, why: str = "") -> Response:
    """A response that is not complete when the connection is closed."""
    return Response(name, rule, sent, True, (0, b"") if body is None else (200, body), "cut", False, why)


_VERSIONS = "Nobody speaks it, and what it would frame is not known."
_MORE = "Whatever is behind the response is nobody's: the next caller would take it for its own."

CONNECTION = (
    good(
        "Proxy-Connection",
        "9110 7.6.1",
        OK + b"Content-Length: 11\r\nProxy-Connection: close\r\n\r\nhello world",
        b"hello world",
        kept=False,
        why="No field of HTTP's, and what it says is heeded.",
    ),
    ended(
        "HTTP/1.0 with keep-alive and EOF-terminated 200",
        "9112 6.3",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nHTTP/1.0 200 OK",
        b"HTTP/1.0 200 OK",
    ),
    good(
        "HTTP/1.0 with keep-alive and 204",
        "9112 9.3",
        b"HTTP/1.0 204 No content\r\nConnection: keep-alive\r\n\r\nHTTP/1.0 200 OK",
        status=204,
        kept=False,
        why=_MORE,
    ),
    ended("HTTP/1.1 with EOF-terminated 200", "9112 6.3", OK + b"\r\nHTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
    good(
        "HTTP/1.1 with 204",
        "9112 6.3",
        b"HTTP/1.1 204 No content\r\n\r\nHTTP/1.1 200 OK",
        status=204,
        kept=False,
        why=_MORE,
    ),
    good(
        "HTTP/1.1 with keep-alive disabled and 204",
        "9112 9.6",
        b"HTTP/1.1 204 No content\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK",
        status=204,
        kept=False,
    ),
    good(
        "HTTP/1.1 with keep-alive disabled, content-length",
        "9112 9.6",
        OK + b"Content-Length: 5\r\nConnection: close\r\n\r\n2ad731e3-4dcd",
        b"2ad73",
        kept=False,
    ),
    bad(
        "HTTP 101 with Upgrade and Content-Length",
        "9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbodyproto",
    ),
    bad(
        "HTTP 101 with Upgrade and Transfer-Encoding",
        "9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n0\r\n\r\n",
    ),
    ended("HTTP 200 with Upgrade", "9110 7.8", OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\nbody", b"body"),
    good(
        "HTTP 200 with Upgrade and Content-Length",
        "9110 7.8",
        OK + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody",
        b"body",
    ),
    good(
        "HTTP 200 with Upgrade and Transfer-Encoding",
        "9110 7.8",
        OK
        + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
        b"body",
    ),
    good(
        "HTTP 304 with Content-Length",
        "9112 6.3",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        status=304,
    ),
    good(
        "HTTP 304 with Transfer-Encoding",
        "9112 6.1",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        status=304,
    ),
    good(
        "HTTP 100 first, then 404",
        "9110 15.2.1",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n404: Not Found",
        b"404: Not Found",
        404,
    ),
    good(
        "HTTP 103 first, then 200",
        "9110 15.2",
        b"HTTP/1.1 103 Early Hints\r\nLink: </styles.css>; rel=preload\r\n\r\n"
        + OK
        + b"Content-Length: 5\r\n\r\nhello",
        b"hello",
    ),
)

CONTENT_LENGTH = (
    ended(
        "Response without Content-Length, but with body",
        "9112 6.3",
        OK + b"Connection: close\r\n\r\n<xml/>\n",
        b"<xml/>\n",
    ),
    good(
        "Content-Length-X",
        "9110 5.1",
        OK + b"Content-Length-X: 0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
        b"OK",
    ),
    cut("Content-Length, less than announced", "9112 8", OK + b"Content-Length: 123\r\n\r\nabc", b"abc"),
    good("Tabs in Content-Length (surrounding)", "9112 5", OK + b"Content-Length:\t2\t\r\n\r\nhi", b"hi"),
    good("Empty response without Content-Length", "9112 6.3", OK + EMPTY),
)

INVALID = (
    bad("Incomplete HTTP protocol", "9112 4", b"HTP/1.1 200 OK\r\n\r\n"),
    bad("Extra digit in HTTP major version", "9112 2.3", b"HTTP/01.1 200 OK\r\n\r\n"),
    bad("Extra digit in HTTP major version #2", "9112 2.3", b"HTTP/11.1 200 OK\r\n\r\n"),
    bad("Extra digit in HTTP minor version", "9112 2.3", b"HTTP/1.01 200 OK\r\n\r\n"),
    bad("Tab after HTTP version", "9112 4", b"HTTP/1.1\t200 OK\r\n\r\n"),
    bad("CR before response and tab after HTTP version", "9112 4", b"\rHTTP/1.1\t200 OK\r\n\r\n"),
    bad("Headers separated by CR", "9112 2.2", OK + b"Foo: 1\rBar: 2\r\n\r\n"),
    bad("Bare CR after response line", "9112 2.2", b"HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n"),
    bad("Bare CR followed by CR after response line", "9112 2.2", b"HTTP/1.1 200 OK\r\rContent-Length: 4\r\n\r\nEvil"),
    bad("Invalid HTTP version", "9112 2.3", b"HTTP/5.6 200 OK\r\n\r\n"),
    bad("Invalid space after start line", "9112 2.2", OK + b" Host: foo\r\n\r\n"),
    bad("Extra space between HTTP version and status code", "9112 4", b"HTTP/1.1  200 OK\r\n\r\n"),
    good("Extra space between status code and reason", "9112 4", b"HTTP/1.1 200  OK\r\n" + EMPTY),
    bad("One-digit status code", "9112 4", b"HTTP/1.1 2 OK\r\n\r\n"),
    bad("Only LFs present and no body", "9112 2.2", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    bad("Only LFs present", "9112 2.2", b"HTTP/1.1 200 OK\nFoo: abc\nBar: def\n\nBODY\n"),
)

PIPELINING = (
    good(
        "Should parse multiple events",
        "9112 9.3.2",
        OK + b"Content-Length: 3\r\n\r\nAAA\r\nHTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nBBBB",
        b"AAA",
        kept=False,
        why=_MORE,
    ),
    good("An empty line behind the end", "9112 6.3", HELLO + b"\r\n", b"hello", kept=False, why=_MORE),
)

SAMPLE = (
    good("Simple response", "9112 5", OK + b"Header1: Value1\r\nHeader2:\t Value2\r\n" + EMPTY),
    bad("RTSP response", "9112 2.3", b"RTSP/1.1 200 OK\r\n\r\n"),
    bad("ICE response", "9112 2.3", b"ICE/1.1 200 OK\r\n\r\n"),
    bad("Error on invalid response start", "9112 2.3", b"HTTPER/1.1 200 OK\r\n\r\n"),
    ended("Empty body should not trigger spurious span callbacks", "9112 6.3", OK + b"\r\n"),
    good(
        "Google 301",
        "9110 15.4.2",
        b"HTTP/1.1 301 Moved Permanently\r\nX-$PrototypeBI-Version: 1.6.0.3\r\nContent-Length:  5  \r\n\r\n<HTML",
        b"<HTML",
        301,
    ),
    good(
        "amazon.com",
        "9112 4",
        b'HTTP/1.1 301 MovedPermanently\r\np3p: policyref="x",CP="CAO DSP"\r\nVary: A,B\r\nnnCoection: close\r\n'
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
        b"\n",
        301,
    ),
    ended("No headers and no body", "9112 6.3", b"HTTP/1.1 404 Not Found\r\n\r\n", status=404),
    ended("No reason phrase", "9112 4", b"HTTP/1.1 301\r\n\r\n", status=301),
    good("Empty reason phrase after space", "9112 4", b"HTTP/1.1 200 \r\n" + EMPTY),
    bad("No carriage ret", "9112 2.2", b"HTTP/1.1 200 OK\nContent-Type: text/html\nConnection: close\n\nthese headers"),
    good("Underscore in header key", "9110 5.1", OK + b"Server: DCLK-AdSvr\r\nDCLK_imp: v7;x;1\r\n" + EMPTY),
    good(
        "bonjourmadame.fr",
        "9112 9.3",
        b"HTTP/1.0 301 Moved Permanently\r\nPragma: \r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
        status=301,
    ),
    good(
        "Spaces in header value",
        "9112 9.6",
        OK + b".et-Cookie: Plaxo; path=/\r\n_onnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\n",
        kept=False,
    ),
    bad("Spaces in header name", "9110 5.1", OK + b"en-US Content-Type: text/xml\r\nContent-Length: 2\r\n\r\nhi"),
    good(
        "Non ASCII in status line",
        "9112 4",
        b"HTTP/1.1 500 Ori\xc3\xabntatieprobleem\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        status=500,
        kept=False,
    ),
    bad("HTTP version 0.9", "9112 2.3", b"HTTP/0.9 200 OK\r\n\r\n"),
    bad("HTTP version 1.2", "9110 2.5", b"HTTP/1.2 200 OK\r\n" + EMPTY, why=_VERSIONS),
    ended(
        "No Content-Length, no Transfer-Encoding",
        "9112 6.3",
        OK + b"Content-Type: text/plain\r\n\r\nhello world",
        b"hello world",
    ),
    bad(
        "Response starting with CRLF",
        "9112 2.2",
        b"\r\n" + OK + EMPTY,
        why="Only in front of a request is an empty line passed over.",
    ),
)

TRANSFER_ENCODING = (
    bad("Trailing space on chunked body", "9112 7.1", CHUNKED + b"2  \r\nhi\r\n0  \r\n\r\n", b""),
    bad("chunked before other transfer-encoding", "9112 6.3", OK + b"Transfer-Encoding: chunked, deflate\r\n\r\nWorld"),
    bad(
        "chunked is not the last one, of several",
        "9112 6.3",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nWorld",
    ),
    bad(
        "chunkedchunked",
        "9112 6.1",
        OK + b"Transfer-Encoding: chunkedchunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
        why="Another coding would end with the connection, and nobody here could read it.",
    ),
    good(
        "Chunk extensions",
        "9112 7.1.1",
        CHUNKED + b"5;ilovew3;somuchlove=x\r\nhello\r\n6;blahblah;blah\r\n world\r\n0\r\n\r\n",
        b"hello world",
    ),
    bad("No semicolon before chunk extensions", "9112 7.1.1", CHUNKED + b"2 erfrferferf\r\naa\r\n0 rrrr\r\n\r\n", b""),
    bad("No extension after semicolon", "9112 7.1.1", CHUNKED + b"2;\r\naa\r\n0\r\n\r\n", b""),
    good(
        "Chunk extensions quoting",
        "9112 7.1.1",
        CHUNKED + b'5;ilovew3="I love; extensions";blah;foo=bar\r\nhello\r\n0\r\n\r\n',
        b"hello",
    ),
    bad(
        "Unbalanced chunk extensions quoting",
        "9112 7.1.1",
        CHUNKED + b'5;ilovew3="abc";so="def; ghi\r\nhello\r\n0\r\n\r\n',
        b"",
    ),
    good("Chunks in capitals, with zeros", "9112 7.1", CHUNKED + b"00A\r\n" + TEN + b"\r\n000\r\n\r\n", TEN),
    good("Trailers", "9112 7.1.2", CHUNKED + b"2\r\nhi\r\n0\r\nVary: *\r\nX-Checksum: y\r\n\r\n", b"hi"),
    cut("Missing last-chunk", "9112 8", CHUNKED + b"2\r\nhi\r\n", b"hi"),
    cut("Missing the end behind the last chunk", "9112 8", CHUNKED + b"2\r\nhi\r\n0\r\n", b"hi"),
    bad(
        "Both framings", "9112 6.3", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    ),
    bad(
        "chunked in HTTP/1.0", "9112 6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    ),
    bad("Chunk data longer than its size", "9112 7.1", CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n", b"hi"),
    bad("Chunk data ended by LF", "9112 2.2", CHUNKED + b"2\r\nhi\n0\r\n\r\n", b"hi"),
)

CASES = (*CONNECTION, *CONTENT_LENGTH, *INVALID, *PIPELINING, *SAMPLE, *TRANSFER_ENCODING)


def outcome(case: Response, pieces: Sequence[bytes]) -> tuple[tuple[int, bytes], str, bool]:
    """What comes of these pieces, without sockets."""
    scene = Scene()
    sink, _, wire = scene.connected(GET)
    wire.taken()
    for piece in pieces:
        if not wire.closed:
            wire.send(piece)
    if case.closes and not wire.closed:
        wire.lose()
    kept = not (case.closes or wire.closed)
    if kept:
        scene.begin(GET)
        kept = wire.taken() == GET
    return (sink.status, sink.body), sink.kind, kept


class ResponseTests(WireTestCase):
    """Each in one piece, byte by byte, cut at every place; and over sockets."""

    async def check(self, case: Response) -> None:
        """One case."""
        expected = (case.seen, case.failure, case.kept)
        for pieces in itertools.chain([[case.sent], in_bytes(case.sent)], in_two(case.sent)):
            self.assertEqual(outcome(case, pieces), expected, f"cut behind {pieces[0]!r}")
        for pieces in ([case.sent], in_bytes(case.sent)):
            self.assertEqual(await self.over_sockets(case, pieces), expected)

    async def over_sockets(self, case: Response, pieces: Sequence[bytes]) -> tuple[tuple[int, bytes], str, bool]:
        """The same with an upstream on loopback."""
        said: list[Deferred[None]] = []
        first = lambda connection: said.append(ensureDeferred(self.say_in(connection, pieces, case.closes)))  # noqa: E731
        pool = self.pool_to(self.listen(first, say(HELLO)))
        sink = await self.ask(pool, GET)
        await said[0]
        if not case.kept:
            await self.until(lambda: not pool.size)
        self.assertEqual((await self.ask(pool, GET)).body, b"hello")
        kept = len(self.servers[-1].connections) == 1
        return (sink.status, bytes(sink.body)), sink.kind, kept

    async def say_in(self, connection: RawConnection, pieces: Sequence[bytes], closes: bool) -> None:
        """Write each by itself."""
        for piece in pieces:
            connection.transport.write(piece)
            await deferLater(reactor, 0)
        if closes:
            connection.transport.loseConnection()


def _test(case: Response) -> Callable[[Any], Awaitable[None]]:
    async def test(self: ResponseTests) -> None:
        await self.check(case)

    test.__doc__ = f"RFC {case.rule}. {case.why}"
    return test


for _case in CASES:
    _name = "test_" + re.sub(r"\W+", "_", _case.name).strip("_").lower()
    assert not hasattr(ResponseTests, _name), _name
    setattr(ResponseTests, _name, _test(_case))
