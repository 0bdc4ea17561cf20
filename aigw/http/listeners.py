"""The open ports of a server, by their endpoint descriptions, and how people write an address."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, DeferredList, execute, maybeDeferred, succeed
from twisted.internet.endpoints import _SystemdParser
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.systemd import ListenFDs

from aigw.listener import Address, Described, described
from aigw.os_error_text import os_error_text

#: More than a listening socket's queue holds.
_ALL_WHO_WAIT = 65_536


#: What to do where there is no systemd behind a ``systemd:`` listener.
_UNDER_SYSTEMD = (
    'start aigw through its socket unit, systemctl start aigw.socket aigw; or listen = ["tcp:8000"], or aigw run --port'
)


class CannotOpen(OSError):
    """A listener cannot be had, for a reason that is not the kernel's. The message says it, and what to do."""


class Listen(Protocol):
    """Opens one listener."""

    def __call__(
        self, description: str, factory: Factory, beside: Sequence[IListeningPort] = ()
    ) -> Deferred[IListeningPort]:
        """Fires at once.

        :param factory: makes who is connected.
        :param beside: ports of this process that have the address, or part of it, until they are given up.
        """


def endpoints(reactor: Any) -> Listen:
    """Listeners that are opened as their descriptions say, and accept."""
    stand = Stand(reactor)
    return opening(stand)


def opening(stand: Any) -> Listen:
    """Opens listeners by ``stand``."""

    def listen(description: str, factory: Factory, beside: Sequence[IListeningPort] = ()) -> Deferred[IListeningPort]:
        return execute(opened, stand, description, factory, beside)

    return listen


def opened(stand: Any, description: str, factory: Factory, beside: Sequence[IListeningPort] = ()) -> Any:
    """The port of a listener.

    :param stand: opens sockets.
    :raises CannotListenError: the address cannot be had.
    :raises CannotOpen: it is a socket of systemd's that is not there.
    """
    listener = described(description)
    if listener.kind == "systemd":
        sock = inherited(listener)
        with sock:
            return stand.adoptStreamPort(sock.fileno(), sock.family, factory)
    if listener.kind == "unix":
        path = listener.arguments["address"]
        return stand.listenUNIX(path, factory, listener.backlog, listener.mode, listener.locked)
    with shared(beside):
        return stand.listenTCP(listener.port, factory, listener.backlog, listener.host, bool(beside))


def inherited(listener: Described, sockets: ListenFDs | None = None) -> socket.socket:
    """A duplicate of a socket that systemd holds and has handed over.

    It stays open here as well, so that a listener that a reload took out can come back with another one.

    :param sockets: what was handed over; by default to this process.
    :raises CannotOpen: there is none of that name, or it is of another kind.
    """
    handed: Any = sockets or _SystemdParser._sddaemon  # who has read and unset the environment's variables
    wanted = listener.arguments.get("name")
    if not handed.inheritedDescriptors():
        raise CannotOpen(f"systemd has handed over no socket ({_UNDER_SYSTEMD})")
    if wanted is not None:
        named = handed.inheritedNamedDescriptors()
        if wanted not in named:
            known = ", ".join(sorted(named))
            raise CannotOpen(f"systemd has handed over no socket named {wanted}, only {known} (FileDescriptorName=)")
        descriptor = named[wanted]
    else:
        descriptors, index = handed.inheritedDescriptors(), int(listener.arguments["index"])
        if index >= len(descriptors):
            last = len(descriptors) - 1
            raise CannotOpen(f"systemd has handed over no socket number {index} (index must be 0 to {last})")
        descriptor = descriptors[index]
    sock = socket.socket(fileno=os.dup(descriptor))
    domain = listener.arguments["domain"]
    if sock.family.name != f"AF_{domain}" or sock.type != socket.SOCK_STREAM:
        found = sock.family.name.removeprefix("AF_")
        sock.close()
        socket_of = f"systemd's socket {wanted or listener.arguments['index']}"
        raise CannotOpen(f"{socket_of} is of domain {found}, not {domain} (domain={found})")
    sock.setblocking(False)
    return sock


@contextmanager
def shared(ports: Sequence[IListeningPort]) -> Iterator[None]:
    """Let another socket of this process have the address of ``ports`` as well, or part of it, while it is opened."""
    sockets = [sock for port in ports for sock in sockets_of(port)]
    before = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for sock in sockets]
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for sock, was in zip(sockets, before, strict=True):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, was)


def sockets_of(port: IListeningPort) -> Sequence[socket.socket]:
    """The listening sockets of a port; none of one in memory."""
    several: Sequence[socket.socket] | None = getattr(port, "sockets", None)
    if several is not None:
        return several
    one = getattr(port, "socket", None)
    return [one] if isinstance(one, socket.socket) else []


@attrs.define(eq=False)
class _Open:
    """A listener that is open.

    :ivar factory: who is connected.
    """

    description: str
    factory: Factory
    port: IListeningPort

    @property
    def listener(self) -> Described:
        """Its description, taken apart."""
        return described(self.description)

    def becomes(self, description: str, factory: Factory) -> None:
        """Take another description with the same address, on the same port."""
        before, self.description = self.listener, description
        now = self.listener
        if now.backlog != before.backlog:
            for sock in sockets_of(self.port):
                sock.listen(now.backlog)
        if now.kind == "unix" and now.mode != before.mode:
            Path(now.arguments["address"]).chmod(now.mode)
        if factory is not self.factory:
            previous, self.factory = self.factory, factory
            port = _transport(self.port)
            if getattr(port, "factory", None) is not None:  # one on which this process accepts
                factory.doStart()
                port.factory = factory
                previous.doStop()


class Listeners:
    """The open ports, by what they listen on: descriptions that differ in spelling only are of one port.

    :param listen: opens one; its Deferred must have fired when it is returned.
    :param keep: what is done to a listening socket, and holds for its connections.
    """

    _log = Logger()

    def __init__(self, listen: Listen, keep: Callable[[socket.socket], None] = lambda _: None) -> None:
        self._listen = listen
        self._keep = keep
        self._open: dict[Address, _Open] = {}

    def open(self, wanted: Mapping[str, Factory], elsewhere: Iterable[IListeningPort] = ()) -> list[str]:
        """Open those of ``wanted`` whose address is not open yet: all of them, or none.

        An address of which a listener has part that :meth:`switch` is to close is shared with it until then.

        :param elsewhere: further ports of this process that are about to be closed.
        :returns: the descriptions that were opened.
        :raises Exception: what the first failing one raised, such as CannotListenError.
        """
        new: list[str] = []
        others = list(elsewhere)
        try:
            for description, factory in wanted.items():
                listener = described(description)
                held = self._open.get(_address(listener, description))
                if held is None:
                    beside = [one.port for one in self._open.values() if one.listener.overlaps(listener)]
                    beside += [port for port in others if _has_port(port, listener)]
                    port = listening(self._listen(description, factory, beside), description)
                    self._open[_address(listener, description)] = _Open(description, factory, port)
                    new.append(description)
                    for sock in sockets_of(port):
                        self._keep(sock)
                elif listener.kind == "unix" and held.listener.locked != listener.locked:
                    raise CannotOpen(f"{description}: whether there is a lock file changes with a restart only")
        except Exception:
            self.close(new)
            raise
        return new

    def switch(self, wanted: Mapping[str, Factory]) -> Deferred[Any]:
        """Be those of ``wanted``, all of which are open: as their descriptions say, and for their factories.

        :returns: fires when the others are closed; who was waiting there has been accepted before.
        """
        places = {_address(described(description), description): description for description in wanted}
        gone = [address for address in self._open if address not in places]
        for address, description in places.items():
            try:
                self._open[address].becomes(description, wanted[description])
            except OSError as error:  # of the file's mode: it is in use, and stays
                self._log.error("listener {description}: {why}", description=description, why=os_error_text(error))
        return DeferredList([_leave(self._open.pop(address).port) for address in gone])

    def pause(self, descriptions: Iterable[str]) -> None:
        """Accept nothing on these for now: who connects waits."""
        for description in descriptions:
            _transport(self._of(description).port).stopReading()

    def resume(self, descriptions: Iterable[str]) -> None:
        """Accept again."""
        for description in descriptions:
            _transport(self._of(description).port).startReading()

    def close(self, descriptions: Iterable[str]) -> Deferred[Any]:
        """Stop accepting on these; fires when they are closed."""
        addresses = [_address(described(description), description) for description in descriptions]
        return close_ports([self._open.pop(address).port for address in addresses if address in self._open])

    def ports(self, wanted: Iterable[str] | None = None) -> dict[str, IListeningPort]:
        """The open ones, by their descriptions; or those of ``wanted``, by these."""
        if wanted is None:
            return {one.description: one.port for one in self._open.values()}
        return {description: self._of(description).port for description in wanted}

    def factory(self, description: str) -> Factory:
        """Who is connected on an open one."""
        return self._of(description).factory

    def addresses(self) -> dict[str, str]:
        """Where each one listens, for the status page and the log."""
        return {one.description: shown(one.port.getHost()) for one in self._open.values()}

    def _of(self, description: str) -> _Open:
        return self._open[_address(described(description), description)]


def _leave(port: IListeningPort) -> Deferred[Any]:
    """Close a port, on the spot, behind accepting who waits there: a client that was told of it is not cut off."""
    if not isinstance(port, tcp.Port) or port.disconnecting:
        return maybeDeferred(port.stopListening)
    port.numberAccepts = _ALL_WHO_WAIT
    port.doRead()
    port.connectionLost(connectionDone)
    return succeed(None)


def _address(listener: Described, description: str) -> Address:
    """What a listener is known by: its address, or, where the system chooses the port, its description."""
    if listener.address[0] == "tcp" and not listener.port:
        return "tcp", description, "0"
    return listener.address


def _has_port(port: IListeningPort, listener: Described) -> bool:
    """Whether a port listens, perhaps, on what ``listener`` wants; sharing with one that does not harms nobody."""
    return listener.address[0] == "tcp" and getattr(port.getHost(), "port", 0) == listener.port != 0


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
    """A reactor that opens listeners: they can share their address, and they leave the file of a Unix socket alone
    where the socket was opened by somebody else."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def listenTCP(self, port: int, factory: Factory, backlog: int, interface: str, sharing: bool) -> Any:
        """See ``twisted.internet.interfaces.IReactorTCP``.

        :param sharing: other sockets of this process have the address as well.
        """
        if not sharing:
            return self._reactor.listenTCP(port, factory, backlog, interface)
        made = _SharingPort(port, factory, backlog, interface, self._reactor)
        made.startListening()
        return made

    def listenUNIX(self, path: str, factory: Factory, backlog: int, mode: int, locked: bool) -> Any:
        """See ``twisted.internet.interfaces.IReactorUNIX``."""
        return self._reactor.listenUNIX(path, factory, backlog, mode, locked)

    def adoptStreamPort(self, descriptor: int, family: int, factory: Factory) -> Any:
        """See ``twisted.internet.interfaces.IReactorSocket``."""
        if family != socket.AF_UNIX:
            return self._reactor.adoptStreamPort(descriptor, family, factory)
        port = _SharedUnixPort._fromListeningDescriptor(self._reactor, descriptor, factory)
        port.startListening()
        return port


class _SharingPort(tcp.Port):
    """On an address that other sockets of this process have as well."""

    def createInternetSocket(self) -> socket.socket:
        """A socket that is not bound yet."""
        sock: socket.socket = super().createInternetSocket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return sock


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
