"""Which path is asked for on the upstream host (contract section 2, "Operation and upstream path")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

_BRACE: Final = 0x7B
_VERSION_END: Final = re.compile(rb"/v\d[a-z0-9]*\Z")
_VERSION_START: Final = re.compile(rb"/v\d[a-z0-9]*+(?=/|\Z)")


def join(base: bytes, rest: bytes) -> bytes:
    """``base`` and ``rest`` with exactly one slash between them; never empty."""
    joined = base.rstrip(b"/") + (b"/" + rest.lstrip(b"/") if rest.strip(b"/") else b"")
    return joined or b"/"


def raw_path(base: bytes, rest: bytes) -> bytes:
    """The upstream path of a ``raw`` call: what follows the route's prefix, behind the backend's own path.

    A version segment that both have is written once, so that an SDK works with and without ``/v1`` in its base
    URL: ``/v1`` and ``/v1/files`` make ``/v1/files``.
    """
    ending = _VERSION_END.search(base)
    if ending:
        starting = _VERSION_START.match(rest)
        if starting and starting[0] == ending[0]:
            rest = rest[starting.end() :]
    return join(base, rest)


def replace_prefix(path: bytes, matched: bytes, replacement: bytes) -> bytes:
    """Gateway API's ReplacePrefixMatch: ``matched``, whole segments at the start of ``path``, gives way.

    A slash that the request ends in stays: ``/a/`` with ``/a`` and ``/v1`` becomes ``/v1/``. Source: the table of
    ``HTTPPathModifier.replacePrefixMatch``, https://gateway-api.sigs.k8s.io/reference/spec/.
    """
    rest = path[len(matched.rstrip(b"/")) :]
    return replacement.rstrip(b"/") + (b"/" + rest.lstrip(b"/") if rest else b"") or b"/"


@dataclass(frozen=True)
class PathRule:
    """How a request's path becomes the upstream's, where client and backend speak one dialect.

    :ivar base: the path of the backend's ``url``.
    :ivar full: the whole upstream path, if it does not depend on the request's; ``{model}`` in it is the model.
    :ivar prefix: what replaces the matched prefix, if the route says so.
    :ivar query: what the upstream's query has in any case; the client's own values win.
    """

    base: bytes
    full: bytes | None
    prefix: bytes | None
    query: Mapping[str, str] = field(default_factory=dict)

    def target(
        self, path: bytes, matched: bytes, query: bytes | None, model: str | None = None, below: str | None = None
    ) -> bytes:
        """The request target on the upstream host.

        :param matched: the part of ``path`` that the route matched.
        :param model: what the upstream is asked for.
        :param below: a segment behind :attr:`full`, not encoded yet.
        """
        if self.full is not None:
            upstream = self.full
            if _BRACE in upstream:
                upstream = upstream.replace(b"{model}", quote(model or "", safe="").encode())
            if below is not None:
                upstream = join(upstream, quote(below, safe=":@").encode())
        elif self.prefix is not None:
            upstream = replace_prefix(path, matched, self.prefix)
        else:
            upstream = raw_path(self.base, path[len(matched.rstrip(b"/")) :])
        if self.query:
            query = _with(query, self.query)
        return upstream if query is None else upstream + b"?" + query


def _with(query: bytes | None, wanted: Mapping[str, str]) -> bytes:
    """``query`` and what of ``wanted`` it does not say."""
    sent = {name for name, _ in parse_qsl((query or b"").decode("latin-1"), keep_blank_values=True)}
    added = urlencode({name: value for name, value in wanted.items() if name not in sent}).encode()
    return b"&".join(part for part in (query, added) if part)
