"""A call whose credential has to be made first: a token to be fetched, a request to be signed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from aigw.errors import UpstreamFailed
from aigw.http.client import ResponseSink
from aigw.http.failures import CallFailure
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.calling import Calling

#: Puts a finished request on the wire: data, sink, whether it is a HEAD, partition.
Send = Callable[[bytes, ResponseSink, bool, bytes], Calling]


class AuthorisedCall:
    """Waits for the credential, puts it into the request, and is that call from then on."""

    _call: Calling | None = None
    _paused = False
    _over = False

    def __init__(self, send: Send, data: bytes, authoriser: Authoriser, sink: ResponseSink, head: bool) -> None:
        self._send = send
        self._sink = sink
        self._head = head
        self._partition = authoriser.partition
        self._line, _, rest = data.partition(b"\r\n")
        self._fields, _, self._body = rest.partition(b"\r\n\r\n")
        method, target, _ = self._line.split(b" ", 2)
        self._pending: Deferred[bytes] = authoriser.lines(method, target, self._fields + b"\r\n", self._body)
        self._pending.addCallbacks(self._go, self._fail)

    @property
    def queued(self) -> bool:
        """See :class:`~aigw.upstream.calling.Calling`."""
        return self._call is not None and self._call.queued

    def cancel(self) -> None:
        """See :class:`~aigw.upstream.calling.Calling`."""
        self._over = True
        self._body = b""
        if self._call is not None:
            self._call.cancel()
        else:
            self._pending.cancel()

    def pause(self) -> None:
        """See :class:`~aigw.upstream.calling.Calling`."""
        self._paused = True
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        """See :class:`~aigw.upstream.calling.Calling`."""
        self._paused = False
        if self._call is not None:
            self._call.resume()

    def _go(self, lines: bytes) -> None:
        if self._over:
            return
        body, self._body = self._body, b""
        data = b"%s\r\n%s%s\r\n\r\n%s" % (self._line, lines, self._fields, body)
        del body  # it is in data: no more than one of the two is kept
        self._call = self._send(data, self._sink, self._head, self._partition)
        if self._paused:
            self._call.pause()

    def _fail(self, failure: Failure) -> None:
        if self._over or failure.check(CancelledError):
            return
        self._over = True
        self._body = b""
        error = failure.value
        # Only what the authoriser says for people; its other failures may hold what must not be shown.
        message = str(error) if isinstance(error, UpstreamFailed) else type(error).__name__
        self._sink.on_failure(CallFailure("credential", message, began=False))
