"""What Ollama sends on its own paths: a JSON object a line, arguments as objects, no ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from aigw.testing.said import BUSY, READ, VECTOR, Said, inputs, streamed, whole
from aigw.testing.script import Answer, ReceivedRequest, Step

Fields = dict[str, Any]


def answer(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""

    def answered(request: ReceivedRequest) -> Iterable[Step]:
        fields = request.fields()
        if request.path.endswith(b"/embed"):
            count = inputs(fields, "input")
            return whole({"model": "scripted", "embeddings": [list(VECTOR)] * count, "prompt_eval_count": 4 * count})(
                request
            )
        if fields.get("stream", True):
            return streamed([orjson.dumps(each) + b"\n" for each in lines(said)], b"application/x-ndjson")(request)
        message = {"role": "assistant", "content": said.text, **_calls(said)}
        return whole(_line({**message, **({"thinking": said.thoughts} if said.thoughts else {})}, said))(request)

    return answered


def failing(said: Said) -> Answer:
    """See :mod:`aigw.testing.said`."""
    pieces = [orjson.dumps(each) + b"\n" for each in (*lines(said)[:2], {"error": BUSY})]
    return streamed(pieces, b"application/x-ndjson")


def error(status: int) -> Answer:
    """See :mod:`aigw.testing.said`."""
    return whole({"error": BUSY}, status)


def lines(said: Said) -> list[Fields]:
    """The lines of its stream."""
    told: list[Fields] = [{"content": "", "thinking": word} for word in said.thought_words]
    told += [{"content": word} for word in said.words]
    told += [{"content": "", **_calls(said)}] if said.calls else []
    return [*(_line({"role": "assistant", **each}) for each in told), _line({"role": "assistant", "content": ""}, said)]


def _calls(said: Said) -> Fields:
    calls = [{"function": {"name": called.name, "arguments": called.arguments}} for called in said.calls]
    return {"tool_calls": calls} if calls else {}


def _line(message: Fields, ended: Said | None = None) -> Fields:
    line: Fields = {"model": "scripted", "created_at": "2024-10-03T14:11:02.123456789Z", "message": message}
    if ended is None:
        return {**line, "done": False}
    counts = {"prompt_eval_count": READ, "eval_count": ended.written, "total_duration": 123456789}
    return {**line, "done": True, "done_reason": "stop", **counts}
