"""The built-in ``echo`` provider as an upstream: its answers, paced by the clock."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aigw.http.client import ResponseSink
from aigw.llm.echo import reply


class EchoCall:
    """One call to the echo provider; behaves as a call over the wire does, cancellation and pauses included."""

    def __init__(
        self,
        clock: IReactorTime,
        delay: float,
        operation: str,
        fields: dict[str, Any] | None,
        sink: ResponseSink,
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._sink = sink
        self._paused = False
        self._asked = (operation, fields)
        self._left: list[bytes] = []
        self._timer: IDelayedCall | None = clock.callLater(0, self._begin)

    @property
    def queued(self) -> bool:
        """It needs no connection."""
        return False

    def cancel(self) -> None:
        """Say nothing more."""
        self._left.clear()
        self._asked = ("", None)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def pause(self) -> None:
        """Hold the next event back."""
        self._paused = True

    def resume(self) -> None:
        """Go on with the events."""
        self._paused = False
        if self._left and self._timer is None:
            self._timer = self._clock.callLater(0, self._next)

    def _begin(self) -> None:
        (operation, fields), self._asked = self._asked, ("", None)
        answer = reply(operation, fields or {}, now=time.time())
        del fields
        self._timer = None
        self._sink.on_sent()
        # From here on the sink may cancel at any callback; a timer is there only while more is to come.
        if answer.events is None:
            self._left = [answer.body or b""]
        else:
            self._left = list(reversed(answer.events))
        self._timer = self._clock.callLater(0, self._next)
        self._sink.on_head(answer.status, list(answer.headers))

    def _next(self) -> None:
        self._timer = None
        if self._paused or not self._left:
            return
        data = self._left.pop()
        if self._left:
            self._timer = self._clock.callLater(self._delay, self._next)
            self._sink.on_data(data)
        else:
            self._sink.on_data(data)
            self._sink.on_end(True)
