"""Which fields go on and which stop here."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.http.headers import connection_tokens, wants_close


class NominatedTests(unittest.SynchronousTestCase):
    """RFC 9110 section 7.6.1."""

    def test_every_connection_field_counts(self) -> None:
        """Those that any Connection field names, however it is written."""
        headers = [
            (b"connection", b"X-Foo , close"),
            (b"x-foo", b"1"),
            (b"x-bar", b"2"),
            (b"connection", b"x-bar,,"),
            (b"x-baz", b"3"),
        ]
        self.assertEqual(connection_tokens(headers) - {b""}, {b"x-foo", b"x-bar"})

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
