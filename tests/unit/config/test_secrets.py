"""Secrets from the environment, files and systemd's credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from twisted.trial import unittest

from aigw.config.secrets import resolve_secrets
from aigw.config.settings import load
from aigw.config.tables import SecretSource
from tests.unit.config.files import FileTestCase


class SecretTests(unittest.TestCase):
    """What they are, or why they cannot be had."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        (self.directory / "keys").mkdir(parents=True)

    def resolve(self, environ: Mapping[str, str] = {}, **source: str) -> str | None:
        """The value, or None and ``self.message``."""
        values, faults = resolve_secrets({"s": SecretSource(**source)}, self.directory, environ)
        self.assertEqual(len(values) + len(faults), 1)
        for place, self.message in faults:
            self.assertEqual(place, ("secrets", "s", *source))
        return values.get("s")

    def write(self, data: bytes) -> str:
        (self.directory / "keys" / "one").write_bytes(data)
        return "keys/one"

    def test_environment(self) -> None:
        self.assertEqual(self.resolve({"KEY": "sk-1"}, env="KEY"), "sk-1")
        self.assertIsNone(self.resolve({"OTHER": "x"}, env="KEY"))
        self.assertIn("KEY is not set", self.message)

    def test_file_beside_the_configuration(self) -> None:
        """The line end that every editor writes is no part of it."""
        self.assertEqual(self.resolve(file=self.write(b"sk-1\n")), "sk-1")
        self.assertEqual(self.resolve(file=str(self.directory.absolute() / "keys/one")), "sk-1")
        self.assertIsNone(self.resolve(file="keys/two"))
        self.assertIn("No such file", self.message)

    def test_credential(self) -> None:
        self.write(b"sk-2")
        environ = {"CREDENTIALS_DIRECTORY": str(self.directory / "keys")}
        self.assertEqual(self.resolve(environ, credential="one"), "sk-2")
        self.assertIsNone(self.resolve({}, credential="one"))
        self.assertIn("LoadCredential=", self.message)

    def test_values_that_no_header_can_carry(self) -> None:
        """Said at once instead of at the first call; without the value."""
        for data in (b"", b"\n", b"sk-3\nmore", b"sk-3\x00", "sk-3ü".encode(), b"\xff", b"sk-3" * 20000):
            self.assertIsNone(self.resolve(file=self.write(data)), data)
            self.assertNotIn("sk-3", self.message)

    def test_only_plain_files(self) -> None:
        """A FIFO that nobody writes to would be read for ever, and a device has no end."""
        os.mkfifo(self.directory / "keys" / "fifo")
        for name, kind in (("keys/fifo", "FIFO"), ("keys", "directory"), ("/dev/zero", "device")):
            self.assertIsNone(self.resolve(file=name))
            self.assertRegex(self.message, f"cannot be read: it is a {kind}, not a plain file")

    def test_links_to_plain_files(self) -> None:
        """As Kubernetes has them: a link to a link to the file."""
        self.write(b"sk-4")
        (self.directory / "data").symlink_to("keys")
        (self.directory / "token").symlink_to("data/one")
        self.assertEqual(self.resolve(file="token"), "sk-4")


class LoadTests(FileTestCase):
    """Secrets of a whole file."""

    text = '[secrets]\na = { env = "A" }\nb = { env = "B" }\n'

    def test_every_missing_one_is_named(self) -> None:
        self.assertEqual([problem.line for problem in self.problems(self.text)], [2, 3])

    def test_not_read_where_only_the_file_matters(self) -> None:
        """Nobody but the daemon may be able to read them."""
        self.assertEqual(load(self.write(self.text), {}, read_secrets=False).secret_values, {})
