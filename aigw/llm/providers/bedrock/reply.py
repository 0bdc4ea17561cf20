"""What Converse answers, as events: streams and whole messages.

A stream is blocks, begun (calls of tools only), filled by deltas and ended; behind ``messageStop`` one ``metadata``
with the usage; then its bytes end. Each payload is padded (``p``) so that its length tells nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, is_harmless
from aigw.llm.providers.bedrock.citations import annotation_of
from aigw.llm.providers.bedrock.errors import from_event, from_whole
from aigw.llm.providers.bedrock.request import FORMAT_TOOL
from aigw.llm.providers.openai_chat.calls import made_up_id
from aigw.llm.usage import from_bedrock, from_openai

#: All of ``StopReason`` in botocore 1.44.8, but for those that are errors.
_REASONS = {
    "content_filtered": r.CONTENT_FILTER,
    "end_turn": r.STOP,
    "guardrail_intervened": r.CONTENT_FILTER,
    "max_tokens": r.LENGTH,
    "model_context_window_exceeded": r.LENGTH,
    "stop_sequence": r.STOP_SEQUENCE,
    "tool_use": r.TOOL_CALLS,
}
#: The model wrote what Bedrock could not make an answer of.
_MALFORMED = frozenset(("malformed_model_output", "malformed_tool_use"))

_EXCEPTION = b"exception:"


class ConverseReader:
    """See :class:`aigw.llm.wire.Reader`.

    :param names: what tools are really called whose names do not fit.
    :param format_tool: the answer is asked for as a tool's input, so that input is its text.
    """

    def __init__(self, names: Mapping[str, str] | None = None, format_tool: bool = False) -> None:
        self._names = names or {}
        self._format_tool = format_tool
        self._formatted = False
        self._finished = False
        self._length = self._text_from = 0
        self._calls = 0
        self._seed = ""
        #: The calls whose blocks are open, by the blocks' indexes: number, and whether there were arguments.
        self._open: dict[Any, tuple[int, bool]] = {}

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        read = _EVENTS.get(frame.kind)
        if read is None:
            if frame.kind.startswith(_EXCEPTION):
                name = frame.kind[len(_EXCEPTION) :].decode("utf-8", "replace")
                return (r.Failed(from_event(name, frame.data)),)
            return ()
        fields = lenient.loads(frame.data)
        if not isinstance(fields, dict):
            return () if fields is not None or is_harmless(frame) else (r.Failed(r.NOT_JSON),)
        return read(self, fields)

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`. A stream has ended when its bytes do, behind ``messageStop``."""
        return (r.End(),) if self._finished else ()

    def whole(self, fields: Any) -> Iterator[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        message = _object(_object(_object(fields).get("output")).get("message"))
        content = message.get("content")
        if not isinstance(content, list):
            yield r.Failed(from_whole(fields))
            return
        yield r.Start()
        for index, block in enumerate(content):
            yield from self._whole_block(index, _object(block))
        yield from self._metadata(fields)
        yield from self._stop(fields)
        yield from self.end()

    # -- blocks of a whole message

    def _whole_block(self, index: int, block: dict[str, Any]) -> Iterator[r.Event]:
        call = block.get("toolUse")
        if isinstance(call, dict):
            yield from self._begin({"contentBlockIndex": index, "start": block})
            given = call.get("input")
            if index in self._open and given not in (None, {}, ""):
                yield from self._input(index, given if isinstance(given, str) else lenient.dumps(given))
            yield from self._block_stop({"contentBlockIndex": index})
        elif isinstance(block.get("reasoningContent"), dict):
            yield from self._whole_reasoning(block["reasoningContent"])
        elif isinstance(block.get("citationsContent"), dict):
            yield from self._whole_citations(block["citationsContent"])
        else:
            yield from self._text(block.get("text"))

    def _whole_reasoning(self, content: dict[str, Any]) -> Iterator[r.Event]:
        text = _object(content.get("reasoningText"))
        yield from self._reasoning({"text": text.get("text")})
        yield from self._reasoning({"signature": text.get("signature")})
        yield from self._reasoning(content)

    def _whole_citations(self, content: dict[str, Any]) -> Iterator[r.Event]:
        begin = self._length
        for piece in _objects(content.get("content")):
            yield from self._text(piece.get("text"))
        for citation in _objects(content.get("citations")):
            yield r.Citation(annotation_of(citation, begin, self._length))

    # -- events of a stream

    def _start(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        return (r.Start(),)

    def _begin(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        call = _object(fields.get("start")).get("toolUse")
        if not isinstance(call, dict) or _text(call.get("type")) == "server_tool_use":
            return  # what Bedrock does itself is not for the client to do
        name = _text(call.get("name"))
        index = _index(fields)
        if self._format_tool and name == FORMAT_TOOL:
            self._formatted = True
            self._open[index] = (-1, False)
            return
        number, self._calls = self._calls, self._calls + 1
        self._open[index] = (number, False)
        call_id = _text(call.get("toolUseId")) or self._made_up(number)
        yield r.ToolStart(number, call_id, self._names.get(name, name) or "unknown")

    def _made_up(self, number: int) -> str:
        self._seed = self._seed or uuid.uuid4().hex
        return made_up_id(self._seed, 0, number)

    def _delta(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        delta = fields.get("delta")
        if not isinstance(delta, dict):
            return ()
        if "text" in delta:
            return self._text(delta["text"])
        if "toolUse" in delta:
            return self._input(_index(fields), _text(_object(delta["toolUse"]).get("input")))
        if "reasoningContent" in delta:
            return self._reasoning(_object(delta["reasoningContent"]))
        if isinstance(delta.get("citation"), dict):
            return (r.Citation(annotation_of(delta["citation"], self._text_from, self._length)),)
        return ()

    def _text(self, text: Any) -> Iterable[r.Event]:
        if not isinstance(text, str) or not text:
            return ()
        self._length += len(text)
        return (r.TextDelta(text),)

    def _reasoning(self, content: dict[str, Any]) -> Iterable[r.Event]:
        text, signature, redacted = map(_text, map(content.get, ("text", "signature", "redactedContent")))
        if text:
            return (r.ReasoningDelta(text),)
        if signature:
            return (r.ReasoningSignature(signature),)
        return (r.RedactedReasoning(redacted),) if redacted else ()

    def _input(self, index: Any, fragment: str) -> Iterable[r.Event]:
        if not fragment or index not in self._open:
            return ()
        number = self._open[index][0]
        self._open[index] = (number, True)
        return (r.ToolArguments(number, fragment),) if number >= 0 else (r.TextDelta(fragment),)

    def _block_stop(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        self._text_from = self._length
        number, argued = self._open.pop(_index(fields), (0, True))
        if argued:
            return ()
        return (r.ToolArguments(number, "{}"),) if number >= 0 else (r.TextDelta("{}"),)

    def _stop(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        for index in list(self._open):
            yield from self._block_stop({"contentBlockIndex": index})
        reason = _text(fields.get("stopReason"))
        if reason in _MALFORMED:
            message = f"the model's output could not be read ({reason})"
            yield r.Failed(r.ProviderError(502, "server_error", message, reason))
            return
        if self._finished:
            return
        self._finished = True
        sequence = _text(_object(fields.get("additionalModelResponseFields")).get("stop_sequence"))
        finish = r.finish(reason, _REASONS, 0, sequence or None)
        if finish.reason == r.TOOL_CALLS and self._formatted and not self._calls:
            finish = r.Finish(r.STOP, 0, finish.sequence)
        yield finish

    def _metadata(self, fields: dict[str, Any]) -> Iterable[r.Event]:
        usage = from_bedrock(fields.get("usage")) or from_openai(fields.get("usage"))
        return (r.UsageTold(usage),) if usage is not None else ()


_EVENTS: dict[bytes, Callable[[ConverseReader, dict[str, Any]], Iterable[r.Event]]] = {
    b"contentBlockDelta": ConverseReader._delta,
    b"contentBlockStart": ConverseReader._begin,
    b"contentBlockStop": ConverseReader._block_stop,
    b"messageStart": ConverseReader._start,
    b"messageStop": ConverseReader._stop,
    b"metadata": ConverseReader._metadata,
}


def _index(fields: dict[str, Any]) -> Any:
    index = fields.get("contentBlockIndex")
    return index if isinstance(index, int | str) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
