"""How many tokens a call used, in one normal form for all providers.

``input`` is everything the model read, cached or not; ``cached_input`` and ``cache_write`` are parts of it.
``output`` is everything it wrote, visible or not; ``reasoning`` is part of it.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Usage:
    """Tokens of one call.

    :ivar partial: the call was not completed: what was seen of it, or an estimate.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    partial: bool = False


def from_openai(usage: Any) -> Usage | None:
    """The normal form of OpenAI's ``usage``: of chat, completions and embeddings, or of responses.

    Tolerates what compatible servers make of it: missing members, nulls, floats, numbers in strings.

    :returns: None if ``usage`` is not an object.
    """
    if not isinstance(usage, dict):
        return None
    get = usage.get
    if "input_tokens" in usage or "output_tokens" in usage:
        read, written = get("input_tokens"), get("output_tokens")
        about_read, about_written = get("input_tokens_details"), get("output_tokens_details")
    else:
        read, written = get("prompt_tokens"), get("completion_tokens")
        about_read, about_written = get("prompt_tokens_details"), get("completion_tokens_details")
    cached = cache_write = reasoning = None
    if isinstance(about_read, dict):
        cached, cache_write = about_read.get("cached_tokens"), about_read.get("cache_write_tokens")
    if isinstance(about_written, dict):
        reasoning = about_written.get("reasoning_tokens")
    cached = _count(cached) or _count(get("prompt_cache_hit_tokens"))  # the latter is DeepSeek's
    return Usage(_count(read), _count(written), cached, _count(cache_write), _count(reasoning))


def _count(value: Any) -> int:
    if value is None:
        return 0
    if type(value) is int:
        return value if value > 0 else 0
    try:
        return max(0, int(float(value)))
    except (TypeError, ValueError, OverflowError):
        return 0
