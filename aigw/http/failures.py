"""How a call to an upstream can fail, as far as the wire knows."""

from __future__ import annotations

from typing import Final

#: Every kind of failure, and what it means.
KINDS: Final = {
    "credential": "what the upstream asks for as a credential could not be made",
    "connect": "no connection: refused, unreachable, timed out by the network",
    "dns": "the host's name does not resolve",
    "tls": "the TLS handshake or the certificate's verification failed",
    "reset": "the connection was closed before one byte of the response",
    "cut": "the connection was closed within the response",
    "protocol": "what came is not HTTP, or is beyond the limits",
    "queue_full": "too many calls wait for a connection",
}


class CallFailure(Exception):
    """A call did not bring a complete response.

    :param message: names the upstream and the reason, nothing that was sent or received.
    :ivar kind: one of :data:`KINDS`.
    :ivar began: a response head had been delivered.
    """

    def __init__(self, kind: str, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.kind = kind
        self.began = began


class BadResponse(Exception):
    """What an upstream sent is no response that may be passed on. The message says why, in half a sentence."""


class CertificateRefused(Exception):
    """A server's certificate does not prove that it is the server that was meant. The message says why."""


class EventTooLarge(Exception):
    """A server-sent event is longer than the framer's bound. The framer has nothing of the stream any more.

    :ivar before: the complete events that came before it and were not given out yet.
    :ivar behind: what has come from that event's first byte on.
    """

    def __init__(self, message: str, before: bytes, behind: bytes) -> None:
        super().__init__(message)
        self.before = before
        self.behind = behind
