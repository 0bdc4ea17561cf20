"""Streams to read, made up or recorded."""

from __future__ import annotations

import pathlib
from typing import Any

import orjson

#: Recorded provider traffic beside the checkout; see the README.md there. Tests skip where it is missing.
RECORDED = pathlib.Path(__file__).parents[4] / "shared" / "recorded"
NO_RECORDED = f"no recorded traffic at {RECORDED}"

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def sse(fields: Any, kind: str = "") -> bytes:
    """One event."""
    return (b"event: %s\n" % kind.encode() if kind else b"") + b"data: %s\n\n" % orjson.dumps(fields)


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One chunk of a chat."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return sse({"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [choice], **more})


def usage_chunk(**more: Any) -> bytes:
    """The extra chunk that ``include_usage`` brings."""
    return sse({"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [], "usage": USAGE, **more})


def delta_event(text: str, number: int, **more: Any) -> bytes:
    """One piece of text in a stream of responses."""
    fields = {"type": "response.output_text.delta", "sequence_number": number, "item_id": "m", "delta": text}
    return sse({**fields, "logprobs": [], **more}, "response.output_text.delta")


def recorded_bodies(path: pathlib.Path) -> list[bytes]:
    """The response bodies of a go-vcr cassette, which keeps them as literal blocks of YAML, or quoted."""
    bodies: list[bytes] = []
    lines: list[str] | None = None
    response = False
    for line in path.read_text().split("\n"):
        if lines is not None and (not line or line.startswith(" " * 12)):
            lines.append(line[12:])
            continue
        if lines is not None:
            bodies.append("\n".join([*lines, ""]).encode())
            lines = None
        if line.startswith('    body: "data: '):
            bodies.append(orjson.loads(line.strip()[6:]).encode())
        response = (response and line.startswith(" " * 7)) or line == "      response:"
        if response and line.startswith("        body: |"):
            lines = []
    return bodies
