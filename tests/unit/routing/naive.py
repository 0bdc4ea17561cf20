"""Routing as the contract words it, written down without regard for speed; and routes and requests to try it on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import attrs
from hypothesis import strategies as st

from aigw.http.target import normalise_path
from aigw.routing.conditions import Conditions


@attrs.frozen
class Written:
    """A route's conditions as a configuration writes them."""

    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = attrs.field(factory=dict)

    def compiled(self) -> Conditions:
        return Conditions.of(**attrs.asdict(self, recurse=False), normalise=normalise_path)


@attrs.frozen
class Asked:
    """What of a request counts for its route."""

    method: bytes = b"GET"
    host: bytes = b"h"
    path: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.method, self.host, self.path, self.headers))


def matched_prefix(rule: str | None, path: str) -> str | None:
    """The part of ``path`` that a rule matches."""
    if rule is None:
        return ""
    if rule.startswith("~"):
        match = re.match(rule[1:], path)
        return match[0] if match else None
    if rule.startswith("="):
        return path if path == rule[1:] else None
    prefix = rule.rstrip("/")
    return prefix if path == prefix or path.startswith(prefix + "/") else None


def host_matches(rule: str | None, host: str) -> bool:
    if rule is None or rule == host:
        return True
    if rule.startswith("*"):
        return re.fullmatch(".+" + re.escape(rule[1:]), host) is not None
    return rule.endswith("*") and re.fullmatch(re.escape(rule[:-1]) + ".+", host) is not None


def matching(routes: list[Written], asked: Asked) -> Iterator[tuple[tuple[int, ...], int, str, bool]]:
    """Every way in which a route can take a request but for its method: rank, route, matched prefix, method allowed."""
    sent = [(name.decode(), value.decode().lower()) for name, value in asked.headers]
    for order, route in enumerate(routes):
        if not all(any((name, v) in sent for v in values) for name, values in route.headers.items()):
            continue
        for (place, path), host in product(enumerate(route.paths or (None,)), route.hosts or (None,)):
            prefix = matched_prefix(path, asked.path.decode())
            if prefix is not None and host_matches(host, asked.host.decode()):
                allowed = not route.methods or asked.method.decode() in route.methods
                yield rank(route, path, host, (order, place)), order, prefix, allowed


def rank(route: Written, path: str | None, host: str | None, order: tuple[int, int]) -> tuple[int, ...]:
    """More kinds, exact host, more headers, exact path, regular expression in the file's order, longest prefix.

    :param order: the place of the route in the file, and of the path in the route.
    """
    kinds = sum(bool(kind) for kind in (route.paths, route.hosts, route.methods, route.headers))
    exact_host = host is not None and "*" not in host
    is_exact, is_regex = (path or "").startswith("="), (path or "").startswith("~")
    last = (0,) if is_exact else (1, *order) if is_regex else (2, -len((path or "").rstrip("/")))
    return (-kinds, 0 if exact_host else 1, -len(route.headers), *last)


def answer(routes: list[Written], asked: Asked) -> tuple[int, str] | set[str]:
    """Route and matched prefix; or the methods that would have been allowed, none if there is no route."""
    ways = sorted(matching(routes, asked))
    for _, order, prefix, allowed in ways:
        if allowed:
            return order, prefix
    return {method for _, order, _, _ in ways for method in routes[order].methods}


PATHS = ["/", "/a", "/a/", "/a/b", "/a%2Fb", "=/", "=/a", "=/a/", "=/a/b", "~/a", "~^/a/b$", "~.*b", "~/x?"]
HOSTS = ["h", "a.h", "*.h", "a.*", "*.a.h"]
HEADERS = [{}, {"x": ("1",)}, {"x": ("1", "2")}, {"y": ("1",)}, {"x": ("2",), "y": ("1",)}]

ROUTE = st.builds(
    Written,
    paths=st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
    hosts=st.lists(st.sampled_from(HOSTS), max_size=2).map(tuple),
    methods=st.sampled_from([(), (), ("GET",), ("GET", "POST"), ("POST",)]),
    headers=st.sampled_from(HEADERS),
)
ROUTES = st.lists(ROUTE, max_size=8)

ASKED = [
    Asked(method, host, path, headers)
    for method, host, path, headers in product(
        (b"GET", b"POST", b"PUT"),
        (b"h", b"a.h", b"b.h", b"a.a.h", b"b.a.h", b"a.b", b"b", b""),
        (b"/", b"/a", b"/a/", b"/a/b", b"/a/b/", b"/ab", b"/a%2Fb", b"/a/b/c", b"/x", b"/c/b"),
        (
            (),
            ((b"x", b"1"),),
            ((b"x", b"2"),),
            ((b"y", b"1"),),
            ((b"x", b"1"), (b"y", b"1")),
            ((b"y", b"1"), (b"x", b"2")),
        ),
    )
]
REQUEST = st.sampled_from(ASKED)
