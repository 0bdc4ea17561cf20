"""A configuration file, read and checked: everything the program may rely on.

:func:`load` finds every fault at once: each entry of each section is judged by itself, then what they say of each
other is judged by :mod:`aigw.config.checks`, so that one bad entry hides no other.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import orjson
from pydantic import BaseModel, ValidationError

from aigw.config.errors import ConfigError, Problem
from aigw.config.file import Lines, read
from aigw.config.secrets import resolve_secrets
from aigw.config.tables import (
    Backend,
    BackendAuth,
    Consumer,
    ConsumerBackend,
    HeaderEdits,
    KeyAuth,
    Model,
    Route,
    SecretSource,
    Server,
    Tables,
)

Path_ = tuple[str | int, ...]


@attrs.frozen(eq=False)
class Settings:
    """See the module's head.

    :ivar sha256: of the file's bytes, hexadecimal.
    :ivar secret_values: what the ``[secrets]`` are.
    :ivar warnings: what is allowed and not wise.
    """

    path: Path
    sha256: str
    server: Server
    secrets: dict[str, SecretSource]
    backends: dict[str, Backend]
    models: dict[str, Model]
    auth: dict[str, KeyAuth]
    routes: dict[str, Route]
    consumers: dict[str, Consumer]
    lines: Lines = attrs.field(repr=False)
    secret_values: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    warnings: tuple[Problem, ...] = ()

    def problem(self, key: str | Path_, message: str) -> Problem:
        """A fault at ``key``, a path as a tuple, or dotted where no part has a dot."""
        path: Path_ = tuple(key.split(".")) if isinstance(key, str) else key
        return Problem(str(self.path), self.lines.line_of(path), dotted(path), message)


def dotted(path: Path_) -> str:
    """A key's path as it is written, list positions in brackets."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def load(path: str | Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read, check and complete the configuration file ``path``.

    :param environ: where secrets of the environment are, and ``CREDENTIALS_DIRECTORY``.
    :raises ConfigError: with every fault that was found.
    """
    from aigw.config.checks import check, warn

    path = Path(path)
    tables, lines, data = read(path)
    sections, faults = _sections(tables)
    if "key" not in tables.get("auth", {}) and isinstance(sections["auth"], dict):
        sections["auth"]["key"] = KeyAuth()
    settings = Settings(path, hashlib.sha256(data).hexdigest(), lines=lines, **sections)
    problems = [settings.problem(place, message) for place, message in faults]
    problems += check(settings, tables)
    secrets, missing = resolve_secrets(settings.secrets, path.parent, environ)
    problems += [settings.problem(("secrets", name), message) for name, message in missing]
    if problems:
        raise ConfigError(problems)
    return attrs.evolve(settings, secret_values=secrets, warnings=tuple(warn(settings)))


def _sections(tables: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Path_, str]]]:
    """Each section with those of its entries that are right, and the faults of the others."""
    sections: dict[str, Any] = {}
    faults: list[tuple[Path_, str]] = []
    for name in tables:
        if name not in Tables.model_fields:
            faults.append(((name,), f"unknown table{_meant(name, Tables.model_fields)}"))
    for name, field in Tables.model_fields.items():
        given = tables.get(name, {})
        if not isinstance(given, dict):
            faults.append(((name,), f"must be a table: [{name}]"))
            given = {}
        if name == "server":
            server, found = _validated(Server, given, ("server",))
            sections[name] = server or Server()
        else:
            entry = typing.get_args(field.annotation)[1]
            sections[name], found = _entries(name, entry, given)
        faults += found
    return sections, faults


def _entries(
    section: str, kind: type[BaseModel], given: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[Path_, str]]]:
    entries: dict[str, Any] = {}
    faults: list[tuple[Path_, str]] = []
    for name, table in given.items():
        place = (section, name)
        if not _named_well(section, name):
            faults.append((place, "is not a name (letters, digits, _ . and - are allowed)"))
        if not isinstance(table, dict):
            faults.append((place, f"must be a table: [{section}.{name}]"))
            continue
        entry, found = _validated(kind, table, place)
        faults += found
        if entry is not None:
            entries[name] = entry
    return entries, faults


def _named_well(section: str, name: str) -> bool:
    extra = "_.-:/@*+" if section == "models" else "_.-"
    return bool(name) and name.isascii() and all(c.isalnum() or c in extra for c in name)


def _validated(kind: type[BaseModel], table: Any, place: Path_) -> tuple[Any, list[tuple[Path_, str]]]:
    """``table`` as a ``kind``, or None and what is wrong with it."""
    try:
        # As JSON, since pydantic's strict mode takes a list for a tuple only there.
        return kind.model_validate_json(orjson.dumps(table)), []
    except (TypeError, orjson.JSONEncodeError):
        return None, [(place, "holds a value that JSON cannot hold")]
    except ValidationError as error:
        return None, [_fault(kind, place, one) for one in error.errors(include_url=False, include_input=False)]


def _fault(kind: type[BaseModel], place: Path_, error: Any) -> tuple[Path_, str]:
    loc = tuple(part for part in error["loc"] if part not in _NOISE)
    path = (*place, *loc)
    if error["type"] == "extra_forbidden":
        return path, f"unknown key{_meant(str(loc[-1]), _fields_at(kind, loc[:-1]))}"
    if error["type"] == "missing":
        return path, "is missing"
    message = error["msg"].removeprefix("Value error, ")
    if message.startswith("Input should be"):
        message = "must be" + message.removeprefix("Input should be")
    return path, message[:1].lower() + message[1:]


#: Parts of pydantic's locations that name a branch of a union, not a key.
_NOISE = ("literal['auto']", "constrained-int", "int", "[key]", "ip_v4_network", "ip_v6_network")


def _fields_at(kind: Any, loc: tuple[Any, ...]) -> Iterator[str] | list[str]:
    """The keys that a table inside ``kind`` may have."""
    for part in loc:
        if isinstance(part, int) or not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            kind = next(iter(_inner(kind)), None)
        else:
            field = kind.model_fields.get(part)
            kind = next(iter(_inner(field.annotation)), None) if field is not None else None
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _inner(annotation: Any) -> list[Any]:
    """The tables that an annotation holds, looking through unions and collections."""
    if typing.get_origin(annotation) is None:
        return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
    return [found for argument in typing.get_args(annotation) for found in _inner(argument)]


def _meant(name: str, known: Any) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]}?)"
    return f" (allowed: {', '.join(known)})" if known else ""


__all__ = [
    "Backend",
    "BackendAuth",
    "ConfigError",
    "Consumer",
    "ConsumerBackend",
    "HeaderEdits",
    "KeyAuth",
    "Model",
    "Problem",
    "Route",
    "Server",
    "Settings",
    "dotted",
    "load",
]
