"""Instruments as plain numbers, handed to prometheus-client at a scrape.

Theory of operation. A request touches a dozen series. The library's instruments take a lock for each; ours are plain
numbers on plain objects (:class:`Count`, :class:`Distribution`), which only the event loop touches. At a scrape
:class:`Family` hands them to the library as metric families, so names, types and text format are the library's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Count:
    """One series of a counter or a gauge.

    :ivar value: it, or
    :ivar read: what tells it at a scrape.
    """

    __slots__ = ("_parts", "read", "value")

    def __init__(self) -> None:
        self.value: float = 0.0
        self.read: Callable[[], float] | None = None
        self._parts: tuple[Callable[[], float], ...] = ()

    def add(self, part: Callable[[], float]) -> None:
        """What ``part`` tells at a scrape is counted in."""
        self._parts = (*self._parts, part)

    def now(self) -> float:
        """The value at a scrape."""
        if self.read is not None:
            return self.read()
        return sum([part() for part in self._parts], self.value)


#: Of a histogram's lower buckets, those whose next observations are counted in one number, and bits of it for each:
#: together no more than a compiled program keeps as it is.
_PACKED: Final = 15
_BITS: Final = 4
_MOST: Final = (1 << _BITS) - 1


class Distribution:
    """One series of a histogram; also the base of what is one and counts more.

    The next few observations are counted in one number, a few bits for each bucket, and put to the others when it may
    be full: the list of all buckets is three more lines of the processor's cache, for each route.

    :param bounds: upper bounds of the buckets, without infinity.
    """

    __slots__ = ("_bounds", "_counts", "_number", "_packed", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._packed = 0
        self._number = 0
        self.sum = 0.0
        self._bounds = tuple(bounds)
        self._counts = [0.0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Count ``value``; a bucket holds what is at most its bound."""
        at = 0
        for bound in self._bounds:  # most are found at once: compiled, a search would take longer
            if value <= bound:
                break
            at += 1
        if at < _PACKED:
            self._packed += 1 << (_BITS * at)
            self._number += 1
            if self._number == _MOST:
                self._unpack()
        else:
            self._counts[at] += 1
        self.sum += value

    def _unpack(self) -> None:
        packed, at = self._packed, 0
        while packed:
            self._counts[at] += packed & _MOST
            packed >>= _BITS
            at += 1
        self._packed = self._number = 0

    def buckets(self) -> list[tuple[str, float]]:
        """Bounds and cumulative counts, as the text format has them."""
        self._unpack()
        total, made = 0.0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            made.append((floatToGoString(bound), total))
        return made


S = TypeVar("S", Count, Distribution)


class Family(Collector, Generic[S]):
    """All series of one name.

    :param make: a new series.
    :param kind: the library's family: counter, gauge or histogram.
    """

    def __init__(
        self,
        kind: type[Metric],
        name: str,
        text: str,
        labels: Sequence[str],
        make: Callable[[], S],
    ) -> None:
        self._kind = kind
        self._name = name
        self._help = text
        self._labels = tuple(labels)
        self._make: Callable[[], S] = make
        self._series: dict[tuple[str, ...], S] = {}

    def series(self, *labels: str) -> S:
        """The series with these label values, in the order of the labels' names."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = self._make()
        return found

    def show(self, series: S, *labels: str) -> None:
        """``series``, made elsewhere, is the one with these label values."""
        self._series[labels] = series

    def clear(self) -> None:
        """Forget all series."""
        self._series.clear()

    def collect(self) -> Iterator[Metric]:
        """Everything, as the library has it."""
        family: Any = self._kind(self._name, self._help, labels=self._labels)  # type: ignore[call-arg]
        for labels, series in self._series.items():
            if isinstance(series, Distribution):
                family.add_metric(labels, series.buckets(), series.sum)
            else:
                family.add_metric(labels, series.now())
        yield family
