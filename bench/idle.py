"""Connections that are open and carry nothing."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.certificates import HOST
from bench.errors import WrongAnswerError
from bench.peers.peer import Headers, Target

_SECONDS = 30
_SETTLE_SECONDS = 1.2  # Envoy waits a second before it closes behind a refusal


@contextmanager
def held(target: Target, count: int) -> Iterator[None]:
    """``count`` connections, each of which has had one answer (a refusal of a caller without a key) and then stays.

    :raises WrongAnswerError: an answer was not a refusal, or the target closed a connection meanwhile.
    """
    sockets: list[socket.socket] = []
    try:
        stranger = _stranger(target)
        for _ in range(count):
            sockets.append(_opened(target, stranger))
        yield
        closed = sum(_closed(sock) for sock in sockets)
        if closed:
            raise WrongAnswerError(f"{target.name} closed {closed} of {count} idle connections")
    finally:
        for sock in sockets:
            sock.close()
    # Answered behind the ends of all those: then they are dealt with, and not while somebody else is measured.
    _opened(target, stranger).close()


def _stranger(target: Target) -> Headers:
    """The caller whose refusal leaves the connection open."""
    for headers in target.strangers:
        with _opened(target, headers) as sock:
            time.sleep(_SETTLE_SECONDS)
            if not _closed(sock):
                return headers
    raise WrongAnswerError(f"{target.name} closes every connection on which it refuses something")


def _opened(target: Target, stranger: Headers) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", target.port), timeout=_SECONDS)
    if target.certificates:
        sock = target.certificates.client_context().wrap_socket(sock, server_hostname=HOST)
    headers = "".join(f"{name}: {value}\r\n" for name, value in stranger.items())
    sock.sendall(f"POST {target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: 0\r\n\r\n".encode())
    status = _answered(target, sock)
    if status not in target.refusals:
        raise WrongAnswerError(f"{target.name}: {status} instead of a refusal")
    sock.setblocking(False)
    return sock


def _answered(target: Target, sock: socket.socket) -> int:
    """Read one answer to its end; its status."""
    received = b""
    while not _whole(received):
        data = sock.recv(65536)
        if not data:
            raise WrongAnswerError(f"{target.name} closed a connection instead of keeping it: {received[:200]!r}")
        received += data
    return int(received.split(b" ", 2)[1])


def _whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")


def _closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
