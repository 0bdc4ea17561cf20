"""Requests that are fine, and their answers: framing, order, keep-alive, how many writes."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.trial import unittest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from aigw.errors import Forbidden, LimitReached
from aigw.http.request import Request
from aigw.http.resource import render_resource
from tests.unit.http.connection import Connection, chunked, get, post, read_answers

CLOSE = b"Connection: close"
HEAD = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"


class ReadingTests(unittest.SynchronousTestCase):
    """What the site is given."""

    def read(self, *pieces: bytes) -> Request:
        """The one request that these bytes are."""
        connection = Connection().send(*pieces)
        (request,) = connection.site.requests
        return request

    def test_everything_that_a_request_says(self) -> None:
        """Names in lower case, values without the white space around them, in order."""
        request = self.read(
            b"POST //v1/./ch%61t?a=b%20c HTTP/1.1\r\nHost: Gateway.Example:8000\r\nX-B: two  \t\r\nx-a:one\r\n"
            b"X-Empty:\r\nX-B:\t three \r\nContent-Length: 4 \r\n\r\nbody"
        )
        self.assertEqual(request.method, b"POST")
        self.assertEqual(request.uri, b"//v1/./ch%61t?a=b%20c")
        self.assertEqual((request.path, request.query), (b"/v1/chat", b"a=b%20c"))
        self.assertEqual((request.prepath, request.postpath), ([], [b"v1", b"chat"]))
        self.assertEqual(request.host, b"gateway.example")
        self.assertEqual(request.http_minor, 1)
        self.assertEqual(
            request.headers,
            [
                (b"host", b"Gateway.Example:8000"),
                (b"x-b", b"two"),
                (b"x-a", b"one"),
                (b"x-empty", b""),
                (b"x-b", b"three"),
                (b"content-length", b"4"),
            ],
        )
        self.assertEqual((request.body, request.bytes_in), (b"body", 4))
        self.assertEqual((request.client, request.secure), ("192.0.2.7", False))

    def test_query_of_nothing_and_no_query(self) -> None:
        """Are two things."""
        self.assertEqual(self.read(get(b"/?")).query, b"")
        self.assertIsNone(self.read(get(b"/")).query)

    def test_hosts(self) -> None:
        """Without their port, in lower case."""
        for sent, host in {
            b"h": b"h",
            b"H.Example:8000": b"h.example",
            b"h:": b"h",
            b"[2001:DB8::1]:443": b"[2001:db8::1]",
            b"192.0.2.1:80": b"192.0.2.1",
            b"a_b": b"a_b",
        }.items():
            self.assertEqual(self.read(get(host=b"Host: " + sent + b"\r\n")).host, host)

    def test_absolute_form(self) -> None:
        """For the host that Host names, it is the same as the path alone."""
        for sent, path, query in (
            (b"http://h/v1/chat?a", b"/v1/chat", b"a"),
            (b"HTTPS://H/", b"/", None),
            (b"http://h", b"/", None),
            (b"http://h?a/b", b"/", b"a/b"),
        ):
            request = self.read(get(sent))
            self.assertEqual((request.path, request.query), (path, query))

    def test_options_of_the_server(self) -> None:
        """``*`` is what its root is."""
        request = self.read(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual((request.uri, request.path, request.postpath), (b"*", b"/", [b""]))

    def test_http_10(self) -> None:
        """May leave Host out."""
        request = self.read(get(version=b"1.0", host=b""))
        self.assertEqual((request.http_minor, request.host), (0, b""))

    def test_one_empty_line_first(self) -> None:
        """Old clients send one behind a body (RFC 9112 section 2.2)."""
        for pieces in ((b"\r\n" + get(),), (b"\r", b"\n", get()), (b"\r\n", get())):
            self.assertEqual(self.read(*pieces).method, b"GET")
        connection = Connection().send(post(b"x") + b"\r\n" + post(b"y"))
        self.assertEqual([request.body for request in connection.site.requests], [b"x", b"y"])

    def test_chunked_body(self) -> None:
        """Put together; extensions and trailers read over."""
        request = self.read(
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked \r\n\r\n"
            b'5\r\nhello\r\n01;a=b;c="d"\r\n \r\n5;x\r\nworld\r\n000;z\r\nTrailer: x\r\nHost: evil\r\n\r\n'
        )
        self.assertEqual((request.body, request.bytes_in), (b"hello world", 11))
        self.assertEqual([name for name, _ in request.headers], [b"host", b"transfer-encoding"])
        self.assertEqual(request.host, b"h")

    def test_later_versions_are_read_as_http_11(self) -> None:
        """With all that belongs to it: chunks, keep-alive, 100 Continue (RFC 9110 section 2.5)."""
        for minor in range(2, 10):
            request = chunked(b"a HTTP/1.2\r\n").replace(b"HTTP/1.1", b"HTTP/1.%d" % minor, 1)
            connection = Connection().send(request + request)
            self.assertEqual(connection.statuses, [200, 200])
            self.assertTrue(connection.open)
            self.assertEqual([each.body for each in connection.site.requests], [b"a HTTP/1.2\r\n"] * 2)
            self.assertEqual(connection.site.requests[0].http_minor, 1)
        connection.send(b"POST / HTTP/1.2\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        self.assertEqual(connection.statuses, [200, 200, 100])

    def test_absolute_form_with_the_schemes_own_port(self) -> None:
        """It names the same host with and without it, and with an empty one (RFC 9110 section 4.2.3)."""
        for target, host in (
            (b"http://h:80/x", b"h"),
            (b"http://h/x", b"H:80"),
            (b"http://h:/x", b"h"),
            (b"http://h:80/x", b"h:"),
            (b"HTTPS://H:443/x", b"h"),
            (b"https://h/x", b"h:443"),
            (b"http://[::1]:80/x", b"[::1]"),
            (b"http://h:8000/x", b"h:8000"),
        ):
            request = self.read(get(target, host=b"Host: %s\r\n" % host))
            self.assertEqual(request.path, b"/x")
            self.assertEqual(request.host, host.partition(b":")[0].lower() if host[:1] != b"[" else host)

    def test_trailers_never_become_fields(self) -> None:
        """Whoever judges the fields has judged them before the trailers came (RFC 9110 section 6.5.1)."""
        request = self.read(chunked(b"hello", trailers=b"Authorization: x\r\nHost: evil\r\n"))
        self.assertEqual(request.headers, [(b"host", b"h"), (b"transfer-encoding", b"chunked")])

    def test_chunked_body_that_holds_its_own_end(self) -> None:
        """Empty lines and last chunks in the data end nothing, whoever cuts them."""
        body = b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"
        for size in (1, 2, 3, 5, 1000):
            connection = Connection().trickle(chunked(body, body) + get(b"/next"), size)
            self.assertEqual([asked.body for asked in connection.site.requests], [body + body, b""])
            self.assertEqual(connection.site.requests[1].path, b"/next")

    def test_empty_bodies(self) -> None:
        """Announced, chunked, absent."""
        for request in (post(b""), chunked(), get()):
            self.assertEqual(self.read(request).body, b"")

    def test_body_is_bytes_however_it_came(self) -> None:
        """Not a buffer that someone may change."""
        for pieces in ((post(b"abc"),), (post(b"abc")[:-2], b"b", b"c"), (chunked(b"a", b"bc"),)):
            body = self.read(*pieces).body
            self.assertIs(type(body), bytes)
            self.assertEqual(body, b"abc")

    def test_connection_names_fields(self) -> None:
        """All its fields are heeded, close among them."""
        request = self.read(get(b"/", b"Connection: X-Foo, keep-alive", b"connection: x-bar"))
        self.assertEqual(request.nominated, {b"x-foo", b"x-bar"})
        self.assertTrue(request.keep)
        for fields in ((b"Connection: Close",), (b"Connection: x, close",), (CLOSE, b"Connection: keep-alive")):
            self.assertFalse(self.read(get(b"/", *fields)).keep)

    def test_times(self) -> None:
        """When its first byte came, and when its last."""
        connection = Connection()
        connection.clock.advance(5)
        connection.send(post(b"hello")[:10])
        connection.clock.advance(2)
        connection.send(post(b"hello")[10:-1])
        connection.clock.advance(3)
        connection.send(b"o")
        (request,) = connection.site.requests
        self.assertEqual((request.received, request.complete), (5, 10))


class KeepAliveTests(unittest.SynchronousTestCase):
    """One connection, several requests."""

    def test_requests_follow_one_another(self) -> None:
        """Until one says close."""
        connection = Connection().send(get(b"/1")).send(post(b"2")).send(chunked(b"3"))
        self.assertEqual(connection.statuses, [200, 200, 200])
        self.assertNotIn(b"connection", connection.answers[0].headers)
        self.assertTrue(connection.open)
        connection.send(get(b"/4", CLOSE))
        self.assertEqual(connection.answers[-1].headers[b"connection"], b"close")
        self.assertTrue(connection.transport.disconnecting)

    def test_nothing_is_answered_behind_close(self) -> None:
        """And what was sent behind it is read, so that the close is no reset."""
        connection = Connection().send(get(b"/1", CLOSE) + get(b"/2"))
        self.assertEqual([asked.path for asked in connection.site.requests], [b"/1"])
        self.assertTrue(connection.transport.half_closed)

    def test_http_10_is_closed(self) -> None:
        """Whatever it asks for."""
        connection = Connection().send(get(b"/", b"Connection: keep-alive", version=b"1.0"))
        self.assertEqual(connection.answers[0].headers[b"connection"], b"close")
        self.assertTrue(connection.transport.disconnecting)


class PipeliningTests(unittest.SynchronousTestCase):
    """Requests that do not wait for answers."""

    def test_answers_come_in_order(self) -> None:
        """One request at a time is with the site, however long it takes."""
        connection = Connection()
        connection.site.answer = lambda request: None
        asked = connection.site.requests
        connection.send(b"".join(post(b"%d" % number) for number in range(4)), get(b"/4"))
        for number in range(5):
            self.assertEqual(len(asked), number + 1)
            asked[number].respond(200, [], b"%d" % number)
        self.assertEqual([answer.body for answer in connection.answers], [b"0", b"1", b"2", b"3", b"4"])

    def test_order_holds_where_some_are_answered_at_once(self) -> None:
        """The slow one is waited for."""
        connection = Connection()
        slow: list[Request] = []

        def answer(request: Request) -> None:
            if request.path == b"/slow":
                slow.append(request)
            else:
                request.respond(200, [], request.path)

        connection.site.answer = answer
        connection.send(get(b"/a") + get(b"/slow") + get(b"/b") + get(b"/slow") + get(b"/c"))
        self.assertEqual([each.body for each in connection.answers], [b"/a"])
        slow[0].respond(200, [], b"/slow")
        self.assertEqual([each.body for each in connection.answers], [b"/a", b"/slow", b"/b"])
        slow[1].respond(200, [], b"/slow")
        self.assertEqual(connection.answers[-1].body, b"/c")

    def test_thousands_do_not_nest(self) -> None:
        """Answered at once, one behind the other, without a deeper stack for each."""
        connection = Connection().send(get() * 3000)
        self.assertEqual(len(connection.answers), 3000)

    def test_thousands_behind_a_slow_one_do_not_nest(self) -> None:
        """The same, from what was kept."""
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get(b"/slow"), get() * 2000)
        (slow,) = connection.site.requests
        connection.site.answer = lambda request: request.respond(200, [], b"")
        slow.respond(200, [], b"")
        self.assertEqual(len(connection.answers), 2001)

    def test_part_of_the_next_one_is_kept(self) -> None:
        """And completed later."""
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get(b"/1"), post(b"hello")[:20])
        connection.site.requests[0].respond(200, [], b"")
        connection.send(post(b"hello")[20:])
        self.assertEqual(connection.site.requests[1].body, b"hello")


class RespondTests(unittest.SynchronousTestCase):
    """Whole answers."""

    def answer(self, request: bytes, *respond: object) -> Connection:
        """Let the site respond so."""
        connection = Connection()
        connection.site.answer = lambda asked: asked.respond(*respond)  # type: ignore[arg-type]
        return connection.send(request)

    def test_one_write(self) -> None:
        """Head and body together."""
        connection = self.answer(get(), 201, [(b"x-a", b"b")], b"hello", b"x-c: d\r\n")
        self.assertEqual(len(connection.transport.writes), 1)
        (answer,) = connection.answers
        self.assertEqual((answer.status, answer.body), (201, b"hello"))
        self.assertEqual((answer.headers[b"x-a"], answer.headers[b"x-c"]), (b"b", b"d"))
        self.assertEqual(answer.headers[b"content-length"], b"5")
        self.assertRegex(answer.headers[b"date"], rb"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertNotIn(b"server", answer.headers)
        self.assertEqual(connection.site.requests[0].bytes_out, 5)

    def test_head_has_the_length_and_no_body(self) -> None:
        """The next answer follows right behind."""
        connection = self.answer(HEAD + HEAD, 200, [], b"hello")
        first, second = read_answers(connection.received, to_head=True)
        self.assertEqual((first.headers[b"content-length"], second.status), (b"5", 200))
        self.assertEqual(connection.site.requests[0].bytes_out, 0)

    def test_statuses_without_a_body(self) -> None:
        """Have neither body nor length (RFC 9110 sections 15.3.5 and 15.4.5)."""
        for status in (204, 304):
            connection = self.answer(get(), status, [], b"")
            self.assertNotIn(b"content-length", connection.answers[0].headers)
            self.assertTrue(connection.received.endswith(b"\r\n\r\n"))

    def test_status_without_a_name(self) -> None:
        """The phrase is empty, its space is there."""
        connection = self.answer(get(), 599, [], b"")
        self.assertTrue(connection.received.startswith(b"HTTP/1.1 599 \r\n"))

    def test_answered_once(self) -> None:
        """A second answer is a fault of the caller, while the first one lasts; behind it, nothing."""
        connection = Connection()
        connection.site.answer = lambda request: None
        connection.send(get())
        (request,) = connection.site.requests
        request.start(200, [])
        self.assertRaises(RuntimeError, request.respond, 200, [], b"")
        self.assertRaises(RuntimeError, request.start, 200, [])
        request.finish()
        request.respond(200, [], b"late")
        request.write(b"late")
        request.finish()
        request.abort()
        self.assertEqual(connection.statuses, [200])
        self.assertTrue(connection.open)

    def test_error_of_the_site(self) -> None:
        """In the gateway's form, on a connection that goes on."""
        connection = Connection()

        def answer(request: Request) -> None:
            request.request_id = "r-1"
            raise LimitReached("slower", retry_after=1.5)

        connection.site.answer = answer
        connection.send(get() + get())
        self.assertEqual(connection.statuses, [429, 429])
        self.assertEqual(connection.answers[0].headers[b"retry-after"], b"2")
        self.assertEqual(connection.answers[0].headers[b"x-request-id"], b"r-1")
        self.assertEqual(connection.site.refusals, [])

    def test_fault_of_the_site(self) -> None:
        """500, which tells nothing of its inside; cut where the answer had begun."""
        connection = Connection()

        def answer(request: Request) -> None:
            if request.path == b"/begun":
                request.start(200, [])
                request.write(b"half")
            raise ZeroDivisionError("secret detail")

        connection.site.answer = answer
        connection.send(get())
        self.assertEqual(connection.statuses, [500])
        self.assertNotIn(b"secret detail", connection.received)
        connection.transport.clear()
        connection.send(get(b"/begun"))
        self.assertTrue(connection.received.endswith(b"4\r\nhalf\r\n"))
        self.assertFalse(connection.open)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class StreamTests(unittest.SynchronousTestCase):
    """Answers piece by piece."""

    def setUp(self) -> None:
        self.connection = Connection()
        self.connection.site.answer = lambda request: None

    def ask(self, request: bytes = b"") -> Request:
        """A request that waits for its answer."""
        self.connection.send(request or get())
        return self.connection.site.requests[-1]

    def test_one_write_a_piece(self) -> None:
        """The head goes out with the first one; the end is one more."""
        request = self.ask()
        request.start(200, [(b"content-type", b"text/event-stream")], extra=b"x-a: b\r\n")
        self.assertEqual(self.connection.transport.writes, [])
        request.write(b"data: 1\n\n")
        self.assertEqual(len(self.connection.transport.writes), 1)
        request.write(b"data: 2\n\n")
        self.assertEqual(self.connection.transport.writes[1:], [b"9\r\ndata: 2\n\n\r\n"])
        request.write(b"")
        request.finish()
        self.assertEqual(self.connection.transport.writes[2:], [b"0\r\n\r\n"])
        (answer,) = self.connection.answers
        self.assertEqual(answer.body, b"data: 1\n\ndata: 2\n\n")
        self.assertEqual((answer.headers[b"transfer-encoding"], answer.headers[b"x-a"]), (b"chunked", b"b"))
        self.assertEqual((request.bytes_out, request.finished), (18, True))

    def test_connection_goes_on_behind_it(self) -> None:
        """The next request is read when the end is written."""
        request = self.ask(get(b"/1") + get(b"/2"))
        request.start(200, [])
        request.write(b"x")
        self.assertEqual(len(self.connection.site.requests), 1)
        request.finish()
        self.assertEqual(len(self.connection.site.requests), 2)
        self.assertTrue(self.connection.open)

    def test_known_length(self) -> None:
        """No chunks; what is too much is not sent."""
        request = self.ask()
        request.start(200, [], 5)
        request.write(b"hel")
        request.write(b"lo, world")
        request.finish()
        (answer,) = self.connection.answers
        self.assertEqual((answer.body, answer.headers[b"content-length"]), (b"hello", b"5"))
        self.assertTrue(self.connection.open)

    def test_less_than_the_known_length_is_cut(self) -> None:
        """finish() does not pretend."""
        request = self.ask()
        request.start(200, [], 5)
        request.write(b"hel")
        request.finish()
        self.assertFalse(self.connection.open)
        self.assertTrue(self.connection.received.endswith(b"hel"))

    def test_no_pieces(self) -> None:
        """Head and end in one write."""
        request = self.ask()
        request.start(200, [])
        request.finish()
        self.assertEqual(len(self.connection.transport.writes), 1)
        self.assertEqual(self.connection.answers[0].body, b"")

    def test_head(self) -> None:
        """The head that GET would have, and nothing more."""
        request = self.ask(HEAD)
        request.start(200, [])
        request.write(b"hello")
        request.finish()
        (answer,) = read_answers(self.connection.received, to_head=True)
        self.assertEqual(answer.headers[b"transfer-encoding"], b"chunked")
        self.assertTrue(self.connection.open)

    def test_http_10_ends_with_the_connection(self) -> None:
        """No chunks, no length."""
        request = self.ask(get(version=b"1.0"))
        request.start(200, [])
        request.write(b"hello")
        request.finish()
        head, _, body = self.connection.received.partition(b"\r\n\r\n")
        self.assertEqual(body, b"hello")
        self.assertNotIn(b"transfer-encoding", head)
        self.assertIn(b"connection: close", head)
        self.assertTrue(self.connection.transport.disconnecting)
        self.assertFalse(self.connection.transport.aborted)

    def test_abort_sends_no_final_chunk(self) -> None:
        """What was written goes out before the close."""
        request = self.ask()
        request.start(200, [])
        request.write(b"half")
        request.abort()
        self.assertTrue(self.connection.received.endswith(b"\r\n\r\n4\r\nhalf\r\n"))
        self.assertTrue(self.connection.transport.disconnecting)
        self.assertFalse(self.connection.transport.aborted)

    def test_abort_of_what_only_the_close_would_end_is_a_reset(self) -> None:
        """A close would look like a whole body (HTTP/1.0)."""
        request = self.ask(get(version=b"1.0"))
        request.start(200, [])
        request.write(b"half")
        request.abort()
        self.assertTrue(self.connection.transport.aborted)

    def test_abort_before_anything_was_said(self) -> None:
        """Is a reset, too."""
        self.ask().abort()
        self.assertEqual(self.connection.received, b"")
        self.assertTrue(self.connection.transport.aborted)

    def test_abort_at_once_ends_the_connection_for_what_follows(self) -> None:
        """Also where nothing was said."""
        self.connection.site.answer = lambda request: request.abort()
        self.connection.send(get(b"/1") + get(b"/2"), get(b"/3"))
        self.assertEqual(len(self.connection.site.requests), 1)

    def test_abort_ends_the_connection_for_what_follows(self) -> None:
        """Requests behind it are not answered."""
        request = self.ask(get(b"/1") + get(b"/2"))
        request.start(200, [])
        request.write(b"half")
        request.abort()
        self.connection.send(get(b"/3"))
        self.assertEqual(len(self.connection.site.requests), 1)


class GoneTests(unittest.SynchronousTestCase):
    """Clients that leave."""

    def test_whoever_answers_is_told_once(self) -> None:
        """And may go on writing to nobody."""
        connection = Connection()
        calls: list[str] = []

        def answer(request: Request) -> None:
            request.gone = lambda: calls.append("gone")
            request.start(200, [])
            request.write(b"x")

        connection.site.answer = answer
        connection.send(get())
        connection.leave()
        (request,) = connection.site.requests
        self.assertEqual(calls, ["gone"])
        self.assertTrue(request.disconnected)
        sent = connection.received
        request.write(b"y")
        request.finish()
        request.abort()
        request.respond(200, [], b"")
        self.assertEqual(connection.received, sent)
        self.assertEqual(connection.factory.channels, set())

    def test_nobody_is_told_of_what_was_answered(self) -> None:
        """Only a present request can be left."""
        connection = Connection()
        connection.site.answer = lambda request: setattr(request, "gone", self.fail) or request.respond(200, [], b"")
        connection.send(get())
        connection.leave()
        self.assertFalse(connection.site.requests[0].disconnected)

    def test_site_that_admitted_is_told(self) -> None:
        """The body will not come."""
        connection = Connection()
        calls: list[str] = []
        connection.site.on_admit = lambda request: setattr(request, "gone", lambda: calls.append("gone"))
        connection.send(post(b"hello")[:-1])
        connection.leave()
        self.assertEqual(calls, ["gone"])

    def test_fault_of_whoever_is_told_does_not_keep_the_connection(self) -> None:
        """It is counted as closed all the same."""
        connection = Connection()
        connection.site.answer = lambda request: setattr(request, "gone", lambda: 1 / 0)
        connection.send(get())
        self.assertRaises(ZeroDivisionError, connection.leave)
        self.assertEqual(connection.factory.channels, set())

    def test_notify_finish(self) -> None:
        """Fires behind a whole answer, fails where the client left."""
        connection = Connection()
        results: list[Deferred[None]] = []
        connection.site.answer = lambda request: results.append(request.notifyFinish())
        connection.send(get())
        connection.site.requests[0].respond(200, [], b"")
        self.assertIsNone(self.successResultOf(results[0]))
        connection.send(get())
        self.assertNoResult(results[1])
        connection.leave()
        self.failureResultOf(results[1], ConnectionDone)


class AdmissionTests(unittest.SynchronousTestCase):
    """Bodies that are still to come."""

    HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

    def test_site_is_asked_once_and_only_where_the_body_is_not_there(self) -> None:
        """A request that came whole goes to render at once."""
        connection = Connection().send(post(b"hello"), get(), chunked(b"x"))
        self.assertEqual(connection.site.admitted, [])
        connection.trickle(post(b"hello"))
        self.assertEqual(len(connection.site.admitted), 1)
        self.assertIs(connection.site.admitted[0], connection.site.requests[-1])

    def test_state_is_kept_from_admission_to_answer(self) -> None:
        """What admit found out, render need not find again."""
        connection = Connection()
        connection.site.on_admit = lambda request: setattr(request, "state", "found")
        connection.trickle(post(b"hello"))
        self.assertEqual(connection.site.requests[0].state, "found")

    def test_continue_is_said_behind_admission(self) -> None:
        """Once, then the answer."""
        connection = Connection().send(self.HEAD)
        self.assertEqual(connection.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(b"he", b"llo")
        self.assertEqual(connection.statuses, [100, 200])
        self.assertTrue(connection.open)

    def test_continue_is_not_said_where_the_body_is_there(self) -> None:
        """Nor to HTTP/1.0 (RFC 9110 section 10.1.1)."""
        self.assertEqual(Connection().send(self.HEAD + b"hello").statuses, [200])
        self.assertEqual(Connection().send(self.HEAD.replace(b"/1.1", b"/1.0"), b"hello").statuses, [200])

    def test_refusal_instead_of_continue(self) -> None:
        """The body is not read; since it may come nevertheless, the connection ends, and lingers."""
        connection = Connection()

        def refuse(request: Request) -> None:
            raise Forbidden("not you")

        connection.site.on_admit = refuse
        connection.send(self.HEAD, b"hello" + get(b"/admin"))
        self.assertEqual(connection.statuses, [403])
        self.assertEqual(connection.answers[0].headers[b"connection"], b"close")
        self.assertEqual(connection.site.requests, [])
        self.assertTrue(connection.transport.half_closed)
        self.assertEqual(connection.site.refusals, [])

    def test_answer_instead_of_continue(self) -> None:
        """The site may also answer by itself."""
        connection = Connection()
        connection.site.on_admit = lambda request: request.respond(307, [(b"location", b"/x")], b"")
        connection.send(self.HEAD, b"hello")
        self.assertEqual(connection.statuses, [307])
        self.assertEqual(connection.site.requests, [])

    def test_fault_in_admission(self) -> None:
        """500."""
        connection = Connection()
        connection.site.on_admit = lambda request: 1 / 0
        connection.send(self.HEAD)
        self.assertEqual(connection.statuses, [500])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Page(Resource):
    """A stock resource."""

    isLeaf = True
    later: Request

    def render_GET(self, request: Request) -> bytes:
        request.setResponseCode(203)
        request.setHeader("Content-Type", "text/plain")
        request.setHeader(b"content-type", b"text/html")
        return b"page of " + (request.getHeader(b"X-A") or b"nobody")

    def render_POST(self, request: Request) -> int:
        self.later = request
        return NOT_DONE_YET


class ResourceTests(unittest.SynchronousTestCase):
    """Stock twisted.web resources."""

    def setUp(self) -> None:
        self.page = Page()
        self.connection = Connection()
        self.connection.site.answer = lambda request: render_resource(self.page, request)  # type: ignore[arg-type]

    def test_bytes(self) -> None:
        """With the status and the headers that were set."""
        self.connection.send(get(b"/", b"X-A: me"))
        (answer,) = self.connection.answers
        self.assertEqual((answer.status, answer.body), (203, b"page of me"))
        self.assertEqual(answer.headers[b"content-type"], b"text/html")

    def test_head(self) -> None:
        """Is GET without its body."""
        self.connection.send(HEAD)
        (answer,) = read_answers(self.connection.received, to_head=True)
        self.assertEqual(answer.headers[b"content-length"], b"14")

    def test_later(self) -> None:
        """By write and finish."""
        self.connection.send(post(b"x"))
        self.page.later.setHeader(b"connection", b"x-evil")
        self.page.later.write(b"a")
        self.page.later.write(b"b")
        self.page.later.finish()
        (answer,) = self.connection.answers
        self.assertEqual((answer.status, answer.body), (200, b"ab"))
        self.assertNotIn(b"connection", answer.headers)

    def test_later_with_a_length(self) -> None:
        """As static files do."""
        self.connection.send(post(b"x"))
        self.page.later.setHeader(b"Content-Length", b"2")
        self.page.later.write(b"ab")
        self.page.later.finish()
        (answer,) = self.connection.answers
        self.assertEqual((answer.headers[b"content-length"], answer.body), (b"2", b"ab"))

    def test_unknown_method(self) -> None:
        """405 with what is allowed."""
        self.connection.send(b"DELETE / HTTP/1.1\r\nHost: h\r\n\r\n")
        (answer,) = self.connection.answers
        self.assertEqual(answer.status, 405)
        self.assertEqual(set(answer.headers[b"allow"].split(b", ")), {b"GET", b"HEAD", b"POST"})
