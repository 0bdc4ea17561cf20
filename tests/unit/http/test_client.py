"""One connection and its call: what the sink hears, and what it may do from inside its callbacks."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.trial import unittest

from aigw.http.client import Call
from tests.unit.http.fakes import GET, HELLO, OK, POST, Scene, Sink, Wire

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class DeliveryTests(unittest.TestCase):
    """From the wire to the sink."""

    def test_response_in_one_read_is_three_callbacks(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(CHUNKED + b"2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n")
        self.assertEqual((sink.events, sink.body), (["sent", "head", "data", "end"], b"hi ho"))
        self.assertEqual((sink.status, sink.headers), (200, [(b"transfer-encoding", b"chunked")]))

    def test_pieces_come_as_they_arrive(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        for data in (CHUNKED, b"2\r\nhi\r\n", b"3\r\n", b" h", b"o\r\n0\r\n\r\n"):
            wire.send(data)
        self.assertEqual((sink.events, sink.body), (["sent", "head", "data", "data", "data", "end"], b"hi ho"))

    def test_names_are_in_lower_case_in_their_order(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(OK + b"X-B: 1 \r\nX-A:\r\nx-b: 2\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(sink.headers, [(b"x-b", b"1"), (b"x-a", b""), (b"x-b", b"2"), (b"content-length", b"0")])

    def test_headers_are_the_sinks_own(self) -> None:
        scene = Scene()
        wire = scene.idle()
        first, _ = scene.begin()
        wire.send(HELLO)
        scene.begin()
        self.assertEqual(first.headers, [(b"content-length", b"5")])

    def test_idle_connection_keeps_no_headers(self) -> None:
        """They are as many and as large as the upstream likes, and idle connections are many."""
        scene = Scene()
        sink, call, wire = scene.connected()
        assert call.connection is not None
        reader = call.connection._reader
        wire.send(HELLO)
        self.assertEqual((reader.headers, sink.headers), ([], [(b"content-length", b"5")]))

    def test_body_that_ends_with_the_connection(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(OK + b"\r\nhel")
        wire.send(b"lo")
        wire.lose()
        self.assertEqual((sink.body, sink.delimited, sink.kind), (b"hello", False, ""))

    def test_such_a_body_does_not_end_with_a_reset(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(OK + b"\r\nhello")
        wire.lose(ConnectionLost())
        self.assertEqual((sink.kind, sink.failure and sink.failure.began), ("cut", True))

    def test_short_body(self) -> None:
        for part in (OK + b"Content-Length: 10\r\n\r\nhello", CHUNKED + b"5\r\nhello\r\n"):
            scene = Scene()
            sink, _, wire = scene.connected()
            wire.send(part)
            wire.lose()
            self.assertEqual((sink.body, sink.kind, sink.delimited), (b"hello", "cut", None))

    def test_half_a_head(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(HELLO[:20])
        wire.lose()
        self.assertEqual((sink.events, sink.kind), (["sent", "failure"], "cut"))

    def test_fault_behind_a_valid_part(self) -> None:
        """The part is delivered, however it was cut into reads; the end is not."""
        for pieces in ([CHUNKED + b"2\r\nhi\r\nZZ\r\n"], [CHUNKED, b"2\r\nhi\r\n", b"ZZ\r\n"]):
            scene = Scene()
            sink, _, wire = scene.connected()
            for data in pieces:
                wire.send(data)
            self.assertEqual((sink.body, sink.kind, sink.failure and sink.failure.began), (b"hi", "protocol", True))
            self.assertTrue(wire.disconnected)

    def test_message_quotes_nothing_of_the_response(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(OK + b"X-Secret: s\x00cret\r\n\r\n")
        self.assertEqual(sink.kind, "protocol")
        self.assertIn("provider:443", str(sink.failure))
        self.assertNotIn("cret", str(sink.failure).lower().replace("x-secret", "cret"))

    def test_stray_bytes_behind_the_end(self) -> None:
        """The response is delivered; the connection is not used again."""
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(HELLO + HELLO)
        self.assertEqual((sink.body, sink.delimited, wire.disconnected), (b"hello", True, True))
        self.assertEqual(scene.pool.size, 0)

    def test_head_request(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected(b"HEAD / HTTP/1.1\r\nhost: h\r\n\r\n", head=True)
        wire.send(OK + b"Content-Length: 10\r\n\r\n")
        self.assertEqual((sink.events, wire.closed), (["sent", "head", "end"], False))
        sink, _ = scene.begin()
        wire.send(HELLO)
        self.assertEqual(sink.body, b"hello")

    def test_answer_to_half_a_request(self) -> None:
        """Such as a 413: whether the upstream reads the rest of the request is not known."""
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.dataBuffer = b"the rest"
        wire.send(HELLO)
        self.assertEqual((sink.delimited, wire.disconnected), (True, True))


class CancelTests(unittest.TestCase):
    """Call.cancel, from wherever."""

    def test_closes_the_connection_at_once(self) -> None:
        for part in (b"", HELLO[:10], HELLO[:-1]):
            scene = Scene()
            sink, call, wire = scene.connected()
            wire.send(part) if part else None
            events = list(sink.events)
            call.cancel()
            self.assertTrue(wire.disconnected)
            wire.lose()
            self.assertEqual(sink.events, events)

    def from_inside(self, callback: str, data: bytes, expected: list[str], idle: bool = False) -> None:
        scene = Scene()
        wire: Wire | None = scene.idle() if idle else None
        calls: list[Call] = []
        sink = Sink(**{callback: lambda: calls[0].cancel()})
        calls.append(scene.begin(sink=sink)[1])
        wire = wire or scene.upstream.accept()
        if data:
            wire.send(data)
        wire.settle()
        self.assertEqual(sink.events, expected)
        self.assertTrue(wire.closed)
        self.assertEqual(scene.pool.size, 0)

    def test_from_on_sent(self) -> None:
        self.from_inside("sent", b"", ["sent"])

    def test_from_on_head(self) -> None:
        self.from_inside("head", HELLO, ["sent", "head"])

    def test_from_on_data(self) -> None:
        self.from_inside("data", HELLO, ["sent", "head", "data"], idle=True)

    def test_from_on_data_before_a_fault(self) -> None:
        self.from_inside("data", CHUNKED + b"2\r\nhi\r\nZZ\r\n", ["sent", "head", "data"])

    def test_when_it_is_over_leaves_the_connection_alone(self) -> None:
        """It may carry another call by now."""
        scene = Scene()
        _, call, wire = scene.connected()
        wire.send(HELLO)
        other, _ = scene.begin()
        call.cancel()
        wire.send(HELLO)
        self.assertEqual((other.body, wire.closed), (b"hello", False))

    def test_from_on_end_is_harmless(self) -> None:
        scene = Scene()
        calls: list[Call] = []
        sink = Sink(end=lambda: calls[0].cancel())
        calls.append(scene.begin(sink=sink)[1])
        wire = scene.upstream.accept()
        wire.send(HELLO)
        self.assertEqual((sink.events[-1], wire.closed), ("end", False))


class PauseTests(unittest.TestCase):
    """Back-pressure."""

    def test_reaches_the_transport(self) -> None:
        scene = Scene()
        _, call, wire = scene.connected()
        wire.send(HELLO[:-1])
        call.pause()
        self.assertEqual(wire.producerState, "paused")
        call.resume()
        self.assertEqual(wire.producerState, "producing")

    def test_paused_in_its_last_piece(self) -> None:
        """The end comes all the same, and the connection must not stay paused for the next call."""
        scene = Scene()
        calls: list[Call] = []
        sink = Sink(data=lambda: calls[0].pause())
        calls.append(scene.begin(sink=sink)[1])
        wire = scene.upstream.accept()
        wire.send(HELLO)
        self.assertEqual((sink.delimited, wire.producerState), (True, "producing"))
        next_sink, _ = scene.begin()
        wire.send(HELLO)
        self.assertEqual(next_sink.body, b"hello")

    def test_belongs_to_the_call(self) -> None:
        """A call that is over cannot stop another one's response."""
        scene = Scene()
        _, call, wire = scene.connected()
        wire.send(HELLO)
        scene.begin()
        call.pause()
        self.assertEqual(wire.producerState, "producing")

    def test_without_a_connection(self) -> None:
        scene = Scene()
        _, call = scene.begin()
        call.pause()
        call.resume()


class OrderTests(unittest.TestCase):
    """What is there when the sink is called."""

    def test_connection_is_free_when_the_end_is_told(self) -> None:
        """A call made from inside on_end finds it."""
        scene = Scene(max_connections=1)
        next_sink = Sink()
        sink = Sink(end=lambda: scene.begin(GET, next_sink))
        scene.begin(sink=sink)
        wire = scene.upstream.accept()
        wire.taken()
        wire.send(HELLO)
        self.assertEqual((wire.taken(), next_sink.events), (GET, ["sent"]))

    def test_call_is_usable_in_on_sent(self) -> None:
        """But the sink does not know it yet where an idle connection was there."""
        scene = Scene()
        scene.idle()
        seen: list[Any] = []
        sink = Sink(sent=lambda: seen.append(scene.pool.busy_count))
        scene.begin(POST, sink)
        self.assertEqual(seen, [1])

    def test_mistake_of_the_sink_is_not_the_upstreams(self) -> None:
        """It reaches the reactor, which logs it and closes the connection; the call fails as one that was cut."""
        scene = Scene()

        def mistake() -> None:
            raise ZeroDivisionError

        sink = Sink(data=mistake)
        scene.begin(sink=sink)
        wire = scene.upstream.accept()
        with self.assertRaises(ZeroDivisionError):
            wire.send(HELLO)
        wire.lose(ZeroDivisionError())
        self.assertEqual((sink.kind, scene.pool.size), ("cut", 0))
