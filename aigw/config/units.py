"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def seconds(value: Any) -> float:
    """A duration in seconds.

    :raises ValueError: it is none.
    """
    return _amount(value, _SECONDS, 'a duration such as 30, "500ms", "30s", "5m" or "1h"')


def size(value: Any) -> int:
    """A size in bytes.

    :raises ValueError: it is none.
    """
    return int(_amount(value, _BYTES, 'a size in bytes or such as "32MiB"'))


def _amount(value: Any, units: dict[str, float] | dict[str, int], allowed: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
        return float(value)
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"must be {allowed}")
    return float(match[1]) * units[match[2]]


def _schema(allowed: dict[str, float] | dict[str, int], kind: str) -> WithJsonSchema:
    pattern = rf"^\d+(\.\d+)?\s*({'|'.join(allowed)})$"
    return WithJsonSchema({"anyOf": [{"type": kind, "minimum": 0}, {"type": "string", "pattern": pattern}]})


Duration = Annotated[float, BeforeValidator(seconds), _schema(_SECONDS, "number")]
Size = Annotated[int, BeforeValidator(size), _schema(_BYTES, "integer")]
