"""Which public model name a client's name stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping


class CatalogueMatcher:
    """Public model names: exact ones first, then those with ``*``, the one with most literal characters first.

    :param names: as the configuration has them.
    :param aliases: further names, each with the one of ``names`` that it stands for.
    """

    def __init__(self, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        wanted = {name: name for name in names} | dict(aliases or {})
        self._exact = {name: meant for name, meant in wanted.items() if "*" not in name}
        wild = sorted((name for name in wanted if "*" in name), key=lambda name: -len(name.replace("*", "")))
        self._wild = [(re.compile(_expression(name), re.DOTALL), wanted[name]) for name in wild]

    def match(self, asked: str) -> str | None:
        """The name under which ``asked`` is served, None if it is not."""
        found = self._exact.get(asked)
        if found is not None or not self._wild:
            return found
        return next((name for pattern, name in self._wild if pattern.fullmatch(asked)), None)


def _expression(name: str) -> str:
    """The regular expression of a name with ``*``.

    The atomic groups keep it linear: clients choose what they ask for, and ``a.*b.*c`` can be made to try for minutes.
    """
    first, *middle, last = map(re.escape, name.split("*"))
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
