"""A route as a resource: who may use it, what it asks for, which backend it calls."""

from __future__ import annotations

from typing import Protocol

from aigw.consumers.authenticator import KeyAuthenticator
from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest, Forbidden, LimitReached, MethodNotAllowed
from aigw.http.request import Request
from aigw.llm import operations
from aigw.metrics import RouteSeries
from aigw.proxy.client_call import Plans
from aigw.proxy.forwarding import NEVER_IN_QUERY
from aigw.routing.targets import Group
from aigw.upstream.target import replace_prefix


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
    :ivar model: the one ``[models]`` entry; neither: the request's own ``model`` picks.
    :ivar lists_upstream: the route leads to one backend and leaves the model to the client, so its list of models
        is that provider's own.
    :ivar full_path: ``rewrite.full_path``.
    :ivar prefix: ``rewrite.prefix``.
    :ivar alike: the name by which ``plans`` are asked.
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
        alike: str,
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
        self.alike = alike
        self.backend = backend
        self.lists_upstream = lists_upstream
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
        if self.keys.in_path(request.path):
            raise BadRequest("the path has a consumer's key in it, which never goes to a provider", code="bad_path")
        return self.keys.clean_body(body, request.header(b"content-type") or b"")

    # -- what

    def operation_of(self, request: Request, by_path: str) -> str:
        """What is asked for: the route's operation, else what the path says.

        :param by_path: what :meth:`operation_at` says of the request's path.
        :raises MethodNotAllowed: the operation has another method.
        """
        operation = self.operation
        if operation is None:
            if request.method not in operations.METHODS.get(by_path, (request.method,)):
                # GET …/chat/completions lists stored completions: known to the provider, not to us.
                return by_path if request.method == b"OPTIONS" else operations.RAW
            return by_path
        if request.method != b"OPTIONS":
            allowed = operations.METHODS.get(operation)
            if allowed and request.method not in allowed:
                raise MethodNotAllowed(
                    f"{operation} takes {' or '.join(m.decode() for m in allowed)}",
                    headers=[(b"allow", b", ".join(allowed))],
                )
        return operation

    def operation_at(self, path: bytes, matched: bytes) -> str:
        """What the end of a path says, after ``rewrite``.

        :param matched: the part of it that the route matched.
        """
        if self.full_path is not None:
            path = self.full_path
        elif self.prefix is not None:
            path = replace_prefix(path, matched, self.prefix)
        return operations.by_path(path)

    # -- where

    def choose(self, asked: str | None) -> Group:
        """The targets for a request that asks for model ``asked``.

        :raises BadRequest: the route leaves it to the request, and the request names no model that is known.
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
            raise BadRequest(f"model {_shown(wanted)} is not served here", param="model", code="model_not_found")
        return group


class Found:
    """A route, and what a path that leads to it says.

    :param path: normalised.
    :ivar matched: the part of the path that the route matched.
    :ivar operation: what the path asks for, where the route leaves it open.
    """

    def __init__(self, route: Route, path: bytes, matched: bytes) -> None:
        self.route = route
        self.matched = matched
        self.operation = route.operation_at(path, matched)


def check_model(consumer: Consumer | None, name: str | None) -> None:
    """:raises Forbidden: ``consumer`` is limited to models of which ``name`` is none."""
    if consumer is not None and name and not consumer.may_use_model(name):
        raise Forbidden(
            f"consumer {consumer.name} may not use model {_shown(name)}",
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


def _shown(name: str) -> str:
    """A client's model name as an error may show it: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in name[:100])
