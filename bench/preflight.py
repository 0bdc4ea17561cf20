"""Before the chat work: a gateway that lets anybody in is not measured."""

from __future__ import annotations

import http.client

from bench import traffic
from bench.errors import WrongAnswerError
from bench.peers.peer import Target


def check(target: Target) -> None:
    """The right key gets the right answer; on a gateway, no key and a wrong key get 401.

    :raises WrongAnswerError: they do not.
    """
    status, body = _call(target, dict(target.headers))
    if (status, body) != (200, traffic.CHAT_ANSWER):
        raise WrongAnswerError(f"{target.name}: {status} {body[:500]!r} instead of the upstream's answer")
    if target.pid is None:
        return
    keyless = {name: value for name, value in target.headers.items() if name != "apikey"}
    for headers in (keyless, {**keyless, "apikey": "not-a-key"}):
        status, body = _call(target, headers)
        if status != 401:
            raise WrongAnswerError(f"{target.name}: {status} {body[:500]!r} instead of 401")


def _call(target: Target, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
    try:
        connection.request("POST", target.path, traffic.CHAT_REQUEST, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
