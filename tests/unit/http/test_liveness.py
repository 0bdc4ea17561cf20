"""Connections that have died silently: what the kernel is told, and what is made of what it says."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.error import ConnectionLost
from twisted.trial import unittest

from aigw.http import client
from aigw.http.liveness import silence_of, stall_of, unacknowledged, watch
from tests.unit.http.fakes import HELLO, POST, Scene, Sink


class FakeSocket:
    """Remembers its options."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.family = family
        self.options: dict[tuple[int, int], int] = {}

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if self.family == socket.AF_UNIX and level == socket.IPPROTO_TCP:
            raise OSError
        self.options[level, option] = value


class OptionsTests(unittest.TestCase):
    """What is set, and from what it is derived."""

    def test_silence_is_the_shortest_that_ends_it_otherwise(self) -> None:
        """Within bounds: not so short that a lost packet counts, not longer than states are kept."""
        self.assertEqual(
            [silence_of(60, 60), silence_of(600, 90), silence_of(0.3), silence_of(3600, 900)], [60, 90, 10, 240]
        )
        self.assertEqual([stall_of(5), stall_of(0.3), stall_of(60)], [1.25, 0.5, 2.5])

    def test_probes_come_before_it_is_over(self) -> None:
        sock: Any = FakeSocket()
        watch(sock, 60)
        tcp = socket.IPPROTO_TCP
        self.assertEqual(sock.options[socket.SOL_SOCKET, socket.SO_KEEPALIVE], 1)
        self.assertEqual((sock.options[tcp, socket.TCP_KEEPIDLE], sock.options[tcp, socket.TCP_KEEPINTVL]), (15, 15))
        self.assertEqual(sock.options[tcp, socket.TCP_USER_TIMEOUT], 60_000)

    def test_other_sockets_are_left_alone(self) -> None:
        """What is not read by the other side of a Unix socket says nothing: it may be busy."""
        sock: Any = FakeSocket(socket.AF_UNIX)
        watch(sock, 60)
        self.assertIsNone(unacknowledged(sock))


class ReplayTests(unittest.TestCase):
    """A call on a reused connection without an answer."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.queued: int | None = 0
        patch = mock.patch.object(client, "unacknowledged", lambda _: self.queued)
        patch.start()
        self.addCleanup(patch.stop)

    def reused(self) -> tuple[Sink, Any, Any]:
        """A call on a connection that has carried one before."""
        wire = self.scene.idle()
        connection = next(iter(next(iter(self.scene.pool._lanes.values())).open))
        connection._wire = mock.Mock(socket=FakeSocket(), dataBuffer=b"", offset=0, _tempDataLen=0, _tempDataBuffer=[])
        sink, call = self.scene.begin(POST)
        wire.taken()
        return sink, call, wire

    def test_nothing_acknowledged(self) -> None:
        """It goes to a fresh connection, long before any timeout; the silent one is closed, and those beside it."""
        sink, call, wire = self.reused()
        _, _, beside = self.scene.connected()
        beside.send(HELLO)
        self.queued = len(POST)
        self.scene.pass_time(2.7)
        self.assertEqual((wire.closed, beside.closed), (True, True))
        fresh = self.scene.upstream.accept()
        self.assertEqual((fresh.taken(), call.attempts), (POST, 2))
        fresh.send(HELLO)
        self.assertEqual((sink.body, sink.failure), (b"hello", None))

    def test_only_once(self) -> None:
        """What is not acknowledged on a fresh connection either is left to the timeouts."""
        sink, call, _ = self.reused()
        self.queued = len(POST)
        self.scene.pass_time(2.7)
        fresh = self.scene.upstream.accept()
        self.scene.pass_time(20)
        self.assertFalse(fresh.closed)
        self.assertEqual((call.attempts, self.scene.upstream.attempts, sink.over), (2, [], False))

    def test_one_byte_acknowledged(self) -> None:
        """Somebody is there, and takes its time: nothing is sent again, not even when the connection is lost."""
        sink, call, wire = self.reused()
        self.queued = len(POST) - 1
        self.scene.pass_time(20)
        self.assertFalse(wire.closed)
        wire.lose(ConnectionLost())
        self.assertEqual((sink.kind, call.attempts, self.scene.upstream.attempts), ("reset", 1, []))

    def test_lost_before_anybody_has_looked(self) -> None:
        """As it always was: a close that crossed with the request cannot be told from one that came before it."""
        sink, call, wire = self.reused()
        wire.lose(ConnectionLost())
        fresh = self.scene.upstream.accept()
        self.assertEqual((fresh.taken(), call.attempts), (POST, 2))
        fresh.send(HELLO)
        self.assertEqual(sink.body, b"hello")

    def test_answer_has_begun(self) -> None:
        """Whatever waits in the kernel then is not looked at."""
        _, call, wire = self.reused()
        wire.send(b"HTTP/1.1 200 OK\r\n")
        self.queued = len(POST)
        self.scene.pass_time(20)
        self.assertEqual((call.attempts, wire.closed), (1, False))

    def test_fresh_connection_is_not_looked_at(self) -> None:
        _, call, wire = self.scene.connected(POST)
        self.queued = len(POST)
        self.scene.pass_time(20)
        self.assertEqual((call.attempts, wire.closed, self.scene.pool.watching), (1, False, False))

    def test_what_cannot_be_known(self) -> None:
        self.queued = None
        _, call, wire = self.reused()
        self.scene.pass_time(20)
        self.assertEqual((call.attempts, wire.closed), (1, False))

    def test_one_question_a_call(self) -> None:
        """Whoever waits for a model for minutes is asked about once."""
        asked: list[int] = []
        with mock.patch.object(client, "unacknowledged", lambda _: asked.append(1) or 0):
            self.reused()
            self.scene.pass_time(60)
        self.assertEqual((len(asked), self.scene.pool.watching), (1, False))
