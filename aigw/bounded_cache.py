"""What outsiders chose, remembered within bounds of bytes: so many entries, none of them long.

A look-up is a dictionary's own ``get``; what is in use is found again soon after a dictionary was emptied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")

#: Bytes or characters that a key may have: those of API calls (paths, names of models, addresses) are shorter.
LONGEST: Final = 256
#: Entries of one dictionary.
MOST: Final = 4096


def remember(known: dict[_K, _V], key: _K, value: _V, size: int) -> None:
    """Keep ``value`` for ``key``, unless the key is long; where there are too many, all others are forgotten first.

    :param known: nobody else puts anything into it.
    :param size: the length of the key, of all its parts together.
    """
    if size <= LONGEST:
        if len(known) >= MOST:
            known.clear()
        known[key] = value


def remembering(function: Callable[[str], _V]) -> Callable[[str], _V]:
    """``function``, which never gives None, with a memory of what it gave."""
    known: dict[str, _V] = {}

    def remembered(key: str) -> _V:
        value = known.get(key)
        if value is None:
            value = function(key)
            remember(known, key, value, len(key))
        return value

    return remembered
