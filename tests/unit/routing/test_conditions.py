"""Conditions: how they are read, when they hold, and which routes cannot be told apart."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from twisted.trial import unittest

from aigw.http.target import normalise_path
from aigw.routing.conditions import EXACT, PREFIX, REGEX, Conditions, HostRule, PathRule, conflicts, rank
from tests.unit.routing import naive
from tests.unit.routing.naive import ASKED, ROUTES, Written


class PathRuleTests(unittest.TestCase):
    """One entry of ``paths``."""

    def rule(self, text: str) -> tuple[int, bytes]:
        rule = PathRule.of(text, normalise_path)
        return rule.kind, rule.path

    def test_three_kinds(self) -> None:
        """Told apart by their first character."""
        self.assertEqual(self.rule("/a/b"), (PREFIX, b"/a/b"))
        self.assertEqual(self.rule("=/a/b"), (EXACT, b"/a/b"))
        self.assertEqual(self.rule("~^/a/[0-9]+$"), (REGEX, b"^/a/[0-9]+$"))

    def test_in_the_form_that_requests_have(self) -> None:
        """Or a route could be written that nothing ever matches."""
        self.assertEqual(self.rule("/a//b/%7euser/%c3%a9"), (PREFIX, b"/a/b/~user/%C3%A9"))
        self.assertEqual(self.rule("=//a/./b/"), (EXACT, b"/a/b/"))

    def test_slash_at_the_end_of_a_prefix_means_nothing(self) -> None:
        """Prefixes are whole segments anyway; in an exact path it is a part of it."""
        self.assertEqual(self.rule("/a/"), self.rule("/a"))
        self.assertEqual(self.rule("/"), (PREFIX, b""))
        self.assertNotEqual(self.rule("=/a/"), self.rule("=/a"))

    def test_what_is_no_path(self) -> None:
        """Said with the text at fault; also where it has no normal form."""
        for text in ("", "a", "=a", "=", "*", "~[", "~(", "/..", "=/a/../..", "/a%", "/%00", "/a\\b", "/ü"):
            error = self.assertRaises(ValueError, PathRule.of, text, normalise_path)
            self.assertIn(repr(text), str(error))


class HostRuleTests(unittest.TestCase):
    """One entry of ``hosts``."""

    def test_exact(self) -> None:
        """In any case; that host and no other."""
        rule = HostRule.of("API.example.com")
        self.assertFalse(rule.wildcard)
        self.assertEqual(
            [rule.matches(h) for h in (b"api.example.com", b"x.api.example.com", b"")], [True, False, False]
        )

    def test_international_names(self) -> None:
        """As they are on the wire."""
        self.assertTrue(HostRule.of("bücher.example").matches(b"xn--bcher-kva.example"))

    def test_star_stands_for_labels(self) -> None:
        """One or more, never none."""
        for text, yes, no in (
            (
                "*.example.com",
                (b"a.example.com", b"a.b.example.com"),
                (b"example.com", b".example.com", b"aexample.com"),
            ),
            ("api.*", (b"api.example.com", b"api.x"), (b"api", b"api.", b"apis.x", b"x.api.y")),
        ):
            rule = HostRule.of(text)
            self.assertTrue(rule.wildcard)
            self.assertEqual([host for host in (*yes, *no) if rule.matches(host)], list(yes))

    def test_one_star_first_or_last(self) -> None:
        """Everything else is refused, not guessed."""
        for text in ("a.*.b", "*.a.*", "*a.b", "a*.b", "a.b*", "*"):
            self.assertIn(repr(text), str(self.assertRaises(ValueError, HostRule.of, text)))

    def test_overlap(self) -> None:
        """Whether one host can match both; in both directions."""
        for one, other, expected in (
            ("a.b", "a.b", True),
            ("a.b", "a.c", False),
            ("a.b", "*.b", True),
            ("b", "*.b", False),
            ("a.b", "a.*", True),
            ("*.b", "*.a.b", True),
            ("*.ab", "*.b", False),
            ("a.*", "a.b.*", True),
            ("a.*", "ab.*", False),
            ("*.com", "api.*", True),
        ):
            rules = HostRule.of(one), HostRule.of(other)
            self.assertEqual(rules[0].overlaps(rules[1]), expected, (one, other))
            self.assertEqual(rules[1].overlaps(rules[0]), expected, (other, one))


class HeaderTests(unittest.TestCase):
    """Conditions on headers."""

    def fits(self, headers: dict[str, tuple[str, ...]], *sent: tuple[bytes, bytes]) -> bool:
        return Conditions.of(headers=headers, normalise=normalise_path).fits(sent)

    def test_all_names_any_value(self) -> None:
        """Each header must be there with one of its values, in any case."""
        wanted = {"X-Team": ("ML", "Ops"), "x-env": ("test",)}
        self.assertTrue(self.fits(wanted, (b"x-env", b"TEST"), (b"a", b"b"), (b"x-team", b"ops")))
        self.assertFalse(self.fits(wanted, (b"x-team", b"ops")))
        self.assertFalse(self.fits(wanted, (b"x-team", b"op"), (b"x-env", b"test")))
        self.assertFalse(self.fits(wanted, (b"x-team", b"test"), (b"x-env", b"ml")))

    def test_repeated_header(self) -> None:
        """Any of its values will do."""
        self.assertTrue(self.fits({"x": ("1",)}, (b"x", b"2"), (b"x", b"1")))

    def test_no_condition(self) -> None:
        """Always holds."""
        self.assertTrue(self.fits({}))


class RankTests(unittest.TestCase):
    """Which of two routes that match one request comes first."""

    def assert_before(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        """``first`` wins, wherever in the file it stands, and the two are no conflict."""
        both = [Conditions.of(**each, normalise=normalise_path) for each in (first, second)]
        better, worse = (next(conditions.ways()) for conditions in both)
        for order in ((0, 1), (1, 0)):
            self.assertLess(rank(both[0], *better, order[0]), rank(both[1], *worse, order[1]))
        self.assertEqual(conflicts([("a", both[0]), ("b", both[1])]), [])

    def test_more_kinds_of_condition(self) -> None:
        """Before everything else; how many of one kind does not count."""
        self.assert_before({"methods": ["GET"], "headers": {"x": ["1"]}}, {"paths": ["=/a"]})
        self.assert_before({"methods": ["GET"], "headers": {"x": ["1"]}}, {"hosts": ["h", "i"]})
        self.assert_before({"hosts": ["*.h"], "paths": ["/"]}, {"headers": {"x": ["1"], "y": ["1"]}})

    def test_exact_host(self) -> None:
        """Before a wildcard, and before a route for any host, as in Kong."""
        self.assert_before({"hosts": ["a.h"], "paths": ["/"]}, {"hosts": ["*.h"], "paths": ["=/a"]})
        self.assert_before({"hosts": ["a.h"]}, {"paths": ["=/a"]})
        self.assert_before({"hosts": ["a.h"]}, {"methods": ["GET"]})

    def test_more_headers(self) -> None:
        """Before any difference of paths."""
        self.assert_before({"headers": {"x": ["1"], "y": ["1"]}}, {"headers": {"x": ["1"]}})
        self.assert_before({"headers": {"x": ["1"]}}, {"paths": ["=/a"]})

    def test_exact_path_regular_expression_longest_prefix(self) -> None:
        """In this order."""
        self.assert_before({"paths": ["=/a"]}, {"paths": ["~/a"]})
        self.assert_before({"paths": ["~/"]}, {"paths": ["/a/b/c"]})
        self.assert_before({"paths": ["/a/b"]}, {"paths": ["/a"]})
        self.assert_before({"paths": ["/a"]}, {"paths": ["/"]})
        self.assert_before({"paths": ["/a"]}, {"methods": ["GET"]})

    def test_regular_expressions_in_file_order(self) -> None:
        """However long they are."""
        short, long = (Conditions.of(paths=[text], normalise=normalise_path) for text in ("~/", "~/a/b/c"))
        self.assertLess(rank(short, short.paths[0], None, 0), rank(long, long.paths[0], None, 1))
        self.assertLess(rank(long, long.paths[0], None, 0), rank(short, short.paths[0], None, 1))


class ConflictTests(unittest.TestCase):
    """Routes that cannot be told apart: an error at check, never a silent pick."""

    def conflicts(self, *routes: dict[str, Any]) -> list[tuple[str, str]]:
        named = [(f"r{n}", Conditions.of(**each, normalise=normalise_path)) for n, each in enumerate(routes)]
        return [(one, other) for one, other, _ in conflicts(named)]

    def assert_conflict(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        self.assertEqual(self.conflicts(one, other), [("r0", "r1")])
        self.assertEqual(self.conflicts(other, one), [("r0", "r1")])

    def assert_none(self, *routes: dict[str, Any]) -> None:
        self.assertEqual(self.conflicts(*routes), [])
        self.assertEqual(self.conflicts(*reversed(routes)), [])

    def test_same_path(self) -> None:
        """Also where it is written in another way, or is one of several."""
        self.assert_conflict({"paths": ["/a"]}, {"paths": ["/b", "//a/"]})
        self.assert_conflict({"paths": ["=/a"]}, {"paths": ["=/%61"]})
        self.assert_conflict({}, {})
        self.assert_none({"paths": ["/a"]}, {"paths": ["/b", "/ab", "/a/b", "=/a"]})

    def test_said_once_and_with_a_reason(self) -> None:
        """Names, path and host, for whoever must put it right."""
        both = Conditions.of(paths=["/a", "/b"], hosts=["h", "i"], normalise=normalise_path)
        self.assertEqual(
            conflicts([("x", both), ("y", both)]), [("x", "y", "both match /a on h and neither says more")]
        )
        everything = Conditions.of(normalise=normalise_path)
        self.assertEqual(
            conflicts([("x", everything), ("y", everything)]),
            [("x", "y", "both match every path and neither says more")],
        )

    def test_each_pair(self) -> None:
        """Three alike are three pairs."""
        self.assertEqual(self.conflicts({}, {}, {}), [("r0", "r1"), ("r0", "r2"), ("r1", "r2")])

    def test_regular_expressions_never(self) -> None:
        """The file's order tells them apart; a literal path beside one is still compared."""
        self.assert_none({"paths": ["~/a"]}, {"paths": ["~/a"]})
        self.assert_conflict({"paths": ["~/a", "/b"]}, {"paths": ["~/a", "/b"]})

    def test_exact_hosts(self) -> None:
        """Only the same one."""
        self.assert_conflict({"hosts": ["a.h", "b.h"]}, {"hosts": ["b.h", "c.h"]})
        self.assert_none({"hosts": ["a.h"]}, {"hosts": ["b.h"]})
        self.assert_none({"hosts": ["a.h"]}, {"hosts": ["*.h"]})

    def test_wildcards_that_overlap(self) -> None:
        """At either end, or one at each."""
        self.assert_conflict({"hosts": ["*.h"]}, {"hosts": ["*.a.h"]})
        self.assert_conflict({"hosts": ["*.h"]}, {"hosts": ["a.*"]})
        self.assert_none({"hosts": ["*.h"]}, {"hosts": ["*.g"]})
        self.assert_conflict({"hosts": ["a.h", "*.h"]}, {"hosts": ["a.*", "b.g"]})

    def test_wildcard_beside_another_kind(self) -> None:
        """Neither says more: as many kinds, and neither host is exact."""
        self.assert_conflict({"hosts": ["*.h"], "paths": ["/a"]}, {"methods": ["GET"], "paths": ["/a"]})

    def test_methods_that_overlap(self) -> None:
        """In part is enough: neither is more specific on GET."""
        self.assert_conflict({"methods": ["GET", "POST"]}, {"methods": ["GET", "PUT"]})
        self.assert_conflict({"methods": ["GET", "POST"]}, {"methods": ["get"]})
        self.assert_none({"methods": ["GET"]}, {"methods": ["POST"]})
        self.assert_none({"methods": ["GET"]}, {})

    def test_headers(self) -> None:
        """Different values of one header exclude each other; different headers do not."""
        self.assert_none({"headers": {"x": ["1"]}}, {"headers": {"x": ["2"]}})
        self.assert_conflict({"headers": {"x": ["1", "2"]}}, {"headers": {"X": ["2", "3"]}})
        self.assert_conflict({"headers": {"x": ["1"]}}, {"headers": {"y": ["1"]}})
        self.assert_none({"headers": {"x": ["1"], "y": ["1"]}}, {"headers": {"y": ["1"]}})

    def test_all_kinds_at_once(self) -> None:
        """One kind that excludes is enough."""
        route = {"paths": ["/a"], "hosts": ["*.h"], "methods": ["GET"], "headers": {"x": ["1"]}}
        self.assert_conflict(route, route)
        for change in ({"paths": ["/b"]}, {"hosts": ["*.g"]}, {"methods": ["PUT"]}, {"headers": {"x": ["2"]}}):
            self.assert_none(route, {**route, **change})

    def test_none_with_itself(self) -> None:
        """A route with overlapping hosts is one route."""
        self.assert_none({"hosts": ["*.h", "a.*", "*.h"], "paths": ["/a", "/a/"]})

    @given(ROUTES)
    @settings(max_examples=60)
    def test_reported_exactly_where_there_is_one(self, routes: list[Written]) -> None:
        """A pair is reported if and only if some request of this small world finds both at one rank."""
        reported = self.conflicts(*({**vars_of(route)} for route in routes))
        found = set()
        for asked in ASKED:
            ways = [(place, order) for place, order, _, allowed in naive.matching(routes, asked) if allowed]
            found.update((a, b) for p, a in ways for q, b in ways if a < b and p == q)
        self.assertEqual(sorted(reported), sorted((f"r{a}", f"r{b}") for a, b in found))


def vars_of(route: Written) -> dict[str, Any]:
    return {"paths": route.paths, "hosts": route.hosts, "methods": route.methods, "headers": route.headers}
