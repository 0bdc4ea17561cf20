"""A request as a value: what is asked of it, and what it does not tell."""

from __future__ import annotations

from twisted.trial import unittest
from twisted.web.http_headers import Headers

from aigw.errors import Unauthorized
from aigw.http.request import Request
from tests.unit.http.connection import Connection, get, post


class RequestTests(unittest.SynchronousTestCase):
    """Fields, and what twisted.web calls them."""

    def setUp(self) -> None:
        self.connection = Connection()
        self.connection.site.answer = lambda request: None

    def read(self, data: bytes) -> Request:
        """The request that these bytes are."""
        self.connection.send(data)
        return self.connection.site.requests[-1]

    def test_header(self) -> None:
        """The first of several, as gateways have it; all of them where that matters."""
        request = self.read(get(b"/", b"X-A: 1", b"x-b: 2", b"X-a: 3"))
        self.assertEqual(request.header(b"x-a"), b"1")
        self.assertEqual(request.header_values(b"x-a"), [b"1", b"3"])
        self.assertIsNone(request.header(b"x-c"))
        self.assertEqual(request.header_values(b"x-c"), [])

    def test_header_without_repetitions(self) -> None:
        """The same."""
        request = self.read(get(b"/", b"X-A: 1"))
        self.assertEqual((request.header(b"x-a"), request.header(b"x-b")), (b"1", None))

    def test_headers_as_twisted_has_them(self) -> None:
        """All values; the last one by getHeader."""
        request = self.read(get(b"/", b"X-A: 1", b"X-A: 3"))
        self.assertIsInstance(request.requestHeaders, Headers)
        self.assertEqual(request.requestHeaders.getRawHeaders("X-a"), ["1", "3"])
        self.assertIs(request.requestHeaders, request.requestHeaders)
        self.assertEqual(request.getHeader(b"X-A"), b"3")
        self.assertIsNone(request.getHeader(b"nothing"))

    def test_repr_tells_no_secrets(self) -> None:
        """Neither query nor fields nor body."""
        request = self.read(post(b"the-prompt", b"apikey: the-key", path=b"/v1/chat?key=the-key"))
        self.assertEqual(repr(request), "<Request POST /v1/chat>")

    def test_refuse(self) -> None:
        """The error's own headers, the request's id, the client's dialect."""
        request = self.read(get())
        request.request_id = "r-7"
        request.anthropic = True
        request.refuse(Unauthorized("No API key found in request", headers=[(b"www-authenticate", b"Key")]))
        (answer,) = self.connection.answers
        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.headers[b"www-authenticate"], b"Key")
        self.assertEqual(answer.headers[b"x-request-id"], b"r-7")
        self.assertIn(b'"type":"error"', answer.body)
        self.assertIn(b'"request_id":"r-7"', answer.body)

    def test_requests_share_nothing(self) -> None:
        """What one is told, the next one does not know."""
        first = self.read(get(b"/a/b?c"))
        first.setHeader(b"x", b"y")
        first.setResponseCode(201)
        first.state, first.anthropic, first.request_id = "x", True, "r"
        first.prepath.append(first.postpath.pop(0))
        first.respond(200, [], b"")
        second = self.read(get(b"/a/b"))
        self.assertEqual((second.prepath, second.postpath, second.query), ([], [b"a", b"b"], None))
        self.assertEqual((second.state, second.anthropic, second.request_id, second.status), (None, False, "", 0))
        second.respond_as_set(b"")
        self.assertEqual(self.connection.statuses, [200, 200])
        self.assertNotIn(b"x", self.connection.answers[1].headers)
