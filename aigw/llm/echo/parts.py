"""What the echo's answers have in common: the call, the words that are said, replies and events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

JSON = ((b"content-type", b"application/json"),)
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
_BEHIND_WORD = re.compile(r"(?<=\S)(?=\s)")

DONE = b"data: [DONE]\n\n"

#: Stop sequences that are heeded, which is as many as OpenAI takes.
_MOST_STOPS = 4


class TooMuch(ValueError):
    """The answer would be out of all proportion to its request."""


@attrs.frozen
class EchoReply:
    """An answer: a body, or the events of a stream."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None = attrs.field(default=None, repr=False)
    events: tuple[bytes, ...] | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Call:
    """What is asked.

    :ivar identity: the part of ids that is this call's.
    :ivar now: Unix time in whole seconds.
    :ivar most: bytes that the answer may have.
    """

    fields: Mapping[str, Any] = attrs.field(repr=False)
    model: str
    identity: str
    now: int
    most: int = 1 << 20

    @property
    def streamed(self) -> bool:
        """Whether the answer is to be a stream."""
        return self.fields.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to tell its usage."""
        options = self.fields.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    @property
    def choices(self) -> int:
        """How many answers are wanted, as far as OpenAI gives them."""
        n = self.fields.get("n")
        return n if isinstance(n, int) and 1 <= n <= 128 else 1

    def limit(self, *names: str) -> int | None:
        """The most tokens that an answer may have, by the first of ``names`` that says so."""
        limits = (self.fields.get(name) for name in names)
        return next((limit for limit in limits if isinstance(limit, int) and limit >= 0), None)

    def check(self, size: int) -> None:
        """:raises TooMuch: the answer may not have ``size`` bytes."""
        if size > self.most:
            raise TooMuch

    def say(self, text: str, limit: int | None) -> Said:
        """``text`` as an answer: up to the first of the call's stop sequences, and no more than ``limit`` words."""
        stop = self.fields.get("stop")
        for end in stop[:_MOST_STOPS] if isinstance(stop, list) else [stop]:
            if isinstance(end, str) and end:
                text = text.partition(end)[0]
        words = tokens(text)
        return Said(tuple(words[:limit]), limit is not None and limit < len(words))


@attrs.frozen
class Said:
    """What is echoed: the words, which joined are the text, and whether there were more."""

    words: tuple[str, ...] = attrs.field(repr=False)
    cut: bool

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)

    @property
    def finish(self) -> str:
        """The ``finish_reason``."""
        return "length" if self.cut else "stop"


def tokens(text: str) -> list[str]:
    """The echo's tokens: words with the white space before them, and behind the last one; joined they are the text."""
    words = _BEHIND_WORD.split(text) if text else []
    if len(words) > 1 and words[-1].isspace():
        words[-2:] = [words[-2] + words[-1]]
    return words


def text_of(content: Any) -> str:
    """The text of a message's content, which may be a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return " ".join(text for text in texts if isinstance(text, str))


def usage(read: int, written: int) -> dict[str, Any]:
    """The ``usage`` of chat and completions."""
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def whole(fields: Mapping[str, Any]) -> EchoReply:
    """An answer in one piece."""
    return EchoReply(200, JSON, orjson.dumps(fields))


def stream(call: Call, events: Iterable[bytes]) -> EchoReply:
    """An answer as a stream.

    :raises TooMuch: it would be larger than it may be.
    """
    kept, size = [], 0
    for each in events:
        size += len(each)
        call.check(size)
        kept.append(each)
    return EchoReply(200, _EVENTS, events=tuple(kept))


def event(fields: Mapping[str, Any], kind: str = "") -> bytes:
    """One server-sent event."""
    return (b"event: %s\n" % kind.encode() if kind else b"") + b"data: %s\n\n" % orjson.dumps(fields)
