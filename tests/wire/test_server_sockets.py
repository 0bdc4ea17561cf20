"""The server's connections over real sockets: what only the kernel, or TLS, can tell."""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from aigw.errors import GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.listeners import endpoints
from aigw.http.request import Request
from aigw.http.secure import SecureTransport
from aigw.http.server import ServerFactory, ServerLimits
from aigw.listener_factories import furnished

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#: Longer than any test takes, on a slow machine too.
LIMITS = ServerLimits(body=100_000, head_timeout=50, body_idle=50, write_stall=50, keep_alive=50, linger=50)


class Site:
    """Answers as ``answer`` does."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.refusals: list[GatewayError] = []
        self.answer: Any = lambda request: request.respond(200, [], b"hello")

    def admit(self, request: Request) -> None:
        pass

    def render(self, request: Request) -> None:
        self.requests.append(request)
        self.answer(request)

    def refused(self, request: Request | None, client: str, error: GatewayError) -> None:
        self.refusals.append(error)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


class Streaming:
    """An answer that writes as long as it is not paused."""

    piece = b"x" * 16384

    def __init__(self, request: Request) -> None:
        self.request = request
        self.written = self.pauses = 0
        self.paused = False
        self.gone: Deferred[None] = Deferred()
        request.gone = lambda: self.gone.callback(None)
        request.start(200, [])
        request.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        self.paused = False
        while not self.paused and not self.request.disconnected:
            self.request.write(self.piece)
            self.written += len(self.piece)

    def waiting(self) -> int:
        """Bytes that wait in the process, encrypted or not."""
        transport = self.request.channel.transport
        total = 0
        while transport is not None:
            for name in ("dataBuffer", "_appSendBuffer"):
                buffer = transport.__dict__.get(name, b"")
                total += len(buffer) if isinstance(buffer, bytes) else sum(map(len, buffer))
            total += transport.__dict__.get("_tempDataLen", 0)
            transport = transport.__dict__.get("transport")
        return total


class SocketTestCase(unittest.TestCase):
    """A server on a listener; clients are blocking sockets in threads."""

    timeout = 120
    endpoint = "tcp:0:interface=127.0.0.1"
    files: tuple[str, ...] = ()

    async def setUp(self) -> None:
        self.site = Site()
        self.deadlines = Deadlines(reactor, resolution=0.02)
        self.factory = ServerFactory(self.site, self.deadlines, LIMITS)
        files = {path: Path(path).read_bytes() for path in self.files}
        self.listener = await endpoints(reactor)(
            self.endpoint, furnished(self.endpoint, self.factory, Path.cwd(), files)
        )

    async def tearDown(self) -> None:
        self.factory.close_all()
        await self.listener.stopListening()
        await self.emptied()
        self.deadlines.stop()

    def limit(self, **seconds: float) -> None:
        """Connections from now on have so little time for this."""
        self.factory.limits = replace(LIMITS, **seconds)

    async def emptied(self) -> None:
        """All connections are gone."""
        while self.factory.channels:
            await deferLater(reactor, 0.01)

    async def asked(self, count: int = 1) -> None:
        """So many requests have reached the site."""
        while len(self.site.requests) < count:
            await deferLater(reactor, 0.01)

    async def assert_sends_at_once(self) -> None:
        """The kernel does not hold small writes back until earlier ones are acknowledged."""
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        self.assertTrue(self.site.requests[0].channel.transport.getTcpNoDelay())

    def connect(self) -> socket.socket:
        """A client, within its thread."""
        client = socket.create_connection(("127.0.0.1", self.listener.getHost().port), timeout=50)
        self.addCleanup(client.close)
        return client


class MappedTests(SocketTestCase):
    """A listener for both kinds of addresses, as ``tls:`` and ``tcp6:`` ones are."""

    endpoint = "tcp6:0"

    async def test_an_ipv4_client_has_an_ipv4_address(self) -> None:
        """The kernel says ::ffff:127.0.0.1."""
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        self.assertEqual(self.site.requests[0].client, "127.0.0.1")


class PlainTests(SocketTestCase):
    """TCP."""

    async def test_small_writes_are_sent_at_once(self) -> None:
        await self.assert_sends_at_once()

    async def test_client_that_sends_all_before_it_reads_gets_the_refusal(self) -> None:
        """Megabytes behind a 413, and the answer is there, whole, instead of a reset."""

        def upload() -> bytes:
            client = self.connect()
            client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
            return read_all(client)

        received = await deferToThread(upload)
        self.assertTrue(received.startswith(b"HTTP/1.1 413 "), received[:100])
        self.assertTrue(received.endswith(b"}"))
        self.assertEqual([error.status for error in self.site.refusals], [413])

    async def test_client_that_pipelines_behind_close_gets_the_answer(self) -> None:
        """What it sent too much is read away."""

        def ask() -> bytes:
            client = self.connect()
            client.sendall(CLOSE + GET * 5000)
            return read_all(client)

        received = await deferToThread(ask)
        self.assertEqual(received.count(b"HTTP/1.1 200"), 1)
        self.assertTrue(received.endswith(b"hello"))

    async def test_client_that_only_sends_is_bounded_and_cut(self) -> None:
        """Answers are not made for somebody who does not take them."""
        self.limit(write_stall=0.5, linger=0.5)
        self.site.answer = lambda request: request.respond(200, [], b"x" * 10_000)

        def flood() -> None:
            client = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                while True:
                    client.sendall(GET * 1000)
            except OSError:
                pass

        flooding = deferToThread(flood)
        await self.asked()
        (channel,) = self.factory.channels
        while not channel.stalled:
            await deferLater(reactor, 0.01)
        self.assertLess(channel._unsent(), 11_000)
        served = len(self.site.requests)
        await flooding
        await self.emptied()
        self.assertEqual(len(self.site.requests), served)

    async def test_reader_that_stops_costs_one_write(self) -> None:
        """Its producer is paused by the first write that did not fit; then the connection is cut."""
        self.limit(write_stall=0.5)
        streams: list[Streaming] = []
        self.site.answer = lambda request: streams.append(Streaming(request))
        client = await deferToThread(self.connect)
        client.sendall(GET)
        while not streams:
            await deferLater(reactor, 0.01)
        (stream,) = streams
        self.assertEqual(stream.pauses, 1)
        self.assertLessEqual(stream.waiting(), 16384 + 100)
        await stream.gone
        await self.emptied()

    async def test_reader_is_judged_by_what_its_side_has_taken(self) -> None:
        """Of what is in the kernel, too: with a buffer of megabytes, nothing moves in ours for minutes."""
        clock = Clock()
        self.factory.deadlines = Deadlines(clock)
        streams: list[Streaming] = []
        self.site.answer = lambda request: streams.append(Streaming(request))
        client = await deferToThread(self.connect)
        client.sendall(GET)
        while not streams:
            await deferLater(reactor, 0.01)
        (channel,) = self.factory.channels
        before, untaken = channel._unsent(), channel._untaken()
        self.assertGreater(untaken, before)
        channel.transport.stopWriting()  # as where too little of it is free
        while channel._untaken() > untaken - 40_000:
            await deferToThread(client.recv, 65536)
        self.assertEqual(channel._unsent(), before)
        clock.pump([1.0] * 61)
        self.assertIn(channel, self.factory.channels)
        self.assertFalse(streams[0].gone.called)
        clock.pump([1.0] * 61)
        await streams[0].gone

    async def test_reader_that_catches_up_loses_nothing(self) -> None:
        """Paused and resumed, many times."""

        def answer(request: Request) -> None:
            stream = Streaming(request)

            def end() -> None:
                request.unregisterProducer()
                request.finish()

            stream.resumeProducing = end  # type: ignore[method-assign]

        self.site.answer = answer

        def read() -> bytes:
            client = self.connect()
            client.sendall(CLOSE)
            return read_all(client)

        received = await deferToThread(read)
        self.assertTrue(received.endswith(b"\r\n0\r\n\r\n"))

    async def test_abort_without_framing_is_a_reset(self) -> None:
        """Else HTTP/1.0 clients would take half an answer for a whole one."""

        def answer(request: Request) -> None:
            request.start(200, [])
            request.write(b"half")
            request.abort()

        self.site.answer = answer

        def ask() -> bytes:
            client = self.connect()
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return read_all(client)

        await self.assertFailure(deferToThread(ask), ConnectionResetError)

    async def test_half_close_is_leaving(self) -> None:
        """Whoever answers learns of it at once."""
        gone: Deferred[None] = Deferred()
        self.site.answer = lambda request: setattr(request, "gone", lambda: gone.callback(None))
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        client.shutdown(socket.SHUT_WR)
        await gone
        self.assertTrue(self.site.requests[0].disconnected)

    async def test_reset_is_leaving(self) -> None:
        """The same."""
        gone: Deferred[None] = Deferred()
        self.site.answer = lambda request: setattr(request, "gone", lambda: gone.callback(None))
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await gone


class UnixTests(SocketTestCase):
    """Unix sockets."""

    async def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "s")
        self.endpoint = f"unix:{self.path}"
        await super().setUp()

    async def tearDown(self) -> None:
        await super().tearDown()
        self.folder.cleanup()

    async def test_requests(self) -> None:
        """Clients there have no address."""

        def ask() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
                client.sendall(GET + CLOSE)
                return read_all(client)

        received = await deferToThread(ask)
        self.assertEqual(received.count(b"HTTP/1.1 200"), 2)
        self.assertEqual(self.site.requests[0].client, "")


class TLSTests(SocketTestCase):
    """TLS listeners, as ``tls:`` and ``ssl:`` descriptions make them."""

    async def setUp(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("gateway.example")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, chain = Path(folder.name) / "key.pem", Path(folder.name) / "chain.pem"
        certificate.private_key_pem.write_to_path(key)
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(chain, append=True)
        self.files = (str(key), str(chain))
        self.endpoint = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={chain}"
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        await super().setUp()

    def connect(self) -> socket.socket:
        """A client that checks the certificate."""
        return self.context.wrap_socket(
            super().connect(), server_hostname="gateway.example", suppress_ragged_eofs=False
        )

    async def test_small_writes_are_sent_at_once(self) -> None:
        await self.assert_sends_at_once()

    async def test_transport(self) -> None:
        """Ours, without Twisted's detours."""
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        self.assertIsInstance(self.site.requests[0].channel.transport, SecureTransport)

    async def test_requests(self) -> None:
        """Keep-alive, pipelining; closed with a close-notify, so that the end is known to be one."""

        def ask() -> bytes:
            client = self.connect()
            client.sendall(GET)
            first = client.recv(65536)
            client.sendall(GET + CLOSE)
            return first + read_all(client)

        received = await deferToThread(ask)
        self.assertEqual(received.count(b"HTTP/1.1 200"), 3)
        self.assertTrue(all(request.secure for request in self.site.requests))
        await self.emptied()

    async def test_refusal_can_be_read_by_who_is_still_sending(self) -> None:
        """As without TLS."""

        def upload() -> bytes:
            client = self.connect()
            client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n")
            client.sendall(b"x" * 4_000_000)
            return read_all(client)

        received = await deferToThread(upload)
        self.assertTrue(received.startswith(b"HTTP/1.1 413 "), received[:100])

    async def test_reader_that_stops_is_bounded_and_cut(self) -> None:
        """Its producer is paused; what waits is bounded."""
        self.limit(write_stall=0.5)
        streams: list[Streaming] = []
        self.site.answer = lambda request: streams.append(Streaming(request))
        client = await deferToThread(self.connect)
        client.sendall(GET)
        while not streams or not streams[0].pauses:
            await deferLater(reactor, 0.01)
        self.assertLess(streams[0].waiting(), 4 * 65536)
        await streams[0].gone
        await self.emptied()

    async def test_idle_connection_whose_client_does_not_close_is_closed(self) -> None:
        """A drain does not wait for a close-notify that may never come."""
        self.limit(linger=0.5)
        client = await deferToThread(self.connect)
        client.sendall(GET)
        await self.asked()
        drained = self.factory.drain()
        await drained
        self.assertEqual(self.factory.channels, set())

    async def test_handshake_that_never_comes_is_not_waited_for(self) -> None:
        """It has the time that a head has."""
        self.limit(head_timeout=0.5)
        client = await deferToThread(super().connect)
        client.sendall(b"\x16\x03\x01")
        while not self.factory.channels:
            await deferLater(reactor, 0.01)
        await self.emptied()
        self.assertEqual(self.site.requests, [])
