"""How long streams spread over processes: ``python -m bench.spread``.

Some processes accept on the same address, in three ways: on one socket that they inherit; on one of which each takes a
single connection a turn; on a socket each (``SO_REUSEPORT``). Each connection that is accepted becomes a stream, which
writes every 10 ms and costs some processor time, until all are counted. The table says how many streams the fullest
process has for each hundred that would be its even share: 100 is perfect.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: How many processes, how many streams, seconds between two of them as they come.
CASES = ((2, 200, 0.0), (2, 200, 0.005), (2, 200, 0.02), (4, 200, 0.0), (4, 200, 0.005), (4, 200, 0.02))
WAYS = ("one socket", "one socket, one a turn", "a socket each")
ROUNDS = 5
_TICK = 0.01
_COST = 20e-6


def sockets(way: str, processes: int) -> list[socket.socket]:
    """The listening sockets, one entry for each process."""
    count = processes if way == "a socket each" else 1
    made: list[socket.socket] = []
    for _ in range(count):
        one = socket.socket()
        if count > 1:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", made[0].getsockname()[1] if made else 0))
        one.listen(4096)
        one.setblocking(False)
        made.append(one)
    return made * (processes // count)


def accept(way: str, listening: socket.socket, answer: int) -> None:
    """A process: says when it accepts; streams to whoever connects; on SIGTERM says how many that were."""
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import protocol, reactor, task, tcp

    streams = 0

    class Stream(protocol.Protocol):
        def connectionMade(self) -> None:
            nonlocal streams
            streams += 1
            self.ticking = task.LoopingCall(self.tick)
            self.ticking.start(_TICK)

        def tick(self) -> None:
            until = time.perf_counter() + _COST
            self.transport.write(b"x" * 100)
            while time.perf_counter() < until:
                pass

    class OneATurn(tcp.Port):
        numberAccepts = property(lambda self: 1, lambda self, _count: None)

    factory = protocol.Factory.forProtocol(Stream)
    factory.noisy = False
    port = reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, factory)
    if way == "one socket, one a turn":
        del port.numberAccepts
        port.__class__ = OneATurn

    def end(_number: int, _frame: object) -> None:
        os.write(answer, b"%d" % streams)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    reactor.callWhenRunning(os.write, answer, b".")
    reactor.run(installSignalHandlers=False)


@contextmanager
def accepting(way: str, listening: list[socket.socket]) -> Iterator[list[tuple[int, int]]]:
    """The processes: the pid of each, and where it writes."""
    children: list[tuple[int, int]] = []
    for one in listening:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            accept(way, one, write)
        os.close(write)
        children.append((pid, read))
    try:
        for _, read in children:
            os.read(read, 1)
        yield children
    finally:
        for pid, read in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(read)


def connect(port: int, count: int, gap: float) -> list[socket.socket]:
    """Clients as they come, which read what they are sent, until each was sent something."""
    clients: list[socket.socket] = []
    poll = select.epoll()
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        clients.append(client)
        poll.register(client, select.EPOLLIN)
        _read(poll, gap)
    served: set[int] = set()
    while len(served) < count:
        served |= _read(poll, 0.1)
    return clients


def _read(poll: select.epoll, seconds: float) -> set[int]:
    """Read for some time; who was sent something, by descriptor."""
    until = time.monotonic() + seconds
    served: set[int] = set()
    while True:
        for descriptor, _ in poll.poll(max(0.0, until - time.monotonic())):
            os.read(descriptor, 65536)
            served.add(descriptor)
        if time.monotonic() >= until:
            return served


def counted(way: str, processes: int, count: int, gap: float) -> list[int]:
    """How many streams each process has."""
    listening = sockets(way, processes)
    with accepting(way, listening) as children:
        clients = connect(listening[0].getsockname()[1], count, gap)
        found = []
        for pid, read in children:
            os.kill(pid, signal.SIGTERM)
            found.append(int(os.read(read, 20)))
    for one in (*clients, *listening):
        one.close()
    if sum(found) != count:
        raise SystemExit(f"{way}: {sum(found)} of {count} streams were accepted")
    return found


def main() -> None:
    """Print the table."""
    print(f"| processes | streams | apart | {' | '.join(WAYS)} |")
    print(f"|---:|---:|---:|{'---:|' * len(WAYS)}")
    for processes, count, gap in CASES:
        cells = []
        for way in WAYS:
            fullest = [max(counted(way, processes, count, gap)) * processes * 100 / count for _ in range(ROUNDS)]
            cells.append(f"{statistics.median(fullest):.0f} (at most {max(fullest):.0f})")
            sys.stdout.flush()
        print(f"| {processes} | {count} | {gap * 1000:g} ms | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
