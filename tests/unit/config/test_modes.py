"""``aigw check`` says where everybody on the machine can read secrets."""

from __future__ import annotations

from pathlib import Path

from aigw.config.modes import opened_to_others
from aigw.config.settings import load
from tests.unit.config.files import BACKEND, FileTestCase

TOKEN = "\n[backends.b]\nprovider = 'openai'\nauth = { inline = 'x' }\n[routes.b]\npaths = ['/b']\nbackend = 'b'\n"


class ModeTests(FileTestCase):
    """Modes of files."""

    def said(self, path: Path) -> dict[str, str]:
        """Places and warnings about modes."""
        warnings = load(path, {}, read_secrets=False).warnings
        return {warning.key: warning.message for warning in warnings if "everybody" in warning.message}

    def entered_by_all(self, path: Path) -> Path:
        """``path`` in directories that others may enter; the checkout itself may be closed to them."""
        if not all(around.stat().st_mode & 0o001 for around in path.resolve().parents):
            self.patch(Path, "parents", property(lambda path: [path.parent]))
        return path

    def test_a_configuration_with_secrets(self) -> None:
        """Of any kind that is one: tokens, keys, credentials among headers and fields."""
        for secret in (
            TOKEN,
            "\n[consumers.a]\nkeys = ['plain']\n",
            TOKEN.replace("auth = { inline = 'x' }", "headers = { set = { x-api-key = 'x' } }"),
            TOKEN.replace("auth = { inline = 'x' }", "overrides = { metadata = { token = 'x' } }"),
        ):
            path = self.entered_by_all(self.write(BACKEND + secret))
            self.assertEqual(self.said(path), {})
            for mode, can in ((0o644, "can read it"), (0o602, "can change it"), (0o666, "can read and change it")):
                path.chmod(mode)
                (message,) = self.said(path).values()
                self.assertIn(f"everybody on this machine {can} (mode {mode:04o}; chmod o-rw)", message)

    def test_a_configuration_without_secrets(self) -> None:
        """Is nobody's secret."""
        path = self.entered_by_all(self.write(BACKEND))
        path.chmod(0o644)
        self.assertEqual(self.said(path), {})

    def test_the_group_may_read(self) -> None:
        path = self.entered_by_all(self.write(BACKEND + TOKEN))
        path.chmod(0o640)
        self.assertEqual(self.said(path), {})

    def test_files_of_secrets(self) -> None:
        """By their places in the configuration, also through links."""
        path = self.entered_by_all(
            self.write(BACKEND + "[secrets]\na = { file = 'a' }\nb = { file = 'link' }\nc = { file = 'c' }")
        )
        for name, mode in (("a", 0o644), ("b", 0o604), ("c", 0o640)):
            file = path.parent / name
            file.write_text("secret")
            file.chmod(mode)
        (path.parent / "link").symlink_to("b")
        self.assertEqual(sorted(self.said(path)), ["secrets.a.file", "secrets.b.file"])

    def test_keys_of_listeners(self) -> None:
        directory = self.entered_by_all(self.write(BACKEND)).parent.absolute()
        for name, mode in (("one.pem", 0o644), ("two.pem", 0o600), ("three.txt", 0o644)):
            (directory / name).write_text("key")
            (directory / name).chmod(mode)
        listen = f"[server]\nlisten = ['tls:{directory}:8443', 'ssl:8444:privateKey={directory}/one.pem', 'ssl:8445']\n"
        path = self.entered_by_all(self.write(listen + BACKEND))
        said = self.said(path)
        self.assertEqual(sorted(said), ["server.listen[0]", "server.listen[1]"])
        self.assertIn("private key in one.pem", said["server.listen[0]"])

    def test_a_directory_that_others_may_not_enter(self) -> None:
        """Closes what is in it."""
        path = self.write(BACKEND + TOKEN)
        path.chmod(0o644)
        path.parent.chmod(0o750)
        self.assertIsNone(opened_to_others(path))

    def test_what_is_not_there(self) -> None:
        self.assertIsNone(opened_to_others(Path(self.mktemp())))
        self.assertIsNone(opened_to_others(Path("/")))
