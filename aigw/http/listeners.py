"""The open ports of a server, by their endpoint descriptions, and how people write an address."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from aigw.http.secure import without_detours

#: Opens one listener: an endpoint description and who is to be connected.
Listen = Callable[[str, Factory], "Deferred[IListeningPort]"]


def endpoints(reactor: Any) -> Listen:
    """Listeners that are opened as their descriptions say (``twisted.internet.endpoints.serverFromString``)."""
    stand = Stand(reactor)
    return lambda description, factory: serverFromString(stand, description).listen(factory)


class Listeners:
    """The open ports, by their endpoint descriptions.

    :param listen: opens one; its Deferred must have fired when it is returned.
    """

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._ports: dict[str, IListeningPort] = {}

    def open(self, wanted: Mapping[str, Factory]) -> list[str]:
        """Open those of ``wanted`` that are not open yet: all of them, or none.

        :returns: the descriptions that were opened.
        :raises Exception: what the first failing one raised, such as CannotListenError.
        """
        opened: list[str] = []
        try:
            for description, factory in wanted.items():
                if description not in self._ports:
                    self._ports[description] = listening(self._listen(description, factory), description)
                    opened.append(description)
        except Exception:
            self.close(opened)
            raise
        return opened

    def pause(self, descriptions: Iterable[str]) -> None:
        """Accept nothing on these for now: who connects waits."""
        for description in descriptions:
            _transport(self._ports[description]).stopReading()

    def resume(self, descriptions: Iterable[str]) -> None:
        """Accept again."""
        for description in descriptions:
            _transport(self._ports[description]).startReading()

    def close(self, descriptions: Iterable[str]) -> Deferred[Any]:
        """Stop accepting on these; fires when they are closed."""
        ports = [self._ports.pop(description) for description in descriptions if description in self._ports]
        return close_ports(ports)

    def close_except(self, wanted: Mapping[str, Factory]) -> Deferred[Any]:
        """Close all that are not in ``wanted``."""
        return self.close([description for description in self._ports if description not in wanted])

    def ports(self) -> Mapping[str, IListeningPort]:
        """The open ones, by their descriptions."""
        return dict(self._ports)

    def addresses(self) -> dict[str, str]:
        """Where each one listens, for the status page and the log."""
        return {description: shown(port.getHost()) for description, port in self._ports.items()}


def listening(opening: Deferred[IListeningPort], description: str) -> IListeningPort:
    """The port of an endpoint that opens at once, as all that the configuration knows do.

    :raises Exception: why it did not open.
    """
    results: list[Any] = []
    opening.addBoth(results.append)
    if not results:
        raise RuntimeError(f"listener {description} did not open at once")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    port: IListeningPort = results[0]
    return port


def close_ports(ports: Iterable[IListeningPort]) -> Deferred[Any]:
    """Stop accepting on all of ``ports``; fires when they are closed."""
    return DeferredList([maybeDeferred(port.stopListening) for port in ports], consumeErrors=True)


def _transport(port: IListeningPort) -> Any:
    """Twisted's ports are file descriptors as well, which the interface does not say."""
    return port


def shown(address: Any) -> str:
    """An address as people write it."""
    host = getattr(address, "host", None)
    if host is None:
        name = getattr(address, "name", address)
        return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


class Stand:
    """A reactor as endpoints see it, whose TLS is :mod:`aigw.http.secure`'s, and which leaves the file of a Unix socket
    alone where the socket was opened by somebody else."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Factory, backlog: int = 50, interface: str = "") -> Any:
        """See ``twisted.internet.interfaces.IReactorTCP``."""
        return self._reactor.listenTCP(port, without_detours(factory), backlog, interface)

    def listenSSL(
        self, port: int, factory: Factory, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """See ``twisted.internet.interfaces.IReactorSSL``."""
        around: Any = TLSMemoryBIOFactory(contextFactory, False, factory)
        return self.listenTCP(port, around, backlog, interface)

    def adoptStreamPort(self, descriptor: int, family: int, factory: Factory) -> Any:
        """See ``twisted.internet.interfaces.IReactorSocket``."""
        if family != socket.AF_UNIX:
            return self._reactor.adoptStreamPort(descriptor, family, without_detours(factory))
        port = _SharedUnixPort._fromListeningDescriptor(self._reactor, descriptor, factory)
        port.startListening()
        return port


class _SharedUnixPort(unix.Port):
    """On a socket whose file is somebody else's: systemd's, or the parent's of this process.

    Twisted's own sets the file's mode when it adopts a socket, and removes the file when it closes one.
    """

    def startListening(self) -> None:
        """Begin to accept."""
        tcp._reservedFD.reserve()  # Twisted's remedy for accept() without a free descriptor
        port: Any = self
        port.factory.doStart()
        port.socket, port._preexistingSocket = port._preexistingSocket, None
        port.fileno = port.socket.fileno
        port.connected = True
        port._shouldShutdown = False
        port.numberAccepts = 100
        port.startReading()

    def connectionLost(self, reason: Any) -> None:
        """Without what Unix sockets have besides."""
        tcp.Port.connectionLost(self, reason)
