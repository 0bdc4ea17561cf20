"""From a name to a consumer: twisted.cred's realm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.cred.portal import IRealm
from zope.interface import implementer

from aigw.consumers.consumer import Consumer
from aigw.consumers.interfaces import IConsumer


def _nothing() -> None:
    """Logging out of a gateway means nothing."""


@implementer(IRealm)
class ConsumerRealm:
    """All consumers of a configuration.

    :param consumers: by name.
    """

    def __init__(self, consumers: Mapping[str, Consumer]) -> None:
        self._consumers = consumers

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: Any
    ) -> tuple[Any, Any, Callable[[], None]]:
        """The consumer of that name.

        :raises NotImplementedError: something other than a consumer is wanted.
        :raises KeyError: there is none of that name; nobody is let in.
        """
        if IConsumer not in interfaces:
            raise NotImplementedError("only consumers live here")
        return IConsumer, self._consumers[bytes(avatarId).decode()], _nothing
