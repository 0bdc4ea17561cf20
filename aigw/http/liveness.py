"""Noticing that the other side of a TCP connection is gone where nothing says so.

Theory of operation. A machine that loses its power, and a middlebox that forgets a connection, send nothing. The
kernel finds out if it is told to ask: probes on a connection on which nothing comes (``SO_KEEPALIVE``), and an end to
repeating what is never acknowledged (``TCP_USER_TIMEOUT``, which counts for probes as well). How long the other side
may be silent is one number, ``silence``, from timeouts that exist: a quarter of it passes before the first probe and
between two.

What was sent and not acknowledged can be asked for (``SIOCOUTQ``): a request of which the other side's kernel has not
confirmed one byte cannot have been answered for, and can go elsewhere long before ``silence`` is over.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios

#: The bounds of ``silence``, in seconds: less would give up what a lost packet or two delay; and whoever keeps the
#: state of a connection keeps it for some minutes.
_LEAST, _MOST = 10.0, 240.0
#: The same for the time after which nothing of a request being acknowledged means that nobody is there: some
#: repetitions of the kernel's, the first of which comes after 0.2 s.
_SOON, _LATE = 0.5, 2.5

_INT = struct.Struct("i")


def silence_of(*seconds: float) -> float:
    """For how long the other side may be silent, by the timeouts that end that otherwise."""
    return min(max(min(seconds), _LEAST), _MOST)


def stall_of(connect: float) -> float:
    """The seconds between two looks at what was not acknowledged, by the time that a connection may take to be made."""
    return min(max(connect / 4, _SOON), _LATE)


def watch(sock: socket.socket, silence: float) -> None:
    """Have the kernel notice when the other side is silent for ``silence`` seconds, though asked.

    On a listening socket it holds for the connections that are accepted there. Nothing happens where there is no TCP.
    """
    every = max(1, int(silence / 4))
    with contextlib.suppress(OSError):  # of another kind of socket, or closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, every)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silence * 1000))


def unacknowledged(sock: socket.socket) -> int | None:
    """Bytes that the kernel has for the other side and that were not acknowledged; None where that cannot be known."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        (count,) = _INT.unpack(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))
    except OSError:
        return None
    return int(count)
