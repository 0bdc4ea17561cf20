"""What Google's APIs complain of: ``google.rpc.Status`` as JSON (https://google.aip.dev/193).

Bodies come as an object, as a list of one (streams without ``alt=sse``, the OpenAI-compatible paths), as a bare
string, or as a page of HTML where not even the path was understood.
"""

from __future__ import annotations

from typing import Any

from aigw.llm import lenient
from aigw.llm.error_wordings import has_no_quota, is_too_long
from aigw.llm.reply import ProviderError, type_of_status
from aigw.numbers import decimal

#: Canonical codes and the status that they stand for (https://cloud.google.com/apis/design/errors).
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "DATA_LOSS": 500,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
#: Reasons of ``google.rpc.ErrorInfo`` that say more than the status: a wrong key is a 400 at Google.
_REASONS = {"API_KEY_INVALID": 401, "API_KEY_EXPIRED": 401, "ACCESS_TOKEN_EXPIRED": 401}
#: OpenAI's words.
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
#: What of Google's "quota" says that there is no more of it until somebody pays, or until tomorrow.
_DAY = "PerDay"
_EVERY_QUOTA = ("exceeded your current quota", "check your plan and billing")


def google_error(status: int, body: bytes) -> ProviderError:
    """The error that an answer of ``status`` 400 or above carries; never raises."""
    status = status if status <= 599 else 502  # no status of HTTP's
    error = error_object(lenient.loads(body)) if body.strip() else None
    if error is None:
        text = "" if b"<" in body[:100] else body[:500].decode("utf-8", "replace").strip()
        return made(status, text or f"Google answered {status} without saying why", None)
    return from_object(error, status)


def error_object(fields: Any) -> dict[str, Any] | None:
    """The error in a body or in a stream's event; None if there is none."""
    if isinstance(fields, list) and fields:
        fields = fields[0]
    error = fields.get("error") if isinstance(fields, dict) else None
    if isinstance(error, str) and error:
        described = fields.get("error_description")
        return {"message": f"{error}: {described}" if isinstance(described, str) else error}
    return error if isinstance(error, dict) and error else None


def from_object(error: dict[str, Any], status: int | None = None) -> ProviderError:
    """An error object in the normal form.

    :param status: of the answer; None within a stream, whose own was 200.
    """
    details = error.get("details")
    details = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    word = error.get("status") if isinstance(error.get("status"), str) else None
    number = error.get("code")
    if status is None:
        known = isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599
        status = number if known else _STATUSES.get(word or "", 500)
    reasons = [each.get("reason") for each in details]
    status = next((_REASONS[each] for each in reasons if isinstance(each, str) and each in _REASONS), status or 500)
    message = error.get("message")
    text = message if isinstance(message, str) and message else f"Google answered {word or status}"
    told = " ".join(each for each in reasons if isinstance(each, str))
    return made(status, text, word, _retry_after(details), told, used_up=_is_used_up(details))


def made(
    status: int,
    message: str,
    word: str | None,
    retry_after: float | None = None,
    told: str = "",
    *,
    used_up: bool = False,
) -> ProviderError:
    """An error with OpenAI's code, where it has one, or else Google's.

    :param told: the reasons of its details.
    :param used_up: they say that a day's quota is.
    """
    code = _CODES.get(status) or (word.lower() if word else None)
    if status not in (402, 404, 429) and is_too_long(message, told, status):
        code = "context_length_exceeded"
    elif used_up or has_no_quota(_without_rates(message), told, status):
        code = "insufficient_quota"
    return ProviderError(status, type_of_status(status), message, code, None, retry_after)


def _is_used_up(details: list[dict[str, Any]]) -> bool:
    """Whether ``google.rpc.QuotaFailure`` names a quota of a day (``GenerateRequestsPerDayPerProjectPerModel``), for
    which it does not help to wait as long as ``RetryInfo`` says (https://ai.google.dev/gemini-api/docs/rate-limits)."""
    for each in details:
        violations = each.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            quota = violation.get("quotaId") if isinstance(violation, dict) else None
            if isinstance(quota, str) and _DAY in quota:
                return True
    return False


def _without_rates(message: str) -> str:
    """``message`` without the sentence that Google also begins with where a minute's rate is exceeded."""
    return "" if any(each in message for each in _EVERY_QUOTA) else message


def _retry_after(details: list[dict[str, Any]]) -> float | None:
    """``google.rpc.RetryInfo``: seconds, as in ``34.4s``."""
    for each in details:
        delay = each.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            seconds = decimal(delay[:-1])
            if seconds is not None:
                return seconds if seconds < 1e9 else None
    return None
