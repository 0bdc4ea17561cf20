"""Whose key is it? A look-up by digest, the ``ICredentialsChecker`` of this gateway's portal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from zope.interface import implementer

from aigw.consumers.credentials import IApiKey, digest


@implementer(ICredentialsChecker)
class ApiKeyChecker:
    """Knows all keys of a configuration, by their digests.

    The digests of random keys cannot be steered by who presents one, so an ordinary dictionary tells nothing by
    its timing.

    :param keys: digest, consumer's name, and the Unix time after which the key is void, or None.
    :param now: Unix time.
    """

    credentialInterfaces = (IApiKey,)

    def __init__(self, keys: Iterable[tuple[bytes, str, float | None]], now: Callable[[], float]) -> None:
        self._keys = {digest: (name, expires) for digest, name, expires in keys}
        self._now = now

    def requestAvatarId(self, credentials: IApiKey) -> Any:
        """The consumer's name, as bytes, at once: the interface allows a Deferred and does not ask for one.

        :raises UnauthorizedLogin: the key is unknown or has expired.
        """
        found = self._keys.get(credentials.digest)
        if found is None or (found[1] is not None and self._now() >= found[1]):
            raise UnauthorizedLogin
        return found[0].encode()

    def expires(self, digest: bytes) -> float | None:
        """The Unix time after which a known key is void; None if it never is."""
        found = self._keys.get(digest)
        return found[1] if found is not None else None

    def knows(self, token: bytes) -> bool:
        """Whether ``token`` is one of the keys, be it expired."""
        return digest(token) in self._keys
