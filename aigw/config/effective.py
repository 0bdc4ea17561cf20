"""The configuration as it is in effect, for people: defaults filled in, secrets as ``***``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aigw.config.placeholders import HIDDEN, cut_digest
from aigw.config.sensitive import is_credential_name, looks_secret
from aigw.config.settings import Settings
from aigw.config.tables import Backend, Consumer, Key, Table
from aigw.config.toml_text import Inline, document_text
from aigw.listener import described

#: Marks the digest of a key that the file has in plain text; a digest of a short key is as good as the key.
_PLAIN = "plain:"

SECTIONS = ("secrets", "backends", "models", "auth", "routes", "consumers")

#: Keys whose values are free: what is in them may be a credential by its name, at any depth.
_FREE = frozenset(("defaults", "overrides", "headers"))
#: Keys that say where something is, or what its name is, which may look made by a machine and is no secret.
_PLACES = frozenset(
    (
        *("ca", "credential", "env", "file", "hosts", "paths", "listen", "admin", "access_log"),
        *("backend", "model", "models", "aliases", "fallback", "routes", "groups", "auth", "anonymous"),
        *("secret", "service_account", "session_token"),
    )
)


def effective(settings: Settings, *, hide: bool = True) -> dict[str, Any]:
    """The tables with all defaults, in the file's own terms: durations as ``"30s"``, arrays as tuples.

    :param hide: show no secret; False only to compare.
    """
    tables: dict[str, Any] = {"server": _plain(settings.server)}
    for section in SECTIONS:
        entries = {name: _entry(entry) for name, entry in getattr(settings, section).items()}
        if entries:
            tables[section] = entries
    if not hide:
        return tables
    _locate(tables, settings)
    shown_tables: dict[str, Any] = hidden(tables)
    return shown_tables


def _locate(tables: dict[str, Any], settings: Settings) -> None:
    """Say where files are, whatever directory the reader is in."""
    for source in tables.get("secrets", {}).values():
        if "file" in source:
            source["file"] = str(settings.directory / source["file"])
    for backend in tables.get("backends", {}).values():
        if "ca" in backend:
            backend["ca"] = str(settings.directory / backend["ca"])
    server = tables["server"]
    if server["access_log"] not in ("-", "off"):
        server["access_log"] = str(settings.directory / server["access_log"])
    server["listen"] = tuple(_located(listener, settings) for listener in server["listen"])
    if server["admin"] != "off":
        server["admin"] = _located(server["admin"], settings)


def _located(listener: str, settings: Settings) -> str:
    known = described(listener)
    files = known.files(settings.directory)
    return known.text(**{name: str(path) for name, path in files.items()}) if files else listener


def _plain(table: Table) -> dict[str, Any]:
    """One table; what is in it is written inline."""
    return {key: _inline(value) for key, value in table.model_dump(exclude_none=True).items()}


def _inline(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Inline({key: _inline(each) for key, each in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_inline(each) for each in value)
    return value


def _entry(entry: Table) -> dict[str, Any]:
    table = _plain(entry)
    if isinstance(entry, Backend) and entry.provider != "echo":
        del table["delay"]  # which no other provider has
    if isinstance(entry, Consumer):
        table["keys"] = tuple(_key(key) for key in entry.keys)
        if entry.backends:  # the one table in an entry that people write with a header of its own
            table["backends"] = {name: _plain(own) for name, own in entry.backends.items()}
    return table


def _key(key: Key) -> Any:
    text = f"{_PLAIN if key.plain else 'sha256:'}{key.digest}"
    return text if key.expires is None else Inline(key=text, expires=key.expires)


def hidden(value: Any, path: tuple[str, ...] = ()) -> Any:
    """``value`` with everything replaced that is a secret, or may be one by its place.

    :param path: where it is in the configuration.
    """
    if isinstance(value, Inline):
        return Inline({key: hidden(each, (*path, key)) for key, each in value.items()})
    if isinstance(value, dict):
        return {key: hidden(each, (*path, key)) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(hidden(each, path) for each in value)
    return _hidden_text(value, path[2:]) if isinstance(value, str) else value


def _hidden_text(value: str, path: tuple[str, ...]) -> str:
    """:param path: inside the entry."""
    if "keys" in path[:1]:
        return cut_digest(value) if value.startswith("sha256:") else HIDDEN
    if path[-2:] == ("auth", "inline") or path[-3:-1] == ("headers", "set"):
        return HIDDEN
    free = next((at for at, key in enumerate(path) if key in _FREE), len(path))
    if any(map(is_credential_name, path[free + 1 :])):
        return HIDDEN
    if not path or path[-1] in _PLACES:
        return value
    if path[-1] in ("url", "full_path"):
        return "/".join(HIDDEN if looks_secret(segment) else segment for segment in value.split("/"))
    return HIDDEN if looks_secret(value) else value


def shown(settings: Settings) -> str:
    """The effective configuration as TOML, to be read by people."""
    return document_text(effective(settings))
