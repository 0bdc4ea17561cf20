"""A restart under socket activation: the socket stays, and nobody who connects meanwhile is told to come back later."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections import Counter

from twisted.internet import defer, reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from tests.dist.daemon import OURS, Daemon, DaemonTestCase, environment, fetch, free_port
from tests.dist.raw import connect
from tests.dist.test_gateway import workers

CONFIG = """
[server]
listen = ["systemd:domain=INET:name=aigw"]
admin = "tcp:{admin}:interface=127.0.0.1"
access_log = "off"
workers = {workers}

[backends.echo]
provider = "echo"

[routes.all]
paths = ["/v1"]
backend = "echo"
auth = "none"
"""

LINE = b"GET /v1/models HTTP/1.1\r\n"
REST = b"Host: h\r\nConnection: close\r\n\r\n"
#: Connections that are always being made while the gateway is exchanged.
_CLIENTS = 24


class SocketActivationTests(DaemonTestCase):
    """One process after the other on a socket that the test holds, as systemd does."""

    workers = 1

    def setUp(self) -> None:
        super().setUp()
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(1024)
        self.port = self.socket.getsockname()[1]
        self.answered: Counter[bytes] = Counter()
        self.going = True

    async def activate(self) -> Daemon:
        """A daemon that finds the socket as its descriptor 3 (sd_listen_fds(3))."""
        daemon = Daemon(self.fresh_directory("daemon"), self.port, free_port())
        daemon.config.write_text(CONFIG.format(admin=daemon.admin_port, workers=self.workers))
        command = [str(OURS / "twistd"), "--nodaemon", "--pidfile=", "aigw", "-c", str(daemon.config)]
        shell = ["/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=aigw; exec "$@"', "sh", *command]
        descriptors: dict[int, str | int] = {0: "w", 1: "r", 2: "r", 3: self.socket.fileno()}
        reactor.spawnProcess(
            daemon, shell[0], shell, environment(), str(daemon.config.parent), childFDs=descriptors
        )
        self.addCleanup(daemon.stop)
        await daemon.ready()
        return daemon

    async def exchange(self, daemon: Daemon) -> None:
        """Stop it, and start another when it has ended."""
        daemon.signal("TERM")
        self.assertEqual((await daemon.end()).status, 0, daemon.output)
        await self.activate()

    async def client(self) -> None:
        """New connections, one after the other; each takes a moment to say what it wants, as those far away do."""
        while self.going:
            one = await connect(self.port)
            await deferLater(reactor, 0.002)
            one.send(LINE + REST)
            received = await one.closed()
            self.answered[received[:12]] += 1

    async def served(self, more: int) -> None:
        """So many have been answered, in addition to those that were."""
        wanted = self.answered.total() + more
        while self.answered.total() < wanted:
            await deferLater(reactor, 0.01)

    async def test_new_connections_are_left_to_the_successor(self) -> None:
        """A steady stream of them over a restart: all are served, by the one or by the other."""
        daemon = await self.activate()
        streams = [defer.ensureDeferred(self.client()) for _ in range(_CLIENTS)]
        await self.served(500)
        await self.exchange(daemon)
        await self.served(500)
        self.going = False
        await gatherResults(streams)
        self.assertEqual(set(self.answered), {b"HTTP/1.1 200"}, self.answered)

    async def test_request_that_was_on_its_way_is_answered(self) -> None:
        """Its connection was accepted before, so no successor can have it: it is served, and closed."""
        daemon = await self.activate()
        clients = [await connect(self.port) for _ in range(8)]
        for client in clients:
            client.send(LINE)
        await self.connected(daemon, len(clients))
        daemon.signal("TERM")
        await daemon.says("draining: ")
        for client in clients:
            client.send(REST)
        for client in clients:
            received = await client.closed()
            self.assertTrue(received.startswith(b"HTTP/1.1 200"), received[:300])
        self.assertEqual((await daemon.end()).status, 0)

    async def connected(self, daemon: Daemon, count: int) -> None:
        """The daemon has so many connections, which it has accepted."""
        pattern = re.compile(r'(?m)^aigw_connections\{side="downstream"\} (\S+)$')
        while True:
            found = pattern.search((await fetch(f"{daemon.admin_url}/metrics")).text)
            if found is not None and float(found[1]) >= count:
                return


class WorkersTests(SocketActivationTests):
    """The same with two workers, which share the socket."""

    workers = 2

    async def test_worker_that_ends_leaves_new_connections_to_the_others(self) -> None:
        """Sent SIGTERM by itself, one after the other: nobody is told that the gateway is going down."""
        daemon = await self.activate()
        streams = [defer.ensureDeferred(self.client()) for _ in range(_CLIENTS)]
        await self.served(200)
        for number, pid in enumerate(workers(daemon), 1):
            os.kill(pid, signal.SIGTERM)
            await daemon.says(f"(?s)(ended with status 0.*){{{number}}}")
            await self.served(200)
        self.going = False
        await gatherResults(streams)
        self.assertEqual(set(self.answered), {b"HTTP/1.1 200"}, self.answered)
