"""TLS as it comes in pieces: everything that is complete is read at once, and an end is only an end if TLS says so."""

from __future__ import annotations

import gc
import ssl
import weakref
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trustme
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial import unittest

from aigw.http.secure import RecordCount, SecureTransport, without_detours

NAME = "gateway.example"
SIZES = st.lists(st.integers(1, 40), max_size=200)


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """``data``, cut into pieces of these sizes and a rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]


class RecordCountTests(unittest.TestCase):
    """Where records end, however they come."""

    @given(st.lists(st.binary(max_size=300), max_size=8), SIZES)
    def test_every_end_is_seen_when_it_is_there(self, records: list[bytes], sizes: list[int]) -> None:
        framed = [b"\x17\x03\x03" + len(record).to_bytes(2, "big") + record for record in records]
        ends = [sum(map(len, framed[: number + 1])) for number in range(len(framed))]
        count, received, seen = RecordCount(), 0, 0
        for piece in in_pieces(b"".join(framed), sizes):
            received += len(piece)
            seen += count.ended_in(piece)
            self.assertEqual(seen, sum(end <= received for end in ends))


class Ears(Protocol):
    """What a server hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: Any = None
        self.producer: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.heard.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason.type


@lru_cache
def contexts() -> tuple[Any, ssl.SSLContext]:
    """The server's and the client's."""
    authority = trustme.CA()
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "pem")
        authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(path)
        server = DefaultOpenSSLContextFactory(path, path)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class SecureTransportTests(unittest.TestCase):
    """A server of ours and a client of the standard library, without sockets."""

    def connect(self, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        """Both sides; the client's last words of the handshake, if it has the last, are the server's still to hear."""
        server_context, client_context = contexts()
        client_context.maximum_version = newest
        self.to_client, self.to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client_context.wrap_bio(self.to_client, self.to_server, server_hostname=NAME)
        factory = without_detours(TLSMemoryBIOFactory(server_context, False, Factory.forProtocol(Ears)))
        self.server: Any = factory.buildProtocol(None)
        self.assertIsInstance(self.server, SecureTransport)
        self.wire = StringTransport()
        self.server.makeConnection(self.wire)
        while True:
            try:
                self.client.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.server.dataReceived(self.to_server.read())
                self.take()
        self.ears: Ears = self.server.wrappedProtocol

    def take(self) -> None:
        """The client gets what the server has sent."""
        self.to_client.write(self.wire.value())
        self.wire.clear()

    def sent(self, *messages: bytes) -> list[bytes]:
        """What the client puts on the wire for each message."""
        pieces = []
        for message in messages:
            self.client.write(message)
            pieces.append(self.to_server.read())
        return pieces

    @given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8), SIZES, st.booleans())
    def test_everything_complete_is_heard_at_once(self, messages: list[bytes], sizes: list[int], old: bool) -> None:
        """Whatever the network makes of it, the handshake's last words in front of it included."""
        self.connect(ssl.TLSVersion.TLSv1_2 if old else ssl.TLSVersion.TLSv1_3)
        wire = self.sent(*messages)
        ends = [sum(map(len, wire[: number + 1])) for number in range(len(wire))]
        received = 0
        for piece in in_pieces(b"".join(wire), sizes):
            received += len(piece)
            self.server.dataReceived(piece)
            complete = messages[: sum(end <= received for end in ends)]
            self.assertEqual(b"".join(self.ears.heard), b"".join(complete))

    def test_more_than_a_record(self) -> None:
        self.connect()
        message = bytes(range(256)) * 300
        self.server.dataReceived(b"".join(self.sent(message)))
        self.assertEqual(b"".join(self.ears.heard), message)

    def test_writing(self) -> None:
        """At once, in as many records as it takes."""
        for message in (b"hello", b"x" * 100_000):
            self.connect()
            self.server.dataReceived(b"".join(self.sent(b"?")))
            self.ears.transport.write(message)  # type: ignore[union-attr]
            self.take()
            heard = b""
            while len(heard) < len(message):
                heard += self.client.read(65536)
            self.assertEqual(heard, message)

    def test_end(self) -> None:
        """With TLS's goodbye it is one, without it is a cut."""
        for goodbye, lost in ((True, ConnectionDone), (False, ConnectionLost)):
            self.connect()
            wire = self.sent(b"all")
            if goodbye:
                self.assertRaises(ssl.SSLWantReadError, self.client.unwrap)
                wire.append(self.to_server.read())
            self.server.dataReceived(b"".join(wire))
            self.assertEqual(self.wire.disconnecting, goodbye)
            self.server.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((self.ears.heard, self.ears.lost), ([b"all"], lost))

    def test_connection_that_is_gone_is_free(self) -> None:
        """Without the garbage collector."""
        gc.disable()
        self.addCleanup(gc.enable)
        self.connect()
        self.server.registerProducer(self.ears, True)
        self.ears.producer = self.server
        freed = weakref.ref(self.server)
        self.wire.unregisterProducer()  # a socket does that by itself
        self.server.connectionLost(Failure(ConnectionDone()))
        del self.server, self.ears
        self.assertIsNone(freed())

    def test_forged_record(self) -> None:
        """Nothing of it is heard, and the connection ends."""
        self.connect()
        (wire,) = self.sent(b"pay 1")
        self.server.dataReceived(wire[:-1] + bytes([wire[-1] ^ 1]))
        self.assertTrue(self.wire.disconnecting)
        self.server.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ears.heard, [])
        self.assertNotEqual(self.ears.lost, ConnectionDone)
