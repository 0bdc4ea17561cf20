"""Chunks of a stream that differ in their text only are known by their frame, and need not be parsed again.

Most chunks of a stream differ in little: their text, the padding that OpenAI puts behind it (``obfuscation``) or
Anthropic (blanks), in a stream of responses their number. An event that is the same everywhere else as one that was
parsed says nothing else that is new. No quote can be inside a text or a padding, and nothing but digits in a number,
or what follows would not fit. That costs a fifth of parsing, and needs no guess about how a server spaces its JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TEXT: Final = 0
_NUMBER: Final = 1
_PADDING: Final = 2
_BLANKS: Final = 3
_LF: Final = 0x0A
_CR: Final = 0x0D
_BACKSLASH: Final = 0x5C
_TEXT_BEGINS: Final = (
    b'"content":"',
    b'"content": "',
    b'"reasoning_content":"',
    b'"reasoning":"',
    b'"arguments":"',
    b'"text":"',
    b'"thinking":"',
    b'"partial_json":"',
    b'"delta":"',
)
_NUMBER_BEGINS: Final = b'"sequence_number":'
_PADDING_BEGINS: Final = b'"obfuscation":"'
#: Anthropic pads an event with blanks before its last brace.
_PADS_WITH_BLANKS: Final = b"content_block_delta"


class ChunkFrame:
    """A chunk but for what differs from chunk to chunk; see the module's head."""

    __slots__ = ("_first", "_rest", "_size")

    def __init__(self, first: bytes, rest: Sequence[tuple[int, bytes]]) -> None:
        """:param rest: what may differ, by kind, and what follows it up to the next that may."""
        self._first, self._size = first, len(first)
        self._rest = tuple((kind, part[:1], part[1:], len(part) - 1) for kind, part in rest)

    @classmethod
    def of(cls, event: bytes) -> ChunkFrame | None:
        """The frame of a chunk that has text and no usage, error or end; None if its text is not found."""
        for name in _TEXT_BEGINS:
            begin = event.find(name) + len(name)
            if begin < len(name):
                continue
            end = event.find(b'"', begin)
            if end < 0 or event[end - 1 : end] == b"\\" or not event.endswith(b"}\n\n"):
                return None
            return cls._around(event, begin, end)
        return None

    @classmethod
    def _around(cls, event: bytes, begin: int, end: int) -> ChunkFrame:
        gaps = [(_TEXT, begin, end)]
        number = event.find(_NUMBER_BEGINS, 0, begin)
        if number >= 0:
            number += len(_NUMBER_BEGINS)
            gaps.insert(0, (_NUMBER, number, event.find(b",", number)))
        padding = event.find(_PADDING_BEGINS, end)
        if padding >= 0:
            padding += len(_PADDING_BEGINS)
            gaps.append((_PADDING, padding, event.find(b'"', padding)))
        if event.find(_PADS_WITH_BLANKS, 0, begin) >= 0:
            brace = len(event) - len(b"}\n\n")
            gaps.append((_BLANKS, len(event[:brace].rstrip(b" ")), brace))
        begins = [begin for _, begin, _ in gaps[1:]] + [len(event)]
        rest = [(kind, event[end:following]) for (kind, _, end), following in zip(gaps, begins, strict=True)]
        return cls(event[: gaps[0][1]], rest)

    def text_size(self, event: bytes) -> int:
        """The length of the text if ``event`` is of this frame, else -1."""
        if not event.startswith(self._first):
            return -1
        rest, text = event[self._size :], 0
        for kind, stop, part, size in self._rest:
            gap, _, rest = rest.partition(stop)
            if not rest.startswith(part):
                return -1
            rest = rest[size:]
            if kind == _TEXT or kind == _PADDING:  # noqa: SIM109 (two comparisons, compiled)
                # A line's end is no part of a string, and would end the event for its reader; a quote behind a
                # backslash does not end the string. Numbers: a method of bytes costs ten times as much.
                if _LF in gap or _CR in gap or (gap and gap[-1] == _BACKSLASH):
                    return -1
                if kind == _TEXT:
                    text = len(gap)
            elif (kind == _NUMBER and not gap.isdigit()) or (kind == _BLANKS and gap.strip(b" ")):
                return -1
        return -1 if rest else text


#: Fits nothing: no event is a line's end and NUL.
NO_FRAME: Final = ChunkFrame(b"\n\x00", [])
