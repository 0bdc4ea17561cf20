"""Azure: OpenAI's dialect at paths of its own."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, MODELS, RESPONSES
from aigw.llm.providers import Place, Provider, provider
from aigw.llm.usage import Usage
from aigw.proxy.plan_cache import path_rule
from aigw.upstream.target import raw_path
from aigw.upstream.upstream import Address
from tests.unit.llm.streams import NO_RECORDED, RECORDED


def azure(url: str, api_version: str | None = None) -> Provider:
    """The provider at a place."""
    one = provider("azure")
    return one.at(one, Place(url=url, api_version=api_version))


class _NoRewrite:
    rewrite = None


def native(url: str, operation: str, api_version: str | None = None, query: bytes | None = None) -> bytes | None:
    """Where a call that is passed on byte for byte goes; None if it is not."""
    one = azure(url, api_version)
    if operation not in one.paths:
        return None
    rule = path_rule(_NoRewrite(), Address.of(url), one, operation)  # type: ignore[arg-type]
    return rule.target(b"/llm/" + operation.encode(), b"/llm", query, "my gpt/4")


def translated(url: str, api_version: str | None = None, **more: Any) -> tuple[bytes, dict[str, Any]]:
    """Where a translated call goes, and its body."""
    asked = c.Call("my gpt/4", (c.Turn("user", (c.Text("Hi"),)),), **more)
    wire = azure(url, api_version).wire
    assert wire is not None
    request = wire.request(asked)
    return raw_path(Address.of(url).path, request.path), request.body


CLASSIC = "https://res.openai.azure.com"
V1 = "https://res.openai.azure.com/openai/v1"
FOUNDRY = "https://res.services.ai.azure.com"
GA = b"?api-version=2024-10-21"


class PathTests(unittest.TestCase):
    """Where operations are, by the backend's url."""

    def test_classic(self) -> None:
        """Deployment in the path, version in the query; models are not a deployment's."""
        for url in (CLASSIC, CLASSIC + "/", CLASSIC + "/openai", CLASSIC + "/openai/"):
            base = b"/openai/deployments/my%20gpt%2F4"
            self.assertEqual(native(url, CHAT), base + b"/chat/completions" + GA)
            self.assertEqual(native(url, COMPLETIONS), base + b"/completions" + GA)
            self.assertEqual(native(url, EMBEDDINGS), base + b"/embeddings" + GA)
            self.assertEqual(native(url, MODELS), b"/openai/models" + GA)
            self.assertEqual(translated(url)[0], base + b"/chat/completions" + GA)

    def test_classic_has_no_responses(self) -> None:
        """They are translated, as messages are everywhere."""
        self.assertIsNone(native(CLASSIC, RESPONSES))
        for url in (CLASSIC, V1, FOUNDRY):
            self.assertIsNone(native(url, MESSAGES))

    def test_one_deployment(self) -> None:
        """In the url, as Azure's portal shows it."""
        url = CLASSIC + "/openai/deployments/prod"
        self.assertEqual(native(url, CHAT), b"/openai/deployments/prod/chat/completions" + GA)
        self.assertEqual(translated(url)[0], b"/openai/deployments/prod/chat/completions" + GA)
        self.assertIsNone(native(url, MODELS))

    def test_versions(self) -> None:
        """The configured one; the client's own, as its SDK sends it, wins."""
        path = b"/openai/models?api-version="
        self.assertEqual(native(CLASSIC, MODELS, "2025-04-01-preview"), path + b"2025-04-01-preview")
        self.assertEqual(native(CLASSIC, MODELS, None, b"api-version=x"), path + b"x")
        self.assertTrue(translated(CLASSIC, "2025-04-01-preview")[0].endswith(b"?api-version=2025-04-01-preview"))

    def test_v1(self) -> None:
        """OpenAI's own paths; a version only where one is configured."""
        for url, base in ((V1, b""), (V1 + "/", b""), (FOUNDRY + "/api/projects/p/openai/v1", b"/api/projects/p")):
            for operation, path in (
                (CHAT, b"/chat/completions"),
                (RESPONSES, b"/responses"),
                (EMBEDDINGS, b"/embeddings"),
                (MODELS, b"/models"),
            ):
                self.assertEqual(native(url, operation), base + b"/openai/v1" + path)
            self.assertEqual(translated(url)[0], base + b"/openai/v1/chat/completions")
        self.assertEqual(native(V1, CHAT, "preview"), b"/openai/v1/chat/completions?api-version=preview")
        self.assertEqual(translated(V1, "preview")[0], b"/openai/v1/chat/completions?api-version=preview")

    def test_foundry(self) -> None:
        """v1 by itself, classic with a date, its inference API at /models."""
        self.assertEqual(native(FOUNDRY, CHAT), b"/openai/v1/chat/completions")
        self.assertEqual(translated(FOUNDRY)[0], b"/openai/v1/chat/completions")
        classic = b"/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"
        self.assertEqual(native(FOUNDRY, CHAT, "2024-10-21"), classic)
        inference = b"/models/chat/completions?api-version=2024-05-01-preview"
        self.assertEqual(native(FOUNDRY + "/models", CHAT), inference)
        self.assertEqual(translated(FOUNDRY + "/models")[0], inference)
        self.assertIsNone(native(FOUNDRY + "/models", RESPONSES))
        self.assertEqual(azure(FOUNDRY + "/models").genai_name, "azure.ai.inference")
        self.assertEqual(azure(FOUNDRY).genai_name, "azure.ai.openai")


class CredentialTests(unittest.TestCase):
    """How the key goes."""

    def test_key_in_its_own_header(self) -> None:
        """Bare; a client may bring its own there or as a token."""
        one = azure(CLASSIC)
        self.assertEqual((one.key_header, one.key_prefix), (b"api-key", b""))
        self.assertEqual(set(one.passthrough_headers), {b"api-key", b"authorization"})


class RequestTests(unittest.TestCase):
    """What is written differently from OpenAI."""

    def test_max_tokens(self) -> None:
        """The name that a version and a deployment know."""
        for url, version, model, name in (
            (V1, None, "prod", "max_completion_tokens"),
            (CLASSIC, None, "prod", "max_completion_tokens"),
            (CLASSIC, None, "gpt-35-turbo", "max_tokens"),
            (CLASSIC, "2024-06-01", "prod", "max_tokens"),
            (FOUNDRY + "/models", None, "mistral-large", "max_tokens"),
        ):
            wire = azure(url, version).wire
            assert wire is not None
            asked = c.Call(model, (c.Turn("user", (c.Text("Hi"),)),), options={"max_tokens": 5})
            self.assertEqual(wire.request(asked).body.get(name), 5, (url, version, model))

    def test_old_versions_are_not_asked_for_usage(self) -> None:
        """They refuse stream_options."""
        self.assertIn("stream_options", translated(CLASSIC, stream=True)[1])
        self.assertNotIn("stream_options", translated(CLASSIC, "2024-06-01", stream=True)[1])
        self.assertEqual(azure(CLASSIC, "2024-06-01").asks_usage, frozenset())
        self.assertEqual(azure(CLASSIC).asks_usage, {CHAT, COMPLETIONS})

    def test_errors_name_azure(self) -> None:
        """And not OpenAI."""
        wire = azure(CLASSIC).wire
        assert wire is not None
        asked = c.Call("m", (c.Turn("user", (c.Image(file_id="f"),), "messages[0]"),))
        self.assertIn("provider azure", self.assertRaises(BadRequest, wire.request, asked).message)


class RecordedTests(unittest.TestCase):
    """What Azure really answered."""

    if not RECORDED.is_dir():
        skip = NO_RECORDED

    def test_basic(self) -> None:
        """Text, thoughts that are counted, no filter in the way."""
        text = (RECORDED / "envoy-ai-gateway" / "azure-chat-basic.yaml").read_text()
        line = next(line for line in text.split("\n") if line.startswith('    body: "{\\n  \\"choices'))
        wire = azure(CLASSIC).wire
        assert wire is not None
        reader = wire.reader(c.Call("m", ()))
        start, said, told, finish, end = reader.whole(orjson.loads(orjson.loads(line.strip()[6:])))
        self.assertEqual(start.model, "gpt-5-nano-2025-08-07")  # type: ignore[union-attr]
        self.assertTrue(said.text.startswith("Hi there!"))  # type: ignore[union-attr]
        self.assertEqual(told, r.UsageTold(Usage(8, 271, reasoning=192)))
        self.assertEqual((finish, end), (r.Finish("stop"), r.End()))
