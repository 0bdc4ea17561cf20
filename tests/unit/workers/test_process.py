"""What a worker says and how it ends, as its parent understands it."""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import orjson
from hypothesis import given
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.workers.link import Message
from aigw.workers.process import Beat, Lines, WorkerProcess, command, environment


class LinesTests(unittest.TestCase):
    """Bytes in pieces, lines out."""

    @given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0)))
    def test_whole_lines_and_nothing_lost(self, lines: list[bytes], cuts: list[int]) -> None:
        """In whatever pieces they come."""
        data = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
        places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        taken: list[bytes] = []
        gathered = Lines(taken.append)
        for begin, end in itertools.pairwise(places):
            gathered.feed(data[begin:end])
        self.assertTrue(all(block.endswith(b"\n") for block in taken))
        self.assertEqual(b"".join(taken), data)

    def test_last_line_of_one_that_was_killed(self) -> None:
        """It was cut; it ends with its line feed all the same, so that the next one begins on its own."""
        taken: list[bytes] = []
        lines = Lines(taken.append)
        lines.feed(b'{"a":1}\n{"b"')
        lines.close()
        lines.close()
        self.assertEqual(taken, [b'{"a":1}\n', b'{"b"\n'])

    def test_half_a_line_of_the_access_log_is_none(self) -> None:
        """Whoever reads it gets whole lines only; what one that was killed had begun is lost, and counted."""
        taken: list[bytes] = []
        lost: list[int] = []
        lines = Lines(taken.append, lost.append)
        lines.feed(b'{"a":1}\n{"b"')
        lines.close()
        lines.close()
        self.assertEqual((taken, lost), ([b'{"a":1}\n'], [1]))

    @given(st.lists(st.integers(1, 300_000), max_size=10))
    def test_too_long_a_line_is_dropped_whole(self, pieces: list[int]) -> None:
        """Not passed on in pieces that are no JSON; those around it are, in whatever pieces it comes."""
        taken: list[bytes] = []
        lost: list[int] = []
        lines = Lines(taken.append, lost.append)
        lines.feed(b'{"a":1}\n{"b":"')
        for size in (*pieces, 1 << 20, 1):
            lines.feed(b"x" * size)
        lines.feed(b'"}\n{"c":1}\n')
        lines.feed(b'{"d":1}\n')
        self.assertEqual((b"".join(taken), lost), (b'{"a":1}\n{"c":1}\n{"d":1}\n', [1]))

    def test_no_line_without_end(self) -> None:
        """Output without line feeds is passed on some time, and does not fill the memory."""
        taken: list[bytes] = []
        lines = Lines(taken.append)
        for _ in range(40):
            lines.feed(b"x" * 65536)
        self.assertGreaterEqual(sum(map(len, taken)), 30 * 65536)


class ProcessTests(unittest.TestCase):
    """A process that is not there: its protocol alone."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.access_log: list[bytes] = []
        self.lost: list[int] = []
        self.process = WorkerProcess(2, self.clock.seconds, self.access_log.append, self.lost.append)
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def said(self) -> list[tuple[LogLevel, str]]:
        return [(event["log_level"], f"{event['number']}: {event['text']}") for event in self.events if "text" in event]

    def test_access_log_is_passed_on_whole(self) -> None:
        self.process.childDataReceived(1, b'{"a":')
        self.process.childDataReceived(1, b'1}\n{"b":2}\n')
        self.assertEqual(self.access_log, [b'{"a":1}\n{"b":2}\n'])
        self.assertEqual(self.events, [])

    def test_own_log_keeps_its_level_and_name(self) -> None:
        """Events are the worker's, with its number."""
        line = {"time": "t", "level": "warn", "logger": "aigw.x", "message": "{odd}", "traceback": "T\n"}
        self.process.childDataReceived(2, orjson.dumps(line) + b"\n")
        self.assertEqual(self.said(), [(LogLevel.warn, "2: {odd}\nT")])
        self.assertEqual(self.events[0]["log_namespace"], "aigw.x")

    def test_anything_else_is_an_error(self) -> None:
        """A traceback of the interpreter's at start, say; JSON that is no event, too."""
        self.process.childDataReceived(2, b'Traceback\n  {x}\n\n{"a":1}\n[1]\n"x"\n')
        texts = ["Traceback", "  {x}", '{"a":1}', "[1]", '"x"']
        self.assertEqual(self.said(), [(LogLevel.error, f"2: {text}") for text in texts])

    def test_beats(self) -> None:
        """What it says of itself, and when it was heard."""
        self.clock.advance(5)
        fields = {"connections": 3, "requests": 2, "memory": 1 << 20, "cpu": 0.5}
        self.process.link._act(Message("beat", fields))
        self.assertEqual(self.process.beat, Beat(3, 2, 1 << 20, 0.5))
        self.assertEqual(self.process.heard, 5)

    def ended(self, error: Exception) -> str:
        process = WorkerProcess(1, self.clock.seconds, self.access_log.append, self.lost.append)
        process.ready = True
        process.childDataReceived(1, b"half")
        process.processEnded(Failure(error))
        self.assertFalse(process.ready)
        self.assertEqual((self.access_log, self.lost.pop()), ([], 1))
        return self.successResultOf(process.ended)

    def test_how_it_ended(self) -> None:
        """In words, by status or by signal."""
        self.assertEqual(self.ended(ProcessDone(0)), "ended with status 0")
        self.assertEqual(self.ended(ProcessTerminated(3)), "ended with status 3")
        self.assertEqual(self.ended(ProcessTerminated(None, 9)), "was killed by SIGKILL")
        self.assertEqual(self.ended(ProcessTerminated(None, 64 - 5)), "was killed by signal 59")

    def test_lost_link_means_not_ready(self) -> None:
        """Nothing can be asked of it any more."""
        self.process.ready = True
        self.process.link.connectionLost()
        self.assertFalse(self.process.ready)


class StartTests(unittest.TestCase):
    """How a worker is started."""

    def test_same_interpreter_and_modules(self) -> None:
        """Those of the parent, wherever it found them; not those of the directory that it happens to be in."""
        with mock.patch.object(sys, "path", ["", "/a", "b"]):
            path = environment({})["PYTHONPATH"]
        here = os.getcwd()  # noqa: PTH109
        self.assertEqual(path, f"{here}:/a:{here}/b")
        line = command(3, "twisted.internet.epollreactor")
        self.assertEqual(line, [sys.executable, "-P", "-m", "aigw.tap", "3", "twisted.internet.epollreactor"])

    def test_service_managers_variables_stay_behind(self) -> None:
        """A worker that told systemd that it is ready would be one too many; the rest of the environment is there."""
        ours = {"HOME": "/", "NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "1", "LISTEN_FDS": "1", "AWS_PROFILE": "p"}
        theirs = environment(ours)
        self.assertEqual({*theirs} - {"PYTHONPATH"}, {"HOME", "AWS_PROFILE"})
