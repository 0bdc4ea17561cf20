"""How an attempt ends that brings no answer: what it means for the call, and what the client would be told of it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from aigw.errors import GatewayError, Overloaded, UpstreamFailed, UpstreamTimeout
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.llm.refusals import reason, understood
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.proxy.relay import ResponseHead
from aigw.routing.retry import Failure, kind_of_status
from aigw.routing.retry_after import retry_after

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
    "credential": "cannot be called without a credential",
}

#: Failures that say that no whole response came, rather than no connection.
_CUTS = frozenset(("reset", "cut", "protocol"))

#: What a client can do something about, whatever other targets say afterwards.
_CLIENTS_FAULT = frozenset(("context_length",))

#: Bytes of an error that are read. All that a client is shown was searched for our credential, so what is longer, or in
#: a coding that cannot be read, is not shown: the gateway says so with the same status.
MOST_ERROR = 1024 * 1024

#: A provider's headers that mean the same to a client of another dialect, or beside another body.
_KEPT = (b"retry-after", b"x-ratelimit-", b"x-should-retry", b"anthropic-ratelimit-")


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
        error = self.error
        if error is not None and error.retry_after is not None:
            return True
        headers = error.headers if error is not None else self.headers
        return any(name.startswith(b"retry-after") for name, _ in headers)

    def outweighs(self, later: Refusal) -> bool:
        """Whether the client should be told of this one although ``later`` came after it."""
        return self.failure.kind in _CLIENTS_FAULT and later.failure.kind not in _CLIENTS_FAULT


def of_call(backend: str, failure: CallFailure, *, sent: bool, repeatable: bool) -> Refusal:
    """The call broke."""
    if failure.kind == "queue_full":
        return of_busy(backend, "has too many calls waiting for a connection")
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


def of_busy(backend: str, what: str) -> Refusal:
    """All of the backend's connections are in use."""
    key = f"backends.{backend}.pool.max_connections"
    return attrs.evolve(of_queue(backend, f"{what} (a larger {key} allows more)"), outcome="connect")


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
    failure = _failure(kind_of_status(status, reason(error)), raw, error.retry_after, repeatable)
    return Refusal(failure, outcome_of(status), None, status, tuple(headers), body)


def of_hidden_error(backend: str, why: str, head: ResponseHead, raw: list[Header], *, repeatable: bool) -> Refusal:
    """The same where its body cannot be shown.

    :param why: what the body is, in words that go behind "an error".
    """
    message = f"backend {backend} answered with status {head.status} and an error {why}"
    error = GatewayError(message, code="upstream_error", headers=kept_headers(head))
    error.status, error.type = head.status, "upstream_error"
    return Refusal(_failure(kind_of_status(head.status), raw, None, repeatable), outcome_of(head.status), error)


def _failure(kind: str, raw: list[Header], told: float | None, repeatable: bool) -> Failure:
    """An answer's; ``told`` is what its body says of the time to come again."""
    says = next((value.strip().lower() for name, value in raw if name == b"x-should-retry"), b"")
    should_retry = {b"true": True, b"false": False}.get(says)
    return Failure(kind, True, retry_after(raw, told, time.time()), should_retry, repeatable)


def of_error_event(error: ProviderError, without_secrets: Callable[[bytes], bytes], *, repeatable: bool) -> Refusal:
    """The upstream ends a stream, of which the client has the beginning, with an error."""

    def clean(text: str) -> str:
        return without_secrets(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    failure = Failure(kind_of_status(error.status, reason(error)), repeatable=repeatable)
    code = clean(error.code) if error.code else "upstream_error"
    return Refusal(failure, "cut", UpstreamFailed(clean(error.message), code=code))


def of_broken_error(refusal: Refusal, status: int, raw: list[Header]) -> Refusal:
    """The upstream answered with an error, which broke off: its status decides, but it cannot be shown."""
    failure = attrs.evolve(
        refusal.failure, kind=kind_of_status(status), retry_after=retry_after(raw, None, time.time()), sent=True
    )
    return attrs.evolve(refusal, failure=failure, outcome=outcome_of(status))


def outcome_of(status: int) -> str:
    """An error's outcome for metrics."""
    return "status_5xx" if status >= 500 else "status_4xx"


def kept_headers(head: ResponseHead) -> list[Header]:
    """What of the provider's headers goes down with another body than its own."""
    return [header for header in head.headers if header[0].startswith(_KEPT)]


def not_to_be_repeated(headers: list[Header]) -> list[Header]:
    """The headers of a 401 for a key that is not the client's: it cannot mend that by trying again.

    Claude Code takes a 401 for a token of its own that will be renewed, and repeats it for three minutes unless told.
    """
    told = any(name == b"x-should-retry" for name, _ in headers)
    return headers if told else [*headers, (b"x-should-retry", b"false")]


def readable(head: ResponseHead, body: bytes) -> bytes | None:
    """An error's body without its coding, which nobody has asked for; None if it cannot be read.

    What was in a coding and is not any more loses the header that says so.
    """
    if not head.encoded:
        return body
    coding = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or deflate, as it begins
    try:
        plain = coding.decompress(body, MOST_ERROR)
    except zlib.error:
        return None
    if not coding.eof:
        return None
    head.encoded = False
    head.headers = [header for header in head.headers if header[0] != b"content-encoding"]
    return plain


class ErrorBody:
    """The relay of an error: kept until it can be decided by it, whether the call goes on elsewhere."""

    def __init__(self, attempt: Attempt, head: ResponseHead) -> None:
        self._attempt = attempt
        self._head = head
        self._body = bytearray()

    def data(self, data: bytes) -> None:
        """Keep it, as long as it is not too much."""
        self._body += data
        if len(self._body) > MOST_ERROR:
            self._attempt.hide_error("of more than 1 MiB")

    def end(self, delimited: bool) -> None:
        """All of it is there."""
        body = readable(self._head, bytes(self._body))
        if body is None:
            self._attempt.hide_error("in a coding that it was not offered")
        else:
            self._attempt.answer_error(self._head.status, self._head.headers, body)

    def broken(self, error: GatewayError) -> None:
        """Nothing was sent yet: the exchange tells the client."""

    def seen(self) -> Usage | None:
        """Errors cost nothing."""
        return None
