"""``aigw run``, and starts that fail: as whoever types the command sees them."""

from __future__ import annotations

import os
import pathlib
import re
import socket
from collections.abc import Sequence

from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.dist.daemon import CHECKOUT, OURS, Daemon, DaemonTestCase, Finished, environment, fetch, free_port, moved

CONFIG = """
[backends.echo]
provider = "echo"
[models.echo]
targets = [{ backend = "echo" }]
[routes.openai]
paths = ["/v1"]
auth = "none"
"""


class RunTestCase(DaemonTestCase):
    """Writes files and starts them by any of the commands."""

    #: The ways to start the daemon: the arguments before and behind the file.
    RUN = ("aigw", "run")
    TWISTD = ("twistd", "--nodaemon", "aigw", "-c")
    DAEMONIZED = ("twistd", "aigw", "-c")

    def file(self, server: str = "", text: str = CONFIG) -> pathlib.Path:
        """A configuration on free ports, or with what ``server`` says; its path."""
        path = self.fresh_directory("files") / "gateway.toml"
        workers = f"workers = {self.workers}\n" if "workers" not in server and self.workers > 1 else ""
        listen = "" if "listen" in server else f'listen = ["tcp:{free_port()}:interface=127.0.0.1"]\n'
        admin = f'admin = "tcp:{free_port()}:interface=127.0.0.1"\n'
        path.write_text(f"[server]\n{server}\n{listen}{admin}{workers}{text}")
        return path

    async def start_by(self, command: Sequence[str], path: pathlib.Path, *more: str) -> Finished:
        """Run a command in the file's folder until it ends."""
        return await self.run_program([*command, str(path), *more], directory=path.parent)


class RunTests(RunTestCase):
    """``aigw run FILE [--workers N] [--port P]``."""

    async def run_daemon(self, *options: str, config: str = CONFIG) -> Daemon:
        """Start it and wait until it is ready."""
        daemon = Daemon(self.fresh_directory("daemon"), free_port(), free_port())
        daemon.config.write_text(moved(config, daemon.port, daemon.admin_port, self.workers))
        command = ["aigw", "run", str(daemon.config), *options]
        reactor.spawnProcess(daemon, str(OURS / "aigw"), command, environment(), str(daemon.config.parent))
        self.addCleanup(daemon.stop)
        await daemon.ready()
        return daemon

    async def test_serves_in_the_foreground(self) -> None:
        """The access log on standard output, the daemon's on standard error, and no file beside the configuration."""
        daemon = await self.run_daemon()
        answer = await fetch(f"{daemon.url}/v1/models")
        self.assertEqual(answer.status, 200)
        await daemon.says(r'"request_id"')
        self.assertEqual([path.name for path in daemon.config.parent.iterdir()], ["gateway.toml"])
        self.assertIn(f"serves {daemon.config} on 127.0.0.1:{daemon.port}", daemon.stderr)
        self.assertEqual({line[:1] for line in daemon.stdout.splitlines()}, {"{"}, daemon.stdout)
        daemon.signal("INT")
        finished = await daemon.end()
        self.assertEqual(finished.status, 0, finished)
        self.assertNotIn("Traceback", finished.stderr)

    async def test_two_in_one_folder(self) -> None:
        """There is no file by which one would keep the other from starting."""
        first = await self.run_daemon()
        second = self.file()
        second = second.rename(first.config.parent / "second.toml")
        program = Daemon(first.config.parent, 0, 0)
        reactor.spawnProcess(
            program, str(OURS / "aigw"), ["aigw", "run", str(second)], environment(), str(first.config.parent)
        )
        self.addCleanup(program.stop)
        await program.says("serves ")

    async def test_options_win_over_the_file_also_at_a_reload(self) -> None:
        port = free_port()
        daemon = await self.run_daemon("--port", str(port), "--workers", "2")
        for _ in range(2):
            answer = await fetch(f"http://127.0.0.1:{port}/v1/models")
            self.assertEqual(answer.status, 200)
            with self.assertRaises(OSError):
                await fetch(f"{daemon.url}/v1/models")
            metrics = await fetch(f"{daemon.admin_url}/metrics")
            self.assertIn("\naigw_workers 2.0\n", metrics.text)
            reloaded = daemon.says(r"reloaded /")
            daemon.signal("HUP")
            await reloaded

    async def test_wrong_options(self) -> None:
        path = self.file()
        for options in (("--port", "65536"), ("--port", "x"), ("--workers", "0"), ("--workers", "many")):
            finished = await self.start_by(self.RUN, path, *options)
            self.assertEqual(finished.status, 2, finished)
            self.assertIn("must be", finished.stderr)


class ShellTests(RunTestCase):
    """Commands as they are put together in a shell."""

    async def shell(self, text: str, path: pathlib.Path) -> Finished:
        """A line of bash in the file's folder; its status is that of the last command that failed."""
        return await self.run_program(["bash", "-o", "pipefail", "-c", text], directory=path.parent)

    async def test_show_into_check(self) -> None:
        path = self.file(text=CONFIG.replace('auth = "none"', "") + '[consumers.c]\nkeys = ["plain-key"]\n')
        finished = await self.shell("aigw show gateway.toml | aigw check -", path)
        self.assertEqual((finished.status, finished.stdout), (0, "OK\n"), finished)
        self.assertIn("note: secrets are hidden", finished.stderr)

    async def test_key_into_the_file(self) -> None:
        """Which then checks; the key is on the terminal, and not in the file."""
        path = self.file()
        finished = await self.shell("aigw key my-app >> gateway.toml && aigw check gateway.toml", path)
        self.assertEqual((finished.status, finished.stdout), (0, "OK\n"), finished)
        (key,) = re.findall(r"(?m)^aigw_\S+$", finished.stderr)
        self.assertNotIn(key, path.read_text())
        self.assertIn("[consumers.my-app]", path.read_text())

    async def test_disk_that_is_full(self) -> None:
        path = self.file()
        for command in ("aigw show gateway.toml", "aigw check gateway.toml", "aigw key my-app", "aigw --help"):
            for buffered in ("", "PYTHONUNBUFFERED= "):
                finished = await self.shell(f"{buffered}{command} > /dev/full", path)
                said = "aigw: standard output cannot be written: No space left on device\n"
                self.assertEqual((finished.status, finished.stderr), (1, said), command)

    async def test_version(self) -> None:
        """The same from both commands."""
        path = self.file()
        said = [(await self.shell(command, path)).stdout for command in ("aigw --version", "twistd aigw --version")]
        self.assertEqual(said[0], said[1])
        self.assertRegex(said[0], r"^aigw \S+ \((compiled|interpreted)\)\n$")


class FailedStartTests(RunTestCase):
    """A start that fails says why in one line, with status 1, whatever started it, and leaves nothing behind."""

    async def fails(self, path: pathlib.Path, *words: str) -> None:
        """By each command."""
        for command in (self.RUN, self.TWISTD, self.DAEMONIZED):
            finished = await self.start_by(command, path)
            said = f"{command}:\n{finished.stdout}{finished.stderr}"
            self.assertEqual(finished.status, 1, said)
            (line,) = finished.stderr.splitlines()
            for word in (*words, str(path)):
                self.assertIn(word, line, said)
            for noise in ("Traceback", "[Errno", "('", "Error:"):
                self.assertNotIn(noise, finished.stdout + finished.stderr)
            self.assertEqual(list(path.parent.glob("*.pid")), [], said)

    async def test_port_in_use(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            path = self.file(f'listen = ["tcp:{port}:interface=127.0.0.1"]')
            await self.fails(path, f"cannot listen on 127.0.0.1:{port}: Address already in use (another program")

    async def test_socket_of_another_instance(self) -> None:
        running = self.file('listen = ["unix:here.sock"]')
        program = Daemon(running.parent, 0, 0)
        reactor.spawnProcess(
            program, str(OURS / "aigw"), ["aigw", "run", str(running)], environment(), str(running.parent)
        )
        self.addCleanup(program.stop)
        await program.says("serves ")
        other = self.file(f'listen = ["unix:{running.parent / "here.sock"}"]')
        await self.fails(other, "here.sock: Cannot acquire lock (another program, or another aigw, listens there)")

    async def test_socket_in_no_folder(self) -> None:
        await self.fails(self.file('listen = ["unix:/nowhere/here.sock"]'), "No such file or directory")

    async def test_listener_of_systemd_without_systemd(self) -> None:
        path = self.file('listen = ["systemd:domain=INET:name=aigw"]')
        await self.fails(path, "systemd has handed over no socket (start aigw through its socket unit")

    async def test_access_log_that_cannot_be_opened(self) -> None:
        await self.fails(
            self.file('access_log = "/nowhere/access.log"'), ":2: server.access_log: /nowhere/access.log: No"
        )

    async def test_bad_file(self) -> None:
        await self.fails(self.file("max_in_flight = -1"), ":2: server.max_in_flight: ")

    async def test_log_of_twistd_that_cannot_be_written(self) -> None:
        """And a process identifier file; without a traceback of twistd's."""
        path = self.file()
        for option in ("--logfile=/nowhere/twistd.log", "--pidfile=/nowhere/twistd.pid"):
            for daemon in ((), ("--nodaemon",)):
                finished = await self.start_by(("twistd", *daemon, option, "aigw", "-c"), path)
                (line,) = finished.stderr.splitlines()
                self.assertEqual(finished.status, 1)
                self.assertIn(f"{option.partition('=')[2]}: cannot be written: No such file or directory", line)

    async def test_second_instance_in_one_folder(self) -> None:
        """twistd's default file says who is there."""
        path = self.file()
        first = await self.start_by(self.DAEMONIZED, path)
        self.assertEqual((first.status, first.stderr), (0, ""))
        pid_file = path.parent / "twistd.pid"
        pid = int(pid_file.read_text())
        self.addCleanup(self.kill, pid)
        for command in (self.TWISTD, self.DAEMONIZED):
            finished = await self.start_by(command, path)
            self.assertEqual(finished.status, 1)
            self.assertEqual(
                finished.stderr.splitlines(),
                [f"{pid_file}: process {pid} runs already (another folder, or another --pidfile=)"],
            )
        self.assertEqual(int(pid_file.read_text()), pid)
        os.kill(pid, 15)
        while pid_file.exists():
            await deferLater(reactor, 0.05)

    def kill(self, pid: int) -> None:
        """Whatever has become of it."""
        if pathlib.Path(f"/proc/{pid}").exists():
            os.kill(pid, 9)

    async def test_daemon_that_dies_without_a_word(self) -> None:
        """As one does that twistd cannot give to its user: that is told, by twistd or by us, and not waited for."""
        path = self.file()
        for option in ("--uid=4294967294", "--gid=4294967295"):
            finished = await self.start_by(("twistd", option, "aigw", "-c"), path)
            self.assertEqual(finished.status, 1, finished)
            self.assertRegex(finished.stderr, "the daemon ended before it served|An error has occurred")
            self.assertEqual(list(path.parent.glob("*.pid")), [], finished)


class FailedStartOfWorkersTests(FailedStartTests):
    """The same with two."""

    workers = 2

    async def test_workers_that_end_at_once(self) -> None:
        """Which shows only when the daemon runs: its starter still comes to know."""
        broken = self.fresh_directory("broken")
        code = "import os, sys\nif 'aigw.tap' in sys.orig_argv:\n    os._exit(3)\n"
        (broken / "sitecustomize.py").write_text(code)
        env = {"PYTHONPATH": f"{broken}{os.pathsep}{CHECKOUT}"}
        for command in (self.RUN, self.TWISTD, self.DAEMONIZED):
            path = self.file()
            finished = await self.run_program([*command, str(path)], env, directory=path.parent)
            self.assertEqual(finished.status, 1, finished)
            if command is self.DAEMONIZED:
                self.assertEqual(finished.stderr, "the workers do not start; the log says why\n")
            else:
                self.assertIn("worker 1 ended with status 3", finished.stdout + finished.stderr)
            self.assertNotIn("Traceback", finished.stdout + finished.stderr)
            while list(path.parent.glob("*.pid")):  # which twistd removes as its last act
                await deferLater(reactor, 0.05)
