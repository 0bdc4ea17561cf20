"""Listening sockets that the parent opens and the workers accept on.

Theory of operation. For a TCP listener the parent binds one socket for each worker to the same address
(``SO_REUSEPORT``), and the kernel spreads connections over them by a hash of their addresses. That spreads long
streams evenly however they arrive; one socket that all accept on favours whoever wakes up first (figures in
docs/performance.md). What else that option brings is dealt with: a first socket without it makes sure that nobody else
listens there, and since the parent keeps every socket open, connections that wait for a worker that has died are not
lost; another one takes them (:class:`aigw.workers.supervisor.WorkerSupervisor`). Unix sockets and those that systemd
hands over are one for all.

What an endpoint description says beyond its address (TLS, PROXY protocol) is in the factory that accepts, at the
workers' end.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import unix
from twisted.internet.abstract import isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from zope.interface import implementer

from aigw.http.listeners import Listen, Stand, opening


@implementer(IListeningPort)
class Reserved:
    """A port that is open, and on which this process accepts nothing.

    :ivar sockets: one for each worker, or one for all.
    """

    def __init__(self, sockets: list[socket.socket], release: Callable[[], None] = lambda: None) -> None:
        self.sockets = sockets
        self._release = release

    def of(self, worker: int) -> socket.socket:
        """The socket that a worker accepts on; workers are counted from 0."""
        return self.sockets[worker % len(self.sockets)]

    @property
    def shared(self) -> bool:
        """Whether all workers accept on the same one."""
        return len(self.sockets) == 1

    def startListening(self) -> None:
        """It does."""

    def stopListening(self) -> None:
        """Close what this process holds; workers must close theirs."""
        for one in self.sockets:
            one.close()
        release, self._release = self._release, lambda: None
        release()

    def getHost(self) -> Any:
        """Its address."""
        return _address(self.sockets[0])


def _address(sock: socket.socket) -> Any:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return UNIXAddress(name)
    kind = IPv6Address if sock.family == socket.AF_INET6 else IPv4Address
    return kind("TCP", *name[:2])


# -- the parent's end


def reserving(reactor: Any, workers: int) -> Listen:
    """Opens listeners as :class:`Reserved` ports."""
    return opening(_Reserving(reactor, workers))


class _Reserving(Stand):
    def __init__(self, reactor: Any, workers: int) -> None:
        super().__init__(reactor)
        self._workers = workers

    def listenTCP(self, port: int, factory: Factory, backlog: int, interface: str, sharing: bool) -> Reserved:
        if not sharing:
            with _bound(interface, port, reuse=False):
                pass  # Nobody else listens there: SO_REUSEPORT would share the port with whoever does.
        sockets: list[socket.socket] = []
        try:
            for _ in range(self._workers):
                sockets.append(_bound(interface, port, reuse=True))
                sockets[-1].listen(backlog)
                port = sockets[0].getsockname()[1]
        except BaseException:
            Reserved(sockets).stopListening()
            raise
        return Reserved(sockets)

    def listenUNIX(self, path: str, factory: Factory, backlog: int, mode: int, locked: bool) -> Reserved:
        port: Any = _UnreadUnixPort(path.encode(), factory, backlog, mode, wantPID=locked)
        port.startListening()
        return Reserved([port.socket.dup()], port.release)

    def adoptStreamPort(self, descriptor: int, family: int, factory: Factory) -> Reserved:
        return Reserved([socket.socket(fileno=os.dup(descriptor))])


def _bound(interface: str, port: int, *, reuse: bool) -> socket.socket:
    """A socket that has its address.

    :raises CannotListenError: it cannot have it.
    """
    family = socket.AF_INET6 if isIPv6Address(interface) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        numeric = socket.AI_NUMERICHOST if family == socket.AF_INET6 else 0
        where = socket.getaddrinfo(interface or "0.0.0.0", port, family, socket.SOCK_STREAM, 0, numeric)  # noqa: S104
        sock.bind(where[0][4])
    except OSError as error:
        sock.close()
        raise CannotListenError(interface, port, error) from None
    return sock


class _UnreadUnixPort(unix.Port):
    """Makes the socket's file, with its mode and its lock, and accepts nothing."""

    def startReading(self) -> None:
        """Not here."""

    def release(self) -> None:
        """Remove the file. Without shutdown(), which would end the workers' sockets as well."""
        self._shouldShutdown = False
        with contextlib.suppress(FileNotFoundError):  # somebody else has removed it
            self.connectionLost(None)


# -- the workers' end


def accepting(reactor: Any, descriptor: int, factory: Factory) -> Deferred[IListeningPort]:
    """Accept on a socket that another process has opened.

    :param descriptor: of the socket; closed here when it has been taken over.
    """
    return execute(_accepting, Stand(reactor), descriptor, factory)


def _accepting(stand: Stand, descriptor: int, factory: Factory) -> IListeningPort:
    with socket.socket(fileno=descriptor) as sock:
        sock.setblocking(False)
        port: IListeningPort = stand.adoptStreamPort(sock.fileno(), sock.family, factory)
    return port
