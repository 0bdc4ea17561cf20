"""Probes: a backend is asked now and then for its list of models, whether calls come or not.

Breakers learn from calls what they need to know, at the cost of the calls. A probe costs nobody's call: one that fails
counts as a failure of each of the backend's targets, and keeps calls away from those that are out already; one that is
answered lets a call try before the cool-down is over. It does not close a breaker: that there is a list says little of
the models in it. Any status but a 5xx is an answer: whoever refuses a key, or has no list, is there. 429 says neither.
"""

from __future__ import annotations

from twisted.logger import Logger

from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.routing.health import HealthRegistry
from aigw.upstream.calling import Calling
from aigw.upstream.upstream import Payload, Upstream


class Probe:
    """See the module's head.

    :param name: the backend's.
    :param payload: what it is asked.
    :param every: seconds from one answer to the next question, and the most that an answer may take.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        payload: Payload,
        every: float,
        registry: HealthRegistry,
        deadlines: Deadlines,
    ) -> None:
        self._name = name
        self._upstream = upstream
        self._payload = payload
        self._every = every
        self._registry = registry
        self._now = deadlines.now
        self._deadline = deadlines.after(every, self._turn)
        self._call: Calling | None = None
        self._told = False
        self._well = True

    def stop(self) -> None:
        """Ask no more."""
        self._deadline.discard()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _turn(self) -> None:
        call, self._call = self._call, None
        if call is None:
            self._told = False
            self._call = self._upstream.send(self._payload, self)
        else:
            waited_its_turn = call.queued
            call.cancel()
            if not waited_its_turn:  # where all connections are in use, the calls on them know better
                self._tell("no answer in time")
        self._deadline.restart(self._every)

    # -- what the call tells us (ResponseSink)

    def on_sent(self) -> None:
        """The question is on a connection."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """It is there, or says that it cannot."""
        if status == 429:
            self._told = True
        else:
            self._tell(f"status {status}" if status >= 500 else "")

    def on_data(self, data: bytes) -> None:
        """The list itself is of no interest; it is read so that the connection can be used again."""

    def on_end(self, delimited: bool) -> None:
        """All of it was there."""
        self._over()

    def on_failure(self, failure: CallFailure) -> None:
        """No answer, or not all of it. Where calls wait for connections, they know better."""
        if failure.kind != "queue_full":
            self._tell(failure.kind)
        self._over()

    def _over(self) -> None:
        self._call = None
        self._deadline.restart(self._every)

    def _tell(self, trouble: str) -> None:
        """The verdict; the first one counts."""
        if self._told:
            return
        self._told = True
        well, self._well = self._well, not trouble
        if well and trouble:
            self._log.warn("backend {name} fails its probes: {trouble}", name=self._name, trouble=trouble)
        elif not well and not trouble:
            self._log.info("backend {name} answers its probes again", name=self._name)
        self._registry.probed(self._name, not trouble, self._now())
