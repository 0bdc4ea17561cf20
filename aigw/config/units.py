"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)")
_LONGEST = 365 * 86400.0
_LARGEST = 1 << 40


def seconds(value: Any) -> float:
    """A duration in seconds.

    :raises ValueError: it is none, or longer than a year.
    """
    amount = _amount(value, _SECONDS)
    if amount is None or not 0 <= amount <= _LONGEST:
        raise ValueError('must be a duration (seconds, or such as "500ms", "30s", "5m", "1h"; at most "365d")')
    return float(amount)


def some_seconds(value: Any) -> float:
    """A duration that is not 0, in seconds.

    :raises ValueError: it is none, 0, or longer than a year.
    """
    amount = seconds(value)
    if not amount:
        raise ValueError('must be longer than 0 (such as "500ms" or "30s")')
    return amount


def size(value: Any) -> int:
    """A size in bytes.

    :raises ValueError: it is none, below one byte or over a terabyte.
    """
    amount = _amount(value, _BYTES)
    if amount is None or isinstance(value, float) or not 1 <= amount <= _LARGEST:
        raise ValueError('must be a size (bytes, or such as "512KiB", "32MiB"; from 1 to "1024GiB")')
    return int(amount)


def _amount(value: Any, units: dict[str, float] | dict[str, int]) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    return float(match[1]) * units[match[2]]


def written_seconds(value: float) -> float | int | str:
    """A duration as a file would have it; :func:`seconds` reads it back unchanged."""
    for unit in ("d", "h", "m", "s", "ms"):
        amount = value / _SECONDS[unit]
        if amount >= 1 and amount == int(amount) and seconds(f"{int(amount)}{unit}") == value:
            return f"{int(amount)}{unit}"
    return value if value else "0s"


def written_size(value: int) -> int | str:
    """A size as a file would have it."""
    for unit in ("GiB", "MiB", "KiB"):
        if value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return value


def _schema(units: dict[str, float] | dict[str, int], kind: str) -> WithJsonSchema:
    pattern = rf"^[0-9]+(\.[0-9]+)? ?({'|'.join(units)})$"
    return WithJsonSchema({"anyOf": [{"type": kind, "minimum": 0}, {"type": "string", "pattern": pattern}]})


_AS_WRITTEN = PlainSerializer(written_seconds)

#: Seconds; may be 0.
Duration = Annotated[float, BeforeValidator(seconds), _AS_WRITTEN, _schema(_SECONDS, "number")]

#: Seconds, more than 0.
SomeTime = Annotated[float, BeforeValidator(some_seconds), _AS_WRITTEN, _schema(_SECONDS, "number")]

#: Bytes.
Size = Annotated[int, BeforeValidator(size), PlainSerializer(written_size), _schema(_BYTES, "integer")]
