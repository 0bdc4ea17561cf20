"""Mistral's own SDK through the real daemon. Google's is in :mod:`tests.dist.test_gemini_native`.

Its dialect is OpenAI's with a few words of its own. It is at home on ``raw`` routes, where everything passes as it is.
Where the operation is known, calls are read and written anew, in OpenAI's words: that is enough for chats, but not for
what its client wants and OpenAI's has no place for (names in every piece of a tool's arguments, an id on embeddings,
usage of streams that nobody asked for).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistralai.client import Mistral, errors
from mistralai.client.utils import BackoffStrategy, RetryConfig
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers, mistral
from aigw.testing.said import BUSY, REASONED, STRUCTURED, TOOLS, VECTOR, Said
from tests.dist.daemon import DaemonTestCase

CONFIG = """
[secrets]
mistral = {{ env = "MISTRAL_API_KEY" }}

[backends.mistral]
provider = "mistral"
url = "{url}"
auth = {{ secret = "mistral" }}

[routes.known]
paths = ["/known"]
backend = "mistral"

[routes.raw]
paths = ["/raw"]
operation = "raw"
backend = "mistral"

[consumers.tester]
keys = ["tester-key"]
"""

SAID = Said(text="Grüß Gott, Welt")
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, Any] = {"model": "mistral-small-latest", "messages": HELLO}
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
NO_RETRIES = RetryConfig("none", BackoffStrategy(1, 1, 1.0, 1), False)


def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """A blocking call of the SDK."""
    return deferToThread(call, *args, **kwargs)


class MistralTests(DaemonTestCase):
    """mistralai with ``server_url`` at a route of the gateway."""

    routes = ("known", "raw")

    async def start(self, said: Said = SAID) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.standing = mistral.answer(said)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.daemon = await self.start_daemon(
            CONFIG.format(url=self.upstream.url), {"MISTRAL_API_KEY": "mistral-provider"}
        )

    def client(self, route: str, key: str = "tester-key") -> Mistral:
        return Mistral(api_key=key, server_url=f"{self.daemon.url}/{route}", retry_config=NO_RETRIES)

    def last_request(self, path: bytes) -> ReceivedRequest:
        """The last request, which has the provider's key and nothing of the consumer's."""
        request = self.upstream.requests[-1]
        self.assertEqual(request.target, path)
        self.assertEqual(request.header_values(b"authorization"), [b"Bearer mistral-provider"])
        self.assertNotIn("tester-key", repr((request.target, request.headers, request.body)))
        return request

    async def test_complete(self) -> None:
        """An answer, its usage, its reason."""
        await self.start()
        for route in self.routes:
            answer = await in_thread(self.client(route).chat.complete, **ASKED, temperature=0.5, max_tokens=30)
            (choice,) = answer.choices
            self.assertEqual((choice.message.content, choice.finish_reason), (SAID.text, "stop"))
            self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), (9, SAID.written))
            sent = self.last_request(b"/v1/chat/completions").fields()
            self.assertEqual((sent["temperature"], sent["max_tokens"], sent["messages"]), (0.5, 30, HELLO))

    async def test_words_of_its_own(self) -> None:
        """Mistral's names for what OpenAI calls otherwise, or does not have."""
        await self.start(TOOLS)
        own = {"random_seed": 7, "safe_prompt": True, "tools": [WEATHER], "tool_choice": "any"}
        for route in self.routes:
            answer = await in_thread(self.client(route).chat.complete, **ASKED, **own)
            (choice,) = answer.choices
            self.assertEqual(choice.finish_reason, "tool_calls")
            told = [(call.id, call.function.name) for call in choice.message.tool_calls]
            self.assertEqual(told, [(call.id, call.name) for call in TOOLS.calls])
            sent = self.last_request(b"/v1/chat/completions").fields()
            self.assertEqual((sent["random_seed"], sent["safe_prompt"], sent["tool_choice"]), (7, True, "any"))
            self.assertEqual(sent["tools"][0]["function"]["name"], "get_weather")

    async def test_beginning_of_the_answer(self) -> None:
        """An assistant's message with ``prefix`` is to be continued."""
        await self.start()
        begun = [*HELLO, {"role": "assistant", "content": "Grüß", "prefix": True}]
        for route in self.routes:
            await in_thread(self.client(route).chat.complete, model="mistral-small-latest", messages=begun)
            last = self.last_request(b"/v1/chat/completions").fields()["messages"][-1]
            self.assertEqual((last["content"], last["prefix"]), ("Grüß", True))

    async def test_structured(self) -> None:
        """``response_format`` with a schema."""
        await self.start(STRUCTURED)
        wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": {"type": "object"}, "strict": True}}
        for route in self.routes:
            answer = await in_thread(self.client(route).chat.complete, **ASKED, response_format=wanted)
            self.assertEqual(answer.choices[0].message.content, STRUCTURED.text)
            sent = self.last_request(b"/v1/chat/completions").fields()["response_format"]
            self.assertEqual((sent["type"], sent["json_schema"]["name"]), ("json_schema", "w"))

    async def test_stream(self) -> None:
        """Text, the end, the usage, as the SDK's events."""
        await self.start()

        def collect(route: str) -> list[Any]:
            with self.client(route).chat.stream(**ASKED) as stream:
                return [event.data for event in stream]

        for route in self.routes:
            chunks = await in_thread(collect, route)
            choices = [choice for chunk in chunks for choice in chunk.choices]
            self.assertEqual("".join(choice.delta.content or "" for choice in choices), SAID.text)
            self.assertEqual([choice.finish_reason for choice in choices if choice.finish_reason], ["stop"])
            told = [chunk.usage.completion_tokens for chunk in chunks if chunk.usage]
            self.assertEqual(told, [SAID.written] if route == "raw" else [])
            self.assertIs(self.last_request(b"/v1/chat/completions").fields()["stream"], True)

    async def test_streamed_tools(self) -> None:
        """Calls whole, in the last chunk."""
        await self.start(TOOLS)

        def collect() -> list[tuple[str, str]]:
            with self.client("raw").chat.stream(**ASKED, tools=[WEATHER]) as stream:
                calls = [each for event in stream for each in event.data.choices[0].delta.tool_calls or ()]
            return [(call.function.name, call.function.arguments) for call in calls]

        self.assertEqual(await in_thread(collect), [(call.name, call.json) for call in TOOLS.calls])

    async def test_thoughts(self) -> None:
        """As Mistral tells them, in ``content``, where nothing is read; else as chats in front tell them."""
        await self.start(REASONED)
        raw = (await in_thread(self.client("raw").chat.complete, **ASKED)).choices[0].message
        self.assertEqual([part.type for part in raw.content], ["thinking", "text"])
        known = (await in_thread(self.client("known").chat.complete, **ASKED)).choices[0].message
        self.assertEqual(known.content, REASONED.text)

    async def test_embeddings(self) -> None:
        """Vectors for texts, one and several."""
        await self.start()
        for inputs in (["a"], ["a", "b"]):
            answer = await in_thread(self.client("raw").embeddings.create, model="mistral-embed", inputs=inputs)
            self.assertEqual([each.index for each in answer.data], list(range(len(inputs))))
            self.assertEqual([each.embedding for each in answer.data], [list(VECTOR)] * len(inputs))
            self.assertEqual(self.last_request(b"/v1/embeddings").fields()["input"], inputs)

    async def test_models(self) -> None:
        """Mistral's list as it is; it says of each model what it can do."""
        await self.start()
        model = {"id": "mistral-small", "type": "base", "capabilities": {"completion_chat": True}}
        listed = {"object": "list", "data": [model]}
        for route in self.routes:
            self.upstream.script(answers.reply(listed))
            answer = await in_thread(self.client(route).models.list)
            self.assertEqual([model.id for model in answer.data], ["mistral-small"])
            self.last_request(b"/v1/models")

    async def test_errors(self) -> None:
        """Keep their status and Mistral's words, before a stream and in one."""
        await self.start()
        for route in self.routes:
            for status in (400, 429, 503):
                self.upstream.script(mistral.error(status))
                error = await self.assertFailure(in_thread(self.client(route).chat.complete, **ASKED), errors.SDKError)
                self.assertEqual(error.status_code, status)
                self.assertIn(BUSY, error.body)

    async def test_error_in_a_stream(self) -> None:
        """The SDK has no error of its own for one, and raises on it as on an event that is none."""
        await self.start()

        def collect(route: str) -> list[Any]:
            with self.client(route).chat.stream(**ASKED) as stream:
                return list(stream)

        for route in self.routes:
            self.upstream.script(mistral.failing(SAID))
            error = await self.assertFailure(in_thread(collect, route), errors.ResponseValidationError)
            self.assertIn("body.data.choices", str(error))

    async def test_unknown_consumer(self) -> None:
        """Is an error that the SDK can tell."""
        await self.start()
        for route in self.routes:
            failing = in_thread(self.client(route, "nobody").chat.complete, **ASKED)
            error = await self.assertFailure(failing, errors.SDKError)
            self.assertEqual(error.status_code, 401)
            self.assertIn("Unauthorized", error.body)
        self.assertEqual(self.upstream.requests, [])
