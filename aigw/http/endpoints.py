"""How an upstream is reached: address, happy eyeballs, TLS; and what it means when it is not."""

from __future__ import annotations

from functools import partial
from typing import Any

import idna
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import (
    IHostnameResolver,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.http.addresses import Addresses, Found, InThread, look_up
from aigw.http.failures import CertificateRefused
from aigw.http.secure import without_detours
from aigw.http.threads import in_own_thread
from aigw.http.trust import Verifying, certificates

__all__ = ["certificates", "client_endpoint", "failure_kind", "failure_text"]

#: Seconds after which an attempt to connect is given up whatever happens; the caller's own timeout is shorter.
_CONNECT = 30.0


#: A dial that is lost was shaking hands.
_LOST = (error.ConnectionDone, error.ConnectionLost)
#: What the commonest failures are called; the others say it themselves.
_TEXTS: tuple[tuple[type[BaseException], str], ...] = (
    (error.ConnectionRefusedError, "connection refused"),
    (error.TimeoutError, "connecting took too long"),
    (error.DNSLookupError, "no address found for its name"),
    (error.NoRouteError, "no route to it"),
    *((kind, "it closed the connection during the TLS handshake") for kind in _LOST),
)


def client_endpoint(
    reactor: Any,
    host: str,
    port: int,
    tls: bool,
    *,
    ca: bytes | None = None,
    system: str = "",
    unix: str | None = None,
    in_thread: InThread | None = None,
) -> IStreamClientEndpoint:
    """An endpoint for ``host``: an address as it is, a name by all its addresses (RFC 8305).

    :param tls: verify that the server is ``host`` (service_identity), TLS 1.2 or newer.
    :param ca: the authorities to trust instead of the system's, in PEM.
    :param system: see :class:`~aigw.http.trust.Verifying`.
    :param unix: the path of a socket to connect to instead; ``host`` is still who the server has to be.
    :param in_thread: runs the look-up of the name; by default in a thread of its own.
    :raises ValueError: ``ca`` holds no certificate, or ``host`` is no name.
    """
    endpoint: Any
    if unix is not None:
        endpoint = UNIXClientEndpoint(reactor, unix, timeout=_CONNECT)
    elif isIPAddress(host):
        endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=_CONNECT)
    elif isIPv6Address(host):
        endpoint = TCP6ClientEndpoint(reactor, host, port, timeout=_CONNECT)
    else:
        host = ascii_name(host)
        endpoint = _Named(reactor, host, port, in_thread or partial(in_own_thread, reactor))
    if not tls:
        result: IStreamClientEndpoint = endpoint
        return result
    return _OverTls(reactor, endpoint, Verifying(host, ca, system))


@implementer(IStreamClientEndpoint)
class _Named:
    """By a name: looked up apart from all others, connected as Twisted's HostnameEndpoint does."""

    def __init__(self, reactor: Any, host: str, port: int, in_thread: InThread) -> None:
        self._reactor, self._host, self._port = reactor, host, port
        self._addresses = Addresses(reactor, in_thread, host, partial(look_up, host, port))

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect to whichever of its addresses answers first."""

        def dial(found: Found) -> Deferred[Any]:
            return HostnameEndpoint(_Resolved(self._reactor, found), self._host, self._port, _CONNECT).connect(factory)

        return self._addresses.get().addCallback(dial)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _Resolved:
    """A reactor that knows the addresses already."""

    def __init__(self, reactor: Any, found: Found) -> None:
        self._reactor = reactor
        self._found = found
        self.nameResolver = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """See ``twisted.internet.interfaces.IHostnameResolver``."""
        resolutionReceiver.resolutionBegan(None)
        for address in self._found:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()


@implementer(IStreamClientEndpoint)
class _OverTls:
    """As ``twisted.internet.endpoints.wrapClientTLS``, by :mod:`aigw.http.secure`."""

    def __init__(self, reactor: Any, endpoint: IStreamClientEndpoint, verifying: Verifying) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._verifying = verifying

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect; the protocol is made by ``factory`` before TLS is established."""
        around: Any = TLSMemoryBIOFactory(self._verifying, True, factory, self._reactor)
        connecting: Deferred[Any] = self._endpoint.connect(without_detours(around))
        return connecting.addCallback(lambda protocol: protocol.wrappedProtocol)


def ascii_name(host: str) -> str:
    """A host's name as DNS and certificates have it.

    :raises ValueError: it is none.
    """
    if host.isascii():
        return host
    return idna.encode(host, uts46=True).decode("ascii")


def failure_kind(failure: Failure) -> str:
    """The kind of :class:`~aigw.http.failures.CallFailure` that a failed attempt to connect is."""
    if failure.check(error.DNSLookupError):
        return "dns"
    if failure.check(SSL.Error, CertificateRefused, *_LOST):
        return "tls"
    return "connect"


def failure_text(failure: Failure) -> str:
    """Why an attempt to connect failed, for a person."""
    value = failure.value
    if isinstance(value, CertificateRefused):
        return f"TLS: {value}"
    if isinstance(value, SSL.Error):
        return _openssl_text(value)
    for kind, text in _TEXTS:
        if isinstance(value, kind):
            return text
    return str(value) or type(value).__name__


def _openssl_text(value: SSL.Error) -> str:
    """OpenSSL's reasons, without its error stack."""
    reasons = value.args[0] if value.args and isinstance(value.args[0], list) else []
    texts = [str(entry[-1]) for entry in reasons if entry and entry[-1]]
    return "TLS: " + (", ".join(texts) or "the handshake failed")
