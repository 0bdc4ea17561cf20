"""Large work beside the event loop: whose turn it is, and what a cancelled job leaves behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.proxy import offload
from aigw.proxy.offload import Cancelled, Job, Offload


class FakePool:
    """Threads that run when the test says so."""

    def __init__(self) -> None:
        self.started: list[tuple[Any, Callable[[], Any]]] = []

    def callInThreadWithCallback(self, onResult: Any, func: Callable[[], Any]) -> None:
        self.started.append((onResult, func))

    def run(self) -> None:
        """Let the thread that was started first end."""
        told, work = self.started.pop(0)
        try:
            result = work()
        except Exception:
            told(False, Failure())
        else:
            told(True, result)


class OffloadTests(unittest.TestCase):
    """Offload and Job"""

    def setUp(self) -> None:
        """Two threads, and an event loop that calls at once."""
        self.pool = FakePool()
        self.offload = Offload(self.pool, lambda function, *arguments: function(*arguments))
        self.told: list[Any] = []

    def submit(self, name: Any, consumer: str = "a") -> Job[Any]:
        job = self.offload.submit(consumer, lambda pause: name, self.told.append, self.told.append)
        assert job is not None
        return job

    def run_all(self) -> list[Any]:
        while self.pool.started:
            self.pool.run()
        return self.told

    def test_one_consumers_work_is_done_in_order(self) -> None:
        """With no more than two threads."""
        for number in range(6):
            self.submit(number)
            self.assertLessEqual(len(self.pool.started), 2)
        self.assertEqual(self.run_all(), list(range(6)))

    def test_consumers_take_turns(self) -> None:
        """One that has much to do makes its own work wait."""
        for number in range(6):
            self.submit(number)
        self.submit("b", "b")
        self.assertEqual(self.run_all(), [0, 1, 2, "b", 3, 4, 5])

    def test_failure(self) -> None:
        """Is told, and the next one goes on."""

        def fails(pause: Callable[[], None]) -> None:
            raise KeyError("x")

        self.offload.submit("a", fails, self.told.append, lambda failure: self.told.append(failure.type))
        self.submit(1)
        self.assertEqual(self.run_all(), [KeyError, 1])

    def test_a_failure_holds_nothing(self) -> None:
        """Neither of what the work had in its hands, nor of the thread, without the garbage collector."""

        class Body:
            pass

        held: list[weakref.ref[Body]] = []

        def fails(pause: Callable[[], None]) -> None:
            body = Body()
            held.append(weakref.ref(body))
            raise KeyError("x")

        gc.disable()
        self.addCleanup(gc.enable)
        self.offload.submit("a", fails, self.told.append, self.told.append)
        self.run_all()
        self.assertEqual([failure.type for failure in self.told], [KeyError])
        self.assertIsNone(held[0]())

    def test_cancelled_while_it_waits(self) -> None:
        """It is never begun, and holds nothing."""
        self.submit(0)
        self.submit(1)

        class Body:
            pass

        body = Body()
        held = weakref.ref(body)
        job = self.offload.submit("a", lambda pause, body=body: body, self.told.append, self.told.append)
        self.submit(3)
        assert job is not None
        del body
        gc.disable()
        self.addCleanup(gc.enable)
        job.cancel()
        self.assertIsNone(held())
        self.assertEqual(self.run_all(), [0, 1, 3])

    def test_cancelled_while_it_runs(self) -> None:
        """It ends at its next pause, nobody is called, and its thread is free again."""
        passed: list[str] = []

        def work(pause: Callable[[], None]) -> None:
            pause()
            passed.append("first")
            job.cancel()
            pause()
            passed.append("second")

        job: Any = self.offload.submit("a", work, self.told.append, self.told.append)
        self.run_all()
        self.assertEqual((passed, self.told), (["first"], []))
        self.assertRaises(Cancelled, job.pause)
        for number in range(3):
            self.submit(number)
        self.assertEqual(self.run_all(), [0, 1, 2])

    def test_more_than_may_wait(self) -> None:
        """Is refused."""
        self.patch(offload, "_QUEUE", 1)
        self.offload = Offload(self.pool, lambda function, *arguments: function(*arguments))
        for number in range(3):
            self.submit(number)
        self.assertIsNone(self.offload.submit("a", lambda pause: 3, self.told.append, self.told.append))
        self.assertEqual(self.run_all(), [0, 1, 2])
