"""Finding the key in a request, and the consumer behind it (contract sections 2 and 3; Kong's key-auth).

Each name of ``key_names`` is looked for in turn, as header, query field, body field; the first that is there wins.
``Authorization: Bearer`` comes last. An empty value is no key; one header twice is refused, since two parts of a
system could believe two different ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.python.failure import Failure

from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import ApiKey, digest
from aigw.consumers.forms import form_field, without_field, without_query_field
from aigw.consumers.realm import IConsumer
from aigw.errors import Unauthorized

_BEARER = b"bearer "

#: Seconds for which a login is remembered, and how many are.
_GOOD_FOR = 60.0
_MOST_KNOWN = 100_000


class Presented(Protocol):
    """What is needed of a request."""

    method: bytes
    query: bytes | None
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field."""


class KeyAuthenticator:
    """One ``[auth]`` entry at work.

    :param key_names: in the order they are looked for.
    :param bearer: whether ``Authorization: Bearer`` counts too.
    :param realm: for ``WWW-Authenticate``; empty for none.
    :param now: Unix time.
    :param expires: when the key with a digest expires, Unix time, if it does.
    :param anonymous: who callers without a valid key are, if anybody.
    """

    def __init__(
        self,
        portal: Portal,
        *,
        now: Callable[[], float] = time.time,
        expires: Callable[[bytes], float | None] = lambda hashed: None,
        key_names: Sequence[str],
        bearer: bool = True,
        key_in_header: bool = True,
        key_in_query: bool = False,
        key_in_body: bool = False,
        realm: str = "",
        anonymous: Consumer | None = None,
        run_on_preflight: bool = True,
    ) -> None:
        self._portal = portal
        self._now = now
        self._expires = expires
        self._known: dict[bytes, tuple[Consumer, float]] = {}
        self._names = [name.lower().encode() for name in key_names]
        self._ranks = {name: rank for rank, name in enumerate(self._names)} if key_in_header else {}
        self._bearer = bearer
        self.key_in_query = key_in_query
        self.key_in_body = key_in_body
        self._anonymous = anonymous
        self._run_on_preflight = run_on_preflight
        challenge = f'Key realm="{realm}"' if realm else "Key"
        self._challenge = ((b"www-authenticate", challenge.encode()),)
        self.header_names = frozenset(self._names)

    def authenticate(self, request: Presented) -> Consumer | None:
        """The consumer that ``request`` is from; None for a preflight that needs none.

        :raises Unauthorized: no key, an unknown or expired one, or one header twice.
        """
        if request.method == b"OPTIONS" and not self._run_on_preflight:
            return None
        try:
            key = self._find(request)
            if not key:
                raise self._refusal("No API key found in request", "missing_api_key")
            return self._login(key)
        except Unauthorized:
            if self._anonymous is None:
                raise
            return self._anonymous

    def clean_query(self, query: bytes) -> bytes | None:
        """The query without anything that has a key's name, as it may go on; None if nothing is left.

        Also where keys are not looked for in queries: a client that puts one there does not mean it for the provider.
        """
        return without_query_field(query, self.header_names)

    def clean_body(self, body: bytes, content_type: bytes | None) -> bytes:
        """The body without keys, as it may go on."""
        if self.key_in_body:
            for name in self._names:
                body = without_field(body, content_type or b"", name)
        return body

    # -- inside

    def _login(self, key: bytes) -> Consumer:
        """The consumer behind ``key``, through the portal; once in for a minute, or until its key expires."""
        hashed = digest(key)
        known = self._known.get(hashed)
        if known is not None and known[1] > self._now():
            return known[0]
        consumer = self._log_in(hashed)
        if len(self._known) < _MOST_KNOWN:
            now = self._now()
            self._known[hashed] = (consumer, min(now + _GOOD_FOR, self._expires(hashed) or now + _GOOD_FOR))
        return consumer

    def _log_in(self, hashed: bytes) -> Consumer:
        outcome: list[Any] = []
        # The checker and the realm answer at once, so the Deferred has fired when it comes back.
        self._portal.login(ApiKey(hashed), None, IConsumer).addBoth(outcome.append)
        result = outcome[0]
        if isinstance(result, Failure):
            result.trap(UnauthorizedLogin)
            raise self._refusal("Unauthorized", "invalid_api_key") from None
        consumer: Consumer = result[1]
        return consumer

    def _refusal(self, message: str, code: str) -> Unauthorized:
        return Unauthorized(message, code=code, headers=self._challenge)

    def _find(self, request: Presented) -> bytes | None:
        found, bearer = self._in_headers(request.headers)
        if not self.key_in_query and not self.key_in_body:
            return found[0][1] if found else bearer
        by_rank = dict(found)
        query = dict(parse_qsl(request.query or b"")) if self.key_in_query else {}
        for rank, name in enumerate(self._names):
            value = by_rank.get(rank) or query.get(name)
            if not value and self.key_in_body and request.body:
                value = form_field(request.body, request.header(b"content-type") or b"", name)
            if value:
                return value
        return bearer

    def _in_headers(self, headers: list[tuple[bytes, bytes]]) -> tuple[list[tuple[int, bytes]], bytes | None]:
        """Keys in headers with their names' ranks, best first; and the Bearer token."""
        ranks = self._ranks
        found: list[tuple[int, bytes]] = []
        bearer = None
        for name, value in headers:
            rank = ranks.get(name)
            if rank is not None:
                if found and any(rank == other for other, _ in found):
                    raise self._refusal("Duplicate API key found", "duplicate_api_key")
                found.append((rank, value))
            elif self._bearer and name == b"authorization" and value[:7].lower() == _BEARER:
                bearer = value[7:].strip()
        if len(found) > 1:
            found.sort()
        if any(not value for _, value in found):
            found = [(rank, value) for rank, value in found if value]
        return found, bearer
