"""Kubernetes resources: kgateway's ``Backend``, ``AgentgatewayBackend``, Gloo's ``Upstream``, with their ``HTTPRoute``
and ``Secret``.

One aigw route is made for each rule of an HTTPRoute that leads to one of these; what stands behind it is a backend, or
a model where the resource has several providers.
"""

from __future__ import annotations

from collections.abc import Mapping

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.access import AccessReader
from aigw.config.importers.kubernetes.backends import BackendReader
from aigw.config.importers.kubernetes.gateway import listeners
from aigw.config.importers.kubernetes.resource import Resource, is_kubernetes
from aigw.config.importers.kubernetes.resources import Resources
from aigw.config.importers.kubernetes.routes import RouteReader
from aigw.config.importers.nodes import MissingReference, Node, Refused
from aigw.config.importers.source import SecretCommand

__all__ = ["import_kubernetes", "is_kubernetes"]


def import_kubernetes(
    draft: Draft, documents: list[Node], commands: list[SecretCommand], environ: Mapping[str, str]
) -> None:
    """Add what ``documents`` have to ``draft``.

    :param commands: Secrets that a page has its reader make on the command line.
    :param environ: where a shell's variables are looked up, outside of credentials.
    """
    resources = Resources(draft, documents, commands)
    listeners(draft, resources)
    backends = BackendReader(draft, resources, environ)
    routes = RouteReader(draft, resources, backends, AccessReader(draft, resources))
    for route in resources.of_kind("HTTPRoute"):
        _read(draft, routes, route)
    routes.close()
    resources.close()


def _read(draft: Draft, routes: RouteReader, route: Resource) -> None:
    """One HTTPRoute, which is left out whole where it cannot be had."""
    try:
        routes.read(route)
    except MissingReference as missing:
        draft.errors.append(missing.problem)
    except Refused as refused:
        draft.refuse(refused, route.node)
