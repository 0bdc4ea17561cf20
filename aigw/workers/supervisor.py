"""The workers of one parent: there are always as many as there should be, and they change configuration together.

Theory of operation. Each worker has a slot, numbered from 1. Whoever ends there without being told to is replaced:
at once if it had lived for a minute, after half a second otherwise, and after twice as long each further time, up to
half a minute. A worker that gives no sign of life for 20 seconds is made to say where it stands (SIGABRT, to which the
interpreter answers with a traceback) and ended. While a slot is empty, or its worker late, another worker accepts the
connections that the kernel queues for it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from twisted.internet import task
from twisted.internet.defer import DeferredList, inlineCallbacks
from twisted.logger import Logger
from twisted.python.failure import Failure

from aigw.os_error_text import os_error_text
from aigw.workers.link import LinkLost
from aigw.workers.process import Beat, WorkerProcess
from aigw.workers.sockets import Reserved
from aigw.workers.two_phase_reload import PREPARE, ConfigUpdate, TwoPhaseReload

#: Seconds without a sign of life after which others accept for a worker, and after which it is ended.
LATE, HUNG = 4.0, 20.0
#: Seconds from SIGABRT to SIGKILL.
_LAST_WORDS = 2.0
#: Seconds for which a worker must have lived to be replaced at once; the first pause; the longest.
_SETTLED, _FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 0.5, 30.0
#: Seconds above the drain's own time after which a worker that is still there is killed.
_DRAIN_GRACE = 5.0


@attrs.define(eq=False)
class WorkerSlot:
    """Where a worker is, or should be.

    :ivar failures: how often in a row it has ended young.
    :ivar covered_by: who accepts its connections meanwhile.
    """

    number: int
    process: WorkerProcess | None = None
    failures: int = 0
    restarts: int = 0
    replacing: Any = None
    covered_by: WorkerProcess | None = None

    def beat(self) -> Beat:
        """What the worker here said last; nothing where there is none."""
        return self.process.beat if self.process is not None else Beat()


class WorkerSupervisor:
    """See the module's head.

    :param reactor: clock and processes.
    :param count: how many workers.
    :param spawn: starts a worker for a slot, by its number. Its own failures are the worker's.
    :param ended: told of each worker that ended without being told to: its process, and why: ``exit``, ``signal`` or
        ``hung``.
    :param changed: called when the number of ready workers has changed.
    :param failed: called, perhaps more than once, when one of the first workers does not come to serve. Nobody takes
        its slot.
    :param shared_counters: the memory of :mod:`aigw.shared_counters`, a file descriptor.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        spawn: Callable[[int], WorkerProcess],
        ended: Callable[[WorkerProcess, str], None],
        changed: Callable[[], None],
        failed: Callable[[], None],
        shared_counters: int,
    ) -> None:
        self._reactor = reactor
        self.slots = [WorkerSlot(number) for number in range(1, count + 1)]
        self._spawn = spawn
        self._told_ended = ended
        self._changed = changed
        self._failed = failed
        self._shared_counters = shared_counters
        self._served = ConfigUpdate(b"")
        self._reload: TwoPhaseReload | None = None
        self._ports: Mapping[str, Reserved] = {}
        self._stopping = self._hurried = False
        self._killing: Any = None
        self._was_complete = False
        self._looked = reactor.seconds()
        self._looking = task.LoopingCall(self._look)
        self._looking.clock = reactor

    # -- who is there

    def processes(self) -> Iterator[WorkerProcess]:
        """All that run."""
        return (slot.process for slot in self.slots if slot.process is not None)

    def ready(self) -> list[WorkerProcess]:
        """All that serve."""
        return [process for process in self.processes() if process.ready]

    def answering(self) -> list[WorkerProcess]:
        """All that can be asked something: those that serve, and those that drain."""
        return [process for process in self.processes() if process.ready or process.leaving]

    def complete(self) -> bool:
        """Whether every slot has a worker that serves."""
        return len(self.ready()) == len(self.slots)

    def lively(self) -> bool:
        """Whether some worker serves and has lately given a sign of life."""
        return any(not self._late(process) for process in self.ready())

    def _late(self, process: WorkerProcess) -> bool:
        return float(self._reactor.seconds() - process.heard) > LATE

    # -- start

    def start(self, served: ConfigUpdate, ports: Mapping[str, Reserved]) -> None:
        """Fill all slots.

        :param ports: the listeners, by their descriptions.
        """
        self._served, self._ports = served, ports
        self._looking.start(1.0, now=False)
        for slot in self.slots:
            self._fill(slot)

    def _fill(self, slot: WorkerSlot) -> None:
        slot.replacing = None
        if self._reload is not None:  # a reload is under way; who comes now had better come after it
            slot.replacing = self._reactor.callLater(_FIRST_PAUSE, self._fill, slot)
            return
        try:
            process = self._spawn(slot.number)
        except OSError as error:
            why = os_error_text(error)
            self.log.error("worker {number} cannot be started: {why}", number=slot.number, why=why)
            slot.failures += 1
            if self._was_complete:
                self._replace_later(slot)
            else:
                self._failed()
            return
        slot.process = process
        process.ended.addCallback(self._ended, slot, process)
        serving = process.link.ask(
            "serve",
            self._served.settings,
            [*_sockets_of(slot, self._ports, self._ports), self._shared_counters],
            listeners=list(self._ports),
            rows=self._served.rows,
            slot=slot.number,
            slots=len(self.slots),
        )
        serving.addCallback(self._serves, slot, process).addErrback(self._cannot_serve, process)

    def _serves(self, _answer: bytes, slot: WorkerSlot, process: WorkerProcess) -> None:
        if process.leaving:
            return  # somebody ended it while it was starting
        process.ready = True
        process.heard = self._reactor.seconds()
        self.log.info("worker {number} serves, process {pid}", number=slot.number, pid=process.pid)
        if self.complete():
            self._was_complete = True
        self._cover()
        self._changed()

    def _cannot_serve(self, failure: Failure, process: WorkerProcess) -> None:
        if failure.check(LinkLost):
            return  # it has ended, and says so itself
        for line in str(failure.value).splitlines():
            self.log.error("worker {number} cannot serve: {line}", number=process.number, line=line)
        process.kill(signal.SIGKILL)

    # -- the end of one

    def _ended(self, how: str, slot: WorkerSlot, process: WorkerProcess) -> None:
        slot.process = None
        if process.status != 0 or not self._stopping:
            self.log.error("worker {number} {how}", number=slot.number, how=how)
        if self._stopping:
            return
        lived = self._reactor.seconds() - process.started
        reason = "hung" if process.given_up else "exit" if process.signalled is None else "signal"
        self._told_ended(process, reason)
        if not self._was_complete:
            self._failed()
            return
        slot.restarts += 1
        slot.failures = 0 if lived > _SETTLED else slot.failures + 1
        self._replace_later(slot)
        self._cover()
        self._changed()

    def _replace_later(self, slot: WorkerSlot) -> None:
        if not slot.failures:
            self._fill(slot)
            return
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (slot.failures - 1))
        slot.replacing = self._reactor.callLater(pause, self._fill, slot)

    # -- those who hang

    def _look(self) -> None:
        now = self._reactor.seconds()
        slept, self._looked = now - self._looked > 2.0, now
        for process in list(self.processes()):
            if slept:  # it is we who were away, and have not yet read what they said meanwhile
                process.heard = max(process.heard, now - 1.0)
            silent = now - process.heard - (HUNG if process.ready else PREPARE)
            if silent > _LAST_WORDS:
                process.kill(signal.SIGKILL)
            elif silent > 0 and not process.given_up:
                process.given_up = True
                self.log.error("worker {number} gives no sign of life", number=process.number)
                process.kill(signal.SIGABRT)
        self._cover()

    # -- connections of those who are not there

    def _cover(self) -> None:
        """Have somebody accept for each slot whose worker does not, and nobody for the others."""
        if self._stopping or not self._was_complete:
            return
        able = [process for process in self.ready() if not self._late(process)]
        for slot in self.slots:
            needed = slot.process not in able
            if slot.covered_by is not None and not (needed and slot.covered_by in able):
                slot.covered_by.link.tell("uncover", slot=slot.number)
                slot.covered_by = None
            if needed and slot.covered_by is None and able:
                slot.covered_by = able[slot.number % len(able)]
                self._tell_cover(slot, slot.covered_by)

    def _tell_cover(self, slot: WorkerSlot, by: WorkerProcess) -> None:
        own = [description for description, port in self._ports.items() if not port.shared]
        by.link.tell("cover", _sockets_of(slot, self._ports, own), slot=slot.number, listeners=own)

    def _uncover_all(self) -> None:
        for slot in self.slots:
            if slot.covered_by is not None:
                slot.covered_by.link.tell("uncover", slot=slot.number)
                slot.covered_by = None

    # -- another configuration

    @inlineCallbacks
    def prepare(self, update: ConfigUpdate, ports: Mapping[str, Reserved], opened: list[str]) -> Any:
        """Have all workers build it, but for those that drain.

        :param ports: the listeners of ``opened``, which are new, and perhaps others.
        :raises Refused: one could not; :meth:`drop` must follow.
        """
        processes = [
            (slot.process, _sockets_of(slot, ports, opened))
            for slot in self.slots
            if slot.process is not None and not slot.process.leaving
        ]
        self._reload = TwoPhaseReload(self._reactor, update, processes, opened)
        yield self._reload.prepare()

    def drop(self) -> None:
        """Stay with what is served."""
        reload, self._reload = self._reload, None
        if reload is not None:
            reload.drop()

    @inlineCallbacks
    def commit(self, ports: Mapping[str, Reserved]) -> Any:
        """Have all workers serve what they have prepared. One that cannot any more is replaced by one that does.

        :param ports: its listeners.
        """
        reload, self._reload, self._ports = self._reload, None, ports
        assert reload is not None
        self._served = reload.update
        self._uncover_all()
        yield reload.commit()
        self._cover()

    # -- what is told about them

    def overview(self) -> dict[str, str]:
        """A line for each slot."""
        return {str(slot.number): self._in_words(slot) for slot in self.slots}

    def _in_words(self, slot: WorkerSlot) -> str:
        process = slot.process
        restarts = f", replaced {slot.restarts} times" if slot.restarts else ""
        if process is None:
            return f"none{restarts}"
        beat = slot.beat()
        working = "serves" if process.ready else "drains" if process.leaving else "starting"
        state = "silent" if process.ready and self._late(process) else working
        amounts = f"{beat.connections} connections, {beat.requests} requests in flight, {beat.memory >> 20} MiB"
        return f"{state}, process {process.pid}, {amounts}{restarts}"

    # -- the end of all

    def first_complete(self) -> bool:
        """Whether all of the first workers came to serve."""
        return self._was_complete

    @inlineCallbacks
    def stop(self, seconds: float) -> Any:
        """Have all workers drain and end.

        :param seconds: after which they are killed, and a little more.
        """
        self._stopping = True
        for slot in self.slots:
            if slot.replacing is not None:
                slot.replacing.cancel()
                slot.replacing = None
        processes = list(self.processes())
        ends = [process.ended for process in processes]
        for process in processes:
            process.link.tell("drain")
        self._killing = self._reactor.callLater(seconds + _DRAIN_GRACE, self._kill, processes)
        if self._hurried:
            self.cut_short()
        yield DeferredList(ends)
        if self._killing.active():
            self._killing.cancel()
        if self._looking.running:
            self._looking.stop()

    def cut_short(self) -> None:
        """Wait no longer in :meth:`stop`, whether that has begun or not."""
        self._hurried = True
        if self._killing is not None and self._killing.active():
            self._killing.reset(_DRAIN_GRACE)
            for process in self.processes():
                process.link.tell("cut_short")

    def _kill(self, processes: list[WorkerProcess]) -> None:
        for process in processes:
            if process.pid:
                self.log.error("worker {number} did not end; it is killed", number=process.number)
                process.kill(signal.SIGKILL)


def _sockets_of(slot: WorkerSlot, ports: Mapping[str, Reserved], descriptions: Iterable[str]) -> list[int]:
    return [ports[description].of(slot.number - 1).fileno() for description in descriptions]
