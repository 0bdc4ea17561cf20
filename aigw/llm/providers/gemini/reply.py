"""Gemini's answers as events.

A stream (``alt=sse``) is a row of whole answers, each with what is new; it has no event names and no mark at its end:
it is complete when its bytes end after a ``finishReason``. That reason may come more than once, and the sources behind
it, so choices are finished only at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from aigw.llm import lenient
from aigw.llm import reply as r
from aigw.llm.decoders import Frame, is_harmless
from aigw.llm.providers.gemini.citations import Sources
from aigw.llm.providers.gemini.errors import error_object, from_object
from aigw.llm.usage import from_gemini

#: https://ai.google.dev/api/generate-content#FinishReason, and Vertex AI's; all of google-genai 3.6.1.
_REASONS = {
    "STOP": r.STOP,
    "MAX_TOKENS": r.LENGTH,
    "CONTINUATION": r.LENGTH,
    "SAFETY": r.CONTENT_FILTER,
    "RECITATION": r.CONTENT_FILTER,
    "LANGUAGE": r.CONTENT_FILTER,
    "BLOCKLIST": r.CONTENT_FILTER,
    "PROHIBITED_CONTENT": r.CONTENT_FILTER,
    "SPII": r.CONTENT_FILTER,
    "MODEL_ARMOR": r.CONTENT_FILTER,
    "ESCALATION": r.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": r.CONTENT_FILTER,
    "OTHER": r.CONTENT_FILTER,
    "IMAGE_SAFETY": r.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": r.CONTENT_FILTER,
    "IMAGE_RECITATION": r.CONTENT_FILTER,
    "IMAGE_OTHER": r.CONTENT_FILTER,
    "NO_IMAGE": r.CONTENT_FILTER,
}
#: The model went wrong: what it wanted to say or call is lost, so the answer is an error, whatever it had said before.
_BROKEN = {
    "MALFORMED_FUNCTION_CALL": "the model wrote a call of a function that cannot be read",
    "MALFORMED_RESPONSE": "the model's answer cannot be read",
    "MISSING_THOUGHT_SIGNATURE": "a thought signature is missing in the conversation",
    "TOO_MANY_TOOL_CALLS": "the model called too many tools in a row",
    "UNEXPECTED_TOOL_CALL": "the model called a function that it was not given",
}

_NO_ANSWER = r.ProviderError(502, "server_error", "the provider's answer has no candidates", "invalid_answer")


class _Choice:
    """What has been read of one candidate.

    :ivar finish: its last ``finishReason``.
    :ivar message: the ``finishMessage`` to it.
    """

    __slots__ = ("calls", "finish", "message", "sources")

    def __init__(self) -> None:
        self.finish: str | None = None
        self.message: str | None = None
        self.calls = 0
        self.sources = Sources()


class GeminiReader:
    """See :class:`aigw.llm.wire.Reader`.

    :param names: what tools are really called whose names do not fit.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._started = self._failed = False
        self._blocked = False
        self._choices: dict[int, _Choice] = {}

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        fields = lenient.loads(frame.data)
        if fields is None and not is_harmless(frame):
            return [self._fail(r.NOT_JSON)]
        return self._pieces(fields)

    def whole(self, fields: Any) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`. A list is a stream that was asked for without ``alt=sse``."""
        events = self._pieces(fields)
        if not self._failed and not self._choices and not self._blocked:
            return [r.Failed(_NO_ANSWER)]
        for choice in self._choices.values():
            choice.finish = choice.finish or "STOP"  # the answer is whole, whether it says so or not
        events += self.end()
        failed = [event for event in events if type(event) is r.Failed]
        return failed[:1] or events

    def end(self) -> Iterable[r.Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        choices = self._choices
        unfinished = any(choice.finish is None for choice in choices.values())
        if self._failed or unfinished or not (choices or self._blocked):
            return []
        broken = next((each for each in choices.values() if each.finish in _BROKEN), None)
        if broken is not None:
            return [self._fail(_broken(broken))]
        finishes = [_finish(choices[index], index) for index in sorted(choices)]
        return [*(finishes or [r.Finish(r.CONTENT_FILTER)]), r.End()]

    # -- pieces

    def _pieces(self, fields: Any) -> list[r.Event]:
        if type(fields) is list:
            return [event for each in fields for event in self._piece(each)]
        return self._piece(fields)

    def _piece(self, fields: Any) -> list[r.Event]:
        if type(fields) is not dict or self._failed:
            return []
        if "error" in fields:
            error = error_object(fields)
            if error is not None:
                return [self._fail(from_object(error))]
        events: list[r.Event] = []
        if not self._started:
            self._started = True
            events.append(r.Start(_text(fields.get("responseId")), _text(fields.get("modelVersion"))))
        candidates = fields.get("candidates")
        if type(candidates) is list:
            for candidate in candidates:
                if type(candidate) is dict:
                    self._candidate(candidate, events)
        if "promptFeedback" in fields:
            self._feedback(fields["promptFeedback"], events)
        usage = from_gemini(fields.get("usageMetadata"))
        if usage is not None:
            events.append(r.UsageTold(usage))
        return events

    def _fail(self, error: r.ProviderError) -> r.Failed:
        self._failed = True
        return r.Failed(error)

    def _feedback(self, feedback: Any, events: list[r.Event]) -> None:
        """The prompt was refused, and there are no candidates: an answer that was filtered."""
        if type(feedback) is not dict or not feedback.get("blockReason") or self._choices:
            return
        if not self._blocked:
            why = _text(feedback.get("blockReasonMessage"))
            events += [r.RefusalDelta(why)] if why else []
        self._blocked = True

    def _candidate(self, candidate: dict[str, Any], events: list[r.Event]) -> None:
        index = candidate.get("index")
        index = index if type(index) is int and 0 <= index < 128 else 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        content = candidate.get("content")
        parts = content.get("parts") if type(content) is dict else None
        if type(parts) is list:
            for part in parts:
                if type(part) is dict:
                    self._part(part, index, choice, events)
        reason = candidate.get("finishReason")
        if type(reason) is str:
            choice.finish = reason
            choice.message = _text(candidate.get("finishMessage"))
        for name in ("citationMetadata", "groundingMetadata"):
            if name in candidate:
                events += [r.Citation(each, index) for each in choice.sources.read(name, candidate[name])]

    # -- parts

    def _part(self, part: dict[str, Any], index: int, choice: _Choice, events: list[r.Event]) -> None:
        if "toolCall" in part or "toolResponse" in part:
            return  # what Google's own tools did; it is not sent back, and neither may be its signature
        signature = part.get("thoughtSignature")
        signature = signature if type(signature) is str and signature else None
        if type(part.get("functionCall")) is dict:
            self._call(part["functionCall"], signature, index, choice, events)
            return
        text = part.get("text")
        if not isinstance(text, str):
            text = _shown(part)
        if text and part.get("thought") is True:
            events.append(r.ReasoningDelta(text, index))
        else:
            self._say(text, index, choice, events)
        if signature is not None:
            events.append(r.ReasoningSignature(signature, index))

    def _say(self, text: str, index: int, choice: _Choice, events: list[r.Event]) -> None:
        if text:
            choice.sources.said.add(text)
            events.append(r.TextDelta(text, index))

    def _call(
        self, call: dict[str, Any], signature: str | None, index: int, choice: _Choice, events: list[r.Event]
    ) -> None:
        """A whole call; AI Studio's older models give it no id."""
        name = _text(call.get("name"))
        if name is None:
            return
        number, choice.calls = choice.calls, choice.calls + 1
        call_id = _text(call.get("id")) or f"call_{uuid.uuid4().hex[:24]}"
        arguments = call.get("args")
        events.append(r.ToolStart(number, call_id, self._names.get(name, name), index, signature))
        events.append(r.ToolArguments(number, lenient.dumps(arguments if type(arguments) is dict else {}), index))


def _shown(part: dict[str, Any]) -> str:
    """What is neither text nor call, as Markdown, the only thing that every client can show."""
    code, result, data = part.get("executableCode"), part.get("codeExecutionResult"), part.get("inlineData")
    if type(code) is dict and _text(code.get("code")):
        return f"\n```{(_text(code.get('language')) or '').lower()}\n{code['code'].rstrip()}\n```\n"
    if type(result) is dict and _text(result.get("output")):
        return f"\n```\n{result['output'].rstrip()}\n```\n"
    if type(data) is dict and _text(data.get("data")):
        media_type = _text(data.get("mimeType")) or "application/octet-stream"
        mark = "![image]" if media_type.startswith("image/") else f"[{media_type}]"
        return f"{mark}(data:{media_type};base64,{data['data']})"
    return ""


def _finish(choice: _Choice, index: int) -> r.Finish:
    finish = r.finish(choice.finish or "", _REASONS, index)
    if choice.calls and finish.reason == r.STOP:
        return r.Finish(r.TOOL_CALLS, index, None, finish.unknown)
    return finish


def _broken(choice: _Choice) -> r.ProviderError:
    reason = choice.finish or ""
    status = 400 if reason == "MISSING_THOUGHT_SIGNATURE" else 502
    message = _BROKEN[reason] + (f": {choice.message}" if choice.message else "")
    return r.ProviderError(status, r.type_of_status(status), message, reason.lower())


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
