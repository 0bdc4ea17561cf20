"""The response on its way down, once the upstream's head is there.

Three ways down, chosen by what the response is:

- :class:`WholeBody`: a short answer. It is kept until it is complete, so that it goes out in one write, its usage is
  read from it, and a break on the way is still an honest 502.
- :class:`PassedBody`: anything longer, or binary. Passed on piece by piece as it comes.
- :class:`~aigw.proxy.event_body.EventBody`: a stream of server-sent events, which has a module of its own.

A relay is told ``data``, ``end`` and ``broken`` by its :class:`~aigw.proxy.attempt.Attempt`, and answers through it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Protocol

from aigw.errors import GatewayError, UpstreamFailed
from aigw.http.headers import Header, connection_tokens
from aigw.llm import lenient
from aigw.llm.reply import ProviderError
from aigw.llm.taps import JsonTap, first_event_error
from aigw.llm.unexpected import error_body, unexpected_answer
from aigw.llm.usage import Usage
from aigw.proxy.forwarding import ADDRESSES, NEVER_DOWN_PREFIXES, NEVER_DOWNSTREAM, PLAIN_DOWN
from aigw.routing.retry_after import parse_retry_after

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt

#: Bytes of a response that are kept to be answered in one piece; beyond them it is passed on as it comes.
KEPT_WHOLE: Final = 64 * 1024

#: The end of a long JSON body that is searched for its usage.
_TAIL: Final = 8 * 1024

_NO_BUFFERING: Header = (b"x-accel-buffering", b"no")

#: Seconds; a longer ``retry-after`` is cut down to it.
MOST_RETRY_AFTER: Final = 60
#: Bytes of a number or a date; what is longer is neither.
_LONGEST_WAIT: Final = 64


class ResponseHead:
    """An upstream's response head, read once.

    :ivar headers: those that go down to the client.
    :ivar length: ``Content-Length``, if there is one.
    :ivar leads: some of them are addresses that clients go to (:data:`~aigw.proxy.forwarding.ADDRESSES`).
    """

    __slots__ = ("content_type", "encoded", "headers", "leads", "length", "status")

    def __init__(self, status: int, headers: list[Header]) -> None:
        self.status = status
        self.content_type = b""
        self.length: int | None = None
        self.encoded = self.leads = False
        self.headers: list[Header] = []
        nominates = False
        for header in headers:
            name, value = header
            if name in PLAIN_DOWN:
                if name == b"content-type":
                    if self.content_type:  # what is judged is what the client gets: the last of several
                        self.headers = [header for header in self.headers if header[0] != name]
                    self.content_type = value
                self.headers.append(header)
                continue
            if name in NEVER_DOWNSTREAM:
                if name == b"content-length":
                    self.length = int(value)
                elif name == b"connection":
                    nominates = True
                continue
            if name == b"content-encoding":
                self.encoded |= value.strip().lower() != b"identity"
            elif name.startswith(NEVER_DOWN_PREFIXES):
                continue
            elif name.startswith(b"retry-after") and status >= 400:
                header = (name, capped(name, value))
            elif name in ADDRESSES:
                self.leads = True
            self.headers.append(header)
        nominated = connection_tokens(headers) if nominates else None
        if nominated:
            self.headers = [header for header in self.headers if header[0] not in nominated]

    @property
    def is_events(self) -> bool:
        """Whether the body is a stream of events that can be read."""
        return self.content_type[:17].lower() == b"text/event-stream" and not self.encoded


def unbuffered(headers: list[Header]) -> list[Header]:
    """A stream's headers, which ask proxies before us not to collect it; what the upstream wants of its own proxy
    (``x-accel-…``) has stayed here."""
    return [*headers, _NO_BUFFERING]


def capped(name: bytes, value: bytes) -> bytes:
    """A provider's ``retry-after`` or ``retry-after-ms``, at most :data:`MOST_RETRY_AFTER`.

    Some of its clients sleep for as long as they are told, others give up when they are told too long. What is too far
    ahead to be meant is as much as that.
    """
    most = MOST_RETRY_AFTER * (1000 if name == b"retry-after-ms" else 1)
    if len(value) > _LONGEST_WAIT:
        return b"%d" % most
    try:
        return value if float(value) <= most else b"%d" % most
    except ValueError:
        seconds = parse_retry_after(value.decode("latin-1").strip(), time.time())  # a date, however far, or a duration
        if seconds is None:
            return b"%d" % most if any(0x30 <= byte <= 0x39 for byte in value) else value  # not a word such as "soon"
        return b"%d" % max(0, min(most, math.ceil(seconds)))


class Relay(Protocol):
    """One response on its way down."""

    def data(self, data: bytes) -> None:
        """A piece of the body came."""

    def end(self, delimited: bool) -> None:
        """The body ended. ``delimited`` is False where only the connection's close says so."""

    def broken(self, error: GatewayError) -> None:
        """The body will not be completed, of which the client has some already."""

    def seen(self) -> Usage | None:
        """The usage as far as it was seen, for a response that was not completed."""


def refuse_answer(attempt: Attempt, head: ResponseHead, error: ProviderError) -> None:
    """Answer ``error``, which an answer of status 200 turns out to be; the call may go on elsewhere."""
    body = error_body(error, attempt.operation, attempt.request_id)
    attempt.stream_refused(error.status, head.headers, body, error)


class WholeBody:
    """See the module's head."""

    def __init__(self, attempt: Attempt, head: ResponseHead) -> None:
        self._attempt = attempt
        self._head = head
        self._pieces: list[bytes] = []
        self._size = 0

    def data(self, data: bytes) -> None:
        """Keep it, until it is too much to keep."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > KEPT_WHOLE:
            passed = PassedBody(self._attempt, self._head)
            self._attempt.relay = passed
            passed.data(b"".join(self._pieces))

    def end(self, delimited: bool) -> None:
        """Read the usage, answer in one piece."""
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        attempt, head = self._attempt, self._head
        status = head.status
        if not head.encoded and attempt.reads_json:
            tap = JsonTap()
            fields = tap.read(body)
            attempt.note(tap.usage, tap.model)
            if status == 200 and tap.model is None and not tap.error and lenient.loads(body) is None:
                attempt.fail(
                    UpstreamFailed(f"backend {attempt.backend} answered with something that is not JSON"), "cut"
                )
                return
            if tap.error and status < 400:
                # A 200 that is an error: the SDKs would take it for an empty answer.
                told = first_event_error(b"data: " + body.replace(b"\n", b" ") + b"\n\n", attempt.operation)
                status = told.status if told is not None else 502
            elif status == 200:
                error = unexpected_answer(fields, attempt.operation)
                if error is not None:
                    refuse_answer(attempt, head, error)
                    return
        attempt.answer(status, head.headers, body)

    def broken(self, error: GatewayError) -> None:
        """Never comes: nothing is sent before the end."""

    def seen(self) -> Usage | None:
        """Nothing is known before the end."""
        return None


class PassedBody:
    """See the module's head."""

    def __init__(self, attempt: Attempt, head: ResponseHead) -> None:
        self._attempt = attempt
        self._tail = b""
        self._reads = attempt.reads_json and not head.encoded
        attempt.begin(head.status, head.headers, head.length)

    def data(self, data: bytes) -> None:
        """Pass it on."""
        if self._reads:
            self._tail = (self._tail + data)[-_TAIL:]
        self._attempt.write(data)

    def end(self, delimited: bool) -> None:
        """All was passed on."""
        self._attempt.note(self.seen(), None)
        self._attempt.finish()

    def broken(self, error: GatewayError) -> None:
        """The client must see that something is missing: no end, no final chunk."""
        self._attempt.abort(error.code)

    def seen(self) -> Usage | None:
        """What the end of the body tells."""
        tap = JsonTap()
        if self._reads:
            tap.read_tail(self._tail)
        return tap.usage
