"""The gateway's instruments (contract section 7), in one registry that is nobody's global.

A call's series are found at one look and stand together: :class:`RouteSeries`, :class:`CallKind`, :class:`CallSeries`.
Label values come from the configuration or from closed sets; that is the duty of whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest

from aigw.instruments import Count, Distribution, Family, S

# Tuples of any length: one of a known length is made anew by compiled code wherever it is handed on.

#: Bucket boundaries of the OpenTelemetry semantic conventions for generative AI, in seconds.
DURATION_BUCKETS: Final[tuple[float, ...]] = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
FIRST_TOKEN_BUCKETS: Final[tuple[float, ...]] = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
PER_TOKEN_BUCKETS: Final[tuple[float, ...]] = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
)  # fmt: skip
#: Our own time in a request, and the event loop's lateness: the conventions' finest boundaries, and finer ones at the
#: lower end, where a gateway's own time is.
OVERHEAD_BUCKETS: Final[tuple[float, ...]] = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, *FIRST_TOKEN_BUCKETS[1:])

#: Where several processes are told of as one: gauges whose largest value counts; all others are added up.
LARGEST = frozenset(("aigw_breaker_open", "process_open_fds", "process_max_fds"))
#: And families that only one process, the parent of the others, tells of.
ONCE = frozenset(
    (
        "aigw_config_info",
        "aigw_config_last_reload_timestamp_seconds",
        "aigw_config_reloads",
        "aigw_worker_cpu_seconds",
        "aigw_worker_resident_memory_bytes",
        "aigw_worker_restarts",
        "aigw_workers",
        "process_start_time_seconds",
        "python_info",
    )
)

#: Why a worker had to be replaced.
RESTART_REASONS = ("exit", "signal", "hung")

_MODEL_LABELS = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "route",
)


class CallSeries:
    """What is counted of the calls of one route that have all labels alike.

    :ivar kind: what they have in common with calls of other consumers or with another end.
    :ivar consumer: whose they are, empty for nobody's; with ``code`` what sets them apart.
    """

    def __init__(self, kind: CallKind, consumer: str, code: int) -> None:
        # What each call touches stands together, which is how mypyc lays it out.
        self.kind = kind
        self.consumer = consumer
        self.code = code
        self._requests = 0.0
        self._input = 0.0
        self._output = 0.0
        self._has_usage = False
        self._cached = 0.0
        self._reasoning = 0.0
        requests = kind.metrics.requests.series(kind.route, consumer, kind.operation, str(code))
        requests.add(lambda: self._requests)

    def done(self) -> None:
        """A call ended."""
        self._requests += 1

    def tokens(self, read: int, written: int, cached: int, reasoning: int) -> None:
        """What it used: input, output, and of these cached input and reasoning."""
        if not self._has_usage:
            self._has_usage = True
            self._show_usage()
        self._input += read
        self._output += written
        if cached:
            self._cached += cached
        if reasoning:
            self._reasoning += reasoning

    def _show_usage(self) -> None:
        usage, labels = self.kind.metrics.model_usage, (*self.kind.model_labels(), self.consumer)
        usage.series(*labels, "input").add(lambda: self._input)
        usage.series(*labels, "output").add(lambda: self._output)
        usage.series(*labels, "cached_input").add(lambda: self._cached)
        usage.series(*labels, "reasoning").add(lambda: self._reasoning)


class CallKind(Distribution):
    """The calls of one route that have all labels alike but consumer and code: how long they took, as the histogram
    that this is, and what else they share.

    :param provider: of the ``gen_ai_*`` metrics, whose series are made when the first one is told of;
        ``request_model`` and ``response_model`` likewise.
    """

    def __init__(
        self, metrics: Metrics, route: str, operation: str, provider: str, request_model: str, response_model: str
    ) -> None:
        super().__init__(DURATION_BUCKETS)
        self.operation = operation
        self.provider = provider
        self.request_model = request_model
        self.response_model = response_model
        self._is_shown = False
        self._by_code: dict[int, dict[str, CallSeries]] = {}
        self._first_token: Distribution | None = None
        self._per_token: Distribution | None = None
        self.metrics = metrics
        self.route = route

    def fits(self, operation: str, provider: str, request_model: str, response_model: str) -> bool:
        """Whether these are its labels."""
        return (
            self.response_model == response_model
            and self.request_model == request_model
            and self.operation == operation
            and self.provider == provider
        )

    def of(self, consumer: str, code: int) -> CallSeries:
        """Those of one consumer that ended in one way."""
        consumers = self._by_code.get(code)
        if consumers is None:
            consumers = self._by_code[code] = {}
        series = consumers.get(consumer)
        if series is None:
            series = consumers[consumer] = CallSeries(self, consumer, code)
        return series

    def model_done(self, duration: float, first_token: float | None, per_token: float | None) -> None:
        """One was a model's; all in seconds, None where the call had no such thing."""
        if not self._is_shown:
            self._is_shown = True
            labels = self.model_labels()
            self.metrics.model_duration.show(self, *labels)
            self._first_token = self.metrics.model_first_token.series(*labels)
            self._per_token = self.metrics.model_per_token.series(*labels)
        self.observe(duration)
        if first_token is not None and self._first_token is not None:
            self._first_token.observe(first_token)
        if per_token is not None and self._per_token is not None:
            self._per_token.observe(per_token)

    def model_labels(self) -> tuple[str, ...]:
        """Label values of the ``gen_ai_*`` metrics."""
        return (self.operation, self.provider, self.request_model, self.response_model, self.route)


class RouteSeries(Distribution):
    """What is counted of one route: our own time in its requests, as the histogram that this is, and the rest.

    A request has a dozen series. They are here, in :class:`CallKind` and in :class:`CallSeries`, so that it finds them
    at one look, and its numbers in a few lines of the processor's cache however many routes and consumers there are.
    At a scrape the families' series read them.
    """

    def __init__(self, metrics: Metrics, name: str) -> None:
        super().__init__(OVERHEAD_BUCKETS)
        self._last: CallSeries | None = None
        self._flying = 0.0
        self._has_flown = False
        self._is_shown = False
        self._metrics = metrics
        self._name = name
        self._kinds: dict[tuple[str, str, str, str], CallKind] = {}

    def began(self) -> None:
        """A request has come."""
        if not self._has_flown:
            self._has_flown = True
            self._metrics.in_flight.series(self._name).add(lambda: self._flying)
        self._flying += 1

    def ended(self) -> None:
        """It is over."""
        self._flying -= 1

    def done(
        self,
        consumer: str,
        operation: str,
        code: int,
        overhead: float,
        provider: str = "",
        request_model: str = "",
        response_model: str = "",
    ) -> CallSeries:
        """A request was answered.

        :param overhead: our own time in it, seconds.
        :param provider: of a model's call, ``request_model`` and ``response_model`` likewise.
        :returns: where the rest of what is known of it is counted.
        """
        if not self._is_shown:
            self._is_shown = True
            self._metrics.overhead.show(self, self._name)
        self.observe(overhead)
        series = self._last  # the next call is most likely like the one before it
        if series is None or not series.kind.fits(operation, provider, request_model, response_model):
            series = self._last = self._kind(operation, provider, request_model, response_model).of(consumer, code)
        elif series.code != code or series.consumer != consumer:
            series = self._last = series.kind.of(consumer, code)
        series.done()
        return series

    def _kind(self, operation: str, provider: str, request_model: str, response_model: str) -> CallKind:
        key = (operation, provider, request_model, response_model)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = CallKind(self._metrics, self._name, *key)
        return kind


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
        self._routes: dict[str, RouteSeries] = {}

    def _counter(self, name: str, text: str, *labels: str) -> Family[Count]:
        return self._register(Family(CounterMetricFamily, name, text, labels, Count))

    def _gauge(self, name: str, text: str, *labels: str) -> Family[Count]:
        return self._register(Family(GaugeMetricFamily, name, text, labels, Count))

    def _histogram(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> Family[Distribution]:
        return self._register(Family(HistogramMetricFamily, name, text, labels, lambda: Distribution(bounds)))

    def _register(self, family: Family[S]) -> Family[S]:
        self.registry.register(family)
        return family

    def _define_gateway(self) -> None:
        self.requests = self._counter("aigw_requests", "Requests answered.", "route", "consumer", "operation", "code")
        self.overhead = self._histogram("aigw_overhead_seconds", "Own time in a request.", OVERHEAD_BUCKETS, "route")
        self.in_flight = self._gauge("aigw_requests_in_flight", "Requests being served.", "route")
        self._connections = self._gauge("aigw_connections", "Open connections.", "side")
        self._attempts = self._counter("aigw_upstream_attempts", "Calls to backends.", "backend", "outcome")
        self._timeouts = self._counter(
            "aigw_upstream_timeouts", "Calls to backends that ran out of time.", "backend", "timeout"
        )
        self._breakers = self._gauge("aigw_breaker_open", "1 while a breaker is open.", "backend")
        self._auth_failures = self._counter("aigw_auth_failures", "Requests turned away.", "route", "reason")
        self._reloads = self._counter("aigw_config_reloads", "Loads of the configuration.", "result")
        self._last_reload = self._gauge(
            "aigw_config_last_reload_timestamp_seconds", "When the configuration served was loaded, Unix time."
        )
        self._config_info = self._gauge("aigw_config_info", "The configuration served.", "sha256")
        lag = self._histogram("aigw_event_loop_lag_seconds", "Lateness of the event loop.", OVERHEAD_BUCKETS)
        self.loop_lag = lag.series()
        dropped = self._counter("aigw_access_log_dropped_lines", "Access log lines that were lost.")
        self.log_dropped = dropped.series()
        daemon = self._counter("aigw_daemon_log_dropped_lines", "Lines of the daemon's log that were lost.")
        self.daemon_log_dropped = daemon.series()
        self._workers = self._gauge("aigw_workers", "Processes that serve.")
        self._workers.series().value = 1.0
        self._restarts = self._counter("aigw_worker_restarts", "Workers that ended and were replaced.", "reason")
        self._worker_memory = self._gauge("aigw_worker_resident_memory_bytes", "Memory of each worker.", "worker")
        self._worker_cpu = self._counter("aigw_worker_cpu_seconds", "Processor time of each worker.", "worker")
        # There from the start, so that the first failure is an increase.
        for result in ("success", "failure"):
            self._reloads.series(result)
        for reason in RESTART_REASONS:
            self._restarts.series(reason)

    def _define_models(self) -> None:
        self.model_duration = self._histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from a request to the end of its answer.",
            DURATION_BUCKETS,
            *_MODEL_LABELS,
        )
        self.model_first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a request to its stream's first event.",
            FIRST_TOKEN_BUCKETS,
            *_MODEL_LABELS,
        )
        self.model_per_token = self._histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time between a stream's tokens after the first.",
            PER_TOKEN_BUCKETS,
            *_MODEL_LABELS,
        )
        self.model_usage = self._counter(
            "gen_ai_client_token_usage", "Tokens used.", *_MODEL_LABELS, "consumer", "gen_ai_token_type"
        )

    # -- what happens

    def route(self, name: str) -> RouteSeries:
        """Where requests of route ``name`` are counted; of none, those that found no route."""
        series = self._routes.get(name)
        if series is None:
            series = self._routes[name] = RouteSeries(self, name)
        return series

    def attempt(self, backend: str, outcome: str) -> None:
        """A call to a backend ended: ok, connect, timeout, status_4xx, status_5xx, cut or cancelled."""
        self._attempts.series(backend, outcome).value += 1

    def timed_out(self, backend: str, which: str) -> None:
        """One of these ran out of time: connect, first_byte, first_token, idle or total."""
        self._timeouts.series(backend, which).value += 1

    def auth_failure(self, route: str, reason: str) -> None:
        """A request was turned away at the door."""
        self._auth_failures.series(route, reason).value += 1

    def connections(self, side: str) -> Count:
        """The gauge of connections ``downstream`` or ``upstream``."""
        return self._connections.series(side)

    def breaker(self, backend: str) -> Count:
        """1 while the breaker of ``backend`` is open."""
        return self._breakers.series(backend)

    def reloaded(self, ok: bool, when: float, sha256: str) -> None:
        """A configuration was loaded, or refused.

        :param when: Unix time.
        """
        self._reloads.series("success" if ok else "failure").value += 1
        if ok:
            self._last_reload.series().value = when
            self._config_info.clear()
            self._config_info.series(sha256).value = 1.0

    def watch_workers(self, count: Callable[[], float]) -> None:
        """This process has workers.

        :param count: says how many of them serve.
        """
        self._workers.series().read = count

    def watch_worker(self, number: int, memory: Callable[[], float], cpu: Callable[[], float]) -> None:
        """One of them.

        :param memory: says how many bytes it has.
        :param cpu: says how many seconds of processor time it has had.
        """
        self._worker_memory.series(str(number)).read = memory
        self._worker_cpu.series(str(number)).read = cpu

    def worker_restarted(self, reason: str) -> None:
        """A worker ended: ``exit`` (by itself), ``signal``, or ``hung``."""
        self._restarts.series(reason).value += 1

    def render(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
