"""How ``twistd`` starts the daemon, and how whoever started it comes to know that it has not.

Theory of operation. Without ``--nodaemon`` twistd forks twice. The first process waits for a word from the daemon on a
pipe, of which it holds the writing end itself: a daemon that ends without a word, as one does that cannot listen, keeps
it waiting for ever. So :class:`Launch` makes a pipe of its own before the fork, which the first process reads right
behind it: until the daemon says that it serves, or why it does not, or is gone. Then the first process goes on, or ends
with status 1. The daemon removes its process identifier file before it ends, which twistd does not do then.

What would be a traceback of twistd's (a log or a process identifier file that cannot be written) is found before it
begins, by :func:`obstacle`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.logger import Logger

_SERVES = b"\0serves"
#: Bytes of the reason for a failed start that are passed on.
_LONGEST = 64 * 1024


class Launch:
    """One start of the daemon.

    :param twistd: twistd's own options; none where it was not twistd that started this process.
    """

    log = Logger()

    def __init__(self, twistd: Mapping[str, Any] = {}) -> None:
        self._pid_file = str(Path(twistd["pidfile"]).absolute()) if twistd.get("pidfile") else ""
        self._starter = os.getpid()
        self._said = self._saying = -1
        if twistd and not twistd["nodaemon"] and not twistd.get("debug"):
            self._said, self._saying = os.pipe()
            os.register_at_fork(after_in_parent=self._after_fork)

    def serves(self) -> None:
        """The start is over: requests are answered."""
        self._say(_SERVES)

    def failed(self, why: str) -> None:
        """The start has failed; the process is about to end.

        :param why: lines for whoever started it.
        """
        if self._saying < 0:
            (sys.__stderr__ or sys.stderr).write(f"{why}\n")
        else:
            self.log.critical("{why}", why=why)
            self._say(why.encode("utf-8", "backslashreplace")[:_LONGEST])
        self._remove_pid_file()

    def gone(self, why: str) -> None:
        """The same, of which the log has told already: twistd removes the process identifier file this time."""
        self._say(why.encode())

    def _say(self, word: bytes) -> None:
        if self._saying >= 0:
            with contextlib.suppress(OSError):  # nobody waits any more
                os.write(self._saying, word)
            os.close(self._saying)
            self._saying = -1

    def _remove_pid_file(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._pid_file and int(Path(self._pid_file).read_text()[:20]) == os.getpid():
                Path(self._pid_file).unlink()

    # -- in the first process

    def _after_fork(self) -> None:
        if self._saying < 0 or os.getpid() != self._starter:
            return  # another fork, such as the daemon's own second one
        try:
            os.close(self._saying)
            with os.fdopen(self._said, "rb") as pipe:
                word = pipe.read(_LONGEST)
        except BaseException:  # Ctrl-C: the daemon is in a session of its own, and goes on
            os._exit(1)
        self._saying = -1
        if not word:
            # It is gone, and twistd has written why, or never will.
            signal.signal(signal.SIGALRM, lambda _number, _frame: _end_with("the daemon ended before it served"))
            signal.alarm(1)
            if self._pid_file:  # no other process's: obstacle() has looked
                with contextlib.suppress(OSError):
                    Path(self._pid_file).unlink()
        elif word != _SERVES:
            _end_with(word.decode("utf-8", "replace"))


def _end_with(why: str) -> None:
    os.write(2, f"{why}\n".encode())
    os._exit(1)


def obstacle(twistd: Mapping[str, Any]) -> str | None:
    """Why twistd would not come to start the daemon; None if nothing is in its way.

    :param twistd: its own options.
    """
    if twistd["pidfile"]:
        pid_file = Path(twistd["pidfile"]).absolute()
        running = _running(pid_file)
        if running:
            return f"{pid_file}: process {running} runs already (another folder, or another --pidfile=)"
        why = _why_not_written(pid_file)
        if why:
            return f"{pid_file}: cannot be written: {why} (another --pidfile=, or --pidfile= for none)"
    log = _log_file(twistd)
    why = _why_not_written(log) if log is not None else ""
    return f"{log}: cannot be written: {why} (another --logfile=)" if why else None


def _running(pid_file: Path) -> int:
    """The living process that a file names; 0 if there is none."""
    try:
        number = int(pid_file.read_text()[:20])
    except (OSError, ValueError):
        return 0
    try:
        os.kill(number, 0)
    except PermissionError:
        return number  # somebody else's
    except (OSError, OverflowError):
        return 0
    return max(number, 0)


def _log_file(twistd: Mapping[str, Any]) -> Path | None:
    """The file that twistd is going to write its log to; None if it is none."""
    if twistd.get("syslog") or twistd.get("logger") or twistd["logfile"] == "-":
        return None
    if twistd["logfile"]:
        return Path(twistd["logfile"]).absolute()
    return None if twistd["nodaemon"] else Path("twistd.log").absolute()


def _why_not_written(file: Path) -> str:
    """Why a file cannot be written, which is found without touching it; empty if it can be."""
    if file.is_dir():
        return os.strerror(errno.EISDIR)
    if not file.parent.is_dir():
        return os.strerror(errno.ENOTDIR if file.parent.exists() else errno.ENOENT)
    place, wanted = (file, os.W_OK) if file.exists() else (file.parent, os.W_OK | os.X_OK)
    return "" if os.access(place, wanted) else os.strerror(errno.EACCES)
