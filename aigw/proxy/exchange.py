"""The life of one call: from the plan to the settled account.

An exchange is the sink of its upstream call and the producer of its client's response. It ends in exactly one of
four ways, each through :meth:`Exchange._settle`: answered, refused with an error, cut after the answer began, or
left by its client. One :class:`~aigw.http.deadlines.Deadline` serves all five timeouts: each phase moves it, the
total caps it.

Whatever ends the exchange first wins: the upstream call is cancelled if it still runs (so it calls back no more),
the deadline is discarded, the account is closed.
"""

from __future__ import annotations

from aigw.errors import GatewayError, UpstreamFailed, UpstreamTimeout
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.http.request import Request
from aigw.llm.operations import RAW
from aigw.llm.translation import Translating
from aigw.llm.usage import Usage
from aigw.proxy.account import Account, Ledger
from aigw.proxy.plan import Plan
from aigw.proxy.relay import KEPT_WHOLE, EventBody, PassedBody, Relay, ResponseHead, WholeBody
from aigw.proxy.translated import TranslatedBody, TranslatedEvents
from aigw.upstream.calling import Calling
from aigw.upstream.upstream import Payload

#: Seconds that an upstream may take to end its response after the stream's own end; then the stream is complete
#: without it.
_AFTER_TERMINATOR = 1.0

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


class Exchange:
    """One call of one consumer to one backend.

    :param account: open, with ``plan`` and ``asked_model`` written into it.
    :param hide_usage: see :meth:`aigw.proxy.plan.Plan.adjust`.
    :param translation: where client and backend do not speak one dialect.
    """

    over = False
    _outcome = ""
    _paused = False
    _phase = "connect"

    def __init__(
        self,
        request: Request,
        account: Account,
        plan: Plan,
        ledger: Ledger,
        deadlines: Deadlines,
        hide_usage: bool,
        translation: Translating | None = None,
    ) -> None:
        self.request = request
        self.request_id = request.request_id
        self.account = account
        self.backend = plan.backend
        self.operation = plan.operation
        self.reads_json = plan.operation != RAW
        self._plan = plan
        self._ledger = ledger
        self._deadlines = deadlines
        self._hide_usage = hide_usage
        self._translation = translation
        self._limit = plan.timeouts.idle
        # Here, not above: mypyc forgets a class's default of None where the type is a protocol.
        self.relay: Relay | None = None
        self._call: Calling | None = None

    def start(self, payload: Payload) -> None:
        """Call the upstream. Everything after this happens by itself."""
        request, account, timeouts = self.request, self.account, self._plan.timeouts
        now = self._deadlines.now()
        account.attempts += 1
        account.started_at = now
        self._total_at = now + timeouts.total
        self._deadline = self._deadlines.after(min(timeouts.connect, timeouts.total), self._expired)
        request.gone = self.client_gone
        request.cut = self.cut
        call = self._plan.upstream.send(payload, self)
        if not self.over:
            self._call = call

    # -- what the upstream call tells us (ResponseSink)

    def on_sent(self) -> None:
        """The request is on a connection; now the upstream has its time to answer."""
        self.account.sent_at = self._deadlines.now()
        self._enter("first_byte", self._plan.timeouts.first_byte)

    def on_head(self, status: int, headers: list[Header]) -> None:
        """Choose the way down."""
        account = self.account
        account.head_at = self._deadlines.now()
        head = ResponseHead(status, headers)
        if status >= 500:
            self._outcome = "status_5xx"
        elif status >= 400:
            self._outcome = "status_4xx"
        if self._translation is not None:
            self._translate(head, self._translation)
            return
        if head.is_events and status < 300:
            self.relay = EventBody(self, head, self._hide_usage)
            account.stream = True
            self._enter("first_token", self._plan.timeouts.first_token)
            return
        self._enter("idle", self._plan.timeouts.idle)
        if account.stream and status < 300 and not head.content_type.startswith(b"text/event-stream"):
            kind = head.content_type.decode("latin-1")[:80] or "no content type"
            self.fail(UpstreamFailed(f"backend {self.backend} answered a streaming request with {kind}"), "cut")
        elif self._kept_whole(head):
            self.relay = WholeBody(self, head)
        else:
            self.relay = PassedBody(self, head)

    def _translate(self, head: ResponseHead, translation: Translating) -> None:
        if head.encoded:
            self.fail(UpstreamFailed(f"backend {self.backend} answered in a coding that it was not offered"), "cut")
        elif head.status < 300 and translation.is_stream(head.content_type):
            self.relay = TranslatedEvents(self, head, translation)
            self.account.stream = True
            self._enter("first_token", self._plan.timeouts.first_token)
        else:
            self.relay = TranslatedBody(self, head, translation)
            self._enter("idle", self._plan.timeouts.idle)

    def _kept_whole(self, head: ResponseHead) -> bool:
        """Errors and the JSON answers that are read; nothing that is encoded, long or of no interest."""
        if self.request.method == b"HEAD" or (head.length or 0) > KEPT_WHOLE:
            return False
        return head.status >= 400 or (self.reads_json and not head.encoded)

    def on_data(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._paused:
            at = self._deadlines.now() + self._limit
            self._deadline.at = at if at < self._total_at else self._total_at
        assert self.relay is not None
        self.relay.data(data)

    def on_end(self, delimited: bool) -> None:
        """The upstream is done."""
        self.account.upstream_done_at = self._deadlines.now()
        self._call = None
        assert self.relay is not None
        self.relay.end(delimited)

    def on_failure(self, failure: CallFailure) -> None:
        """The upstream call broke."""
        self._call = None
        what = _FAILURES.get(failure.kind, "failed")
        outcome = "cut" if failure.began or failure.kind in ("reset", "cut", "protocol") else "connect"
        code = f"upstream_{failure.kind}"
        self.fail(UpstreamFailed(f"backend {self.backend} {what}: {failure}", code=code), outcome)

    def cut(self, error: GatewayError) -> None:
        """The gateway itself cannot wait for the rest, since it is going down."""
        self.fail(error, "cancelled")

    # -- the clock

    def _enter(self, phase: str, seconds: float) -> None:
        self._phase = phase
        if phase in ("first_token", "idle"):
            self._limit = seconds
        self._deadline.restart_at(min(self._deadlines.now() + seconds, self._total_at))

    def first_token(self) -> None:
        """The stream's first event is there; from now on it is the gaps that count."""
        self.account.first_token_at = self._deadlines.now()
        self._enter("idle", self._plan.timeouts.idle)

    def terminator_seen(self) -> None:
        """The stream's own end was passed on: do not wait long for the connection's."""
        if self._limit != _AFTER_TERMINATOR:
            self._enter("idle", _AFTER_TERMINATOR)

    def _expired(self) -> None:
        which = "total" if self._deadlines.now() >= self._total_at else self._phase
        timeouts = self._plan.timeouts
        seconds = getattr(timeouts, which)
        error = UpstreamTimeout(
            f"backend {self.backend} {_PHASES[which]} within {seconds:g} s ({which} timeout)", which=which
        )
        self.fail(error, "timeout")

    # -- what the client does

    def client_gone(self) -> None:
        """The client has left: so does the upstream call, in whatever phase it is."""
        if self.over:
            return
        self._outcome = "cancelled"
        self.account.error = "client_gone"
        if self.relay is not None and self.account.usage is None:
            self.note(self.relay.seen(), None)
        self._settle()

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
            self._deadline.restart_at(min(self._deadlines.now() + self._limit, self._total_at))
        if self._call is not None:
            self._call.resume()

    def stopProducing(self) -> None:
        """The client's connection is lost; ``client_gone`` tells the same."""

    # -- what the relay does

    def note(self, usage: Usage | None, model: str | None) -> None:
        """What the response said of itself."""
        if usage is not None:
            self.account.usage = usage
        if model:
            self.account.response_model = model

    def without_secrets(self, body: bytes) -> bytes:
        """An error body in which the upstream does not hand out our credential."""
        for secret in self._plan.secrets():
            body = body.replace(secret, b"***")
        return body

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """The whole answer at once."""
        self._mark_answered()
        self.request.respond(status, headers, body, self._lines())
        self._settle()

    def answer_error(self, status: int, headers: list[Header], body: bytes) -> None:
        """The upstream's error, whole."""
        self._outcome = "status_5xx" if status >= 500 else "status_4xx"
        self.account.error = "upstream_error"
        self.answer(status, headers, self.without_secrets(body))

    def begin(self, status: int, headers: list[Header], length: int | None) -> None:
        """The answer's head; its body follows by :meth:`write`."""
        self._mark_answered()
        self.request.start(status, headers, length, self._lines())
        self.request.registerProducer(self, True)

    def write(self, data: bytes) -> None:
        """A piece of the answer's body."""
        self.request.write(data)

    def finish(self, outcome: str | None = None) -> None:
        """The answer is complete.

        :param outcome: of the upstream call, where something broke that did not matter any more.
        """
        if outcome is not None:
            self._outcome = outcome
        self.request.unregisterProducer()
        self.request.finish()
        self._settle()

    def stream_refused(self, status: int, headers: list[Header], body: bytes) -> None:
        """A stream whose first event is an error becomes an answer with that status."""
        kept = [header for header in headers if header[0] != b"content-type"]
        self.answer_error(status, [*kept, (b"content-type", b"application/json")], body)

    def refuse(self, error: GatewayError) -> None:
        """Nothing was sent yet, so the client gets a proper error."""
        self._mark_answered()
        self.account.error = error.code
        refuse(self.request, error, self._lines())
        self._settle()

    def abort(self, error: GatewayError) -> None:
        """End an answer that began, so that nobody takes it for complete."""
        self.abort_quietly(error.code)

    def abort_quietly(self, code: str) -> None:
        """The same, where the client has already been told."""
        self.account.error = code
        if not self._outcome:
            self._outcome = "cut"
        self.request.unregisterProducer()
        self.request.abort()
        self._settle()

    def fail(self, error: GatewayError, outcome: str) -> None:
        """The upstream failed: tell the client in the way that is still open."""
        if self.over:
            return
        self._outcome = outcome
        self._stop_call()
        if self.relay is not None:
            self.relay.broken(error)
        else:
            self.refuse(error)

    # -- ends

    def _mark_answered(self) -> None:
        self.account.answered_at = self._deadlines.now()

    def _lines(self) -> bytes:
        """The response's own header lines: whence, which model, which request, how long."""
        account = self.account
        model = account.sent_model
        lines = b"%s%sserver-timing: %s\r\n" % (
            self._plan.down_lines,
            b"x-aigw-model: %s\r\n" % model if model else b"",
            account.server_timing(account.answered_at),
        )
        return lines + id_lines(self.request)

    def _stop_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _settle(self) -> None:
        if self.over:
            return
        self.over = True
        self._deadline.discard()
        self._stop_call()
        self.request.gone = self.request.cut = None
        self.relay = None  # which knows us: without this, every call would be work for the garbage collector
        self._ledger.metrics.attempt(self.backend, self._outcome or "ok")
        self._ledger.close(self.account)


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
