"""One worker process as its parent sees it: how it is started, what it says, how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from aigw.workers.link import Link, Message

#: Where a worker finds its end of the link.
LINK = 3

#: Signals that a terminal, or an operator, sends to all processes of a daemon, and that are its parent's business.
PARENTS_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)

#: What is between the service manager and the parent alone.
_PARENTS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

#: Longer output without a line feed is no line of the access log; of the daemon's own it is taken for one.
_LONGEST_LINE = 1 << 20


@attrs.frozen
class Beat:
    """What a worker tells of itself each second: memory in bytes, CPU time in seconds."""

    connections: int = 0
    requests: int = 0
    memory: int = 0
    cpu: float = 0.0


class WorkerProcess(ProcessProtocol):
    """See the module's head.

    :param number: which worker it is, from 1.
    :param access_log: takes whole lines of the worker's access log.
    :param lost: told how many lines of it were lost on their way.
    :ivar ready: whether it accepts connections.
    :ivar leaving: it drains without having been told to by its parent.
    :ivar given_up: it was silent for too long, and is being ended.
    :ivar status: the exit status with which it ended; None while it runs, or where a signal ended it.
    :ivar signalled: the signal that ended it, if one did.
    :ivar heard: when it gave its last sign of life, by ``clock``.
    :ivar beat: what it said then.
    :ivar ended: fires when the process has ended and everything it said was read, with how it ended, in words.
    """

    _log = Logger()

    def __init__(
        self,
        number: int,
        clock: Callable[[], float],
        access_log: Callable[[bytes], None],
        lost: Callable[[int], None],
    ) -> None:
        self.number = number
        self.ready = self.leaving = False
        self.beat = Beat()
        self.heard = self.started = clock()
        self.given_up = False
        self.status: int | None = None
        self.signalled: int | None = None
        self.ended: Deferred[str] = Deferred()
        self.link = Link({"beat": self._alive, "leaving": self._leaving}, self._unlinked)
        self._clock = clock
        self._access_log = Lines(access_log, lost)
        self._own_log = Lines(self._said)

    def start(self, reactor: Any, command: list[str]) -> None:
        """Run it.

        :raises OSError: no process can be made.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            descriptors: dict[int, Any] = {0: nothing, 1: "r", 2: "r", LINK: theirs.fileno()}
            # A worker that is not ready yet must not die of them. The mask outlives the start of another program.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENTS_SIGNALS)
            try:
                reactor.spawnProcess(self, command[0], command, environment(os.environ), childFDs=descriptors)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            ours.setblocking(False)
            reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, _Once(self.link))
        finally:
            os.close(nothing)
            theirs.close()
            ours.close()

    @property
    def pid(self) -> int:
        """Of the process; 0 when it has ended."""
        return getattr(self.transport, "pid", None) or 0

    def kill(self, number: int) -> None:
        """Send a signal; nothing happens where the process has ended."""
        transport: Any = self.transport
        with contextlib.suppress(ProcessExitedAlready):
            transport.signalProcess(number)

    def _alive(self, message: Message) -> None:
        self.heard = self._clock()
        self.beat = Beat(**message.fields)

    def _leaving(self, _message: Message) -> None:
        self.ready, self.leaving = False, True

    def _unlinked(self) -> None:
        self.ready = self.leaving = False

    # -- what it says

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Standard output is its access log, standard error its own."""
        (self._access_log if childFD == 1 else self._own_log).feed(data)

    def _said(self, block: bytes) -> None:
        for line in block.splitlines():
            self._pass_on(line)

    def _pass_on(self, line: bytes) -> None:
        """Into the daemon's log: events of the worker's as they were, anything else as the trouble that it is."""
        level, logger, text = LogLevel.error, self._log, line.decode("utf-8", "replace")
        try:
            event = orjson.loads(line)
            level = LogLevel.lookupByName(event["level"])
            logger = Logger(event["logger"])
            text = "\n".join(event[key] for key in ("message", "traceback") if key in event)
        except (ValueError, KeyError, TypeError):
            pass
        if text.strip():
            logger.emit(level, "worker {number}: {text}", number=self.number, text=text.rstrip())

    # -- the end

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and both its pipes are read to their ends."""
        self.ready = False
        self._access_log.close()
        self._own_log.close()
        value: Any = reason.value
        self.status, self.signalled = value.exitCode, value.signal
        self.ended.callback(_in_words(value.exitCode, value.signal))


def _in_words(status: int | None, number: int | None) -> str:
    if number is not None:
        try:
            return f"was killed by {signal.Signals(number).name}"
        except ValueError:
            return f"was killed by signal {number}"
    return f"ended with status {status}"


class _Once(Factory):
    """For a connection that is there already."""

    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, _address: Any) -> Link:
        """The link."""
        return self._link


class Lines:
    """Bytes in any pieces, passed on as whole lines.

    :param take: gets one or more lines, each with its line feed.
    :param lost: told how many lines were dropped, because they were too long or had no end. Without it such ones are
        passed on as far as they came.
    """

    def __init__(self, take: Callable[[bytes], None], lost: Callable[[int], None] | None = None) -> None:
        self._take = take
        self._lost = lost
        self._begun: list[bytes] = []
        self._size = 0
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """More bytes."""
        if self._skipping:
            end = data.find(b"\n") + 1
            if not end:
                return
            self._skipping, data = False, data[end:]
        cut = data.rfind(b"\n") + 1
        if cut:
            self._take(b"".join((*self._begun, data[:cut])))
            self._begun, self._size = [], 0
        if cut < len(data):
            self._begun.append(data[cut:])
            self._size += len(data) - cut
        if self._size > _LONGEST_LINE:
            self._skipping = self._lost is not None
            self.close()

    def close(self) -> None:
        """There is no more of the line that was begun."""
        if not self._begun:
            return
        if self._lost is not None:
            self._lost(1)
        else:
            self._take(b"".join((*self._begun, b"\n")))
        self._begun, self._size = [], 0


def command(number: int, reactor_module: str) -> list[str]:
    """What starts a worker: the interpreter that this is, with the modules that it finds.

    :param reactor_module: of the event loop to use, such as ``twisted.internet.epollreactor``.
    """
    # -P: the modules come from PYTHONPATH, which is ours, and not from the current directory.
    return [sys.executable, "-P", "-m", "aigw.tap", str(number), reactor_module]


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The parent's, without what is the parent's alone, and with its module path."""
    kept = {name: value for name, value in ours.items() if name not in _PARENTS_OWN}
    kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 (not resolved)
    return kept
