"""AI plugins of single consumers and groups: on which routes they act instead of the one for everybody."""

from __future__ import annotations

from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route
from aigw.config.importers.kong.plugins import AI, Acting


class OwnPlugins:
    """Finds them by what they are for, so that a route costs what acts on it, not what there is."""

    def __init__(self, entities: Entities, acting: Acting) -> None:
        self._acting = acting
        self._by_scope: dict[tuple[int | None, int | None], list[Plugin]] = {}
        self._members: dict[str, list[Consumer]] = {}
        self._order = {id(consumer): place for place, consumer in enumerate(entities.consumers)}
        for plugin in entities.plugins_called(*AI):
            if plugin.consumer is not None or plugin.group is not None:
                scope = _id(plugin.route), _id(plugin.service)
                self._by_scope.setdefault(scope, []).append(plugin)
        for consumer in entities.consumers:
            for group in consumer.groups:
                self._members.setdefault(group, []).append(consumer)

    def on(self, route: Route) -> list[tuple[Consumer, Plugin]]:
        """Each consumer for whom another plugin acts on a route than for nobody in particular, in the files' order."""
        base = self._acting.on(AI, route)
        found: dict[int, Consumer] = {}
        for scope in dict.fromkeys(
            (each, service) for each in (id(route), None) for service in (_id(route.service), None)
        ):
            for plugin in self._by_scope.get(scope, ()):
                for consumer in self._of(plugin):
                    found.setdefault(id(consumer), consumer)
        consumers = sorted(found.values(), key=lambda consumer: self._order.get(id(consumer), -1))
        acting = [(consumer, self._acting.on(AI, route, consumer)) for consumer in consumers]
        return [(consumer, plugin) for consumer, plugin in acting if plugin is not None and plugin is not base]

    def _of(self, plugin: Plugin) -> list[Consumer]:
        if plugin.consumer is not None:
            return [plugin.consumer]
        return self._members.get(plugin.group or "", [])


def _id(one: object) -> int | None:
    return None if one is None else id(one)
