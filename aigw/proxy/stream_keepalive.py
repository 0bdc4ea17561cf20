"""A stream's client that waits: after a while it gets its status and a comment, and more comments as time goes on.

Some clients, and some proxies in front of us, give up when no response has begun for a minute; a model that thinks for
long, or a target that fails before another one answers, takes longer. A comment is no event: nothing of an answer has
been told, so other targets can still be asked. But the status is out, so an error can only be told as an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigw.errors import GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.headers import Header
from aigw.llm import events
from aigw.llm.errors import error_of
from aigw.proxy.refusal import Refusal

if TYPE_CHECKING:
    from aigw.proxy.exchange import Exchange

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_COMMENT = b": waiting for the model\n\n"


class StreamKeepalive:
    """See the module's head.

    :param seconds: how long a client waits for the next sign of life.
    """

    def __init__(self, exchange: Exchange, deadlines: Deadlines, seconds: float) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._deadline = deadlines.after(seconds, self._send_keepalive)

    def _send_keepalive(self) -> None:
        exchange = self._exchange
        if not exchange.request.status:
            exchange.open(200, list(_HEADERS))
        exchange.request.write(_COMMENT)
        self._deadline.restart(self._seconds)

    def end(self) -> None:
        """The answer has begun, or there will be none."""
        self._deadline.discard()


def as_error(refusal: Refusal) -> GatewayError:
    """What an upstream answered instead of a stream, as an error that an event can tell."""
    if refusal.error is not None:
        return refusal.error
    told = error_of(events.read(refusal.body)) or {}
    message, code, kind = (told.get(name) for name in ("message", "code", "type"))
    text = message if isinstance(message, str) else f"the upstream answered with status {refusal.status}"
    error = GatewayError(text, code=code if isinstance(code, str) else refusal.code)
    error.type = kind if isinstance(kind, str) else "upstream_error"
    return error
