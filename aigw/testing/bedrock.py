"""What Amazon Bedrock sends for Converse and ConverseStream, and for the embeddings that are behind ``invoke``.

The frames of event streams are made here by hand (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html),
so that a mistake in reading them is not repeated in writing them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from aigw.testing.anthropic import forced
from aigw.testing.said import BUSY, READ, VECTOR, Said, fragments, inputs, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]

_KINDS = {
    400: b"ValidationException",
    403: b"AccessDeniedException",
    404: b"ResourceNotFoundException",
    429: b"ThrottlingException",
    503: b"ServiceUnavailableException",
}


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if request.path.endswith(b"/converse-stream"):
            return streamed(list(frames(_forced(said, fields))), b"application/vnd.amazon.eventstream")(request)
        if request.path.endswith(b"/invoke"):
            return whole(_embeddings(fields))(request)
        if request.path.endswith(b"/count-tokens"):
            return whole({"inputTokens": READ})(request)
        return whole(body(_forced(said, fields)))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""
    failed = frame("modelStreamErrorException", {"message": BUSY, "originalStatusCode": 500}, "exception")
    return streamed([*list(frames(said))[:3], failed], b"application/vnd.amazon.eventstream")


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    kind = _KINDS.get(status, b"InternalServerException")
    return whole({"message": BUSY}, status, ((b"x-amzn-errortype", kind + b":http://internal.amazon.com/"),))


def _forced(said: Said, fields: Fields) -> Said:
    choice = (fields.get("toolConfig") or {}).get("toolChoice") or {}
    return forced(said, {"type": "tool", **choice["tool"]} if "tool" in choice else None)


def _embeddings(fields: Fields) -> Fields:
    if "inputText" in fields:
        return {"embedding": list(VECTOR), "inputTextTokenCount": 4}
    return {"embeddings": [list(VECTOR)] * inputs(fields, "texts"), "response_type": "embeddings_floats"}


def body(said: Said) -> Fields:
    """The whole answer."""
    content: list[Fields] = []
    if said.thoughts:
        text = {"text": said.thoughts, "signature": said.signature}
        content.append({"reasoningContent": {"reasoningText": text}})
    if said.text:
        content.append({"text": said.text})
    content += [
        {"toolUse": {"toolUseId": called.id, "name": called.name, "input": called.arguments}} for called in said.calls
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _reason(said),
        "usage": _usage(said),
        "metrics": {"latencyMs": 12},
    }


def frames(said: Said) -> Iterator[bytes]:
    """The frames of its stream."""
    yield frame("messageStart", {"role": "assistant"})
    for index, (start, deltas) in enumerate(_blocks(said)):
        if start is not None:
            yield frame("contentBlockStart", {"contentBlockIndex": index, "start": start})
        for delta in deltas:
            yield frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield frame("contentBlockStop", {"contentBlockIndex": index})
    yield frame("messageStop", {"stopReason": _reason(said)})
    yield frame("metadata", {"usage": _usage(said), "metrics": {"latencyMs": 12}})


def _blocks(said: Said) -> Iterator[tuple[Fields | None, list[Fields]]]:
    """Blocks of text and reasoning begin without a word."""
    if said.thoughts:
        told: list[Fields] = [{"reasoningContent": {"text": word}} for word in said.thought_words]
        yield None, [*told, {"reasoningContent": {"signature": said.signature}}]
    if said.text:
        yield None, [{"text": word} for word in said.words]
    for called in said.calls:
        told = [{"toolUse": {"input": fragment}} for fragment in fragments(called.json)] if called.arguments else []
        yield {"toolUse": {"toolUseId": called.id, "name": called.name}}, told


def frame(kind: str, payload: Fields, message: str = "event") -> bytes:
    """One message of an event stream.

    :param message: its ``:message-type``; an ``exception`` has its kind in another header.
    """
    named = b":exception-type" if message == "exception" else b":event-type"
    headers = _header(named, kind.encode()) + _header(b":content-type", b"application/json")
    headers += _header(b":message-type", message.encode())
    data = orjson.dumps({**payload, "p": "abcdefghij"})
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + data
    return head + struct.pack(">I", zlib.crc32(head))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", 7, len(value)) + value


def _reason(said: Said) -> str:
    return "tool_use" if said.calls else "end_turn"


def _usage(said: Said) -> Fields:
    return {"inputTokens": READ, "outputTokens": said.written, "totalTokens": READ + said.written}
