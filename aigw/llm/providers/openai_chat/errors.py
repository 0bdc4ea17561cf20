"""What servers of chat completions complain of, whichever way they say it.

OpenAI's ``{"error": {…}}`` is one form of many: the error as a string beside a code (xAI, Ollama), in a list of one
(Gemini's compatible API), flat (``{"object": "error", …}``: vLLM, Mistral), FastAPI's ``detail``, an API gateway's
``message``, another provider's error as text inside of the message (OpenRouter, proxies), HTML, plain text, nothing.
All become one :class:`~aigw.llm.reply.ProviderError` with the server's own message, and with OpenAI's word for what
happened where it is one of those that programs look for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aigw.llm import lenient
from aigw.llm.error_wordings import has_no_quota, is_too_long
from aigw.llm.reply import ProviderError, type_of_status
from aigw.llm.wire import Headers
from aigw.numbers import decimal

#: Bytes of a body that are looked at, and characters of a message that are kept.
_MOST_BODY, _MOST_MESSAGE = 1 << 20, 4000
#: How many errors may be inside of each other.
_DEPTH = 4

#: Where a text for people may be, in the order of preference.
_MESSAGES = ("message", "Message", "msg", "detail", "error_description", "error_message", "title", "reason")

_TITLE = re.compile(r"<(/?)(title|h1)(?![a-z0-9])[^<>]*>", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r"<[^<>]*>")
_RETRY = re.compile(
    r"(?:retry|try again) (?:after|in) (?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:([\d.]{1,12})\s*(ms|s))?", re.IGNORECASE
)

#: What tells an error that programs look for, beside those of :mod:`aigw.llm.error_wordings`: words in its code, type
#: or message, the code, the status that it has whatever the server says. The first that is found counts.
_KNOWN: tuple[tuple[re.Pattern[str], str, int | None], ...] = tuple(
    (re.compile(words, re.IGNORECASE), code, status)
    for words, code, status in (
        (
            r"content_filter|content_policy_violation|ResponsibleAIPolicy|content management policy",
            "content_filter",
            400,
        ),
        (
            r"invalid_api_key|incorrect api key|invalid api.?key|api key not valid|API_KEY_INVALID"
            r"|invalid subscription key|no auth credentials",
            "invalid_api_key",
            401,
        ),
        (
            r"model_not_found|DeploymentNotFound|(?:model|deployment) .{0,200}(?:does not exist|not found)"
            r"|invalid_model|not a valid model|unknown model|no such model|model_not_available",
            "model_not_found",
            None,
        ),
    )
)
#: What a status alone says, where neither words nor the server's own code do.
_BY_STATUS = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}
#: Types that say no more than the status does.
_GENERIC = frozenset(
    (
        "",
        "api_error",
        "authentication_error",
        "badrequesterror",
        "bad_request_error",
        "error",
        "internal_server_error",
        "internalservererror",
        "invalid_request",
        "invalid_request_error",
        "not_found_error",
        "notfounderror",
        "none",
        "null",
        "permission_error",
        "rate_limit_error",
        "requests",
        "server_error",
        "tokens",
        "upstream_error",
    )
)


def provider_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """What an answer of ``status`` 400 or above complains of. Never raises."""
    told = any(name.lower().startswith(b"retry-after") for name, _ in headers)
    if not 400 <= status <= 599:
        status = 502
    fields = lenient.loads(body) if len(body) <= _MOST_BODY else None
    found = error_in(fields)
    if found is None:
        found = {"message": _plain(body[:_MOST_BODY].decode("utf-8", "replace"), status)}
    return _understood(found, status, retry=not told)


def stream_error(fields: Any) -> ProviderError:
    """What an error inside an answer of status 200 complains of; ``fields`` is its JSON."""
    found = error_in(fields) or {}
    return _understood(found, _status_of(found) or 502, retry=True)


def error_in(fields: Any, depth: int = _DEPTH) -> dict[str, Any] | None:
    """The members of an error in JSON, the innermost one if errors are nested; None if there is no error in it."""
    if isinstance(fields, list) and fields:
        fields = fields[0]
    if not isinstance(fields, dict):
        return {"message": fields} if isinstance(fields, str) and fields else None
    found = _unwrapped(fields)
    inner = _nested(found) if depth else None
    deeper = error_in(inner, depth - 1) if inner is not None else None
    if deeper is not None and _message(deeper):
        return {**{name: value for name, value in found.items() if name != "message"}, **deeper}
    return found if _message(found) or found is not fields else None


def _unwrapped(fields: dict[str, Any]) -> dict[str, Any]:
    """What is inside of ``error``, with what is beside it."""
    error = fields.get("error", fields.get("errors"))
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        # {"error": "Bad Request", "message": "what was wrong"}, or the text itself with a code beside it.
        told = _message({name: value for name, value in fields.items() if name != "error"})
        return {**fields, "message": told or error}
    return fields


def _nested(error: dict[str, Any]) -> Any:
    """Another provider's error that is quoted in this one, as JSON; None if there is none."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    for text in (raw, error.get("message")):
        if isinstance(text, dict | list):
            return text
        fields = _json_in(text) if isinstance(text, str) else None
        if fields is not None:
            return fields
    return None


def _json_in(text: str) -> Any:
    """The JSON that ``text`` is, or ends in if that is an error (``Error code: 400 - {"error": …}``); else None."""
    if not text.rstrip().endswith(("}", "]")):
        return None
    begin = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=0)
    fields = lenient.loads(text[begin:].encode("utf-8", "replace"))
    first = fields[0] if isinstance(fields, list) and fields else fields
    if not isinstance(first, dict) or (begin and "error" not in first and first.get("object") != "error"):
        return None
    return first


def _message(error: Mapping[str, Any]) -> str:
    """An error's text for people; empty if it has none."""
    for name in _MESSAGES:
        value = error.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_MOST_MESSAGE]
        if name == "detail" and isinstance(value, list):
            return "; ".join(filter(None, map(_complaint, value)))[:_MOST_MESSAGE]
        if isinstance(value, dict):
            inner = _message(value)
            if inner:
                return inner
    return ""


def _complaint(detail: Any) -> str:
    """One of FastAPI's validation errors: where, and what."""
    if not isinstance(detail, dict):
        return detail if isinstance(detail, str) else ""
    where, what = _where(detail), detail.get("msg")
    return ": ".join(each for each in (where, what) if isinstance(each, str) and each)


def _where(detail: Mapping[str, Any]) -> str:
    path = detail.get("loc")
    return ".".join(str(each) for each in path if each != "body") if isinstance(path, list) else ""


def _understood(error: dict[str, Any], status: int, *, retry: bool) -> ProviderError:
    message = _message(error) or f"the provider answered with status {status} and no message"
    code, fixed = _code(error, message, status)
    status = fixed if fixed is not None else status
    return ProviderError(
        status,
        type_of_status(status),
        message,
        code,
        _param(error),
        _retry_after(error, message) if retry and status in (429, 503, 529) else None,
    )


def _code(error: dict[str, Any], message: str, status: int) -> tuple[str | None, int | None]:
    """The code, and the status that it has in any case."""
    own, inner = _word(error.get("code")), error.get("innererror")
    inner_code = _word(inner.get("code")) if isinstance(inner, dict) else None
    told = f"{own} {_word(error.get('type'))} {_word(error.get('status'))} {inner_code}"
    words = f"{told} {message[:1000]}"
    known_by_status = status in (404, 429, 402)
    if not known_by_status and is_too_long(message, told, status):
        return "context_length_exceeded", 400
    if has_no_quota(message, told, status) and not _says_when(error):
        return "insufficient_quota", None
    if not known_by_status:
        for known, code, fixed in _KNOWN:
            if known.search(words):
                return code, fixed
    else:
        own = next((code for known, code, fixed in _KNOWN if fixed is None and known.search(words)), own)
    if own is None or own.isdigit():
        kind = _word(error.get("type")) or ""
        own = _BY_STATUS.get(status) or (kind if kind.lower() not in _GENERIC and not kind.isdigit() else None)
    return own, None


def _says_when(error: Mapping[str, Any]) -> bool:
    """Whether Google names a time to come again: its "quota" is a rate then, be it of a minute or of a day."""
    details = error.get("details")
    return isinstance(details, list) and any(isinstance(each, dict) and "retryDelay" in each for each in details)


def _word(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)[:200] or None


def _param(error: Mapping[str, Any]) -> str | None:
    param = error.get("param")
    if isinstance(param, str) and param:
        return param[:200]
    details = error.get("detail")
    first = details[0] if isinstance(details, list) and details else None
    return (_where(first) or None) if isinstance(first, dict) else None


def _status_of(error: Mapping[str, Any]) -> int | None:
    """The HTTP status that an error object names."""
    for name in ("status", "status_code", "code", "http_code", "raw_status_code"):
        number = _word(error.get(name))
        if number is not None and len(number) == 3 and number.isascii() and number.isdigit() and number[0] in "45":
            return int(number)
    words = f"{_word(error.get('code'))} {_word(error.get('type'))} {_word(error.get('status'))}".lower()
    return next((status for word, status in _STATUSES if word in words), None)


#: Words in an error's code or type and the status that they stand for; the first that is found counts.
_STATUSES = (
    ("rate_limit", 429),
    ("insufficient_quota", 429),
    ("too_many_requests", 429),
    ("resource_exhausted", 429),
    ("overloaded", 529),
    ("authentication", 401),
    ("unauthorized", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("context", 400),
    ("content_filter", 400),
    ("invalid_request", 400),
    ("badrequest", 400),
    ("tool_use_failed", 400),
    ("json_validate_failed", 400),
    ("unavailable", 503),
    ("timeout", 504),
    ("server_error", 500),
    ("internal", 500),
)


def _retry_after(error: Mapping[str, Any], message: str) -> float | None:
    """Seconds, from words ("try again in 1m7.66s") or from Google's RetryInfo."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return _seconds(delay[:-1])
    found = _RETRY.search(message)
    if found is None or not any(found.groups()):
        return None
    rest = _seconds(found[3]) or 0.0
    total = int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + (rest / 1000 if found[4] == "ms" else rest)
    return total or None


def _seconds(text: str | None) -> float | None:
    seconds = decimal(text)
    return seconds if seconds is not None and seconds < 10**6 else None


def _plain(text: str, status: int) -> str:
    """A message out of a body that is not JSON: its title if it is HTML."""
    text = text.strip()
    if not text:
        return f"the provider answered with status {status} and an empty body"
    if not text.startswith("<"):
        return text[:_MOST_MESSAGE]
    words = _title(text[:4096])
    return f"the provider answered with status {status} and a page of HTML" + (f": {words[:200]}" if words else "")


def _title(page: str) -> str:
    """The words of the first title, or heading, that a page has."""
    opened: dict[str, int] = {}
    for tag in _TITLE.finditer(page):
        name = tag[2].lower()
        if not tag[1]:
            opened.setdefault(name, tag.end())
        elif name in opened:
            return " ".join(_TAG.sub(" ", page[opened[name] : tag.start()]).split())
    return ""
