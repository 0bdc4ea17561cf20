"""Kong's entities out of declarative configuration: nested or flat, whole files or the blocks of how-to pages.

decK and Kong write one thing in several ways: a route inside its service or beside it with ``service: NAME``, a plugin
in its route or with ``route: NAME``. Here they are all flat, and refer to each other as objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

import attrs

from aigw.config.importers.nodes import Node

KEYS = ("services", "routes", "plugins", "consumers", "consumer_groups", "upstreams", "keyauth_credentials", "vaults")


@attrs.define(eq=False)
class Service:
    """A service; ``node`` is None for one that plugins name and no file has."""

    name: str
    node: Node | None


@attrs.define(eq=False)
class Route:
    """A route.

    :ivar named: the file gives it a name.
    :ivar old_paths: of a format in which any path may be a regular expression.
    :ivar everywhere: made for plugins that act on every route, where no file has any.
    """

    name: str
    node: Node | None
    service: Service | None
    named: bool = True
    old_paths: bool = False
    everywhere: bool = False


@attrs.define(eq=False)
class Consumer:
    """A consumer, its keys as nodes, the names of its groups."""

    name: str
    node: Node | None
    keys: list[Node] = attrs.field(factory=list)
    groups: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class Plugin:
    """One instance of a plugin, with its scope. Without any it is global."""

    name: str
    node: Node
    service: Service | None = None
    route: Route | None = None
    consumer: Consumer | None = None
    group: str | None = None

    @property
    def config(self) -> Node:
        """Its ``config``, or the plugin itself where it has none: nothing is found in that."""
        return self.node.get("config") or self.node

    def scope(self) -> str:
        """For messages."""
        parts = [f"{kind} {one.name}" for kind, one in self._scopes() if one is not None]
        if self.group is not None:
            parts.append(f"consumer group {self.group}")
        return " and ".join(parts)

    def _scopes(self) -> Iterator[tuple[str, Service | Route | Consumer | None]]:
        yield "route", self.route
        yield "service", self.service
        yield "consumer", self.consumer


class Variables(Mapping[str, str]):
    """A page's ``variables``; one that is looked up has been made use of."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def add(self, name: str, node: Node) -> None:
        """One more; the later of two counts."""
        self._nodes[name] = node

    def unused(self) -> list[Node]:
        """Those that nobody has looked up."""
        return [node for node in self._nodes.values() if node.open_leaves()]

    def __getitem__(self, name: str) -> str:
        return self._nodes[name].text("value") or ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, name: object) -> bool:
        return name in self._nodes


@attrs.define(eq=False)
class Entities:
    """Everything of all files.

    :ivar variables: of how-to pages: ``${name}`` stands for the value.
    :ivar exports: environment variables that the pages have their readers set.
    """

    services: list[Service] = attrs.field(factory=list)
    routes: list[Route] = attrs.field(factory=list)
    consumers: list[Consumer] = attrs.field(factory=list)
    plugins: list[Plugin] = attrs.field(factory=list)
    variables: Variables = attrs.field(factory=Variables)
    exports: list[str] = attrs.field(factory=list)
    environ: Mapping[str, str] = os.environ
    _named: dict[str, list[Plugin]] = attrs.field(factory=dict)

    def plugins_called(self, *names: str) -> list[Plugin]:
        """The instances of these plugins. All plugins must have been read by now."""
        if not self._named:
            for plugin in self.plugins:
                self._named.setdefault(plugin.name, []).append(plugin)
        return [plugin for name in names for plugin in self._named.get(name, ())]


#: What a page's example of one entity may be of, and the list that it would be in.
EXAMPLES = {key.removesuffix("s"): key for key in ("services", "routes", "plugins", "consumers", "consumer_groups")}


def example(document: Node) -> str | None:
    """The list that a page's example of one entity belongs into: ``type: plugin``, ``data: {…}``."""
    kind, data = document.get("type"), document.get("data")
    if kind is None or data is None or not isinstance(data.content, dict):
        return None
    return EXAMPLES.get(str(kind.content))


def is_kong(document: Node) -> bool:
    """Whether a document is Kong's: by its version, as a page's block of entities, or by the names of its lists."""
    if example(document) is not None:
        return True
    entities = document.get("entities")
    if entities is not None and isinstance(entities.content, dict):
        return True
    if document.get("_format_version") is not None:
        return True
    return any(isinstance(found.content, list) for key in KEYS if (found := document.get(key)) is not None)


_REGEX_MARKS = re.compile(r"[^A-Za-z0-9._~/%-]")


def is_old_regex(path: str) -> bool:
    """Whether a path of the formats before 3.0 is a regular expression: it has anything else than a plain path has."""
    return _REGEX_MARKS.search(path) is not None
