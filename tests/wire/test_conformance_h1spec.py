"""h1spec's cases: requests in fragments, and what a server must not take for a request."""

from __future__ import annotations

from tests.wire.conformance import CHUNKED, GET, POST, ConformanceTestCase, add_tests, refused, served, waits

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

CASES = (
    waits("Fragmented method", "9112 3", HELLO[:1]),
    waits("Fragmented URL 1", "9112 3", HELLO[:4]),
    waits("Fragmented URL 2", "9112 3", HELLO[:10]),
    waits("Fragmented URL 3", "9112 3", HELLO[:11]),
    waits("Fragmented HTTP version", "9112 3", HELLO[:15]),
    waits("Fragmented request line", "9112 3", HELLO[:19]),
    waits("Fragmented request line newline 1", "9112 3", HELLO[:20]),
    waits("Fragmented request line newline 2", "9112 3", HELLO[:21]),
    waits("Fragmented field name", "9112 5", HELLO[:24]),
    waits("Fragmented field value 1", "9112 5", HELLO[:26]),
    waits("Fragmented field value 2", "9112 5", HELLO[:27]),
    waits("Fragmented field value 3", "9112 5", HELLO[:36]),
    waits("Fragmented field value 4", "9112 5", HELLO[:37]),
    waits("Fragmented request", "9112 5", HELLO[:38]),
    waits("Fragmented request termination", "9112 5", HELLO[:39]),
    served("All fragments", "9112 3", HELLO, b"GET /hello "),
    refused("Request without HTTP version", "9112 3", b"GET / \r\n\r\n"),
    served("Request with Expect header", "9110 10.1.1", GET + b"Expect: 100-continue\r\n\r\n", b"GET / "),
    served("Valid GET request", "9112 3", GET + b"\r\n", b"GET / "),
    served("Valid GET request with edge cases", "9112 5.1", b"GET / HTTP/1.1\r\nhoSt:\th\r\nempty:\r\n\r\n", b"GET / "),
    refused("Invalid header characters", "9110 5.1", GET + b"X-Invalid[]: test\r\n\r\n"),
    refused("Missing Host header", "9112 3.2", b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"),
    refused("Multiple Host headers", "9112 3.2", GET + b"Host: example.org\r\n\r\n"),
    refused("Overflowing negative Content-Length header", "9110 8.6", GET + b"Content-Length: -%d\r\n\r\n" % 10**27),
    refused("Negative Content-Length header", "9110 8.6", GET + b"Content-Length: -1234\r\n\r\n"),
    refused("Non-numeric Content-Length header", "9110 8.6", GET + b"Content-Length: abc\r\n\r\n"),
    served("Empty header value", "9110 5.5", GET + b"X-Empty-Header: \r\n\r\n", b"GET / "),
    refused("Header containing invalid control character", "9110 5.5", GET + b"X-Bad-Control-Char: test\x07\r\n\r\n"),
    refused("Invalid HTTP version", "9110 2.5", b"GET / HTTP/9.9\r\nHost: h\r\n\r\n"),
    refused("Invalid prefix of request", "9112 3", b"Extra lineGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    refused("Invalid line ending", "9112 2.2", GET + b"\rSome-Header: Test\r\n\r\n"),
    served("Valid POST request with body", "9112 6.2", POST + b"Content-Length: 5\r\n\r\nhello", b"POST / hello"),
    served(
        "Chunked Transfer-Encoding", "9112 7.1", CHUNKED + b"c\r\nHellO world1\r\n0\r\n\r\n", b"POST / HellO world1"
    ),
    refused(
        "Conflicting Transfer-Encoding and Content-Length in varying case",
        "9112 6.3",
        POST + b"content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n",
        why="A server may take the chunks instead; who is in front of us may not.",
    ),
)


class H1SpecTests(ConformanceTestCase):
    """See the module's head."""


add_tests(H1SpecTests, CASES)
