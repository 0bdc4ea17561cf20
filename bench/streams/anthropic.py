"""The same stream as a provider of another dialect sends it, and how its translation is checked.

The upstream speaks Anthropic's Messages; what the client must get are OpenAI's chunks with the same words. The time
stamp is part of the text here, since nothing else of an event survives a translation unchanged.
"""

from __future__ import annotations

import json
from typing import Any

from bench.errors import WrongAnswerError
from bench.streams.answer import AnswerByEvents
from bench.streams.events import DONE, STAMP_DIGITS
from bench.traffic import PROMPT_TOKENS

TAIL = b'"}}\n\n'
_EVENT = b'event: %s\ndata: {"type":"%s",%s}\n\n'
_MESSAGE = (
    b'"message":{"id":"msg_%s","type":"message","role":"assistant","model":"claude-bench-%s","content":[],'
    b'"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":1}}'
)
_BLOCK = b'"index":0,"content_block":{"type":"text","text":""}'
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
)
_STOP = b'"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}'


def _event(kind: bytes, fields: bytes) -> bytes:
    return _EVENT % (kind, kind, fields)


def beginning(stream: bytes, fingerprint: bytes) -> bytes:
    """What comes before the first chunk."""
    message = _MESSAGE % (stream, fingerprint.replace(b".", b"-"), PROMPT_TOKENS)
    return _event(b"message_start", message) + _event(b"content_block_start", _BLOCK)


def chunk_head(stream: bytes, fingerprint: bytes, index: int) -> bytes:
    """A chunk up to its stamp; see :func:`bench.streams.events.chunk_head`."""
    return b"%s word%04d " % (_DELTA, index)


def ending(stream: bytes, fingerprint: bytes, chunks: int) -> list[bytes]:
    """The events behind the last chunk."""
    stop = _event(b"content_block_stop", b'"index":0')
    return [stop, _event(b"message_delta", _STOP % chunks), b'event: message_stop\ndata: {"type":"message_stop"}\n\n']


class TranslatedAnswer(AnswerByEvents):
    """Reads one answer of OpenAI's shape that was translated: its words, its end and its usage are checked."""

    def _read_event(self, event: bytes) -> list[int]:
        place, self._count = self._count, self._count + 1
        if place == self._chunks + 3 and event == DONE:
            return []
        chunk = _chunk(event)
        words = self._words(chunk, place)
        if not place or place > self._chunks:
            return []
        head = f" word{place - 1:04d} "
        stamp = words.removeprefix(head)
        if not words.startswith(head) or len(stamp) != STAMP_DIGITS or not stamp.isdigit():
            raise WrongAnswerError(f"{self._name}: chunk {place - 1} is {event!r}")
        return [int(stamp)]

    def _words(self, chunk: dict[str, Any], place: int) -> str:
        """The text of a chunk that is right in all else: role first, then words, the finish, the usage."""
        wrong = WrongAnswerError(f"{self._name}: event {place} is {chunk}")
        if chunk.get("object") != "chat.completion.chunk":
            raise wrong
        if place == self._chunks + 2:
            usage = chunk.get("usage") or {}
            if chunk["choices"] or usage.get("prompt_tokens") != PROMPT_TOKENS:
                raise wrong
            return ""
        choice = chunk["choices"][0]
        if choice["finish_reason"] != ("stop" if place == self._chunks + 1 else None):
            raise wrong
        text: str = choice["delta"].get("content", "")
        return text

    @property
    def _last(self) -> int:
        return self._chunks + 4


def _chunk(event: bytes) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(event.removeprefix(b"data: "))
    except ValueError:
        raise WrongAnswerError(f"not a chunk: {event!r}") from None
    return fields


def asked_for(body: bytes) -> tuple[bytes, bytes]:
    """The stream's name and fingerprint, out of the request's body.

    :raises ValueError: the body is not the translation of what was sent.
    """
    fields = json.loads(body)
    name, temperature = fields["metadata"]["user_id"], fields["temperature"]
    if fields["stream"] is not True or len(fields["messages"]) != 1 or not fields["system"]:
        raise ValueError("the body lost something on its way")
    return name.encode(), b"%.1f" % temperature
