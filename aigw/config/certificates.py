"""The certificates that a listener proves itself with: found in files, put together with their keys, judged.

A certificate is usable if its private key is there and fits, and if it is valid now. What is not usable is told with
its file, its reason and what to do; of a directory, what is usable serves, and only where nothing is the listener
cannot. Which of several certificates for one name is served does not depend on the time: it is the one that is valid
for longest, so that a renewed certificate wins over the one that it renews, and all workers choose alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from aigw.config.errors import Fault
from aigw.config.files import pems_of, secure_listeners
from aigw.config.tables import Tables
from aigw.listener import Described

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----[^-]*-----END \1-----")
_RENEW = "(renew it, then reload)"


@attrs.frozen
class Pair:
    """A certificate and its private key.

    :ivar chain: the authorities between it and a root, in order.
    :ivar path: the file of the certificate.
    """

    certificate: x509.Certificate
    key: Any = attrs.field(repr=False)
    chain: tuple[x509.Certificate, ...]
    path: str

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called, in lower case; ``*`` as a first label stands for any."""
        return _names(self.certificate)

    def complaint(self, now: datetime) -> str:
        """Why nobody would accept it; empty where they would."""
        certificate = self.certificate
        if certificate.not_valid_after_utc <= now:
            return f"{self.path} has a certificate that expired on {_day(certificate.not_valid_after_utc)} {_RENEW}"
        if certificate.not_valid_before_utc > now:
            begins = _day(certificate.not_valid_before_utc)
            return f"{self.path} has a certificate that is not valid before {begins} (look at this machine's clock)"
        return ""


@attrs.define
class _Found:
    """What PEM files hold.

    :ivar certificates: with their files; the same for ``keys``.
    :ivar complaints: of what cannot be read.
    """

    certificates: list[tuple[str, x509.Certificate]] = attrs.field(factory=list)
    keys: list[tuple[str, Any]] = attrs.field(factory=list, repr=False)
    complaints: list[str] = attrs.field(factory=list)

    def read(self, path: str, data: bytes) -> None:
        """Take what the file ``path`` holds."""
        for block in _BLOCK.finditer(data):
            if block[1] in (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"):
                self._certificate(path, block[0])
            elif block[1].endswith(b"PRIVATE KEY"):
                self._key(path, block[0])

    def _certificate(self, path: str, pem: bytes) -> None:
        try:
            self.certificates.append((path, x509.load_pem_x509_certificate(pem)))
        except ValueError:
            self.complaints.append(f"{path} holds a certificate that cannot be read (PEM, as it was issued)")

    def _key(self, path: str, pem: bytes) -> None:
        try:
            self.keys.append((path, load_pem_private_key(pem, None)))
        except TypeError:
            self.complaints.append(f"{path} holds a private key behind a passphrase (openssl pkey takes it off)")
        except Exception:  # cryptography's own for kinds of keys that it does not know
            self.complaints.append(f"{path} holds a private key that cannot be read (PEM, without a passphrase)")


def found_in(files: Mapping[str, bytes]) -> tuple[list[Pair], list[str]]:
    """The pairs in a directory's files, and what is wrong with the rest."""
    found = _Found()
    for path, data in files.items():
        found.read(path, data)
    by_key: dict[bytes, list[tuple[str, x509.Certificate]]] = {}
    for path, certificate in found.certificates:
        by_key.setdefault(_spki(certificate.public_key()), []).append((path, certificate))
    pairs, used = [], set()
    for path, key in found.keys:
        spki = _spki(key.public_key())
        used.add(spki)
        if spki not in by_key:
            found.complaints.append(f"{path} holds a private key that fits no certificate there (its certificate)")
        for of, certificate in by_key.get(spki, ()):
            pairs.append(Pair(certificate, key, _chain(certificate, found.certificates), of))
    for spki, certificates in by_key.items():
        path, certificate = certificates[0]
        if spki not in used and not _is_authority(certificate):
            found.complaints.append(f"{path} holds a certificate whose private key is not there (in a .pem file)")
    return pairs, found.complaints


def made_of(listener: Described, directory: Path, files: Mapping[str, bytes]) -> tuple[list[Pair], list[str]]:
    """The one pair of an ``ssl:`` listener, and what is wrong with it if there is none."""
    named = {name: str(path) for name, path in listener.files(directory).items()}
    found = _Found()
    found.read(named["certKey"], files[named["certKey"]])
    if not found.certificates and not found.complaints:
        return [], [f"{named['certKey']} holds no certificate (certKey=, a PEM file)"]
    ours = _Found()
    ours.read(named["privateKey"], files[named["privateKey"]])
    if not ours.keys:
        return [], ours.complaints[:1] or [f"{named['privateKey']} holds no private key (privateKey=, a PEM file)"]
    if found.complaints:
        return [], found.complaints
    chain = _Found()
    if "extraCertChain" in named:
        chain.read(named["extraCertChain"], files[named["extraCertChain"]])
        if not chain.certificates:
            return [], [f"{named['extraCertChain']} holds no certificate (extraCertChain=, a PEM file)"]
    (path, certificate), key = found.certificates[0], ours.keys[0][1]
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        return [], [f"the private key in {named['privateKey']} does not fit the certificate in {path}"]
    further = [each for _, each in (*found.certificates[1:], *chain.certificates)]
    return [Pair(certificate, key, tuple(further), path)], []


def pairs_of(listener: Described, directory: Path, files: Mapping[str, bytes]) -> tuple[list[Pair], list[str]]:
    """All pairs of a listener over TLS, those first that are valid for longest, and what is wrong with the rest.

    :param directory: of the configuration file.
    :param files: see :func:`aigw.config.files.listener_files_of`.
    """
    if listener.kind == "ssl":
        return made_of(listener, directory, files)
    pairs, complaints = found_in(pems_of(listener, directory, files))
    pairs.sort(key=lambda pair: pair.certificate.not_valid_after_utc, reverse=True)
    return pairs, complaints


def judge(
    tables: Tables, directory: Path, files: Mapping[str, bytes], now: datetime
) -> tuple[list[Fault], list[Fault]]:
    """What is wrong with the listeners' certificates: faults, and warnings where others serve.

    :param now: with a time zone.
    """
    faults: list[Fault] = []
    warnings: list[Fault] = []
    for place, listener in secure_listeners(tables):
        named = listener.files(directory)
        if listener.kind == "ssl" and not all(str(path) in files for path in named.values()):
            continue  # which is a fault already
        pairs, complaints = pairs_of(listener, directory, files)
        usable = [pair for pair in pairs if not pair.complaint(now)]
        renewed = {name for pair in usable for name in pair.names}
        for pair in pairs:
            if pair.complaint(now) and not renewed.issuperset(pair.names or ("",)):
                complaints.append(pair.complaint(now))
        if usable:
            warnings += [(place, f"{complaint}; it is not served") for complaint in complaints]
        elif not complaints and "path" in named:
            what = "a .pem file with a certificate, its chain and its private key"
            faults.append((place, f"has no certificate: there is none in {named['path']} ({what})"))
        else:
            faults += [(place, f"has no certificate that can be used: {complaint}") for complaint in complaints]
    return faults, warnings


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names: Any = extension.value
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        extension: Any = certificate.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return bool(extension.value.ca)


def _chain(
    certificate: x509.Certificate, others: Sequence[tuple[str, x509.Certificate]]
) -> tuple[x509.Certificate, ...]:
    """The authorities above a certificate, as far as they are there; a root is left out, which nobody needs."""
    return tuple(_issuers(certificate, [other for _, other in others]))


def _issuers(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    seen = {certificate}
    while certificate.issuer != certificate.subject:
        issuer = next((each for each in others if each not in seen and _issued(certificate, each)), None)
        if issuer is None or issuer.issuer == issuer.subject:
            return
        seen.add(issuer)
        yield issuer
        certificate = issuer


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
