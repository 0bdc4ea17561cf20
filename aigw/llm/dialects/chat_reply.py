"""OpenAI's chat completions in front: writing answers.

A stream's order is OpenAI's own, and what its SDK's helpers insist on: the role first, choices from 0 upwards, each
tool call's id and name once, the finish of a choice behind what it says, the usage on a chunk of its own and only
where it was asked for, ``[DONE]`` only behind a real end. A finish waits for that end too: a stream that breaks before
it must not look complete.

What OpenAI has no field for is told in the fields that its compatible servers have settled on: thoughts in
``reasoning_content``, with their signatures in ``thinking_blocks``; Gemini's signature of a tool call in
``extra_content.google``. :mod:`aigw.llm.dialects.chat` reads them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from aigw.llm import reply as r
from aigw.llm.collected import Choice, Collected
from aigw.llm.dialects.openai_shapes import chat_usage, error_event
from aigw.llm.usage import Usage

_REASONS = {
    r.STOP_SEQUENCE: "stop",
    r.PAUSE: "stop",
    r.REFUSAL: "content_filter",
}


def finish_reason(reason: str) -> str:
    """OpenAI's word for why an answer ended."""
    return _REASONS.get(reason, reason)


class ChatWriter:
    """See :class:`aigw.llm.wire.Writer`.

    :param include_usage: the client asked for a stream's usage.
    """

    def __init__(self, model: str, include_usage: bool, answer_id: str, now: float) -> None:
        self._id = f"chatcmpl-{answer_id}"
        self._created = int(now)
        self._model = model
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._begun = 0
        self._called: set[int] = set()
        self._thought: dict[int, list[str]] = {}
        self._listed: dict[tuple[str, int], int] = {}
        self._finishes = b""
        self._frame()

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return b"".join([_WRITE[type(event)](self, event) for event in events])

    def failure(self, error: r.ProviderError) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return error_event(error)

    # -- chunks

    def _frame(self) -> None:
        """What all chunks have around their delta."""
        head = orjson.dumps(
            {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": self._model}
        )
        self._head = b"data: " + head[:-1]
        self._first = self._head + b',"choices":[{"index":0,"delta":'
        null = b',"usage":null' if self._include_usage else b""
        self._last = b',"finish_reason":null}]%s}\n\n' % null
        self._ended = b"}]%s}\n\n" % null

    def _delta(self, choice: int, delta: bytes) -> bytes:
        begin = self._begin(choice) if choice >= self._begun else b""
        if choice == 0:
            return begin + self._first + delta + self._last
        return begin + b'%s,"choices":[{"index":%d,"delta":' % (self._head, choice) + delta + self._last

    def _begin(self, choice: int) -> bytes:
        """The role chunks of all choices up to this one: their indexes must come in order."""
        written = b""
        while self._begun <= choice:
            number, self._begun = self._begun, self._begun + 1
            written += self._delta(number, b'{"role":"assistant","content":"","refusal":null}')
        return written

    def _start(self, event: r.Start) -> bytes:
        if self._begun:
            return b""
        if event.model:
            self._model = event.model
            self._frame()
        return self._begin(0)

    def _text(self, event: r.TextDelta) -> bytes:
        return self._delta(event.choice, b'{"content":%s}' % orjson.dumps(event.text))

    def _reasoning(self, event: r.ReasoningDelta) -> bytes:
        self._thought.setdefault(event.choice, []).append(event.text)
        return self._delta(event.choice, b'{"reasoning_content":%s}' % orjson.dumps(event.text))

    def _signature(self, event: r.ReasoningSignature) -> bytes:
        thought = "".join(self._thought.pop(event.choice, ()))
        block = {"type": "thinking", "thinking": thought, "signature": event.signature}
        return self._entry("thinking_blocks", event.choice, block)

    def _redacted(self, event: r.RedactedReasoning) -> bytes:
        block = {"type": "redacted_thinking", "data": event.data}
        return self._entry("thinking_blocks", event.choice, block)

    def _entry(self, field: str, choice: int, entry: dict[str, Any]) -> bytes:
        """One more entry of a list. They are numbered: OpenAI's SDK puts lists together by ``index``, or raises."""
        number = self._listed.get((field, choice), 0)
        self._listed[field, choice] = number + 1
        return self._delta(choice, orjson.dumps({field: [{"index": number, **entry}]}))

    def _tool(self, event: r.ToolStart) -> bytes:
        self._called.add(event.choice)
        call = {"index": event.number, **_call(event.id, event.name, "", event.signature)}
        return self._delta(event.choice, orjson.dumps({"tool_calls": [call]}))

    def _arguments(self, event: r.ToolArguments) -> bytes:
        fragment = orjson.dumps(event.fragment)
        delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}' % (event.number, fragment)
        return self._delta(event.choice, delta)

    def _finish(self, event: r.Finish) -> bytes:
        reason = event.reason
        if reason == r.STOP and event.choice in self._called:
            reason = r.TOOL_CALLS
        begin = self._begin(event.choice) if event.choice >= self._begun else b""
        word = orjson.dumps(finish_reason(reason))
        self._finishes += b'%s,"choices":[{"index":%d,"delta":{},"finish_reason":%s%s' % (
            self._head,
            event.choice,
            word,
            self._ended,
        )
        return begin

    def _note_usage(self, event: r.UsageTold) -> bytes:
        self._usage = event.usage
        return b""

    def _end(self, event: r.End) -> bytes:
        usage = b""
        if self._include_usage:
            told = orjson.dumps(chat_usage(self._usage or Usage()))
            usage = b'%s,"choices":[],"usage":%s}\n\n' % (self._head, told)
        return self._finishes + usage + b"data: [DONE]\n\n"

    # -- whole

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        answer = Collected.of(events)
        body: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": answer.model or self._model,
            "choices": [
                {
                    "index": index,
                    "message": _message(choice),
                    "logprobs": None,
                    "finish_reason": finish_reason(choice.reason),
                }
                for index, choice in enumerate(answer.choices)
            ],
        }
        if answer.usage is not None:
            body["usage"] = chat_usage(answer.usage)
        return orjson.dumps(body)


#: Not the writer's own: a table of its bound methods would know it, and be work for the garbage collector.
_WRITE: dict[type, Callable[[ChatWriter, Any], bytes]] = {
    r.Start: ChatWriter._start,
    r.TextDelta: ChatWriter._text,
    r.ReasoningDelta: ChatWriter._reasoning,
    r.ReasoningSignature: ChatWriter._signature,
    r.RedactedReasoning: ChatWriter._redacted,
    r.RefusalDelta: lambda writer, event: writer._delta(event.choice, b'{"refusal":%s}' % orjson.dumps(event.text)),
    r.ToolStart: ChatWriter._tool,
    r.ToolArguments: ChatWriter._arguments,
    r.Citation: lambda writer, event: writer._entry("annotations", event.choice, event.annotation),
    r.Finish: ChatWriter._finish,
    r.UsageTold: ChatWriter._note_usage,
    r.Ping: lambda writer, event: b": ping\n\n",
    r.End: ChatWriter._end,
}


def _call(call_id: str, name: str, arguments: str, signature: str | None) -> dict[str, Any]:
    call: dict[str, Any] = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    if signature is not None:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text or (None if choice.calls or choice.refusal else ""),
        "refusal": choice.refusal or None,
    }
    thoughts = "".join(each.text for each in choice.reasoning)
    if thoughts:
        message["reasoning_content"] = thoughts
    if any(each.signature is not None or each.redacted is not None for each in choice.reasoning):
        message["thinking_blocks"] = [
            {"type": "redacted_thinking", "data": each.redacted}
            if each.redacted is not None
            else {"type": "thinking", "thinking": each.text, "signature": each.signature or ""}
            for each in choice.reasoning
        ]
    if choice.calls:
        message["tool_calls"] = [
            _call(each.id, each.name, each.arguments or "{}", each.signature) for each in choice.calls
        ]
    if choice.citations:
        message["annotations"] = choice.citations
    return message
