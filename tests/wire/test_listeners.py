"""Listeners over real sockets: certificates that are renewed, addresses that become wider or narrower."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from aigw.config.files import listener_files_of
from aigw.config.tables import Server, Tables
from aigw.http.listeners import Listeners, endpoints
from aigw.listener_factories import furnished
from aigw.workers.sockets import reserving


class Says(Protocol):
    """Says a word and closes."""

    word = b""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self.word)
        transport.loseConnection()


def saying(word: bytes) -> Any:
    factory = Factory.forProtocol(type("Saying", (Says,), {"word": word}))
    factory.noisy = False
    return factory


class ListenersTestCase(unittest.TestCase):
    """Listeners that a test opens are closed behind it."""

    timeout = 120

    def setUp(self) -> None:
        self.listeners = self.make(endpoints(reactor))

    def make(self, listen: Any) -> Listeners:
        listeners = Listeners(listen)
        self.addCleanup(lambda: listeners.close(list(listeners.ports())))
        return listeners

    def port(self) -> int:
        """A number that is free."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            number: int = sock.getsockname()[1]
            return number


def said_at(address: str, port: int, dressed: Callable[[socket.socket], socket.socket] | None = None) -> bytes:
    """What is said to a new connection."""
    with socket.create_connection((address, port), timeout=50) as client:
        with dressed(client) if dressed is not None else client as used:
            return used.recv(100)


class CertificateTests(ListenersTestCase):
    """``tls:`` and ``ssl:``."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = trustme.CA()
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def put(self, name: str, *hosts: str, authority: trustme.CA | None = None) -> None:
        issued = (authority or self.authority).issue_cert(*hosts)
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / name))

    def serve(self, description: str, word: bytes) -> None:
        """What a reload does."""
        files, faults = listener_files_of(Tables(server=Server(listen=(description,))), self.folder)
        self.assertEqual(faults, [])
        wanted = {description: furnished(description, saying(word), self.folder, files)}
        self.listeners.open(wanted)
        self.listeners.switch(wanted)

    async def ask(self, port: int, name: str, authority: trustme.CA, alpn: str = "http/1.1") -> bytes:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.set_alpn_protocols(["h2", alpn])

        def dressed(client: socket.socket) -> socket.socket:
            secure = context.wrap_socket(client, server_hostname=name)
            assert secure.selected_alpn_protocol() == alpn
            return secure

        said: bytes = await deferToThread(said_at, "127.0.0.1", port, dressed)
        return said

    async def test_renewed_certificate(self) -> None:
        """Is proved with after a reload, on the port that stays; the one that it replaces is not any more."""
        other = trustme.CA()
        number = self.port()
        for description in (f"tls:{self.folder}:{number}", f"ssl:{number}:privateKey=a.pem:interface=127.0.0.1"):
            self.put("a.pem", "a.example")
            self.serve(description, b"first")
            (before,) = self.listeners.ports().values()
            self.assertEqual(await self.ask(number, "a.example", self.authority), b"first")
            self.put("a.pem", "a.example", authority=other)
            self.serve(description, b"second")
            self.assertEqual(list(self.listeners.ports().values()), [before])
            self.assertEqual(await self.ask(number, "a.example", other), b"second")
            await self.assertFailure(self.asked(number, "a.example", self.authority), ssl.SSLCertVerificationError)
            await self.listeners.close(list(self.listeners.ports()))

    def asked(self, *arguments: Any) -> Any:
        from twisted.internet.defer import ensureDeferred

        return ensureDeferred(self.ask(*arguments))

    async def test_certificate_by_name(self) -> None:
        """Exact names, wildcards, and the first where the name is nobody's; ALPN with each of them."""
        self.put("a.pem", "a.example")
        self.put("w.pem", "*.b.example", "c.example")
        number = self.port()
        self.serve(f"tls:{self.folder}:{number}", b"x")
        for name in ("a.example", "A.example", "x.b.example", "c.example"):
            self.assertEqual(await self.ask(number, name, self.authority), b"x", name)
        for name in ("x.y.b.example", "other.example"):
            await self.assertFailure(self.asked(number, name, self.authority), ssl.SSLCertVerificationError)

    async def test_names_that_are_asked_for_cost_nothing(self) -> None:
        """Whatever name a client comes with, no file is looked at."""
        self.put("a.pem", "a.example")
        number = self.port()
        self.serve(f"tls:{self.folder}:{number}", b"x")
        (self.folder / "a.pem").unlink()
        self.put("b.pem", "b.example")
        await self.assertFailure(self.asked(number, "b.example", self.authority), ssl.SSLCertVerificationError)
        self.assertEqual(await self.ask(number, "a.example", self.authority), b"x")


class AddressTests(ListenersTestCase):
    """An interface more or less, on a port that is held."""

    async def switch(self, listeners: Listeners, description: str, word: bytes) -> None:
        wanted = {description: saying(word)}
        listeners.open(wanted)
        await listeners.switch(wanted)

    async def test_wider_and_narrower(self) -> None:
        """Connections come to the new one as soon as the old one is closed, and nothing is in its way."""
        number = self.port()
        for turn, description in enumerate(
            (f"tcp:{number}", f"tcp:{number}:interface=127.0.0.1", f"tcp6:{number}", f"tcp:{number}:backlog=7")
        ):
            await self.switch(self.listeners, description, b"%d" % turn)
            self.assertEqual(await deferToThread(said_at, "127.0.0.1", number), b"%d" % turn, description)
            self.assertEqual(len(self.listeners.ports()), 1)

    async def test_who_waits_at_the_old_one_is_served(self) -> None:
        """A client that the kernel has let in already, and that nobody has accepted yet."""
        number = self.port()
        await self.switch(self.listeners, f"tcp:{number}", b"1")
        waiting = [socket.create_connection(("127.0.0.1", number), timeout=50) for _ in range(40)]
        await self.switch(self.listeners, f"tcp:{self.port()}", b"2")
        for client in waiting:
            with client:
                self.assertEqual(await deferToThread(client.recv, 9), b"1")

    async def test_refused_reload_leaves_it(self) -> None:
        number = self.port()
        await self.switch(self.listeners, f"tcp:{number}", b"1")
        opened = self.listeners.open({f"tcp:{number}:interface=127.0.0.1": saying(b"2")})
        await self.listeners.close(opened)
        self.assertEqual(await deferToThread(said_at, "127.0.0.1", number), b"1")

    async def test_workers_sockets(self) -> None:
        """The same where several processes are to accept."""
        listeners = self.make(reserving(reactor, 2))
        number = self.port()
        for description in (f"tcp:{number}", f"tcp:{number}:interface=127.0.0.1", f"tcp6:{number}"):
            await self.switch(listeners, description, b"")
            (port,) = listeners.ports().values()
            self.assertEqual(len(port.sockets), 2)  # type: ignore[attr-defined]

    async def test_port_of_somebody_else(self) -> None:
        """Is not shared."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            description = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            for listen in (endpoints(reactor), reserving(reactor, 2)):
                self.assertRaises(CannotListenError, self.make(listen).open, {description: saying(b"")})
