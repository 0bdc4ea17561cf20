"""Certificates that listeners prove themselves with: which are usable, and what is said of the others."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives import serialization
from twisted.trial import unittest

from aigw.config import files
from aigw.config.certificates import pairs_of
from aigw.config.errors import ConfigError
from aigw.config.files import content_of, system_authorities
from aigw.config.settings import Settings, load
from aigw.listener import described

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)
LONG = datetime.datetime(2095, 1, 1, tzinfo=datetime.UTC)

AUTHORITY = trustme.CA()


class CertificatesTestCase(unittest.TestCase):
    """A configuration file, and a directory of PEM files beside it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.pems = self.folder / "pems"
        self.pems.mkdir(parents=True)

    def put(self, name: str, certificate: trustme.LeafCert, *, key: bool = True, chain: bool = True) -> Path:
        """A PEM file."""
        parts = [blob.bytes() for blob in certificate.cert_chain_pems] if chain else []
        path = self.pems / name
        path.write_bytes(b"".join([certificate.private_key_pem.bytes()] * key + parts))
        return path

    def load(self, listen: str = "tls:pems:8443", **options: Any) -> Settings:
        path = self.folder / "gateway.toml"
        path.write_text(f'[server]\nadmin = "off"\nlisten = ["{listen}"]\n[backends.e]\nprovider = "echo"\n')
        return load(path, {}, **options)

    def assert_refused(self, *words: str, listen: str = "tls:pems:8443") -> None:
        """At check, at start and at reload, by the line of the listener."""
        problems = self.assertRaises(ConfigError, self.load, listen).problems
        self.assertEqual({(problem.key, problem.line) for problem in problems}, {("server.listen[0]", 3)})
        text = "\n".join(problem.message for problem in problems)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("PRIVATE", text)


class DirectoryTests(CertificatesTestCase):
    """``tls:``."""

    def test_good_one(self) -> None:
        path = self.put("a.pem", AUTHORITY.issue_cert("a.example"))
        settings = self.load()
        self.assertEqual(settings.listener_files, {str(path): path.read_bytes()})
        self.assertNotIn("PRIVATE", repr(settings))

    def test_missing_directory(self) -> None:
        self.assert_refused("nowhere cannot be read: No such file", listen="tls:nowhere:8443")

    def test_empty_directory(self) -> None:
        (self.pems / "README").write_text("none")
        self.assert_refused("has no certificate", str(self.pems), ".pem file")

    def test_empty_file(self) -> None:
        (self.pems / "a.pem").write_bytes(b"")
        self.assert_refused("has no certificate", str(self.pems))

    def test_without_key(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example"), key=False)
        self.assert_refused("a.pem holds a certificate whose private key is not there")

    def test_without_certificate(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example"), chain=False)
        self.assert_refused("a.pem holds a private key that fits no certificate")

    def test_key_of_another(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example"), key=False)
        self.put("b.pem", AUTHORITY.issue_cert("a.example"), chain=False)
        self.assert_refused("a.pem holds a certificate whose", "b.pem holds a private key that fits no")

    def test_expired(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example", not_before=PAST, not_after=PAST + datetime.timedelta(9)))
        self.assert_refused("a.pem has a certificate that expired on 2020-01-10", "renew")

    def test_not_yet_valid(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example", not_before=FUTURE, not_after=LONG))
        self.assert_refused("a.pem has a certificate that is not valid before 2090-01-01", "clock")

    def test_broken(self) -> None:
        path = self.put("a.pem", AUTHORITY.issue_cert("a.example"))
        path.write_bytes(re.sub(rb"(BEGIN [A-Z ]+-----\n)..", rb"\1XX", path.read_bytes()))
        self.assert_refused("a.pem holds a certificate that cannot be read", "a.pem holds a private key that cannot be")

    def test_key_behind_a_passphrase(self) -> None:
        certificate = AUTHORITY.issue_cert("a.example")
        path = self.put("a.pem", certificate, key=False)
        key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
        form, cipher = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        path.write_bytes(path.read_bytes() + key.private_bytes(serialization.Encoding.PEM, form, cipher))
        self.assert_refused("a.pem holds a private key behind a passphrase")

    def test_one_of_several(self) -> None:
        """What is usable serves; what is not is a warning, unless it was renewed."""
        end = PAST + datetime.timedelta(9)
        self.put("a.pem", AUTHORITY.issue_cert("a.example"))
        self.put("a-old.pem", AUTHORITY.issue_cert("a.example", not_before=PAST, not_after=end))
        self.put("b.pem", AUTHORITY.issue_cert("b.example", not_before=PAST, not_after=end))
        warnings = [str(warning) for warning in self.load().warnings if "listen" in warning.key]
        self.assertEqual(len(warnings), 1)
        self.assertIn("b.pem has a certificate that expired on 2020-01-10", warnings[0])

    def test_renewed_certificate_wins(self) -> None:
        """Whatever the files are called, and whenever it is looked at."""
        old = AUTHORITY.issue_cert("a.example", not_after=FUTURE)
        self.put("z.pem", old)
        self.put("a.pem", AUTHORITY.issue_cert("a.example", not_after=LONG))
        self.put("b.pem", AUTHORITY.issue_cert("a.example", not_after=PAST))
        pairs, _ = pairs_of(described("tls:pems:1"), self.folder, self.load().listener_files)
        self.assertEqual([Path(pair.path).name for pair in pairs], ["a.pem", "z.pem", "b.pem"])

    def test_files_apart(self) -> None:
        """As certbot leaves them: certificate, chain and key each in a file, below the directory."""
        middle = AUTHORITY.create_child_ca()
        certificate = middle.issue_cert("a.example")
        (self.pems / "live").mkdir()
        (self.pems / "live" / "privkey.pem").write_bytes(certificate.private_key_pem.bytes())
        (self.pems / "live" / "cert.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
        (self.pems / "live" / "chain.pem").write_bytes(middle.cert_pem.bytes())
        (pair,), complaints = pairs_of(described("tls:pems:1"), self.folder, self.load().listener_files)
        self.assertEqual((pair.names, len(pair.chain), complaints), (("a.example",), 1, []))

    def test_links_in_circles(self) -> None:
        self.put("a.pem", AUTHORITY.issue_cert("a.example"))
        (self.pems / "again").symlink_to(self.pems)
        self.assertEqual(len(self.load().listener_files), 1)

    def test_secrets_may_be_left_out(self) -> None:
        """Where only the daemon can read them."""
        self.assertEqual(self.load("tls:nowhere:1", read_secrets=False).listener_files, {})


class FileTests(CertificatesTestCase):
    """``ssl:``."""

    def test_good_one(self) -> None:
        """With a chain behind it in its file."""
        middle = AUTHORITY.create_child_ca()
        self.put("a.pem", middle.issue_cert("a.example"))
        settings = self.load("ssl:1:privateKey=pems/a.pem")
        (pair,), _ = pairs_of(described("ssl:1:privateKey=pems/a.pem"), self.folder, settings.listener_files)
        self.assertEqual(len(pair.chain), 1)

    def test_each_fault(self) -> None:
        good = AUTHORITY.issue_cert("a.example")
        self.put("key.pem", good, chain=False)
        self.put("cert.pem", good, key=False)
        self.put("other.pem", AUTHORITY.issue_cert("a.example"), chain=False)
        self.put("old.pem", AUTHORITY.issue_cert("a.example", not_before=PAST, not_after=PAST + datetime.timedelta(9)))
        (self.pems / "empty.pem").write_bytes(b"")
        for arguments, words in (
            ("privateKey=pems/none.pem", "none.pem cannot be read: No such file"),
            ("privateKey=pems/empty.pem", "empty.pem holds no certificate"),
            ("privateKey=pems/key.pem", "key.pem holds no certificate"),
            ("privateKey=pems/cert.pem", "cert.pem holds no private key"),
            ("privateKey=pems/other.pem:certKey=pems/cert.pem", "other.pem does not fit the certificate in"),
            ("privateKey=pems/old.pem", "old.pem has a certificate that expired"),
            ("privateKey=pems/key.pem:certKey=pems/cert.pem:extraCertChain=pems/empty.pem", "empty.pem holds no"),
        ):
            self.assert_refused(words, listen=f"ssl:1:{arguments}")
        self.load("ssl:1:privateKey=pems/key.pem:certKey=pems/cert.pem")


class ContentTests(unittest.TestCase):
    """What is read, and what not."""

    def test_only_regular_files(self) -> None:
        """Nobody waits for what writes into a FIFO."""
        path = Path(self.mktemp())
        os.mkfifo(path)
        for each in (path, Path("/dev/zero"), path.parent):
            self.assertRaisesRegex(ValueError, "is not a regular file|Is a directory", content_of, each)

    def test_bounded(self) -> None:
        path = Path(self.mktemp())
        with path.open("wb") as file:
            file.truncate(9 << 20)
        self.assertRaisesRegex(ValueError, "too large", content_of, path)

    def test_the_machines_authorities(self) -> None:
        """Are known by their state: another file, another digest."""
        path = Path(self.mktemp())
        path.write_bytes(b"one")
        self.patch(files, "_STORES", (str(path),))
        one = system_authorities()
        self.assertEqual(system_authorities(), one)
        path.write_bytes(b"others")
        self.assertNotEqual(system_authorities(), one)
