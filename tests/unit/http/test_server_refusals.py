"""Requests that gateways fell over: each is refused, in words, before anybody serves it."""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.trial import unittest

from aigw.config import values
from aigw.http.reader import METHODS
from aigw.http.server import ServerLimits
from tests.unit.http.connection import LIMITS, Connection, chunked, get, post

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HIDDEN = b"GET /admin HTTP/1.1\r\nHost: h\r\n\r\n"

#: What is refused because of its head, with the status.
HEADS = {
    # request line
    "http_09": (b"GET /\r\n\r\n", 400),
    "http_2": (get(version=b"2.0"), 400),
    "http_2_preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http_3": (get(version=b"3.0"), 400),
    "http_110": (get(version=b"1.10"), 400),
    "version_without_minor": (get(version=b"1"), 400),
    "bad_field_in_http_12": (get(b"/", b"X : y", version=b"1.2"), 400),
    "no_host_in_http_12": (get(version=b"1.2", host=b""), 400),
    "http_99": (get(version=b"9.9"), 400),
    "version_in_lower_case": (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "rtsp": (b"GET / RTSP/1.0\r\nHost: h\r\n\r\n", 400),
    "ice": (b"SOURCE / ICE/1.0\r\nHost: h\r\n\r\n", 400),
    "two_spaces_before_the_target": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "two_spaces_behind_the_target": (b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "space_behind_the_version": (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
    "space_before_the_method": (b" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "tab_before_the_target": (b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "space_in_the_target": (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "version_in_the_target": (b"GET /v1/chat HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "two_empty_lines_first": (b"\r\n\r\n" + get(), 400),
    "bare_lf_first": (b"\n" + get(), 400),
    "bare_cr_first": (b"\r" + get(), 400),
    "unknown_method": (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "method_of_webdav": (b"PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "method_that_holds_its_answer": (b"QUERY / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 501),
    "method_of_odd_characters": (b"M-SEARCH! / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "lower_case_method": (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "mixed_case_method": (b"Post / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "method_that_is_no_token": (b"GE(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "method_with_a_byte_beyond_ascii": (b"G\xc3\x8bT / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "tls_hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    "connect": (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    "connect_to_a_path": (b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    # target
    "no_slash": (get(b"v1/chat"), 400),
    "star": (get(b"*"), 400),
    "star_with_more": (b"OPTIONS */x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "fragment": (get(b"/a#b"), 400),
    "fragment_in_the_query": (get(b"/a?b#c"), 400),
    "control_in_the_target": (get(b"/a\x01"), 400),
    "delete_in_the_query": (get(b"/a?\x7f"), 400),
    "not_ascii": (get(b"/\xc3\xa4"), 400),
    "absolute_for_another_host": (get(b"http://other/x"), 400),
    "absolute_with_user": (get(b"http://u@h/x"), 400),
    "absolute_with_another_port": (get(b"http://h:81/x"), 400),
    "absolute_with_the_other_schemes_port": (get(b"http://h:443/x"), 400),
    "absolute_with_a_port_that_host_has_not": (get(b"https://h:80/x"), 400),
    "absolute_of_another_scheme": (get(b"ftp://h/x"), 400),
    "absolute_without_host": (get(b"http://h/x", host=b""), 400),
    "length_of_zeros": (POST + b"Content-Length: " + b"0" * 4301 + b"5\r\n\r\nhello", 400),
    "length_of_21_digits": (POST + b"Content-Length: " + b"0" * 20 + b"5\r\n\r\nhello", 400),
    "above_the_root": (get(b"/../admin"), 400),
    "escaped_nul": (get(b"/a%00"), 400),
    # Host
    "no_host": (get(host=b""), 400),
    "two_hosts": (get(b"/", b"Host: other"), 400),
    "the_same_host_twice": (get(b"/", b"Host: h"), 400),
    "empty_host": (get(host=b"Host:\r\n"), 400),
    "host_with_a_path": (get(host=b"Host: h/x\r\n"), 400),
    "host_with_a_query": (get(host=b"Host: h/?\r\n"), 400),
    "host_with_a_fragment": (get(host=b"Host: h/#\r\n"), 400),
    "host_with_a_user": (get(host=b"Host: u@h\r\n"), 400),
    "host_with_a_space": (get(host=b"Host: h x\r\n"), 400),
    "host_of_two": (get(host=b"Host: h, other\r\n"), 400),
    "host_with_a_word_as_port": (get(host=b"Host: h:http\r\n"), 400),
    "host_with_two_ports": (get(host=b"Host: h:80:80\r\n"), 400),
    "host_without_its_bracket": (get(host=b"Host: [::1\r\n"), 400),
    "host_not_ascii": (get(host=b"Host: h\xc3\xa4\r\n"), 400),
    "host_without_end": (get(host=b"Host: " + b"h" * 300 + b"\r\n"), 400),
    # fields
    "bare_lf": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare_lf_behind_a_field": (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
    "bare_cr_in_a_value": (get(b"/", b"X: a\rb"), 400),
    "nul_in_a_value": (get(b"/", b"X: a\x00b"), 400),
    "bell_in_a_value": (get(b"/", b"X: a\x07b"), 400),
    "nul_in_a_name": (get(b"/", b"X\x00: a"), 400),
    "obs_fold": (get(b"/", b"X: a\r\n b"), 400),
    "obs_fold_with_a_tab": (get(b"/", b"X: a\r\n\tb"), 400),
    "fold_in_front": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "space_before_colon": (get(b"/", b"X : a"), 400),
    "no_colon": (get(b"/", b"XYZ"), 400),
    "empty_name": (get(b"/", b": a"), 400),
    "strange_expectation": (post(b"", b"Expect: 200-ok"), 417),
    "two_expectations": (post(b"", b"Expect: 200-ok", b"Expect: 100-continue"), 400),
    "two_content_types": (post(b"{}", b"Content-Type: application/json", b"Content-Type: text/plain"), 400),
    "the_same_content_type_twice": (post(b"{}", b"Content-Type: text/plain", b"content-type: text/plain"), 400),
    # framing
    "length_with_chunked": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunked_with_length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN, 400),
    "length_with_another_coding": (POST + b"Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\nhello", 400),
    "two_lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "the_same_length_twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "length_with_plus": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "length_with_minus": (POST + b"Content-Length: -5\r\n\r\nhello", 400),
    "length_in_a_list": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "length_in_hex": (POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "length_with_a_gap": (POST + b"Content-Length: 1 1\r\n\r\nhello", 400),
    "length_with_underscore": (POST + b"Content-Length: 1_0\r\n\r\nhellohello", 400),
    "length_empty": (POST + b"Content-Length:\r\n\r\nhello", 400),
    "length_beyond_64_bits": (POST + b"Content-Length: 18446744073709551617\r\n\r\nhello", 400),
    "coding_in_http_10": (b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, 400),
    "coding_identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "coding_gzip": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "coding_unknown": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "coding_chunked_not_last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "coding_chunked_twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "coding_in_two_fields": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding_hidden_in_front": (POST + b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding_hidden_behind": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 400),
    "coding_behind_a_vertical_tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding_with_a_space_before_its_colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    # size
    "too_many_fields": (get(b"/", *[b"X-%d: y" % number for number in range(100)]), 431),
    "too_long_a_field": (get(b"/", b"X: " + b"a" * 33_000), 431),
    "too_long_a_target": (get(b"/" + b"a" * 33_000), 431),
    "too_long_a_query": (get(b"/?" + b"a" * 33_000), 431),
    "announced_body_too_large": (POST + b"Content-Length: 100001\r\n\r\n", 413),
    "expected_body_too_large": (POST + b"Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n", 413),
}

#: What is refused because of its body.
BODIES = {
    "chunk_size_with_0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_size_with_plus": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_size_with_minus": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_size_with_space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "chunk_size_with_underscore": (CHUNKED + b"1_0\r\nhellohellohello!\r\n0\r\n\r\n", 400),
    "chunk_size_empty": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_size_beyond_64_bits": (CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_extension_empty": (CHUNKED + b"5;\r\nhello\r\n0\r\n\r\n", 400),
    "chunk_extension_with_lf": (CHUNKED + b"5;a\nhello\r\n0\r\n\r\n", 400),
    "chunk_longer_than_it_says": (CHUNKED + b"5\r\nhelloXX0\r\n\r\n", 400),
    "chunk_ended_by_lf": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "chunk_size_ended_by_lf": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "last_chunk_ended_by_lf": (CHUNKED + b"5\r\nhello\r\n0\n\n", 400),
    "trailer_with_length": (chunked(b"hello", trailers=b"Content-Length: 3\r\n"), 400),
    "trailer_with_coding": (chunked(b"hello", trailers=b"Transfer-Encoding: chunked\r\n"), 400),
    "trailer_without_colon": (chunked(b"hello", trailers=b"X\r\n"), 400),
    "flood_of_extensions": (CHUNKED + (b"1;" + b"e" * 4000 + b"\r\nx\r\n") * 10, 400),
    "flood_of_trailers": (chunked(b"hello", trailers=b"X: yyyyyyyyyy\r\n" * 2000), 400),
    "chunks_too_large": (CHUNKED + (b"4e20\r\n" + b"x" * 20000 + b"\r\n") * 6, 413),
    "one_chunk_too_large": (CHUNKED + b"186a1\r\n" + b"x" * 100_001 + b"\r\n0\r\n\r\n", 413),
}


class RefusalTests(unittest.SynchronousTestCase):
    """Each of the above: refused as JSON, told to the site, never served, and the client gets to read it."""

    def check_refused(self, connection: Connection, status: int) -> None:
        """The last thing said is the refusal; the connection lingers behind it."""
        answer = connection.answers[-1]
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers[b"connection"], b"close")
        self.assertEqual(answer.headers[b"content-type"], b"application/json")
        body = json.loads(answer.body)
        self.assertTrue(body["error"]["message"])
        self.assertEqual(body["request_id"].encode(), answer.headers[b"x-request-id"])
        self.assertTrue(connection.transport.half_closed)
        self.assertFalse(connection.transport.disconnecting)
        self.assertEqual([error.status for _, error in connection.site.refusals], [status])


def _add(name: str, check: Callable[[RefusalTests], None]) -> None:
    setattr(RefusalTests, name, check)


def _add_tests(name: str, request: bytes, status: int) -> None:
    def alone(self: RefusalTests) -> None:
        connection = Connection().send(request)
        self.check_refused(connection, status)
        self.assertEqual(len(connection.answers), 1)
        self.assertEqual(connection.site.requests, [])

    def trickled(self: RefusalTests) -> None:
        connection = Connection().trickle(request, 1 if len(request) < 4096 else 97)
        self.check_refused(connection, status)
        self.assertEqual(connection.site.requests, [])

    def behind(self: RefusalTests) -> None:
        connection = Connection().send(get(b"/good") + request)
        self.check_refused(connection, status)
        self.assertEqual([asked.path for asked in connection.site.requests], [b"/good"])
        self.assertEqual(connection.statuses, [200, status])

    _add(f"test_{name}", alone)
    _add(f"test_{name}_byte_by_byte", trickled)
    _add(f"test_{name}_behind_a_good_one", behind)


for _name, (_request, _status) in {**HEADS, **BODIES}.items():
    _add_tests(_name, _request, _status)


class MethodTests(unittest.SynchronousTestCase):
    """Which methods there are."""

    def test_refused_methods_are_told_which_there_are(self) -> None:
        """405 has to say Allow (RFC 9110 section 15.5.6), 501 says it in words."""
        for line in (b"TRACE /", b"CONNECT h:443"):
            (answer,) = Connection().send(line + b" HTTP/1.1\r\nHost: h\r\n\r\n").answers
            self.assertEqual(answer.headers[b"allow"], b"GET, HEAD, OPTIONS, POST")
        (answer,) = Connection().send(b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n").answers
        self.assertEqual(json.loads(answer.body)["error"]["code"], "not_supported")

    def test_all_that_a_route_may_name_are_served(self) -> None:
        """And no others."""
        for method in values._METHODS:
            connection = Connection().send(method.encode() + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual([request.method for request in connection.site.requests], [method.encode()])
        self.assertEqual(METHODS - {b"TRACE", b"CONNECT"}, {method.encode() for method in values._METHODS})


class PromptRefusalTests(unittest.SynchronousTestCase):
    """Nobody waits for a deadline to be told what can be seen at once."""

    def test_before_the_head_is_complete(self) -> None:
        """A first line, a first byte or a line end may be enough."""
        for start in (
            b"GET /\r\n",
            b"GET / HTTP/2.0\r\n",
            b"HELO mail\r\n",
            b"\x16\x03\x01",
            b"get / HTTP/1.1\r\n",
            b"BREW / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\n",
            b"\r\n\r\n",
            b"\rG",
            b"G" * 32_769,
            b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 32_768,
        ):
            connection = Connection().send(start)
            self.assertEqual(len(connection.answers), 1, start[:20])

    def test_of_a_body_that_is_too_large_before_any_of_it(self) -> None:
        """And no 100 Continue; the site is not even asked."""
        connection = Connection().send(POST + b"Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(connection.statuses, [413])
        self.assertIn("100000 bytes", json.loads(connection.answers[0].body)["message"])
        self.assertEqual(connection.site.admitted, [])

    def test_of_a_body_that_grows_too_large(self) -> None:
        """As soon as the byte too many is there."""
        connection = Connection().send(CHUNKED + b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
        self.assertEqual(connection.answers, [])
        connection.send(b"1\r\nx")
        self.assertEqual(connection.statuses, [413])

    def test_site_learns_which_request_it_was(self) -> None:
        """If its head could be read."""
        connection = Connection().send(get(b"/secret", host=b""))
        request, _ = connection.site.refusals[0]
        assert request is not None
        self.assertEqual((request.method, request.uri, request.status), (b"GET", b"/secret", 400))
        connection = Connection().send(b"garbage\r\n")
        self.assertIsNone(connection.site.refusals[0][0])

    def test_nothing_is_read_behind_a_refusal(self) -> None:
        """Else the rest of a refused body would be a request."""
        connection = Connection().send(get(host=b""), get(b"/admin"), get(b"/admin"))
        self.assertEqual(connection.statuses, [400])
        self.assertEqual(connection.site.requests, [])


class BoundTests(unittest.SynchronousTestCase):
    """What is just allowed."""

    def test_head_of_exactly_the_limit(self) -> None:
        """One byte more is too much, however it comes."""
        whole = get(b"/", b"X: ")
        fits = get(b"/", b"X: " + b"y" * (LIMITS.head_bytes - len(whole)))
        self.assertEqual(len(fits), LIMITS.head_bytes)
        self.assertEqual(Connection().send(fits).statuses, [200])
        self.assertEqual(Connection().trickle(fits, 1000).statuses, [200])
        more = fits.replace(b"X: ", b"X: y")
        self.assertEqual(Connection().send(more).statuses, [431])
        self.assertEqual(Connection().trickle(more, 1000).statuses, [431])

    def test_as_many_fields_as_allowed(self) -> None:
        """Host is one of them."""
        fields = [b"X-%d: y" % number for number in range(99)]
        self.assertEqual(Connection().send(get(b"/", *fields)).statuses, [200])

    def test_body_of_exactly_the_limit(self) -> None:
        """Sized and chunked."""
        body = b"x" * LIMITS.body
        self.assertEqual(Connection().send(post(body)).statuses, [200])
        self.assertEqual(Connection().send(chunked(body)).statuses, [200])
        self.assertEqual(Connection().trickle(chunked(*[b"x" * 100] * 1000), 1009).statuses, [200])

    def test_chunks_of_one_byte(self) -> None:
        """Wasteful, but a request; also with sizes that are written with zeros."""
        connection = Connection().send(chunked(*[b"x"] * 20_000))
        self.assertEqual(connection.site.requests[0].body, b"x" * 20_000)
        padded = CHUNKED + b"00000001\r\nx\r\n" * 5000 + b"0\r\n\r\n"
        self.assertEqual(Connection().send(padded).statuses, [200])

    def test_limits_are_read_for_each_request(self) -> None:
        """So a reload changes them for connections that are open, too."""
        connection = Connection().send(post(b"x" * 50))
        connection.factory.limits = ServerLimits(body=49)
        connection.send(post(b"x" * 50))
        self.assertEqual(connection.statuses, [200, 413])
