"""Responses: the last thing that the user said comes back, whole or as numbered events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from aigw.llm.echo.parts import Call, EchoReply, Said, event, stream, text_of, tokens, whole


def responses(call: Call) -> EchoReply:
    """See the module's head."""
    asked, read = _asked(call)
    answer = _Answer(call, call.say(asked, call.limit("max_output_tokens")), read)
    return stream(call, answer.events()) if call.streamed else whole(answer.response(done=True))


def _asked(call: Call) -> tuple[str, int]:
    """The text to answer, and the number of tokens read."""
    instructions, sent = text_of(call.fields.get("instructions")), call.fields.get("input")
    items = sent if isinstance(sent, list) else [{"role": "user", "content": sent}]
    texts = [(item.get("role"), text_of(item.get("content"))) for item in items if isinstance(item, dict)]
    asked = [text for role, text in texts if role == "user"] or [""]
    return asked[-1], sum(map(len, map(tokens, (instructions, *(text for _, text in texts)))))


class _Answer:
    """One answer, in all its states."""

    def __init__(self, call: Call, said: Said, read: int) -> None:
        self._call, self._said, self._read = call, said, read
        self._item_id = f"msg_{call.identity}"
        self._status = "incomplete" if said.cut else "completed"
        self._numbers = itertools.count()

    def response(self, *, done: bool) -> dict[str, Any]:
        """The response object, finished or just begun."""
        fields, cut = self._call.fields, done and self._said.cut
        return {
            "id": f"resp_{self._call.identity}",
            "object": "response",
            "created_at": self._call.now,
            "status": self._status if done else "in_progress",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": fields.get("instructions"),
            "max_output_tokens": fields.get("max_output_tokens"),
            "metadata": fields.get("metadata") or {},
            "model": self._call.model,
            "output": [self._item(self._status, self._said.text)] if done else [],
            "parallel_tool_calls": fields.get("parallel_tool_calls", True),
            "previous_response_id": fields.get("previous_response_id"),
            "temperature": fields.get("temperature", 1.0),
            "tool_choice": fields.get("tool_choice", "auto"),
            "tools": fields.get("tools") or [],
            "top_p": fields.get("top_p", 1.0),
            "usage": self._usage() if done else None,
        }

    def events(self) -> Iterator[bytes]:
        """The stream, in OpenAI's order."""
        text, place = self._said.text, {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        yield self._event("response.created", response=self.response(done=False))
        yield self._event("response.in_progress", response=self.response(done=False))
        yield self._event("response.output_item.added", output_index=0, item=self._item("in_progress", None))
        yield self._event("response.content_part.added", **place, part=_part(""))
        for word in self._said.words:
            yield self._event("response.output_text.delta", **place, delta=word, logprobs=[])
        yield self._event("response.output_text.done", **place, text=text, logprobs=[])
        yield self._event("response.content_part.done", **place, part=_part(text))
        yield self._event("response.output_item.done", output_index=0, item=self._item(self._status, text))
        yield self._event(f"response.{self._status}", response=self.response(done=True))

    def _event(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind, "sequence_number": next(self._numbers), **fields}, kind)

    def _item(self, status: str, text: str | None) -> dict[str, Any]:
        content = [] if text is None else [_part(text)]
        return {"id": self._item_id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _usage(self) -> dict[str, Any]:
        written = len(self._said.words)
        return {
            "input_tokens": self._read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._read + written,
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
