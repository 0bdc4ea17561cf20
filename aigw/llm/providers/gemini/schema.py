"""JSON Schema as Gemini takes it in ``parametersJsonSchema`` and ``responseJsonSchema``.

Both fields take JSON Schema itself; the older ``parameters`` and ``responseSchema`` know a part of OpenAPI 3.0 only
and refuse a whole request for one ``$schema`` or ``additionalProperties``. What is left to do is little: a ``$ref``
must stand alone in its schema and point into ``$defs`` (https://ai.google.dev/api/generate-content, under
``responseJsonSchema``), and ``const`` is not known. Keywords that Gemini does not know are ignored there, so they stay.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson

#: How deep references are written out, and how many schemas that may make: a client's schema must not become a bomb.
_DEPTH = 40
_MOST = 2000
#: Bytes that are written out for the references of one request, and how many times its schemas' own bytes beside.
_ROOM = 256 * 1024
_TIMES = 8
#: Levels below which nothing is changed any more.
_BOTTOM = 120

#: Keywords whose value is a schema, a list of schemas, or schemas by name.
_ONE = frozenset(("items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames"))
_MANY = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_NAMED = frozenset(("properties", "patternProperties", "dependentSchemas"))
_DEFINITIONS = ("$defs", "definitions")


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
    clean = cleaning.schema(schema, ())
    clean.pop("$schema", None)
    if cleaning.kept:
        clean["$defs"] = cleaning.definitions()
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
        clean = {name: self._value(name, value, inside) for name, value in schema.items() if name not in _DEFINITIONS}
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
                clean[name] = self.schema(definition, (name,))
        return clean

    def _keep(self, name: str) -> None:
        if name not in self.kept:
            self.kept.add(name)
            self._missing.append(name)

    def _reference(self, reference: Any, schema: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        name = _name(reference)
        target = _target(self._root, reference)
        remains = target is None or name in inside or self._depth > _DEPTH or self._left <= 0
        if target is None or remains or not self._has_room(target):
            if name == reference:  # into no definition: nothing could be kept for it
                return {}
            self._keep(name)
            return {"$ref": f"#/$defs/{name}"}
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return self.schema({**target, **beside}, (*inside, name))

    def _has_room(self, target: dict[str, Any]) -> bool:
        """Whether ``target`` may be written out once more."""
        if not self._sizes:
            self._sizes[id(self._root)] = size = len(orjson.dumps(self._root))
            self._room.left += _TIMES * size
        if self._room.left < 0:
            return False
        size = self._sizes.get(id(target), -1)
        if size < 0:
            size = self._sizes[id(target)] = len(orjson.dumps(target))
        return self._room.take(size)

    def _value(self, name: str, value: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            if name in _ONE:
                return self.schema(value, inside)
            if name in _NAMED:
                return {key: self._any(each, inside) for key, each in value.items()}
        if isinstance(value, list) and name in _MANY:
            return [self._any(each, inside) for each in value]
        return value

    def _any(self, schema: Any, inside: tuple[str, ...]) -> Any:
        return self.schema(schema, inside) if isinstance(schema, dict) else schema


def _name(reference: str) -> str:
    """The definition that a reference is to; the reference itself where it is to something else."""
    for place in _DEFINITIONS:
        if reference.startswith(f"#/{place}/") and "/" not in reference[len(place) + 3 :]:
            return reference[len(place) + 3 :]
    return reference


def _definition(root: dict[str, Any], name: str) -> dict[str, Any] | None:
    return _target(root, f"#/$defs/{name}") or _target(root, f"#/definitions/{name}")


def _target(root: dict[str, Any], reference: str) -> dict[str, Any] | None:
    """What a reference within the document points to (RFC 6901); None for any other."""
    place: Any = root if reference.startswith("#/") else None
    for step in reference[2:].split("/"):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else None
