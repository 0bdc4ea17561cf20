"""Reading Kong's documents into entities, and connecting what they say of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from aigw.config.errors import allowed
from aigw.config.importers.draft import Draft
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route, Service, example
from aigw.config.importers.kong.known import Known, Named
from aigw.config.importers.kong.plugins import scope_of
from aigw.config.importers.nodes import Node, unlike

VERSIONS = ("1.1", "2.1", "3.0")
#: What a file has that is no entity, and changes nothing here.
_ABOUT_THE_FILE = ("_comment", "_konnect", "_transform", "_workspace", "_ignore")
#: What every entity has for its keeper's own purposes.
_ABOUT_THE_ENTITY = ("id", "tags", "created_at", "updated_at", "_comment", "_ignore", "ws_id")


class Reader:
    """Reads documents one after the other, then connects what they say."""

    def __init__(self, draft: Draft, exports: list[str], environ: Mapping[str, str]) -> None:
        self.draft = draft
        self.found = Entities(exports=exports, environ=environ)
        self._services = Known[Service]("service", lambda name: Service(name, None))
        self._routes = Known[Route]("route", lambda name: Route(name, None, None))
        self._consumers = Known[Consumer]("consumer", lambda name: Consumer(name, None))
        self._plugins: list[Plugin] = []
        self._keys: list[tuple[Node, Consumer | None]] = []
        self._members: list[tuple[str, Node]] = []
        self._ids: dict[int, str] = {}
        self._unnamed: Counter[int] = Counter()  # routes without a name, by their service
        self._replaced: set[int] = set()
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
        only = example(document)
        if only is not None:
            document.text("type")
        self.draft.note(document.get("formats"), "as what the page shows it")
        readers: dict[str, Callable[[Node], None]] = {
            "services": self._service,
            "routes": lambda node: self._route(node, None),
            "consumers": self._consumer,
            "consumer_groups": self._group,
            "keyauth_credentials": lambda node: self._keys.append((node, None)),
            "plugins": self._plugin,
        }
        for key, read in readers.items():
            for node in self._of(block, key, only):
                read(node)

    def _of(self, block: Node, key: str, only: str | None) -> list[Node]:
        """The entities of one list.

        :param only: the list that the one entity of an example belongs into.
        """
        if only is None:
            return block.maps(key)
        data = block.get("data")
        return [data] if key == only and data is not None else []

    def _info(self, document: Node) -> None:
        info = document.get("_info")
        if info is None:
            return
        for key in info.names():
            if key != "defaults":
                self.draft.note(info.get(key), "about the file, not about what it does")

    def _service(self, node: Node) -> None:
        service = Service(self._name(node, f"service-{len(self._services.entities) + 1}"), node)
        node.label = f"service {service.name}"
        self._about(node)
        self._unique(self._services, service)
        for child in node.maps("routes"):
            self._route(child, service)
        for child in node.maps("plugins"):
            self._plugin(child, service=service)

    def _route(self, node: Node, service: Service | None) -> None:
        named = node.get("name") is not None
        base = service.name if service is not None else "route"
        count = self._unnamed[id(service)]
        self._unnamed[id(service)] += not named
        usual = base if count == 0 else f"{base}-{count + 1}"
        route = Route(self._name(node, usual), node, service, named, self._version < "3")
        node.label = f"route {route.name}"
        self._about(node)
        self._unique(self._routes, route)
        for child in node.maps("plugins"):
            self._plugin(child, route=route)

    def _consumer(self, node: Node) -> None:
        name = node.text("username") or node.text("custom_id") or self._name(node, "consumer")
        consumer = Consumer(name, node)
        node.label = f"consumer {name}"
        self._about(node)
        self._unique(self._consumers, consumer)
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
        config = node.get("config")
        if config is not None and isinstance(config.content, str) and config.content:
            raise config.refuse(unlike(config, "a mapping"))
        self._plugins.append(plugin)

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

    def _unique(self, known: Known[Named], one: Named) -> None:
        """Add ``one``; of two in different documents the later one counts, as when both are applied."""
        other = known.latest(one.name)
        known.add(one)
        if other is None or other.node is None or one.node is None or self._gone(other):
            return
        if _document(other.node) is _document(one.node):
            raise one.node.refuse(f"there is a {known.kind} of this name on line {other.node.line} already")
        self.draft.drop(other.node, f"there is another one further down, {one.node.file}:{one.node.line}")
        self._replaced.add(id(other))

    def _gone(self, one: Service | Route | Consumer | None) -> bool:
        """Whether another one took its place; whatever was inside of that goes with it."""
        if one is None:
            return False
        return id(one) in self._replaced or (isinstance(one, Route) and self._gone(one.service))

    # -- all together

    def connect(self) -> Entities:
        """Everything that was read, references resolved. What refers to nothing becomes an error."""
        self._settle(self._services)
        self._settle(self._routes)
        self._settle(self._consumers)
        plugins = [
            each for each in self._plugins if not any(map(self._gone, (each.service, each.route, each.consumer)))
        ]
        keys = [each for each in self._keys if not self._gone(each[1])]
        for route in list(self._routes.entities):
            self.draft.attempt(self._connect_route, route)
        for plugin in plugins:
            self.draft.attempt(self._connect_plugin, plugin.node, plugin)
        for node, consumer in keys:
            self.draft.attempt(self._connect_key, node, consumer)
        for group, member in self._members:
            self.draft.attempt(self._connect_member, group, member)
        self._once_each()
        self.found.services, self.found.routes = self._services.entities, self._routes.entities
        self.found.consumers = self._consumers.entities
        return self.found

    def _settle(self, known: Known[Named]) -> None:
        known.settle([each for each in known.entities if not self._gone(each)], self._ids)

    def _once_each(self) -> None:
        """Of one plugin there is one instance in each scope; of two in different documents the later one counts."""
        known: dict[tuple[object, ...], Plugin] = {}
        replaced: set[int] = set()
        for plugin in self.found.plugins:
            scope = (plugin.name, *scope_of(plugin))
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
            replaced.add(id(earlier))
        self.found.plugins = [plugin for plugin in self.found.plugins if id(plugin) not in replaced]

    def _connect_route(self, route: Route) -> None:
        if route.node is not None and route.service is None:
            route.service = self._services.referred(route.node)

    def _connect_plugin(self, node: Node, plugin: Plugin) -> None:
        if plugin.service is None:
            plugin.service = self._services.referred(node)
        if plugin.route is None:
            plugin.route = self._routes.referred(node)
        if plugin.consumer is None:
            plugin.consumer = self._consumers.referred(node)
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
            consumer = self._consumers.referred(node)
            if consumer is None:
                raise node.refuse("names no consumer (consumer: NAME)")
        node.label = f"key of consumer {consumer.name}"
        self._about(node)
        consumer.keys.append(node)

    def _connect_member(self, group: str, member: Node) -> None:
        name = (
            member.scalar() if isinstance(member.content, str) else member.text("username") or member.text("custom_id")
        )
        consumer = self._consumers.find(name or "")
        if consumer is None:
            raise member.refuse(f"names no consumer{self._consumers.unknown(name or '')}")
        consumer.groups.append(group)


def _document(node: Node) -> Node:
    *_, top = node.around()
    return top


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
