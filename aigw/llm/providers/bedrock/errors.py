"""What Bedrock complains of, by the exception's name.

The name is in the header ``x-amzn-errortype``, or in the body's ``__type``, sometimes nowhere. Sources: the ``errors``
of https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, and AWS's common errors.
"""

from __future__ import annotations

import re
from typing import Any

from aigw.llm import lenient
from aigw.llm.error_wordings import has_no_quota, is_too_long
from aigw.llm.providers.openai_chat import provider_error
from aigw.llm.reply import ProviderError, type_of_status
from aigw.llm.wire import Headers

#: The exceptions in lower case, without "Exception": status, and OpenAI's code.
_EXCEPTIONS: dict[str, tuple[int, str | None]] = {
    "accessdenied": (403, None),
    "internalserver": (500, None),
    "internalfailure": (500, None),
    "modelerror": (502, "model_error"),
    "modelnotready": (429, "model_not_ready"),
    "modelstreamerror": (502, "model_error"),
    "modeltimeout": (504, "model_timeout"),
    "requesttimeout": (504, None),
    "resourcenotfound": (404, "model_not_found"),
    "servicequotaexceeded": (400, "insufficient_quota"),
    "serviceunavailable": (503, None),
    "throttling": (429, "rate_limit_exceeded"),
    "toomanyrequests": (429, "rate_limit_exceeded"),
    "unknownoperation": (404, "unknown_operation"),
    "validation": (400, None),
    # Signatures and keys: 403 at AWS, and the fault of the key that the gateway has.
    "expiredtoken": (401, "invalid_api_key"),
    "incompletesignature": (401, "invalid_api_key"),
    "invalidclienttokenid": (401, "invalid_api_key"),
    "invalidsignature": (401, "invalid_api_key"),
    "missingauthenticationtoken": (401, "invalid_api_key"),
    "notauthorized": (401, "invalid_api_key"),
    "optinrequired": (401, "invalid_api_key"),
    "requestexpired": (401, "invalid_api_key"),
    "signaturedoesnotmatch": (401, "invalid_api_key"),
    "unrecognizedclient": (401, "invalid_api_key"),
}

#: Statuses that mean something else to clients, where no name tells more.
_STATUSES = {408: 504, 424: 502}

#: What a message says: the statuses that it counts for, the code, the status that it really is.
_PHRASES: tuple[tuple[re.Pattern[str], frozenset[int], str, int], ...] = tuple(
    (re.compile(words, re.IGNORECASE), frozenset(statuses), code, status)
    for words, statuses, code, status in (
        (
            r"maximum (?:context|number of (?:input )?tokens)"
            r"|exceeds? the (?:maximum|model's) (?:context|input|number)",
            (400,),
            "context_length_exceeded",
            400,
        ),
        (r"content filter|content polic", (400,), "content_filter", 400),
        (r"support counting tokens", (400,), "operation_not_supported", 404),
        (r"model identifier is invalid|model .{0,200}(?:not found|does not exist)", (400, 404), "model_not_found", 404),
        (r"api key|bearer token|security token|signature", (403,), "invalid_api_key", 401),
    )
)


def from_answer(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer of status 400 or above. Never raises."""
    error = provider_error(status, headers, body)
    told = next((value for name, value in headers if name.lower() == b"x-amzn-errortype"), b"")
    name = told.decode("latin-1") or name_in(lenient.loads(body[: 1 << 20]))
    return _named(name, error)


def from_event(name: str, payload: bytes) -> ProviderError:
    """The error that an exception in a stream is."""
    fields = lenient.loads(payload)
    message = message_in(fields)
    original = fields.get("originalMessage") if isinstance(fields, dict) else None
    if isinstance(original, str) and original and original not in message:
        message = f"{message}: {original}" if message else original
    error = ProviderError(500, "server_error", message or f"the provider broke the stream off: {name or 'no reason'}")
    return _named(name, error)


def from_whole(fields: Any) -> ProviderError:
    """The error that an answer of status 200 is which is no answer."""
    name, message = name_in(fields), message_in(fields)
    if not name and not message:
        return ProviderError(502, "server_error", "the provider's answer is no message", "invalid_answer")
    if _plain(name) == "unknownoperation":
        message = message or "the provider knows no such operation: is the model's name right, is the url?"
    return _named(name, ProviderError(502, "server_error", message or f"the provider answered with {name}"))


def name_in(fields: Any) -> str:
    """The exception's name in a body, empty if it tells none."""
    if not isinstance(fields, dict):
        return ""
    for names in (fields, fields.get("Output")):
        kind = names.get("__type") if isinstance(names, dict) else None
        if isinstance(kind, str):
            return kind
    code = fields.get("code")
    return code if isinstance(code, str) else ""


def message_in(fields: Any) -> str:
    """The words for people in a body, empty if there are none."""
    values = [fields.get(name) for name in ("message", "Message")] if isinstance(fields, dict) else []
    return next((value[:4000] for value in values if isinstance(value, str)), "")


def _plain(name: str) -> str:
    """An exception's name as the table has it: ``com.amazon.coral#ThrottlingException:http://…`` is a throttling."""
    plain = name.partition(":")[0].rpartition("#")[2].lower()
    return plain.removesuffix("exception").removesuffix("error") or plain


def _named(name: str, error: ProviderError) -> ProviderError:
    plain = _plain(name)
    known = _EXCEPTIONS.get(plain) or _EXCEPTIONS.get(f"{plain}error")  # "ModelError" has lost its end
    status, code = known or (_STATUSES.get(error.status, error.status), error.code)
    if status == 400 and is_too_long(error.message, "", status):
        code = "context_length_exceeded"
    elif has_no_quota(error.message, "", status):
        code = "insufficient_quota"
    for words, statuses, theirs, really in _PHRASES:
        if status in statuses and words.search(error.message):
            status, code = really, theirs
            break
    return ProviderError(status, type_of_status(status), error.message, code, error.param, error.retry_after)
