"""How many tokens a call used, in one normal form for all providers.

``input`` is everything the model read, cached or not; ``cached_input`` and ``cache_write`` are parts of it.
``output`` is everything it wrote, visible or not; ``reasoning`` is part of it.
"""

from __future__ import annotations

from typing import Any

import attrs

#: No call uses more; a number beyond it is nonsense that neither a counter nor a log line should have to bear.
_MOST = 10**12

_TOLD = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")


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

    Tolerates what compatible servers make of it: missing members, nulls, floats, numbers in strings, DeepSeek's
    cache hits beside the prompt's, xAI's reasoning beside the completion's.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict) or not any(name in usage for name in _TOLD):
        return None
    read, written = ("input", "output") if "input_tokens" in usage or "output_tokens" in usage else _CHAT
    details_in = usage.get(f"{read}_tokens_details")
    reasoning = _of(usage.get(f"{written}_tokens_details"), "reasoning_tokens")
    input_, output = _count(usage.get(f"{read}_tokens")), _count(usage.get(f"{written}_tokens"))
    if reasoning and _count(usage.get("total_tokens")) == input_ + output + reasoning:
        output += reasoning  # xAI: the total includes the reasoning, the completion does not
    return Usage(
        input=input_,
        output=output,
        cached_input=_of(details_in, "cached_tokens") or _count(usage.get("prompt_cache_hit_tokens")),
        cache_write=_of(details_in, "cache_write_tokens"),
        reasoning=reasoning,
    )


def from_anthropic(usage: Any) -> Usage | None:
    """The normal form of Anthropic's ``usage``, whose input leaves out what was read from a cache or written to one.

    In a stream the usage of later events overrides, member by member, what earlier ones told: lay them over each
    other first.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict) or not any(name in usage for name in _TOLD):
        return None
    cached = _count(usage.get("cache_read_input_tokens"))
    written = _count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input=_count(usage.get("input_tokens")) + cached + written,
        output=_count(usage.get("output_tokens")),
        cached_input=cached,
        cache_write=written,
        reasoning=_of(usage.get("output_tokens_details"), "thinking_tokens"),
    )


_CHAT = ("prompt", "completion")


def _of(details: Any, name: str) -> int:
    return _count(details.get(name)) if isinstance(details, dict) else 0


def _count(value: Any) -> int:
    if type(value) is int:
        return value if 0 <= value <= _MOST else 0
    try:
        return _count(int(float(value))) if value is not None else 0
    except (TypeError, ValueError, OverflowError):
        return 0
