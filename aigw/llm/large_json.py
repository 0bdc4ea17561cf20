"""Large JSON read and written in slices, for a thread beside the event loop.

Theory of operation. orjson holds the interpreter's lock from the first byte to the last: 32 MiB of small objects keep
every other thread waiting for seconds. Here a text is walked through once, byte by byte outside of strings. Objects
and arrays are either made (they exist as a list or dictionary, as the outermost one always does) or only open. What is
complete in the innermost made one is read by orjson as soon as it has :data:`SLICE` bytes; where an open one in it
grows beyond that, it is made, too. So every value is read by orjson, strictly, and each byte once. Between two slices
``pause`` is called, which lets other threads run, and which may raise to give up.

What is written is cut in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import orjson

#: Bytes of text that are read at once: a millisecond or two at the worst.
SLICE: Final = 16 * 1024

#: Objects and arrays that a text may have. Each costs some hundred bytes of memory for two of text; no request to a
#: model comes near.
MOST_CONTAINERS: Final = 1_000_000

#: Values that are written at once.
_VALUES: Final = 2_000

_QUOTE: Final = 0x22
_COMMA: Final = 0x2C
_BACKSLASH: Final = 0x5C
_OPEN_ARRAY: Final = 0x5B
_CLOSE_ARRAY: Final = 0x5D
_OPEN_OBJECT: Final = 0x7B
_CLOSE_OBJECT: Final = 0x7D
_BLANKS: Final = b" \t\n\r"
_NOTHING: Final[frozenset[str]] = frozenset()


class JsonTooLarge(ValueError):
    """The text has more containers, or deeper ones, than it may. The message says which, in half a sentence."""


class InvalidJson(ValueError):
    """The text is not JSON. The message says why and where, in half a sentence."""


class RepeatedMember(ValueError):
    """A member of the outermost object comes twice that may not.

    :ivar name: its name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"has {name} twice")
        self.name = name


def give_way() -> None:
    """Let other threads run, if any waits; for ``pause``."""
    time.sleep(0)


def loads(text: bytes, pause: Callable[[], None], most_depth: int, once: frozenset[str] = frozenset()) -> Any:
    """An object or array, as orjson reads it.

    :param pause: called between slices.
    :param most_depth: how deep containers may be nested.
    :param once: members of the outermost object that may not come twice.
    :raises InvalidJson: it is not JSON, or neither object nor array.
    :raises JsonTooLarge: it has too many or too deep containers.
    :raises RepeatedMember: see ``once``.
    """
    return _Reader(text, pause, most_depth, once).read()


class _Made:
    """An object or array that has not ended yet and is made.

    :ivar value: the dictionary or list.
    :ivar rest: where what has not been read of it begins.
    :ivar ended_value: a container in it that was made has ended, and only a comma or the end may follow.
    :ivar needs_value: what was read of it ends with a comma, so that the end may not follow.
    :ivar once: members that may not come twice.
    """

    __slots__ = ("ended_value", "is_object", "needs_value", "once", "rest", "value")

    def __init__(self, rest: int, is_object: bool, once: frozenset[str]) -> None:
        self.value: Any = {} if is_object else []
        self.rest = rest
        self.is_object = is_object
        self.ended_value = False
        self.needs_value = False
        self.once = once


class _Reader:
    """One text on its way in; see the module's head.

    Of each container that is open, the outermost first: where it begins, and where its last comma is (-1 without any).
    The outermost ones of them are made.
    """

    __slots__ = ("_begins", "_commas", "_made", "_most_depth", "_once", "_pause", "_text")

    def __init__(self, text: bytes, pause: Callable[[], None], most_depth: int, once: frozenset[str]) -> None:
        self._text = text
        self._pause = pause
        self._most_depth = most_depth
        self._once = once
        self._begins: list[int] = []
        self._commas: list[int] = []
        self._made: list[_Made] = []

    def read(self) -> Any:
        """See :func:`loads`."""
        text = self._text
        at = len(text) - len(text.lstrip(_BLANKS))
        if text[at : at + 1] not in (b"{", b"["):
            raise InvalidJson(f"is neither an object nor an array (at {at})")
        outermost = _Made(at + 1, text[at] == _OPEN_OBJECT, self._once)
        self._begins.append(at)
        self._commas.append(-1)
        self._made.append(outermost)
        end = self._walk(at + 1)
        if text[end:].strip(_BLANKS):
            raise InvalidJson(f"goes on behind its end (at {end})")
        return outermost.value

    # -- the walk

    def _walk(self, at: int) -> int:
        """Go from behind the first bracket to behind the last one, and return where that is."""
        text, size, begins, commas, made = self._text, len(self._text), self._begins, self._commas, self._made
        paused, containers = at, 1
        while at < size:
            byte = text[at]
            if byte == _QUOTE:
                at = self._end_of_string(at + 1)
            elif byte == _COMMA:
                commas[-1] = at
                if len(begins) == len(made):
                    self._take_comma(made[-1], at)
            elif byte in (_OPEN_OBJECT, _OPEN_ARRAY):
                containers += 1
                begins.append(at)
                commas.append(-1)
                if containers > MOST_CONTAINERS:
                    raise JsonTooLarge(f"has more than {MOST_CONTAINERS} objects and arrays")
                if len(begins) > self._most_depth:
                    raise JsonTooLarge(f"is nested deeper than {self._most_depth} levels")
            elif byte in (_CLOSE_OBJECT, _CLOSE_ARRAY):
                if text[begins.pop()] + 2 != byte:  # each bracket's code is two below that of its counterpart
                    raise InvalidJson(f"closes what is not open (at {at})")
                commas.pop()
                if len(begins) < len(made):
                    self._end_made(at)
                    if not begins:
                        return at + 1
            at += 1
            if at - paused >= SLICE:
                paused = at
                self._make_large_ones(at)
                self._pause()
        raise InvalidJson(f"ends too early (at {size})")

    def _end_of_string(self, at: int) -> int:
        """Where the quote is that ends the string whose first letter is at ``at``."""
        text = self._text
        while True:
            end = text.find(b'"', at)
            if end < 0:
                raise InvalidJson(f"ends within a string (at {len(text)})")
            behind = end  # the backslashes right before the quote
            while behind > at and text[behind - 1] == _BACKSLASH:
                behind -= 1
            if (end - behind) % 2 == 0:
                return end
            at = end + 1

    def _take_comma(self, innermost: _Made, at: int) -> None:
        # Members of the outermost object are read one by one, so that none of them comes twice unnoticed.
        if innermost.ended_value or innermost.once or at - innermost.rest >= SLICE:
            self._load(innermost, at, at)

    def _end_made(self, at: int) -> None:
        made = self._made
        self._load(made.pop(), at, -1)
        if made:
            around = made[-1]
            around.rest = at + 1
            around.ended_value = True
            around.needs_value = False

    def _make_large_ones(self, at: int) -> None:
        """Make containers as long as too much is unread in the innermost made one."""
        made = self._made
        while len(made) < len(self._begins) and at - made[-1].rest >= SLICE:
            self._make(made[-1], self._commas[len(made) - 1], self._begins[len(made)])

    def _make(self, around: _Made, comma: int, begin: int) -> None:
        """Make the container at ``begin`` a value of the one around it, behind all that is before it there."""
        if comma >= around.rest:
            self._load(around, comma, comma)
        before = self._text[around.rest : begin].strip(_BLANKS)
        if around.ended_value or (before and not around.is_object):
            raise InvalidJson(f"lacks a comma (at {begin})")
        container = _Made(begin + 1, self._text[begin] == _OPEN_OBJECT, _NOTHING)
        if around.is_object:
            if not before.endswith(b":"):
                raise InvalidJson(f"lacks a name (at {begin})")
            named = self._parsed(b"{" + before + b"0}", around.rest - 1)
            self._put(around, dict.fromkeys(named, container.value))
        else:
            around.value.append(container.value)
        self._made.append(container)

    # -- what is read

    def _load(self, container: _Made, end: int, comma: int) -> None:
        """Read what is unread of a container, up to its end or to a comma, and go on behind that.

        :param comma: the comma at ``end``, or -1.
        """
        begin = container.rest
        part = self._text[begin:end]
        if part.strip(_BLANKS):
            if container.ended_value:
                raise InvalidJson(f"lacks a comma (at {begin})")
            if container.is_object:
                self._put(container, self._parsed(b"{" + part + b"}", begin - 1))
            else:
                container.value.extend(self._parsed(b"[" + part + b"]", begin - 1))
        elif not container.ended_value and (container.needs_value or comma >= 0):
            raise InvalidJson(f"lacks a value (at {end})")
        container.ended_value = False
        container.needs_value = comma >= 0
        container.rest = end + 1

    def _put(self, container: _Made, members: dict[str, Any]) -> None:
        for name in container.once:
            if name in members and name in container.value:
                raise RepeatedMember(name)
        container.value.update(members)

    def _parsed(self, part: bytes, begin: int) -> Any:
        try:
            return orjson.loads(part)
        except orjson.JSONDecodeError as error:
            raise InvalidJson(f"{error.msg} (at {max(0, begin) + error.pos})") from None


def dumps(value: Any, pause: Callable[[], None]) -> bytes:
    """``value`` as orjson writes it.

    :param pause: called between slices.
    """
    parts: list[bytes] = []
    _write(value, parts, pause)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes], pause: Callable[[], None]) -> None:
    """Write a value: at once if it is small, else one value of it after the other, small ones together."""
    if _size(value) <= _VALUES:
        parts.append(orjson.dumps(value))
        pause()
    elif isinstance(value, dict):
        _write_object(value, parts, pause)
    else:
        _write_array(value, parts, pause)


def _write_object(value: dict[str, Any], parts: list[bytes], pause: Callable[[], None]) -> None:
    before = b"{"
    for name, each in value.items():
        parts.append(before + orjson.dumps(name) + b":")
        _write(each, parts, pause)
        before = b","
    parts.append(b"}")


def _write_array(values: list[Any], parts: list[bytes], pause: Callable[[], None]) -> None:
    begin = size = 0
    before = b"["
    for at, each in enumerate(values):
        own = _size(each)
        if size and size + own > _VALUES:
            parts.append(before + orjson.dumps(values[begin:at])[1:-1])
            pause()
            begin, size, before = at, 0, b","
        if own > _VALUES:
            parts.append(before)
            _write(each, parts, pause)
            begin, before = at + 1, b","
        else:
            size += own
    if size:
        parts.append(before + orjson.dumps(values[begin:])[1:-1])
    parts.append(b"]")


def _size(value: Any) -> int:
    """How many values a value is, itself and those in it; counted up to a little more than :data:`_VALUES`."""
    if not isinstance(value, dict | list):
        return 1
    size, waiting = 1, [value]
    while waiting and size <= _VALUES:
        each = waiting.pop()
        size += len(each)
        if size <= _VALUES:
            inside = each.values() if isinstance(each, dict) else each
            waiting += [value for value in inside if isinstance(value, dict | list)]
    return size
