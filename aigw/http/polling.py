"""Polling without a logging context around every event, and without a turn of the main loop around every poll.

Twisted wraps each read and each write in ``log.callWithLogger``, which makes, copies and drops a context so that
messages of its old logging system know which connection they are about. A gateway logs by other means and has tens of
thousands of events a second; the context cost a tenth of its time (docs/performance.md). This replaces the loop
around ``epoll_wait`` by the same one without the context, in which the commonest event, that something can be read, is
looked at first. What an event leads to is Twisted's own code.

Between two polls Twisted looks for timers, for calls from other threads and for an order to stop, through half a dozen
Python functions. Here it is asked for that only when there is one of them; otherwise the next poll follows at once.
"""

from __future__ import annotations

import errno
import select
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.python import log

_USES: Final = (
    "_disconnectSelectable",
    "_doReadOrWrite",
    "_justStopped",
    "_newTimedCalls",
    "_pendingTimedCalls",
    "_poller",
    "_selectables",
    "threadCallQueue",
)
_READABLE: Final = select.EPOLLIN

#: Seconds that a poll may wait; epoll counts them in thousandths, in 32 bits.
_LONGEST: Final = 1_000_000.0


def poll_plainly(reactor: Any) -> bool:
    """Use the shorter loop in ``reactor``, if it is an epoll reactor of the shape that is known here.

    :returns: whether it is; any other reactor is left as it was.
    """
    if type(reactor) is not EPollReactor or not all(hasattr(reactor, name) for name in _USES):
        return False
    selectables = reactor._selectables
    read_or_write = reactor._doReadOrWrite
    disconnect = reactor._disconnectSelectable
    poll = reactor._poller.poll

    def do_poll(timeout: float | None) -> None:
        while True:
            try:
                events = poll(-1 if timeout is None else timeout, len(selectables))
            except OSError as error:
                if error.errno == errno.EINTR:
                    return
                raise
            for fd, event in events:
                selectable = selectables.get(fd)
                if selectable is None:
                    continue
                if event != _READABLE:
                    read_or_write(selectable, fd, event)
                    continue
                try:
                    why = selectable.doRead()
                except BaseException as fault:  # as there; compiled, a name is of the type that it had first
                    log.err()
                    disconnect(selectable, fault, False)
                else:
                    if why:
                        disconnect(selectable, why, True)
            if timeout == 0:
                return
            timeout = _free(reactor)
            if timeout <= 0:
                return

    loop: Any = reactor
    loop.doPoll = loop.doIteration = do_poll
    return True


def _free(reactor: Any) -> float:
    """For how many seconds nothing but events can want the main loop; 0 or less where something does now."""
    if reactor._newTimedCalls or reactor.threadCallQueue or reactor._justStopped or not reactor.running:
        return 0.0
    pending = reactor._pendingTimedCalls
    return min(pending[0].time - reactor.seconds(), _LONGEST) if pending else 0.0
