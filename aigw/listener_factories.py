"""From a listener's description to the factory of its connections: what is spoken around HTTP, with what it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import DiffieHellmanParameters
from twisted.protocols.haproxy import proxyEndpoint
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.filepath import FilePath
from zope.interface import implementer

from aigw.config.certificates import pairs_of
from aigw.config.files import pems_of
from aigw.http.secure import without_detours
from aigw.http.server_certificates import ServerCertificates
from aigw.listener import described


def furnished(description: str, factory: Factory, directory: Path, files: Mapping[str, bytes]) -> Factory:
    """The factory of a listener's connections: ``factory``, and around it what the description asks for.

    :param directory: of the configuration file.
    :param files: what the listeners' files hold, by their absolute paths.
    :raises ValueError: there is no certificate, or OpenSSL refuses what there is.
    """
    listener = described(description)
    around: Any = factory
    for _ in range(listener.proxied):
        around = proxyEndpoint(_Unopened()).listen(around)
    if listener.secure:
        mine = {str(path) for path in listener.files(directory).values()}
        held = pems_of(listener, directory, files) if listener.kind == "tls" else {name: files[name] for name in mine}
        creator: Any = _certificates(description, directory, tuple(sorted(held.items())))
        around = without_detours(TLSMemoryBIOFactory(creator, False, around))
    made: Factory = around
    return made


@implementer(IStreamServerEndpoint)
class _Unopened:
    """Has Twisted put its PROXY protocol around a factory, and opens nothing."""

    def listen(self, protocolFactory: Any) -> Any:
        """The factory itself."""
        return protocolFactory


@lru_cache(maxsize=16)
def _certificates(description: str, directory: Path, held: tuple[tuple[str, bytes], ...]) -> ServerCertificates:
    """Made once for what the files hold: a reload that exchanges none has nothing to do; clients resume sessions."""
    listener, files = described(description), dict(held)
    pairs, _ = pairs_of(listener, directory, files)
    options: dict[str, Any] = {}
    named = listener.files(directory)
    if "sslmethod" in listener.arguments:
        options["method"] = getattr(SSL, listener.arguments["sslmethod"], None)
        if not isinstance(options["method"], int):
            raise ValueError("sslmethod is unknown to OpenSSL (without it: TLS 1.2 and newer)")
    if "dhParameters" not in named:
        return ServerCertificates(pairs, **options)
    path = str(named["dhParameters"])
    with _as_file(files[path]) as readable:
        try:
            SSL.Context(SSL.TLS_METHOD).load_tmp_dh(readable.encode())
        except SSL.Error:
            raise ValueError(f"{path} has no Diffie-Hellman parameters (dhParameters=, a PEM file)") from None
        options["dhParameters"] = DiffieHellmanParameters.fromFile(FilePath(readable))
        return ServerCertificates(pairs, **options)


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path under which OpenSSL, which takes nothing else, reads ``data``."""
    descriptor = os.memfd_create("parameters", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
