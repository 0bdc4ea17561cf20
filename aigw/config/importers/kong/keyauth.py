"""``key-auth`` as a table of ``[auth]``, and who may come in where there is none."""

from __future__ import annotations

import json
from typing import Any

from aigw.config.errors import allowed, nearest
from aigw.config.importers.draft import Draft
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route
from aigw.config.importers.kong.lua import bearer_copied_to
from aigw.config.importers.kong.plugins import BEARER_COPIERS, KEY_AUTH, KEYS_ONLY, OTHER_AUTH, Acting
from aigw.config.importers.nodes import Node

_KONGS_NAMES = ["apikey"]


class KeyAuthReader:
    """Makes one table for each way in which keys are looked for, however many routes have it."""

    def __init__(self, draft: Draft, entities: Entities, acting: Acting) -> None:
        self.draft = draft
        self.entities = entities
        self.acting = acting
        self._made: dict[str, str] = {}  # the names of tables, by what they say
        self._consumers: dict[str, Consumer] = {}
        self._names: list[str] = []
        self._closed_by: set[int] = set()

    def auth(self, route: Route, origin: Node) -> tuple[str, Plugin | None]:
        """What the route's ``auth`` is, and the plugin that says so.

        :param origin: what to name in a warning that there is none.
        """
        plugin = self.acting.on(KEY_AUTH, route)
        found = (self.acting.on((name,), route) for name in OTHER_AUTH)
        other = next((each for each in found if each is not None), None)
        if plugin is None and other is not None:
            if id(other) not in self._closed_by:
                self._closed_by.add(id(other))
                self.draft.drop(other.node, f"{KEYS_ONLY}. The route stays closed: give its consumers keys")
            return "key", None
        if plugin is None:
            return self.draft.open_route(origin), None
        return self._table(plugin, self._bearer(route, plugin)), plugin

    def _bearer(self, route: Route, plugin: Plugin) -> bool:
        """Whether a pre-function makes Bearer tokens into keys; it is settled by that."""
        copier = self.acting.on(BEARER_COPIERS[:1], route)
        if copier is None:
            return False
        phases = copier.config
        code = [node for phase in ("access", "rewrite", "functions") for node in phases.elements(phase)]
        if len(code) != 1 or not isinstance(code[0].content, str):
            return False
        header = bearer_copied_to(code[0].content)
        names = _key_names(plugin)
        if header is None or header.lower() not in [name.lower() for name in names]:
            return False
        copier.node.settle()
        return True

    def _table(self, plugin: Plugin, bearer: bool) -> str:
        config = plugin.config
        values: dict[str, Any] = {"key_names": _key_names(plugin), "bearer": bearer}
        for key, default in (("key_in_header", True), ("key_in_query", True), ("key_in_body", False)):
            given = config.flag(key) if plugin.node.get("config") is not None else None
            # Kong looks into queries unless told otherwise, aigw does not.
            if given is not None or key == "key_in_query":
                values[key] = default if given is None else given
        preflight = config.flag("run_on_preflight")
        if preflight is not None:
            values["run_on_preflight"] = preflight
        realm = config.text("realm")
        if realm:
            values["realm"] = realm
        anonymous = config.get("anonymous")
        if anonymous is not None and anonymous.content:
            values["anonymous"] = self._consumer(anonymous)
        self._rest(config)
        return self._named(plugin, values)

    def _rest(self, config: Node) -> None:
        hide = config.get("hide_credentials")
        if hide is not None and config.flag("hide_credentials"):
            self.draft.note(hide, "aigw always does that")
        elif hide is not None:
            self.draft.drop(hide, "a consumer's key never goes on to the provider")

    def _consumer(self, node: Node) -> str:
        """:raises Refused: there is no such consumer."""
        if not self._consumers:
            for consumer in self.entities.consumers:
                identity = consumer.node.get("id") if consumer.node is not None else None
                for known in (consumer.name, str(identity.content) if identity is not None else ""):
                    self._consumers.setdefault(known, consumer)
        found = self._consumers.get(node.scalar() or "-")
        if found is None:
            self._names = self._names or sorted({one.name for one in self.entities.consumers})
            name = node.scalar()
            raise node.refuse(f"names no consumer{allowed(name, nearest(name, self._names))}")
        return found.name

    def _named(self, plugin: Plugin, values: dict[str, Any]) -> str:
        key = json.dumps(values, sort_keys=True)
        if key in self._made:
            return self._made[key]
        wanted = "key" if not self._made else _name(plugin)
        entry = self.draft.add("auth", wanted, {"type": "key"} | values, plugin.node)
        entry.comments.append(f"{plugin.node.label}, {plugin.node.file}:{plugin.node.line}")
        if values["bearer"]:
            entry.beside["bearer"] = "what the pre-function did"
        if values.get("key_in_query") and not plugin.config.flag("key_in_query"):
            entry.beside["key_in_query"] = "Kong's default; every log on the way then has the key"
        self._made[key] = entry.name
        return entry.name


def _key_names(plugin: Plugin) -> list[str]:
    names = plugin.config.texts("key_names") if plugin.node.get("config") is not None else []
    once: dict[str, str] = {}
    for name in names:
        once.setdefault(name.lower(), name)
    return list(once.values()) or list(_KONGS_NAMES)


def _name(plugin: Plugin) -> str:
    scope = plugin.route or plugin.service
    return f"key-{scope.name}" if scope is not None else "key"
