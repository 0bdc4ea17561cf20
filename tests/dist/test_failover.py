"""The running daemon when providers fail: what survives a reload, what metrics and the log tell, what is refused."""

from __future__ import annotations

import http.client
import re

import orjson
from twisted.internet.threads import deferToThread

from aigw.testing import ScriptedUpstream, answers
from tests.dist.daemon import Answer, Daemon, fetch
from tests.dist.raw import chat
from tests.dist.test_gateway import PROVIDER_KEY, GatewayTestCase, reactor

CONFIG = """
[server]
access_log = "{log}"

[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.one]
provider = "openai"
url = "{url}"
auth = {{ secret = "provider" }}
[backends.two]
provider = "openai"
url = "{second}"
auth = {{ secret = "provider" }}

[models.smart]
aliases = ["best", "gpt-*"]
targets = [{{ backend = "one", model = "gpt-4o" }}]
fallback = ["spare"]
breaker = {{ failures = 2, cool_down = "60s" }}
[models.spare]
targets = [{{ backend = "two", model = "gpt-4o-mini" }}]

[routes.chat]
paths = ["/v1"]

[consumers.one]
keys = ["consumer-key"]
"""


class FailoverTests(GatewayTestCase):
    """A model that falls back on another."""

    connection: http.client.HTTPConnection | None = None

    async def both(self, config: str = CONFIG) -> tuple[Daemon, ScriptedUpstream, ScriptedUpstream]:
        second = ScriptedUpstream(reactor)
        second.listen()
        self.addCleanup(second.stop)
        config = config.replace("{second}", second.url)
        daemon, first = await self.serve(config)
        return daemon, first, second

    async def ask(self, daemon: Daemon, model: str = "smart") -> Answer:
        """One call. All go over one connection: each worker learns for itself how targets do."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
            self.addCleanup(self.connection.close)
        return await deferToThread(self._call, self.connection, {**chat(), "model": model})

    def _call(self, connection: http.client.HTTPConnection, fields: object) -> Answer:
        connection.request("POST", "/v1/chat/completions", orjson.dumps(fields), {"apikey": "consumer-key"})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def each_says(self, words: str) -> str:
        """What a log matches in which all workers have said the words."""
        return "(?s)" + ".*".join([words] * self.workers)

    async def test_what_is_known_of_targets_survives_a_reload(self) -> None:
        """A breaker that is open stays open; the secondary serves all along, and no client gets an error."""
        daemon, first, second = await self.both()
        first.standing = answers.overloaded()
        for _ in range(3):
            self.assertEqual((await self.ask(daemon)).status, 200)
        self.assertEqual((len(first.requests), len(second.requests)), (2, 3))
        self.assertEqual(await self.metric(daemon, r'aigw_breaker_open\{backend="one"\}'), 1.0)
        self.assertEqual(await self.metric(daemon, r'aigw_breaker_open\{backend="two"\}'), 0.0)
        daemon.config.write_text(self.listeners + '\n[consumers.two]\nkeys = ["another-key"]\n')
        daemon.signal("HUP")
        await daemon.says("reloaded")
        self.assertEqual((await self.ask(daemon)).status, 200)
        self.assertEqual((len(first.requests), len(second.requests)), (2, 4))
        self.assertEqual(await self.metric(daemon, r'aigw_breaker_open\{backend="one"\}'), 1.0)
        page = (await fetch(f"{daemon.admin_url}/")).text
        self.assertRegex(page, r"one gpt-4o: (?:.*worker \d: )?0 in flight, breaker open for \d+ s")

    async def test_metrics_and_log_tell_each_attempt(self) -> None:
        daemon, first, _ = await self.both()
        first.script("503")
        answer = await self.ask(daemon)
        self.assertEqual(answer.headers["x-aigw-backend"], "two")
        self.assertEqual(answer.headers["x-aigw-model"], "gpt-4o-mini")
        (line,) = await self.lines()
        self.assertEqual((line["attempts"], line["backend"], line["model"]), (2, "two", "smart"))
        self.assertEqual(
            [(each["backend"], each["model"], each["outcome"]) for each in line["tried"]],
            [("one", "gpt-4o", "status_5xx"), ("two", "gpt-4o-mini", "ok")],
        )
        for labels in ('backend="one",outcome="status_5xx"', 'backend="two",outcome="ok"'):
            self.assertEqual(await self.metric(daemon, rf"aigw_upstream_attempts_total\{{{labels}\}}"), 1.0)
        self.assertNotIn(PROVIDER_KEY, self.log.read_text())

    async def test_aliases_are_listed_and_lead_there(self) -> None:
        daemon, first, _ = await self.both()
        listed = await fetch(f"{daemon.url}/v1/models", None, {"apikey": "consumer-key"})
        self.assertEqual({model["id"] for model in orjson.loads(listed.text)["data"]}, {"smart", "best", "spare"})
        for name in ("best", "gpt-4.1", "smart"):
            self.assertEqual((await self.ask(daemon, name)).status, 200)
        self.assertEqual({request.fields()["model"] for request in first.requests}, {"gpt-4o"})
        unknown = await self.ask(daemon, "claude")
        self.assertEqual(unknown.status, 404)

    async def test_all_are_out(self) -> None:
        """And the configuration wants nobody to be tried all the same."""
        config = CONFIG.replace('cool_down = "60s"', 'cool_down = "60s", when_all_open = "refuse"')
        daemon, first, second = await self.both(config.replace('fallback = ["spare"]\n', ""))
        first.standing = answers.overloaded()
        await self.ask(daemon)
        answer = await self.ask(daemon)
        self.assertEqual((answer.status, orjson.loads(answer.text)["error"]["code"]), (503, "no_healthy_target"))
        self.assertIn(int(answer.headers["retry-after"]), range(50, 61))
        self.assertEqual((len(first.requests), len(second.requests)), (2, 0))

    async def test_short_of_memory(self) -> None:
        """New requests are refused before the kernel ends all; with more of it they are taken again."""
        daemon, first, _ = await self.both(CONFIG.replace("[server]", '[server]\nmax_memory = "1MiB"'))
        await daemon.says(self.each_says("refusing new requests"))
        answer = await self.ask(daemon)
        self.assertEqual((answer.status, orjson.loads(answer.text)["error"]["code"]), (503, "short_of_memory"))
        self.assertTrue(re.fullmatch(r"\d+", answer.headers["retry-after"]))
        daemon.config.write_text(self.listeners.replace('max_memory = "1MiB"', 'max_memory = "64GiB"'))
        daemon.signal("HUP")
        await daemon.says(self.each_says("taking requests again"))
        self.assertEqual((await self.ask(daemon)).status, 200)
        self.assertEqual(len(first.requests), 1)
