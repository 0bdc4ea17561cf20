"""Clients that take their time: none holds a connection longer than its deadline, none that is in time is cut."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.http.request import Request
from aigw.http.server import ServerLimits
from tests.unit.http.connection import Connection, chunked, get, post

LIMITS = ServerLimits(head_timeout=10, body_idle=30, write_stall=60, keep_alive=75, linger=2, body=10_000_000)


class DeadlineTestCase(unittest.SynchronousTestCase):
    """A connection with the limits above."""

    def setUp(self) -> None:
        self.connection = Connection(LIMITS)

    def still_open_after(self, seconds: float) -> None:
        self.connection.pass_time(seconds)
        self.assertTrue(self.connection.open, f"closed within {seconds} s")

    def closed_after(self, seconds: float) -> None:
        self.connection.pass_time(seconds)
        self.assertFalse(self.connection.open, f"open after {seconds} s")


class HeadTests(DeadlineTestCase):
    """The head: an absolute deadline."""

    def test_trickle_does_not_extend_it(self) -> None:
        """408, and the client gets to read it."""
        self.connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n")
        for number in range(9):
            self.connection.send(b"X-%d: y\r\n" % number)
            self.still_open_after(1)
        self.connection.send(b"X: ")
        self.closed_after(1.1)
        self.assertEqual(self.connection.statuses, [408])
        self.assertTrue(self.connection.transport.half_closed)
        self.assertEqual(self.connection.site.refusals[0][1].status, 408)

    def test_head_just_in_time(self) -> None:
        """Is a request."""
        self.connection.send(get()[:-1])
        self.still_open_after(9.9)
        self.connection.send(b"\n")
        self.assertEqual(self.connection.statuses, [200])
        self.still_open_after(70)

    def test_it_counts_from_the_first_byte(self) -> None:
        """Not from the request before."""
        self.connection.send(get())
        self.still_open_after(70)
        self.connection.send(b"G")
        self.still_open_after(9.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.statuses, [200, 408])

    def test_new_connection_that_says_nothing(self) -> None:
        """Is closed without a word."""
        self.still_open_after(9.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.received, b"")


class BodyTests(DeadlineTestCase):
    """The body: a deadline between two pieces of it."""

    def test_pieces_extend_it(self) -> None:
        """As long as each is in time."""
        request = post(b"hello")
        self.connection.send(request[:-5])
        for byte in b"hell":
            self.still_open_after(29.9)
            self.connection.send(bytes((byte,)))
        self.still_open_after(29.9)
        self.connection.send(b"o")
        self.assertEqual(self.connection.statuses, [200])

    def test_silence_ends_it(self) -> None:
        """408, sized and chunked."""
        for request in (post(b"hello")[:-1], chunked(b"hello")[:-1]):
            self.connection = Connection(LIMITS).send(request)
            self.still_open_after(29.9)
            self.closed_after(0.2)
            self.assertEqual(self.connection.statuses, [408])
            self.assertEqual(self.connection.site.requests, [])

    def test_site_that_admitted_is_told_as_refused(self) -> None:
        """With the request, and not as one whose client left."""
        self.connection.site.on_admit = lambda request: setattr(request, "gone", self.fail)
        self.connection.send(post(b"hello")[:-1])
        self.closed_after(31)
        request, error = self.connection.site.refusals[0]
        self.assertEqual((request, error.status), (self.connection.site.admitted[0], 408))
        self.connection.leave()


class AnswerTests(DeadlineTestCase):
    """While a request is with the site, the wire waits."""

    def test_answer_may_take_its_time(self) -> None:
        """It has deadlines of its own."""
        self.connection.site.answer = lambda request: None
        self.connection.send(get())
        self.still_open_after(600)
        self.connection.site.requests[0].respond(200, [], b"")
        self.still_open_after(74.9)
        self.closed_after(0.2)

    def test_request_begun_behind_a_slow_answer_has_its_full_time(self) -> None:
        """It could not be read before."""
        self.connection.site.answer = lambda request: None
        self.connection.send(get() + b"GET /2 HT")
        self.still_open_after(60)
        self.connection.site.requests[0].respond(200, [], b"")
        self.still_open_after(9.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.statuses, [200, 408])


class KeepAliveTests(DeadlineTestCase):
    """Between two requests."""

    def test_idle_connection_is_closed_without_a_word(self) -> None:
        """Each request begins its time anew."""
        self.connection.send(get())
        self.still_open_after(74)
        self.connection.send(get())
        self.still_open_after(74.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.statuses, [200, 200])
        self.assertEqual(self.connection.site.refusals, [])


class StallTests(DeadlineTestCase):
    """Readers that stop."""

    def setUp(self) -> None:
        super().setUp()
        self.connection.site.answer = self.stream
        self.calls: list[str] = []

    def stream(self, request: Request) -> None:
        request.start(200, [])
        request.registerProducer(self, True)
        self.connection.transport.full = True
        request.write(b"x" * 1000)

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def test_reader_that_stopped_is_cut(self) -> None:
        """And whoever answers is told when the connection is gone."""
        self.connection.send(get())
        self.assertEqual(self.calls, ["pause"])
        self.still_open_after(59.9)
        self.connection.pass_time(0.2)
        self.assertTrue(self.connection.transport.aborted)

    def test_reader_that_takes_a_little_is_not(self) -> None:
        """Each byte begins its time anew."""
        self.connection.send(get())
        for left in (900, 500, 1):
            self.still_open_after(50)
            self.connection.transport.drain(left)
        self.still_open_after(50)
        self.closed_after(70)

    def test_reader_that_catches_up(self) -> None:
        """Its producer goes on; no deadline is left behind."""
        self.connection.send(get())
        self.connection.pass_time(50)
        self.connection.transport.drain()
        self.assertEqual(self.calls, ["pause", "resume"])
        self.still_open_after(500)

    def test_stalled_answer_that_is_complete(self) -> None:
        """Is waited for in the same way; keep-alive begins when it was taken."""
        self.connection.send(get())
        self.connection.site.requests[0].finish()
        self.still_open_after(59)
        self.connection.transport.drain()
        self.still_open_after(74)
        self.closed_after(1.1)
        self.assertFalse(self.connection.transport.aborted)

    def test_close_waits_for_what_is_unsent(self) -> None:
        """As long as the client takes some of it."""
        self.connection.send(get(b"/", b"Connection: close"))
        self.connection.site.requests[0].finish()
        self.assertTrue(self.connection.transport.disconnecting)
        for left in (900, 400):
            self.connection.pass_time(50)
            self.assertFalse(self.connection.transport.aborted)
            self.connection.transport.dataBuffer = b"x" * left
        self.connection.pass_time(130)
        self.assertTrue(self.connection.transport.aborted)


class LingerTests(DeadlineTestCase):
    """Behind a refusal: the client has time to read it."""

    REFUSED = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000001\r\n\r\n"

    def test_then_the_connection_is_closed(self) -> None:
        """If the client has not."""
        self.connection.send(self.REFUSED)
        self.assertTrue(self.connection.transport.half_closed)
        self.connection.pass_time(1.9)
        self.assertFalse(self.connection.transport.aborted)
        self.connection.pass_time(0.2)
        self.assertTrue(self.connection.transport.aborted)

    def test_client_that_still_sends_has_longer(self) -> None:
        """It has not come to the answer; but not for ever."""
        self.connection.send(self.REFUSED)
        for _ in range(29):
            self.connection.send(b"x" * 10_000)
            self.connection.pass_time(1)
            self.assertFalse(self.connection.transport.aborted)
        for _ in range(2):
            self.connection.send(b"x" * 10_000)
            self.connection.pass_time(1)
        self.assertTrue(self.connection.transport.aborted)

    def test_client_that_floods_has_not(self) -> None:
        """What is thrown away is bounded, too."""
        self.connection.send(self.REFUSED)
        megabyte = b"x" * (1 << 20)
        for _ in range(64):
            self.connection.send(megabyte)
        self.assertFalse(self.connection.transport.aborted)
        self.connection.send(b"x")
        self.assertTrue(self.connection.transport.aborted)

    def test_transport_that_cannot_half_close(self) -> None:
        """Is closed when all is sent."""
        connection = Connection(LIMITS, half_close=False).send(self.REFUSED)
        self.assertEqual(connection.statuses, [413])
        self.assertTrue(connection.transport.disconnecting)
        connection.pass_time(2.1)
        self.assertTrue(connection.transport.aborted)

    def test_lost_connection_leaves_no_timer(self) -> None:
        """Nothing fires behind its end."""
        self.connection.send(self.REFUSED)
        self.connection.leave()
        self.connection.pass_time(100)
        self.assertFalse(self.connection.transport.aborted)
