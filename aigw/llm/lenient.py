"""JSON as providers really send it.

What a client sends is read strictly; see :mod:`aigw.llm.body`. A provider's answer cannot be refused for a byte: a
half of a character that a tokeniser cut off, or half of a surrogate pair, costs that character and not the answer
(U+FFFD stands in for it). What comes out can be written as UTF-8.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_SURROGATES = re.compile("[\ud800-\udfff]")


def loads(text: bytes) -> Any:
    """``text`` as JSON; None if it is none."""
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


def _repaired(text: bytes) -> Any:
    try:
        return _without_halves(json.loads(text.decode("utf-8-sig", "replace"), strict=False))
    except (ValueError, RecursionError):
        return None


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(each) for each in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(each) for name, each in value.items()}
    return value
