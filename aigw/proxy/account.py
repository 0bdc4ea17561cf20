"""What one request came to: opened when it is let in, closed exactly once, told to metrics and the access log.

Every request has an :class:`Account`, whoever answers it. The rooms that serve it write down what they learn
(route, consumer, backend, times, usage); :meth:`Ledger.close` turns that into the metrics and the log line of
contract section 7. An account never holds a key, a query string or a prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aigw.consumers.consumer import Consumer
from aigw.http.request import Request
from aigw.llm.usage import Usage
from aigw.logs import AccessLog
from aigw.metrics import Metrics, RouteSeries
from aigw.proxy.access_line import access_line, server_timing
from aigw.routing.admission import share_name
from aigw.shared_counters import HOLDERS, REQUESTS, SharedCounters

if TYPE_CHECKING:
    from aigw.proxy.plan import Plan

#: Operations whose calls are a model's, and so appear in the ``gen_ai_*`` metrics.
MODEL_OPERATIONS: Final = frozenset(("chat", "completions", "embeddings", "responses", "messages"))

#: The status under which a request is booked whose client left before an answer began (nginx's word for it).
CLIENT_GONE: Final = 499


class Account:
    """One request's book entry. All times are the clock's seconds; 0.0 is "did not happen".

    :ivar asked_model: the model that the client named, or the one its route stands for.
    :ivar sent_model: the model that the upstream was asked for, fit for a header's value, else empty.
    :ivar label_model: ``asked_model`` for metrics: a configured name or ``other``.
    :ivar attempts: upstream calls begun.
    :ivar tried: each of them, where there were several: backend, model, outcome, seconds, a word for what failed.
    :ivar continued: several of them brought the answer, one going on where the other broke off.
    :ivar started_at: when an upstream was first asked for a connection.
    :ivar sent_at: when the request had been handed to an upstream connection.
    :ivar head_at: when the upstream's response head came.
    :ivar upstream_done_at: when the upstream's response ended.
    :ivar answered_at: when the first byte of the answer was given to the client's connection.
    :ivar first_token_at: when the first event of a stream was.
    :ivar series: where it is counted, once it has a route.
    :ivar held: the name by which it counts among calls in flight (:func:`aigw.routing.admission.share_name`); empty:
        not yet, or not at all.
    :ivar error: a short word for what went wrong, empty if nothing did.
    """

    route = ""
    consumer: Consumer | None = None
    held = ""
    operation = ""
    plan: Plan | None = None
    asked_model: str | None = None
    sent_model = b""
    label_model = ""
    response_model: str | None = None
    stream = False
    attempts = 0
    tried: tuple[tuple[str, str, str, float, str], ...] = ()
    continued = False
    usage: Usage | None = None
    started_at = 0.0
    sent_at = 0.0
    head_at = 0.0
    upstream_done_at = 0.0
    answered_at = 0.0
    first_token_at = 0.0
    error = ""
    closed = False
    series: RouteSeries | None = None

    def __init__(self, request: Request, client: str) -> None:
        self.request = request
        self.client = client

    def share(self) -> str:
        """By what name it is counted where consumers take turns; see :func:`aigw.routing.admission.share_name`."""
        return share_name(self.consumer.name if self.consumer is not None else "", self.client)

    def tell(self, backend: str, model: bytes, outcome: str, seconds: float, error: str) -> None:
        """An attempt of several is over."""
        self.tried = (*self.tried, (backend, model.decode("ascii"), outcome, seconds, error))

    def server_timing(self, now: float) -> bytes:
        """``Server-Timing`` of a response whose head is written now: our own time and the upstream's, in ms."""
        began = self.request.complete or self.request.received
        upstream = ((self.upstream_done_at or self.head_at or now) - self.started_at) if self.started_at else 0.0
        own = now - began - upstream
        return server_timing(own, upstream)

    def overhead(self, now: float) -> float:
        """Seconds of our own in this request: from its last byte to the upstream's connection, and from the
        upstream's answer to the client's connection. Waiting for the upstream, or for the client, is not ours."""
        began = self.request.complete or self.request.received
        if not self.started_at:
            return max(0.0, (self.answered_at or now) - began)
        own = self.started_at - began
        if self.head_at and self.answered_at:
            # A short answer is handed on when the upstream is done with it, a stream with its first event.
            from_upstream = min(self.upstream_done_at or self.answered_at, self.answered_at)
            own += self.answered_at - (self.first_token_at or from_upstream)
        return max(0.0, own)


class Ledger:
    """Where all accounts are opened and closed.

    :param clock: seconds, monotonic, as the requests' times are.
    :ivar in_flight: requests opened and not yet closed.
    :ivar flights: the same by consumer's name; by name, because a reload makes new consumers of the same name. Those of
        nobody are there by address, where ``max_in_flight`` wants to know.
    :ivar shared_counters: tell other processes of the gateway both; None if there are none.
    """

    def __init__(self, metrics: Metrics, access_log: AccessLog, clock: Callable[[], float]) -> None:
        self.metrics = metrics
        self.access_log = access_log
        self.now = clock
        self.in_flight = 0
        self.flights: dict[str, int] = {}
        self.shared_counters: SharedCounters | None = None

    def open(self, request: Request, client: str) -> Account:
        """The account of a request that has just been let in."""
        self.in_flight += 1
        if self.shared_counters is not None:
            self.shared_counters.put(REQUESTS, self.in_flight)
        return Account(request, client)

    def admit(self, account: Account, route: str, series: RouteSeries) -> None:
        """The request is its route's from here on, and counted there."""
        account.route = route
        account.series = series
        series.began()

    def hold(self, account: Account, name: str) -> None:
        """The request counts among those in flight of ``name``, a consumer's or of a group of addresses."""
        account.held = name
        count = self.flights[name] = self.flights.get(name, 0) + 1
        if self.shared_counters is not None:
            self.shared_counters.put_consumer(name, count)
            if count == 1:
                self.shared_counters.put(HOLDERS, len(self.flights))

    def close(self, account: Account) -> None:
        """Book it. The first call counts, any further one is ignored."""
        if account.closed:
            return
        account.closed = True
        now = self.now()
        self.in_flight -= 1
        if self.shared_counters is not None:
            self.shared_counters.put(REQUESTS, self.in_flight)
        request = account.request
        status = request.status or CLIENT_GONE
        consumer = account.consumer.name if account.consumer is not None else ""
        if account.held:
            self._release(account.held)
        overhead = account.overhead(now)
        series = account.series
        if series is None:
            series = self.metrics.route("")
        else:
            series.ended()
        if account.plan is not None and account.operation in MODEL_OPERATIONS:
            self._book_model(series, account, account.plan, consumer, status, now, overhead)
        else:
            series.done(consumer, account.operation, status, overhead)
        if self.access_log.enabled:
            self.access_log.write(access_line(account, consumer, status, now, overhead))

    def _release(self, name: str) -> None:
        left = self.flights[name] - 1
        if left:
            self.flights[name] = left
        else:
            del self.flights[name]
        if self.shared_counters is not None:
            self.shared_counters.put_consumer(name, left)
            if not left:
                self.shared_counters.put(HOLDERS, len(self.flights))

    def all_in_flight(self) -> int:
        """Requests opened and not yet closed, in all processes of the gateway."""
        return (
            self.in_flight
            if self.shared_counters is None
            else self.in_flight + self.shared_counters.elsewhere(REQUESTS)
        )

    def all_flights(self, name: str) -> int:
        """The same of one consumer, or of a group of addresses."""
        count = self.flights.get(name, 0)
        return count if self.shared_counters is None else count + self.shared_counters.consumer_elsewhere(name)

    def all_holders(self, name: str) -> int:
        """How many have requests in flight once ``name`` has one. Of several processes it is the sum of what each has,
        so it may be too many: then shares are smaller than they should be, and the reserve lasts longer."""
        count = len(self.flights) + (name not in self.flights)
        return count if self.shared_counters is None else count + self.shared_counters.elsewhere(HOLDERS)

    def _book_model(
        self,
        route: RouteSeries,
        account: Account,
        plan: Plan,
        consumer: str,
        status: int,
        now: float,
        overhead: float,
    ) -> None:
        response_model = plan.label_of(account.response_model) if account.response_model else ""
        series = route.done(
            consumer,
            account.operation,
            status,
            overhead,
            plan.genai_name,
            account.label_model,
            response_model,
        )
        duration = now - account.request.received
        usage = account.usage
        ttft = account.first_token_at - account.request.received if account.first_token_at else None
        per_token = None
        if ttft is not None and usage is not None and usage.output > 1:
            per_token = max(0.0, duration - ttft) / (usage.output - 1)
        series.kind.model_done(duration, ttft, per_token)
        if usage is not None:
            series.tokens(usage.input, usage.output, usage.cached_input, usage.reasoning)
