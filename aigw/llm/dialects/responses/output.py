"""The items of an answer, as they grow: each says its own events, from ``output_item.added`` to ``output_item.done``.

The order of events is OpenAI's own and what its SDK's helper insists on; clients such as Codex act on
``output_item.done`` alone, which has the whole item.
"""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm.arguments import Arguments
from aigw.llm.dialects.responses.tools import Declared, custom_input

Fields = dict[str, Any]


class EventWriter:
    """Writes server-sent events, numbered from 0."""

    def __init__(self) -> None:
        self._number = 0

    def write(self, kind: str, fields: Fields) -> bytes:
        """One event."""
        numbered = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(numbered))

    def write_delta(self, frame: Delta, text: str) -> bytes:
        """One event that brings more text."""
        number, self._number = self._number, self._number + 1
        return b"%s%d%s%s%s" % (frame.head, number, frame.middle, orjson.dumps(text), frame.tail)


class Delta:
    """What the events that bring one text have around its pieces."""

    __slots__ = ("head", "middle", "tail")

    def __init__(self, kind: str, place: Fields, tail: bytes = b"}\n\n") -> None:
        self.head = b'event: %s\ndata: {"type":"%s","sequence_number":' % (kind.encode(), kind.encode())
        self.middle = b",%s," % orjson.dumps(place)[1:-1] + b'"delta":'
        self.tail = tail


class Item:
    """One item of an answer.

    :ivar closed: nothing more comes.
    :ivar index: its place among the items.
    """

    prefix = ""

    def __init__(self, events: EventWriter, index: int, answer_id: str) -> None:
        self.closed = False
        self.id = f"{self.prefix}_{answer_id}_{index}"
        self._events = events
        self.index = index
        self._status = "in_progress"
        self._place: Fields = {"item_id": self.id, "output_index": index}

    def fields(self) -> Fields:
        """The item as far as it is there."""
        raise NotImplementedError

    def open(self) -> bytes:
        """The event that it is there."""
        return self._events.write("response.output_item.added", {"output_index": self.index, "item": self.fields()})

    def close(self, complete: bool = True) -> bytes:
        """The events that end it, none if it has ended.

        :param complete: whether it is all that there was to say.
        """
        if self.closed:
            return b""
        self.closed = True
        self._status = "completed" if complete else "incomplete"
        ended = self._end()
        done = {"output_index": self.index, "item": self.fields()}
        return ended + self._events.write("response.output_item.done", done)

    def cut(self) -> None:
        """It broke off, without an event that says so."""
        if not self.closed:
            self.closed = True
            self._status = "incomplete"

    def _end(self) -> bytes:
        """The events that end its content."""
        raise NotImplementedError


class _Part:
    """One part of a message: text, or the words of a refusal.

    :ivar place: where it is, for events.
    """

    def __init__(self, kind: str, place: Fields) -> None:
        self.kind = kind
        self.place = place
        self.annotations: list[Fields] = []
        self._pieces: list[str] = []
        self._delta = (
            Delta("response.refusal.delta", place)
            if kind == "refusal"
            else Delta("response.output_text.delta", place, b',"logprobs":[]}\n\n')
        )

    def fields(self) -> Fields:
        """The part as far as it is there."""
        text = "".join(self._pieces)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": self.annotations, "logprobs": []}

    def add(self, events: EventWriter, text: str) -> bytes:
        """More of it."""
        self._pieces.append(text)
        return events.write_delta(self._delta, text)

    def end(self, events: EventWriter) -> bytes:
        """The events that end it."""
        text = "".join(self._pieces)
        if self.kind == "refusal":
            done = events.write("response.refusal.done", {**self.place, "refusal": text})
        else:
            done = events.write("response.output_text.done", {**self.place, "text": text, "logprobs": []})
        return done + events.write("response.content_part.done", {**self.place, "part": self.fields()})


class Message(Item):
    """What the model says, or with which words it refuses."""

    prefix = "msg"

    def __init__(self, events: EventWriter, index: int, answer_id: str) -> None:
        super().__init__(events, index, answer_id)
        self._parts: list[_Part] = []
        self.refused = False

    def fields(self) -> Fields:
        """See :class:`Item`."""
        content = [part.fields() for part in self._parts]
        return {"id": self.id, "type": "message", "status": self._status, "role": "assistant", "content": content}

    def say(self, text: str) -> bytes:
        """More text."""
        begin = self._begin("output_text")
        return begin + self._parts[-1].add(self._events, text)

    def refuse(self, text: str) -> bytes:
        """More words of a refusal."""
        self.refused = True
        begin = self._begin("refusal")
        return begin + self._parts[-1].add(self._events, text)

    def cite(self, annotation: Fields) -> bytes:
        """Where something that it says is from."""
        begin = self._begin("output_text")
        part = self._parts[-1]
        part.annotations.append(annotation)
        number = len(part.annotations) - 1
        return begin + self._events.write(
            "response.output_text.annotation.added",
            {**part.place, "annotation_index": number, "annotation": annotation},
        )

    def _begin(self, kind: str) -> bytes:
        """A new part, if the last one is of another kind."""
        if self._parts and self._parts[-1].kind == kind:
            return b""
        ended = self._end()
        part = _Part(kind, {**self._place, "content_index": len(self._parts)})
        added = {**part.place, "part": part.fields()}
        self._parts.append(part)
        return ended + self._events.write("response.content_part.added", added)

    def _end(self) -> bytes:
        return self._parts[-1].end(self._events) if self._parts else b""


class Thoughts(Item):
    """What the model thinks, as its summary, with whatever proves it."""

    prefix = "rs"

    def __init__(self, events: EventWriter, index: int, answer_id: str, content: str | None = None) -> None:
        super().__init__(events, index, answer_id)
        self._pieces: list[str] = []
        self._summary: Fields = {**self._place, "summary_index": 0}
        self._delta = Delta("response.reasoning_summary_text.delta", self._summary)
        self._content = [content] if content is not None else []

    @property
    def signed(self) -> bool:
        """Whether nothing more can be thought: it has its proof, or the beginning of that."""
        return bool(self._content)

    def fields(self) -> Fields:
        """See :class:`Item`."""
        summary = [self._part("".join(self._pieces))] if self._pieces else []
        item: Fields = {"id": self.id, "type": "reasoning", "summary": summary}
        if self._content:
            item["encrypted_content"] = "".join(self._content)
        return item

    def think(self, text: str) -> bytes:
        """More of it."""
        begin = b""
        if not self._pieces:
            added = {**self._summary, "part": self._part("")}
            begin = self._events.write("response.reasoning_summary_part.added", added)
        self._pieces.append(text)
        return begin + self._events.write_delta(self._delta, text)

    def sign(self, signature: str) -> None:
        """The proof of it, or more of that."""
        self._content.append(signature)

    def _end(self) -> bytes:
        if not self._pieces:
            return b""
        text = "".join(self._pieces)
        done = self._events.write("response.reasoning_summary_text.done", {**self._summary, "text": text})
        part = {**self._summary, "part": self._part(text)}
        return done + self._events.write("response.reasoning_summary_part.done", part)

    @staticmethod
    def _part(text: str) -> Fields:
        return {"type": "summary_text", "text": text}


class FunctionCall(Item):
    """A call of a function."""

    prefix = "fc"

    def __init__(self, events: EventWriter, index: int, answer_id: str, call_id: str, declared: Declared) -> None:
        super().__init__(events, index, answer_id)
        self._arguments = Arguments()
        self._called: Fields = {"call_id": call_id, "name": declared.name}
        if declared.namespace is not None:
            self._called["namespace"] = declared.namespace
        self._delta = Delta("response.function_call_arguments.delta", self._place)

    @property
    def whole(self) -> bool:
        """Whether the arguments are JSON already, so that no more can follow."""
        return self._arguments.is_object()

    def fields(self) -> Fields:
        """See :class:`Item`."""
        item = {"id": self.id, "type": "function_call", "status": self._status}
        return {**item, "arguments": str(self._arguments), **self._called}

    def add(self, fragment: str) -> bytes:
        """More of the arguments."""
        self._arguments.add(fragment)
        return self._events.write_delta(self._delta, fragment) if fragment else b""

    def _end(self) -> bytes:
        done = {**self._place, "name": self._called["name"], "arguments": str(self._arguments)}
        return self._events.write("response.function_call_arguments.done", done)


class CustomCall(FunctionCall):
    """A call of a custom tool. Its input is inside the arguments' JSON, so it is told when all of that is there."""

    prefix = "ctc"

    def fields(self) -> Fields:
        """See :class:`Item`."""
        said = custom_input(str(self._arguments)) if self.closed else ""
        return {"id": self.id, "type": "custom_tool_call", "status": self._status, "input": said, **self._called}

    def add(self, fragment: str) -> bytes:
        """See :class:`FunctionCall`."""
        self._arguments.add(fragment)
        return b""

    def _end(self) -> bytes:
        said = custom_input(str(self._arguments))
        delta = self._events.write("response.custom_tool_call_input.delta", {**self._place, "delta": said})
        return delta + self._events.write("response.custom_tool_call_input.done", {**self._place, "input": said})
