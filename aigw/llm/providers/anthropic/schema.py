"""JSON Schemas as Claude's structured output takes them.

It wants every object closed and knows a part of JSON Schema's words; others are a 400
(https://platform.claude.com/docs/en/build-with-claude/structured-outputs). They are written into the description
instead, where the model reads them: what Anthropic's own SDKs do.
"""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm.tool_schema import flattened

#: Words that stay, by what becomes of their values.
_PLAIN = frozenset(("$ref", "const", "default", "enum", "required", "title", "type"))
_ONE = ("items",)
_LISTS = ("anyOf", "allOf")
_MAPS = ("$defs", "definitions", "properties")
_FORMATS = frozenset(
    ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid")
)  # fmt: skip


def closed(schema: Any) -> Any:
    """``schema`` with closed objects and without unknown words; what is no schema stays as it is."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for word, value in schema.items():
        if word == "oneOf" and "anyOf" not in schema:
            kept["anyOf"] = _each(value)
        elif word in _LISTS:
            kept[word] = _each(value)
        elif word in _MAPS and isinstance(value, dict):
            kept[word] = {name: closed(each) for name, each in value.items()}
        elif word in _ONE:
            kept[word] = closed(value)
        elif word in _PLAIN or _stays(word, value):
            kept[word] = value
        elif word not in ("additionalProperties", "description", "$schema", "$id"):
            unknown[word] = value
    if schema.get("type") == "object" or "properties" in schema:
        kept["additionalProperties"] = False
    return _described(kept, schema.get("description"), unknown)


def _each(value: Any) -> Any:
    return [closed(each) for each in value] if isinstance(value, list) else value


def _stays(word: str, value: Any) -> bool:
    if word == "format":
        return isinstance(value, str) and value in _FORMATS
    return word == "minItems" and value in (0, 1)


def _described(kept: dict[str, Any], description: Any, unknown: dict[str, Any]) -> dict[str, Any]:
    told = [description] if isinstance(description, str) and description else []
    if unknown:
        words = ", ".join(f"{word}: {orjson.dumps(value).decode()}" for word, value in unknown.items())
        told.append(f"{{{words}}}")
    if told:
        kept["description"] = "\n\n".join(told)
    return kept


def of_tool(schema: dict[str, Any] | None, *, strict: bool = False) -> dict[str, Any]:
    """The schema of a tool's input, which must be an object's, without branches at its top.

    :param strict: with closed objects, as structured output wants them.
    """
    if not schema:
        return {"type": "object", "properties": {}, **({"additionalProperties": False} if strict else {})}
    written = flattened(schema)
    if strict:
        written = closed(written)
    kind = written.get("type")
    return written if isinstance(kind, str) else {**written, "type": "object"}
