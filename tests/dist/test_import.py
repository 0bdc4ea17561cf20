"""``aigw import`` end to end: the configuration of each document that our users come from, imported by the command,
checked by the command, run by the real daemon, answers that document's own commands as the document says.

Only the provider's address is exchanged for a scripted upstream's; see ``test_examples.py`` for the commands.
"""

from __future__ import annotations

import json
import re

from twisted.internet import reactor

from aigw.testing import ScriptedUpstream, answers, anthropic
from aigw.testing.openai import TEXT
from aigw.testing.said import Said
from tests.dist.daemon import CHECKOUT, Answer, Daemon, DaemonTestCase, Finished, fetch
from tests.dist.test_examples import PROVIDER_KEY, Curl, ExampleTestCase, command

PAGES = CHECKOUT / "tests" / "unit" / "config" / "importers" / "pages"


class ImportTestCase(ExampleTestCase):
    """A page, imported, on the real daemon in front of a scripted upstream."""

    page = ""
    #: What the import has to warn of, in its own order: fields, and words of the warnings.
    warnings: tuple[tuple[str, str], ...] = ()

    async def imported(self) -> str:
        """The TOML that the command makes of the page; it must pass the check as it is."""
        finished = await self.run_program(["aigw", "import", str(PAGES / self.page)])
        self.assertEqual(finished.status, 0, finished)
        warnings = [line for line in finished.stderr.splitlines() if ": warning: " in line]
        self.assertEqual(len(warnings), len(self.warnings), finished.stderr)
        for warning, (field, words) in zip(warnings, self.warnings, strict=True):
            self.assertRegex(warning, rf"^.*{re.escape(self.page)}:\d+: warning: ")
            self.assertIn(field, warning)
            self.assertIn(words, warning)
        path = self.directory / "imported.toml"
        path.write_text(finished.stdout)
        checked = await self.run_program(["aigw", "check", "--no-secrets", str(path)])
        self.assertEqual((checked.status, checked.stdout), (0, "OK\n"), checked)
        return finished.stdout

    async def start(self, *, more: str = "", **env: str) -> Daemon:
        text, upstreams = re.subn(r'"https://api\.openai\.com/v1"', f'"{self.upstream.url}"', await self.imported())
        self.assertEqual(upstreams, 1)
        self.daemon = await self.start_daemon(text + more, env)
        return self.daemon


class KongKeyAuthOpenAITests(ImportTestCase):
    """Kong: key authentication on a service, with one consumer's own settings; blocks of a page, no route anywhere."""

    page = "kong-key-auth-openai.md"
    warnings = (
        ("service openai-chat-service", "one is made, at /llm/v1/chat"),
        ("config.auth.header_value", "$OPENAI_KEY"),
        ("consumer chat-client: key", "plain text"),
        ("plugin ai-proxy of consumer chat-client: config.auth.header_value", "$OPENAI_KEY"),
    )

    async def ask(self, heading: str, key: str) -> Curl:
        text = command("kong-key-auth-openai", heading).replace("secret-chat-key", key)
        return await self.curl(text, KONNECT_PROXY_URL=self.daemon.url)

    async def test_valid_request(self) -> None:
        """200, and the provider sees its own key and the consumer's own settings."""
        await self.start(OPENAI_KEY=PROVIDER_KEY)
        self.assert_answered(await self.ask("valid", "secret-chat-key"))
        fields = self.only_request("secret-chat-key").json()
        self.assertEqual((fields["model"], fields["max_tokens"], fields["temperature"]), ("gpt-4", 1024, 0.7))

    async def test_invalid_request(self) -> None:
        """401."""
        await self.start(OPENAI_KEY=PROVIDER_KEY)
        self.assert_refused(await self.ask("invalid", "wrong-key"), "Unauthorized")

    async def test_everybody_else(self) -> None:
        """The service's plugin is for consumers without one of their own."""
        await self.start(more='[consumers.other]\nkeys = ["other-key"]\n', OPENAI_KEY=PROVIDER_KEY)
        self.assert_answered(await self.ask("valid", "other-key"))
        fields = self.only_request("other-key").json()
        self.assertEqual((fields["max_tokens"], "temperature" in fields), (512, False))


class KongOpenAISDKTests(ImportTestCase):
    """Kong: the OpenAI SDK's Bearer token as a consumer's key, by a pre-function; everything global."""

    page = "kong-openai-sdk.md"
    warnings = (("consumer openai-client: key", "plain text"), ("ai-proxy-advanced, global", "a route for / is made"))

    async def run_script(self, write: str, run: str) -> Finished:
        await self.start(OPENAI_API_KEY=PROVIDER_KEY)
        await self.shell(command("kong-openai-sdk", write))
        return await self.shell(command("kong-openai-sdk", run), KONNECT_PROXY_URL=self.daemon.url)

    async def valid_key(self, write: str) -> None:
        finished = await self.run_script(write, "run")
        self.assertEqual(finished.stdout, f"{TEXT}\n")
        fields = self.only_request("my-consumer-key").json()
        self.assertEqual((fields["model"], fields["max_tokens"], fields["temperature"]), ("gpt-4o", 512, 1.0))

    async def wrong_key(self, write: str) -> None:
        finished = await self.run_script(write, "run wrong key")
        self.assertRegex(finished.stdout, r"\AExpected error: Error code: 401 - .*Unauthorized")
        self.assertEqual(self.upstream.requests, [])

    async def test_script_on_prem(self) -> None:
        """The model's response is printed."""
        await self.valid_key("script on-prem")

    async def test_script_konnect(self) -> None:
        """The same with the address from the environment."""
        await self.valid_key("script konnect")

    async def test_wrong_key_on_prem(self) -> None:
        """401, as the script expects."""
        await self.wrong_key("wrong key on-prem")

    async def test_wrong_key_konnect(self) -> None:
        """The same with the address from the environment."""
        await self.wrong_key("wrong key konnect")


class KongKeyAuthRouteTests(ImportTestCase):
    """decK: a state file in a here-document, plugins in a route in a service, a variable of decK's."""

    page = "kong-key-auth-route.md"
    warnings = (("consumer user1: key", "plain text"),)

    async def ask(self, heading: str) -> Curl:
        await self.start(DECK_OPENAI_API_KEY=PROVIDER_KEY)
        return await self.curl(command("kong-key-auth-route", heading), DATA_PLANE_URL=self.daemon.url)

    async def test_without_a_key(self) -> None:
        """401 with Kong's header and message."""
        self.assert_refused(await self.ask("without a key"), "No API key found in request")

    async def test_with_a_key(self) -> None:
        """200, with the route's model and temperature; the consumer's key stays here."""
        self.assert_answered(await self.ask("with a key"))
        fields = self.only_request("").json()
        self.assertEqual((fields["model"], fields["temperature"]), ("gpt-4.1", 1.0))
        self.assertEqual(self.upstream.requests[0].header_values(b"apikey"), [])


class AgentgatewayTests(ImportTestCase):
    """kgateway's Backend in its three ways, each with both commands of its page."""

    warnings = (("HTTPRoute openai", 'auth = "none"'),)

    async def ask(self, page: str, heading: str, token: str = PROVIDER_KEY, **env: str) -> None:
        self.page = page
        await self.start(**env)
        text = command("agentgateway", heading)
        self.assert_answered(await self.curl(text, INGRESS_GW_ADDRESS="127.0.0.1", TOKEN="sk-from-the-client"))
        request = self.only_request("", token)
        self.assertEqual((request.json()["model"], len(request.json()["messages"])), ("gpt-3.5-turbo", 2))

    async def test_inline_load_balancer(self) -> None:
        """The shell's $TOKEN becomes a secret in the environment."""
        await self.ask("agentgateway-inline.md", "inline load balancer", TOKEN=PROVIDER_KEY)

    async def test_inline_port_forward(self) -> None:
        """The same through localhost."""
        await self.ask("agentgateway-inline.md", "inline port-forward", TOKEN=PROVIDER_KEY)

    async def test_secret_load_balancer(self) -> None:
        """The Secret's $OPENAI_API_KEY, too."""
        await self.ask("agentgateway-secret.md", "secret load balancer", OPENAI_API_KEY=PROVIDER_KEY)

    async def test_secret_port_forward(self) -> None:
        """The same through localhost."""
        await self.ask("agentgateway-secret.md", "secret port-forward", OPENAI_API_KEY=PROVIDER_KEY)

    async def test_passthrough_load_balancer(self) -> None:
        """The client's own token."""
        await self.ask("agentgateway-passthrough.md", "passthrough load balancer", "sk-from-the-client")

    async def test_passthrough_port_forward(self) -> None:
        """The same through localhost."""
        await self.ask("agentgateway-passthrough.md", "passthrough port-forward", "sk-from-the-client")


class GlooTests(ImportTestCase):
    """Gloo's Upstream, its Secret made on the command line, a route that rewrites nothing."""

    page = "gloo-openai-secret.md"
    warnings = (("HTTPRoute openai", 'auth = "none"'),)

    async def test_request(self) -> None:
        """The document's curl, with the secret as the page makes it: ``Bearer`` included."""
        await self.start(OPENAI_API_KEY=f"Bearer {PROVIDER_KEY}")
        self.assert_answered(await self.curl(command("gloo-openai-secret", "request"), INGRESS_GW_ADDRESS="127.0.0.1"))
        self.assertEqual(self.only_request("").json()["model"], "gpt-3.5-turbo")

    async def test_flattened(self) -> None:
        """A page saved without its line breaks is refused, with its lines and what to do."""
        page = PAGES / "gloo-flattened.txt"
        finished = await self.run_program(["aigw", "import", str(page)])
        self.assertEqual((finished.status, finished.stdout), (1, ""))
        for line, number in zip(finished.stderr.splitlines(), (2, 4), strict=True):
            self.assertTrue(line.startswith(f"{page}:{number}: "), line)
            self.assertIn("line breaks", line)


class RealConfigurationTests(DaemonTestCase):
    """Some of the other configurations of ``tests/unit/config/importers/samples``, each with what it is about."""

    def setUp(self) -> None:
        super().setUp()
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)

    async def start(self, sample: str, provider: str, **env: str) -> None:
        finished = await self.run_program(["aigw", "import", str(PAGES.parent / "samples" / sample)])
        self.assertEqual(finished.status, 0, finished)
        text = finished.stdout.replace(f'"{provider}"', f'"{self.upstream.url.removesuffix("/v1")}"')
        text = text.replace(f'"{provider}/v1"', f'"{self.upstream.url}"')
        self.assertIn(str(self.upstream.port), text)
        self.daemon = await self.start_daemon(text, env)

    async def ask(self, path: str, token: str = "", **fields: object) -> Answer:
        body = {"messages": [{"role": "user", "content": "Hello"}], **fields}
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        return await fetch(f"{self.daemon.url}{path}", json.dumps(body).encode(), headers)

    def models(self) -> list[str]:
        return [request.json()["model"] for request in self.upstream.requests]

    async def test_model_alias(self) -> None:
        """Kong: the model of the request says which of the targets is meant; a route for everything is made."""
        await self.start("kong-model-alias.md", "https://api.openai.com", OPENAI_API_KEY=PROVIDER_KEY)
        for alias in ("powerful", "fast"):
            answer = await self.ask("/anything", model=alias)
            self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.models(), ["gpt-4o", "gpt-4o-mini"])

    async def test_virtual_keys(self) -> None:
        """agentgateway: API keys out of a Secret, by a policy of the Gateway."""
        await self.start("agentgateway-virtual-keys.md", "https://api.openai.com", OPENAI_SECRET=PROVIDER_KEY)
        for token, status in (("sk-alice-abc123def456", 200), ("sk-bob-xyz789uvw012", 200), ("sk-eve", 401), ("", 401)):
            answer = await self.ask("/openai/v1/chat/completions", token, model="gpt-4o")
            self.assertEqual(answer.status, status, answer)
        tokens = [request.header(b"authorization") for request in self.upstream.requests]
        self.assertEqual(tokens, [f"Bearer {PROVIDER_KEY}".encode()] * 2)

    async def test_failover(self) -> None:
        """agentgateway: the groups of a Backend are asked one after the other."""
        await self.start("agentgateway-failover.md", "https://api.openai.com", OPENAI_SECRET=PROVIDER_KEY)
        self.upstream.script(answers.rate_limited(), answers.rate_limited(), answers.openai())
        answer = await self.ask("/model", model="anything")
        self.assertEqual((answer.status, self.models()), (200, ["gpt-4.1", "gpt-5.1", "gpt-3.5-turbo"]), answer)

    async def test_translated(self) -> None:
        """Kong's ai-proxy to Anthropic: OpenAI's language outside, Anthropic's inside, what it does not know dropped."""
        await self.start("kong-anthropic.yaml", "https://api.anthropic.com", DECK_ANTHROPIC_API_KEY=PROVIDER_KEY)
        self.upstream.script(anthropic.answer(Said(text="Hello from Anthropic.")))
        answer = await self.ask("/anything", frequency_penalty=0.5)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(json.loads(answer.text)["choices"][0]["message"]["content"], "Hello from Anthropic.")
        (request,) = self.upstream.requests
        self.assertEqual((request.target, request.header(b"x-api-key")), (b"/v1/messages", PROVIDER_KEY.encode()))
        self.assertEqual(request.json()["model"], "claude-3-5-sonnet-latest")
        self.assertNotIn("frequency_penalty", request.json())
