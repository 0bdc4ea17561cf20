"""Telling systemd how we are (sd_notify(3)): a datagram to the socket that it names in ``NOTIFY_SOCKET``.

Theory of operation. ``READY=1`` once everything listens, ``RELOADING=1`` and again ``READY=1`` around each reload,
``STOPPING=1`` when the drain begins, ``WATCHDOG=1`` from the event loop, which proves that it turns. Without a service
manager nothing is sent. A manager that does not listen never hinders the service: what its socket has no room for waits
and is offered again (:meth:`Notifier.send_waiting`), in order; signs of life are not, since late ones prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

#: A status longer than this is cut: it is one line of `systemctl status`.
_LONGEST_STATUS = 512
#: Messages that are kept for a manager that is busy: the oldest make way.
_KEEP_AT_MOST = 16


class Notifier:
    """Talks to the service manager, or to nobody where there is none.

    :param environ: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked for.
    :param send: sends a datagram to an address without waiting, raising OSError where it cannot: BlockingIOError where
        it may a moment later.
    :param now_ns: CLOCK_MONOTONIC in nanoseconds, which is the clock that systemd compares with.
    :ivar watchdog_interval: seconds within which systemd expects a sign of life; None if it expects none.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        send: Callable[[bytes, str], None] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._datagram = send or _send
        self._now_ns = now_ns
        self.watchdog_interval = _watchdog_interval(environ)
        self._waiting: deque[bytes] = deque(maxlen=_KEEP_AT_MOST)

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is done."""
        self._tell(f"READY=1\nSTATUS={_one_line(status)}")

    def reloading(self) -> None:
        """A reload begins. By the time systemd knows the reload that it asked for (Type=notify-reload)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={self._now_ns() // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1\nSTATUS=draining")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(f"STATUS={_one_line(text)}")

    def watchdog(self) -> None:
        """The event loop turns."""
        if self._address:
            with contextlib.suppress(OSError):
                self._datagram(b"WATCHDOG=1", self._address)

    def _tell(self, message: str) -> None:
        if self._address:
            self._waiting.append(message.encode("utf-8", "replace"))
            self.send_waiting()

    def send_waiting(self) -> None:
        """Send what the manager had no room for before; to be called from time to time."""
        while self._waiting:
            try:
                self._datagram(self._waiting[0], self._address)
            except BlockingIOError:
                return
            except OSError:  # there is nobody
                pass
            self._waiting.popleft()


def _address(named: str) -> str:
    """Where to send to: a path, or a name in the abstract namespace (a leading ``@``); empty for anything else."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else ""


def _send(message: bytes, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)  # this is the event loop's thread
        sock.sendto(message, address)


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process, such as the one that started us
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None


def _one_line(text: str) -> str:
    """A line feed would begin another variable of the protocol."""
    return " ".join(text.split())[:_LONGEST_STATUS]
