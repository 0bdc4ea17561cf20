"""A supervisor without processes and without time."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from aigw.daemon import Refused
from aigw.workers.link import LinkLost
from aigw.workers.process import Beat
from aigw.workers.supervisor import WorkerSupervisor
from aigw.workers.two_phase_reload import ConfigUpdate


class FakeLink:
    """Remembers what was said.

    :ivar told: verbs and fields that want no answer.
    :ivar asked: verbs, with what waits for the answer.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[tuple[str, bytes, dict[str, Any], Sequence[int], Deferred[bytes]]] = []

    def ask(self, verb: str, payload: bytes = b"", descriptors: Sequence[int] = (), **fields: Any) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()
        self.asked.append((verb, payload, fields, list(descriptors), answer))
        return answer

    def tell(self, verb: str, descriptors: Sequence[int] = (), **fields: Any) -> None:
        self.told.append((verb, {**fields, "descriptors": list(descriptors)}))

    def verbs(self) -> list[str]:
        """All that was told, in order."""
        return [verb for verb, _ in self.told]

    def waiting(self, verb: str) -> Deferred[bytes]:
        """What waits for the oldest unanswered question of this kind."""
        return next(answer for asked, *_, answer in self.asked if asked == verb and not answer.called)

    def payload(self, verb: str) -> bytes:
        """Of the last question of this kind."""
        return next(payload for asked, payload, *_ in reversed(self.asked) if asked == verb)

    def fields(self, verb: str) -> dict[str, Any]:
        """The same's fields, and its descriptors."""
        return next(
            {**fields, "descriptors": files} for asked, _, fields, files, _ in reversed(self.asked) if asked == verb
        )


class FakeProcess:
    """A worker as the supervisor knows one; the test is what it does."""

    def __init__(self, number: int, pid: int, clock: Clock) -> None:
        self.number, self.pid = number, pid
        self.ready = self.leaving = self.given_up = False
        self.heard = self.started = clock.seconds()
        self.status: int | None = None
        self.signalled: int | None = None
        self.ended: Deferred[str] = Deferred()
        self.beat = Beat()
        self.link = FakeLink()
        self.signals: list[int] = []

    def kill(self, number: int) -> None:
        self.signals.append(number)

    def serve(self) -> None:
        """It serves."""
        self.link.waiting("serve").callback(b"")

    def end(self, number: int | None = None, status: int = 0) -> None:
        """It is gone: its link first, then the process."""
        self.ready = False
        for *_, answer in list(self.link.asked):
            if not answer.called:
                answer.errback(LinkLost())
        self.status, self.signalled = (status, None) if number is None else (None, number)
        self.pid = 0
        self.ended.callback("was killed by SIGKILL" if number else f"ended with status {status}")


class FakePort:
    """A listener's sockets, as numbers: ten for each port, one for each worker."""

    def __init__(self, number: int, shared: bool = False) -> None:
        self._number, self.shared = number, shared

    def of(self, worker: int) -> Any:
        return FakeSocket(10 * self._number + (0 if self.shared else worker))


class FakeSocket:
    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number


class FakeSupervisor:
    """A supervisor, everybody whom it has hired, and what it told about them."""

    def __init__(self, count: int = 2) -> None:
        self.clock = Clock()
        self.hired: list[FakeProcess] = []
        self.reasons: list[str] = []
        self.changes = self.failures = 0
        self.fails = 0
        self.supervisor = WorkerSupervisor(self.clock, count, self._spawn, self._ended, self._changed, self._failed, 99)
        self.ports: dict[str, Any] = {"tcp:1": FakePort(1), "unix:2": FakePort(2, shared=True)}

    def _spawn(self, number: int) -> Any:
        if self.fails:
            self.fails -= 1
            raise OSError("no more processes")
        self.hired.append(FakeProcess(number, 100 + len(self.hired), self.clock))
        return self.hired[-1]

    def _ended(self, _process: Any, reason: str) -> None:
        self.reasons.append(reason)

    def _failed(self) -> None:
        self.failures += 1

    def _changed(self) -> None:
        self.changes += 1

    def start(self) -> None:
        """All of them, and all serve."""
        self.supervisor.start(ConfigUpdate(b"first", {"ann": 2}), self.ports)
        for process in self.hired:
            process.serve()

    def pass_time(self, seconds: float) -> None:
        """Second by second, with a sign of life of all that are alive and not given to silence."""
        for _ in range(int(seconds)):
            for process in self.hired:
                if process.ready and process not in self.silent:
                    process.heard = self.clock.seconds()
            self.clock.advance(1)

    @property
    def silent(self) -> list[FakeProcess]:
        """Those that were told to keep still."""
        return getattr(self, "_silent", [])

    def silence(self, process: FakeProcess) -> None:
        """No sign of life from it any more."""
        self._silent = [*self.silent, process]


REFUSAL = Refused("a.toml:1: x: is bad")
ABORT, KILL = signal.SIGABRT, signal.SIGKILL
