"""The access log, which never fails its caller, and the daemon's log, which never tells a secret."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import stat
import sys
from typing import Any
from urllib.parse import quote

import hypothesis.strategies as st
from hypothesis import given
from twisted.internet.task import Clock
from twisted.logger import FilteringLogObserver, Logger, LogLevel, LogPublisher, PredicateResult
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw import logs
from aigw.logs import AccessLog, JsonObserver, Redactor
from tests.unit.held_thread import HeldThread


def line(fields: object) -> bytes:
    """A line as the log is given it."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def open_files() -> int:
    """How many files this process has open."""
    return len(list(pathlib.Path("/proc/self/fd").iterdir()))


class AccessLogTestCase(unittest.TestCase):
    """A log in a file of the test's own, on a clock of the test's own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = pathlib.Path(self.mktemp())
        self.daemon_log: list[str] = []
        publisher = LogPublisher(lambda event: self.daemon_log.append(event["log_format"].format(**event)))
        self.patch(AccessLog, "_log", Logger(observer=publisher))

    def open(self, destination: object = None) -> AccessLog:
        log = AccessLog(str(self.path if destination is None else destination), self.clock)
        self.addCleanup(log.close)
        return log

    def lines(self, path: pathlib.Path | None = None) -> list[Any]:
        return [json.loads(line) for line in (path or self.path).read_bytes().splitlines()]

    def pipe(self) -> tuple[int, str]:
        """A pipe's reading end, and the path of its writing end as /dev/stdout would be."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self.addCleanup(os.close, writer)
        return reader, f"/proc/self/fd/{writer}"


class WritingTests(AccessLogTestCase):
    """Lines, and when they reach the file."""

    def test_lines_in_order(self) -> None:
        """As they were given, byte for byte."""
        log = self.open()
        lines = [line({"status": 200, "ttft_ms": None}), '{"model":"a\u2028é"}\n'.encode()]
        for each in lines:
            log.write(each)
        log.flush()
        self.assertEqual(self.path.read_bytes(), b"".join(lines))

    def test_lines_wait_a_moment_for_others(self) -> None:
        """0.1 s after the first one that waits, not after the last."""
        log = self.open()
        log.write(line({"n": 1}))
        self.clock.advance(0.06)
        log.write(line({"n": 2}))
        self.assertEqual(self.path.read_bytes(), b"")
        self.clock.advance(0.05)
        self.assertEqual(self.lines(), [{"n": 1}, {"n": 2}])
        log.write(line({"n": 3}))
        self.clock.advance(0.11)
        self.assertEqual(len(self.lines()), 3)

    def test_a_block_does_not_wait(self) -> None:
        """16 KiB are written at once."""
        log = self.open()
        for number in range(20):
            log.write(line({"n": number, "path": "x" * 1000}))
        self.assertEqual(len(self.lines()), 17)
        self.clock.advance(0.2)
        self.assertEqual([each["n"] for each in self.lines()], list(range(20)))

    def test_no_timer_without_lines(self) -> None:
        """An idle gateway sleeps."""
        log = self.open()
        log.write(line({}))
        self.clock.advance(0.2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_file_is_appended_to(self) -> None:
        """A restart keeps what is there."""
        self.path.write_text('{"n": 0}\n')
        log = self.open()
        log.write(line({"n": 1}))
        log.flush()
        self.assertEqual(self.lines(), [{"n": 0}, {"n": 1}])

    def test_file_is_not_for_everyone(self) -> None:
        """It tells who asked for what."""
        self.open()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode) & 0o007, 0)

    def test_off(self) -> None:
        """Lines need not even be made."""
        log = self.open("off")
        self.assertFalse(log.enabled)
        log.write(line({"n": 1}))
        log.reopen()
        self.assertEqual((log.dropped, self.clock.getDelayedCalls()), (0, []))

    def test_close_writes_what_waits(self) -> None:
        """And nothing after it, without a timer left behind."""
        log = self.open()
        log.write(line({"n": 1}))
        log.close()
        log.write(line({"n": 2}))
        log.close()
        self.assertEqual(self.lines(), [{"n": 1}])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_file_that_cannot_be_opened(self) -> None:
        """Said at once, where it can still be mended."""
        self.assertRaises(OSError, self.open, self.path / "missing" / "access.log")

    def test_fifo_without_reader_is_no_standstill(self) -> None:
        """Opening one would wait for the reader for ever."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.open)

    def test_standard_output_is_the_real_one(self) -> None:
        """Not the object that Twisted puts in its place once logging began; and it is never closed."""
        out = self.path.open("wb")
        self.addCleanup(out.close)
        self.patch(sys, "__stdout__", out)
        self.patch(sys, "stdout", object())
        log = self.open("-")
        log.write(line({"n": 1}))
        log.reopen()
        log.write(line({"n": 2}))
        log.close()
        self.assertEqual(self.lines(), [{"n": 1}, {"n": 2}])
        out.write(b"still open")
        out.flush()

    def test_no_standard_output(self) -> None:
        """A daemon whose standard output was closed before it began writes nowhere, rather than into whatever file got
        that number; the lines are lost, and counted."""
        self.patch(sys, "__stdout__", None)
        log = self.open("-")
        log.write(line({"n": 1}))
        log.flush()
        log.write(line({"n": 2}))
        log.close()
        self.assertEqual((log.dropped, self.daemon_log), (2, ["access log -: it is closed"]))


class RotationTests(AccessLogTestCase):
    """logrotate and SIGUSR1, and reloads that move the log."""

    def test_reopened_under_its_name(self) -> None:
        """What was written before goes to the renamed file, the rest to the new one. Nothing is lost."""
        log = self.open()
        old = self.path.with_suffix(".1")
        log.write(line({"n": 1}))
        self.path.rename(old)
        log.write(line({"n": 2}))
        log.reopen()
        log.write(line({"n": 3}))
        log.flush()
        self.assertEqual((self.lines(old), self.lines(), log.dropped), ([{"n": 1}, {"n": 2}], [{"n": 3}], 0))

    def test_name_still_fits_after_a_change_of_directory(self) -> None:
        """twistd changes its directory; a relative name was meant where the daemon was started."""
        log = self.open()
        wanted = self.path.absolute()
        wanted.rename(wanted.with_suffix(".1"))
        elsewhere = pathlib.Path(self.mktemp())
        elsewhere.mkdir()
        self.addCleanup(os.chdir, pathlib.Path.cwd())
        os.chdir(elsewhere)
        log.reopen()
        self.assertTrue(wanted.exists())

    def test_failed_reopening_keeps_the_open_file(self) -> None:
        """Said in the daemon's log; lines still go to the old file."""
        folder = pathlib.Path(self.mktemp())
        folder.mkdir()
        log = self.open(folder / "access.log")
        moved = pathlib.Path(self.mktemp())
        folder.rename(moved)
        log.reopen()
        log.write(line({"n": 1}))
        log.flush()
        self.assertEqual(self.lines(moved / "access.log"), [{"n": 1}])
        self.assertEqual(len(self.daemon_log), 1)
        self.assertIn("cannot be reopened: No such file or directory", self.daemon_log[0])

    def test_old_file_is_closed(self) -> None:
        """A rotated file's blocks are freed when it is deleted."""
        before = open_files()
        log = self.open()
        for _ in range(5):
            log.reopen()
        self.assertEqual(open_files(), before + 1)
        log.close()
        self.assertEqual(open_files(), before)

    def test_switched_elsewhere(self) -> None:
        """What waited goes to the old file."""
        log = self.open()
        other = self.path.with_suffix(".other")
        log.write(line({"n": 1}))
        log.switch(str(other))
        log.write(line({"n": 2}))
        log.flush()
        self.assertEqual((self.lines(), self.lines(other)), ([{"n": 1}], [{"n": 2}]))

    def test_switched_off_and_on(self) -> None:
        """``enabled`` says which."""
        log = self.open()
        log.switch("off")
        self.assertFalse(log.enabled)
        log.switch(str(self.path))
        self.assertTrue(log.enabled)
        log.write(line({"n": 1}))
        log.flush()
        self.assertEqual(self.lines(), [{"n": 1}])

    def test_switch_that_fails_changes_nothing(self) -> None:
        """It is a reload's business to say so."""
        log = self.open()
        self.assertRaises(OSError, log.switch, str(self.path / "no" / "folder"))
        log.write(line({"n": 1}))
        log.flush()
        self.assertEqual(self.lines(), [{"n": 1}])

    def test_switch_to_itself_opens_nothing(self) -> None:
        """A reload that does not move the log leaves a renamed file where it is."""
        log = self.open()
        self.path.unlink()
        log.switch(str(self.path))
        self.assertFalse(self.path.exists())


class TroubleTests(AccessLogTestCase):
    """Whatever is wrong with the destination, the request goes on."""

    def test_disk_full(self) -> None:
        """Lines are lost and counted; the daemon's log says so once, not once a line."""
        log = self.open("/dev/full")
        for _ in range(3):
            log.write(line({"n": 1}))
            self.clock.advance(0.2)
        log.write(line({"n": 2}))
        log.close()
        self.assertEqual(log.dropped, 4)
        self.assertEqual(self.daemon_log, ["access log /dev/full: No space left on device"])

    def test_space_again(self) -> None:
        """Later lines are written, and the daemon's log says how many are missing."""
        log = self.open()
        self.patch(os, "write", self.refuse)
        for _ in range(2):
            log.write(line({"n": 1}))
            log.flush()
        self.patch(os, "write", self.real_write)
        log.write(line({"n": 2}))
        log.flush()
        self.assertEqual((self.lines(), log.dropped), ([{"n": 2}], 2))
        self.assertEqual(len(self.daemon_log), 2)
        self.assertIn("is written again; 2 lines were lost", self.daemon_log[1])

    real_write = staticmethod(os.write)

    @staticmethod
    def refuse(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def test_disk_full_in_the_middle_of_a_line(self) -> None:
        """The line that was cut gets its end as soon as there is room; those behind it are lost, and counted."""
        log = self.open()
        room = [12]

        def little_room(fd: int, data: bytes) -> int:
            if not room[0]:
                return self.refuse(fd, data)
            written = self.real_write(fd, bytes(data)[: room[0]])
            room[0] -= written
            return written

        self.patch(os, "write", little_room)
        for number in (1, 2, 3):
            log.write(line({"n": number}))  # 8 bytes each: there is room for one and a half
        log.flush()
        self.clock.advance(0.2)
        log.write(line({"n": 4}))
        self.clock.advance(0.2)
        room[0] = 1000
        log.write(line({"n": 5}))
        log.flush()
        self.assertEqual(self.path.read_bytes(), b'{"n":1}\n{"n":2}\n{"n":5}\n')
        self.assertEqual(log.dropped, 2)

    def test_reader_gone(self) -> None:
        """A closed pipe, as when the program that read standard output has ended."""
        reader, path = self.pipe()
        log = self.open(path)
        os.close(reader)
        log.write(line({"n": 1}))
        log.flush()
        log.write(line({"n": 2}))
        log.close()
        self.assertEqual(log.dropped, 2)
        self.assertIn("Broken pipe", self.daemon_log[0])

    def test_standard_output_closed(self) -> None:
        """The same where it is standard output itself."""
        reader, writer = os.pipe()
        out = os.fdopen(writer, "wb")
        self.addCleanup(out.close)
        self.patch(sys, "__stdout__", out)
        log = self.open("-")
        os.close(reader)
        log.write(line({"n": 1}))
        log.flush()
        self.assertEqual(log.dropped, 1)

    def test_slow_reader_is_not_waited_for(self) -> None:
        """What a full pipe does not take is offered again: nothing is lost, nothing is cut, nobody waits."""
        reader, path = self.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        log = self.open(path)
        for number in range(300):
            log.write(line({"n": number, "path": "x" * 1000}))
        self.assertEqual(log.dropped, 0)
        received = b""
        for _ in range(500):
            self.clock.advance(0.1)
            try:
                received += os.read(reader, 1 << 20)
            except BlockingIOError:
                break
        self.assertEqual([json.loads(line)["n"] for line in received.splitlines()], list(range(300)))
        self.assertEqual(log.dropped, 0)
        self.assertIn("too slow", self.daemon_log[0])

    def test_blocking_standard_output_is_not_waited_for(self) -> None:
        """Standard output is shared with others and so stays blocking; a full pipe must not stop the event loop."""
        # Waiting would be for ever: make it a failure.
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, self.waited))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 20, 1)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        out = os.fdopen(writer, "wb")
        self.addCleanup(out.close)
        self.patch(sys, "__stdout__", out)
        log = self.open("-")
        for number in range(100):
            log.write(line({"n": number, "path": "x" * 1000}))
        log.flush()
        self.assertTrue(os.get_blocking(writer))
        log.close()
        self.assertGreater(log.dropped, 90)

    def waited(self, _number: int, _frame: object) -> None:
        self.fail("it waits for the reader")

    def test_memory_is_bounded(self) -> None:
        """A reader that never reads costs 4 MiB; further lines are lost and counted."""
        reader, path = self.pipe()
        self.addCleanup(os.close, reader)
        log = self.open(path)
        for number in range(6000):
            log.write(line({"n": number, "path": "x" * 1000}))
        self.assertGreater(log.dropped, 6000 - 5 * 1024)
        self.assertLess(sum(map(len, log._lines)), 4 * 1024 * 1024 + 2048)


class PassedOnTests(AccessLogTestCase):
    """Lines of the workers, as their parent writes them."""

    def test_written_again_by_itself_once_there_is_room(self) -> None:
        """Nothing has to be sent to the daemon; the lines that came while there was no room and are not lost come too."""
        log = self.open()
        room = [20]
        real_write: Any = os.write

        def little_room(fd: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(28, "No space left on device")
            written: int = real_write(fd, bytes(data)[: room[0]])
            room[0] -= written
            return written

        self.patch(os, "write", little_room)
        for number in range(10):
            log.pass_on(line({"n": number}))
            self.clock.advance(0.2)
        room[0] = 10_000
        for number in range(10, 20):
            log.pass_on(line({"n": number}))
            self.clock.advance(0.2)
        kept = [each["n"] for each in self.lines()]
        self.assertEqual(kept, [0, 1, 2, *range(10, 20)])
        self.assertEqual(log.dropped, 7)

    def test_the_last_lines_do_not_wait_for_more(self) -> None:
        """A slow reader gets them as soon as it reads, though nobody makes another request."""
        reader, path = self.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        log = self.open(path)
        log.pass_on(b"".join(line({"n": number, "path": "x" * 1000}) for number in range(10)))
        received = b""
        for _ in range(20):
            self.clock.advance(0.1)
            with contextlib.suppress(BlockingIOError):
                received += os.read(reader, 1 << 20)
        self.assertEqual([json.loads(each)["n"] for each in received.splitlines()], list(range(10)))
        self.assertEqual((log.waiting, self.clock.getDelayedCalls()), (0, []))

    def test_lines_that_were_lost_on_the_way(self) -> None:
        log = self.open()
        log.lose(3)
        self.assertEqual(log.dropped, 3)


class StalledDiskTests(AccessLogTestCase):
    """A file is written by a thread; nobody else waits for the disk."""

    def setUp(self) -> None:
        super().setUp()
        self.thread = HeldThread()

    def open(self, destination: object = None) -> AccessLog:
        log = AccessLog(str(self.path if destination is None else destination), self.clock, self.thread)
        self.addCleanup(log.close)
        return log

    def test_lines_wait_for_the_disk(self) -> None:
        """In order, one block at a time."""
        log = self.open()
        for number in range(5):
            log.write(line({"n": number}))
            self.clock.advance(0.2)
        self.assertEqual((self.path.read_bytes(), len(self.thread.jobs)), (b"", 1))
        self.thread.work()
        self.clock.advance(0.2)
        self.thread.work()
        self.clock.advance(0.2)
        self.assertEqual([each["n"] for each in self.lines()], list(range(5)))
        self.assertEqual((log.waiting, log.dropped, self.clock.getDelayedCalls()), (0, 0, []))

    def test_memory_is_bounded(self) -> None:
        """4 MiB of lines; those above are lost, counted and told of."""
        log = self.open()
        for number in range(6000):
            log.write(line({"n": number, "path": "x" * 1000}))
        self.assertLess(log.waiting, 4 * 1024 * 1024 + 2048)
        self.assertGreater(log.dropped, 1000)
        self.assertIn("the disk is too slow", self.daemon_log[0])
        self.thread.work()
        self.clock.advance(0.2)
        self.thread.work()
        self.clock.advance(0.2)
        self.assertEqual(len(self.lines()) + log.dropped, 6000)
        self.assertIn("is written again", self.daemon_log[1])

    def test_reopened_while_the_disk_stalls(self) -> None:
        """What came before goes to the renamed file, what comes behind to the new one; both are closed in the end."""
        before = open_files()
        log = self.open()
        old = self.path.with_suffix(".1")
        log.write(line({"n": 1}))
        log.flush()
        log.write(line({"n": 2}))
        self.path.rename(old)
        log.reopen()
        log.write(line({"n": 3}))
        log.close()
        self.assertEqual((self.lines(old), self.lines(), log.dropped), ([{"n": 1}, {"n": 2}], [{"n": 3}], 0))
        self.assertEqual(open_files(), before)

    def test_full_disk_is_counted_too(self) -> None:
        log = self.open("/dev/full")
        log.write(line({"n": 1}))
        log.close()
        self.assertEqual(log.dropped, 1)

    def test_file_that_ends_within_a_line(self) -> None:
        """Somebody's disk was full when the process ended: the next one's lines begin on a line of their own."""
        self.path.write_bytes(b'{"n":1}\n{"n"')
        log = self.open()
        log.write(line({"n": 3}))
        log.close()
        self.assertEqual(self.path.read_bytes(), b'{"n":1}\n{"n"\n{"n":3}\n')


SECRET = "sk-proj-Zm9v/Bar+baz=0123456789"


class RedactorTests(unittest.TestCase):
    """Secrets in all their spellings."""

    def setUp(self) -> None:
        self.redactor = Redactor()
        self.redactor.replace([SECRET, "Bearer sk-second-secret"])

    def test_as_it_is(self) -> None:
        """Each time it occurs; the words around it stay."""
        text = self.redactor.clean(f"got {SECRET} and ({SECRET})")
        self.assertEqual(text, "got *** and (***)")

    def test_in_a_url(self) -> None:
        """Percent-encoded, as in a query."""
        self.assertEqual(self.redactor.clean(f"/v1?key={quote(SECRET, safe='')}&x=1"), "/v1?key=***&x=1")

    def test_with_and_without_bearer(self) -> None:
        """A secret may be configured with the word; it is none."""
        self.assertEqual(self.redactor.clean("Authorization: Bearer sk-second-secret"), "Authorization: Bearer ***")
        self.assertEqual(self.redactor.clean("x-api-key: sk-second-secret"), "x-api-key: ***")

    @given(st.binary(max_size=7), st.binary(max_size=7))
    def test_in_base64(self, before: bytes, after: bytes) -> None:
        """Wherever in the encoded text it stands, as in Basic authentication: what is left does not give it away."""
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(before + SECRET.encode() + after).decode()
            self.assertLessEqual(len(self.redactor.clean(encoded)), len(encoded) - len(SECRET))

    def test_longer_one_first(self) -> None:
        """A secret that begins with another leaves no tail."""
        self.redactor.replace(["sk-abcdef", "sk-abcdef-and-more"])
        self.assertEqual(self.redactor.clean("sk-abcdef-and-more"), "***")

    def test_words_stay(self) -> None:
        """A secret as short as a word would make the log unreadable, and is no secret."""
        self.redactor.replace(["on", "", "Bearer x"])
        self.assertEqual(self.redactor.clean("nothing on x"), "nothing on x")

    def test_replaced_by_a_reload(self) -> None:
        """The secrets of the configuration served are those that matter."""
        self.redactor.replace(["another-secret"])
        self.assertEqual(self.redactor.clean(f"another-secret {SECRET}"), f"*** {SECRET}")


class JsonObserverTests(unittest.TestCase):
    """The daemon's log as lines that programs read."""

    def setUp(self) -> None:
        self.written: list[bytes] = []
        self.observer = JsonObserver(self.written.append)
        self.log = Logger("aigw.test", observer=self.observer)
        net = Redactor()
        net.replace([SECRET])
        self.patch(logs, "redactor", net)

    def line(self) -> dict[str, str]:
        (line,) = self.written
        self.assertTrue(line.endswith(b"\n"))
        self.assertEqual(line.count(b"\n"), 1)
        fields = json.loads(line)
        self.assertIsInstance(fields, dict)
        return dict(fields)

    def test_line(self) -> None:
        """Time in UTC to the millisecond, level, where from, and the message with its values in place."""
        self.observer(
            {
                "log_time": 1795251600.0625,
                "log_level": LogLevel.warn,
                "log_namespace": "aigw.gateway",
                "log_format": "reload refused: {line}",
                "line": "x",
            }
        )
        self.assertEqual(
            self.line(),
            {
                "time": "2026-11-21T09:00:00.062Z",
                "level": "warn",
                "logger": "aigw.gateway",
                "message": "reload refused: x",
            },
        )

    def test_nothing_else_gets_in(self) -> None:
        """Values that an event carries beside its message stay out: nobody has looked at them."""
        self.log.info("said {a}", a=1, prompt="my prompt", request=object())
        self.assertEqual(set(self.line()), {"time", "level", "logger", "message"})
        self.assertNotIn(b"my prompt", self.written[0])

    def test_traceback(self) -> None:
        """One line all the same, the traceback as text within it."""
        try:
            raise ValueError("broken")
        except ValueError:
            self.log.failure("it broke", Failure())
        line = self.line()
        self.assertEqual((line["message"], line["level"]), ("it broke", "critical"))
        self.assertIn("ValueError: broken", line["traceback"])
        self.assertIn("test_traceback", line["traceback"])

    def test_secret_in_a_message(self) -> None:
        """In the text, and in what a value turns out to be."""
        self.log.error("sent {header} to {host}", header=ValueError(f"Bearer {SECRET}"), host="h")
        self.assertEqual(self.line()["message"], "sent Bearer *** to h")

    def test_secret_in_a_traceback(self) -> None:
        """The exception text that nobody thought of."""
        try:
            raise ValueError(f"bad header {SECRET}")
        except ValueError:
            self.log.failure("failed", Failure())
        self.assertNotIn(SECRET, self.line()["traceback"])
        self.assertIn("bad header ***", self.line()["traceback"])

    def test_text_that_is_not_unicode(self) -> None:
        """A file name may be anything."""
        self.log.info("cannot open {name}", name="\udcff.toml")
        self.assertEqual(self.line()["message"], "cannot open \\udcff.toml")

    def test_event_that_cannot_be_formatted(self) -> None:
        """A wrong format is told about, not thrown at whoever logged."""
        self.log.info("{missing} {", x=1)
        self.assertIn("Unable to format event", self.line()["message"])

    def test_output_that_fails(self) -> None:
        """A log that raised would be logged."""
        observer = JsonObserver(self.fail_to_write)
        trouble: list[object] = []
        publisher = LogPublisher(observer, FilteringLogObserver(trouble.append, [self.errors_only]))
        Logger(observer=publisher).info("hello")
        self.assertEqual(trouble, [])

    @staticmethod
    def fail_to_write(_line: bytes) -> None:
        raise BrokenPipeError

    @staticmethod
    def errors_only(event: dict[str, Any]) -> Any:
        return PredicateResult.no if event["log_level"] is LogLevel.info else PredicateResult.yes

    def test_factory_writes_to_the_real_standard_error(self) -> None:
        """``twistd --logger=aigw.logs.json`` calls it without arguments. What Twisted puts in place of sys.stderr logs what
        is written to it: writing there would never end."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        stream = os.fdopen(writer, "w")
        self.addCleanup(stream.close)
        self.patch(sys, "__stderr__", stream)
        self.patch(logs.atexit, "register", lambda _function: None)
        self.patch(logs, "_daemon_logs", [])
        observer = logs.json()
        self.patch(sys, "stderr", object())
        self.patch(sys, "stdout", object())
        observer({"log_format": "hello", "log_level": LogLevel.info, "log_time": 0.0})
        self.assertEqual(json.loads(os.read(reader, 4096))["message"], "hello")
        self.assertEqual(logs.daemon_log_lost(), 0)

    def test_time_is_there_without_one(self) -> None:
        """Events of other libraries may lack what Twisted adds."""
        self.observer({"log_format": "x"})
        self.assertRegex(self.line()["time"], re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"))
