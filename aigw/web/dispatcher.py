"""The dispatcher: every request comes in here, and every one's account is closed here or by its exchange.

A request is located in the resource tree of the current snapshot, its consumer is recognised, it is admitted; then
it is answered by the catalogue or handed to an :class:`~aigw.proxy.exchange.Exchange`. The wire asks twice where a
body is still on its way: :meth:`RequestDispatcher.admit` as soon as the head is there, so that nobody without a key
makes the gateway read 32 MiB, and :meth:`RequestDispatcher.render` when the request is complete.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.consumers.key_filter import KeyFilter
from aigw.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    NoHealthyTarget,
    Overloaded,
    Unauthorized,
    UpgradeRequired,
    short_of_memory,
)
from aigw.http.content_coding import codings_of
from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.llm import operations
from aigw.llm.body import is_large
from aigw.metrics import RouteSeries
from aigw.proxy.account import Account, Ledger
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_body import ClientBody
from aigw.proxy.client_call import ClientCall
from aigw.proxy.exchange import Exchange, id_lines, refuse
from aigw.proxy.offload import Offload
from aigw.proxy.plan import Plan
from aigw.routing.admission import most_in_flight, within_share
from aigw.routing.targets import Candidate, Group
from aigw.web.body_decoding import BodyDecoding
from aigw.web.catalogue import Catalogue
from aigw.web.clients import Clients
from aigw.web.large_call import LargeCall
from aigw.web.model_limits import check_target
from aigw.web.model_lists import is_from_catalogue, lists_wildcards, models_body
from aigw.web.raw import RawModels
from aigw.web.reading import read_body
from aigw.web.route import Found, Route, check_in_flight
from aigw.web.tree import RouteTree
from aigw.web.upstream_lists import NO_WILDCARDS, WildcardRequest, Wildcards

_SANE_ID: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_JSON: Final = (b"content-type", b"application/json")
_NO_RAW: Final = RawModels()

#: What a provider may take where the operation is not one that is known.
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE")


@dataclass(frozen=True, eq=False)
class Served:
    """What one snapshot serves.

    :ivar max_in_flight: requests in flight above which new ones are refused, but for those of consumers that have less
        than their share (:mod:`aigw.routing.admission`); 0 for no limit.
    :ivar keys: keeps consumers' keys here.
    :ivar max_request_body: bytes that a body may come to which is in a coding.
    :ivar wildcards: of ``[models]``, whose backends tell what they take.
    """

    root: RouteTree = field(repr=False)
    catalogue: Catalogue = field(repr=False)
    clients: Clients
    max_in_flight: int
    keys: KeyFilter = field(repr=False)
    max_request_body: int = 32 * 1024 * 1024
    wildcards: Wildcards = field(default=NO_WILDCARDS, repr=False)


class Visit(ClientCall):
    """A request on its way through the dispatcher."""

    recognised = False
    raw: RawModels = _NO_RAW

    def __init__(
        self, account: Account, served: Served, found: Found, ledger: Ledger, offload: Offload | None = None
    ) -> None:
        super().__init__(account, found.matched)
        self.offload = offload
        self.ledger = ledger
        self.served = served
        self.entry = found.route
        self.by_path = found.operation

    def left(self) -> None:
        """The client left while its body was on its way."""
        self.account.error = "client_gone"
        self.ledger.close(self.account)


class RequestDispatcher:
    """What the server's channels ask (:class:`aigw.http.server.Site`).

    :ivar served: of the current snapshot; replaced as a whole by a reload.
    :ivar offload: where large work is done; None does all of it on the event loop.
    :ivar short_of_memory: set while the process has more than ``max_memory``: new requests are refused.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, served: Served, ledger: Ledger, deadlines: Deadlines) -> None:
        self.served = served
        self.offload: Offload | None = None
        self.short_of_memory = False
        self.ledger = ledger
        self._deadlines = deadlines
        self._id_prefix = os.urandom(10).hex()
        self._id_numbers = itertools.count(1 << 44)  # twelve digits each

    # -- what the wire asks (Site)

    def admit(self, request: Request) -> None:
        """The head is there, the body is not: refuse now who will be refused anyway."""
        visit = self._locate(request)
        if visit is None:
            return
        request.state = visit
        request.gone = visit.left
        authenticator = visit.entry.authenticator
        if authenticator is None or not authenticator.key_in_body or request.method == b"OPTIONS":
            self._guarded(visit, self._admit)

    def render(self, request: Request) -> None:
        """The request is complete."""
        visit = request.state
        if visit is None:
            visit = self._locate(request)
            if visit is None:
                return
        assert isinstance(visit, Visit)
        request.state = request.gone = None  # they know the request: all of it would wait for the garbage collector
        self._guarded(visit, self._serve)

    def refused(self, request: Request | None, client: str, error: GatewayError) -> None:
        """The wire refused something by itself; it is booked like everything else."""
        if request is None:
            self.ledger.metrics.route("").done("", "", error.status, 0.0)
            return
        visit = request.state
        account = visit.account if isinstance(visit, Visit) else self.ledger.open(request, client)
        account.error = error.code
        request.state = request.gone = None
        self.ledger.close(account)

    # -- the way in

    def _locate(self, request: Request) -> Visit | None:
        """Name the request and find its route; None if it was refused."""
        served = self.served
        if not request.request_id:
            request.request_id = self._name(request)
        if b"anthropic-version" in request.fields:
            request.anthropic = True
        account = self.ledger.open(request, served.clients.client_of(request))
        try:
            if self.short_of_memory or not request.has_room:
                raise short_of_memory()
            limit = served.max_in_flight
            if limit and self.ledger.all_in_flight() > most_in_flight(limit):
                raise _too_many(limit)
            found = served.root.route(request)
        except GatewayError as error:
            self._refuse(account, error)
            return None
        self.ledger.admit(account, found.route.name, self._series(found.route))
        return Visit(account, served, found, self.ledger, self.offload)

    def _series(self, route: Route) -> RouteSeries:
        series = route.series
        if series is None:
            series = route.series = self.ledger.metrics.route(route.name)
        return series

    def _name(self, request: Request) -> str:
        """The request's id: the client's own if it is a sane one, else a new one."""
        sent = request.fields.get(b"x-request-id")
        if sent and len(sent) <= 128 and _SANE_ID.issuperset(sent) and not self.served.keys.holds(sent):
            return sent.decode("ascii")
        return self._new_id()

    def _recognise(self, visit: Visit) -> None:
        """Find out whose request it is, and whether that consumer may go on."""
        route, account = visit.entry, visit.account
        try:
            consumer = route.authenticate(account.request)
        except (Unauthorized, Forbidden) as error:
            self.ledger.metrics.auth_failure(route.name, error.code)
            operation = route.operation or operations.by_path(account.request.path)
            account.request.anthropic |= operations.dialect(operation) == "anthropic"
            raise
        visit.recognised = True
        if consumer is not None:
            if consumer.max_in_flight:
                check_in_flight(consumer, self.ledger.all_flights(consumer.name))
            visit.consumer = account.consumer = consumer
        if account.request.websocket:
            raise _no_websocket()
        limit = visit.served.max_in_flight
        if limit:
            self._hold_share(account, limit)
        elif consumer is not None:
            self.ledger.hold(account, consumer.name)

    def _hold_share(self, account: Account, limit: int) -> None:
        """Count the request among its consumer's, or of nobody's among those of its address.

        :raises Overloaded: there are too many in flight, and enough of them are.
        """
        ledger, name = self.ledger, account.share()
        in_flight = ledger.all_in_flight()
        # The reserve is looked at where it is needed; up to the limit nobody asks who has how many.
        if in_flight > limit and not within_share(limit, in_flight, ledger.all_flights(name), ledger.all_holders(name)):
            raise _too_many(limit)
        ledger.hold(account, name)

    def _admit(self, visit: Visit) -> None:
        """Find out whose request it is before its body is there, and whether that can be decoded; that of a preflight
        without a key is not wanted."""
        self._recognise(visit)
        request = visit.account.request
        if b"content-encoding" in request.fields:
            codings_of(request.fields[b"content-encoding"])
        if request.method == b"OPTIONS" and not visit.entry.knows(visit.consumer):
            request.state = request.gone = None
            self._answer_preflight(visit, visit.entry.operation_of(request, visit.by_path))

    def _serve(self, visit: Visit) -> None:
        """The request is complete. A key in a body that is in a coding is found when that is off."""
        coded = b"content-encoding" in visit.account.request.fields
        authenticator = visit.entry.authenticator
        if not visit.recognised and not (coded and authenticator is not None and authenticator.key_in_body):
            self._recognise(visit)
        if coded:
            BodyDecoding(self, visit, self._serve_decoded).start(visit.served.max_request_body)
        else:
            self._serve_plain(visit)

    def _serve_decoded(self, visit: Visit) -> None:
        self._guarded(visit, self._serve_plain)

    def _serve_plain(self, visit: Visit) -> None:
        if not visit.recognised:
            self._recognise(visit)
        request, account = visit.account.request, visit.account
        operation = account.operation = visit.entry.operation_of(request, visit.by_path)
        if operations.dialect(operation) == "anthropic":
            request.anthropic = True
        if request.method == b"OPTIONS" and self._answers_options(visit, operation):
            self._answer_preflight(visit, operation)
        elif is_from_catalogue(visit.entry, visit.consumer, request, operation):
            self._answer_models(visit)
        else:
            self._call(visit, operation)

    def _answers_options(self, visit: Visit, operation: str) -> bool:
        """Whether OPTIONS is answered here: everywhere but on raw routes to one backend."""
        entry = visit.entry
        return operation in operations.METHODS or entry.picks or not entry.knows(visit.consumer)

    # -- answers of our own

    def _answer_preflight(self, visit: Visit, operation: str) -> None:
        visit.account.operation = operation
        usual = (operations.MODEL_CALL_METHOD,) if visit.entry.picks else _METHODS
        allow = b", ".join((*operations.METHODS.get(operation, usual), b"OPTIONS"))
        self._answer(visit.account, 204, b"", (b"allow", allow))

    def _answer_models(self, visit: Visit) -> None:
        """Of the catalogue; what wildcards take is asked for first."""
        account, request, wildcards = visit.account, visit.account.request, visit.served.wildcards
        account.operation = operations.MODELS
        if not wildcards or not lists_wildcards(visit.entry, visit.consumer, request):
            self._list_models(visit)
            return
        done = functools.partial(self._guarded, visit, self._list_models)
        WildcardRequest(wildcards, request, done, visit.left).start(functools.partial(self._refuse, account))

    def _list_models(self, visit: Visit) -> None:
        served, request = visit.served, visit.account.request
        body = models_body(visit.entry, visit.consumer, request, served.catalogue, served.wildcards)
        self._answer(visit.account, 200, body, _JSON)

    def _answer(self, account: Account, status: int, body: bytes, header: tuple[bytes, bytes]) -> None:
        now = account.answered_at = self._deadlines.now()
        request = account.request
        lines = b"server-timing: %s\r\n" % account.server_timing(now) + id_lines(request)
        request.respond(status, [header], body, lines)
        self.ledger.close(account)

    # -- answers of a backend

    def _call(self, visit: Visit, operation: str) -> None:
        if visit.offload is not None and is_large(visit.account.request.body):
            LargeCall(self, visit, visit.offload, operation).start()
            return
        group = self.choose(visit, operation, self.read(visit, operation))
        candidate = self.first(visit, group)
        try:
            attempt = visit.attempt(candidate, self.plan(visit, group, candidate))
        except BadRequest:
            elsewhere = self._attempt_elsewhere(visit, group, candidate)
            if elsewhere is None:
                raise
            attempt = elsewhere
        self.begin(visit, group, attempt)

    def choose(self, visit: Visit, operation: str, body: ClientBody) -> Group:
        """Whom a call may be put to, whose body was read."""
        route, query = visit.entry, visit.account.request.query
        group = route.choose(visit.account.asked_model)
        if query is not None:
            query = route.clean_query(query)
        visit.asks(operation, query, body, route.plan_key, route.plans)
        return group

    def first(self, visit: Visit, group: Group) -> Candidate:
        """Whom it is put to first.

        :raises NoHealthyTarget: nobody is well.
        """
        return group.only if group.use_unhealthy and group.only is not None else self._candidate(visit, group)

    def another(self, visit: Visit, group: Group, unfit: Sequence[Candidate]) -> Candidate | None:
        """Whom it is put to where these cannot be asked for it; None if nobody is left."""
        return group.pick(visit, self._deadlines.now(), unfit)

    def begin(self, visit: Visit, group: Group, attempt: Attempt) -> None:
        """Put it there."""
        Exchange(visit, group, self.ledger, self._deadlines).start(attempt)

    def _candidate(self, visit: Visit, group: Group) -> Candidate:
        """Whom the call is put to first.

        :raises NoHealthyTarget: nobody is well.
        """
        now = self._deadlines.now()
        candidate = group.first(visit, now)
        if candidate is None:
            raise NoHealthyTarget(f"no target of model {group.public_model} is healthy", retry_after=group.back_in(now))
        return candidate

    def plan(self, visit: Visit, group: Group, candidate: Candidate) -> Plan:
        """The plan of a call that ``candidate`` is to get; judged, and noted in the account.

        :raises BadRequest: it cannot be asked for this.
        :raises Forbidden: the consumer may not.
        """
        account, plan, consumer = visit.account, visit.plan(candidate), visit.consumer
        if consumer is not None and consumer.limited:
            asked = account.asked_model
            check_target(consumer, visit.entry, plan, account.request, visit.matched, asked, visit.raw)
        name = account.asked_model or group.public_model or plan.model
        account.plan = plan
        account.asked_model = name
        account.label_model = plan.label_of(name) if name else ""
        return plan

    def _attempt_elsewhere(self, visit: Visit, group: Group, unfit: Candidate) -> Attempt | None:
        """The call as another candidate than ``unfit`` is to get it, if any can."""
        tried = [unfit]
        while (candidate := self.another(visit, group, tried)) is not None:
            with contextlib.suppress(BadRequest):
                return visit.attempt(candidate, self.plan(visit, group, candidate))
            tried.append(candidate)
        return None

    def _new_id(self) -> str:
        return self._id_prefix + hex(next(self._id_numbers))[2:]

    def read(self, visit: Visit, operation: str, *, large: bool = False) -> ClientBody:
        """See :func:`aigw.web.reading.read_body`."""
        return read_body(visit, operation, large=large)

    # -- ends

    def _guarded(self, visit: Visit, step: Any) -> None:
        """Take a step; a refusal, or a fault of our own, becomes this request's answer."""
        try:
            step(visit)
        except GatewayError as error:
            self._refuse(visit.account, error)
        except Exception:
            self.failed(visit, Failure())

    def failed(self, visit: Visit, failure: Failure) -> None:
        """A step towards an answer was a refusal, or a fault of our own."""
        account, error = visit.account, failure.value
        if not isinstance(error, GatewayError):
            self._log.failure("request {id} failed", failure, id=account.request.request_id)
            error = GatewayError("an internal error occurred; the gateway's log tells more")
        self._refuse(account, error)

    def _refuse(self, account: Account, error: GatewayError) -> None:
        account.error = error.code
        request = account.request
        request.state = request.gone = request.cut = None
        now = account.answered_at = self._deadlines.now()
        if not request.status and not request.disconnected:
            refuse(request, error, b"server-timing: %s\r\n" % account.server_timing(now) + id_lines(request))
        self.ledger.close(account)


def _no_websocket() -> UpgradeRequired:
    """No operation takes a WebSocket. Which protocol it has to be instead, ``Upgrade`` says, and ``Connection`` that it
    is about this connection (RFC 9110 sections 7.8 and 15.5.22)."""
    headers = [(b"upgrade", b"HTTP/1.1"), (b"connection", b"upgrade")]
    return UpgradeRequired("a WebSocket is not served here: send the request over HTTP", headers=headers)


def _too_many(limit: int) -> Overloaded:
    return Overloaded(f"more than max_in_flight = {limit} requests in flight", retry_after=1)
