"""How consumers are recognised: one portal, and an authenticator for each ``[auth]`` entry of a configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from twisted.cred.portal import Portal

from aigw.consumers.authenticator import KeyAuthenticator
from aigw.consumers.checker import ApiKeyChecker
from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.consumers.realm import ConsumerRealm

if TYPE_CHECKING:
    from aigw.config.settings import Settings


class Authenticators:
    """See the module's head.

    :param consumers: by name, made from the same settings.
    :param now: Unix time, for keys that expire. Not the monotonic clock: an expiry is a date.
    :ivar checker: knows all keys.
    :ivar keys: keeps them here, wherever they stand.
    :ivar key_names: every header that may carry a consumer's key on any route.
    """

    def __init__(
        self, settings: Settings, consumers: Mapping[str, Consumer], now: Callable[[], float] = time.time
    ) -> None:
        self.checker = ApiKeyChecker(_keys(settings), now)
        self.keys = KeyFilter(self.checker.knows)
        portal = Portal(ConsumerRealm(consumers), [self.checker])
        self._authenticators = {
            name: KeyAuthenticator(
                portal,
                now=now,
                expires=self.checker.expires,
                key_names=auth.key_names,
                bearer=auth.bearer,
                key_in_header=auth.key_in_header,
                key_in_query=auth.key_in_query,
                key_in_body=auth.key_in_body,
                realm=auth.realm,
                anonymous=consumers[auth.anonymous] if auth.anonymous else None,
                run_on_preflight=auth.run_on_preflight,
            )
            for name, auth in settings.auth.items()
        }
        names = [one.header_names for one in self._authenticators.values()]
        self.key_names: frozenset[bytes] = frozenset().union(*names)

    def authenticator(self, name: str) -> KeyAuthenticator | None:
        """The authenticator of an ``[auth]`` entry; None for ``"none"``."""
        return None if name == "none" else self._authenticators[name]


def _keys(settings: Settings) -> Iterator[tuple[bytes, str, float | None]]:
    for name, consumer in settings.consumers.items():
        for key in consumer.keys:
            expires = key.expires.timestamp() if key.expires is not None else None
            yield bytes.fromhex(key.digest), name, expires
