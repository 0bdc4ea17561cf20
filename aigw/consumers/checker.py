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

    :param keys: digest, consumer's name, and the Unix time from which on the key is void, or None. A consumer's key
        that is there twice is void when the later of the two is.
    :param now: Unix time.
    :raises ValueError: two consumers have one key. Who came in would be a matter of luck.
    """

    credentialInterfaces = (IApiKey,)

    def __init__(self, keys: Iterable[tuple[bytes, str, float | None]], now: Callable[[], float]) -> None:
        self._keys: dict[bytes, tuple[str, float | None]] = {}
        self._now = now
        for key_digest, name, expires in keys:
            known = self._keys.get(key_digest)
            if known is not None:
                if known[0] != name:
                    raise ValueError(f"consumers {known[0]} and {name} have the same key")
                expires = _later(known[1], expires)
            self._keys[key_digest] = name, expires

    def requestAvatarId(self, credentials: IApiKey) -> Any:
        """The consumer's name, as bytes, at once: the interface allows a Deferred and does not ask for one.

        :raises UnauthorizedLogin: the key is unknown or has expired.
        """
        found = self._keys.get(credentials.digest)
        if found is None or (found[1] is not None and self._now() >= found[1]):
            raise UnauthorizedLogin
        return found[0].encode()

    def expires(self, key_digest: bytes) -> float | None:
        """The Unix time from which on a known key is void; None if it never is."""
        found = self._keys.get(key_digest)
        return found[1] if found is not None else None

    def knows(self, token: bytes) -> bool:
        """Whether ``token`` is one of the keys, be it expired."""
        return digest(token) in self._keys


def _later(one: float | None, other: float | None) -> float | None:
    """The later of two times, of which None is never."""
    return None if one is None or other is None else max(one, other)
