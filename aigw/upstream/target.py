"""Which path is asked for on the upstream host (contract section 2, "Operation and upstream path")."""

from __future__ import annotations

import re

_VERSION_END = re.compile(rb"/v\d+[a-z0-9]*$")
_VERSION_START = re.compile(rb"/v\d+[a-z0-9]*(?=/|$)")


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
    """Gateway API's ReplacePrefixMatch: ``matched``, whole segments at the start of ``path``, gives way."""
    return join(replacement, path[len(matched.rstrip(b"/")) :])
