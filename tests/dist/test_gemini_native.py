"""Google's own SDK through the real daemon: what it sends passes as it is, with the provider's key put in.

Nothing is translated here. The SDK is the judge of what it gets: chunks, errors before and in a stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from google import genai
from google.genai import errors
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from aigw.testing import ScriptedUpstream, answers, gemini
from aigw.testing.said import Said
from tests.dist.daemon import DaemonTestCase

CONFIG = """
[secrets]
google = {{ env = "GEMINI_API_KEY" }}

[backends.gemini]
provider = "gemini"
url = "{url}"
auth = {{ secret = "google" }}

[routes.gemini]
paths = ["/gemini"]
operation = "raw"
backend = "gemini"

[consumers.tester]
keys = ["tester-key"]
"""

PATH = b"/v1beta/models/gemini-2.5-flash"
SAID = Said(text="Grüß Gott, Welt")


def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """A blocking call of the SDK."""
    return deferToThread(call, *args, **kwargs)


class NativeTests(DaemonTestCase):
    """google-genai with ``base_url`` at a route of the gateway."""

    async def ask(self, *script: Any, key: str = "tester-key") -> Any:
        """The SDK's models, with a daemon behind."""
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.standing = gemini.answer(SAID)
        self.upstream.listen()
        self.upstream.script(*script)
        self.addCleanup(self.upstream.stop)
        url = f"http://127.0.0.1:{self.upstream.port}"
        daemon = await self.start_daemon(CONFIG.format(url=url), {"GEMINI_API_KEY": "AIza-provider"})
        client = genai.Client(api_key=key, http_options={"base_url": daemon.url + "/gemini", "api_version": "v1beta"})
        self.addCleanup(client.close)
        return client.models

    def only_request(self, target: bytes) -> None:
        """One request came, with the provider's key and nothing of the consumer's."""
        (request,) = self.upstream.requests
        self.assertEqual(request.target, target)
        self.assertEqual(request.header_values(b"x-goog-api-key"), [b"AIza-provider"])
        self.assertNotIn("tester-key", repr((request.target, request.headers, request.body)))

    async def test_whole(self) -> None:
        """An answer, its usage, its reason."""
        models = await self.ask()
        answer = await in_thread(models.generate_content, model="gemini-2.5-flash", contents="Hello")
        self.assertEqual((answer.text, answer.candidates[0].finish_reason.value), (SAID.text, "STOP"))
        self.assertGreater(answer.usage_metadata.total_token_count, 0)
        self.only_request(PATH + b":generateContent")

    async def test_stream(self) -> None:
        """The chunks as they were sent."""
        models = await self.ask()

        def collect() -> list[str]:
            stream = models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
            return [chunk.text for chunk in stream if chunk.text]

        self.assertEqual("".join(await in_thread(collect)), SAID.text)
        self.only_request(PATH + b":streamGenerateContent?alt=sse")

    async def test_other_calls(self) -> None:
        """Everything below the route's path goes up."""
        models = await self.ask()
        counted = await in_thread(models.count_tokens, model="gemini-2.5-flash", contents="Hello")
        self.assertGreater(counted.total_tokens, 0)
        self.only_request(PATH + b":countTokens")

    async def test_errors(self) -> None:
        """Keep their status and Google's own words, before a stream and in one."""
        told = {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}
        late = b"data: %s\r\n\r\n" % orjson.dumps({"error": {**told, "code": 503, "status": "UNAVAILABLE"}})
        early = answers.reply({"error": told}, 429)
        models = await self.ask(early, answers.reply([{"error": told}], 429), answers.stream([late]))

        def collect() -> None:
            for _ in models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"):
                pass

        for status, word in ((429, "RESOURCE_EXHAUSTED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")):
            error = await self.assertFailure(in_thread(collect), errors.APIError)
            self.assertEqual((error.code, error.status, error.message), (status, word, "Slow down"))

    async def test_unknown_consumer(self) -> None:
        """Is an error that the SDK can tell."""
        models = await self.ask(key="nobody")
        failing = in_thread(models.generate_content, model="gemini-2.5-flash", contents="Hello")
        error = await self.assertFailure(failing, errors.ClientError)
        self.assertEqual((error.code, error.message), (401, "Unauthorized"))
        self.assertEqual(self.upstream.requests, [])
