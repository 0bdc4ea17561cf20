"""Keeping time to the microsecond: an epoll whose wait does not round up, and priority on the load's core.

epoll_wait(2) takes whole milliseconds, so chunks that are due 50 µs apart would leave in bursts. select(2)
takes microseconds and can wait for an epoll descriptor, as that is readable whenever it has something to
report.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable

READABLE = select.EPOLLIN | select.EPOLLRDHUP

UPSTREAM_PRIORITY = 1
CLIENT_PRIORITY = 2


def take_priority(priority: int) -> bool:
    """Run before everything else on this core, if the kernel lets us (root, CAP_SYS_NICE); says whether.

    Upstream and client share a core. Without priority a chunk that has arrived waits until the upstream has
    finished its own turn, which takes longer than any gateway adds.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True


class FineEpoll:
    """Level-triggered readiness of sockets."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def add(self, sock: socket.socket) -> None:
        self._epoll.register(sock.fileno(), READABLE)

    def remove(self, sock: socket.socket) -> None:
        self._epoll.unregister(sock.fileno())

    def wait(self, nanoseconds: int | None) -> Iterable[int]:
        """The descriptors that can be read; none when the time is over. None waits for ever."""
        if nanoseconds is not None and nanoseconds <= 0:
            return [fd for fd, _ in self._epoll.poll(0)]
        timeout = None if nanoseconds is None else nanoseconds / 1e9
        if select.select([self._epoll], [], [], timeout)[0]:
            return [fd for fd, _ in self._epoll.poll(0)]
        return ()
