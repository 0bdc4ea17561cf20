"""The instruments: names and labels of the contract, and the library's own exposition of our plain numbers."""

from __future__ import annotations

import collections
import json
import pathlib
import re
from collections.abc import Iterator, Sequence

import hypothesis.strategies as st
from hypothesis import given
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial import unittest

import aigw
from aigw.instruments import Count, Distribution, Family
from aigw.metrics import (
    DURATION_BUCKETS,
    FIRST_TOKEN_BUCKETS,
    OVERHEAD_BUCKETS,
    PER_TOKEN_BUCKETS,
    Metrics,
)

ETC = pathlib.Path(aigw.__file__).parent.parent / "etc"

MODEL_LABELS = {
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "route",
}

#: Every metric of the contract, and ours beyond it: type and labels.
CONTRACT: dict[str, tuple[str, set[str]]] = {
    "aigw_requests_total": ("counter", {"route", "consumer", "operation", "code"}),
    "aigw_overhead_seconds": ("histogram", {"route"}),
    "aigw_requests_in_flight": ("gauge", {"route"}),
    "aigw_connections": ("gauge", {"side"}),
    "aigw_upstream_attempts_total": ("counter", {"backend", "outcome"}),
    "aigw_upstream_timeouts_total": ("counter", {"backend", "timeout"}),
    "aigw_breaker_open": ("gauge", {"backend"}),
    "aigw_auth_failures_total": ("counter", {"route", "reason"}),
    "aigw_config_reloads_total": ("counter", {"result"}),
    "aigw_config_last_reload_timestamp_seconds": ("gauge", set()),
    "aigw_config_info": ("gauge", {"sha256"}),
    "gen_ai_server_request_duration_seconds": ("histogram", MODEL_LABELS),
    "gen_ai_server_time_to_first_token_seconds": ("histogram", MODEL_LABELS),
    "gen_ai_server_time_per_output_token_seconds": ("histogram", MODEL_LABELS),
    "gen_ai_client_token_usage_total": ("counter", MODEL_LABELS | {"consumer", "gen_ai_token_type"}),
    "aigw_event_loop_lag_seconds": ("histogram", set()),
    "aigw_access_log_dropped_lines_total": ("counter", set()),
    "aigw_daemon_log_dropped_lines_total": ("counter", set()),
    "aigw_workers": ("gauge", set()),
    "aigw_worker_restarts_total": ("counter", {"reason"}),
    "aigw_worker_cpu_seconds_total": ("counter", {"worker"}),
    "aigw_worker_resident_memory_bytes": ("gauge", {"worker"}),
}

SHA = "5e88" * 16


def busy() -> Metrics:
    """Metrics after one of everything, without the process's own collectors."""
    metrics = Metrics(CollectorRegistry())
    metrics.route("chat").done("ann", "chat", 200, 0.0004)
    metrics.route("chat").began()
    metrics.connections("downstream").read = lambda: 3
    metrics.attempt("openai", "ok")
    metrics.timed_out("openai", "first_token")
    metrics.breaker("openai").value = 1
    metrics.auth_failure("chat", "missing_api_key")
    metrics.reloaded(True, 1795251600.5, SHA)
    metrics.loop_lag.observe(0.002)
    metrics.watch_worker(1, lambda: 1 << 20, lambda: 0.5)
    series = metrics.route("chat").done("ann", "chat", 200, 0.001, "openai", "gpt-4o", "gpt-4o")
    series.kind.model_done(1.5, 0.3, 0.02)
    series.tokens(10, 20, 4, 5)
    return metrics


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by their label values in the order of the labels' names, as Prometheus reads them."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    }


class ContractTests(unittest.TestCase):
    """What dashboards and alerts rely on."""

    def test_names_types_and_labels(self) -> None:
        """Each metric of the contract is there with exactly its labels, and there is none besides."""
        found = {}
        for family in text_string_to_metric_families(busy().render().decode()):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels)
        self.assertEqual(found, CONTRACT)

    def test_genai_boundaries(self) -> None:
        """The boundaries of the OpenTelemetry conventions for generative AI, as their document gives them."""
        self.assertEqual(DURATION_BUCKETS, tuple(round(0.01 * 2**power, 2) for power in range(14)))
        self.assertEqual(
            FIRST_TOKEN_BUCKETS,
            (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
        )
        self.assertEqual(PER_TOKEN_BUCKETS, (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5))

    def test_boundaries_in_the_exposition(self) -> None:
        """Each histogram has its own boundaries, and infinity."""
        for name, bounds in {
            "gen_ai_server_request_duration_seconds": DURATION_BUCKETS,
            "gen_ai_server_time_to_first_token_seconds": FIRST_TOKEN_BUCKETS,
            "gen_ai_server_time_per_output_token_seconds": PER_TOKEN_BUCKETS,
            "aigw_overhead_seconds": OVERHEAD_BUCKETS,
            "aigw_event_loop_lag_seconds": OVERHEAD_BUCKETS,
        }.items():
            text = busy().render().decode()
            found = [float(le) for le in re.findall(rf'^{name}_bucket{{.*?le="([^"]+)"', text, re.M)]
            self.assertEqual(found, [*bounds, float("inf")], name)

    def test_own_time_can_be_told_apart_below_a_millisecond(self) -> None:
        """Own time keeps the conventions' boundaries, with finer ones where a gateway's own time is."""
        self.assertLessEqual(set(FIRST_TOKEN_BUCKETS), set(OVERHEAD_BUCKETS))
        self.assertEqual(list(OVERHEAD_BUCKETS), sorted(set(OVERHEAD_BUCKETS)))
        self.assertGreaterEqual(sum(bound < 0.001 for bound in OVERHEAD_BUCKETS), 4)


class BookingTests(unittest.TestCase):
    """What happens, and where it is counted."""

    def setUp(self) -> None:
        self.metrics = Metrics(CollectorRegistry())

    def test_requests(self) -> None:
        """By route, consumer, operation and status; own time by route alone."""
        for code, seconds in ((200, 0.0003), (200, 0.5), (401, 0.0001)):
            self.metrics.route("chat").done("ann", "chat", code, seconds)
        self.assertEqual(
            samples(self.metrics, "aigw_requests_total"),
            {("200", "ann", "chat", "chat"): 2, ("401", "ann", "chat", "chat"): 1},
        )
        self.assertEqual(samples(self.metrics, "aigw_overhead_seconds_count"), {("chat",): 3})
        self.assertAlmostEqual(samples(self.metrics, "aigw_overhead_seconds_sum")[("chat",)], 0.5004)

    def test_in_flight(self) -> None:
        """Up and down again, the same series each time it is asked for."""
        self.metrics.route("chat").began()
        self.metrics.route("chat").began()
        self.metrics.route("chat").ended()
        self.assertEqual(samples(self.metrics, "aigw_requests_in_flight"), {("chat",): 1})

    def test_connections_are_counted_at_the_scrape(self) -> None:
        """A gauge with something to read shows what that says now."""
        open_ones: list[object] = []
        self.metrics.connections("upstream").read = lambda: len(open_ones)
        self.assertEqual(samples(self.metrics, "aigw_connections"), {("upstream",): 0})
        open_ones.append(object())
        self.assertEqual(samples(self.metrics, "aigw_connections"), {("upstream",): 1})

    def test_attempts_and_auth_failures(self) -> None:
        """By what came of them."""
        for outcome in ("ok", "timeout", "ok"):
            self.metrics.attempt("openai", outcome)
        self.metrics.auth_failure("chat", "invalid_api_key")
        self.assertEqual(
            samples(self.metrics, "aigw_upstream_attempts_total"), {("openai", "ok"): 2, ("openai", "timeout"): 1}
        )
        self.assertEqual(samples(self.metrics, "aigw_auth_failures_total"), {("invalid_api_key", "chat"): 1})

    def test_model_call(self) -> None:
        """Durations where the call had them."""
        series = self.metrics.route("all").done("ann", "chat", 200, 0.001, "openai", "smart", "gpt-4o")
        series.kind.model_done(1.5, 0.3, 0.02)
        series.kind.model_done(2.5, None, None)
        labels = ("chat", "openai", "smart", "gpt-4o", "all")
        self.assertEqual(samples(self.metrics, "gen_ai_server_request_duration_seconds_sum"), {labels: 4.0})
        self.assertEqual(samples(self.metrics, "gen_ai_server_time_to_first_token_seconds_count"), {labels: 1})
        self.assertEqual(samples(self.metrics, "gen_ai_server_time_per_output_token_seconds_count"), {labels: 1})

    def test_tokens(self) -> None:
        """By consumer and kind, added up over calls, apart for each pair of models."""
        for response_model in ("gpt-4o", "gpt-4o", "other"):
            series = self.metrics.route("all").done("ann", "chat", 200, 0.001, "openai", "smart", response_model)
            series.tokens(10, 20, 4, 5)
        found = samples(self.metrics, "gen_ai_client_token_usage_total")
        for kind, one in (("input", 10), ("output", 20), ("cached_input", 4), ("reasoning", 5)):
            self.assertEqual(found[("ann", "chat", "openai", "smart", "gpt-4o", kind, "all")], 2 * one, kind)
            self.assertEqual(found[("ann", "chat", "openai", "smart", "other", kind, "all")], one, kind)

    def test_calls_with_some_labels_alike(self) -> None:
        """Share the series that have only those."""
        for code, consumer in ((200, "ann"), (502, "ann"), (200, "bob")):
            series = self.metrics.route("all").done(consumer, "chat", code, 0.001, "openai", "smart", "gpt-4o")
            series.kind.model_done(1.0, None, None)
            series.tokens(1, 0, 0, 0)
        self.assertEqual(set(samples(self.metrics, "aigw_requests_total").values()), {1})
        self.assertEqual(samples(self.metrics, "aigw_overhead_seconds_count"), {("all",): 3})
        labels = ("chat", "openai", "smart", "gpt-4o", "all")
        self.assertEqual(samples(self.metrics, "gen_ai_server_request_duration_seconds_count"), {labels: 3})
        found = samples(self.metrics, "gen_ai_client_token_usage_total")
        kinds = {key[0]: value for key, value in found.items() if "input" in key}
        self.assertEqual(kinds, {"ann": 2, "bob": 1})

    @given(
        st.lists(st.tuples(*(st.sampled_from("ab"),) * 2, st.sampled_from((200, 502)), *(st.sampled_from("xy"),) * 3))
    )
    def test_calls_in_any_order(self, calls: list[tuple[str, str, int, str, str, str]]) -> None:
        """Each is counted where its own labels are, whatever the one before it was; also while somebody scrapes."""
        metrics = Metrics(CollectorRegistry())
        for consumer, operation, code, *models in calls:
            metrics.route("r").done(consumer, operation, code, 0.001, *models).tokens(1, 2, 0, 0)
            metrics.render()
        found = samples(metrics, "aigw_requests_total")
        wanted = collections.Counter((str(code), consumer, operation, "r") for consumer, operation, code, *_ in calls)
        self.assertEqual(found, wanted)
        tokens = collections.Counter((each[0], each[1], *each[3:]) for each in calls)
        found = samples(metrics, "gen_ai_client_token_usage_total")
        outputs = {key[:2] + key[2:5]: value for key, value in found.items() if key[5] == "output"}
        self.assertEqual(outputs, {key: 2 * value for key, value in tokens.items()})

    def test_no_model_no_model_series(self) -> None:
        """A call that was no model's has none, nor has one without usage any of tokens."""
        self.metrics.route("all").done("ann", "models", 200, 0.001)
        self.assertNotIn(b"gen_ai_server_request_duration_seconds_count", self.metrics.render())
        self.metrics.route("all").done("ann", "chat", 200, 0.001, "openai", "smart", "").kind.model_done(
            1.0, None, None
        )
        self.assertEqual(samples(self.metrics, "gen_ai_client_token_usage_total"), {})

    def test_reloads_are_there_before_the_first(self) -> None:
        """increase() over a series that appears with its first failure would see none."""
        self.assertEqual(samples(self.metrics, "aigw_config_reloads_total"), {("success",): 0, ("failure",): 0})

    def test_refused_reload(self) -> None:
        """Counts, and leaves what is known of the configuration served."""
        self.metrics.reloaded(True, 1000.0, "a" * 64)
        self.metrics.reloaded(False, 2000.0, "")
        self.assertEqual(samples(self.metrics, "aigw_config_reloads_total"), {("success",): 1, ("failure",): 1})
        self.assertEqual(samples(self.metrics, "aigw_config_last_reload_timestamp_seconds"), {(): 1000.0})
        self.assertEqual(samples(self.metrics, "aigw_config_info"), {("a" * 64,): 1})

    def test_one_configuration_at_a_time(self) -> None:
        """After a reload the digest of the old one is gone."""
        self.metrics.reloaded(True, 1000.0, "a" * 64)
        self.metrics.reloaded(True, 2000.0, "b" * 64)
        self.assertEqual(samples(self.metrics, "aigw_config_info"), {("b" * 64,): 1})

    def test_no_global_registry(self) -> None:
        """Two gateways in one process, as in tests, do not see each other."""
        other = Metrics(CollectorRegistry())
        other.attempt("openai", "ok")
        self.assertEqual(samples(self.metrics, "aigw_upstream_attempts_total"), {})

    def test_daemon_tells_of_its_process(self) -> None:
        """A registry of its own brings memory, CPU, file descriptors and the interpreter's version."""
        text = Metrics().render().decode()
        for name in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds", "python_info"):
            self.assertIn(f"\n{name}", text)


LABEL_VALUES = st.tuples(st.text(max_size=8), st.text(max_size=8))
SECONDS = st.one_of(st.floats(min_value=0, max_value=1e6), st.sampled_from([*DURATION_BUCKETS, *OVERHEAD_BUCKETS]))


def exposition(collector: object) -> bytes:
    """One collector's text."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


def as_the_library(text: bytes) -> bytes:
    """Without the ``_created`` series, which tell when a series began and double their number."""
    # Not splitlines(): a label value may hold a carriage return.
    lines = text.split(b"\n")
    return b"\n".join(line for line in lines if not re.match(rb"(# \w+ )?x(_\w+)?_created[ {]", line))


class ExpositionTests(unittest.TestCase):
    """Our plain numbers read the same as the library's own instruments would."""

    @given(st.lists(st.tuples(LABEL_VALUES, st.integers(0, 1 << 40))))
    def test_counter(self, events: Sequence[tuple[tuple[str, str], int]]) -> None:
        """Byte for byte, any label values."""
        ours = Family(CounterMetricFamily, "x", "A \\ help\ntext.", ["a", "b"], Count)
        theirs = Counter("x", "A \\ help\ntext.", ["a", "b"], registry=None)
        for labels, amount in events:
            ours.series(*labels).value += amount
            theirs.labels(*labels).inc(amount)
        self.assertEqual(exposition(ours), as_the_library(exposition(theirs)))

    @given(st.lists(st.tuples(LABEL_VALUES, st.booleans())))
    def test_gauge(self, events: Sequence[tuple[tuple[str, str], bool]]) -> None:
        """Byte for byte, below zero too."""
        ours = Family(GaugeMetricFamily, "x", "help", ["a", "b"], Count)
        theirs = Gauge("x", "help", ["a", "b"], registry=None)
        for labels, up in events:
            ours.series(*labels).value += 1 if up else -1
            theirs.labels(*labels).inc(1 if up else -1)
        self.assertEqual(exposition(ours), exposition(theirs))

    @given(st.lists(st.tuples(LABEL_VALUES, SECONDS)))
    def test_histogram(self, events: Sequence[tuple[tuple[str, str], float]]) -> None:
        """Byte for byte: boundaries' spelling, a value on a boundary, cumulative counts, sum."""
        for bounds in (DURATION_BUCKETS, OVERHEAD_BUCKETS):
            ours = Family(HistogramMetricFamily, "x", "help", ["a", "b"], lambda bounds=bounds: Distribution(bounds))
            theirs = Histogram("x", "help", ["a", "b"], registry=None, buckets=bounds)
            for number, (labels, value) in enumerate(events):
                ours.series(*labels).observe(value)
                theirs.labels(*labels).observe(value)
                if number % 3 == 0:  # a scrape changes nothing
                    exposition(ours)
            self.assertEqual(exposition(ours), as_the_library(exposition(theirs)))

    @given(st.lists(st.tuples(SECONDS, st.integers(1, 40)), min_size=1))
    def test_histogram_between_scrapes(self, events: Sequence[tuple[float, int]]) -> None:
        """However many come before the first scrape, and whichever buckets they fall in."""
        ours = Family(HistogramMetricFamily, "x", "help", [], lambda: Distribution(OVERHEAD_BUCKETS))
        theirs = Histogram("x", "help", registry=None, buckets=OVERHEAD_BUCKETS)
        for value, times in events:
            for _ in range(times):
                ours.series().observe(value)
                theirs.observe(value)
        self.assertEqual(exposition(ours), as_the_library(exposition(theirs)))

    def test_without_labels(self) -> None:
        """The forms that have no labels at all."""
        ours = Family(HistogramMetricFamily, "x", "help", [], lambda: Distribution(DURATION_BUCKETS))
        theirs = Histogram("x", "help", registry=None, buckets=DURATION_BUCKETS)
        ours.series().observe(0.3)
        theirs.observe(0.3)
        self.assertEqual(exposition(ours), as_the_library(exposition(theirs)))


class ShippedFilesTests(unittest.TestCase):
    """The dashboard and the alert rules ask for what there is."""

    def suffixed(self) -> set[str]:
        """Every series' name that a query may use."""
        names = set()
        for name, (kind, _) in CONTRACT.items():
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
        process = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"}
        return names | process | {"process_start_time_seconds"}

    def queries(self) -> Iterator[tuple[str, str]]:
        dashboard = json.loads((ETC / "grafana" / "aigw.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield panel["title"], target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield variable["name"], variable["query"]
        for name in ("alerts.yml", "prometheus.yml"):
            # Not YAML's whole grammar: our files write an expression on one line or as a block.
            text = (ETC / "prometheus" / name).read_text()
            for expression in re.findall(r"^ +expr: *(?:\|\n)?((?:.+\n)(?:^ {10,}.+\n)*)", text, re.M):
                yield name, expression

    def test_queries_name_metrics_that_exist(self) -> None:
        """A renamed metric would leave an empty panel, or an alert that never fires."""
        known, asked = self.suffixed(), set()
        for place, query in self.queries():
            bare = re.sub(r'"[^"]*"', "", query)
            names = set(re.findall(r"\b(?:aigw|gen_ai|process)_\w+", bare))
            labels = {label for _, labels in CONTRACT.values() for label in labels}
            self.assertLessEqual(names - labels, known, place)
            asked |= names
        self.assertGreater(len(asked), 10)

    def test_queries_name_labels_that_exist(self) -> None:
        """A label that a metric does not have makes a query empty without a word."""
        labels = {label for _, labels in CONTRACT.values() for label in labels}
        from_outside = {"le", "job", "instance"}
        for place, query in self.queries():
            used = set(re.findall(r"(\w+) *(?:=~|!~|!=|=(?!=))", re.sub(r'"[^"]*"', '""', query)))
            for group in re.findall(r"\b(?:by|without|on|group_left) *\(([^)]*)\)", query):
                used |= {name.strip() for name in group.split(",") if name.strip()}
            self.assertLessEqual(used, labels | from_outside, place)

    def test_every_metric_is_explained(self) -> None:
        """The operations manual has all of them."""
        manual = (ETC.parent / "docs" / "operations.md").read_text()
        for name in CONTRACT:
            self.assertIn(f"`{name}`", manual)

    def test_alerts_lead_to_the_manual(self) -> None:
        """Each alert has a heading in the operations manual that says what to do, and its address is that heading's."""
        manual = (ETC.parent / "docs" / "operations.md").read_text().lower()
        rules = (ETC / "prometheus" / "alerts.yml").read_text()
        alerts = re.findall(r"- alert: (\w+)", rules)
        self.assertGreater(len(alerts), 5)
        for alert in alerts:
            self.assertIn(f"\n### {alert.lower()}\n", manual)
            self.assertIn(f"operations.md#{alert.lower()}", rules)
