"""The effective configuration and the differences of two: complete, readable, without a secret."""

from __future__ import annotations

import hashlib
import tomllib
from typing import Any

from aigw.config.differences import Difference, differences
from aigw.config.effective import effective, shown
from aigw.config.settings import load
from tests.unit.config.files import BACKEND, FileTestCase

SECRET = "sk-4f9a-very-secret"
FULL = f"""
[server]
listen = ["tcp:8000", "unix:/run/aigw.sock"]
trusted_proxies = ["10.0.0.0/8"]
[secrets]
s = {{ env = "S" }}
[backends."a.b"]
provider = "openai"
auth = {{ inline = "{SECRET}1" }}
overrides = {{ temperature = 1.0, stop = ["a", {{ b = 1 }}], metadata = {{ api-key = "{SECRET}2" }} }}
headers = {{ set = {{ x-team = "{SECRET}3" }}, remove = ["x-foo"] }}
timeouts = {{ connect = "500ms" }}
[backends.echo]
provider = "echo"
[models."gpt-*"]
targets = [{{ backend = "a.b", weight = 2 }}, {{ backend = "echo", priority = 1 }}]
[routes.all]
paths = ["~^/v\\\\d/"]
headers = {{ x-tenant = ["a", "b"] }}
[consumers.c]
keys = ["{SECRET}4", "sha256:{"ab" * 32}", {{ key = "sha256:{"cd" * 32}", expires = 2030-01-01T00:00:00Z }}]
[consumers.c.backends."a.b"]
auth = {{ inline = "{SECRET}5" }}
"""


class ShowTests(FileTestCase):
    """``aigw show``."""

    def test_it_is_toml_with_all_defaults(self) -> None:
        tables = tomllib.loads(shown(self.load(FULL, {"S": SECRET})))
        self.assertEqual(tables["server"]["drain_timeout"], "30s")
        self.assertEqual(tables["server"]["trusted_proxies"], ["10.0.0.0/8"])
        self.assertEqual(tables["backends"]["a.b"]["timeouts"]["connect"], "500ms")
        self.assertEqual(tables["backends"]["a.b"]["timeouts"]["total"], "10m")
        self.assertEqual(tables["auth"]["key"]["key_names"][0], "apikey")
        self.assertEqual(tables["routes"]["all"]["auth"], "key")

    def test_no_secret(self) -> None:
        text = shown(self.load(FULL, {"S": SECRET}))
        self.assertNotIn(SECRET, text)
        tables = tomllib.loads(text)
        backend, consumer = tables["backends"]["a.b"], tables["consumers"]["c"]
        self.assertEqual(backend["auth"]["inline"], "***")
        self.assertEqual(backend["overrides"]["metadata"], {"api-key": "***"})
        self.assertEqual(backend["headers"]["set"], {"x-team": "***"})
        self.assertEqual(consumer["backends"]["a.b"]["auth"]["inline"], "***")
        self.assertEqual(consumer["keys"][:2], ["***", "sha256:abababab…"])
        self.assertEqual(consumer["keys"][2]["key"], "sha256:cdcdcdcd…")

    def test_it_is_the_configuration(self) -> None:
        """What is shown comes to the same settings, where nothing had to be hidden."""
        text = FULL[: FULL.index("[consumers.c]")].replace(SECRET, "")
        for hidden in ('auth = { inline = "1" }\n', ', metadata = { api-key = "2" }', 'set = { x-team = "3" }, '):
            self.assertIn(hidden, text)
            text = text.replace(hidden, "")
        before = self.load(text, {"S": "x"})
        after = self.load(shown(before), {"S": "x"})
        self.assertEqual(effective(after), effective(before))
        self.assertEqual(after.models, before.models)
        self.assertEqual(after.backends, before.backends)


class UnsaidTests(FileTestCase):
    """What is a secret although nobody says so; in ``aigw show``, ``aigw diff`` and what Python prints."""

    TEXT = """
        [backends.b]
        provider = "openai-compatible"
        url = "https://gateway.example/{0}8f3a9c1b7d2e4f60a8f3a/v1"
        defaults = {{ accessToken = "{0}1", extra_body = {{ credentials = {{ user = "{0}2", list = ["{0}3"] }} }} }}
        overrides = {{ clientSecret = "{0}4", note = "sk-{0}0123456789abcdef", stop = ["end"] }}
        headers = {{ set = {{ x-team = "{0}5" }} }}
        auth = {{ secret = "s", prefix = "Basic {0}0123456789abcdef " }}
        [secrets]
        s = {{ env = "S_8f3a9c1b7d2e4f60a8f3a9c1b7d2e4f60a" }}
        [routes.r]
        paths = ["/r"]
        backend = "b"
        headers = {{ x-gateway-secret = ["{0}6"], x-tenant = ["one"] }}
        [consumers.c.backends.b]
        overrides = {{ api_key = "{0}7" }}
        headers = {{ set = {{ authorization-2 = "{0}8" }} }}
    """

    def settings(self, mark: str) -> Any:
        return load(self.write(BACKEND + self.TEXT.format(mark)), {}, read_secrets=False)

    def test_shown(self) -> None:
        text = shown(self.settings("q7"))
        self.assertNotIn("q7", text)
        tables = tomllib.loads(text)
        backend = tables["backends"]["b"]
        self.assertEqual(backend["url"], "https://gateway.example/***/v1")
        self.assertEqual(backend["overrides"]["stop"], ["end"])
        self.assertEqual(tables["routes"]["r"]["headers"], {"x-gateway-secret": ["***"], "x-tenant": ["one"]})
        self.assertEqual(tables["secrets"]["s"]["env"], "S_8f3a9c1b7d2e4f60a8f3a9c1b7d2e4f60a")

    def test_compared(self) -> None:
        found = repr(list(differences(self.settings("q7"), self.settings("q9"))))
        self.assertNotIn("q7", found)
        self.assertNotIn("q9", found)
        for key in ("overrides.clientSecret: changed", "url: changed", "headers.x-gateway-secret: changed"):
            self.assertIn(key, found)

    def test_printed(self) -> None:
        """Tracebacks show settings by their repr."""
        settings = self.settings("q7")
        for table in (settings.backends["b"], settings.routes["r"], settings.consumers["c"]):
            self.assertNotIn("q7", repr(table).replace(str(getattr(table, "url", "")), ""))


class DiffTests(FileTestCase):
    """``aigw diff``."""

    def diff(self, old: str, new: str) -> list[Difference]:
        one, two = (load(self.write(BACKEND + text), {}, read_secrets=False) for text in (old, new))
        return list(differences(one, two))

    def test_spelling_a_default_out_is_no_difference(self) -> None:
        self.assertEqual(self.diff("", "[server]\ndrain_timeout = '30s'\n[auth.key]\n"), [])

    def test_entities_added_and_removed(self) -> None:
        found = self.diff("[consumers.old]\n", "[consumers.new]\n[auth.a]\n")
        self.assertEqual(
            found,
            [Difference("+", "auth.a"), Difference("-", "consumers.old"), Difference("+", "consumers.new")],
        )

    def test_changed_keys_with_both_values(self) -> None:
        found = self.diff(
            "[server]\nmax_in_flight = 1\n[backends.b]\nprovider = 'openai'\noverrides = { top_p = 1 }\n",
            "[server]\nmax_in_flight = 2\n[backends.b]\nprovider = 'openai'\ntimeouts = { idle = 5 }\n",
        )
        self.assertEqual(
            found,
            [
                Difference("~", "server", ("max_in_flight: 1 -> 2",)),
                Difference("~", "backends.b", ("overrides.top_p: 1 -> (none)", 'timeouts.idle: "1m" -> "5s"')),
            ],
        )

    def test_secrets_are_only_changed(self) -> None:
        template = """
            [backends.b]
            provider = "openai"
            auth = {{ inline = "{0}" }}
            headers = {{ set = {{ x-a = "{0}" }} }}
            [consumers.c]
            keys = ["{0}"]
        """.replace("            ", "")
        found = self.diff(template.format(SECRET), template.format(SECRET + "2"))
        self.assertEqual(
            found,
            [
                Difference("~", "backends.b", ("auth.inline: changed", "headers.set.x-a: changed")),
                Difference("~", "consumers.c", ("keys: changed",)),
            ],
        )

    def test_digests_are_told_apart(self) -> None:
        """Even two that are shown alike."""

        def text(digest: str) -> str:
            return f"[consumers.c]\nkeys = ['sha256:{digest}']\n"

        (one,) = self.diff(text("ab" * 32), text("cd" * 32))
        self.assertEqual(one.keys, ('keys: ["sha256:abababab…"] -> ["sha256:cdcdcdcd…"]',))
        (two,) = self.diff(text("ab" * 32), text("ab" * 31 + "cd"))
        self.assertEqual(two.keys, ("keys: changed",))

    def test_a_key_that_is_no_longer_plain_text(self) -> None:
        """The same key, written otherwise, is a difference of the file that names neither."""
        digest = hashlib.sha256(b"plain-key").hexdigest()
        found = self.diff("[consumers.c]\nkeys = ['plain-key']\n", f"[consumers.c]\nkeys = ['sha256:{digest}']\n")
        self.assertEqual(found[0].entity, "consumers.c")
        self.assertNotIn("plain-key", repr(found))
        self.assertNotIn(digest, repr(found))

    def test_order_of_regular_expressions(self) -> None:
        """It decides which one wins."""
        routes = ["[routes.a]\nbackend = 'echo'\npaths = ['~a']\n", "[routes.b]\nbackend = 'echo'\npaths = ['~b']\n"]
        (found,) = self.diff("".join(routes), "".join(reversed(routes)))
        self.assertEqual((found.sign, found.entity), ("~", "routes"))

    def test_names_are_written_as_in_the_file(self) -> None:
        found: Any = self.diff("", "[models.'gpt-4.1']\ntargets = [{ backend = 'echo' }]\n")
        self.assertEqual(found[0].entity, 'models."gpt-4.1"')
