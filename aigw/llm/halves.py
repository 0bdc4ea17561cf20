"""A character whose two halves come in two pieces of a stream.

JSON writes a character beyond U+FFFF as two escapes, a UTF-16 surrogate pair (RFC 8259 section 7). Servers that cut
texts in UTF-16 (JavaScript, Java, .NET) may send ``"\\ud83d"`` in one delta and ``"\\ude00"`` in the next. Each by
itself is no character; together they are one, and whoever passes them on has to put them together.

Theory of operation. :mod:`aigw.llm.lenient` reads a half as U+FFFD. Of a text that begins with the second half of a
pair, or ends with the first half of one, it makes a :class:`HalfText`, which is that text and remembers the halves:
whoever knows nothing of them reads U+FFFD. :class:`Halves` puts them together in the events of a stream, for each of
its texts by itself, whatever comes in between. A half that stays alone is U+FFFD at the end of what it is in.

Not compiled: mypyc makes no class of a string's.
"""

from __future__ import annotations

from collections.abc import Iterable

from aigw.llm import reply as r

#: What stands for a half that is alone (Unicode 17.0, section 3.9, "U+FFFD Substitution of Maximal Subparts").
LONE = "\ufffd"

_Text = r.TextDelta | r.ReasoningDelta | r.RefusalDelta | r.ToolArguments
_Key = tuple[type, int, int]


class HalfText(str):
    """A text that begins or ends with half of a character, for which U+FFFD stands.

    :ivar second: the second half of a pair, with which it begins; else empty.
    :ivar first: the first half of a pair, with which it ends; else empty.
    """

    __slots__ = ("first", "second")

    second: str
    first: str

    def __new__(cls, text: str, second: str, first: str) -> HalfText:
        """The text has U+FFFD for both."""
        self = super().__new__(cls, text)
        self.second, self.first = second, first
        return self


def half_text(text: str, readable: str) -> str:
    """``readable``, which is ``text`` with U+FFFD for each half of a pair; a :class:`HalfText` where it is one."""
    second = text[:1] if "\udc00" <= text[:1] <= "\udfff" else ""
    first = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return HalfText(readable, second, first) if second or first else readable


def join(texts: Iterable[str]) -> str:
    """Texts that follow each other, as one; may be a :class:`HalfText`."""
    pieces: list[str] = []
    second = before = ""
    for text in filter(None, texts):
        begin, end = _halves(text)
        if not pieces:
            second = begin
        elif before and begin:
            pieces[-1] = pieces[-1][:-1] + _pair(before, begin)
            text = text[1:]
        pieces.append(text)
        before = end
    whole = "".join(pieces)
    return HalfText(whole, second, before) if second or before else whole


class Halves:
    """Puts the halves together in the events of one stream."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        #: First halves whose second ones may still come, by the text that they are in: kind, choice, number of a call.
        self._waiting: dict[_Key, str] = {}

    def joined(self, events: Iterable[r.Event]) -> list[r.Event]:
        """The next events, none of whose texts is a :class:`HalfText`."""
        found: list[r.Event] = []
        for event in events:
            if isinstance(event, r.TextDelta | r.ReasoningDelta | r.RefusalDelta | r.ToolArguments):
                self._take(event, found)
                continue
            if self._waiting and isinstance(event, r.Finish | r.End):
                self._give_up(event.choice if isinstance(event, r.Finish) else None, found)
            found.append(event)
        return found

    def _take(self, event: _Text, found: list[r.Event]) -> None:
        text, number = (event.fragment, event.number) if isinstance(event, r.ToolArguments) else (event.text, 0)
        if not self._waiting and not isinstance(text, HalfText):
            found.append(event)
            return
        key = (type(event), event.choice, number)
        before = self._waiting.pop(key, "")
        second, first = _halves(text)
        if not text:
            first = before
        elif before:
            text = _pair(before, second) + text[1:] if second else LONE + text
        if first:
            self._waiting[key] = first
            text = text[:-1]
        if text:
            found.append(_event(key, text[:]))

    def _give_up(self, choice: int | None, found: list[r.Event]) -> None:
        """A choice, or all of them, has ended: its halves stay alone."""
        for key in [key for key in self._waiting if choice is None or key[1] == choice]:
            del self._waiting[key]
            found.append(_event(key, LONE))


def _halves(text: str) -> tuple[str, str]:
    """The half of a pair with which ``text`` begins, and the one with which it ends."""
    return (text.second, text.first) if isinstance(text, HalfText) else ("", "")


def _event(key: _Key, text: str) -> r.Event:
    kind, choice, number = key
    if kind is r.ToolArguments:
        return r.ToolArguments(number, text, choice)
    made: r.Event = kind(text, choice)
    return made


def _pair(first: str, second: str) -> str:
    """The character of a surrogate pair (RFC 2781 section 2.2)."""
    return chr(0x10000 + ((ord(first) - 0xD800) << 10) + (ord(second) - 0xDC00))
