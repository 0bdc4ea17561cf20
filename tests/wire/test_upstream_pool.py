"""The client side of the wire over real sockets: connections that are used again, die, lie, and are verified."""

from __future__ import annotations

import datetime
from typing import Any

import trustme
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial import unittest

from aigw.http.client import Call
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import client_endpoint
from aigw.http.failures import CallFailure
from aigw.http.pool import Pool
from aigw.testing import Act, ScriptedUpstream, answers

GET = b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


class Sink:
    """Remembers what a call brought."""

    def __init__(self) -> None:
        self.sent = 0
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.ended: bool | None = None
        self.failure: CallFailure | None = None
        self.done: Deferred[None] = Deferred()
        self.began: Deferred[None] = Deferred()

    def on_sent(self) -> None:
        self.sent += 1

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        assert self.status, "data before a head"
        self.body += data
        if not self.began.called:
            self.began.callback(None)

    def on_end(self, delimited: bool) -> None:
        assert self.ended is None and self.failure is None, "ended twice"
        self.ended = delimited
        self.done.callback(None)

    def on_failure(self, failure: CallFailure) -> None:
        assert self.ended is None and self.failure is None, "ended twice"
        self.failure = failure
        self.done.callback(None)


class PoolTestCase(unittest.TestCase):
    """A pool in front of a scripted provider."""

    timeout = 120

    def setUp(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.deadlines = Deadlines(reactor)
        self.pool = self.make_pool()

    def make_pool(self, **settings: Any) -> Pool:
        endpoint = client_endpoint(reactor, "127.0.0.1", self.upstream.port, False)
        return Pool(endpoint, self.deadlines, name="provider", **settings)

    async def tearDown(self) -> None:
        self.pool.retire()
        await self.upstream.stop()
        while self.pool.size:
            await deferLater(reactor, 0.01)
        self.deadlines.stop()

    def begin(self, request: bytes = POST, **options: Any) -> tuple[Sink, Call]:
        sink = Sink()
        return sink, self.pool.call(request, sink, **options)

    async def ask(self, request: bytes = POST, **options: Any) -> Sink:
        sink, _ = self.begin(request, **options)
        await sink.done
        await deferLater(reactor, 0)
        return sink


class ReuseTests(PoolTestCase):
    """Connections carry one call after the other."""

    async def test_one_connection_for_calls_in_turn(self) -> None:
        for _ in range(5):
            self.assertEqual((await self.ask()).status, 200)
        self.assertEqual(self.upstream.connections_made, 1)

    async def test_latest_connection_first(self) -> None:
        """LIFO: the others may expire."""
        both = [self.begin(), self.begin()]
        for sink, _ in both:
            await sink.done
        await deferLater(reactor, 0)
        for _ in range(3):
            await self.ask()
        used = [request.connection for request in self.upstream.requests[2:]]
        self.assertEqual(len(set(used)), 1)

    async def test_cap_and_queue(self) -> None:
        """No more connections than allowed; the rest waits its turn, and gets it."""
        self.pool = self.make_pool(max_connections=2)
        calls = [self.begin() for _ in range(10)]
        for sink, _ in calls:
            await sink.done
            self.assertEqual(sink.status, 200)
        self.assertLessEqual(self.upstream.connections_made, 3)

    async def test_full_queue_fails_at_once(self) -> None:
        self.pool = self.make_pool(max_connections=1, queue_limit=1)
        self.upstream.standing = answers.raw(Act.HANG)
        first, call = self.begin()
        await self.upstream.request()
        waiting, queued = self.begin()
        sink = await self.ask()
        assert sink.failure is not None
        self.assertEqual(sink.failure.kind, "queue_full")
        queued.cancel()
        call.cancel()
        self.assertIsNone(first.failure)
        self.assertIsNone(waiting.failure)

    async def test_credentials_do_not_share_connections(self) -> None:
        await self.ask(partition=b"one")
        await self.ask(partition=b"two")
        await self.ask(partition=b"one")
        self.assertEqual([request.connection for request in self.upstream.requests], [1, 2, 1])

    async def test_idle_connection_of_another_makes_room(self) -> None:
        self.pool = self.make_pool(max_connections=1)
        await self.ask(partition=b"one")
        sink = await self.ask(partition=b"two")
        self.assertEqual(sink.status, 200)

    async def test_idle_connections_expire(self) -> None:
        self.pool = self.make_pool(idle_timeout=0.2)
        await self.ask()
        await self.upstream.no_connections()

    async def test_retired_pool_lets_go_after_the_answer(self) -> None:
        sink, _ = self.begin()
        await self.upstream.request()
        self.pool.retire()
        await sink.done
        self.assertEqual(sink.status, 200)
        await self.upstream.no_connections()

    async def test_closed_while_idle_is_never_used(self) -> None:
        for _ in range(5):
            sink = await self.ask()
            self.assertEqual(sink.status, 200)
            self.upstream.close_idle()
            await self.upstream.no_connections()
        self.assertEqual(len(self.upstream.requests), 5)

    async def test_post_on_a_dead_reused_connection_is_sent_again_once(self) -> None:
        """The body is in memory and not one byte of an answer had come."""
        await self.ask()
        self.upstream.script(answers.raw(Act.RESET))
        sink, call = self.begin()
        await sink.done
        self.assertEqual((sink.status, call.attempts, sink.sent), (200, 2, 2))
        self.assertEqual(len(self.upstream.requests), 3)

    async def test_post_on_a_fresh_connection_is_not_sent_again(self) -> None:
        self.upstream.script(answers.raw(Act.RESET))
        sink = await self.ask()
        assert sink.failure is not None
        self.assertEqual((sink.failure.kind, sink.failure.began), ("reset", False))
        self.assertEqual(len(self.upstream.requests), 1)

    async def test_replay_happens_once(self) -> None:
        await self.ask()
        self.upstream.script(answers.raw(Act.RESET), answers.raw(Act.RESET), answers.openai())
        sink = await self.ask()
        assert sink.failure is not None
        self.assertEqual(sink.failure.kind, "reset")
        self.assertEqual(len(self.upstream.requests), 3)


class CancelTests(PoolTestCase):
    """cancel() closes the socket, in every phase, and nothing is called back."""

    async def cancelled_in(self, answer: Any, began: bool) -> None:
        self.upstream.script(answer)
        sink, call = self.begin(POST.replace(b"{}", b"{}"))
        request = await self.upstream.request()
        if began:
            await sink.began
        call.cancel()
        await request.client_gone()
        self.assertIsNone(sink.failure)
        self.assertIsNone(sink.ended)

    async def test_before_the_head(self) -> None:
        await self.cancelled_in(answers.raw(Act.HANG), False)

    async def test_in_the_body(self) -> None:
        await self.cancelled_in(answers.stall_after(2), True)

    async def test_in_the_queue(self) -> None:
        self.pool = self.make_pool(max_connections=1)
        self.upstream.script(answers.slow_first_byte(0.2))
        first, _ = self.begin()
        queued, call = self.begin()
        call.cancel()
        await first.done
        await deferLater(reactor, 0.05)
        self.assertEqual(len(self.upstream.requests), 1)
        self.assertEqual(queued.sent, 0)

    async def test_while_connecting(self) -> None:
        sink, call = self.begin()
        call.cancel()
        await deferLater(reactor, 0.05)
        self.assertEqual((sink.sent, sink.failure), (0, None))
        self.assertEqual((self.pool.size, self.pool.queued_count), (0, 0))

    async def test_paused_call_can_be_cancelled(self) -> None:
        self.upstream.script(answers.stall_after(2))
        sink, call = self.begin()
        request = await self.upstream.request()
        await sink.began
        call.pause()
        call.cancel()
        await request.client_gone()


def failing(data: bytes, kind: str, began: bool = False) -> Any:
    """A test that an answer of these bytes fails in this way, and that its connection is not used again."""

    async def test(self: PoolTestCase) -> None:
        self.upstream.script(answers.raw(data, Act.CLOSE))
        sink = await self.ask()
        assert sink.failure is not None, (sink.status, sink.body, sink.ended)
        self.assertEqual((sink.failure.kind, sink.failure.began), (kind, began))
        self.assertEqual((await self.ask()).status, 200)
        self.assertEqual(self.upstream.connections_made, 2)

    return test


OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "garbage": (b"hello, I am no HTTP server\r\n\r\n", "protocol", False),
    "http_09": (b"<html>", "protocol", False),
    "length_and_chunked": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "protocol",
        False,
    ),
    "two_lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "protocol", False),
    "negative_length": (OK + b"Content-Length: -2\r\n\r\nhi", "protocol", False),
    "coding_gzip": (OK + b"Transfer-Encoding: gzip\r\n\r\nxxxx", "protocol", False),
    "nul_in_a_value": (OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "bare_cr": (OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "obs_fold": (OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "no_colon": (OK + b"Xab\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "space_before_colon": (OK + b"X : a\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "large_head": (OK + b"X: " + b"a" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n", "protocol", False),
    "many_fields": (OK + b"".join(b"X-%d: a\r\n" % n for n in range(300)) + b"\r\n", "protocol", False),
    "endless_informational": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000, "protocol", False),
    "switching_protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "protocol",
        False,
    ),
    "bad_chunk_size": (OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhi\r\n", "protocol", True),
    "short_body": (OK + b"Content-Length: 10\r\n\r\nhi", "cut", True),
    "no_final_chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "cut", True),
    "half_a_head": (OK + b"Content-Le", "cut", False),
}


class BrokenAnswerTests(PoolTestCase):
    """Answers that are none."""


for name, (data_, kind_, began_) in BROKEN.items():
    setattr(BrokenAnswerTests, f"test_{name}", failing(data_, kind_, began_))


class OddAnswerTests(PoolTestCase):
    """Answers that are unusual and right."""

    async def answered(self, *steps: Any, request: bytes = POST, **options: Any) -> Sink:
        self.upstream.script(answers.raw(*steps))
        return await self.ask(request, **options)

    async def test_informational_responses_are_skipped(self) -> None:
        sink = await self.answered(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
            + OK
            + b"Content-Length: 2\r\n\r\nhi"
        )
        self.assertEqual((sink.status, sink.body, sink.headers), (200, b"hi", [(b"content-length", b"2")]))

    async def test_body_until_close(self) -> None:
        sink = await self.answered(OK + b"\r\nhi", Act.CLOSE)
        self.assertEqual((sink.body, sink.ended), (b"hi", False))

    async def test_reset_is_no_end_of_such_a_body(self) -> None:
        sink = await self.answered(OK + b"\r\nhi", 0.05, Act.RESET)
        assert sink.failure is not None
        self.assertEqual(sink.failure.kind, "cut")

    async def test_bytes_behind_the_end_poison_the_connection(self) -> None:
        """The answer is delivered, the connection is not used again."""
        sink = await self.answered(OK + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        self.assertEqual(sink.body, b"hi")
        self.assertNotIn(b"evil", (await self.ask()).body)
        self.assertEqual(self.upstream.connections_made, 2)

    async def test_head_and_no_content_have_no_body(self) -> None:
        head = b"HEAD /v1/models HTTP/1.1\r\nHost: h\r\n\r\n"
        sink = await self.answered(OK + b"Content-Length: 10\r\n\r\n", request=head, head=True)
        self.assertEqual((sink.status, sink.body, sink.ended), (200, b"", True))
        sink = await self.answered(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual((sink.status, sink.ended), (204, True))

    async def test_connection_close_is_honoured(self) -> None:
        await self.answered(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi")
        await self.ask()
        self.assertEqual(self.upstream.connections_made, 2)

    async def test_trailers_are_no_headers(self) -> None:
        sink = await self.answered(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Evil: 1\r\n\r\n")
        self.assertEqual(sink.body, b"hi")
        self.assertNotIn(b"x-evil", dict(sink.headers))

    async def test_one_byte_at_a_time(self) -> None:
        whole = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n"
        sink = await self.answered(*[step for byte in whole for step in (bytes((byte,)), 0.001)])
        self.assertEqual((sink.body, sink.ended), (b"hi ho", True))

    async def test_paused_body_is_not_read(self) -> None:
        """Back-pressure reaches the upstream, and nothing is lost."""
        size = 30_000_000
        self.upstream.script(answers.raw(OK + b"Content-Length: %d\r\n\r\n" % size, b"x" * size))
        sink, call = self.begin()
        await sink.began
        call.pause()
        await deferLater(reactor, 0.1)
        held = len(sink.body)
        await deferLater(reactor, 0.1)
        self.assertEqual(len(sink.body), held)
        self.assertLess(held, size)
        call.resume()
        await sink.done
        self.assertEqual(len(sink.body), size)


class UnreachableTests(PoolTestCase):
    """No connection."""

    async def test_refused(self) -> None:
        await self.upstream.refuse()
        sink = await self.ask()
        assert sink.failure is not None
        self.assertEqual(sink.failure.kind, "connect")
        self.assertIn("refused", str(sink.failure))

    async def test_name_that_does_not_resolve(self) -> None:
        endpoint = client_endpoint(reactor, "no-such-host.invalid", 80, False)
        self.pool = Pool(endpoint, self.deadlines, name="no-such-host.invalid:80")
        sink = await self.ask()
        assert sink.failure is not None
        self.assertIn(sink.failure.kind, ("dns", "connect"))


class TLSUpstream(Protocol):
    """Answers anything with two bytes."""

    got = b""

    def dataReceived(self, data: bytes) -> None:
        TLSUpstream.got += data
        self.transport.write(OK + b"Content-Length: 2\r\n\r\nhi")


class TLSTests(unittest.TestCase):
    """HTTPS: who the server is, is verified; there is no way around it."""

    timeout = 120

    def setUp(self) -> None:
        self.authority = trustme.CA()
        self.trusted = self.authority.cert_pem.bytes()
        self.deadlines = Deadlines(reactor)
        self.pools: list[Pool] = []

    async def tearDown(self) -> None:
        for pool in self.pools:
            pool.retire()
            while pool.size:
                await deferLater(reactor, 0.01)
        self.deadlines.stop()

    async def ask(self, certificate: trustme.LeafCert, ca: bytes | None) -> Sink:
        """One call to a server with ``certificate``, known as localhost."""
        TLSUpstream.got = b""
        path = self.mktemp()
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        context = ssl.DefaultOpenSSLContextFactory(path, path)
        context.getContext().use_certificate_chain_file(path)
        listener = reactor.listenSSL(0, Factory.forProtocol(TLSUpstream), context, interface="127.0.0.1")
        self.addCleanup(listener.stopListening)
        endpoint = client_endpoint(reactor, "localhost", listener.getHost().port, True, ca=ca)
        pool = Pool(endpoint, self.deadlines, name="localhost")
        self.pools.append(pool)
        sink = Sink()
        pool.call(POST, sink)
        await sink.done
        return sink

    async def test_private_authority(self) -> None:
        sink = await self.ask(self.authority.issue_cert("localhost"), self.trusted)
        self.assertEqual((sink.status, sink.body), (200, b"hi"), sink.failure)

    async def refused(self, certificate: trustme.LeafCert, ca: bytes | None) -> None:
        sink = await self.ask(certificate, ca)
        assert sink.failure is not None
        self.assertEqual(sink.failure.kind, "tls", sink.failure)
        self.assertEqual((sink.sent, TLSUpstream.got), (0, b""))

    async def test_unknown_authority(self) -> None:
        await self.refused(self.authority.issue_cert("localhost"), None)

    async def test_other_authority(self) -> None:
        await self.refused(trustme.CA().issue_cert("localhost"), self.trusted)

    async def test_wrong_name(self) -> None:
        await self.refused(self.authority.issue_cert("other.example"), self.trusted)

    async def test_expired(self) -> None:
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        await self.refused(self.authority.issue_cert("localhost", not_after=past), self.trusted)
