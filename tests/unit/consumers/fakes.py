"""What an authenticator sees of a request, and a portal that knows a few keys."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.cred.portal import Portal

from aigw.consumers.checker import ApiKeyChecker
from aigw.consumers.consumer import Consumer
from aigw.consumers.credentials import digest
from aigw.consumers.realm import ConsumerRealm

#: When tests take place, in Unix time.
NOW = 1_800_000_000.0


class FakeRequest:
    """A request, complete."""

    def __init__(
        self,
        *headers: tuple[bytes, bytes],
        method: bytes = b"POST",
        query: bytes | None = None,
        body: bytes = b"",
    ) -> None:
        self.method = method
        self.query = query
        self.headers = [(b"host", b"gw"), (b"content-type", b"application/json"), *headers]
        self.body = body

    def header(self, name: bytes) -> bytes | None:
        return next((value for known, value in reversed(self.headers) if known == name), None)


def portal_of(keys: Mapping[str, str], now: float = NOW) -> tuple[Portal, dict[str, Consumer]]:
    """A portal for ``keys`` (key to consumer's name), and its consumers."""
    consumers = {name: Consumer(name=name) for name in keys.values()}
    checker = ApiKeyChecker([(digest(key.encode()), name, None) for key, name in keys.items()], lambda: now)
    return Portal(ConsumerRealm(consumers), [checker]), consumers
