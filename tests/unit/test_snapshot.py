"""What a configuration comes to when it is put together."""

from __future__ import annotations

from aigw.redaction import Redactor
from aigw.snapshot import secrets_of
from tests.unit.config.files import BACKEND, FileTestCase


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
