"""The tables' types, looked at from outside: which tables a table holds, which of its keys name other entries.

Checks, messages and the documentation's test all walk the same types that pydantic validates by. They walk the file's
own dictionaries, not validated settings: an entry that is wrong in one place is still looked at in all others.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator
from typing import Any, Literal

from aigw.config.errors import KeyPath
from aigw.config.tables import Names, Table

Shape = Literal["one", "many", "named"]


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation and everything inside it, metadata included."""
    yield annotation
    for part in (*typing.get_args(annotation), *getattr(annotation, "__metadata__", ())):
        yield from _parts(part)


def _is_table(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Table)


@functools.cache
def inner_tables(kind: type[Table]) -> dict[str, tuple[Shape, type[Table]]]:
    """The keys of ``kind`` that hold tables: one, an array of them, or one for each name."""
    found: dict[str, tuple[Shape, type[Table]]] = {}
    for key, field in kind.model_fields.items():
        parts = list(_parts(field.annotation))
        origins = {typing.get_origin(part) for part in parts}
        shape: Shape = "named" if dict in origins else "many" if tuple in origins else "one"
        for part in parts:
            if _is_table(part):
                found[key] = (shape, part)
    return found


@functools.cache
def references(kind: type[Table]) -> dict[str, Names]:
    """The keys of ``kind`` whose value (string, array of strings, or the names of a table) names other entries."""
    found: dict[str, Names] = {}
    for key, field in kind.model_fields.items():
        for part in (*field.metadata, *_parts(field.annotation)):
            if isinstance(part, Names):
                found[key] = part
    return found


def walk(kind: type[Table], value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, type[Table], dict[str, Any]]]:
    """Every table of the file that is one, with its place and what it should be."""
    if not isinstance(value, dict):
        return
    yield path, kind, value
    for key, (shape, inner) in inner_tables(kind).items():
        below = value.get(key)
        if shape == "one":
            yield from walk(inner, below, (*path, key))
        elif shape == "many" and isinstance(below, list):
            for index, each in enumerate(below):
                yield from walk(inner, each, (*path, key, index))
        elif shape == "named" and isinstance(below, dict):
            for name, each in below.items():
                yield from walk(inner, each, (*path, key, name))


def kind_at(kind: type[Table], path: KeyPath) -> type[Table] | None:
    """What the table at ``path`` should be; None where there should be none."""
    while path:
        key, *rest = path
        if not isinstance(key, str) or key not in inner_tables(kind):
            return None
        shape, kind = inner_tables(kind)[key]
        path = tuple(rest if shape == "one" else rest[1:])
    return kind


def value_at(tables: dict[str, Any], path: KeyPath) -> Any:
    """What the file has at ``path``; None where it has nothing."""
    value: Any = tables
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
