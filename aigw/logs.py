"""What the gateway writes down: the access log, and the daemon's own log as JSON without secrets.

Theory of operation. Access log lines are collected and written together, 0.1 s after the first of them or when there is
a block's worth. Writing never fails its caller and never waits, neither for a reader nor for a disk
(:mod:`aigw.log_output`): what a full pipe does not take is kept and offered again, and lines wait while a disk is busy
with those before them, 4 MiB in all; what a full disk or a closed pipe refuses is lost. Each line is written whole, or
lost and counted; the daemon's log says when that begins and when it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import orjson
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent, textFileLogObserver
from zope.interface import implementer

from aigw.log_output import (
    LineLog,
    LineOutput,
    TextLog,
    WriterThread,
    Written,
    ends_torn,
    standard_output,
    writer_thread,
)
from aigw.redaction import Redactor

_FLUSH_AFTER: Final = 0.1
#: Bytes that are written at once: few enough to be in the processor's cache still; for a thread, enough to be worth it.
_FLUSH_AT: Final = 16 * 1024
_HAND_OVER_AT: Final = 64 * 1024
_KEEP_AT_MOST: Final = 4 * 1024 * 1024

#: Seconds for which the end of the process waits for the last lines to get to the disk.
_LAST_LINES: Final = 2.0

_STANDARD_OUTPUT: Final = "-"
_OFF: Final = "off"


class _Job:
    """A block on its way to a file.

    :param last: close the file behind it.
    :ivar written: what became of it; None as long as that is not known.
    """

    def __init__(self, output: LineOutput, block: bytes, *, last: bool) -> None:
        self.size = len(block)
        self.last = last
        self.written: Written | None = None
        self._output = output
        self._block = block

    def run(self) -> None:
        """In the writer's thread."""
        written, self._block = self._output.write(self._block), b""
        if self.last:
            written = Written(b"", written.lost + self._output.close(), written.trouble)
        self.written = written


class AccessLog:
    """JSON lines, one a request. For the event loop's thread only.

    :param destination: ``"-"`` for standard output, ``"off"``, or the path of a file, which is appended to.
    :param clock: for the flush.
    :param thread: writes plain files; without one they are written at once, however long that takes.
    :ivar enabled: False where lines go nowhere, and need not be made.
    :ivar dropped: lines that were lost.
    :raises OSError: the destination cannot be opened.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, destination: str, clock: IReactorTime, thread: WriterThread | None = None) -> None:
        self._clock = clock
        self._writer = thread
        self._lines: list[bytes] = []
        self._size = 0
        self._failing = False
        self._timer: IDelayedCall | None = None
        self._jobs: deque[_Job] = deque()
        self.dropped = 0
        destination = _absolute(destination)
        self._use(destination, _open(destination))

    def _use(self, destination: str, output: LineOutput | None) -> None:
        self._destination, self._output = destination, output
        self.enabled = output is not None
        self._apart = output is not None and output.is_file and self._writer is not None
        self._flush_at = _HAND_OVER_AT if self._apart else _FLUSH_AT

    def write(self, line: bytes) -> None:
        """Add a line, with its line feed. Never raises, never waits."""
        if not self.enabled:
            return
        if self._size >= _KEEP_AT_MOST:
            self._overflow(1)
            return
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None:
            self._timer = self._clock.callLater(_FLUSH_AFTER, self._on_time)
        if self._size >= self._flush_at and not self._failing:
            self.flush()

    def pass_on(self, lines: bytes) -> None:
        """Add lines that another process has made, and write them without waiting for more.

        :param lines: one or more, each with its line feed.
        """
        if not self.enabled:
            return
        if self._size >= _KEEP_AT_MOST:
            self._overflow(lines.count(b"\n"))
            return
        self._lines.append(lines)
        self._size += len(lines)
        if not self._failing:
            self.flush()
        self._set_timer()

    def lose(self, lines: int) -> None:
        """So many lines were lost on their way here."""
        self.dropped += lines

    def _overflow(self, lines: int) -> None:
        self.dropped += lines
        self._reap()
        if self._jobs:
            self._say_failing("the disk is too slow")

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._size + (self._output.torn if self._output is not None else 0)

    def _set_timer(self) -> None:
        if self._timer is None and self.waiting:
            self._timer = self._clock.callLater(_FLUSH_AFTER, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it is taken."""
        if self._jobs:
            self._reap()
        output = self._output
        if not self._jobs and output is not None and (self._lines or output.torn):
            self._hand_over(output)
        self._set_timer()

    def _hand_over(self, output: LineOutput, *, last: bool = False) -> None:
        block = b"".join(self._lines)
        self._lines.clear()
        job = _Job(output, block, last=last)
        self._jobs.append(job)
        if self._apart and self._writer is not None:
            self._writer.run(job.run)
        else:
            job.run()
            self._reap()

    def _reap(self) -> None:
        """See what became of what was handed over."""
        jobs = self._jobs
        while jobs and (written := jobs[0].written) is not None:
            job = jobs.popleft()
            self._size -= job.size - len(written.rest)
            if written.rest:
                self._lines.insert(0, written.rest)
            self.dropped += written.lost
            if not job.last:
                self._say_failing(written.trouble)

    def _say_failing(self, why: str) -> None:
        """Tell the daemon's log when trouble begins, and when it is over."""
        if bool(why) == self._failing:
            return
        self._failing = bool(why)
        if why:
            self._log.error("access log {destination}: {why}", destination=self._destination, why=why)
        else:
            self._log.info(
                "access log {destination} is written again; {dropped} lines were lost since the start",
                destination=self._destination,
                dropped=self.dropped,
            )

    def reopen(self) -> None:
        """Begin the file anew under its name, after it was renamed (SIGUSR1). On failure the open one stays."""
        try:
            self._change(self._destination)
        except OSError as error:
            self._log.error(
                "access log {destination} cannot be reopened: {why}",
                destination=self._destination,
                why=error.strerror,
            )

    def switch(self, destination: str) -> None:
        """Write elsewhere from now on; nothing happens where that is where it writes already.

        :raises OSError: it cannot be opened; the log stays as it was.
        """
        destination = _absolute(destination)
        if destination != self._destination:
            self._change(destination)

    def _change(self, destination: str) -> None:
        output = _open(destination)
        self._let_go()
        self._use(destination, output)

    def close(self) -> None:
        """Write what waits, and no more. Further lines are ignored."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go()
        if self._jobs and self._writer is not None and not self._writer.settle(_LAST_LINES):
            self._say_failing("the disk is too slow for the last lines")
        self._reap()
        self._output, self.enabled, self._apart = None, False, False

    def _let_go(self) -> None:
        """Give the open destination what waits for it; what it does not take is lost."""
        output = self._output
        if output is None:
            return
        if self._apart:
            self._hand_over(output, last=True)
            self._failing = False
            return
        self._hand_over(output)
        rest = b"".join(self._lines)
        self._lines.clear()
        self._size -= len(rest)
        self.dropped += rest.count(b"\n")
        if self._destination != _STANDARD_OUTPUT:
            self.dropped += output.close()
        self._failing = False


def _absolute(destination: str) -> str:
    """The path as it will still be right after the daemon has changed its directory."""
    return destination if destination in (_OFF, _STANDARD_OUTPUT) else str(Path(destination).absolute())


def _open(destination: str) -> LineOutput | None:
    if destination == _OFF:
        return None
    if destination == _STANDARD_OUTPUT:
        # The number, not sys.stdout: Twisted puts an object of its own there.
        return standard_output(sys.__stdout__)
    # O_NONBLOCK: a FIFO that nobody reads is an error instead of a standstill. Files do not mind.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return LineOutput(os.open(destination, flags, 0o640), owned=True, ends_torn=ends_torn(destination))


#: The process's one net: twistd makes the log's observer before there is a gateway to give it one.
redactor = Redactor()


@implementer(ILogObserver)
class JsonObserver:
    """The daemon's log, one JSON object a line.

    Its fields are ``time``, ``level``, ``logger``, ``message``, and ``traceback`` where there is one; whatever else an
    event carries stays out.

    :param write: takes a line, with its line feed.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one event; never raises."""
        with contextlib.suppress(Exception):  # a log that raises would log again
            self._write(orjson.dumps(_line(event), option=orjson.OPT_APPEND_NEWLINE))


def _line(event: Mapping[str, Any]) -> dict[str, str]:
    line = {
        "time": _timestamp(event.get("log_time", time.time())),
        "level": event.get("log_level", LogLevel.info).name,
        "logger": str(event.get("log_namespace", "")),
        "message": _clean(formatEvent(dict(event))),
    }
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = _clean(failure.getTraceback())
    return line


def _clean(text: str) -> str:
    """Without secrets, and fit for JSON: lone surrogates (from file names, say) are spelt out."""
    return redactor.clean(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _timestamp(when: float) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{second}.{int(when % 1 * 1000):03d}Z"


_daemon_logs: Final[list[LineLog]] = []


def _daemon_log(stream: Any, say_lost: Callable[[int], bytes]) -> Callable[[bytes], object]:
    """Takes lines for standard output or error, and keeps nobody waiting."""
    log = LineLog(standard_output(stream), say_lost)
    _daemon_logs.append(log)
    return log.write


def flush_daemon_log() -> None:
    """Offer again what a slow reader did not take. To be called from time to time."""
    for log in _daemon_logs:
        log.flush()


def daemon_log_lost() -> int:
    """Lines of the daemon's log that were lost."""
    return sum([log.lost for log in _daemon_logs])


def settle_daemon_log() -> None:
    """Before the process ends: have the last lines written, if they are taken soon."""
    flush_daemon_log()
    writer_thread.settle(_LAST_LINES)


def _lost_as_json(lines: int) -> bytes:
    event = {
        "log_time": time.time(),
        "log_level": LogLevel.error,
        "log_namespace": "aigw.logs",
        "log_format": _lost_in_words(lines),
    }
    return orjson.dumps(_line(event), option=orjson.OPT_APPEND_NEWLINE)


def _lost_as_text(lines: int) -> bytes:
    return f"{_lost_in_words(lines)}\n".encode()


def _lost_in_words(lines: int) -> str:
    return f"{lines} lines of this log were lost: they were not taken in time"


def json() -> JsonObserver:
    """For ``twistd --logger=aigw.logs.json``: JSON lines on standard error, standard output being the access log's."""
    atexit.register(settle_daemon_log)
    # The real one: Twisted puts an object in its place that logs what is written to it.
    return JsonObserver(_daemon_log(sys.__stderr__, _lost_as_json))


def text() -> ILogObserver:
    """For ``aigw run``: lines for people on standard error, standard output being the access log's."""
    atexit.register(settle_daemon_log)
    write = _daemon_log(sys.__stderr__, _lost_as_text)
    stream: Any = TextLog(lambda event: write(_clean(event).encode()))
    return textFileLogObserver(stream, timeFormat="%Y-%m-%d %H:%M:%S")


def free_standard_output() -> None:
    """Before twistd begins its log: as text that one goes to ``sys.stdout``, and would wait for whoever reads there."""
    atexit.register(settle_daemon_log)
    write = _daemon_log(sys.__stdout__, _lost_as_text)
    sys.stdout = TextLog(lambda text: write(_clean(text).encode()))
