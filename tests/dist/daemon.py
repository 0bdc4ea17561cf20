"""The real daemon as a subprocess, and other programs beside it, for tests that look from outside.

Everything is awaited on trial's reactor, so that a :class:`~aigw.testing.ScriptedUpstream` can answer
meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import random
import re
import shutil
import socket
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

import aigw

CHECKOUT = pathlib.Path(aigw.__file__).parent.parent
SCRIPTS = pathlib.Path(sysconfig.get_path("scripts"))
#: Where the commands under test are: beside this Python, or of another installation (``make test-compiled``).
OURS = pathlib.Path(os.environ.get("AIGW_TEST_SCRIPTS") or SCRIPTS).absolute()


#: Where the kernel says from which ports on it gives them to whoever connects.
_OUTGOING = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT, _FIRST_OUTGOING = 10_000, 32_768


def _ports() -> Iterator[int]:
    """Ports that no outgoing connection gets, in an order of this process's own."""
    try:
        outgoing = int(_OUTGOING.read_text().split()[0])
    except OSError:
        outgoing = _FIRST_OUTGOING
    ports = list(range(_FIRST_PORT, outgoing if outgoing > _FIRST_PORT + 1000 else _FIRST_OUTGOING))
    random.SystemRandom().shuffle(ports)
    return itertools.cycle(ports)


_UNUSED = _ports()


def free_port() -> int:
    """A port on loopback that nobody listens on, and that stays free until somebody wants this very one.

    One that the kernel chooses would be among those that it gives to outgoing connections, perhaps before the program
    that it is meant for listens there. It is not given out twice.
    """
    for port in _UNUSED:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports never end")


def environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """A small environment: our scripts first, the checkout importable, none of the caller's keys."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # HOME stays out: no .curlrc, no .netrc, no site packages of the user's own.
    base = {"PATH": path, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    if OURS == SCRIPTS:
        base["PYTHONPATH"] = str(CHECKOUT)
    return {**base, **extra}


@attrs.frozen
class Finished:
    """What a program left behind. ``status`` is its exit status, or minus the signal that ended it."""

    status: int
    stdout: str
    stderr: str


class Program(ProcessProtocol):
    """One subprocess: its output as it comes, and its end."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.finished: Finished | None = None
        self._ends: list[Deferred[Finished]] = []
        self._watches: list[tuple[re.Pattern[str], Deferred[str]]] = []

    @property
    def stdout(self) -> str:
        return self.out.decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self.err.decode(errors="replace")

    @property
    def output(self) -> str:
        """Both, for messages."""
        return self.stdout + self.stderr

    def outReceived(self, data: bytes) -> None:
        self.out += data
        self._look()

    def errReceived(self, data: bytes) -> None:
        self.err += data
        self._look()

    def says(self, pattern: str) -> Deferred[str]:
        """Fires with the matching text as soon as the program has printed it."""
        watch: Deferred[str] = Deferred()
        self._watches.append((re.compile(pattern), watch))
        self._look()
        return watch

    def _look(self) -> None:
        for entry in list(self._watches):
            found = entry[0].search(self.stdout) or entry[0].search(self.stderr)
            if found:
                self._watches.remove(entry)
                entry[1].callback(found.group())

    def processEnded(self, reason: Any) -> None:
        value = reason.value
        status = 0 if isinstance(value, ProcessDone) else value.exitCode
        self.finished = Finished(-value.signal if status is None else status, self.stdout, self.stderr)
        for entry in self._watches:
            entry[1].errback(AssertionError(f"ended without saying {entry[0].pattern!r}:\n{self.output}"))
        self._watches.clear()
        ends, self._ends = self._ends, []
        for end in ends:
            end.callback(self.finished)

    def end(self) -> Deferred[Finished]:
        """Fires when the program has ended, at once if it has."""
        end: Deferred[Finished] = Deferred()
        if self.finished is not None:
            end.callback(self.finished)
        else:
            self._ends.append(end)
        return end

    async def stop(self, seconds: float = 15.0) -> Finished:
        """Make sure that it has ended: TERM, and KILL for what does not listen to that."""
        for signal in ("TERM", "KILL"):
            if self.finished is None:
                # Already gone is possible while somebody else still holds its output open.
                with contextlib.suppress(ProcessExitedAlready):
                    self.transport.signalProcess(signal)
                with contextlib.suppress(defer.TimeoutError):
                    await self.end().addTimeout(seconds, reactor)
        assert self.finished is not None
        return self.finished


def start(command: Sequence[str], env: Mapping[str, str], directory: pathlib.Path) -> Program:
    """A program with its own empty standard input."""
    program = Program()
    path = str(OURS) if command[0] in ("aigw", "twistd") else env["PATH"]
    executable = shutil.which(command[0], path=path)
    if executable is None:
        raise unittest.SkipTest(f"{command[0]} is not installed")
    reactor.spawnProcess(program, executable, list(command), dict(env), str(directory))
    program.transport.closeStdin()
    return program


@attrs.frozen
class Answer:
    """One HTTP response. Header names are lower-case, repeated ones joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def _fetch(url: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
    request = urllib.request.Request(url, data, dict(headers))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        response = opener.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        received: dict[str, str] = {}
        for name, value in response.headers.items():
            before = received.get(name.lower())
            received[name.lower()] = value if before is None else f"{before}, {value}"
        return Answer(response.status, received, response.read())


def fetch(url: str, data: bytes | None = None, headers: Mapping[str, str] = {}) -> Deferred[Answer]:
    """One request (POST where there is data), in a thread; fails with OSError when nobody listens."""
    return deferToThread(_fetch, url, data, headers)


class Daemon(Program):
    """``twistd aigw`` on a configuration of the test's own.

    :ivar config: the configuration file. Rewrite it and send HUP to reload.
    """

    def __init__(self, directory: pathlib.Path, port: int, admin_port: int) -> None:
        super().__init__()
        self.config = directory / "gateway.toml"
        self.port, self.admin_port = port, admin_port

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where its metrics and health are."""
        return f"http://127.0.0.1:{self.admin_port}"

    def signal(self, name: str) -> None:
        """``"HUP"``, ``"TERM"`` …"""
        self.transport.signalProcess(name)

    async def ready(self, seconds: float = 60.0) -> None:
        """Returns when ``/readyz`` says so; fails when the daemon ends before that, or does not in time."""
        deadline = reactor.seconds() + seconds
        while True:
            try:
                answer = await fetch(f"{self.admin_url}/readyz")
            except OSError:
                answer = None
            if answer is not None and answer.status == 200:
                return
            if self.finished is not None:
                raise AssertionError(f"the daemon ended with {self.finished.status}:\n{self.output}")
            if reactor.seconds() > deadline:
                raise AssertionError(f"the daemon is not ready:\n{answer}\n{self.output}")
            await deferLater(reactor, 0.05)


class DaemonTestCase(unittest.TestCase):
    """Tests that run programs; whatever they started is ended behind them.

    :cvar workers: how many each daemon has, where its configuration does not say. ``AIGW_TEST_WORKERS=2 make test`` has all
        of them with two.
    :cvar options: twistd's, for each daemon.
    """

    timeout = 120
    workers = int(os.environ.get("AIGW_TEST_WORKERS", "1"))
    options: Sequence[str] = ()

    def setUp(self) -> None:
        self.directory = pathlib.Path(self.mktemp()).absolute()
        self.directory.mkdir(parents=True)

    async def start_daemon(self, config: str, env: Mapping[str, str] = {}, *, wait: bool = True) -> Daemon:
        """Run the gateway and wait until it is ready.

        :param config: TOML; its listeners are replaced by free ports on loopback.
        :param env: what it finds in its environment besides ``PATH``.
        """
        daemon = Daemon(self.fresh_directory("daemon"), free_port(), free_port())
        daemon.config.write_text(moved(config, daemon.port, daemon.admin_port, self.workers))
        command = ["twistd", "--nodaemon", "--pidfile=", *self.options, "aigw", "-c", str(daemon.config)]
        directory = str(daemon.config.parent)
        reactor.spawnProcess(daemon, str(OURS / "twistd"), command, environment(env), directory)
        self.addCleanup(daemon.stop)
        if wait:
            await daemon.ready()
        return daemon

    def fresh_directory(self, name: str) -> pathlib.Path:
        """An empty directory below the test's own."""
        directory = self.directory / f"{name}-{len(list(self.directory.iterdir()))}"
        directory.mkdir()
        return directory

    async def run_program(
        self, command: Sequence[str], env: Mapping[str, str] = {}, directory: pathlib.Path | None = None
    ) -> Finished:
        """Run a program to its end."""
        program = start(command, environment(env), directory or self.directory)
        self.addCleanup(program.stop)
        return await program.end()


def moved(config: str, port: int, admin_port: int, workers: int = 1) -> str:
    """``config`` with its listeners, and no others, replaced; and with so many workers unless it says how many."""
    ours = f'listen = ["tcp:{port}:interface=127.0.0.1"]\nadmin = "tcp:{admin_port}:interface=127.0.0.1"\n'
    if workers != 1 and not re.search(r"(?m)^workers\s*=", config):
        ours += f"workers = {workers}\n"
    before, table, after = re.sub(r"(?m)^(listen|admin)\s*=.*\n", "", config).partition("[server]\n")
    return before + table + ours + after if table else f"[server]\n{ours}\n{config}"
