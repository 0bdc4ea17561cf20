"""How many tokens a call used, in one normal form for all providers.

``input`` is everything the model read, cached or not; ``cached_input`` and ``cache_write`` are parts of it.
``output`` is everything it wrote, visible or not; ``reasoning`` is part of it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

#: No call uses more; a number beyond it is nonsense that neither a counter nor a log line should have to bear.
MOST_TOKENS: Final = 10**12

_TOLD: Final = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")

#: What is read of Anthropic's usage, whatever else is in it.
ANTHROPIC_COUNTS: Final = (
    *_TOLD,
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
)


class Usage:
    """Tokens of one call. A value: whoever has one does not change it.

    A plain class, since one is made for each call: compiled, that costs a tenth of what attrs' does.

    :ivar partial: the call was not completed: what was seen of it, or an estimate.
    :ivar cache_write_1h: of ``cache_write``, what is kept for an hour and not for five minutes; None: nobody told.
    """

    __slots__ = ("cache_write", "cache_write_1h", "cached_input", "input", "output", "partial", "reasoning")

    def __init__(
        self,
        input: int = 0,  # noqa: A002, the conventions' word
        output: int = 0,
        cached_input: int = 0,
        cache_write: int = 0,
        reasoning: int = 0,
        partial: bool = False,
        cache_write_1h: int | None = None,
    ) -> None:
        self.input = input
        self.output = output
        self.cached_input = cached_input
        self.cache_write = cache_write
        self.reasoning = reasoning
        self.partial = partial
        self.cache_write_1h = cache_write_1h

    def counts(self) -> tuple[int, int, int, int, int]:
        """All five, in the order in which they are given."""
        return self.input, self.output, self.cached_input, self.cache_write, self.reasoning

    def cut(self, output: int | None = None) -> Usage:
        """The same of a call that was not completed.

        :param output: what it wrote, if more is known of that.
        """
        read, written, cached, cache_write, reasoning = self.counts()
        output = written if output is None else output
        return Usage(read, output, cached, cache_write, reasoning, True, self.cache_write_1h)

    def __add__(self, other: Usage) -> Usage:
        """Of two calls together."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached_input + other.cached_input,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            self.partial or other.partial,
            _added(self.cache_write_1h, other.cache_write_1h),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Usage):
            return NotImplemented
        return (
            self.counts() == other.counts()
            and self.partial == other.partial
            and self.cache_write_1h == other.cache_write_1h
        )

    def __hash__(self) -> int:
        return hash(self.counts())

    def __repr__(self) -> str:
        read, written, cached, cache_write, reasoning = self.counts()
        return (
            f"Usage(input={read}, output={written}, cached_input={cached}, cache_write={cache_write},"
            f" reasoning={reasoning}, partial={self.partial}, cache_write_1h={self.cache_write_1h})"
        )


def from_openai(usage: Any) -> Usage | None:
    """The normal form of OpenAI's ``usage``: of chat, completions and embeddings, or of responses.

    Tolerates what compatible servers make of it: missing members, nulls, floats, numbers in strings, cache hits
    beside the prompt's details (DeepSeek, Moonshot), reasoning that is only in the total (xAI, Gemini's compatible
    API) or beside its details.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict):
        return None
    for names in (_RESPONSES, _CHAT):
        if names.read in usage or names.written in usage:
            return _from_openai(usage, names)
    return None


def _from_openai(usage: dict[str, Any], names: _Names) -> Usage:
    details_in, details_out = usage.get(names.read_details), usage.get(names.written_details)
    input_, output = _count(usage.get(names.read)), _count(usage.get(names.written))
    reasoning = _of(details_out, "reasoning_tokens") or _count(usage.get("reasoning_tokens"))
    beside = _count(usage.get("total_tokens")) - input_ - output
    if reasoning and (beside == reasoning or reasoning > output):
        output += reasoning  # xAI: the total includes the reasoning, the completion does not
    elif beside > 0 and details_out is None and names.written in usage:
        output, reasoning = output + beside, beside  # Gemini's thoughts are in its total only
    return Usage(
        input=input_,
        output=output,
        cached_input=_of(details_in, "cached_tokens") or _first(usage, _CACHED),
        cache_write=_first(details_in, _CACHE_WRITES),
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
    kept = usage.get("cache_creation")
    hour = _of(kept, "ephemeral_1h_input_tokens") if isinstance(kept, dict) else None
    return Usage(
        input=_count(usage.get("input_tokens")) + cached + written,
        output=_count(usage.get("output_tokens")),
        cached_input=cached,
        cache_write=written,
        reasoning=_of(usage.get("output_tokens_details"), "thinking_tokens"),
        cache_write_1h=hour,
    )


def from_gemini(usage: Any) -> Usage | None:
    """The normal form of Gemini's ``usageMetadata``, on AI Studio and on Vertex AI.

    Thoughts are counted beside the candidates' tokens, unless the total says that they are among them; what tools that
    Google runs brought in is read by the model too.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict):
        return None
    read = _count(usage.get("promptTokenCount")) + _count(usage.get("toolUsePromptTokenCount"))
    written, thoughts = _count(usage.get("candidatesTokenCount")), _count(usage.get("thoughtsTokenCount"))
    if not (read or written or thoughts):
        return None
    among = written >= thoughts and _count(usage.get("totalTokenCount")) == read + written
    return Usage(
        input=read,
        output=written if among else written + thoughts,
        cached_input=_count(usage.get("cachedContentTokenCount")),
        reasoning=thoughts,
    )


def from_bedrock(usage: Any) -> Usage | None:
    """The normal form of Converse's ``usage``, whose input leaves out what was read from a cache or written to one.

    The counts of caches have other names in older streams; all are understood.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict) or not ("inputTokens" in usage or "outputTokens" in usage):
        return None
    cached = _first(usage, ("cacheReadInputTokens", "cacheReadInputTokenCount"))
    written = _first(usage, ("cacheWriteInputTokens", "cacheWriteInputTokenCount"))
    details = usage.get("cacheDetails")
    kept = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    return Usage(
        input=_count(usage.get("inputTokens")) + cached + written,
        output=_count(usage.get("outputTokens")),
        cached_input=cached,
        cache_write=written,
        cache_write_1h=sum(_of(each, "inputTokens") for each in kept if each.get("ttl") == "1h") if kept else None,
    )


def from_cohere(usage: Any) -> Usage | None:
    """The normal form of Cohere's ``usage``: of the tokens that the model read and wrote, not of those that are billed.

    :returns: None if ``usage`` is not an object or tells no tokens.
    """
    if not isinstance(usage, dict):
        return None
    tokens = usage.get("tokens") or usage.get("billed_units")
    if not isinstance(tokens, dict) or not ("input_tokens" in tokens or "output_tokens" in tokens):
        return None
    read = _of(tokens, "input_tokens")
    return Usage(
        input=read,
        output=_of(tokens, "output_tokens"),
        cached_input=min(read, _count(usage.get("cached_tokens"))),
    )


def from_ollama(fields: Any) -> Usage | None:
    """The normal form of the counts in an answer of Ollama's own API; a prompt that was cached is not counted there.

    :returns: None if ``fields`` is not an object or tells no tokens.
    """
    if not isinstance(fields, dict) or not ("prompt_eval_count" in fields or "eval_count" in fields):
        return None
    return Usage(input=_count(fields.get("prompt_eval_count")), output=_count(fields.get("eval_count")))


def _added(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


class _Names(NamedTuple):
    """What OpenAI calls the counts: one way in its older operations, another in the newer ones."""

    read: str
    written: str
    read_details: str
    written_details: str


_CHAT: Final = _Names("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
_RESPONSES: Final = _Names("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
#: What was read from a cache (beside the details) or written to one (in them), by the names that servers have for it.
_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens")
_CACHE_WRITES: Final = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")


def _first(counts: Any, names: tuple[str, ...]) -> int:
    for name in names:
        count = _of(counts, name)
        if count:
            return count
    return 0


def _of(details: Any, name: str) -> int:
    return _count(details.get(name)) if isinstance(details, dict) else 0


def _count(value: Any) -> int:
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else 0
    try:
        return _count(int(float(value))) if value is not None else 0
    except (TypeError, ValueError, OverflowError):
        return 0
