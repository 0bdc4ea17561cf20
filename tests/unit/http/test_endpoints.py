"""Where upstreams are, whom they are trusted by, and what is said of those that cannot be reached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial import unittest
from zope.interface import implementer

from aigw.http.endpoints import ascii_name, certificates, client_endpoint, failure_kind, failure_text
from aigw.http.failures import CertificateRefused
from aigw.http.trust import Verifying


@implementer(IHostnameResolver)
class Names:
    """Resolves every name to the same addresses."""

    def __init__(self, *addresses: Any) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, **_: Any) -> Any:
        self.asked.append(name)
        receiver.resolutionBegan(None)
        for address in self.addresses:
            receiver.addressResolved(address)
        receiver.resolutionComplete()


@implementer(IReactorPluggableNameResolver)
class Reactor(MemoryReactorClock):
    """Without sockets."""

    def __init__(self, *addresses: Any) -> None:
        super().__init__()
        self.nameResolver = Names(*addresses)


class AddressTests(unittest.TestCase):
    """client_endpoint."""

    def connect(self, reactor: Any, host: str, **options: Any) -> Any:
        return client_endpoint(reactor, host, 8080, False, **options).connect(Factory.forProtocol(Protocol))

    def test_addresses_are_used_as_they_are(self) -> None:
        for host in ("192.0.2.1", "2001:db8::1"):
            reactor = Reactor()
            self.connect(reactor, host)
            self.assertEqual((reactor.tcpClients[0][:2], reactor.nameResolver.asked), ((host, 8080), []))

    def test_all_addresses_of_a_name_are_tried(self) -> None:
        """One after the other, a new one while the last is still silent (happy eyeballs)."""
        reactor = Reactor(IPv6Address("TCP", "2001:db8::1", 8080), IPv4Address("TCP", "192.0.2.1", 8080))
        self.connect(reactor, "api.example.com")
        self.assertEqual([client[0] for client in reactor.tcpClients], ["2001:db8::1"])
        reactor.advance(0.5)
        self.assertEqual([client[0] for client in reactor.tcpClients], ["2001:db8::1", "192.0.2.1"])

    def test_name_without_addresses(self) -> None:
        failure = self.failureResultOf(self.connect(Reactor(), "api.example.com"))
        self.assertEqual(failure_kind(failure), "dns")

    def test_international_names(self) -> None:
        reactor = Reactor()
        self.failureResultOf(self.connect(reactor, "bücher.example"))
        self.assertEqual(ascii_name("bücher.example"), "xn--bcher-kva.example")
        self.assertEqual(ascii_name("my_service"), "my_service")

    def test_unix_socket(self) -> None:
        reactor = Reactor()
        self.connect(reactor, "localhost", unix="/run/model.sock")
        self.assertEqual(reactor.unixClients[0][0], "/run/model.sock")


class AuthorityTests(unittest.TestCase):
    """Files of certificates, and the contexts made of them."""

    def file(self, content: bytes) -> str:
        path = self.mktemp()
        Path(path).write_bytes(content)
        return path

    def test_every_certificate_of_a_file(self) -> None:
        one, two = trustme.CA(), trustme.CA()
        path = self.file(b"# ours\n" + one.cert_pem.bytes() + b"\n# theirs\n" + two.cert_pem.bytes())
        self.assertEqual(len(certificates(path)), 2)

    def test_file_without_certificates(self) -> None:
        for content in (b"", b"not a certificate", trustme.CA().private_key_pem.bytes()):
            with self.assertRaisesRegex(ValueError, "no PEM certificate"):
                certificates(self.file(content))

    def test_broken_certificate(self) -> None:
        content = trustme.CA().cert_pem.bytes()
        with self.assertRaisesRegex(ValueError, "cannot be read"):
            certificates(self.file(content[:200] + b"\n-----END CERTIFICATE-----\n"))

    def test_file_that_is_not_there(self) -> None:
        with self.assertRaises(OSError):
            client_endpoint(Reactor(), "api.example.com", 443, True, ca="/nonexistent/ca.pem")

    def test_one_context_for_each_set_of_authorities(self) -> None:
        """A context costs milliseconds and memory; a reload must not make them all anew."""
        path = self.file(trustme.CA().cert_pem.bytes())
        one, two = Verifying("a.example", path), Verifying("b.example", path)
        self.assertIs(one._options.getContext(), two._options.getContext())
        self.assertIs(Verifying("a.example", None)._options, Verifying("b.example", None)._options)
        self.assertIsNot(one._options, Verifying("a.example", None)._options)

    def test_replaced_file_is_read_again(self) -> None:
        path = self.file(trustme.CA().cert_pem.bytes())
        before = Verifying("a.example", path)._options
        Path(path).write_bytes(trustme.CA().cert_pem.bytes())
        os.utime(path, (1, 1))
        self.assertIsNot(before, Verifying("a.example", path)._options)

    def test_host_that_is_no_name(self) -> None:
        with self.assertRaises(ValueError):
            Verifying("not a name", None)


class FailureTextTests(unittest.TestCase):
    """What went wrong, in a word for programs and a sentence for people."""

    cases: tuple[tuple[BaseException, str, str], ...] = (
        (error.ConnectionRefusedError(), "connect", "connection refused"),
        (error.TimeoutError(), "connect", "connecting took too long"),
        (error.NoRouteError(), "connect", "no route to it"),
        (error.DNSLookupError(), "dns", "no address found for its name"),
        (CertificateRefused("its certificate has expired"), "tls", "TLS: its certificate has expired"),
        (SSL.Error([("SSL routines", "", "wrong version number")]), "tls", "TLS: wrong version number"),
        (SSL.Error(), "tls", "TLS: the handshake failed"),
        (error.ConnectionLost(), "tls", "it closed the connection during the TLS handshake"),
        (ValueError(), "connect", "ValueError"),
    )

    def test_each(self) -> None:
        for value, kind, text in self.cases:
            failure = Failure(value)
            self.assertEqual((failure_kind(failure), failure_text(failure)), (kind, text))
