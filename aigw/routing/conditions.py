"""When a route matches, and which of two routes that match comes first (contract section 2).

All kinds of condition that a route sets must hold (AND), within a kind any value will do (OR). Of the routes that
match, the one wins with more kinds set; then an exact host over a wildcard or none, more headers, an exact path, a
regular expression (in the file's order), the longest prefix.

A route with several paths or hosts stands for as many routes with one of each: what counts is the path and the host by
which it matches. Two routes of one rank that one request can match are a :func:`conflict <conflicts>`, and no
configuration with one is ever served. What that leaves open, a request with one header twice and a route for either
value, is decided by the file's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import attrs

from aigw.errors import GatewayError

EXACT, REGEX, PREFIX = 0, 1, 2


@attrs.frozen
class PathRule:
    """One entry of ``paths``.

    :ivar kind: EXACT, REGEX or PREFIX.
    :ivar path: for EXACT normalised; for PREFIX also without a slash at its end, so ``/`` is empty; for REGEX the
        pattern's text.
    :ivar pattern: for REGEX. Anchored at its start and not at its end.
    """

    kind: int
    path: bytes
    pattern: re.Pattern[bytes] | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, text: str, normalise: Callable[[bytes], bytes]) -> PathRule:
        """Read ``"/x"``, ``"=/x"`` or ``"~regex"``.

        :param normalise: brings a path into the form that requests' paths have; a :class:`GatewayError` if it has none.
        :raises ValueError: it is none of these.
        """
        if text.startswith("~"):
            try:
                return cls(REGEX, text[1:].encode(), re.compile(text[1:].encode()))
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"{text!r} is not a regular expression: {error}") from None
        exact = text.startswith("=")
        path = text[1:] if exact else text
        if not path.startswith("/"):
            raise ValueError(f"path {text!r} must begin with /, =/ or ~")
        try:
            normal = normalise(path.encode())
        except GatewayError as error:
            raise ValueError(f"path {text!r}: {error.message}") from None
        if exact:
            return cls(EXACT, normal)
        return cls(PREFIX, normal.rstrip(b"/"))

    def segments(self) -> list[bytes]:
        """A literal path's segments; none for the prefix ``/``; an empty last one if an EXACT path ends in a slash."""
        return self.path.split(b"/")[1:]


@attrs.frozen
class HostRule:
    """One entry of ``hosts``: exact, or with one ``*`` as its first or last label, standing for one or more labels."""

    text: bytes
    wildcard: bool

    @classmethod
    def of(cls, text: str) -> HostRule:
        """:raises ValueError: the ``*`` stands elsewhere."""
        host = text.lower().encode("idna" if not text.isascii() else "ascii")
        if b"*" not in host:
            return cls(host, False)
        if host.count(b"*") > 1 or not (host.startswith(b"*.") or host.endswith(b".*")):
            raise ValueError(f"host {text!r} may hold one *, as its first or its last label")
        return cls(host, True)

    def matches(self, host: bytes) -> bool:
        """Whether ``host`` is one of these."""
        if not self.wildcard:
            return host == self.text
        if self.text.startswith(b"*"):
            return host.endswith(self.text[1:]) and len(host) > len(self.text) - 1
        return host.startswith(self.text[:-1]) and len(host) > len(self.text) - 1

    def overlaps(self, other: HostRule) -> bool:
        """Whether one host can match both."""
        if not self.wildcard or not other.wildcard:
            plain, rule = (self, other) if not self.wildcard else (other, self)
            return rule.matches(plain.text)
        if self.text.startswith(b"*") != other.text.startswith(b"*"):
            return True  # api.* and *.com: api.com
        one, two = (self.text[1:], other.text[1:]) if self.text.startswith(b"*") else (self.text[:-1], other.text[:-1])
        if self.text.startswith(b"*"):
            return one.endswith(two) or two.endswith(one)
        return one.startswith(two) or two.startswith(one)


@attrs.frozen
class Conditions:
    """All conditions of one route. No paths are the same as ``/``, but are no condition."""

    paths: tuple[PathRule, ...] = ()
    hosts: tuple[HostRule, ...] = ()
    methods: frozenset[bytes] = frozenset()
    headers: tuple[tuple[bytes, frozenset[bytes]], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        paths: Sequence[str] = (),
        hosts: Sequence[str] = (),
        methods: Sequence[str] = (),
        headers: Mapping[str, Sequence[str]] | None = None,
        normalise: Callable[[bytes], bytes],
    ) -> Conditions:
        """Read them as the configuration has them.

        :param normalise: brings a path into the form that requests' paths have.
        :raises ValueError: one of them cannot be read.
        """
        return cls(
            paths=tuple(PathRule.of(path, normalise) for path in paths),
            hosts=tuple(HostRule.of(host) for host in hosts),
            methods=frozenset(method.upper().encode() for method in methods),
            headers=tuple(
                (name.lower().encode(), frozenset(value.lower().encode() for value in values))
                for name, values in sorted((headers or {}).items())
            ),
        )

    def kinds(self) -> int:
        """How many kinds of condition are set."""
        return sum(map(bool, (self.paths, self.hosts, self.methods, self.headers)))

    def ways(self) -> Iterator[tuple[PathRule | None, HostRule | None]]:
        """Each path with each host by which a request can match; None where any will do."""
        return product(self.paths or (None,), self.hosts or (None,))

    def fits(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether a request's headers meet those of the route. Of a header that is there twice, any value will do."""
        return all(
            any(name == wanted and value.lower() in values for name, value in headers)
            for wanted, values in self.headers
        )


#: Of two ranks, the smaller wins. The last number is the place in the file.
Rank = tuple[int, int, int, int, int, int]


def rank(conditions: Conditions, path: PathRule | None, host: HostRule | None, order: int) -> Rank:
    """Where a route stands when it matches by ``path`` and ``host``.

    :param order: its place in the file. It tells regular expressions apart; see the module's head for the rest.
    """
    exact_host = host is not None and not host.wildcard
    kind = path.kind if path is not None else PREFIX
    length = len(path.path) if path is not None and kind == PREFIX else 0
    return -conditions.kinds(), -exact_host, -len(conditions.headers), kind, -length, order


def conflicts(routes: Sequence[tuple[str, Conditions]]) -> list[tuple[str, str, str]]:
    """Pairs of routes that can match one request while neither is more specific, with the reason.

    Regular expressions are told apart by the file's order, so two of them never conflict.
    """
    found: dict[tuple[str, str], str] = {}
    # Only routes of one rank can conflict, and if their paths and exact hosts are the same: two prefixes of one path
    # have different lengths.
    groups: dict[tuple[object, ...], list[tuple[str, Conditions, HostRule | None]]] = {}
    for name, conditions in routes:
        for path, host in conditions.ways():
            if path is not None and path.kind == REGEX:
                continue
            exact_host = host.text if host is not None and not host.wildcard else None
            literal = path.path if path is not None else b""
            rivals = groups.setdefault((*rank(conditions, path, host, 0), literal, exact_host), [])
            for other, theirs, their_host in rivals:
                if other != name and _hosts_overlap(host, their_host) and _overlap(conditions, theirs):
                    found.setdefault((other, name), _reason(path, host or their_host))
            rivals.append((name, conditions, host))
    return [(one, other, why) for (one, other), why in found.items()]


def _hosts_overlap(one: HostRule | None, two: HostRule | None) -> bool:
    return one is None or two is None or one.overlaps(two)


def _overlap(one: Conditions, two: Conditions) -> bool:
    """Whether methods and headers let one request match both."""
    if one.methods and two.methods and not one.methods & two.methods:
        return False
    theirs = dict(two.headers)
    return all(name not in theirs or values & theirs[name] for name, values in one.headers)


def _reason(path: PathRule | None, host: HostRule | None) -> str:
    where = (path.path.decode() or "/") if path is not None else "every path"
    on = f" on {host.text.decode()}" if host is not None else ""
    return f"both match {where}{on} and neither says more"
