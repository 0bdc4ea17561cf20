"""Finding a request's route, at a cost that does not grow with the number of routes.

Theory of operation. Routes are put into a tree by the segments of their paths; a regular expression, and a route
without a path, sits at the root. At a node, routes with an exact host lie in a dictionary by host, all others in a
list; both are ordered by rank. A request walks down by its path's segments; at every node on its way it looks at
those routes alone that can match its host, and the best of all wins. So the cost grows with the depth of the path,
and with the number of routes at one place that have no exact host: regular expressions, wildcards, and routes that
only differ in methods or headers are tried one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import attrs

from aigw.errors import MethodNotAllowed, NoRoute
from aigw.routing.conditions import EXACT, REGEX, Conditions, HostRule, PathRule, Rank, rank

T = TypeVar("T")

Headers = Sequence[tuple[bytes, bytes]]


@attrs.frozen
class Match(Generic[T]):
    """A route that was found.

    :ivar value: what the table was given for it.
    :ivar prefix: the part of the path that it matched.
    """

    value: T
    prefix: bytes


@attrs.frozen(eq=False)
class Entry(Generic[T]):
    """One way in which a route can match: by one of its paths and one of its hosts."""

    rank: Rank
    conditions: Conditions
    path: PathRule | None
    host: HostRule | None
    value: T

    def prefix_of(self, path: bytes) -> bytes | None:
        """The part of ``path`` that matches; None if it does not. The tree has seen to literal prefixes."""
        rule = self.path
        if rule is None:
            return b""
        if rule.kind == REGEX and rule.pattern is not None:
            match = rule.pattern.match(path)
            return match[0] if match is not None else None
        if rule.kind == EXACT:
            return path if path == rule.path else None
        return rule.path


class Node(Generic[T]):
    """A place in the tree: the routes whose literal path ends here."""

    __slots__ = ("by_host", "children", "others", "parent")

    def __init__(self, parent: Node[T] | None) -> None:
        self.parent = parent
        self.children: dict[bytes, Node[T]] = {}
        self.by_host: dict[bytes, list[Entry[T]]] = {}
        self.others: list[Entry[T]] = []

    def way_up(self) -> Iterator[Node[T]]:
        """This node and all above it."""
        node: Node[T] | None = self
        while node is not None:
            yield node
            node = node.parent

    def candidates(self, host: bytes) -> Iterator[list[Entry[T]]]:
        """Lists of entries, each in order, that may match a request for ``host`` that ended up here."""
        for node in self.way_up():
            exact = node.by_host.get(host) if node.by_host else None
            if exact:
                yield exact
            if node.others:
                yield node.others


class RouteTable(Generic[T]):
    """The routes of one snapshot.

    :param routes: in the order of the file.
    """

    def __init__(self, routes: Iterable[tuple[Conditions, T]]) -> None:
        self.root: Node[T] = Node(None)
        for order, (conditions, value) in enumerate(routes):
            for path, host in conditions.ways():
                self._place(Entry(rank(conditions, path, host, order), conditions, path, host, value))
        self._sort(self.root)

    def _place(self, entry: Entry[T]) -> None:
        node = self.root
        if entry.path is not None and entry.path.kind != REGEX:
            for segment in entry.path.segments():
                node = node.children.setdefault(segment, Node(node))
        if entry.host is not None and not entry.host.wildcard:
            node.by_host.setdefault(entry.host.text, []).append(entry)
        else:
            node.others.append(entry)

    def _sort(self, node: Node[T]) -> None:
        for entries in (*node.by_host.values(), node.others):
            entries.sort(key=lambda entry: entry.rank)
        for child in node.children.values():
            self._sort(child)

    def match(self, method: bytes, host: bytes, path: bytes, headers: Headers) -> Match[T]:
        """The route for a request.

        :raises NoRoute: none matches.
        :raises MethodNotAllowed: some would, for other methods.
        """
        node = self.root
        for segment in path.split(b"/")[1:]:
            child = node.children.get(segment)
            if child is None:
                break
            node = child
        return select(node, method, host, path, headers)


def select(node: Node[T], method: bytes, host: bytes, path: bytes, headers: Headers) -> Match[T]:
    """The best route for a request whose path led to ``node``; raises as :meth:`RouteTable.match` does."""
    best: Entry[T] | None = None
    matched = b""
    allowed: set[bytes] = set()
    for entries in node.candidates(host):
        for entry in entries:
            if best is not None and entry.rank >= best.rank:
                break
            conditions = entry.conditions
            if entry.host is not None and entry.host.wildcard and not entry.host.matches(host):
                continue
            prefix = entry.prefix_of(path)
            if prefix is None or (conditions.headers and not conditions.fits(headers)):
                continue
            if conditions.methods and method not in conditions.methods:
                allowed |= conditions.methods
                continue
            best, matched = entry, prefix
            break
    if best is not None:
        return Match(best.value, matched)
    if allowed:
        allow = b", ".join(sorted(allowed))
        raise MethodNotAllowed("this method is not allowed on this route", headers=[(b"allow", allow)])
    raise NoRoute("no Route matched with those values")
