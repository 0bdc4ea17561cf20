"""The official SDKs, through the real daemon: what their users see.

The SDKs block or bring their own event loop, so they run in threads while trial's reactor plays the provider.
``max_retries=0`` everywhere: a test that counts attempts counts the gateway's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import openai
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers
from aigw.testing.openai import TEXT, words
from tests.dist.daemon import Daemon, DaemonTestCase

CONFIG = """
[secrets]
provider = {{ env = "PROVIDER_KEY" }}

[backends.echo]
provider = "echo"

[backends.provider]
provider = "openai"
url = "{url}"
auth = {{ secret = "provider" }}

[models.echo]
targets = [{{ backend = "echo" }}]
[models.gpt-4o]
targets = [{{ backend = "provider" }}]
retry = {{ attempts = 1 }}
[models.text-embedding-3-small]
targets = [{{ backend = "provider" }}]

[models.error-429]
targets = [{{ backend = "echo" }}]
retry = {{ attempts = 1 }}
[models.error-500]
targets = [{{ backend = "echo" }}]
retry = {{ attempts = 1 }}

[routes.all]                      # the request's own "model" picks
paths = ["/v1"]

[routes.direct]                   # one provider, as it is
paths = ["/direct/v1"]
backend = "provider"

[routes.any]
paths = ["/any"]
backend = "provider"

[consumers.tester]
keys = ["tester-key"]
"""

HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]
NO_RETRIES: dict[str, Any] = {"max_retries": 0, "timeout": 30}


def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """A blocking call of an SDK."""
    return deferToThread(call, *args, **kwargs)


class SDKTestCase(DaemonTestCase):
    """One daemon with the built-in echo provider and a scripted one."""

    async def start(self) -> Daemon:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        config = CONFIG.format(url=self.upstream.url)
        self.daemon = await self.start_daemon(config, {"PROVIDER_KEY": "sk-provider"})
        return self.daemon

    async def client(self, path: str = "/v1", key: str = "tester-key") -> openai.OpenAI:
        """The synchronous client, on a daemon that is started for it."""
        await self.start()
        return self.client_at(path, key)

    def client_at(self, path: str, key: str = "tester-key") -> openai.OpenAI:
        client = openai.OpenAI(base_url=self.daemon.url + path, api_key=key, **NO_RETRIES)
        self.addCleanup(client.close)
        return client

    def assert_provider_key_only(self, request: ReceivedRequest) -> None:
        """The provider's own token arrived, and of the consumer's key nothing."""
        self.assertEqual(request.header_values(b"authorization"), [b"Bearer sk-provider"])
        self.assertNotIn(b"tester-key", repr((request.target, request.headers, request.body)).encode())


class ChatTests(SDKTestCase):
    """chat.completions, whole and streamed."""

    async def test_chat(self) -> None:
        """Answer, usage, model and request id, from both providers."""
        client = await self.client()
        for model, said in (("echo", "Say hello."), ("gpt-4o", TEXT)):
            completion = await in_thread(client.chat.completions.create, model=model, messages=HELLO)
            self.assertEqual(completion.choices[0].message.content, said)
            self.assertEqual(completion.choices[0].finish_reason, "stop")
            self.assertEqual(completion.model, model)
            self.assertGreater(completion.usage.completion_tokens, 0)
            self.assertTrue(completion._request_id)
        (request,) = self.upstream.requests
        self.assertEqual(request.target, b"/v1/chat/completions")
        self.assert_provider_key_only(request)

    async def test_key_in_every_header_at_once(self) -> None:
        """Wherever a client puts its key, none of it goes on to the provider; nor do its other credentials."""
        client = await self.client("/direct/v1")
        keys = dict.fromkeys(("apikey", "x-api-key", "api-key", "x-goog-api-key"), "tester-key")
        others = {"Cookie": "session=of-the-client", "Proxy-Authorization": "Basic of-the-client"}
        ask = client.chat.completions.create
        await in_thread(ask, model="gpt-4o", messages=HELLO, extra_headers={**keys, **others})
        (request,) = self.upstream.requests
        self.assert_provider_key_only(request)
        self.assertNotIn("of-the-client", repr(request.headers))

    async def test_streamed_chat(self) -> None:
        """The pieces joined are the text, usage comes when asked for, and only then."""
        client = await self.client()

        def collect(model: str, **more: Any) -> tuple[str, list[Any]]:
            with client.chat.completions.create(model=model, messages=HELLO, stream=True, **more) as stream:
                chunks = list(stream)
            text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
            return text, [chunk.usage for chunk in chunks if chunk.usage is not None]

        for model, said in (("echo", "Say hello."), ("gpt-4o", TEXT)):
            text, usages = await in_thread(collect, model)
            self.assertEqual((model, text, usages), (model, said, []))
            text, usages = await in_thread(collect, model, stream_options={"include_usage": True})
            self.assertEqual((model, text, len(usages)), (model, said, 1))

    async def test_stream_helper(self) -> None:
        """The SDK's own accumulation accepts every event and ends with the whole message."""
        client = await self.client()

        def collect(model: str) -> str:
            with client.chat.completions.stream(model=model, messages=HELLO) as stream:
                return stream.get_final_completion().choices[0].message.content

        self.assertEqual(await in_thread(collect, "echo"), "Say hello.")
        self.assertEqual(await in_thread(collect, "gpt-4o"), TEXT)

    async def test_event_is_seen_before_the_next_is_sent(self) -> None:
        """Events pass one by one: the SDK has the first word while the provider says nothing more."""
        client = await self.client()
        self.upstream.script(answers.stall_after(2))
        stream = await in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO, stream=True)
        greeting, word = await in_thread(next, stream), await in_thread(next, stream)
        self.assertEqual(greeting.choices[0].delta.role, "assistant")
        self.assertEqual(word.choices[0].delta.content, words(TEXT)[0])
        await in_thread(stream.close)
        await self.upstream.requests[0].client_gone()
        self.assertTrue(self.upstream.requests[0].cancelled)

    async def test_fifty_parallel_streams(self) -> None:
        """Each of fifty concurrent streams gets its own text, whole and in order."""
        await self.start()
        self.upstream.standing = answers.openai(delay=0.001)
        url = self.daemon.url

        async def one(client: openai.AsyncOpenAI, number: int) -> str:
            said = f"This is stream {number} and nothing else."
            model = "echo" if number % 2 else "gpt-4o"
            messages: list[Any] = [{"role": "user", "content": said}]
            stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
            pieces = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
            self.assertEqual("".join(pieces), said if number % 2 else TEXT)
            return model

        async def all_of_them() -> list[str]:
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="tester-key", **NO_RETRIES) as client:
                return await asyncio.gather(*(one(client, number) for number in range(50)))

        models = await in_thread(asyncio.run, all_of_them())
        self.assertEqual(sorted(models), ["echo"] * 25 + ["gpt-4o"] * 25)
        self.assertEqual(len(self.upstream.requests), 25)
        asked = {request.json()["messages"][0]["content"] for request in self.upstream.requests}
        self.assertEqual(len(asked), 25)


class OtherOperationTests(SDKTestCase):
    """embeddings, models, responses, completions."""

    async def test_embeddings(self) -> None:
        """Floats come out whichever encoding the SDK asked for."""
        client = await self.client()
        model = "text-embedding-3-small"
        for more in ({}, {"encoding_format": "float"}):
            found = await in_thread(client.embeddings.create, model=model, input=["a", "b"], **more)
            self.assertEqual([entry.embedding for entry in found.data], [[0.5, -0.25, 0.125]] * 2)
            self.assertEqual(found.usage.prompt_tokens, 8)
        echoed = [
            (await in_thread(client.embeddings.create, model="echo", input="a", **more)).data[0].embedding
            for more in ({}, {"encoding_format": "float"})
        ]
        self.assertEqual(len(echoed[0]), len(echoed[1]))
        for packed, plain in zip(*echoed, strict=True):
            self.assertAlmostEqual(packed, plain, places=5)

    async def test_models(self) -> None:
        """The gateway's own models where the model picks the backend, the provider's on a route to one."""
        client = await self.client()
        listed = [model.id for model in await in_thread(lambda: list(client.models.list()))]
        self.assertEqual(sorted(listed), ["echo", "error-429", "error-500", "gpt-4o", "text-embedding-3-small"])
        self.assertEqual(self.upstream.requests, [])
        self.assertEqual((await in_thread(client.models.retrieve, "gpt-4o")).id, "gpt-4o")
        direct = self.client_at("/direct/v1")
        listed = [model.id for model in await in_thread(lambda: list(direct.models.list()))]
        self.assertEqual(listed, ["gpt-4o-2024-08-06", "gpt-4o"])
        self.assertEqual(self.upstream.requests[0].target, b"/v1/models")
        self.assert_provider_key_only(self.upstream.requests[0])

    async def test_responses(self) -> None:
        """Whole and streamed, from both providers."""
        client = await self.client()

        def collect(model: str) -> tuple[str, str]:
            with client.responses.create(model=model, input="Say hello.", stream=True) as stream:
                events = list(stream)
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            return "".join(deltas), events[-1].type

        for model, said in (("echo", "Say hello."), ("gpt-4o", TEXT)):
            response = await in_thread(client.responses.create, model=model, input="Say hello.")
            self.assertEqual((response.output_text, response.status), (said, "completed"))
            self.assertGreater(response.usage.output_tokens, 0)
            self.assertEqual(await in_thread(collect, model), (said, "response.completed"))
        self.assertEqual([request.target for request in self.upstream.requests], [b"/v1/responses"] * 2)

    async def test_legacy_completions(self) -> None:
        """The old operation as well, whole and streamed."""
        client = await self.client()

        def collect() -> str:
            with client.completions.create(model="gpt-4o", prompt="Say hello.", stream=True) as stream:
                return "".join(choice.text for chunk in stream for choice in chunk.choices)

        whole = await in_thread(client.completions.create, model="gpt-4o", prompt="Say hello.")
        self.assertEqual(whole.choices[0].text, TEXT)
        self.assertEqual(await in_thread(collect), TEXT)

    async def test_base_url_with_and_without_version(self) -> None:
        """Both spellings lead to the same place, for operations that the gateway knows and for others."""
        await self.start()
        for path in ("/any", "/any/v1"):
            client = self.client_at(path)
            await in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO)
            call = in_thread(client.moderations.create, input="x")
            await self.assertFailure(call, openai.NotFoundError)  # the provider's: it has none
        targets = [request.target for request in self.upstream.requests]
        self.assertEqual(targets, [b"/v1/chat/completions", b"/v1/moderations"] * 2)


class ErrorTests(SDKTestCase):
    """The SDK raises what its users catch."""

    async def test_wrong_key(self) -> None:
        """AuthenticationError with a code to branch on, whole and streamed; the provider hears nothing."""
        client = await self.client(key="wrong-key")
        for stream in (False, True):
            call = in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO, stream=stream)
            error = await self.assertFailure(call, openai.AuthenticationError)
            self.assertEqual((error.status_code, error.code), (401, "invalid_api_key"))
            self.assertEqual(error.type, "authentication_error")
            self.assertTrue(error.request_id)
            self.assertIn("Unauthorized: unknown or expired key", error.message)
            self.assertNotIn("wrong-key", error.message)
        self.assertEqual(self.upstream.requests, [])

    async def test_rate_limit_is_passed_on(self) -> None:
        """RateLimitError with the provider's own words and its Retry-After, after one attempt."""
        client = await self.client("/direct/v1")
        self.upstream.standing = answers.rate_limited(b"7")
        for stream in (False, True):
            call = in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO, stream=stream)
            error = await self.assertFailure(call, openai.RateLimitError)
            self.assertEqual(error.code, "rate_limit_exceeded")
            self.assertIn("Rate limit reached for requests", error.message)
            self.assertEqual(error.response.headers["retry-after"], "7")
            self.assertEqual(error.response.headers["x-ratelimit-remaining-requests"], "0")
        self.assertEqual(len(self.upstream.requests), 2)

    async def test_echo_errors(self) -> None:
        """The echo provider fails on request, so that error paths can be tried without an account."""
        client = await self.client()
        for model, expected in (
            ("error-429", openai.RateLimitError),
            ("error-500", openai.InternalServerError),
        ):
            call = in_thread(client.chat.completions.create, model=model, messages=HELLO)
            await self.assertFailure(call, expected)

    async def test_unknown_model(self) -> None:
        """A NotFoundError that names the field and the model."""
        client = await self.client()
        call = in_thread(client.chat.completions.create, model="no-such-model", messages=HELLO)
        error = await self.assertFailure(call, openai.NotFoundError)
        self.assertEqual(error.param, "model")
        self.assertIn("no-such-model", error.message)

    async def test_unknown_path(self) -> None:
        """NotFoundError with Kong's words."""
        await self.start()
        client = self.client_at("/elsewhere")
        call = in_thread(client.chat.completions.create, model="echo", messages=HELLO)
        error = await self.assertFailure(call, openai.NotFoundError)
        self.assertIn("no Route matched with those values", error.message)

    async def test_unreachable_upstream(self) -> None:
        """InternalServerError (502) that names the backend and not its key."""
        client = await self.client("/direct/v1")
        await self.upstream.refuse()
        call = in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO)
        error = await self.assertFailure(call, openai.InternalServerError)
        self.assertEqual(error.status_code, 502)
        self.assertIn("provider", error.message)
        self.assertNotIn("sk-provider", error.message)

    async def test_stream_that_breaks_raises(self) -> None:
        """A cut stream never looks complete: the SDK raises, after the text that did arrive."""
        client = await self.client("/direct/v1")

        def collect(text: list[str]) -> None:
            for chunk in client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True):
                text.extend(choice.delta.content or "" for choice in chunk.choices)

        for fault in ("cut", "cut by reset"):
            text: list[str] = []
            self.upstream.script(fault)
            await self.assertFailure(in_thread(collect, text), openai.APIError)
            self.assertEqual("".join(text), words(TEXT)[0])

    async def test_stream_that_opens_with_an_error_is_an_error(self) -> None:
        """Status 200 and an error as the first event: the SDK's user gets an exception, not an empty stream."""
        client = await self.client("/direct/v1")
        self.upstream.script("error first")
        call = in_thread(client.chat.completions.create, model="gpt-4o", messages=HELLO, stream=True)
        error = await self.assertFailure(call, openai.APIStatusError)
        self.assertGreaterEqual(error.status_code, 400)
        self.assertIn("The server is overloaded.", error.message)


class AnthropicTests(SDKTestCase):
    """The other SDK, as far as this version serves it: its users can tell what is wrong."""

    async def test_wrong_key(self) -> None:
        """Its own AuthenticationError, with the body that it parses."""
        await self.start()
        client = anthropic.Anthropic(base_url=self.daemon.url, api_key="wrong-key", **NO_RETRIES)
        self.addCleanup(client.close)

        def ask() -> Any:
            return client.messages.create(model="echo", max_tokens=16, messages=HELLO)

        error = await self.assertFailure(in_thread(ask), anthropic.AuthenticationError)
        self.assertEqual(error.status_code, 401)
        self.assertEqual(error.body["type"], "error")
        self.assertEqual(error.body["error"]["type"], "authentication_error")
        self.assertEqual(error.body["error"]["message"], "Unauthorized: unknown or expired key")
        self.assertEqual(error.response.headers["x-request-id"], error.body["request_id"])
        self.assertEqual(self.upstream.requests, [])
