"""What the gateway writes down: the access log, and the daemon's own log as JSON without secrets.

Theory of operation. Access log lines are collected and written together, 0.1 s after the first of them or when there is
a block's worth. Writing never fails its caller and never waits for a reader: what a full pipe does not take is kept and
offered again, up to 4 MiB; what a full disk or a closed pipe refuses is lost. Lost lines are counted, and the daemon's
log says when that begins and when it ends. A line that was cut in the middle is closed before the next one, so that
whoever reads the file loses that line only.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import orjson
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from zope.interface import implementer

from aigw.redaction import Redactor

_FLUSH_AFTER: Final = 0.1
#: Bytes that are written at once: few enough to be in the processor's cache still.
_FLUSH_AT: Final = 16 * 1024
_KEEP_AT_MOST: Final = 4 * 1024 * 1024

#: What a pipe or a terminal that polls writable takes without making the writer wait (pipe(7), PIPE_BUF).
_PIPE_PIECE: Final = 4096

_STANDARD_OUTPUT: Final = "-"
_OFF: Final = "off"


class AccessLog:
    """JSON lines, one a request. For the event loop's thread only.

    :param destination: ``"-"`` for standard output, ``"off"``, or the path of a file, which is appended to.
    :param clock: for the flush.
    :ivar enabled: False where lines go nowhere, and need not be made.
    :ivar dropped: lines that were lost.
    :raises OSError: the destination cannot be opened.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, destination: str, clock: IReactorTime) -> None:
        self._clock = clock
        self._lines: list[bytes] = []
        self._size = 0
        self._within_line = self._failing = False
        self._timer: IDelayedCall | None = None
        self.dropped = 0
        self._destination = _absolute(destination)
        self._fd = _open(self._destination)
        self._to_file = _is_file(self._fd)
        self.enabled = self._fd is not None

    def write(self, line: bytes) -> None:
        """Add a line, with its line feed. Never raises, never waits."""
        if not self.enabled:
            return
        if self._size >= _KEEP_AT_MOST:
            self.dropped += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None:
            self._timer = self._clock.callLater(_FLUSH_AFTER, self._on_time)
        if self._size >= _FLUSH_AT and not self._failing:
            self.flush()

    def pass_on(self, lines: bytes) -> None:
        """Add lines that another process has made, and write them without waiting for more.

        :param lines: one or more, each with its line feed.
        """
        if not self.enabled:
            return
        if self._size >= _KEEP_AT_MOST:
            self.dropped += lines.count(b"\n")
            return
        self._lines.append(lines)
        self._size += len(lines)
        if not self._failing:
            self.flush()

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._size

    def _on_time(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it is taken."""
        if self._fd is None or not self._lines:
            return
        block = b"".join(self._lines)
        try:
            taken = _write(self._fd, block, to_file=self._to_file)
        except OSError as error:
            self._lose(block, error.strerror or "cannot be written")
            return
        if taken:
            self._within_line = block[taken - 1 : taken] != b"\n"
        rest = block[taken:]
        self._lines, self._size = ([rest] if rest else []), len(rest)
        self._say_failing("its reader is too slow" if rest else "")
        if rest and self._timer is None:
            self._timer = self._clock.callLater(_FLUSH_AFTER, self._on_time)

    def _lose(self, block: bytes, why: str) -> None:
        # No line begins with a line feed: a block that does was only to close a line already counted.
        self.dropped += block.count(b"\n") - block.startswith(b"\n")
        self._lines = [b"\n"] if self._within_line else []
        self._size = len(self._lines)
        self._say_failing(why)

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
        fd = _open(destination)
        self._let_go("the old file did not take them")
        self._fd, self._destination, self._to_file = fd, destination, _is_file(fd)
        self.enabled = fd is not None

    def close(self) -> None:
        """Write what waits, and no more. Further lines are ignored."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go("closed before they were taken")
        self._fd, self.enabled = None, False

    def _let_go(self, why: str) -> None:
        self.flush()
        if self._lines:
            self._lose(b"".join(self._lines), why)
        if self._fd is not None and self._destination != _STANDARD_OUTPUT:
            os.close(self._fd)
        self._lines, self._size = [], 0
        self._within_line = self._failing = False


def _absolute(destination: str) -> str:
    """The path as it will still be right after the daemon has changed its directory."""
    return destination if destination in (_OFF, _STANDARD_OUTPUT) else str(Path(destination).absolute())


def _open(destination: str) -> int | None:
    if destination == _OFF:
        return None
    if destination == _STANDARD_OUTPUT:
        # The number, not sys.stdout: Twisted puts an object of its own there.
        return sys.__stdout__.fileno() if sys.__stdout__ is not None else None
    # O_NONBLOCK: a FIFO that nobody reads is an error instead of a standstill. Files do not mind.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return os.open(destination, flags, 0o640)


def _is_file(fd: int | None) -> bool:
    return fd is not None and stat.S_ISREG(os.fstat(fd).st_mode)


def _write(fd: int, block: bytes, *, to_file: bool) -> int:
    """Write as much of ``block`` as is taken without waiting.

    :param to_file: it is a plain file, which never makes anybody wait for a reader.
    :returns: how many bytes that was.
    :raises OSError: not one, and none will be taken soon.
    """
    view, taken = memoryview(block), 0
    while taken < len(block) and (to_file or _writable(fd)):
        try:
            taken += os.write(fd, view[taken:] if to_file else view[taken : taken + _PIPE_PIECE])
        except BlockingIOError:
            break
        except OSError:
            if not taken:
                raise
            break
    return taken


def _writable(fd: int) -> bool:
    """Whether a short write will not wait. Standard output is shared with others, so it cannot be made non-blocking."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


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


def json() -> JsonObserver:
    """For ``twistd --logger=aigw.logs.json``: JSON lines on standard error, standard output being the access log's."""
    # The number, not sys.stderr: Twisted puts an object there that logs what is written to it.
    return JsonObserver(lambda line: os.write(2, line))
