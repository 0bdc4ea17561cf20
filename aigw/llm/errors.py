"""Errors inside a stream, in the client's dialect."""

from __future__ import annotations

import orjson

from aigw.errors import GatewayError
from aigw.llm.operations import COUNT_TOKENS, MESSAGES, RESPONSES


def error_event(error: GatewayError, request_id: str, operation: str) -> bytes:
    """One server-sent event that tells the client of ``operation`` that its stream broke.

    OpenAI's SDK raises on a ``data:`` object with an ``error`` member, in a stream of responses on an event of type
    ``error``; Anthropic's on an event of type ``error``.
    """
    if operation in (MESSAGES, COUNT_TOKENS):
        fields = {
            "type": "error",
            "error": {"type": error.type, "message": error.message},
            "request_id": request_id,
        }
        return b"event: error\ndata: %s\n\n" % orjson.dumps(fields)
    if operation == RESPONSES:
        flat = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
        return b"event: error\ndata: %s\n\n" % orjson.dumps(flat)
    return b"data: %s\n\n" % orjson.dumps({"error": {**error.as_dict(), "request_id": request_id}})
