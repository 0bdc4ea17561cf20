"""Certificates for the TLS work: an authority of the run's own and one certificate for ``localhost``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

HOST = "localhost"
_REMEDY = "pip install trustme (it is among aigw's dev extras)"


@dataclass(frozen=True)
class Certificates:
    """Files in PEM.

    :param authority: what to trust; :param chain: the certificate; :param key: its key;
    :param pems: a directory with one file that has key and chain.
    """

    authority: Path
    chain: Path
    key: Path
    pems: Path

    def client_context(self) -> ssl.SSLContext:
        """For a client that verifies."""
        return ssl.create_default_context(cafile=str(self.authority))


def obstacle() -> str | None:
    """Why none can be made here."""
    try:
        import trustme  # noqa: F401
    except ImportError:
        return f"trustme is not installed: {_REMEDY}"
    return None


def made(directory: Path) -> Certificates:
    """A new authority and a certificate in ``directory``. ECDSA on P-256, as public authorities give today.

    :raises BenchError: trustme is not there.
    """
    if problem := obstacle():
        raise BenchError(problem)
    import trustme

    pems = directory / "pems"
    pems.mkdir(parents=True)
    files = Certificates(directory / "ca.pem", directory / "chain.pem", directory / "key.pem", pems)
    authority = trustme.CA()
    issued = authority.issue_cert(HOST, "127.0.0.1")
    authority.cert_pem.write_to_path(str(files.authority))
    issued.private_key_pem.write_to_path(str(files.key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files.chain), append=True)
    issued.private_key_and_cert_chain_pem.write_to_path(str(pems / f"{HOST}.pem"))
    return files
