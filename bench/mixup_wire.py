"""HTTP/1.1 over asyncio's streams, as little of it as :mod:`bench.mixup` needs: lengths, chunks, closed connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Message:
    """A request or a response.

    :ivar start: its first line.
    :ivar headers: by lower-case name.
    :ivar whole: the body came to its end.
    """

    start: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    whole: bool = True


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """The next request; None where the connection has ended."""
    message = await _read_head(reader)
    if message is not None:
        await _read_body(reader, message)
    return message if message is not None and message.whole else None


async def read_response(reader: asyncio.StreamReader) -> Message | None:
    """The next response, as far as it comes; None where nothing does."""
    message = await _read_head(reader)
    if message is not None:
        await _read_body(reader, message)
    return message


async def _read_head(reader: asyncio.StreamReader) -> Message | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    start, *lines = head[:-4].decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Message(start, {name.lower(): value.strip() for name, _, value in pairs})


async def _read_body(reader: asyncio.StreamReader, message: Message) -> None:
    pieces: list[bytes] = []
    try:
        if message.headers.get("transfer-encoding") == "chunked":
            while size := int((await reader.readline()).strip() or b"-1", 16):
                if size < 0:
                    message.whole = False
                    break
                pieces.append(await reader.readexactly(size))
                await reader.readexactly(2)
            else:
                await reader.readline()
        else:
            pieces.append(await reader.readexactly(int(message.headers.get("content-length", "0"))))
    except (asyncio.IncompleteReadError, ConnectionError):
        message.whole = False
    message.body = b"".join(pieces)
