"""The life of one call: from the plan to the settled account.

An exchange puts its client's call to one target after the other, each time as an
:class:`~aigw.proxy.attempt.Attempt`, until one answers or none is left to ask. What a failed attempt leads to is the
:class:`~aigw.routing.failover.Failover`'s to decide; until the client has seen the first byte of an answer, it may be
another attempt, at once or after a wait.

It ends in exactly one of four ways, each through :meth:`Exchange._settle`: answered, refused with an error, cut after
the answer began, or left by its client. Whatever ends the exchange first wins, in whatever state it is: queueing for a
place at a backend, waiting before a repetition, or in an attempt. Then nothing is left of it: no place, no deadline, no
call upstream; the account is closed.

The module is long because all of these ends share one state. Which target comes next is the failover's to say, what a
failure means :mod:`aigw.proxy.refusal`'s, how one call goes :mod:`aigw.proxy.attempt`'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar

from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.errors import BadRequest, GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.headers import Header
from aigw.http.request import Request
from aigw.llm.errors import error_event
from aigw.llm.operations import RAW
from aigw.llm.rescue import RescuableTranslation
from aigw.proxy.account import Account, Ledger
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_call import ClientCall
from aigw.proxy.offload import Job, Offload
from aigw.proxy.plan import Plan
from aigw.proxy.refusal import Refusal, of_queue
from aigw.proxy.stream_keepalive import StreamKeepalive, as_error
from aigw.routing.admission import Place
from aigw.routing.failover import Failover, NextAttempt
from aigw.routing.retry import KINDS
from aigw.routing.targets import Candidate, Group

_JSON: Header = (b"content-type", b"application/json")
_NO_RETRY: Header = (b"x-should-retry", b"false")


class Exchange:
    """One call of one consumer.

    :param call: what was asked for; its account is open.
    :param group: whom the call may be put to.
    :param chance: a number in [0, 1) at each call; for the jitter of waits.
    :ivar attempt: the one under way.
    """

    _log: ClassVar[Logger] = Logger()
    attempt: Attempt | None = None
    over = False
    _failover: Failover | None = None
    _told: Refusal | None = None
    _place: Place | None = None
    _wake: Callable[[], None] | None = None
    _waiting: Attempt | None = None
    _next_candidate: Candidate | None = None
    _job: Job[Attempt] | None = None
    _keepalive: StreamKeepalive | None = None
    _broken: GatewayError | None = None

    def __init__(
        self,
        call: ClientCall,
        group: Group,
        ledger: Ledger,
        deadlines: Deadlines,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.call = call
        self.request = call.request
        self.account: Account = call.account
        self.ledger = ledger
        self.now = deadlines.now
        self._group = group
        self._chance = chance
        self._deadlines = deadlines

    def start(self, attempt: Attempt) -> None:
        """Begin with this attempt. Everything after this happens by itself."""
        request, timeouts = self.request, attempt.plan.timeouts
        request.gone = self.client_gone
        request.cut = self.cut
        self._began = self.now()
        self._deadline = self._deadlines.after(min(timeouts.connect, timeouts.total), self._expired)
        self._first = candidate = attempt.candidate
        if self._group.rules.attempts > 1:
            candidate.budget.deposit()
        if self._group.patience and attempt.stream:
            self._keepalive = StreamKeepalive(self, self._deadlines, self._group.patience)
        self._try(attempt)

    # -- attempts

    def _try(self, attempt: Attempt) -> None:
        """Make an attempt, as soon as there is a place for it."""
        account, candidate, translation = self.account, attempt.candidate, attempt.translation
        account.plan = attempt.plan
        account.stream = attempt.stream
        account.sent_model = attempt.model
        if translation is not None and translation.ready is not None:
            self.answer(translation.ready.status, [_JSON], translation.ready.body)
        elif candidate.slots is None or candidate.slots.take():
            self._ask(attempt)
        else:
            self._queue(attempt)

    def _ask(self, attempt: Attempt) -> None:
        """Start an attempt. Where it is the last that there may be, the client's body is not needed any more."""
        self.attempt = attempt
        attempt.start(self, self._deadline, self._began + attempt.plan.timeouts.total)
        if self._is_last(attempt):
            self.call.body.release()

    def _is_last(self, attempt: Attempt) -> bool:
        if self._failover is None:
            return self._group.rules.attempts < 2
        translation = attempt.translation
        if isinstance(translation, RescuableTranslation) and translation.prefilled:
            return False  # its target may refuse the beginning, and is asked without it then
        return self._failover.last

    def _again(self, attempt: Attempt) -> None:
        """The same for any attempt but the first, whose deadline is new."""
        timeouts = attempt.plan.timeouts
        self._deadline.restart_at(min(self.now() + timeouts.connect, self._began + timeouts.total))
        self._try(attempt)

    def _queue(self, attempt: Attempt) -> None:
        """Wait for a place at the backend, for as long as its queue allows."""
        candidate, plan = attempt.candidate, attempt.plan
        assert candidate.slots is not None
        self._place = candidate.slots.wait(self.account.share(), self._granted, self._shed)
        if self._place is None:
            self._failed(candidate, of_queue(plan.backend, "has as many calls waiting as it may"))
            return
        self._waiting = attempt
        self._wake = self._waited
        self._deadline.restart_at(min(self.now() + plan.queue_timeout, self._began + plan.timeouts.total))

    def _granted(self) -> bool:
        """The place that the call waited for is there; returns whether it takes it."""
        attempt, self._waiting = self._waiting, None
        self._place = self._wake = None
        assert attempt is not None
        if self._gave_way(attempt):
            return False
        timeouts = attempt.plan.timeouts
        self._deadline.restart_at(min(self.now() + timeouts.connect, self._began + timeouts.total))
        self._ask(attempt)
        return True

    def _waited(self) -> None:
        """It has waited for a place for as long as it may."""
        attempt, self._waiting = self._waiting, None
        place, self._place = self._place, None
        if place is not None:
            place.leave()
        assert attempt is not None
        plan = attempt.plan
        self._failed(attempt.candidate, of_queue(plan.backend, f"had no room within {plan.queue_timeout:g} s"))

    def _shed(self) -> None:
        """Its place in the queue is another consumer's now. The call is told in a turn of its own: from in here, that
        other one is just taking the place."""
        self._place, self._wake = None, self._was_shed
        self._deadline.restart_at(self.now())

    def _was_shed(self) -> None:
        attempt, self._waiting = self._waiting, None
        assert attempt is not None
        what = "is busy, and most of the calls waiting for it are this consumer's"
        self._failed(attempt.candidate, of_queue(attempt.backend, what))

    def _gave_way(self, attempt: Attempt) -> bool:
        """Whether the call, which has got the place that it waited for, goes elsewhere all the same: its target has
        failed others meanwhile. A queue of calls that all find that out for themselves would hammer it."""
        candidate = attempt.candidate
        if candidate.ready(self.now()):
            return False
        step = self._next(candidate, of_queue(attempt.backend, "has failed other calls while this one was waiting"))
        if step is not None:
            self._follow(step)
        elif self._group.use_unhealthy:
            return False
        else:
            assert self._told is not None
            self._tell(self._told)
        return True

    def failed(self, attempt: Attempt, refusal: Refusal) -> None:
        """For the attempt: it failed, and the client has seen nothing of it."""
        candidate, translation = attempt.candidate, attempt.translation
        self._end(attempt)
        if refusal.status == 400 and isinstance(translation, RescuableTranslation) and translation.prefilled:
            self.call.without_prefill |= {candidate}
            self._prepare(candidate)
        else:
            self._failed(candidate, refusal)

    def taken_up(self, attempt: Attempt, refusal: Refusal) -> bool:
        """For the attempt: whether another one goes on with its stream, of which the client has the beginning."""
        said, translation, relay = self.call.said, attempt.translation, attempt.relay
        if said is None or relay is None or not isinstance(translation, RescuableTranslation):
            return False
        text = translation.continuable()
        step = self._next(attempt.candidate, refusal) if text is not None else None
        if text is None or step is None:
            return False
        said.add(text, relay.seen())
        self._broken = self._broken or refusal.error
        self._end(attempt)
        self._follow(step)
        return True

    def _end(self, attempt: Attempt) -> None:
        """An attempt has failed; nothing counts of what it brought and the client has not got."""
        attempt.close()
        self.attempt = None
        account = self.account
        account.tell(attempt.backend, attempt.model, attempt.outcome, self.now() - attempt.started, attempt.error)
        said = self.call.said
        account.usage = said.spent if said is not None else None
        if said is None or not said.text:
            account.response_model = None
        account.head_at = account.first_token_at = account.upstream_done_at = 0.0

    def _failed(self, candidate: Candidate, refusal: Refusal) -> None:
        step = self._next(candidate, refusal)
        if step is not None:
            self._follow(step)
        else:
            assert self._told is not None
            self._tell(self._told)

    def _next(self, candidate: Candidate, refusal: Refusal) -> NextAttempt | None:
        """Where the call goes on."""
        now, failure, plan = self.now(), refusal.failure, self.account.plan
        if failure.retry_after and plan is not None and plan.shares_limits and KINDS[failure.kind].counts:
            candidate.health.rest(failure.retry_after, now)
        if self._told is None or not self._told.outweighs(refusal):
            self._told = refusal
        if self._failover is None:
            self._failover = Failover(self._group, self.call, self._first, self._chance)
        assert plan is not None
        return self._failover.next(candidate, failure, now, self._began + plan.timeouts.total)

    def _follow(self, step: NextAttempt) -> None:
        if step.wait:
            self._next_candidate = step.candidate
            self._wake = self._repeat
            self._deadline.restart_at(self.now() + step.wait)
        else:
            self._prepare(step.candidate)

    def _repeat(self) -> None:
        """The wait before a repetition is over."""
        candidate, self._next_candidate = self._next_candidate, None
        assert candidate is not None
        self._prepare(candidate)

    def _prepare(self, candidate: Candidate) -> None:
        """Make the call anew for another attempt; whoever cannot be asked for this is passed over."""
        call = self.call
        try:
            plan = call.plan(candidate)
            if call.body.large and call.offload is not None:
                self._prepare_beside(candidate, plan, call.offload)
                return
            attempt = call.attempt(candidate, plan)
        except BadRequest:
            self._pass_over(candidate)
        except Exception:
            self.fault()
        else:
            self._again(attempt)

    def _pass_over(self, candidate: Candidate) -> None:
        assert self._failover is not None and self._told is not None
        step = self._failover.instead(candidate, self.now())
        if step is None:
            self._tell(self._told)
        else:
            self._prepare(step.candidate)

    def _prepare_beside(self, candidate: Candidate, plan: Plan, offload: Offload) -> None:
        """The same of a large body, in a thread."""
        call = self.call
        self._next_candidate = candidate
        self._job = offload.submit(
            self.account.share(), lambda pause: call.attempt(candidate, plan), self._prepared, self._not_prepared
        )
        self._wake = self._not_in_time
        self._deadline.restart_at(self._began + plan.timeouts.total)
        if self._job is None:
            self._not_in_time()

    def _prepared(self, attempt: Attempt) -> None:
        self._job = self._wake = self._next_candidate = None
        self._again(attempt)

    def _not_prepared(self, failure: Failure) -> None:
        candidate, self._next_candidate = self._next_candidate, None
        self._job = self._wake = None
        if isinstance(failure.value, BadRequest) and candidate is not None:
            self._pass_over(candidate)
        else:
            self.fault(failure)

    def _not_in_time(self) -> None:
        """The call's time is over, or too much is waiting for a thread."""
        assert self._told is not None
        self._tell(self._told)

    def _expired(self) -> None:
        wake, self._wake = self._wake, None
        try:
            if wake is not None:
                wake()
            elif self.attempt is not None:
                self.attempt.expired()
        except Exception:
            self.fault()

    # -- what ends it from outside

    def client_gone(self) -> None:
        """The client has left: so does the upstream call, in whatever phase it is."""
        if self.over:
            return
        self.account.error = "client_gone"
        if self.attempt is not None:
            self.attempt.seen()
        self._settle("cancelled")

    def cut(self, error: GatewayError) -> None:
        """The gateway itself cannot wait for the rest, since it is going down."""
        if self.over:
            return
        if self.attempt is not None:
            self.attempt.cut(error)
        else:
            self.refuse(error)

    # -- faults of our own

    def fault(self, failure: Failure | None = None) -> None:
        """Something raised what it should not, within a call back of the upstream's or a timer's. The first attempt is
        prepared where the dispatcher sees it; nobody but us would end what comes after it.

        :param failure: what was raised in a thread; None: what is being handled.
        """
        self._log.failure("request {id} failed", failure, id=self.request.request_id)
        error = GatewayError("an internal error occurred; the gateway's log tells more")
        attempt = self.attempt
        try:
            if attempt is not None and not self.over:
                attempt.cut(error)
            elif not self.over:
                self.refuse(error)
        except Exception:
            self._log.failure("request {id}: nor can its client be told", id=self.request.request_id)
        if self.over:
            return
        self.account.error = error.code
        try:
            if not self.request.finished:
                self.request.abort()
        finally:
            self._settle("cancelled")

    # -- the client's answer

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """The whole of it at once."""
        self.account.answered_at = self.now()
        self.request.respond(status, headers, body, self._lines())
        self._settle()

    def begin(self, attempt: Attempt, status: int, headers: list[Header], length: int | None) -> None:
        """Its head; the body is the attempt's to write."""
        keepalive = self._keepalive
        if keepalive is not None:
            keepalive.end()
        if not self.request.status:
            self.open(status, headers, length)
        if self.call.said is None:
            self.call.body.release()  # an answer that has begun is never begun again
        self.request.registerProducer(attempt, True)

    def open(self, status: int, headers: list[Header], length: int | None = None) -> None:
        """Its head, and nothing of it yet."""
        self.account.answered_at = self.now()
        self.request.start(status, headers, length, self._lines())

    def finish(self) -> None:
        """It is complete."""
        said = self.call.said
        if said is not None and said.text:
            self.account.continued = True
            backends = ", ".join(dict.fromkeys([each[0] for each in self.account.tried] + [self._backend()]))
            self.request.write(b": one stream of backends %s\n\n" % backends.encode())
        self.request.unregisterProducer()
        self.request.finish()
        self._settle()

    def finish_failed(self, code: str) -> None:
        """Its last event told the client that it failed, so its body ends properly (contract section 4): clients that
        read the event would show a transport error instead of it."""
        self.account.error = code
        self.request.unregisterProducer()
        self.request.finish()
        self._settle()

    def abort(self, code: str) -> None:
        """It will not be completed, and no event can say so: end it so that nobody takes it for complete."""
        self.account.error = code
        self.request.unregisterProducer()
        self.request.abort()
        self._settle()

    def refuse(self, error: GatewayError) -> None:
        """Nothing of an answer was sent yet, so the client gets a proper error."""
        if self.request.status:
            self._tell_in_stream(error)
            return
        self.account.answered_at = self.now()
        self.account.error = error.code
        refuse(self.request, error, self._lines())
        self._settle()

    def _tell(self, refusal: Refusal) -> None:
        """No target has answered: the client is told of the failure that says most."""
        # A client's library that repeats what was repeated here multiplies an outage.
        final = self._failover is not None and self._failover.exhausted and not refusal.says_when
        self.account.error = refusal.code
        if self.request.status:
            self._tell_in_stream(self._broken or as_error(refusal))
        elif refusal.error is not None:
            if final:
                refusal.error.headers += (_NO_RETRY,)
            self.refuse(refusal.error)
        else:
            headers = list(refusal.headers)
            if final:
                headers = [*(header for header in headers if header[0] != _NO_RETRY[0]), _NO_RETRY]
            self.answer(refusal.status, headers, refusal.body)

    def _tell_in_stream(self, error: GatewayError) -> None:
        """The status is out already, so an event has to tell; of a raw stream nobody knows how its client reads one."""
        operation = self.call.operation
        if operation == RAW:
            self.abort(error.code)
            return
        self.request.write(error_event(error, self.request.request_id, operation))
        self.finish_failed(error.code)

    def _backend(self) -> str:
        return self.account.plan.backend if self.account.plan is not None else ""

    def _lines(self) -> bytes:
        """The response's own header lines: whence, which model, which request, how long."""
        account = self.account
        plan, model = account.plan, account.sent_model
        lines = b"%s%sserver-timing: %s\r\n" % (
            plan.down_lines if plan is not None else b"",
            b"x-aigw-model: %s\r\n" % model if model else b"",
            account.server_timing(account.answered_at),
        )
        return lines + id_lines(self.request)

    def _settle(self, outcome: str = "") -> None:
        if self.over:
            return
        self.over = True
        try:
            self._let_go(outcome)
        finally:
            self.ledger.close(self.account)

    def _let_go(self, outcome: str) -> None:
        self._deadline.discard()
        self.call.body.release()
        self.request.gone = self.request.cut = self._wake = self._waiting = None
        if self._place is not None:
            self._place.leave()
            self._place = None
        if self._keepalive is not None:
            self._keepalive.end()
            self._keepalive = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.close(outcome)
            if self._failover is not None:
                took, error = self.now() - attempt.started, attempt.error or self.account.error
                self.account.tell(attempt.backend, attempt.model, attempt.outcome, took, error)


def id_lines(request: Request) -> bytes:
    """The request's id, under the name that Anthropic's SDK looks for as well where the client speaks its dialect."""
    request_id = request.request_id.encode("ascii")
    if request.anthropic:
        return b"x-request-id: %s\r\nrequest-id: %s\r\n" % (request_id, request_id)
    return b"x-request-id: %s\r\n" % request_id


def refuse(request: Request, error: GatewayError, lines: bytes) -> None:
    """Answer ``request`` with an error of the gateway's own (contract section 4).

    :param lines: the response's own header lines.
    """
    headers = [(b"content-type", b"application/json"), *error.response_headers()]
    request.respond(error.status, headers, error.body(request.request_id, anthropic=request.anthropic), lines)
