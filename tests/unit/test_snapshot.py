"""What a configuration comes to when it is put together, and what of the one before it is taken over."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import trustme
from twisted.internet.testing import MemoryReactorClock
from twisted.trial import unittest

from aigw.config import files
from aigw.config.settings import load
from aigw.http.deadlines import Deadlines
from aigw.redaction import Redactor
from aigw.snapshot import Snapshot, secrets_of
from aigw.upstream.upstream import HttpUpstream
from tests.unit.config.files import BACKEND, FileTestCase

CONFIG = """
[server]
access_log = "off"
max_connections = 777
[backends.own]
provider = "openai-compatible"
url = "https://own.example/v1"
ca = "ca.pem"
{own}
[backends.public]
provider = "openai"
[backends.plain]
provider = "openai-compatible"
url = "http://plain.example/v1"
pool = {{ max_connections = 5 }}
[routes.all]
paths = ["/v1"]
backend = "own"
"""


class ConnectionTests(unittest.TestCase):
    """Upstreams over a reload."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.put_authority()
        self.reactor = MemoryReactorClock()
        self.deadlines = Deadlines(self.reactor)
        self.store = "one"
        self.snapshot: Snapshot | None = None

    def put_authority(self, authority: trustme.CA | None = None) -> bytes:
        pem = (authority or trustme.CA()).cert_pem.bytes()
        (self.folder / "ca.pem").write_bytes(pem)
        return pem

    def reload(self, own: str = "") -> dict[str, HttpUpstream]:
        """The upstreams that serve then."""
        path = self.folder / "gateway.toml"
        path.write_text(CONFIG.format(own=own))
        previous = self.snapshot
        with mock.patch.object(files, "system_authorities", lambda: self.store):
            self.snapshot = Snapshot.build(load(path, {}), previous, self.reactor, self.deadlines)
        if previous is not None:
            previous.retire(self.snapshot)
        return {key.name: upstream for key, upstream in self.snapshot.upstreams.items()}  # type: ignore[misc]

    def changed(self, before: dict[str, HttpUpstream], after: dict[str, HttpUpstream]) -> set[str]:
        return {name for name in before if before[name] is not after[name]}

    def test_nothing_changed(self) -> None:
        """A file that was written anew with the same content is the same."""
        before = self.reload()
        path = self.folder / "ca.pem"
        path.write_bytes(path.read_bytes())
        self.assertEqual(self.changed(before, self.reload()), set())

    def test_authority_is_exchanged(self) -> None:
        """The file's name stays; connections by the old one do not."""
        before = self.reload()
        self.put_authority()
        after = self.reload()
        self.assertEqual(self.changed(before, after), {"own"})
        self.assertTrue(before["own"].pool._retired)

    def test_the_machines_authorities_change(self) -> None:
        """For whoever relies on them, and nobody else."""
        before = self.reload()
        self.store = "two"
        self.assertEqual(self.changed(before, self.reload()), {"public"})

    def test_what_connections_outlive(self) -> None:
        """Timeouts and the number of connections hold for those that are there."""
        before = self.reload()
        pools = {name: upstream.pool for name, upstream in before.items()}
        self.assertEqual(
            {name: pool.max_connections for name, pool in pools.items()}, {"own": 777, "public": 777, "plain": 5}
        )
        self.assertEqual((pools["own"].silence, pools["own"].stall), (60, 1.25))
        tuned = 'timeouts = { connect = "8s", idle = "90s", first_byte = "3m" }\npool = { max_connections = 9 }'
        after = self.reload(tuned)
        self.assertEqual(self.changed(before, after), set())
        self.assertEqual((pools["own"].max_connections, pools["own"].silence, pools["own"].stall), (9, 90, 2))

    def test_refused_reload_tunes_nothing(self) -> None:
        """Before it is committed, a configuration touches nothing that serves."""
        before = self.reload()
        path = self.folder / "gateway.toml"
        path.write_text(CONFIG.format(own='timeouts = { idle = "90s" }'))
        Snapshot.build(load(path, {}), self.snapshot, self.reactor, self.deadlines)
        self.assertEqual(before["own"].pool.silence, 60)


class SecretsTests(FileTestCase):
    """What the log must not have."""

    def test_every_secret_of_a_configuration(self) -> None:
        """Those that say that they are, and those that do not: set headers, body fields, conditions of routes, parts of
        documents; a backend's and each consumer's."""
        settings = self.load(
            BACKEND
            + """
            [secrets]
            one = { env = "ONE" }
            account = { env = "ACCOUNT" }
            [backends.b]
            provider = "openai"
            auth = { inline = "secret-inline" }
            headers = { set = { x-api-key = "secret-header", x-team = "team-name" } }
            defaults = { metadata = { password = "secret-default" } }
            [routes.b]
            paths = ["/b"]
            backend = "b"
            headers = { x-token = ["secret-condition"], x-tenant = ["tenant-name"] }
            [consumers.c.backends.b]
            auth = { secret = "one" }
            overrides = { access_token = "secret-override" }
            headers = { set = { x-second-key = "secret-own" } }
            """.replace("            ", ""),
            {"ONE": "secret-one", "ACCOUNT": '{"type": "x", "private_key": "secret-private"}'},
        )
        redactor = Redactor(secrets_of(settings))
        for what in ("inline", "header", "default", "condition", "override", "own", "one", "private"):
            self.assertEqual(redactor.clean(f"a secret-{what} b"), "a *** b", what)
        self.assertEqual(redactor.clean("team-name tenant-name"), "team-name tenant-name")
        self.assertNotIn("secret-", repr(settings) + repr(redactor))
