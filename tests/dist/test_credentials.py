"""Credentials that have to be made, through the real daemon: Google's tokens, Amazon's signatures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet import reactor

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers
from aigw.testing.script import Answer, Step
from tests.dist.daemon import DaemonTestCase, fetch

VERTEX = """
[secrets]
google = {{ file = "{key}" }}

[backends.vertex]
provider = "vertex"
url = "{url}"
project = "acme"
location = "global"
auth = {{ service_account = "google" }}

[routes.all]
paths = ["/v1"]
backend = "vertex"
auth = "none"
"""
GEMINI_ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}
QUESTION = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Hi"}]}


def service_account(token_uri: str) -> str:
    """The JSON key of a service account of nobody's."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    fields = {
        "type": "service_account",
        "client_email": "aigw@acme.example",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "token_uri": token_uri,
    }
    return json.dumps(fields)


class GoogleTests(DaemonTestCase):
    """A service account's key becomes a token, the token goes to Vertex AI."""

    async def serve(self, answer: Answer) -> ScriptedUpstream:
        """A daemon whose Google is scripted."""
        upstream = ScriptedUpstream(reactor)
        upstream.standing = answer
        upstream.listen()
        self.addCleanup(upstream.stop)
        url = upstream.url.removesuffix("/v1")
        key = self.directory / "key.json"
        key.write_text(service_account(f"{url}/token"))
        self.daemon = await self.start_daemon(VERTEX.format(url=url, key=key))
        return upstream

    async def test_token_is_fetched_once_and_sent(self) -> None:
        """One fetch for all calls; the client sees nothing of it."""
        fetched: list[bytes] = []

        def google(request: ReceivedRequest) -> Iterable[Step]:
            if request.path == b"/token":
                fetched.append(request.body)
                token = {"access_token": "ya29.secret-token", "expires_in": 3600, "token_type": "Bearer"}
                return answers.reply(token)(request)
            return answers.reply(GEMINI_ANSWER)(request)

        upstream = await self.serve(google)
        for _ in range(2):
            answer = await fetch(f"{self.daemon.url}/v1/chat/completions", json.dumps(QUESTION).encode())
            self.assertEqual(
                (answer.status, json.loads(answer.text)["choices"][0]["message"]["content"]), (200, "Hello")
            )
            self.assertNotIn("secret-token", answer.text)
        self.assertEqual(len(fetched), 1)
        self.assertEqual(parse_qs(fetched[0].decode())["grant_type"], ["urn:ietf:params:oauth:grant-type:jwt-bearer"])
        calls = [request for request in upstream.requests if request.path != b"/token"]
        self.assertEqual({request.header(b"authorization") for request in calls}, {b"Bearer ya29.secret-token"})
        model = b"/v1/projects/acme/locations/global/publishers/google/models/gemini-2.5-flash:generateContent"
        self.assertEqual({request.path for request in calls}, {model})

    async def test_no_token(self) -> None:
        """A 502 that says why, and nothing of the key."""
        await self.serve(answers.reply({"error": "invalid_grant"}, 400))
        answer = await fetch(f"{self.daemon.url}/v1/chat/completions", json.dumps(QUESTION).encode())
        self.assertEqual((answer.status, json.loads(answer.text)["error"]["code"]), (502, "upstream_credential"))
        self.assertIn("invalid_grant", answer.text)
        self.assertNotIn("PRIVATE", answer.text)
