"""Where an address in a response leads: within an origin, or anywhere else (RFC 6454, RFC 3986 section 4.2).

Clients do not agree on how an address is read. Browsers take backslashes for slashes, drop tabs and line ends, and let
``https:host`` pass; others do not. So only what everybody reads alike leads somewhere known; all else leads elsewhere.
"""

from __future__ import annotations

from typing import Final

#: Visible ASCII without the backslash, and what else some readers drop, replace or refuse.
_PLAIN: Final = frozenset(range(0x21, 0x7F)) - frozenset(b'\\"<>^`{|}')

_PORTS: Final = {b"http": b"80", b"https": b"443"}


def path_within(address: bytes, origin: bytes) -> bytes | None:
    """What ``address`` comes to for who has asked ``origin``, without scheme and host; None if it leads elsewhere.

    A relative address stays as it is.

    :param origin: as in ``https://api.example.com:443``, in lower case.
    """
    if not _PLAIN.issuperset(address) or address.startswith(b"//"):
        return None
    scheme, colon, rest = address.partition(b":")
    if not colon or b"/" in scheme or b"?" in scheme or b"#" in scheme:
        return address
    scheme = scheme.lower()
    if scheme not in _PORTS or not rest.startswith(b"//"):
        return None
    end = min((at for at in (rest.find(mark, 2) for mark in (b"/", b"?", b"#")) if at >= 0), default=len(rest))
    authority, path = rest[2:end].lower(), rest[end:]
    bracket = authority.rfind(b"]")
    if b":" not in authority[bracket + 1 :]:
        authority += b":" + _PORTS[scheme]
    if b"%s://%s" % (scheme, authority) != origin:
        return None
    path = path if path.startswith(b"/") else b"/" + path
    return path if not path.startswith(b"//") else None
