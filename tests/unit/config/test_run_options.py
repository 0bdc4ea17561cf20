"""What ``aigw run`` says in place of the file."""

from __future__ import annotations

from aigw.config.errors import ConfigError
from aigw.config.run_options import RunOptions
from aigw.config.settings import Settings, load
from tests.unit.config.files import BACKEND, FileTestCase


class RunOptionsTests(FileTestCase):
    """RunOptions.apply, by what comes of a file."""

    def run_with(self, options: RunOptions, server: str = "") -> Settings:
        return load(self.write(f"[server]\n{server}\n{BACKEND}"), {}, options=options)

    def test_none_changes_nothing(self) -> None:
        settings = self.run_with(RunOptions(), 'listen = ["tcp:1", "unix:/run/x"]\nworkers = 3')
        self.assertEqual((settings.server.listen, settings.server.workers), (("tcp:1", "unix:/run/x"), 3))

    def test_workers(self) -> None:
        for workers in (2, "auto"):
            self.assertEqual(self.run_with(RunOptions(workers=workers), "workers = 3").server.workers, workers)

    def test_port_keeps_the_rest_of_the_first_tcp_listener(self) -> None:
        """The interface decides who can connect; it must not widen."""
        for listen, expected in (
            ("tcp:8000", "tcp:port=9000"),
            ("tcp:8000:interface=127.0.0.1", "tcp:port=9000:interface=127.0.0.1"),
            ("tcp6:8000:interface=\\\\:\\\\:1", "tcp6:port=9000:interface=\\:\\:1"),
            ("haproxy:tcp:8000", "haproxy:tcp:port=9000"),
            ("unix:/run/x", "tcp:9000:interface=127.0.0.1"),
            ("systemd:INET:name=aigw", "tcp:9000:interface=127.0.0.1"),
        ):
            settings = self.run_with(RunOptions(port=9000), f'listen = ["{listen}"]')
            self.assertEqual(settings.server.listen, (expected,), listen)

    def test_port_is_the_only_one(self) -> None:
        settings = self.run_with(RunOptions(port=9000), 'listen = ["unix:/run/x", "tcp:1", "tcp:2"]')
        self.assertEqual(settings.server.listen, ("tcp:port=9000",))

    def test_file_without_server(self) -> None:
        self.assertEqual(
            load(self.write(BACKEND), {}, options=RunOptions(port=9000)).server.listen,
            ("tcp:9000:interface=127.0.0.1",),
        )

    def test_checked_like_the_file(self) -> None:
        """The admin listener has its port."""
        error = self.assertRaises(ConfigError, self.run_with, RunOptions(port=9100))
        self.assertEqual([problem.key for problem in error.problems], ["server.admin"])

    def test_faults_of_the_file_are_told(self) -> None:
        """An option does not hide a listener that is none, nor a table that is none."""
        for server, key in (("listen = ['tcp:x']", "server.listen[0]"), ("listen = 3", "server.listen")):
            error = self.assertRaises(ConfigError, self.run_with, RunOptions(port=9000), server)
            self.assertEqual([problem.key for problem in error.problems], [key])
        path = self.write(f"server = 3\n{BACKEND}")
        error = self.assertRaises(ConfigError, load, path, {}, options=RunOptions(port=9000, workers=2))
        self.assertEqual([problem.key for problem in error.problems], ["server"])
