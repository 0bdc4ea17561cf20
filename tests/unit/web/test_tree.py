"""The routes as resources: the stock walk over the tree ends where the table says."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from twisted.trial import unittest
from twisted.web.resource import IResource, Resource, getChildForRequest
from zope.interface.verify import verifyObject

from aigw.errors import MethodNotAllowed, NoRoute
from aigw.http.target import normalise_path
from aigw.routing.conditions import Conditions
from aigw.web.tree import RouteTree
from tests.unit.routing import naive
from tests.unit.routing.naive import REQUEST, ROUTES, Asked, Written


@attrs.define
class FakeRequest:
    """A request as the wire makes it: path and, of it, the segments still to walk."""

    method: bytes
    host: bytes
    path: bytes
    headers: list[tuple[bytes, bytes]]
    websocket: bool = False
    prepath: list[bytes] = attrs.field(factory=list)
    postpath: list[bytes] = attrs.field(factory=list)

    @classmethod
    def of(cls, asked: Asked) -> FakeRequest:
        return cls(asked.method, asked.host, asked.path, list(asked.headers), False, [], asked.path[1:].split(b"/"))


def tree_of(**routes: dict[str, Any]) -> RouteTree:
    """A tree whose routes are only names."""
    entries: Any = [(Conditions.of(**route, normalise=normalise_path), name) for name, route in routes.items()]
    return RouteTree(entries)


class TreeTests(unittest.TestCase):
    """Walking it."""

    def walk(self, tree: RouteTree, path: bytes, method: bytes = b"GET") -> tuple[Any, FakeRequest]:
        """The resource that a path leads to, and the request after the walk."""
        request: Any = FakeRequest.of(Asked(method=method, path=path))
        return getChildForRequest(tree, request), request

    def test_every_place_is_a_resource(self) -> None:
        """Root, branch, leaf, and where a path leaves the tree."""
        tree = tree_of(a={"paths": ["/a/b"]})
        self.assertIs(self.walk(tree, b"/a")[0], tree.getChildWithDefault(b"a", None))
        for resource in (tree, *(self.walk(tree, path)[0] for path in (b"/a", b"/a/b", b"/a/x", b"/x/y"))):
            verifyObject(IResource, resource)

    def test_selects_what_the_path_leads_to(self) -> None:
        """With the prefix that it matched."""
        tree = tree_of(a={"paths": ["/a"]}, b={"paths": ["/a/b"]}, e={"paths": ["=/a/b/c"]})
        for path, route, prefix in (
            (b"/a", "a", b"/a"),
            (b"/a/", "a", b"/a"),
            (b"/a/x/y/z", "a", b"/a"),
            (b"/a/b/x", "b", b"/a/b"),
            (b"/a/b/c", "e", b"/a/b/c"),
            (b"/a/b/c/d", "b", b"/a/b"),
        ):
            resource, request = self.walk(tree, path)
            match = resource.select(request)
            self.assertEqual((match.value, match.prefix), (route, prefix), path)

    def test_walk_ends_where_the_tree_ends(self) -> None:
        """A client's thousand segments are not walked, and their rest is there for whoever wants it."""
        _, request = self.walk(tree_of(a={"paths": ["/a"]}), b"/a" + b"/x" * 1000)
        self.assertEqual(request.prepath, [b"a"])
        self.assertEqual(len(request.postpath), 1000)
        _, request = self.walk(tree_of(a={"paths": ["/a/b"]}), b"/a" + b"/x" * 1000)
        self.assertEqual(request.prepath, [b"a", b"x"])

    def test_segments_stay_encoded(self) -> None:
        """An encoded slash leads to no child."""
        tree = tree_of(a={"paths": ["/a/b"]}, enc={"paths": ["/a%2Fb"]})
        resource, request = self.walk(tree, b"/a%2Fb")
        self.assertEqual(resource.select(request).value, "enc")

    def test_nobody_takes_it(self) -> None:
        """The errors are the table's."""
        resource, request = self.walk(tree_of(a={"paths": ["/a"], "methods": ["POST"]}), b"/a")
        self.assertRaises(MethodNotAllowed, resource.select, request)
        resource, request = self.walk(tree_of(), b"/")
        self.assertRaises(NoRoute, resource.select, request)

    def test_can_stand_in_another_tree(self) -> None:
        """It is a resource like any other: under a child of a stock one, the walk goes on."""
        root = Resource()
        root.putChild(b"gw", tree_of(a={"paths": ["/gw/a"]}).getChildWithDefault(b"gw", None))
        request: Any = FakeRequest.of(Asked(path=b"/gw/a/x"))
        resource: Any = getChildForRequest(root, request)
        self.assertEqual(resource.select(request).value, "a")

    def test_only_the_configuration_adds_routes(self) -> None:
        """Nor does a resource answer by itself: that would go past the dispatcher."""
        tree = tree_of(a={"paths": ["/a/b"]})
        for resource in (tree, tree.getChildWithDefault(b"a", None), tree.getChildWithDefault(b"x", None)):
            self.assertRaises(TypeError, resource.putChild, b"c", Resource())
            self.assertRaises(TypeError, resource.render, None)

    @given(ROUTES, REQUEST)
    def test_same_answer_as_trying_all_routes(self, routes: list[Written], asked: Asked) -> None:
        """The walk and a loop over all routes agree."""
        entries: Any = [(route.compiled(), n) for n, route in enumerate(routes)]
        request: Any = FakeRequest.of(asked)
        resource: Any = getChildForRequest(RouteTree(entries), request)
        found: object
        try:
            match = resource.select(request)
            found = match.value, match.prefix.decode()
        except MethodNotAllowed as error:
            found = set(dict(error.response_headers())[b"allow"].decode().split(", "))
        except NoRoute:
            found = set()
        self.assertEqual(found, naive.answer(routes, asked))


class NamedRoute:
    """What a tree asks of a route; counts how often it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[tuple[bytes, bytes]] = []

    def operation_at(self, path: bytes, matched: bytes) -> str:
        """It has none."""
        self.asked.append((path, matched))
        return self.name


class RememberedTests(unittest.TestCase):
    """RouteTree.route"""

    def found(self, tree: RouteTree, path: bytes, **asked: Any) -> tuple[str, bytes, str]:
        request: Any = FakeRequest.of(Asked(path=path, **asked))
        found: Any = tree.route(request)
        return found.route.name, found.matched, found.operation

    def tree(self, **routes: dict[str, Any]) -> tuple[RouteTree, dict[str, NamedRoute]]:
        named = {name: NamedRoute(name) for name in routes}
        entries: Any = [(Conditions.of(**each, normalise=normalise_path), named[n]) for n, each in routes.items()]
        return RouteTree(entries), named

    def test_one_look_for_each_path(self) -> None:
        """What the path says is worked out once, and not mixed up with another path's."""
        tree, named = self.tree(a={"paths": ["/a"]}, b={"paths": ["/a/b"]})
        for _ in range(3):
            self.assertEqual(self.found(tree, b"/a/x"), ("a", b"/a", "a"))
            self.assertEqual(self.found(tree, b"/a/b/x"), ("b", b"/a/b", "b"))
            self.assertEqual(self.found(tree, b"/a/y"), ("a", b"/a", "a"))
        self.assertEqual(named["a"].asked, [(b"/a/x", b"/a"), (b"/a/y", b"/a")])
        self.assertEqual(named["b"].asked, [(b"/a/b/x", b"/a/b")])

    def test_a_websocket_on_a_route_for_post(self) -> None:
        """Finds it, to be told there that it is none; another GET does not, before or after."""
        tree, _ = self.tree(a={"paths": ["/a"], "methods": ["POST"]})

        def get(*, websocket: bool) -> Any:
            request: Any = FakeRequest.of(Asked(method=b"GET", path=b"/a/responses"))
            request.websocket = websocket
            return tree.route(request)

        for _ in range(2):
            self.assertRaises(MethodNotAllowed, get, websocket=False)
            self.assertEqual(get(websocket=True).route.name, "a")

    def test_a_hint_at_the_base_url(self) -> None:
        """Where the path ends as that of a call does; what a Kong client reads stays."""
        tree, _ = self.tree(a={"paths": ["/a"]})
        for path, hint in (
            (b"/v1/chat/completions", "/chat/completions"),
            (b"/messages/count_tokens/", "/messages/count_tokens"),
            (b"/v1/images/generations", "/images/generations"),
            (b"/v1/models", "/models"),
            (b"/v1/files", ""),
            (b"/favicon.ico", ""),
        ):
            error = self.assertRaises(NoRoute, self.found, tree, path)
            self.assertEqual(error.message, "no Route matched with those values")
            told = error.as_dict()["message"] or ""
            self.assertEqual("base URL" in told, bool(hint), path)
            self.assertIn(hint, told)
            self.assertNotIn("/a", told.replace("/a ", ""), "no route is told to strangers")

    def test_made_up_paths(self) -> None:
        """Do not fill the memory for good, nor keep a path in use out of it."""
        tree, named = self.tree(a={"paths": ["/a"]})

        def looks() -> int:
            return sum(path == b"/a/x" for path, _ in named["a"].asked)

        for times in (1, 2):
            for number in range(5000):
                self.found(tree, b"/a/%d" % number)
            for _ in range(3):
                self.found(tree, b"/a/x")
            self.assertEqual(looks(), times)

    def test_methods_and_hosts_have_a_say(self) -> None:
        """Each time, also for a path that is known."""
        tree, _ = self.tree(a={"methods": ["GET"]}, b={"methods": ["POST"]}, c={"hosts": ["c.example"]})
        for _ in range(2):
            self.assertEqual(self.found(tree, b"/x", method=b"GET")[0], "a")
            self.assertEqual(self.found(tree, b"/x", method=b"POST")[0], "b")
            self.assertEqual(self.found(tree, b"/x", method=b"GET", host=b"c.example")[0], "c")

    def test_headers_have_a_say(self) -> None:
        """Where a route asks for one, nothing is remembered."""
        tree, _ = self.tree(a={}, b={"headers": {"x-team": "b"}})
        for headers, name in (((), "a"), (((b"x-team", b"b"),), "b"), ((), "a")):
            self.assertEqual(self.found(tree, b"/x", headers=headers)[0], name)
