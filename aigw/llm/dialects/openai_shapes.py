"""What OpenAI's operations have in common in their answers."""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage


def chat_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` as chat, completions and embeddings tell it: the parts are inside of their wholes."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def responses_usage(usage: Usage) -> dict[str, Any]:
    """``usage`` as responses tell it."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def error_fields(error: ProviderError) -> dict[str, Any]:
    """The ``error`` object that OpenAI's SDK reads."""
    kind = "rate_limit_exceeded" if error.type == "rate_limit_error" else error.type
    return {"message": error.message, "type": kind, "param": error.param, "code": error.code}


def error_body(error: ProviderError, request_id: str) -> bytes:
    """An error as OpenAI answers it, with Kong's members beside (contract section 4)."""
    return orjson.dumps({"message": error.message, "request_id": request_id, "error": error_fields(error)})


def error_event(error: ProviderError) -> bytes:
    """A server-sent event on which OpenAI's SDK raises."""
    return b"data: %s\n\n" % orjson.dumps({"error": error_fields(error)})
