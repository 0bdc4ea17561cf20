"""How a listener over TLS proves who it is: the certificate of the name that a client asks for.

Twisted's ``tls:`` and ``ssl:`` endpoints do the same, from files that they read themselves. They are not used for three
reasons. A ``tls:`` directory is read again whenever a client asks for a name that is not in it, on the event loop; and
only then, so that a renewed certificate goes unnoticed. A certificate that has expired, or whose key does not fit, is
served or passed over in silence. And what stands in the files is part of the configuration: it is read and judged with
it (``aigw.config.certificates``), and changes with a reload, whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from zope.interface import implementer


class Pair(Protocol):
    """A certificate with its private key, as ``cryptography`` has them.

    :ivar names: what it may be called, in lower case; ``*`` as a first label stands for any.
    :ivar chain: the authorities between it and a root, in order.
    :ivar path: the file that it is from.
    """

    @property
    def certificate(self) -> Any: ...
    @property
    def key(self) -> Any: ...
    @property
    def chain(self) -> Sequence[Any]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def path(self) -> str: ...


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificates:
    """Chooses by name (RFC 6066 section 3), the first one where no name is asked for or another one.

    :param pairs: of several for one name, the first is used.
    :param options: further ones of Twisted's ``CertificateOptions``.
    :raises ValueError: there are none, or OpenSSL refuses one.
    """

    def __init__(self, pairs: Sequence[Pair], **options: Any) -> None:
        if not pairs:
            raise ValueError("a listener over TLS needs a certificate with its private key")
        self._contexts: dict[str, SSL.Context] = {}
        for pair in reversed(pairs):
            context = _context(pair, self._by_name, options)
            self._contexts.update(dict.fromkeys(pair.names, context))
        self._first = context

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """A connection for one handshake."""
        return SSL.Connection(self._first, None)

    def _by_name(self, asked: bytes | None) -> SSL.Context | None:
        """The context of a name that a client asks for; None leaves it with the first."""
        name = (asked or b"").decode("ascii", "replace").lower()
        return self._contexts.get(name) or self._contexts.get("*." + name.partition(".")[2])


def _context(pair: Pair, by_name: Any, options: Mapping[str, Any]) -> SSL.Context:
    try:
        made = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(pair.key),
            certificate=crypto.X509.from_cryptography(pair.certificate),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in pair.chain],
            acceptableProtocols=[b"http/1.1"],
            contextForServerName=by_name,
            **options,
        )
        return made.getContext()
    except (SSL.Error, crypto.Error, TypeError) as error:  # a key that is too short, or of a kind it does not take
        reasons = error.args[0] if error.args and isinstance(error.args[0], list) else [(str(error),)]
        why = ", ".join(str(reason[-1]) for reason in reasons)
        raise ValueError(f"{pair.path} has a certificate that OpenSSL refuses: {why}") from None
