"""A value of the wrong type or size, at every place of every message: an error of the gateway's own, never a traceback.

A client's fault is a 400, a provider's a 502 or its own error passed on. Not drawn at random but gone through: each
place of an example body of every dialect, and of what every scripted provider answers, gets each of the values that
code which was written for another type falls over.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import body, echo, lenient
from aigw.llm.body import Adjustments
from aigw.llm.decoders import Frame
from aigw.llm.errors import first_event_error
from aigw.llm.listing import ListTranslation
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.preamble import is_preamble
from aigw.llm.providers import PROVIDERS, Place, Provider
from aigw.llm.refusals import reason, understood
from aigw.llm.rescue import Said, rescuable
from aigw.llm.signatures import leave_out_others
from aigw.llm.taps import JsonTap, StreamTap, add_usage_option, asks_for_usage
from aigw.llm.translation import DIALECTS, Answer, Pair, StreamTranslation, Translating, Translation
from tests.unit.llm.recordings import SSE, frames_of, paths, played, played_errors, translating, wire_of

NONE = Adjustments(defaults={}, overrides={})
ADJUSTING = Adjustments(defaults={"max_tokens": 5}, overrides={"temperature": 1.0, "metadata": {"a": 1}})

#: What takes the place of a value. A list or an object where a word should be cannot be looked up in a table.
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**64 - 1,
    1e308,
    "",
    "7" * 5000,
    "http://[",
    [],
    ["x", 1],
    {},
    {"type": ["x"]},
    [{"type": {}}],
)
#: What only a provider's body can hold, which is read more leniently.
WRONG_FROM_PROVIDERS: tuple[Any, ...] = (*WRONG, float("inf"), float("nan"), 10**40, 10**400, 2**53 + 1)

DATA = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": ["string", "null"], "enum": ["x", None], "description": "d"},
        "b": {"$ref": "#/$defs/B"},
        "c": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "string"}}]},
    },
    "$defs": {"B": {"type": "object", "properties": {"c": {"type": "number"}}, "additionalProperties": False}},
    "required": ["a"],
    "additionalProperties": False,
}
BRANCHES = [{"$ref": "#/$defs/B"}, {"properties": {"d": {"type": "string"}}, "required": ["d"]}]
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    CHAT: (
        {
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
                {"role": "developer", "content": "d"},
                {
                    "role": "user",
                    "name": "n",
                    "content": [
                        {"type": "text", "text": "Hi"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}", "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                        {
                            "type": "file",
                            "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
                        },
                    ],
                },
                {
                    "role": "assistant",
                    "content": "t",
                    "refusal": None,
                    "reasoning_content": "r",
                    "tool_calls": [{**CALLED, "extra_content": {"google": {"thought_signature": "AAAA"}}}],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "42"},
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "42"},
                {"role": "user", "content": "and?"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
            "max_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.5,
            "top_k": 3,
            "n": 1,
            "seed": 7,
            "stop": ["a"],
            "user": "u",
            "logprobs": True,
            "top_logprobs": 2,
            "logit_bias": {"1": 1},
            "presence_penalty": 0.5,
            "frequency_penalty": 0.5,
            "reasoning_effort": "low",
            "service_tier": "auto",
            "modalities": ["text"],
            "metadata": {"a": "b"},
            "stream_options": {"include_usage": True},
        },
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tool_choice": "auto",
            "max_completion_tokens": 5000,
            "web_search_options": {"search_context_size": "low"},
            "functions": [{"name": "f", "parameters": SCHEMA}],
            "function_call": {"name": "f"},
        },
        {
            "messages": [{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "tools": [
                {
                    "type": "function",
                    "cache_control": {"type": "ephemeral"},
                    "function": {
                        "name": "f.g",
                        "parameters": {**SCHEMA, "anyOf": BRANCHES, "allOf": [{"anyOf": BRANCHES}]},
                    },
                }
            ],
            "anthropic_beta": ["computer-use-2025-01-24"],
        },
    ),
    COMPLETIONS: (
        {
            "prompt": ["Hi"],
            "suffix": "",
            "max_tokens": 5,
            "stop": "a",
            "logprobs": 1,
            "echo": False,
            "best_of": 1,
            "n": 1,
            "stream_options": {"include_usage": True},
        },
    ),
    RESPONSES: (
        {
            "instructions": "i",
            "input": [
                {"role": "user", "content": "Hi"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "t"},
                        {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}", "detail": "auto"},
                        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
                    ],
                },
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "s"}],
                    "encrypted_content": "gAAAAx",
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "id": "m",
                    "status": "completed",
                    "content": [
                        {"type": "output_text", "text": "t", "annotations": []},
                        {"type": "refusal", "refusal": "r"},
                    ],
                },
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "id": "fc", "status": "x"},
                {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "42"}]},
                {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "y"},
            ],
            "tools": [
                {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
                {"type": "custom", "name": "g", "description": "d", "format": {"type": "text"}},
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
                "verbosity": "low",
            },
            "reasoning": {"effort": "low", "summary": "auto"},
            "max_output_tokens": 5,
            "parallel_tool_calls": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "truncation": "disabled",
            "metadata": {"a": "b"},
            "top_logprobs": 2,
            "stream_options": {"include_obfuscation": False},
        },
        {"input": "Hi", "text": {"format": {"type": "json_object"}}, "tools": [{"type": "web_search"}]},
    ),
    MESSAGES: (
        {
            "max_tokens": 2000,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
                        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                        {
                            "type": "document",
                            "title": "t",
                            "context": "c",
                            "citations": {"enabled": False},
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                        },
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t", "signature": "EjAKATE="},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "x"},
                        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t1",
                            "is_error": False,
                            "content": [{"type": "text", "text": "42"}],
                        },
                        {"type": "text", "text": "and?"},
                    ],
                },
            ],
            "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "stop_sequences": ["a"],
            "temperature": 0.5,
            "top_k": 3,
            "top_p": 0.5,
            "metadata": {"user_id": "u"},
            "service_tier": "auto",
        },
        {
            "max_tokens": 2000,
            "messages": [{"role": "user", "content": "Hi"}],
            "system": "s",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
            "output_format": {"type": "json_schema", "schema": SCHEMA},
            "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}],
            "mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}],
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        },
        {
            "max_tokens": 2000,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "search_result",
                            "source": "s",
                            "title": "t",
                            "content": [{"type": "text", "text": "x"}],
                            "citations": {"enabled": True},
                            "cache_control": {"type": "ephemeral", "scope": "global"},
                        },
                        {
                            "type": "document",
                            "citations": {"enabled": True},
                            "context": "c",
                            "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
                        },
                    ],
                }
            ],
            "tools": [
                {"type": "computer_20250124", "name": "computer"},
                {
                    "name": "f.g",
                    "input_schema": SCHEMA,
                    "defer_loading": False,
                    "allowed_callers": ["direct"],
                    "input_examples": [{"a": 1}],
                    "eager_input_streaming": True,
                },
            ],
            "betas": ["computer-use-2025-01-24"],
            "anthropic_beta": "a,b",
            "anthropic_version": "x",
            "thread": None,
        },
    ),
    EMBEDDINGS: ({"input": ["Hi", "there"], "dimensions": 256, "encoding_format": "base64", "user": "u"},),
}
EXAMPLES[COUNT_TOKENS] = EXAMPLES[MESSAGES]

MODELS: dict[tuple[str, str], str] = {
    ("gemini", EMBEDDINGS): "gemini-embedding-001",
    ("gemini", ""): "gemini-2.5-flash",
    ("vertex", EMBEDDINGS): "gemini-embedding-001",
    ("vertex", ""): "gemini-2.5-flash",
    ("bedrock", EMBEDDINGS): "amazon.titan-embed-text-v2:0",
    ("bedrock", ""): "anthropic.claude-sonnet-4-5-20250929-v1:0",
    ("anthropic", ""): "claude-sonnet-4-5",
}
#: Names with a number in them that no version has.
LONG_NAMES = tuple(
    f"{begin}{'5' * 5000}{end}"
    for begin in ("gemini-", "gemini-2.", "claude-", "claude-opus-4-", "gpt-", "gpt-5.", "o", "mistral-", "command-r-")
    for end in ("", "-x", ".1")
)


def model_of(provider: Provider, operation: str) -> str:
    name = provider.name
    return MODELS.get((name, operation)) or MODELS.get((name, "")) or "gpt-5.1"


def changed(value: Any, wrong: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """``value`` with each of its places taken by each wrong value, wrapped in a list, left out."""
    text = json.dumps(value)
    for place, found in list(paths(value)):
        if not place:
            continue
        for each in (*wrong, [found], {"x": found}, KeyError):
            copy = orjson.loads(text)
            holder = copy
            for name in place[:-1]:
                holder = holder[name]
            if each is KeyError:
                del holder[place[-1]]
            else:
                holder[place[-1]] = each
            yield place, each, copy


class ToldTestCase(unittest.TestCase):
    """Notes what raised, once for each place of the code, and tells of all of it."""

    def setUp(self) -> None:
        self.raised: dict[str, str] = {}
        self.cases = 0

    def tried(self, told: str, call: Callable[[], Any]) -> Any:
        """What ``call`` returns; None where it refuses, which it may."""
        self.cases += 1
        try:
            return call()
        except BadRequest:
            return None
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            inner = [frame for frame in frames if "/aigw/" in frame.filename and "/tests/" not in frame.filename]
            last = (inner or frames)[-1]
            self.raised.setdefault(f"{last.filename}:{last.lineno} {type(error).__name__}", told)
            return None

    def assert_none_raised(self, *, least: int) -> None:
        """:param least: how many cases there are at least; else something is not gone through."""
        self.assertEqual(self.raised, {})
        self.assertGreater(self.cases, least)


class RequestTests(ToldTestCase):
    """What a client sends."""

    def test_is_refused_or_understood(self) -> None:
        """By every dialect, for every provider that it can be translated for."""
        for operation, examples in EXAMPLES.items():
            for example in examples:
                for place, wrong, fields in changed(example, WRONG):
                    self.translate(f"{operation} {place} = {str(wrong)[:60]}", operation, fields)
        self.assert_none_raised(least=50_000)

    def translate(self, told: str, operation: str, fields: dict[str, Any]) -> None:
        text = orjson.dumps({"model": "m", "stream": self.cases % 2 == 0, **fields})
        if self.tried(told, functools.partial(body.parse, text, operation)) is None:
            return
        for provider in PROVIDERS.values():
            pair = pairing(operation, provider, NONE, drop_unsupported=True)
            if pair is not None:
                asked = {**orjson.loads(text), "model": model_of(provider, operation)}
                self.tried(f"{provider.name} {told}", functools.partial(self.ask, pair, asked))

    def ask(self, pair: Any, fields: dict[str, Any]) -> None:
        copy = orjson.loads(orjson.dumps(fields)) if isinstance(pair, Pair) and fields.get("stream") else None
        translation = pair.translate(fields, "a1", 0.0)
        if translation.ready is None:
            orjson.dumps(translation.request.body)
            self.assertTrue(translation.request.path.isascii())
        if copy is not None and self.cases % 8 == 0:
            rescuable(pair, copy, "a1", 0.0, Said(text="so far "), True)

    def test_messages_that_pass(self) -> None:
        """As they are, to Vertex AI's Claude."""
        vertex = PROVIDERS["vertex"]
        placed = vertex.at(vertex, Place(project="p"))
        for adjustments in (NONE, ADJUSTING):
            pair = pairing(MESSAGES, placed, adjustments, drop_unsupported=False)
            for example in EXAMPLES[MESSAGES]:
                for place, wrong, fields in changed(example, WRONG):
                    told = f"{place} = {str(wrong)[:60]}"
                    asked = {**fields, "model": "claude-opus-4-7", "stream": self.cases % 2 == 0}
                    self.tried(told, functools.partial(self.ask, pair, asked))
        self.assert_none_raised(least=2000)

    def test_names_of_models_with_thousands_of_digits(self) -> None:
        """They are names that nobody knows, at every provider."""
        for name in LONG_NAMES:
            for operation, examples in EXAMPLES.items():
                for provider in PROVIDERS.values():
                    pair = pairing(operation, provider, NONE, drop_unsupported=True)
                    if pair is not None:
                        fields = orjson.loads(orjson.dumps({**examples[0], "model": name, "stream": True}))
                        self.tried(f"{provider.name} {name[:30]}", functools.partial(self.ask, pair, fields))
        self.assert_none_raised(least=1000)

    def test_numbers_with_thousands_of_digits(self) -> None:
        """A body with one is no JSON that can be read."""
        for number in (b"9" * 5000, b"-" + b"9" * 5000, b"1e999", b"1" + b"0" * 400 + b".5"):
            text = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":%s}' % number
            self.assertRaises(BadRequest, body.parse, text, CHAT)

    def test_same_dialect(self) -> None:
        """Where the body is only looked at, and by the provider that answers by itself."""
        for operation, examples in EXAMPLES.items():
            for example in examples:
                for place, wrong, fields in changed(example, WRONG):
                    text = orjson.dumps({"model": "m", **fields})
                    told = f"{operation} {place} = {str(wrong)[:60]}"
                    parsed = self.tried(told, functools.partial(body.parse, text, operation))
                    if parsed is not None:
                        self.tried(told, functools.partial(self.look, operation, parsed))
        self.assert_none_raised(least=10_000)

    def look(self, operation: str, fields: dict[str, Any]) -> None:
        echo.reply(operation, fields, now=0.0)
        echo.reply(operation, {**fields, "stream": True}, now=0.0)
        leave_out_others(fields, operation)
        ADJUSTING.apply(fields)
        if asks_for_usage({**fields, "stream": True}, operation):
            add_usage_option(fields)
        body.serialise(fields)


@functools.cache
def answers(name: str) -> tuple[Any, ...]:
    """What a scripted provider answers whole, to conversations, embeddings and counts."""
    told = [orjson.loads(one.body) for one in played(name, stream=False)]
    return (*told, *OTHER_ANSWERS.get(name, ()))


#: Answers to other calls than conversations.
OTHER_ANSWERS: dict[str, tuple[Any, ...]] = {
    "gemini": ({"totalTokens": 5}, {"embeddings": [{"values": [0.5, 1]}], "usageMetadata": {"promptTokenCount": 3}}),
    "vertex": (
        {"totalTokens": 5},
        {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 3, "truncated": False}}}]},
        {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 3}},
    ),
    "bedrock": (
        {"inputTokens": 5},
        {"embedding": [0.5, 1], "inputTextTokenCount": 3, "embeddingsByType": {"float": [0.5]}},
        {"embeddings": {"float": [[0.5]]}, "response_type": "embeddings_by_type"},
    ),
    "anthropic": ({"input_tokens": 5},),
    "cohere": ({"embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 3}}},),
    "mistral": ({"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3}, "model": "m"},),
    "ollama": ({"embeddings": [[0.5]], "prompt_eval_count": 3, "model": "m"},),
}
LISTS: dict[str, Any] = {
    "data": [{"id": "m", "created": 1, "created_at": "2026-01-01T00:00:00Z", "owned_by": "o", "display_name": "M"}],
    "models": [{"name": "models/m", "model": "m", "modified_at": "2026-01-01T00:00:00Z", "endpoints": ["chat"]}],
    "publisherModels": [{"name": "publishers/google/models/m", "supportedGenerationMethods": ["x"]}],
    "modelSummaries": [{"modelId": "m", "providerName": "p", "modelName": "n"}],
    "has_more": False,
}
DATES = ("99999-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "x" * 5000)
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}]},
    COMPLETIONS: {"prompt": "Hi"},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100},
    COUNT_TOKENS: {"messages": [{"role": "user", "content": "Hi"}]},
    EMBEDDINGS: {"input": ["Hi"]},
}


def asked(provider: Provider, operation: str, *, stream: bool = False) -> Translating | None:
    """The translation of a plain call; None where there is nothing to translate."""
    pair = pairing(operation, provider, NONE, drop_unsupported=True)
    fields = {"model": model_of(provider, operation), "stream": stream, **ASKED[operation]}
    found = pair.translate(orjson.loads(orjson.dumps(fields)), "a1", 0.0) if pair is not None else None
    return found if found is None or found.ready is None else None


class AnswerTests(ToldTestCase):
    """What a provider sends."""

    def assert_answer(self, answer: Answer) -> None:
        """One that has a status, and counts that can be added up."""
        self.assertIs(type(answer.status), int)
        self.assertTrue(200 <= answer.status <= 599, answer)
        for count in answer.usage.counts() if answer.usage is not None else ():
            self.assertTrue(type(count) is int and 0 <= count < 10**13, answer.usage)
        if answer.retry_after is not None:
            self.assertTrue(math.isfinite(answer.retry_after) and answer.retry_after >= 0)

    def test_whole(self) -> None:
        """Of every operation: an answer, or an error that says whose fault it is."""
        for provider in translating():
            for operation in ASKED:
                if asked(provider, operation) is None:
                    continue
                for example in answers(provider.name):
                    for place, wrong, fields in changed(example, WRONG_FROM_PROVIDERS):
                        told = f"{provider.name} {operation} {place} = {str(wrong)[:60]}"
                        self.tried(told, functools.partial(self.whole, provider, operation, fields))
        self.assert_none_raised(least=50_000)

    def whole(self, provider: Provider, operation: str, fields: Any) -> None:
        translation = asked(provider, operation, stream=self.cases % 2 == 0)
        assert translation is not None
        self.assert_answer(translation.whole(json.dumps(fields).encode(), "r1"))

    def test_errors(self) -> None:
        """Whatever an error has in it, it stays one, of the status that it came with or a sensible one."""
        for provider in translating():
            for text in played_errors(provider.name):
                for place, wrong, fields in changed(orjson.loads(text), WRONG_FROM_PROVIDERS):
                    told = f"{provider.name} {place} = {str(wrong)[:60]}"
                    for operation in ASKED:
                        self.tried(told, functools.partial(self.error, provider, operation, fields))
        self.assert_none_raised(least=20_000)

    def error(self, provider: Provider, operation: str, fields: Any) -> None:
        status = (400, 404, 429, 500, 503, 599, 600, 999)[self.cases % 8]
        headers = [(b"retry-after", b"9" * 5000)] if self.cases % 3 else []
        translation = asked(provider, operation)
        if translation is not None:
            self.assert_answer(translation.error(status, headers, json.dumps(fields).encode(), "r1"))

    def test_streams(self) -> None:
        """Each frame of a stream: it goes on, or fails in the client's dialect."""
        fronts = itertools.cycle(DIALECTS)
        for provider in translating():
            for recording in played(provider.name, stream=True):
                frames = frames_of(wire_of(provider), recording)
                for number, frame in enumerate(frames):
                    fields = lenient.loads(frame.data)
                    if fields is None:
                        continue
                    for place, wrong, new in changed(fields, WRONG_FROM_PROVIDERS):
                        told = f"{provider.name} {recording.name} {number} {place} = {str(wrong)[:60]}"
                        wronged = [*frames[:number], Frame(frame.kind, json.dumps(new).encode()), *frames[number + 1 :]]
                        self.tried(told, functools.partial(self.stream, provider, next(fronts), wronged))
        self.assert_none_raised(least=50_000)

    def stream(self, provider: Provider, front: str, frames: list[Frame]) -> None:
        translation = asked(provider, front, stream=True)
        assert isinstance(translation, Translation)
        writer = translation.stream(SSE)._writer
        stream = StreamTranslation(lambda frame: [frame], list, translation.reader(), writer)  # type: ignore[list-item]
        for frame in frames:
            stream.feed(frame)  # type: ignore[arg-type]
        stream.end()
        stream.partial_usage()
        if stream.error is not None:
            stream.failure(stream.error)

    def test_same_dialect(self) -> None:
        """Where a stream or an answer is only looked at."""
        for name, operations in (("openai", (CHAT, COMPLETIONS, RESPONSES)), ("anthropic", (MESSAGES,))):
            for recording in played(name, stream=True):
                for frame in frames_of(wire_of(PROVIDERS[name]), recording):
                    fields = lenient.loads(frame.data)
                    for place, wrong, new in changed(fields, WRONG_FROM_PROVIDERS) if fields is not None else ():
                        told = f"{name} {recording.name} {place} = {str(wrong)[:60]}"
                        event = b"event: %s\ndata: %s\n\n" % (frame.kind, json.dumps(new).encode())
                        for operation in operations:
                            self.tried(told, functools.partial(self.look, event, operation))
            for example in (*answers(name), *map(orjson.loads, played_errors(name))):
                for place, wrong, new in changed(example, WRONG_FROM_PROVIDERS):
                    told = f"{name} {place} = {str(wrong)[:60]}"
                    self.tried(told, functools.partial(self.read, json.dumps(new).encode(), name == "anthropic"))
        self.assert_none_raised(least=20_000)

    def look(self, event: bytes, operation: str) -> None:
        tap = StreamTap(operation, self.cases % 2 == 0)
        tap.feed(event)
        tap.feed(event)
        tap.partial_usage()
        first_event_error(event, operation)
        is_preamble(lenient.loads(event.partition(b"\ndata: ")[2]), operation)

    def read(self, data: bytes, anthropic: bool) -> None:
        JsonTap().read(data)
        JsonTap().read_tail(data[len(data) // 3 :])
        for status in (400, 429, 503, 999):
            error = understood(status, [(b"retry-after", b"9" * 5000)], data, anthropic=anthropic)
            self.assertIn(type(reason(error)), (str,))

    def test_lists_of_models(self) -> None:
        """What cannot be read is left out; a date that is none is no date."""
        for provider in PROVIDERS.values():
            for place, wrong, fields in changed(LISTS, (*WRONG_FROM_PROVIDERS, *DATES)):
                for anthropic in (False, True):
                    told = f"{provider.name} {place} = {str(wrong)[:60]}"
                    self.tried(told, functools.partial(self.list_models, provider, anthropic, fields))
        self.assert_none_raised(least=5_000)

    def list_models(self, provider: Provider, anthropic: bool, fields: Any) -> None:
        self.assert_answer(ListTranslation(provider, anthropic).whole(json.dumps(fields).encode(), "r1"))
