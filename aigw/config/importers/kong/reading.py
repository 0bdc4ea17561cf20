"""Reading Kong's documents into entities, and connecting what they say of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from aigw.config.errors import allowed
from aigw.config.importers.draft import Draft
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route, Service
from aigw.config.importers.nodes import Node

VERSIONS = ("1.1", "2.1", "3.0")
#: What a file has that is no entity, and changes nothing here.
_ABOUT_THE_FILE = ("_comment", "_konnect", "_transform", "_workspace", "_ignore")
#: What every entity has for its keeper's own purposes.
_ABOUT_THE_ENTITY = ("id", "tags", "created_at", "updated_at", "_comment", "_ignore", "ws_id")

Named = TypeVar("Named", Service, Route, Consumer)


class Reader:
    """Reads documents one after the other, then connects what they say."""

    def __init__(self, draft: Draft, exports: list[str], environ: Mapping[str, str]) -> None:
        self.draft = draft
        self.found = Entities(exports=exports, environ=environ)
        self._plugins: list[tuple[Node, Plugin]] = []
        self._routes: list[tuple[Node, Route]] = []
        self._keys: list[tuple[Node, Consumer | None]] = []
        self._members: list[tuple[str, Node]] = []
        self._ids: dict[int, str] = {}
        self._shared: dict[str, Node] = {}
        self._version = "3.0"

    # -- one document

    def read(self, document: Node) -> None:
        """Take in one document.

        :raises Refused: its version is none that is known.
        """
        self._version = _version(document)
        self.draft.note([document.get(key) for key in _ABOUT_THE_FILE], "about the file, not about what it does")
        self._info(document)
        for name, value in _mapping(document.get("variables")):
            self.found.variables.add(name, value)
            self.draft.note(value.get("description"), "a description")
        block = document.get("entities") or document
        self._shared.update(_mapping(block.get("_plugin_configs")))
        for node in block.maps("services"):
            self._service(node)
        for node in block.maps("routes"):
            self._route(node, None)
        for node in block.maps("consumers"):
            self._consumer(node)
        for node in block.maps("consumer_groups"):
            self._group(node)
        for node in block.maps("keyauth_credentials"):
            self._keys.append((node, None))
        for node in block.maps("plugins"):
            self._plugin(node)

    def _info(self, document: Node) -> None:
        info = document.get("_info")
        if info is None:
            return
        for key in info.names():
            if key != "defaults":
                self.draft.note(info.get(key), "about the file, not about what it does")

    def _service(self, node: Node) -> None:
        service = Service(self._name(node, f"service-{len(self.found.services) + 1}"), node)
        node.label = f"service {service.name}"
        self._about(node)
        self._unique(self.found.services, service, "service")
        for child in node.maps("routes"):
            self._route(child, service)
        for child in node.maps("plugins"):
            self._plugin(child, service=service)

    def _route(self, node: Node, service: Service | None) -> None:
        named = node.get("name") is not None
        base = service.name if service is not None else "route"
        count = sum(1 for route in self.found.routes if route.service is service and not route.named)
        usual = base if count == 0 else f"{base}-{count + 1}"
        route = Route(self._name(node, usual), node, service, named, self._version < "3")
        node.label = f"route {route.name}"
        self._about(node)
        self._unique(self.found.routes, route, "route")
        self._routes.append((node, route))
        for child in node.maps("plugins"):
            self._plugin(child, route=route)

    def _consumer(self, node: Node) -> None:
        name = node.text("username") or node.text("custom_id") or self._name(node, "consumer")
        consumer = Consumer(name, node)
        node.label = f"consumer {name}"
        self._about(node)
        self._unique(self.found.consumers, consumer, "consumer")
        self._keys += [(key, consumer) for key in node.maps("keyauth_credentials")]
        for group in node.elements("groups"):
            consumer.groups.append(group.scalar() if isinstance(group.content, str) else group.text("name") or "")
            self._about(group)
        for child in node.maps("plugins"):
            self._plugin(child, consumer=consumer)

    def _group(self, node: Node) -> None:
        name = self._name(node, "group")
        node.label = f"consumer group {name}"
        self._about(node)
        self._members += [(name, member) for member in node.elements("consumers")]
        for child in node.maps("plugins"):
            self._plugin(child, group=name)

    def _plugin(
        self,
        node: Node,
        *,
        service: Service | None = None,
        route: Route | None = None,
        consumer: Consumer | None = None,
        group: str | None = None,
    ) -> None:
        plugin = Plugin(node.text("name") or "", node, service, route, consumer, group)
        node.label = f"plugin {plugin.name}"
        self._plugins.append((node, plugin))

    def _name(self, node: Node, otherwise: str) -> str:
        """The entity's name, or the id that references go by, or something to go on with."""
        name, identity = node.text("name"), node.text("id")
        if identity is not None:
            self._ids[id(node)] = identity
        return name or otherwise

    def _about(self, node: Node) -> None:
        identity = node.get("id")
        if identity is not None and isinstance(identity.content, str):
            self._ids[id(node)] = identity.content
        fields = [node.get(key) for key in _ABOUT_THE_ENTITY]
        self.draft.note(fields, "for whoever keeps the configuration; aigw has no place for it")

    def _unique(self, known: list[Named], one: Named, kind: str) -> None:
        """Add ``one``; of two in different documents the later one counts, as when both are applied."""
        assert one.node is not None
        for other in [other for other in known if other.name == one.name and other.node is not None]:
            assert other.node is not None
            if _document(other.node) is _document(one.node):
                raise one.node.refuse(f"there is a {kind} of this name on line {other.node.line} already")
            self.draft.drop(other.node, f"there is another one further down, {one.node.file}:{one.node.line}")
            self._forget(other)
            known.remove(other)
        known.append(one)

    def _forget(self, gone: Service | Route | Consumer) -> None:
        """Whatever was inside of ``gone`` goes with it."""
        self._plugins = [
            each for each in self._plugins if gone not in (each[1].service, each[1].route, each[1].consumer)
        ]
        self._keys = [each for each in self._keys if each[1] is not gone]
        for _, route in [each for each in self._routes if each[1] is gone or each[1].service is gone]:
            if route is not gone:
                self._forget(route)
                self.found.routes.remove(route)
        self._routes = [each for each in self._routes if each[1] is not gone and each[1].service is not gone]

    # -- all together

    def connect(self) -> Entities:
        """Everything that was read, references resolved. What refers to nothing becomes an error."""
        for node, route in self._routes:
            self.draft.attempt(self._connect_route, node, route)
        for node, plugin in self._plugins:
            self.draft.attempt(self._connect_plugin, node, plugin)
        for node, consumer in self._keys:
            self.draft.attempt(self._connect_key, node, consumer)
        for group, member in self._members:
            self.draft.attempt(self._connect_member, group, member)
        self._once_each()
        return self.found

    def _once_each(self) -> None:
        """Of one plugin there is one instance in each scope; of two in different documents the later one counts."""
        known: dict[tuple[object, ...], Plugin] = {}
        for plugin in list(self.found.plugins):
            scope = (plugin.name, plugin.service, plugin.route, plugin.consumer, plugin.group)
            earlier = known.get(scope)
            known[scope] = plugin
            if earlier is None:
                continue
            if _document(earlier.node) is _document(plugin.node):
                problem = plugin.node.problem(f"is there already, on line {earlier.node.line} (one for each scope)")
                self.draft.errors.append(problem)
            else:
                self.draft.drop(
                    earlier.node, f"there is another one further down, {plugin.node.file}:{plugin.node.line}"
                )
            self.found.plugins.remove(earlier)

    def _connect_route(self, node: Node, route: Route) -> None:
        if route.service is None and node.get("service") is not None:
            route.service = self._referred(node, "service", self.found.services, Service)

    def _connect_plugin(self, node: Node, plugin: Plugin) -> None:
        if plugin.service is None:
            plugin.service = self._referred(node, "service", self.found.services, Service)
        if plugin.route is None:
            plugin.route = self._referred(node, "route", self.found.routes, _nameless_route)
        if plugin.consumer is None:
            plugin.consumer = self._referred(node, "consumer", self.found.consumers, Consumer)
        group = node.get("consumer_group")
        if plugin.group is None and group is not None:
            plugin.group = group.scalar() if isinstance(group.content, str) else group.text("name")
        scope = plugin.scope()
        node.label = f"plugin {plugin.name} of {scope}" if scope else f"plugin {plugin.name}, global"
        self._about(node)
        shared = node.text("_config")
        if shared is not None:
            self._share(node, shared)
        self.found.plugins.append(plugin)

    def _share(self, node: Node, name: str) -> None:
        """decK's ``_config: NAME``: a config that several plugins have in common, under their own."""
        if name not in self._shared:
            raise node.refuse(f"_config names no entry of _plugin_configs{allowed(name, self._shared)}")
        shared = self._shared[name]
        assert isinstance(node.content, dict)
        own = node.get("config")
        if own is None:
            node.content["config"] = shared
        elif isinstance(own.content, dict) and isinstance(shared.content, dict):
            own.content = shared.content | own.content

    def _connect_key(self, node: Node, consumer: Consumer | None) -> None:
        node.label = node.label or "keyauth_credentials"
        if consumer is None:
            consumer = self._referred(node, "consumer", self.found.consumers, Consumer)
            if consumer is None:
                raise node.refuse("names no consumer (consumer: NAME)")
        node.label = f"key of consumer {consumer.name}"
        self._about(node)
        consumer.keys.append(node)

    def _connect_member(self, group: str, member: Node) -> None:
        name = (
            member.scalar() if isinstance(member.content, str) else member.text("username") or member.text("custom_id")
        )
        consumer = self._among(self.found.consumers, name or "")
        if consumer is None:
            raise member.refuse(f"names no consumer{allowed(name or '', [one.name for one in self.found.consumers])}")
        consumer.groups.append(group)

    def _referred(self, node: Node, kind: str, known: list[Named], make: Callable[[str, None], Named]) -> Named | None:
        """What ``node`` refers to as its ``kind``; made up where no file has anything of that kind.

        :raises Refused: the files have some, and this is none of them.
        """
        reference = node.get(kind)
        if reference is None:
            return None
        if isinstance(reference.content, str):
            name = reference.scalar()
        else:
            name = next(filter(None, (reference.text(key) for key in ("name", "username", "id"))), "")
        found = self._among(known, name)
        if found is not None:
            return found
        if any(one.node is not None for one in known):
            raise reference.refuse(f"names no {kind} of these files{allowed(name, [one.name for one in known])}")
        made = make(name, None)
        known.append(made)
        return made

    def _among(self, known: Iterable[Named], name: str) -> Named | None:
        for one in known:
            if name == one.name or (one.node is not None and self._ids.get(id(one.node)) == name):
                return one
        return None


def _document(node: Node) -> Node:
    *_, top = node.around()
    return top


def _nameless_route(name: str, node: None) -> Route:
    return Route(name, node, None)


def _version(document: Node) -> str:
    """:raises Refused: the format is none that is known."""
    node = document.get("_format_version")
    if node is None:
        return "3.0"
    version = node.scalar()
    if version in ("1", "2", "3"):
        version = {"1": "1.1", "2": "2.1", "3": "3.0"}[version]
    if version not in VERSIONS:
        raise node.refuse(f"is a version that is not known (allowed: {', '.join(VERSIONS)})")
    return version


def _mapping(node: Node | None) -> Iterator[tuple[str, Node]]:
    if node is not None:
        for key in node.names():
            child = node.get(key)
            assert child is not None
            yield key, child
