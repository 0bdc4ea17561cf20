"""Messages between parent and worker: whatever pieces they come in, and whoever ends first."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.trial import unittest

from aigw.config.errors import ConfigError, Problem
from aigw.daemon import Refused
from aigw.workers.link import Link, LinkLost, Message


class Transport(StringTransport):
    """Takes descriptors along, as Unix sockets do."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors: list[int] = []

    def sendFileDescriptor(self, descriptor: int) -> None:
        self.descriptors.append(descriptor)


class Pair:
    """Two ends in memory.

    :ivar heard: the messages that the worker's end was asked to act on.
    """

    def __init__(self, act: Callable[[Message], Any] = lambda message: None) -> None:
        self.heard: list[Message] = []
        self.lost: list[str] = []
        self.parent = Link({}, lambda: self.lost.append("parent"))
        self.worker = Link({"do": lambda message: self._act(message, act)}, lambda: self.lost.append("worker"))
        self.down, self.up = Transport(), Transport()
        self.parent.makeConnection(self.down)
        self.worker.makeConnection(self.up)

    def _act(self, message: Message, act: Callable[[Message], Any]) -> Any:
        self.heard.append(message)
        return act(message)

    def carry(self, cuts: Sequence[int] = ()) -> None:
        """Bring over what was written, cut into pieces."""
        for transport, end in ((self.down, self.worker), (self.up, self.parent)):
            data = transport.value()
            transport.clear()
            for descriptor in transport.descriptors:
                end.fileDescriptorReceived(descriptor)
            transport.descriptors = []
            places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
            for begin, finish in itertools.pairwise(places):
                end.dataReceived(data[begin:finish])


class LinkTests(unittest.TestCase):
    """What is asked, and what is answered."""

    @given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.integers(0, 9)), st.lists(st.integers(0)))
    def test_any_pieces(self, payload: bytes, fields: dict[str, int], cuts: list[int]) -> None:
        """Payload, fields and the answer come over as they are, wherever the bytes are cut."""
        pair = Pair(lambda message: message.payload[::-1])
        first, second = pair.parent.ask("do", payload, extra=fields), pair.parent.ask("do")
        pair.carry(cuts)
        self.assertEqual([message.payload for message in pair.heard], [payload, b""])
        self.assertEqual(pair.heard[0].fields, {"extra": fields})
        self.assertEqual(self.successResultOf(first), payload[::-1])
        self.assertEqual(self.successResultOf(second), b"")

    def test_later_answers_in_any_order(self) -> None:
        """Each goes to the question that it is for."""
        waiting: list[Deferred[bytes]] = []

        def act(_message: Message) -> Deferred[bytes]:
            waiting.append(Deferred())
            return waiting[-1]

        pair = Pair(act)
        first, second = pair.parent.ask("do"), pair.parent.ask("do")
        pair.carry()
        waiting[1].callback(b"two")
        pair.carry()
        self.assertNoResult(first)
        self.assertEqual(self.successResultOf(second), b"two")
        waiting[0].callback(b"one")
        pair.carry()
        self.assertEqual(self.successResultOf(first), b"one")

    def test_telling_has_no_answer(self) -> None:
        pair = Pair()
        pair.parent.tell("do", amount=1)
        pair.carry()
        self.assertEqual(pair.heard[0].fields, {"amount": 1})
        self.assertEqual(pair.up.value(), b"")

    def test_descriptors_go_with_their_messages(self) -> None:
        """Even where they arrive ahead of them."""
        pair = Pair()
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        for descriptor in files:
            self.addCleanup(os.close, descriptor)
        pair.parent.ask("do", b"", files[:2]).addErrback(lambda _: None)
        pair.parent.tell("do")
        pair.parent.tell("do", files[2:])
        pair.carry()
        self.assertEqual([list(message.descriptors) for message in pair.heard], [files[:2], [], files[2:]])

    def test_descriptors_are_not_inherited(self) -> None:
        """A program that a worker starts must not hold its sockets."""
        pair = Pair()
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        os.set_inheritable(read, True)
        pair.worker.fileDescriptorReceived(read)
        self.assertFalse(os.get_inheritable(read))


class FailureTests(unittest.TestCase):
    """What goes wrong."""

    def refused(self, error: Exception) -> str:
        def act(_message: Message) -> None:
            raise error

        pair = Pair(act)
        asked = pair.parent.ask("do")
        pair.carry()
        return str(self.failureResultOf(asked, Refused).value)

    def test_refusals_come_in_words(self) -> None:
        """All lines of them."""
        problems = [Problem("a.toml", 3, "x.y", "is bad"), Problem("a.toml", 4, "x.z", "is worse")]
        self.assertEqual(self.refused(ConfigError(problems)), "a.toml:3: x.y: is bad\na.toml:4: x.z: is worse")
        self.assertEqual(self.refused(Refused("no \udcff")), "no \\udcff")

    def test_bugs_are_told_and_logged(self) -> None:
        self.assertEqual(self.refused(ZeroDivisionError("by zero")), "by zero")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.refused(ZeroDivisionError()), "ZeroDivisionError")
        self.flushLoggedErrors(ZeroDivisionError)

    def test_unknown_verb(self) -> None:
        pair = Pair()
        asked = pair.parent.ask("dance")
        pair.carry()
        self.assertIn("dance", str(self.failureResultOf(asked, Refused).value))

    def test_failure_of_what_was_told(self) -> None:
        """There is nobody to answer; it is logged."""

        def act(_message: Message) -> None:
            raise ZeroDivisionError

        pair = Pair(act)
        pair.parent.tell("do")
        pair.carry()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_lost_link_fails_what_waits(self) -> None:
        """And everything after it."""
        pair = Pair()
        asked = pair.parent.ask("do")
        pair.parent.connectionLost()
        self.failureResultOf(asked, LinkLost)
        self.failureResultOf(pair.parent.ask("do"), LinkLost)
        pair.down.clear()
        pair.parent.tell("do")
        self.assertEqual(pair.down.value(), b"")
        self.assertEqual(pair.lost, ["parent"])

    def test_answer_to_a_lost_link(self) -> None:
        """Whoever asked is gone when the work is done."""
        work: Deferred[bytes] = Deferred()
        pair = Pair(lambda _message: work)
        pair.parent.ask("do").addErrback(lambda _: None)
        pair.carry()
        pair.worker.connectionLost()
        work.callback(b"late")
        self.assertEqual(pair.up.value(), b"")

    def test_cancelled_question(self) -> None:
        """Its answer is nobody's; the next one's is still its own."""
        pair = Pair(lambda message: message.payload)
        asked = pair.parent.ask("do", b"1")
        asked.addErrback(lambda _: None)
        asked.cancel()
        other = pair.parent.ask("do", b"2")
        pair.carry()
        self.assertEqual(self.successResultOf(other), b"2")

    def test_nonsense_ends_the_link(self) -> None:
        """A length that no message has must not fill the memory."""
        pair = Pair()
        pair.worker.dataReceived(b"\xff" * 8)
        self.assertTrue(pair.up.disconnected)
