"""What a listener speaks around HTTP, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial import unittest

from aigw.config.certificates import Pair
from aigw.http.secure import SecureTransport
from aigw.http.server_certificates import ServerCertificates
from aigw.listener_factories import furnished
from tests.unit.config.test_certificates import LONG, PAST

FOLDER = Path("/etc/aigw")
BROKEN_PARAMETERS = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"


class FurnishedTests(unittest.TestCase):
    """furnished."""

    def setUp(self) -> None:
        self.pem = trustme.CA().issue_cert("a.example").private_key_and_cert_chain_pem.bytes()
        self.files = {"/etc/aigw/a.pem": self.pem, "/etc/aigw/dh.pem": BROKEN_PARAMETERS}
        self.factory = Factory()

    def test_plain(self) -> None:
        """Nothing is around it, so that a reload exchanges nothing."""
        for description in ("tcp:8000", "unix:/run/s", "systemd:INET:name=x"):
            self.assertIs(furnished(description, self.factory, FOLDER, {}), self.factory)

    def test_wrapped(self) -> None:
        """TLS outside, with our transport; the PROXY protocol in it."""
        secure = furnished("haproxy:ssl:1:privateKey=a.pem", self.factory, FOLDER, self.files)
        assert isinstance(secure, TLSMemoryBIOFactory)
        self.assertIs(secure.protocol, SecureTransport)
        proxied = secure.wrappedFactory
        self.assertIsNot(proxied, self.factory)
        self.assertIs(proxied.wrappedFactory, self.factory)  # type: ignore[attr-defined]

    def test_made_once_for_what_the_files_hold(self) -> None:
        """Another certificate under the same name is another one; the same one costs nothing."""
        made: list[object] = []

        class Counted(ServerCertificates):
            def __init__(self, pairs: Sequence[Pair]) -> None:
                made.append(pairs)
                super().__init__(pairs)

        other = trustme.CA().issue_cert("a.example").private_key_and_cert_chain_pem.bytes()
        with mock.patch("aigw.listener_factories.ServerCertificates", Counted):
            for files in (self.files, {**self.files, "/etc/aigw/b.pem": other}, {"/etc/aigw/a.pem": other}, self.files):
                furnished("ssl:1:privateKey=a.pem", self.factory, FOLDER, files)
        self.assertEqual(len(made), 2)

    def refused(self, description: str, words: str) -> None:
        with self.assertRaisesRegex(ValueError, words):
            furnished(description, self.factory, FOLDER, self.files)

    def test_what_openssl_does_not_take(self) -> None:
        self.refused("ssl:1:privateKey=a.pem:sslmethod=TLSv9_METHOD", "sslmethod is unknown to OpenSSL")
        self.refused("ssl:1:privateKey=a.pem:sslmethod=Connection", "sslmethod is unknown to OpenSSL")
        self.refused("ssl:1:privateKey=a.pem:dhParameters=dh.pem", "dh.pem has no Diffie-Hellman parameters")
        self.refused("tls:pems:1", "needs a certificate")

    def test_key_that_is_too_short(self) -> None:
        """The file is named, and OpenSSL's reason."""
        key = rsa.generate_private_key(65537, 1024)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, PAST, LONG)
        pair = Pair(builder.sign(key, hashes.SHA256()), key, (), "/etc/weak.pem")
        self.assertEqual(key.key_size, 1024)
        with self.assertRaisesRegex(ValueError, "/etc/weak.pem has a certificate that OpenSSL refuses: .*small"):
            ServerCertificates([pair])
