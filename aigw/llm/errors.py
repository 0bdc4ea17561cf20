"""Errors in streams: the gateway's own in the client's dialect, and an upstream's understood.

Compatible servers know many ways to say that a stream failed: ``{"error": {…}}`` or ``{"error": "text"}`` as OpenAI
or Ollama do, a list of one of these (Gemini), ``{"type": "error", …}`` (responses, Anthropic), ``{"object": "error",
…}`` (older vLLM), an event of type ``error`` with anything in it (Groq).
"""

from __future__ import annotations

import time
from typing import Any, Final

import attrs
import orjson

from aigw.errors import GatewayError
from aigw.llm import events, lenient
from aigw.llm.operations import COUNT_TOKENS, MESSAGES, RESPONSES

#: Words in an error's code or type and the status that they stand for; the first that is found counts.
_STATUSES: Final = (
    ("rate_limit", 429),
    ("insufficient_quota", 429),
    ("too_many_requests", 429),
    ("resource_exhausted", 429),
    ("overloaded", 529),
    ("authentication", 401),
    ("billing_error", 402),
    ("unauthorized", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("request_too_large", 413),
    ("context_length", 400),
    ("content_filter", 400),
    ("invalid_request", 400),
    ("bad_request", 400),
    ("unavailable", 503),
    ("timeout", 504),
)

#: Reasons for the end of a choice that are failures, in lower case: those of
#: :mod:`aigw.llm.providers.openai_chat.reasons`, which is above this module and says what each means.
FAILED_REASONS: Final = frozenset(
    (
        *("abort", "aborted", "cancelled", "error", "insufficient_system_resource"),
        *("malformed_function_call", "network_error"),
    )
)

#: What the data of an event that is an error begin with, without blanks.
_ERROR_BEGINS: Final = (
    b'{"error":{',
    b'{"error":"',
    b'[{"error":{',
    b'{"type":"error"',
    b'{"object":"error"',
)


def error_event(
    error: GatewayError,
    request_id: str,
    operation: str,
    *,
    sequence: int = 0,
    response: dict[str, Any] | None = None,
) -> bytes:
    """What tells the client of ``operation`` that its stream broke, as server-sent events.

    OpenAI's SDK raises on data with an ``error`` member; Anthropic's raises on an event of type ``error``. A stream of
    responses fails with two events: Codex knows ``response.failed``, OpenAI's SDK raises on ``error`` (contract section
    4); the documentation has the latter's members beside its type, the API itself has them in an object.

    :param sequence: in a stream of responses, the number of events so far, which is the next one's number. Where it is
        0, the response has to begin first.
    :param response: what is known of that response: ``id``, ``created_at``, ``model``.
    """
    if operation in (MESSAGES, COUNT_TOKENS):
        inner = {"type": error.type, "message": error.message}
        fields: dict[str, object] = {"type": "error", "error": inner, "request_id": request_id}
        return b"event: error\ndata: %s\n\n" % orjson.dumps(fields)
    if operation == RESPONSES:
        return _failed_response(error, request_id, sequence, response or {})
    return b"data: %s\n\n" % orjson.dumps({"error": {**error.as_dict(), "request_id": request_id}})


def _failed_response(error: GatewayError, request_id: str, sequence: int, known: dict[str, Any]) -> bytes:
    """The last events of a stream of responses that broke."""
    told = {"code": error.code, "message": error.message, "param": error.param}
    last: list[tuple[str, dict[str, Any]]] = [
        ("response.failed", {"response": _failed(error.message, request_id, known)}),
        ("error", {**told, "error": {**told, "type": error.type}}),
    ]
    if not sequence:
        last.insert(0, ("response.created", {"response": _response(request_id, known)}))
    return _numbered(last, sequence)


def response_failed(error: dict[str, Any], request_id: str, sequence: int, known: dict[str, Any]) -> bytes:
    """The event that fails a response whose provider has sent an ``error`` event and no more: Codex reads no other.

    :param error: the provider's.
    """
    message = error.get("message")
    told = message if isinstance(message, str) and message else "the provider failed"
    return _numbered([("response.failed", {"response": _failed(told, request_id, known)})], sequence)


def _response(request_id: str, known: dict[str, Any]) -> dict[str, Any]:
    """A response of which nothing else is known."""
    return {
        "id": known.get("id") or f"resp_{request_id}",
        "object": "response",
        "created_at": known.get("created_at") or int(time.time()),
        "model": known.get("model") or "",
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def _failed(message: str, request_id: str, known: dict[str, Any]) -> dict[str, Any]:
    reason = {"code": "server_error", "message": message}
    return {**_response(request_id, known), "status": "failed", "error": reason}


def _numbered(told: list[tuple[str, dict[str, Any]]], sequence: int) -> bytes:
    written: list[bytes] = []
    for kind, fields in told:
        numbered = {"type": kind, "sequence_number": sequence + len(written), **fields}
        written.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(numbered)))
    return b"".join(written)


@attrs.frozen
class StreamError:
    """A stream's first event that is an error, as the answer it should have been.

    :ivar body: JSON as the client's dialect has it; members that OpenAI does not have stay beside its own.
    """

    status: int
    body: bytes = attrs.field(repr=False)


def first_event_error(event: bytes, operation: str) -> StreamError | None:
    """The error that ``event``, the first of a stream of ``operation``, is; None for any other event."""
    if b"error" not in event and b"\\u00" not in event:
        return None
    fields = lenient.loads(events.data(event))
    if isinstance(fields, dict) and fields.get("type") == "response.failed":
        fields = fields.get("response")
    error = event_error(event, fields)
    if error is None:
        return None
    body = _as_anthropic(error, fields) if operation in (MESSAGES, COUNT_TOKENS) else {"error": _as_openai(error)}
    return StreamError(error_status(error), orjson.dumps(body))


def begins_as_error(beginning: bytes) -> bool:
    """Whether an event is an error as far as its beginning, of a few hundred bytes, tells."""
    data = events.data(beginning + b"\n\n").translate(None, b" \t\r\n")
    return events.kind(beginning) == b"error" or data.startswith(_ERROR_BEGINS)


def event_error(event: bytes, fields: Any) -> dict[str, Any] | None:
    """The error object of an event, whichever way it is told; None if the event is no error.

    :param fields: the event's data, as JSON.
    """
    error = error_of(fields)
    if error is None and b"error" in event and event[:4] != b"data" and events.kind(event) == b"error":
        return fields if isinstance(fields, dict) else {"message": events.data(event).decode("utf-8", "replace")}
    return error


def error_of(fields: Any) -> dict[str, Any] | None:
    """The error object in a JSON body or event; None if it is no error."""
    if isinstance(fields, list) and len(fields) == 1:
        fields = fields[0]
    if not isinstance(fields, dict):
        return None
    error = fields.get("error")
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        return {"message": error, "code": fields.get("code")}
    if fields.get("type") == "error" or fields.get("object") == "error":
        own = {name: value for name, value in fields.items() if name not in ("object", "sequence_number", "error")}
        return {**own, "type": None} if own.get("type") == "error" else own
    return None


def choice_error(choice: dict[str, Any]) -> dict[str, Any] | None:
    """The error with which a choice of a chat ends: OpenRouter's ``error`` inside of it, or a reason that is one."""
    error, reason = choice.get("error"), choice.get("finish_reason")
    if isinstance(error, dict) and error:
        return error
    if isinstance(reason, str) and reason.lower() in FAILED_REASONS:
        return {"message": "the provider ended the answer with an error", "code": reason}
    return {"message": error, "code": reason} if isinstance(error, str) and error else None


def error_status(error: dict[str, Any]) -> int:
    """The HTTP status that an error object stands for: the one it names, else what its words say, else 500."""
    for name in ("status", "status_code", "code"):
        number = str(error.get(name))
        if len(number) == 3 and number.isascii() and number.isdigit() and number[0] in "45":
            return int(number)
    words = f"{error.get('code')} {error.get('type')} {error.get('status')}".lower()
    return next((status for word, status in _STATUSES if word in words), 500)


def _as_openai(error: dict[str, Any]) -> dict[str, Any]:
    message = error.get("message")
    return {
        **error,
        "message": message if isinstance(message, str) else "the upstream reported an error",
        "type": _word(error.get("type")),
        "param": _word(error.get("param")),
        "code": _word(error.get("code")),  # llama.cpp and Google have a number; clients expect a word
    }


def _as_anthropic(error: dict[str, Any], fields: Any) -> dict[str, Any]:
    """What Anthropic's SDK reads; what is already of that form stays as it is."""
    if isinstance(fields, dict) and fields.get("type") == "error" and fields.get("error") is error:
        return fields
    message = error.get("message")
    message = message if isinstance(message, str) else "the upstream reported an error"
    return {"type": "error", "error": {**error, "type": _word(error.get("type")) or "api_error", "message": message}}


def _word(value: Any) -> str | None:
    return None if value is None else str(value)[:200]
