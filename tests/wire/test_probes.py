"""Backends that are asked whether they are there, over real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor

from aigw.config.settings import load
from aigw.snapshot import Snapshot, check
from aigw.testing import Act, answers
from aigw.testing.said import READ
from tests.wire.faults import FRONTS
from tests.wire.stage import StageTestCase, wait

CONFIG = """
[backends.one]
provider = "openai"
url = "one_URL"
auth = { inline = "sk-provider" }
headers = { set = { x-team = "ml" } }
probe = "100ms"
[backends.two]
provider = "anthropic"
url = "two_URL"
auth = { inline = "sk-ant" }
probe = "100ms"
[models.m]
targets = [{ backend = "one" }, { backend = "two", priority = 1 }]
breaker = { failures = 2, cool_down = "1h" }
[routes.all]
paths = ["/v1"]
auth = "none"
"""


class ProbeTests(StageTestCase):
    """``probe`` of a backend."""

    def setUp(self) -> None:
        super().setUp()
        self.one, self.two = self.upstream("one"), self.upstream("two")
        self.serve(CONFIG)

    def is_out(self) -> bool:
        return self.snapshot.health_registry.is_out("one", self.deadlines.now())

    def states(self) -> set[str]:
        now = self.deadlines.now()
        return {
            breaker.state(now)
            for (target, _), breaker in self.snapshot.health_registry._breakers.items()
            if target[0] == "one"
        }

    async def test_what_it_asks(self) -> None:
        """For the list of models, with the credential of calls; over one connection."""
        for upstream, key, value in (
            (self.one, b"authorization", b"Bearer sk-provider"),
            (self.two, b"x-api-key", b"sk-ant"),
        ):
            request: Any = await upstream.request(3)
            self.assertEqual((request.method, request.path, request.body), (b"GET", b"/v1/models", b""))
            self.assertEqual(request.header(key), value)
            self.assertEqual(upstream.connections_made, 1)
        self.assertEqual(self.one.requests[0].header(b"x-team"), b"ml")
        self.assertEqual(self.two.requests[0].header(b"anthropic-version"), b"2023-06-01")
        self.assertEqual(self.outcomes(), {}, "a probe is no call")

    async def test_an_outage_costs_no_call(self) -> None:
        """It is noticed without one, and that it is over as well; a call closes the breaker."""
        self.one.standing = answers.raw(Act.RESET)
        await self.until(self.is_out)
        self.assertEqual(self.states(), {"open"})
        self.one.standing = answers.openai()
        await self.until(lambda: self.states() == {"half-open"})
        front = FRONTS["openai"]
        answered = await self.ask(front.request("m", False))
        self.assertEqual((answered.status, answered.headers["x-aigw-backend"]), (200, "one"))
        self.assertEqual(answered.json()["usage"]["prompt_tokens"], READ)
        self.assertFalse(self.is_out())

    async def test_reloads(self) -> None:
        """Each backend is asked by one configuration: the one that is served."""
        await self.one.request(1)
        same = self.built(CONFIG)
        same.retire(self.snapshot)  # it was not taken after all
        self.assertEqual((set(self.snapshot.probes), same.probes), ({"one", "two"}, {}))
        first, self.snapshot = self.snapshot, self.built(CONFIG.replace('probe = "100ms"', ""))
        first.retire(self.snapshot)
        self.assertEqual((first.probes, self.snapshot.probes), ({}, {}))
        count = len(self.one.requests)
        await wait(0.3)
        self.assertEqual(len(self.one.requests), count)

    def built(self, config: str) -> Snapshot:
        path = Path(self.mktemp())
        path.write_text(config.replace("one_URL", self.one.url).replace("two_URL", self.two.url))
        return Snapshot.build(load(path), self.snapshot, reactor, self.deadlines)

    def test_who_has_no_list_cannot_be_asked(self) -> None:
        """That is said when the configuration is checked."""
        path = Path(self.mktemp())
        path.write_text('[backends.talker]\nprovider = "echo"\nprobe = "5s"\n')
        (problem,) = check(load(path))
        self.assertIn("backends.talker.probe: provider echo has no list of models", str(problem))
