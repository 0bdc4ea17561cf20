"""A stream that a gateway wrote anew: what its reader needs must be there, however it is spelled."""

from __future__ import annotations

import json
from typing import Any

from bench.errors import WrongAnswerError
from bench.streams.answer import AnswerByEvents
from bench.streams.events import DONE, STAMP_DIGITS
from bench.traffic import PROMPT_TOKENS


class RewrittenAnswer(AnswerByEvents):
    """Reads one answer of OpenAI's shape: the stream's name, fingerprint, words in order, stamps, finish and usage.

    Chunks that say nothing may stand anywhere before the end.
    """

    def _read_event(self, event: bytes) -> list[int]:
        """The stamp of the chunk, if it has a word. ``_count`` goes on with everything that must be there."""
        if self._count == self._chunks + 2 and event == DONE:
            self._count += 1
            return []
        try:
            chunk = json.loads(event.removeprefix(b"data: "))
            expected = (f"chatcmpl-{self._stream.decode()}", f"fp_{self._fingerprint.decode()}")
            if (chunk["id"], chunk["system_fingerprint"]) != expected or not self._goes_on(chunk):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise WrongAnswerError(f"{self._name}: event {self._count} is {event!r}") from None
        return self._stamp_of(chunk)

    def _goes_on(self, chunk: dict[str, Any]) -> bool:
        """Whether the chunk is what may come next."""
        choice = (chunk["choices"] or [{}])[0]
        word, finish = (choice.get("delta") or {}).get("content"), choice.get("finish_reason")
        usage = chunk.get("usage")
        if word:
            right = self._count < self._chunks and word == f" word{self._count:04d}" and not finish
        elif finish:
            right = self._count == self._chunks and finish == "stop"
        elif usage:
            right = self._count == self._chunks + 1
            right = right and (usage["prompt_tokens"], usage["completion_tokens"]) == (PROMPT_TOKENS, self._chunks)
        else:
            return True
        self._count += 1
        return bool(right)

    def _stamp_of(self, chunk: dict[str, Any]) -> list[int]:
        if self._count > self._chunks or not chunk["choices"] or not chunk["choices"][0]["delta"].get("content"):
            return []
        stamp = chunk["obfuscation"]
        if len(stamp) != STAMP_DIGITS or not stamp.isdigit():
            raise WrongAnswerError(f"{self._name}: no time stamp in {chunk}")
        return [int(stamp)]

    @property
    def _last(self) -> int:
        return self._chunks + 3
