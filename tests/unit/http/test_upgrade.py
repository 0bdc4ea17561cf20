"""``Upgrade``: what is not spoken here is ignored, bodies and following requests are read as without it."""

from __future__ import annotations

from twisted.trial import unittest

from tests.unit.http.connection import Connection, get, post

#: What Java's HTTP client sends on every call over plain text.
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUA")


def chunked(body: bytes, *fields: bytes) -> bytes:
    """A request whose body is chunked as it stands there."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST / HTTP/1.1\r\nHost: h\r\n%sTransfer-Encoding: chunked\r\n\r\n%s" % (lines, body)


class UpgradeTests(unittest.SynchronousTestCase):
    """See the module's head."""

    def test_h2c_is_ignored(self) -> None:
        """With each kind of body, in any pieces, and another request behind it."""
        for request, body in (
            (get(b"/", *H2C), b"GET / "),
            (post(b"hello", *H2C), b"POST / hello"),
            (chunked(b"5\r\nhello\r\n0\r\n\r\n", *H2C), b"POST / hello"),
            (chunked(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", *H2C), b"POST / hello"),
        ):
            for size in (1, 7, 10_000):
                connection = Connection()
                connection.trickle(request + get(b"/next"), size)
                self.assertEqual([answer.body for answer in connection.answers], [body, b"GET /next "], (request, size))

    def test_fields_come_through(self) -> None:
        """Under their own names; they are hop-by-hop, so whoever passes the request on leaves them here."""
        (request,) = Connection().send(get(b"/", *H2C)).site.requests
        self.assertEqual(request.fields[b"upgrade"], b"h2c")
        self.assertLessEqual({b"upgrade", b"http2-settings"}, request.nominated)
        self.assertFalse(request.websocket)
        self.assertTrue(request.keep)

    def test_any_other_protocol(self) -> None:
        """Is ignored as well, also without a word in ``Connection``."""
        for value in (b"TLS/1.0", b"HTTP/2.0, h2c", b"x", b"websockets", b""):
            for more in ((b"Connection: Upgrade",), ()):
                connection = Connection().send(post(b"hi", b"uPGRADE: " + value, *more))
                self.assertEqual(connection.statuses, [200], value)
                self.assertFalse(connection.site.requests[0].websocket)

    def test_a_websocket(self) -> None:
        """Is left to whoever serves the request, since only that knows the key."""
        for value in (b"websocket", b"WebSocket", b"h2c, websocket"):
            (request,) = Connection().send(get(b"/", b"Connection: Upgrade", b"Upgrade: " + value)).site.requests
            self.assertTrue(request.websocket, value)
        (request,) = Connection().send(get(b"/", b"Upgrade: h2c", b"Upgrade: websocket", b"Upgrade: x")).site.requests
        self.assertTrue(request.websocket)

    def test_http_10(self) -> None:
        """Has no ``Upgrade``."""
        for value in (b"websocket", b"h2c"):
            connection = Connection().send(get(b"/", b"Connection: Upgrade", b"Upgrade: " + value, version=b"1.0"))
            self.assertEqual(connection.statuses, [200])
            self.assertFalse(connection.site.requests[0].websocket)

    def test_hides_nothing(self) -> None:
        """Every rule for heads holds beside it."""
        for request in (
            post(b"hello", *H2C, b"Transfer-Encoding: chunked"),
            chunked(b"0\r\n\r\n", *H2C, b"Content-Length: 5"),
            get(b"/", *H2C, b"Host: other"),
            get(b"/", *H2C, b"X : y"),
            get(b"/", b"Upgrade : h2c", b"Connection: Upgrade"),
            get(b"/", b"X: y\r\n Upgrade: h2c", b"Connection: Upgrade"),
        ):
            self.assertEqual(Connection().send(request).statuses, [400], request)
