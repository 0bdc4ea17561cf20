"""The shorter loop around ``epoll_wait`` does what Twisted's does."""

from __future__ import annotations

import socket
from threading import Event, Thread
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.http.polling import poll_plainly


class Watched:
    """One end of a pair of sockets, as the reactor knows what it watches.

    :ivar answer: what reading returns, or raises.
    """

    def __init__(self, reactor: EPollReactor) -> None:
        self.reactor = reactor
        self.socket, self.other = socket.socketpair()
        self.socket.setblocking(False)
        self.seen: list[Any] = []
        self.answer: Any = None

    def fileno(self) -> int:
        return self.socket.fileno()

    def logPrefix(self) -> str:
        return "watched"

    def doRead(self) -> Any:
        self.seen.append(self.socket.recv(100))
        if isinstance(self.answer, Exception) and not isinstance(self.answer, ConnectionDone):
            raise self.answer
        return self.answer

    def doWrite(self) -> None:
        self.seen.append("writable")
        self.reactor.removeWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        self.seen.append(reason.type)

    def close(self) -> None:
        self.socket.close()
        self.other.close()


class TwistedTests(unittest.TestCase):
    """What Twisted's own loop does."""

    plainly = False

    def setUp(self) -> None:
        self.reactor = EPollReactor()
        if self.plainly:
            self.assertTrue(poll_plainly(self.reactor))
        self.addCleanup(self.reactor._poller.close)
        self.watched = Watched(self.reactor)
        self.addCleanup(self.watched.close)
        self.reactor.addReader(self.watched)

    def turn(self) -> list[Any]:
        """What one turn of the loop brought."""
        self.reactor.doPoll(0)
        seen, self.watched.seen = self.watched.seen, []
        return seen

    def test_bytes(self) -> None:
        self.assertEqual(self.turn(), [])
        self.watched.other.send(b"abc")
        self.assertEqual(self.turn(), [b"abc"])
        self.assertEqual(self.turn(), [])

    def test_room_to_write(self) -> None:
        self.reactor.addWriter(self.watched)
        self.assertEqual(self.turn(), ["writable"])
        self.assertEqual(self.turn(), [])

    def test_both(self) -> None:
        self.reactor.addWriter(self.watched)
        self.watched.other.send(b"abc")
        self.assertEqual(self.turn(), [b"abc", "writable"])

    def test_reader_that_is_done(self) -> None:
        """It is told, and watched no more."""
        self.watched.other.send(b"abc")
        self.watched.answer = CONNECTION_DONE
        self.assertEqual(self.turn(), [b"abc", ConnectionDone])
        self.assertNotIn(self.watched, self.reactor.getReaders())

    def test_reader_that_raises(self) -> None:
        """It is logged, and the reader told that it is over; others go on."""
        self.watched.other.send(b"abc")
        self.watched.answer = ValueError("fault")
        self.assertEqual(self.turn(), [b"abc", ValueError])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertNotIn(self.watched, self.reactor.getReaders())

    def test_other_side_that_is_gone(self) -> None:
        """Its end is read."""
        self.watched.answer = CONNECTION_DONE
        self.watched.other.close()
        self.assertEqual(self.turn(), [b"", ConnectionDone])

    def test_one_that_another_has_removed(self) -> None:
        """Its event came with the other's, and is nobody's any more."""
        second = Watched(self.reactor)
        self.addCleanup(second.close)
        self.reactor.addReader(second)

        def read_and_remove(reader: Watched, removed: Watched) -> Any:
            reader.socket.recv(100)
            reader.seen.append("read")
            self.reactor.removeReader(removed)

        self.watched.doRead = lambda: read_and_remove(self.watched, second)  # type: ignore[method-assign]
        second.doRead = lambda: read_and_remove(second, self.watched)  # type: ignore[method-assign]
        for watched in (self.watched, second):
            watched.other.send(b"x")
        self.reactor.doPoll(0)
        self.assertEqual(len(self.watched.seen) + len(second.seen), 1)

    # -- what else the main loop looks for, asked of it while events come without a pause

    def run_until_stopped(self, *, busy: bool = True) -> list[Any]:
        """The main loop, with a far timer, and a socket that always has something to read while ``busy``.

        :returns: what was seen until its end.
        """
        reactor = self.reactor
        reactor.addSystemEventTrigger("after", "shutdown", self.watched.seen.append, "end")
        if busy:
            self.watched.doRead = lambda: self.watched.seen.append("read")  # type: ignore[method-assign]
            self.watched.other.send(b"never taken")
        reactor.callLater(3600, self.watched.seen.append, "fired")
        reactor.run(installSignalHandlers=False)
        # Its own: those of the process's reactor are another's.
        for reader in reactor.removeAll():
            if reader is not self.watched:
                reader.connectionLost(Failure(CONNECTION_DONE))
        return [seen for seen in self.watched.seen if seen is not ConnectionLost]

    def test_timer_beside_events(self) -> None:
        self.reactor.callLater(0.01, self.reactor.stop)
        seen = self.run_until_stopped()
        self.assertEqual(seen[-1], "end")
        self.assertIn("read", seen)

    def test_timer_that_an_event_sets(self) -> None:
        def read() -> None:
            self.watched.socket.recv(1)
            self.reactor.callLater(0.01, self.reactor.stop)

        self.watched.doRead = read  # type: ignore[method-assign]
        self.watched.other.send(b"x")
        self.assertEqual(self.run_until_stopped(busy=False), ["end"])

    def test_timer_that_an_event_brings_forward(self) -> None:
        timer = self.reactor.callLater(3600, self.reactor.stop)

        def read() -> None:
            self.watched.socket.recv(1)
            timer.reset(0.01)

        self.watched.doRead = read  # type: ignore[method-assign]
        self.reactor.callLater(0, self.watched.other.send, b"x")
        self.assertEqual(self.run_until_stopped(busy=False), ["end"])

    def test_timer_that_an_event_cancels(self) -> None:
        """The one behind it fires in its time."""
        timer = self.reactor.callLater(0.005, self.watched.seen.append, "cancelled")
        self.reactor.callLater(0.01, self.reactor.stop)

        def read() -> None:
            self.watched.socket.recv(1)
            timer.cancel()

        self.watched.doRead = read  # type: ignore[method-assign]
        self.watched.other.send(b"x")
        self.assertEqual(self.run_until_stopped(busy=False), ["end"])

    def test_call_from_a_thread(self) -> None:
        """Made while events come."""
        began = Event()

        def call() -> None:
            began.wait(30)
            self.reactor.callFromThread(self.reactor.stop)

        thread = Thread(target=call)
        thread.start()
        self.addCleanup(thread.join)

        def read() -> None:
            self.watched.seen.append("read")
            if len(self.watched.seen) == 10:
                began.set()

        self.watched.doRead = read  # type: ignore[method-assign]
        self.watched.other.send(b"never taken")
        self.assertEqual(self.run_until_stopped(busy=False)[-1], "end")

    def test_one_turn(self) -> None:
        """``iterate`` looks at what is there, and does not wait for the next timer."""

        def iterate() -> None:
            self.reactor.callLater(3600, self.watched.seen.append, "fired")
            self.watched.other.send(b"abc")
            self.reactor.iterate(0)
            self.reactor.stop()

        self.reactor.callWhenRunning(iterate)
        self.assertEqual(self.run_until_stopped(busy=False), [b"abc", "end"])

    def test_stop_within_an_event(self) -> None:
        self.watched.doRead = self.reactor.stop  # type: ignore[method-assign]
        self.watched.other.send(b"x")
        self.assertEqual(self.run_until_stopped(busy=False), ["end"])

    def test_crash_within_an_event(self) -> None:
        self.watched.doRead = self.reactor.crash  # type: ignore[method-assign]
        self.watched.other.send(b"x")
        self.assertEqual(self.run_until_stopped(busy=False), [])


class PlainTests(TwistedTests):
    """poll_plainly() does the same."""

    plainly = True

    def test_no_turn_of_the_loop_for_an_event(self) -> None:
        """Twisted is asked for timers when one is due, not after each event."""
        turns: list[str] = []
        turn = self.reactor.runUntilCurrent
        self.reactor.runUntilCurrent = lambda: (turns.append("turn"), turn())[1]  # type: ignore[method-assign]
        self.watched.other.send(bytes(100))
        left = iter(range(99))

        def read() -> None:
            self.watched.socket.recv(1)
            if next(left, None) is None:
                self.reactor.stop()

        self.watched.doRead = read  # type: ignore[method-assign]
        self.assertEqual(self.run_until_stopped(busy=False), ["end"])
        self.assertLess(len(turns), 10)

    def test_other_reactors_stay_as_they_are(self) -> None:
        reactor = SelectReactor()
        loop = reactor.doIteration
        self.assertFalse(poll_plainly(reactor))
        self.assertEqual(reactor.doIteration, loop)
