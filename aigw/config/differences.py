"""What a reload from one configuration to another changes, entity by entity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import attrs

from aigw.config.dotted import dotted
from aigw.config.effective import SECTIONS, effective, hidden
from aigw.config.settings import Settings
from aigw.config.toml_text import value_text

Sign = Literal["+", "-", "~"]

_ABSENT: Any = object()


@attrs.frozen
class Difference:
    """One entity that is added, removed or changed.

    :ivar entity: such as ``backends.openai``, as the file writes it.
    :ivar keys: of a changed one: each key with its old and new value, secrets only as "changed".
    """

    sign: Sign
    entity: str
    keys: tuple[str, ...] = ()


def differences(old: Settings, new: Settings) -> Iterator[Difference]:
    """Everything that differs, in the order of the sections; defaults filled in, so that spelling one out is none."""
    before, after = effective(old, hide=False), effective(new, hide=False)
    keys = tuple(_changed(before["server"], after["server"], ("server", "")))
    if keys:
        yield Difference("~", "server", keys)
    for section in SECTIONS:
        one, other = before.get(section, {}), after.get(section, {})
        for name in {**one, **other}:
            yield from _entity(section, name, one.get(name), other.get(name))
    yield from _order(old, new)


def _entity(section: str, name: str, one: Any, other: Any) -> Iterator[Difference]:
    entity = dotted((section, name))
    if one is None or other is None:
        yield Difference("+" if one is None else "-", entity)
        return
    keys = tuple(_changed(one, other, (section, name)))
    if keys:
        yield Difference("~", entity, keys)


def _changed(one: Any, other: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The keys whose values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _changed(one.get(key, _ABSENT), other.get(key, _ABSENT), (*path, key))
    elif one != other:
        old, new = _text(one, path), _text(other, path)
        yield f"{dotted(path[2:])}: " + ("changed" if old == new else f"{old} -> {new}")


def _text(value: Any, path: tuple[str, ...]) -> str:
    return "(none)" if value is _ABSENT else value_text(hidden(value, path))


def _order(old: Settings, new: Settings) -> Iterator[Difference]:
    """Among regular expressions the file's order decides."""
    one, other = (
        [name for name, route in settings.routes.items() if any(path.startswith("~") for path in route.paths)]
        for settings in (old, new)
    )
    if [name for name in one if name in other] != [name for name in other if name in one]:
        yield Difference("~", "routes", ("the order of those with regular expressions",))
