"""The ``aigw`` command: what it prints where, and its exit status."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tomllib

from aigw import cli
from aigw.config.errors import Problem
from aigw.config.settings import Settings, load
from tests.unit.config.files import BACKEND, FileTestCase

DIGEST = "sha256:" + "ab" * 32


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class CommandTestCase(FileTestCase):
    """Runs commands without the rooms above the configuration."""

    def setUp(self) -> None:
        self.compiled: list[Problem] = []
        self.patch(cli, "compiled_problems", lambda settings: self.compiled)

    def run_aigw(self, *arguments: object, stream: type[io.StringIO] = io.StringIO) -> int:
        """One command; its output is in ``out`` and ``err``."""
        out, err = stream(), stream()
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = out, err
        try:
            return cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            assert isinstance(stop.code, int)
            return stop.code
        finally:
            sys.stdout, sys.stderr = before
            self.out, self.err = out.getvalue(), err.getvalue()


class CheckTests(CommandTestCase):
    """``aigw check FILE``."""

    def test_good_file(self) -> None:
        status = self.run_aigw("check", self.write(BACKEND))
        self.assertEqual((status, self.out, self.err), (0, "OK\n", ""))

    def test_bad_file(self) -> None:
        """One line for each fault, and nothing else."""
        path = self.write("[server]\nworkers = 0\nlisten = 3\n")
        self.assertEqual(self.run_aigw("check", path), 1)
        lines = self.out.splitlines()
        self.assertTrue(lines[0].startswith(f"{path}:2: server.workers: "))
        self.assertTrue(lines[1].startswith(f"{path}:3: server.listen: "))
        self.assertEqual((len(lines), self.err), (2, ""))

    def test_missing_file(self) -> None:
        self.assertEqual(self.run_aigw("check", "nowhere.toml"), 1)
        self.assertEqual(self.out, "nowhere.toml: cannot be read: No such file or directory\n")

    def test_warnings_are_told_aside(self) -> None:
        path = self.write(BACKEND + "[consumers.c]\nkeys = ['secret-key']\n")
        self.assertEqual((self.run_aigw("check", path), self.out), (0, "OK\n"))
        self.assertTrue(self.err.startswith(f"{path}:7: warning: consumers.c.keys[0]: "), self.err)
        self.assertNotIn("secret-key", self.err)

    def test_strict_makes_them_errors(self) -> None:
        path = self.write(BACKEND + "[consumers.c]\nkeys = ['secret-key']\n")
        self.assertEqual((self.run_aigw("check", "--strict", path), self.err), (1, ""))
        self.assertTrue(self.out.startswith(f"{path}:7: consumers.c.keys[0]: "), self.out)
        good = self.write(BACKEND + f"[consumers.c]\nkeys = ['{DIGEST}']\n")
        self.assertEqual((self.run_aigw("check", good, "--strict"), self.out), (0, "OK\n"))

    def test_faults_that_show_when_all_is_put_together(self) -> None:
        """Such as two routes that cannot be told apart."""
        self.compiled = [Problem("gateway.toml", 3, "routes.b", "cannot be told apart")]
        self.assertEqual(self.run_aigw("check", self.write(BACKEND)), 1)
        self.assertEqual(self.out, "gateway.toml:3: routes.b: cannot be told apart\n")

    def test_secrets_can_be_left_alone(self) -> None:
        """Who checks may not be who may read them."""
        path = self.write(BACKEND + "[secrets]\ns = { credential = 's' }\n")
        self.assertEqual(self.run_aigw("check", path, "--no-secrets"), 0)
        self.patch(cli, "load_compiled", lambda file, **more: load(file, {}, **more))
        self.assertEqual(self.run_aigw("check", path), 1)
        self.assertIn("secrets.s.credential", self.out)


class ColourTests(CommandTestCase):
    """Colour is for eyes."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(cli.os, "environ", {})

    def test_on_a_terminal(self) -> None:
        self.run_aigw("check", self.write(BACKEND), stream=Terminal)
        self.assertEqual(self.out, "\x1b[32mOK\x1b[0m\n")

    def test_in_a_pipe(self) -> None:
        self.run_aigw("check", self.write(BACKEND))
        self.assertEqual(self.out, "OK\n")

    def test_unwanted(self) -> None:
        """https://no-color.org"""
        self.patch(cli.os, "environ", {"NO_COLOR": "1"})
        self.run_aigw("check", self.write(BACKEND), stream=Terminal)
        self.assertEqual(self.out, "OK\n")


class ShowTests(CommandTestCase):
    """``aigw show FILE``."""

    def test_toml_without_secrets(self) -> None:
        path = self.write(BACKEND + "[secrets]\ns = { env = 'NOT_SET' }\n[consumers.c]\nkeys = ['secret-key']\n")
        self.assertEqual((self.run_aigw("show", path), self.err), (0, ""))
        shown = tomllib.loads(self.out)
        self.assertEqual(shown["consumers"]["c"]["keys"], ["***"])
        self.assertEqual(shown["server"]["workers"], 1)

    def test_bad_file(self) -> None:
        """Nothing that a program could take for a configuration."""
        path = self.write("x = 1")
        self.assertEqual((self.run_aigw("show", path), self.out), (1, ""))
        self.assertTrue(self.err.startswith(f"{path}:1: x: "))


class DiffTests(CommandTestCase):
    """``aigw diff OLD NEW``."""

    def test_entity_by_entity(self) -> None:
        old = self.write(BACKEND + "[consumers.a]\n[server]\nmax_in_flight = 1\n")
        new = self.write(BACKEND + "[consumers.b]\n[server]\nmax_in_flight = 2\n")
        self.assertEqual((self.run_aigw("diff", old, new), self.err), (0, ""))
        self.assertEqual(self.out, "~ server\n    max_in_flight: 1 -> 2\n- consumers.a\n+ consumers.b\n")

    def test_none(self) -> None:
        path = self.write(BACKEND)
        self.assertEqual((self.run_aigw("diff", path, path), self.out), (0, "no differences\n"))

    def test_bad_file(self) -> None:
        status = self.run_aigw("diff", self.write(BACKEND), self.write("x = 1"))
        self.assertEqual((status, self.out), (1, ""))
        self.assertIn("unknown key", self.err)


class KeyTests(CommandTestCase):
    """``aigw key [NAME]``."""

    def made(self, *name: str) -> tuple[str, str]:
        """The key, and the lines for the file."""
        self.assertEqual((self.run_aigw("key", *name), self.err), (0, ""))
        (key,) = re.findall(r"aigw_[\w-]{32}(?![\w-])", self.out)
        return key, self.out[self.out.index(key) + len(key) :]

    def test_the_line_fits_the_key(self) -> None:
        key, lines = self.made()
        self.assertEqual(tomllib.loads(lines), {"keys": [f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"]})

    def test_the_table_of_a_consumer(self) -> None:
        """Ready to be pasted."""
        for name in ("my-app", "my.app"):
            key, lines = self.made(name)
            settings: Settings = self.load(BACKEND + lines)
            (found,) = settings.consumers[name].keys
            self.assertEqual(found.digest, hashlib.sha256(key.encode()).hexdigest())

    def test_no_two_are_alike(self) -> None:
        self.assertEqual(len({cli.make_key() for _ in range(100)}), 100)

    def test_a_name_that_is_none(self) -> None:
        self.assertEqual((self.run_aigw("key", "my app\n"), self.out), (2, ""))


class UsageTests(CommandTestCase):
    """The command line itself."""

    def test_import_is_not_there_yet(self) -> None:
        self.assertEqual((self.run_aigw("import", "kong.yaml"), self.out), (2, ""))
        self.assertIn("not available yet", self.err)

    def test_wrong_usage(self) -> None:
        for arguments in ((), ("chek", "x"), ("check",), ("diff", "a"), ("check", "a", "--strickt")):
            self.assertEqual((self.run_aigw(*arguments), self.out), (2, ""), arguments)

    def test_help_names_every_command(self) -> None:
        self.assertEqual(self.run_aigw("--help"), 0)
        for command in ("check", "show", "diff", "key", "import"):
            self.assertIn(f"    {command} ", self.out)
