"""The documents our users come from: their own commands work against ``etc/examples``, with the results they
name.

``documents/`` has the commands as printed. A test gives the example the ports of this machine and the
upstream's address, and runs the commands with nothing changed but host and port.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import attrs
from twisted.internet import reactor

from aigw.testing import ReceivedRequest, ScriptedUpstream
from aigw.testing.openai import TEXT
from tests.dist.daemon import CHECKOUT, Daemon, DaemonTestCase, Finished

DOCUMENTS = pathlib.Path(__file__).parent / "documents"
EXAMPLES = CHECKOUT / "etc" / "examples"
PROVIDER_KEY = "sk-the-providers-own-key"


def command(document: str, heading: str) -> str:
    """One command as the document prints it."""
    text = (DOCUMENTS / f"{document}.md").read_text()
    found = re.search(rf"^## {re.escape(heading)}\n\n```sh\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None, (document, heading)
    return found[1]


@attrs.frozen
class Curl:
    """What one curl command brought."""

    status: int
    headers: str
    finished: Finished

    def json(self) -> dict:
        """The body; behind the head where the command has ``-i``."""
        return json.loads(self.finished.stdout.rpartition("\r\n\r\n")[2])


class ExampleTestCase(DaemonTestCase):
    """An example on the real daemon in front of a scripted upstream."""

    example = ""

    def setUp(self) -> None:
        super().setUp()
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        # Makes curl leave the response's head beside what it prints, without a change to the command.
        (self.directory / ".curlrc").write_text('dump-header = "head.txt"\nsilent\nmax-time = 30\n')

    async def start(self, *, more: str = "", **env: str) -> Daemon:
        """The example's daemon: its ports and its upstream's address are the test's, the rest is the file."""
        text = (EXAMPLES / self.example).read_text() + more
        text, upstreams = re.subn(r'"https://api\.openai\.com/v1"', f'"{self.upstream.url}"', text)
        self.assertEqual(upstreams, 1)
        self.daemon = await self.start_daemon(text, env)
        return self.daemon

    async def shell(self, text: str, **env: str) -> Finished:
        """A command of a document, run by the shell it is written for."""
        text = text.replace("http://localhost:8000", self.daemon.url)
        text = text.replace("localhost:8080", f"127.0.0.1:{self.daemon.port}")
        text = text.replace(":8080", f":{self.daemon.port}")
        if not shutil.which("jq"):
            text = text.replace("| jq", "| python -m json.tool")
        finished = await self.run_program(["bash", "-c", text], {"HOME": str(self.directory), **env})
        self.assertEqual(finished.status, 0, finished)
        return finished

    async def curl(self, text: str, **env: str) -> Curl:
        """A document's curl command."""
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        finished = await self.shell(text, **env)
        head = (self.directory / "head.txt").read_text()
        return Curl(int(head.split(" ", 2)[1]), head, finished)

    def only_request(self, key: str, provider_key: str = PROVIDER_KEY) -> ReceivedRequest:
        """The one request that reached the provider: its path, its token, no trace of the consumer's key."""
        (request,) = self.upstream.requests
        self.assertEqual((request.method, request.target), (b"POST", b"/v1/chat/completions"))
        self.assertEqual(request.header_values(b"authorization"), [f"Bearer {provider_key}".encode()])
        self.assertEqual(request.header_values(b"host"), [f"127.0.0.1:{self.upstream.port}".encode()])
        if key:
            everything = repr((request.target, request.headers, request.body)) + self.daemon.output
            self.assertNotIn(key, everything)
        self.assertNotIn(provider_key, self.daemon.output)
        return request

    def assert_answered(self, answer: Curl) -> None:
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json()["choices"][0]["message"]["content"], TEXT)

    def assert_refused(self, answer: Curl, message: str) -> None:
        """401 as Kong's clients know it, and nothing went to the provider."""
        self.assertEqual(answer.status, 401)
        self.assertRegex(answer.headers, r"(?m)^(?i:www-authenticate): Key$")
        self.assertEqual(answer.json()["message"], message)
        self.assertRegex(answer.headers, rf"(?m)^(?i:x-request-id): {answer.json()['request_id']}$")
        self.assertEqual(self.upstream.requests, [])


class KongKeyAuthOpenAITests(ExampleTestCase):
    """Enable key authentication on an AI Gateway service for OpenAI."""

    example = "kong-key-auth-openai.toml"
    document = "kong-key-auth-openai"

    async def ask(self, heading: str, *, key: str = "secret-chat-key") -> Curl:
        text = command(self.document, heading)
        self.assertIn("apikey: secret-chat-key", text)
        text = text.replace("secret-chat-key", key)
        return await self.curl(text, KONNECT_PROXY_URL=self.daemon.url)

    async def test_valid_request(self) -> None:
        """200, and the provider sees its own key and this consumer's own settings."""
        await self.start(OPENAI_KEY=PROVIDER_KEY)
        self.assert_answered(await self.ask("valid"))
        fields = self.only_request("secret-chat-key").json()
        self.assertEqual(fields["messages"][1], {"role": "user", "content": "What is 1+1?"})
        self.assertEqual((fields["max_tokens"], fields["temperature"]), (1024, 0.7))
        self.assertEqual(fields["model"], "gpt-4")

    async def test_invalid_request(self) -> None:
        """401. The page prints this command with the valid key; what it means is a wrong one."""
        await self.start(OPENAI_KEY=PROVIDER_KEY)
        self.assert_refused(await self.ask("invalid", key="wrong-key"), "Unauthorized")

    async def test_consumer_without_own_settings(self) -> None:
        """The default OpenAI configuration is for everybody else."""
        await self.start(more='[consumers.other]\nkeys = ["other-key"]\n', OPENAI_KEY=PROVIDER_KEY)
        self.assert_answered(await self.ask("valid", key="other-key"))
        fields = self.only_request("other-key").json()
        self.assertEqual(fields["max_tokens"], 512)
        self.assertNotIn("temperature", fields)


class KongOpenAISDKTests(ExampleTestCase):
    """Authenticate OpenAI SDK clients with key authentication: both variants of both scripts."""

    example = "kong-openai-sdk.toml"
    document = "kong-openai-sdk"

    async def run_script(self, write: str, run: str) -> Finished:
        await self.start(OPENAI_API_KEY=PROVIDER_KEY)
        await self.shell(command(self.document, write))
        return await self.shell(command(self.document, run), KONNECT_PROXY_URL=self.daemon.url)

    async def valid_key(self, write: str) -> None:
        finished = await self.run_script(write, "run")
        self.assertEqual(finished.stdout, f"{TEXT}\n")
        fields = self.only_request("my-consumer-key").json()
        self.assertEqual(fields["messages"], [{"role": "user", "content": "Say hello."}])
        self.assertEqual((fields["model"], fields["max_tokens"], fields["temperature"]), ("gpt-4o", 512, 1.0))

    async def wrong_key(self, write: str) -> None:
        finished = await self.run_script(write, "run wrong key")
        self.assertRegex(finished.stdout, r"\AExpected error: Error code: 401 - .*Unauthorized")
        self.assertEqual(self.upstream.requests, [])

    async def test_script_on_prem(self) -> None:
        """The model's response is printed; the SDK's key is the consumer's, the provider sees its own."""
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


class KongKeyAuthRouteTests(ExampleTestCase):
    """The workshop's key-auth on a route."""

    example = "kong-key-auth-route.toml"
    document = "kong-key-auth-route"

    async def ask(self, heading: str) -> Curl:
        await self.start(DECK_OPENAI_API_KEY=PROVIDER_KEY)
        return await self.curl(command(self.document, heading), DATA_PLANE_URL=self.daemon.url)

    async def test_without_a_key(self) -> None:
        """401 with Kong's header and message."""
        answer = await self.ask("without a key")
        self.assertTrue(answer.finished.stdout.startswith("HTTP/1.1 401 Unauthorized\r\n"), answer)
        self.assert_refused(answer, "No API key found in request")

    async def test_with_a_key(self) -> None:
        """200, with the route's model and temperature."""
        answer = await self.ask("with a key")
        self.assertTrue(answer.finished.stdout.startswith("HTTP/1.1 200 OK\r\n"), answer)
        self.assert_answered(answer)
        fields = self.only_request("").json()
        self.assertEqual((fields["model"], fields["temperature"]), ("gpt-4.1", 1.0))
        self.assertEqual(self.upstream.requests[0].header_values(b"apikey"), [])


class AgentgatewayTests(ExampleTestCase):
    """Manage API keys: inline, from a secret, passed through; each with both commands of its page."""

    async def ask(self, example: str, heading: str, token: str = "", **env: str) -> ReceivedRequest:
        self.example = example
        await self.start(**env)
        text = command("agentgateway", heading)
        self.assert_answered(await self.curl(text, INGRESS_GW_ADDRESS="127.0.0.1", TOKEN="sk-from-the-client"))
        request = self.only_request("", token or PROVIDER_KEY)
        self.assertEqual(request.json()["model"], "gpt-3.5-turbo")
        self.assertEqual(len(request.json()["messages"]), 2)
        return request

    async def test_inline_load_balancer(self) -> None:
        """The token from the file; the empty model becomes the backend's."""
        await self.ask("agentgateway-inline.toml", "inline load balancer", "sk-your-token")

    async def test_inline_port_forward(self) -> None:
        """The same through localhost."""
        await self.ask("agentgateway-inline.toml", "inline port-forward", "sk-your-token")

    async def test_secret_load_balancer(self) -> None:
        """The token from the secret."""
        await self.ask("agentgateway-secret.toml", "secret load balancer", OPENAI_API_KEY=PROVIDER_KEY)

    async def test_secret_port_forward(self) -> None:
        """The same through localhost; here the secret already says Bearer, as in a Secret's Authorization."""
        key = f"Bearer {PROVIDER_KEY}"
        await self.ask("agentgateway-secret.toml", "secret port-forward", OPENAI_API_KEY=key)

    async def test_passthrough_load_balancer(self) -> None:
        """The client's own token."""
        await self.ask("agentgateway-passthrough.toml", "passthrough load balancer", "sk-from-the-client")

    async def test_passthrough_port_forward(self) -> None:
        """The same through localhost."""
        await self.ask("agentgateway-passthrough.toml", "passthrough port-forward", "sk-from-the-client")


class GlooTests(ExampleTestCase):
    """Authenticate with API keys: an upstream that names no model and a route that rewrites nothing."""

    example = "gloo-openai-secret.toml"

    async def ask(self, secret: str) -> None:
        await self.start(OPENAI_API_KEY=secret)
        answer = await self.curl(command("gloo-openai-secret", "request"), INGRESS_GW_ADDRESS="127.0.0.1")
        self.assert_answered(answer)
        request = self.only_request("")
        self.assertEqual(request.json()["model"], "gpt-3.5-turbo")

    async def test_secret_with_bearer(self) -> None:
        """The secret as the page makes it, ``Bearer`` included: once on the wire, not twice."""
        await self.ask(f"Bearer {PROVIDER_KEY}")

    async def test_secret_without_bearer(self) -> None:
        """The bare key works as well."""
        await self.ask(PROVIDER_KEY)


class EveryExampleTests(DaemonTestCase):
    """The examples as files."""

    async def test_every_example_passes_the_check(self) -> None:
        """As shipped, with nothing replaced, once the keys it names are in the environment."""
        keys = dict.fromkeys(("OPENAI_KEY", "OPENAI_API_KEY", "DECK_OPENAI_API_KEY"), PROVIDER_KEY)
        examples = sorted(EXAMPLES.glob("*.toml"))
        self.assertEqual(len(examples), 7)
        for example in examples:
            finished = await self.run_program(["python", "-m", "aigw.cli", "check", str(example)], keys)
            self.assertEqual((example.name, finished.status, finished.stdout), (example.name, 0, "OK\n"), finished)
