"""Errors in streams: the gateway's own in the client's dialect, and an upstream's understood.

Compatible servers know many ways to say that a stream failed: ``{"error": {…}}`` or ``{"error": "text"}`` as OpenAI
or Ollama do, a list of one of these (Gemini), ``{"type": "error", …}`` (responses, Anthropic), ``{"object": "error",
…}`` (older vLLM), an event of type ``error`` with anything in it (Groq).
"""

from __future__ import annotations

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


def error_event(error: GatewayError, request_id: str, operation: str, *, sequence: int = 0) -> bytes:
    """One server-sent event that tells the client of ``operation`` that its stream broke.

    OpenAI's SDK raises on data with an ``error`` member; in a stream of responses it expects an event of type
    ``error`` with the error's members beside the type; Anthropic's raises on an event of type ``error``.

    :param sequence: in a stream of responses, the number of events so far, which is this one's number.
    """
    if operation in (MESSAGES, COUNT_TOKENS):
        inner = {"type": error.type, "message": error.message}
        fields: dict[str, object] = {"type": "error", "error": inner, "request_id": request_id}
        return b"event: error\ndata: %s\n\n" % orjson.dumps(fields)
    if operation == RESPONSES:
        fields = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
        return b"event: error\ndata: %s\n\n" % orjson.dumps({**fields, "sequence_number": sequence})
    return b"data: %s\n\n" % orjson.dumps({"error": {**error.as_dict(), "request_id": request_id}})


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
