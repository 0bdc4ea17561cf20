"""The official SDKs through the real daemon to every provider: what docs/providers/README.md claims of each pair.

Every provider says the same (:mod:`aigw.testing.said`), in its own shape, and every client must get just that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import openai
import pydantic
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial import unittest

from aigw.testing import Act, Answer, ReceivedRequest, ScriptedUpstream, Step
from aigw.testing.said import BUSY, HELLO, READ, REASONED, STRUCTURED, TOOLS, VECTOR, Called, Said
from tests.dist import matrix
from tests.dist.matrix import AVAILABLE, FRONTS, Backend, anthropic_client, openai_client, served

ASKED: list[Any] = [{"role": "user", "content": "What is the weather, and what time is it?"}]
WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIME_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
RESULTS = ("21 degrees", "noon")


class Weather(pydantic.BaseModel):
    """The structure that is asked for."""

    model_config = pydantic.ConfigDict(extra="forbid")

    city: str
    degrees: int


def cut(answer: Answer) -> Answer:
    """The same answer, whose connection breaks when a few pieces are there."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        return itertools.chain(itertools.islice(answer(request), 4), (Act.CLOSE,))

    return answered


class PairTestCase(unittest.TestCase):
    """Plays the provider of one pair after the other."""

    timeout = 120
    front = ""

    def setUp(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen(served().upstream_port)
        self.addCleanup(self.upstream.stop)

    async def said(self, backend: Backend, said: Said, ask: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """What ``ask`` returns when the provider says that."""
        self.upstream.standing = backend.plays.answer(said)
        return await deferToThread(ask, *arguments, **more)

    async def check(self, name: str, feature: str) -> None:
        """Show ``feature`` of the pair of this front and the backend ``name``."""
        await getattr(self, f"check_{feature}")(name, AVAILABLE[name])

    def assert_bytes_of_provider(self, name: str, answer_id: str) -> None:
        """Native answers are the provider's own, translated ones are not."""
        native = self.front in AVAILABLE[name].native
        self.assertEqual(native, answer_id.endswith("scripted"), answer_id)

    def assert_results_arrived(self) -> None:
        """The provider got the results of both tools, in their order."""
        body = self.upstream.requests[-1].body.decode()
        self.assertEqual([result for result in RESULTS if result in body], list(RESULTS))
        self.assertLess(body.index(RESULTS[0]), body.index(RESULTS[1]))

    async def assert_refused(self, name: str, error: Any, ask: Callable[..., Any], *arguments: Any) -> None:
        """The SDK's user catches what the provider said."""
        self.upstream.standing = AVAILABLE[name].plays.error(429)
        raised = await self.assertFailure(deferToThread(ask, *arguments), error)
        self.assertIn(BUSY, raised.message)
        self.assertNotIn("sk-provider", str(raised))

    async def assert_failed(self, name: str, error: Any, ask: Callable[..., Any], *arguments: Any) -> None:
        """The SDK's user catches what the provider said in the middle of its stream."""
        self.upstream.standing = AVAILABLE[name].plays.failing(HELLO)
        raised = await self.assertFailure(deferToThread(ask, *arguments), error)
        self.assertIn(BUSY, raised.message)

    async def assert_broken(self, name: str, error: Any, ask: Callable[..., Any], *arguments: Any) -> None:
        """The SDK's user is told that the stream broke."""
        self.upstream.standing = cut(AVAILABLE[name].plays.answer(HELLO))
        await self.assertFailure(deferToThread(ask, *arguments), error)


CHAT_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA}},
    {"type": "function", "function": {"name": "get_time", "description": "The time.", "parameters": TIME_SCHEMA}},
]


def chat(route: str, **more: Any) -> Any:
    return openai_client(route).chat.completions.create(model="any", **{"messages": ASKED, **more})


def chat_chunks(route: str, **more: Any) -> list[Any]:
    with chat(route, stream=True, **more) as stream:
        return list(stream)


def chat_final(route: str, **more: Any) -> Any:
    """What the SDK's helper puts together."""
    options: Any = {"include_usage": True}
    completions = openai_client(route).chat.completions
    with completions.stream(model="any", messages=ASKED, stream_options=options, **more) as stream:
        return stream.get_final_completion()


class ChatTests(PairTestCase):
    """OpenAI's chat completions."""

    front = "chat"

    async def check_text(self, name: str, backend: Backend) -> None:
        completion = await self.said(backend, HELLO, chat, name)
        (choice,) = completion.choices
        self.assertEqual((choice.message.content, choice.finish_reason), (HELLO.text, "stop"))
        self.assertEqual((completion.usage.prompt_tokens, completion.usage.completion_tokens), (READ, HELLO.written))
        self.assert_bytes_of_provider(name, completion.id)

    async def check_stream(self, name: str, backend: Backend) -> None:
        chunks = await self.said(backend, HELLO, chat_chunks, name, stream_options={"include_usage": True})
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        self.assertEqual(text, HELLO.text)
        self.assertEqual((chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens), (READ, HELLO.written))
        final = await self.said(backend, HELLO, chat_final, name)
        self.assertEqual(final.choices[0].message.content, HELLO.text)
        unasked = await self.said(backend, HELLO, chat_chunks, name)
        self.assertEqual([chunk.usage for chunk in unasked if chunk.usage is not None], [])

    async def check_tools(self, name: str, backend: Backend) -> None:
        for ask in (chat, chat_final):
            completion = await self.said(backend, TOOLS, ask, name, tools=CHAT_TOOLS)
            (choice,) = completion.choices
            calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls]
            self.assertEqual(calls, [(called.name, called.json) for called in TOOLS.calls])
            self.assertEqual(choice.finish_reason, "tool_calls")
            self.assertEqual(len({call.id for call in choice.message.tool_calls}), 2)
            message = choice.message.model_dump(exclude_none=True, exclude={"parsed"})
            results = [
                {"role": "tool", "tool_call_id": call.id, "content": result}
                for call, result in zip(choice.message.tool_calls, RESULTS, strict=True)
            ]
            history = [*ASKED, message, *results]
            answer = await self.said(backend, HELLO, chat, name, messages=history, tools=CHAT_TOOLS)
            self.assertEqual(answer.choices[0].message.content, HELLO.text)
            self.assert_results_arrived()

    async def check_structured(self, name: str, backend: Backend) -> None:
        def ask() -> Any:
            completions = openai_client(name).chat.completions
            return completions.parse(model="any", messages=ASKED, response_format=Weather)

        completion = await self.said(backend, STRUCTURED, ask)
        self.assertEqual(completion.choices[0].message.parsed, Weather(city="Zürich", degrees=21))
        final = await self.said(backend, STRUCTURED, chat_final, name, response_format=Weather)
        self.assertEqual(final.choices[0].message.parsed, Weather(city="Zürich", degrees=21))

    async def check_thoughts(self, name: str, backend: Backend) -> None:
        completion = await self.said(backend, REASONED, chat, name, reasoning_effort="low")
        message = completion.choices[0].message
        self.assertEqual((message.reasoning_content, message.content), (REASONED.thoughts, REASONED.text))
        chunks = await self.said(backend, REASONED, chat_chunks, name, reasoning_effort="low")
        deltas = [choice.delta.model_dump() for chunk in chunks for choice in chunk.choices]
        thoughts = "".join(delta.get("reasoning_content") or "" for delta in deltas)
        self.assertEqual(
            (thoughts, "".join(delta["content"] or "" for delta in deltas)), (REASONED.thoughts, REASONED.text)
        )

    async def check_errors(self, name: str, backend: Backend) -> None:
        for ask in (chat, chat_chunks):
            await self.assert_refused(name, openai.RateLimitError, ask, name)

    async def check_failing(self, name: str, backend: Backend) -> None:
        await self.assert_failed(name, openai.APIError, chat_chunks, name)

    async def check_cut(self, name: str, backend: Backend) -> None:
        await self.assert_broken(name, openai.APIError, chat_chunks, name)


RESPONSES_TOOLS: list[Any] = [{"type": "function", **tool["function"], "strict": None} for tool in CHAT_TOOLS]


def response(route: str, **more: Any) -> Any:
    return openai_client(route).responses.create(model="any", **{"input": ASKED, **more})


def response_events(route: str, **more: Any) -> list[Any]:
    with response(route, stream=True, **more) as stream:
        return list(stream)


def response_final(route: str, **more: Any) -> Any:
    """What the SDK's helper puts together."""
    with openai_client(route).responses.stream(model="any", input=ASKED, **more) as stream:
        return stream.get_final_response()


class ResponsesTests(PairTestCase):
    """OpenAI's responses."""

    front = "responses"

    async def check_text(self, name: str, backend: Backend) -> None:
        answer = await self.said(backend, HELLO, response, name)
        self.assertEqual((answer.output_text, answer.status), (HELLO.text, "completed"))
        self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), (READ, HELLO.written))
        self.assert_bytes_of_provider(name, answer.id)

    async def check_stream(self, name: str, backend: Backend) -> None:
        events = await self.said(backend, HELLO, response_events, name)
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertEqual("".join(deltas), HELLO.text)
        self.assertEqual((events[0].type, events[-1].type), ("response.created", "response.completed"))
        self.assertEqual(events[-1].response.usage.output_tokens, HELLO.written)
        final = await self.said(backend, HELLO, response_final, name)
        self.assertEqual(final.output_text, HELLO.text)

    async def check_tools(self, name: str, backend: Backend) -> None:
        for ask in (response, response_final):
            answer = await self.said(backend, TOOLS, ask, name, tools=RESPONSES_TOOLS)
            calls = [item for item in answer.output if item.type == "function_call"]
            self.assertEqual(
                [(call.name, call.arguments) for call in calls], [(called.name, called.json) for called in TOOLS.calls]
            )
            self.assertEqual(len({call.call_id for call in calls}), 2)
            output = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
            results = [
                {"type": "function_call_output", "call_id": call.call_id, "output": result}
                for call, result in zip(calls, RESULTS, strict=True)
            ]
            history = [*ASKED, *output, *results]
            last = await self.said(backend, HELLO, response, name, input=history, tools=RESPONSES_TOOLS)
            self.assertEqual(last.output_text, HELLO.text)
            self.assert_results_arrived()

    async def check_structured(self, name: str, backend: Backend) -> None:
        def ask() -> Any:
            return openai_client(name).responses.parse(model="any", input=ASKED, text_format=Weather)

        answer = await self.said(backend, STRUCTURED, ask)
        self.assertEqual(answer.output_parsed, Weather(city="Zürich", degrees=21))
        final = await self.said(backend, STRUCTURED, response_final, name, text_format=Weather)
        self.assertEqual(final.output_parsed, Weather(city="Zürich", degrees=21))

    async def check_thoughts(self, name: str, backend: Backend) -> None:
        for ask in (response, response_final):
            wish = {"effort": "low", "summary": "auto"}
            answer = await self.said(backend, REASONED, ask, name, reasoning=wish)
            self.assertEqual([item.type for item in answer.output], ["reasoning", "message"])
            self.assertEqual(answer.output[0].summary[0].text, REASONED.thoughts)
            self.assertEqual(answer.output_text, REASONED.text)

    async def check_errors(self, name: str, backend: Backend) -> None:
        for ask in (response, response_events):
            await self.assert_refused(name, openai.RateLimitError, ask, name)

    async def check_failing(self, name: str, backend: Backend) -> None:
        await self.assert_failed(name, openai.APIError, response_events, name)

    async def check_cut(self, name: str, backend: Backend) -> None:
        await self.assert_broken(name, openai.APIError, response_events, name)


def completion(route: str, **more: Any) -> Any:
    return openai_client(route).completions.create(model="any", prompt="Say hello.", **more)


def completion_chunks(route: str, **more: Any) -> list[Any]:
    with completion(route, stream=True, **more) as stream:
        return list(stream)


class CompletionsTests(PairTestCase):
    """OpenAI's legacy completions."""

    front = "completions"

    async def check_text(self, name: str, backend: Backend) -> None:
        answer = await self.said(backend, HELLO, completion, name)
        self.assertEqual((answer.choices[0].text, answer.choices[0].finish_reason), (HELLO.text, "stop"))
        self.assertEqual(answer.usage.completion_tokens, HELLO.written)
        self.assert_bytes_of_provider(name, answer.id)

    async def check_stream(self, name: str, backend: Backend) -> None:
        chunks = await self.said(backend, HELLO, completion_chunks, name, stream_options={"include_usage": True})
        self.assertEqual("".join(choice.text for chunk in chunks for choice in chunk.choices), HELLO.text)
        self.assertEqual(chunks[-1].usage.completion_tokens, HELLO.written)

    async def check_errors(self, name: str, backend: Backend) -> None:
        for ask in (completion, completion_chunks):
            await self.assert_refused(name, openai.RateLimitError, ask, name)


def embeddings(route: str, **more: Any) -> Any:
    return openai_client(f"{route}-embed").embeddings.create(model="any", input=["one", "two"], **more)


class EmbeddingsTests(PairTestCase):
    """OpenAI's embeddings."""

    front = "embeddings"

    async def check_vectors(self, name: str, backend: Backend) -> None:
        for more in ({}, {"encoding_format": "float"}):
            answer = await self.said(backend, HELLO, embeddings, name, **more)
            found = [(each.index, tuple(each.embedding)) for each in answer.data]
            self.assertEqual(found, [(0, VECTOR), (1, VECTOR)])

    async def check_errors(self, name: str, backend: Backend) -> None:
        await self.assert_refused(name, openai.RateLimitError, embeddings, name)

    async def test_anthropic_has_none(self) -> None:
        """Where nothing can be done, a 400 says so, and the provider hears nothing."""
        error = await self.assertFailure(deferToThread(embeddings, "anthropic"), openai.BadRequestError)
        self.assertEqual(error.code, "operation_not_supported")
        self.assertEqual(self.upstream.requests, [])


MESSAGES_TOOLS: list[Any] = [
    {"name": "get_weather", "input_schema": WEATHER_SCHEMA},
    {"name": "get_time", "description": "The time.", "input_schema": TIME_SCHEMA},
]


def message(route: str, **more: Any) -> Any:
    fields: dict[str, Any] = {"max_tokens": 4096, "messages": ASKED, **more}
    return anthropic_client(route).messages.create(model="any", **fields)


def message_final(route: str, **more: Any) -> Any:
    """What the SDK's helper puts together."""
    messages = anthropic_client(route).messages
    with messages.stream(model="any", max_tokens=4096, messages=ASKED, **more) as stream:
        return stream.get_final_message()


class MessagesTests(PairTestCase):
    """Anthropic's messages."""

    front = "messages"

    async def check_text(self, name: str, backend: Backend) -> None:
        answer = await self.said(backend, HELLO, message, name)
        self.assertEqual([block.text for block in answer.content], [HELLO.text])
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens), (READ, HELLO.written))
        self.assert_bytes_of_provider(name, answer.id)

    async def check_stream(self, name: str, backend: Backend) -> None:
        answer = await self.said(backend, HELLO, message_final, name)
        self.assertEqual([block.text for block in answer.content], [HELLO.text])
        self.assertEqual((answer.stop_reason, answer.usage.output_tokens), ("end_turn", HELLO.written))

    async def check_tools(self, name: str, backend: Backend) -> None:
        for ask in (message, message_final):
            answer = await self.said(backend, TOOLS, ask, name, tools=MESSAGES_TOOLS)
            calls = [block for block in answer.content if block.type == "tool_use"]
            self.assertEqual(
                [(call.name, call.input) for call in calls], [(called.name, called.arguments) for called in TOOLS.calls]
            )
            self.assertEqual(answer.stop_reason, "tool_use")
            self.assertEqual(len({call.id for call in calls}), 2)
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": result}
                for call, result in zip(calls, RESULTS, strict=True)
            ]
            content = [block.model_dump(exclude_none=True) for block in answer.content]
            history = [*ASKED, {"role": "assistant", "content": content}, {"role": "user", "content": results}]
            last = await self.said(backend, HELLO, message, name, messages=history, tools=MESSAGES_TOOLS)
            self.assertEqual([block.text for block in last.content], [HELLO.text])
            self.assert_results_arrived()

    async def check_thoughts(self, name: str, backend: Backend) -> None:
        for ask in (message, message_final):
            thinking = {"type": "enabled", "budget_tokens": 1024}
            answer = await self.said(backend, REASONED, ask, name, thinking=thinking)
            self.assertEqual([block.type for block in answer.content], ["thinking", "text"])
            self.assertEqual(answer.content[0].thinking, REASONED.thoughts)
            self.assertEqual(answer.content[1].text, REASONED.text)

    async def check_errors(self, name: str, backend: Backend) -> None:
        for ask in (message, message_final):
            await self.assert_refused(name, anthropic.RateLimitError, ask, name)

    async def check_failing(self, name: str, backend: Backend) -> None:
        await self.assert_failed(name, anthropic.APIError, message_final, name)

    async def check_cut(self, name: str, backend: Backend) -> None:
        await self.assert_broken(name, anthropic.APIError, message_final, name)


class CountTests(PairTestCase):
    """Anthropic's count of tokens."""

    front = "count_tokens"

    async def check_count(self, name: str, backend: Backend) -> None:
        def ask() -> Any:
            return anthropic_client(name).messages.count_tokens(model="any", messages=ASKED)

        count = await self.said(backend, HELLO, ask)
        if backend.estimated:
            self.assertEqual(self.upstream.requests, [])
            self.assertIs(count.model_extra["estimated"], True)
            self.assertGreater(count.input_tokens, len(ASKED[0]["content"]) // 8)
        else:
            self.assertEqual((count.input_tokens, len(self.upstream.requests)), (READ, 1))


PATCH = '*** Begin Patch\n+"quoted"\n'
CODEX = Said(
    text="",
    thoughts="A patch, then the log.",
    calls=(
        Called("call_patch1", "apply_patch", {"input": PATCH}),
        Called("call_logs1", "mcp__git__log", {"count": 1}),
    ),
)
CODEX_TOOLS: list[Any] = [
    {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"},
    },
    {"type": "namespace", "name": "mcp__git", "description": "Git.", "tools": [{**RESPONSES_TOOLS[0], "name": "log"}]},
]
#: Providers that sign what they think or call, and must get that back.
SIGNING = ("anthropic", "bedrock", "gemini", "vertex", "vertex-claude")


class CodexTests(PairTestCase):
    """What Codex does with responses, in front of every provider that has none: one turn with tools, and the next."""

    front = "responses"

    async def test_custom_and_namespaced_tools(self) -> None:
        """Calls come back as the tools that Codex has; all that it keeps and sends again satisfies the provider."""
        wish = {"effort": "low", "summary": "auto"}
        asked: dict[str, Any] = {"tools": CODEX_TOOLS, "reasoning": wish, "include": ["reasoning.encrypted_content"]}
        for name, backend in AVAILABLE.items():
            if self.front in backend.native:
                continue
            answer = await self.said(backend, CODEX, response_final, name, store=False, **asked)
            custom, function = [item for item in answer.output if item.type != "reasoning"]
            self.assertEqual((custom.type, custom.name, custom.input), ("custom_tool_call", "apply_patch", PATCH))
            self.assertEqual((function.name, function.namespace), ("log", "mcp__git"), name)
            output = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
            results = [
                {"type": "custom_tool_call_output", "call_id": custom.call_id, "output": RESULTS[0]},
                {"type": "function_call_output", "call_id": function.call_id, "output": RESULTS[1]},
            ]
            last = await self.said(backend, HELLO, response, name, input=[*ASKED, *output, *results], **asked)
            self.assertEqual(last.output_text, HELLO.text)
            self.assert_results_arrived()
            if name in SIGNING:
                self.assertIn(CODEX.signature.encode(), self.upstream.requests[-1].body, name)


class TableTests(unittest.TestCase):
    """The page."""

    def test_table_on_the_page(self) -> None:
        """docs/providers/README.md claims what the tests here hold, neither more nor less."""
        self.assertEqual(matrix.table_on_the_page(), matrix.table())


CASES: tuple[type[PairTestCase], ...] = (
    ChatTests,
    ResponsesTests,
    CompletionsTests,
    EmbeddingsTests,
    MessagesTests,
    CountTests,
)


def _add_tests(case: type[PairTestCase], name: str, backend: Backend) -> None:
    """A test for every feature of a pair."""
    for feature in FRONTS[case.front]:
        if case.front not in backend.lacks and not backend.lacks_feature(case.front, feature):

            async def test(self: PairTestCase, feature: str = feature) -> None:
                await self.check(name, feature)

            test.__doc__ = f"{feature} of {case.front} in front of {name}."
            setattr(case, f"test_{name.replace('-', '_')}_{feature}", test)


def _add_all() -> None:
    for case in CASES:
        for name, backend in AVAILABLE.items():
            _add_tests(case, name, backend)


_add_all()
