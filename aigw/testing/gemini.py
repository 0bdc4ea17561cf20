"""What Gemini sends, on Google AI Studio and on Vertex AI, after recorded traffic.

Every chunk is a whole answer whose parts are the next ones; there are no ids of calls, and no end but the last chunk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from aigw.testing.said import BUSY, READ, VECTOR, Called, Said, inputs, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]

_STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        verb = request.path.rpartition(b":")[2].decode()
        if verb == "streamGenerateContent":
            pieces = [b"data: %s\r\n\r\n" % orjson.dumps(each) for each in chunks(said)]
            return streamed(pieces, b"text/event-stream")(request)
        return whole(_body(verb, said, request.fields()))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""
    failed = {"error": {"code": 503, "message": BUSY, "status": "UNAVAILABLE"}}
    pieces = [b"data: %s\r\n\r\n" % orjson.dumps(each) for each in (*chunks(said)[:2], failed)]
    return streamed(pieces, b"text/event-stream")


def error(status: int, delay: str = "7s") -> Answer:
    """See :mod:`aigw.testing.said`.

    :param delay: when a 429 wants to be asked again, as ``RetryInfo`` tells it.
    """
    told: Fields = {"code": status, "message": BUSY, "status": _STATUSES.get(status, "INTERNAL")}
    if status == 429:
        told["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    return whole({"error": told}, status)


def _body(verb: str, said: Said, fields: Fields) -> Fields:
    match verb:
        case "batchEmbedContents":
            return {"embeddings": [{"values": list(VECTOR)}] * len(fields["requests"])}
        case "embedContent":
            return {"embedding": {"values": list(VECTOR)}}
        case "predict":
            vector = {"values": list(VECTOR), "statistics": {"truncated": False, "token_count": 4}}
            return {"predictions": [{"embeddings": vector}] * inputs(fields, "instances")}
        case "countTokens":
            return {"totalTokens": READ}
    return chunk(said, parts(said), "STOP")


def chunks(said: Said) -> list[Fields]:
    """The chunks of a stream: a word each, calls whole, the last one empty but for its reason."""
    told: list[Fields] = [{"text": word, "thought": True} for word in said.thought_words]
    told += [{"text": word} for word in said.words]
    told += _calls(said.calls, said.signature)
    return [*(chunk(said, [part], None) for part in told), chunk(said, [{"text": ""}], "STOP")]


def parts(said: Said) -> list[Fields]:
    """The parts of a whole answer."""
    told: list[Fields] = [{"text": said.thoughts, "thought": True}] if said.thoughts else []
    told += [{"text": said.text}] if said.text else []
    return told + _calls(said.calls, said.signature)


def _calls(calls: tuple[Called, ...], signature: str) -> list[Fields]:
    told: list[Fields] = [{"functionCall": {"name": called.name, "args": called.arguments}} for called in calls]
    if told:
        told[0]["thoughtSignature"] = signature  # of several calls at once, the first has it
    return told


def chunk(said: Said, told: list[Fields], reason: str | None) -> Fields:
    """One answer, whole or a piece of it."""
    candidate: Fields = {"content": {"role": "model", "parts": told}, "index": 0}
    usage: Fields = {"promptTokenCount": READ, "totalTokenCount": READ}
    if reason is not None:
        thoughts = len(said.thought_words)
        candidate["finishReason"] = reason
        usage = {**usage, "candidatesTokenCount": said.written - thoughts, "totalTokenCount": READ + said.written}
        usage |= {"thoughtsTokenCount": thoughts} if thoughts else {}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted", "responseId": "scripted"}
