"""What becomes of addresses in a response that clients go to by themselves, with prompt and key in their hands.

A redirect is never followed here. One that leads to another origin than the backend's is not passed on either: SDKs and
browsers would send what they have sent here to whomever it names, their custom headers with the consumer's key among
it. One within the backend's origin goes down without that origin, so that it leads through the gateway: as it is where
it is relative, else the address on the route that the request came by, as far as that can be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aigw.http.headers import Header
from aigw.http.origin import path_within
from aigw.proxy.forwarding import ADDRESSES

if TYPE_CHECKING:
    from aigw.proxy.attempt import Attempt

#: An answer out of the client's own cache: nothing to go to (RFC 9110 section 15.4.5).
_NOT_MODIFIED: Final = 304


class LeadsElsewhere(Exception):
    """A redirect that is not passed on; the message says what the backend did."""


def within_origin(attempt: Attempt, status: int, headers: list[Header]) -> list[Header]:
    """A response's headers with addresses that lead through the gateway; those that cannot are left out.

    :raises LeadsElsewhere: the response is a redirect to another origin, or to several places.
    """
    redirects = 300 <= status < 400 and status != _NOT_MODIFIED
    if redirects and sum(name == b"location" for name, _ in headers) > 1:
        raise LeadsElsewhere("redirects to more than one place at once, which is not passed on")
    kept: list[Header] = []
    for name, value in headers:
        if name in ADDRESSES:
            path = path_within(value, attempt.plan.origin)
            if path is None:
                if redirects and name == b"location":
                    raise LeadsElsewhere("redirects to another origin, which is not passed on")
                continue
            value = value if path == value else _on_route(attempt, path)
        kept.append((name, value))
    return kept


def _on_route(attempt: Attempt, path: bytes) -> bytes:
    """A path on the upstream host as it is on the route, where the route only puts another one in front of it."""
    rule, matched = attempt.plan.path_rule, attempt.exchange.call.matched.rstrip(b"/")
    base = rule.base.rstrip(b"/") if rule.prefix is None else rule.prefix.rstrip(b"/")
    rest = path[len(base) :]
    if not path.startswith(base) or rest[:1] not in (b"/", b"?", b"#", b""):
        return path
    return matched + rest or b"/"
