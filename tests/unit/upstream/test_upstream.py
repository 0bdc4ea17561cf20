"""What an upstream makes of a payload."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.upstream.upstream import HttpUpstream, Payload


class FakePool:
    """Remembers what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bool, bytes]] = []

    def call(self, request: bytes, sink: object, *, head: bool, partition: bytes) -> object:
        self.sent.append((request, head, partition))
        return self


class HttpUpstreamTests(unittest.TestCase):
    """A call over the wire."""

    def test_wire_gets_bytes_and_keeps_no_parsed_body(self) -> None:
        """A parsed body is several times its bytes; it is not to live as long as a stream."""
        pool: Any = FakePool()
        sink: Any = object()
        payload = Payload(b"POST / HTTP/1.1\r\n\r\n{}", False, b"p", "chat", {"model": "m"})
        HttpUpstream("b", pool).send(payload, sink)
        self.assertEqual(pool.sent, [(payload.data, False, b"p")])
        self.assertIsNone(payload.fields)
