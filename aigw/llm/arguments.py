"""The JSON text of a tool call's arguments: as it arrives piece by piece, and as it comes back in a history.

Whether it is all there is asked again and again, since what follows depends on it. So the pieces are not joined and
parsed each time: their brackets are counted once, and only a text whose brackets are all closed is parsed. A text that
is no JSON then never becomes any, whatever follows.

A history is no new call: what a model once wrote, and an agent has answered with an error, comes back with every turn
that follows. So arguments that are broken (a limit of tokens has cut them, or nobody has validated them) are passed on
as the object in which Anthropic advises to wrap them
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming).
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from aigw.llm import lenient

_BACKSLASH: Final = "\\"
#: What broken arguments are wrapped in.
_INVALID: Final = "INVALID_JSON"


def as_object(text: str) -> dict[str, Any]:
    """The arguments of an earlier call; ``null``, which some servers have for none, and blanks are none."""
    if text.strip() in ("", "null"):
        return {}
    fields = lenient.loads(text.encode("utf-8", "replace"))
    return fields if isinstance(fields, dict) else {_INVALID: text}


def as_text(text: str) -> str:
    """The same for providers that take the text, many of which parse it again: as it is, if it is an object's."""
    if isinstance(lenient.loads(text.encode("utf-8", "replace")), dict):
        return text
    return orjson.dumps(as_object(text)).decode()


class Arguments:
    """See the module's head.

    :ivar size: its length in characters.
    """

    __slots__ = ("_closed", "_depth", "_escaped", "_new", "_opened", "_pieces", "_quoted", "size")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._new: list[str] = []  # of the pieces those whose brackets are not counted yet
        self._depth = 0
        self._quoted = self._escaped = self._opened = False
        self._closed: bool | None = None  # whether it is JSON, once all brackets are closed
        self.size = 0

    def __str__(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """More of it."""
        if piece:
            self._pieces.append(piece)
            self._new.append(piece)
            self.size += len(piece)

    def is_object(self) -> bool:
        """Whether it is a whole object, so that no more can follow."""
        if self._new and self._new[-1].rstrip()[-1:] in ("}", ""):
            self._count("".join(self._new))
            self._new.clear()
        return self._closed is True and not self._new

    def _count(self, text: str) -> None:
        """Take note of the brackets outside of strings in ``text``, which continues what was counted."""
        if self._closed is not None:
            self._closed = self._closed and text.isspace()
            return
        if self._escaped:
            text = text[1:]
        text = text.replace("\\\\", "")  # so that a backslash which is left escapes what follows it
        self._escaped = text.endswith(_BACKSLASH)
        parts = text.replace('\\"', "").split('"')
        outside = "".join(parts[self._quoted :: 2])
        self._quoted ^= len(parts) % 2 == 0
        opened = outside.count("{") + outside.count("[")
        self._opened = self._opened or opened > 0
        self._depth += opened - outside.count("}") - outside.count("]")
        if self._opened and self._depth <= 0 and not self._quoted:
            self._closed = isinstance(lenient.peek(str(self).encode("utf-8", "replace")), dict)
