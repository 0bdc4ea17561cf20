"""Names with dots that were written without quotes: ``[models.gpt-4.1]`` is a table ``1`` inside of ``gpt-4``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from aigw.config.errors import Fault, KeyPath
from aigw.config.shape import inner_tables
from aigw.config.tables import Tables


def unquoted(tables: dict[str, Any]) -> Iterator[tuple[Fault, KeyPath]]:
    """A fault for each such name, and the entry that is none, of which nothing else need be said.

    :param tables: the file's own dictionaries.
    """
    for section, (shape, kind) in inner_tables(Tables).items():
        entries = tables.get(section)
        if shape != "named" or not isinstance(entries, dict):
            continue
        fields = set(kind.model_fields)
        for name, entry in entries.items():
            for path in _rests(entry, (section, name), fields) if isinstance(entry, dict) else ():
                meant = f'[{section}."{".".join(map(str, path[1:]))}"]'
                yield (path, f"is part of a name with a dot: write it in quotes ({meant})"), (section, name)


def _rests(entry: dict[str, Any], path: KeyPath, fields: set[str]) -> Iterator[KeyPath]:
    """The paths below ``path`` that have what an entry has."""
    for key, below in entry.items():
        if key in fields or not isinstance(below, dict) or difflib.get_close_matches(key, fields, n=1):
            continue
        if fields.intersection(below):
            yield (*path, key)
        elif len(path) < _MOST_PARTS:
            yield from _rests(below, (*path, key), fields)


#: Parts of a name, its section among them.
_MOST_PARTS = 8
