"""Which model name is meant, and which of its targets answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """What a choice needs of a target."""

    @property
    def weight(self) -> int:
        """Its share among targets of its priority; 0 for none."""

    @property
    def priority(self) -> int:
        """Targets of a lower number come first."""


T = TypeVar("T", bound=Weighted)


def choose(targets: Sequence[T], chance: Callable[[], float]) -> T:
    """One of the targets of the lowest priority number, by weight; the first if none of them has any.

    :param targets: not empty.
    :param chance: a number in [0, 1).
    """
    first = min(target.priority for target in targets)
    rivals = [target for target in targets if target.priority == first]
    weighted = [target for target in rivals if target.weight] or rivals[:1]
    if len(weighted) == 1:
        return weighted[0]
    point = chance() * sum(target.weight for target in weighted)
    for target in weighted:
        point -= target.weight
        if point < 0:
            return target
    return weighted[-1]  # where a float was rounded up to the sum


class CatalogueMatcher:
    """Public model names: exact ones first, then those with ``*``, the one with most literal characters first.

    :param names: as the configuration has them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        wanted = list(names)
        self._exact = frozenset(name for name in wanted if "*" not in name)
        wild = sorted((name for name in wanted if "*" in name), key=lambda name: -len(name.replace("*", "")))
        self._wild = [(re.compile(_expression(name), re.DOTALL), name) for name in wild]

    def match(self, asked: str) -> str | None:
        """The name under which ``asked`` is served, None if it is not."""
        if asked in self._exact:
            return asked
        return next((name for pattern, name in self._wild if pattern.fullmatch(asked)), None)


def _expression(name: str) -> str:
    """The regular expression of a name with ``*``.

    The atomic groups keep it linear: clients choose what they ask for, and ``a.*b.*c`` can be made to try for minutes.
    """
    first, *middle, last = map(re.escape, name.split("*"))
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
