"""A route as a resource: who may use it, what it asks for, which backend it calls."""

from __future__ import annotations

from typing import Final, Protocol
from urllib.parse import unquote

from aigw.consumers.authenticator import KeyAuthenticator
from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest, Forbidden, LimitReached, MethodNotAllowed, ModelNotFound, NoRoute
from aigw.http.request import Request
from aigw.llm import operations
from aigw.metrics import RouteSeries
from aigw.proxy.client_call import Plans
from aigw.proxy.forwarding import NEVER_IN_QUERY
from aigw.routing.targets import Group
from aigw.upstream.target import replace_prefix

#: What a path on a route that picks from ``[models]`` says if it is no call of a model.
_NOTHING: Final = ""


#: Methods by which a provider does something else at an operation's path, so that they go there as ``raw`` calls: at
#: OpenAI's, stored completions are listed (https://platform.openai.com/docs/api-reference/chat/list); what others do
#: with models is theirs to say.
_PROVIDERS_OWN: Final = {
    operations.CHAT: (b"GET", b"HEAD"),
    operations.MODELS: (b"POST", b"PUT", b"PATCH", b"DELETE"),
}


class Models(Protocol):
    """The ``[models]`` of a snapshot, as routes ask for them."""

    def choose(self, name: str) -> Group | None:
        """The targets of the model that goes by ``name``; None if there is no such model."""

    def alone(self, backend: str) -> Group:
        """One backend by itself."""


class Route:
    """One ``[routes]`` entry, compiled.

    :ivar authenticator: None where ``auth = "none"``.
    :ivar keys: keeps consumers' keys here.
    :ivar operation: fixed by the configuration, or None to read it off the path.
    :ivar backend: the one backend, or
    :ivar model: the one ``[models]`` entry.
    :ivar picks: neither: the request's own ``model`` picks, and only calls of a model are served.
    :ivar judges: what the request names as its model is judged, or replaced, here.
    :ivar lists_upstream: the route leads to one backend and leaves the model to the client, so its list of models
        is that provider's own.
    :ivar provider: the backend's; empty where there is none.
    :ivar pinned: the backend's own model, with its ``on_model_mismatch``.
    :ivar full_path: ``rewrite.full_path``.
    :ivar prefix: ``rewrite.prefix``.
    :ivar plan_key: the name by which ``plans`` are asked.
    :ivar series: where its requests are counted, once it had one.
    """

    series: RouteSeries | None = None

    def __init__(
        self,
        name: str,
        *,
        authenticator: KeyAuthenticator | None,
        keys: KeyFilter,
        operation: str | None,
        backend: str | None,
        model: str | None,
        lists_upstream: bool,
        full_path: bytes | None,
        prefix: bytes | None,
        models: Models,
        plans: Plans,
        plan_key: str,
        provider: str = "",
        pinned: str | None = None,
        on_model_mismatch: str = "override",
    ) -> None:
        # What each call touches stands together, which is how mypyc lays it out.
        self.name = name
        self.authenticator = authenticator
        self.keys = keys
        self._not_in_query = NEVER_IN_QUERY | (authenticator.header_names if authenticator is not None else frozenset())
        self.operation = operation
        self.fixed: Group | None = models.alone(backend) if backend is not None else None
        self.model = model
        self.models = models
        self.plans = plans
        self.plan_key = plan_key
        self.backend = backend
        self.picks = backend is None and model is None
        self.judges = self.picks or model is not None or pinned is not None
        self.lists_upstream = lists_upstream
        self.provider = provider
        self.pinned = pinned
        self.on_model_mismatch = on_model_mismatch
        self.full_path = full_path
        self.prefix = prefix

    # -- who

    def authenticate(self, request: Request) -> Consumer | None:
        """The consumer behind ``request``; None where the route asks for none.

        :raises Unauthorized: no valid key.
        :raises Forbidden: the consumer may not come here.
        """
        if self.authenticator is None:
            return None
        consumer = self.authenticator.authenticate(request)
        if consumer is not None and not consumer.may_use_route(self.name):
            raise Forbidden(f"consumer {consumer.name} may not use route {self.name}", code="route_forbidden")
        return consumer

    def knows(self, consumer: Consumer | None) -> bool:
        """Whether a request of ``consumer`` may be put to a backend: a preflight of nobody's may not, with the
        backend's credential on it. A route that asks nobody who he is lets everybody's through, that is what it is for.
        """
        return consumer is not None or self.authenticator is None

    # -- without keys

    def clean_query(self, query: bytes) -> bytes | None:
        """A query as it may go on; None if nothing of it is left."""
        return self.keys.clean_query(query, self._not_in_query)

    def clean_raw(self, request: Request, body: bytes) -> bytes:
        """A body that is not read, as it may go on.

        :raises BadRequest: the path holds a key, and without it would be another one.
        """
        path = self.keys.clean_path(request.path)
        if path is not request.path:
            request.path = path  # as it is logged
            raise BadRequest("the path has a consumer's key in it, which never goes to a provider", code="bad_path")
        return self.keys.clean_body(body, request.header(b"content-type") or b"")

    # -- what

    def operation_of(self, request: Request, by_path: str) -> str:
        """What is asked for: the route's operation, else what the path says.

        :param by_path: what :meth:`operation_at` says of the request's path.
        :raises MethodNotAllowed: the operation, or the call of a model, has another method.
        :raises NoRoute: it is no call of a model, and the route serves no other.
        """
        operation = self.operation
        if operation is None:
            allowed = operations.METHODS.get(by_path)
            if allowed is not None and request.method in allowed:
                return by_path
            return self._not_known(request.method, by_path)
        if operation == operations.RAW and self.picks:
            return self._not_known(request.method, by_path)
        if request.method != b"OPTIONS":
            allowed = operations.METHODS.get(operation)
            if allowed and request.method not in allowed:
                raise _not_allowed(operation, allowed)
        return operation

    def _not_known(self, method: bytes, by_path: str) -> str:
        """What a request asks for that is none of the known operations, by its method or by its path."""
        if method == b"OPTIONS" and by_path != _NOTHING:
            return by_path
        if not self.picks:
            allowed = None if method in _PROVIDERS_OWN.get(by_path, ()) else operations.METHODS.get(by_path)
            if allowed is None:
                return operations.RAW
            raise _not_allowed(by_path, allowed)
        if by_path == operations.RAW and method == operations.MODEL_CALL_METHOD:
            return by_path
        if by_path != _NOTHING:
            raise _not_allowed("this path", operations.METHODS.get(by_path, (operations.MODEL_CALL_METHOD,)))
        raise NoRoute(
            f"no Route matched with those values: route {self.name} has no backend, so it serves calls of a model only;"
            ' another path or method of a provider needs a route with backend = "…" and operation = "raw"'
        )

    def operation_at(self, path: bytes, matched: bytes) -> str:
        """What the end of a path says, after ``rewrite``; nothing where the request's ``model`` picks the backend and
        the path is no call of a model.

        :param matched: the part of it that the route matched.
        """
        rewritten = path
        if self.full_path is not None:
            rewritten = self.full_path
        elif self.prefix is not None:
            rewritten = replace_prefix(path, matched, self.prefix)
        raw = self.operation == operations.RAW
        operation = operations.RAW if raw else operations.by_path(rewritten)
        if operation == operations.RAW and not raw and self.names_model(path) is not None:
            return operations.MODELS
        if operation != operations.RAW or not self.picks:
            return operation
        if model_asked_for(path) is not None and not raw:
            return operations.MODELS
        return operations.RAW if self._is_model_call(path, matched, rewritten) else _NOTHING

    def names_model(self, path: bytes) -> str | None:
        """The id in ``…/models/{id}`` where the backend is asked for it at its own place for models; else None."""
        rewrites = self.full_path is not None or self.prefix is not None
        return model_asked_for(path, slashes=False) if self.lists_upstream and not rewrites else None

    def _is_model_call(self, path: bytes, matched: bytes, rewritten: bytes) -> bool:
        """Whether it has its model in the body, so that no part of its path that the client chooses decides."""
        raw = self.operation == operations.RAW
        tail = operations.tail_of_model_call(rewritten, raw)
        if self.prefix is None:
            return tail != b""
        rest = path[len(matched.rstrip(b"/")) :]
        return tail == rewritten or (rest != b"" and operations.tail_of_model_call(rest, raw) == rest)

    def raw_prefix(self, path: bytes, matched: bytes) -> bytes:
        """The part of ``path`` that does not go up where a raw call is passed on.

        Where the request's ``model`` picks the backend, that is all before the call of a model: what else a client
        writes before it (``…/deployments/NAME``) must not choose the model.
        """
        if self.picks and self.full_path is None and self.prefix is None:
            tail = operations.tail_of_model_call(path, self.operation == operations.RAW)
            return path[: -len(tail)] if tail else matched
        return matched

    # -- where

    def decided_model(self, consumer: Consumer) -> str | None:
        """The model that all calls of ``consumer`` get here, whatever they name; None where the name decides."""
        if self.model is not None or self.backend is None:
            return self.model
        own = consumer.backends.get(self.backend)
        pinned = (own and own.model) or self.pinned
        return None if ((own and own.on_model_mismatch) or self.on_model_mismatch) == "allow" else pinned

    def choose(self, asked: str | None) -> Group:
        """The targets for a request that asks for model ``asked``.

        :raises BadRequest: the route leaves it to the request, and the request names no model.
        :raises ModelNotFound: it names one that is not known.
        """
        if self.fixed is not None:
            return self.fixed
        wanted = self.model or asked
        if not wanted:
            raise BadRequest(
                "model parameter not found in request, nor in gateway configuration",
                param="model",
                code="model_required",
            )
        group = self.models.choose(wanted)
        if group is None:
            raise ModelNotFound(f"model {shown(wanted)} is not served here", param="model")
        return group


class Found:
    """A route, and what a path that leads to it says.

    :param path: normalised.
    :ivar matched: the part of the path that the route matched.
    :ivar operation: what the path asks for, where the route leaves it open.
    """

    def __init__(self, route: Route, path: bytes, matched: bytes) -> None:
        self.route = route
        self.operation = route.operation_at(path, matched)
        self.matched = route.raw_prefix(path, matched) if self.operation == operations.RAW else matched


def check_model(consumer: Consumer | None, name: str | None) -> None:
    """:raises Forbidden: ``consumer`` is limited to models of which ``name`` is none."""
    if consumer is not None and name and not consumer.may_use_model(name):
        raise Forbidden(
            f"consumer {consumer.name} may not use model {shown(name)}",
            param="model",
            code="model_forbidden",
        )


def check_in_flight(consumer: Consumer, in_flight: int) -> None:
    """:raises LimitReached: the consumer has as many requests in flight as it may."""
    if consumer.max_in_flight and in_flight >= consumer.max_in_flight:
        raise LimitReached(
            f"consumer {consumer.name} already has max_in_flight = {consumer.max_in_flight} requests in flight",
            code="max_in_flight",
            retry_after=1,
        )


def _not_allowed(what: str, allowed: tuple[bytes, ...]) -> MethodNotAllowed:
    """The refusal of another method than those that an operation has."""
    methods = " or ".join(method.decode() for method in allowed)
    return MethodNotAllowed(f"{what} takes {methods}", headers=[(b"allow", b", ".join(allowed))])


def shown(name: str) -> str:
    """A client's model name as an error may show it: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in name[:100])


def model_asked_for(path: bytes, *, slashes: bool = True) -> str | None:
    """The id in ``…/models/{id}``; None for any other path. It may hold slashes, encoded (as SDKs do) or not.

    :param slashes: what is behind a slash that is not encoded belongs to the id. Of a provider's paths it does not:
        ``…/models/X/permissions``.
    """
    _, found, name = path.rstrip(b"/").rpartition(b"/models/")
    if not found or not name or (b"/" in name and not slashes):
        return None
    return unquote(name.decode("ascii"))
