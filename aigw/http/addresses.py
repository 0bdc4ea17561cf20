"""The addresses of one upstream's name.

Theory of operation. A name is looked up when a connection is wanted, by the system's resolver, which blocks: in a
thread of its own, and only one at a time for each upstream. Whoever wants a connection meanwhile waits for the same
look-up, and may lose patience: then it is forgotten here. So a name that hangs costs one thread, and the time of those
who call that upstream.

The addresses that a name had last are kept. They are used when a look-up fails (but not when it says that there is no
such name), and when it takes longer than :data:`SLOW`. A look-up that hangs is not waited for by anybody once there are
such addresses; what it brings in the end is kept for the next.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.os_error_text import os_error_text

#: Seconds after which a look-up is not waited for where there are addresses to use instead.
SLOW = 0.25

#: What the resolver says of a name that is not there, rather than of itself.
_NO_SUCH_NAME = tuple(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)

Found = Sequence[IPv4Address | IPv6Address]
#: Runs what blocks somewhere else.
InThread = Callable[[Callable[[], Found]], "Deferred[Found]"]


def look_up(host: str, port: int) -> Found:
    """All addresses of ``host``, in the order in which they should be tried. Blocks.

    :raises OSError: there are none, or the resolver fails.
    """
    kinds: dict[int, Any] = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}
    found = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return [kinds[family]("TCP", *where) for family, _, _, _, where in found if family in kinds]


class Addresses:
    """See the module's head.

    :param look: see :func:`look_up`.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, in_thread: InThread, host: str, look: Callable[[], Found]) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._host = host
        self._look = look
        self._last: Found = ()
        self._waiting: list[Deferred[Found]] = []
        self._began: float | None = None
        self._slow: Any = None
        self._complained = False

    def get(self) -> Deferred[Found]:
        """The addresses to connect to; at least one.

        :raises DNSLookupError: through the Deferred: there are none. May be cancelled.
        """
        if self._began is None:
            self._begin()
        elif self._last and self._clock.seconds() - self._began >= SLOW:
            return succeed(self._last)
        if self._began is None:  # it is over already
            return succeed(self._last) if self._last else fail(DNSLookupError(self._host))
        waiting: Deferred[Found] = Deferred(self._leave)
        self._waiting.append(waiting)
        if self._last and self._slow is None:
            self._slow = self._clock.callLater(SLOW, self._use_last)
        return waiting

    def _leave(self, waiting: Deferred[Found]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        self._stop_clock()

    def _begin(self) -> None:
        self._began = self._clock.seconds()
        self._in_thread(self._look).addCallbacks(self._found, self._failed)

    def _found(self, found: Found) -> None:
        if self._complained:
            self._log.info("the name {host} resolves again", host=self._host)
        self._began, self._last, self._complained = None, found, False
        self._tell()

    def _failed(self, failure: Failure) -> None:
        self._began = None
        error = failure.value
        if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME:
            self._last = ()
        elif self._last:
            self._complain(f"fails to resolve ({os_error_text(error)})")
        self._tell()

    def _use_last(self) -> None:
        """The look-up is slow."""
        self._slow = None
        if self._waiting:
            self._complain(f"does not resolve within {SLOW:g} s")
            self._tell()

    def _complain(self, what: str) -> None:
        if not self._complained:
            self._complained = True
            self._log.warn("the name {host} {what}; its last addresses are used", host=self._host, what=what)

    def _tell(self) -> None:
        self._stop_clock(told=True)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.called:
                continue  # one may cancel another
            if self._last:
                each.callback(self._last)
            else:
                each.errback(DNSLookupError(self._host))

    def _stop_clock(self, *, told: bool = False) -> None:
        if self._slow is not None and (told or not self._waiting):
            self._slow.cancel()
            self._slow = None
