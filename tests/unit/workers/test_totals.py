"""Metrics of several processes as those of one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.metrics import LARGEST, ONCE, Metrics
from aigw.workers.process import WorkerProcess
from aigw.workers.totals import Totals, exported


def worker(number: int) -> WorkerProcess:
    """Somebody to tell of."""
    return WorkerProcess(number, Clock().seconds, lambda _: None, lambda _: None)


class TotalsTests(unittest.TestCase):
    """A parent and two workers."""

    def setUp(self) -> None:
        self.own = Metrics(CollectorRegistry())
        self.totals = Totals(self.own)
        self.workers = [worker(1), worker(2)]
        self.theirs = [Metrics(CollectorRegistry()), Metrics(CollectorRegistry())]

    def scraped(self) -> dict[str, float]:
        """All samples by name and labels, after each worker that is there has told its own."""
        for process, metrics in zip(self.workers, self.theirs, strict=True):
            self.totals.told(process, exported(metrics))
        return self.rendered()

    def rendered(self) -> dict[str, float]:
        found = {}
        for family in text_string_to_metric_families(self.totals.render().decode()):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                self.assertNotIn(f"{sample.name}{{{labels}}}", found)
                found[f"{sample.name}{{{labels}}}"] = sample.value
        return found

    def test_counters_add(self) -> None:
        """Also where only one has a series, and with the parent's own."""
        for metrics in self.theirs:
            metrics.attempt("b", "ok")
        self.theirs[1].attempt("b", 'a "quoted" \\ \n one')
        self.theirs[0].log_dropped.value += 2
        self.own.log_dropped.value += 1
        found = self.scraped()
        self.assertEqual(found["aigw_upstream_attempts_total{backend=b,outcome=ok}"], 2)
        self.assertEqual(found['aigw_upstream_attempts_total{backend=b,outcome=a "quoted" \\ \n one}'], 1)
        self.assertEqual(found["aigw_access_log_dropped_lines_total{}"], 3)

    def test_histograms_add(self) -> None:
        """Bucket by bucket: the same as if one had observed everything."""
        one = Metrics(CollectorRegistry())
        for metrics, seconds in zip(self.theirs, (0.0003, 0.4), strict=True):
            metrics.route("r").done("c", "chat", 200, seconds)
            one.route("r").done("c", "chat", 200, seconds)
        alone = Totals(one).render()
        lines = {line for line in alone.splitlines() if line.startswith(b"aigw_overhead_seconds")}
        self.assertGreater(len(lines), 10)
        self.scraped()
        self.assertLessEqual(lines, set(self.totals.render().splitlines()))

    def test_gauges_add(self) -> None:
        for count, metrics in enumerate(self.theirs, 1):
            for _ in range(count):
                metrics.route("r").began()
            metrics.connections("upstream").read = lambda count=count: 10 * count
        found = self.scraped()
        self.assertEqual(found["aigw_requests_in_flight{route=r}"], 3)
        self.assertEqual(found["aigw_connections{side=upstream}"], 30)

    def test_largest_where_a_sum_says_nothing(self) -> None:
        """A breaker that is open in two workers is not two breakers."""
        self.theirs[0].breaker("a").value = 1
        self.theirs[1].breaker("a").value = 1
        self.theirs[0].breaker("b").value = 0
        found = self.scraped()
        self.assertEqual((found["aigw_breaker_open{backend=a}"], found["aigw_breaker_open{backend=b}"]), (1, 0))

    def test_what_is_told_once(self) -> None:
        """By the parent; what a worker thinks of it does not count."""
        self.own.reloaded(True, 1000.0, "a" * 64)
        self.own.watch_workers(lambda: 2)
        self.own.watch_worker(2, lambda: 1024, lambda: 0.25)
        self.own.worker_restarted("hung")
        for metrics in self.theirs:
            metrics.reloaded(True, 2000.0, "b" * 64)
        found = self.scraped()
        self.assertEqual(found["aigw_config_last_reload_timestamp_seconds{}"], 1000)
        self.assertEqual(found[f"aigw_config_info{{sha256={'a' * 64}}}"], 1)
        self.assertNotIn(f"aigw_config_info{{sha256={'b' * 64}}}", found)
        self.assertEqual(found["aigw_config_reloads_total{result=success}"], 1)
        self.assertEqual(found["aigw_worker_resident_memory_bytes{worker=2}"], 1024)
        self.assertEqual(found["aigw_worker_cpu_seconds_total{worker=2}"], 0.25)
        self.assertEqual((found["aigw_workers{}"], found["aigw_worker_restarts_total{reason=hung}"]), (2, 1))

    def test_counts_never_fall(self) -> None:
        """Not when a worker ends: its counts stay, its gauges go, and its successor's come on top."""
        for metrics in self.theirs:
            metrics.attempt("b", "ok")
            metrics.route("r").began()
            metrics.route("r").done("c", "chat", 200, 0.1)
        self.scraped()
        self.totals.ended(self.workers[0])
        for found in (self.rendered(), self.rendered()):
            self.assertEqual(found["aigw_upstream_attempts_total{backend=b,outcome=ok}"], 2)
            self.assertEqual(found["aigw_overhead_seconds_count{route=r}"], 2)
            self.assertEqual(found["aigw_requests_in_flight{route=r}"], 1)
        self.workers[0], self.theirs[0] = worker(1), Metrics(CollectorRegistry())
        self.theirs[0].attempt("b", "ok")
        self.assertEqual(self.scraped()["aigw_upstream_attempts_total{backend=b,outcome=ok}"], 3)

    def test_worker_that_does_not_answer(self) -> None:
        """Its last word holds."""
        self.theirs[0].attempt("b", "ok")
        self.scraped()
        self.totals.told(self.workers[1], exported(self.theirs[1]))
        self.assertEqual(self.rendered()["aigw_upstream_attempts_total{backend=b,outcome=ok}"], 1)

    def test_worker_that_ended_unheard(self) -> None:
        self.totals.ended(self.workers[0])
        self.assertEqual(self.rendered()["aigw_access_log_dropped_lines_total{}"], 0)

    def test_rules_name_what_there_is(self) -> None:
        """A metric that was renamed would be added up without a word."""
        names = {family.name for family in Metrics().registry.collect()}
        self.assertEqual((LARGEST | ONCE) - names, set())
