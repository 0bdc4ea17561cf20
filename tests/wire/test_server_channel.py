"""The server side of the wire over real sockets: what is served, what is refused, and that the client can read it."""

from __future__ import annotations

import random
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial import unittest

from aigw.errors import Forbidden, GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.http.server import ServerFactory, ServerLimits
from tests.dist.raw import RawClient, connect, dechunked


class RecordingSite:
    """Answers with what it was asked, and remembers."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.admitted: list[Request] = []
        self.refusals: list[GatewayError] = []
        self.answer: Any = None
        self.admit_error: GatewayError | None = None

    def admit(self, request: Request) -> None:
        self.admitted.append(request)
        if self.admit_error is not None:
            raise self.admit_error

    def render(self, request: Request) -> None:
        self.requests.append(request)
        if self.answer is not None:
            self.answer(request)
            return
        facts = {"method": request.method.decode(), "path": request.path.decode(), "size": len(request.body)}
        request.respond(200, [(b"content-type", b"application/json")], orjson.dumps(facts))

    def refused(self, request: Request | None, client: str, error: GatewayError) -> None:
        self.refusals.append(error)


class ServerTestCase(unittest.TestCase):
    """A server on loopback."""

    timeout = 120
    # Longer than any test takes, on a slow machine too: the clients of these tests are not late.
    limits = ServerLimits(
        body=100_000, head_timeout=50, body_idle=50, write_stall=50, keep_alive=50, linger=50, max_connections=50
    )

    def setUp(self) -> None:
        self.site = RecordingSite()
        self.deadlines = Deadlines(reactor)
        self.factory = ServerFactory(self.site, self.deadlines, self.limits)
        self.listener = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.port = self.listener.getHost().port

    async def tearDown(self) -> None:
        self.factory.close_all()
        await self.listener.stopListening()
        while self.factory.channels:
            await deferLater(reactor, 0.01)
        self.deadlines.stop()

    async def client(self) -> RawClient:
        client = await connect(self.port)
        self.addCleanup(client.transport.abortConnection)
        return client

    async def ask(self, data: bytes) -> bytes:
        """Everything the server says to ``data`` until it closes."""
        client = await self.client()
        client.send(data)
        return await client.closed()


def get(path: bytes = b"/", *headers: bytes, version: bytes = b"1.1", host: bytes = b"Host: h\r\n") -> bytes:
    return b"GET %s HTTP/%s\r\n%s%s\r\n" % (path, version, host, b"".join(line + b"\r\n" for line in headers))


CLOSE = b"Connection: close"


class ServingTests(ServerTestCase):
    """Requests that are fine."""

    async def test_keep_alive_and_close(self) -> None:
        """One connection, several requests; the last one says close."""
        client = await self.client()
        client.send(get(b"/one"))
        await client.until(b'"/one"')
        client.send(get(b"/two", CLOSE))
        received = await client.closed()
        self.assertEqual(received.count(b"HTTP/1.1 200 OK"), 2)
        self.assertIn(b"connection: close", received)

    async def test_pipelined_requests_are_answered_in_order(self) -> None:
        """Also when an early one takes longer than those behind it."""
        waiting: list[Request] = []
        self.site.answer = waiting.append
        client = await self.client()
        client.send(b"".join(get(b"/%d" % n) for n in range(3)) + get(b"/3", CLOSE))
        for number in range(4):
            while len(waiting) <= number:
                await deferLater(reactor, 0.01)
            self.assertEqual(len(waiting), number + 1, "one at a time")
            waiting[number].respond(200, [], b"answer-%d;" % number)
        received = await client.closed()
        places = [received.index(b"answer-%d;" % number) for number in range(4)]
        self.assertEqual(places, sorted(places))

    async def test_any_split_is_read_alike(self) -> None:
        """Bytes arrive as the network likes."""
        dice = random.Random(7)
        body = b"x" * 300
        request = b"POST /a%2Fb//c?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 300\r\n\r\n" + body
        chunked = b"POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"
        stream = request + chunked + get(b"/last", CLOSE)
        for _ in range(5):
            client = await self.client()
            at = 0
            while at < len(stream):
                step = dice.randint(1, 60)
                client.send(stream[at : at + step])
                at += step
                await deferLater(reactor, 0)
            received = await client.closed()
            self.assertEqual(received.count(b"HTTP/1.1 200 OK"), 3, received)
            self.assertIn(b'{"method":"POST","path":"/a%2Fb/c","size":300}', received)
            self.assertIn(b'"/chunked","size":5', received)
        self.assertNotIn(b"trailer", dict(self.site.requests[1].headers))

    async def test_head_has_no_body(self) -> None:
        """But the length that GET would have."""
        received = await self.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        self.assertRegex(received, rb"content-length: \d\d")
        self.assertTrue(received.endswith(b"\r\n\r\n"))

    async def test_http_10_is_closed(self) -> None:
        """It may leave Host out."""
        received = await self.ask(get(version=b"1.0", host=b""))
        self.assertIn(b"200 OK", received)

    async def test_expect_is_met_after_admission(self) -> None:
        """100 Continue, then the answer; a refusal instead of 100 where the request is not wanted."""
        head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        client = await self.client()
        client.send(head)
        await client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"hello")
        await client.until(b'"size":5')
        self.site.admit_error = Forbidden("not you")
        refused = await self.ask(head)
        self.assertTrue(refused.startswith(b"HTTP/1.1 403"))
        self.assertNotIn(b"100 Continue", refused)

    async def test_early_refusal_can_be_read_by_who_is_still_sending(self) -> None:
        """The body is thrown away for a moment instead of being answered with a reset."""
        self.site.admit_error = Forbidden("not you")
        client = await self.client()
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n")
        await client.until(b"403")
        for _ in range(9):
            client.send(b"x" * 10000)
            await deferLater(reactor, 0.005)
        received = await client.closed()
        self.assertIn(b"not you", received)
        self.assertEqual(self.site.requests, [])

    async def test_streamed_answer_is_chunked_and_ends(self) -> None:
        """One chunk a write."""

        def answer(request: Request) -> None:
            request.start(200, [(b"content-type", b"text/plain")])
            request.write(b"hello ")
            request.write(b"world")
            request.finish()

        self.site.answer = answer
        received = await self.ask(get(b"/", CLOSE))
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertIn(b"transfer-encoding: chunked", head)
        self.assertEqual(body, b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")
        self.assertEqual(dechunked(body), b"hello world")

    async def test_aborted_answer_never_looks_complete(self) -> None:
        """Chunked: no final chunk. HTTP/1.0, where the end is the close: a reset."""

        def answer(request: Request) -> None:
            request.start(200, [])
            request.write(b"half")
            request.abort()

        self.site.answer = answer
        received = await self.ask(get(b"/"))
        self.assertTrue(received.endswith(b"4\r\nhalf\r\n"))

    async def test_less_than_announced_is_aborted(self) -> None:
        """finish() does not pretend."""

        def answer(request: Request) -> None:
            request.start(200, [], 10)
            request.write(b"half")
            request.finish()

        self.site.answer = answer
        received = await self.ask(get(b"/"))
        self.assertTrue(received.endswith(b"half"))

    async def test_fault_of_the_site_is_a_500(self) -> None:
        """And tells nothing of its inside."""

        def answer(request: Request) -> None:
            raise ZeroDivisionError("secret detail")

        self.site.answer = answer
        received = await self.ask(get(b"/", CLOSE))
        self.assertTrue(received.startswith(b"HTTP/1.1 500"))
        self.assertNotIn(b"secret detail", received)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


def refusal(request: bytes, status: int) -> Any:
    """A test that ``request`` is refused with ``status``, as JSON, and that the connection is closed."""

    async def test(self: ServerTestCase) -> None:
        received = await self.ask(request)
        self.assertTrue(received.startswith(b"HTTP/1.1 %d " % status), received[:200])
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertIn(b"connection: close", head)
        self.assertTrue(orjson.loads(body)["error"]["message"])
        self.assertEqual(self.site.requests, [])
        self.assertEqual([error.status for error in self.site.refusals], [status])

    return test


POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
REFUSED = {
    "no_host": (get(host=b""), 400),
    "two_hosts": (get(b"/", b"Host: other"), 400),
    "empty_host": (get(host=b"Host: \r\n"), 400),
    "host_with_a_path": (get(host=b"Host: h/?x\r\n"), 400),
    "host_with_a_fragment": (get(host=b"Host: h#\r\n"), 400),
    "host_with_a_user": (get(host=b"Host: u@h\r\n"), 400),
    "length_with_chunked": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked_with_length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two_lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "signed_length": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "listed_length": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "empty_length": (POST + b"Content-Length: \r\n\r\n", 400),
    "coding_in_http_10": (b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding_identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "coding_gzip": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "coding_twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding_obfuscated": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "obs_fold": (get(b"/", b"X: a\r\n b"), 400),
    "bare_lf": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare_cr_in_a_value": (get(b"/", b"X: a\rb"), 400),
    "nul_in_a_value": (get(b"/", b"X: a\x00b"), 400),
    "space_before_colon": (get(b"/", b"X : a"), 400),
    "no_colon": (get(b"/", b"XYZ"), 400),
    "empty_name": (get(b"/", b": a"), 400),
    "hex_chunk_prefix": (POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    "bad_chunk_end": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400),
    "http_09": (b"GET /\r\n\r\n", 400),
    "http_2_preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http_99": (get(version=b"9.9"), 400),
    "unknown_method": (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "lower_case_method": (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "two_spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "two_empty_lines_first": (b"\r\n\r\n" + get(), 400),
    "absolute_form_for_another_host": (get(b"http://other/x"), 400),
    "backslash": (get(b"/a\\b"), 400),
    "escaped_backslash": (get(b"/a%5cb"), 400),
    "escaped_nul": (get(b"/a%00"), 400),
    "escaped_line_break": (get(b"/a%0d%0aX:1"), 400),
    "broken_escape": (get(b"/a%zz"), 400),
    "fragment": (get(b"/a#b"), 400),
    "above_the_root": (get(b"/../admin"), 400),
    "above_the_root_escaped": (get(b"/%2e%2e/admin"), 400),
    "hidden_dot_segment": (get(b"/v1/..%2fadmin"), 400),
    "overlong_utf8": (get(b"/%c0%ae%c0%ae/"), 400),
    "connect": (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    "strange_expectation": (POST + b"Expect: 200-ok\r\nContent-Length: 0\r\n\r\n", 417),
    "too_many_headers": (get(b"/", *[b"X-%d: y" % n for n in range(150)]), 431),
    "too_long_a_header": (get(b"/", b"X: " + b"a" * 40_000), 431),
    "too_long_a_line": (get(b"/" + b"a" * 40_000), 431),
    "endless_line": (b"GET /" + b"a" * 200_000, 431),
    "announced_body_too_large": (POST + b"Content-Length: 100001\r\n\r\n", 413),
    "expected_body_too_large": (POST + b"Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n", 413),
    "grown_body_too_large": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"4e20\r\n" * 0 + (b"4e20\r\n" + b"x" * 20000 + b"\r\n") * 6,
        413,
    ),
    "flood_of_chunk_extensions": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;" + b"e" * 4000 + b"\r\nx\r\n") * 40,
        400,
    ),
}


class RefusalTests(ServerTestCase):
    """Requests that gateways fell over: each is refused, in words, before anybody serves it."""


for name, (bytes_, status_) in REFUSED.items():
    setattr(RefusalTests, f"test_{name}", refusal(bytes_, status_))


class NormalisedTests(ServerTestCase):
    """Paths with more than one spelling: one form is matched, and that form goes on."""

    async def test_paths(self) -> None:
        """See reliability corpora: merged, unescaped, resolved."""
        wanted = {
            b"//v1/chat": b"/v1/chat",
            b"/v1//chat": b"/v1/chat",
            b"/v1/./chat": b"/v1/chat",
            b"/v1/x/../chat": b"/v1/chat",
            b"/v1/%63hat": b"/v1/chat",
            b"/v1/a%2fb": b"/v1/a%2Fb",
            b"/v1/chat/": b"/v1/chat/",
            b"/V1/Chat": b"/V1/Chat",
            b"/v1/chat;x=1": b"/v1/chat;x=1",
            b"http://h/v1/chat": b"/v1/chat",
        }
        for sent, normal in wanted.items():
            await self.ask(get(sent, CLOSE))
            self.assertEqual(self.site.requests[-1].path, normal)


class DeadlineTests(ServerTestCase):
    """Clients that take their time."""

    limits = ServerLimits(head_timeout=1, body_idle=1, write_stall=1, keep_alive=1.5, linger=1)

    async def test_slow_head(self) -> None:
        """A trickle of bytes does not extend it."""
        client = await self.client()
        client.send(b"GET / HTTP/1.1\r\n")
        for number in range(100):
            if client.lost or client.received:
                break
            client.send(b"X-%d: y\r\n" % number)
            await deferLater(reactor, 0.05)
        received = await client.closed()
        self.assertTrue(received.startswith(b"HTTP/1.1 408"), received)

    async def test_slow_body(self) -> None:
        received = await self.ask(POST + b"Content-Length: 10\r\n\r\nhal")
        self.assertTrue(received.startswith(b"HTTP/1.1 408"), received)

    async def test_idle_connections_are_closed_without_a_word(self) -> None:
        """Before the first request, and between two."""
        self.assertEqual(await self.ask(b""), b"")
        received = await self.ask(get())
        self.assertEqual(received.count(b"HTTP/1.1"), 1)

    async def test_stalled_reader_is_cut_and_its_producer_was_paused(self) -> None:
        """What a reader that stops costs is what the kernel did not take of one piece."""
        calls: list[str] = []
        lost: Deferred[None] = Deferred()

        class Producer:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

        def answer(request: Request) -> None:
            request.start(200, [])
            request.registerProducer(Producer(), True)
            request.gone = lambda: lost.callback(None)
            while "pause" not in calls:
                request.write(b"x" * 16384)
            waiting = request.channel.transport
            self.assertLessEqual(len(waiting.dataBuffer) + waiting._tempDataLen, 65536)

        self.site.answer = answer
        client = await self.client()
        client.transport.pauseProducing()
        client.send(get())
        await lost
        self.assertEqual(calls, ["pause"])

    async def test_reader_that_catches_up_resumes_its_producer(self) -> None:
        """And nothing was lost."""
        total = 0

        class Producer:
            paused = False

            def __init__(self, request: Request) -> None:
                self.request = request
                self.left = 300

            def pauseProducing(self) -> None:
                self.paused = True

            def resumeProducing(self) -> None:
                self.paused = False
                while self.left and not self.paused:
                    self.left -= 1
                    self.request.write(b"y" * 16384)
                if not self.left and not self.paused:
                    self.request.unregisterProducer()
                    self.request.finish()

        def answer(request: Request) -> None:
            request.start(200, [])
            producer = Producer(request)
            request.registerProducer(producer, True)
            producer.resumeProducing()

        self.site.answer = answer
        client = await self.client()
        client.transport.pauseProducing()
        client.send(get(b"/", CLOSE))
        await deferLater(reactor, 0.1)
        client.transport.resumeProducing()
        received = await client.closed()
        total = len(dechunked(received.partition(b"\r\n\r\n")[2]))
        self.assertEqual(total, 300 * 16384)


class ConnectionTests(ServerTestCase):
    """How many, and what becomes of them."""

    async def test_cap_on_connections(self) -> None:
        """The one too many is told so."""
        clients = [await self.client() for _ in range(50)]
        received = await self.ask(b"")
        self.assertTrue(received.startswith(b"HTTP/1.1 503"), received)
        self.assertIn(b"retry-after: 1", received)
        clients[0].send(get(b"/", CLOSE))
        self.assertIn(b"200 OK", await clients[0].closed())

    async def test_client_that_leaves_is_told_to_whoever_answers(self) -> None:
        """A FIN is enough."""
        gone: Deferred[None] = Deferred()

        def answer(request: Request) -> None:
            request.gone = lambda: gone.callback(None)

        self.site.answer = answer
        client = await self.client()
        client.send(get())
        while not self.site.requests:
            await deferLater(reactor, 0.01)
        client.transport.loseConnection()
        await gone
        self.assertTrue(self.site.requests[0].disconnected)

    async def test_drain_closes_idle_ones_now_and_others_behind_their_answer(self) -> None:
        """And fires when the last one is gone."""
        waiting: list[Request] = []
        self.site.answer = waiting.append
        idle, busy = await self.client(), await self.client()
        busy.send(get())
        while not waiting:
            await deferLater(reactor, 0.01)
        drained = self.factory.drain()
        await idle.closed()
        self.assertFalse(drained.called)
        waiting[0].respond(200, [], b"late")
        received = await busy.closed()
        self.assertIn(b"connection: close", received)
        self.assertTrue(received.endswith(b"late"))
        await drained
