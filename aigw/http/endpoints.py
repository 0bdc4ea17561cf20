"""How an upstream is reached: address, happy eyeballs, TLS; and what it means when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure

#: Seconds after which an attempt to connect is given up whatever happens; the caller's own timeout is shorter.
_CONNECT = 30.0


def client_endpoint(reactor: Any, host: str, port: int, tls: bool, *, ca: str | None = None) -> IStreamClientEndpoint:
    """An endpoint for ``host``: an address as it is, a name by all its addresses (RFC 8305).

    :param tls: verify the server by its name (service_identity), TLS 1.2 or newer.
    :param ca: a PEM file of the authorities to trust instead of the system's.
    :raises OSError: ``ca`` cannot be read.
    :raises ValueError: ``ca`` holds no certificate.
    """
    endpoint: Any
    if isIPAddress(host):
        endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=_CONNECT)
    elif isIPv6Address(host):
        endpoint = TCP6ClientEndpoint(reactor, host, port, timeout=_CONNECT)
    else:
        endpoint = HostnameEndpoint(reactor, host.encode("idna"), port, timeout=_CONNECT)
    if not tls:
        result: IStreamClientEndpoint = endpoint
        return result
    # Made once: a context costs milliseconds, a connection from it a fraction of one.
    options = optionsForClientTLS(
        host,
        trustRoot=platformTrust() if ca is None else trustRootFromCertificates(certificates(ca)),
        extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_2},
    )
    return wrapClientTLS(options, endpoint)


def certificates(path: str) -> list[Certificate]:
    """Every certificate in a PEM file.

    :raises ValueError: there is none.
    """
    begin = "-----BEGIN CERTIFICATE-----"
    found = [begin + part for part in Path(path).read_text().split(begin)[1:]]
    if not found:
        raise ValueError(f"{path} holds no PEM certificate")
    return [Certificate.loadPEM(one.encode()) for one in found]


def failure_kind(failure: Failure) -> str:
    """The kind of :class:`~aigw.http.failures.CallFailure` that a failed attempt to connect is."""
    if failure.check(error.DNSLookupError):
        return "dns"
    if failure.check(SSL.Error, VerificationError, error.VerifyError, error.CertificateError):
        return "tls"
    return "connect"


def failure_text(failure: Failure) -> str:
    """Why an attempt to connect failed, for a person."""
    value = failure.value
    if isinstance(value, SSL.Error):
        return tls_text(value)
    if failure.check(VerificationError):
        return "its certificate is for another name"
    if failure.check(error.ConnectionRefusedError):
        return "connection refused"
    if failure.check(error.TimeoutError):
        return "connecting took too long"
    if failure.check(error.DNSLookupError):
        return "no address found"
    return str(value) or type(value).__name__


def tls_text(value: SSL.Error) -> str:
    """OpenSSL's reasons, without its error stack."""
    reasons = value.args[0] if value.args and isinstance(value.args[0], list) else []
    texts = [str(entry[-1]) for entry in reasons if entry and entry[-1]]
    return "TLS: " + (", ".join(texts) or "the handshake failed")
