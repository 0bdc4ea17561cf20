"""Only plain files are read, and nothing that is none makes anybody wait."""

from __future__ import annotations

import os
import pathlib
import socket

from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.file import read
from aigw.regular_file import read_regular


class RegularFileTests(unittest.TestCase):
    """read_regular, and the configuration file through it."""

    def setUp(self) -> None:
        self.directory = pathlib.Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "file"

    def refused(self, path: pathlib.Path | str, most: int = 100) -> str:
        error = self.assertRaises(OSError, read_regular, path, most)
        return str(error.strerror)

    def test_a_plain_file(self) -> None:
        """All of it, by its own name and by links to it."""
        self.path.write_bytes(b"x" * 100)
        link = self.directory / "link"
        link.symlink_to("file")
        self.assertEqual((read_regular(self.path, 100), read_regular(str(link), 100)), (b"x" * 100, b"x" * 100))

    def test_bounded(self) -> None:
        self.path.write_bytes(b"x" * 101)
        self.assertEqual(self.refused(self.path), "it has more than 0 KiB")
        self.path.write_bytes(b"x" * (65 << 10))
        self.assertEqual(self.refused(self.path, 64 << 10), "it has more than 64 KiB")

    def test_what_is_none(self) -> None:
        """Said at once, and without a file that stays open."""
        os.mkfifo(self.path)
        name = f"/tmp/aigw-test-{os.getpid()}.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(name)
            self.addCleanup(os.unlink, name)
            before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
            self.assertEqual(self.refused(self.path), "it is a FIFO, not a plain file")
            self.assertEqual(self.refused(self.directory), "it is a directory, not a plain file")
            self.assertEqual(self.refused("/dev/zero"), "it is a device, not a plain file")
            self.assertEqual(self.refused(name), "it is not a plain file")
            self.assertEqual(self.refused(self.directory / "none"), "No such file or directory")
            self.assertEqual(len(list(pathlib.Path("/proc/self/fd").iterdir())), before)

    def test_configuration(self) -> None:
        """A fault of the file, as any other."""
        os.mkfifo(self.path)
        error = self.assertRaises(ConfigError, read, self.path)
        self.assertEqual(str(error), f"{self.path}: cannot be read: it is a FIFO, not a plain file")
