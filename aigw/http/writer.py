"""Writing to a transport at once, when nothing is waiting there.

Twisted's own ``write`` puts the bytes into a buffer and asks the reactor to send them on its next turn: two
``epoll_ctl`` calls and a turn more for each write. Nearly every write of a gateway fits the socket's buffer, so
:class:`EagerWriter` offers it to the socket first and gives the transport only what the kernel did not take.
On transports without a plain socket (TLS, memory transports in tests) it is ``transport.write``.

The kernel, too, would wait: until what was sent before is acknowledged (RFC 9293 section 3.7.4, Nagle). Behind a
network of some milliseconds that makes bunches of a stream's tokens, so it is told not to.
"""

from __future__ import annotations

from errno import EAGAIN, ENOBUFS, EWOULDBLOCK
from typing import Any, Final

from twisted.internet.tcp import Connection

_FULL: Final = frozenset((EAGAIN, EWOULDBLOCK, ENOBUFS))


class EagerWriter:
    """Sends through one transport.

    :param transport: the protocol's transport, connected.
    """

    __slots__ = ("_plain", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        # A Connection that started TLS on itself has a TLS protocol between write and socket.
        self._plain = isinstance(transport, Connection) and not getattr(transport, "TLS", False)
        if self._plain:
            transport.setTcpNoDelay(True)

    def write(self, data: bytes) -> bool:
        """Send ``data``, in order with everything written before.

        :returns: whether the kernel has taken all of it. False asks the caller to pause whoever feeds it: the
            transport holds the rest and calls ``resumeProducing`` of its streaming producer once that is sent.
        """
        transport = self._transport
        if not self._plain:
            transport.write(data)
            return True  # such a transport tells its producer itself
        if transport.dataBuffer or transport._tempDataBuffer or not transport.connected or transport.disconnecting:
            transport.write(data)
            return False
        try:
            sent = transport.socket.send(data)
        except OSError as error:
            # A broken socket: the transport will meet the same error on its own turn and report the loss, which
            # must not happen inside a write.
            sent = 0
            if error.errno not in _FULL:
                transport.write(data)
                return True
        if sent == len(data):
            return True
        transport.write(data[sent:] if sent else data)
        if transport.producer is not None and transport.streamingProducer:
            # Makes the transport call resumeProducing when its buffer has drained, whatever its size was.
            transport.producerPaused = True
        return False
