"""A made-up provider, whose streams are lines with a word each."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.call import Call
from aigw.llm.decoders import Decoder, Frame, LineDecoder
from aigw.llm.dialects.chat import Chat
from aigw.llm.options import To, write_options
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Pair, StreamTranslation, Translation
from aigw.llm.usage import Usage
from aigw.llm.wire import Headers, WireRequest

#: What the made-up provider's lines say.
LINES: dict[str, r.Event] = {
    "start": r.Start("id", "acme-1"),
    "ping": r.Ping(),
    "usage": r.UsageTold(Usage(input=3, output=2)),
    "early usage": r.UsageTold(Usage(input=3)),
    "tool": r.ToolStart(0, "c", "f"),
    "same": r.ToolStart(1, "c", "g"),
    "arguments": r.ToolArguments(0, '{"abcdefgh":1}'),
    "stop": r.Finish(r.STOP),
    "odd": r.Finish(r.STOP, unknown="odd"),
    "end": r.End(),
    "leak": r.Failed(ProviderError(500, "server_error", "wrong key sk-upstream-secret")),
    "error": r.Failed(ProviderError(529, "overloaded_error", "busy", "overloaded", retry_after=2.5)),
}


class Acme:
    """A wire whose frames are words."""

    def request(self, call: Call) -> WireRequest:
        body: dict[str, Any] = {"m": call.model}
        write_options(call, {"max_tokens": To("limit")}, body, "acme")
        return WireRequest(b"/v1/do", body)

    def decoder(self, content_type: bytes) -> Decoder:
        return LineDecoder()

    def reader(self, call: Call) -> Acme:
        return self

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        word = frame.data.decode()
        return [copy.copy(LINES.get(word)) or r.TextDelta(word)]

    def end(self) -> Iterable[r.Event]:
        return []

    def whole(self, fields: Any) -> Iterable[r.Event]:
        return [copy.copy(LINES.get(word)) or r.TextDelta(word) for word in fields]

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return ProviderError(401, "authentication_error", body.decode())


NONE = Adjustments(defaults={}, overrides={})


def translation(adjustments: Adjustments = NONE, drop: bool = False, **fields: Any) -> Translation:
    """A chat client in front of the made-up provider."""
    pair = Pair(Chat(), Acme(), adjustments, drop)
    return pair.translate({"model": "m", "messages": [], **fields}, "a1", 1.0)


def stream() -> StreamTranslation:
    return translation(stream=True).stream(b"application/x-ndjson")


def lines(*words: str) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()
