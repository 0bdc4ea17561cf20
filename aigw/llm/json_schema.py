"""JSON Schemas of tools and answers: in the one form that every provider reads, and what OpenAI's strict mode takes.

Clients send every draft of JSON Schema. Providers read less, and refuse a whole request for one schema of one tool that
they cannot read. What means the same in a form that all of them read is written in that form as soon as it is read:

- tuples are ``prefixItems`` (draft 2020-12; xAI and Anthropic refuse draft 7's list of ``items``);
- ``items`` is an object wherever there is an array (OpenAI, Azure and Moonshot refuse its absence and a boolean:
  "array schema missing items", "array schema items is not an object"); behind a tuple that nothing may follow it says
  what types its places have, for those that know no ``prefixItems``, and ``maxItems`` says that nothing may follow;
- a boolean in place of a schema is an object (Fireworks and Ollama fail on it).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

Schema = dict[str, Any]

#: Words whose value is a schema, a list of schemas, or schemas by name.
ONE: Final = frozenset(("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames"))
MANY: Final = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
NAMED: Final = frozenset(("properties", "patternProperties", "dependentSchemas"))
DEFINITIONS: Final = ("$defs", "definitions")

_NAMED: Final = NAMED | frozenset(DEFINITIONS)


def normalised(schema: Schema) -> Schema:
    """``schema`` in the form of the module's head; the same object if that is its form."""
    normal: Schema = _normalised(schema)
    return normal


def _normalised(schema: Any) -> Any:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if not isinstance(schema, dict):
        return schema
    changed = {word: each for word, value in schema.items() if (each := _member(word, value)) is not value}
    normal = {**schema, **changed} if changed else schema
    return _array(normal) if _is_array(normal) else normal


def _member(word: str, value: Any) -> Any:
    """The value of one word; the same object if nothing in it changes."""
    if isinstance(value, dict):
        if word in ONE:
            return _normalised(value)
        if word in _NAMED:
            changed = {name: each for name, one in value.items() if (each := _normalised(one)) is not one}
            return {**value, **changed} if changed else value
    if isinstance(value, list) and (word in MANY or word == "items"):
        each = [_normalised(one) for one in value]
        return each if any(new is not old for new, old in zip(each, value, strict=True)) else value
    return value


def _is_array(schema: Schema) -> bool:
    return "items" in schema or "prefixItems" in schema or "array" in _types(schema)


def _types(schema: Schema) -> list[str]:
    """What a schema says of the type, as a list; empty if it says nothing."""
    told = schema.get("type")
    return [each for each in (told if isinstance(told, list) else [told]) if isinstance(each, str)]


def _array(schema: Schema) -> Schema:
    """An array's schema, its parts in their form already."""
    places, items = schema.get("prefixItems"), schema.get("items")
    if isinstance(items, list):  # draft 7
        places, items = items, schema.get("additionalItems")
    elif isinstance(items, dict):
        return schema
    normal = {word: value for word, value in schema.items() if word not in ("additionalItems", "prefixItems")}
    count = 0
    if isinstance(places, list) and places:
        normal["prefixItems"], count = places, len(places)
    most = schema.get("maxItems")
    if items is False:
        most = normal["maxItems"] = min(most, count) if type(most) is int else count
    closed = count > 0 and type(most) is int and most <= count
    normal["items"] = items if isinstance(items, dict) else _common(places) if closed else {}
    return normal


def _common(places: Any) -> Schema:
    """What all places of a tuple have in common: their types. Not all they say, or each level would double it."""
    types: dict[str, None] = {}
    for place in places:
        told = _types(place) if isinstance(place, dict) else []
        if not told:
            return {}
        types |= dict.fromkeys(told)
    common: Schema = {"type": list(types) if len(types) > 1 else next(iter(types))}
    return {**common, "items": {}} if "array" in types else common


def target(root: Schema, reference: str) -> Schema | None:
    """What a reference within a document points to (RFC 6901); None for any other."""
    if reference == "#":
        return root
    place: Any = root if reference.startswith("#/") else None
    for step in reference[2:].split("/"):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None


# -- strict mode

#: Words that strict mode knows, and no more: it refuses the request for any other ("'oneOf' is not permitted").
#: https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas
_STRICT: Final = frozenset(
    (
        *("$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "definitions", "description", "enum"),
        *("exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum"),
        *("multipleOf", "pattern", "properties", "required", "title", "type"),
    )
)
_FORMATS: Final = frozenset(
    ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid")
)  # fmt: skip
#: Levels of objects, properties, values of enums, and characters of names and values: the same page.
_LEVELS, _PROPERTIES, _VALUES, _CHARACTERS = 10, 5_000, 1_000, 120_000


def is_strict(schema: Schema | None) -> bool:
    """Whether OpenAI's strict mode takes ``schema``.

    It wants every object closed and every property required, where Anthropic's takes optional ones; and the root must
    be an object. References may lead back to where they stand.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return False
    return _Strict(schema).takes(schema, 0)


class _Strict:
    """One schema, and how much of what is bounded there is in it so far."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._properties = self._values = self._characters = 0

    def takes(self, schema: Any, level: int) -> bool:
        """Whether strict mode takes ``schema`` in ``level`` objects."""
        if not isinstance(schema, dict) or not schema.keys() <= _STRICT:
            return False
        if "$ref" in schema:  # nothing may stand beside it
            reference = schema["$ref"]
            return len(schema) == 1 and isinstance(reference, str) and target(self._root, reference) is not None
        options = schema.get("anyOf", ())
        return (
            (bool(_types(schema)) or bool(options))
            and ("format" not in schema or _is_format(schema["format"]))
            and self._enum(schema.get("enum", ()))
            and self._object(schema, level)
            and ("items" in schema) == ("array" in _types(schema))
            and ("items" not in schema or self.takes(schema["items"], level))
            and isinstance(options, list | tuple)
            and all(self.takes(option, level) for option in options)
            and all(self._named(schema.get(word, {}), level) for word in DEFINITIONS)
        )

    def _object(self, schema: Schema, level: int) -> bool:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if "object" not in _types(schema):
            return "properties" not in schema
        if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
            return False
        named = all(isinstance(name, str) for name in required) if isinstance(required, list) else False
        if not named or set(required) != properties.keys():
            return False
        self._properties += len(properties)
        return level < _LEVELS and self._properties <= _PROPERTIES and self._named(properties, level + 1)

    def _named(self, schemas: Any, level: int) -> bool:
        if not isinstance(schemas, dict):
            return False
        self._characters += sum(map(len, schemas))
        return self._characters <= _CHARACTERS and all(self.takes(each, level) for each in schemas.values())

    def _enum(self, values: Any) -> bool:
        if not isinstance(values, list | tuple):
            return False
        self._values += len(values)
        self._characters += sum(len(value) for value in values if isinstance(value, str))
        return self._values <= _VALUES and self._characters <= _CHARACTERS


def _is_format(value: Any) -> bool:
    return isinstance(value, str) and value in _FORMATS
