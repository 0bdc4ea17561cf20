"""A consumer: the holder of a key, and what it may do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zope.interface import classImplements

from aigw.consumers.interfaces import IConsumer


class ModelPatterns:
    """Model names that a consumer may ask for; ``*`` in one stands for anything.

    :param patterns: as the configuration has them. None of them allows nothing.
    :ivar everything: any name at all is among them.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self.everything = any(pattern.strip("*") == "" and pattern for pattern in patterns)
        self._exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
        wild = [_expression(pattern) for pattern in patterns if "*" in pattern]
        self._wild = re.compile("|".join(wild), re.DOTALL) if wild else None

    def __repr__(self) -> str:
        return f"ModelPatterns({list(self.patterns)})"

    def allows(self, name: str) -> bool:
        """Whether ``name`` is among them."""
        return name in self._exact or (self._wild is not None and self._wild.fullmatch(name) is not None)


def _expression(pattern: str) -> str:
    """The regular expression of a name with ``*``.

    The atomic groups keep it linear: clients choose the names, and ``a.*b.*c`` can be made to try for minutes.
    """
    first, *middle, last = map(re.escape, pattern.split("*"))
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last


@dataclass(frozen=True, eq=False)
class Consumer:
    """One ``[consumers]`` entry.

    How many requests it has in flight is not kept here: that number outlives a reload, the entry does not.

    :ivar routes: where it may go; None: everywhere.
    :ivar models: what it may ask for; None: anything.
    :ivar max_in_flight: requests at a time; 0: any number.
    :ivar backends: its own settings of backends, by their names.
    """

    name: str
    routes: frozenset[str] | None = None
    models: ModelPatterns | None = None
    max_in_flight: int = 0
    backends: Mapping[str, Any] = field(default_factory=dict, repr=False)
    groups: tuple[str, ...] = ()

    def may_use_route(self, route: str) -> bool:
        """Whether it may go to ``route``."""
        return self.routes is None or route in self.routes

    @property
    def limited(self) -> bool:
        """Whether there are models that it may not ask for."""
        models = self.models
        return models is not None and not models.everything

    def may_use_model(self, name: str) -> bool:
        """Whether it may ask for model ``name``."""
        return self.models is None or self.models.allows(name)


# Not by a decorator: mypyc lays out no class that has one which it does not know.
classImplements(Consumer, IConsumer)
