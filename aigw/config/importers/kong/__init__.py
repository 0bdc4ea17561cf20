"""Kong's declarative configuration, decK's state files and the blocks of Kong's how-to pages.

An aigw route is made for each of Kong's, with what Kong's precedence finds for it: the AI plugin that acts on it is
its backend (or its model, where there are several targets), the key-auth that acts on it is its ``auth``. Services
have no counterpart of their own: with an AI plugin, Kong does not call them either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.acl import ACL, AclReader
from aigw.config.importers.kong.balancing import timeouts_of
from aigw.config.importers.kong.consumers import ConsumerReader
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route, Service, is_kong
from aigw.config.importers.kong.keyauth import KeyAuthReader
from aigw.config.importers.kong.own import OwnPlugins
from aigw.config.importers.kong.plugins import AI, BEARER_COPIERS, INSTEAD, KEY_AUTH, Acting, enabled
from aigw.config.importers.kong.reading import Reader
from aigw.config.importers.kong.routes import conditions, priority
from aigw.config.importers.kong.service import Served, ServiceReader
from aigw.config.importers.nodes import Node, Refused

__all__ = ["import_kong", "is_kong"]

_NOT_CALLED = "a service is not called where an AI plugin acts, in Kong neither"
_NO_LUA = "aigw runs no Lua, and this is not the program that copies a Bearer token for key-auth"
_SERVICE_FIELDS = ("host", "port", "path", "protocol", "url", "retries", "write_timeout", "tls_verify")


def import_kong(draft: Draft, documents: list[Node], exports: list[str], environ: Mapping[str, str]) -> None:
    """Add what ``documents`` have to ``draft``.

    :param exports: the environment variables that the pages around them have set.
    :param environ: where ``${{ env "X" }}`` is looked up, outside of credentials.
    """
    reader = Reader(draft, exports, environ)
    for document in documents:
        draft.attempt(reader.read, document)
    entities = reader.connect()
    if not draft.errors:
        _Import(draft, entities).run()


class _Import:
    def __init__(self, draft: Draft, entities: Entities) -> None:
        self.draft = draft
        self.entities = entities
        self.acting = Acting(entities)
        self.own = OwnPlugins(entities, self.acting)
        self.services = ServiceReader(draft, entities)
        self.auths = KeyAuthReader(draft, entities, self.acting)
        self.consumers = ConsumerReader(draft, entities, self.services)
        self.acls = AclReader(draft, entities, self.acting)
        self.used: set[int] = set()
        self.made_paths: set[str] = set()
        self._ai: Counter[int] | None = None

    def run(self) -> None:
        self._switched_off()
        self._missing_routes()
        for consumer in self.entities.consumers:
            self.draft.attempt(self.consumers.make, consumer)
        for route in sorted(self.entities.routes, key=priority):
            self._route(route)
        self.draft.attempt(self.acls.limit, self.consumers.entries)
        self._rest()

    def _switched_off(self) -> None:
        for plugin in self.entities.plugins:
            if not enabled(plugin):
                self.draft.drop(plugin.node, "it is switched off (enabled: false)")
            elif plugin.node.get("enabled") is not None:
                self.draft.note(plugin.node.get("enabled"), "is the default")
            self.draft.note(plugin.node.get("instance_name"), "a name for whoever keeps the configuration")

    # -- routes

    def _missing_routes(self) -> None:
        """Routes for what plugins serve and no route leads to, as on pages that leave the route out."""
        served = {id(route.service) for route in self.entities.routes if route.service is not None}
        self.entities.routes[:] = [
            route for route in self.entities.routes if route.node is not None or self.acting.on(AI, route) is not None
        ]
        for plugin in self.entities.plugins:
            service = plugin.service
            if service is not None and plugin.route is None and id(service) not in served and enabled(plugin):
                served.add(id(service))
                route = Route(service.name, None, service)
                if self.acting.on(AI, route) is not None:
                    self.entities.routes.append(route)
        ai = [plugin for plugin in self.entities.plugins if plugin.name in AI and enabled(plugin)]
        if not self.entities.routes and ai:
            self.entities.routes.append(Route("all", None, None, everywhere=True))

    def _route(self, route: Route) -> None:
        """One route, or a word about why there is none."""
        base = self.acting.on(AI, route)
        own = self.own.on(route)
        if base is None and own:
            base = own[0][1]
        try:
            if base is None:
                self._not_served(route)
                return
            served = self.services.served(base, self._name_of(base))
            self.draft.whole(route.node, self._entry, route, base, served)
            self.used.add(id(base))
        except Refused as refused:
            self._refused(route, base, refused)
            return
        for consumer, plugin in own:
            if plugin is not base:
                self.used.add(id(plugin))
                self._lay(consumer, plugin, served)
            elif base.consumer is not None or base.group is not None:
                self.draft.warn(base.node, f"is for one consumer; here route {route.name} serves every consumer so")

    def _lay(self, consumer: Consumer, plugin: Plugin, served: Served) -> None:
        try:
            self.consumers.lay(consumer, plugin, served)
        except Refused as refused:
            self.draft.refuse(refused, plugin.node)

    def _not_served(self, route: Route) -> None:
        if route.node is not None:
            self.draft.drop(route.node, "no AI plugin acts on it, and aigw calls LLM providers only")

    def _refused(self, route: Route, base: Plugin | None, refused: Refused) -> None:
        """A route that cannot be had is left out whole: what acts on it otherwise is not meant for it."""
        without = [] if route.node is None else [route.node]
        if base is not None and base.node in refused.node.around():
            without.append(base.node)
        self.draft.refuse(refused, *without)

    def _entry(self, route: Route, base: Plugin, served: Served) -> None:
        found = conditions(self.draft, self.services.reader.texts, route)
        if route.node is None:
            found["paths"] = [self._made_path(route, base, served)]
        values = found | served.choice()
        if served.operation is not None:
            values["operation"] = served.operation
        if len(served.targets) == 1 and served.targets[0].full_path:
            values["rewrite"] = {"full_path": served.targets[0].full_path}
        if served.streaming != "allow":
            values["streaming"] = served.streaming
        auth, key_auth = self.auths.auth(route, route.node or base.node)
        self.used.add(id(key_auth))
        if auth != "key":
            values["auth"] = auth
        timeouts = self._timeouts(route, base)
        if timeouts:
            values["timeouts"] = timeouts
        entry = self.draft.add("routes", route.name, values, route.node)
        self.made_paths.update(values.get("paths", ()))
        entry.origin = entry.origin or base.node
        self._comment(route, base, entry)
        self.acls.route(route, entry)

    def _made_path(self, route: Route, base: Plugin, served: Served) -> str:
        """The path of a route that no file has: its ``route_type``, or what is free."""
        if route.everywhere:
            self.draft.warn(base.node, "acts on every route, and no file has any: a route for / is made")
            return "/"
        node = served.targets[0].node.get("route_type")
        path = f"/{node.content}" if node is not None and isinstance(node.content, str) else "/llm/v1/chat"
        if path in self.made_paths:
            path = f"/{quote(route.name, safe='')}{path}"
        what = f"a route of service {route.service.name}" if route.service is not None else f"route {route.name}"
        self.draft.warn(base.node, f"no file has {what}: one is made, at {path}")
        return path

    def _comment(self, route: Route, base: Plugin, entry: Entry) -> None:
        node = route.node
        where = f"{node.label}, {node.file}:{node.line}" if node is not None else "There was no route"
        entry.comments.append(f"{where}; {base.node.label}")

    def _timeouts(self, route: Route, base: Plugin) -> dict[str, Any]:
        """A service's timeouts hold for whatever its routes call."""
        service = route.service.node if route.service is not None else None
        if service is None:
            return {}
        fields = [found for key in _SERVICE_FIELDS if (found := service.get(key)) is not None]
        if not fields and base.service is None and base.route is None:
            fields = [service]  # Not even its name is made use of
        self.draft.note(fields, _NOT_CALLED)
        if service.flag("enabled") is False:
            self.draft.warn(service, "is switched off in Kong, and on here")
        elif service.get("enabled") is not None:
            self.draft.note(service.get("enabled"), "is the default")
        return timeouts_of(service)

    def _name_of(self, plugin: Plugin) -> str:
        """A backend's name: its service's if that has one AI plugin, else its route's, else its provider's."""
        provider = plugin.config.get("model", "provider")
        if provider is None and plugin.name == "ai-proxy-advanced":
            provider = next(iter(plugin.config.maps("targets")), plugin.node).get("model", "provider")
        scopes = [plugin.route, plugin.service, plugin.consumer]
        scope = next((one for one in scopes if one is not None), None)
        service = plugin.route.service if plugin.route is not None else plugin.service
        if service is not None and self._ai_plugins()[id(service)] == 1:
            return service.name
        if scope is not None:
            return scope.name
        return str(provider.content) if provider is not None else "llm"

    def _ai_plugins(self) -> Counter[int]:
        """How many AI plugins there are in each service, and in its routes."""
        if self._ai is None:
            services: list[Service | None] = []
            for plugin in self.entities.plugins_called(*AI):
                inside = plugin.route.service if plugin.route is not None else None
                services += [plugin.service] if inside in (None, plugin.service) else [plugin.service, inside]
            self._ai = Counter(id(service) for service in services if service is not None)
        return self._ai

    # -- the rest

    def _rest(self) -> None:
        """Say of every plugin that did not get anywhere what there is instead."""
        for plugin in self.entities.plugins:
            if all(leaf.reported for leaf in plugin.node.leaves()):
                continue
            if plugin.name in (*AI, *KEY_AUTH):
                if not self._acts(plugin):
                    self.draft.drop(plugin.node, "it acts on no route that was imported")
            elif plugin.name in BEARER_COPIERS:
                if plugin.node.open_leaves() or plugin.node.get("config") is None:
                    self.draft.drop(plugin.node, _NO_LUA)
            elif plugin.name not in ACL:
                self.draft.drop(plugin.node, INSTEAD.get(plugin.name, "aigw has nothing like it"))
        self.draft.note(self.entities.variables.unused(), "nothing that was imported uses it")
        served = {id(route.service) for route in self.entities.routes}
        for service in self.entities.services:
            if service.node is not None and id(service) not in served:
                self.draft.drop(service.node, "no route leads to it")

    def _acts(self, plugin: Plugin) -> bool:
        """Whether anything was made of the plugin."""
        return id(plugin) in self.used
