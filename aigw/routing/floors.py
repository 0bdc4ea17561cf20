"""When a provider wants to be asked again: what its headers and its error say, in seconds from now.

The first of these that is there counts:

- ``retry-after-ms`` (OpenAI, Azure) and ``retry-after`` (RFC 9110 section 10.2.3: seconds or a date);
- what the body says, such as the ``RetryInfo`` in Google's errors, which whoever reads errors has read already;
- when a limit that is used up starts anew: ``x-ratelimit-reset-requests`` and ``-tokens``, which OpenAI writes as Go
  writes durations (``6m0s``, ``1.5s``, ``20ms``) and Azure in plain seconds; ``anthropic-ratelimit-…-reset``, a point
  in time (RFC 3339); ``x-ratelimit-reset``, of which there are seconds and points in time, in seconds or milliseconds
  since 1970. A limit counts as used up if its ``remaining`` is 0, or is not told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Header = tuple[bytes, bytes]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?")
#: Numbers above these are no durations but points in time: seconds, or milliseconds, since 1970.
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 1e9, 1e12
#: Nobody means more; what says more is broken.
_MOST = 30 * 86400.0


def floor(headers: Sequence[Header], told: float | None, now: float) -> float | None:
    """Seconds for which not to ask again; None if nothing is said.

    :param headers: of the response; names in lower case.
    :param told: seconds, where its body says so.
    :param now: seconds since 1970.
    """
    said = {
        name: value.decode("latin-1").strip() for name, value in headers if b"retry" in name or b"ratelimit" in name
    }
    for seconds in (
        _number(said.get(b"retry-after-ms"), 1e-3),
        _retry_after(said.get(b"retry-after"), now),
        told,
        max(_resets(said, now), default=None),
    ):
        if seconds is not None and math.isfinite(seconds) and seconds <= _MOST:
            return max(0.0, seconds)
    return None


def duration(text: str) -> float | None:
    """A duration as Go or a plain number of seconds; None if it is neither."""
    number = _number(text)
    if number is not None:
        return number
    parts = _PART.findall(text)
    if not parts or "".join(amount + unit for amount, unit in parts) != text:
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)


def _number(text: str | None, unit: float = 1.0) -> float | None:
    return float(text) * unit if text is not None and _NUMBER.fullmatch(text) else None


def _retry_after(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    seconds = duration(text)
    if seconds is not None:
        return seconds
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp() - now


def _resets(said: Mapping[bytes, str], now: float) -> Iterator[float]:
    for name, text in said.items():
        if b"-reset" not in name or said.get(name.replace(b"-reset", b"-remaining"), "0") not in ("0", "0.0"):
            continue
        seconds = duration(text)
        if seconds is None:
            seconds = _point_in_time(text, now)
        elif seconds > _EPOCH_MILLISECONDS:
            seconds = seconds / 1000 - now
        elif seconds > _EPOCH_SECONDS:
            seconds -= now
        if seconds is not None:
            yield seconds


def _point_in_time(text: str, now: float) -> float | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp() - now
