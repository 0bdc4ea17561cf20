"""Sockets that one process opens and another accepts on: the kernel's part of it, without the other process."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import tempfile
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from aigw.http.listeners import listening, shown
from aigw.listener_factories import furnished
from aigw.workers.sockets import Reserved, accepting, reserving


class Said(Protocol):
    """Says who accepted, and keeps what came first."""

    def __init__(self, word: bytes = b"") -> None:
        self.word = word
        self.came: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        if self.word:
            self.transport.write(self.word)

    def dataReceived(self, data: bytes) -> None:
        if not self.came.called:
            self.came.callback(data)

    def connectionLost(self, reason: Any = None) -> None:
        if not self.came.called:
            self.came.callback(b"")


class SocketsTestCase(unittest.TestCase):
    """Reserved here, accepted on here: two roles, one process."""

    def reserve(self, description: str, workers: int = 2) -> Reserved:
        port: Any = listening(reserving(reactor, workers)(description, Factory()), description)
        self.addCleanup(port.stopListening)
        return port

    def accept(self, port: Reserved, description: str, worker: int, **files: bytes) -> Any:
        factory = furnished(description, Factory.forProtocol(lambda: Said(b"worker %d" % worker)), Path("/"), files)
        descriptor = os.dup(port.of(worker).fileno())
        accepted = listening(accepting(reactor, descriptor, factory), description)
        self.addCleanup(accepted.stopListening)
        return accepted

    async def answer(self, client: str) -> bytes:
        """Which worker a new connection comes to."""
        said: Any = await connectProtocol(clientFromString(reactor, client), Said())
        came: bytes = await said.came
        said.transport.loseConnection()
        return came


class TcpTests(SocketsTestCase):
    """A socket for each worker, all with one address."""

    def test_one_port_for_all(self) -> None:
        """Also where the system has chosen it."""
        port = self.reserve("tcp:0:interface=127.0.0.1", 3)
        names = {port.of(worker).getsockname() for worker in range(3)}
        self.assertEqual((len(names), len(port.sockets), port.shared), (1, 3, False))
        self.assertEqual(shown(port.getHost()), f"127.0.0.1:{port.of(0).getsockname()[1]}")

    def test_ipv6(self) -> None:
        port = self.reserve("tcp:0:interface=\\:\\:1")
        self.assertEqual(port.of(1).family, socket.AF_INET6)
        self.assertRegex(shown(port.getHost()), r"^\[::1\]:\d+$")

    async def test_connections_spread(self) -> None:
        """Each worker has its share of them."""
        port = self.reserve("tcp:0:interface=127.0.0.1")
        for worker in range(2):
            self.accept(port, "tcp:0", worker)
        client = f"tcp:127.0.0.1:{port.getHost().port}"
        found = [await self.answer(client) for _ in range(64)]
        self.assertEqual({*found}, {b"worker 0", b"worker 1"})

    async def test_connections_of_a_closed_one_wait(self) -> None:
        """They are queued where nobody accepts, until somebody does in its place: nothing is refused or lost."""
        port = self.reserve("tcp:0:interface=127.0.0.1")
        self.accept(port, "tcp:0", 0)
        gone = self.accept(port, "tcp:0", 1)
        await gone.stopListening()
        client = f"tcp:127.0.0.1:{port.getHost().port}"
        clients: list[Any] = [await connectProtocol(clientFromString(reactor, client), Said()) for _ in range(64)]
        self.accept(port, "tcp:0", 1)
        found = [await said.came for said in clients]
        for said in clients:
            said.transport.loseConnection()
        self.assertEqual({*found}, {b"worker 0", b"worker 1"})

    def test_taken_port(self) -> None:
        """Whether somebody else holds it alone or would share it."""
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, option, 1)
                other.bind(("127.0.0.1", 0))
                other.listen()
                description = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
                self.assertRaises(CannotListenError, self.reserve, description)

    def test_closed_port_can_be_had_again(self) -> None:
        port = self.reserve("tcp:0:interface=127.0.0.1")
        number = port.getHost().port
        port.stopListening()
        self.reserve(f"tcp:{number}:interface=127.0.0.1").stopListening()

    async def test_proxy_protocol(self) -> None:
        """What an endpoint puts around its listener holds at the workers' end."""
        port = self.reserve("haproxy:tcp\\:0\\:interface=127.0.0.1".replace("\\", ""))
        made: list[Any] = []

        class Addressed(Protocol):
            def dataReceived(self, data: bytes) -> None:
                made.append((self.transport.getPeer().host, data))
                self.transport.loseConnection()

        descriptors = [os.dup(port.of(worker).fileno()) for worker in range(2)]
        for descriptor in descriptors:
            factory = furnished("haproxy:tcp:0", Factory.forProtocol(Addressed), Path("/"), {})
            opened = listening(accepting(reactor, descriptor, factory), "haproxy")
            self.addCleanup(opened.stopListening)
        client = clientFromString(reactor, f"tcp:127.0.0.1:{port.getHost().port}")
        said: Any = await connectProtocol(client, Said())
        said.transport.write(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\nhello")
        await said.came
        self.assertEqual(made, [("192.0.2.7", b"hello")])


class TlsTests(SocketsTestCase):
    """TLS is spoken at the workers' end."""

    async def test_both_spellings(self) -> None:
        authority = trustme.CA()
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        pem = str(folder / "localhost.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
        context = ssl.create_default_context()
        authority.configure_trust(context)

        def ask(port: int) -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=50) as client:
                with context.wrap_socket(client, server_hostname="localhost") as secure:
                    return secure.recv(100)

        for listen in (f"ssl:0:privateKey={pem}:certKey={pem}", f"tls:{folder}:0"):
            port = self.reserve(f"{listen}:interface=127.0.0.1", 1)
            self.accept(port, listen, 0, **{pem: Path(pem).read_bytes()})
            self.assertEqual(await deferToThread(ask, port.getHost().port), b"worker 0", listen)


class UnixTests(SocketsTestCase):
    """One socket for all: a path has only one."""

    def setUp(self) -> None:
        # A socket's path has at most 107 bytes, fewer than the test's own directory.
        self.sockets = tempfile.TemporaryDirectory()
        self.addCleanup(self.sockets.cleanup)
        self.path = Path(self.sockets.name) / "s"

    async def test_file_is_the_parents(self) -> None:
        """Its mode stays when a worker opens it, and the file when one closes it; with the parent's port it goes."""
        port = self.reserve(f"unix:{self.path}:mode=640")
        self.assertTrue(port.shared)
        accepted = [self.accept(port, f"unix:{self.path}:mode=640", worker) for worker in range(2)]
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)
        await accepted[0].stopListening()
        self.assertEqual(await self.answer(f"unix:{self.path}"), b"worker 1")
        self.assertEqual(shown(port.getHost()), str(self.path))
        port.stopListening()
        self.assertFalse(self.path.exists())

    def test_socket_that_systemd_holds(self) -> None:
        """It comes by its number, and is one for all as well."""
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            stand: Any = reserving(reactor, 2)
            port = stand.__closure__[0].cell_contents.adoptStreamPort(held.fileno(), socket.AF_INET, Factory())
            self.assertEqual((port.shared, port.getHost().port), (True, held.getsockname()[1]))
            port.stopListening()
