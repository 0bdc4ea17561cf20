"""The names of models in metrics: as many as the configuration has, whatever clients and providers make up."""

from __future__ import annotations

from aigw.bounded_cache import remember
from aigw.config.settings import Settings


class Labels:
    """Model names as metrics may show them: configured ones, everything else is ``other`` (contract section 7)."""

    def __init__(self, settings: Settings) -> None:
        names = set(settings.models)
        names.update(backend.model for backend in settings.backends.values() if backend.model)
        for model in settings.models.values():
            names.update(model.aliases)
            names.update(target.model for target in model.targets if target.model)
        for consumer in settings.consumers.values():
            names.update(own.model for own in consumer.backends.values() if own.model)
        self._names = sorted((name for name in names if "*" not in name), key=len, reverse=True)
        self._configured = {name: name for name in self._names}
        self._made_up: dict[str, str] = {}  # the labels of other names: clients can make up as many as they like

    def label_of(self, name: str) -> str:
        """``name`` if it is configured; the configured name that it is a dated version of; else ``other``.

        A provider answers ``gpt-4o`` as ``gpt-4o-2024-08-06``: that is the same row of a dashboard.
        """
        label = self._configured.get(name) or self._made_up.get(name)
        if label is None:
            versions = (known for known in self._names if name.startswith((known + "-", known + "@", known + ":")))
            label = next(versions, "other")
            remember(self._made_up, name, label, len(name))
        return label
