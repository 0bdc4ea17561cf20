"""Destinations of logs: whole lines, exact counts, and nobody who waits."""

from __future__ import annotations

import fcntl
import os
import pathlib
import socket
import stat
import tempfile
import threading
from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import given
from twisted.trial import unittest

from aigw.log_output import SLOW, LineLog, LineOutput, WriterThread, Written, ends_torn
from tests.unit.held_thread import HeldThread

Real = Callable[[int, memoryview], int]


def line(number: int, length: int = 0) -> bytes:
    """A line that can be told from others."""
    return b"%d:%s\n" % (number, b"x" * length)


def block(numbers: range, length: int = 0) -> bytes:
    """Several of them."""
    return b"".join(line(number, length) for number in numbers)


class Disk:
    """Stands for ``os.write``: a disk with so much room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write: Real = os.write

    def __call__(self, fd: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


class OutputTestCase(unittest.TestCase):
    """Pipes, files and sockets of the test's own."""

    def pipe(self, size: int = 4096) -> tuple[int, LineOutput]:
        """A reading end, and a destination as standard output is one: shared, and blocking."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
        self.addCleanup(os.close, writer)
        output = LineOutput(writer)
        self.addCleanup(output.close)
        return reader, output

    def read(self, reader: int) -> bytes:
        received = b""
        try:
            while data := os.read(reader, 1 << 20):
                received += data
        except BlockingIOError:
            pass
        return received

    def file(self) -> tuple[pathlib.Path, LineOutput]:
        path = pathlib.Path(self.mktemp())
        output = LineOutput(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), owned=True)
        self.addCleanup(output.close)
        return path, output


class PipeTests(OutputTestCase):
    """What has a reader."""

    def test_what_a_full_pipe_does_not_take_comes_back_whole(self) -> None:
        """And what it takes are whole lines, so that others may write there as well."""
        reader, output = self.pipe()
        self.addCleanup(os.close, reader)
        lines = block(range(100), 100)
        written = output.write(lines)
        taken = self.read(reader)
        self.assertEqual((taken + written.rest, written.lost, written.trouble), (lines, 0, SLOW))
        self.assertEqual((taken[-1:], output.torn), (b"\n", 0))

    def test_the_rest_of_a_long_line_comes_before_anything_else(self) -> None:
        """A traceback of some KiB does not fit at once."""
        reader, output = self.pipe()
        self.addCleanup(os.close, reader)
        written = output.write(line(1, 6000))
        self.assertEqual(written, (b"", 0, SLOW))
        self.assertGreater(output.torn, 0)
        self.assertEqual(output.write(line(2)), (line(2), 0, SLOW))
        received = self.read(reader)
        self.assertEqual(output.write(line(2)), (b"", 0, ""))
        self.assertEqual(received + self.read(reader), line(1, 6000) + line(2))

    def test_the_mode_of_a_shared_pipe_stays(self) -> None:
        """Other programs write there too, and expect it to block."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        output = LineOutput(writer)
        self.addCleanup(output.close)
        self.assertTrue(os.get_blocking(writer))

    def test_another_writer_does_not_make_it_wait(self) -> None:
        """Between a look whether there is room and the write somebody else may have filled it."""
        reader, output = self.pipe()
        self.addCleanup(os.close, reader)
        self.patch(os, "write", self.filled_by_another(reader))
        self.assertEqual(output.write(line(1)), (line(1), 0, SLOW))

    def filled_by_another(self, reader: int) -> Real:
        real: Real = os.write
        other = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, other)

        def write(fd: int, data: memoryview) -> int:
            real(other, memoryview(bytes(4096)))
            return real(fd, data)

        return write

    def test_who_logs_while_a_line_is_written(self) -> None:
        """The collector may free something whose last words are logged, in the middle of a write: they come later."""
        reader, output = self.pipe()
        self.addCleanup(os.close, reader)
        real: Real = os.write
        said: list[Written] = []

        def write(fd: int, data: memoryview) -> int:
            said.append(output.write(line(2)))
            return real(fd, data)

        self.patch(os, "write", write)
        self.assertEqual(output.write(line(1)), (b"", 0, ""))
        self.assertEqual((said, self.read(reader)), ([(line(2), 0, SLOW)], line(1)))

    def test_reader_that_has_gone(self) -> None:
        """Lines are lost and counted, a torn one as well: its end would go to nobody."""
        reader, output = self.pipe()
        output.write(line(1, 6000))
        os.close(reader)
        written = output.write(block(range(3)))
        self.assertEqual((written.rest, written.lost), (b"", 4))
        self.assertEqual((output.torn, output.close()), (0, 0))

    def test_socket(self) -> None:
        """As journald has them: it never waits, and the socket stays as it is."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        output = LineOutput(ours.fileno())
        self.addCleanup(output.close)
        lines = block(range(5000), 200)
        written = output.write(lines)
        self.assertTrue(ours.getblocking())
        self.assertEqual((written.lost, written.trouble), (0, SLOW))
        theirs.setblocking(False)
        received, rest = b"", written.rest
        while True:
            try:
                received += theirs.recv(1 << 20)
            except BlockingIOError:
                if not (rest or output.torn):
                    break
                rest = output.write(rest).rest
        self.assertEqual(received, lines)


class FileTests(OutputTestCase):
    """What has a disk."""

    @given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.lists(st.integers(0, 40), max_size=30))
    def test_whole_lines_or_counted_ones(self, lengths: list[int], rooms: list[int]) -> None:
        """However a disk fills up and gets room again; at the end it has some."""
        with tempfile.NamedTemporaryFile() as file:
            output = LineOutput(file.fileno())
            disk = Disk(0)
            lost = 0
            self.patch(os, "write", disk)
            for number, length in enumerate(lengths):
                disk.room = rooms[number] if number < len(rooms) else 0
                written = output.write(line(number, length))
                self.assertEqual(written.rest, b"")
                lost += written.lost
            disk.room = 1 << 20
            output.write(line(1000))
            self.patch(os, "write", disk._write)
            kept = pathlib.Path(file.name).read_bytes().splitlines(keepends=True)
        known = [line(number, length) for number, length in enumerate(lengths)] + [line(1000)]
        self.assertTrue(set(kept) <= set(known), kept)
        self.assertEqual(len(kept) + lost, len(known))

    def test_one_that_ends_within_a_line(self) -> None:
        """The next program that appends to it closes that line first."""
        path = pathlib.Path(self.mktemp())
        path.write_bytes(b"half a li")
        self.assertTrue(ends_torn(str(path)))
        output = LineOutput(os.open(path, os.O_WRONLY | os.O_APPEND), owned=True, ends_torn=True)
        output.write(line(1))
        self.assertEqual((path.read_bytes(), output.close()), (b"half a li\n" + line(1), 0))
        self.assertFalse(ends_torn(str(path)))
        self.assertFalse(ends_torn(str(path) + ".none"))

    def test_a_line_that_stays_torn_is_lost(self) -> None:
        """Counted when the file is closed."""
        _, output = self.file()
        self.patch(os, "write", Disk(2))
        self.assertEqual(output.write(line(1, 10)).lost, 0)
        self.assertEqual(output.close(), 1)


class ThreadTests(unittest.TestCase):
    """The thread that writes files."""

    def test_in_order_and_apart(self) -> None:
        """Jobs run in another thread, one behind the other; :meth:`settle` comes back behind all of them."""
        done: list[tuple[int, bool]] = []
        mine = threading.get_ident()
        thread = WriterThread()
        self.assertTrue(thread.settle(0))
        for number in range(20):
            thread.run(lambda number=number: done.append((number, threading.get_ident() != mine)))  # type: ignore[misc]
        self.assertTrue(thread.settle(60))
        self.assertEqual(done, [(number, True) for number in range(20)])

    def test_a_disk_that_hangs_is_not_waited_for(self) -> None:
        held = threading.Event()
        self.addCleanup(held.set)
        thread = WriterThread()
        thread.run(held.wait)
        self.assertFalse(thread.settle(0))


class FakeOutput(LineOutput):
    """A destination that the test opens and shuts.

    :ivar takes: how many lines it takes.
    :ivar trouble: why it takes no more; empty: its reader is slow.
    """

    def __init__(self, *, is_file: bool = False) -> None:
        self.is_file = is_file
        self.takes = 1 << 30
        self.trouble = ""
        self.got = b""
        self._torn = b""

    def write(self, block: bytes) -> Written:
        lines = block.splitlines(keepends=True)
        taken, rest = lines[: self.takes], lines[self.takes :]
        self.takes -= len(taken)
        self.got += b"".join(taken)
        if self.trouble:
            return Written(b"", len(rest), self.trouble if rest else "")
        return Written(b"".join(rest), 0, SLOW if rest else "")


def say_lost(lines: int) -> bytes:
    """How losses are told."""
    return b"%d lost\n" % lines


class LineLogTests(OutputTestCase):
    """The daemon's own log."""

    def test_a_reader_that_stops_stops_nobody(self) -> None:
        """With a pipe of one page: the rest waits, up to 1 MiB; what is above that is lost, counted, and told of as
        soon as somebody reads again."""
        reader, output = self.pipe()
        self.addCleanup(os.close, reader)
        log = LineLog(output, say_lost)
        for number in range(3000):
            log.write(line(number, 1000))
        self.assertGreater(log.lost, 1900)
        lost = log.lost
        received = b""
        while data := self.read(reader):
            received += data
            log.flush()
        lines = received.splitlines(keepends=True)
        told = [int(each.split()[0]) for each in lines if b" lost" in each]
        self.assertEqual(sum(told), lost)
        self.assertEqual(len(set(lines)) - len(set(told)), 3000 - lost)
        log.write(line(9999))
        self.assertEqual((self.read(reader), log.lost), (line(9999), lost))

    def test_lost_lines_are_told_once_the_disk_has_room(self) -> None:
        output = FakeOutput()
        log = LineLog(output, say_lost)
        output.takes, output.trouble = 0, "full"
        for number in range(3):
            log.write(line(number))
        self.assertEqual((log.lost, output.got), (1, b""))
        output.takes = 1 << 30
        log.flush()
        self.assertEqual(output.got, say_lost(1) + block(range(1, 3)))
        log.write(line(4))
        self.assertEqual((output.got, log.lost), (say_lost(1) + block(range(1, 3)) + line(4), 1))

    def test_files_are_the_threads(self) -> None:
        """Nothing is written by whoever logs; and never by two at once."""
        output, thread = FakeOutput(is_file=True), HeldThread()
        log = LineLog(output, say_lost, thread)
        for number in range(3):
            log.write(line(number))
        self.assertEqual((output.got, len(thread.jobs)), (b"", 1))
        thread.work()
        self.assertEqual(output.got, block(range(3)))
        log.write(line(3))
        thread.work()
        self.assertEqual(output.got, block(range(4)))

    def test_an_idle_log_does_nothing(self) -> None:
        """It is asked each second."""
        thread = HeldThread()
        log = LineLog(FakeOutput(is_file=True), say_lost, thread)
        log.flush()
        self.assertEqual(thread.jobs, [])


class StandardOutputTests(OutputTestCase):
    """What is and stays the process's own."""

    def test_a_daemon_lets_go_of_what_it_was_started_with(self) -> None:
        """It forks and gives its standard output another meaning; whoever waits for the end of the first one is not kept
        waiting, and lines go where the number leads now."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        output = LineOutput(writer)
        output.write(line(1))
        output.forget()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, writer)
        os.close(null)
        self.assertEqual(output.write(line(2)), (b"", 0, ""))
        self.assertEqual((os.read(reader, 100), os.read(reader, 100)), (line(1), b""))
        output.close()
        os.close(writer)

    def test_a_terminal_or_device_keeps_its_mode(self) -> None:
        with open(os.devnull, "w") as null:  # noqa: PTH123
            mode = fcntl.fcntl(null.fileno(), fcntl.F_GETFL)
            output = LineOutput(null.fileno())
            self.assertEqual(output.write(line(1)), (b"", 0, ""))
            output.close()
            self.assertEqual(fcntl.fcntl(null.fileno(), fcntl.F_GETFL), mode)
            self.assertTrue(stat.S_ISCHR(os.fstat(null.fileno()).st_mode))
