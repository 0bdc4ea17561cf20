"""What pydantic finds wrong, in the words of the file: TOML's types, what is allowed, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import date, time
from typing import Any

from pydantic import ValidationError

from aigw.config.errors import Fault, KeyPath, allowed
from aigw.config.quoting import unquoted
from aigw.config.shape import kind_at, value_at
from aigw.config.tables import Table, Tables

_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "too_short": ("min_length", "has too few elements (at least {})"),
    "string_too_short": ("min_length", "is empty (at least {} character)"),
}
_PATTERNS = {
    r"^[A-Za-z0-9_.-]+$": "is not a name (letters, digits, _ . and -)",
    r"^[A-Za-z0-9_.:/@*+-]+$": "is not a model's name (letters, digits, _ . - : / @ + and * for anything)",
}


def faults_of(error: ValidationError, tables: dict[str, Any]) -> Iterator[Fault]:
    """Each fault with its place in ``tables``, the file's own dictionaries."""
    meant: set[KeyPath] = set()
    details: list[Any] = list(error.errors(include_url=False, include_input=False))
    split = list(unquoted(tables))
    yield from (fault for fault, _ in split)
    told = {fault[0][:3] for fault, _ in split}
    torn = {entry for _, entry in split}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            path = detail["loc"]
            if path in told:
                continue
            keys = _keys(path[:-1])
            meant.update((*path[:-1], key) for key in difflib.get_close_matches(str(path[-1]), keys, n=1))
            yield path, "unknown key" + allowed(str(path[-1]), keys, "no keys are known here")
    for detail in details:
        if detail["type"] == "missing" and detail["loc"][:-1] in torn:
            continue  # it would be an entry's that nobody wrote
        # A key that is misspelt is not missing as well.
        if detail["type"] != "extra_forbidden" and detail["loc"] not in meant:
            path = tuple(part for part in detail["loc"] if part != "[key]")
            value = value_at(tables, path)
            # To pydantic, an element that is wrong is one too few.
            if detail["type"] != "too_short" or not value:
                yield path, _message(detail, value)


def _keys(path: KeyPath) -> list[str]:
    kind = kind_at(Tables, path)
    return list(kind.model_fields) if kind is not None else []


def _message(detail: Any, value: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing" + _choices(detail["loc"])
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, not {_type_of(value)}"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        return "unknown value" + allowed(value if isinstance(value, str) else "", choices)
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(context[name])
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"does not have the right form ({context['pattern']})")
    message: str = detail["msg"]
    return message.removeprefix("Value error, ")


def _choices(path: KeyPath) -> str:
    """What a missing key could be, where that is one of a few words."""
    kind: type[Table] | None = kind_at(Tables, path[:-1])
    field = kind.model_fields.get(str(path[-1])) if kind is not None else None
    choices = re.findall(r"'([^']*)'", str(field.annotation)) if field is not None else []
    return f" (allowed: {', '.join(choices)})" if choices else " (it has no default)"


def _type_of(value: Any) -> str:
    """TOML's name for the type of a value."""
    for kind, name in (
        (bool, "true or false"),
        (int, "an integer"),
        (float, "a float"),
        (str, "a string"),
        (list, "an array"),
        (dict, "a table"),
        ((date, time), "a date or time"),
    ):
        if isinstance(value, kind):
            return name
    return "this"
