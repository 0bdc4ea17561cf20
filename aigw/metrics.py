"""The gateway's instruments (contract section 7), in one registry that is nobody's global.

Label children are looked up once and kept: a request costs a few dictionary look-ups. Label values come from the
configuration or from closed sets; that is the duty of whoever calls.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import generate_latest

#: Bucket boundaries of the OpenTelemetry semantic conventions for generative AI, in seconds.
DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
PER_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
#: Our own time in a request, and the event loop's lateness: microseconds to a quarter of a second.
OVERHEAD_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)

_MODEL_LABELS = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "route",
)


class ModelSeries:
    """The ``gen_ai_*`` series of one operation, provider, pair of models and route."""

    def __init__(self, metrics: Metrics, labels: tuple[str, ...]) -> None:
        self._duration = metrics.model_duration.labels(*labels)
        self._first_token = metrics.model_first_token.labels(*labels)
        self._per_token = metrics.model_per_token.labels(*labels)
        self._usage = metrics.model_usage
        self._labels = labels
        self._by_consumer: dict[str, tuple[Any, ...]] = {}

    def done(self, duration: float, first_token: float | None, per_token: float | None) -> None:
        """A call ended; all in seconds, None where the call had no such thing."""
        self._duration.observe(duration)
        if first_token is not None:
            self._first_token.observe(first_token)
        if per_token is not None:
            self._per_token.observe(per_token)

    def tokens(self, consumer: str, input: int, output: int, cached_input: int, reasoning: int) -> None:  # noqa: A002
        """Tokens of one call; ``cached_input`` is part of ``input``, ``reasoning`` of ``output``."""
        children = self._by_consumer.get(consumer)
        if children is None:
            kinds = ("input", "output", "cached_input", "reasoning")
            children = tuple(self._usage.labels(*self._labels, consumer, kind) for kind in kinds)
            self._by_consumer[consumer] = children
        if input:
            children[0].inc(input)
        if output:
            children[1].inc(output)
        if cached_input:
            children[2].inc(cached_input)
        if reasoning:
            children[3].inc(reasoning)


class Metrics:
    """All instruments.

    :param registry: where they are; a new one with the process's own collectors if none is given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)
        self.registry = registry
        self._define_gateway()
        self._define_models()
        self._done: dict[tuple[str, str, str, int], tuple[Any, Any]] = {}
        self._attempts: dict[tuple[str, str], Any] = {}
        self._in_flight: dict[str, Any] = {}
        self._series: dict[tuple[str, str, str, str, str], ModelSeries] = {}

    def _define_gateway(self) -> None:
        registry = self.registry
        self.requests = Counter(
            "aigw_requests",
            "Requests answered.",
            ("route", "consumer", "operation", "code"),
            registry=registry,
        )
        self.overhead = Histogram(
            "aigw_overhead_seconds",
            "Own time in a request.",
            ("route",),
            buckets=OVERHEAD_BUCKETS,
            registry=registry,
        )
        self.flying = Gauge("aigw_requests_in_flight", "Requests being served.", ("route",), registry=registry)
        self.open_connections = Gauge("aigw_connections", "Open connections.", ("side",), registry=registry)
        self.attempts = Counter(
            "aigw_upstream_attempts", "Calls to backends.", ("backend", "outcome"), registry=registry
        )
        self.breakers = Gauge("aigw_breaker_open", "1 while a breaker is open.", ("backend",), registry=registry)
        self.auth_failures = Counter(
            "aigw_auth_failures", "Requests turned away.", ("route", "reason"), registry=registry
        )
        self.reloads = Counter("aigw_config_reloads", "Configuration loads.", ("result",), registry=registry)
        self.last_reload = Gauge(
            "aigw_config_last_reload_timestamp_seconds",
            "When the configuration was last loaded.",
            registry=registry,
        )
        self.config_info = Gauge("aigw_config_info", "The configuration served.", ("sha256",), registry=registry)
        self.loop_lag = Histogram(
            "aigw_event_loop_lag_seconds",
            "Lateness of the event loop.",
            buckets=OVERHEAD_BUCKETS,
            registry=registry,
        )
        self.log_dropped = Gauge("aigw_access_log_dropped_lines", "Log lines not written.", registry=registry)

    def _define_models(self) -> None:
        registry = self.registry
        self.model_duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from a request to the end of its answer.",
            _MODEL_LABELS,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.model_first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a request to its stream's first event.",
            _MODEL_LABELS,
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self.model_per_token = Histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time between a stream's tokens after the first.",
            _MODEL_LABELS,
            buckets=PER_TOKEN_BUCKETS,
            registry=registry,
        )
        self.model_usage = Counter(
            "gen_ai_client_token_usage",
            "Tokens used.",
            (*_MODEL_LABELS, "consumer", "gen_ai_token_type"),
            registry=registry,
        )

    # -- what happens

    def request_done(self, route: str, consumer: str, operation: str, code: int, overhead: float) -> None:
        """A request was answered.

        :param overhead: our own time in it, seconds.
        """
        key = (route, consumer, operation, code)
        children = self._done.get(key)
        if children is None:
            counter = self.requests.labels(route, consumer, operation, str(code))
            children = self._done[key] = (counter, self.overhead.labels(route))
        children[0].inc()
        children[1].observe(overhead)

    def attempt(self, backend: str, outcome: str) -> None:
        """A call to a backend ended: ok, connect, timeout, status_4xx, status_5xx, cut or cancelled."""
        key = (backend, outcome)
        child = self._attempts.get(key)
        if child is None:
            child = self._attempts[key] = self.attempts.labels(backend, outcome)
        child.inc()

    def auth_failure(self, route: str, reason: str) -> None:
        """A request was turned away at the door."""
        self.auth_failures.labels(route, reason).inc()

    def in_flight(self, route: str) -> Any:
        """The gauge of requests being served on ``route``."""
        child = self._in_flight.get(route)
        if child is None:
            child = self._in_flight[route] = self.flying.labels(route)
        return child

    def connections(self, side: str) -> Any:
        """The gauge of connections ``downstream`` or ``upstream``."""
        return self.open_connections.labels(side)

    def genai(self, operation: str, provider: str, request_model: str, response_model: str, route: str) -> ModelSeries:
        """The ``gen_ai_*`` series with these labels."""
        key = (operation, provider, request_model, response_model, route)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = ModelSeries(self, key)
        return series

    def reloaded(self, ok: bool, when: float, sha256: str) -> None:
        """A configuration was loaded, or refused.

        :param when: Unix time.
        """
        self.reloads.labels("success" if ok else "failure").inc()
        if ok:
            self.last_reload.set(when)
            self.config_info.clear()
            self.config_info.labels(sha256).set(1)

    def render(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
