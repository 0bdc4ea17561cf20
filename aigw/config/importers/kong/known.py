"""Kong's services, routes or consumers by the names and ids that other entities refer to them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from aigw.config.errors import allowed, nearest
from aigw.config.importers.kong.entities import Consumer, Route, Service
from aigw.config.importers.nodes import Node

Named = TypeVar("Named", Service, Route, Consumer)


@attrs.define(eq=False)
class Known(Generic[Named]):
    """All of one kind, in the order of the files.

    :ivar kind: what it is called: ``service``, ``route``, ``consumer``.
    :ivar entities: those that files have, then those that are only referred to.
    """

    kind: str
    make: Callable[[str], Named]
    entities: list[Named] = attrs.field(factory=list)
    _latest: dict[str, Named] = attrs.field(factory=dict)
    _references: dict[str, Named] = attrs.field(factory=dict)
    _names: list[str] = attrs.field(factory=list)

    def latest(self, name: str) -> Named | None:
        """The last one of this name so far."""
        return self._latest.get(name)

    def add(self, one: Named) -> None:
        """One more."""
        self.entities.append(one)
        self._latest[one.name] = one

    def settle(self, entities: list[Named], ids: dict[int, str]) -> None:
        """From now on these are all, and :meth:`find` and :meth:`referred` know them.

        :param ids: by the ``id()`` of their nodes.
        """
        self.entities = entities
        for one in entities:
            self._references.setdefault(one.name, one)
        for one in entities:
            if id(one.node) in ids:
                self._references.setdefault(ids[id(one.node)], one)
        self._names = sorted({one.name for one in entities})

    def find(self, name: str) -> Named | None:
        """The one of this name, or of this id."""
        return self._references.get(name)

    def unknown(self, name: str) -> str:
        """What could have been meant by a name that nothing has."""
        return allowed(name, nearest(name, self._names))

    def referred(self, node: Node) -> Named | None:
        """What ``node`` refers to as its ``kind``; made up where no file has anything of that kind.

        :raises Refused: the files have some, and this is none of them.
        """
        reference = node.get(self.kind)
        if reference is None:
            return None
        if isinstance(reference.content, str):
            name = reference.scalar()
        else:
            name = next(filter(None, (reference.text(key) for key in ("name", "username", "id"))), "")
        found = self.find(name)
        if found is not None:
            return found
        if self._names:
            raise reference.refuse(f"names no {self.kind} of these files{self.unknown(name)}")
        made = self.make(name)
        self.entities.append(made)
        self._references[name] = made
        return made
