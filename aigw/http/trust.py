"""Who a server is: certificates verified against the authorities that are trusted, and against the name that is meant.

Twisted's ``optionsForClientTLS`` does the same and more; it is not used for three reasons. It makes a context for each
host, of some milliseconds and a few hundred kilobytes each, where one for each set of authorities will do. It keeps
OpenSSL's reason to itself, so that an expired certificate and one of an unknown authority look alike in a log. And it
lets a certificate pass whose names service_identity refuses to read, such as one for ``*.com`` (Twisted 26.10: anything
but a VerificationError is logged and forgotten); here whatever goes wrong refuses the certificate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.http.failures import CertificateRefused

#: All authorities of a system have some 200 KB.
_LONGEST = 16 * 1024 * 1024

_Codes = SSL.X509VerificationCodes

#: OpenSSL's reasons that an operator meets, in words that tell what to do.
_REASONS = {
    _Codes.ERR_CERT_HAS_EXPIRED: "its certificate has expired",
    _Codes.ERR_CERT_NOT_YET_VALID: "its certificate is not valid yet",
    _Codes.ERR_CERT_REVOKED: "its certificate is revoked",
    _Codes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed and not trusted",
    _Codes.ERR_SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an authority that is not trusted",
    _Codes.ERR_UNABLE_TO_GET_ISSUER_CERT: "its certificate is of an authority that is not known",
    _Codes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of an authority that is not known",
    _Codes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of an authority that is not known",
    _Codes.ERR_INVALID_CA: "its certificate is signed by one that may not sign",
    _Codes.ERR_INVALID_PURPOSE: "its certificate is not for a server",
}


@implementer(IOpenSSLClientConnectionCreator)
class Verifying:
    """Makes TLS connections to one host, which prove that it is that host.

    :param host: a name in ASCII, or an IP address.
    :param ca: the authorities to trust instead of the system's, in PEM.
    :param system: tells one state of the system's authorities from another; they are read once for each.
    :raises ValueError: ``ca`` holds no certificate, or ``host`` is no name.
    """

    def __init__(self, host: str, ca: bytes | None, system: str = "") -> None:
        self._options = _options(ca, "" if ca is not None else system)
        is_address = isIPAddress(host) or isIPv6Address(host)
        self._identity = IPAddress_ID(host) if is_address else DNS_ID(host)
        self._server_name = None if is_address else host.encode("ascii")

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """A connection for one handshake; ``tlsProtocol`` is told if it must fail."""
        connection = self._options.clientConnectionForTLS(tlsProtocol)
        if self._server_name is not None:  # RFC 6066 section 3 allows no addresses there
            connection.set_tlsext_host_name(self._server_name)

        def verify(_: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
            why = self._refusal(certificate, code, depth, bool(ok))
            if why:
                tlsProtocol.failVerification(Failure(CertificateRefused(why)))
            return not why

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection

    def _refusal(self, certificate: crypto.X509, code: int, depth: int, ok: bool) -> str:
        """Why a certificate of the chain must be refused; empty if it need not."""
        if not ok:
            return _REASONS.get(code, f"its certificate does not verify (OpenSSL's error {code})")
        if depth:
            return ""  # an authority's
        try:
            verify_service_identity(extract_patterns(certificate), [self._identity], [])
        except VerificationError:
            return "its certificate is for another name"
        except Exception:  # out of an OpenSSL callback nothing may be raised, and what cannot be read proves nothing
            return "its certificate's names cannot be read"
        return ""


@lru_cache(maxsize=32)
def _options(ca: bytes | None, _system: str) -> CertificateOptions:
    """Context and settings for a set of authorities, made once: what they are is what tells them apart."""
    trust = platformTrust() if ca is None else trustRootFromCertificates(certificates(ca))
    options = CertificateOptions(trustRoot=trust, raiseMinimumTo=TLSVersion.TLSv1_2, acceptableProtocols=[b"http/1.1"])
    options.getContext()  # reads the authorities now, not during the first call
    return options


def certificates(pem: bytes, path: str = "ca") -> list[Certificate]:
    """Every certificate in a file's content.

    :param path: what messages call it.
    :raises ValueError: there is none, or one is broken.
    """
    begin = b"-----BEGIN CERTIFICATE-----"
    found = [begin + part for part in pem.split(begin)[1:]]
    if not found:
        raise ValueError(f"{path} holds no PEM certificate")
    try:
        return [Certificate.loadPEM(one) for one in found]
    except crypto.Error as error:
        raise ValueError(f"{path} holds a certificate that cannot be read") from error
