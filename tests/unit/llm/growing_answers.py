"""Providers' answers that can be made as large as one likes, each in one respect; by provider's dialect.

A family of whole answers takes a number and gives the answer's fields; a family of streams gives its events' fields.
What is the same for both is written once, as a row of events, and put together here for each provider.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

import orjson

from tests.unit.llm.streams import DONE, sse

Fields = dict[str, Any]
Whole = Callable[[int], Any]
Stream = Callable[[int], list[bytes]]

# -- OpenAI's chat completions, and whoever speaks like them


def _message(finish: str = "stop", **message: Any) -> Fields:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _called(number: int | None, call_id: str = "c", **function: Any) -> Fields:
    index = {} if number is None else {"index": number}
    return {**index, "id": call_id, "type": "function", "function": {"name": "t", "arguments": "{}", **function}}


def _cited(url: str = "u") -> Fields:
    return {"type": "url_citation", "url_citation": {"url": url, "title": "t", "start_index": 0, "end_index": 1}}


OPENAI_WHOLE: dict[str, Whole] = {
    "a long text": lambda n: _message(content="x" * n),
    "calls": lambda n: _message("tool_calls", tool_calls=[_called(i, f"c{i}") for i in range(n)]),
    "calls without a number": lambda n: _message("tool_calls", tool_calls=[_called(None, f"c{i}") for i in range(n)]),
    "calls without number and id": lambda n: _message("tool_calls", tool_calls=[_called(None, "") for _ in range(n)]),
    "calls of one id": lambda n: _message("tool_calls", tool_calls=[_called(i) for i in range(n)]),
    "calls of one number": lambda n: _message("tool_calls", tool_calls=[_called(0, f"c{i}") for i in range(n)]),
    "calls of one number without an id": lambda n: _message("tool_calls", tool_calls=[_called(0, "") for _ in range(n)]),
    "calls cut off": lambda n: _message("tool_calls", tool_calls=[_called(i, f"c{i}", arguments='{"a":') for i in range(n)]),
    "calls below a long id": lambda n: {**_message("tool_calls", tool_calls=[_called(i, "") for i in range(n)]), "id": "x" * 8 * n},
    "parts": lambda n: _message(content=[{"type": "text", "text": "x"}] * n),
    "thoughts and texts in turn": lambda n: _message(content=[{"thinking": "t"}, {"text": "x"}] * n),
    "refusals and texts in turn": lambda n: _message(content=[{"refusal": "t"}, {"text": "x"}] * n),
    "calls, older form": lambda n: _message(function_call={"name": "t", "arguments": '{"a":"%s"}' % ("x" * n)}),
    "details of thoughts": lambda n: _message(content="x", reasoning_details=[{"text": "t", "summary": "s"}] * n),
    "an error": lambda n: {"error": {"message": "x" * n}},
    "citations": lambda n: _message(content="x", annotations=[_cited() for _ in range(n)]),
    "choices": lambda n: {
        "choices": [{"index": i, "message": {"content": "x"}, "finish_reason": "stop"} for i in range(4 * n)]
    },
    "a long name of the model": lambda n: {**_message(content="x"), "model": "m" * 8 * n},
}  # fmt: skip


def _chunk(finish: str | None = None, **delta: Any) -> Fields:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _stream(*chunks: Fields) -> list[bytes]:
    return [*map(sse, chunks), sse(_chunk("stop")), DONE]


def _pieces(n: int, **delta: Any) -> list[bytes]:
    return _stream(*[_chunk(**delta)] * n)


def _arguments(number: int, fragment: str, **more: Any) -> Fields:
    return _chunk(tool_calls=[{"index": number, **more, "function": {"arguments": fragment, **more}}])


OPENAI_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: _pieces(n, content="x"),
    "pieces of text from a model of a long name": lambda n: [
        sse({**_chunk(content="x"), "model": "m" * 8 * n}), *_pieces(n, content="x")
    ],
    "pieces of thoughts": lambda n: _pieces(n, reasoning_content="x"),
    "pieces of a refusal": lambda n: _pieces(n, refusal="x"),
    "citations": lambda n: _stream(_chunk(content="x"), *[_chunk(annotations=[_cited()])] * n),
    "pieces of arguments": lambda n: _stream(_chunk(tool_calls=[_called(0, arguments="{")]), *[_arguments(0, "x")] * n),
    "pieces that could end them": lambda n: _stream(
        _chunk(tool_calls=[_called(0, arguments='{"a":"')]), *[_arguments(0, "}")] * n
    ),
    "pieces that could end them, each with a name": lambda n: _stream(
        _chunk(tool_calls=[_called(0, arguments='{"a":"')]), *[_arguments(0, "}", id="c", name="t")] * n
    ),
    "pieces that could end those before others": lambda n: _stream(
        _chunk(tool_calls=[_called(0, arguments='{"a":"')]),
        *[each for i in range(n) for each in (_arguments(0, "}"), _chunk(tool_calls=[_called(i + 1, f"c{i}")]))],
    ),
    "calls": lambda n: _stream(*[_chunk(tool_calls=[_called(i, f"c{i}")]) for i in range(n)]),
    "calls of one id": lambda n: _stream(*[_chunk(tool_calls=[_called(i)]) for i in range(n)]),
    "calls without a number": lambda n: _stream(*[_chunk(tool_calls=[_called(None, f"c{i}")]) for i in range(n)]),
    "calls of a custom tool": lambda n: _stream(
        *[_chunk(tool_calls=[_called(i, f"c{i}", name="custom", arguments='{"input":"x"}')]) for i in range(n)]
    ),
    "calls that nothing ends": lambda n: _stream(
        *[_chunk(tool_calls=[_called(i, f"c{i}", arguments="{")]) for i in range(n)]
    ),
    "calls side by side": lambda n: _stream(
        *[_chunk(tool_calls=[_called(i, f"c{i}", arguments="{")]) for i in range(n)],
        *[_arguments(i, '"a":') for i in range(n)],
        *[_arguments(i, "1}") for i in reversed(range(n))],
    ),
    "texts behind a call that nothing ends": lambda n: _stream(
        _chunk(tool_calls=[_called(0, arguments="{")]), *[_chunk(content="x"), _chunk(reasoning_content="x")] * n
    ),
    "usage": lambda n: _stream(_chunk(content="x"), *[{"choices": [], "usage": {"prompt_tokens": 1, f"u{i}": 1}} for i in range(n)]),
    "comments": lambda n: [b": ping\n\n"] * n,
    "an error": lambda n: [*_pieces(1, content="x")[:1], sse({"error": {"message": "x" * n}})],
    "names of an older form": lambda n: _stream(*[_chunk(function_call={"name": "t", "arguments": "}"})] * n),
    "one large event": lambda n: _pieces(1, content="x" * n),
}  # fmt: skip

# -- Anthropic's messages


def _claude(*blocks: Any, **more: Any) -> Fields:
    return {"type": "message", "id": "m", "model": "m", "content": blocks, "stop_reason": "end_turn", **more}


def _use(call_id: str) -> Fields:
    return {"type": "tool_use", "id": call_id, "name": "t", "input": {"a": 1}}


_SAID: Fields = {"type": "text", "text": "x"}
_PAGE: Fields = {"type": "web_search_result_location", "url": "u", "title": "t"}

ANTHROPIC_WHOLE: dict[str, Whole] = {
    "texts": lambda n: _claude(*[_SAID] * n),
    "calls": lambda n: _claude(*[_use(f"c{i}") for i in range(n)]),
    "calls of one id": lambda n: _claude(*[_use("c")] * n),
    "calls of ids that are made up": lambda n: _claude(*[_use(f"c_{i}") for i in range(n)], *[_use("c")] * n),
    "thoughts and texts in turn": lambda n: _claude(*[{"type": "thinking", "thinking": "t", "signature": "s"}, _SAID] * n),
    "redacted thoughts": lambda n: _claude(*[{"type": "redacted_thinking", "data": "d"}] * n),
    "citations": lambda n: _claude({**_SAID, "citations": [_PAGE] * n}),
    "cited texts": lambda n: _claude(*[{**_SAID, "citations": [_PAGE]}] * n),
}  # fmt: skip


def _events(*events: Fields) -> list[bytes]:
    begin = {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1}}}
    end = (
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    )
    return [sse(event, event["type"]) for event in (begin, *events, *end)]


def _begin(block: Fields) -> Fields:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def _delta(**delta: Any) -> Fields:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


_STOP: Fields = {"type": "content_block_stop", "index": 0}
_THINKING: Fields = _begin({"type": "thinking", "thinking": ""})

ANTHROPIC_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: _events(_begin({"type": "text", "text": ""}), *[_delta(type="text_delta", text="x")] * n),
    "pieces of thoughts": lambda n: _events(_THINKING, *[_delta(type="thinking_delta", thinking="x")] * n),
    "pieces of a signature": lambda n: _events(
        _THINKING, _delta(type="thinking_delta", thinking="x"), *[_delta(type="signature_delta", signature="x")] * n
    ),
    "blocks": lambda n: _events(*[each for _ in range(n) for each in (_begin(_SAID), _STOP)]),
    "calls": lambda n: _events(*[each for i in range(n) for each in (_begin(_use(f"c{i}")), _STOP)]),
    "pieces of arguments": lambda n: _events(
        _begin(_use("c")), *[_delta(type="input_json_delta", partial_json="}")] * n, _STOP
    ),
    "citations": lambda n: _events(_begin(_SAID), *[_delta(type="citations_delta", citation=_PAGE)] * n, _STOP),
    "pings": lambda n: [sse({"type": "ping"}, "ping")] * n,
    "greetings and pings": lambda n: _events()[:1] + [sse({"type": "ping"}, "ping")] * n,
    "redacted thoughts": lambda n: _events(*[_begin({"type": "redacted_thinking", "data": "d"}), _STOP] * n),
    "an error": lambda n: [*_events(_begin(_SAID))[:2], sse({"type": "error", "error": {"message": "x" * n}}, "error")],
    "usage": lambda n: _events(*[{"type": "message_delta", "usage": {f"u{i}": 1}} for i in range(n)]),
}  # fmt: skip

# -- Gemini


def _candidate(*parts: Any, finish: str = "STOP", **more: Any) -> Fields:
    return {"candidates": [{"content": {"parts": parts}, "finishReason": finish, **more}], "modelVersion": "m"}


def _function(**more: Any) -> Fields:
    return {"functionCall": {"name": "t", "args": {"a": 1}, **more}}


def _grounded(n: int, url: str = "u") -> Fields:
    supports = [{"segment": {"startIndex": i, "endIndex": 2 * i}, "groundingChunkIndices": [0]} for i in range(n)]
    return {"groundingMetadata": {"groundingChunks": [{"web": {"uri": url}}], "groundingSupports": supports}}


def _quoted(n: int) -> Fields:
    return {"citationMetadata": {"citationSources": [{"uri": "u", "startIndex": 0, "endIndex": n}]}}


GEMINI_WHOLE: dict[str, Whole] = {
    "texts": lambda n: _candidate(*[{"text": "x"}] * n),
    "thoughts and texts in turn": lambda n: _candidate(*[{"text": "t", "thought": True}, {"text": "x"}] * n),
    "calls": lambda n: _candidate(*[_function() for _ in range(n)]),
    "calls of one id": lambda n: _candidate(*[_function(id="c") for _ in range(n)]),
    "signed calls": lambda n: _candidate(*[{**_function(), "thoughtSignature": "s"} for _ in range(n)]),
    "sources": lambda n: _candidate({"text": "é" * n}, **_grounded(n)),
    "a source of a long address": lambda n: _candidate({"text": "é" * n}, **_grounded(n, "u" * n)),
    "code": lambda n: _candidate(*[{"executableCode": {"code": "x"}}] * n),
    "a list of answers": lambda n: [_candidate({"text": "x"})] * n,
    "candidates": lambda n: {"candidates": [{"index": i, "content": {"parts": [{"text": "x"}]}} for i in range(4 * n)]},
}  # fmt: skip
GEMINI_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: [sse(_candidate({"text": "x"}))] * n,
    "calls": lambda n: [sse(_candidate(_function()))] * n,
    "sources behind each piece": lambda n: [sse(_candidate({"text": "é"}, **_quoted(i))) for i in range(n)],
    "feedback": lambda n: [sse({"promptFeedback": {"blockReason": "x", "blockReasonMessage": "y"}})] * n,
}  # fmt: skip

# -- Bedrock


def _converse(*blocks: Any) -> Fields:
    return {"output": {"message": {"content": blocks}}, "stopReason": "end_turn"}


def _bedrock_use(call_id: str = "c") -> Fields:
    return {"toolUse": {"toolUseId": call_id, "name": "t", "input": {"a": 1}}}


BEDROCK_WHOLE: dict[str, Whole] = {
    "texts": lambda n: _converse(*[{"text": "x"}] * n),
    "calls": lambda n: _converse(*[_bedrock_use(f"c{i}") for i in range(n)]),
    "calls of one id": lambda n: _converse(*[_bedrock_use()] * n),
    "thoughts": lambda n: _converse(*[{"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}}] * n),
    "citations": lambda n: _converse({"citationsContent": {"content": [{"text": "x"}], "citations": [{"title": "t"}] * n}}),
}  # fmt: skip


def aws_event(kind: str, fields: Fields, **more: str) -> bytes:
    """One message of an AWS event stream."""
    told = {":message-type": "event", ":event-type": kind, **more}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in told.items()
    )
    payload = orjson.dumps(fields)
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _bedrock(*events: tuple[str, Fields]) -> list[bytes]:
    return [aws_event(kind, fields) for kind, fields in (*events, ("messageStop", {"stopReason": "end_turn"}))]


def _block(kind: str, index: int, **fields: Any) -> tuple[str, Fields]:
    return kind, {"contentBlockIndex": index, **fields}


BEDROCK_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: _bedrock(*[_block("contentBlockDelta", 0, delta={"text": "x"})] * n),
    "calls side by side": lambda n: _bedrock(
        *[_block("contentBlockStart", i, start=_bedrock_use()) for i in range(n)],
        *[_block("contentBlockDelta", i, delta={"toolUse": {"input": "{}"}}) for i in range(n)],
        *[_block("contentBlockStop", i) for i in range(n)],
    ),
    "calls that nothing ends": lambda n: _bedrock(*[_block("contentBlockStart", i, start=_bedrock_use()) for i in range(n)]),
    "citations": lambda n: _bedrock(*[_block("contentBlockDelta", 0, delta={"citation": {"title": "t"}})] * n),
    "kinds of headers": lambda n: [aws_event("messageStart", {}, **{f"h{i}": "x"}) for i in range(n)],
    "an exception": lambda n: [
        aws_event("", {"message": "x" * n}, **{":message-type": "exception", ":exception-type": "throttlingException"})
    ],
    "ends": lambda n: _bedrock(*[("messageStop", {"stopReason": "end_turn"})] * n),
}  # fmt: skip

# -- Cohere and Ollama


def _cohere(**message: Any) -> Fields:
    return {"id": "c", "message": message, "finish_reason": "COMPLETE"}


COHERE_WHOLE: dict[str, Whole] = {
    "texts": lambda n: _cohere(content=[{"type": "text", "text": "x"}] * n),
    "calls of one id": lambda n: _cohere(tool_calls=[_called(None)] * n),
    "citations": lambda n: _cohere(content="x", citations=[{"start": 0, "end": 1, "sources": []}] * n),
}
COHERE_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: [sse({"type": "content-delta", "delta": {"message": {"content": {"text": "x"}}}})] * n,
    "calls": lambda n: [sse({"type": "tool-call-start", "delta": {"message": {"tool_calls": _called(None)}}})] * n,
    "pieces of arguments": lambda n: [
        sse({"type": "tool-call-start", "delta": {"message": {"tool_calls": _called(None)}}}),
        *[sse({"type": "tool-call-delta", "delta": {"message": {"tool_calls": {"function": {"arguments": "x"}}}}})] * n,
    ],
    "citations": lambda n: (
        [sse({"type": "citation-start", "delta": {"message": {"citations": {"start": 0, "end": 1}}}})] * n
    ),
    "plans": lambda n: [sse({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "x"}}})] * n,
}
OLLAMA_WHOLE: dict[str, Whole] = {
    "calls": lambda n: {"message": {"tool_calls": [_called(None, "")] * n}, "done": True},
    "a long text": lambda n: {"message": {"content": "x" * n}, "done": True},
}
OLLAMA_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: [b'{"message":{"content":"x"}}\n'] * n,
    "calls": lambda n: [orjson.dumps({"message": {"tool_calls": [_called(None, "")]}}) + b"\n"] * n,
    "one long line": lambda n: [orjson.dumps({"message": {"content": "x" * n}}) + b"\n"],
}


def _response(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


#: OpenAI's responses, which are never translated: for what looks at them as they pass.
RESPONSES_STREAMS: dict[str, Stream] = {
    "pieces of text": lambda n: [_response("response.output_text.delta", sequence_number=i, delta="x") for i in range(n)],
    "responses": lambda n: [_response("response.created", response={"usage": {"input_tokens": 1}, "model": "m"})] * n,
    "a response": lambda n: [_response("response.completed", response={"output": ["x"] * n})],
}  # fmt: skip

#: By one provider of each dialect.
WHOLE: dict[str, dict[str, Whole]] = {
    "anthropic": ANTHROPIC_WHOLE,
    "bedrock": BEDROCK_WHOLE,
    "cohere": COHERE_WHOLE,
    "gemini": GEMINI_WHOLE,
    "ollama": OLLAMA_WHOLE,
    "openai-compatible": OPENAI_WHOLE,
}
STREAMS: dict[str, dict[str, Stream]] = {
    "anthropic": ANTHROPIC_STREAMS,
    "bedrock": BEDROCK_STREAMS,
    "cohere": COHERE_STREAMS,
    "gemini": GEMINI_STREAMS,
    "ollama": OLLAMA_STREAMS,
    "openai-compatible": OPENAI_STREAMS,
}
