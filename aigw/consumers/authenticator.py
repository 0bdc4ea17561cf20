"""Finding the key in a request, and the consumer behind it (contract sections 2 and 3; Kong's key-auth).

Each name of ``key_names`` is looked for in turn, as header, query field, body field; the first that is there wins,
and nothing behind it counts. ``Authorization: Bearer`` comes last. If what is found is empty, there is no key; if it
is there twice, it is refused, since two parts of a system could believe two different ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.python.failure import Failure

from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import ApiKey, digest
from aigw.consumers.forms import Form, body_form, urlencoded
from aigw.consumers.interfaces import IConsumer
from aigw.errors import Unauthorized

_BEARER: Final = b"bearer "

#: Seconds up to which a login is remembered, and how many are.
_GOOD_FOR: Final = 60.0
_MOST_LOGINS: Final = 100_000


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

    :param portal: its checker and realm must answer at once.
    :param now: Unix time.
    :param expires: when the key with a digest expires, Unix time; None if it never does.
    :param key_names: in the order they are looked for. Upper and lower case are the same, in queries and bodies too.
    :param bearer: whether ``Authorization: Bearer`` counts too. Where ``authorization`` is one of ``key_names``, it is
        looked at in its turn and as a whole, as Kong does: its value is the key, scheme and all.
    :param realm: for ``WWW-Authenticate``; empty for none.
    :param anonymous: who callers without a valid key are, if anybody.
    :param run_on_preflight: whether ``OPTIONS`` requests need a key.
    :ivar header_names: the names that a key may have. Headers and fields of queries that have them stay here, whether
        or not a key was found in them.
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
        self._logged_in: dict[bytes, Consumer] = {}
        self._forgets_at = 0.0
        self._names = tuple(dict.fromkeys(name.lower().encode() for name in key_names))
        self.header_names = frozenset(self._names)
        #: Where each header stands in the search. A Bearer token comes after all names, nothing at all after that.
        self._ranks = {name: rank for rank, name in enumerate(self._names)} if key_in_header else {}
        self._bearer_rank = len(self._names)
        if bearer:
            self._ranks.setdefault(b"authorization", self._bearer_rank)
        self.key_in_query = key_in_query
        self.key_in_body = key_in_body
        self._anonymous = anonymous
        self._run_on_preflight = run_on_preflight
        challenge = f'Key realm="{realm}"' if realm else "Key"
        self._challenge = ((b"www-authenticate", challenge.encode()),)

    def authenticate(self, request: Presented) -> Consumer | None:
        """The consumer that ``request`` is from; None for a preflight that needs none.

        :raises Unauthorized: no key, an unknown or expired one, or one twice.
        """
        if request.method == b"OPTIONS" and not self._run_on_preflight:
            return None
        try:
            return self._login(self._find(request))
        except Unauthorized:
            if self._anonymous is None:
                raise
            return self._anonymous

    def clean_body(self, body: bytes, content_type: bytes | None) -> bytes:
        """The body without keys, as it may go on: the same object if it has none."""
        form = body_form(body, content_type or b"") if self.key_in_body and body else None
        cleaned = form.without(self.header_names) if form is not None else None
        return body if cleaned is None else cleaned

    # -- inside

    def _login(self, key: bytes) -> Consumer:
        """The consumer behind ``key``. Logins through the portal are remembered until all of them are forgotten, which
        is once a minute; not those whose key expires before."""
        hashed = digest(key)
        now = self._now()
        if now >= self._forgets_at:
            self._logged_in = {}
            self._forgets_at = now + _GOOD_FOR
        known = self._logged_in.get(hashed)
        if known is not None:
            return known
        consumer = self._log_in(hashed)
        expires = self._expires(hashed)
        if (expires is None or expires >= self._forgets_at) and len(self._logged_in) < _MOST_LOGINS:
            self._logged_in[hashed] = consumer
        return consumer

    def _log_in(self, hashed: bytes) -> Consumer:
        outcome: list[Any] = []
        # The checker and the realm answer at once, so the Deferred has fired when it comes back.
        self._portal.login(ApiKey(hashed), None, IConsumer).addBoth(outcome.append)
        result = outcome[0]
        if isinstance(result, Failure):
            result.trap(UnauthorizedLogin)
            raise self._refusal("Unauthorized", "invalid_api_key", "Unauthorized: unknown or expired key") from None
        consumer: Consumer = result[1]
        return consumer

    def _refusal(self, message: str, code: str, detail: str | None = None) -> Unauthorized:
        return Unauthorized(message, code=code, headers=self._challenge, detail=detail)

    def _find(self, request: Presented) -> bytes:
        """:raises Unauthorized: there is no key, or it is there twice."""
        rank, values = self._in_headers(request.headers)
        if rank and (self.key_in_query or self.key_in_body):
            values = self._elsewhere(request, self._names[:rank]) or values
        if len(values) > 1:
            raise self._refusal("Duplicate API key found", "duplicate_api_key")
        if not values or not values[0]:
            raise self._refusal("No API key found in request", "missing_api_key")
        return values[0]

    def _in_headers(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, list[bytes]]:
        """The values of the first name that a header has, and that name's rank."""
        ranks = self._ranks
        best, values = self._bearer_rank + 1, []
        for name, value in headers:
            rank = ranks.get(name)
            if rank is None or rank > best:
                continue
            if rank == self._bearer_rank:
                if value[:7].lower() != _BEARER:
                    continue
                value = value[7:].strip()
            if rank < best:
                best, values = rank, [value]
            else:
                values.append(value)
        return best, values

    def _elsewhere(self, request: Presented, names: Sequence[bytes]) -> list[bytes]:
        """The values of the first of ``names`` that the query has, or the body."""
        forms: list[Form] = []
        if self.key_in_query and request.query:
            forms.append(urlencoded(request.query))
        if self.key_in_body and request.body:
            form = body_form(request.body, request.header(b"content-type") or b"")
            forms += [form] if form is not None else []
        found = (form.values(name) for name in names for form in forms)
        return next((values for values in found if values), [])
