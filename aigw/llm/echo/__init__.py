"""The built-in provider's answers: OpenAI's shapes around an echo, for demos, tests and docs without a network.

Chat and the like answer with what they were told, word by word in a stream; ``model = "error-429"`` answers with an
error of that status. Tokens are words, so usage counts, and ``max_tokens`` cuts. The same call at the same second
gets the same answer, as a stream or whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from aigw.llm.echo.chat import chat
from aigw.llm.echo.completions import completions
from aigw.llm.echo.embeddings import embeddings
from aigw.llm.echo.parts import JSON, Call, EchoReply, TooMuch, whole
from aigw.llm.echo.responses import responses
from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RESPONSES

__all__ = ["EchoReply", "reply"]

_ERROR = re.compile(r"error-([45]\d\d)", re.ASCII)

#: Bytes that an answer may have, and how many times those of its request beside: a word of a stream is an event.
_ROOM, _TIMES = 1 << 20, 64

#: Status to type and code, as OpenAI has them.
_ERRORS = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def reply(operation: str, fields: Mapping[str, Any], *, now: float) -> EchoReply:
    """The answer to a call.

    :param fields: the request's body; empty for models.
    :param now: Unix time, for ``created``.
    """
    model = str(fields.get("model") or "echo")
    refused = _ERROR.fullmatch(model)
    if refused:
        return _error(int(refused[1]), f"the model {model} answers with this error")
    answer = _ANSWERS.get(operation)
    if answer is None:
        return _error(404, "the echo provider has chat, completions, embeddings, responses and models only")
    # What tells this answer from others, the same whether it is streamed or not.
    asked = orjson.dumps({name: value for name, value in fields.items() if name not in ("stream", "stream_options")})
    identity = hashlib.sha256(b"%s %d %s" % (operation.encode(), now, asked)).hexdigest()[:24]
    try:
        return answer(Call(fields, model, identity, int(now), _ROOM + _TIMES * len(asked)))
    except TooMuch:
        return _error(400, "the echo would be too large: ask for less at once (n, dimensions, a shorter text)")


def _error(status: int, message: str) -> EchoReply:
    kind, code = _ERRORS.get(status, ("server_error", "server_error"))
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = (*JSON, (b"retry-after", b"1")) if status == 429 else JSON
    return EchoReply(status, headers, orjson.dumps(body))


def _models(call: Call) -> EchoReply:
    entry = {"id": "echo", "object": "model", "created": call.now, "owned_by": "aigw"}
    return whole({"object": "list", "data": [entry]})


_ANSWERS: dict[str, Callable[[Call], EchoReply]] = {
    CHAT: chat,
    COMPLETIONS: completions,
    EMBEDDINGS: embeddings,
    RESPONSES: responses,
    MODELS: _models,
}
