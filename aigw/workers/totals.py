"""Metrics of several processes as those of one.

Theory of operation. At a scrape each worker hands over all its samples, and they are added up, as are those of
histograms: cumulative counts of the same buckets. Gauges are added as well, but for those of
:data:`~aigw.metrics.LARGEST`, whose largest value counts; what is in :data:`~aigw.metrics.ONCE` is the parent's alone.
What a worker that has ended had counted is kept, as far as a scrape has seen it: a sum that fell would look like a
restart of all of them, and ``rate()`` would count everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from aigw.metrics import LARGEST, ONCE, Metrics
from aigw.workers.process import WorkerProcess

#: A family's name, its type and its help; and its samples, by name and labels.
Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]
Families = dict[str, tuple[str, str, Samples]]

_COUNTED = ("counter", "histogram")


def exported(metrics: Metrics) -> bytes:
    """All samples of one process, for :meth:`Totals.told`."""
    families = [
        (
            family.name,
            family.type,
            family.documentation,
            [(one.name, one.labels, float(one.value)) for one in family.samples],
        )
        for family in metrics.registry.collect()
        if family.name not in ONCE
    ]
    return orjson.dumps(families)


def _read(export: bytes) -> Families:
    return {
        name: (kind, text, {(sample, tuple(labels.items())): value for sample, labels, value in samples})
        for name, kind, text, samples in orjson.loads(export)
    }


class Totals:
    """See the module's head.

    :param own: the parent's metrics.
    """

    def __init__(self, own: Metrics) -> None:
        self._own = own
        self._told: dict[WorkerProcess, Families] = {}
        self._ended: Families = {}

    def told(self, worker: WorkerProcess, export: bytes) -> None:
        """A worker has told its samples."""
        self._told[worker] = _read(export)

    def ended(self, worker: WorkerProcess) -> None:
        """A worker has ended; what it had counted counts on."""
        last = self._told.pop(worker, {})
        counted = {name: family for name, family in last.items() if family[0] in _COUNTED}
        _add(self._ended, counted)

    def render(self) -> bytes:
        """Everything, in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Collected(self._families()))
        return generate_latest(registry)

    def _families(self) -> Families:
        families: Families = {}
        own = _read(exported(self._own))
        # The parent's own alone, which exported() leaves out.
        once = {family.name: family for family in self._own.registry.collect() if family.name in ONCE}
        for part in (own, self._ended, *self._told.values()):
            _add(families, part)
        for name, family in once.items():
            samples = {(one.name, tuple(one.labels.items())): one.value for one in family.samples}
            families[name] = (family.type, family.documentation, samples)
        return families


def _add(families: Families, part: Families) -> None:
    """Take ``part`` into ``families``."""
    for name, (kind, text, samples) in part.items():
        into = families.setdefault(name, (kind, text, {}))[2]
        if name in LARGEST:
            for key, value in samples.items():
                into[key] = max(value, into.get(key, value))
        else:
            for key, value in samples.items():
                into[key] = into.get(key, 0.0) + value


class _Collected(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, (kind, text, samples) in self._families.items():
            family = Metric(name, text, kind)
            for (sample, labels), value in samples.items():
                family.add_sample(sample, dict(labels), value)
            yield family
