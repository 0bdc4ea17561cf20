"""Percentiles, medians of samples, ratios of neighbours in time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol


class _Dataclass(Protocol):
    __dataclass_fields__: dict[str, Any]


def percentile(values: Sequence[float], rank: float) -> float:
    """The smallest value that ``rank`` per cent of all do not exceed (nearest rank).

    :raises ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))]


def medians(samples: Sequence[_Dataclass]) -> dict[str, float]:
    """The median of each field of some samples of one kind; a field that a sample has not (None) is left out."""
    rows = [asdict(sample) for sample in samples]  # type: ignore[call-overload]
    full = [name for name in rows[0] if all(row[name] is not None for row in rows)]
    return {name: statistics.median(row[name] for row in rows) for name in full}


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: each round compares what was measured side by side."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
