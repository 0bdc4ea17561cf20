"""HTTPS: who the server is, is proved before it gets one byte of a request; and what is said where it is not."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import deferLater

from aigw.http.endpoints import client_endpoint
from aigw.http.pool import Pool
from aigw.http.secure import SecureTransport
from aigw.http.trust import Verifying
from tests.wire.raw_upstream import HELLO, OK, POST, RawConnection, RawServer, WireTestCase, hang, say

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)


class TLSTestCase(WireTestCase):
    """An authority of our own, and servers with its certificates or others."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = trustme.CA()
        self.ca = self.authority.cert_pem.bytes()

    def context(self, certificate: trustme.LeafCert, newest: int | None = None) -> Any:
        """A server's TLS context."""
        path = self.mktemp()
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        factory = DefaultOpenSSLContextFactory(path, path)
        context = factory.getContext()
        context.use_certificate_chain_file(path)
        if newest is not None:
            context.set_min_proto_version(SSL.TLS1_VERSION)
            context.set_max_proto_version(newest)
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
        return factory

    def pool_with(self, certificate: trustme.LeafCert, *script: Any, ca: bytes | None = b"", **settings: Any) -> Pool:
        """A pool to a server with this certificate, known as localhost."""
        port = self.listen(*(script or [say(HELLO)] * 9), tls=self.context(certificate))
        return self.pool_to(port, "localhost", tls=True, ca=self.ca if ca == b"" else ca, **settings)


class VerificationTests(TLSTestCase):
    """N2: certificates that prove it, and certificates that do not."""

    async def refused(self, certificate: trustme.LeafCert, why: str, **options: Any) -> None:
        pool = self.pool_with(certificate, **options)
        sink = await self.ask(pool)
        self.assertEqual((sink.kind, sink.sent, pool.size, pool.dialling), ("tls", 0, 0, 0), sink.failure)
        self.assertEqual(str(sink.failure), f"{pool.name}: TLS: {why}")
        for connection in self.servers[-1].connections:
            self.assertEqual(connection.received, b"", "the server got part of a request")

    async def test_private_authority(self) -> None:
        """And the connection is used again."""
        pool = self.pool_with(self.authority.issue_cert("localhost"))
        for _ in range(3):
            self.assertEqual((await self.ask(pool)).body, b"hello")
        self.assertEqual(len(self.servers[0].connections), 1)

    async def test_intermediate_authority(self) -> None:
        pool = self.pool_with(self.authority.create_child_ca().issue_cert("localhost"))
        self.assertEqual((await self.ask(pool)).body, b"hello")

    async def test_address_in_the_certificate(self) -> None:
        port = self.listen(say(HELLO), tls=self.context(self.authority.issue_cert("127.0.0.1")))
        sink = await self.ask(self.pool_to(port, "127.0.0.1", tls=True, ca=self.ca))
        self.assertEqual(sink.body, b"hello")

    async def test_address_not_in_the_certificate(self) -> None:
        port = self.listen(say(HELLO), tls=self.context(self.authority.issue_cert("localhost")))
        sink = await self.ask(self.pool_to(port, "127.0.0.1", tls=True, ca=self.ca))
        self.assertEqual((sink.kind, sink.sent), ("tls", 0))

    async def test_wildcard(self) -> None:
        """Covers one label."""
        tls = self.context(self.authority.issue_cert("*.example.com"))
        for host, kind in (("api.example.com", ""), ("example.com", "tls"), ("a.b.example.com", "tls")):
            port = self.listen(say(HELLO), tls=tls)
            endpoint = wrapClientTLS(Verifying(host, self.ca), TCP4ClientEndpoint(reactor, "127.0.0.1", port))
            self.pools.append(Pool(endpoint, self.deadlines, name=host))
            self.assertEqual((await self.ask(self.pools[-1])).kind, kind, host)

    async def test_names_that_cannot_be_read(self) -> None:
        """A certificate that would be good for a whole top level domain proves nothing."""
        await self.refused(self.authority.issue_cert("*.localhost"), "its certificate's names cannot be read")

    async def test_unknown_authority(self) -> None:
        await self.refused(
            self.authority.issue_cert("localhost"), "its certificate is of an authority that is not known", ca=None
        )

    async def test_other_authority(self) -> None:
        other = trustme.CA(organization_name="Other")
        await self.refused(other.issue_cert("localhost"), "its certificate is of an authority that is not known")

    async def test_wrong_name(self) -> None:
        await self.refused(self.authority.issue_cert("other.example"), "its certificate is for another name")

    async def test_expired(self) -> None:
        await self.refused(self.authority.issue_cert("localhost", not_after=PAST), "its certificate has expired")

    async def test_not_valid_yet(self) -> None:
        await self.refused(
            self.authority.issue_cert("localhost", not_before=FUTURE), "its certificate is not valid yet"
        )

    async def test_replaced_authorities_hold_for_new_pools(self) -> None:
        """The same file with other content is not taken for the one that was read before."""
        certificate = self.authority.issue_cert("localhost")
        self.assertEqual((await self.ask(self.pool_with(certificate))).body, b"hello")
        await deferLater(reactor, 0.02)
        self.ca = trustme.CA(organization_name="Other").cert_pem.bytes()
        await self.refused(certificate, "its certificate is of an authority that is not known")


class HandshakeTests(TLSTestCase):
    """Handshakes that do not come about."""

    async def test_server_without_tls(self) -> None:
        port = self.listen(say(HELLO))
        sink, _ = self.begin(self.pool_to(port, "localhost", tls=True, ca=self.ca))
        await self.until(lambda: bool(self.servers[0].connections and self.servers[0].connections[0].received))
        self.servers[0].connections[0].transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await sink.over
        self.assertEqual(sink.kind, "tls")
        self.assertIn("wrong version number", str(sink.failure))
        self.assertNotIn(POST[:20], self.servers[0].connections[0].received)

    async def test_server_with_old_tls_only(self) -> None:
        """TLS 1.2 is the least."""
        tls = self.context(self.authority.issue_cert("localhost"), SSL.TLS1_1_VERSION)
        sink = await self.ask(self.pool_to(self.listen(say(HELLO), tls=tls), "localhost", tls=True, ca=self.ca))
        self.assertEqual((sink.kind, sink.sent), ("tls", 0))

    async def test_tls_1_2(self) -> None:
        tls = self.context(self.authority.issue_cert("localhost"), SSL.TLS1_2_VERSION)
        sink = await self.ask(self.pool_to(self.listen(say(HELLO), tls=tls), "localhost", tls=True, ca=self.ca))
        self.assertEqual(sink.body, b"hello")

    async def test_closed_during_the_handshake(self) -> None:
        port = self.listen()
        sink, _ = self.begin(self.pool_to(port, "localhost", tls=True, ca=self.ca))
        await self.until(lambda: bool(self.servers[0].connections))
        self.servers[0].connections[0].transport.loseConnection()
        await sink.over
        self.assertEqual(sink.kind, "tls")
        self.assertIn("during the TLS handshake", str(sink.failure))

    async def test_cancelled_during_the_handshake(self) -> None:
        """The socket is closed, not only forgotten."""
        pool = self.pool_to(self.listen(), "localhost", tls=True, ca=self.ca)
        sink, call = self.begin(pool)
        await self.until(lambda: bool(self.servers[0].connections and self.servers[0].connections[0].received))
        self.assertEqual((pool.dialling, pool.size), (1, 0))
        call.cancel()
        self.assertEqual(await self.servers[0].connections[0].lost, "reset")
        self.assertEqual((pool.dialling, pool.size, sink.sent, sink.failure), (0, 0, 0, None))


class ConnectionTests(TLSTestCase):
    """What holds without TLS holds with it."""

    def trusted(self, *script: Any, **settings: Any) -> Pool:
        return self.pool_with(self.authority.issue_cert("localhost"), *script, **settings)

    async def test_transport(self) -> None:
        """Ours, on a socket that sends small writes at once."""
        sink, call = self.begin(self.trusted(say(OK + b"Content-Length: 5\r\n\r\nhel")))
        await sink.began
        transport = call.connection.transport
        self.assertIsInstance(transport, SecureTransport)
        self.assertTrue(transport.getTcpNoDelay())

    async def test_closed_while_idle(self) -> None:
        pool = self.trusted()
        await self.ask(pool)
        self.servers[0].connections[0].transport.loseConnection()
        await self.servers[0].connections[0].lost
        sink = await self.ask(pool)
        self.assertEqual((sink.body, sink.sent), (b"hello", 1))

    async def test_dead_reused_connection(self) -> None:
        pool = self.trusted(say(HELLO), lambda connection: connection.transport.abortConnection(), say(HELLO))
        await self.ask(pool)
        sink = await self.ask(pool)
        self.assertEqual((sink.body, sink.sent), (b"hello", 2))

    async def test_unasked_bytes(self) -> None:
        pool = self.trusted()
        await self.ask(pool)
        self.servers[0].connections[0].transport.write(OK + b"Content-Length: 4\r\n\r\nevil")
        await self.servers[0].connections[0].lost
        self.assertEqual((await self.ask(pool)).body, b"hello")

    async def test_cancel(self) -> None:
        pool = self.trusted(hang)
        _, call = self.begin(pool)
        await self.until(lambda: bool(self.servers[0].connections and self.servers[0].connections[0].requests()))
        call.cancel()
        await self.servers[0].connections[0].lost
        self.assertEqual(pool.size, 0)

    async def test_idle_connection_whose_server_is_silent_is_closed(self) -> None:
        """It is not waited for that the other side says goodbye too."""
        pool = self.trusted(idle_timeout=0.05)
        await self.ask(pool)
        connection = self.servers[0].connections[0]
        connection.transport.pauseProducing()  # reads no goodbye, answers none
        await self.until(lambda: pool.size == 0)
        connection.transport.resumeProducing()
        await connection.lost

    async def test_body_until_close(self) -> None:
        """TLS says goodbye, so that this is an end one can believe."""

        def act(connection: RawConnection) -> None:
            connection.transport.write(OK + b"\r\nhello")
            connection.transport.loseConnection()

        sink = await self.ask(self.trusted(act))
        self.assertEqual((sink.body, sink.delimited, sink.failure), (b"hello", False, None))

    async def test_body_until_close_that_somebody_cut(self) -> None:
        """A FIN below TLS is anybody's."""

        def act(connection: RawConnection) -> None:
            connection.transport.write(OK + b"\r\nhello")
            reactor.callLater(0.02, connection.transport.transport.loseConnection)

        sink = await self.ask(self.trusted(act))
        self.assertEqual((sink.body, sink.delimited, sink.kind), (b"hello", None, "cut"))

    async def test_large_bodies(self) -> None:
        size = 3_000_000
        request = POST.replace(b"length: 2", b"length: %d" % size)[:-2] + b"y" * size

        def answer(connection: RawConnection) -> None:
            def look() -> None:
                if len(connection.received) < len(request):
                    reactor.callLater(0.01, look)
                else:
                    connection.transport.write(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)

            look()

        sink = await self.ask(self.trusted(answer), request)
        self.assertEqual((len(sink.body), sink.delimited), (size, True))

    async def test_paused(self) -> None:
        sink, call = self.begin(self.trusted(say(OK + b"Content-Length: 5\r\n\r\nhel")))
        await sink.began
        call.pause()
        self.servers[0].connections[0].transport.write(b"lo")
        await deferLater(reactor, 0.05)
        self.assertEqual(sink.body, b"hel")
        call.resume()
        await sink.over
        self.assertEqual(sink.body, b"hello")


class AddressTests(WireTestCase):
    """How a server is found, over sockets."""

    async def test_next_address_is_tried(self) -> None:
        """localhost is ::1 first on most machines, where nobody listens."""
        port = self.listen(say(HELLO))
        sink = await self.ask(self.pool_to(port, "localhost"))
        self.assertEqual(sink.body, b"hello")

    async def test_unix_socket(self) -> None:
        path = self.mktemp()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        path = os.path.relpath(path)  # its length is limited
        server = RawServer(say(HELLO), say(HELLO))
        self.servers.append(server)
        self.addCleanup(reactor.listenUNIX(path, server).stopListening)
        self.pools.append(Pool(client_endpoint(reactor, "localhost", 80, False, unix=path), self.deadlines, name=path))
        for _ in range(2):
            self.assertEqual((await self.ask(self.pools[-1])).body, b"hello")
        self.assertEqual(len(server.connections), 1)
