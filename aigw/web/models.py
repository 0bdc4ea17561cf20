"""The ``[models]`` of a configuration as routes and metrics ask for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aigw.config.settings import Backend, Model, Settings
from aigw.routing.admission import Slots
from aigw.routing.balance import Balance
from aigw.routing.breaker import BreakerRules
from aigw.routing.health import HealthRegistry, Limits, Target
from aigw.routing.names import CatalogueMatcher
from aigw.routing.retry import ONCE, RetryRules
from aigw.routing.targets import Candidate, Group, Tier


class Models:
    """Public model names and the targets behind them.

    :param registry: how targets are doing, carried over from the previous snapshot.
    :param chance: a number in [0, 1) at each call.
    """

    def __init__(
        self, settings: Settings, registry: HealthRegistry, chance: Callable[[], float] = random.random
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._chance = chance
        aliases = {alias: name for name, model in settings.models.items() for alias in model.aliases}
        self._names = CatalogueMatcher(settings.models, aliases)
        self._own = {name: tuple(self._tiers(name, model)) for name, model in settings.models.items()}
        self._groups = {name: self._group(name) for name in settings.models}
        self._alone: dict[str, Group] = {}

    def choose(self, name: str) -> Group | None:
        """The targets of the model that ``name`` stands for, None if it stands for none."""
        public = self._names.match(name)
        return self._groups[public] if public is not None else None

    def alone(self, backend: str) -> Group:
        """One backend by itself, for routes that name it: no other target, no repetition, no breaker."""
        group = self._alone.get(backend)
        if group is None:
            target = (backend, self._settings.backends[backend].model or "")
            candidate = Candidate(
                backend,
                None,
                None,
                self._registry.health(target),
                self._registry.budget(backend),
                slots=self._slots(backend),
            )
            balance = Balance("weighted", "consumer", self._chance)
            group = self._alone[backend] = Group(None, (Tier((candidate,), balance),), ONCE)
        return group

    def owners(self) -> Iterator[tuple[str, str]]:
        """Each name that a client can ask for, with the provider behind it. Wildcards are no names."""
        settings = self._settings
        for name, model in settings.models.items():
            for each in (name, *model.aliases):
                if "*" not in each:
                    yield each, settings.backends[model.targets[0].backend].provider
        for route in settings.routes.values():
            backend = settings.backends.get(route.backend or "")
            if backend is not None and backend.model and backend.model not in settings.models:
                yield backend.model, backend.provider

    def public(self, name: str) -> str | None:
        """The ``[models]`` entry by which ``name`` is served; None if it is not."""
        return self._names.match(name)

    def wildcards(self) -> Iterator[tuple[str, list[str]]]:
        """Entries that take names by ``*``, each with the backends that are asked for the client's own name."""
        for name, model in self._settings.models.items():
            if any("*" in each for each in (name, *model.aliases)):
                asked = [each.backend for each in model.targets if each.model is None]
                yield name, list(dict.fromkeys(asked))

    def owner(self, name: str) -> str:
        """The provider behind the model that ``name`` stands for, by a wildcard too; empty if it stands for none."""
        public = self._names.match(name)
        if public is None:
            return ""
        return self._settings.backends[self._settings.models[public].targets[0].backend].provider

    def targets(self) -> set[tuple[Target, BreakerRules | None]]:
        """Everything that the registry has to remember: targets, and the rules of their breakers."""
        found: set[tuple[Target, BreakerRules | None]] = set()
        for name, model in self._settings.models.items():
            rules = breaker_rules(model)
            found.update((self._target(each), rules) for tier in self._own[name] for each in tier.candidates)
        alone = (group.only for group in self._alone.values())
        found.update((self._target(each), None) for each in alone if each is not None)
        return found

    def _target(self, candidate: Candidate) -> Target:
        return candidate.backend, candidate.model or self._settings.backends[candidate.backend].model or ""

    # -- inside

    def _group(self, name: str) -> Group:
        """The model's own tiers, and those of the models that it falls back on, each once."""
        settings, ways, order = self._settings.models, [name], list[str]()
        while ways:
            way = ways.pop(0)
            if way not in order:
                order.append(way)
                ways = [*settings[way].fallback, *ways]
        model = settings[name]
        return Group(
            public_model=name,
            tiers=tuple(tier for each in order for tier in self._own[each]),
            rules=retry_rules(model),
            use_unhealthy=model.breaker.when_all_open == "try",
            patience=model.patience or 0.0,
        )

    def _tiers(self, name: str, model: Model) -> Iterator[Tier]:
        balance = Balance(model.balance, model.hash_on, self._chance)
        candidates = [(target.priority, self._candidate(name, model, index)) for index, target in _weighty(model)]
        for priority in sorted({priority for priority, _ in candidates}):
            yield Tier(tuple(each for own, each in candidates if own == priority), balance)

    def _candidate(self, name: str, model: Model, index: int) -> Candidate:
        setting = model.targets[index]
        pinned = setting.model or self._settings.backends[setting.backend].model
        target = (setting.backend, pinned or "")
        rules = breaker_rules(model)
        twins = sum((each.backend, each.model) == (setting.backend, setting.model) for each in model.targets[:index])
        return Candidate(
            backend=setting.backend,
            model=setting.model,
            public_model=name,
            health=self._registry.health(target),
            budget=self._registry.budget(setting.backend),
            breaker=self._registry.breaker(target, rules) if rules is not None else None,
            slots=self._slots(setting.backend),
            weight=setting.weight,
            prefill=setting.prefill,
            measured=model.balance == "lowest-latency",
            name=f"{setting.backend} {pinned or ''} {twins}".encode(),
        )

    def _slots(self, backend: str) -> Slots | None:
        return self._registry.slots(backend) if self._settings.backends[backend].max_in_flight else None


def _weighty(model: Model) -> Iterator[tuple[int, Any]]:
    """Targets without a weight get nothing."""
    return ((index, target) for index, target in enumerate(model.targets) if target.weight)


def retry_rules(model: Model) -> RetryRules:
    """What the configuration says about repetitions."""
    retry = model.retry
    return RetryRules(retry.attempts, frozenset(retry.on), retry.backoff, retry.max_wait)


def breaker_rules(model: Model) -> BreakerRules | None:
    """What it says about breakers; None for no breaker."""
    breaker = model.breaker
    if not breaker.failures:
        return None
    return BreakerRules(breaker.failures, breaker.rate, breaker.window, breaker.cool_down)


def limits(backends: Mapping[str, Backend]) -> dict[str, Limits]:
    """What it holds backends to."""
    return {
        name: Limits(backend.max_in_flight, backend.queue.size, backend.retry_budget)
        for name, backend in backends.items()
    }
