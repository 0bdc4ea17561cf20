"""The ``[models]`` of a configuration as routes and metrics ask for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from aigw.config.settings import Settings
from aigw.routing.targets import CatalogueMatcher, choose
from aigw.web.route import Choice

_MOST_LABELS_KEPT = 10_000


class Models:
    """Public model names and the targets behind them.

    :param chance: a number in [0, 1) at each call.
    """

    def __init__(self, settings: Settings, chance: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._names = CatalogueMatcher(settings.models)
        self._chance = chance

    def choose(self, name: str) -> Choice | None:
        """A target of the model that ``name`` stands for: weighted among those of the lowest priority number.

        A target without a model of its own gets the backend's, or else the name that was asked for, which a
        wildcard entry passes on.
        """
        public = self._names.match(name)
        if public is None:
            return None
        target = choose(self._settings.models[public].targets, self._chance)
        pinned = target.model or self._settings.backends[target.backend].model
        return Choice(target.backend, pinned or name, public)

    def owners(self) -> Iterator[tuple[str, str]]:
        """Each name that a client can ask for, with the provider behind it. Wildcards are no names."""
        settings = self._settings
        for name, model in settings.models.items():
            if "*" not in name:
                yield name, settings.backends[model.targets[0].backend].provider
        for route in settings.routes.values():
            backend = settings.backends.get(route.backend or "")
            if backend is not None and backend.model and backend.model not in settings.models:
                yield backend.model, backend.provider


class Labels:
    """Model names as metrics may show them: configured ones, everything else is ``other`` (contract section 7)."""

    def __init__(self, settings: Settings) -> None:
        names = set(settings.models)
        names.update(backend.model for backend in settings.backends.values() if backend.model)
        for model in settings.models.values():
            names.update(target.model for target in model.targets if target.model)
        for consumer in settings.consumers.values():
            names.update(own.model for own in consumer.backends.values() if own.model)
        self._names = sorted((name for name in names if "*" not in name), key=len, reverse=True)
        self._known: dict[str, str] = {name: name for name in self._names}

    def label_of(self, name: str) -> str:
        """``name`` if it is configured; the configured name that it is a dated version of; else ``other``.

        A provider answers ``gpt-4o`` as ``gpt-4o-2024-08-06``: that is the same row of a dashboard.
        """
        label = self._known.get(name)
        if label is None:
            versions = (known for known in self._names if name.startswith((known + "-", known + "@", known + ":")))
            label = next(versions, "other")
            if len(self._known) < _MOST_LABELS_KEPT:
                self._known[name] = label
        return label
