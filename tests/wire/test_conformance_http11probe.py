"""Http11Probe's cases: compliance, smuggling, malformed input, names that others normalise, cookies.

Left out: its capabilities (ETag, conditional requests) and what it asks of an application's cookies, since nothing is
served here that has them; ``Upgrade``, which is ignored (``test_conformance_llhttp``).
"""

from __future__ import annotations

from tests.wire.conformance import (
    CHUNKED,
    CLOSED,
    GET,
    HIDDEN,
    HOST,
    Case,
    ConformanceTestCase,
    add_tests,
    refused,
    served,
    waits,
)

HELLO = b"5\r\nhello\r\n0\r\n\r\n"
LENGTH = b"Content-Length: 5\r\n"
#: A hundred kilobytes, which is more than a head may have.
LONG = b"a" * 100_000

_STRICT = "A server may take it; who is in front of us might have read it in another way."
_SHORT_HEAD = "431, since it is the whole head that is bounded."


def request(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    """A head with a Host, and a body."""
    return line + b"\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def post(*fields: bytes, body: bytes = b"hello") -> bytes:
    """A POST to /."""
    return request(b"POST / HTTP/1.1", *fields, body=body)


COMPLIANCE = (
    served("COMP-BASELINE", "9112 3", GET + b"\r\n", b"GET / "),
    refused("RFC9112-2.2-BARE-LF-REQUEST-LINE", "9112 2.2", b"GET / HTTP/1.1\nHost: h\r\n\r\n", why=_STRICT),
    refused("RFC9112-2.2-BARE-LF-HEADER", "9112 2.2", b"GET / HTTP/1.1\r\nHost: h\nX-Test: value\r\n\r\n", why=_STRICT),
    refused("RFC9112-5.1-OBS-FOLD", "9112 5.2", GET + b"X-Test: value\r\n continued\r\n\r\n"),
    refused("RFC9110-5.6.2-SP-BEFORE-COLON", "9112 5.1", GET + b"X-Test : value\r\n\r\n"),
    refused("RFC9112-3-MULTI-SP-REQUEST-LINE", "9112 3", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", why=_STRICT),
    refused("RFC9112-7.1-MISSING-HOST", "9112 3.2", b"GET / HTTP/1.1\r\n\r\n"),
    refused("RFC9112-2.3-INVALID-VERSION", "9110 2.5", request(b"GET / HTTP/9.9")),
    refused("RFC9112-5-EMPTY-HEADER-NAME", "9112 5", GET + b": empty-name\r\n\r\n"),
    refused("RFC9112-3-CR-ONLY-LINE-ENDING", "9112 2.2", b"GET / HTTP/1.1\rHost: h\r\n\r\n"),
    refused("RFC9112-3-MISSING-TARGET", "9112 3", request(b"GET HTTP/1.1")),
    refused("RFC9112-3.2-FRAGMENT-IN-TARGET", "9112 3.2", request(b"GET /path#frag HTTP/1.1"), why=_STRICT),
    refused("RFC9112-2.3-HTTP09-REQUEST", "9112 2.3", b"GET /\r\n"),
    refused("RFC9112-5-INVALID-HEADER-NAME", "9110 5.1", GET + b"Bad[Name: value\r\n\r\n"),
    refused("RFC9112-5-HEADER-NO-COLON", "9112 5", GET + b"NoColonHere\r\n\r\n"),
    refused("RFC9110-5.4-DUPLICATE-HOST", "9112 3.2", GET + b"Host: other.example.com\r\n\r\n"),
    refused("RFC9112-6.1-CL-NON-NUMERIC", "9110 8.6", post(b"Content-Length: abc", body=b"")),
    refused("RFC9112-6.1-CL-PLUS-SIGN", "9110 8.6", post(b"Content-Length: +5")),
    refused("COMP-WHITESPACE-BEFORE-HEADERS", "9112 2.2", b"GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n"),
    refused("COMP-DUPLICATE-HOST-SAME", "9112 3.2", GET + HOST + b"\r\n"),
    refused("COMP-HOST-WITH-USERINFO", "9112 3.2", b"GET / HTTP/1.1\r\nHost: user@h\r\n\r\n"),
    refused("COMP-HOST-WITH-PATH", "9112 3.2", b"GET / HTTP/1.1\r\nHost: h/path\r\n\r\n"),
    refused("COMP-ASTERISK-WITH-GET", "9112 3.2.4", request(b"GET * HTTP/1.1")),
    served("COMP-OPTIONS-STAR", "9112 3.2.4", request(b"OPTIONS * HTTP/1.1"), b"OPTIONS / "),
    refused("COMP-UNKNOWN-TE-501", "9112 6.1", post(b"Transfer-Encoding: gzip", body=b""), 501),
    refused(
        "COMP-LEADING-CRLF", "9112 2.2", b"\r\n\r\n" + GET + b"\r\n", why="One empty line is passed over, not two."
    ),
    served("COMP-ABSOLUTE-FORM", "9112 3.2.2", request(b"GET http://h/ HTTP/1.1"), b"GET / "),
    refused("COMP-METHOD-CASE", "9110 9.1", request(b"get / HTTP/1.1"), 501),
    served("COMP-POST-CL-BODY", "9112 6.2", post(b"Content-Length: 5"), b"POST / hello"),
    served("COMP-POST-CL-ZERO", "9112 6.2", post(b"Content-Length: 0", body=b""), b"POST / "),
    served("COMP-POST-NO-CL-NO-TE", "9112 6.3", post(body=b""), b"POST / "),
    waits("COMP-POST-CL-UNDERSEND", "9112 6.2", post(b"Content-Length: 10")),
    served("COMP-CHUNKED-BODY", "9112 7.1", CHUNKED + HELLO, b"POST / hello"),
    served(
        "COMP-CHUNKED-MULTI", "9112 7.1", CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"POST / hello world"
    ),
    served("COMP-CHUNKED-EMPTY", "9112 7.1", CHUNKED + b"0\r\n\r\n", b"POST / "),
    waits("COMP-CHUNKED-NO-FINAL", "9112 7.1", CHUNKED + b"5\r\nhello\r\n"),
    refused("COMP-METHOD-CONNECT", "9110 9.3.6", request(b"CONNECT example.com:443 HTTP/1.1"), 405),
    refused("COMP-EXPECT-UNKNOWN", "9110 10.1.1", GET + b"Expect: 200-ok\r\n\r\n", 417),
    served(
        "COMP-GET-WITH-CL-BODY", "9110 9.3.1", request(b"GET / HTTP/1.1", LENGTH[:-2], body=b"hello"), b"GET / hello"
    ),
    served("COMP-CHUNKED-EXTENSION", "9112 7.1.1", CHUNKED + b"5;ext=value\r\nhello\r\n0\r\n\r\n", b"POST / hello"),
    refused("COMP-METHOD-TRACE", "9110 9.3.8", request(b"TRACE / HTTP/1.1"), 405),
    refused("COMP-HOST-EMPTY-VALUE", "9112 3.2", b"GET / HTTP/1.1\r\nHost: \r\n\r\n"),
    refused("COMP-REQUEST-LINE-TAB", "9112 3", request(b"GET\t/ HTTP/1.1"), why=_STRICT),
    refused("COMP-VERSION-MISSING-MINOR", "9112 2.3", request(b"GET / HTTP/1")),
    refused("COMP-VERSION-LEADING-ZEROS", "9112 2.3", request(b"GET / HTTP/01.01")),
    refused("COMP-VERSION-WHITESPACE", "9112 2.3", request(b"GET / HTTP/ 1.1")),
    served("COMP-CONNECTION-CLOSE", "9112 9.6", GET + b"Connection: close\r\n\r\n", b"GET / ", after=CLOSED),
    served("COMP-HTTP10-DEFAULT-CLOSE", "9112 9.3", request(b"GET / HTTP/1.0"), b"GET / ", after=CLOSED),
    served("COMP-HTTP10-NO-HOST", "9112 3.2", b"GET / HTTP/1.0\r\n\r\n", b"GET / ", after=CLOSED),
    served("COMP-HTTP12-VERSION", "9110 2.5", request(b"GET / HTTP/1.2"), b"GET / "),
    refused("COMP-TRACE-WITH-BODY", "9110 9.3.8", request(b"TRACE / HTTP/1.1", LENGTH[:-2], body=b"hello"), 405),
    served(
        "COMP-CHUNKED-TRAILER-VALID",
        "9112 7.1.2",
        CHUNKED + b"5\r\nhello\r\n0\r\nX-Checksum: abc\r\n\r\n",
        b"POST / hello",
    ),
    served("COMP-CHUNKED-HEX-UPPERCASE", "9112 7.1", CHUNKED + b"A\r\nhelloworld\r\n0\r\n\r\n", b"POST / helloworld"),
    served("COMP-RANGE-POST", "9110 14.2", post(LENGTH[:-2], b"Range: bytes=0-10"), b"POST / hello"),
    served("COMP-HEAD-NO-BODY", "9110 9.3.2", request(b"HEAD / HTTP/1.1"), b"HEAD / "),
    refused("COMP-UNKNOWN-METHOD", "9110 9.1", request(b"FOOBAR / HTTP/1.1"), 501),
    served(
        "COMP-NO-1XX-HTTP10",
        "9110 15.2",
        request(b"POST / HTTP/1.0", b"Expect: 100-continue", LENGTH[:-2], body=b"hello"),
        b"POST / hello",
        after=CLOSED,
    ),
    refused("COMP-VERSION-CASE", "9112 2.3", request(b"GET / http/1.1")),
    served("COMP-LONG-URL-OK", "9112 3", request(b"GET /%s HTTP/1.1" % LONG[:7900]), b"GET /%s " % LONG[:7900]),
    refused("COMP-SPACE-IN-TARGET", "9112 3.2", request(b"GET /pa th HTTP/1.1")),
    refused(
        "COMP-TRACE-SENSITIVE", "9110 9.3.8", request(b"TRACE / HTTP/1.1", b"Authorization: Bearer token-123"), 405
    ),
    served("COMP-RANGE-INVALID", "9110 14.2", GET + b"Range: bytes=abc-xyz\r\n\r\n", b"GET / "),
    served("COMP-ACCEPT-NONSENSE", "9110 12.5.1", GET + b"Accept: application/x-nonsense\r\n\r\n", b"GET / "),
    served(
        "COMP-POST-UNSUPPORTED-CT", "9110 15.5.16", post(LENGTH[:-2], b"Content-Type: a/x-nonsense"), b"POST / hello"
    ),
)


def _both(name: str, coding: bytes, status: int = 400, why: str = _STRICT) -> Case:
    """A coding beside a length."""
    return refused(name, "9112 6.1", post(b"Transfer-Encoding:" + coding, b"Content-Length: 5"), status, why=why)


def _length(name: str, value: bytes, body: bytes = b"hello") -> Case:
    """A length that is none."""
    return refused(name, "9110 8.6", post(b"Content-Length: " + value, body=body))


def _chunks(name: str, rule: str, body: bytes, why: str = "") -> Case:
    """Chunks that are none."""
    return refused(name, rule, CHUNKED + body, why=why)


def _smuggled(name: str, *fields: bytes, body: bytes = b"0\r\n\r\n" + HIDDEN, status: int = 400) -> Case:
    """A request whose body ends somewhere else for somebody else, and what would be served then."""
    return refused(name, "9112 6.3", post(*fields, body=body) + GET + b"\r\n", status)


SMUGGLING = (
    _both("SMUG-CL-TE-BOTH", b" chunked"),
    refused("SMUG-DUPLICATE-CL", "9110 8.6", post(LENGTH[:-2], b"Content-Length: 10", body=b"helloworld")),
    served(
        "SMUG-CL-LEADING-ZEROS",
        "9110 8.6",
        post(b"Content-Length: 005"),
        b"POST / hello",
        why="1*DIGIT, read as decimal.",
    ),
    _both("SMUG-TE-XCHUNKED", b" xchunked", 501),
    _both("SMUG-TE-TRAILING-SPACE", b" chunked "),
    refused("SMUG-TE-SP-BEFORE-COLON", "9112 5.1", post(b"Transfer-Encoding : chunked", LENGTH[:-2])),
    _length("SMUG-CL-NEGATIVE", b"-1", b""),
    _smuggled("SMUG-CLTE-PIPELINE", b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    _smuggled("SMUG-TECL-PIPELINE", b"Transfer-Encoding: chunked", b"Content-Length: 30", body=b"0\r\n\r\n"),
    served("SMUG-CL-TRAILING-SPACE", "9110 5.5", post(b"Content-Length: 5 "), b"POST / hello"),
    _both("SMUG-TE-DOUBLE-CHUNKED", b" chunked, chunked"),
    served("SMUG-CL-EXTRA-LEADING-SP", "9110 5.5", post(b"Content-Length:  5"), b"POST / hello"),
    _both("SMUG-TE-CASE-MISMATCH", b" Chunked"),
    _length("SMUG-CL-COMMA-DIFFERENT", b"5, 10"),
    refused("SMUG-TE-NOT-FINAL-CHUNKED", "9112 6.3", post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n")),
    refused("SMUG-TE-HTTP10", "9112 6.1", request(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", body=HELLO)),
    _chunks("SMUG-CHUNK-BARE-SEMICOLON", "9112 7.1.1", b"5;\r\nhello\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-EXT-INVALID-TOKEN", "9112 7.1.1", b"5;bad[=x\r\nhello\r\n0\r\n\r\n"),
    refused("SMUG-BARE-CR-HEADER-VALUE", "9112 2.2", GET + b"X-Test: val\rue\r\n\r\n"),
    _length("SMUG-CL-OCTAL", b"0o5"),
    _chunks("SMUG-CHUNK-UNDERSCORE", "9112 7.1", b"1_0\r\nhello world!!!!!\r\n0\r\n\r\n"),
    _both("SMUG-TE-EMPTY-VALUE", b" "),
    _both("SMUG-TE-LEADING-COMMA", b" , chunked"),
    refused(
        "SMUG-TE-DUPLICATE-HEADERS",
        "9112 6.1",
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", LENGTH[:-2]),
    ),
    _chunks("SMUG-CHUNK-HEX-PREFIX", "9112 7.1", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-SIZE-PLUS", "9112 7.1", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-SIZE-TRAILING-OWS", "9112 7.1", b"5 \r\nhello\r\n0\r\n\r\n"),
    _length("SMUG-CL-HEX-PREFIX", b"0x5"),
    _length("SMUG-CL-INTERNAL-SPACE", b"1 0", b"hello12345"),
    _chunks("SMUG-CHUNK-LEADING-SP", "9112 7.1", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-MISSING-TRAILING-CRLF", "9112 7.1", b"5\r\nhello0\r\n\r\n"),
    _chunks("SMUG-CHUNK-EXT-LF", "9112 7.1.1", b"5;ext\nhello\r\n0\r\n\r\n", why=_STRICT),
    _chunks("SMUG-CHUNK-SPILL", "9112 7.1", b"5\r\nhello!!\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-LF-TERM", "9112 7.1", b"5\r\nhello\n0\r\n\r\n", why=_STRICT),
    _chunks("SMUG-CHUNK-EXT-CTRL", "9112 7.1.1", b"5;a=\x00b\r\nhello\r\n0\r\n\r\n"),
    _chunks("SMUG-CHUNK-EXT-CR", "9112 7.1.1", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    refused("SMUG-TE-VTAB", "9110 5.5", post(b"Transfer-Encoding: \x0bchunked", LENGTH[:-2])),
    refused("SMUG-TE-FORMFEED", "9110 5.5", post(b"Transfer-Encoding: \x0cchunked", LENGTH[:-2])),
    refused("SMUG-TE-NULL", "9110 5.5", post(b"Transfer-Encoding: chunked\x00", LENGTH[:-2])),
    _chunks("SMUG-CHUNK-LF-TRAILER", "9112 7.1", b"5\r\nhello\r\n0\r\n\n", why=_STRICT),
    _both("SMUG-TE-IDENTITY", b" identity", 501),
    _chunks("SMUG-CHUNK-NEGATIVE", "9112 7.1", b"-1\r\nhello\r\n0\r\n\r\n"),
    served("SMUG-TRANSFER_ENCODING", "9110 5.1", post(b"Transfer_Encoding: chunked", LENGTH[:-2]), b"POST / hello"),
    _length("SMUG-CL-COMMA-SAME", b"5, 5"),
    _length("SMUG-CL-COMMA-TRIPLE", b"5, 5, 5"),
    _both("SMUG-CHUNKED-WITH-PARAMS", b" chunked;ext=val", 501),
    served("SMUG-EXPECT-100-CL", "9110 10.1.1", post(LENGTH[:-2], b"Expect: 100-continue"), b"POST / hello"),
    _chunks("SMUG-TRAILER-CL", "9110 6.5.1", b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", why=_STRICT),
    _chunks("SMUG-TRAILER-TE", "9110 6.5.1", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", why=_STRICT),
    served("SMUG-TRAILER-HOST", "9110 6.5.1", CHUNKED + b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n", b"POST / hello"),
    served(
        "SMUG-TRAILER-AUTH", "9110 6.5.1", CHUNKED + b"5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n", b"POST / hello"
    ),
    served("SMUG-HEAD-CL-BODY", "9110 9.3.2", request(b"HEAD / HTTP/1.1", LENGTH[:-2], body=b"hello"), b"HEAD / hello"),
    served(
        "SMUG-OPTIONS-CL-BODY",
        "9110 9.3.7",
        request(b"OPTIONS / HTTP/1.1", LENGTH[:-2], body=b"hello"),
        b"OPTIONS / hello",
    ),
    _length("SMUG-CL-UNDERSCORE", b"1_0", b"helloworld"),
    _length("SMUG-CL-NEGATIVE-ZERO", b"-0", b""),
    served("SMUG-CL-DOUBLE-ZERO", "9110 8.6", post(b"Content-Length: 00", body=b""), b"POST / "),
    served(
        "SMUG-CL-LEADING-ZEROS-OCTAL",
        "9110 8.6",
        post(b"Content-Length: 0200", body=b"A" * 200),
        b"POST / " + b"A" * 200,
        why="Decimal, as all lengths.",
    ),
    refused("SMUG-TE-OBS-FOLD", "9112 5.2", post(b"Transfer-Encoding:\r\n chunked", LENGTH[:-2])),
    _both("SMUG-TE-TRAILING-COMMA", b" chunked,"),
    _both("SMUG-TE-TAB-BEFORE-VALUE", b"\tchunked"),
    refused(
        "SMUG-ABSOLUTE-URI-HOST-MISMATCH", "9112 3.2.2", request(b"GET http://other.example.com/ HTTP/1.1"), why=_STRICT
    ),
    refused("SMUG-MULTIPLE-HOST-COMMA", "9112 3.2", b"GET / HTTP/1.1\r\nHost: h, other.example.com\r\n\r\n"),
    _chunks("SMUG-CHUNK-BARE-CR-TERM", "9112 2.2", b"5\rhello\r\n0\r\n\r\n"),
    served(
        "SMUG-TRAILER-CONTENT-TYPE",
        "9110 6.5.1",
        CHUNKED + b"5\r\nhello\r\n0\r\nContent-Type: x\r\n\r\n",
        b"POST / hello",
    ),
    _smuggled("SMUG-CLTE-CONN-CLOSE", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    _smuggled("SMUG-TECL-CONN-CLOSE", b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    _smuggled("SMUG-CLTE-DESYNC", b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nX"),
    _smuggled("SMUG-CLTE-SMUGGLED-GET", b"Content-Length: 45", b"Transfer-Encoding: chunked"),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", b"Content-Length: +45", b"Transfer-Encoding: chunked"),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", b"Content-Length: 45x", b"Transfer-Encoding: chunked"),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", b"Content-Length: 45", b"Transfer-Encoding:\r\n chunked"),
    _smuggled(
        "SMUG-CLTE-SMUGGLED-HEAD",
        b"Content-Length: 46",
        b"Transfer-Encoding: chunked",
        body=b"0\r\n\r\n" + HIDDEN.replace(b"GET", b"HEAD"),
    ),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", b"Content-Length: 45", b"Transfer-Encoding: chunked "),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", b"Content-Length: 45", b"Transfer-Encoding: , chunked"),
    _smuggled("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", b"Content-Length: 45", b"Transfer-Encoding: Chunked"),
    _smuggled(
        "SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Content-Length: 45",
    ),
    _smuggled(
        "SMUG-TECL-SMUGGLED-GET",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 4",
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    ),
    _smuggled("SMUG-DUPLICATE-CL-SMUGGLED-GET", b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    served(
        "SMUG-GET-CL-PREFIX-DESYNC",
        "9110 9.3.1",
        GET + b"Content-Length: %d\r\n\r\n" % len(GET) + GET + b"\r\n" + HIDDEN,
        b"GET / " + GET,
        b"GET /hidden ",
        why="The prefix is the body; the empty line behind it is passed over (RFC 9112 section 2.2).",
    ),
    _smuggled("SMUG-TECL-DESYNC", b"Transfer-Encoding: chunked", b"Content-Length: 30", body=b"0\r\n\r\nX"),
    refused(
        "SMUG-CL0-BODY-POISON",
        "9112 6.2",
        post(b"Content-Length: 0", body=b"X") + GET + b"\r\n",
        501,
        b"POST / ",
        why="What follows is XGET, which is no method.",
    ),
    served(
        "SMUG-GET-CL-BODY-DESYNC",
        "9110 9.3.1",
        GET + LENGTH + b"\r\nhello" + HIDDEN,
        b"GET / hello",
        b"GET /hidden ",
        why="The body is read, whatever the method.",
    ),
    served(
        "SMUG-OPTIONS-CL-BODY-DESYNC",
        "9110 9.3.7",
        request(b"OPTIONS / HTTP/1.1", LENGTH[:-2], body=b"hello") + HIDDEN,
        b"OPTIONS / hello",
        b"GET /hidden ",
        why="The body is read, whatever the method.",
    ),
    served(
        "SMUG-EXPECT-100-CL-DESYNC",
        "9110 10.1.1",
        post(LENGTH[:-2], b"Expect: 100-continue") + HIDDEN,
        b"POST / hello",
        b"GET /hidden ",
        why="Who expects and does not wait has sent the body all the same.",
    ),
    refused(
        "SMUG-OPTIONS-TE-OBS-FOLD",
        "9112 5.2",
        request(b"OPTIONS / HTTP/1.1", b"Transfer-Encoding:\r\n chunked", LENGTH[:-2], body=b"hello"),
    ),
    _chunks("SMUG-CHUNK-INVALID-SIZE-DESYNC", "9112 7.1", b"+0\r\n\r\nX" + GET + b"\r\n"),
    served("SMUG-PIPELINE-SAFE", "9112 9.3.2", GET + b"\r\n" + HIDDEN, b"GET / ", b"GET /hidden "),
)

MALFORMED = (
    refused("MAL-BINARY-GARBAGE", "9112 3", bytes((byte * 7 + 131) % 256 for byte in range(256))),
    refused("MAL-LONG-URL", "9112 3", request(b"GET /%s HTTP/1.1" % LONG), 431, why=_SHORT_HEAD),
    refused("MAL-LONG-HEADER-VALUE", "6585 5", GET + b"X-Big: %s\r\n\r\n" % LONG, 431),
    refused("MAL-MANY-HEADERS", "6585 5", GET + b"".join(b"X-H-%d: v\r\n" % n for n in range(10_000)) + b"\r\n", 431),
    refused("MAL-NUL-IN-URL", "9112 3.2", request(b"GET /\x00test HTTP/1.1")),
    refused("MAL-CONTROL-CHARS-HEADER", "9110 5.5", GET + b"X-Test: abc\x01\x02\x03def\r\n\r\n"),
    waits("MAL-INCOMPLETE-REQUEST", "9112 3", GET + b"X-Test: value"),
    served("MAL-EMPTY-REQUEST", "9112 9.5", b"", why="Nothing was begun: it is waited for as between two requests."),
    refused("MAL-LONG-HEADER-NAME", "6585 5", GET + LONG + b": value\r\n\r\n", 431),
    refused("MAL-LONG-METHOD", "9112 3", request(LONG + b" / HTTP/1.1"), 431, why=_SHORT_HEAD),
    refused("MAL-NON-ASCII-HEADER-NAME", "9110 5.1", GET + b"X-T\xc3\xabst: value\r\n\r\n"),
    refused("MAL-NON-ASCII-URL", "3986 2.1", request(b"GET /caf\xc3\xa9 HTTP/1.1")),
    _length("MAL-CL-OVERFLOW", b"99999999999999999999", b""),
    refused("MAL-WHITESPACE-ONLY-LINE", "9112 3", b"   \r\n\r\n"),
    refused("MAL-NUL-IN-HEADER-VALUE", "9110 5.5", GET + b"X-Test: val\x00ue\r\n\r\n"),
    _chunks("MAL-CHUNK-SIZE-OVERFLOW", "9112 7.1", b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"),
    refused("MAL-H2-PREFACE", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    _length("MAL-CL-EMPTY", b"", b""),
    served("MAL-CL-TAB-BEFORE-VALUE", "9110 5.5", post(b"Content-Length:\t5"), b"POST / hello"),
    refused("MAL-URL-BACKSLASH", "3986 3.3", request(b"GET /path\\file HTTP/1.1")),
    refused("MAL-URL-OVERLONG-UTF8", "3629 3", request(b"GET /\xc0\xaf HTTP/1.1")),
    refused("MAL-URL-PERCENT-NULL", "3986 7.3", request(b"GET /path%00.html HTTP/1.1"), why=_STRICT),
    refused("MAL-URL-PERCENT-CRLF", "3986 7.3", request(b"GET /path%0d%0aX-Injected:%20true HTTP/1.1"), why=_STRICT),
    _chunks("MAL-CHUNK-EXT-64K", "9112 7.1.1", b"5;ext=" + LONG[:65_536] + b"\r\nhello\r\n0\r\n\r\n"),
    served(
        "MAL-RANGE-OVERLAPPING",
        "9110 14.2",
        GET + b"Range: bytes=" + b",".join([b"0-"] * 1000) + b"\r\n\r\n",
        b"GET / ",
        why="Nothing here is served in ranges.",
    ),
    refused("MAL-POST-CL-HUGE-NO-BODY", "9110 15.5.14", post(b"Content-Length: 999999999", body=b""), 413),
)

NORMALIZATION = (
    served("NORM-UNDERSCORE-CL", "9110 5.1", post(LENGTH[:-2], b"Content_Length: 99"), b"POST / hello"),
    refused("NORM-SP-BEFORE-COLON-CL", "9112 5.1", post(LENGTH[:-2], b"Content-Length : 3")),
    refused("NORM-TAB-IN-NAME", "9110 5.1", post(LENGTH[:-2], b"Content\tLength: 99")),
    refused("NORM-CASE-TE", "9112 6.1", post(LENGTH[:-2], b"TRANSFER-ENCODING: chunked")),
    served("NORM-UNDERSCORE-TE", "9110 5.1", post(LENGTH[:-2], b"Transfer_Encoding: chunked"), b"POST / hello"),
)

COOKIES = (
    served("COOK-ECHO", "6265 5.4", GET + b"Cookie: foo=bar\r\n\r\n", b"GET / "),
    refused("COOK-OVERSIZED", "6585 5", GET + b"Cookie: big=" + LONG[:65_536] + b"\r\n\r\n", 431),
    served("COOK-EMPTY", "6265 5.4", GET + b"Cookie: \r\n\r\n", b"GET / "),
    refused("COOK-NUL", "9110 5.5", GET + b"Cookie: foo=\x00bar\r\n\r\n"),
    refused("COOK-CONTROL-CHARS", "9110 5.5", GET + b"Cookie: foo=\x01\x02\x03\r\n\r\n"),
    served(
        "COOK-MANY-PAIRS",
        "6265 5.4",
        GET + b"Cookie: " + b"; ".join(b"k%d=v" % n for n in range(1000)) + b"\r\n\r\n",
        b"GET / ",
    ),
    served("COOK-MALFORMED", "6265 5.4", GET + b"Cookie: ===;;;\r\n\r\n", b"GET / "),
    served("COOK-MULTI-HEADER", "6265 5.4", GET + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n", b"GET / "),
    served("COOK-PARSED-SPECIAL", "6265 5.4", GET + b"Cookie: a=hello world; b=x=y\r\n\r\n", b"GET / "),
)

CASES = (*COMPLIANCE, *SMUGGLING, *MALFORMED, *NORMALIZATION, *COOKIES)


class Http11ProbeTests(ConformanceTestCase):
    """See the module's head."""


add_tests(Http11ProbeTests, CASES)
