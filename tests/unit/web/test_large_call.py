"""The beginning of a call with a large body: in steps, of which its client, a drain or a candidate may be the end."""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.errors import BadRequest, GatewayError, Overloaded
from aigw.web.large_call import LargeCall


class FakeJob:
    """Work that is done when the test says so."""

    def __init__(self, work: Any, done: Any, failed: Any) -> None:
        self.work, self.done, self.failed = work, done, failed
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def run(self) -> None:
        try:
            result = self.work(lambda: None)
        except Exception:
            self.failed(Failure())
        else:
            self.done(result)


class FakeOffload:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.jobs: list[FakeJob] = []
        self.names: list[str] = []
        self.full = False

    def submit(self, name: str, work: Any, done: Any, failed: Any) -> FakeJob | None:
        if self.full:
            return None
        self.names.append(name)
        self.jobs.append(FakeJob(work, done, failed))
        return self.jobs[-1]


class FakeRequest:
    gone: Any = None
    cut: Any = None


class FakeAccount:
    def __init__(self) -> None:
        self.request = FakeRequest()

    def share(self) -> str:
        return "@1"


class FakeVisit:
    """Makes an attempt for every candidate but ``unfit``."""

    def __init__(self) -> None:
        self.account = FakeAccount()
        self.has_left = False
        self.unfit: set[str] = set()

    def attempt(self, candidate: str, plan: str) -> str:
        if candidate in self.unfit:
            raise BadRequest(f"{candidate} has nothing like it")
        return f"attempt at {candidate} by {plan}"

    def left(self) -> None:
        self.has_left = True


class FakeDispatcher:
    """Chooses candidates in turn; remembers what became of the call."""

    def __init__(self) -> None:
        self.candidates = ["one", "two", "three"]
        self.begun: list[str] = []
        self.failures: list[GatewayError] = []
        self.refusal: GatewayError | None = None

    def read(self, visit: FakeVisit, operation: str, *, large: bool) -> str:
        assert large
        if self.refusal is not None:
            raise self.refusal
        return "body"

    def choose(self, visit: FakeVisit, operation: str, body: str) -> str:
        assert body == "body"
        return "group"

    def first(self, visit: FakeVisit, group: str) -> str:
        return self.candidates[0]

    def another(self, visit: FakeVisit, group: str, tried: list[str]) -> str | None:
        return next((each for each in self.candidates if each not in tried), None)

    def plan(self, visit: FakeVisit, group: str, candidate: str) -> str:
        return f"the plan of {candidate}"

    def begin(self, visit: FakeVisit, group: str, attempt: str) -> None:
        self.begun.append(attempt)

    def failed(self, visit: FakeVisit, failure: Failure) -> None:
        assert isinstance(failure.value, GatewayError)
        self.failures.append(failure.value)


class LargeCallTests(unittest.TestCase):
    """LargeCall"""

    def setUp(self) -> None:
        """A call whose body is being read."""
        self.offload, self.visit, self.dispatcher = FakeOffload(), FakeVisit(), FakeDispatcher()
        self.request = self.visit.account.request
        self.call = LargeCall(self.dispatcher, self.visit, self.offload, "chat")  # type: ignore[arg-type]

    def run_jobs(self, most: int = 10) -> None:
        while self.offload.jobs and most:
            self.offload.jobs.pop(0).run()
            most -= 1

    def assert_let_go(self) -> None:
        self.assertEqual((self.request.gone, self.request.cut), (None, None))

    def test_read_then_made(self) -> None:
        """Two jobs, the first candidate's attempt begins, and the exchange has the request."""
        self.call.start()
        self.run_jobs()
        self.assertEqual(self.dispatcher.begun, ["attempt at one by the plan of one"])
        self.assertEqual(len(self.offload.names), 2)
        self.assert_let_go()

    def test_a_candidate_that_cannot_be_asked(self) -> None:
        """Gives way to the next; the first one's refusal is told where none can."""
        self.visit.unfit = {"one", "two"}
        self.call.start()
        self.run_jobs()
        self.assertEqual(self.dispatcher.begun, ["attempt at three by the plan of three"])
        self.setUp()
        self.visit.unfit = {"one", "two", "three"}
        self.call.start()
        self.run_jobs()
        self.assertEqual([str(error) for error in self.dispatcher.failures], ["one has nothing like it"])
        self.assert_let_go()

    def test_a_body_that_is_refused(self) -> None:
        """Is refused once, and no candidate is asked."""
        self.dispatcher.refusal = BadRequest("not valid JSON")
        self.call.start()
        self.run_jobs()
        self.assertEqual((self.dispatcher.failures, self.dispatcher.begun), ([self.dispatcher.refusal], []))

    def test_too_much_is_waiting(self) -> None:
        """503, at whichever step."""
        for steps in (0, 1):
            self.setUp()
            self.offload.full = not steps
            self.call.start()
            if steps:
                self.offload.full = True
                self.run_jobs()
            (error,) = self.dispatcher.failures
            self.assertIsInstance(error, Overloaded)
            self.assert_let_go()

    def test_the_client_leaves(self) -> None:
        """The job is cancelled and the account closed, at whichever step."""
        for steps in (0, 1):
            self.setUp()
            self.call.start()
            self.run_jobs(steps)
            (job,) = self.offload.jobs
            self.request.gone()
            self.assertEqual((job.cancelled, self.visit.has_left, self.dispatcher.begun), (True, True, []))
            self.assert_let_go()

    def test_a_drain(self) -> None:
        """Ends it with its error."""
        error = Overloaded("the gateway is shutting down", code="draining")
        self.call.start()
        (job,) = self.offload.jobs
        self.request.cut(error)
        self.assertEqual((job.cancelled, self.dispatcher.failures), (True, [error]))
        self.assert_let_go()
