"""OpenAI's legacy completions in front (https://platform.openai.com/docs/api-reference/completions), of chat backends.

The prompt is what a user says in a chat, so the model answers it rather than going on with it. What only a model that
continues text can do (several prompts at once, prompts of tokens, ``suffix``, ``echo``, ``best_of``, ``logprobs``) is
refused. OpenAI's default of 16 tokens is not set: a backend's own holds, or ``defaults`` of its configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.collected import Choice, Collected
from aigw.llm.dialects.chat_reply import finish_reason
from aigw.llm.dialects.fields import unsupported, wrong
from aigw.llm.dialects.openai_shapes import chat_usage, error_body, error_event
from aigw.llm.options import asks_for_nothing
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage

_OWN = frozenset(("best_of", "echo", "logprobs", "model", "prompt", "stream", "stream_options", "suffix"))

#: Fields that need a model which continues text.
_REFUSED = ("best_of", "echo", "logprobs", "suffix")
_WHY = "the backend only answers chats"


class Completions:
    """See :class:`aigw.llm.wire.Dialect`."""

    def read(self, fields: Mapping[str, Any]) -> c.Call:
        """See :class:`aigw.llm.wire.Dialect`."""
        for name in _REFUSED:
            if not asks_for_nothing(name, fields.get(name)):
                raise unsupported(name, _WHY)
        stream_options = fields.get("stream_options")
        return c.Call(
            model=fields.get("model") or "",
            turns=(c.Turn("user", (c.Text(_prompt(fields.get("prompt"))),), "prompt"),),
            stream=fields.get("stream") is True,
            include_usage=isinstance(stream_options, dict) and stream_options.get("include_usage") is True,
            options={name: value for name, value in fields.items() if name not in _OWN},
        )

    def writer(self, call: c.Call, *, answer_id: str, now: float) -> CompletionsWriter:
        """See :class:`aigw.llm.wire.Dialect`."""
        return CompletionsWriter(call.model, call.include_usage, answer_id, now)

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """See :class:`aigw.llm.wire.Dialect`."""
        return error_body(error, request_id)


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, list) and prompt:
        several = all(isinstance(each, str) for each in prompt)
        raise unsupported("prompt", f"{_WHY}; send {'one prompt at a time' if several else 'the prompt as text'}")
    if not isinstance(prompt, str) or not prompt:
        raise wrong("prompt", "must be a text that is not empty")
    return prompt


class CompletionsWriter:
    """See :class:`aigw.llm.wire.Writer`. Thoughts have no place here and are left out.

    :param include_usage: the client asked for a stream's usage.
    """

    def __init__(self, model: str, include_usage: bool, answer_id: str, now: float) -> None:
        self._id = f"cmpl-{answer_id}"
        self._created = int(now)
        self._model = model
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._finishes = b""
        self._named = False
        self._frame()

    def events(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return b"".join([_WRITE[type(event)](self, event) for event in events if type(event) in _WRITE])

    def failure(self, error: ProviderError) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        return error_event(error)

    def whole(self, events: Iterable[r.Event]) -> bytes:
        """See :class:`aigw.llm.wire.Writer`."""
        answer = Collected.of(events)
        body: dict[str, Any] = {
            **self._envelope(answer.model or self._model),
            "choices": [_choice(index, choice) for index, choice in enumerate(answer.choices)],
        }
        if answer.usage is not None:
            body["usage"] = chat_usage(answer.usage)
        return orjson.dumps(body)

    def _envelope(self, model: str) -> dict[str, Any]:
        return {"id": self._id, "object": "text_completion", "created": self._created, "model": model}

    def _frame(self) -> None:
        """What all chunks have around their choice."""
        self._head = b"data: " + orjson.dumps(self._envelope(self._model))[:-1]
        self._tail = b',"logprobs":null,"finish_reason":%%s}]%s}\n\n' % (
            b',"usage":null' if self._include_usage else b""
        )
        self._going_on = self._tail % b"null"

    def _start(self, event: r.Start) -> bytes:
        if event.model and not self._named:
            self._named = True
            self._model = event.model
            self._frame()
        return b""

    def _text(self, event: r.TextDelta | r.RefusalDelta) -> bytes:
        self._named = True
        said = b',"choices":[{"index":%d,"text":%s' % (event.choice, orjson.dumps(event.text))
        return self._head + said + self._going_on

    def _finish(self, event: r.Finish) -> bytes:
        said = b',"choices":[{"index":%d,"text":""' % event.choice
        self._finishes += self._head + said + self._tail % orjson.dumps(_reason(event.reason))
        return b""  # until the real end: what breaks before must not look complete

    def _note_usage(self, event: r.UsageTold) -> bytes:
        self._usage = event.usage
        return b""

    def _end(self, event: r.End) -> bytes:
        usage = b""
        if self._include_usage:
            told = orjson.dumps(chat_usage(self._usage or Usage()))
            usage = b'%s,"choices":[],"usage":%s}\n\n' % (self._head, told)
        return self._finishes + usage + b"data: [DONE]\n\n"


#: Not the writer's own: a table of its bound methods would know it, and be work for the garbage collector.
_WRITE: dict[type, Callable[[CompletionsWriter, Any], bytes]] = {
    r.Start: CompletionsWriter._start,
    r.TextDelta: CompletionsWriter._text,
    r.RefusalDelta: CompletionsWriter._text,
    r.Finish: CompletionsWriter._finish,
    r.UsageTold: CompletionsWriter._note_usage,
    r.Ping: lambda writer, event: b": ping\n\n",
    r.End: CompletionsWriter._end,
}


def _choice(index: int, choice: Choice) -> dict[str, Any]:
    reason = choice.finish.reason if choice.finish is not None else r.STOP
    return {"index": index, "text": choice.text + choice.refusal, "logprobs": None, "finish_reason": _reason(reason)}


def _reason(reason: str) -> str:
    return "stop" if reason == r.TOOL_CALLS else finish_reason(reason)
