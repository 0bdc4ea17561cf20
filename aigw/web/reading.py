"""The body of a call: read, judged and without what is this gateway's business, ready to be put to a target."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aigw.consumers.consumer import Consumer
from aigw.errors import short_of_memory
from aigw.llm import operations
from aigw.llm.body import parse, serialise
from aigw.llm.model_names import check_spelling
from aigw.proxy.client_body import ClientBody
from aigw.web.model_limits import check_fields, check_query, check_raw
from aigw.web.raw import models_of_raw, with_model

if TYPE_CHECKING:
    from aigw.web.dispatcher import Visit


def read_body(visit: Visit, operation: str, *, large: bool = False) -> ClientBody:
    """The body, which is the call's from here on, and what it says where the operation is one that is read.

    :param large: runs in a thread, beside the event loop.
    :raises GatewayError: it is refused.
    """
    account = visit.account
    request = account.request
    body, request.body = request.body, b""
    authenticator = visit.entry.authenticator
    if authenticator is not None and authenticator.key_in_body:
        body = authenticator.clean_body(body, request.header(b"content-type"))
    if operation == operations.MODELS:
        visit.model_id = visit.entry.names_model(request.path)
        return ClientBody(visit.entry.clean_raw(request, body) if visit.model_id is not None else body)
    consumer = visit.consumer
    limited = consumer is not None and consumer.limited
    if (operation != operations.RAW or limited or visit.entry.picks) and not request.may_parse(body):
        raise short_of_memory()
    fields = None
    if operation == operations.RAW:
        body = _raw_body(visit, body, limited)
    else:
        fields = parse(body, operation)
        if visit.served.keys.clean_fields(fields):
            body = serialise(fields, large=large)
        account.asked_model = fields.get("model") or None
    if limited and consumer is not None:
        body = _judged(consumer, visit, body, fields, large=large)
    elif fields is not None and (visit.entry.judges or (consumer is not None and consumer.backends)):
        check_spelling(fields)
    return ClientBody(body, fields, large=large)


def _raw_body(visit: Visit, body: bytes, limited: bool) -> bytes:
    """What goes up of a ``raw`` call's, and what it says of models, as far as anybody needs to know."""
    request, picks = visit.account.request, visit.entry.picks
    visit.raw = models_of_raw(request, body, limited, picks)
    visit.account.asked_model = visit.raw.model
    if picks:
        visit.renamed = functools.partial(with_model, content_type=request.header(b"content-type") or b"")
    return visit.entry.clean_raw(request, body if visit.raw.body is None else visit.raw.body)


def _judged(consumer: Consumer, visit: Visit, body: bytes, fields: dict[str, Any] | None, *, large: bool) -> bytes:
    """Hold what the request itself names against what a limited consumer may use; returns the body to send."""
    query = visit.account.request.query
    if query:
        check_query(consumer, query)
    if fields is None:
        check_raw(consumer, visit.raw)
        return body
    return serialise(fields, large=large) if check_fields(consumer, fields, body) else body
