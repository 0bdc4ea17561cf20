"""Large work beside the event loop: parsing, judging and translating bodies that would hold it up.

Theory of operation. Work on a body that is large (:func:`aigw.llm.body.is_large`) runs in a thread of a small pool; its
result comes back on the event loop. Consumers take turns, and each one's work is begun in the order in which it came.
The interpreter's lock makes threads no faster, so there are few, and what they run gives the lock away often: it calls
:meth:`Job.pause`, or lets others run between slices (:mod:`aigw.llm.large_json`), and the interpreter is told to do so
every millisecond (:data:`SWITCH_INTERVAL`). The garbage collector, which would hold the lock while it looks at a
million new objects, is off meanwhile.

A job that is cancelled calls nobody back; if it runs, it ends at its next pause.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from twisted.python.failure import Failure

from aigw.llm.large_json import give_way
from aigw.routing.admission import Place, Slots

_T = TypeVar("_T")

#: Seconds for which a thread may run while others wait for the interpreter's lock; the default of CPython is 5 ms.
SWITCH_INTERVAL: Final = 0.001

#: Threads that work at a time,
THREADS: Final = 2
#: and jobs that wait for one.
_QUEUE: Final = 10_000


class Cancelled(Exception):
    """Nobody waits for a job's result any more."""


class ThreadPool(Protocol):
    """What is used of :class:`twisted.python.threadpool.ThreadPool`."""

    def callInThreadWithCallback(self, onResult: Callable[[bool, Any], None] | None, func: Callable[[], Any]) -> None:
        """Run ``func`` in a thread; there, tell ``onResult`` whether it returned, and what, or its Failure."""


class Job(Generic[_T]):
    """One piece of work, and who is told of its end.

    :param work: runs in a thread; is given :meth:`pause`, which it is to call every millisecond or so.
    :param done: is called on the event loop with what ``work`` returned.
    :param failed: is called on the event loop with what it raised.
    """

    __slots__ = ("_done", "_failed", "_work", "cancelled", "place")

    def __init__(
        self,
        work: Callable[[Callable[[], None]], _T],
        done: Callable[[_T], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self._work: Callable[[Callable[[], None]], _T] | None = work
        self._done: Callable[[_T], None] | None = done
        self._failed: Callable[[Failure], None] | None = failed
        self.cancelled = False
        self.place: Place | None = None

    def cancel(self) -> None:
        """The result is not wanted any more."""
        self.cancelled = True
        self._done = self._failed = None
        place, self.place = self.place, None
        if place is not None:
            place.leave()
            self._work = None

    def pause(self) -> None:
        """Let other threads run.

        :raises Cancelled: the result is not wanted any more.
        """
        if self.cancelled:
            raise Cancelled
        give_way()

    def run(self) -> tuple[bool, Any]:
        """In a thread: do the work; whether it returned, and what, or its Failure."""
        work, self._work = self._work, None
        try:
            if work is None or self.cancelled:
                raise Cancelled
            return True, work(self.pause)
        except Exception:
            failure = Failure()
            failure.cleanFailure()  # its frames hold the body, and one of them the failure
            return False, failure

    def end(self, well: bool, result: Any) -> None:
        """On the event loop: the work is done."""
        done, failed = self._done, self._failed
        self._done = self._failed = None
        if well and done is not None:
            done(result)
        elif not well and failed is not None:
            failed(result)


class Offload:
    """See the module's head.

    :param pool: of at least :data:`THREADS` threads.
    :param call_from_thread: see :class:`twisted.internet.interfaces.IReactorFromThreads`.
    """

    def __init__(self, pool: ThreadPool, call_from_thread: Callable[..., None]) -> None:
        self._pool = pool
        self._call_from_thread = call_from_thread
        self._slots = Slots(THREADS, _QUEUE)
        self._running = 0
        self._collects = False

    def submit(
        self,
        consumer: str,
        work: Callable[[Callable[[], None]], _T],
        done: Callable[[_T], None],
        failed: Callable[[Failure], None],
    ) -> Job[_T] | None:
        """Have ``work`` done for ``consumer``; see :class:`Job`. None where too much is waiting already."""
        job = Job(work, done, failed)
        if self._slots.take():
            self._start(job)
            return job

        def granted() -> bool:
            job.place = None
            self._start(job)
            return True

        job.place = self._slots.wait(consumer, granted)
        return job if job.place is not None else None

    def _start(self, job: Job[Any]) -> None:
        if not self._running:
            self._collects = gc.isenabled()
            gc.disable()
        self._running += 1

        def ended(_ran: bool, outcome: tuple[bool, Any]) -> None:
            self._call_from_thread(self._ended, job, *outcome)

        self._pool.callInThreadWithCallback(ended, job.run)

    def _ended(self, job: Job[Any], well: bool, result: Any) -> None:
        self._running -= 1
        if not self._running and self._collects:
            gc.enable()
        try:
            job.end(well, result)
        finally:
            self._slots.release()
