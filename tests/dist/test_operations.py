"""What goes wrong around the daemon while it runs: its files, its logs, its service manager, its neighbours."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import gatherResults

from aigw.testing import answers
from tests.dist.daemon import Daemon, fetch
from tests.dist.raw import RawClient, chat, connect, post
from tests.dist.test_gateway import CONFIG, GatewayTestCase

MODELS = b"GET /v1/models HTTP/1.1\r\nhost: x\r\napikey: consumer-key\r\n\r\n"
ANSWERED = b"x-request-id: "


class OperationsTestCase(GatewayTestCase):
    """A daemon, and calls that need no provider."""

    async def calls(self, daemon: Daemon, count: int) -> None:
        """So many, over several connections, all answered."""
        clients = await gatherResults([defer.ensureDeferred(connect(daemon.port)) for _ in range(10)])
        for client in clients:
            client.send(MODELS * (count // 10))
        for client in clients:
            await self.until(lambda client=client: bytes(client.received).count(ANSWERED) >= count // 10)
            client.leave()

    async def dropped(self, daemon: Daemon, log: str = "access") -> float:
        return await self.metric(daemon, f"aigw_{log}_log_dropped_lines_total")

    async def ends(self, daemon: Daemon) -> None:
        """It does when it is told to, by itself."""
        daemon.signal("TERM")
        finished = await daemon.end().addTimeout(90, self.reactor)
        self.assertEqual(finished.status, 0)

    @property
    def reactor(self) -> Any:
        from twisted.internet import reactor

        return reactor


class ConfigurationTests(OperationsTestCase):
    """What a reload finds in the place of the file."""

    async def test_a_file_that_somebody_is_just_writing(self) -> None:
        """Empty, or without its routes: refused, and what was served goes on being served, on the same listeners."""
        daemon, _ = await self.serve()
        for number, text in enumerate(("", "# soon\n", self.listeners.partition("[routes")[0]), 1):
            daemon.config.write_text(text)
            daemon.signal("HUP")
            failures = r'aigw_config_reloads_total\{result="failure"\}'
            await self.until(lambda number=number: self.is_metric(daemon, failures, number))
            self.assertIn("nothing would be served", daemon.output)
            answer = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "consumer-key"})
            self.assertEqual(answer.status, 200)
        daemon.config.write_text(self.listeners)
        daemon.signal("HUP")
        await daemon.says("reloaded")

    async def is_metric(self, daemon: Daemon, pattern: str, value: float) -> bool:
        return await self.metric(daemon, pattern) == value

    async def test_nothing_to_serve_is_no_start(self) -> None:
        """With the reason, and status 1; check says the same."""
        path = self.directory / "empty.toml"
        path.write_text("")
        for command in (["twistd", "--nodaemon", "--pidfile=", "aigw", "-c", str(path)], ["aigw", "check", str(path)]):
            finished = await self.run_program(command)
            self.assertEqual(finished.status, 1)
            said = f"{path}:1: routes: the file is empty: nothing would be served (at least one [routes.NAME])\n"
            self.assertIn(said, finished.stdout + finished.stderr)

    async def test_a_fifo_is_no_file(self) -> None:
        """As configuration, or as a secret: the reload is refused and not waited for, and the process ends as always."""
        secret = self.fresh_directory("keys") / "provider"
        secret.write_text("sk-1")
        daemon, _ = await self.serve(CONFIG.replace('env = "PROVIDER_KEY"', f'file = "{secret}"'))
        for path in (secret, daemon.config):
            text = path.read_text()
            path.unlink()
            os.mkfifo(path)
            daemon.signal("HUP")
            await daemon.says(rf"{path}.*it is a FIFO, not a plain file")
            path.unlink()
            path.write_text(text)
        daemon.signal("HUP")
        await daemon.says("reloaded")
        os.unlink(daemon.config)
        os.mkfifo(daemon.config)
        daemon.signal("HUP")
        await self.ends(daemon)


class LogTests(OperationsTestCase):
    """Readers that do not read, and disks that are full."""

    async def unread(self, config: str) -> None:
        """Nobody reads what the daemon writes: calls go on, and so do reloads. Afterwards each line is there whole."""
        daemon, _ = await self.serve(config)
        daemon.transport.pauseProducing()
        faults = "".join(f"wrong{number} = 1\n" for number in range(2000))
        for number in range(1, 6):
            daemon.config.write_text(f"{self.listeners}\n{faults}")
            daemon.signal("HUP")
            failures = r'aigw_config_reloads_total\{result="failure"\}'
            await self.until(lambda number=number: self.has(daemon, failures, number))
            await self.calls(daemon, 200)
        lost, lost_access = await self.dropped(daemon, "daemon"), await self.dropped(daemon)
        self.assertGreater(lost, 0)
        daemon.transport.resumeProducing()
        await daemon.says(r"\d+ lines of this log were lost")
        daemon.config.write_text(self.listeners)
        daemon.signal("HUP")
        await daemon.says(r"reloaded /")
        self.assertEqual(lost_access, 0)
        await self.until(lambda: len(self.access_lines(daemon)) == 1000)
        await self.ends(daemon)

    async def has(self, daemon: Daemon, pattern: str, value: float) -> bool:
        return await self.metric(daemon, pattern) == value

    def access_lines(self, daemon: Daemon) -> list[Any]:
        """All of them, wherever they went; none is torn."""
        found = [line for line in bytes(daemon.out).split(b"\n")[:-1] if b'"request_id"' in line]
        return [json.loads(line) for line in found]

    async def test_standard_error_that_nobody_reads(self) -> None:
        self.options = ["--logger=aigw.logs.json"]
        await self.unread(CONFIG.replace('"{log}"', '"-"'))

    async def test_standard_output_that_nobody_reads(self) -> None:
        """twistd's own log as text, and the access log beside it."""
        await self.unread(CONFIG.replace('"{log}"', '"-"'))

    async def test_a_disk_that_is_full_for_a_while(self) -> None:
        """Each line is whole or counted, exactly, and it goes on by itself when there is room."""
        daemon, _ = await self.serve()
        await self.calls(daemon, 100)
        await self.lines(100)
        pid = daemon.transport.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (self.log.stat().st_size + 1000, hard))
        await self.calls(daemon, 500)
        await self.until(lambda: self.counted(daemon, 600, torn=1))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        await self.calls(daemon, 100)
        await self.until(lambda: self.counted(daemon, 700))
        self.assertGreaterEqual(len(self.log.read_text().splitlines()), 200)
        self.assertGreater(await self.dropped(daemon), 400)

    async def counted(self, daemon: Daemon, calls: int, torn: int = 0) -> bool:
        """Whether all calls are told of or counted, but perhaps for one line of which only a part is there."""
        whole, _, rest = self.log.read_text().rpartition("\n")
        for line in whole.split("\n"):
            json.loads(line)
        if rest and not torn:
            return False  # its end is on the way
        return len(whole.split("\n")) + bool(rest) + await self.dropped(daemon) == calls

    async def test_a_disk_without_room(self) -> None:
        """All are counted."""
        daemon, _ = await self.serve(CONFIG.replace("{log}", "/dev/full"))
        await self.calls(daemon, 300)
        await self.until(lambda: self.all_lost(daemon, 300))
        await self.ends(daemon)

    async def all_lost(self, daemon: Daemon, calls: int) -> bool:
        return await self.dropped(daemon) == calls


class ManagerTests(OperationsTestCase):
    """A service manager that is busy."""

    async def test_a_socket_that_nobody_reads(self) -> None:
        """Nothing waits for it; and what matters is told when there is room, in order."""
        name = f"\0aigw-test-{os.getpid()}-{id(self)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(name)
            manager.setblocking(False)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    while True:
                        other.sendto(b"X=1", name)
            daemon, _ = await self.serve(NOTIFY_SOCKET="@" + name[1:])
            daemon.signal("HUP")
            await daemon.says("reloaded")
            await self.calls(daemon, 100)
            told: list[bytes] = []

            def heard(message: bytes) -> int:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        told.append(manager.recv(4096).split(b"\n")[0])
                return told.count(message)

            await self.until(lambda: heard(b"READY=1") == 2)
            daemon.signal("TERM")
            await self.until(lambda: heard(b"STOPPING=1") == 1)
            self.assertEqual((await daemon.end()).status, 0)
            of_life = [each for each in told if each.startswith((b"READY", b"RELOADING", b"STOPPING"))]
            self.assertEqual(of_life, [b"READY=1", b"RELOADING=1", b"READY=1", b"STOPPING=1"])


class FairnessTests(OperationsTestCase):
    """One that floods, and one that does not."""

    async def ask(self, daemon: Daemon, key: str) -> tuple[int, RawClient]:
        """A stream that does not end; its status."""
        client = await connect(daemon.port)
        client.send(post("/v1/chat/completions", chat(True), key=key))
        await client.until(b"\r\n\r\n")
        return int(client.received[9:12]), client

    async def test_a_flood_keeps_nobody_out(self) -> None:
        """max_in_flight is for all workers together, and so are the shares of it."""
        config = CONFIG.replace("[server]", "[server]\nmax_in_flight = 8", 1) + '[consumers.two]\nkeys = ["quiet-key"]\n'
        daemon, upstream = await self.serve(config.replace('drain_timeout = "60s"', 'drain_timeout = "0s"'))
        upstream.standing = answers.stall_after(3)
        statuses = [(await self.ask(daemon, "consumer-key"))[0] for _ in range(30)]
        self.assertEqual(statuses, [200] * 8 + [503] * 22)
        for _ in range(20):
            status, client = await self.ask(daemon, "quiet-key")
            self.assertEqual(status, 200)
            client.leave()
            await self.until(lambda: self.in_flight(daemon, 8))
            self.assertEqual((await self.ask(daemon, "consumer-key"))[0], 503)

    async def in_flight(self, daemon: Daemon, count: int) -> bool:
        return await self.metric(daemon, r'aigw_requests_in_flight\{route="chat"\}') == count


class AdminTests(OperationsTestCase):
    """The admin listener."""

    async def test_a_body_is_not_waited_for(self) -> None:
        """Its head is enough to refuse it."""
        daemon, _ = await self.serve()
        client = await connect(daemon.admin_port)
        client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 16000000\r\n\r\n")
        self.assertTrue((await client.closed()).startswith(b"HTTP/1.1 413 "))

    async def test_a_page_with_a_name_of_its_own(self) -> None:
        """DNS rebinding gets nothing; scrapes by address, by localhost and by the machine's name do."""
        daemon, _ = await self.serve()
        for path in ("/", "/metrics"):
            answer = await fetch(f"{daemon.admin_url}{path}", None, {"Host": "rebound.example:9100"})
            self.assertEqual((answer.status, json.loads(answer.body)["error"]["code"]), (421, "host_not_allowed"))
            for name in ("127.0.0.1", "localhost:9100", socket.gethostname(), "[::1]:9100"):
                answer = await fetch(f"{daemon.admin_url}{path}", None, {"Host": name})
                self.assertEqual(answer.status, 200, name)


class TwoConfigurationTests(ConfigurationTests):
    workers = 2


class TwoLogTests(LogTests):
    workers = 2


class TwoManagerTests(ManagerTests):
    workers = 2


class TwoFairnessTests(FairnessTests):
    workers = 2


class TwoAdminTests(AdminTests):
    workers = 2
