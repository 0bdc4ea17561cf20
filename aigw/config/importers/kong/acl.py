"""``acl``: who may use a route by their groups, as lists of routes on the consumers.

Kong asks at each route which groups may come in; aigw asks at each consumer where it may go. With all consumers in the
files, one says the same as the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route
from aigw.config.importers.kong.plugins import Acting
from aigw.config.importers.nodes import Node

ACL = ("acl",)


@attrs.define(eq=False)
class _List:
    """One instance of ``acl``: the groups that it allows, or denies where it allows none, and the routes it acts on."""

    plugin: Plugin
    allow: list[str]
    deny: list[str]
    routes: list[int] = attrs.field(factory=list)


class AclReader:
    """Collects the routes with lists, then limits the consumers."""

    def __init__(self, draft: Draft, entities: Entities, acting: Acting) -> None:
        self.draft = draft
        self.entities = entities
        self.acting = acting
        self._routes: list[str] = []
        self._open: list[int] = []  # places of routes without a list
        self._lists: dict[int, _List] = {}  # by the id() of the plugin

    def route(self, route: Route, entry: Entry) -> None:
        """One route that was imported, with what acts on it."""
        plugin = self.acting.on(ACL, route)
        if plugin is None:
            self._open.append(len(self._routes))
            self._routes.append(entry.name)
            return
        if entry.values.get("auth") == "none":
            raise plugin.node.refuse("lets groups in, and nothing says who a caller is; the route would be open")
        known = self._lists.get(id(plugin)) or self._list(plugin)
        known.routes.append(len(self._routes))
        self._routes.append(entry.name)
        entry.comments.append(
            "acl: "
            + "; ".join(
                _said(word, groups) for word, groups in (("allow", known.allow), ("deny", known.deny)) if groups
            )
        )

    def _list(self, plugin: Plugin) -> _List:
        allow = plugin.config.texts("allow") or plugin.config.texts("whitelist")
        deny = plugin.config.texts("deny") or plugin.config.texts("blacklist")
        self.draft.note(plugin.config.get("hide_groups_header"), "groups are never sent to a provider")
        return self._lists.setdefault(id(plugin), _List(plugin, allow, deny))

    def limit(self, entries: dict[int, Entry]) -> None:
        """``routes`` of every consumer that may not go everywhere.

        :param entries: by the ``id()`` of the consumers.
        """
        if not self._lists:
            return
        named = any(each.plugin.config.flag("include_consumer_groups") for each in self._lists.values())
        allowed = _Allowed(list(self._lists.values()))
        for consumer in self.entities.consumers:
            groups = [*self._groups(consumer), *(consumer.groups if named else [])]
            entry = entries.get(id(consumer))
            if entry is None:
                continue
            if groups:
                entry.values["groups"] = list(dict.fromkeys([*entry.values.get("groups", []), *groups]))
            places = sorted({*self._open, *allowed.routes(groups)})
            if len(places) < len(self._routes):
                entry.values["routes"] = [self._routes[place] for place in places]
                entry.beside["routes"] = "what acl lets its groups use"

    def _groups(self, consumer: Consumer) -> list[str]:
        nodes: list[Node] = consumer.node.maps("acls") if consumer.node is not None else []
        for node in nodes:
            self.draft.note(
                [node.get(key) for key in ("id", "tags", "created_at")], "for whoever keeps the configuration"
            )
        return [group for node in nodes if (group := node.text("group")) is not None]


class _Allowed:
    """The routes that groups may use, found by the groups: a consumer costs what it may use, not what there is."""

    def __init__(self, lists: list[_List]) -> None:
        self._allowing: dict[str, list[_List]] = {}
        self._denying: dict[str, list[_List]] = {}
        self._others = [each for each in lists if not each.allow]
        for each in lists:
            for groups, by_group in ((each.allow, self._allowing), ([] if each.allow else each.deny, self._denying)):
                for group in groups:
                    by_group.setdefault(group, []).append(each)

    def routes(self, groups: list[str]) -> Iterator[int]:
        """Places of routes."""
        denied = {id(each) for group in groups for each in self._denying.get(group, ())}
        allowing = {id(each): each for group in groups for each in self._allowing.get(group, ())}
        for each in (*allowing.values(), *self._others):
            if id(each) not in denied:
                yield from each.routes


def _said(word: str, groups: list[str]) -> str:
    return f"{word} {', '.join(groups)}"
