"""The configuration as it is in effect, for people: defaults filled in, secrets as ``***``; and how two differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import toml
from pydantic import BaseModel

from aigw.config.settings import Settings

_HIDDEN = "***"
_SECTIONS = ("secrets", "backends", "models", "auth", "routes", "consumers")


def effective(settings: Settings, *, hide: bool = True) -> dict[str, Any]:
    """The tables with all defaults.

    :param hide: show no inline key; False only to compare.
    """
    tables: dict[str, Any] = {"server": _plain(settings.server)}
    for section in _SECTIONS:
        entries = {name: _plain(entry) for name, entry in getattr(settings, section).items()}
        if entries:
            tables[section] = entries
    if hide:
        _hide(tables)
    for consumer in tables.get("consumers", {}).values():
        consumer["keys"] = [_key(key) for key in consumer["keys"]]
    return tables


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_none=True)


def _key(key: dict[str, Any]) -> Any:
    """A key as the file could have it, its digest cut short: enough to tell two apart, useless to anybody else."""
    text = f"sha256:{key['digest'][:8]}…"
    return {"key": text, "expires": key["expires"]} if key.get("expires") else text


def _hide(tables: dict[str, Any]) -> None:
    backends = list(tables.get("backends", {}).values())
    for consumer in tables.get("consumers", {}).values():
        backends += consumer.get("backends", {}).values()
    for backend in backends:
        if "inline" in backend.get("auth", {}):
            backend["auth"]["inline"] = _HIDDEN
        headers = backend.get("headers") or {}
        # Whatever an operator puts into a header may be a credential.
        headers["set"] = dict.fromkeys(headers.get("set", {}), _HIDDEN)
        if not headers["set"]:
            del headers["set"]


def shown(settings: Settings) -> str:
    """The effective configuration as TOML."""
    return toml.dumps(effective(settings))


def differences(old: Settings, new: Settings) -> Iterator[tuple[str, str]]:
    """What a reload from ``old`` to ``new`` changes: ``+``, ``-`` or ``~``, and the entity (with its changed keys)."""
    before, after = effective(old, hide=False), effective(new, hide=False)
    changed = list(_changed(before["server"], after["server"]))
    if changed:
        yield "~", f"server: {', '.join(changed)}"
    for section in _SECTIONS:
        one, other = before.get(section, {}), after.get(section, {})
        for name in sorted({*one, *other}):
            entity = f"{section}.{name}"
            if name not in one:
                yield "+", entity
            elif name not in other:
                yield "-", entity
            else:
                changed = list(_changed(one[name], other[name]))
                if section == "secrets" and old.secret_values.get(name) != new.secret_values.get(name):
                    changed.append("its value")
                if changed:
                    yield "~", f"{entity}: {', '.join(changed)}"


def _changed(before: Any, after: Any, prefix: str = "") -> Iterator[str]:
    """The keys whose values differ, dotted."""
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _changed(one, other, f"{prefix}{key}.")
        elif one != other:
            yield prefix + key
