"""Vertex AI through the real daemon, with a service account's key: the token is fetched before the first call."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from aigw.testing import ReceivedRequest, ScriptedUpstream, Step, answers, gemini
from aigw.testing.said import Said
from tests.dist.daemon import DaemonTestCase
from tests.unit.upstream.test_google import KEY

CONFIG = """
[secrets]
google = {{ env = "SERVICE_ACCOUNT" }}

[backends.vertex]
provider = "vertex"
url = "{url}"
project = "p-1"
location = "europe-west4"
model = "gemini-2.5-flash"
auth = {{ service_account = "google" }}

[routes.chat]
paths = ["/v1"]
backend = "vertex"
auth = "none"
"""

GRANTED = {"access_token": "ya29.daemon", "expires_in": 3599, "token_type": "Bearer"}


class TokenTests(DaemonTestCase):
    """The upstream is the token endpoint and Vertex AI at once."""

    async def start(self, token: Any, status: int = 200) -> None:
        """A daemon with a key whose tokens come from here."""
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)

        def answer(request: ReceivedRequest) -> Iterable[Step]:
            granted = answers.reply(token, status)
            return (granted if request.path == b"/token" else gemini.answer(Said(text="Hello")))(request)

        self.upstream.standing = answer
        url = f"http://127.0.0.1:{self.upstream.port}"
        key = orjson.dumps({**KEY, "token_uri": url + "/token"}).decode()
        self.daemon = await self.start_daemon(CONFIG.format(url=url), {"SERVICE_ACCOUNT": key})

    def chat(self) -> Any:
        """A chat client's call: status and answer."""
        body = orjson.dumps({"messages": [{"role": "user", "content": "Hi"}]})
        url = self.daemon.url + "/v1/chat/completions"

        def ask() -> tuple[int, Any]:
            asked = urllib.request.Request(url, body, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    return answer.status, orjson.loads(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, orjson.loads(error.read())

        return deferToThread(ask)

    async def test_one_token_for_all(self) -> None:
        """Calls that come at once wait for it together; each then carries it. Each worker gets one for itself."""
        await self.start(GRANTED)
        told = await gatherResults([self.chat() for _ in range(4)])
        self.assertEqual({fields["choices"][0]["message"]["content"] for _, fields in told}, {"Hello"})
        tokens = [request for request in self.upstream.requests if request.path == b"/token"]
        calls = [request for request in self.upstream.requests if request.path != b"/token"]
        self.assertEqual(len(calls), 4)
        self.assertIn(len(tokens), range(1, self.workers + 1))
        place = b"/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash"
        for request in calls:
            self.assertEqual(request.target, place + b":generateContent")
            self.assertEqual(request.header_values(b"authorization"), [b"Bearer ya29.daemon"])

    async def test_no_token(self) -> None:
        """Is a 502 that says why; Vertex AI is not called."""
        await self.start({"error": "invalid_grant", "error_description": "Account disabled"}, 400)
        status, fields = await self.chat()
        self.assertEqual(status, 502)
        self.assertIn("Account disabled", fields["error"]["message"])
        self.assertEqual({request.path for request in self.upstream.requests}, {b"/token"})
