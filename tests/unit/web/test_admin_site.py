"""The admin listener's bounds, and the names by which it may be called."""

from __future__ import annotations

import io
import pathlib
import socket
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial import unittest
from twisted.web.resource import Resource
from twisted.web.test.requesthelper import DummyRequest

from aigw.web import admin_site
from aigw.web.admin_site import AdminChannel, AdminSite, host_name, machine_names


class Transport(StringTransport):
    """Remembers that it was aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass


class Page(Resource):
    """Counts how often it was asked for."""

    isLeaf = True
    asked = 0
    body: bytes | None = None

    def render_GET(self, request: Any) -> bytes:
        self.asked += 1
        return b"names and figures"


class SiteTestCase(unittest.TestCase):
    """A site on a clock that the test turns, without sockets."""

    def setUp(self) -> None:
        self.clock = Clock()
        root = Resource()
        self.page = Page()
        for name in (b"", b"metrics", b"healthz", b"readyz"):
            root.putChild(name, self.page)
        self.site = AdminSite(root, ["localhost", "gateway", "gateway.example.com"], reactor=self.clock)

    def connect(self, host: Any = None) -> tuple[AdminChannel, Transport]:
        channel = self.site.buildProtocol(None)
        transport = Transport(hostAddress=host)
        channel.makeConnection(transport)
        self.addCleanup(channel.connectionLost, Failure(ConnectionDone()))
        return channel, transport

    def ask(self, request: bytes, host: Any = None) -> bytes:
        channel, transport = self.connect(host)
        channel.dataReceived(request)
        return transport.value()

    def status(self, *lines: str, path: str = "/") -> int:
        """What a GET with these header lines is answered."""
        head = "".join(f"{line}\r\n" for line in lines)
        return int(self.ask(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")).split()[1])


class BoundsTests(SiteTestCase):
    """What is not read."""

    def test_a_body_is_refused_by_its_head(self) -> None:
        """However it is sent; what comes of it all the same is thrown away, and the connection is closed soon."""
        for framing in (b"Content-Length: 16000000", b"Transfer-Encoding: chunked"):
            channel, transport = self.connect()
            channel.dataReceived(
                b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n\r\na=b"
                % framing
            )
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 413 "), transport.value())
            self.assertEqual(transport.producerState, "paused", "it reads no more")
            for _ in range(100):
                channel.dataReceived(b"&a=b" * 16_000)
            self.assertEqual(transport.value().count(b"HTTP/1.1"), 1)
            self.assertFalse(transport.aborted)
            self.clock.advance(1.1)
            self.assertTrue(transport.aborted)
        self.assertEqual(self.page.asked, 0)

    def test_no_continue_for_a_body_that_is_not_wanted(self) -> None:
        answer = self.ask(
            b"POST / HTTP/1.1\r\nHost: gateway\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"
        )
        self.assertNotIn(b"100 Continue", answer)

    def test_forms_are_not_parsed(self) -> None:
        """A small one is read, and not looked at."""
        form = b"a=b&" * 1000
        before = self.page.asked
        answer = self.ask(
            b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(form), form)
        )
        self.assertTrue(answer.startswith(b"HTTP/1.1 405 "), answer)
        self.assertFalse(self.site._parsePOSTFormSubmission)
        self.assertEqual(self.page.asked, before)

    def test_heads_are_bounded(self) -> None:
        for head in (b"x: " + b"y" * 20_000, b"\r\n".join(b"x%d: y" % number for number in range(101))):
            answer = self.ask(b"GET / HTTP/1.1\r\nHost: gateway\r\n" + head + b"\r\n\r\n")
            self.assertFalse(answer.startswith(b"HTTP/1.1 200"), answer)
        self.assertEqual(self.page.asked, 0)

    def test_a_length_of_thousands_of_digits(self) -> None:
        """Python refuses to read such a number; that is no fault of ours."""
        answer = self.ask(b"GET / HTTP/1.1\r\nHost: gateway\r\nContent-Length: " + b"0" * 5000 + b"5\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)

    def test_a_request_has_to_be_there_in_time(self) -> None:
        """Whoever sends it byte by byte does not keep the connection by that."""
        for request in (b"GET / HTTP/1.1\r\nHost: gateway\r\nx: " + b"y" * 100, b"GET", b"\r\n"):
            channel, transport = self.connect()
            for byte in request:
                channel.dataReceived(bytes([byte]))
                self.clock.advance(0.3)
            self.clock.advance(11)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 408 "), request)
            self.clock.advance(1.1)
            self.assertTrue(transport.aborted)

    def test_so_has_its_body(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n")
        for _ in range(50):
            channel.dataReceived(b"x")
            self.clock.advance(0.3)
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 408 "))

    def test_requests_one_after_the_other(self) -> None:
        """As Prometheus has them, over one connection for hours; several at once as well."""
        channel, transport = self.connect()
        for _ in range(30):
            channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n")
            self.clock.advance(15)
        channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n" * 3)
        self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), 33)
        self.assertEqual(self.page.asked, 33)

    def test_connections_are_bounded(self) -> None:
        """The oldest makes way: a scrape gets in, whoever holds how many connections open."""
        held = [self.connect() for _ in range(64)]
        self.assertFalse(any(transport.aborted for _, transport in held))
        self.assertEqual(self.ask(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")[:12], b"HTTP/1.1 200")
        self.assertEqual([transport.aborted for _, transport in held], [True] + [False] * 63)
        self.assertEqual(len(self.site._channels), 64)

    def test_nothing_is_left_of_a_connection(self) -> None:
        channel, _ = self.connect()
        channel.dataReceived(b"GET / HT")
        channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.site._channels, self.clock.getDelayedCalls()), ({}, []))


class NameTests(SiteTestCase):
    """DNS rebinding: a page's own name, resolved to our address."""

    def test_known_names(self) -> None:
        for name in ("gateway", "GATEWAY:9100", "gateway.example.com", "gateway.example.com.:9100", "localhost"):
            self.assertEqual(self.status(f"Host: {name}"), 200, name)

    def test_addresses_need_no_name(self) -> None:
        for name in ("127.0.0.1", "10.1.2.3:9100", "[::1]", "[2001:db8::1]:9100"):
            self.assertEqual(self.status(f"Host: {name}"), 200, name)

    def test_other_names(self) -> None:
        """Neither the status page nor the metrics, by no method; nor anything that is no name at all."""
        for name in (
            "rebound.evil.example:9100", "gateway.evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
            "evil-gateway", "gateway:port", "gateway@evil.example", "[::1", "[::1]x", "127.1", "0x7f.1", "", "\xe9",
        ):  # fmt: skip
            for path in ("/", "/metrics", "/none"):
                self.assertEqual(self.status(f"Host: {name}", path=path), 421, (name, path))
        self.assertEqual(self.status("Host: gateway", "Host: evil.example"), 421)
        answer = self.ask(b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n"))
        self.assertIn(b'"code": "host_not_allowed"', answer)
        self.assertEqual(self.page.asked, 0)

    def test_probes_may_have_a_name_of_their_own(self) -> None:
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.status("Host: anything.example", path=path), 200)

    def test_who_has_no_name_for_us(self) -> None:
        """HTTP/1.0, and whatever comes over a Unix socket: no browser does either."""
        self.assertIn(b" 200 ", self.ask(b"GET / HTTP/1.0\r\n\r\n")[:20])
        answer = self.ask(b"GET / HTTP/1.1\r\nHost: anything.example\r\n\r\n", UNIXAddress("/run/admin"))
        self.assertIn(b" 200 ", answer[:20])

    def machine(self, own: str, hosts: str, resolver: str) -> set[str]:
        for name, text in (("_HOSTS", hosts), ("_RESOLVER", resolver)):
            path = pathlib.Path(self.mktemp())
            path.write_text(text)
            self.patch(admin_site, name, path)
        self.patch(socket, "gethostname", lambda: own)
        return machine_names()

    def test_names_of_the_machine(self) -> None:
        """Its own, those beside it in /etc/hosts, those in the domains that are searched; no others of that file."""
        hosts = (
            "127.0.0.1 localhost ip6-loopback # and\n127.0.1.1 Box.example.org box\n# c\n\n127.0.0.1 ads.evil.example\n"
        )
        self.assertEqual(
            self.machine("box", hosts, "nameserver 127.0.0.53\nsearch corp.example lan.\noptions edns0\n"),
            {"localhost", "ip6-loopback", "box", "box.example.org", "box.corp.example", "box.lan"},
        )

    def test_a_machine_whose_name_is_whole(self) -> None:
        self.assertEqual(
            self.machine("Box.example.org", "", "search corp.example"), {"localhost", "box", "box.example.org"}
        )

    def test_a_machine_without_those_files(self) -> None:
        for name in ("_HOSTS", "_RESOLVER"):
            self.patch(admin_site, name, pathlib.Path(self.mktemp()))
        self.assertIn("localhost", machine_names())

    def test_host_headers(self) -> None:
        """As names, without ports."""
        self.assertEqual(host_name(b" A.b.:80 "), "a.b")
        self.assertEqual(host_name(b"[::1]:80"), "::1")
        for broken in (b"a:b", b"[::1]80", b"", b".", b":80"):
            self.assertIsNone(host_name(broken), broken)


class LogTests(SiteTestCase):
    """The stock access log."""

    def test_scrapes_leave_no_trace_in_the_log(self) -> None:
        """A probe every few seconds would be most of what the daemon's log holds."""
        self.site.logFile = written = io.BytesIO()
        self.site.log(DummyRequest([b"metrics"]))
        self.assertEqual(written.getvalue(), b"")
