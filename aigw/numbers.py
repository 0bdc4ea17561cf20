"""Numbers and dates as they come off the wire: bounded, so that no text is too long or too strange for them.

Python's own functions are made for programs: ``int`` reads underscores, signs, blanks and other scripts' digits, and
raises on more than 4,300 digits (after having read them: the work grows with their square); ``float`` reads ``inf``
and ``nan``; dates of the year 0, of zones with twenty digits and of the year 10,000 raise whatever their parts raise.
Here what is no number or date is None, whoever sent it; what that means (a 400, a 502, nothing) is the caller's
to know.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

#: Digits of the largest number that 64 bits hold.
_MOST_DIGITS: Final = 20
_DECIMAL: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?")
#: What the three forms of RFC 9110 section 5.6.7 consist of, and how long the longest is.
_DATE: Final = re.compile(r"[A-Za-z0-9,:+ -]{8,48}")
#: The same for RFC 3339, with nine digits behind the seconds.
_TIMESTAMP: Final = re.compile(r"[0-9TtZz:+. -]{8,40}")


def whole(text: bytes | str | None, most: int) -> int | None:
    """The whole number that ``text`` is, in ASCII digits and nothing else; None if it is none, or above ``most``.

    Leading zeros count as digits: a length that is written with hundreds of them is meant to be misread by somebody.
    """
    if text is None or not text or len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= most else None


def decimal(text: str | None) -> float | None:
    """The number of at most 15 digits, and 9 behind a point, that ``text`` is; None if it is none."""
    return float(text) if text is not None and _DECIMAL.fullmatch(text) else None


def http_date(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP has it (RFC 9110 section 5.6.7); None if it is none.

    RFC 5322's other zones are understood as well. A date without a zone is one in UTC.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        return _seconds(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def timestamp(text: str) -> float | None:
    """Seconds since 1970 of a date and time as RFC 3339 has it, UTC if it names no zone; None if it is none."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return _seconds(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        return None


def count(value: Any, most: int) -> int | None:
    """The whole number from 0 to ``most`` that a member of some JSON is; None if it is none, or a boolean.

    A float counts, rounded down: some servers write ``12.0``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return math.floor(value)


def _seconds(when: datetime) -> float:
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
