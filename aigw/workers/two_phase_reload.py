"""A configuration on its way to all workers: all prepare it, then all commit it; or all drop it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.daemon import Refused
from aigw.workers.link import LinkLost
from aigw.workers.process import WorkerProcess

#: Seconds that a worker may take to prepare a configuration, or to start with one.
PREPARE = 120.0


@attrs.frozen
class ConfigUpdate:
    """What workers are to serve.

    :ivar settings: as they take them.
    :ivar rows: which row of the shared counters each consumer has.
    """

    settings: bytes = attrs.field(repr=False)
    rows: dict[str, int] = attrs.field(factory=dict, repr=False)


class TwoPhaseReload:
    """See the module's head.

    :param reactor: the clock.
    :param processes: who takes part, each with its sockets of ``opened``.
    :param opened: the listeners that are new.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        update: ConfigUpdate,
        processes: Sequence[tuple[WorkerProcess, list[int]]],
        opened: list[str],
    ) -> None:
        self.update = update
        self._reactor = reactor
        self._processes = processes
        self._opened = opened

    @inlineCallbacks
    def prepare(self) -> Any:
        """Have all build it.

        :raises Refused: one could not; :meth:`drop` must follow.
        """
        asked = [self._prepare_one(process, sockets) for process, sockets in self._processes]
        results = yield DeferredList(asked, consumeErrors=True)
        refusals = [str(result.value) for good, result in results if not good]
        if refusals:
            raise Refused("\n".join(dict.fromkeys(refusals)))

    def _prepare_one(self, process: WorkerProcess, sockets: list[int]) -> Deferred[None]:
        served = process.ready
        asked = process.link.ask(
            "prepare", self.update.settings, sockets, listeners=self._opened, rows=self.update.rows
        ).addTimeout(PREPARE, self._reactor)

        def refused(failure: Failure) -> None:
            if process.leaving:
                return  # it has begun to drain, and serves nothing new
            if failure.check(LinkLost):
                if not served:
                    return  # it was only starting; whoever comes in its place gets what is served then
                raise Refused(f"worker {process.number} ended while it prepared the configuration")
            if failure.check(TookTooLong):
                raise Refused(f"worker {process.number} did not prepare the configuration within {PREPARE:g} s")
            raise Refused(str(failure.value))

        return asked.addCallbacks(lambda _: None, refused)

    def drop(self) -> None:
        """Have all stay with what they serve."""
        for process, _ in self._processes:
            process.link.tell("drop")

    def commit(self) -> Deferred[Any]:
        """Have all serve what they have prepared. One that cannot any more is ended: its successor will."""
        return DeferredList([self._commit_one(process) for process, _ in self._processes])

    def _commit_one(self, process: WorkerProcess) -> Deferred[None]:
        def refused(failure: Failure) -> None:
            if not (failure.check(LinkLost) or process.leaving):
                self.log.error(
                    "worker {number} could not switch to the new configuration: {why}",
                    number=process.number,
                    why=str(failure.value),
                )
                process.kill(signal.SIGKILL)

        asked = process.link.ask("commit").addTimeout(PREPARE, self._reactor)
        return asked.addCallbacks(lambda _: None, refused)
