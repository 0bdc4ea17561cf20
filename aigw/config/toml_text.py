"""Tables as TOML text, by the ``toml`` package, which is never used to read.

It lays the tables out; how a key or a value is written is ours, since its own writing breaks on control characters,
on arrays in which only some elements are tables, and on inline tables inside values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import toml

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Inline(dict[str, Any]):
    """A table to be written as ``{ a = 1 }``."""


def _string(value: str) -> str:
    # TOML's basic strings have JSON's escapes; DEL is the one character that only TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key_text(key: str) -> str:
    """A key, or a part of one: bare where it may be, else in quotes."""
    return key if _BARE.fullmatch(key) else _string(key)


class _Writer(toml.TomlEncoder):  # type: ignore[type-arg]
    def dump_sections(self, section: Mapping[str, Any], above: str) -> tuple[str, dict[str, Any]]:
        """A table's own lines, and the tables in it that get headers of their own."""
        lines, tables = "", {}
        for key, value in section.items():
            if isinstance(value, dict) and not isinstance(value, Inline):
                tables[key_text(key)] = value
            else:
                lines += f"{key_text(key)} = {self.dump_value(value)}\n"
        return lines, tables

    def dump_value(self, value: Any) -> str:
        if isinstance(value, str):
            return _string(value)
        if isinstance(value, Mapping):
            pairs = ", ".join(f"{key_text(key)} = {self.dump_value(each)}" for key, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self.dump_value, value))}]"
        return str(super().dump_value(value))


def value_text(value: Any) -> str:
    """One value as it would stand behind ``key =``: strings, numbers, booleans, times, arrays, tables."""
    return _Writer().dump_value(value)


def document_text(tables: Mapping[str, Any]) -> str:
    """A whole file. Dictionaries get headers, except :class:`Inline` ones and those in arrays."""
    text = toml.dumps(tables, _Writer())
    # No string of ours holds a line break, so every line that begins with a bracket is a header.
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("[") and lines:
            while lines and not lines[-1]:
                lines.pop()
            lines.append("")
        lines.append(line)
    return "\n".join(lines)
