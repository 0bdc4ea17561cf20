"""JSON as providers really send it.

What a client sends is read strictly; see :mod:`aigw.llm.body`. A provider's answer cannot be refused for a byte: a
half of a character that a tokeniser cut off, or half of a surrogate pair, costs that character and not the answer
(U+FFFD stands in for it; :mod:`aigw.llm.halves` remembers what may be half of a character in a stream). What comes out
can be written again, by orjson and as UTF-8: what is nested so deeply that it could not be is no JSON here.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from aigw.llm import large_json
from aigw.llm.halves import half_text

_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
#: Whole numbers of more bits are read as orjson reads them: as floats.
_MOST_BITS: Final = 63
#: Levels that a value may have: fewer than the 254 that orjson writes, since writers put theirs around it.
_MOST_DEPTH: Final = 200
_AROUND: Final = 54
#: Bytes from which on a text is read in slices.
_LARGE: Final = 4 * 1024 * 1024


def loads(text: bytes) -> Any:
    """``text`` as JSON; None if it is none, or has more than a million objects and arrays."""
    if len(text) > _LARGE:
        return _loads_large(text)
    value = peek(text)
    return value if value is None or len(text) <= 2 * _MOST_DEPTH or _is_writable(text, value) else None


def _loads_large(text: bytes) -> Any:
    """The same in slices, between which other threads run. Bytes that are no UTF-8 are repaired, halves of surrogate
    pairs and whole numbers of hundreds of digits are not."""
    for form in (text, text.decode("utf-8-sig", "replace").encode()):
        try:
            return large_json.loads(form, large_json.give_way, _MOST_DEPTH)
        except large_json.JsonTooLarge:
            return None
        except large_json.InvalidJson:
            continue
    return None


def peek(text: bytes) -> Any:
    """``text`` as JSON that is only read, whatever its depth; None if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _repaired(text)


def dumps(value: Any) -> str:
    """``value``, which :func:`loads` has read, as JSON text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(value, separators=(",", ":"))


def _is_writable(text: bytes, value: Any) -> bool:
    if text.count(b"{") + text.count(b"[") <= _MOST_DEPTH:
        return True
    for _ in range(_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _repaired(text: bytes) -> Any:
    try:
        return _without_halves(json.loads(text.decode("utf-8-sig", "replace"), strict=False))
    except (ValueError, RecursionError, OverflowError):
        return None


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        readable = _SURROGATES.sub("\ufffd", value)
        return value if readable == value else half_text(value, readable)
    if isinstance(value, list):
        return [_without_halves(each) for each in value]
    if isinstance(value, dict):
        return {_SURROGATES.sub("\ufffd", name): _without_halves(each) for name, each in value.items()}
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return float(value)
    return value
