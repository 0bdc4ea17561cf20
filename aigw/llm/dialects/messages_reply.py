"""Anthropic's messages in front: writing answers.

A stream's order is Anthropic's own, and what its SDKs insist on: ``message_start`` before everything, blocks numbered
without gaps, each ended before the next begins, ``message_delta`` with the usage behind the last, ``message_stop``
only behind a real end; every event with its name.

Other providers interleave: pieces of several tool calls, or text before a call's arguments are all there. A block
that cannot begin yet waits in a queue, until the ones before it are complete: a call whose arguments are whole JSON,
anything else as soon as another follows.

A signature of a tool call (Gemini has them) has no field here. It is given out as a thought of its own before the
call, since clients send thoughts back unchanged; :mod:`aigw.llm.dialects.messages` knows it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from aigw.llm import reply as r
from aigw.llm.arguments import Arguments
from aigw.llm.collected import Choice, Collected, Thoughts
from aigw.llm.dialects.messages_shapes import citation_of, error_fields, input_of, stop_reason, usage_fields
from aigw.llm.usage import Usage

#: What a thought's signature begins with that is really a tool call's.
TOOL_SIGNATURE = "aigw-tool:"

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class _Block:
    """A block of a stream that has not ended.

    :ivar begin: what its ``content_block_start`` has.
    :ivar waiting: its deltas that could not be sent yet.
    :ivar sealed: nothing more may come into it.
    """

    __slots__ = ("arguments", "begin", "kind", "number", "sealed", "waiting")

    def __init__(self, kind: str, begin: dict[str, Any], number: int = -1, sealed: bool = False) -> None:
        self.kind = kind
        self.begin = begin
        self.number = number
        self.sealed = sealed
        self.arguments = Arguments()
        self.waiting: list[bytes] = []

    def is_complete(self) -> bool:
        """Whether it may end when another follows."""
        return self.kind != "tool" or self.arguments.is_object()


class MessagesWriter:
    """See :class:`aigw.llm.wire.Writer`."""

    def __init__(self, model: str, answer_id: str) -> None:
        self._id = f"msg_{answer_id}"
        self._model = model
        self._usage: Usage | None = None
        self._started = self._begun = self._called = self._refused = False
        self._finish = r.Finish(r.STOP)
        self._blocks: deque[_Block] = deque()
        self._calls: dict[int, _Block] = {}  # of the blocks those that are calls, by their numbers
        self._index = -1
        self._delta_begins = b""
        #: What a piece of text is written behind, while a block of text is the only one; else empty.
        self._text_begins = b""

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        written = []
        for event in events:
            if self._text_begins and type(event) is r.TextDelta and not event.choice:
                written.append(self._text_begins + orjson.dumps(event.text) + b"}}\n\n")
            elif not getattr(event, "choice", 0):  # a message is one choice
                written.append(_WRITE[type(event)](self, event))
        if self._started and not self._begun:
            written.append(self._begin())
        return b"".join(written)

    def failure(self, error: r.ProviderError) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return _event("error", {"type": "error", "error": error_fields(error)})

    # -- the message

    def _start(self, event: r.Start) -> bytes:
        """Begins with what follows, which may tell the usage."""
        self._started = True
        if not self._begun:
            self._model = event.model or self._model
        return b""

    def _begin(self) -> bytes:
        self._begun = True
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage_fields(self._usage), "output_tokens": 0},
        }
        return _event("message_start", {"type": "message_start", "message": message})

    def _ping(self, event: r.Ping) -> bytes:
        """Behind the opening, however the events come together."""
        return self._begin() + _PING if self._started and not self._begun else _PING

    def _note_usage(self, event: r.UsageTold) -> bytes:
        self._usage = event.usage
        return b""

    def _note_finish(self, event: r.Finish) -> bytes:
        self._finish = event
        return b""

    def _end(self, event: r.End) -> bytes:
        written = [b"" if self._begun else self._begin()]
        while self._blocks:
            written.append(self._next())
        reason = stop_reason(self._finish.reason, self._called, self._refused)
        delta = {"stop_reason": reason, "stop_sequence": self._finish.sequence}
        last = {"type": "message_delta", "delta": delta, "usage": usage_fields(self._usage)}
        written += _event("message_delta", last), _event("message_stop", {"type": "message_stop"})
        return b"".join(written)

    # -- blocks

    def _text(self, event: r.TextDelta) -> bytes:
        block, written = self._into("text", {"type": "text", "text": ""})
        written += self._delta(block, b'{"type":"text_delta","text":%s}' % orjson.dumps(event.text))
        if len(self._blocks) == 1:
            self._text_begins = self._delta_begins + b'{"type":"text_delta","text":'
        return written

    def _refusal(self, event: r.RefusalDelta) -> bytes:
        self._refused = True
        return self._text(r.TextDelta(event.text))

    def _citation(self, event: r.Citation) -> bytes:
        citation = citation_of(event.annotation)
        if citation is None:
            return b""
        block, written = self._into("text", {"type": "text", "text": ""})
        return written + self._delta(block, orjson.dumps({"type": "citations_delta", "citation": citation}))

    def _reasoning(self, event: r.ReasoningDelta) -> bytes:
        block, written = self._into("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        return written + self._delta(block, b'{"type":"thinking_delta","thinking":%s}' % orjson.dumps(event.text))

    def _signature(self, event: r.ReasoningSignature) -> bytes:
        block, written = self._into("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        block.sealed = True
        return written + self._delta(
            block, b'{"type":"signature_delta","signature":%s}' % orjson.dumps(event.signature)
        )

    def _redacted(self, event: r.RedactedReasoning) -> bytes:
        return self._add(_Block("redacted", {"type": "redacted_thinking", "data": event.data}, sealed=True))

    def _tool(self, event: r.ToolStart) -> bytes:
        self._called = True
        written = b""
        if event.signature is not None:
            written += self._add(_Block("thinking", {"type": "thinking", "thinking": "", "signature": ""}, sealed=True))
            proof = orjson.dumps(TOOL_SIGNATURE + event.signature)
            written += self._delta(self._blocks[-1], b'{"type":"signature_delta","signature":%s}' % proof)
        begin = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        block = self._calls[event.number] = _Block("tool", begin, event.number)
        return written + self._add(block)

    def _arguments(self, event: r.ToolArguments) -> bytes:
        block = self._calls.get(event.number)
        if block is None:
            return b""  # it has ended: what comes now cannot be meant
        block.arguments.add(event.fragment)
        fragment = b'{"type":"input_json_delta","partial_json":%s}' % orjson.dumps(event.fragment)
        return self._delta(block, fragment) + self._advance()

    def _into(self, kind: str, begin: dict[str, Any]) -> tuple[_Block, bytes]:
        """The last block if it is of that kind, else a new one; and what is written for it to begin."""
        if self._blocks and self._blocks[-1].kind == kind and not self._blocks[-1].sealed:
            return self._blocks[-1], b""
        block = _Block(kind, begin)
        return block, self._add(block)

    def _add(self, block: _Block) -> bytes:
        """A block at the end of the queue; it begins if nothing before it is incomplete."""
        self._text_begins = b""
        self._blocks.append(block)
        if len(self._blocks) > 1:
            return self._advance()
        return (b"" if self._begun else self._begin()) + self._open()

    def _advance(self) -> bytes:
        written = []
        while len(self._blocks) > 1 and self._blocks[0].is_complete():
            written.append(self._next())
        return b"".join(written)

    def _next(self) -> bytes:
        """End the open block; begin the one that waits behind it."""
        self._text_begins = b""
        self._calls.pop(self._blocks.popleft().number, None)
        ended = _event("content_block_stop", {"type": "content_block_stop", "index": self._index})
        return ended + (self._open() if self._blocks else b"")

    def _open(self) -> bytes:
        block = self._blocks[0]
        self._index += 1
        self._delta_begins = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._index
        )
        begin = {"type": "content_block_start", "index": self._index, "content_block": block.begin}
        waiting, block.waiting = block.waiting, []
        return _event("content_block_start", begin) + b"".join([self._delta(block, each) for each in waiting])

    def _delta(self, block: _Block, delta: bytes) -> bytes:
        if block is self._blocks[0]:
            return self._delta_begins + delta + b"}\n\n"
        block.waiting.append(delta)
        return b""

    # -- whole

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        answer = Collected.of(events)
        choice = answer.choices[0]
        return orjson.dumps(
            {
                "id": self._id,
                "type": "message",
                "role": "assistant",
                "model": answer.model or self._model,
                "content": _content(choice),
                "stop_reason": stop_reason(choice.reason, bool(choice.calls), bool(choice.refusal)),
                "stop_sequence": choice.finish.sequence if choice.finish is not None else None,
                "usage": usage_fields(answer.usage),
            }
        )


_WRITE: dict[type, Callable[[MessagesWriter, Any], bytes]] = {
    r.Start: MessagesWriter._start,
    r.TextDelta: MessagesWriter._text,
    r.ReasoningDelta: MessagesWriter._reasoning,
    r.ReasoningSignature: MessagesWriter._signature,
    r.RedactedReasoning: MessagesWriter._redacted,
    r.RefusalDelta: MessagesWriter._refusal,
    r.ToolStart: MessagesWriter._tool,
    r.ToolArguments: MessagesWriter._arguments,
    r.Citation: MessagesWriter._citation,
    r.Finish: MessagesWriter._note_finish,
    r.UsageTold: MessagesWriter._note_usage,
    r.Ping: MessagesWriter._ping,
    r.End: MessagesWriter._end,
}


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode("ascii"), orjson.dumps(fields))


def _content(choice: Choice) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for kind, index in choice.order:
        if kind == "text":
            blocks.append(_text_block(choice))
        elif kind == "reasoning":
            blocks.append(_thoughts_block(choice.reasoning[index]))
        else:
            called = choice.calls[index]
            if called.signature is not None:
                blocks.append(_thinking_block("", TOOL_SIGNATURE + called.signature))
            arguments = input_of(called.arguments)
            blocks.append({"type": "tool_use", "id": called.id, "name": called.name, "input": arguments})
    if choice.refusal:
        blocks.append({"type": "text", "text": choice.refusal})
    return blocks


def _text_block(choice: Choice) -> dict[str, Any]:
    citations = [citation for each in choice.citations if (citation := citation_of(each)) is not None]
    return {"type": "text", "text": choice.text, **({"citations": citations} if citations else {})}


def _thoughts_block(thoughts: Thoughts) -> dict[str, Any]:
    if thoughts.redacted is not None:
        return {"type": "redacted_thinking", "data": thoughts.redacted}
    return _thinking_block(thoughts.text, thoughts.signature or "")


def _thinking_block(text: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}
