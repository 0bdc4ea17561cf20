"""A request's body without its ``Content-Encoding``, before anybody reads it.

A body that comes to little is decoded at once. What comes to more, or is large as it came, is decoded in a thread
(:mod:`aigw.proxy.offload`); until it is, its client may leave and a drain may end it. From here on the request has the
body that was decoded and no word of its coding, so what is judged is what is sent, whatever the operation is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from aigw.errors import BodyTooLarge, GatewayError, Overloaded, short_of_memory
from aigw.http.content_coding import codings_of, decoded
from aigw.proxy.offload import Job, Offload

if TYPE_CHECKING:
    from aigw.web.dispatcher import RequestDispatcher, Visit

#: Bytes of a body as it came, and of what it comes to, that are decoded on the event loop: about a millisecond.
_AT_ONCE = 64 * 1024
_MADE_AT_ONCE = 256 * 1024


class BodyDecoding:
    """See the module's head.

    :param dispatcher: is told if it fails.
    :param done: called, once, when the request has its body as it is to be read.
    """

    _job: Job[bytes] | None = None

    def __init__(self, dispatcher: RequestDispatcher, visit: Visit, done: Callable[[Visit], None]) -> None:
        self._dispatcher = dispatcher
        self._visit = visit
        self._done = done

    def start(self, limit: int) -> None:
        """Decode the body. Everything after this happens by itself, perhaps before this returns.

        :param limit: bytes that it may come to.
        :raises GatewayError: it is refused.
        """
        request = self._visit.account.request
        body = request.body
        codings = codings_of(request.fields[b"content-encoding"]) if body else ()
        offload = self._visit.offload
        if offload is None:
            self._take(decoded(body, codings, limit))
            return
        if not codings or len(body) <= _AT_ONCE:
            try:
                self._take(decoded(body, codings, min(limit, _MADE_AT_ONCE)) if codings else body)
                return
            except BodyTooLarge:
                if limit <= _MADE_AT_ONCE:
                    raise
        self._submit(offload, body, codings, limit)

    def _submit(self, offload: Offload, body: bytes, codings: tuple[str, ...], limit: int) -> None:
        request = self._visit.account.request
        request.gone = self._left
        request.cut = self._cut
        self._job = offload.submit(
            self._visit.account.share(),
            lambda pause: decoded(body, codings, limit, pause),
            self._decoded,
            self._failed,
        )
        if self._job is None:
            self._failed(Failure(Overloaded("too many large requests wait to be read", retry_after=1)))

    # -- what the thread tells

    def _decoded(self, body: bytes) -> None:
        self._let_go()
        try:
            self._take(body)
        except GatewayError:
            self._dispatcher.failed(self._visit, Failure())

    def _failed(self, failure: Failure) -> None:
        self._let_go()
        self._dispatcher.failed(self._visit, failure)

    # -- ends

    def _take(self, body: bytes) -> None:
        if not self._visit.account.request.set_decoded(body):
            raise short_of_memory()
        self._done(self._visit)

    def _left(self) -> None:
        """The client has left."""
        self._let_go()
        self._visit.left()

    def _cut(self, error: GatewayError) -> None:
        """The gateway is going down."""
        self._failed(Failure(error))

    def _let_go(self) -> None:
        request = self._visit.account.request
        request.gone = request.cut = None
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
