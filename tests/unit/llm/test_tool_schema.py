"""Schemas of tools without branches at their top."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.tool_schema import flattened

TEXT = {"type": "string"}
BRANCHES = [{"required": ["paths"]}, {"required": ["scopes"]}]
EITHER = {"type": "object", "properties": {"paths": TEXT, "scopes": TEXT}}
#: Of two models, as Pydantic writes them.
UNION: dict[str, Any] = {
    "oneOf": [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}],
    "$defs": {
        "Circle": {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "at": TEXT, "radius": {"type": "number"}},
            "required": ["kind", "at", "radius"],
        },
        "Square": {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "at": TEXT, "side": {"type": "number"}},
            "required": ["kind", "side"],
        },
    },
}


class FlattenedTests(unittest.TestCase):
    """flattened"""

    def test_what_has_none_stays(self) -> None:
        """The same object; branches further down are nobody's business."""
        schema = {"type": "object", "properties": {"a": {"anyOf": [TEXT, {"type": "null"}]}}}
        self.assertIs(flattened(schema), schema)

    def test_either_of_two(self) -> None:
        """None of them is required any more; the description says what is."""
        for word, many in (("anyOf", "at least one"), ("oneOf", "exactly one")):
            told = f"Give {many} of these sets of arguments: paths; scopes."
            self.assertEqual(flattened({**EITHER, word: BRANCHES}), {**EITHER, "description": told})

    def test_all(self) -> None:
        """Everything is required."""
        self.assertEqual(flattened({**EITHER, "allOf": BRANCHES}), {**EITHER, "required": ["paths", "scopes"]})

    def test_union_of_models(self) -> None:
        """All properties of the definitions that the branches refer to; what differs may be either."""
        made = flattened(UNION)
        self.assertEqual(
            made["properties"],
            {
                "kind": {"anyOf": [{"const": "circle"}, {"const": "square"}]},
                "at": TEXT,
                "radius": {"type": "number"},
                "side": {"type": "number"},
            },
        )
        self.assertEqual((made["type"], made["required"], made["$defs"]), ("object", ["kind"], UNION["$defs"]))
        told = "Give exactly one of these sets of arguments: kind, at, radius; kind, side."
        self.assertEqual(made["description"], told)

    def test_branches_in_branches(self) -> None:
        """Count as they would by themselves."""
        schema = {"allOf": [{"properties": {"a": TEXT}, "required": ["a"]}, {**EITHER, "anyOf": BRANCHES}]}
        made = flattened({**schema, "description": "d"})
        self.assertEqual(made["properties"], {"a": TEXT, "paths": TEXT, "scopes": TEXT})
        self.assertEqual((made["required"], made["description"]), (["a"], "d"))

    def test_references_in_a_circle(self) -> None:
        """End."""
        loop = {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, EITHER]}}}
        self.assertEqual(flattened(loop)["properties"], EITHER["properties"])

    def test_long_chains(self) -> None:
        """Of definitions are followed a little."""
        links: dict[str, Any] = {f"d{at}": {"$ref": f"#/$defs/d{at + 1}"} for at in range(5000)}
        self.assertEqual(flattened({"anyOf": [{"$ref": "#/$defs/d0"}], "$defs": links})["properties"], {})

    def test_wrong_types(self) -> None:
        """Are no branches."""
        for wrong in (None, "x", {}, [], [None, 1, "x", []], [{"properties": [], "required": 5, "$ref": 7}]):
            for word in ("allOf", "anyOf", "oneOf"):
                self.assertNotIn(word, flattened({"type": "object", word: wrong}))


class ProviderTests(unittest.TestCase):
    """Claude gets none, wherever it is served and whatever the client speaks."""

    def tops(self, operation: str, name: str, model: str, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema of a tool as the provider gets it."""
        kind = provider(name)
        pair = pairing(operation, kind.at(kind, Place(None, "us-east-1", "p")), Adjustments({}, {}), False)
        assert pair is not None
        fields: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "q"}], "input": "q"}
        function = {"name": "f", "parameters": schema}
        tools: dict[str, Any] = {
            CHAT: {"type": "function", "function": function},
            MESSAGES: {"name": "f", "input_schema": schema},
            RESPONSES: {"type": "function", **function},
        }
        fields.pop("messages" if operation == RESPONSES else "input")
        body = pair.translate({**fields, "tools": [tools[operation]]}, "a", 0.0).request.body
        if "toolConfig" in body:
            return body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]  # type: ignore[no-any-return]
        return body["tools"][0]["input_schema"]  # type: ignore[no-any-return]

    def test_everywhere(self) -> None:
        """Each word, each place, each dialect that is translated there."""
        bedrock = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        for word in ("anyOf", "oneOf", "allOf"):
            for operation, name, model in (
                (CHAT, "anthropic", "claude-sonnet-4-5"),
                (RESPONSES, "anthropic", "claude-sonnet-4-5"),
                (CHAT, "vertex", "claude-sonnet-4-5@20250929"),
                (RESPONSES, "vertex", "claude-sonnet-4-5@20250929"),
                (CHAT, "bedrock", bedrock),
                (MESSAGES, "bedrock", bedrock),
                (RESPONSES, "bedrock", bedrock),
                (CHAT, "bedrock", "amazon.nova-pro-v1:0"),
            ):
                made = self.tops(operation, name, model, {**EITHER, word: BRANCHES})
                self.assertFalse({"anyOf", "oneOf", "allOf"} & set(made), (operation, name, word))
                self.assertEqual(made["properties"], EITHER["properties"])

    def test_types_that_are_more_than_an_object(self) -> None:
        """Are an object's."""
        made = self.tops(CHAT, "anthropic", "claude-sonnet-4-5", {**EITHER, "type": ["object", "null"]})
        self.assertEqual(made, EITHER)
