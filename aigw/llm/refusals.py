"""What an upstream's refusal says to the question whether the call could be answered elsewhere."""

from __future__ import annotations

from aigw.llm.providers.anthropic.errors import from_body
from aigw.llm.providers.openai_chat.errors import provider_error
from aigw.llm.reply import ProviderError
from aigw.llm.wire import Headers

#: Codes of errors that decide, and what they decide by.
_REASONS = {
    "context_length_exceeded": "context_length",
    "request_too_large": "context_length",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "insufficient_quota": "quota",
    "invalid_answer": "invalid_answer",
    "stream_not_continued": "not_continued",
    "billing_hard_limit_reached": "quota",
}


def understood(status: int, headers: Headers, body: bytes, *, anthropic: bool) -> ProviderError:
    """An error that was not translated, since client and upstream speak one dialect.

    :param anthropic: which is Anthropic's.
    """
    return from_body(status, body) if anthropic else provider_error(status, headers, body)


def reason(error: ProviderError) -> str:
    """``context_length``, ``content_filter``, ``quota``, ``invalid_answer``, ``not_continued``, or nothing."""
    return _REASONS.get(error.code or "", "")
