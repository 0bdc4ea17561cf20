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
    responses = "input_tokens" in usage or "output_tokens" in usage
    prefix = ("input", "output") if responses else ("prompt", "completion")
    details_in = usage.get(f"{prefix[0]}_tokens_details")
    details_out = usage.get(f"{prefix[1]}_tokens_details")
    return Usage(
        input=_count(usage.get(f"{prefix[0]}_tokens")),
        output=_count(usage.get(f"{prefix[1]}_tokens")),
        cached_input=_of(details_in, "cached_tokens") or _count(usage.get("prompt_cache_hit_tokens")),
        cache_write=_of(details_in, "cache_write_tokens"),
        reasoning=_of(details_out, "reasoning_tokens"),
    )


def _of(details: Any, name: str) -> int:
    return _count(details.get(name)) if isinstance(details, dict) else 0


def _count(value: Any) -> int:
    try:
        return max(0, int(float(value))) if value is not None else 0
    except (TypeError, ValueError, OverflowError):
        return 0
