"""What ``aigw show`` prints in place of secrets, when it is read again, as by ``aigw show FILE | aigw check -``.

A file with placeholders can be checked, and is never served: its keys would be no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from aigw.config.errors import Fault, KeyPath

#: A secret that is not shown.
HIDDEN = "***"

#: How much of a digest is shown: enough to find it again.
_SHOWN = 15
_CUT_DIGEST = re.compile(r"sha256:[0-9a-f]{8}…")


def cut_digest(key: str) -> str:
    """The beginning of ``sha256:…``."""
    return key[:_SHOWN] + "…"


def fill_in(tables: dict[str, Any]) -> list[Fault]:
    """Put something of its own in the place of each hidden key, so that no two are alike; a fault for each placeholder.

    :param tables: the file's own dictionaries, which are changed.
    """
    found: list[Fault] = []
    for path, container, at in _places(tables):
        value = container[at]
        is_key = path[0] == "consumers" and path[2] == "keys"
        if value == HIDDEN or (is_key and isinstance(value, str) and _CUT_DIGEST.fullmatch(value)):
            found.append((path, "is not the secret itself, but what 'aigw show' prints in its place (the secret)"))
            if is_key:
                container[at] = f"sha256:{sha256(repr(path).encode()).hexdigest()}"
            elif path[0] == "routes":
                container[at] = f"{HIDDEN}{len(found)}"
    return found


def _places(tables: dict[str, Any]) -> Iterator[tuple[KeyPath, Any, Any]]:
    """Where a file holds secrets: the path, and what has it where."""
    for path, entry in (*_entries(tables, "backends"), *_entries(tables, "consumers")):
        yield from _credentials(path, entry)
        for key, own in _items(entry, "backends"):
            yield from _credentials((*path, "backends", key), own)
    for path, consumer in _entries(tables, "consumers"):
        keys = consumer.get("keys")
        for index, each in enumerate(keys if isinstance(keys, list) else ()):
            if isinstance(each, dict):
                yield from _texts((*path, "keys", index), each, ("key",))
            else:
                yield (*path, "keys", index), keys, index
    for path, route in _entries(tables, "routes"):
        for name, values in _items(route, "headers"):
            for index, _ in enumerate(values if isinstance(values, list) else ()):
                yield (*path, "headers", name, index), values, index


def _credentials(path: KeyPath, part: Any) -> Iterator[tuple[KeyPath, Any, Any]]:
    """What a backend, or a consumer's part of one, sends to the provider."""
    if isinstance(part, dict):
        auth, headers = part.get("auth"), part.get("headers")
        if isinstance(auth, dict):
            yield from _texts((*path, "auth"), auth, ("inline",))
        edits = headers.get("set") if isinstance(headers, dict) else None
        if isinstance(edits, dict):
            yield from _texts((*path, "headers", "set"), edits, tuple(edits))


def _texts(path: KeyPath, table: dict[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[KeyPath, Any, Any]]:
    for key in keys:
        if key in table:
            yield (*path, key), table, key


def _entries(tables: dict[str, Any], section: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    for name, entry in _items(tables, section):
        if isinstance(entry, dict):
            yield (section, name), entry


def _items(table: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    below = table.get(key)
    return list(below.items()) if isinstance(below, dict) else []
