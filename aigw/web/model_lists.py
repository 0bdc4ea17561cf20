"""Who answers ``GET …/models`` and ``GET …/models/{id}``: this gateway's catalogue, or the provider itself."""

from __future__ import annotations

from aigw.consumers.consumer import Consumer
from aigw.errors import ModelNotFound
from aigw.http.request import Request
from aigw.llm import operations
from aigw.proxy.client_call import may_see
from aigw.web.catalogue import Catalogue
from aigw.web.route import Route, model_asked_for
from aigw.web.upstream_lists import Wildcards


def is_from_catalogue(route: Route, consumer: Consumer | None, request: Request, operation: str) -> bool:
    """Whether the configuration answers. The provider does where a client may ask for what that has, or for some of it.

    :raises ModelNotFound: it asks a provider for a model that the consumer may not use.
    """
    if request.method not in (b"GET", b"HEAD"):
        return False
    name = model_asked_for(request.path, slashes=route.picks) if route.operation is None else None
    if route.lists_upstream and _decided(route, consumer) is None:
        if consumer is not None and name is not None and not may_see(consumer, name):
            raise ModelNotFound("this model is not served here", param="model")
        return False
    return operation == operations.MODELS or name is not None


def lists_wildcards(route: Route, consumer: Consumer | None, request: Request) -> bool:
    """Whether the answer is a list in which what wildcards take belongs."""
    return route.picks and model_asked_for(request.path) is None and _decided(route, consumer) is None


def models_body(
    route: Route, consumer: Consumer | None, request: Request, catalogue: Catalogue, wildcards: Wildcards
) -> bytes:
    """The catalogue's answer as JSON: the list, or the one model that the path names.

    :param wildcards: whose names are told as far as they are known.
    :raises ModelNotFound: nobody serves that model, or not to this consumer.
    """
    decided = _decided(route, consumer)
    if decided is not None:
        catalogue = Catalogue(((decided, catalogue.owner(decided) or route.provider),))
    name = model_asked_for(request.path, slashes=route.picks)
    if name is None:
        further = wildcards.names() if lists_wildcards(route, consumer, request) else ()
        return catalogue.listing(consumer, anthropic=request.anthropic, further=further)
    return catalogue.one(name, consumer, anthropic=request.anthropic)


def _decided(route: Route, consumer: Consumer | None) -> str | None:
    """The one model that a limited consumer gets here, whatever it names; None where there is none."""
    return route.decided_model(consumer) if consumer is not None and consumer.limited else None
