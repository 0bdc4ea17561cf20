"""Where upstreams are, whom they are trusted by, and what is said of those that cannot be reached."""

from __future__ import annotations

from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.http.endpoints import ascii_name, certificates, client_endpoint, failure_kind, failure_text
from aigw.http.failures import CertificateRefused
from aigw.http.trust import Verifying


class Reactor(MemoryReactorClock):
    """Without sockets; every name has the same addresses.

    :ivar asked: how often a name was looked up.
    """

    def __init__(self, *addresses: Any) -> None:
        super().__init__()
        self.addresses = addresses
        self.asked = 0

    def in_thread(self, look: Any) -> Deferred[Any]:
        """Instead of a thread."""
        self.asked += 1
        return succeed(self.addresses)


class AddressTests(unittest.TestCase):
    """client_endpoint."""

    def connect(self, reactor: Any, host: str, **options: Any) -> Any:
        endpoint = client_endpoint(reactor, host, 8080, False, in_thread=reactor.in_thread, **options)
        return endpoint.connect(Factory.forProtocol(Protocol))

    def test_addresses_are_used_as_they_are(self) -> None:
        for host in ("192.0.2.1", "2001:db8::1"):
            reactor = Reactor()
            self.connect(reactor, host)
            self.assertEqual((reactor.tcpClients[0][:2], reactor.asked), ((host, 8080), 0))

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

    def test_every_certificate_of_a_file(self) -> None:
        one, two = trustme.CA(), trustme.CA()
        pem = b"# ours\n" + one.cert_pem.bytes() + b"\n# theirs\n" + two.cert_pem.bytes()
        self.assertEqual(len(certificates(pem)), 2)

    def test_file_without_certificates(self) -> None:
        for content in (b"", b"not a certificate", trustme.CA().private_key_pem.bytes()):
            with self.assertRaisesRegex(ValueError, "the/file holds no PEM certificate"):
                certificates(content, "the/file")

    def test_broken_certificate(self) -> None:
        content = trustme.CA().cert_pem.bytes()
        with self.assertRaisesRegex(ValueError, "cannot be read"):
            certificates(content[:200] + b"\n-----END CERTIFICATE-----\n")

    def test_one_context_for_each_set_of_authorities(self) -> None:
        """A context costs milliseconds and memory; a reload must not make them all anew."""
        pem = trustme.CA().cert_pem.bytes()
        one, two = Verifying("a.example", pem), Verifying("b.example", bytes(bytearray(pem)))
        self.assertIs(one._options.getContext(), two._options.getContext())
        self.assertIs(Verifying("a.example", None)._options, Verifying("b.example", None)._options)
        self.assertIsNot(one._options, Verifying("a.example", None)._options)

    def test_other_authorities_are_another_context(self) -> None:
        """Also where the machine's own have changed."""
        one, two = trustme.CA().cert_pem.bytes(), trustme.CA().cert_pem.bytes()
        self.assertIsNot(Verifying("a.example", one)._options, Verifying("a.example", two)._options)
        before, after = Verifying("a.example", None, "before"), Verifying("a.example", None, "after")
        self.assertIsNot(before._options, after._options)
        self.assertIs(Verifying("a.example", None, "after")._options, after._options)

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
