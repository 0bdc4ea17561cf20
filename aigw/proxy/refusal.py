"""How an attempt ends that brings no answer: what it means for the call, and what the client would be told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from aigw.errors import GatewayError, Overloaded, UpstreamFailed, UpstreamTimeout
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.llm.refusals import reason, understood
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.proxy.relay import KEPT_WHOLE, PassedBody, ResponseHead
from aigw.routing.floors import floor
from aigw.routing.retry import Failure, kind_of_status

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt

_PHASES = {
    "connect": "did not accept a connection",
    "first_byte": "did not begin to answer",
    "first_token": "did not send a first event",
    "idle": "fell silent",
    "total": "did not finish",
}

_FAILURES = {
    "connect": "could not be reached",
    "dns": "has a host name that does not resolve",
    "tls": "could not be reached over TLS",
    "reset": "closed the connection without an answer",
    "cut": "broke off its answer",
    "protocol": "sent something that is not a proper HTTP response",
    "queue_full": "has too many calls waiting for a connection",
    "credential": "cannot be called without a credential",
}

#: Failures that say that no whole response came, rather than no connection.
_CUTS = frozenset(("reset", "cut", "protocol"))

#: What a client can do something about, whatever other targets say afterwards.
_CLIENTS_FAULT = frozenset(("context_length",))


@attrs.frozen
class Refusal:
    """See the module's head. Either ``error``, or the upstream's own answer.

    :ivar outcome: of the attempt, for metrics; empty where there was none.
    """

    failure: Failure
    outcome: str
    error: GatewayError | None = None
    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def code(self) -> str:
        """A short word for the log."""
        return self.error.code if self.error is not None else "upstream_error"

    @property
    def says_when(self) -> bool:
        """Whether the client is told when to come again."""
        if self.error is not None:
            return self.error.retry_after is not None
        return any(name.startswith(b"retry-after") for name, _ in self.headers)

    def outweighs(self, later: Refusal) -> bool:
        """Whether the client should be told of this one although ``later`` came after it."""
        return self.failure.kind in _CLIENTS_FAULT and later.failure.kind not in _CLIENTS_FAULT


def of_call(backend: str, failure: CallFailure, *, sent: bool, repeatable: bool) -> Refusal:
    """The call broke."""
    what = _FAILURES.get(failure.kind, "failed")
    outcome = "cut" if failure.began or failure.kind in _CUTS else "connect"
    # The wire's words begin with host and port, which are not for clients: the backend's name stands for them.
    why = str(failure) if failure.kind == "credential" else str(failure).partition(" ")[2]
    error = UpstreamFailed(f"backend {backend} {what}: {why}", code=f"upstream_{failure.kind}")
    return Refusal(Failure(failure.kind, sent, repeatable=repeatable), outcome, error)


def of_timeout(backend: str, which: str, seconds: float, *, sent: bool, repeatable: bool) -> Refusal:
    """One of the five timeouts ran out."""
    error = UpstreamTimeout(f"backend {backend} {_PHASES[which]} within {seconds:g} s ({which} timeout)", which=which)
    return Refusal(Failure(f"{which}_timeout", sent, repeatable=repeatable), "timeout", error)


def of_queue(backend: str, what: str) -> Refusal:
    """There is no room at the backend."""
    error = Overloaded(f"backend {backend} {what}", code="backend_busy", retry_after=1)
    return Refusal(Failure("queue_full", sent=False), "", error)


def of_answer(
    head: ResponseHead,
    raw: list[Header],
    status: int,
    headers: list[Header],
    body: bytes,
    error: ProviderError | None,
    anthropic: bool,
    repeatable: bool,
) -> Refusal:
    """The upstream answered with an error.

    :param raw: the headers as they came.
    :param status: what the client would be told, ``headers`` and ``body`` likewise.
    :param error: the same, understood; None if nobody has read it yet.
    """
    if error is None:
        error = understood(status, raw, b"" if head.encoded else body, anthropic=anthropic)
    wait = floor(raw, error.retry_after, time.time())
    says = next((value.strip().lower() for name, value in raw if name == b"x-should-retry"), b"")
    should_retry = {b"true": True, b"false": False}.get(says)
    failure = Failure(kind_of_status(status, reason(error)), True, wait, should_retry, repeatable)
    return Refusal(failure, outcome_of(status), None, status, tuple(headers), body)


def of_error_event(error: ProviderError, without_secrets: Callable[[bytes], bytes], *, repeatable: bool) -> Refusal:
    """The upstream ends a stream, of which the client has the beginning, with an error."""
    message = without_secrets(error.message.encode("utf-8", "replace")).decode("utf-8", "replace")
    failure = Failure(kind_of_status(error.status, reason(error)), repeatable=repeatable)
    return Refusal(failure, "cut", UpstreamFailed(message, code=error.code or "upstream_error"))


def of_broken_error(refusal: Refusal, status: int, raw: list[Header]) -> Refusal:
    """The upstream answered with an error, which broke off: its status decides, but it cannot be shown."""
    failure = attrs.evolve(refusal.failure, kind=kind_of_status(status), floor=floor(raw, None, time.time()), sent=True)
    return attrs.evolve(refusal, failure=failure, outcome=outcome_of(status))


def outcome_of(status: int) -> str:
    """An error's outcome for metrics."""
    return "status_5xx" if status >= 500 else "status_4xx"


class ErrorBody:
    """The relay of an error: kept until it can be decided by it, whether the call goes on elsewhere."""

    def __init__(self, attempt: Attempt, head: ResponseHead) -> None:
        self._attempt = attempt
        self._head = head
        self._body = bytearray()

    def data(self, data: bytes) -> None:
        """Keep it; if it is too much, decide by what is there, and pass it on if it is the client's."""
        self._body += data
        if len(self._body) > KEPT_WHOLE:
            attempt, head, body = self._attempt, self._head, bytes(self._body)
            if attempt.goes_on(head.status, head.headers, body):
                return
            passed = attempt.relay = PassedBody(attempt, head)
            passed.data(attempt.without_secrets(body))

    def end(self, delimited: bool) -> None:
        """All of it is there."""
        head = self._head
        self._attempt.answer_error(head.status, head.headers, bytes(self._body))

    def broken(self, error: GatewayError) -> None:
        """Nothing was sent yet: the exchange tells the client."""

    def seen(self) -> Usage | None:
        """Errors cost nothing."""
        return None
