"""The models of a consumer that is limited to certain ones, held against the names that decide.

Judged is the name that decides which model answers (docs/config.md, ``consumers.NAME.models``): the route's; else the
one that the consumer's own settings of the backend pin, or the backend does, where the client's is replaced; else the
client's. Whatever else a request names (fallbacks, tools with a model of their own, a path) must be allowed as well,
and where its models cannot be known it is refused. Nothing here is done for other consumers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigw.consumers.consumer import Consumer
from aigw.consumers.forms import urlencoded
from aigw.errors import Forbidden
from aigw.http.request import Request
from aigw.llm.body_models import BodyNames
from aigw.llm.model_names import check_model_name, has_custom_method, names_in_path, spellings
from aigw.llm.operations import RAW
from aigw.proxy.plan import Plan
from aigw.web.raw import RawModels
from aigw.web.route import Route, check_model, shown


def check_fields(consumer: Consumer, fields: dict[str, Any], body: bytes) -> bool:
    """Judge what the body of a known operation names beside its ``model``.

    :returns: whether ``fields`` are to be sent and not ``body``, which another reader may read in another way.
    :raises Forbidden: a name is not allowed, or there are models that cannot be known.
    :raises BadRequest: ``model`` is there in two spellings, or something else than a name is where one should be.
    """
    found = BodyNames(fields, body)
    for name in found.names:
        check_model_name(name)
        check_model(consumer, name)
    if found.unknown:
        raise _unknown(consumer, found.unknown)
    return found.decides


def check_raw(consumer: Consumer, raw: RawModels) -> None:
    """Judge what the body of a ``raw`` request names.

    :raises Forbidden: a name is not allowed, or there are models that cannot be known.
    """
    for name in raw.names:
        _check_any(consumer, spellings(name))
    if raw.unknown:
        raise _unknown(consumer, raw.unknown)


def check_query(consumer: Consumer, query: bytes) -> None:
    """:raises Forbidden: the query's ``model`` is not allowed: some calls have it there."""
    if b"odel" not in query.lower() and b"%" not in query:
        return
    for value in urlencoded(query).values(b"model"):
        if value:
            name = value.decode("utf-8", "replace")
            check_model_name(name)
            check_model(consumer, name)


def check_target(
    consumer: Consumer, route: Route, plan: Plan, request: Request, matched: bytes, asked: str | None, raw: RawModels
) -> None:
    """Judge the name that decides, and what the path names.

    :param matched: the part of the request's path that the route matched.
    :param asked: the request's own ``model``.
    :param raw: what the body of a ``raw`` request says of models.
    :raises Forbidden: a name is not allowed, or none can be known.
    """
    path, start = _named_in(route, plan, request.path, matched)
    in_path = names_in_path(path, start)
    for names in in_path:
        for name in names[:1]:
            check_model_name(name)
        _check_any(consumer, names)
    if plan.operation != RAW:
        _check_deciding(consumer, route, plan, asked)
        return
    if route.model is not None:
        check_model(consumer, route.model)
    if in_path:
        return
    if has_custom_method(path):
        raise _unknown(consumer, "its path names none")
    if raw.nameless:
        raise _unknown(consumer, raw.nameless)


def _check_deciding(consumer: Consumer, route: Route, plan: Plan, asked: str | None) -> None:
    if route.model is not None:
        name: str | None = route.model
    elif route.fixed is None:
        name = asked
    else:
        name = plan.deciding_model(asked)
    if name and not consumer.may_use_model(name):
        why = "" if name == asked else ", which decides here, whatever the request names"
        raise _forbidden(consumer, name, why)


def _named_in(route: Route, plan: Plan, path: bytes, matched: bytes) -> tuple[bytes, int]:
    """The path whose models count, and how many of its segments are the configuration's.

    Public models' targets are not judged, so the backend's own part of it is not where one of them decides. Azure's
    deployment decides wherever it stands.
    """
    rule = plan.path_rule
    if route.fixed is None and rule.full is not None:
        return b"", 0
    if plan.pairing is not None:
        return (rule.base, 0) if route.fixed is not None and plan.provider == "azure" else (b"", 0)
    target = rule.target(path, matched, None).partition(b"?")[0]
    base = rule.base if rule.prefix is None else rule.prefix
    return target, 0 if route.fixed is not None and plan.provider == "azure" else base.rstrip(b"/").count(b"/")


def _check_any(consumer: Consumer, names: Iterable[str]) -> None:
    """:raises Forbidden: none of these spellings of one model is allowed."""
    names = tuple(names)
    if not any(consumer.may_use_model(name) for name in names):
        raise _forbidden(consumer, names[0], "")


def _forbidden(consumer: Consumer, name: str, why: str) -> Forbidden:
    return Forbidden(
        f"consumer {consumer.name} may not use model {shown(name)}{why}", param="model", code="model_forbidden"
    )


def _unknown(consumer: Consumer, why: str) -> Forbidden:
    return Forbidden(
        f"consumer {consumer.name} is limited to certain models, and which ones this request uses cannot be known:"
        f" {why}",
        param="model",
        code="model_forbidden",
    )
