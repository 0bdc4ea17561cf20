"""JSON Schemas in the form that every provider reads, and what OpenAI's strict mode takes of them."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.json_schema import is_strict, normalised
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import DIALECTS, Pair
from tests.unit.llm.recordings import wire_of

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
#: A tuple of a text and a number, as generators write it, and the form that all providers read.
TUPLES: list[dict[str, Any]] = [
    {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False},  # Zod for draft 2020-12
    {"type": "array", "items": [TEXT, NUMBER], "additionalItems": False},  # draft 7
    {"type": "array", "prefixItems": [TEXT, NUMBER], "maxItems": 2},  # Pydantic, but for minItems
    {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False, "maxItems": 9},
]
NORMAL = {"type": "array", "prefixItems": [TEXT, NUMBER], "items": {"type": ["string", "number"]}, "maxItems": 2}
CLOSED = {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "additionalProperties": False}

_LEAVES = st.sampled_from([TEXT, NUMBER, {}, {"type": "array"}, {"type": ["array", "null"]}, {"type": "integer"}])
#: Schemas of draft 2020-12; the list form of ``items`` means something else there.
SCHEMAS = st.recursive(
    _LEAVES | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["array", "object", ["array", "string"]]),
            "prefixItems": st.lists(inner, min_size=1, max_size=3),
            "items": inner,
            "maxItems": st.integers(0, 4),
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=8,
).filter(lambda schema: isinstance(schema, dict))
VALUES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


def closed(**properties: Any) -> dict[str, Any]:
    """A schema that strict mode takes if it takes the properties'."""
    return {**CLOSED, "properties": properties, "required": list(properties)}


def sent(operation: str, provider: str, **fields: Any) -> Any:
    """The body of a provider's request."""
    pair = Pair(DIALECTS[operation], wire_of(PROVIDERS[provider]), Adjustments(defaults={}, overrides={}))
    said: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    asked = {"input": "hi"} if operation == RESPONSES else said
    return pair.translate({"model": "m", **asked, **fields}, "a", 0.0).request.body


class NormalTests(unittest.TestCase):
    """One form for what means the same."""

    def test_tuples(self) -> None:
        """Whoever wrote them."""
        for schema in TUPLES:
            self.assertEqual(normalised(schema), NORMAL)

    def test_tuples_that_more_may_follow(self) -> None:
        """Anything, or what the schema says."""
        for items in ({}, {"items": True}):
            schema = {"type": "array", "prefixItems": [TEXT], **items}
            self.assertEqual(normalised(schema), {"type": "array", "prefixItems": [TEXT], "items": {}})
        rest = {"type": "array", "prefixItems": [TEXT], "items": NUMBER}
        self.assertIs(normalised(rest), rest)
        older = {"items": [TEXT], "additionalItems": NUMBER}
        self.assertEqual(normalised(older), {"prefixItems": [TEXT], "items": NUMBER})

    def test_places(self) -> None:
        """Have their types in common, or nothing that is known; not all that they say, which would double by level."""
        for places, items in (
            ([TEXT, {"type": "string", "enum": ["x"]}], TEXT),
            ([TEXT, {}], {}),
            ([TEXT, {"$ref": "#/$defs/a"}], {}),
            ([TEXT, {"type": "array", "items": NUMBER}], {"type": ["string", "array"], "items": {}}),
        ):
            self.assertEqual(normalised({"prefixItems": places, "items": False})["items"], items)

    def test_arrays_of_anything(self) -> None:
        """Say so: a missing or boolean ``items`` is refused by OpenAI, Azure and Moonshot."""
        for items in ({}, {"items": True}):
            self.assertEqual(normalised({"type": ["array", "null"], **items})["items"], {})
        self.assertEqual(normalised({"type": "array", "items": False}), {"type": "array", "items": {}, "maxItems": 0})

    def test_booleans(self) -> None:
        """In place of schemas are objects; ``additionalProperties`` stays a boolean."""
        schema = {"properties": {"a": True, "b": False}, "anyOf": [True], "additionalProperties": False}
        self.assertEqual(
            normalised(schema),
            {"properties": {"a": {}, "b": {"not": {}}}, "anyOf": [{}], "additionalProperties": False},
        )

    def test_everywhere(self) -> None:
        """In properties, definitions, options and items; what is no schema is let alone."""
        for around in (
            lambda schema: {"properties": {"a": schema}},
            lambda schema: {"$defs": {"a": schema}},
            lambda schema: {"anyOf": [TEXT, schema]},
            lambda schema: {"items": schema},
            lambda schema: {"prefixItems": [schema], "items": TEXT},
            lambda schema: {"additionalProperties": schema},
        ):
            self.assertEqual(normalised(around(TUPLES[0])), around(NORMAL))
            schema = around({"enum": [TUPLES[0]], "default": {"type": "array"}, "items": TEXT})
            self.assertIs(normalised(schema), schema)

    def test_deep(self) -> None:
        """As deep as a request may be."""
        schema: dict[str, Any] = {"type": "array", "items": False}
        for _ in range(190):
            schema = {"type": "array", "items": schema}
        self.assertIn(b'"maxItems":0', orjson.dumps(normalised(schema)))
        self.assertFalse(is_strict(closed(a=normalised(schema))))  # the innermost may have anything in it

    @given(SCHEMAS, VALUES)
    def test_means_the_same(self, schema: dict[str, Any], value: Any) -> None:
        """To a validator of draft 2020-12; what is in its form stays in it, and the client's own is not touched."""
        before = orjson.dumps(schema)
        normal = normalised(schema)
        self.assertEqual(orjson.dumps(schema), before)
        valid = Draft202012Validator(schema).is_valid(value)
        self.assertEqual(Draft202012Validator(normal).is_valid(value), valid, orjson.dumps(normal))
        self.assertEqual(normalised(normal), normal)

    def test_every_dialect_and_provider(self) -> None:
        """Tools and forms of answers; a tuple inside of an object."""
        schema = {"type": "object", "properties": {"where": TUPLES[0]}}
        function = {"name": "f", "parameters": schema}
        asked = {
            CHAT: {"tools": [{"type": "function", "function": function}]},
            MESSAGES: {"tools": [{"name": "f", "input_schema": schema}]},
            RESPONSES: {"tools": [{"type": "function", **function}]},
        }
        for operation, fields in asked.items():
            for provider in ("openai", "openai-compatible", "ollama", "cohere", "mistral", "gemini", "anthropic"):
                written = orjson.dumps(sent(operation, provider, **fields))
                self.assertIn(orjson.dumps(NORMAL["items"]), written, provider)
                self.assertNotIn(b'"items":false', written, provider)
        form = {"type": "json_schema", "schema": schema}
        for operation, fields in (
            (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}),
            (MESSAGES, {"output_config": {"format": form}}),
            (RESPONSES, {"text": {"format": {**form, "name": "x"}}}),
        ):
            self.assertIn(orjson.dumps(NORMAL["items"]), orjson.dumps(sent(operation, "openai-compatible", **fields)))


class StrictTests(unittest.TestCase):
    """What OpenAI's strict mode takes: a 400 for anything else."""

    def test_takes(self) -> None:
        """Objects that are closed and of which all is required, whatever is in them that it knows."""
        for schema in (
            CLOSED,
            closed(),
            closed(a={"type": ["string", "null"], "description": "d"}, b={"type": "array", "items": CLOSED}),
            closed(a={"anyOf": [TEXT, {"type": "null"}]}, b={"type": "string", "enum": ["x"], "format": "date"}),
            {**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": CLOSED}},
            closed(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        ):
            self.assertTrue(is_strict(schema), schema)

    def test_does_not_take(self) -> None:
        """What it answers 400 to."""
        for schema in (
            None,
            {},
            {"type": "object", "properties": {}},
            {**CLOSED, "required": []},
            {**CLOSED, "required": ["a", "b"]},
            {**CLOSED, "required": [{}]},
            {**CLOSED, "additionalProperties": {}},
            {**CLOSED, "anyOf": [CLOSED]},
            {"anyOf": [CLOSED]},
            closed(a={}),
            closed(a={"type": "object"}),
            closed(a={"type": "array"}),
            closed(a={"type": "string", "format": "uri"}),
            closed(a={"type": "string", "format": {}}),
            closed(a={"oneOf": [TEXT]}),
            closed(a={"allOf": [TEXT]}),
            closed(a={**TEXT, "default": "x"}),
            closed(a=NORMAL),
            closed(a={"$ref": "#/$defs/A"}),
            closed(a={"$ref": "#", "description": "d"}),
            closed(a={"type": "object", "additionalProperties": TEXT}),
            closed(a={"type": "array", "items": {"type": "object"}}),
            closed(a={"type": "string", "enum": [str(number) for number in range(1001)]}),
            closed(a={"type": "string", "enum": ["x" * 120_001]}),
            {**CLOSED, "$defs": {"A": {}}},
            {**CLOSED, "$defs": []},
        ):
            self.assertFalse(is_strict(schema), schema)

    def test_levels(self) -> None:
        """Ten objects inside of each other, no more."""
        schema = CLOSED
        for level in range(2, 12):
            schema = closed(a=schema)
            self.assertEqual(is_strict(schema), level <= 10, level)

    def test_strict_is_asked_for_where_it_is_taken(self) -> None:
        """Of tools and of the answer's form; elsewhere it is a wish."""
        optional = {**closed(a=TEXT, b=NUMBER), "required": ["a"]}
        for schema, strict in ((CLOSED, True), (optional, False)):
            for provider in ("openai", "azure", "openai-compatible"):
                body = sent(MESSAGES, provider, tools=[{"name": "f", "input_schema": schema, "strict": True}])
                self.assertIs(body["tools"][0]["function"]["strict"], strict)
                form = {"format": {"type": "json_schema", "schema": schema}}
                body = sent(MESSAGES, provider, output_config=form)
                self.assertIs(body["response_format"]["json_schema"]["strict"], strict)
                tool = {"type": "function", "name": "f", "parameters": schema, "strict": True}
                self.assertIs(sent(RESPONSES, provider, tools=[tool])["tools"][0]["function"]["strict"], strict)
            # Mistral's takes what is optional.
            body = sent(MESSAGES, "mistral", tools=[{"name": "f", "input_schema": schema, "strict": True}])
            self.assertIs(body["tools"][0]["function"]["strict"], True)
