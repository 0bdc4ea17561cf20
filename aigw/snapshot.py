"""One configuration, compiled: everything that a request looks up, built once.

:meth:`Snapshot.build` turns checked settings into the objects that serve: upstreams with their pools, consumers,
the portal, routes and their tree, the catalogue. What did not change is taken over from the previous snapshot:
the upstream of a backend whose address is the same keeps its connections. A snapshot is replaced as a whole;
requests under way keep the one they came in by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from twisted.internet.protocol import Factory

from aigw.config.errors import ConfigError, KeyPath, Problem
from aigw.config.files import content_of
from aigw.config.sensitive import parts_of, secrets_in, sent_secrets
from aigw.config.settings import Backend, ConsumerBackend, Settings
from aigw.config.settings import Route as RouteSettings
from aigw.consumers.authenticators import Authenticators
from aigw.consumers.consumer import Consumer, ModelPatterns
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import certificates
from aigw.http.liveness import silence_of, stall_of
from aigw.http.target import normalise_path
from aigw.listener_factories import furnished
from aigw.llm.operations import MODELS
from aigw.llm.providers import provider
from aigw.proxy import credentials
from aigw.proxy.plan_cache import PlanCache, is_native, provider_at
from aigw.proxy.probing import Probe
from aigw.routing.breaker import BreakerRules
from aigw.routing.conditions import Conditions, conflicts
from aigw.routing.health import HealthRegistry, Target
from aigw.upstream.upstream import Address, Tuning, Upstream, UpstreamKey, open_upstream
from aigw.web.catalogue import Catalogue
from aigw.web.clients import Clients
from aigw.web.dispatcher import Served
from aigw.web.labels import Labels
from aigw.web.models import Models, limits
from aigw.web.route import Route
from aigw.web.tree import RouteTree
from aigw.web.upstream_lists import ALL_AT_ONCE, UpstreamList, Wildcards

#: The settings of a consumer that has none of its own: one for all, so that they are in the processor's cache.
_NO_BACKENDS: Mapping[str, Any] = {}


@attrs.define(eq=False)
class Snapshot:
    """See the module's head. Built by :meth:`build` only."""

    settings: Settings
    served: Served = attrs.field(repr=False)
    upstreams: dict[UpstreamKey, Upstream] = attrs.field(repr=False)
    consumers: Mapping[str, Consumer] = attrs.field(repr=False)
    health_registry: HealthRegistry = attrs.field(repr=False)
    targets: set[tuple[Target, BreakerRules | None]] = attrs.field(repr=False)
    probing: Callable[[str], Probe] = attrs.field(repr=False)
    probes: dict[str, Probe] = attrs.field(factory=dict, repr=False)

    @classmethod
    def build(cls, settings: Settings, previous: Snapshot | None, reactor: Any, deadlines: Deadlines) -> Snapshot:
        """Compile ``settings``, carrying over from ``previous`` what did not change.

        Nothing that serves is touched: a failure leaves ``previous`` as it was.

        :raises ConfigError: the settings contradict themselves in a way that only shows here.
        """
        problems = check(settings)
        if problems:
            raise ConfigError(problems)
        upstreams = _upstreams(settings, previous, reactor, deadlines)
        consumers = _consumers(settings)
        authenticators = Authenticators(settings, consumers)
        labels = Labels(settings)
        by_backend = {key.name: upstream for key, upstream in upstreams.items()}
        plans = PlanCache(settings, by_backend, authenticators.key_names, authenticators.keys, labels.label_of, reactor)
        registry = previous.health_registry if previous is not None else HealthRegistry()
        models = Models(settings, registry)
        routes = {
            name: _route(name, route, authenticators, models, plans, settings)
            for name, route in settings.routes.items()
        }
        entries = [(conditions_of(route), routes[name]) for name, route in settings.routes.items()]
        served = Served(
            root=RouteTree(entries),
            catalogue=Catalogue(models.owners(), models.owner),
            clients=Clients(settings.server.trusted_proxies),
            max_in_flight=settings.server.max_in_flight,
            keys=authenticators.keys,
            max_request_body=settings.server.max_request_body,
            wildcards=_wildcards(settings, models, plans, by_backend, deadlines),
        )

        def probing(name: str) -> Probe:
            every = settings.backends[name].probe or 0.0
            return Probe(name, by_backend[name], plans.probe(name), every, registry, deadlines)

        snapshot = cls(settings, served, upstreams, consumers, registry, models.targets(), probing)
        if previous is None:
            snapshot.take_over()
        return snapshot

    def take_over(self) -> None:
        """It is this snapshot that serves from now on."""
        self.health_registry.hold(limits(self.settings.backends), self.targets)
        for key, upstream in self.upstreams.items():
            upstream.tune(_tuning(self.settings, key.name))
        for name, backend in self.settings.backends.items():
            if backend.probe is not None and name not in self.probes:
                self.probes[name] = self.probing(name)

    def retire(self, successor: Snapshot | None) -> None:
        """Make way for ``successor``, and let go of the upstreams that it did not take over."""
        while self.probes:
            self.probes.popitem()[1].stop()
        self.served.wildcards.stop()
        if successor is not None:
            successor.take_over()
        kept = set(successor.upstreams.values()) if successor is not None else set()
        for upstream in self.upstreams.values():
            if upstream not in kept:
                upstream.retire()

    def upstream_connections(self) -> int:
        """Open connections to all backends."""
        return sum(upstream.connections for upstream in self.upstreams.values())

    def breakers(self) -> set[str]:
        """The backends that a breaker may keep calls away from."""
        return {target.backend for model in self.settings.models.values() for target in model.targets}

    def overview(self) -> dict[str, Any]:
        """For the status page: what is configured, by name."""
        settings = self.settings
        return {
            "routes": {name: ", ".join(route.paths) or "/" for name, route in settings.routes.items()},
            "backends": {name: backend.provider for name, backend in settings.backends.items()},
            "models": list(settings.models),
            "consumers": list(self.consumers),
        }


def secrets_of(settings: Settings) -> list[str]:
    """Every secret of the configuration, for the log's redaction."""
    parts: list[Backend | ConsumerBackend] = list(settings.backends.values())
    parts += [own for consumer in settings.consumers.values() for own in consumer.backends.values()]
    inline = [part.auth.inline for part in parts if part.auth is not None and part.auth.inline]
    free = [secret for part in parts for secret in sent_secrets(part)]
    free += [secret for route in settings.routes.values() for secret in secrets_in(route.headers)]
    files = [secret for value in settings.secret_values.values() for secret in parts_of(value)]
    return [*settings.secret_values.values(), *files, *inline, *free]


def check(settings: Settings) -> list[Problem]:
    """What is wrong with settings that are well-formed: routes that cannot be told apart, providers out of reach."""
    problems = list(_provider_problems(settings))
    problems += _listener_problems(settings)
    named: list[tuple[str, Conditions]] = []
    for name, route in settings.routes.items():
        try:
            named.append((name, conditions_of(route)))
        except ValueError as error:
            problems.append(settings.problem(("routes", name), str(error)))
    for one, other, why in conflicts(named):
        problems.append(settings.problem(("routes", other), f"cannot be told apart from route {one}: {why}"))
    return problems


def _provider_problems(settings: Settings) -> Iterator[Problem]:
    for name, backend in settings.backends.items():
        kind = provider_at(backend)
        if not kind.available:
            yield settings.problem(("backends", name, "provider"), f"{kind.name} is not available in this version")
        elif backend.url is None and kind.default_url is None and kind.name != "echo":
            yield settings.problem(("backends", name), f"url is missing (provider {kind.name} has no default)")
        missing = credentials.problem(backend.auth, backend.provider, settings.secret_values)
        if missing is not None:
            yield settings.problem(("backends", name, "auth"), missing)
        if backend.probe is not None and (MODELS not in kind.paths or kind.name == "echo"):
            missing = f"provider {kind.name} has no list of models to ask for"
            yield settings.problem(("backends", name, "probe"), missing)
        if backend.ca is not None:
            try:
                path = settings.directory / backend.ca
                certificates(settings.authorities.get(backend.ca) or content_of(path), str(path))
            except ValueError as error:
                yield settings.problem(("backends", name, "ca"), str(error))


def _listener_problems(settings: Settings) -> Iterator[Problem]:
    """What OpenSSL says of certificates that are well-formed."""
    if not settings.listener_files:
        return  # no secure listener, or nobody may look
    server = settings.server
    places: dict[KeyPath, str] = {("server", "listen", index): value for index, value in enumerate(server.listen)}
    for place, value in {**places, ("server", "admin"): server.admin}.items():
        if value != "off":
            try:
                furnished(value, Factory(), settings.directory, settings.listener_files)
            except ValueError as error:
                yield settings.problem(place, str(error))


def conditions_of(route: RouteSettings) -> Conditions:
    """When ``route`` matches.

    :raises ValueError: a path is not one.
    """
    return Conditions.of(
        paths=route.paths,
        hosts=route.hosts,
        methods=route.methods,
        headers=route.headers,
        normalise=normalise_path,
    )


def upstream_key(name: str, settings: Settings) -> UpstreamKey:
    """What of a backend makes its connections."""
    backend = settings.backends[name]
    url = backend.url or provider_at(backend).default_url
    address = Address.of(url) if url else None
    ca = settings.authorities[backend.ca] if backend.ca is not None else None
    return UpstreamKey(
        name=name,
        provider=backend.provider,
        address=address,
        ca=ca,
        system=settings.system_authorities if ca is None and address is not None and address.tls else "",
        idle_timeout=backend.pool.idle_timeout,
        delay=backend.delay,
    )


def _tuning(settings: Settings, name: str) -> Tuning:
    backend = settings.backends[name]
    times = backend.timeouts
    return Tuning(
        max_connections=backend.pool.max_connections or settings.server.max_connections,
        silence=silence_of(times.first_byte, times.idle),
        stall=stall_of(times.connect),
    )


def _upstreams(
    settings: Settings, previous: Snapshot | None, reactor: Any, deadlines: Deadlines
) -> dict[UpstreamKey, Upstream]:
    kept = previous.upstreams if previous is not None else {}
    upstreams: dict[UpstreamKey, Upstream] = {}
    for name, backend in settings.backends.items():
        key = upstream_key(name, settings)
        upstreams[key] = kept.get(key) or open_upstream(key, provider(backend.provider), reactor, deadlines)
    return upstreams


def _consumers(settings: Settings) -> dict[str, Consumer]:
    return {
        name: Consumer(
            name=name,
            routes=frozenset(own.routes) if own.routes is not None else None,
            models=ModelPatterns(own.models) if own.models is not None else None,
            groups=own.groups,
            max_in_flight=own.max_in_flight,
            backends=own.backends or _NO_BACKENDS,
        )
        for name, own in settings.consumers.items()
    }


def _route(
    name: str,
    route: RouteSettings,
    authenticators: Authenticators,
    models: Models,
    plans: PlanCache,
    settings: Settings,
) -> Route:
    rewrite = route.rewrite
    full_path = rewrite.full_path if rewrite is not None else None
    prefix = rewrite.prefix if rewrite is not None else None
    backend = settings.backends[route.backend] if route.backend is not None else None
    return Route(
        name=name,
        authenticator=authenticators.authenticator(route.auth),
        keys=authenticators.keys,
        operation=route.operation,
        backend=route.backend,
        model=route.model,
        lists_upstream=backend is not None and _lists(backend),
        full_path=full_path.encode() if full_path is not None else None,
        prefix=prefix.encode() if prefix is not None else None,
        models=models,
        plans=plans,
        plan_key=plans.plan_key(name),
        provider=backend.provider if backend is not None else "",
        pinned=backend.model if backend is not None else None,
        on_model_mismatch=backend.on_model_mismatch if backend is not None else "override",
    )


def _lists(backend: Backend) -> bool:
    """Whether the provider's own list of models is what a client of ``backend`` may ask for."""
    return backend.model is None and is_native(MODELS, backend, provider_at(backend))


def _wildcards(
    settings: Settings, models: Models, plans: PlanCache, upstreams: Mapping[str, Upstream], deadlines: Deadlines
) -> Wildcards:
    """What wildcards take, by the lists of the backends behind them that have one and leave the model to the client."""
    lists: dict[str, UpstreamList] = {}
    found: dict[str, tuple[UpstreamList, ...]] = {}
    for wildcard, names in models.wildcards():
        for name in names:
            backend = settings.backends[name]
            if name not in lists and _lists(backend) and backend.provider != "echo":
                kind = provider_at(backend)
                question = plans.probe(name, ALL_AT_ONCE.get(kind.lists))
                lists[name] = UpstreamList(name, backend.provider, kind.lists, upstreams[name], question, deadlines)
        if asked := tuple(lists[name] for name in names if name in lists):
            found[wildcard] = asked
    return Wildcards(found, models.public)
