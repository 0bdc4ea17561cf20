"""TLS without detours: written at once, read as far as records are complete.

Twisted's TLS transport holds each write back until the reactor's next turn, and asks OpenSSL for more until an
exception says that there is no more: twice for each piece that arrives. A gateway writes whole messages, mostly of one
record, so :class:`SecureTransport` hands each write to the socket at once (:mod:`aigw.http.writer`). And it reads the
headers of the records that come in (RFC 8446 section 5.1), so it knows how many it can ask for. Everything else, the
handshake and the goodbye, is Twisted's.
"""

from __future__ import annotations

from typing import Any, Final

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from aigw.http.writer import EagerWriter

#: Bytes of a record's header; its last two are the length of what follows.
_HEADER: Final = 5
#: The most that a record holds (RFC 8446 section 5.1).
_RECORD: Final = 16 * 1024
#: Read from OpenSSL in one go; more than it makes of one record.
_SENT: Final = 32 * 1024


class SecureTransport(TLSMemoryBIOProtocol):
    """See the module's head."""

    def makeConnection(self, transport: Any) -> None:
        """TCP is established."""
        self._below = EagerWriter(transport)
        self._records = RecordCount()
        self._due = 0  # records that are complete and were not asked for
        super().makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of records."""
        self._due += self._records.ended_in(data)
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """TCP is over; was TLS, before that?"""
        self._due += 1  # the end, which OpenSSL is to judge
        super().connectionLost(reason)
        self._producer = None  # it knows us: every connection would be work for the garbage collector

    def _flushReceiveBIO(self) -> None:
        """Take what is complete. Twisted's own asks on until that raises, and then looks for something to send."""
        while self._due and not self._lostTLSConnection:
            self._due -= 1
            try:
                data = self._tlsConnection.recv(_RECORD)
            except WantReadError:
                # It was none of ours: a ticket, or new keys, which may want an answer.
                self._due = 0
                self._flushSendBIO()
            except ZeroReturnError:
                self._shutdownTLS()
                self._tlsShutdownFinished(None)
            except Error:
                self._tlsShutdownFinished(Failure())
            else:
                if not self._aborted:
                    self.wrappedProtocol.dataReceived(data)

    def _flushSendBIO(self) -> None:
        """Send what OpenSSL has made."""
        try:
            records = self._tlsConnection.bio_read(_SENT)
        except WantReadError:
            return
        if not self._below.write(records) and self._producer is not None:
            self._producer.pauseProducing()


class RecordCount:
    """Follows the records of a stream by their headers."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""  # as far as it came
        self._left = 0  # bytes of a record that are still to come

    def ended_in(self, data: bytes) -> int:
        """How many records are complete with ``data`` that were not before it."""
        if self._header:
            data, self._header = self._header + data, b""
        end, at, ended = len(data), self._left, 0
        if at > end:
            self._left = at - end
            return 0
        if at:
            self._left = 0
            ended = 1
        while at + _HEADER <= end:
            at += _HEADER + (data[at + 3] << 8) + data[at + 4]
            if at > end:
                self._left = at - end
                return ended
            ended += 1
        self._header = data[at:]
        return ended


def without_detours(factory: Any) -> Any:
    """The same factory; if it is Twisted's for TLS, its transports are ours from now on."""
    if type(factory) is TLSMemoryBIOFactory:
        factory.protocol = SecureTransport
    return factory
