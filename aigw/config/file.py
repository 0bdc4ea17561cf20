"""The file as tables, and the line that each key is on.

``tomllib`` reads the TOML but tells no lines. :class:`Lines` reads the same text again, only far enough to see where
tables and keys begin; the text is known to be valid TOML by then.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from aigw.config.errors import ConfigError, Problem

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE = re.compile(rf"[ \t]*\[\[?[ \t]*({_KEY})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_PARTS = re.compile(_PART)
_TOKEN = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]''',
    re.DOTALL,
)
_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Lines:
    """Where keys are.

    :param text: valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in _statements(text):
            header = _TABLE.match(line)
            if header is not None:
                table = _parts(header[1])
                self._lines.setdefault(table, number)
                continue
            assignment = _ASSIGNMENT.match(line)
            if assignment is not None:
                self._lines.setdefault((*table, *_parts(assignment[1])), number)

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """The line of the key at ``path``, or of the nearest table around it; 0 for none."""
        wanted = tuple(str(part) for part in path)
        while wanted:
            if wanted in self._lines:
                return self._lines[wanted]
            below = [line for known, line in self._lines.items() if known[: len(wanted)] == wanted]
            if below:
                return min(below)
            wanted = wanted[:-1]
        return 0


def _statements(text: str) -> list[tuple[int, str]]:
    """Lines that begin a table or a key, with their numbers; what continues a value is left out."""
    found = []
    number, start, depth = 1, 0, 0
    begins = True
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if piece == "\n":
            if begins:
                found.append((number, text[start : token.start()]))
            number += 1
            begins = depth == 0
            start = token.end()
        elif piece in "[{":
            # A table's header is no array.
            header = begins and not text[start : token.start()].strip(" \t[")
            depth += not header
        elif piece in "]}":
            depth = max(0, depth - 1)
        else:
            number += piece.count("\n")
    if begins:
        found.append((number, text[start:]))
    return found


def _parts(key: str) -> tuple[str, ...]:
    return tuple(str(tomllib.loads(f"k = {p}")["k"]) if p[0] in "\"'" else p for p in _PARTS.findall(key))


def read(path: str | Path) -> tuple[dict[str, Any], Lines, bytes]:
    """The tables of a file, the lines of its keys, its bytes.

    :raises ConfigError: it cannot be read or is not TOML; the one problem names the line.
    """
    name = str(path)
    try:
        data = Path(path).read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError([Problem(name, 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(name, line, "", "is not UTF-8")]) from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(name, text, str(error))]) from None
    except RecursionError:
        raise ConfigError([Problem(name, 0, "", "is nested too deeply")]) from None
    return tables, Lines(text.replace("\r\n", "\n")), data


def _syntax(name: str, text: str, message: str) -> Problem:
    where = _WHERE.search(message)
    line = int(where[1]) if where and where[1] else text.count("\n") + 1
    return Problem(name, min(line, text.count("\n") + 1), "", f"is not valid TOML: {_WHERE.sub('', message)}")
