"""What a script is made of: the request it answers, and the steps of an answer."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import orjson
from twisted.internet.defer import Deferred, succeed

Header = tuple[bytes, bytes]


class Act(enum.Enum):
    """A step that is neither bytes nor a pause. All but ``REFUSE`` end the answer."""

    CLOSE = "close"  # an orderly FIN
    RESET = "reset"  # RST
    HANG = "hang"  # never another byte; the connection stays open
    REFUSE = "refuse"  # from now on new connections are refused; this answer goes on


Step = bytes | float | Act
"""Bytes (handed to the kernel before the next step), seconds to wait, or an act."""


@attrs.define(eq=False)
class ReceivedRequest:
    """One request as it arrived, and what became of its answer.

    :ivar target: the raw request target.
    :ivar headers: name and value as sent, in order.
    :ivar connection: the number of its connection, from 1 in order of arrival.
    :ivar sent: bytes of the answer that the kernel has taken so far.
    :ivar answered: the answer's last step was played.
    :ivar cancelled: the connection was lost before that.
    """

    method: bytes
    target: bytes
    headers: list[Header]
    body: bytes
    connection: int
    keep_alive: bool
    sent: int = 0
    answered: bool = False
    cancelled: bool = False
    _lost: bool = False
    _waiting: list[Deferred[None]] = attrs.Factory(list)

    @property
    def path(self) -> bytes:
        """The target up to its query."""
        return self.target.partition(b"?")[0]

    def header_values(self, name: bytes) -> list[bytes]:
        """All values of one header, whatever the case of its name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: bytes) -> bytes | None:
        """The first value of one header."""
        return next(iter(self.header_values(name)), None)

    def json(self) -> Any:
        """The body, parsed. Raises ``ValueError`` when it is not JSON."""
        return orjson.loads(self.body)

    def fields(self) -> dict[str, Any]:
        """The body where it is a JSON object, else an empty one."""
        try:
            parsed = self.json()
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def client_gone(self) -> Deferred[None]:
        """Fires when the connection of this request is lost, at once if it is."""
        if self._lost:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def connection_lost(self) -> None:
        """The connection has gone. For the connection only."""
        self._lost = True
        self.cancelled = not self.answered
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)


Answer = Callable[[ReceivedRequest], Iterable[Step]]
