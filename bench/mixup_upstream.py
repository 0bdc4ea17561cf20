"""A provider for :mod:`bench.mixup` that answers each call with the mark of its body and checks whose key came with it.

Every consumer of the gateway has a key of its own here, so that a body which arrives with another consumer's key is
seen. Some answers are cut off, some are errors, some are slow; the call's own body says which, so that the client
knows what to expect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from bench.mixup_wire import read_request

#: What a call may ask of us: an answer, one that is cut off, an error, an answer that takes its time.
MANNERS = ("answer", "cut", "error", "slow")
_SLOW_SECONDS = 0.05


def mark_of(text: str) -> str:
    """The mark in a message: its first word."""
    return text.split(" ", 1)[0]


class MarkedUpstream:
    """Chat completions and Anthropic's messages, whole and streamed.

    :ivar faults: what should never be, in words.
    :ivar seen: how many requests came.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.seen = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while (request := await read_request(reader)) is not None:
                self.seen += 1
                if not await self._answer(writer, request.headers, json.loads(request.body)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway has left, or the run is over
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, headers: dict[str, str], body: dict[str, Any]) -> bool:
        """Answer one call; returns whether the connection goes on."""
        anthropic = "x-api-key" in headers
        sent = body["messages"][0]["content"]
        text = sent if isinstance(sent, str) else sent[0]["text"]
        mark, manner = text.split(" ", 2)[:2]
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if key != f"provider-{mark.split('-')[0]}":
            self.faults.append(f"the body of {mark} came with the credential {key}")
        if manner == "slow":
            await asyncio.sleep(_SLOW_SECONDS)
        if manner == "error":
            error = json.dumps({"error": {"type": "server_error", "message": f"no {mark}"}}).encode()
            writer.write(b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(error))
            writer.write(error)
        elif body.get("stream"):
            await self._stream(writer, _events(mark, anthropic), cut=manner == "cut")
        else:
            self._whole(writer, _whole(mark, anthropic), cut=manner == "cut")
        await writer.drain()
        return manner != "cut"

    def _whole(self, writer: asyncio.StreamWriter, answer: dict[str, Any], *, cut: bool) -> None:
        body = json.dumps(answer).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body[: len(body) // 2] if cut else body)

    async def _stream(self, writer: asyncio.StreamWriter, events: Iterator[bytes], *, cut: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head)
        for number, event in enumerate(events):
            if cut and number == 3:
                return
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")


def _whole(mark: str, anthropic: bool) -> dict[str, Any]:
    if anthropic:
        return {
            "id": mark, "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": f"{mark} " * 6}], "usage": {"input_tokens": 1, "output_tokens": 6},
        }  # fmt: skip
    message = {"role": "assistant", "content": f"{mark} " * 6}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": mark, "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def _events(mark: str, anthropic: bool) -> Iterator[bytes]:
    return _anthropic_events(mark) if anthropic else _chat_events(mark)


def _chat_events(mark: str) -> Iterator[bytes]:
    for number in range(7):
        last = number == 6
        choice = {
            "index": 0,
            "delta": {} if last else {"content": f"{mark} "},
            "finish_reason": "stop" if last else None,
        }
        chunk = {"id": mark, "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _anthropic_events(mark: str) -> Iterator[bytes]:
    message = {"id": mark, "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    usage = {"input_tokens": 1, "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message | {"usage": usage}}]
    events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    delta = {"type": "text_delta", "text": f"{mark} "}
    events += [{"type": "content_block_delta", "index": 0, "delta": delta}] * 6
    events.append({"type": "content_block_stop", "index": 0})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 6}})
    events.append({"type": "message_stop"})
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
