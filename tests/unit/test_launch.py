"""What is in the way of a start, and whom its failure is told to. The forks are tests/dist/test_run.py's."""

from __future__ import annotations

import io
import os
import pathlib
import sys
from typing import Any

from twisted.trial import unittest

from aigw import launch
from aigw.launch import Launch, obstacle


def twistd(**options: Any) -> dict[str, Any]:
    """twistd's options, as it has them when the command line is read."""
    return {"nodaemon": 0, "debug": 0, "pidfile": "", "logfile": None, "syslog": 0, "logger": None, **options}


class ObstacleTests(unittest.TestCase):
    """obstacle."""

    def setUp(self) -> None:
        self.directory = pathlib.Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.pid_file = self.directory / "twistd.pid"
        self.log = str(self.directory / "twistd.log")

    def obstacle(self, **options: Any) -> str | None:
        return obstacle(twistd(**{"pidfile": str(self.pid_file), "logfile": self.log, **options}))

    def test_second_instance(self) -> None:
        self.pid_file.write_text(f"{os.getpid()}\n")
        self.assertEqual(
            self.obstacle(),
            f"{self.pid_file}: process {os.getpid()} runs already (another folder, or another --pidfile=)",
        )

    def test_process_of_somebody_else(self) -> None:
        """Which may not be looked at, and is there."""
        self.pid_file.write_text("7")

        def refuse(number: int, signal: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        self.patch(launch.os, "kill", refuse)
        self.assertIn("process 7 runs already", self.obstacle() or "")

    def test_file_of_nobody(self) -> None:
        """twistd says itself what it makes of these."""
        for text in ("", "x", "0", str(2**22 + 1), "9" * 5000, "-1"):
            self.pid_file.write_text(text)
            self.assertIsNone(self.obstacle(), text[:20])

    def test_nowhere_to_write(self) -> None:
        nowhere = self.directory / "nowhere" / "x"
        self.assertIn(f"{nowhere}: cannot be written: No such file", self.obstacle(pidfile=str(nowhere)) or "")
        for logging in ({"logfile": str(nowhere)}, {"logfile": str(nowhere), "nodaemon": 1}):
            said = self.obstacle(**logging) or ""
            self.assertEqual(said, f"{nowhere}: cannot be written: No such file or directory (another --logfile=)")
        (self.directory / "file").touch()
        self.assertIn("Not a directory", self.obstacle(logfile=str(self.directory / "file" / "x")) or "")
        self.assertIn("Is a directory", self.obstacle(logfile=str(self.directory)) or "")

    def test_not_allowed(self) -> None:
        """root may write everywhere, so the kernel's answer is scripted."""
        self.patch(launch.os, "access", lambda path, mode: False)
        self.assertIn("twistd.pid: cannot be written: Permission denied", self.obstacle() or "")
        self.assertIn("twistd.log: cannot be written: Permission denied", self.obstacle(pidfile="") or "")

    def test_no_file_is_written(self) -> None:
        nowhere = str(self.directory / "nowhere" / "x")
        for options in (
            {"logfile": nowhere, "syslog": 1},
            {"logfile": nowhere, "logger": object()},
            {"logfile": "-"},
            {"logfile": None, "nodaemon": 1},
            {"pidfile": None},
        ):
            self.assertIsNone(self.obstacle(**options), options)


class LaunchTests(unittest.TestCase):
    """Launch, where nothing forks."""

    def setUp(self) -> None:
        self.stderr = io.StringIO()
        self.patch(sys, "__stderr__", self.stderr)
        self.pid_file = pathlib.Path(self.mktemp()).absolute()

    def test_foreground(self) -> None:
        """The reason goes to standard error; the file that twistd would leave goes."""
        self.pid_file.write_text(str(os.getpid()))
        Launch(twistd(nodaemon=1, pidfile=str(self.pid_file))).failed("f.toml: cannot listen")
        self.assertEqual(self.stderr.getvalue(), "f.toml: cannot listen\n")
        self.assertFalse(self.pid_file.exists())

    def test_file_of_another_stays(self) -> None:
        for text in (str(os.getpid() + 1), "x", ""):
            self.pid_file.write_text(text)
            Launch(twistd(nodaemon=1, pidfile=str(self.pid_file))).failed("why")
            self.assertTrue(self.pid_file.exists())

    def test_without_twistd(self) -> None:
        launch = Launch()
        launch.failed("why")
        launch.gone("why")
        launch.serves()
        self.assertEqual(self.stderr.getvalue(), "why\n")
