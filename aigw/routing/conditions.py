"""When a route matches, and which of two routes that match comes first (contract section 2).

All kinds of condition that a route sets must hold (AND), within a kind any value will do (OR). Of the routes that
match, the one wins with more kinds set; then an exact host over a wildcard, more headers, an exact path, a regular
expression (in the file's order), the longest prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import attrs

EXACT, REGEX, PREFIX = 0, 1, 2


@attrs.frozen
class PathRule:
    """One entry of ``paths``.

    :ivar kind: EXACT, REGEX or PREFIX.
    :ivar path: normalised, without a slash at its end, for EXACT and PREFIX; the pattern's text for REGEX.
    """

    kind: int
    path: bytes
    pattern: re.Pattern[bytes] | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, text: str, normalise: Callable[[bytes], bytes]) -> PathRule:
        """Read ``"/x"``, ``"=/x"`` or ``"~regex"``.

        :raises ValueError: it is none of these.
        """
        if text.startswith("~"):
            try:
                return cls(REGEX, text[1:].encode(), re.compile(text[1:].encode()))
            except re.error as error:
                raise ValueError(f"{text!r} is not a regular expression: {error}") from None
        exact = text.startswith("=")
        path = text[1:] if exact else text
        if not path.startswith("/"):
            raise ValueError(f"path {text!r} must begin with /, =/ or ~")
        normal = normalise(path.encode())
        if exact:
            return cls(EXACT, normal)
        return cls(PREFIX, normal.rstrip(b"/"))

    def segments(self) -> list[bytes]:
        """The path's segments; none for ``/``."""
        return self.path.split(b"/")[1:]


@attrs.frozen
class HostRule:
    """One entry of ``hosts``: exact, or with one ``*`` as its first or last label."""

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
            return True
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

    def fits(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether a request's headers meet the conditions on headers."""
        return all(
            any(name == wanted and value.lower() in values for name, value in headers)
            for wanted, values in self.headers
        )


#: Of two ranks, the smaller wins.
Rank = tuple[int, int, int, int, int]


def rank(conditions: Conditions, path: PathRule | None, host: HostRule | None, order: int) -> Rank:
    """Where a route stands when it matches by ``path`` and ``host``.

    :param order: its place in the file, which only counts among regular expressions.
    """
    kind = path.kind if path is not None else PREFIX
    host_rank = 0 if host is None or not host.wildcard else 1
    last = order if kind == REGEX else -len(path.path) if path is not None else 0
    return -conditions.kinds(), host_rank, -len(conditions.headers), kind, last


def conflicts(routes: Sequence[tuple[str, Conditions]]) -> list[tuple[str, str, str]]:
    """Pairs of routes that can match one request while neither is more specific, with the reason.

    Regular expressions are told apart by the file's order, so two of them never conflict.
    """
    found = []
    groups: dict[tuple[object, ...], list[tuple[str, Conditions]]] = {}
    for name, conditions in routes:
        for path in conditions.paths or (None,):
            if path is not None and path.kind == REGEX:
                continue
            # Only routes of one rank and one path can conflict.
            key = (rank(conditions, path, None, 0), path.path if path is not None else b"")
            for other, theirs in groups.get(key, ()):
                if other != name and _overlap(conditions, theirs):
                    where = path.path.decode() or "/" if path is not None else "every path"
                    found.append((other, name, f"both match {where} and neither says more"))
            groups.setdefault(key, []).append((name, conditions))
    return list(dict.fromkeys(found))


def _overlap(one: Conditions, two: Conditions) -> bool:
    """Whether a request can match both, and be ranked alike, apart from its path."""
    if one.methods and two.methods and not one.methods & two.methods:
        return False
    if one.hosts and two.hosts:
        alike = [(a, b) for a in one.hosts for b in two.hosts if a.wildcard == b.wildcard and a.overlaps(b)]
        if not alike:
            return False
    theirs = dict(two.headers)
    return all(name not in theirs or values & theirs[name] for name, values in one.headers)
