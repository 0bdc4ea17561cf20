"""The file as tables, and the line that each key is on.

``tomllib`` reads the TOML but tells no lines. :class:`Lines` reads the same text a second time, only far enough to
see where tables, keys and the elements of arrays begin; that it is valid TOML is known by then, so the second reader
checks nothing.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from pathlib import Path
from typing import Any

from aigw.config.errors import ConfigError, KeyPath, Problem
from aigw.config.syntax import syntax_problem
from aigw.regular_file import read_regular

#: A configuration with 100,000 consumers has some 20 MB; what is longer is the wrong file.
_LONGEST = 128 * 1024 * 1024

_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_BLANKS = re.compile(r"[ \t]*")
_NOTHING = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SCALAR = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|'[^']*'|[^,\]}\n#]+''',
    re.DOTALL,
)
#: Parts with dots between them: a key, or the beginning of something else that is none.
_DOTTED = re.compile(
    r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')(?:[ \t]*+\.[ \t]*+(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+'))*+"""
)
_QUOTED = re.compile(r"""\"[^"\n]*"|'[^'\n]*'""")

#: Parts of the longest key: tomllib takes the square of their number.
_MOST_PARTS = 200
#: Parts of a path up to which its line is known; what is further inside has the line of what it is in.
_DEEPEST = 16


class Lines:
    """Where tables, keys and array elements are.

    :param text: valid TOML, line ends as ``\\n``.
    :ivar known: the line of each path, counted from 1.
    """

    def __init__(self, text: str) -> None:
        self.known: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lengths: dict[KeyPath, int] = {}  # of arrays of tables, as far as read
        self._read()
        # What was read holds keys in plain text; it is not kept.
        del self._text, self._ends, self._lengths

    def line_of(self, path: KeyPath) -> int:
        """The line of ``path``, or else of the nearest table around it that the file has."""
        path = path[:_DEEPEST]
        while path and path not in self.known:
            path = path[:-1]
        return self.known.get(path, 1)

    def _read(self) -> None:
        table: KeyPath = ()
        self._skip(_NOTHING)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_NOTHING)

    def _skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _note(self, path: KeyPath) -> None:
        self.known.setdefault(path, bisect.bisect_left(self._ends, self._at) + 1)

    def _header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``; the path that the keys below it belong to."""
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        self._skip(_BLANKS)
        *around, last = self._key()
        path: KeyPath = ()
        for part in around:
            path = self._newest(_inside(path, part))
            self._note(path)
        path = _inside(path, last)
        self._note(path)
        if array:
            number = self._lengths.setdefault(path, 0)
            self._lengths[path] += 1
            path = _inside(path, number)
            self._note(path)
        self._at += 2 if array else 1
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        """``path`` itself, or where it is an array of tables, its newest one."""
        length = self._lengths.get(path)
        return path if length is None else _inside(path, length - 1)

    def _key(self) -> list[str]:
        """A key with its dots; stops behind it and the blanks that follow."""
        parts = []
        while True:
            match = _PART.match(self._text, self._at)
            assert match is not None
            part = match[0]
            parts.append(str(tomllib.loads(f"k = {part}")["k"]) if part[0] in "\"'" else part)
            self._at = match.end()
            self._skip(_BLANKS)
            if self._text[self._at] != ".":
                return parts
            self._at += 1
            self._skip(_BLANKS)

    def _pair(self, table: KeyPath) -> None:
        begin = self._at
        parts = self._key()
        end, self._at = self._at, begin
        for part in parts:
            table = _inside(table, part)
            self._note(table)
        self._at = end + 1  # behind the "="
        self._skip(_BLANKS)
        self._value(table)

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at]
        if opening not in "[{":
            self._skip(_SCALAR)
            return
        self._at += 1
        self._skip(_NOTHING)
        position = 0
        while self._text[self._at] not in "]}":
            if opening == "{":
                self._pair(path)
            else:
                place = _inside(path, position)
                self._note(place)
                self._value(place)
            position += 1
            self._skip(_NOTHING)
            if self._text[self._at] == ",":
                self._at += 1
                self._skip(_NOTHING)
        self._at += 1


def _inside(path: KeyPath, part: str | int) -> KeyPath:
    return (*path, part) if len(path) < _DEEPEST else path


def read(path: Path, data: bytes | None = None) -> tuple[dict[str, Any], Lines, bytes]:
    """The tables of a file, the lines of its keys, its bytes.

    :param data: what is in it, where that is known already.
    :raises ConfigError: it cannot be read or is not TOML; the one problem names the line.
    """
    if data is None:
        try:
            data = read_regular(path, _LONGEST)
        except OSError as error:
            raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from None
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        _check_keys(path, text)
        return tomllib.loads(text), Lines(text), data
    except UnicodeDecodeError as error:
        line, message = data[: error.start].count(b"\n") + 1, "not UTF-8 (a TOML file is always UTF-8)"
    except ValueError as error:
        line, message = syntax_problem(text, error)
    except RecursionError:
        line, message = 1, "not TOML that can be read: nested too deeply"
    raise ConfigError([Problem(str(path), line, "", message)])


def _check_keys(path: Path, text: str) -> None:
    """:raises ConfigError: a key has so many parts that the reader would be busy for a long time."""
    for found in _DOTTED.finditer(text):
        if found[0].count(".") >= _MOST_PARTS and _QUOTED.sub("", found[0]).count(".") >= _MOST_PARTS:
            line = text.count("\n", 0, found.start()) + 1
            raise ConfigError([Problem(str(path), line, "", f"a key of more than {_MOST_PARTS} parts")])
