"""What Anthropic complains of (https://platform.claude.com/docs/en/api/errors)."""

from __future__ import annotations

from typing import Any

from aigw.llm import lenient
from aigw.llm.error_wordings import has_no_quota, is_too_long
from aigw.llm.errors import error_of
from aigw.llm.reply import ProviderError, type_of_status

#: Anthropic's types: the status of each, OpenAI's type and code.
_TYPES: dict[str, tuple[int, str, str | None]] = {
    "invalid_request_error": (400, "invalid_request_error", None),
    "authentication_error": (401, "authentication_error", "invalid_api_key"),
    "billing_error": (402, "insufficient_quota", "insufficient_quota"),
    "permission_error": (403, "permission_error", None),
    "not_found_error": (404, "not_found_error", None),
    "conflict_error": (409, "conflict_error", None),
    "request_too_large": (413, "invalid_request_error", "request_too_large"),
    "rate_limit_error": (429, "rate_limit_error", "rate_limit_exceeded"),
    "api_error": (500, "server_error", None),
    "timeout_error": (504, "timeout_error", None),
    "overloaded_error": (529, "overloaded_error", "overloaded"),
}

#: Statuses that say enough where the type is missing or unknown.
_CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded", 529: "overloaded"}

_MOST = 2000


def from_body(status: int, body: bytes) -> ProviderError:
    """The error in the body of an answer of ``status``, whatever that body is."""
    status = status if status <= 599 else 502  # no status of HTTP's
    fields = lenient.loads(body)
    error = error_of(fields)
    if error is None:
        text = body.decode("utf-8", "replace").strip()
        return _unknown(status, f"the provider answered {status}" if not text or "<" in text[:100] else text[:_MOST])
    return from_object(error, status)


def from_object(error: dict[str, Any], status: int | None = None) -> ProviderError:
    """An error object, of a body or of a stream's ``error`` event.

    :param status: of the answer; None in a stream, whose status said that all was well.
    """
    message = error.get("message")
    message = message if isinstance(message, str) and message else "the provider reported an error"
    inner = error_of(lenient.loads(message.encode("utf-8", "replace"))) if message.startswith(("{", "[")) else None
    if inner is not None:  # Vertex wraps Anthropic's error into a message of its own
        return from_object(inner, status)
    kind = error["type"] if isinstance(error.get("type"), str) else ""
    details = error.get("details")
    inner_code = details.get("error_code") if isinstance(details, dict) else None
    told = f"{kind} {inner_code}" if isinstance(inner_code, str) else kind
    known = _TYPES.get(kind)
    if known is None:
        return _unknown(status or 500, message, told)
    own_status, kind, code = known
    return ProviderError(status or own_status, kind, message, _code(message, told, status or own_status) or code)


def _unknown(status: int, message: str, told: str = "") -> ProviderError:
    code = _code(message, told, status) or _CODES.get(status)
    return ProviderError(status, type_of_status(status), message, code)


def _code(message: str, told: str, status: int) -> str | None:
    """The code that the words of an error stand for.

    :param told: its type, and the ``details.error_code`` that some have.
    """
    if status not in (402, 404, 429) and is_too_long(message, told, status):
        return "context_length_exceeded"
    if has_no_quota(message, told, status):
        return "insufficient_quota"
    return "model_not_found" if status == 404 and "model:" in message.lower() else None
