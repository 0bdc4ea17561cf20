"""What a client asked for, ready to be put to any target.

Every target has a plan of its own, so each attempt gets a request of its own, made from what the client sent. Making
one changes the parsed body in place; the next attempt reads the body anew, so that a call that succeeds at the first,
as nearly all do, copies nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import orjson

from aigw.consumers.consumer import Consumer
from aigw.http.request import Request
from aigw.llm.operations import RAW
from aigw.llm.translation import Translating
from aigw.proxy.plan import Plan
from aigw.routing.targets import Candidate
from aigw.upstream.upstream import Payload

#: Methods of which doing it twice is doing it once (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))


class Plans(Protocol):
    """The plans of a snapshot."""

    def plan(self, route: str, candidate: Candidate, consumer: Consumer | None, operation: str) -> Plan:
        """The plan of this combination, made on first use.

        :raises aigw.errors.BadRequest: the candidate has nothing like the operation.
        """


class Prepared(NamedTuple):
    """A call as one target is to get it.

    :ivar hide_usage: see :meth:`aigw.proxy.plan.Plan.adjust`.
    :ivar translation: where client and target do not speak one dialect.
    :ivar stream: the answer is to be streamed.
    :ivar model: what the target is asked for, fit for a header's value, else empty.
    """

    plan: Plan
    payload: Payload
    hide_usage: bool
    translation: Translating | None
    stream: bool
    model: bytes


class ClientCall:
    """See the module's head.

    :param route: the route's name.
    :param matched: the part of the path that the route matched.
    :param query: without what is this gateway's business.
    :param body: likewise.
    :param fields: ``body``, parsed, where the operation is one that is read; given away.
    :param new_id: unique letters and digits at each call.
    """

    __slots__ = ("_body", "_fields", "_matched", "_new_id", "_plans", "_query", "_reads", "consumer", "operation",
                 "request", "route", "stream")  # fmt: skip

    def __init__(
        self,
        request: Request,
        plans: Plans,
        route: str,
        operation: str,
        consumer: Consumer | None,
        matched: bytes,
        query: bytes | None,
        body: bytes,
        fields: dict[str, Any] | None,
        new_id: Callable[[], str],
    ) -> None:
        self.request = request
        self.route = route
        self.operation = operation
        self.consumer = consumer
        self.stream = fields is not None and fields.get("stream") is True
        self._plans = plans
        self._matched = matched
        self._query = query
        self._body = body
        self._fields = fields
        self._reads = fields is not None
        self._new_id = new_id

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice does no harm. A call of a model costs, but changes nothing."""
        return self.operation != RAW or self.request.method in _IDEMPOTENT

    def hash_key(self, on: str) -> bytes | None:
        """See :class:`aigw.routing.balance.Asking`."""
        if on == "consumer":
            return self.consumer.name.encode() if self.consumer is not None else None
        return self.request.header(on.removeprefix("header:").lower().encode())

    def plan(self, candidate: Candidate) -> Plan:
        """The candidate's plan for this call.

        :raises aigw.errors.BadRequest: it has nothing like the operation.
        """
        return self._plans.plan(self.route, candidate, self.consumer, self.operation)

    def prepare(self, plan: Plan) -> Prepared:
        """The call as the target of ``plan`` is to get it.

        :raises aigw.errors.BadRequest: the model, streaming, or something that has no counterpart there is refused.
        """
        fields, self._fields = self._fields, None
        if fields is None and self._reads:
            fields = orjson.loads(self._body)
        if fields is None:
            return self._passed(plan, None)
        return self._passed(plan, fields) if plan.pairing is None else self._translated(plan, fields)

    def _passed(self, plan: Plan, fields: dict[str, Any] | None) -> Prepared:
        """To a target that speaks the client's dialect."""
        request, body = self.request, self._body
        hide_usage = stream = False
        model = None
        if fields is not None:
            body, hide_usage = plan.adjust(body, fields)
            stream, model = fields.get("stream") is True, fields.get("model")
        target = plan.path_rule.target(request.path, self._matched, self._query, model)
        payload = plan.payload(
            request.method, target, request.headers, body, request.request_id, fields, request.nominated
        )
        return Prepared(plan, payload, hide_usage, None, stream, header_value(model))

    def _translated(self, plan: Plan, fields: dict[str, Any]) -> Prepared:
        """To one that speaks another dialect."""
        request = self.request
        translation = plan.translate(fields, self._new_id(), time.time())
        payload = plan.translated_payload(translation.request, request.headers, request.request_id, request.nominated)
        return Prepared(
            plan, payload, False, translation, fields.get("stream") is True, header_value(fields.get("model"))
        )


def header_value(model: object) -> bytes:
    """A model's name as a header value, or nothing if it cannot be one."""
    if isinstance(model, str) and model.isascii() and model.isprintable() and len(model) <= 256:
        return model.encode("ascii")
    return b""
