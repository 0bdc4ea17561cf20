"""Clients that take their time: none holds a connection longer than its deadline, none that is in time is cut."""

from __future__ import annotations

import contextlib
import ssl

from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial import unittest

from aigw.http.deadlines import Deadlines
from aigw.http.request import Request
from aigw.http.secure import without_detours
from aigw.http.server import ServerFactory, ServerLimits
from tests.unit.http.connection import Connection, RecordingSite, Transport, chunked, get, post
from tests.unit.http.test_secure import NAME, contexts

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

    def test_first_head_counts_from_the_connection(self) -> None:
        """So that silence, or a TLS handshake, and then a trickle are not twice the time."""
        self.still_open_after(9)
        self.connection.send(b"GET / HTTP/1.1\r\n")
        self.still_open_after(0.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.statuses, [408])

    def test_client_that_was_late_is_not_waited_for_again(self) -> None:
        """It may send on, but has had its time: two seconds later the connection is gone."""
        self.connection.send(b"G")
        self.closed_after(10.1)
        for _ in range(2):
            self.assertFalse(self.connection.transport.aborted)
            self.connection.send(b"E")
            self.connection.pass_time(1)
        self.assertTrue(self.connection.transport.aborted)

    def test_new_connection_that_says_nothing(self) -> None:
        """Is closed without a word."""
        self.still_open_after(9.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.received, b"")


class SecureHeadTests(unittest.SynchronousTestCase):
    """The same over TLS."""

    def test_handshake_and_head_have_the_time_of_a_head_together(self) -> None:
        """A handshake after 8 s leaves 2 s for the head; the connection ends 2 s after its refusal, whatever comes."""
        clock, site = Clock(), RecordingSite()
        server_context, client_context = contexts()
        factory = ServerFactory(site, Deadlines(clock), LIMITS)
        server = without_detours(TLSMemoryBIOFactory(server_context, False, factory)).buildProtocol(None)
        wire = Transport()
        server.makeConnection(wire)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, to_server, server_hostname=NAME)
        clock.pump([0.1] * 80)
        self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
        server.dataReceived(to_server.read())
        to_client.write(wire.value())
        client.do_handshake()
        for seconds in range(4):
            self.assertFalse(wire.aborted, f"{seconds} s behind the handshake")
            self.assertEqual(len(site.refusals), int(seconds > 2))
            with contextlib.suppress(ssl.SSLError):  # once the server has said goodbye
                client.write(b"G")
            server.dataReceived(to_server.read())
            clock.pump([0.1] * 10)
        clock.pump([0.1] * 3)
        self.assertTrue(wire.aborted)
        self.assertEqual([error.status for _, error in site.refusals], [408])


class BodyTests(DeadlineTestCase):
    """The body: a deadline that its bytes move, no faster than the least rate."""

    def test_trickle_does_not_extend_it(self) -> None:
        """One byte a second: 408 after half a minute, sized and chunked."""
        for request in (post(b"x" * 1000), chunked(b"x" * 1000)):
            self.connection = Connection(LIMITS).send(request[:-990])
            for byte in range(29):
                self.connection.send(request[-990:][byte : byte + 1])
                self.still_open_after(1)
            self.connection.send(b"x")
            self.closed_after(1.2)
            self.assertEqual(self.connection.statuses, [408])
            self.assertEqual(self.connection.site.refusals[0][1].code, "request_timeout")

    def test_least_rate_is_enough(self) -> None:
        """However long that takes, and also where it comes in pieces with pauses between them."""
        for piece, pause in ((500, 1), (5000, 10), (14_950, 29.9)):
            body = b"x" * (piece * 60)
            self.connection = Connection(LIMITS).send(post(body)[: -len(body)])
            for _ in range(60):
                self.still_open_after(pause)
                self.connection.send(body[:piece])
            self.assertEqual(self.connection.statuses, [200])

    def test_a_little_less_is_not(self) -> None:
        """In the end: what is missing adds up."""
        self.connection.send(post(b"x" * 1_000_000)[:-1_000_000])
        seconds = 0
        while self.connection.open:
            self.connection.send(b"x" * 400)
            self.connection.pass_time(1)
            seconds += 1
        self.assertIn(seconds, range(145, 151))  # 30 s, of which each second costs a fifth of one

    def test_what_came_fast_does_not_pay_for_silence(self) -> None:
        """Else a megabyte would buy half an hour."""
        self.connection.send(post(b"x" * 1_000_001)[:-1], b"")
        self.still_open_after(29.9)
        self.closed_after(0.2)
        self.assertEqual(self.connection.statuses, [408])

    def test_time_in_which_we_do_not_read_does_not_count(self) -> None:
        """A body that came behind a request that is being answered, and is read when that is done."""
        for stuck in (False, True):
            self.connection = Connection(LIMITS)
            self.connection.site.answer = lambda request: None
            self.connection.transport.full = stuck
            request = post(b"x" * 100_000)
            self.connection.send(get(), request[:70_000])
            (first,) = self.connection.site.requests
            if stuck:
                self.connection.site.answer = lambda request: request.respond(200, [], b"")
                first.respond(200, [], b"y")
                self.still_open_after(59)
                self.connection.transport.drain()
            else:
                self.still_open_after(600)
                self.connection.site.answer = lambda request: request.respond(200, [], b"")
                first.respond(200, [], b"")
            self.still_open_after(29.9)
            self.connection.send(request[70_000:])
            self.assertEqual(self.connection.statuses, [200, 200])

    def test_time_in_which_the_event_loop_does_not_turn_does_not_count(self) -> None:
        """What came meanwhile is read before anybody is called late."""
        request = post(b"x" * 100_000)
        self.connection.send(request[:-10])
        self.connection.clock.callLater(100, self.connection.send, request[-10:])
        self.connection.clock.advance(100)
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
        self.size = 1000

    def stream(self, request: Request) -> None:
        request.start(200, [])
        request.registerProducer(self, True)
        self.connection.transport.full = True
        request.write(b"x" * self.size)

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

    def test_reader_that_takes_as_much_as_it_has_to_is_not(self) -> None:
        """500 bytes a second, counted over a minute."""
        self.size = 200_000
        self.connection.send(get())
        for left in (170_000, 140_000, 100_000, 70_000):
            self.still_open_after(59)
            self.connection.transport.dataBuffer = b"x" * left
            self.still_open_after(1.1)
        self.connection.pass_time(61)
        self.assertTrue(self.connection.transport.aborted)

    def test_reader_that_takes_a_little_is_cut_as_well(self) -> None:
        """Else a byte a minute would hold an answer for ever."""
        self.size = 200_000
        self.connection.send(get())
        self.still_open_after(59)
        self.connection.transport.dataBuffer = b"x" * (200_000 - 29_000)
        self.connection.pass_time(1.1)
        self.assertTrue(self.connection.transport.aborted)

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
        """As long as the client takes enough of it."""
        self.size = 100_000
        self.connection.send(get(b"/", b"Connection: close"))
        self.connection.site.requests[0].finish()
        self.assertTrue(self.connection.transport.disconnecting)
        for left in (70_000, 40_000):
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
