"""Which of an upstream's header fields go down to the client."""

import time
from email.utils import formatdate

from twisted.trial import unittest

from aigw.http.headers import HOP_BY_HOP
from aigw.proxy.relay import ResponseHead, capped


class ResponseHeadTests(unittest.SynchronousTestCase):
    """RFC 9110 section 7.6.1, and what a provider's own site says for itself."""

    def test_hop_by_hop_fields_and_framing_stop_here(self) -> None:
        kept = [(b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2"), (b"retry-after", b"7")]
        dropped = [(name, b"close") for name in sorted(HOP_BY_HOP)]
        dropped += [(b"content-length", b"5"), (b"set-cookie", b"a=b"), (b"cf-ray", b"x")]
        head = ResponseHead(200, kept[:2] + dropped + kept[2:])
        self.assertEqual(head.headers, kept)
        self.assertEqual((head.content_type, head.length), (b"application/json", 5))

    def test_what_is_judged_is_what_goes_down(self) -> None:
        """One content type, the one that decides; a body is encoded if any field says so."""
        kinds = [(b"content-type", b"text/event-stream"), (b"x-a", b"1"), (b"content-type", b"application/json")]
        head = ResponseHead(200, kinds)
        self.assertEqual((head.headers, head.is_events), (kinds[1:], False))
        codings = [(b"content-encoding", b"gzip"), (b"content-encoding", b"identity")]
        for order in (codings, codings[::-1]):
            self.assertTrue(ResponseHead(200, order).encoded)

    def test_waits_are_capped_however_they_are_told(self) -> None:
        """Numbers and dates of any size, and what is too long to be one."""
        far, near = formatdate(time.time() + 400 * 86400, usegmt=True), formatdate(time.time() - 60, usegmt=True)
        for told, kept in (
            ("7", b"7"),
            ("61", b"60"),
            ("9" * 20_000, b"60"),
            ("inf", b"60"),
            ("1e400", b"60"),
            (far, b"60"),
            ("Mon, 01 Jan 9999 00:00:00 +" + "9" * 20, b"60"),
            (near, b"0"),
            ("soon", b"soon"),
        ):
            value = told.encode()
            self.assertEqual(capped(b"retry-after", value), kept, told[:50])
        self.assertEqual(capped(b"retry-after-ms", b"9" * 100), b"60000")

    def test_nominated_fields_stop_here(self) -> None:
        """Those that any Connection field names, one alone as well as several."""
        headers = [
            (b"connection", b"X-Foo"),
            (b"x-foo", b"1"),
            (b"x-bar", b"2"),
            (b"connection", b"close, x-bar"),
            (b"x-baz", b"3"),
        ]
        self.assertEqual(ResponseHead(200, headers).headers, [(b"x-baz", b"3")])
