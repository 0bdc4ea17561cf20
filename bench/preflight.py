"""Before a load of calls: a gateway that lets anybody in is not measured."""

from __future__ import annotations

import http.client
import json
from typing import Any

from bench import traffic
from bench.certificates import HOST
from bench.errors import WrongAnswerError
from bench.peers.peer import Headers, Target

_SECONDS = 30


def check(target: Target, request: bytes = traffic.CHAT_REQUEST, answer: bytes = traffic.CHAT_ANSWER) -> bytes:
    """The right key gets the right answer; on a gateway, no key and a wrong key are refused.

    :return: the answer's body, which a target that writes answers anew must give again and again.
    :raises WrongAnswerError: they do not.
    """
    status, body = call(target, dict(target.headers), request)
    right = body == answer if target.reading == "exact" else _says_the_same(body, answer)
    if status != 200 or not right:
        raise WrongAnswerError(f"{target.name}: {status} {body[:500]!r} instead of the upstream's answer")
    for headers in target.strangers:
        status, refusal = call(target, headers)
        if status not in target.refusals:
            raise WrongAnswerError(f"{target.name}: {status} {refusal[:500]!r} instead of {target.refusals}")
    return body


def _says_the_same(body: bytes, answer: bytes) -> bool:
    """Whether an answer that was written anew has what its reader needs of the upstream's."""
    try:
        return _essence(json.loads(body)) == _essence(json.loads(answer))
    except (ValueError, KeyError, TypeError):
        return False


def _essence(answer: dict[str, Any]) -> list[Any]:
    choices = [
        (choice["index"], choice["message"]["role"], choice["message"]["content"], choice["finish_reason"])
        for choice in answer["choices"]
    ]
    usage = [answer["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    return [answer["id"], answer["object"], answer["system_fingerprint"], choices, usage]


def call(target: Target, headers: Headers, request: bytes = traffic.CHAT_REQUEST) -> tuple[int, bytes]:
    """One call on a connection of its own: status and body.

    :raises OSError: there was no answer.
    """
    connection: http.client.HTTPConnection
    if target.certificates:
        context = target.certificates.client_context()
        connection = http.client.HTTPSConnection(HOST, target.port, timeout=_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_SECONDS)
    try:
        connection.request("POST", target.path, request, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
