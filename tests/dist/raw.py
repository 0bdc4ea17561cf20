"""A client that speaks bytes: for tests that leave, stall, or count every byte."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure


class RawClient(Protocol):
    """One connection; what came is in ``received``."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost = False
        self._watches: list[tuple[bytes, Deferred[bytes]]] = []
        self._ends: list[Deferred[bytes]] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        for entry in list(self._watches):
            if entry[0] in self.received:
                self._watches.remove(entry)
                entry[1].callback(bytes(self.received))

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True
        ends, self._ends = self._ends, []
        for end in ends:
            end.callback(bytes(self.received))
        watches, self._watches = self._watches, []
        for wanted, watch in watches:
            watch.errback(Failure(AssertionError(f"closed without {wanted!r}: {bytes(self.received)!r}")))

    def until(self, wanted: bytes) -> Deferred[bytes]:
        """Fires when ``wanted`` has come."""
        watch: Deferred[bytes] = Deferred()
        if wanted in self.received:
            watch.callback(bytes(self.received))
        else:
            self._watches.append((wanted, watch))
        return watch

    def closed(self) -> Deferred[bytes]:
        """Fires with everything when the connection is closed."""
        end: Deferred[bytes] = Deferred()
        if self.lost:
            end.callback(bytes(self.received))
        else:
            self._ends.append(end)
        return end

    def send(self, data: bytes) -> None:
        """Write."""
        self.transport.write(data)

    def leave(self) -> None:
        """Go away without a word."""
        self.transport.abortConnection()

    def body(self) -> bytes:
        """The body of the one response that came, without its chunk framing."""
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        return dechunked(rest) if b"transfer-encoding: chunked" in head.lower() else rest


def dechunked(data: bytes) -> bytes:
    """A chunked body's content; raises ValueError where the final chunk is missing."""
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            return content
        content += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    raise ValueError("the final chunk is missing")


async def connect(port: int) -> RawClient:
    """A connected client."""
    client: RawClient = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), RawClient())
    return client


def post(path: str, fields: object, key: str = "consumer-key", **headers: str) -> bytes:
    """A request, whole."""
    body = orjson.dumps(fields)
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"apikey: {key}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chat(stream: bool = False, **more: object) -> dict[str, object]:
    """A chat call's body."""
    return {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "the-prompt-text"}], **more}
