"""The shorter loop around ``epoll_wait`` does what Twisted's does."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
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


class PlainTests(TwistedTests):
    """poll_plainly() does the same."""

    plainly = True

    def test_other_reactors_stay_as_they_are(self) -> None:
        reactor = SelectReactor()
        loop = reactor.doIteration
        self.assertFalse(poll_plainly(reactor))
        self.assertEqual(reactor.doIteration, loop)
