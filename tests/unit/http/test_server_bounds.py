"""What one client costs, whatever it does: one request, one buffer of input, what one write left of output."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

from twisted.trial import unittest

from aigw.http.request import Request
from aigw.http.server import ServerLimits
from tests.unit.http.connection import LIMITS, Connection, RecordingSite, chunked, get, post

KEPT = 64 * 1024


class AheadTests(unittest.SynchronousTestCase):
    """Requests that come while another is answered."""

    def setUp(self) -> None:
        self.connection = Connection()
        self.connection.site.answer = lambda request: None
        self.connection.send(get(b"/first"))

    def test_transport_is_paused_behind_the_bound(self) -> None:
        """And nothing is lost when it goes on."""
        piece = get() * 100
        sent = 0
        while self.connection.transport.producerState == "producing" and sent * len(get()) <= 2 * KEPT:
            self.connection.send(piece)
            sent += 100
        self.assertLessEqual(sent * len(get()), KEPT + len(piece))
        self.assertEqual(len(self.connection.site.requests), 1)
        self.connection.site.answer = lambda request: request.respond(200, [], b"")
        self.connection.site.requests[0].respond(200, [], b"")
        self.assertEqual(self.connection.transport.producerState, "producing")
        self.assertEqual(len(self.connection.answers), 1 + sent)

    def test_paused_again_where_one_answer_is_slow_again(self) -> None:
        """What was kept is still bounded."""
        self.connection.send(get() * 4000)
        self.assertEqual(self.connection.transport.producerState, "paused")
        self.connection.site.requests[0].respond(200, [], b"")
        self.assertEqual(len(self.connection.site.requests), 2)
        self.connection.send(get())
        self.assertEqual(self.connection.transport.producerState, "paused")

    def test_transport_reads_again_to_see_the_end(self) -> None:
        """A connection that is to be closed is not left paused: the client's own close would go unseen."""
        self.connection.send(get() * 4000)
        self.connection.site.requests[0].abort()
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get(b"/", b"Connection: close"), get() * 4000)
        connection.site.requests[0].respond(200, [], b"")
        self.assertEqual(connection.transport.producerState, "producing")
        self.assertTrue(connection.transport.half_closed)


class UnreadTests(unittest.SynchronousTestCase):
    """Answers that the client does not read."""

    def test_next_request_waits_until_the_answer_is_taken(self) -> None:
        """Else a client that only sends would fill our memory with answers."""
        connection = Connection()
        connection.transport.full = True
        connection.send(get(b"/1") + get(b"/2"), get(b"/3"))
        self.assertEqual(len(connection.site.requests), 1)
        connection.transport.drain()
        self.assertEqual(connection.statuses, [200, 200, 200])

    def test_answers_of_a_client_that_only_sends_are_bounded(self) -> None:
        """However many requests it pipelines."""
        connection = Connection()
        connection.site.answer = lambda request: request.respond(200, [], b"x" * 1000)
        connection.transport.full = True
        for _ in range(5000):
            if connection.transport.producerState == "producing":
                connection.send(get())
        self.assertLess(len(connection.transport.dataBuffer), 1500)
        self.assertEqual(connection.transport.producerState, "paused")

    def test_producer_is_paused_within_the_write_that_did_not_fit(self) -> None:
        """And one that comes while the client is stalled, at once."""
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get())
        (request,) = connection.site.requests
        producer = Producer()
        request.start(200, [])
        request.registerProducer(producer, True)
        connection.transport.full = True
        request.write(b"x")
        self.assertEqual(producer.calls, ["pause"])
        request.write(b"y")
        self.assertEqual(producer.calls, ["pause"])
        late = Producer()
        request.unregisterProducer()
        request.registerProducer(late, True)
        self.assertEqual(late.calls, ["pause"])
        connection.transport.drain()
        self.assertEqual((producer.calls, late.calls), (["pause"], ["pause", "resume"]))

    def test_pulled_producers_are_refused(self) -> None:
        """Nobody here would pull."""
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get())
        self.assertRaises(ValueError, connection.site.requests[0].registerProducer, Producer(), False)


class Producer:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")


class MemoryTests(unittest.SynchronousTestCase):
    """Many small pieces cost what one large one costs."""

    def peak(self, request: bytes, size: int) -> int:
        """The most memory in use while ``request`` comes in pieces of ``size`` bytes."""
        connection = Connection(ServerLimits(body=4_000_000))
        connection.site.answer = lambda request: None
        pieces = [request[at : at + size] for at in range(0, len(request), size)]
        tracemalloc.start()
        try:
            for piece in pieces:
                connection.channel.dataReceived(piece)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_body_in_chunks_of_two_bytes(self) -> None:
        """Kept as objects of their own they would be twenty times the body."""
        body = chunked(*[b"xy"] * 100_000)
        self.assertLess(self.peak(body, 65536), 5 * 200_000 + 100_000)

    def test_body_in_packets_of_two_bytes(self) -> None:
        """The same."""
        self.assertLess(self.peak(post(b"x" * 200_000), 2), 5 * 200_000)

    def test_idle_connection_keeps_no_body(self) -> None:
        """Nothing of what was answered."""
        connection = Connection(ServerLimits(body=4_000_000))
        connection.site = connection.factory.site = ForgetfulSite()
        request = post(b"x" * 2_000_000)
        connection.trickle(request, 65536)
        tracemalloc.start()
        try:
            connection.trickle(request, 65536)
            self.assertLess(tracemalloc.get_traced_memory()[0], 50_000)
        finally:
            tracemalloc.stop()


class ForgetfulSite(RecordingSite):
    """Keeps nothing."""

    def admit(self, request: Request) -> None:
        pass

    def render(self, request: Request) -> None:
        request.respond(200, [], b"")


class CapTests(unittest.SynchronousTestCase):
    """More connections than allowed."""

    def test_one_too_many_is_told(self) -> None:
        """503, and it lingers; the others go on."""
        first = Connection()
        others = [Connection(factory=first.factory, site=first.site) for _ in range(LIMITS.max_connections)]
        refused = others.pop()
        self.assertEqual(refused.statuses, [503])
        self.assertEqual(refused.answers[0].headers[b"retry-after"], b"1")
        self.assertTrue(refused.transport.half_closed)
        refused.send(get())
        self.assertEqual(first.site.requests, [])
        for connection in (first, *others):
            self.assertEqual(connection.send(get()).statuses, [200])

    def test_room_is_given_back(self) -> None:
        """By connections that closed."""
        first = Connection()
        others = [Connection(factory=first.factory, site=first.site) for _ in range(LIMITS.max_connections)]
        for connection in others:
            connection.leave()
        self.assertEqual(Connection(factory=first.factory, site=first.site).send(get()).statuses, [200])

    def test_flood_is_not_told(self) -> None:
        """Saying so would cost what serving costs."""
        first = Connection()
        flood = [Connection(factory=first.factory, site=first.site) for _ in range(2 * LIMITS.max_connections)]
        self.assertTrue(flood[-1].transport.aborted)
        self.assertEqual(flood[-1].received, b"")


class FreedTests(unittest.SynchronousTestCase):
    """Memory of connections that are gone."""

    def test_closed_connections_are_freed_at_once(self) -> None:
        """Without the garbage collector, which is asked rarely; whether they had a request in part or not."""
        for sent in (get(), b"", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"):
            connection = Connection()
            if sent:
                connection.send(sent)
            gc.disable()
            try:
                channel = weakref.ref(connection.channel)
                connection.leave()
                connection.transport.producer = None  # as Twisted's own does
                connection.site.requests.clear()
                connection.site.admitted.clear()
                del connection.channel
                self.assertIsNone(channel(), sent)
            finally:
                gc.enable()
