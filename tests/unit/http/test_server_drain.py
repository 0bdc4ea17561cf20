"""The end of a server: nothing that was begun is lost, nothing is waited for that nobody needs."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.errors import GatewayError, Overloaded
from aigw.http.request import Request
from tests.unit.http.connection import Connection, get, post


class DrainTests(unittest.SynchronousTestCase):
    """ServerFactory.drain."""

    def setUp(self) -> None:
        self.connection = Connection()
        self.factory = self.connection.factory
        self.site = self.connection.site

    def test_nothing_open(self) -> None:
        """Fires at once."""
        self.connection.leave()
        self.successResultOf(self.factory.drain())

    def test_idle_connections_are_closed_now(self) -> None:
        """It fires when they are gone; so does a second one."""
        self.connection.send(get())
        first, second = self.factory.drain(), self.factory.drain()
        self.assertTrue(self.connection.transport.disconnecting)
        self.assertNoResult(first)
        self.connection.leave()
        self.successResultOf(first)
        self.successResultOf(second)

    def test_answers_are_waited_for_and_say_close(self) -> None:
        """What is pipelined behind them is not served."""
        self.site.answer = lambda request: None
        self.connection.send(get(b"/1"), get(b"/2"))
        self.factory.drain()
        self.assertTrue(self.connection.open)
        self.site.requests[0].respond(200, [], b"late")
        self.assertEqual(self.connection.answers[0].body, b"late")
        self.assertEqual(self.connection.answers[0].headers[b"connection"], b"close")
        self.assertFalse(self.connection.open)
        self.assertEqual(len(self.site.requests), 1)

    def test_stream_whose_head_is_out_goes_on_to_its_end(self) -> None:
        """It had promised keep-alive; it is closed all the same."""
        self.site.answer = lambda request: request.start(200, [])
        self.connection.send(get())
        (request,) = self.site.requests
        request.write(b"a")
        self.factory.drain()
        request.write(b"b")
        self.assertTrue(self.connection.open)
        request.finish()
        self.assertEqual(self.connection.answers[0].body, b"ab")
        self.assertTrue(self.connection.transport.disconnecting)

    def test_request_that_is_on_its_way_is_answered(self) -> None:
        """Half a head or half a body is a request in flight."""
        for before in (b"", get()):
            for request in (get(), post(b"hello")):
                connection = Connection()
                connection.send(before + request[:-3])
                connection.factory.drain()
                connection.pass_time(5)
                self.assertTrue(connection.open)
                connection.send(request[-3:])
                self.assertEqual(connection.statuses[-1], 200)
                self.assertEqual(connection.answers[-1].headers[b"connection"], b"close")
                self.assertFalse(connection.open)

    def test_new_connection_gets_a_moment_for_its_first_request(self) -> None:
        """It was accepted, so its request may be on the wire; but not for long."""
        self.factory.drain()
        self.assertTrue(self.connection.open)
        late = Connection(factory=self.factory, site=self.site, clock=self.connection.clock)
        late.send(get())
        self.assertEqual(late.statuses, [200])
        self.connection.pass_time(1.1)
        self.assertFalse(self.connection.open)

    def test_answer_that_is_not_taken_yet_is_waited_for(self) -> None:
        """Then the connection is closed."""
        self.connection.transport.full = True
        self.connection.send(get())
        self.factory.drain()
        self.assertTrue(self.connection.open)
        self.connection.transport.drain()
        self.assertFalse(self.connection.open)


class CutTests(unittest.SynchronousTestCase):
    """ServerFactory.cut_all and close_all: the drain took too long."""

    def test_whoever_answers_may_say_so(self) -> None:
        """Then the connection is closed, with what was said."""
        connection = Connection()
        told: list[GatewayError] = []

        def cut(error: GatewayError) -> None:
            told.append(error)
            connection.site.requests[0].write(b"error")
            connection.site.requests[0].abort()

        def answer(request: Request) -> None:
            request.cut = cut
            request.start(200, [])
            request.write(b"half")

        connection.site.answer = answer
        connection.send(get())
        error = Overloaded("the gateway is shutting down")
        connection.factory.cut_all(error)
        self.assertEqual(told, [error])
        self.assertTrue(connection.received.endswith(b"4\r\nhalf\r\n5\r\nerror\r\n"))
        self.assertTrue(connection.transport.disconnecting)

    def test_close_all(self) -> None:
        """At once."""
        connection = Connection()
        connection.factory.close_all()
        self.assertTrue(connection.transport.aborted)


class DateTests(unittest.SynchronousTestCase):
    """The Date field."""

    def test_it_is_made_once_a_second(self) -> None:
        """The same bytes, until the second is over."""
        connection = Connection()
        lines = connection.factory.make_date()
        self.assertIs(connection.factory.date_lines, lines)
        connection.pass_time(1.1)
        self.assertIsNone(connection.factory.date_lines)
