"""What Ollama answers, as events: a line of JSON for each piece, the last of which says that it is the last.

A call of a tool comes whole, mostly without an id, its arguments an object.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, is_harmless
from aigw.llm.providers.openai_chat.calls import made_up_id
from aigw.llm.providers.openai_chat.errors import stream_error
from aigw.llm.usage import from_ollama

#: ``load`` and ``unload`` are for requests without messages (https://docs.ollama.com/api: "Load a model").
_REASONS = {"stop": r.STOP, "length": r.LENGTH, "load": r.STOP, "unload": r.STOP}
_NO_MESSAGE = r.ProviderError(502, "server_error", "the provider's answer is no message", "invalid_answer")


class OllamaReader:
    """See :class:`aigw.llm.wire.Reader`."""

    def __init__(self) -> None:
        self._begun = False
        self._calls = 0
        self._seed = ""

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        fields = lenient.loads(frame.data)
        if not isinstance(fields, dict):
            return () if fields is not None or is_harmless(frame) else (r.Failed(r.NOT_JSON),)
        return self._line(fields)

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`. Only a line that says so is the end."""
        return ()

    def whole(self, fields: Any) -> Iterator[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        if not isinstance(fields, dict) or not (isinstance(fields.get("message"), dict) or fields.get("error")):
            yield r.Failed(_NO_MESSAGE)
            return
        yield from self._line({**fields, "done": True})

    def _line(self, fields: dict[str, Any]) -> Iterator[r.Event]:
        if fields.get("error"):
            yield r.Failed(stream_error(fields))
            return
        if not self._begun:
            self._begun = True
            yield r.Start(None, _text(fields.get("model")) or None)
        message = fields.get("message")
        if isinstance(message, dict):
            yield from self._message(message)
        if fields.get("done") is True:
            usage = from_ollama(fields)
            if usage is not None:
                yield r.UsageTold(usage)
            finish = r.finish(_text(fields.get("done_reason")), _REASONS)
            # The reason for an end with a call of a tool is "stop", too (wire.md, case 24).
            called = self._calls and finish.reason == r.STOP
            yield r.Finish(r.TOOL_CALLS, unknown=finish.unknown) if called else finish
            yield r.End()

    def _message(self, message: dict[str, Any]) -> Iterator[r.Event]:
        thinking, content, calls = message.get("thinking"), message.get("content"), message.get("tool_calls")
        if isinstance(thinking, str) and thinking:
            yield r.ReasoningDelta(thinking)
        if isinstance(content, str) and content:
            yield r.TextDelta(content)
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                yield from self._call(_text(call.get("id")), function)

    def _call(self, call_id: str, function: dict[str, Any]) -> Iterator[r.Event]:
        number, self._calls = self._calls, self._calls + 1
        self._seed = self._seed or uuid.uuid4().hex
        yield r.ToolStart(
            number, call_id or made_up_id(self._seed, 0, number), _text(function.get("name")) or "unknown"
        )
        given = function.get("arguments")
        written = given if isinstance(given, str) else lenient.dumps(given) if isinstance(given, dict) else ""
        yield r.ToolArguments(number, written or "{}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
