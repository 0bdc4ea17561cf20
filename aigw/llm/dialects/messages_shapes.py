"""What Anthropic's messages look like in their answers, streamed or whole."""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm import events
from aigw.llm import reply as r
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage

_REASONS = {
    r.STOP: "end_turn",
    r.LENGTH: "max_tokens",
    r.TOOL_CALLS: "tool_use",
    r.CONTENT_FILTER: "refusal",
    r.STOP_SEQUENCE: "stop_sequence",
    r.REFUSAL: "refusal",
    r.PAUSE: "pause_turn",
}

#: OpenAI's words for kinds of errors, and Anthropic's where those are others.
_ERROR_TYPES = {
    "server_error": "api_error",
    "upstream_error": "api_error",
    "insufficient_quota": "billing_error",
}

_STATUS_TYPES = {413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}

#: What Claude Code looks for in a message to know that it has to shorten the conversation.
_TOO_LONG = "prompt is too long"


def stop_reason(reason: str, called: bool, refused: bool) -> str:
    """Anthropic's word for why an answer ended.

    :param called: tools were called, whatever the provider says of the reason.
    :param refused: the model said that it would not answer.
    """
    if refused:
        return "refusal"
    if reason in (r.STOP, r.TOOL_CALLS):
        return "tool_use" if called else "end_turn"
    return _REASONS.get(reason, "end_turn")


def usage_fields(usage: Usage | None) -> dict[str, Any]:
    """``usage`` as Anthropic tells it: the input is what no cache had a part in."""
    told = usage or Usage()
    fields: dict[str, Any] = {
        "input_tokens": max(0, told.input - told.cached_input - told.cache_write),
        "cache_creation_input_tokens": told.cache_write,
        "cache_read_input_tokens": told.cached_input,
        "output_tokens": told.output,
    }
    hour = told.cache_write_1h
    if hour is not None:
        five = max(0, told.cache_write - hour)
        fields["cache_creation"] = {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour}
    if told.reasoning:
        fields["output_tokens_details"] = {"thinking_tokens": told.reasoning}
    return fields


def error_fields(error: ProviderError) -> dict[str, Any]:
    """The ``error`` object that Anthropic's SDK reads."""
    kind = _STATUS_TYPES.get(error.status) or _ERROR_TYPES.get(error.type, error.type)
    message = error.message
    if error.code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    return {"type": kind, "message": message}


def error_body(error: ProviderError, request_id: str) -> bytes:
    """An error as Anthropic answers it, with Kong's ``message`` beside (contract section 4)."""
    fields = error_fields(error)
    return orjson.dumps({"type": "error", "error": fields, "message": fields["message"], "request_id": request_id})


def input_of(arguments: str) -> dict[str, Any]:
    """A call's arguments; those that are no object (cut off, for instance) are kept as the text that they are."""
    fields = events.read(arguments.encode("utf-8", "replace")) if arguments.strip() else {}
    return fields if isinstance(fields, dict) else {"_raw": arguments}


def citation_of(annotation: Any) -> dict[str, Any] | None:
    """One of OpenAI's annotations as one of Anthropic's citations; None if it is nothing of the kind."""
    kind = annotation.get("type") if isinstance(annotation, dict) else None
    cited = annotation.get(kind) if isinstance(kind, str) else None
    if not isinstance(cited, dict):
        return None
    if kind != "url_citation":
        rest = {name: value for name, value in cited.items() if name not in ("start_index", "end_index")}
        return {"type": kind, **rest}
    title, url = cited.get("title"), cited.get("url")
    if not isinstance(url, str):
        return None
    place = {"type": "web_search_result_location", "cited_text": "", "encrypted_index": ""}
    return {**place, "title": title if isinstance(title, str) else None, "url": url}
