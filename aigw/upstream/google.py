"""Access tokens for Google Cloud, made by google-auth: from a service account's key, or from what the machine has.

google-auth blocks: it reads files, asks the metadata server, signs, calls the token endpoint. So it only ever runs in
a thread of its own, once at a time. A token is kept until shortly before it expires; when that is near, the next call
still gets it and a new one is fetched beside. Calls for which there is no token wait together for the one fetch under
way. If that fails they all fail, and so do the calls of the next few seconds, without another try.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import orjson
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from aigw.errors import UpstreamFailed
from aigw.http.threads import in_own_thread

#: What the token is for; finer permissions are the account's roles.
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

#: Seconds before its end from which on a token is renewed beside its use, and from which on it is not used any more.
AHEAD = 300.0
LAST = 30.0
#: Seconds between two tries.
PAUSE = 5.0
#: Seconds that one request to Google's token service may take.
TIMEOUT = 10.0
#: Seconds that a token is kept which does not say when it expires.
UNKNOWN = 300.0

_MISSING = "provider vertex needs the package google-auth, which is not installed: pip install 'aigw[vertex]'"
_AMBIENT = "put it into a file that GOOGLE_APPLICATION_CREDENTIALS names, and use auth = { ambient = true }"
#: Headers of google-auth's that are sent; the second names the project that pays for a user's own credentials.
_HEADERS = ("authorization", "x-goog-user-project")


class NoToken(Exception):
    """There is no token; the message says why, for people, and has no secret in it."""


@attrs.frozen
class Token:
    """An access token as it is sent.

    :ivar lines: finished header lines.
    :ivar lifetime: seconds for which it is valid.
    """

    lines: bytes = attrs.field(repr=False)
    secret: bytes = attrs.field(repr=False)
    lifetime: float


class GoogleAuthoriser:
    """See :class:`aigw.upstream.authoriser.Authoriser` and the module's head.

    :param in_thread: runs a function that blocks somewhere else, and tells what it returned.
    :param fetch: a new token; blocks, raises :class:`NoToken`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: Callable[[Callable[[], Token]], Deferred[Token]],
        fetch: Callable[[], Token],
        partition: bytes,
    ) -> None:
        self.partition = partition
        self._clock = clock
        self._in_thread = in_thread
        self._fetch = fetch
        self._token: Token | None = None
        self._previous: Token | None = None
        self._usable_until = self._next_try = 0.0
        self._complaint: str | None = None
        self._fetching = False
        self._waiting: list[Deferred[bytes]] = []

    def lines(self, method: bytes, target: bytes, head: bytes, body: bytes) -> Deferred[bytes]:
        """See :class:`aigw.upstream.authoriser.Authoriser`. The request makes no difference."""
        now = self._clock.seconds()
        if self._token is not None and now < self._usable_until:
            if now >= self._next_try:
                self._begin()
            return succeed(self._token.lines)
        if self._complaint is not None and now < self._next_try:
            return fail(UpstreamFailed(self._complaint))
        waiting: Deferred[bytes] = Deferred(self._leave)
        self._waiting.append(waiting)
        self._begin()
        return waiting

    def secrets(self) -> tuple[bytes, ...]:
        """See :class:`aigw.upstream.authoriser.Authoriser`: the token, and the last one, which calls may still have."""
        return tuple(token.secret for token in (self._token, self._previous) if token is not None)

    def _leave(self, waiting: Deferred[bytes]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _begin(self) -> None:
        if not self._fetching:
            self._fetching = True
            self._in_thread(self._fetch).addCallbacks(self._fetched, self._failed)

    def _fetched(self, token: Token) -> None:
        now = self._clock.seconds()
        self._previous, self._token = self._token, token
        self._usable_until = now + max(token.lifetime - LAST, 0.0)
        # A metadata server gives out the same token until it is nearly over.
        self._next_try = max(now + token.lifetime - AHEAD, now + PAUSE)
        self._complaint = None
        for waiting in self._end():
            waiting.callback(token.lines)

    def _failed(self, failure: Failure) -> None:
        known = isinstance(failure.value, NoToken)
        # Another exception's text may hold anything, a key among it.
        why = str(failure.value) if known else f"google-auth failed with {type(failure.value).__name__}"
        self._complaint = f"no access token for Google Cloud: {why}"
        self._next_try = self._clock.seconds() + PAUSE
        for waiting in self._end():
            waiting.errback(UpstreamFailed(self._complaint))

    def _end(self) -> Iterator[Deferred[bytes]]:
        self._fetching = False
        waiting, self._waiting = self._waiting, []
        return (each for each in waiting if not each.called)  # one may cancel another


def google_authoriser(reactor: Any, service_account: str | None) -> GoogleAuthoriser:
    """The authoriser of a backend on Vertex AI.

    :param service_account: the JSON key of a service account; None: Google's default credentials of this machine
        (https://cloud.google.com/docs/authentication/application-default-credentials).
    """
    source = Source(service_account)

    identity = (service_account or "ambient").encode("utf-8", "replace")
    partition = hashlib.sha256(b"google " + identity).digest()[:16]
    return GoogleAuthoriser(reactor, functools.partial(in_own_thread, reactor), source.fetch, partition)


def problem(service_account: str | None = None) -> str | None:
    """What stands in the way of a backend that needs these tokens, for ``aigw check``; None: nothing that can be seen.

    :param service_account: the secret's value, if it is one.
    """
    if importlib.util.find_spec("google") is None or not _installed():
        return _MISSING
    if service_account is None:
        return None
    try:
        _of_key(service_account)
    except NoToken as error:
        return str(error)
    return None


def _installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("google.auth", "requests"))


class Source:
    """Where tokens are from. Everything here blocks and belongs into a thread.

    :param request: a ``google.auth.transport.Request``; None: google-auth's own, over HTTP.
    """

    def __init__(self, service_account: str | None, request: Callable[..., Any] | None = None) -> None:
        self._service_account = service_account
        self._request = request
        self._credentials: Any = None

    def fetch(self) -> Token:
        """A new token.

        :raises NoToken: there is none.
        """
        from google.auth import exceptions

        try:
            credentials = self._credentials or self._load()
            credentials.refresh(self._transport())
        except exceptions.RefreshError as error:
            raise NoToken(f"Google refuses: {_refusal(error)}") from None
        except exceptions.TransportError:
            raise NoToken("Google's token service, or the machine's metadata server, cannot be reached") from None
        except exceptions.DefaultCredentialsError:
            raise NoToken(
                "this machine has no default credentials; set GOOGLE_APPLICATION_CREDENTIALS, or give the backend"
                " auth = { service_account = … }"
            ) from None
        self._credentials = credentials
        return _token(credentials)

    def _load(self) -> Any:
        if self._service_account is not None:
            return _of_key(self._service_account)
        import google.auth

        credentials, _ = google.auth.default(scopes=[SCOPE], request=self._transport())
        return credentials

    def _transport(self) -> Any:
        if self._request is None:
            from google.auth.transport.requests import Request

            self._request = functools.partial(Request(), timeout=TIMEOUT)
        return self._request


def _of_key(text: str) -> Any:
    """Credentials of a JSON key.

    :raises NoToken: it is none.
    """
    from google.oauth2 import credentials, service_account

    try:
        info = orjson.loads(text)
    except orjson.JSONDecodeError:
        info = None
    if not isinstance(info, dict):
        raise NoToken("the service account's key is not JSON (the whole file that Google Cloud lets you download)")
    kind = info.get("type")
    makers: dict[str, Callable[..., Any]] = {
        "service_account": service_account.Credentials.from_service_account_info,
        "authorized_user": credentials.Credentials.from_authorized_user_info,
    }
    if not isinstance(kind, str) or kind not in makers:
        raise NoToken(f"the key's type is {str(kind)[:40]!r} and not service_account; {_AMBIENT}")
    needed = {"service_account": ("client_email", "private_key", "token_uri")}.get(kind, ("client_id", "refresh_token"))
    missing = [name for name in needed if not info.get(name)]
    if missing:
        raise NoToken(f"the service account's key lacks {', '.join(missing)}")
    try:
        return makers[kind](info, scopes=[SCOPE])
    except Exception:
        # Whatever is wrong with a key, the text of the error may have it.
        raise NoToken("the service account's private_key cannot be read (a PEM key, with its line ends)") from None


def _token(credentials: Any) -> Token:
    headers: dict[str, str] = {}
    credentials.apply(headers)
    lines = [f"{name}: {headers[name]}\r\n" for name in _HEADERS if headers.get(name)]
    if not credentials.token or any("\n" in line[:-2] or "\r" in line[:-2] for line in lines):
        raise NoToken("Google answered with something that is no token")
    lifetime = UNKNOWN
    if credentials.expiry is not None:  # naive, in UTC
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        lifetime = (credentials.expiry - now).total_seconds()
    return Token("".join(lines).encode(), credentials.token.encode(), lifetime)


def _refusal(error: Exception) -> str:
    """OAuth's words for why (RFC 6749 section 5.2); nothing else of what was answered."""
    told = next((each for each in error.args if isinstance(each, dict)), {})
    words = [told.get(name) for name in ("error", "error_description")]
    said = ": ".join(word[:200] for word in words if isinstance(word, str))
    return said or "the credentials are not accepted"
