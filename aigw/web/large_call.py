"""The beginning of a call with a large body: what would hold up the event loop is done in a thread.

Reading the body and making a target's request of it run beside the event loop; choosing the target, whose state belongs
to the loop, does not. Until the call is an exchange, its client may leave and a drain may end it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

from aigw.errors import BadRequest, GatewayError, Overloaded
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_body import ClientBody
from aigw.proxy.offload import Job, Offload
from aigw.routing.targets import Candidate, Group

if TYPE_CHECKING:
    from aigw.web.dispatcher import RequestDispatcher, Visit


class LargeCall:
    """See the module's head.

    :param dispatcher: whose steps these are.
    """

    _job: Job[Any] | None = None
    _group: Group
    _candidate: Candidate | None = None
    _unfit: BadRequest | None = None

    def __init__(self, dispatcher: RequestDispatcher, visit: Visit, offload: Offload, operation: str) -> None:
        self._dispatcher = dispatcher
        self._visit = visit
        self._offload = offload
        self._operation = operation
        self._tried: list[Candidate] = []

    def start(self) -> None:
        """Read the body. Everything after this happens by itself."""
        request = self._visit.account.request
        request.gone = self._left
        request.cut = self._cut
        self._submit(self._read, self._choose)

    # -- in a thread

    def _read(self, pause: Callable[[], None]) -> ClientBody:
        return self._dispatcher.read(self._visit, self._operation, large=True)

    # -- on the event loop

    def _submit(self, work: Callable[[Callable[[], None]], Any], done: Callable[[Any], None]) -> None:
        self._job = self._offload.submit(self._visit.account.share(), work, done, self._failed)
        if self._job is None:
            error = Overloaded("too many large requests wait to be read", retry_after=1)
            self._end(Failure(error))

    def _choose(self, body: ClientBody) -> None:
        self._guarded(lambda: self._put_first(body))

    def _put_first(self, body: ClientBody) -> None:
        self._group = self._dispatcher.choose(self._visit, self._operation, body)
        self._put(self._dispatcher.first(self._visit, self._group))

    def _put(self, candidate: Candidate) -> None:
        """Have the candidate's request made."""
        visit = self._visit
        self._candidate = candidate
        plan = self._dispatcher.plan(visit, self._group, candidate)
        self._submit(lambda pause: visit.attempt(candidate, plan), self._begin)

    def _begin(self, attempt: Attempt) -> None:
        self._let_go()
        self._guarded(lambda: self._dispatcher.begin(self._visit, self._group, attempt))

    def _failed(self, failure: Failure) -> None:
        # Not raised once more: then its frames would know each other, and us.
        if isinstance(failure.value, BadRequest):
            self._unfit = self._unfit or failure.value
            self._put_elsewhere()
        else:
            self._end(failure)

    def _guarded(self, step: Callable[[], object]) -> None:
        """Take a step. Where a candidate cannot be asked for this, another one may be, as long as there is one."""
        try:
            step()
        except BadRequest as error:
            self._unfit = self._unfit or error
            self._put_elsewhere()
        except Exception:
            self._end(Failure())

    def _put_elsewhere(self) -> None:
        assert self._unfit is not None
        candidate = None
        if self._candidate is not None:
            self._tried.append(self._candidate)
            candidate = self._dispatcher.another(self._visit, self._group, self._tried)
        if candidate is None:
            self._end(Failure(self._unfit))
        else:
            self._guarded(lambda: self._put(candidate))

    # -- ends

    def _end(self, failure: Failure) -> None:
        self._let_go()
        self._dispatcher.failed(self._visit, failure)

    def _left(self) -> None:
        """The client has left."""
        self._let_go()
        self._visit.left()

    def _cut(self, error: GatewayError) -> None:
        """The gateway is going down."""
        self._end(Failure(error))

    def _let_go(self) -> None:
        request = self._visit.account.request
        request.gone = request.cut = None
        request.body = b""  # nobody has taken it yet where the reading was not begun
        self._unfit = None  # the frames that an error knows know us
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
