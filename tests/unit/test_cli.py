"""The ``aigw`` command: what it prints where, and its exit status."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import aigw
from aigw import cli, printing, version
from aigw.config.errors import Problem
from aigw.config.settings import Settings, load
from tests.unit.config.files import BACKEND, FileTestCase

DIGEST = "sha256:" + "ab" * 32

#: A Kong file up to the routes of its service.
KONG = """_format_version: "3.0"
services:
- name: s
  url: http://localhost
  plugins:
  - name: ai-proxy
    config: {route_type: llm/v1/chat, model: {provider: openai, name: gpt-4o},
             auth: {header_name: Authorization, header_value: Bearer $X}}
  routes:
"""


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    """Standard output on a disk that is full, as ``/dev/full`` is; standard error is not."""

    def flush(self) -> None:
        if sys.stdout is self and self.getvalue():
            raise OSError(28, "No space left on device")


class FullAtOnce(io.StringIO):
    """The same without a buffer."""

    def write(self, text: str) -> int:
        if sys.stdout is self:
            raise OSError(28, "No space left on device")
        return super().write(text)


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
        self.assertTrue(self.err.startswith(f"{path}:8: warning: consumers.c.keys[0]: "), self.err)
        self.assertNotIn("secret-key", self.err)

    def test_strict_makes_them_errors(self) -> None:
        path = self.write(BACKEND + "[consumers.c]\nkeys = ['secret-key']\n")
        self.assertEqual((self.run_aigw("check", "--strict", path), self.err), (1, ""))
        self.assertTrue(self.out.startswith(f"{path}:8: consumers.c.keys[0]: "), self.out)
        good = self.write(BACKEND + f"[consumers.c]\nkeys = ['{DIGEST}']\n")
        self.assertEqual((self.run_aigw("check", good, "--strict"), self.out), (0, "OK\n"))

    def test_a_file_that_serves_nothing(self) -> None:
        """Served it would be an outage; ``show`` and ``diff`` look at parts of a configuration as well."""
        for text, what in (
            ("", "the file is empty"),
            ("[server]\n", "there are none"),
            ("# later\n", "the file is empty"),
        ):
            path = self.write(text)
            said = f"{path}:1: routes: {what}: nothing would be served (at least one [routes.NAME])\n"
            self.assertEqual((self.run_aigw("check", path), self.out), (1, said))
            self.assertEqual(self.run_aigw("show", path), 0)

    def test_standard_input(self) -> None:
        """``aigw check -``: its name in messages, and what is relative is so to where one is."""
        for text, status, said in ((BACKEND, 0, "OK\n"), ("x = 1\n" + BACKEND, 1, "stdin:1: x: unknown key")):
            self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            self.assertEqual(self.run_aigw("check", "-"), status)
            self.assertTrue(self.out.startswith(said), self.out)

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


class ShownTests(CommandTestCase):
    """``aigw show FILE | aigw check -``."""

    TEXT = (
        (
            BACKEND.replace('provider = "echo"\n', 'provider = "openai"\nauth = { inline = "sk-1" }\nca = "own.pem"\n')
            + """
headers = { x-token = ["one"] }
[routes.second]
backend = "echo"
headers = { x-token = ["two"] }
[secrets]
s = { file = "key" }
[consumers.a]
keys = ["secret-key-1", { key = "secret-key-2", expires = 2037-01-01T00:00:00Z }]
[consumers.b]
keys = ["sha256:ababababab", "sha256:ababababcd"]
[consumers.c.backends.echo]
auth = { inline = "sk-2" }
headers = { set = { x-key = "v" } }
"""
        )
        .replace('ab", ', f'ab{"ab" * 27}", ')
        .replace('cd"]', f'cd{"cd" * 27}"]')
    )

    def shown(self) -> str:
        path = self.write(self.TEXT)
        (path.parent / "own.pem").write_bytes(b"")
        (path.parent / "key").write_text("sk-3")
        self.assertEqual(self.run_aigw("show", path), 0, self.err)
        return self.out

    def check(self, text: str, *options: str) -> int:
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return self.run_aigw("check", "-", *options)

    def test_passes(self) -> None:
        """Keys that look alike now are not the same key; files are found from anywhere; no warning is made up."""
        text = self.shown()
        for options in ((), ("--no-secrets",)):
            self.assertEqual((self.check(text, *options), self.out), (0, "OK\n"))
            self.assertEqual(len(self.err.splitlines()), 2, self.err)
            self.assertIn("consumers.c: this consumer has no key", self.err)
            self.assertIn("note: secrets are hidden, as 'aigw show' prints them", self.err)

    def test_names_that_look_made_by_a_machine(self) -> None:
        """As imported ones do: they stand in headers anyway, and hidden ones would name nothing, or one twice."""
        name = "3f2504e04f8911d39a0c0305e82c3301"
        text = f"""
            [secrets.{name}]
            env = "X"
            [backends.{name}]
            provider = "openai"
            auth = {{ secret = "{name}" }}
            [models.{name}]
            aliases = ["ft:gpt-4o:one:8KbXyZabcdefghij1234", "ft:gpt-4o:two:8KbXyZabcdefghij5678"]
            targets = [{{ backend = "{name}", model = "ft:gpt-4o:one:8KbXyZabcdefghij1234" }}]
            [models.other]
            targets = [{{ backend = "{name}" }}]
            fallback = ["{name}"]
            [routes.{name}]
            model = "{name}"
            auth = "{name}"
            [auth.{name}]
            anonymous = "{name}"
            [consumers.{name}]
            routes = ["{name}"]
            groups = ["{name}"]
        """
        self.assertEqual(self.run_aigw("show", self.write(text)), 0, self.err)
        self.assertNotIn("***", self.out)
        self.assertEqual((self.check(self.out, "--no-secrets"), self.out), (0, "OK\n"))

    def test_examples_of_the_house(self) -> None:
        """What is complete passes as it is."""
        for name in ("etc/demo.toml", "etc/gateway.toml"):
            path = Path(aigw.__file__).parent.parent / name
            self.assertEqual(self.run_aigw("show", path), 0)
            self.assertEqual(self.check(self.out, "--no-secrets"), 0, self.out)
            self.assertNotIn("warning", self.err)

    def test_is_not_served(self) -> None:
        """A file is: whoever knew what is printed in place of a key could come in."""
        for arguments in (("check",), ("show",)):
            self.assertEqual(self.run_aigw(*arguments, self.write(self.shown())), 1)
            said = self.out + self.err
            for key in ("backends.echo.auth.inline", "consumers.a.keys[0]", "consumers.a.keys[1].key"):
                self.assertIn(f"{key}: is not the secret itself, but what 'aigw show' prints in its place", said)
            self.assertIn("consumers.b.keys[1]", said)
            self.assertIn("consumers.c.backends.echo.headers.set.x-key", said)

    def test_stars_elsewhere_are_a_text(self) -> None:
        """A Markdown rule is a usual stop sequence."""
        path = self.write(BACKEND.replace('provider = "echo"\n', 'provider = "echo"\ndefaults = { stop = ["***"] }\n'))
        self.assertEqual((self.run_aigw("check", path), self.out), (0, "OK\n"))


class OutputTests(CommandTestCase):
    """Standard output that takes nothing."""

    def test_full(self) -> None:
        """One line that says why, and status 1: for every command, --help and --version among them."""
        forgotten: list[int] = []
        self.patch(printing.os, "dup2", lambda one, other: forgotten.append(other))
        path = self.write(BACKEND)
        for arguments in (("show", path), ("check", path), ("diff", path, path), ("--version",), ("show", "--help")):
            self.assertEqual(self.run_aigw(*arguments, stream=Full), 1, arguments)
            self.assertEqual(self.err, "aigw: standard output cannot be written: No space left on device\n", arguments)
        self.assertEqual(forgotten, [1] * 5)

    def test_full_at_once(self) -> None:
        """As with PYTHONUNBUFFERED, which images for containers set."""
        self.patch(printing.os, "dup2", lambda one, other: None)
        for arguments in (("--help",), ("check", "--help"), ("--version",), ("key",)):
            self.assertEqual(self.run_aigw(*arguments, stream=FullAtOnce), 1, arguments)
            self.assertEqual(self.err, "aigw: standard output cannot be written: No space left on device\n", arguments)

    def test_closed(self) -> None:
        """``aigw show FILE >&-``: there is no stream at all."""
        path = self.write(BACKEND)
        before = sys.stdout, sys.stderr
        try:
            for stderr in (io.StringIO(), None):
                sys.stdout, sys.stderr = None, stderr
                self.assertEqual(cli.main(["show", str(path)]), 1)
                if stderr is not None:
                    self.assertEqual(stderr.getvalue(), "aigw: standard output is closed\n")
        finally:
            sys.stdout, sys.stderr = before


class VersionTests(CommandTestCase):
    """``aigw --version``."""

    def test_says_whether_it_is_compiled(self) -> None:
        for origin, kind in (("/x/bounded_cache.py", "interpreted"), ("/x/bounded_cache.cpython-311-x.so", "compiled")):
            self.patch(version, "find_spec", lambda name, origin=origin: ModuleSpec(name, None, origin=origin))
            self.assertEqual(self.run_aigw("--version"), 0)
            self.assertEqual(self.out, f"aigw {aigw.__version__} ({kind})\n")


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
        self.assertEqual(self.run_aigw("key", *name), 0)
        (key,) = re.findall(r"(?m)^aigw_[\w-]{32}$", self.err)
        self.assertNotIn(key, self.out)
        return key, self.out

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

    def test_appended_to_a_file(self) -> None:
        """``aigw key my-app >> gateway.toml``, also where the file's last line has no line feed."""
        path = self.write(BACKEND.rstrip())
        key, lines = self.made("my-app")
        path.write_text(path.read_text() + lines)
        (found,) = load(path).consumers["my-app"].keys
        self.assertEqual(found.digest, hashlib.sha256(key.encode()).hexdigest())

    def test_no_key_where_its_digest_is_lost(self) -> None:
        self.patch(printing.os, "dup2", lambda one, other: None)
        self.assertEqual(self.run_aigw("key", "my-app", stream=Full), 1)
        self.assertNotIn("aigw_", self.err)

    def test_no_two_are_alike(self) -> None:
        self.assertEqual(len({cli.make_key() for _ in range(100)}), 100)

    def test_a_name_that_is_none(self) -> None:
        self.assertEqual((self.run_aigw("key", "my app\n"), self.out), (2, ""))


class ImportTests(CommandTestCase):
    """``aigw import FILE…``."""

    def page(self, *paths: str) -> Path:
        """A Kong file with a route for each path."""
        routes = "".join(f"  - {{name: r{index}, paths: [{path}]}}\n" for index, path in enumerate(paths))
        return self.write(KONG + routes, "kong.yaml")

    def test_toml_on_stdout_and_words_on_stderr(self) -> None:
        path = self.page("/x")
        self.assertEqual(self.run_aigw("import", path), 0)
        settings = self.load(self.out, {"X": "sk-x"})
        self.assertEqual(settings.backends["s"].model, "gpt-4o")
        self.assertEqual(settings.routes["r0"].paths, ("/x",))
        self.assertRegex(self.err, rf"(?m)^{path}:10: warning: route r0: nobody is asked for a key")
        self.assertRegex(self.err, rf"(?m)^{path}:4: note: service s: url: ")

    def test_secrets_stay_out_of_stderr(self) -> None:
        path = self.write(KONG.replace("Bearer $X", "Bearer sk-abc123") + "  - paths: [/x]\n", "kong.yaml")
        self.assertEqual(self.run_aigw("import", path), 0)
        self.assertIn('inline = "sk-abc123"', self.out)
        self.assertNotIn("sk-abc123", self.err)

    def test_standard_input(self) -> None:
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(self.page("/x").read_bytes())))
        self.assertEqual(self.run_aigw("import", "-"), 0)
        self.assertIn("stdin:10: warning: ", self.err)

    def test_very_many_notes(self) -> None:
        """A dump of a database has thousands that say the same."""
        consumers = "".join(f"- {{username: c{number}, custom_id: x}}\n" for number in range(100))
        path = self.write(f"consumers:\n{consumers}")
        self.assertEqual(self.run_aigw("import", self.page("/x"), path), 0)
        self.assertEqual(self.err.count(": custom_id: "), 30)
        self.assertIn("note: 70 more: aigw knows a consumer by one name only\n", self.err)

    def test_several_files(self) -> None:
        """References go across files."""
        consumer = self.write('_format_version: "3.0"\nconsumers: [{username: c, keyauth_credentials: [{key: k1}]}]\n')
        auth = self.write("plugins: [{name: key-auth}]\n")
        self.assertEqual(self.run_aigw("import", self.page("/x"), consumer, auth), 0)
        settings = self.load(self.out, {"X": "sk-x"})
        self.assertEqual((settings.routes["r0"].auth, list(settings.consumers)), ("key", ["c"]))

    def test_strict(self) -> None:
        """Nothing that differs from what was there: no output, and the warnings as errors."""
        self.assertEqual((self.run_aigw("import", "--strict", self.page("/x")), self.out), (1, ""))
        self.assertIn("nobody is asked for a key", self.err)

    def test_digests(self) -> None:
        path = self.write("consumers: [{username: c, keyauth_credentials: [{key: k1}]}]\nplugins: [{name: key-auth}]\n")
        self.assertEqual(self.run_aigw("import", "--digests", self.page("/x"), path), 0)
        self.assertIn(f'keys = ["sha256:{hashlib.sha256(b"k1").hexdigest()}"]', self.out)
        self.assertNotIn("plain text", self.err)

    def test_what_cannot_be_read(self) -> None:
        bad = self.write("a: [", "bad.yaml")
        self.assertEqual((self.run_aigw("import", bad), self.out), (1, ""))
        self.assertRegex(self.err, rf"^{bad}:\d: not YAML: ")
        self.assertEqual((self.run_aigw("import", "nowhere.yaml"), self.out), (1, ""))
        self.assertEqual(self.err, "nowhere.yaml: cannot be read: No such file or directory\n")
        latin = self.write("")
        latin.write_bytes(b"a\n\xe4")
        self.assertEqual((self.run_aigw("import", latin), self.err), (1, f"{latin}:2: not UTF-8\n"))

    def test_faults_of_the_whole_name_their_origin(self) -> None:
        """Such as two routes that cannot be told apart: said of the input, not of what nobody will see."""
        self.compiled = [Problem("gateway.toml", 3, "routes.r1", "cannot be told apart from route r0")]
        path = self.page("/x", "/x")
        self.assertEqual((self.run_aigw("import", path), self.out), (1, ""))
        self.assertEqual(self.err, f"{path}:11: route r1: routes.r1: cannot be told apart from route r0\n")

    def test_json(self) -> None:
        self.assertEqual((self.run_aigw("import", "--json", self.page("/x")), self.err), (0, ""))
        found = json.loads(self.out)
        self.assertEqual(sorted(found), ["notes", "toml", "warnings"])
        self.assertEqual(found["warnings"][0]["line"], 10)
        self.assertIn("[routes.r0]", found["toml"])

    def test_colour(self) -> None:
        self.patch(cli.os, "environ", {})
        self.assertEqual(self.run_aigw("import", self.page("/x"), stream=Terminal), 0)
        self.assertIn("\x1b[36m[routes.r0]\x1b[0m\n", self.out)
        self.assertIn("\x1b[33m", self.err)


class JsonTests(CommandTestCase):
    """``--json``: one object on stdout, nothing on stderr, the same exit status."""

    def found(self, *arguments: object, status: int = 0) -> Any:
        self.assertEqual((self.run_aigw(*arguments, "--json"), self.err), (status, ""), self.out)
        return json.loads(self.out)

    def test_check(self) -> None:
        good = self.write(BACKEND + "[consumers.c]\nkeys = ['secret-key']\n")
        found = self.found("check", good)
        self.assertEqual((found["ok"], found["errors"]), (True, []))
        (warning,) = found["warnings"]
        self.assertEqual((warning["file"], warning["line"], warning["key"]), (str(good), 8, "consumers.c.keys[0]"))
        self.assertNotIn("secret-key", self.out)
        strict = self.found("check", "--strict", good, status=1)
        self.assertEqual((strict["ok"], strict["errors"], strict["warnings"]), (False, [warning], []))
        bad = self.found("check", self.write("x = 1"), status=1)
        self.assertEqual((bad["ok"], bad["errors"][0]["key"]), (False, "x"))

    def test_show(self) -> None:
        found = self.found("show", self.write(BACKEND + "[consumers.c]\nkeys = ['secret-key']\n"))
        self.assertEqual(found["consumers"]["c"]["keys"], ["***"])
        self.assertEqual(found["server"]["workers"], 1)

    def test_diff(self) -> None:
        old, new = self.write(BACKEND), self.write(BACKEND + "[consumers.b]\n[server]\nmax_in_flight = 2\n")
        self.assertEqual(
            self.found("diff", old, new)["differences"],
            [
                {"change": "changed", "entity": "server", "keys": ["max_in_flight: 0 -> 2"]},
                {"change": "added", "entity": "consumers.b", "keys": []},
            ],
        )
        self.assertEqual(self.found("diff", old, old), {"differences": []})

    def test_key(self) -> None:
        found = self.found("key", "my-app")
        self.assertEqual(found["digest"], f"sha256:{hashlib.sha256(found['key'].encode()).hexdigest()}")
        self.assertEqual(found["consumer"], "my-app")

    def test_errors(self) -> None:
        """Commands that need a good file say what is wrong with a bad one in the same way."""
        bad = self.write("x = 1")
        for arguments in (("show", bad), ("diff", bad, bad), ("import", bad)):
            (error,) = self.found(*arguments, status=1)["errors"]
            self.assertEqual(error["file"], str(bad), arguments)


class UsageTests(CommandTestCase):
    """The command line itself."""

    def test_wrong_usage(self) -> None:
        for arguments in ((), ("chek", "x"), ("check",), ("diff", "a"), ("check", "a", "--strickt")):
            self.assertEqual((self.run_aigw(*arguments), self.out), (2, ""), arguments)

    def test_help_names_every_command(self) -> None:
        self.assertEqual(self.run_aigw("--help"), 0)
        for command in ("run", "check", "show", "diff", "key", "import"):
            self.assertIn(f"    {command} ", self.out)
