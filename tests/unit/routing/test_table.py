"""The table of routes: who takes a request, what is said when nobody does, and at what cost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import given
from twisted.trial import unittest

from aigw.errors import MethodNotAllowed, NoRoute
from aigw.http.target import normalise_path
from aigw.routing.conditions import Conditions
from aigw.routing.table import Match, RouteTable
from tests.unit.routing import naive
from tests.unit.routing.naive import REQUEST, ROUTES, Asked, Written


def table_of(**routes: dict[str, Any]) -> RouteTable[str]:
    """A table of routes by name."""
    return RouteTable((Conditions.of(**route, normalise=normalise_path), name) for name, route in routes.items())


def allow(error: MethodNotAllowed) -> list[str]:
    """What a refusal says is allowed."""
    return dict(error.response_headers())[b"allow"].decode().split(", ")


class MatchTests(unittest.TestCase):
    """Finding a route."""

    def find(
        self, table: RouteTable[str], path: bytes, method: bytes = b"POST", host: bytes = b"h", **headers: bytes
    ) -> Match[str]:
        sent = [(name.encode(), value) for name, value in headers.items()]
        return table.match(method, host, path, sent)

    def assert_found(self, table: RouteTable[str], expected: dict[bytes, str | None]) -> None:
        """Each path leads to the route of that name, or to none."""
        for path, name in expected.items():
            if name is None:
                self.assertRaises(NoRoute, self.find, table, path)
            else:
                self.assertEqual(self.find(table, path).value, name, path)

    def test_prefix_by_whole_segments(self) -> None:
        """/llm does not take /llmx, as a plain string comparison would."""
        table = table_of(llm={"paths": ["/llm/v1"]})
        found = {b"/llm/v1": "llm", b"/llm/v1/": "llm", b"/llm/v1/chat/x": "llm"}
        self.assert_found(
            table, {**found, b"/llm/v1x": None, b"/llm": None, b"/llm/": None, b"/": None, b"/LLM/v1": None}
        )

    def test_encoded_slash_separates_nothing(self) -> None:
        """A model's name with a slash is one segment."""
        table = table_of(a={"paths": ["/m/a"]}, b={"paths": ["/m/a%2Fb"]})
        self.assert_found(table, {b"/m/a%2Fb": "b", b"/m/a%2Fb/c": "b", b"/m/a/b": "a", b"/m/a%2Fc": None})

    def test_exact(self) -> None:
        """That path alone, its last slash included."""
        table = table_of(exact={"paths": ["=/a"]}, slash={"paths": ["=/a/"]}, root={"paths": ["=/"]})
        self.assert_found(table, {b"/a": "exact", b"/a/": "slash", b"/": "root", b"/a/b": None, b"/b": None})

    def test_regular_expression(self) -> None:
        """Anchored at its start, open at its end."""
        table = table_of(v={"paths": [r"~/v\d+/(?P<what>\w+)"]}, whole={"paths": ["~^/w$"]})
        self.assert_found(
            table, {b"/v12/chat/more": "v", b"/x/v1/chat": None, b"/v/chat": None, b"/w": "whole", b"/wx": None}
        )

    def test_no_path_is_every_path(self) -> None:
        """And / is too, but says more."""
        table = table_of(rest={}, root={"paths": ["/"]})
        self.assert_found(table, {b"/": "root", b"/a/b": "root"})
        self.assert_found(table_of(rest={}), {b"/": "rest", b"/a/b": "rest"})

    def test_order_of_precedence_on_one_path(self) -> None:
        """Exact before expression before prefix; expressions in the file's order; longer prefixes first."""
        routes = {
            "short": {"paths": ["/a"]},
            "long": {"paths": ["/a/b"]},
            "first": {"paths": ["~/a/b/c"]},
            "second": {"paths": ["~/a/b/[a-z]+"]},
            "exact": {"paths": ["=/a/b/c"]},
        }
        expected = {b"/a/b/c": "exact", b"/a/b/c/": "first", b"/a/b/d": "second", b"/a/b/1": "long", b"/a/x": "short"}
        self.assert_found(table_of(**routes), expected)
        literal = dict(reversed(routes.items()))
        self.assert_found(table_of(**literal), {**expected, b"/a/b/c/": "second"})

    def test_a_shorter_path_wins_with_more_kinds(self) -> None:
        """So every node on the way counts, not only the last."""
        table = table_of(
            deep={"paths": ["/a/b/c"]}, shallow={"paths": ["/a"], "methods": ["POST"]}, host={"hosts": ["h"]}
        )
        self.assertEqual(self.find(table, b"/a/b/c").value, "shallow")
        self.assertEqual(self.find(table, b"/a/b/c", b"GET").value, "host")
        self.assertEqual(self.find(table, b"/a/b/c", b"GET", b"i").value, "deep")

    def test_hosts(self) -> None:
        """Exact before wildcard before any; a host that nobody names still has those for any."""
        table = table_of(any={}, wild={"hosts": ["*.h"]}, exact={"hosts": ["a.h", "b.h"]}, end={"hosts": ["x.*"]})
        found = {host: self.find(table, b"/", host=host).value for host in (b"a.h", b"b.h", b"c.h", b"x.y", b"h", b"")}
        expected = {b"a.h": "exact", b"b.h": "exact", b"c.h": "wild", b"x.y": "end", b"h": "any", b"": "any"}
        self.assertEqual(found, expected)

    def test_headers(self) -> None:
        """More of them win; a route whose headers are not met is not there."""
        table = table_of(one={"headers": {"x": ["1"]}}, two={"headers": {"X": ["1"], "y": ["2", "Three"]}})
        self.assertEqual(self.find(table, b"/", x=b"1").value, "one")
        self.assertEqual(self.find(table, b"/", x=b"1", y=b"three").value, "two")
        self.assertRaises(NoRoute, self.find, table, b"/", y=b"2")

    def test_matched_prefix(self) -> None:
        """What rewrite replaces: never the slash behind it, never a part of a segment."""
        table = table_of(
            p={"paths": ["/a/b/"]}, e={"paths": ["=/e/"]}, r={"paths": [r"~/r\d"]}, rest={"methods": ["GET"]}
        )
        for path, prefix in ((b"/a/b", b"/a/b"), (b"/a/b/c", b"/a/b"), (b"/e/", b"/e/"), (b"/r1/x", b"/r1")):
            self.assertEqual(self.find(table, path).prefix, prefix)
        self.assertEqual(self.find(table, b"/x", b"GET").prefix, b"")
        self.assertEqual(self.find(table_of(root={"paths": ["/"]}), b"/x").prefix, b"")

    def test_repeated_header_goes_by_the_file(self) -> None:
        """The one tie that a check cannot see is no matter of luck."""
        for names in (("a", "b"), ("b", "a")):
            values = {"a": {"headers": {"x": ["1"]}}, "b": {"headers": {"x": ["2"]}}}
            table = table_of(**{name: values[name] for name in names})
            for sent in ((b"1", b"2"), (b"2", b"1")):
                headers = [(b"x", value) for value in sent]
                self.assertEqual(table.match(b"GET", b"h", b"/", headers).value, names[0])


class RefusalTests(unittest.TestCase):
    """Nobody takes it."""

    def refusal(self, table: RouteTable[str], method: bytes, path: bytes, host: bytes = b"h") -> MethodNotAllowed:
        error: MethodNotAllowed = self.assertRaises(MethodNotAllowed, table.match, method, host, path, [])
        self.assertEqual(error.status, 405)
        return error

    def test_no_route(self) -> None:
        """Kong's words, which its clients look for."""
        for table in (table_of(), table_of(a={"paths": ["/a"]}), table_of(a={"hosts": ["i"]})):
            error = self.assertRaises(NoRoute, table.match, b"GET", b"h", b"/b", [])
            self.assertEqual((error.status, error.message), (404, "no Route matched with those values"))

    def test_method_not_allowed(self) -> None:
        """Says the methods of all routes that would have matched, sorted."""
        table = table_of(a={"paths": ["/a"], "methods": ["put", "POST"]}, b={"paths": ["/a/b"], "methods": ["GET"]})
        self.assertEqual(allow(self.refusal(table, b"DELETE", b"/a/b")), ["GET", "POST", "PUT"])
        self.assertEqual(allow(self.refusal(table, b"DELETE", b"/a/c")), ["POST", "PUT"])

    def test_only_what_would_have_matched_is_allowed(self) -> None:
        """Another host's route, or one whose headers are not met, is not told about."""
        table = table_of(
            a={"methods": ["POST"]},
            b={"methods": ["GET"], "hosts": ["i"]},
            c={"methods": ["PUT"], "headers": {"x": ["1"]}},
            d={"methods": ["PATCH"], "hosts": ["*.i"]},
        )
        self.assertEqual(allow(self.refusal(table, b"DELETE", b"/")), ["POST"])

    def test_a_less_specific_route_may_take_it(self) -> None:
        """A method that is not allowed on the first is not refused if another route takes it."""
        table = table_of(a={"paths": ["/a"], "methods": ["POST"]}, b={"paths": ["/"]})
        self.assertEqual(table.match(b"GET", b"h", b"/a", []).value, "b")

    def test_methods_are_taken_as_they_are(self) -> None:
        """GET does not imply HEAD, and methods are case-sensitive (RFC 9110 section 9.1)."""
        table = table_of(a={"methods": ["get"]})
        self.refusal(table, b"HEAD", b"/")
        self.refusal(table, b"get", b"/")


class NaiveTests(unittest.TestCase):
    """The tree against a loop over all routes."""

    @given(ROUTES, REQUEST)
    def test_same_answer_as_trying_all_routes(self, routes: list[Written], asked: Asked) -> None:
        """Route, matched prefix, and what is said to be allowed."""
        table = RouteTable((route.compiled(), n) for n, route in enumerate(routes))
        found: object
        try:
            match = table.match(*asked)
            found = match.value, match.prefix.decode()
        except MethodNotAllowed as error:
            found = set(allow(error))
        except NoRoute:
            found = set()
        self.assertEqual(found, naive.answer(routes, asked))


def work(call: Callable[[], object]) -> int:
    """How many lines of Python ``call`` runs through."""
    count = 0

    def line(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


class CostTests(unittest.TestCase):
    """The cost does not grow with the number of routes."""

    def cost(self, routes: dict[str, dict[str, Any]], asked: Asked) -> int:
        table = table_of(**routes)
        return work(lambda: table.match(*asked))

    def assert_same_cost(self, route: Callable[[int], dict[str, Any]], asked: Asked) -> None:
        """Ten routes or a thousand: the same lines are run."""
        few, many = ({f"r{n}": route(n) for n in range(count)} for count in (10, 1000))
        self.assertGreater(self.cost(few, asked), 5)
        self.assertEqual(self.cost(few, asked), self.cost(many, asked))

    def test_of_paths(self) -> None:
        """Beside each other, and under each other."""
        self.assert_same_cost(lambda n: {"paths": [f"/tenant{n}/v1/chat"]}, Asked(path=b"/tenant7/v1/chat/completions"))
        self.assert_same_cost(lambda n: {"paths": [f"=/v1/chat/{n}"]}, Asked(path=b"/v1/chat/7"))

    def test_of_exact_hosts(self) -> None:
        """With one path for all, or none."""
        self.assert_same_cost(
            lambda n: {"hosts": [f"t{n}.example.com"], "paths": ["/v1"]}, Asked(host=b"t7.example.com", path=b"/v1/x")
        )
        self.assert_same_cost(lambda n: {"hosts": [f"t{n}.example.com"]}, Asked(host=b"t7.example.com", path=b"/v1/x"))

    def test_of_a_long_path(self) -> None:
        """It ends where the tree ends, however much a client sends."""
        table = table_of(a={"paths": ["/a/b"]})
        short, long = (Asked(path=b"/a/b" + b"/x" * count) for count in (1, 10_000))
        self.assertEqual(work(lambda: table.match(*short)), work(lambda: table.match(*long)))

    def test_many_routes_are_found_each(self) -> None:
        """A thousand, each by its own path."""
        table = table_of(**{f"r{n}": {"paths": [f"/t{n}/v1"]} for n in range(1000)})
        for n in (0, 1, 10, 999):
            self.assertEqual(table.match(b"GET", b"h", b"/t%d/v1/x" % n, []).value, f"r{n}")
