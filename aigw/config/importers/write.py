"""A draft as a TOML file that a person could have written: the sections and keys in the order of docs/config.md,
comments that say where each entry is from, inline tables where people write them inline.

Values are encoded by :mod:`aigw.config.toml_text`; the layout is ours, since no TOML writer keeps comments.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from aigw.config.dotted import dotted
from aigw.config.importers.draft import Draft, Entry
from aigw.config.tables import Backend, Consumer, ConsumerBackend, KeyAuth, Model, Route, SecretSource, Server, Table
from aigw.config.toml_text import Inline, value_text

_SECTIONS: dict[str, type[Table]] = {
    "secrets": SecretSource,
    "backends": Backend,
    "models": Model,
    "auth": KeyAuth,
    "routes": Route,
    "consumers": Consumer,
}
_WIDTH = 118
#: From here on a comment stands above its line rather than behind it.
_LONGEST_BESIDE = 60


def document(draft: Draft, sources: list[str]) -> str:
    """The whole file.

    :param sources: the names of the files it was made from.
    """
    lines = [*_comment(f"Made by 'aigw import' from {', '.join(sources)}. Check it: aigw check FILE")]
    left_out = draft.left_out()
    for text in left_out.get(None, ()):
        lines += _comment(text)
    if draft.server:
        lines += ["", "[server]", *_pairs(draft.server, Server, {})]
    for section, kind in _SECTIONS.items():
        entries = draft.section(section)
        if entries and section == "secrets":
            lines += _secrets(entries)
        else:
            for entry in entries:
                lines += _entry(entry, kind, left_out.get((section, entry.name), []))
    return "\n".join(lines) + "\n"


def _secrets(entries: list[Entry]) -> list[str]:
    """One line each, below one header."""
    lines = ["", "[secrets]"]
    for entry in entries:
        for comment in entry.comments:
            lines += _comment(comment)
        lines.append(f"{dotted((entry.name,))} = {value_text(inline(entry.values))}")
    return lines


def _entry(entry: Entry, kind: type[Table], left_out: list[str]) -> list[str]:
    lines = [""]
    for comment in [*entry.comments, *left_out]:
        lines += _comment(comment)
    lines.append(f"[{dotted((entry.section, entry.name))}]")
    values = dict(entry.values)
    tables: dict[str, Any] = values.pop("backends", {}) if entry.section == "consumers" else {}
    lines += _pairs(values, kind, entry.beside)
    for name, own in tables.items():
        lines += ["", f"[{dotted((entry.section, entry.name, 'backends', name))}]", *_pairs(own, ConsumerBackend, {})]
    return lines


def _pairs(values: dict[str, Any], kind: type[Table], beside: dict[str, str]) -> Iterator[str]:
    order = [key for key in kind.model_fields if key in values]
    assert len(order) == len(values), sorted(set(values) - set(order))
    for key in order:
        line = f"{dotted((key,))} = {value_text(inline(values[key]))}"
        comment = _safe(beside.get(key, ""))
        if comment and (len(comment) > _LONGEST_BESIDE or len(line) + len(comment) + 4 > _WIDTH):
            yield from _comment(comment)
            comment = ""
        if isinstance(values[key], list) and (len(line) > _WIDTH or _has_tables(values[key])):
            yield f"{dotted((key,))} = ["
            yield from (f"  {value_text(inline(each))}," for each in values[key])
            line = "]"
        yield f"{line}  # {comment}" if comment else line


def _has_tables(values: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in values)


def _comment(text: str) -> list[str]:
    """Comment lines. Control characters become spaces: TOML forbids them even here, and a line break would end it."""
    return textwrap.wrap(
        _safe(text),
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _safe(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def inline(value: Any) -> Any:
    """``value`` with its dictionaries written as ``{ a = 1 }``."""
    if isinstance(value, dict):
        return Inline({key: inline(each) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return [inline(each) for each in value]
    return value
