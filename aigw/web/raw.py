"""Which model a ``raw`` request asks for, as far as anybody needs to know.

A raw body is passed on byte for byte and, as a rule, unread. It is read where the route leaves the choice of the
backend to the request's model, and where the consumer is limited to certain models, or that limit would hold for the
well-known operations alone.
"""

from __future__ import annotations

from aigw.consumers.consumer import Consumer
from aigw.consumers.forms import form_field
from aigw.errors import Forbidden
from aigw.http.request import Request
from aigw.llm.body import parse
from aigw.llm.operations import RAW


def model_of_raw(request: Request, body: bytes, consumer: Consumer | None, picks: bool) -> str | None:
    """The body's ``model``; None where nobody asks or it has none.

    :param picks: the route leaves the choice of the backend to the request's model.

    :raises BadRequest: a JSON body of a limited consumer cannot be judged.
    :raises Forbidden: a body of another kind, of a limited consumer, in which no model can be found.
    """
    limited = consumer is not None and consumer.models is not None
    if not (limited or picks) or not body:
        return None
    kind = (request.header(b"content-type") or b"").split(b";")[0].strip().lower()
    if kind in (b"application/json", b"") or kind.endswith(b"+json"):
        model = parse(body, RAW).get("model")
        return model if isinstance(model, str) else None
    named = form_field(body, request.header(b"content-type") or b"", b"model")
    if named is None:
        if consumer is None or not limited:
            return None
        raise Forbidden(
            f"consumer {consumer.name} is limited to certain models, and this request does not say which it is for",
            param="model",
            code="model_forbidden",
        )
    return named.decode("utf-8", "replace")
