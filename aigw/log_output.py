"""Where lines of logs go: a file, a pipe, a terminal or a socket, none of which may hold up the event loop.

Theory of operation. :class:`LineOutput` is one destination. It takes blocks of whole lines, and says what became of
them; the rest of a line that went out in part is remembered, and goes out before anything else, whoever writes next.
So a reader never sees half a line glued to another. What is no plain file is written without waiting: a socket with
``MSG_DONTWAIT``, a pipe through an open file description of our own that does not block (the one that we were given
is shared with others), in whole lines of at most ``PIPE_BUF`` bytes, which a pipe takes in one piece or not at all.

A plain file has no such thing as "not now": a stalled disk keeps whoever writes. So files are written by one thread
(:class:`WriterThread`), and nobody waits for that. :class:`LineLog` puts a bounded queue before a destination, for the
daemon's own log; the access log (:class:`aigw.logs.AccessLog`) has a queue of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import stat
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, NamedTuple, TextIO

#: What a pipe takes in one piece (pipe(7), PIPE_BUF), and what one that polls writable takes without a wait.
_PIECE: Final = 4096

#: Bytes that a :class:`LineLog` keeps for a reader that is slow.
_KEEP_AT_MOST: Final = 1024 * 1024

SLOW: Final = "its reader is too slow"


class Written(NamedTuple):
    """What became of a block of lines.

    :ivar rest: the lines that a slow reader did not take; they may be offered again.
    :ivar lost: how many lines were lost for good.
    :ivar trouble: why not all lines were taken; empty where they were.
    """

    rest: bytes
    lost: int
    trouble: str


class LineOutput:
    """An open file descriptor that gets whole lines.

    :param fd: open for writing. It stays the caller's unless ``owned``, and its mode is not changed.
    :param ends_torn: what is there ends within a line.
    :ivar is_file: it is a plain file: :meth:`write` may take as long as the disk does. Of anything else it never waits.
    """

    def __init__(self, fd: int, *, owned: bool = False, ends_torn: bool = False) -> None:
        self.is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._fd = fd
        self._owned = owned
        self._torn = b"\n" if ends_torn else b""
        self._anew: int | None = None
        self._socket: socket.socket | None = None
        self.forget()

    def forget(self) -> None:
        """In a process that was forked: what this is a number of may become something else, as when a daemon lets go of
        its terminal; so it is looked at anew with the next write. Nobody in this process is in the middle of one."""
        self._close_own()
        self._looked = self._owned or self.is_file
        self._never_waits = self._owned  # such a one was opened with O_NONBLOCK
        self._lock = threading.Lock()

    def _look(self) -> None:
        """Have something of our own to write to, that does not block; where that is not allowed, poll first."""
        self._looked = True
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(self._fd).st_mode):
                self._socket = socket.socket(fileno=os.dup(self._fd))
            else:
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
                self._anew = os.open(f"/proc/self/fd/{self._fd}", flags)
                self._never_waits = True

    @property
    def torn(self) -> int:
        """Bytes that are missing of a line whose beginning is written."""
        return len(self._torn)

    def write(self, block: bytes) -> Written:
        """Write ``block`` as far as it is taken. Never raises.

        :param block: whole lines, perhaps none: then only the rest of a torn line is written.
        """
        # Whoever has it may be this very thread: the collector may free something in there that logs.
        if not self._lock.acquire(blocking=False):
            return Written(block, 0, SLOW)
        try:
            return self._write(block)
        finally:
            self._lock.release()

    def _write(self, block: bytes) -> Written:
        if self._torn:
            taken, error = self._put(self._torn)
            self._torn = self._torn[taken:]
            if self._torn:
                return self._given_up(block, error) if error is not None else Written(block, 0, SLOW)
        taken, error = self._put(block)
        end = block.rfind(b"\n", 0, taken) + 1
        if end < taken:
            end = block.index(b"\n", taken) + 1
            self._torn = block[taken:end]
        rest = block[end:]
        if error is not None:
            return self._given_up(rest, error)
        return Written(rest, 0, SLOW if rest or self._torn else "")

    def _given_up(self, rest: bytes, error: OSError) -> Written:
        """A disk may have room again, and the torn line its end; a reader that has gone does not come back."""
        lost = rest.count(b"\n")
        if not self.is_file and self._torn:
            self._torn = b""
            lost += 1
        return Written(b"", lost, error.strerror or "cannot be written")

    def _put(self, data: bytes) -> tuple[int, OSError | None]:
        """How many bytes were taken, and what was wrong, if not just that no more are taken now."""
        view, taken, end = memoryview(data), 0, len(data)
        if not self._looked:
            self._look()
        try:
            while taken < len(data):
                if not self.is_file:
                    end = data.rfind(b"\n", taken, taken + _PIECE) + 1 or taken + _PIECE
                    if not self._never_waits and self._socket is None and not _writable(self._fd):
                        break
                taken += self._send(view[taken:end])
        except BlockingIOError:
            pass
        except OSError as error:
            return taken, error
        return taken, None

    def _send(self, piece: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(piece, socket.MSG_DONTWAIT)
        return os.write(self._fd if self._anew is None else self._anew, piece)

    def close(self) -> int:
        """Let go of it.

        :returns: lines that are lost with it: the one that is torn, if any.
        """
        lost, self._torn = (1 if len(self._torn) > 1 else 0), b""
        self._close_own()
        if self._owned:
            self._owned = False
            os.close(self._fd)
        return lost

    def _close_own(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._anew is not None:
            os.close(self._anew)
        self._socket = self._anew = None


def _writable(fd: int) -> bool:
    """Whether a short write will not wait, as long as nobody else writes there as well."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


class NoOutput(LineOutput):
    """Standard output of a process that was started without one: its number may be anything else's by now."""

    is_file = False
    torn = 0

    def __init__(self) -> None:
        """There is nothing to open."""

    def write(self, block: bytes) -> Written:
        """Lose the lines."""
        return Written(b"", block.count(b"\n"), "it is closed")

    def close(self) -> int:
        """Nothing is lost with it."""
        return 0


_standard: Final[dict[tuple[int, int], LineOutput]] = {}


def _forked() -> None:
    for output in _standard.values():
        output.forget()


os.register_at_fork(after_in_child=_forked)


def standard_output(stream: TextIO | None) -> LineOutput:
    """Standard output or error. Where both are the same pipe, file or socket they are one destination, so that no line
    of the one gets into a line of the other.

    :param stream: as Python has made it: ``sys.__stdout__`` or ``sys.__stderr__``; None where there is none.
    :returns: it is never to be closed.
    """
    if stream is None:
        return NoOutput()
    fd = stream.fileno()
    if fd not in (1, 2):
        return LineOutput(fd)
    about = os.fstat(fd)
    key = (about.st_dev, about.st_ino)
    if key not in _standard:
        _standard[key] = LineOutput(fd)
    return _standard[key]


def ends_torn(path: str) -> bool:
    """Whether a plain file ends within a line, as one that somebody wrote until the disk was full."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False  # it cannot be read: then nobody can tell
    try:
        about = os.fstat(fd)
        return stat.S_ISREG(about.st_mode) and about.st_size > 0 and os.pread(fd, 1, about.st_size - 1) != b"\n"
    finally:
        os.close(fd)


class WriterThread:
    """Does what may take its time, one thing after the other, apart from the event loop.

    A daemon thread: a disk that never answers does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._process = 0

    def run(self, job: Callable[[], object]) -> None:
        """Have ``job`` run behind those that wait already; it must not raise."""
        if self._process != os.getpid():  # none was started yet, or it stayed in the process that made this one
            self._jobs = SimpleQueue()
            threading.Thread(target=self._work, args=(self._jobs,), name="log writer", daemon=True).start()
            self._process = os.getpid()
        self._jobs.put(job)

    @staticmethod
    def _work(jobs: SimpleQueue[Callable[[], object]]) -> None:
        while True:
            jobs.get()()

    def settle(self, seconds: float) -> bool:
        """For the end of the process: wait until all is done that was asked for.

        :param seconds: at most.
        :returns: whether it was.
        """
        if self._process != os.getpid():
            return True
        done = threading.Event()
        self._jobs.put(done.set)
        return done.wait(seconds)


#: The process's one.
writer_thread: Final = WriterThread()


class LineLog:
    """Lines for a destination, from any thread; never raises, never waits.

    :param say_lost: makes the line that says how many lines were lost; it is written as soon as lines are taken again.
    :param thread: writes plain files.
    :ivar lost: lines that were lost.
    """

    def __init__(
        self, output: LineOutput, say_lost: Callable[[int], bytes], thread: WriterThread = writer_thread
    ) -> None:
        self.lost = 0
        self._output = output
        self._say_lost = say_lost
        self._thread = thread
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._busy = False
        # Reentrant: a signal's handler may log while its thread is in here.
        self._lock = threading.RLock()

    def write(self, line: bytes) -> None:
        """Add a line, with its line feed."""
        with self._lock:
            if self._size + len(line) > _KEEP_AT_MOST:
                self._lose(1)
            else:
                self._lines.append(line)
                self._size += len(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it is taken. To be called from time to time: a slow reader says nothing."""
        with self._lock:
            if self._busy or not (self._lines or self._output.torn or self._untold):
                return
            self._busy = True
        if self._output.is_file:
            self._thread.run(self._write_all)
        else:
            self._write_all()

    def _write_all(self) -> None:
        """Only ever run by one thread at a time, the one that has set ``_busy``."""
        while self._told_lost():
            with self._lock:
                block = b"".join(self._lines)
                self._lines.clear()
                if not (block or self._output.torn):
                    self._busy = False
                    return
            written = self._output.write(block)
            with self._lock:
                self._size -= len(block) - len(written.rest)
                if written.rest:
                    self._lines.appendleft(written.rest)
                self._lose(written.lost)
                if written.trouble:
                    break
        self._busy = False

    def _told_lost(self) -> bool:
        """Say that lines were lost, if any were; False where that cannot be said now."""
        with self._lock:
            untold = self._untold
        if untold:
            written = self._output.write(self._say_lost(untold))
            if written.rest or written.lost:
                return False
            with self._lock:
                self._untold -= untold
        return True

    def _lose(self, lines: int) -> None:
        self.lost += lines
        self._untold += lines


class TextLog(io.TextIOBase):
    """A text stream that keeps nobody waiting.

    :param take: gets what is written: an event of the log at a time, with its line feed.
    """

    encoding = "utf-8"

    def __init__(self, take: Callable[[str], object]) -> None:
        self._take = take

    def write(self, text: str) -> int:
        """Write it, some time."""
        self._take(text)
        return len(text)
