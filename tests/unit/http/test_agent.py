"""Twisted's client interface on our pools, without sockets: what is sent, and what becomes of the answer."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial import unittest
from twisted.web.client import readBody
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aigw.http import agent as module
from aigw.http.agent import PooledAgent
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from tests.unit.http.fakes import HELLO, OK, Upstream, Wire


@implementer(IBodyProducer)
class Body:
    """A request body; comes when the test wants."""

    length = UNKNOWN_LENGTH

    def __init__(self, *pieces: bytes, later: bool = False) -> None:
        self.pieces = pieces
        self.later = later
        self.done: Deferred[None] = Deferred()

    def startProducing(self, consumer: Any) -> Deferred[None]:
        for piece in self.pieces:
            consumer.write(piece)
        return self.done if self.later else succeed(None)

    def stopProducing(self) -> None:
        pass

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass


class Reader(Protocol):
    """A body's reader."""

    def __init__(self) -> None:
        self.body = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.body += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason


class AgentTestCase(unittest.TestCase):
    """An agent all of whose origins are one upstream."""

    def setUp(self) -> None:
        self.upstream = Upstream()
        self.origins: list[tuple[Any, ...]] = []

        def endpoint(reactor: Any, host: str, port: int, tls: bool, *, ca: bytes | None = None) -> Upstream:
            self.origins.append((host, port, tls, ca))
            return self.upstream

        patch = mock.patch.object(module, "client_endpoint", endpoint)
        patch.start()
        self.addCleanup(patch.stop)
        clock = Clock()
        self.agent = PooledAgent(clock, Deadlines(clock))

    def ask(
        self, method: bytes = b"GET", uri: bytes = b"http://h/x", headers: Any = None, body: Any = None
    ) -> tuple[Deferred[IResponse], Wire]:
        """Begin a request and let it have a connection."""
        asked = self.agent.request(method, uri, Headers(headers or {}), body)
        return asked, self.upstream.accept()

    def answered(self, data: bytes, **options: Any) -> Any:
        """The response that is made of ``data``."""
        asked, self.wire = self.ask(**options)
        self.wire.send(data)
        return self.successResultOf(asked)


class RequestTests(AgentTestCase):
    """What is written."""

    def sent(self, **options: Any) -> bytes:
        return self.ask(**options)[1].taken()

    def test_get(self) -> None:
        self.assertEqual(
            self.sent(uri=b"http://h:8080/a/b?c=%20d#e"), b"GET /a/b?c=%20d HTTP/1.1\r\nhost: h:8080\r\n\r\n"
        )
        self.assertEqual(self.origins, [("h", 8080, False, None)])

    def test_uri_without_a_path(self) -> None:
        self.assertEqual(self.sent(uri=b"https://H?q"), b"GET /?q HTTP/1.1\r\nhost: H\r\n\r\n")
        self.assertEqual(self.origins, [("h", 443, True, None)])

    def test_body_is_measured_here(self) -> None:
        """Whatever the producer says of its length."""
        data = self.sent(method=b"POST", headers={b"X-A": [b"1", b"2"]}, body=Body(b"he", b"llo"))
        self.assertEqual(data, b"POST /x HTTP/1.1\r\nhost: h\r\nX-A: 1\r\nX-A: 2\r\ncontent-length: 5\r\n\r\nhello")

    def test_empty_body(self) -> None:
        self.assertIn(b"content-length: 0\r\n", self.sent(method=b"POST"))
        self.assertNotIn(b"content-length", self.sent(method=b"DELETE"))

    def test_framing_is_ours(self) -> None:
        """Headers that would change where the request ends, or where it goes, are left out."""
        headers = {
            b"Content-Length": [b"99"],
            b"Transfer-Encoding": [b"chunked"],
            b"Host": [b"evil"],
            b"Connection": [b"close"],
            b"Upgrade": [b"x"],
            b"X-Kept": [b"1"],
        }
        data = self.sent(method=b"POST", headers=headers, body=Body(b"hi")).lower()
        self.assertEqual(data, b"post /x http/1.1\r\nhost: h\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\nhi")

    def test_nothing_can_end_a_line(self) -> None:
        for uri in (b"http://h/a b", b"http://h/a\r\nX: y", b"http://h/\x00", b"http://h\t/"):
            with self.assertRaises(ValueError):
                self.agent.request(b"GET", uri)
        with self.assertRaises(ValueError):
            self.agent.request(b"GET /evil HTTP/1.1\r\nX:", b"http://h/")
        sneaky = Headers()
        sneaky._rawHeaders[b"x"] = [b"a\r\nY: b"]  # past what Headers itself refuses
        with self.assertRaises(ValueError):
            self.agent.request(b"GET", b"http://h/", sneaky)
        self.assertEqual(self.upstream.attempts, [])

    def test_other_uris(self) -> None:
        for uri in (b"ftp://h/x", b"/x", b"http:///x", b"http://user:secret@h/x", b"http://h:x/"):
            with self.assertRaises(ValueError):
                self.agent.request(b"GET", uri)

    def test_body_that_fails(self) -> None:
        body = Body(later=True)
        asked = self.agent.request(b"POST", b"http://h/x", None, body)
        body.done.errback(ZeroDivisionError())
        self.failureResultOf(asked, ZeroDivisionError)
        self.assertEqual(self.upstream.attempts, [])

    def test_cancelled_before_the_body_was_there(self) -> None:
        body = Body(b"x", later=True)
        asked = self.agent.request(b"POST", b"http://h/x", None, body)
        asked.cancel()
        self.failureResultOf(asked)
        body.done.callback(None)
        self.assertEqual(self.upstream.attempts, [])

    def test_one_pool_for_each_origin(self) -> None:
        for uri in (b"http://h/a", b"http://h:80/b", b"http://H/c", b"https://h/d", b"http://other/e"):
            self.agent.request(b"GET", uri)
        self.assertEqual(
            [origin[:3] for origin in self.origins], [("h", 80, False), ("h", 443, True), ("other", 80, False)]
        )


class ResponseTests(AgentTestCase):
    """What comes back."""

    def test_interfaces(self) -> None:
        response = self.answered(HELLO)
        verifyObject(IAgent, self.agent)
        verifyObject(IResponse, response)
        verifyObject(IClientRequest, response.request)

    def test_head(self) -> None:
        response = self.answered(b"HTTP/1.1 404 What\r\nX-A: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        self.assertEqual((response.code, response.phrase, response.length), (404, b"Not Found", 2))
        self.assertEqual(response.headers.getRawHeaders(b"x-a"), [b"1"])
        self.assertFalse(response.headers.hasHeader(b"connection"))
        self.assertEqual((response.request.method, response.request.absoluteURI), (b"GET", b"http://h/x"))

    def test_body_that_was_there_before_its_reader(self) -> None:
        response = self.answered(HELLO)
        self.assertEqual(self.successResultOf(readBody(response)), b"hello")

    def test_body_waits_for_its_reader(self) -> None:
        """Not in memory: it is not read."""
        response = self.answered(HELLO[:-3])
        self.assertEqual(self.wire.producerState, "paused")
        body = readBody(response)
        self.assertEqual(self.wire.producerState, "producing")
        self.wire.send(HELLO[-3:])
        self.assertEqual(self.successResultOf(body), b"hello")

    def test_body_is_delivered_once(self) -> None:
        response = self.answered(HELLO)
        response.deliverBody(Reader())
        with self.assertRaises(RuntimeError):
            response.deliverBody(Reader())

    def test_body_of_unknown_length(self) -> None:
        response = self.answered(OK + b"\r\nhello")
        self.assertEqual(response.length, UNKNOWN_LENGTH)
        reader = Reader()
        response.deliverBody(reader)
        self.wire.lose(ConnectionDone())
        assert reader.reason is not None
        self.assertEqual((reader.body, reader.reason.type), (b"hello", PotentialDataLoss))

    def test_body_that_breaks(self) -> None:
        body = readBody(self.answered(HELLO[:-1]))
        self.wire.lose()
        failure = self.failureResultOf(body)
        self.assertEqual([reason.value.kind for reason in failure.value.reasons], ["cut"])

    def test_responses_without_body_hold_nothing_up(self) -> None:
        for method, data in (
            (b"HEAD", OK + b"Content-Length: 10\r\n\r\n"),
            (b"GET", b"HTTP/1.1 204 No\r\n\r\n"),
            (b"GET", OK + b"Content-Length: 0\r\n\r\n"),
        ):
            response = self.answered(data, method=method, uri=b"http://%d/" % len(self.origins))
            self.assertEqual((response.length, self.wire.producerState, self.wire.closed), (0, "producing", False))

    def test_unwanted_body(self) -> None:
        """Closes the connection; the reader is told at once."""
        response = self.answered(HELLO[:-1])
        reader = Reader()
        response.deliverBody(reader)
        assert reader.transport is not None
        reader.transport.loseConnection()
        self.assertTrue(self.wire.disconnected)
        self.assertIsNotNone(reader.reason)

    def test_cancelled(self) -> None:
        asked, wire = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.assertTrue(wire.disconnected)

    def test_no_response(self) -> None:
        asked, wire = self.ask()
        wire.lose()
        self.assertEqual(self.failureResultOf(asked, CallFailure).value.kind, "reset")

    def test_closed_agent_keeps_nothing(self) -> None:
        self.answered(HELLO)
        self.assertEqual(self.agent.size, 1)
        self.agent.close()
        self.assertEqual((self.agent.size, self.wire.closed), (0, True))
