"""The units as systemd reads them, and the daemon as they start it: notifications and socket activation, really."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.trial import unittest

from aigw.config.tables import Server
from tests.dist.daemon import CHECKOUT, SCRIPTS, DaemonTestCase, environment, fetch, free_port, start

UNITS = CHECKOUT / "systemd"
SERVICE = (UNITS / "aigw.service").read_text()
SOCKET = (UNITS / "aigw.socket").read_text()

#: What runs in the tests: the built-in provider, no account.
CONFIG = """
[backends.echo]
provider = "echo"
[models.echo]
targets = [{ backend = "echo" }]
[routes.openai]
paths = ["/v1"]
auth = "none"
"""


def settings(unit: str) -> Iterator[tuple[str, str]]:
    """The lines of a unit that are not comments."""
    for line in unit.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name, value


def setting(unit: str, wanted: str) -> str:
    """The one value of a setting."""
    (value,) = (value for name, value in settings(unit) if name == wanted)
    return value


def commented(unit: str, first_line: str) -> str:
    """What a unit's comment says to write, from its first line to the end of the indented block."""
    (block,) = re.findall(rf"^#   ({re.escape(first_line)}\n(?:#   .*\n)*)", unit, re.M)
    return re.sub(r"^#   ", "", block, flags=re.M)


def seconds(value: str) -> float:
    """A time as our units write it."""
    return float(value.removesuffix("s"))


class AnalyzedTests(unittest.TestCase):
    """What ``systemd-analyze`` says."""

    def setUp(self) -> None:
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        version = re.search(r"systemd (\d+)", self.analyze("--version").stdout)
        assert version is not None
        self.version = int(version[1])
        self.directory = pathlib.Path(self.mktemp()).absolute()
        shutil.copytree(UNITS, self.directory)

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["systemd-analyze", "--no-pager", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def test_little_is_allowed(self) -> None:
        """``systemd-analyze security`` rates it 2.0 or better, of 10; without any of it, it would be 9.6."""
        if self.version < 250:
            self.skipTest("this systemd cannot rate a file")
        done = self.analyze("security", "--offline=true", "--threshold=20", str(self.directory / "aigw.service"))
        self.assertEqual(done.returncode, 0, done.stdout[-200:] + done.stderr)
        self.assertRegex(done.stdout, r"Overall exposure level for aigw.service: \d\.\d OK")

    def test_units_are_understood(self) -> None:
        """Nothing is unknown or ignored. On a systemd before 253: with the drop-in that the unit's head tells of."""
        unit = self.directory / "aigw.service"
        unit.write_text(SERVICE.replace("/opt/aigw/bin/twistd", str(SCRIPTS / "twistd")))
        ignored = ""
        if self.version < 253:
            drop_in = self.directory / "aigw.service.d"
            drop_in.mkdir()
            (drop_in / "older-systemd.conf").write_text(commented(SERVICE, "[Service]"))
            ignored = "Failed to parse service type, ignoring: notify-reload"
        done = self.analyze("verify", str(unit), str(self.directory / "aigw.socket"))
        ours = [line for line in done.stderr.splitlines() if "aigw" in line and not (ignored and ignored in line)]
        self.assertEqual((done.returncode, ours), (0, []))


class SettingsTests(unittest.TestCase):
    """What must fit the program's own defaults."""

    def test_stop_waits_for_the_drain(self) -> None:
        """Else systemd would cut the streams that the drain lets end."""
        self.assertGreater(seconds(setting(SERVICE, "TimeoutStopSec")), Server().drain_timeout)

    def test_files_for_all_connections(self) -> None:
        """Clients' and backends'."""
        self.assertGreater(int(setting(SERVICE, "LimitNOFILE")), 2 * Server().max_connections)

    def test_tls_works(self) -> None:
        """pyOpenSSL makes its callbacks in memory that is written and then run."""
        self.assertNotIn("MemoryDenyWriteExecute", dict(settings(SERVICE)))

    def test_paths_are_those_of_the_example(self) -> None:
        """Each path below the service's folders that etc/gateway.toml names, in the unit as well."""
        example = (CHECKOUT / "etc" / "gateway.toml").read_text()
        credential = re.findall(r"LoadCredential=\S+", example)
        self.assertEqual(credential, re.findall(r"LoadCredential=\S+", SERVICE))
        for name, folder in (("Configuration", "/etc/aigw"), ("Logs", "/var/log/aigw"), ("Runtime", "/run/aigw")):
            self.assertEqual(f"{pathlib.Path(folder).parent}/{setting(SERVICE, f'{name}Directory')}", folder)
        named = re.findall(r"(?:/etc|/var/log|/run)/aigw[\w/.-]*", example)
        known = ("/etc/aigw/credentials/openai", "/etc/aigw/pems", "/var/log/aigw/access.log")
        self.assertEqual(sorted(set(named)), sorted(known))
        self.assertIn(f'access_log = "{known[2]}"', SERVICE)

    def test_process_metrics_work(self) -> None:
        """prometheus_client needs /proc/stat for them."""
        self.assertNotIn("ProcSubset", dict(settings(SERVICE)))

    def test_nothing_is_lent_to_the_service(self) -> None:
        """No root, no capabilities, no core dumps."""
        found = dict(settings(SERVICE))
        self.assertEqual((found["CapabilityBoundingSet"], found["AmbientCapabilities"]), ("", ""))
        self.assertEqual((found["User"], found["LimitCORE"], found["NoNewPrivileges"]), ("aigw", "0", "yes"))


class Manager(DatagramProtocol):
    """The service manager's end of ``NOTIFY_SOCKET``."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self._waiting: list[tuple[str, Deferred[dict[str, str]]]] = []

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        message = dict(line.split("=", 1) for line in datagram.decode().splitlines())
        self.messages.append(message)
        for entry in [entry for entry in self._waiting if entry[0] in message]:
            self._waiting.remove(entry)
            entry[1].callback(message)

    def hears(self, variable: str) -> Deferred[dict[str, str]]:
        """Fires with the next message that has this variable."""
        heard: Deferred[dict[str, str]] = Deferred()
        self._waiting.append((variable, heard))
        return heard.addTimeout(90, reactor)


class DaemonTests(DaemonTestCase):
    """``ExecStart=`` with the test's own paths."""

    def command(self, config: str) -> list[str]:
        """The unit's command line on a configuration of the test's own."""
        path = self.directory / "gateway.toml"
        path.write_text(config)
        command = shlex.split(setting(SERVICE, "ExecStart"))
        self.assertEqual((command[0], command[-1]), ("/opt/aigw/bin/twistd", "/etc/aigw/gateway.toml"))
        return [str(SCRIPTS / "twistd"), *command[1:-1], str(path)]

    def manager(self) -> tuple[Manager, str]:
        """A service manager that listens, and its address: a short one, since a socket's is at most 107 bytes."""
        address = f"/tmp/aigw-notify-{os.getpid()}-{free_port()}"
        manager = Manager()
        port = reactor.listenUNIXDatagram(address, manager)
        self.addCleanup(port.stopListening)
        return manager, address

    def configuration(self, listen: str, admin_port: int) -> str:
        return f'[server]\nlisten = ["{listen}"]\nadmin = "tcp:{admin_port}:interface=127.0.0.1"\n{CONFIG}'

    async def test_life_as_systemd_sees_it(self) -> None:
        """Ready when it listens, a reload with its time, ready again, stopping; signs of life between; status 0."""
        manager, address = self.manager()
        port, admin_port = free_port(), free_port()
        command = self.command(self.configuration(f"tcp:{port}:interface=127.0.0.1", admin_port))
        ready = manager.hears("READY")
        alive = manager.hears("WATCHDOG")
        env = environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})
        program = start(command, env, self.directory)
        self.addCleanup(program.stop)

        self.assertIn("1 routes", (await ready)["STATUS"])
        self.assertEqual((await fetch(f"http://127.0.0.1:{admin_port}/readyz")).status, 200)
        await alive

        before = time.monotonic_ns() // 1000
        reloading, ready = manager.hears("RELOADING"), manager.hears("READY")
        program.transport.signalProcess("HUP")
        since = int((await reloading)["MONOTONIC_USEC"])
        self.assertTrue(before <= since <= time.monotonic_ns() // 1000, (before, since))
        await ready

        config = self.directory / "gateway.toml"
        config.write_text(config.read_text().replace("paths", "pths"))
        ready = manager.hears("READY")
        program.transport.signalProcess("HUP")
        self.assertIn("last reload refused", (await ready)["STATUS"])

        stopping = manager.hears("STOPPING")
        program.transport.signalProcess("TERM")
        await stopping
        finished = await program.end()
        self.assertEqual(finished.status, 0, finished.stderr)

    async def test_socket_activation(self) -> None:
        """With the socket's name and the configuration that aigw.socket tells of; and the log is JSON, all of it."""
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is not installed")
        (listen,) = re.findall(r'^#   listen = \["(.*)"\]$', SOCKET, re.M)
        port, admin_port = free_port(), free_port()
        name = setting(SOCKET, "FileDescriptorName")
        passed = [f"--setenv={one}={value}" for one, value in environment().items()]
        activate = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", f"--fdname={name}", *passed]
        program = start(
            [*activate, *self.command(self.configuration(listen, admin_port))], environment(), self.directory
        )
        self.addCleanup(program.stop)
        await program.says("Listening on")

        # The daemon does not run yet: this connection starts it, and is the first that it serves.
        answer = await fetch(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            b'{"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}',
            {"content-type": "application/json"},
        )
        self.assertEqual(answer.status, 200, program.output)
        self.assertIn("process_resident_memory_bytes", (await fetch(f"http://127.0.0.1:{admin_port}/metrics")).text)

        program.transport.signalProcess("TERM")
        finished = await program.end()
        self.assertEqual(finished.status, 0, finished.stderr)
        self.assertEqual(self.fields(finished.stdout), [{"request_id", "status"}])
        _, log = finished.stderr.split("Execing", 1)
        self.assertIn({"level", "message"}, self.fields(log.split("\n", 1)[1]))

    async def test_socket_activation_by_a_path(self) -> None:
        """The socket's file is systemd's: its mode stays as it is, and the file stays when the daemon ends."""
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is not installed")
        sockets = tempfile.TemporaryDirectory()  # a socket's path has at most 107 bytes
        self.addCleanup(sockets.cleanup)
        path, admin_port = pathlib.Path(sockets.name) / "s", free_port()
        passed = [f"--setenv={one}={value}" for one, value in environment().items()]
        activate = ["systemd-socket-activate", f"--listen={path}", "--fdname=aigw", *passed]
        config = self.configuration("systemd:domain=UNIX:name=aigw", admin_port)
        program = start([*activate, *self.command(config)], environment(), self.directory)
        self.addCleanup(program.stop)
        await program.says("Listening on")
        path.chmod(0o600)
        finished = await self.run_program(["curl", "-sS", "--unix-socket", str(path), "http://localhost/v1/models"])
        self.assertIn('"list"', finished.stdout, program.output)
        program.transport.signalProcess("TERM")
        self.assertEqual((await program.end()).status, 0)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    def fields(self, text: str) -> list[set[str]]:
        """What kinds of JSON lines there are: all of them objects."""
        kinds = []
        for line in text.splitlines():
            fields = {"request_id", "status", "level", "message"} & set(json.loads(line))
            if fields not in kinds:
                kinds.append(fields)
        return kinds
