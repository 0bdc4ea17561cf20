"""Work that blocks for nobody knows how long, in a thread of its own.

The reactor's threads are few and the process waits for them when it ends: a look-up that hangs would keep a reload's
file from being read, and the end from coming. What runs here has a thread for itself and is waited for by nobody but
who asked; whoever asks sees to it that there is only one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

T = TypeVar("T")


def in_own_thread(reactor: Any, function: Callable[[], T]) -> Deferred[T]:
    """Run ``function`` in a thread that ends with it, and with the process.

    :returns: fires in the reactor's thread with what it returned, or fails with what it raised. Cancelling it leaves
        the thread to itself.
    """
    result: Deferred[T] = Deferred()

    def tell(value: Any) -> None:
        if not result.called:  # nor cancelled
            result.callback(value)

    def run() -> None:
        value: Any
        try:
            value = function()
        except BaseException:
            value = Failure(captureVars=False)
        reactor.callFromThread(tell, value)

    try:
        threading.Thread(target=run, name="aigw look-up", daemon=True).start()
    except RuntimeError as error:  # there are too many
        return fail(error)
    return result
