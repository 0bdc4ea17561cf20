"""llhttp's cases of requests: the parser that reads ours, and what is left to us because it only parses.

Left out: its lenient modes, which are never on; the pausing of its callbacks. ``Upgrade`` is ignored, so what follows is
the body, or the next request. A method that llhttp knows and
no provider serves is a 501. One table, so longer than modules are.
"""

from __future__ import annotations

from tests.wire.conformance import (
    CHUNKED,
    CLOSED,
    GET,
    HIDDEN,
    HOST,
    POST,
    Case,
    ConformanceTestCase,
    add_tests,
    refused,
    served,
    waits,
)

LINE = b"PUT /url HTTP/1.1\r\n"
PUT = LINE + HOST
PUT_CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = POST + b"Content-Length: 4\r\n"
TEN = b"0123456789"

_DECODED = "Of the transfer codings only chunked is decoded; what is behind another one could not be judged."
_OTHER_HOST = "Host has to name the target's host; llhttp does not compare."

CONNECTION = (
    served("keep-alive: setting flag", "9112 9.3", PUT + b"Connection: keep-alive\r\n\r\n", b"PUT /url "),
    served(
        "keep-alive: restarting", "9112 9.3", (PUT + b"Connection: keep-alive\r\n\r\n") * 2, b"PUT /url ", b"PUT /url "
    ),
    served(
        "keep-alive: no restart when off (1.0)",
        "9112 9.3",
        b"PUT /url HTTP/1.0\r\n\r\n" + PUT,
        b"PUT /url ",
        after=CLOSED,
    ),
    served(
        "keep-alive: CRLF between requests, implicit",
        "9112 2.2",
        SIZED + b"\r\nq=42\r\n" + HIDDEN,
        b"POST / q=42",
        b"GET /hidden ",
    ),
    refused(
        "keep-alive: two CRLF between requests, implicit",
        "9112 2.2",
        SIZED + b"\r\nq=42\r\n\r\n" + HIDDEN,
        400,
        b"POST / q=42",
        why="At least one has to be passed over; more than one nobody sends.",
    ),
    refused("keep-alive: not treating CR as -", "9112 2.2", PUT + b"Connection: keep\ralive\r\n\r\n"),
    served("close: setting flag", "9112 9.6", PUT + b"Connection: close\r\n\r\n", b"PUT /url ", after=CLOSED),
    served("close: followed by tab", "9112 5", PUT + b"Connection: close\t\r\n\r\n", b"PUT /url ", after=CLOSED),
    served(
        "close: CRLF between requests, explicit",
        "9112 9.6",
        SIZED + b"Connection: close\r\n\r\nq=42\r\n\r\n" + GET,
        b"POST / q=42",
        after=CLOSED,
        why="What is behind a close is read and dropped, so that the answer can be read.",
    ),
    served(
        "close: CRLF between requests, explicit, tab",
        "9112 9.6",
        SIZED + b"Connection: close\t\r\n\r\nq=42\r\n\r\n" + GET,
        b"POST / q=42",
        after=CLOSED,
    ),
    served(
        "tokens: sample",
        "9110 7.6.1",
        PUT + b"Connection: close, token, upgrade, token, keep-alive\r\n\r\n",
        b"PUT /url ",
        after=CLOSED,
    ),
    refused("tokens: invalid whitespace", "9112 5.1", PUT + b"Connection : upgrade\r\nContent-Length: 4\r\n\r\nabcd"),
)

CONTENT_LENGTH = (
    served("length: with zeroes", "9110 8.6", PUT + b"Content-Length: 003\r\n\r\nabc", b"PUT /url abc"),
    served(
        "length: with follow-up headers",
        "9110 8.6",
        PUT + b"Content-Length: 003\r\nOhai: world\r\n\r\nabc",
        b"PUT /url abc",
    ),
    refused("length: overflow", "9110 8.6", PUT + b"Content-Length: 1000000000000000000000\r\n\r\n"),
    refused("length: duplicate", "9112 6.3", PUT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    refused(
        "length: simultaneous with Transfer-Encoding identity",
        "9112 6.1",
        PUT + b"Content-Length: 1\r\nTransfer-Encoding: identity\r\n\r\n",
    ),
    refused("length: invalid whitespace", "9112 5.1", PUT + b"Content-Length : 4\r\n\r\nabcdefgh"),
    served(
        "length: funky with body",
        "9112 6.2",
        b"GET /funky HTTP/1.0\r\nconTENT-Length: 5\r\n\r\nHELLO",
        b"GET /funky HELLO",
        after=CLOSED,
    ),
    waits("length: spaces (surrounding)", "9112 5", POST + b"Content-Length:  42 \r\n\r\n"),
    waits("length: tabs (surrounding)", "9112 5", POST + b"Content-Length:\t42\t  \r\n\r\n"),
    refused("length: spaces #2", "9110 8.6", POST + b"Content-Length: 4 2\r\n\r\n"),
    refused("length: spaces #3", "9110 8.6", POST + b"Content-Length: 13 37\r\n\r\n"),
    refused("length: empty", "9110 8.6", POST + b"Content-Length:\r\n\r\n"),
    refused("length: CR instead of dash", "9112 2.2", PUT + b"Content\rLength: 003\r\n\r\nabc"),
    refused("length: missing CRLF-CRLF before body", "9112 2.2", PUT + b"Content-Length: 3\r\n\rabc\r\n\r\n"),
)

FINISH = (
    served("finish: after GET", "9112 6.3", GET + b"\r\n", b"GET / "),
    waits("finish: incomplete PUT", "9112 8", PUT + b"Content-Length: 100\r\n"),
    waits("finish: inside of the header", "9112 8", PUT + b"Content-Leng"),
)

INVALID = (
    refused("ICE protocol and GET method", "9112 2.3", b"GET /music/sweet/music ICE/1.0\r\nHost: h\r\n\r\n"),
    refused("ICE protocol, but not really", "9112 2.3", b"GET /music/sweet/music IHTTP/1.0\r\nHost: h\r\n\r\n"),
    refused("RTSP protocol and PUT method", "9112 2.3", b"PUT /music/sweet/music RTSP/1.0\r\nHost: h\r\n\r\n"),
    refused(
        "HTTP protocol and ANNOUNCE method", "9110 9.1", b"ANNOUNCE /music/sweet/music HTTP/1.0\r\nHost: h\r\n\r\n", 501
    ),
    refused("Headers separated by CR", "9112 2.2", GET + b"Foo: 1\rBar: 2\r\n\r\n"),
    refused(
        "Headers separated by LF", "9112 2.2", POST + b"x:x\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n"
    ),
    refused("Headers separated by dummy characters", "9112 2.2", GET + b"\rZGET /evil: HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused(
        "Empty headers separated by CR", "9112 2.2", POST + b"x:\rTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n"
    ),
    refused(
        "Empty headers separated by LF", "9112 2.2", POST + b"x:\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n"
    ),
    refused("Invalid header token #1", "9110 5.6.2", GET + b"Fo@: Failure\r\n\r\n"),
    refused("Invalid header token #2", "9110 5.6.2", GET + b"Foo\x01\test: Bar\r\n\r\n"),
    refused("Invalid header token #3", "9110 5.6.2", GET + b": Bar\r\n\r\n"),
    refused("Invalid method", "9110 9.1", b"MKCOLA / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    refused("Illegal header field name line folding", "9112 5.2", GET + b"name\r\n : value\r\n\r\n"),
    refused(
        "Corrupted Connection header",
        "9112 2.2",
        GET + b"Connection\r\x1b5\xd5eep-Alive\r\nAccept-Encoding: gzip\r\n\r\n",
    ),
    refused(
        "Corrupted header name", "9112 2.2", GET + b"X-Some-Header\r\x1b5\xd5eep-Alive\r\nAccept-Encoding: gzip\r\n\r\n"
    ),
    refused(
        "Missing CR between headers",
        "9112 2.2",
        GET
        + b"Dummy: x\nContent-Length: 23\r\n\r\nGET / HTTP/1.1\r\nDummy: GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    refused("Invalid HTTP version", "9110 2.5", b"GET / HTTP/5.6\r\n"),
    refused("Invalid space after start line", "9112 2.2", b"GET / HTTP/1.1\r\n Host: foo\r\n\r\n"),
    refused(
        "Only LFs present", "9112 2.2", b"POST / HTTP/1.1\nTransfer-Encoding: chunked\nTrailer: Baz\n\n1\nA\n0\n\n"
    ),
    refused("Spaces before headers", "9112 5.2", POST + b"Foo: bar\r\n Content-Length: 38\r\n\r\n" + HIDDEN),
    refused("Control char in header value (strict)", "9110 5.5", GET + b"Header1: hello\x0cworld\r\n\r\n"),
    refused("Header value of a control char (strict)", "9110 5.5", GET + b"Header1: \x0c\r\n\r\n"),
)


def _unknown(method: bytes, target: bytes = b"/test") -> Case:
    """A method that is nobody's."""
    return refused(
        f"{method.decode()} request", "9110 9.1", b"%s %s HTTP/1.1\r\nHost: h\r\n\r\n" % (method, target), 501
    )


_FOR_PROXIES = b"User-agent: Mozilla/1.1N\r\nHost: h\r\nProxy-authorization: basic aGVsbG86d29ybGQ=\r\n"

METHOD = (
    *map(_unknown, (b"REPORT", b"PURGE", b"SEARCH", b"LINK", b"UNLINK", b"SOURCE", b"PROPFIND", b"MKCOL", b"LOCK")),
    _unknown(b"M-SEARCH", b"*"),
    refused(
        "CONNECT request",
        "9110 9.3.6",
        b"CONNECT 0-home0.netscape.com:443 HTTP/1.0\r\n" + _FOR_PROXIES + b"\r\nsome data",
        405,
    ),
    refused(
        "CONNECT request with CAPS",
        "9110 9.3.6",
        b"CONNECT HOME0.NETSCAPE.COM:443 HTTP/1.0\r\n" + _FOR_PROXIES + b"\r\n",
        405,
    ),
    refused(
        "CONNECT with body",
        "9110 9.3.6",
        b"CONNECT foo.bar.com:443 HTTP/1.0\r\n" + _FOR_PROXIES + b'Content-Length: 10\r\n\r\nblarfcicle"',
        405,
    ),
    refused(
        "CONNECT, underscore in hostname",
        "9110 9.3.6",
        b"CONNECT home_0.netscape.com:443 HTTP/1.0\r\n" + _FOR_PROXIES + b"\r\n",
        405,
    ),
    served(
        "Upgrade POST request",
        "9110 7.8",
        b"POST /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nHTTP2-Settings: yeah\r\nUpgrade: HTTP/2.0\r\n"
        b"Content-Length: 15\r\n\r\nsweet post body",
        b"POST /demo sweet post body",
    ),
    served(
        "Upgrade POST request, chunked",
        "9110 7.8",
        b"POST /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: yeah\r\n"
        b"Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsweet\r\n0\r\n\r\n",
        b"POST /demo sweet",
    ),
    served(
        "Upgrade request of another protocol",
        "9110 7.8",
        b"GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
        b"GET /demo ",
    ),
    served(
        "PATCH request",
        "5789 2",
        b'PATCH /file.txt HTTP/1.1\r\nHost: h\r\nIf-Match: "e0023aa4e"\r\nContent-Length: 10\r\n\r\n' + TEN,
        b"PATCH /file.txt " + TEN,
    ),
    refused("SOURCE request with ICE", "9112 2.3", b"SOURCE /music/sweet/music ICE/1.0\r\nHost: h\r\n\r\n"),
    refused("OPTIONS request with RTSP", "9112 2.3", b"OPTIONS /music/sweet/music RTSP/1.0\r\nHost: h\r\n\r\n"),
    refused("ANNOUNCE request with RTSP", "9112 2.3", b"ANNOUNCE /music/sweet/music RTSP/1.0\r\nHost: h\r\n\r\n"),
    refused("PRI request HTTP2", "9113 3.4", b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", 501),
    refused(
        "QUERY request",
        "9110 9.1",
        b"QUERY /contacts HTTP/1.1\r\nHost: h\r\nContent-Length: 41\r\n\r\n" + TEN * 4 + b"x",
        501,
        why="No provider has it, and no route can name it.",
    ),
)

PIPELINING = (
    served(
        "pipelining: multiple events",
        "9112 9.3.2",
        b"POST /aaa HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nAAA\r\n"
        b"PUT /bbb HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nBBBB\r\n"
        b"PATCH /ccc HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nCCCCC",
        b"POST /aaa AAA",
        b"PUT /bbb BBBB",
        b"PATCH /ccc CCCCC",
    ),
)

SAMPLE = (
    served(
        "Simple request",
        "9112 5",
        b"OPTIONS /url HTTP/1.1\r\nHost: h\r\nHeader1: Value1\r\nHeader2:\t Value2\r\n\r\n",
        b"OPTIONS /url ",
    ),
    served(
        "Request with method starting with H", "9110 9.3.2", b"HEAD /url HTTP/1.1\r\nHost: h\r\n\r\n", b"HEAD /url "
    ),
    served(
        "curl GET",
        "9110 7.2",
        b"GET /test HTTP/1.1\r\nUser-Agent: curl/7.18.0\r\nHost: 0.0.0.0=5000\r\nAccept: */*\r\n\r\n",
        b"GET /test ",
    ),
    served(
        "DUMBPACK",
        "9110 5.1",
        b"GET /dumbpack HTTP/1.1\r\nHost: h\r\naaaaaaaaaaaaa:++++++++++\r\n\r\n",
        b"GET /dumbpack ",
    ),
    refused(
        "No headers and no body",
        "9112 3.2",
        b"GET /get_no_headers_no_body/world HTTP/1.1\r\n\r\n",
        why="Host is missing.",
    ),
    served(
        "Apache bench GET",
        "9112 9.3",
        b"GET /test HTTP/1.0\r\nHost: 0.0.0.0:5000\r\nAccept: */*\r\n\r\n",
        b"GET /test ",
        after=CLOSED,
    ),
    served("Prefix newline", "9112 2.2", b"\r\nGET /test HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /test "),
    refused("No HTTP version", "9112 2.3", b"GET /\r\n\r\n"),
    refused(
        "Line folding in header value with LF",
        "9112 5.2",
        b"GET / HTTP/1.1\r\nLine1:   abc\n\tdef\n ghi\nLine2: \t line2\t\n\n",
    ),
    refused("No LF after CR", "9112 2.2", b"GET / HTTP/1.1\rLine: 1\r\n"),
    served(
        "Request starting with CRLF",
        "9112 2.2",
        b"\r\nGET /url HTTP/1.1\r\nHost: h\r\nHeader1: Value1\r\n\r\n",
        b"GET /url ",
    ),
    served("Extended Characters", "9110 5.5", GET + b"Test: D\xc3\xbcsseldorf\r\n\r\n", b"GET / "),
    served("255 ASCII in header value", "9110 5.5", GET + b"Header2: \xffValue2\r\n\r\n", b"GET / "),
)

TRANSFER_ENCODING = (
    waits("chunked: parsing and setting flag", "9112 7.1", PUT_CHUNKED),
    served("chunked: lowercase size", "9112 7.1", PUT_CHUNKED + b"a\r\n" + TEN + b"\r\n0\r\n\r\n", b"PUT /url " + TEN),
    served("chunked: uppercase size", "9112 7.1", PUT_CHUNKED + b"A\r\n" + TEN + b"\r\n0\r\n\r\n", b"PUT /url " + TEN),
    served(
        "chunked: POST",
        "9112 7.1",
        CHUNKED + b"1e\r\nall your base are belong to us\r\n0\r\n\r\n",
        b"POST / all your base are belong to us",
    ),
    served(
        "chunked: triple zero prefixed end chunk",
        "9112 7.1",
        CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n",
        b"POST / hello world",
    ),
    served(
        "chunked: trailing headers",
        "9112 7.1.2",
        CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n",
        b"POST / hello world",
    ),
    served(
        "chunked: extensions",
        "9112 7.1.1",
        CHUNKED + b"5;ilovew3;somuchlove=aretheseparametersfor\r\nhello\r\n6;blah;blah\r\n world\r\n0\r\n\r\n",
        b"POST / hello world",
    ),
    refused(
        "chunked: no semicolon before extensions", "9112 7.1.1", CHUNKED + b"2 erfrferferf\r\naa\r\n0 rrrr\r\n\r\n"
    ),
    refused("chunked: no extension after semicolon", "9112 7.1.1", CHUNKED + b"2;\r\naa\r\n0\r\n\r\n"),
    served(
        "chunked: extensions quoting",
        "9112 7.1.1",
        CHUNKED + b'5;ilovew3="I \\"love\\"; \\\\extensions\\\\";so="parametersfor";blah;foo=bar\r\nhello\r\n0\r\n\r\n',
        b"POST / hello",
    ),
    refused(
        "chunked: unbalanced extensions quoting",
        "9112 7.1.1",
        CHUNKED + b'5;ilovew3="abc";somuchlove="def; ghi\r\nhello\r\n6;blahblah;blah\r\n world\r\n0\r\n\r\n',
    ),
    refused("coding: ignoring pigeons", "9112 6.1", PUT + b"Transfer-Encoding: pigeons\r\n\r\n", 501),
    refused(
        "coding: with Content-Length",
        "9112 6.1",
        POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nWorld",
        501,
    ),
    refused(
        "coding: empty, with Content-Length",
        "9112 6.1",
        POST
        + b"Content-Length: 10\r\nTransfer-Encoding:\r\nTransfer-Encoding:\r\nTransfer-Encoding:\r\n\r\n2\r\nAA\r\n0",
    ),
    refused("coding: chunked before another", "9112 6.1", POST + b"Transfer-Encoding: chunked, deflate\r\n\r\nWorld"),
    refused(
        "coding: chunked and duplicate",
        "9112 6.1",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: deflate\r\n\r\nWorld",
    ),
    refused(
        "coding: chunked as last",
        "9112 6.1",
        POST + b"Transfer-Encoding: deflate, chunked\r\n\r\n5\r\nWorld\r\n0\r\n\r\n",
        501,
        why=_DECODED,
    ),
    refused(
        "coding: chunked as last (multiple headers)",
        "9112 6.1",
        POST + b"Transfer-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nWorld\r\n0\r\n\r\n",
        why=_DECODED,
    ),
    refused(
        "coding: chunkedchunked",
        "9112 6.1",
        POST + b"Transfer-Encoding: chunkedchunked\r\n\r\n5\r\nWorld\r\n0\r\n\r\n",
        501,
    ),
    refused("chunked: missing last-chunk", "9112 7.1", PUT_CHUNKED + b"3\r\nfoo\r\n\r\n"),
    refused("chunked: validate parameters", "9112 7.1", PUT_CHUNKED + b"3 \n  \r\nfoo\r\n\r\n"),
    refused(
        "chunked: invalid OBS fold after value",
        "9112 5.2",
        PUT + b"Transfer-Encoding: chunked\r\n abc\r\n\r\n5\r\nWorld\r\n0\r\n\r\n",
    ),
    refused(
        "chunked: header not terminated by CRLF", "9112 2.2", CHUNKED + b"5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n" + HIDDEN
    ),
    refused("chunked: data not terminated by CRLF", "9112 7.1", CHUNKED + b"5\r\nABCDE0\r\n\r\n"),
    refused("chunked: space after chunk header", "9112 7.1", PUT_CHUNKED + b"a \r\n" + TEN + b"\r\n0\r\n\r\n"),
)

URI = (
    served(
        "Quotes in URI",
        "9112 3.2",
        b'GET /with_"lovely"_quotes?foo=\\"bar\\" HTTP/1.1\r\nHost: h\r\n\r\n',
        b'GET /with_"lovely"_quotes?foo=\\"bar\\" ',
        why="No URI has them unescaped, and they mean nothing to anybody who reads one.",
    ),
    served(
        "Query URL with question mark",
        "3986 3.4",
        b"GET /test.cgi?foo=bar?baz HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /test.cgi?foo=bar?baz ",
    ),
    served(
        "Host terminated by a query string",
        "9112 3.2.2",
        b"GET http://hypnotoad.org?hail=all HTTP/1.1\r\nHost: hypnotoad.org\r\n\r\n",
        b"GET /?hail=all ",
    ),
    refused(
        "Host terminated by a query string, another Host",
        "9112 3.2.2",
        b"GET http://hypnotoad.org?hail=all HTTP/1.1\r\nHost: h\r\n\r\n",
        why=_OTHER_HOST,
    ),
    served(
        "host:port terminated by a query string",
        "9112 3.2.2",
        b"GET http://hypnotoad.org:1234?hail=all HTTP/1.1\r\nHost: hypnotoad.org:1234\r\n\r\n",
        b"GET /?hail=all ",
    ),
    served(
        "Query URL with vertical bar character",
        "3986 3.4",
        b"GET /test.cgi?query=| HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /test.cgi?query=| ",
    ),
    served(
        "host:port terminated by a space",
        "9112 3.2.2",
        b"GET http://hypnotoad.org:80 HTTP/1.1\r\nHost: hypnotoad.org\r\n\r\n",
        b"GET / ",
    ),
    refused(
        "Disallow UTF-8 in URI path in strict mode", "3986 2.1", b"GET /\xce\xb4\xc2\xb6/t HTTP/1.1\r\nHost: h\r\n\r\n"
    ),
    refused(
        "Fragment in URI",
        "9112 3.2",
        b"GET /forums/1/topics/2375?page=1#posts-17408 HTTP/1.1\r\nHost: h\r\n\r\n",
        why="A fragment is no part of a request target.",
    ),
    refused(
        "host:port and basic auth",
        "9110 4.2.4",
        b"GET http://a%12:b!&*$@h:1234/toto HTTP/1.1\r\nHost: h:1234\r\n\r\n",
        why="A user in front of the host hides which host is meant.",
    ),
    refused("Space in URI", "9112 3.2", b"GET /foo bar/ HTTP/1.1\r\nHost: h\r\n\r\n"),
)

CASES = (*CONNECTION, *CONTENT_LENGTH, *FINISH, *INVALID, *METHOD, *PIPELINING, *SAMPLE, *TRANSFER_ENCODING, *URI)


class LlhttpTests(ConformanceTestCase):
    """See the module's head."""


add_tests(LlhttpTests, CASES)
