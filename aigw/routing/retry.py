"""What becomes of a call when an attempt fails: the table, and the wait.

The table :data:`KINDS` is the whole decision. It has a row for each way to fail, and says where the call may go on:

- ``AGAIN``: at another target, or at the same one after a wait;
- ``OTHER``: at another target only, since asking the same one again is of no use or costs too much;
- ``STOP``: nowhere, the client is told.

Once the client has seen the first byte of an answer, every row is ``STOP`` (contract section 6). ``docs/operations.md``
has the same table for people, and a test compares the two.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import attrs


class Where(enum.Enum):
    """See the module's head."""

    AGAIN = "again"
    OTHER = "elsewhere"
    STOP = "no"


@attrs.frozen
class Kind:
    """A row of the table.

    :ivar what: in words.
    :ivar on: the word of ``retry.on`` that must be there; empty: it is no matter of choice.
    :ivar unsent: where a call goes on of which the upstream has seen nothing; None: it cannot fail like this so soon.
    :ivar sent: where one goes on that was sent, and of which the client has seen nothing.
    :ivar counts: the breaker counts it as a failure of the target. What does not count says that the target is well.
    :ivar unserved: the upstream says that it did nothing, so that repeating does nothing twice.
    """

    what: str
    on: str
    unsent: Where | None
    sent: Where | None
    counts: bool
    unserved: bool = False


KINDS = {
    "connect": Kind("refused, unreachable", "connect", Where.AGAIN, None, True),
    "dns": Kind("the host's name does not resolve", "connect", Where.AGAIN, None, True),
    "tls": Kind("handshake or certificate fails", "connect", Where.OTHER, None, True),
    "credential": Kind("no credential can be made for it", "connect", Where.OTHER, None, True),
    "connect_timeout": Kind("no connection within `connect`", "timeout", Where.OTHER, None, True),
    "queue_full": Kind("no room at the backend, or not in time", "", Where.OTHER, None, False),
    "reset": Kind("the connection is closed before an answer", "connect", None, Where.AGAIN, True),
    "cut": Kind("the connection is closed within an answer", "connect", None, Where.AGAIN, True),
    "protocol": Kind("not HTTP, or beyond its limits", "connect", None, Where.OTHER, True),
    "invalid_answer": Kind("HTTP, and no answer of an LLM", "5xx", None, Where.OTHER, True),
    "first_byte_timeout": Kind("no head within `first_byte`", "timeout", None, Where.OTHER, True),
    "first_token_timeout": Kind("no event within `first_token`", "timeout", None, Where.OTHER, True),
    "idle_timeout": Kind("silent for `idle` in an answer that is kept whole", "timeout", None, Where.OTHER, True),
    "total_timeout": Kind("not finished within `total`", "timeout", Where.STOP, Where.STOP, False),
    "not_continued": Kind("taking up a broken stream, it says something else", "", None, Where.STOP, False),
    "rate_limit": Kind("429", "429", None, Where.AGAIN, True, unserved=True),
    "quota": Kind("402; any status, no money or quota left", "429", None, Where.OTHER, True, unserved=True),
    "overloaded": Kind("503, 529", "5xx", None, Where.AGAIN, True, unserved=True),
    "server_error": Kind("500 and other 5xx", "5xx", None, Where.AGAIN, True),
    "request_timeout": Kind("408", "timeout", None, Where.AGAIN, True),
    "context_length": Kind("400, too long for the model; 413", "", None, Where.OTHER, False, unserved=True),
    "content_filter": Kind("400, refused for its content", "", None, Where.STOP, False),
    "conflict": Kind("409, 425", "", None, Where.STOP, False),
    "refused": Kind("400, 401, 403, 404, 422 and other 4xx", "", None, Where.STOP, False),
}


@dataclass(frozen=True)
class RetryRules:
    """How often and after which failures (``retry`` of contract section 2).

    :ivar attempts: in all.
    :ivar on: words of the table.
    :ivar backoff: seconds; the most that the first repetition waits for.
    :ivar max_wait: seconds; the most that any waits for.
    """

    attempts: int = 3
    on: frozenset[str] = frozenset(("connect", "timeout", "429", "5xx"))
    backoff: float = 0.25
    max_wait: float = 10.0


#: One attempt and no other.
ONCE = RetryRules(attempts=1)


@attrs.frozen
class Failure:
    """How an attempt failed, as far as the decision needs it.

    :ivar kind: a row of :data:`KINDS`.
    :ivar sent: the upstream has, or may have, the request.
    :ivar retry_after: seconds for which this target asked to be left alone.
    :ivar should_retry: what ``x-should-retry`` says, None if nothing.
    :ivar repeatable: doing it twice does no harm; False for what is unknown and not idempotent (RFC 9110 section
        9.2.2).
    """

    kind: str
    sent: bool = True
    retry_after: float | None = None
    should_retry: bool | None = None
    repeatable: bool = True


def where_next(failure: Failure, rules: RetryRules) -> Where:
    """Where a call may go on whose attempt failed like this, the client having seen nothing of an answer.

    ``x-should-retry: false`` is about the target that says so, so another may still be tried. ``true`` speaks for what
    is otherwise not repeated because nobody knows whether it helps; it does not reopen 400, 401, 403, 404 and 422.
    """
    kind = KINDS[failure.kind]
    where = (kind.sent if failure.sent else kind.unsent) or kind.unsent or kind.sent or Where.STOP
    if kind.on and kind.on not in rules.on:
        return Where.STOP
    if failure.sent and not failure.repeatable and not kind.unserved:
        return Where.STOP
    if failure.should_retry is False and where is Where.AGAIN:
        return Where.OTHER
    if failure.should_retry and failure.kind == "conflict":
        return Where.AGAIN
    return where


def backoff(rules: RetryRules, repetition: int, chance: Callable[[], float]) -> float:
    """Seconds before repeating at the same target: exponential with full jitter.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    :param repetition: 1 for the first.
    :param chance: a number in [0, 1).
    """
    most: float = min(rules.max_wait, rules.backoff * 2.0 ** (repetition - 1))
    return most * chance()


_BY_STATUS = {
    402: "quota",
    408: "request_timeout",
    409: "conflict",
    413: "context_length",
    425: "conflict",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}


def kind_of_status(status: int, reason: str = "") -> str:
    """The row for an answer of status 400 or above.

    :param reason: what its body says: ``context_length``, ``content_filter``, ``quota``, that it is an
        ``invalid_answer`` to begin with, or ``not_continued``, or nothing of these.
    """
    if reason in ("invalid_answer", "not_continued", "quota"):
        return reason
    if reason and status < 500 and status != 429:
        return reason
    return _BY_STATUS.get(status) or ("server_error" if status >= 500 else "refused")
