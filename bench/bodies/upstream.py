"""The upstream of the work with large bodies: ``python -m bench.bodies.upstream --port P``.

Theory of operation: one thread, one epoll, one large buffer a connection. A body is judged once, as JSON: it must
ask what was sent. Bodies that were found right are kept, and one that is the same byte for byte is right at once, so
that looking costs little. The answer's fingerprint carries the temperature that was asked for. Anything else is
answered 400 with the reason.
"""

from __future__ import annotations

import argparse
import select
import socket

from bench.bodies.request import BODY, temperature
from bench.streams.upstream import OPENAI, REFUSAL, RefusedError, length_of
from bench.traffic import chat_answer

_ROOM = len(BODY) + 65536
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Connection:
    """One connection from the gateway and what has come on it since the last answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = memoryview(bytearray(_ROOM))
        self._filled = 0
        self._body = 0
        self._end = 0

    def read(self) -> bytes | None:
        """Take what came; a body when it is whole. Empty when the peer has closed.

        :raises RefusedError: the head is not what the provider should get, or something follows the body.
        """
        got = self.sock.recv_into(self._buffer[self._filled :])
        if not got:
            return b""
        self._filled += got
        if not self._end:
            self._read_head()
        if not self._end or self._filled < self._end:
            return None
        if self._filled > self._end:
            raise RefusedError("bytes behind the request")
        body = bytes(self._buffer[self._body : self._end])
        self._filled = self._body = self._end = 0
        return body

    def _read_head(self) -> None:
        start = bytes(self._buffer[: min(self._filled, 65536)])
        at = start.find(b"\r\n\r\n")
        if at >= 0:
            self._body = at + 4
            self._end = self._body + length_of(start[:at], OPENAI)
            if self._end > _ROOM:
                raise RefusedError("the body is larger than what was sent")


class Upstream:
    """Answers right bodies with the chat calls' answer."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._right: list[tuple[bytes, bytes]] = []

    def serve(self) -> None:
        """Until the process is ended."""
        while True:
            for fd, _ in self._epoll.poll():
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(self._connections[fd])

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = Connection(sock)
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        try:
            body = connection.read()
            if body:
                answer = self._answer(body)
                connection.sock.sendall(_HEAD % len(answer) + answer)
            elif body is not None:
                self._drop(connection)
        except RefusedError as refusal:
            reason = str(refusal).encode()
            connection.sock.sendall(REFUSAL % (len(reason), reason))
            self._drop(connection)
        except OSError:
            self._drop(connection)

    def _answer(self, body: bytes) -> bytes:
        for known, answer in self._right:
            if body == known:
                return answer
        try:
            answer = chat_answer(temperature(body))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"wrong body: {error}") from None
        self._right.append((body, answer))
        return answer

    def _drop(self, connection: Connection) -> None:
        del self._connections[connection.sock.fileno()]
        self._epoll.unregister(connection.sock.fileno())
        connection.sock.close()


def main() -> None:
    """Listen and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    Upstream(socket.create_server(("127.0.0.1", options.port), backlog=4096)).serve()


if __name__ == "__main__":
    main()
