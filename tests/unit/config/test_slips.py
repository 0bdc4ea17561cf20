"""What is valid and most likely not meant."""

from __future__ import annotations

import pathlib

from tests.unit.config.files import BACKEND, FileTestCase


class VariableTests(FileTestCase):
    """variables."""

    def test_credentials(self) -> None:
        """As shells, decK and LiteLLM write them; nothing is replaced, so the provider would get this text."""
        for written in ("$MY_KEY", "${MY_KEY}", "Bearer $MY_KEY", "os.environ/MY_KEY", '${{ env \\"MY_KEY\\" }}'):
            text = BACKEND.replace('provider = "echo"\n', f'provider = "openai"\nauth = {{ inline = "{written}" }}\n')
            found = [message for key, message in self.warnings(text) if key == "backends.echo.auth.inline"]
            self.assertEqual(len(found), 2, found)  # in plain text, too
            (message,) = [message for message in found if "variable" in message]
            self.assertIn('[secrets] NAME = { env = "MY_KEY" }, then auth = { secret = "NAME" }', message)

    def test_anywhere(self) -> None:
        """In a consumer's keys, in headers, in paths of files."""
        text = BACKEND.replace('"echo"\n[', '"echo"\nheaders = { set = { x-team = "$TEAM" } }\n[')
        text += "[consumers.c]\nkeys = ['${APP_KEY}']\n"
        found = [key for key, message in self.warnings(text) if "is a variable, which this file does not" in message]
        self.assertEqual(found, ["backends.echo.headers.set.x-team", "consumers.c.keys[0]"])

    def test_dollars_that_are_none(self) -> None:
        """Regular expressions end with them; texts for models are the models'."""
        text = BACKEND.replace('"echo"\n[', '"echo"\ndefaults = { user = "$USER" }\n[')
        self.assertEqual(self.warnings(text + "paths = ['~^/v[0-9]$', '/a$b']\n"), [])

    def test_name_of_the_variable(self) -> None:
        problem = self.problem(BACKEND + "[secrets]\ns = { env = '$MY_KEY' }\n")
        self.assertEqual(
            problem.message, 'the environment variable $MY_KEY is not set (env = "MY_KEY", its name alone)'
        )


class InTheClearTests(FileTestCase):
    """in_the_clear."""

    def warned(self, url: str) -> bool:
        text = BACKEND.replace('provider = "echo"', f'provider = "openai-compatible"\nurl = "{url}"')
        return any("unencrypted (https://)" in message for key, message in self.warnings(text))

    def test_public(self) -> None:
        for url in (
            "http://api.openai.com/v1",
            "HTTP://api.mistral.ai",
            "http://8.8.8.8:8000",
            "http://[2606:4700::1]/v1",
        ):
            self.assertTrue(self.warned(url), url)

    def test_private_or_encrypted(self) -> None:
        for url in (
            "https://api.openai.com/v1", "http://localhost:11434", "http://gpu:8000/v1", "http://127.0.0.1:1",
            "http://10.0.0.20:8000/v1", "http://[::1]:8000", "http://[fd00::1]/v1", "http://vllm.llm.svc.cluster.local/v1",
            "http://gpu.internal:80/v1", "http://169.254.1.1", "http://vllm.llm.svc:8000", "http://box.home.arpa",
        ):  # fmt: skip
            self.assertFalse(self.warned(url), url)


class ListenerTests(FileTestCase):
    """shared_port."""

    def test_one_port_of_two_addresses(self) -> None:
        text = BACKEND + "[server]\nlisten = ['tcp:9000:interface=127.0.0.2']\nadmin = 'tcp:9000:interface=127.0.0.1'\n"
        ((key, message),) = self.warnings(text)
        self.assertEqual(
            (key, message), ("server.admin", "has port 9000 of a listener for clients, too (a port of its own)")
        )

    def test_ports_of_their_own(self) -> None:
        for server in ("", "admin = 'off'", "listen = ['tcp:0']\nadmin = 'tcp:0'", "admin = 'unix:/run/a'"):
            self.assertEqual(self.warnings(f"{BACKEND}[server]\n{server}\n"), [], server)


class FolderTests(FileTestCase):
    """missing_folder."""

    def test_missing(self) -> None:
        path = self.write(BACKEND + "[server]\naccess_log = 'logs/access.log'\n")
        (warning,) = self.load_path(path)
        folder = pathlib.Path(path).absolute().parent / "logs"
        self.assertEqual(warning, f"there is no folder {folder}, so the gateway would not start (mkdir {folder})")
        folder.mkdir()
        self.assertEqual(self.load_path(path), [])

    def load_path(self, path: pathlib.Path) -> list[str]:
        from aigw.config.settings import load

        return [warning.message for warning in load(path, {}).warnings]

    def test_no_file(self) -> None:
        for log in ("-", "off"):
            self.assertEqual(self.warnings(f"{BACKEND}[server]\naccess_log = '{log}'\n"), [])


class QuotingTests(FileTestCase):
    """[models.gpt-4.1] is a table in another."""

    def only(self, text: str) -> tuple[str, str]:
        problem = self.problem(text)
        return problem.key, problem.message

    def test_models(self) -> None:
        routes = "[routes.r]\npaths = ['/r']\nauth = 'none'\n"
        for name, key in (
            ("gpt-4.1", "models.gpt-4.1"),
            ("qwen2.5-72b", "models.qwen2.5-72b"),
            ("a.b.c", "models.a.b.c"),
        ):
            found = self.only(BACKEND + routes + f"[models.{name}]\ntargets = [{{ backend = 'echo' }}]\n")
            said = f'is part of a name with a dot: write it in quotes ([models."{name}"])'
            self.assertEqual(found, (key, said))

    def test_beside_one_that_is_whole(self) -> None:
        """Only the torn one is wrong."""
        text = "[models.gpt-4]\ntargets = [{ backend = 'echo' }]\n[models.gpt-4.1]\ntargets = [{ backend = 'echo' }]\n"
        self.assertEqual(self.only(BACKEND + text)[0], "models.gpt-4.1")

    def test_others(self) -> None:
        """Whatever has names: consumers, routes, backends, secrets, ways to recognise."""
        for text, name in (
            (f"[consumers.my.app]\nkeys = ['sha256:{'ab' * 32}']\n", 'consumers."my.app"'),
            ("[routes.my.route]\nbackend = 'echo'\npaths = ['/x']\n", 'routes."my.route"'),
            ("[backends.my.own]\nprovider = 'echo'\n", 'backends."my.own"'),
            ("[secrets]\nmy.own = { file = 'x' }\n", 'secrets."my.own"'),
            ("[auth.my.own]\nbearer = false\n", 'auth."my.own"'),
        ):
            key, message = self.only(BACKEND + text)
            self.assertEqual(message, f"is part of a name with a dot: write it in quotes ([{name}])", key)

    def test_misspelt_tables_are_no_names(self) -> None:
        """What was probably meant comes first."""
        text = "[routes.r]\npaths = ['/r']\n[models.m]\ntargets = [{ backend = 'echo' }]\n[models.m.brekaer]\nfailures = 1\n"
        key, message = self.only(BACKEND + text)
        self.assertEqual((key, message), ("models.m.brekaer", "unknown key (did you mean breaker?)"))
