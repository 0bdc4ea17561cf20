"""Reading what servers of chat completions answer, whole or as a stream.

The fast way is for the chunk that most are: one choice whose delta has some text and nothing else. All else is read
with every deviation that compatible servers are known for (wire.md 1.1, 1.2 and cases 16 to 31): Azure's first chunk
without a choice, thoughts under four names, contents that are lists, calls in any order (see
:mod:`~aigw.llm.providers.openai_chat.calls`), usage on any chunk, text behind the ``finish_reason``, several or empty
``finish_reason``, errors in the middle.

What ends a choice is held back until the stream's end, so that it is behind everything the choice says. The end is
``[DONE]``, or the end of the bytes if every choice has finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aigw.llm import halves, lenient, reply
from aigw.llm.decoders import Frame
from aigw.llm.providers.openai_chat import reasons
from aigw.llm.providers.openai_chat.calls import Calls, Seed
from aigw.llm.providers.openai_chat.decoding import WHOLE
from aigw.llm.providers.openai_chat.errors import error_in, stream_error
from aigw.llm.reply import NOT_JSON, Event, ProviderError, ReasoningDelta, TextDelta
from aigw.llm.usage import from_openai

#: Choices that an answer can have; OpenAI's own limit of ``n``.
_MOST_CHOICES = 128
#: Characters of an answer's id that ids of its calls are made of; a longer one is left alone.
_LONGEST_ID = 256

_NO_ANSWER = ProviderError(502, "server_error", "the provider's answer has no choices", "invalid_answer")

_Pieces = Sequence[Any]


class _Choice:
    """What was seen of one choice."""

    __slots__ = ("calls", "finish")

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.finish: reply.Finish | None = None


class ChatReader:
    """See :class:`aigw.llm.wire.Reader`.

    :param names: what tools are really called whose names were too long for the provider.
    :param stops: the stop sequences that were asked for.
    """

    def __init__(self, names: dict[str, str] | None = None, stops: Iterable[Any] = ()) -> None:
        self._names = names or {}
        self._stops = frozenset(stop for stop in stops if isinstance(stop, str) and stop)
        self._started = False
        self._over = False
        self._seed = Seed()
        self._choices: dict[int, _Choice] = {}

    def frame(self, frame: Frame) -> Sequence[Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        if self._over:
            return ()
        if frame.kind or frame.data[:1] != b"{":
            return self._odd(frame)
        fields = lenient.loads(frame.data)
        return self._chunk(fields) if isinstance(fields, dict) else self._failed(NOT_JSON)

    def whole(self, fields: Any) -> Sequence[Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        if isinstance(fields, dict) and "choices" in fields and not _has_error(fields):
            events = list(self._chunk(fields))
            if self._over:
                return events
            if self._choices:
                self._finish(events)
                return events
        return self._failed(stream_error(fields) if error_in(fields) is not None else _NO_ANSWER)

    def end(self) -> Sequence[Event]:
        """See :class:`aigw.llm.wire.Reader`."""
        if self._over or not self._choices or any(choice.finish is None for choice in self._choices.values()):
            return ()
        events: list[Event] = []
        self._finish(events)
        return events

    # -- frames

    def _odd(self, frame: Frame) -> Sequence[Event]:
        """A frame that does not look as chunks do."""
        data = frame.data.strip()
        if data == b"[DONE]":
            return self._done()
        fields = lenient.loads(data)
        if frame.kind == WHOLE:
            return self.whole(fields)
        if frame.kind == b"error":
            return self._failed(stream_error(fields if fields is not None else data.decode("utf-8", "replace")))
        if isinstance(fields, list) and fields and isinstance(fields[0], dict) and _has_error(fields[0]):
            return self._failed(stream_error(fields))
        if isinstance(fields, dict):
            return self._chunk(fields)
        return self._failed(NOT_JSON) if data.startswith(b"{") else ()

    def _done(self) -> Sequence[Event]:
        if not self._choices:
            return self._failed(_NO_ANSWER)
        events: list[Event] = []
        self._finish(events)
        return events

    def _chunk(self, fields: dict[str, Any]) -> Sequence[Event]:
        choices = fields.get("choices")
        if ("error" in fields or "type" in fields or fields.get("object") == "error") and _has_error(fields):
            return self._failed(stream_error(fields))
        if not choices and not self._choices and error_in(fields) is not None:
            return self._failed(stream_error(fields))  # under another name, in the place of an answer
        events: list[Event] = []
        if not self._started and (choices or fields.get("id")):
            self._start(fields, events)
        if isinstance(choices, list):
            for choice in choices:
                if type(choice) is dict:
                    self._choice(choice, events)
        if "usage" in fields or "x_groq" in fields:
            self._usage(fields, events)
        return events

    def _start(self, fields: dict[str, Any], events: list[Event]) -> None:
        self._started = True
        answer_id, model = fields.get("id"), fields.get("model")
        told = self._seed.id = answer_id if isinstance(answer_id, str) and len(answer_id) <= _LONGEST_ID else ""
        events.append(reply.Start(told or None, model if isinstance(model, str) and model else None))

    def _usage(self, fields: dict[str, Any], events: list[Event]) -> None:
        groq = fields.get("x_groq")
        told = from_openai(fields.get("usage")) or (from_openai(groq.get("usage")) if isinstance(groq, dict) else None)
        if told is not None:
            events.append(reply.UsageTold(told))

    def _failed(self, error: ProviderError) -> Sequence[Event]:
        self._over = True
        return (reply.Failed(error),)

    def _finish(self, events: list[Event]) -> None:
        """End every choice, then the answer."""
        for index in sorted(self._choices):
            choice = self._choices[index]
            choice.calls.finish(events)
            finish = choice.finish or reply.Finish(reply.STOP, index)
            if finish.reason == reply.STOP and choice.calls:
                finish = reply.Finish(reply.TOOL_CALLS, index, finish.sequence, finish.unknown)
            events.append(finish)
        self._over = True
        events.append(reply.End())

    # -- choices

    def _choice(self, choice: dict[str, Any], events: list[Event]) -> None:
        index = choice.get("index")
        if type(index) is not int or not 0 <= index < _MOST_CHOICES:
            index = 0
        seen = self._choices.get(index)
        if seen is None:
            seen = self._choices[index] = _Choice(Calls(index, self._names, self._seed))
        delta = choice.get("delta")
        if type(delta) is dict:
            text = delta.get("content")
            if len(delta) == 1 and type(text) is str:
                if text:
                    events.append(TextDelta(text, index))
            elif delta:
                self._delta(delta, index, seen.calls, events)
        else:
            self._message(choice, index, seen.calls, events)
        if "usage" in choice:  # Moonshot's streams, on the chunk that ends the choice
            told = from_openai(choice["usage"])
            if told is not None:
                events.append(reply.UsageTold(told))
        if choice.get("error"):  # OpenRouter has it there, whatever the reason is
            self._over = True
            events.append(reply.Failed(stream_error({"error": choice["error"]})))
        elif choice.get("finish_reason"):
            self._reason(choice, index, seen, events)

    def _message(self, choice: dict[str, Any], index: int, calls: Calls, events: list[Event]) -> None:
        """What a choice without a delta says: in a whole answer, or at a server that takes neither form seriously."""
        message, text = choice.get("message"), choice.get("text")
        if isinstance(message, dict):
            self._delta(message, index, calls, events)
        elif isinstance(text, str) and text:
            events.append(TextDelta(text, index))

    def _delta(self, delta: dict[str, Any], index: int, calls: Calls, events: list[Event]) -> None:
        """In the order in which it is to be told: thoughts, text, refusal, calls."""
        thoughts = _thoughts(delta)
        if thoughts:
            events.append(ReasoningDelta(thoughts, index))
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                events.append(TextDelta(content, index))
        elif content:
            _content(content, index, events)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            events.append(reply.RefusalDelta(refusal, index))
        annotations = delta.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                events.append(reply.Citation(annotation, index))
        if delta.get("tool_calls"):
            calls.take(delta["tool_calls"], events)
        if isinstance(delta.get("function_call"), dict):
            calls.take_legacy(delta["function_call"], events)

    def _reason(self, choice: dict[str, Any], index: int, seen: _Choice, events: list[Event]) -> None:
        """Why a choice ends: the first reason counts, but that it failed counts whenever it is told."""
        word, sequence = choice["finish_reason"], choice.get("stop_reason")
        word = word.lower() if isinstance(word, str) else type(word).__name__
        failure = reasons.FAILURES.get(word)
        if failure is not None:
            self._over = True
            events.append(reply.Failed(failure))
        elif seen.finish is None:
            finish = reply.finish(word, reasons.REASONS, index)
            if finish.reason == reply.STOP and isinstance(sequence, str) and sequence in self._stops:
                finish = reply.Finish(reply.STOP_SEQUENCE, index, sequence)
            seen.finish = finish


def _has_error(fields: Any) -> bool:
    if not isinstance(fields, dict):
        return False
    error = fields.get("error")
    if isinstance(error, dict | str | list) and error:
        return True
    return fields.get("object") == "error" or fields.get("type") == "error"


def _thoughts(delta: dict[str, Any]) -> str:
    """A delta's thoughts, by the first name that has some: servers that use two say the same under both."""
    for name in ("reasoning_content", "reasoning", "thinking"):
        text = delta.get(name)
        if isinstance(text, str) and text:
            return text
    details = delta.get("reasoning_details")
    return halves.join(_texts(details, "text", "summary")) if isinstance(details, list) else ""


def _texts(pieces: Iterable[Any], *names: str) -> Iterable[str]:
    for piece in pieces:
        if isinstance(piece, dict):
            yield from (text for text in map(piece.get, names) if isinstance(text, str))


def _content(content: Any, index: int, events: list[Event]) -> None:
    """A content that is a list of parts, as Mistral's is where the model thinks."""
    for part in content if isinstance(content, list) else (content,):
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if not isinstance(part, dict):
            continue
        thinking, text, refusal = part.get("thinking"), part.get("text"), part.get("refusal")
        if isinstance(thinking, list):
            thinking = halves.join(_texts(thinking, "text"))
        if isinstance(thinking, str) and thinking:
            events.append(ReasoningDelta(thinking, index))
        if isinstance(text, str) and text:
            events.append(TextDelta(text, index))
        if isinstance(refusal, str) and refusal:
            events.append(reply.RefusalDelta(refusal, index))
