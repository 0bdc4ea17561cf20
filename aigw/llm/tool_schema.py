"""Schemas of tools' arguments without ``anyOf``, ``oneOf`` or ``allOf`` at their top.

Anthropic refuses the whole request for one such tool ("input_schema does not support oneOf, allOf, or anyOf at the top
level"), and so do Bedrock and Vertex AI for its models. Clients have them nonetheless: Pydantic makes ``oneOf`` of a
union of models, and "one of these two arguments" is an ``anyOf`` of ``required``. What the branches say is put
together: all of their properties, required where each branch that may apply requires them. Which of them belong
together is told in the description, where the model reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

Schema = dict[str, Any]
#: Names in the order in which they came.
Names = dict[str, None]

_WORDS: Final = ("allOf", "anyOf", "oneOf")
_CHOICES: Final = {"anyOf": "at least one", "oneOf": "exactly one"}
#: Branches within branches, and references to references, that are looked into.
_MOST_DEPTH: Final = 32


def flattened(schema: Schema) -> Schema:
    """An object's schema with its branches put together; itself where it has none at its top."""
    if not any(word in schema for word in _WORDS):
        return schema
    merging = _Merging(schema)
    required = merging.required(schema, 0)
    kept = {name: value for name, value in schema.items() if name not in _WORDS}
    kept |= {"type": "object", "properties": merging.properties()}
    if required:
        kept["required"] = list(required)
    told = [schema["description"]] if isinstance(schema.get("description"), str) else []
    told += [_told(word, merging.sets[word]) for word in _CHOICES if len(merging.sets.get(word, ())) > 1]
    if told:
        kept["description"] = "\n\n".join(told)
    return kept


def _told(word: str, sets: Iterable[Names]) -> str:
    """Which arguments belong together, for the model to read."""
    groups = "; ".join(", ".join(names) or "none of these" for names in sets)
    return f"Give {_CHOICES[word]} of these sets of arguments: {groups}."


class _Merging:
    """What the branches of one schema say.

    :ivar sets: the arguments of each branch at the top, by the word that it is below.
    """

    def __init__(self, root: Schema) -> None:
        self._root = root
        #: The schemas of each property that differ, by their text.
        self._variants: dict[str, dict[bytes, Any]] = {}
        self._seen: set[str] = set()
        self.sets: dict[str, list[Names]] = {}

    def properties(self) -> Schema:
        """Of all branches; one that differs among them may be either."""
        return {name: _either(list(variants.values())) for name, variants in self._variants.items()}

    def required(self, schema: Any, depth: int) -> Names:
        """Take note of a branch's properties; returns which of them it requires, branches of its own considered."""
        if not isinstance(schema, dict) or depth > _MOST_DEPTH:
            return {}
        names = self._own(schema)
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in self._seen:
            self._seen.add(reference)
            names |= self.required(self._definition(reference), depth + 1)
        for word in _WORDS:
            branches = schema.get(word)
            if isinstance(branches, list) and branches:
                names |= self._of_branches(word, branches, depth)
        return names

    def _of_branches(self, word: str, branches: list[Any], depth: int) -> Names:
        required = [self.required(branch, depth + 1) for branch in _without_repeated(branches)]
        if word == "allOf":
            return {name: None for names in required for name in names}
        if not depth:
            self.sets[word] = required
        first, *others = required
        return {name: None for name in first if all(name in names for names in others)}

    def _own(self, schema: Schema) -> Names:
        properties, required = schema.get("properties"), schema.get("required")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
            self._variants.setdefault(name, {}).setdefault(text, value)
        return {name: None for name in required if isinstance(name, str)} if isinstance(required, list) else {}

    def _definition(self, reference: str) -> Any:
        """What ``#/$defs/NAME`` refers to; None for references elsewhere."""
        start, _, place = reference.partition("/")
        where, _, name = place.partition("/")
        kept = self._root.get(where) if start == "#" and where in ("$defs", "definitions") else None
        return kept.get(name) if isinstance(kept, dict) else None


def _without_repeated(branches: list[Any]) -> list[Any]:
    """A reference that comes twice says nothing new."""
    told: dict[object, Any] = {}
    for index, branch in enumerate(branches):
        reference = branch.get("$ref") if isinstance(branch, dict) else None
        told.setdefault(reference if isinstance(reference, str) else index, branch)
    return list(told.values())


def _either(variants: list[Any]) -> Any:
    return variants[0] if len(variants) == 1 else {"anyOf": variants}
