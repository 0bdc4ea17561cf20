"""What a client asked for, ready to be put to any target.

Every target has a plan of its own, so each attempt gets a request of its own, made from what the client sent. Making
one changes the parsed body in place; the next attempt reads the body anew, so that a call that succeeds at the first,
as nearly all do, copies nothing. What is kept of the body, and for how long, is :mod:`aigw.proxy.client_body`'s.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from aigw.consumers.consumer import Consumer
from aigw.errors import BadRequest
from aigw.http.request import Request
from aigw.llm.betas import betas_in
from aigw.llm.messages_pair import MessagesPair
from aigw.llm.model_names import spellings
from aigw.llm.operations import RAW, RESPONSES
from aigw.llm.rescue import Said
from aigw.llm.translation import TAKEN
from aigw.proxy.account import Account
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_body import NO_BODY, ClientBody
from aigw.proxy.offload import Offload
from aigw.proxy.plan import DIALECT_HEADERS, Plan
from aigw.routing.targets import Candidate

#: Methods of which doing it twice is doing it once (RFC 9110 section 9.2.2).
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))

#: Fields of a call for a response that name what only the provider that made it has.
_BINDING: Final = ("previous_response_id", "conversation")

_ids = itertools.count(1)
_ids_begin = os.urandom(10).hex()


class Plans(Protocol):
    """The plans of a snapshot."""

    def plan(self, route: str, candidate: Candidate, consumer: Consumer | None, operation: str) -> Plan:
        """The plan of this combination, made on first use.

        :param route: a route with that plan.
        :raises aigw.errors.BadRequest: the candidate has nothing like the operation.
        """


class ClientCall:
    """See the module's head.

    :param account: of the request.
    :param matched: the part of the path that the route matched.
    :ivar body: what was sent.
    :ivar offload: where large work is done; None does all of it on the event loop.
    :ivar plan_key: the name of a route whose plans are those of the request's.
    :ivar stream: the client wants a stream.
    :ivar bound: it goes on with what one provider has kept, so another one cannot answer it.
    :ivar said: what it has got of one, where others can take it up.
    :ivar renamed: makes the body of a ``raw`` call ask for another model, where a public name picked the target.
    :ivar model_id: the one model that the provider is asked about, not for the list of all.
    :ivar without_prefill: who would not be given the beginning of its answer.
    """

    plan_key = ""
    consumer: Consumer | None = None
    stream = False
    bound = False
    operation = ""
    model_id: str | None = None
    body: ClientBody = NO_BODY
    offload: Offload | None = None
    _query: bytes | None = None
    _plans: Plans
    said: Said | None = None
    without_prefill: frozenset[Candidate] = frozenset()
    renamed: Callable[[bytes, str], bytes] | None = None

    def __init__(self, account: Account, matched: bytes) -> None:
        self.account = account
        self.request: Request = account.request
        self.matched = matched

    def asks(self, operation: str, query: bytes | None, body: ClientBody, plan_key: str, plans: Plans) -> None:
        """What for.

        :param query: without what is this gateway's business.
        :param body: the call's own from here on.
        """
        self.plan_key = plan_key
        self.operation = operation
        self._plans = plans
        self._query = query
        self.body = body
        fields = body.fields
        if fields is not None:
            self.stream = fields.get("stream") is True
            if operation == RESPONSES:
                self.bound = any(fields.get(name) for name in _BINDING)

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
        return self._plans.plan(self.plan_key, candidate, self.consumer, self.operation)

    def attempt(self, candidate: Candidate, plan: Plan) -> Attempt:
        """The call as the candidate is to get it, ready to be started.

        :param plan: its own.
        :raises aigw.errors.BadRequest: the model, streaming, or something that has no counterpart there is refused.
        """
        if self.body.read:
            if plan.rescue is not None and (self.stream or plan.streaming == "always"):
                try:
                    return self._rescuable(candidate, plan)
                except BadRequest:
                    own = plan.pairing is None or isinstance(plan.pairing, MessagesPair)
                    if not own or (self.said is not None and self.said.text):
                        raise
                    # The target itself knows what no other dialect does; nobody can take its stream up then.
            if plan.pairing is not None:
                return self._translated(candidate, plan)
        return self._same_dialect(candidate, plan)

    def _same_dialect(self, candidate: Candidate, plan: Plan) -> Attempt:
        """To a target that speaks the client's own, or whatever the client speaks."""
        request, body = self.request, self.body.data
        hide_usage = stream = False
        model = fields = None
        if self.body.read:
            fields = self.body.take()
            version = request.header(b"anthropic-version") if plan.adjusts else None
            body, hide_usage = plan.adjust(body, fields, large=self.body.large, version=version)
            stream, model = fields.get("stream") is True, fields.get("model")
        elif self.renamed is not None:
            model = plan.wanted_model(self.account.asked_model)
            if model is not None and model != self.account.asked_model:
                body = self.renamed(body, model)
        target = plan.path_rule.target(request.path, self.matched, self._query, model, self.model_id)
        payload = plan.payload(
            request.method, target, request.headers, body, request.request_id, fields, request.nominated
        )
        translation = None
        if plan.listing is not None and request.method == b"GET":
            visible = None
            if self.consumer is not None and self.consumer.limited:
                visible = functools.partial(may_see, self.consumer)
            translation = plan.listing(request.anthropic, visible, self.model_id is not None)
        return Attempt(candidate, plan, payload, stream, header_value(model), hide_usage, translation)

    def _translated(self, candidate: Candidate, plan: Plan) -> Attempt:
        """To a target that speaks another dialect."""
        request, fields = self.request, self.body.take()
        translation = plan.translate(fields, new_id(), time.time(), self._betas())
        payload = plan.translated_payload(
            translation.request, request.headers, request.request_id, request.nominated, self.body
        )
        translation.request = TAKEN
        stream, model = fields.get("stream") is True, header_value(fields.get("model"))
        return Attempt(candidate, plan, payload, stream, model, False, translation)

    def _rescuable(self, candidate: Candidate, plan: Plan) -> Attempt:
        """A stream that another target can take up, or that takes up what the client has got of one."""
        request, prefill = self.request, False if candidate in self.without_prefill else candidate.prefill
        fields = self.body.take()
        if self.said is None:
            self.said = Said()
        translation = plan.translate_rescuable(fields, new_id(), time.time(), self.said, prefill, self._betas())
        foreign = request.nominated | DIALECT_HEADERS
        payload = plan.translated_payload(translation.request, request.headers, request.request_id, foreign, self.body)
        translation.request = TAKEN
        return Attempt(candidate, plan, payload, True, header_value(fields.get("model")), False, translation)

    def _betas(self) -> tuple[str, ...]:
        """Anthropic's, that the client asks for; a translation tells them in the provider's way."""
        if self.request.header(b"anthropic-beta") is None:
            return ()
        return betas_in(*self.request.header_values(b"anthropic-beta"))


def may_see(consumer: Consumer, name: str) -> bool:
    """Whether ``consumer`` may know of a provider's model, since it may ask for it by one of its names."""
    return any(consumer.may_use_model(each) for each in spellings(name))


def new_id() -> str:
    """Letters and digits that nobody else has."""
    return f"{_ids_begin}{next(_ids):012x}"


def header_value(model: object) -> bytes:
    """A model's name as a header value, or nothing if it cannot be one."""
    if isinstance(model, str) and model.isascii() and model.isprintable() and len(model) <= 256:
        return model.encode("ascii")
    return b""
