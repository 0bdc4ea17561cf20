"""Signatures of requests to AWS (SigV4), made by botocore: with a configured key, or with what the machine has.

Where keys come from may block: files, processes, the metadata server, STS. So they are looked up in a thread for that
alone, one look-up at a time, and kept. Keys that expire are looked up again before they do: while they are still good
for a while, beside their use; else the calls that come wait together for the one look-up under way. If that fails they
all fail, and so do the calls of the next few seconds, without another try. Signing needs a hash over the body, and is
done in one of the reactor's threads.

A path is signed as it is sent: the canonical request has it encoded once more, as all services but S3 want it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from aigw.errors import UpstreamFailed
from aigw.http.threads import in_own_thread
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.aws_keys import MISSING, CredentialChain, FixedKeys, Keys, KeySource, NoKeys

#: What Bedrock's signatures are for; not the name of its host.
SERVICE = "bedrock"
#: Where the machine may have an API key of Bedrock's; AWS's own SDKs prefer it to signing.
BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"

#: Seconds before their end from which on keys are looked up again beside their use, and are not used any more.
#: The first is botocore's own: earlier it would give out the same keys.
AHEAD = 900
LAST = 30
#: Seconds between two tries.
PAUSE = 5.0

#: Headers that are signed where the request has them; those that begin with x-amz are, too, but for the trace's id,
#: which proxies on the way may change.
_SIGNED = (b"content-type", b"host")
_TRACE = b"x-amzn-trace-id"

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]


def sign(
    keys: Keys, region: str, method: bytes, target: bytes, head: bytes, body: bytes, service: str = SERVICE
) -> bytes:
    """The header lines that sign a request, each with its CRLF.

    :param target: see :meth:`aigw.upstream.authoriser.Authoriser.lines`, also for the others.
    :raises NoKeys: the keys cannot be sent.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    headers = _to_sign(head)
    url = f"https://{headers['host']}{target.decode('latin-1')}"
    request = AWSRequest(method.decode("ascii"), url, headers, body)
    SigV4Auth(keys, service, region).add_auth(request)
    names = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")
    values = [(name, str(request.headers[name])) for name in names if name in request.headers]
    if not all(value.isascii() and value.isprintable() for _, value in values):
        raise NoKeys("the access key or the session's token has characters that no header may have")
    return "".join(f"{name.lower()}: {value}\r\n" for name, value in values).encode("ascii")


def _to_sign(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name in _SIGNED or (name.startswith(b"x-amz") and name != _TRACE):
            text, key = value.strip().decode("latin-1"), name.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


class AwsAuthoriser:
    """See :class:`aigw.upstream.authoriser.Authoriser` and the module's head.

    :param in_thread: runs a function that takes its time somewhere else, and tells what it returned.
    :param in_own_thread: the same for one that may hang; by default ``in_thread``.
    """

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: InThread,
        source: KeySource,
        region: str,
        partition: bytes,
        in_own_thread: InThread | None = None,
    ) -> None:
        self.partition = partition
        self._clock = clock
        self._in_thread = in_thread
        self._in_own_thread = in_own_thread or in_thread
        self._source = source
        self._region = region
        self._keys: Keys | None = None
        self._previous: Keys | None = None
        self._next_try = 0.0
        self._complaint: str | None = None
        self._fetching = False
        self._waiting: list[Deferred[Keys]] = []

    def lines(self, method: bytes, target: bytes, head: bytes, body: bytes) -> Deferred[bytes]:
        """See :class:`aigw.upstream.authoriser.Authoriser`."""

        def signed(keys: Keys) -> Deferred[bytes]:
            return self._in_thread(lambda: sign(keys, self._region, method, target, head, body)).addErrback(_unsigned)

        return self._good_keys().addCallback(signed)

    def secrets(self) -> tuple[bytes, ...]:
        """See :class:`aigw.upstream.authoriser.Authoriser`: of the keys, and the last ones, that calls may still have.

        AWS quotes the whole request in which a signature is wrong, the session's token in it.
        """
        return tuple(secret for keys in (self._keys, self._previous) if keys is not None for secret in keys.secrets())

    def _good_keys(self) -> Deferred[Keys]:
        now = self._clock.seconds()
        if self._keys is not None and not self._source.expires_within(LAST):
            if now >= self._next_try and self._source.expires_within(AHEAD):
                self._begin()
            return succeed(self._keys)
        if self._complaint is not None and now < self._next_try:
            return fail(UpstreamFailed(self._complaint))
        waiting: Deferred[Keys] = Deferred(self._leave)
        self._waiting.append(waiting)
        self._begin()
        return waiting

    def _leave(self, waiting: Deferred[Keys]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def _begin(self) -> None:
        if not self._fetching:
            self._fetching = True
            self._in_own_thread(self._source.fetch).addCallbacks(self._fetched, self._failed)

    def _fetched(self, keys: Keys) -> None:
        if keys != self._keys:
            self._previous, self._keys = self._keys, keys
        self._next_try = self._clock.seconds() + PAUSE
        self._complaint = None
        for waiting in self._end():
            waiting.callback(keys)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        # Another exception's text may hold anything, a key among it.
        why = str(error) if isinstance(error, NoKeys) else f"the look-up failed with {type(error).__name__}"
        self._complaint = f"no credentials for AWS: {why}"
        self._next_try = self._clock.seconds() + PAUSE
        for waiting in self._end():
            waiting.errback(UpstreamFailed(self._complaint))

    def _end(self) -> Iterator[Deferred[Keys]]:
        self._fetching = False
        waiting, self._waiting = self._waiting, []
        return (each for each in waiting if not each.called)  # one may cancel another


def _unsigned(failure: Failure) -> Failure:
    """What goes wrong while signing, without what was to be signed."""
    if failure.check(CancelledError):
        return failure
    if failure.check(ImportError):
        return Failure(UpstreamFailed(f"no credentials for AWS: {MISSING}"))
    why = str(failure.value) if failure.check(NoKeys) else f"signing failed with {type(failure.value).__name__}"
    return Failure(UpstreamFailed(f"no credentials for AWS: {why}"))


@attrs.frozen
class BearerKey:
    """An API key of Bedrock's that the machine has; see :class:`aigw.upstream.authoriser.Authoriser`."""

    key: bytes = attrs.field(repr=False)

    @property
    def partition(self) -> bytes:
        """See :class:`aigw.upstream.authoriser.Authoriser`."""
        return hashlib.sha256(b"aws bearer " + self.key).digest()[:16]

    def lines(self, method: bytes, target: bytes, head: bytes, body: bytes) -> Deferred[bytes]:
        """See :class:`aigw.upstream.authoriser.Authoriser`."""
        return succeed(b"authorization: Bearer %s\r\n" % self.key)

    def secrets(self) -> tuple[bytes, ...]:
        """See :class:`aigw.upstream.authoriser.Authoriser`."""
        return (self.key,)


def aws_authoriser(
    reactor: Any, region: str, keys: Keys | None = None, environment: Mapping[str, str] = os.environ
) -> Authoriser:
    """The authoriser of a backend on Bedrock.

    :param keys: of the configuration; None: what this machine has.
    :param environment: where the machine may have an API key.
    """
    bearer = environment.get(BEARER_VARIABLE, "").strip()
    if keys is None and bearer.isascii() and bearer.isprintable() and bearer:
        return BearerKey(bearer.encode("ascii"))

    def in_thread(function: Callable[[], T]) -> Deferred[T]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function)

    # Keys by all that they are: those of another session, or the same with another secret, are others.
    identity = [region, *(("ambient",) if keys is None else (keys.access_key, keys.secret_key, keys.token or ""))]
    partition = hashlib.sha256("\0".join(("aws", *identity)).encode("utf-8", "replace")).digest()[:16]
    if keys is not None:
        return AwsAuthoriser(reactor, in_thread, FixedKeys(keys), region, partition)
    own: InThread = functools.partial(in_own_thread, reactor)
    return AwsAuthoriser(reactor, in_thread, CredentialChain(), region, partition, own)


def problem(ambient: bool, environment: Mapping[str, str] = os.environ) -> str | None:
    """What stands in the way of a backend whose requests are signed, for ``aigw check``; None: nothing to be seen.

    :param ambient: the keys are those that this machine has.
    """
    if ambient and environment.get(BEARER_VARIABLE):
        return None
    return MISSING if importlib.util.find_spec("botocore") is None else None
