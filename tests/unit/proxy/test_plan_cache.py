"""Plans: what route, model and backend say, merged; and what a probe asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial import unittest

from aigw.config.settings import load
from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.proxy.plan import Timeouts
from aigw.proxy.plan_cache import PlanCache
from tests.unit.proxy.fakes import FakeUpstream, make_candidate

CONFIG = """
[backends.one]
provider = "openai"
timeouts = { connect = 1, first_byte = 2, first_token = 3, idle = 4, total = 5 }
[backends.claude]
provider = "anthropic"
auth = { inline = "sk-ant-1" }
headers = { set = { x-team = "ml" } }
[backends.azure]
provider = "azure"
url = "https://a.openai.azure.com"
auth = { passthrough = true }
[backends.named]
provider = "openai"
auth = { inline = "sk-named-1", header = "X-Token" }
headers = { set = { X-Set-Key = "sk-set-12", x-plain = "plain-value" } }
overrides = { metadata = { password = "field-secret" } }
[backends.signed]
provider = "bedrock"
region = "eu-west-1"
auth = { access_key = "AKIAEXAMPLE", inline = "aws-secret" }
[consumers.c.backends.named]
auth = { inline = "sk-own-key", header = "x-own" }
headers = { set = { x-own-set-token = "sk-own-set" } }
[models.m]
targets = [{ backend = "one" }]
timeouts = { first_byte = 20, first_token = 30, idle = 40 }
[routes.plain]
paths = ["/plain"]
[routes.patient]
paths = ["/patient"]
timeouts = { first_token = 300, idle = 400, total = 500 }
[routes.second]
paths = ["/second"]
hosts = ["b.example"]
operation = "chat"
[routes.strict]
paths = ["/strict"]
streaming = "deny"
[routes.moved]
paths = ["/moved"]
rewrite = { prefix = "/elsewhere" }
"""


class PlanCacheTests(unittest.TestCase):
    """See the module's head."""

    def setUp(self) -> None:
        path = Path(self.mktemp())
        path.write_text(CONFIG)
        self.settings = settings = load(path)
        upstreams: dict[str, Any] = {name: FakeUpstream() for name in settings.backends}
        self.plans = PlanCache(settings, upstreams, frozenset(), KeyFilter(lambda key: False), lambda name: name, None)

    def test_routes_that_are_alike(self) -> None:
        """What makes plans differ keeps routes apart, and nothing else does."""
        names = ("plain", "second", "patient", "strict", "moved")
        self.assertEqual(
            [self.plans.plan_key(name) for name in names], ["plain", "plain", "patient", "strict", "moved"]
        )

    def test_equal_parts_of_plans_are_there_once(self) -> None:
        plain, moved, patient = (
            self.plans.plan(route, make_candidate("one"), None, "chat") for route in ("plain", "moved", "patient")
        )
        self.assertIs(plain.drop, moved.drop)
        self.assertIs(plain.timeouts, moved.timeouts)
        self.assertNotEqual(plain.timeouts, patient.timeouts)

    def timeouts(self, route: str, model: str | None) -> Timeouts:
        candidate = make_candidate("one")
        candidate.public_model = model
        return self.plans.plan(route, candidate, None, "chat").timeouts

    def test_timeouts(self) -> None:
        """The route's win over the model's, which win over the backend's; each by itself."""
        self.assertEqual(self.timeouts("plain", None), Timeouts(1, 2, 3, 4, 5))
        self.assertEqual(self.timeouts("plain", "m"), Timeouts(1, 20, 30, 40, 5))
        self.assertEqual(self.timeouts("patient", "m"), Timeouts(1, 20, 300, 400, 500))
        self.assertEqual(self.timeouts("patient", None), Timeouts(1, 2, 300, 400, 500))

    def test_the_header_of_the_credential_is_ours_alone(self) -> None:
        """The client's own stays behind: the one that ``auth`` names, the provider's usual one, each that is set; for a
        consumer with settings of its own as well."""
        own = Consumer(name="c", backends={"named": self.settings.consumers["c"].backends["named"]})
        for backend, consumer, ours in (
            ("named", None, (b"x-token", b"authorization", b"x-set-key")),
            ("named", own, (b"x-own", b"authorization", b"x-set-key", b"x-own-set-token")),
            ("claude", None, (b"x-api-key", b"x-team")),
            ("azure", None, (b"api-key", b"authorization")),
            ("signed", None, (b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256")),
        ):
            for operation in ("raw", "models") if backend != "signed" else ("raw",):
                plan = self.plans.plan("plain", make_candidate(backend), consumer, operation)
                headers = [(spelling, b"theirs") for name in ours for spelling in (name, name.replace(b"-", b"_"))]
                sent = plan.payload(b"GET", b"/", headers, b"", "id", None).data
                self.assertEqual(sent.count(b"theirs"), 1 if backend == "azure" else 0, (backend, sent))

    def test_secrets_of_a_plan(self) -> None:
        """The credential, and what looks like one among headers and fields that are set; shown by none."""
        own = Consumer(name="c", backends={"named": self.settings.consumers["c"].backends["named"]})
        for consumer, secrets in (
            (None, ("sk-named-1", "sk-set-12", "field-secret")),
            (own, ("sk-own-key", "sk-set-12", "field-secret", "sk-own-set")),
        ):
            plan = self.plans.plan("plain", make_candidate("named"), consumer, "raw")
            self.assertEqual(plan.secrets, secrets)
            told = plan.without_secrets(" ".join(secrets).encode())
            self.assertEqual(told.split(), [b"***"] * len(secrets))
            self.assertNotIn("sk-", repr(plan) + repr(plan.redactor))
        again = self.plans.plan("moved", make_candidate("named"), None, "raw")
        self.assertIs(again.redactor, self.plans.plan("plain", make_candidate("named"), None, "raw").redactor)

    def test_probes(self) -> None:
        """What calls have that say nothing; a client's own credential is nobody's to ask with."""
        question = self.plans.probe("claude").data
        self.assertTrue(question.startswith(b"GET /v1/models HTTP/1.1\r\nhost: api.anthropic.com\r\n"), question)
        self.assertTrue(question.endswith(b"\r\n\r\n"))
        for line in (b"x-api-key: sk-ant-1", b"anthropic-version: 2023-06-01", b"x-team: ml"):
            self.assertEqual(question.count(b"\r\n" + line + b"\r\n"), 1, line)
        question = self.plans.probe("azure").data
        self.assertTrue(question.startswith(b"GET /openai/models?api-version=2024-10-21 HTTP/1.1\r\n"), question)
        self.assertNotIn(b"api-key", question)
