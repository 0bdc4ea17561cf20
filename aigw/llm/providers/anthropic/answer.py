"""What Claude answers, as events: streams (https://platform.claude.com/docs/en/build-with-claude/streaming) and
whole messages.

A stream is blocks one after the other, each begun, filled by deltas and ended. Blocks that only Anthropic has (what
its own tools did) say nothing to other dialects and are passed over, as are events and deltas of unknown kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, is_harmless
from aigw.llm.providers.anthropic.errors import from_object
from aigw.llm.providers.anthropic.request import FORMAT_TOOL
from aigw.llm.usage import ANTHROPIC_COUNTS, from_anthropic

#: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons; all of anthropic 2.15.0, betas too.
_REASONS = {
    "compaction": r.PAUSE,
    "end_turn": r.STOP,
    "max_tokens": r.LENGTH,
    "model_context_window_exceeded": r.LENGTH,
    "pause_turn": r.PAUSE,
    "refusal": r.REFUSAL,
    "stop_sequence": r.STOP_SEQUENCE,
    "tool_use": r.TOOL_CALLS,
}

_NO_MESSAGE = r.ProviderError(502, "server_error", "the provider's answer is no message", "invalid_answer")


class AnthropicReader:
    """See :class:`aigw.llm.wire.Reader`.

    :param format_tool: the answer is asked for as a tool's input, so that input is its text.
    :param names: what tools are really called whose names do not fit.
    """

    def __init__(self, format_tool: bool = False, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._format_tool = format_tool
        self._usage: dict[str, Any] = {}
        self._calls = 0
        self._length = 0
        self._finished = self._formatted = False
        # The block that is open: what its deltas are, and what they have brought.
        self._number = -1
        self._is_format = False
        self._argued = False
        self._input: Any = None
        self._text_from = 0
        self._citations: list[dict[str, Any]] = []

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        fields = lenient.loads(frame.data)
        if not isinstance(fields, dict):
            return () if fields is not None or is_harmless(frame) else (r.Failed(r.NOT_JSON),)
        kind = fields.get("type")
        if kind == "content_block_delta":
            delta = fields.get("delta")
            if isinstance(delta, dict) and delta.get("type") == "text_delta":
                return self._text(delta.get("text"))
        read = _EVENTS.get(kind) if isinstance(kind, str) else None
        if read is None:
            return self._error(fields) if fields.get("error") else ()
        return read(self, fields)

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`. Only ``message_stop`` is an end."""
        return ()

    def whole(self, fields: Any) -> Iterator[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        if isinstance(fields, dict) and fields.get("error") and "content" not in fields:
            yield from self._error(fields)
            return
        if not isinstance(fields, dict) or not isinstance(fields.get("content"), list):
            yield r.Failed(_NO_MESSAGE)
            return
        yield from self._message_start({"message": fields})
        for block in fields["content"]:
            yield from self._whole_block(block)
        yield from self._message_delta({"delta": fields, "usage": fields.get("usage")})
        yield from self._message_stop(fields)

    def _whole_block(self, block: Any) -> Iterator[r.Event]:
        yield from self._block_start({"content_block": block})
        if isinstance(block, dict):
            citations = block.get("citations")
            cited = citations if isinstance(citations, list) else []
            self._citations += [each for each in cited if isinstance(each, dict)]
        yield from self._block_stop({})

    # -- the message

    def _message_start(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        message = _object(fields.get("message"))
        yield r.Start(_text(message.get("id")) or None, _text(message.get("model")) or None)
        usage = _object(message.get("usage"))
        # The output that is told at the beginning is a placeholder.
        yield from self._told({**usage, "output_tokens": 0} if usage else usage)

    def _message_delta(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        delta = _object(fields.get("delta"))
        reason = delta.get("stop_reason")
        yield from self._told(_object(fields.get("usage")))
        if not isinstance(reason, str) or self._finished:
            return
        self._finished = True
        if reason == "refusal":
            why = _text(_object(delta.get("stop_details")).get("explanation"))
            if why:
                yield r.RefusalDelta(why)
        finish = r.finish(reason, _REASONS, 0, _text(delta.get("stop_sequence")) or None)
        if finish.reason == r.TOOL_CALLS and self._formatted and not self._calls:
            finish = r.Finish(r.STOP, 0, finish.sequence)
        yield finish

    def _message_stop(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        if not self._finished:
            self._finished = True
            yield r.Finish(r.STOP)
        yield r.End()

    def _told(self, usage: dict[str, Any]) -> Iterator[r.Event]:
        """Later counts override earlier ones, member by member; those that are left out stay."""
        self._usage |= {name: usage[name] for name in ANTHROPIC_COUNTS if usage.get(name) is not None}
        told = from_anthropic(self._usage) if usage else None
        if told is not None:
            yield r.UsageTold(told)

    def _ping(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        return (r.Ping(),)

    def _error(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        error = fields.get("error")
        error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
        return (r.Failed(from_object(error)),)

    # -- blocks

    def _block_start(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        block = _object(fields.get("content_block"))
        yield from self._block_stop({})
        kind = block.get("type")
        if kind == "text":
            yield from self._text(block.get("text"))
        elif kind == "tool_use":
            yield from self._tool(block)
        elif kind == "thinking":
            yield from self._thought(block)
        elif kind == "redacted_thinking" and _text(block.get("data")):
            yield r.RedactedReasoning(block["data"])

    def _tool(self, block: dict[str, Any]) -> Iterator[r.Event]:
        self._input = block.get("input")
        if self._format_tool and block.get("name") == FORMAT_TOOL:
            self._is_format = self._formatted = True
            return
        self._number, self._calls = self._calls, self._calls + 1
        call_id, name = _text(block.get("id")) or f"toolu_{self._number}", _text(block.get("name"))
        yield r.ToolStart(self._number, call_id, self._names.get(name, name) or "unknown")

    def _block_stop(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        """End the block that is open, if there is one."""
        if (self._number >= 0 or self._is_format) and not self._argued:
            # What came with the beginning is the input unless deltas brought it; a call without any has "{}".
            given = orjson.dumps(self._input).decode() if isinstance(self._input, dict) else "{}"
            yield from self._arguments(given)
        for citation in self._citations:
            yield r.Citation(annotation_of(citation, self._text_from, self._length))
        self._citations = []
        self._number, self._is_format, self._argued, self._input = -1, False, False, None
        self._text_from = self._length

    def _delta(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        delta = _object(fields.get("delta"))
        kind = delta.get("type")
        if kind == "input_json_delta":
            return self._arguments(_text(delta.get("partial_json")))
        if kind in ("thinking_delta", "signature_delta"):
            return self._thought(delta)
        if kind == "citations_delta" and isinstance(delta.get("citation"), dict):
            self._citations.append(delta["citation"])
        return ()

    def _text(self, text: Any) -> Iterable[r.Event]:
        if not isinstance(text, str) or not text:
            return ()
        self._length += len(text)
        return (r.TextDelta(text),)

    def _thought(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        """A block of thinking, or a delta of one."""
        text, signature = _text(fields.get("thinking")), _text(fields.get("signature"))
        if text:
            yield r.ReasoningDelta(text)
        if signature:
            yield r.ReasoningSignature(signature)

    def _arguments(self, fragment: str) -> Iterable[r.Event]:
        if not fragment or (self._number < 0 and not self._is_format):
            return ()
        self._argued = True
        return (r.TextDelta(fragment),) if self._is_format else (r.ToolArguments(self._number, fragment),)


_EVENTS: dict[str, Callable[[AnthropicReader, dict[str, Any]], Iterable[r.Event]]] = {
    "content_block_delta": AnthropicReader._delta,
    "content_block_start": AnthropicReader._block_start,
    "content_block_stop": AnthropicReader._block_stop,
    "error": AnthropicReader._error,
    "message_delta": AnthropicReader._message_delta,
    "message_start": AnthropicReader._message_start,
    "message_stop": AnthropicReader._message_stop,
    "ping": AnthropicReader._ping,
}


def annotation_of(citation: dict[str, Any], begin: int, end: int) -> dict[str, Any]:
    """A citation as one of OpenAI's annotations: a page of the web as they have it, others after that pattern.

    :param begin: where the text that it belongs to begins, in characters; ``end``: where it ends.
    """
    url = citation.get("url")
    if isinstance(url, str):
        title = _text(citation.get("title"))
        return {
            "type": "url_citation",
            "url_citation": {"url": url, "title": title, "start_index": begin, "end_index": end},
        }
    kind = _text(citation.get("type")) or "citation"
    rest = {name: value for name, value in citation.items() if name != "type"}
    return {"type": kind, kind: {**rest, "start_index": begin, "end_index": end}}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
