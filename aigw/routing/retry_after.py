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

from aigw.numbers import decimal, http_date, timestamp

Header = tuple[bytes, bytes]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(h|ms|m|s|us|µs|μs|ns)")
#: Characters of a duration, a number or a date; Go's longest have half as many. Nothing longer is looked at.
_LONGEST = 64
#: Numbers above these are no durations but points in time: seconds, or milliseconds, since 1970.
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 1e9, 1e12
#: Nobody means more; what says more is broken.
_MOST = 30 * 86400.0


def retry_after(headers: Sequence[Header], told: float | None, now: float) -> float | None:
    """Seconds for which not to ask again; None if nothing is said.

    :param headers: of the response; names in lower case.
    :param told: seconds, where its body says so.
    :param now: seconds since 1970.
    """
    said = {
        name: value.decode("latin-1").strip()
        for name, value in headers
        if (b"retry" in name or b"ratelimit" in name) and len(value) <= _LONGEST
    }
    for seconds in (
        _milliseconds(said.get(b"retry-after-ms")),
        parse_retry_after(said.get(b"retry-after"), now),
        told,
        max(_resets(said, now), default=None),
    ):
        if seconds is not None and math.isfinite(seconds) and seconds <= _MOST:
            return max(0.0, seconds)
    return None


def _milliseconds(text: str | None) -> float | None:
    number = decimal(text)
    return number / 1000 if number is not None else None


def duration(text: str) -> float | None:
    """A duration as Go or a plain number of seconds; None if it is neither."""
    number = decimal(text)
    if number is not None or not text:
        return number
    seconds, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        seconds += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    return seconds


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a ``retry-after`` says, less than none for a date that is over; None if it says nothing."""
    if text is None:
        return None
    seconds = duration(text)
    return seconds if seconds is not None else _from(http_date(text), now)


def _from(when: float | None, now: float) -> float | None:
    return when - now if when is not None else None


def _resets(said: Mapping[bytes, str], now: float) -> Iterator[float]:
    for name, text in said.items():
        if b"-reset" not in name or said.get(name.replace(b"-reset", b"-remaining"), "0") not in ("0", "0.0"):
            continue
        seconds = duration(text)
        if seconds is None:
            seconds = _from(timestamp(text), now)
        elif seconds > _EPOCH_MILLISECONDS:
            seconds = seconds / 1000 - now
        elif seconds > _EPOCH_SECONDS:
            seconds -= now
        if seconds is not None:
            yield seconds
