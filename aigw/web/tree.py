"""The routes as a resource tree, for ``twisted.web.resource.getChildForRequest``.

Each node of the :class:`~aigw.routing.table.RouteTable` is a resource, each segment of a path leads to a child. Where
the tree ends, the walk ends: the resource reached selects the route among those on the way to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.web.resource import IResource, getChildForRequest
from zope.interface import implementer

from aigw.bounded_cache import remember
from aigw.errors import MethodNotAllowed, NoRoute
from aigw.http.request import Request
from aigw.llm import operations
from aigw.routing.conditions import Conditions
from aigw.routing.table import Match, Node, RouteTable, select
from aigw.web.route import Found, Route


@implementer(IResource)
class PathResource:
    """One segment of the routes' paths.

    :ivar isLeaf: no route has a longer path.
    """

    def __init__(self, node: Node[Route]) -> None:
        self._node = node
        self._children = {segment: PathResource(child) for segment, child in node.children.items()}
        self.isLeaf = not self._children
        # Where a path goes on and the tree does not.
        self._end = self if self.isLeaf else PathEnd(self)

    def getChildWithDefault(self, name: bytes, request: Any) -> PathResource | PathEnd:
        """One segment further, or the end of the walk."""
        return self._children.get(name, self._end)

    def putChild(self, path: bytes, child: Any) -> None:
        """The tree is the configuration's."""
        raise TypeError("routes come from the configuration")

    def select(self, request: Request, method: bytes | None = None) -> Match[Route]:
        """The route of a request that ended here.

        :param method: another one than the request's.
        :raises NoRoute: there is none.
        :raises MethodNotAllowed: there is one for another method.
        """
        return select(self._node, method or request.method, request.host, request.path, request.headers)

    def render(self, request: Any) -> Any:
        """The dispatcher serves what :meth:`select` finds."""
        raise TypeError("select a route and serve it")


@implementer(IResource)
class PathEnd:
    """The end of a walk before the end of the path; selects as its place in the tree does."""

    isLeaf = True

    def __init__(self, place: PathResource) -> None:
        self.select = place.select
        self.render = place.render
        self.putChild = place.putChild

    def getChildWithDefault(self, name: bytes, request: Any) -> PathEnd:
        """Nothing is further."""
        return self


class RouteTree(PathResource):
    """The root of all routes.

    :param routes: in the file's order.
    """

    def __init__(self, routes: Iterable[tuple[Conditions, Route]]) -> None:
        routes = list(routes)
        super().__init__(RouteTable(routes).root)
        self._by_headers = any(conditions.headers for conditions, _ in routes)
        self._found: dict[tuple[bytes, bytes, bytes], Found] = {}  # by method, host and path

    def route(self, request: Request) -> Found:
        """The route of ``request``, by a walk through the tree; what was found is remembered for the next one
        with the same method, host and path, unless headers have a say.

        :raises NoRoute: there is none.
        :raises MethodNotAllowed: there is one for another method.
        """
        place = (request.method, request.host, request.path)
        found = self._found.get(place)
        if found is None:
            end = getChildForRequest(self, request)
            try:
                match = end.select(request)
            except MethodNotAllowed:
                # A WebSocket is asked for by GET, whatever is served there: its route says, once the key is known, that
                # there is none. That is not remembered: any other GET is refused here.
                if not request.websocket:
                    raise
                match = end.select(request, operations.MODEL_CALL_METHOD)
                return Found(match.value, request.path, match.prefix)
            except NoRoute as error:
                error.error_message = _base_url_hint(request.path)
                raise
            found = Found(match.value, request.path, match.prefix)
            if not self._by_headers:
                remember(self._found, place, found, sum(map(len, place)))  # anybody can make up paths
        return found


def _base_url_hint(path: bytes) -> str | None:
    """What a client is told whose path no route has, but whose operation is known; None if it is not."""
    end = operations.end_of(path)
    if not end:
        return None
    return (
        f"no Route matched with those values: the path ends in {end.decode('ascii')}, but no route has what is before"
        " it. Is the base URL right that the client is set to?"
    )
