"""Upstreams that break in every way, over real sockets. The numbers are those of faults that proxies were measured on."""

from __future__ import annotations

import resource
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from aigw.http.failures import CallFailure
from aigw.http.response import ResponseLimits
from tests.wire.raw_upstream import (
    GET,
    HELLO,
    OK,
    POST,
    RawConnection,
    RawServer,
    Sink,
    WireTestCase,
    hang,
    reset,
    say,
    say_and_close,
)

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class BeforeTheHeadTests(WireTestCase):
    """No response at all."""

    async def test_refused(self) -> None:
        """U1."""
        port = reactor.listenTCP(0, RawServer(), interface="127.0.0.1")
        number = port.getHost().port
        await port.stopListening()
        sink = await self.ask(self.pool_to(number))
        self.assertEqual((sink.kind, str(sink.failure)), ("connect", f"127.0.0.1:{number}: connection refused"))
        self.assertEqual((sink.sent, self.pools[0].size, self.pools[0].dialling), (0, 0, 0))

    async def test_cancelled_while_nobody_accepts(self) -> None:
        """U2: the caller's deadline is cancel(), and no attempt is left behind."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listener.close)
        for _ in range(4):  # nobody accepts: the queue is full, further SYNs are dropped
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        pool = self.pool_to(listener.getsockname()[1])
        sink, call = self.begin(pool)
        await deferLater(reactor, 0.05)
        self.assertEqual((pool.dialling, sink.sent, sink.failure), (1, 0, None))
        call.cancel()
        self.assertEqual((pool.dialling, pool.queued_count, sink.failure), (0, 0, None))

    async def test_closed_on_a_fresh_connection(self) -> None:
        """U3: not sent again, whether it was a FIN or a RST."""
        for act in (say_and_close(b""), reset):
            pool = self.pool_to(self.listen(act, say(HELLO)))
            sink = await self.ask(pool)
            self.assertEqual((sink.kind, sink.sent), ("reset", 1))
            self.assertEqual(len(self.servers[-1].connections), 1)

    async def test_closed_on_a_reused_connection(self) -> None:
        """U3: sent once more on a fresh one, POST or not."""
        for act in (say_and_close(b""), reset):
            pool = self.pool_to(self.listen(say(HELLO), act, say(HELLO)))
            await self.ask(pool)
            sink = await self.ask(pool)
            self.assertEqual((bytes(sink.body), sink.sent), (b"hello", 2))
            first, second = self.servers[-1].connections
            self.assertEqual((first.requests(), second.received), (2, POST))

    async def test_hang(self) -> None:
        """U4: cancel() closes the socket at once."""
        pool = self.pool_to(self.listen(hang))
        sink, call = self.begin(pool)
        await self.until(lambda: bool(self.servers[0].connections and self.servers[0].connections[0].requests()))
        call.cancel()
        self.assertEqual(await self.servers[0].connections[0].lost, "reset")
        self.assertEqual((sink.sent, sink.status, sink.failure, pool.size), (1, 0, None, 0))


class WithinTheBodyTests(WireTestCase):
    """A response that began."""

    async def test_hang_in_the_body(self) -> None:
        """U5."""
        pool = self.pool_to(self.listen(say(CHUNKED + b"2\r\nhi\r\n")))
        sink, call = self.begin(pool)
        await sink.began
        call.cancel()
        self.assertEqual(await self.servers[0].connections[0].lost, "reset")
        self.assertEqual((bytes(sink.body), sink.delimited, sink.failure), (b"hi", None, None))

    async def test_paused_and_cancelled(self) -> None:
        pool = self.pool_to(self.listen(say(CHUNKED + b"2\r\nhi\r\n")))
        sink, call = self.begin(pool)
        await sink.began
        call.pause()
        call.cancel()
        await self.servers[0].connections[0].lost
        self.assertEqual(pool.size, 0)

    async def test_truncated(self) -> None:
        """U6: short of Content-Length, without the last chunk, within a chunk, within the last chunk's line end."""
        for part in (
            OK + b"Content-Length: 10\r\n\r\nhi",
            CHUNKED + b"2\r\nhi\r\n",
            CHUNKED + b"5\r\nhi",
            CHUNKED + b"2\r\nhi\r\n0\r\n",
        ):
            sink = await self.ask(self.pool_to(self.listen(say_and_close(part))))
            self.assertEqual((sink.kind, bytes(sink.body), sink.delimited), ("cut", b"hi", None), part)
            assert sink.failure is not None
            self.assertTrue(sink.failure.began)

    async def test_reset_in_the_body(self) -> None:
        """U6."""

        def act(connection: RawConnection) -> None:
            connection.transport.write(OK + b"\r\nhi")
            reactor.callLater(0.02, connection.transport.abortConnection)

        sink = await self.ask(self.pool_to(self.listen(act)))
        self.assertEqual((sink.kind, bytes(sink.body)), ("cut", b"hi"))

    async def test_close_delimited(self) -> None:
        sink = await self.ask(self.pool_to(self.listen(say_and_close(OK + b"\r\n" + b"x" * 300_000))))
        self.assertEqual((len(sink.body), sink.delimited), (300_000, False))

    async def test_longer_than_announced(self) -> None:
        """U7: the announced part is delivered, the connection closed."""
        for extra in (b"X", b"\r\n", HELLO):
            pool = self.pool_to(self.listen(say(HELLO + extra), say(HELLO)))
            first = await self.ask(pool)
            second = await self.ask(pool)
            self.assertEqual((first.body, second.body, second.sent), (b"hello", b"hello", 1))
            self.assertEqual(len(self.servers[-1].connections), 2)

    async def test_slow_bytes(self) -> None:
        """U19: a response byte by byte is a response; no byte waits for another read."""
        data = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"

        def act(connection: RawConnection) -> None:
            def one(at: int = 0) -> None:
                connection.transport.write(data[at : at + 1])
                if at + 1 < len(data):
                    reactor.callLater(0.001, one, at + 1)

            connection.transport.setTcpNoDelay(True)
            one()

        pool = self.pool_to(self.listen(act, say(HELLO)))
        sink = await self.ask(pool)
        self.assertEqual((sink.body, sink.delimited, (await self.ask(pool)).body), (b"hello", True, b"hello"))
        self.assertEqual(len(self.servers[0].connections), 1)

    async def test_coded_content_is_left_alone(self) -> None:
        """U17: nothing is decompressed here, so there is no bomb."""
        data = b"\x1f\x8b\x08\x00not really"
        head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data)
        sink = await self.ask(self.pool_to(self.listen(say(head + data))))
        self.assertEqual(sink.body, data)

    async def test_redirect_is_a_response(self) -> None:
        """U16."""
        port = self.listen(say(b"HTTP/1.1 307 T\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n"))
        sink = await self.ask(self.pool_to(port))
        self.assertEqual((sink.status, sink.headers[0]), (307, (b"location", b"http://other.example/")))


class IdleConnectionTests(WireTestCase):
    """U8: what happens on a connection while it carries nothing."""

    async def idle(self, *more: Any) -> tuple[Any, RawConnection]:
        pool = self.pool_to(self.listen(say(HELLO), *more, say(HELLO)))
        await self.ask(pool)
        self.assertEqual(pool.idle_count, 1)
        return pool, self.servers[-1].connections[0]

    async def test_unasked_response_is_nobodys(self) -> None:
        pool, connection = await self.idle()
        connection.transport.write(OK + b"Content-Length: 4\r\n\r\nevil")
        await connection.lost
        sink = await self.ask(pool)
        self.assertEqual((bytes(sink.body), sink.sent), (b"hello", 1))

    async def test_unasked_response_that_the_reactor_has_not_seen_yet(self) -> None:
        """The socket is looked at before it is used."""
        pool, connection = await self.idle()
        await deferLater(reactor, 0.002)
        connection.transport.socket.send(OK + b"Content-Length: 4\r\n\r\nevil")  # and no turn of the reactor
        sink, call = self.begin(pool)
        self.assertEqual(call.attempts, 0)
        await sink.over
        self.assertEqual((bytes(sink.body), sink.sent, call.reused), (b"hello", 1, False))

    async def test_close_that_the_reactor_has_not_seen_yet(self) -> None:
        pool, connection = await self.idle()
        await deferLater(reactor, 0.002)
        connection.transport.socket.shutdown(1)
        sink, call = self.begin(pool)
        await sink.over
        self.assertEqual((bytes(sink.body), sink.sent, call.attempts), (b"hello", 1, 1))

    async def test_idle_connection_is_closed_politely(self) -> None:
        pool, connection = await self.idle()
        pool.close_idle()
        self.assertEqual(await connection.lost, "done")

    async def test_expiry(self) -> None:
        pool = self.pool_to(self.listen(say(HELLO)), idle_timeout=0.05)
        await self.ask(pool)
        self.assertEqual(await self.servers[0].connections[0].lost, "done")
        self.assertEqual(pool.size, 0)


class HeadLimitTests(WireTestCase):
    """Heads without end."""

    async def flooded(self, start: bytes, piece: bytes) -> tuple[Sink, int]:
        """An upstream that repeats ``piece`` until it is stopped; the response, and how many bytes it got rid of."""
        sent = 0

        class Flood:
            def __init__(self, transport: Any) -> None:
                self.transport = transport

            def resumeProducing(self) -> None:
                nonlocal sent
                sent += len(piece)
                self.transport.write(piece)

            def stopProducing(self) -> None:
                pass

        def act(connection: RawConnection) -> None:
            connection.transport.write(start)
            connection.transport.registerProducer(Flood(connection.transport), False)

        sink = await self.ask(self.pool_to(self.listen(act)))
        await self.servers[-1].connections[0].lost
        return sink, sent

    async def test_endless_fields(self) -> None:
        """U13: refused soon, and memory stays flat."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sink, _ = await self.flooded(OK, b"X-Filler: " + b"a" * 1000 + b"\r\n")
        self.assertEqual((sink.kind, sink.status), ("protocol", 0))
        self.assertIn("response head is too large", str(sink.failure))
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 20_000)  # KiB

    async def test_endless_field(self) -> None:
        """U13."""
        sink, _ = await self.flooded(OK + b"X: ", b"a" * 10_000)
        self.assertEqual(sink.kind, "protocol")

    async def test_endless_status_line(self) -> None:
        sink, _ = await self.flooded(b"HTTP/1.1 200 ", b"a" * 10_000)
        self.assertEqual(sink.kind, "protocol")

    async def test_endless_informational_responses(self) -> None:
        """U14."""
        sink, _ = await self.flooded(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        self.assertEqual(sink.kind, "protocol")
        self.assertIn("informational", str(sink.failure))

    async def test_endless_chunk_extension(self) -> None:
        sink, _ = await self.flooded(CHUNKED + b"2;a=", b"a" * 10_000)
        self.assertEqual(sink.kind, "protocol")

    async def test_endless_trailers(self) -> None:
        sink, _ = await self.flooded(CHUNKED + b"0\r\n", b"X-Filler: " + b"a" * 1000 + b"\r\n")
        self.assertEqual(sink.kind, "protocol")

    async def test_limits_can_be_set(self) -> None:
        limits = ResponseLimits(head_bytes=100, head_count=2)
        head = OK + b"A: 1\r\nB: 2\r\nC: 3\r\nContent-Length: 0\r\n\r\n"
        sink = await self.ask(self.pool_to(self.listen(say(head)), limits=limits))
        self.assertEqual(sink.kind, "protocol")


class NotHttpTests(WireTestCase):
    """U9 to U12 and U15 over a socket; the corpus of bytes is in tests/unit/http/test_client_response.py."""

    async def failure(self, data: bytes) -> CallFailure:
        sink = await self.ask(self.pool_to(self.listen(say(data))))
        assert sink.failure is not None, (sink.status, sink.body)
        self.assertEqual(await self.servers[-1].connections[0].lost, "reset")
        self.assertEqual(self.pools[-1].size, 0)
        return sink.failure

    async def test_refused_and_closed(self) -> None:
        for data, began in (
            (b"<html>hello</html>", False),
            (b"SSH-2.0-OpenSSH_9.2\r\n", False),
            (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", False),
            (OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n", False),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", False),
            (CHUNKED + b"2\r\nhi\r\nZZ\r\n", True),
        ):
            failure = await self.failure(data)
            self.assertEqual((failure.kind, failure.began), ("protocol", began), data)

    async def test_204_with_a_body(self) -> None:
        """U15: no body, and the connection is not used again."""
        data = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"
        pool = self.pool_to(self.listen(say(data), say(HELLO)))
        sink = await self.ask(pool)
        self.assertEqual((sink.status, sink.body, sink.delimited), (204, b"", True))
        self.assertEqual(((await self.ask(pool)).body, len(self.servers[0].connections)), (b"hello", 2))

    async def test_status_999(self) -> None:
        """U15: passed on; what it means is for others to say."""
        sink = await self.ask(self.pool_to(self.listen(say(b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n"))))
        self.assertEqual((sink.status, sink.delimited), (999, True))


class FlowTests(WireTestCase):
    """Large bodies, both ways."""

    size = 20_000_000

    async def test_paused_response_is_not_read(self) -> None:
        """The upstream is stopped by TCP; nothing is lost when it goes on."""

        class Body:
            def __init__(self, transport: Any, left: int) -> None:
                self.transport, self.left = transport, left

            def resumeProducing(self) -> None:
                self.left -= 100_000
                self.transport.write(b"x" * 100_000)
                if not self.left:
                    self.transport.unregisterProducer()

            def stopProducing(self) -> None:
                pass

        bodies: list[Body] = []

        def act(connection: RawConnection) -> None:
            connection.transport.write(OK + b"Content-Length: %d\r\n\r\n" % self.size)
            bodies.append(Body(connection.transport, self.size))
            connection.transport.registerProducer(bodies[0], False)

        sink, call = self.begin(self.pool_to(self.listen(act)))
        await sink.began
        call.pause()
        left = -1
        while left != bodies[0].left:  # until the kernel's buffers are full
            left = bodies[0].left
            await deferLater(reactor, 0.05)
        held = len(sink.body)
        self.assertGreater(left, 0)
        self.assertLess(held, 1_000_000)
        call.resume()
        await sink.over
        self.assertEqual((len(sink.body), sink.delimited), (self.size, True))

    async def test_paused_at_the_end_and_used_again(self) -> None:
        """The connection reads again, for the next call and to notice its own end."""
        pool = self.pool_to(self.listen(say(OK + b"Content-Length: 5\r\n\r\nhel"), say(HELLO)))
        sink, call = self.begin(pool)
        await sink.began
        call.pause()
        self.servers[0].connections[0].transport.write(b"lo")
        call.resume()
        call.pause()
        call.resume()
        await sink.over
        self.assertEqual((await self.ask(pool)).body, b"hello")
        self.servers[0].connections[0].transport.loseConnection()
        await self.until(lambda: pool.size == 0)

    async def test_large_request(self) -> None:
        request = POST.replace(b"length: 2", b"length: %d" % self.size)[:-2] + b"y" * self.size
        server_done: list[int] = []

        def answer(connection: RawConnection) -> None:
            def look() -> None:
                if len(connection.received) < len(request):
                    reactor.callLater(0.01, look)
                else:
                    server_done.append(len(connection.received))
                    connection.transport.write(HELLO)

            look()

        sink = await self.ask(self.pool_to(self.listen(answer)), request)
        self.assertEqual((sink.body, server_done), (b"hello", [len(request)]))

    async def test_answer_before_the_request_is_sent(self) -> None:
        """Such as a 413: it is delivered, and its connection, in which half a request is stuck, is not used again."""

        def act(connection: RawConnection) -> None:
            connection.transport.pauseProducing()
            connection.transport.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")

        pool = self.pool_to(self.listen(act, say(HELLO)))
        request = POST.replace(b"length: 2", b"length: %d" % self.size)[:-2] + b"y" * self.size
        sink = await self.ask(pool, request)
        self.assertEqual((sink.status, bytes(sink.body), pool.size), (413, b"no", 0))
        self.assertEqual((await self.ask(pool, GET)).body, b"hello")
        self.assertEqual(len(self.servers[0].connections), 2)

    async def test_many_at_once(self) -> None:
        """No more connections than allowed, every call its own response."""
        pool = self.pool_to(self.listen(*[say(HELLO)] * 200), max_connections=8)
        calls = [self.begin(pool, GET) for _ in range(200)]
        for sink, _ in calls:
            await sink.over
            self.assertEqual(bytes(sink.body), b"hello")
        self.assertEqual((len(self.servers[0].connections), pool.size, pool.queued_count), (8, 8, 0))
