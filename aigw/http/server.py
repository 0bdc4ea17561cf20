"""The server side of HTTP/1.1: what one connection may ask, who answers, and all connections together.

A connection itself is a :class:`~aigw.http.channel.ServerChannel`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import Factory
from zope.interface import classImplements

from aigw.errors import GatewayError
from aigw.http.channel import ServerChannel
from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.memory import Memory
from aigw.shared_counters import CONNECTIONS, SharedCounters


@dataclass(frozen=True)
class ServerLimits:
    """What one connection may ask of the server; sizes in bytes, times in seconds.

    :ivar head_timeout: from a request's first byte to the end of its head; of a connection's first request from when
        the connection was made, a TLS handshake included.
    :ivar body_idle: for which a client may be behind ``least_rate`` with a body: so between two pieces of it, too.
    :ivar write_stall: for which a client may take less of a response than ``least_rate`` asks for.
    :ivar least_rate: bytes a second, of bodies and of responses that the client does not take at once.
    :ivar keep_alive: between two requests.
    :ivar linger: after a refusal, for the client to read it.
    :ivar max_connections: of all; further ones are answered 503 and closed.
    """

    head_bytes: int = 32 * 1024
    head_count: int = 100
    body: int = 32 * 1024 * 1024
    head_timeout: float = 10.0
    body_idle: float = 30.0
    write_stall: float = 60.0
    least_rate: int = 500
    keep_alive: float = 75.0
    linger: float = 2.0
    max_connections: int = 10_000


class Site(Protocol):
    """Who answers requests."""

    def admit(self, request: Request) -> None:
        """The head is there, the body is not. Answering, or raising GatewayError, refuses the request unread."""

    def render(self, request: Request) -> None:
        """The request is complete: answer it, now or later, or raise GatewayError."""

    def refused(self, request: Request | None, client: str, error: GatewayError) -> None:
        """The wire refused something by itself; ``request`` is None where not even a head could be read."""


class ServerFactory(Factory):
    """Makes the channels of one listener or several.

    :ivar site: who answers; may be replaced at any time.
    :ivar limits: read for each request; may be replaced at any time.
    :ivar channels: the open ones.
    :ivar date_lines: ``Date``, ``Connection: close`` in the first one, and the empty line; None where they have to be
        made, once a second.
    :ivar memory: where the bytes of bodies under way are counted, and whether there is room for more.
    :ivar shared_counters: tell other processes of the gateway their number; None if there are none.
    """

    noisy = False

    def __init__(self, site: Site, deadlines: Deadlines, limits: ServerLimits) -> None:
        self.site = site
        self.deadlines = deadlines
        self.limits = limits
        self.channels: set[ServerChannel] = set()
        self.memory = Memory()
        self.shared_counters: SharedCounters | None = None
        self.draining = False
        self._drained: list[Deferred[None]] = []
        self._date_timer = deadlines.idle(self._forget_date)
        self.date_lines: tuple[bytes, bytes] | None = None

    def buildProtocol(self, addr: IAddress | None) -> ServerChannel:
        """A channel for a new connection."""
        return ServerChannel(self, addr)

    def acceptableProtocols(self) -> list[bytes]:
        """What is spoken over TLS. Twisted's TLS endpoint breaks off a handshake with ALPN where nobody says."""
        return [b"http/1.1"]

    def make_date(self) -> tuple[bytes, bytes]:
        """``date_lines``, where there are none or where they are a second old."""
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode("ascii")
        self.date_lines = lines = (b"date: %s\r\nconnection: close\r\n\r\n" % date, b"date: %s\r\n\r\n" % date)
        self._date_timer.restart(1.0 - time.time() % 1.0)
        return lines

    def _forget_date(self) -> None:
        self.date_lines = None

    def drain(self) -> Deferred[None]:
        """Let every connection end after its response; fires when the last one is closed."""
        self.draining = True
        done: Deferred[None] = Deferred()
        self._drained.append(done)
        for channel in list(self.channels):
            channel.drain()
        self._tell_drained()
        return done

    def cut_all(self, error: GatewayError) -> None:
        """Wait no longer: responses that can still say so end with ``error``, and all connections are closed."""
        for channel in list(self.channels):
            channel.cut(error)

    def close_all(self) -> None:
        """Close what is left, sent or not."""
        for channel in list(self.channels):
            channel.transport.abortConnection()

    def made(self, channel: ServerChannel) -> None:
        """A connection is there."""
        self.channels.add(channel)
        if self.shared_counters is not None:
            self.shared_counters.put(CONNECTIONS, len(self.channels))

    def all_connections(self) -> int:
        """The open ones in all processes of the gateway."""
        count = len(self.channels)
        return count if self.shared_counters is None else count + self.shared_counters.elsewhere(CONNECTIONS)

    def lost(self, channel: ServerChannel) -> None:
        """A connection is closed."""
        self.channels.discard(channel)
        if self.shared_counters is not None:
            self.shared_counters.put(CONNECTIONS, len(self.channels))
        self._tell_drained()

    def _tell_drained(self) -> None:
        if self.channels:
            return
        waiting, self._drained = self._drained, []
        for done in waiting:
            if not done.called:
                done.callback(None)


# Not by a decorator: mypyc lays out no class that has one which it does not know.
classImplements(ServerFactory, IProtocolNegotiationFactory)
