"""Who can reach what: routes that nobody may use, and models that a consumer may ask for and nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from aigw.config.errors import Fault, allowed
from aigw.config.tables import Consumer, Route

if TYPE_CHECKING:
    from aigw.config.settings import Settings


def unreachable(settings: Settings, now: datetime) -> Iterator[Fault]:
    """Routes that ask for a key which nobody has.

    :param now: with a time zone; keys that end before it are void.
    """
    callers = [consumer for consumer in settings.consumers.values() if _has_key(consumer, now)]
    closed = [name for name, route in settings.routes.items() if not _open(route, settings)]
    if closed and not callers:
        place = ("consumers",) if settings.consumers else ("routes", closed[0])
        yield place, "no consumer has a valid key, so nobody can use what asks for one ('aigw key NAME' makes one)"
        return
    allowed_routes = [None if consumer.routes is None else set(consumer.routes) for consumer in callers]
    everywhere = None in allowed_routes
    reached = set().union(*(routes for routes in allowed_routes if routes is not None))
    for name in closed:
        if not everywhere and name not in reached:
            yield ("routes", name), "no consumer with a valid key may use this route (consumers.NAME.routes)"


def _has_key(consumer: Consumer, now: datetime) -> bool:
    return any(key.expires is None or key.expires > now for key in consumer.keys)


def _open(route: Route, settings: Settings) -> bool:
    return route.auth == "none" or bool(settings.auth[route.auth].anonymous)


def unmatched(settings: Settings) -> Iterator[Fault]:
    """Entries of consumers' ``models`` that fit no model which they could ask for."""
    public = _public(settings)
    shared: dict[tuple[str, ...] | None, Names | None] = {}  # of consumers without own backends, by their routes
    for name, consumer in settings.consumers.items():
        if not consumer.models:
            continue
        if consumer.backends or consumer.routes not in shared:
            names = _judged(consumer, settings, public)
        else:
            names = shared[consumer.routes]
        if not consumer.backends:
            shared[consumer.routes] = names
        if names is None:
            continue
        for index, pattern in enumerate(consumer.models):
            if not names.meets(pattern):
                meant = allowed(pattern, names.all, "this consumer can ask for no model")
                yield ("consumers", name, "models", index), f"matches no model that this consumer can ask for{meant}"


class Names:
    """Names of models, some with ``*`` for anything."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = frozenset(names)
        self._wild = [name for name in self.all if "*" in name]
        self._plain = self.all.difference(self._wild)
        self._met: dict[str, bool] = {}

    def meets(self, pattern: str) -> bool:
        """Whether some text fits one of the names, and ``pattern``."""
        if pattern not in self._met:  # thousands of consumers have the same patterns
            self._met[pattern] = pattern in self.all or self._meets(pattern)
        return self._met[pattern]

    def _meets(self, pattern: str) -> bool:
        if "*" not in pattern:
            return any(_expression(name).fullmatch(pattern) for name in self._wild)
        expression = _expression(pattern)
        return any(expression.fullmatch(name) for name in self._plain) or any(meet(pattern, one) for one in self._wild)


def _public(settings: Settings) -> Names:
    return Names([*settings.models, *(alias for model in settings.models.values() for alias in model.aliases)])


def _judged(consumer: Consumer, settings: Settings, public: Names) -> Names | None:
    """The names by which a consumer's calls are judged; None where clients may send any name to a backend."""
    pinned: set[str] = set()
    picks = False
    for name, route in settings.routes.items():
        if consumer.routes is not None and name not in consumer.routes:
            continue
        if route.model is not None:
            pinned.add(route.model)
        elif route.backend is None:
            picks = True
        else:
            model = _pinned(consumer, route.backend, settings)
            if model is None:
                return None
            pinned.add(model)
    if not picks:
        return Names(pinned)
    return public if pinned <= public.all else Names(pinned | public.all)


def _pinned(consumer: Consumer, backend: str, settings: Settings) -> str | None:
    """The model that a backend is asked for whatever a client names; None where the client's name counts."""
    own, common = consumer.backends.get(backend), settings.backends[backend]
    mismatch = (own.on_model_mismatch if own is not None else None) or common.on_model_mismatch
    model = (own.model if own is not None else None) or common.model
    return model if mismatch != "allow" else None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    """Atomic groups keep it linear in the length of what is looked at."""
    first, *middle = map(re.escape, pattern.split("*"))
    if not middle:
        return re.compile(first)
    last = middle.pop()
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def meet(one: str, other: str) -> bool:
    """Whether some text fits both of two patterns with ``*`` for anything."""
    seen: set[tuple[int, int]] = set()
    ways = [(0, 0)]
    while ways:
        at, beside = ways.pop()
        if (at, beside) in seen:
            continue
        seen.add((at, beside))
        mine, theirs = one[at : at + 1], other[beside : beside + 1]
        if not mine and not theirs:
            return True
        if mine == "*":
            ways += [(at + 1, beside), *([(at, beside + 1)] if theirs else ())]
        elif theirs == "*":
            ways += [(at, beside + 1), *([(at + 1, beside)] if mine else ())]
        elif mine == theirs:
            ways.append((at + 1, beside + 1))
    return False
