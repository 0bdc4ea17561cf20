"""Header fields as the wire sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: A field: its name in lower case, its value.
Header = tuple[bytes, bytes]

#: Fields that concern one connection and stop here (RFC 9110 section 7.6.1, and what older proxies invented).
HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_PLAIN: Final = frozenset((b"keep-alive", b"close"))
_NONE: Final[frozenset[bytes]] = frozenset()


def connection_tokens(headers: Sequence[Header]) -> frozenset[bytes]:
    """The fields that ``Connection`` nominates as hop-by-hop too, in lower case."""
    tokens: set[bytes] = set()
    for name, value in headers:
        if name == b"connection" and value not in _PLAIN:
            tokens.update([token.strip().lower() for token in value.split(b",")])
    return frozenset(tokens - _PLAIN) if tokens else _NONE


def wants_close(headers: Sequence[Header]) -> bool:
    """Whether ``Connection`` says that no further message follows (RFC 9112 section 9.6)."""
    return any(
        name == b"connection" and b"close" in [token.strip().lower() for token in value.split(b",")]
        for name, value in headers
    )
