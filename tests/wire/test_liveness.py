"""Connections on which the other side falls silent for good: nothing arrives there any more, and nothing says so."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from aigw.http.listeners import Listeners, endpoints
from aigw.http.liveness import unacknowledged, watch
from aigw.serving import watched
from tests.wire.raw_upstream import HELLO, POST, WireTestCase, hang, say

#: Attaches a filter to a socket (socket(7)); the program is one instruction: return 0, that is, take nothing.
_SO_ATTACH_FILTER = 26


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def cut_off(sock: socket.socket) -> None:
    """From now on nothing that is sent to ``sock`` arrives, and nothing is acknowledged."""
    program = _Program(1, ctypes.pointer(_Filter(0x06, 0, 0, 0)))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it does."""
    while not holds():
        await deferLater(reactor, 0.01)


class UpstreamTests(WireTestCase):
    """A pooled connection whose state a middlebox has forgotten."""

    timeout = 120

    async def test_call_goes_to_a_fresh_connection(self) -> None:
        """Without waiting for any timeout of the call's, and once only."""
        pool = self.pool_to(self.listen(say(HELLO), say(HELLO)))
        pool.stall = 0.3
        self.assertEqual((await self.ask(pool)).body, b"hello")
        server = self.servers[0]
        cut_off(server.connections[0].transport.socket)
        sink = await self.ask(pool)
        self.assertEqual((sink.body, sink.sent, len(server.connections)), (b"hello", 2, 2))
        self.assertEqual(server.connections[1].received, POST)
        server.connections[0].transport.abortConnection()

    async def test_acknowledged_call_stays(self) -> None:
        """An upstream that thinks is not taken for one that is gone."""
        pool = self.pool_to(self.listen(say(HELLO), hang))
        pool.stall = 0.05
        self.assertEqual((await self.ask(pool)).body, b"hello")
        sink, call = self.begin(pool)
        await until(lambda: bool(sink.sent) and not pool.watching and call.watched == 2)
        self.assertEqual((sink.sent, call.attempts, len(self.servers[0].connections)), (1, 1, 1))
        call.cancel()

    async def test_kernel_is_told(self) -> None:
        """The options are on the connection, with the pool's silence."""
        pool = self.pool_to(self.listen(say(HELLO)))
        pool.silence = 44
        await self.ask(pool)
        (lane,) = pool._lanes.values()
        (connection,) = lane.open
        sock = connection._wire.socket
        self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 11)
        self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 44_000)
        self.assertEqual(unacknowledged(sock), 0)


class Accepted(Protocol):
    """A connection of a client's, from the server's side."""

    transport: Any

    def connectionMade(self) -> None:
        self.lost: Deferred[None] = Deferred()
        self.factory.made.append(self)  # type: ignore[attr-defined]

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class ClientTests(unittest.TestCase):
    """A client that vanishes without a word."""

    timeout = 120

    async def accepted(self, keep: Callable[[socket.socket], None]) -> tuple[Accepted, socket.socket]:
        """A connection, from both its sides; ``keep`` is what is done to the listening socket."""
        factory: Any = Factory.forProtocol(Accepted)
        factory.made = []
        listeners = Listeners(endpoints(reactor), keep)
        listeners.open({"tcp:0:interface=127.0.0.1": factory})
        self.addCleanup(lambda: listeners.close(list(listeners.ports())))
        (port,) = listeners.ports().values()
        client = await deferToThread(socket.create_connection, ("127.0.0.1", port.getHost().port))
        self.addCleanup(client.close)
        await until(lambda: bool(factory.made))
        return factory.made[0], client

    async def test_accepted_connections_are_watched(self) -> None:
        """By what is set once, on the listening socket: a minute, as for those that take nothing."""
        connection, client = await self.accepted(watched)
        sock = connection.transport.socket
        self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 15)
        self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 60_000)
        client.close()
        await connection.lost

    async def test_client_that_vanishes_is_noticed(self) -> None:
        """Whether it is waiting or being told something."""
        for told in (b"", b"x"):
            connection, client = await self.accepted(lambda sock: watch(sock, 2))
            cut_off(client)
            connection.transport.write(told)
            await connection.lost
