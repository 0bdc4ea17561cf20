"""Which fields go on and which stop here."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.http.headers import HOP_BY_HOP, connection_tokens, end_to_end, wants_close


class EndToEndTests(unittest.SynchronousTestCase):
    """RFC 9110 section 7.6.1."""

    def test_hop_by_hop_fields_stop_here(self) -> None:
        """And so does framing, which is made anew."""
        kept = [(b"accept", b"*/*"), (b"x-a", b"1"), (b"x-a", b"2"), (b"host", b"h")]
        dropped = [(name, b"x") for name in sorted(HOP_BY_HOP)] + [(b"content-length", b"5")]
        self.assertEqual(end_to_end(kept[:2] + dropped + kept[2:]), kept)

    def test_nominated_fields_stop_here(self) -> None:
        """Those that any Connection field names, however it is written."""
        headers = [
            (b"connection", b"X-Foo , close"),
            (b"x-foo", b"1"),
            (b"x-bar", b"2"),
            (b"connection", b"x-bar,,"),
            (b"x-baz", b"3"),
        ]
        self.assertEqual(end_to_end(headers), [(b"x-baz", b"3")])

    def test_tokens(self) -> None:
        """Without those that are about the connection itself."""
        self.assertEqual(connection_tokens([(b"connection", b"keep-alive")]), frozenset())
        self.assertEqual(connection_tokens([(b"x", b"y")]), frozenset())
        self.assertEqual(connection_tokens([(b"connection", b"Close, Upgrade")]), {b"upgrade"})


class CloseTests(unittest.SynchronousTestCase):
    """RFC 9112 section 9.6."""

    def test_wants_close(self) -> None:
        """A token of any Connection field."""
        for value in (b"close", b"Close", b"x, CLOSE ,y"):
            self.assertTrue(wants_close([(b"a", b"b"), (b"connection", b"keep-alive"), (b"connection", value)]))
        for value in (b"", b"closed", b"keep-alive", b"x-close"):
            self.assertFalse(wants_close([(b"connection", value)]))
        self.assertFalse(wants_close([(b"x", b"close")]))
