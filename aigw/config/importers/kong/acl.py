"""``acl``: who may use a route by their groups, as lists of routes on the consumers.

Kong asks at each route which groups may come in; aigw asks at each consumer where it may go. With all consumers in the
files, one says the same as the other.
"""

from __future__ import annotations

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route
from aigw.config.importers.kong.plugins import Acting
from aigw.config.importers.nodes import Node

ACL = ("acl",)


class AclReader:
    """Collects the routes with lists, then limits the consumers."""

    def __init__(self, draft: Draft, entities: Entities, acting: Acting) -> None:
        self.draft = draft
        self.entities = entities
        self.acting = acting
        self._lists: list[tuple[str, Plugin | None, list[str], list[str]]] = []

    def route(self, route: Route, entry: Entry) -> None:
        """One route that was imported, with what acts on it."""
        plugin = self.acting.on(ACL, route)
        if plugin is None:
            self._lists.append((entry.name, None, [], []))
            return
        if entry.values.get("auth") == "none":
            raise plugin.node.refuse("lets groups in, and nothing says who a caller is; the route would be open")
        allow = plugin.config.texts("allow") or plugin.config.texts("whitelist")
        deny = plugin.config.texts("deny") or plugin.config.texts("blacklist")
        self._lists.append((entry.name, plugin, allow, deny))
        entry.comments.append(
            "acl: " + "; ".join(_said(word, groups) for word, groups in (("allow", allow), ("deny", deny)) if groups)
        )
        self.draft.note(plugin.config.get("hide_groups_header"), "groups are never sent to a provider")

    def limit(self, entries: dict[int, Entry]) -> None:
        """``routes`` of every consumer that may not go everywhere.

        :param entries: by the ``id()`` of the consumers.
        """
        if not any(plugin is not None for _, plugin, _, _ in self._lists):
            return
        for consumer in self.entities.consumers:
            groups = self._groups(consumer)
            allowed = [name for name, plugin, allow, deny in self._lists if plugin is None or _may(groups, allow, deny)]
            entry = entries.get(id(consumer))
            if entry is None:
                continue
            if groups:
                entry.values["groups"] = list(dict.fromkeys([*entry.values.get("groups", []), *groups]))
            if len(allowed) < len(self._lists):
                entry.values["routes"] = allowed
                entry.beside["routes"] = "what acl lets its groups use"

    def _groups(self, consumer: Consumer) -> list[str]:
        nodes: list[Node] = consumer.node.maps("acls") if consumer.node is not None else []
        own = [group for node in nodes if (group := node.text("group")) is not None]
        for node in nodes:
            self.draft.note(
                [node.get(key) for key in ("id", "tags", "created_at")], "for whoever keeps the configuration"
            )
        named = any(
            plugin is not None and plugin.config.flag("include_consumer_groups") for _, plugin, _, _ in self._lists
        )
        return [*own, *(consumer.groups if named else [])]


def _may(groups: list[str], allow: list[str], deny: list[str]) -> bool:
    if allow:
        return any(group in allow for group in groups)
    return not any(group in deny for group in groups)


def _said(word: str, groups: list[str]) -> str:
    return f"{word} {', '.join(groups)}"
