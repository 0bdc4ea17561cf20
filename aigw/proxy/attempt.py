"""One attempt: one call to one upstream, from its connection to the end of its answer.

An attempt is the sink of its upstream call and the producer of its client's response. It chooses the way down (a
relay) when the upstream's head is there, and keeps the five timeouts with its exchange's one
:class:`~aigw.http.deadlines.Deadline`: each phase moves it, the total caps it.

It ends in exactly one of four ways, each through :meth:`Attempt.close`: it brought the answer, it failed before the
client had seen anything of one (then its :class:`~aigw.proxy.exchange.Exchange` decides what comes next), the answer
broke after it had begun, or nobody wants it any more. Whatever ends it first wins: the upstream call is cancelled if
it still runs, so it calls back no more; target, breaker and metrics are told.

The module is long because an attempt stands between four others (the upstream's call, the clock, the client and the
relay), and its state is what they have in common. What a failure means is :mod:`aigw.proxy.refusal`'s to say, which way
an answer takes :mod:`aigw.proxy.ways`'.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twisted.logger import Logger

from aigw.errors import GatewayError, UpstreamFailed
from aigw.http.deadlines import Deadline
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.llm.operations import RAW
from aigw.llm.reply import ProviderError
from aigw.llm.rescue import added
from aigw.llm.translation import Translating
from aigw.llm.usage import Usage
from aigw.proxy.offload import Job
from aigw.proxy.plan import Plan
from aigw.proxy.redirects import LeadsElsewhere, within_origin
from aigw.proxy.refusal import (
    Refusal,
    not_to_be_repeated,
    of_answer,
    of_broken_error,
    of_busy,
    of_call,
    of_error_event,
    of_hidden_error,
    of_timeout,
    outcome_of,
)
from aigw.proxy.relay import Relay, ResponseHead
from aigw.proxy.ways import Unfit, is_stream, relay_for
from aigw.routing.retry import KINDS, Failure
from aigw.routing.targets import Candidate
from aigw.upstream.calling import Calling
from aigw.upstream.upstream import Payload

if TYPE_CHECKING:
    from aigw.proxy.exchange import Exchange

#: Seconds that an upstream may take to end its response after the stream's own end; then the stream is complete
#: without it.
_AFTER_TERMINATOR: Final = 1.0

#: A limit of no piece's own: the deadline of the phase stands.
_STANDS: Final = 0.0


class Attempt:
    """See the module's head. Made by :class:`aigw.proxy.client_call.ClientCall`.

    :param stream: the answer is to be streamed.
    :param model: what the target is asked for, fit for a header's value, else empty.
    :param hide_usage: see :meth:`aigw.proxy.plan.Plan.adjust`.
    :param translation: where client and target do not speak one dialect.
    :ivar begun: the client has something of an answer.
    :ivar sent: the upstream has the request, or part of it.
    :ivar outcome: once it is over, for metrics.
    :ivar error: a short word for how it failed, for the log; empty if it did not.
    :ivar started: the clock when the upstream was asked.
    """

    _log: ClassVar[Logger] = Logger()
    over = False
    begun = False
    sent = False
    error = ""
    _outcome = ""
    _paused = False
    _phase = "connect"
    _limit = _STANDS
    _token = 0
    _head: ResponseHead | None = None
    _raw: list[Header]
    _well = False
    _failed = False

    def __init__(
        self,
        candidate: Candidate,
        plan: Plan,
        payload: Payload,
        stream: bool,
        model: bytes,
        hide_usage: bool = False,
        translation: Translating | None = None,
    ) -> None:
        self.candidate = candidate
        self.plan = plan
        self._payload: Payload | None = payload
        self.stream = stream
        self.model = model
        self.translation = translation
        self.backend = plan.backend
        self.operation = plan.operation
        self._hide_usage = hide_usage
        # Here, not above: mypyc forgets a class's default of None where the type is a protocol.
        self.relay: Relay | None = None
        self._call: Calling | None = None
        self._job: Job[Any] | None = None

    @property
    def request_id(self) -> str:
        """The request's."""
        return self.request.request_id

    @property
    def reads_json(self) -> bool:
        """Whether the answer is one that is read."""
        return self.operation != RAW

    def start(self, exchange: Exchange, deadline: Deadline, total_at: float) -> None:
        """Call the upstream. Everything after this happens by itself.

        :param deadline: the exchange's, which calls :meth:`expired`.
        :param total_at: when the call's time is over, on the clock.
        """
        self.exchange = exchange
        self.request = exchange.request
        self.account = account = exchange.account
        self._now = exchange.now
        candidate = self.candidate
        self.started = now = exchange.now()
        self._deadline = deadline
        self._total_at = total_at
        account.attempts += 1
        if not account.started_at:
            account.started_at = now
        candidate.health.in_flight += 1
        if candidate.breaker is not None:
            self._token = candidate.breaker.begin(now)
        payload, self._payload = self._payload, None  # from here on it is the upstream's
        assert payload is not None
        call = self.plan.upstream.send(payload, self)
        if not self.over:
            self._call = call

    # -- what the upstream call tells us (ResponseSink)

    def on_sent(self) -> None:
        """The request is on a connection; now the upstream has its time to answer."""
        self.account.sent_at = self._now()
        self.sent = True
        self._enter("first_byte", self.plan.timeouts.first_byte)

    def on_head(self, status: int, headers: list[Header]) -> None:
        """Choose the way down."""
        try:
            self._choose(status, headers)
        except Exception:
            self.exchange.fault()

    def _choose(self, status: int, headers: list[Header]) -> None:
        account, timeouts = self.account, self.plan.timeouts
        account.head_at = self._now()
        head = self._head = ResponseHead(status, headers)
        self._raw = headers
        streams = is_stream(self, head)
        if status >= 300:
            head.headers = self._clean(head.headers)
        if streams:
            account.stream = True
            self._enter("first_token", timeouts.first_token)
        else:
            self._enter("idle", timeouts.idle)
        try:
            if head.leads:
                head.headers = within_origin(self, status, head.headers)
            self.relay = relay_for(self, head, streams, self._hide_usage)
        except (LeadsElsewhere, Unfit) as unfit:
            why = self.without_secrets(str(unfit).encode("utf-8")).decode("utf-8", "replace")
            self.fail(UpstreamFailed(f"backend {self.backend} {why}"), "cut")

    def on_data(self, data: bytes) -> None:
        """A piece of the body."""
        limit = self._limit
        if limit and not self._paused:
            at = self._now() + limit
            self._deadline.at = at if at < self._total_at else self._total_at
        try:
            self.relay.data(data)  # type: ignore[union-attr]
        except Exception:
            self.exchange.fault()

    def on_end(self, delimited: bool) -> None:
        """The upstream is done."""
        self.account.upstream_done_at = self._now()
        self._call = None
        try:
            self.relay.end(delimited)  # type: ignore[union-attr]
        except Exception:
            self.exchange.fault()

    def on_failure(self, failure: CallFailure) -> None:
        """The upstream call broke."""
        self._call = None
        try:
            self._fail(of_call(self.backend, failure, sent=self.sent, repeatable=self._repeatable))
        except Exception:
            self.exchange.fault()

    # -- the clock

    def _enter(self, phase: str, seconds: float) -> None:
        """The phases of an answer that comes in pieces are moved on by each of them; waiting for the first event of a
        stream is not, whatever else comes."""
        self._phase = phase
        if phase == "idle":
            self._limit = seconds
        if not self._paused:
            self._deadline.restart_at(min(self._now() + seconds, self._total_at))

    def first_token(self) -> None:
        """The stream's first event is there; from now on it is the gaps that count."""
        now = self.account.first_token_at = self._now()
        self._enter("idle", self.plan.timeouts.idle)
        if self.candidate.measured:
            self.candidate.health.latency(True).observe(now - self.account.sent_at, now)

    def terminator_seen(self) -> None:
        """The stream's own end was passed on: do not wait long for the connection's."""
        if self._limit != _AFTER_TERMINATOR:
            self._enter("idle", _AFTER_TERMINATOR)

    def expired(self) -> None:
        """The deadline has come."""
        which = self._phase = "total" if self._now() >= self._total_at else self._phase
        seconds = getattr(self.plan.timeouts, which)
        call = self._call
        if which == "connect" and call is not None and call.queued:
            self._fail(of_busy(self.backend, f"had no connection free within {seconds:g} s"))
            return
        self._fail(of_timeout(self.backend, which, seconds, sent=self.sent, repeatable=self._repeatable))

    @property
    def _repeatable(self) -> bool:
        return self.exchange.call.repeatable

    # -- what the client does

    def seen(self) -> None:
        """The client has left: what was seen of the answer is booked all the same."""
        if self.relay is not None:
            self.note(self.relay.seen(), None)

    def pauseProducing(self) -> None:
        """The client reads slower than the upstream sends: stop reading there. The idle timeout stands still,
        since it is not the upstream that is silent; the stalled client has a deadline of its own."""
        self._paused = True
        self._deadline.restart_at(self._total_at)
        if self._call is not None:
            self._call.pause()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if not self.over:
            self._deadline.restart_at(min(self._now() + (self._limit or math.inf), self._total_at))
        if self._call is not None:
            self._call.resume()

    def stopProducing(self) -> None:
        """The client's connection is lost; ``client_gone`` tells the same."""

    # -- what the relay does

    def note(self, usage: Usage | None, model: str | None) -> None:
        """What the response said of itself; what the client has got of a stream that broke off before counts, too."""
        if usage is not None:
            said = self.exchange.call.said
            self.account.usage = usage if said is None else added(said.spent, usage)
        if model:
            self.account.response_model = model

    def read_beside(self, work: Callable[[Callable[[], None]], Any], done: Callable[[Any], None]) -> bool:
        """Have a large answer read in a thread; see :class:`aigw.proxy.offload.Job`.

        :returns: False where that cannot be: whoever asks has to do it at once.
        """
        call = self.exchange.call
        if call.offload is None:
            return False
        # The upstream is done: only the call's own time goes on.
        self._phase, self._limit = "total", _STANDS
        self._deadline.restart_at(self._total_at)
        self._job = call.offload.submit(self.account.share(), work, done, self._not_read)
        return self._job is not None

    def _not_read(self, failure: Any) -> None:
        self._job = None
        self._log.failure("the answer to request {id} could not be read", failure, id=self.request_id)
        self.fail(UpstreamFailed(f"backend {self.backend} sent an answer that cannot be read"), "cut")

    def without_secrets(self, body: bytes) -> bytes:
        """An error body in which the upstream does not hand out our credential."""
        return self.plan.without_secrets(body)

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """The whole answer at once."""
        if status >= 400:
            self.answer_error(status, headers, body)
            return
        self._answered()
        if self.candidate.measured:
            self.candidate.health.latency(False).observe(self.account.head_at - self.account.sent_at, self._now())
        self.exchange.answer(status, headers, body)

    def answer_error(self, status: int, headers: list[Header], body: bytes, error: ProviderError | None = None) -> None:
        """The upstream's error, whole; the call may go on elsewhere.

        :param error: the same, understood, where it was translated.
        """
        if not self.over:
            # A 200 that turns out to be an error has headers that nobody has searched.
            self._fail(self._refusal(status, self._clean(headers), self.without_secrets(body), error))

    def _clean(self, headers: list[Header]) -> list[Header]:
        return [(name, self.without_secrets(value)) for name, value in headers]

    def hide_error(self, why: str) -> None:
        """The upstream's error cannot be shown; the call may go on elsewhere.

        :param why: see :func:`~aigw.proxy.refusal.of_hidden_error`.
        """
        assert self._head is not None
        self._fail(of_hidden_error(self.backend, why, self._head, self._raw, repeatable=self._repeatable))

    def _refusal(self, status: int, headers: list[Header], body: bytes, error: ProviderError | None) -> Refusal:
        assert self._head is not None
        anthropic, repeatable = self.request.anthropic, self._repeatable
        if status == 401 and self.plan.shares_limits:
            headers = not_to_be_repeated(headers)
        return of_answer(self._head, self._raw, status, headers, body, error, anthropic, repeatable)

    def begin(self, status: int, headers: list[Header], length: int | None) -> None:
        """The answer's head; its body follows by :meth:`write`."""
        self.begun = True
        if status < 500:
            self._answered()
        else:
            self._failed = True
        if status >= 400:
            self._outcome = outcome_of(status)
        self.exchange.begin(self, status, headers, length)

    def write(self, data: bytes) -> None:
        """A piece of the answer's body."""
        self.request.write(data)

    def finish(self, outcome: str | None = None) -> None:
        """The answer is complete.

        :param outcome: of the upstream call, where something broke that did not matter any more.
        """
        if outcome is not None:
            self._outcome, self._failed = outcome, False
        self.exchange.finish()

    def stream_refused(
        self, status: int, headers: list[Header], body: bytes, error: ProviderError | None = None
    ) -> None:
        """A stream whose first event is an error becomes an answer with that status."""
        kept = [header for header in headers if header[0] != b"content-type"]
        self.answer_error(status, [*kept, (b"content-type", b"application/json")], body, error)

    def abort(self, code: str) -> None:
        """End an answer that began and cannot say that it failed: without its end."""
        if not self._outcome:
            self._outcome, self._failed = "cut", True
        self.exchange.abort(code)

    def finish_failed(self, code: str, outcome: str = "") -> None:
        """End a stream whose last event told the client that it failed.

        :param outcome: of the upstream call, where it does not matter any more how that one ended.
        """
        if outcome or not self._outcome:
            self._outcome, self._failed = outcome or "cut", True
        self.exchange.finish_failed(code)

    def fail(self, error: GatewayError, outcome: str, kind: str = "invalid_answer") -> None:
        """What came is no answer, or no more of one.

        :param kind: a row of :data:`aigw.routing.retry.KINDS`.
        """
        self._fail(Refusal(Failure(kind, repeatable=self._repeatable), outcome, error))

    def taken_up(self, error: ProviderError) -> bool:
        """Whether another target goes on with a stream that the upstream ends with ``error``."""
        refusal = of_error_event(error, self.without_secrets, repeatable=self._repeatable)
        self._outcome, self._failed = refusal.outcome, KINDS[refusal.failure.kind].counts
        self.error = refusal.code
        return self.exchange.taken_up(self, refusal)

    # -- ends

    def cut(self, error: GatewayError) -> None:
        """The gateway itself cannot wait for the rest, since it is going down."""
        self._outcome = "cancelled"
        self._stop_call()
        if self.begun and self.relay is not None:
            self.relay.broken(error)
        else:
            self.exchange.refuse(error)

    def close(self, outcome: str = "") -> None:
        """It is over: whoever waits for its end is told. Further calls do nothing.

        :param outcome: for metrics, where nothing else is known.
        """
        if self.over:
            return
        self.over = True
        self._payload = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
        if self._call is not None:
            self._stop_call()
        self.relay = None  # which knows us: without this, every call would be work for the garbage collector
        self.outcome = self._outcome or outcome or "ok"
        candidate, breaker = self.candidate, self.candidate.breaker
        candidate.health.in_flight -= 1
        if breaker is not None:
            if self._failed:
                breaker.failed(self._token, self._now())
            elif not self._well:
                breaker.dropped(self._token)
        metrics = self.exchange.ledger.metrics
        metrics.attempt(self.backend, self.outcome)
        if self.outcome == "timeout":
            metrics.timed_out(self.backend, self._phase)
        if candidate.slots is not None:
            candidate.slots.release()

    def _answered(self) -> None:
        """The target is well."""
        self._well = True
        breaker = self.candidate.breaker
        if breaker is not None:
            breaker.succeeded(self._token, self._now())

    def _fail(self, refusal: Refusal) -> None:
        """The upstream failed: the client is told in the way that is still open, or the call goes on elsewhere."""
        if self.over:
            return
        self._stop_call()
        head = self._head
        if head is not None and head.status >= 400 and not refusal.status:
            refusal = of_broken_error(refusal, head.status, self._raw)
        self._outcome, self.error = refusal.outcome, refusal.code
        if self.plan.shares_limits or refusal.failure.kind not in ("rate_limit", "quota"):
            self._failed = KINDS[refusal.failure.kind].counts
        if refusal.status and not self._failed:
            self._answered()
        if not self.begun or self.relay is None:
            self.exchange.failed(self, refusal)
        elif not self.exchange.taken_up(self, refusal):
            assert refusal.error is not None
            self.relay.broken(refusal.error)

    def _stop_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
