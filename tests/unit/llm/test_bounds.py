"""What a translation makes of a request or an answer is bounded by a small multiple of what came in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import echo
from aigw.llm.body import Adjustments, serialise_translated
from aigw.llm.operations import CHAT, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.providers.gemini.schema import cleaned
from tests.unit.llm import growing_answers as answers
from tests.unit.llm import growing_requests as requests
from tests.unit.llm.streams import chunk
from tests.unit.llm.test_growth import ASKED, MODELS, PROVIDERS

_MANY = 400
#: Bytes that may come of few: the widest part of an answer around its text, the narrowest of a request.
_TIMES, _BESIDE = 10, 300_000


def translating(operation: str, name: str, fields: Mapping[str, Any]) -> Any:
    """A translation."""
    url = "http://x/v1" if name == "openai-compatible" else None
    kind = provider(name).at(provider(name), Place(url, "us-east-1", "p", "us-central1", None))
    pair: Any = pairing(operation, kind, Adjustments({}, {}), True)
    return pair.translate({"model": MODELS.get(name, "m"), **fields}, "id", 0.0)


def requested(operation: str, name: str, fields: Mapping[str, Any]) -> int:
    """Bytes that the provider is sent; 0 for what is refused."""
    with contextlib.suppress(BadRequest):
        return len(orjson.dumps(translating(operation, name, fields).request.body))
    return 0


def hostile() -> Iterator[tuple[str, Any]]:
    """Schemas that would be hundreds of times as large, were their references written out."""
    text = {"type": "string", "description": "d" * 100_000}
    yield "one definition", {"$defs": {"a": text}, "properties": {f"p{i}": {"$ref": "#/$defs/a"} for i in range(2000)}}
    yield (
        "one definition by many names",
        {
            "$defs": {"abcdefghijkl": text},
            "properties": {f"p{i}": {"$ref": f"#/$defs/{_encoded('abcdefghijkl', i)}"} for i in range(1500)},
        },
    )
    deep: dict[str, Any] = text
    for _ in range(60):
        deep = {"properties": {"a": deep}}
    places = {f"q{i}": {"$ref": "#/properties/deep" + "/properties/a" * (i % 60)} for i in range(1000)}
    yield "one inside of the other", {"properties": {"deep": deep, **places}}
    yield "in circles", {**requests._in_itself(300), "description": "d" * 1000}
    yield (
        "doubling",
        {
            "$defs": {
                f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2, "description": "d" * 5000} for i in range(38)
            },
            "$ref": "#/$defs/d0",
        },
    )


def _encoded(name: str, number: int) -> str:
    return "".join(f"%{ord(letter):02x}" if number >> at & 1 else letter for at, letter in enumerate(name))


class RequestTests(unittest.TestCase):
    """Requests."""

    def test_every_kind(self) -> None:
        """Of everything that there can be much of, in every dialect, to every provider."""
        tables = {
            CHAT: requests.CHAT,
            MESSAGES: requests.MESSAGES,
            RESPONSES: requests.RESPONSES,
            EMBEDDINGS: {name: each for name, each in requests.EMBEDDINGS.items() if name != "tokens"},
        }
        for operation, families in tables.items():
            for name, family in families.items():
                fields = family(_MANY)
                most = _TIMES * len(orjson.dumps(fields)) + _BESIDE
                for each in PROVIDERS:
                    if operation == EMBEDDINGS and each in ("anthropic", "azure", "bedrock", "openai-compatible"):
                        continue
                    self.assertLessEqual(requested(operation, each, fields), most, f"{operation}: {name} to {each}")

    def test_references(self) -> None:
        """Are written out as long as there is room, and remain behind that, with the definitions that they need."""
        for name, schema in hostile():
            size = len(orjson.dumps(schema))
            self.assertLess(len(orjson.dumps(cleaned(schema))), _TIMES * size + _BESIDE, name)

    def test_references_of_many_tools(self) -> None:
        """Have room together, not each."""
        tools = [requests._function(f"t{i}", requests._chain(9)) for i in range(500)]
        fields = requests.asked(tools=tools)
        for each in ("gemini", "vertex"):
            self.assertLess(requested(CHAT, each, fields), _TIMES * len(orjson.dumps(fields)) + _BESIDE, each)

    def test_references_that_remain(self) -> None:
        """Are to something."""
        clean = cleaned(dict(hostile())["one definition by many names"])
        names = {each["$ref"].removeprefix("#/$defs/") for each in clean["properties"].values() if "$ref" in each}
        self.assertTrue(names)
        self.assertLessEqual(names, clean["$defs"].keys())

    def test_a_title_of_many_texts(self) -> None:
        """Is no longer than titles are, since each text has it."""
        for each in ("gemini", "vertex"):
            fields = {"model": "text-embedding-004", "input": ["x"] * 9, "title": "t" * 5000}
            error = self.assertRaises(BadRequest, translating, EMBEDDINGS, each, fields)
            self.assertEqual((error.status, error.param), (400, "title"))

    def test_names(self) -> None:
        """Of tools and namespaces: they may have to be repeated with every call."""
        long = "x" * 257
        tool = {"type": "function", "name": long}
        wrong: list[tuple[str, dict[str, Any], str]] = [
            (CHAT, requests.asked(tools=[requests._function(long)]), "tools[0].function.name"),
            (CHAT, requests.asked(requests._calls(1, lambda _: long)), "messages[1].tool_calls[0].function.name"),
            (MESSAGES, requests.asked(tools=[{"name": long}]), "tools[0].name"),
            (RESPONSES, {"input": "x", "tools": [tool]}, "tools[0].name"),
            (RESPONSES, {"input": "x", "tools": [{**tool, "type": "custom"}]}, "tools[0].name"),
            (RESPONSES, {"input": "x", "tools": [{**tool, "type": "namespace", "tools": []}]}, "tools[0].name"),
        ]
        for operation, fields, param in wrong:
            error = self.assertRaises(BadRequest, translating, operation, "anthropic", fields)
            self.assertEqual((error.status, error.param), (400, param))
            self.assertIn("at most 256 characters", error.message)

    def test_what_nobody_thought_of(self) -> None:
        """Is refused with the name of what became so large."""
        shared = {"text": "x" * 1000}
        error = self.assertRaises(BadRequest, serialise_translated, {"model": "m", "tools": [shared] * 3000}, 2000)
        self.assertEqual((error.status, error.param, error.code), (400, "tools", "request_too_large"))
        self.assertIn("tools", error.message)
        self.assertEqual(serialise_translated({"a": [1]}, 0), b'{"a":[1]}')


class AnswerTests(unittest.TestCase):
    """Answers."""

    def test_every_kind(self) -> None:
        """Of everything that there can be much of, of every provider, in every dialect."""
        for operation in (CHAT, MESSAGES, RESPONSES):
            for name, families in answers.WHOLE.items():
                for kind, family in families.items():
                    body = orjson.dumps(family(_MANY))
                    written = translating(operation, name, ASKED[operation]).whole(body, "r").body
                    self.assertLessEqual(len(written), _TIMES * len(body) + _BESIDE, f"{kind} of {name} in {operation}")

    def test_a_source_of_every_word(self) -> None:
        """Is told until there is no room for its address any more."""
        body = orjson.dumps(answers.GEMINI_WHOLE["a source of a long address"](2000))
        written = translating(CHAT, "gemini", ASKED[CHAT]).whole(body, "r").body
        self.assertLess(len(written), _TIMES * len(body) + _BESIDE)
        self.assertIn(b"url_citation", written)

    def test_a_name_of_the_model_of_any_length(self) -> None:
        """Is not repeated with every piece: the one that was asked for is told."""
        stream = translating(CHAT, "openai-compatible", {**ASKED[CHAT], "stream": True}).stream(b"text/event-stream")
        written = stream.feed(chunk("x").replace(b"gpt-4o", b"m" * 1000)) + stream.feed(chunk("y"))
        self.assertIn(b'"model":"m"', written)
        self.assertEqual(stream.model, None)

    def test_signs_of_life_before_the_answer(self) -> None:
        """Are held back, but not for ever."""
        stream = translating(CHAT, "anthropic", {**ASKED[CHAT], "stream": True}).stream(b"text/event-stream")
        for event in answers.ANTHROPIC_STREAMS["pings"](5000):
            self.assertEqual(stream.feed(event), b"")
        written = stream.feed(b"".join(answers.ANTHROPIC_STREAMS["pieces of text"](1)))
        self.assertIn(b": ping", written)
        self.assertLess(len(written), 20_000)


class EchoTests(unittest.TestCase):
    """The built-in provider."""

    def test_answers(self) -> None:
        """Of many words, choices or numbers to little that was asked: refused, instead of being made."""
        wanted: list[tuple[str, dict[str, Any]]] = [
            (CHAT, {"messages": [{"role": "user", "content": "x" * 1_000_000}], "n": 128}),
            (CHAT, {"messages": [{"role": "user", "content": "a " * 200_000}], "n": 128, "stream": True}),
            ("completions", {"prompt": [""] * 100_000, "n": 128}),
            (EMBEDDINGS, {"input": [""] * 10_000, "dimensions": 4096}),
            (RESPONSES, {"input": "a " * 500_000, "stream": True}),
        ]
        for operation, fields in wanted:
            told = echo.reply(operation, fields, now=0.0)
            self.assertEqual(told.status, 400, operation)
            self.assertIn(b"too large", told.body or b"")
        told = echo.reply(CHAT, {"messages": [{"role": "user", "content": "a b " * 1000}], "stream": True}, now=0.0)
        self.assertEqual(told.status, 200)
