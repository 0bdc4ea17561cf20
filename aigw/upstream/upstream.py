"""A backend ready to be called: where it is, how its connections are pooled.

What differs from call to call (credential, model, body) is the :mod:`aigw.proxy`'s; an :class:`Upstream` is the
part that survives a reload as long as its address does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import attrs
from twisted.internet.interfaces import IReactorTime

from aigw.http.client import ResponseSink
from aigw.http.deadlines import Deadlines
from aigw.http.endpoints import client_endpoint
from aigw.http.pool import Pool
from aigw.llm.providers import Provider
from aigw.upstream.authorised import AuthorisedCall
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.calling import Calling
from aigw.upstream.echo import EchoCall


class Payload:
    """One request as an upstream is to get it.

    :ivar data: the HTTP/1.1 request, head and body.
    :ivar is_head: the method is HEAD, so the response has no body.
    :ivar partition: see :class:`~aigw.upstream.credential.Credential`.
    :ivar operation: what is asked for.
    :ivar fields: the parsed body, for an upstream that is not a wire; for any other None.
    :ivar authoriser: makes the credential that ``data`` lacks.
    """

    __slots__ = ("authoriser", "data", "fields", "is_head", "operation", "partition")

    def __init__(
        self,
        data: bytes,
        is_head: bool,
        partition: bytes,
        operation: str,
        fields: dict[str, Any] | None,
        authoriser: Authoriser | None = None,
    ) -> None:
        self.data = data
        self.is_head = is_head
        self.partition = partition
        self.operation = operation
        self.fields = fields
        self.authoriser = authoriser

    def __repr__(self) -> str:
        return f"<Payload {self.operation}>"  # never the credential or the prompt in it


class Upstream(Protocol):
    """What :mod:`aigw.proxy` needs of a backend."""

    name: str

    @property
    def connections(self) -> int:
        """Open connections."""

    def send(self, payload: Payload, sink: ResponseSink) -> Calling:
        """Begin a call. The answer comes through ``sink``, never before this returns, except ``on_sent``."""

    def tune(self, tuning: Tuning) -> None:
        """Follow settings that connections outlive."""

    def retire(self) -> None:
        """No further calls will come; those under way may end."""


@dataclass(frozen=True)
class Tuning:
    """What of a backend's settings does not make other connections of those that are there.

    :ivar max_connections: at a time.
    :ivar silence: see :class:`~aigw.http.pool.Pool`; ``stall`` likewise.
    """

    max_connections: int
    silence: float
    stall: float


@attrs.frozen
class Address:
    """A backend's ``url``, taken apart once.

    :ivar path: the path that every request's path begins with, without a slash at its end.
    :ivar host_header: the ``Host`` to send.
    """

    tls: bool
    host: str
    port: int
    path: bytes
    host_header: bytes

    @property
    def origin(self) -> bytes:
        """Scheme, host and port (RFC 6454 section 4), the port written out, the host in lower case."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{name.lower()}:{self.port}".encode()

    @classmethod
    def of(cls, url: str) -> Address:
        """:param url: http or https, checked by the configuration."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host = parts.hostname or ""
        standard = 443 if tls else 80
        port = parts.port or standard
        name = f"[{host}]" if ":" in host else host
        host_header = name if port == standard else f"{name}:{port}"
        return cls(tls, host, port, parts.path.rstrip("/").encode(), host_header.encode())


class HttpUpstream:
    """A backend over HTTP/1.1, through a pool of its own."""

    def __init__(self, name: str, pool: Pool) -> None:
        self.name = name
        self.pool = pool

    @property
    def connections(self) -> int:
        """See :class:`Upstream`."""
        return self.pool.size

    def send(self, payload: Payload, sink: ResponseSink) -> Calling:
        """See :class:`Upstream`."""
        payload.fields = None
        if payload.authoriser is not None:
            return AuthorisedCall(self._call, payload.data, payload.authoriser, sink, payload.is_head)
        return self.pool.call(payload.data, sink, head=payload.is_head, partition=payload.partition)

    def _call(self, data: bytes, sink: ResponseSink, head: bool, partition: bytes) -> Calling:
        return self.pool.call(data, sink, head=head, partition=partition)

    def tune(self, tuning: Tuning) -> None:
        """See :class:`Upstream`."""
        self.pool.max_connections = tuning.max_connections
        self.pool.silence, self.pool.stall = tuning.silence, tuning.stall
        self.pool.dial_where_wanted()

    def retire(self) -> None:
        """See :class:`Upstream`."""
        self.pool.retire()


class EchoUpstream:
    """The built-in provider: answers by itself, needs no network.

    :param delay: seconds between two tokens of a stream.
    """

    def __init__(self, name: str, clock: IReactorTime, delay: float) -> None:
        self.name = name
        self._clock = clock
        self._delay = delay

    @property
    def connections(self) -> int:
        """It needs none."""
        return 0

    def send(self, payload: Payload, sink: ResponseSink) -> Calling:
        """See :class:`Upstream`."""
        return EchoCall(self._clock, self._delay, payload.operation, payload.fields, sink)

    def tune(self, tuning: Tuning) -> None:
        """There is nothing to tune."""

    def retire(self) -> None:
        """Nothing is held."""


@attrs.frozen
class UpstreamKey:
    """What of a backend's settings makes its connections what they are: equal keys share them over a reload.

    :ivar ca: the authorities that are trusted, not where they are from: with others, the connections are others.
    :ivar system: the same for the machine's own, where ``ca`` is None and TLS is spoken.
    """

    name: str
    provider: str
    address: Address | None
    ca: bytes | None = attrs.field(repr=False)
    system: str
    idle_timeout: float
    delay: float


def open_upstream(key: UpstreamKey, provider: Provider, reactor: Any, deadlines: Deadlines) -> Upstream:
    """A new upstream for ``key``; no connection is made before the first call."""
    if provider.name == "echo" or key.address is None:
        return EchoUpstream(key.name, reactor, key.delay)
    address = key.address
    endpoint = client_endpoint(reactor, address.host, address.port, address.tls, ca=key.ca, system=key.system)
    pool = Pool(
        endpoint,
        deadlines,
        name=f"{address.host}:{address.port}",
        idle_timeout=key.idle_timeout,
    )
    return HttpUpstream(key.name, pool)
