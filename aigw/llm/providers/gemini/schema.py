"""JSON Schema as Gemini takes it in ``parametersJsonSchema`` and ``responseJsonSchema``.

Both fields take JSON Schema itself; the older ``parameters`` and ``responseSchema`` know a part of OpenAPI 3.0 only
and refuse a whole request for one ``$schema`` or ``additionalProperties``. What is left to do is little: a ``$ref``
must stand alone in its schema and point into ``$defs`` (https://ai.google.dev/api/generate-content, under
``responseJsonSchema``), and ``const`` is not known. Keywords that Gemini does not know are ignored there, so they stay.

References that lead back to where they stand may only do so through something that can be absent: "ref loops are only
supported if they include optional or nullable property values, or a potentially-zero-length array items". Nullable is
not enough, whatever that says ("Nullable properties are not sufficient": ``response_json_schema`` in google-genai), so
what a loop goes through becomes optional.
"""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm.json_schema import DEFINITIONS, MANY, NAMED, ONE, target

#: How deep references are written out, and how many schemas that may make: a client's schema must not become a bomb.
_DEPTH = 40
_MOST = 2000
#: Bytes that are written out for the references of one request, and how many times its schemas' own bytes beside.
_ROOM = 256 * 1024
_TIMES = 8
#: Levels below which nothing is changed any more.
_BOTTOM = 120

#: What the schema itself is called among the definitions, where something in it leads back to it (``#``).
_ROOT = "__root__"


class Room:
    """How much may be written out for the references of all schemas of one request.

    :ivar left: bytes.
    """

    def __init__(self) -> None:
        self.left = _ROOM

    def take(self, size: int) -> bool:
        """Whether there is room for ``size`` bytes, which are taken."""
        self.left -= size
        return self.left >= 0


def cleaned(schema: dict[str, Any], room: Room | None = None) -> dict[str, Any]:
    """``schema`` in the form that Gemini takes.

    References are written out where they stand; those that lead back to themselves remain, those that are behind the
    bounds, and the definitions that they need.

    :param room: of the request that the schema is in; None: of the schema alone.
    """
    cleaning = _Cleaning(schema, room or Room())
    clean = cleaning.schema(schema, (_ROOT,))
    clean.pop("$schema", None)
    if cleaning.kept:
        clean["$defs"] = cleaning.definitions()
        _loosen(clean, 0)
    return clean


def parameters(schema: dict[str, Any] | None, room: Room | None = None) -> dict[str, Any] | None:
    """The schema of a function's arguments; None for a function without any, which has none at Gemini.

    :param room: see :func:`cleaned`.
    """
    if not schema:
        return None
    clean = cleaned(schema, room)
    clean.setdefault("type", "object")
    return clean if clean.keys() - {"type", "properties", "required"} or clean.get("properties") else None


class _Cleaning:
    """One schema on its way.

    :ivar kept: the definitions that references which remain point to.
    """

    def __init__(self, root: dict[str, Any], room: Room) -> None:
        self._root = root
        self._room = room
        self._sizes: dict[int, int] = {}  # in bytes, of what was written out and of the root, by their identities
        self._left = _MOST
        self._depth = 0
        self.kept: set[str] = set()
        self._missing: list[str] = []  # of these the ones that are not among the definitions yet

    def schema(self, schema: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """A schema within the references ``inside``."""
        if self._depth > _BOTTOM:
            return schema
        self._depth += 1
        reference = schema.get("$ref")
        referring = isinstance(reference, str)
        clean = self._reference(reference, schema, inside) if referring else self._plain(schema, inside)
        self._depth -= 1
        return clean

    def _plain(self, schema: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        self._left -= 1
        clean = {name: self._value(name, value, inside) for name, value in schema.items() if name not in DEFINITIONS}
        constant = clean.get("const")
        if type(constant) in (str, int, float):
            del clean["const"]
            clean["enum"] = [constant]
        return clean

    def definitions(self) -> dict[str, Any]:
        """The definitions that are needed, cleaned; each may need others."""
        clean: dict[str, Any] = {}
        names: dict[int, str] = {}  # percent-encoding gives one definition many
        while self._missing:
            name = self._missing.pop()
            definition = _definition(self._root, name)
            known = names.setdefault(id(definition), name)
            if definition is None or known != name:
                clean[name] = {"$ref": f"#/$defs/{known}"} if definition is not None else {}
            else:
                clean[name] = self.schema(definition, (_ROOT, name))
                clean[name].pop("$schema", None)
        return clean

    def _keep(self, name: str) -> None:
        if name not in self.kept:
            self.kept.add(name)
            self._missing.append(name)

    def _reference(self, reference: Any, schema: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        name = _name(reference)
        meant = target(self._root, reference)
        remains = meant is None or name in inside or self._depth > _DEPTH or self._left <= 0
        if meant is None or remains or not self._has_room(meant):
            if name == reference:  # into no definition: nothing could be kept for it
                return {}
            self._keep(name)
            return {"$ref": f"#/$defs/{name}"}
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return self.schema({**meant, **beside}, (*inside, name))

    def _has_room(self, meant: dict[str, Any]) -> bool:
        """Whether ``meant`` may be written out once more."""
        if not self._sizes:
            self._sizes[id(self._root)] = size = len(orjson.dumps(self._root))
            self._room.left += _TIMES * size
        if self._room.left < 0:
            return False
        size = self._sizes.get(id(meant), -1)
        if size < 0:
            size = self._sizes[id(meant)] = len(orjson.dumps(meant))
        return self._room.take(size)

    def _value(self, name: str, value: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            if name in ONE:
                return self.schema(value, inside)
            if name in NAMED:
                return {key: self._any(each, inside) for key, each in value.items()}
        if isinstance(value, list) and name in MANY:
            return [self._any(each, inside) for each in value]
        return value

    def _any(self, schema: Any, inside: tuple[str, ...]) -> Any:
        return self.schema(schema, inside) if isinstance(schema, dict) else schema


def _loosen(schema: Any, depth: int) -> bool:
    """Make optional what a loop of references goes through; returns whether one goes through ``schema`` all the same.

    An array that may be empty, and an object that need not have the property, end it.
    """
    if not isinstance(schema, dict) or depth > _BOTTOM:
        return False
    leads = "$ref" in schema
    for name, value in schema.items():
        if name in ONE or (name in MANY and isinstance(value, list)):
            parts = value if isinstance(value, list) else [value]
            led = [_loosen(each, depth + 1) for each in parts]  # all of them, whatever the first says
            leads = leads or (any(led) and _needs(schema, name))
        elif (name in NAMED or name in DEFINITIONS) and isinstance(value, dict):
            leading = {each for each, one in value.items() if _loosen(one, depth + 1)}
            if name == "properties" and leading:
                _release(schema, leading)
    return leads


def _needs(schema: dict[str, Any], name: str) -> bool:
    """Whether every value of ``schema`` has one of what the word ``name`` is about, as far as Gemini can tell."""
    if name in ("items", "prefixItems"):
        return not _may_be_empty(schema)
    return name in ("anyOf", "oneOf", "allOf")


def _release(schema: dict[str, Any], names: set[str]) -> None:
    required = schema.get("required")
    if isinstance(required, list):
        schema["required"] = [name for name in required if not (isinstance(name, str) and name in names)]


def _may_be_empty(schema: dict[str, Any]) -> bool:
    """Whether Gemini takes an array's schema for one that may be empty: not if it may also be null."""
    return schema.get("type") == "array" and not schema.get("minItems") and not schema.get("minContains")


def _name(reference: str) -> str:
    """The definition that a reference is to; the reference itself where it is to something else."""
    if reference == "#":
        return _ROOT
    for place in DEFINITIONS:
        if reference.startswith(f"#/{place}/") and "/" not in reference[len(place) + 3 :]:
            return reference[len(place) + 3 :]
    return reference


def _definition(root: dict[str, Any], name: str) -> dict[str, Any] | None:
    if name == _ROOT:
        return root
    return target(root, f"#/$defs/{name}") or target(root, f"#/definitions/{name}")
