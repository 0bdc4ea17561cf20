"""What ``tomllib`` says of a file that is not TOML, in words for whoever wrote it, and at which line."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Final

from aigw.config.dotted import dotted

_DIGITS = re.compile(r"[0-9_]+")
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = re.compile(r"Cannot declare (\(.*\)) twice", re.DOTALL)
_EXTENDED = re.compile(r"Cannot (?:mutate immutable|redefine) namespace (\(.*\))", re.DOTALL)

_QUOTES: Final = 'a name with anything but letters, digits, - and _ needs quotes: [models."gpt-4.1*"]'
#: How the reader's messages begin, and what to say instead.
_WORDS: Final = {
    "Cannot overwrite a value": "this key is there twice (each key once)",
    "Duplicate inline table key": "a key is there twice in one table (each key once)",
    "Expected ']'": f"a table's name does not end ({_QUOTES})",
    "Expected '='": f"a key without a value (key = value; {_QUOTES})",
    "Expected newline": "more than one key on a line, or a string without quotes (one key = value a line)",
    "Invalid initial character for a key part": f"no key, or no name ({_QUOTES})",
    "Invalid statement": "neither a key nor a [table] (key = value; text in quotes, comments behind #)",
    "Invalid value": "no value (strings need quotes; true and false are lower case)",
    "Invalid date or datetime": "a date or time that does not exist",
    "Invalid hex value": r"an escape in a string without its digits (\uXXXX)",
    "Escaped character": r"an escape in a string for a character that does not exist (\uXXXX)",
    r"Unescaped '\'": r"a backslash in a string (\\, or the string in 'single quotes')",
    r"Illegal character '\n'": "a string that does not end on its line (a closing quote)",
    "Illegal character": r"a control character (\uXXXX)",
    "Found invalid character": r"a control character (\uXXXX)",
    "Unterminated string": "a string that does not end (a closing quote)",
    "Unclosed array": "an array that does not end (])",
    "Unclosed inline table": "a table in braces that does not end on its line (}, or a [table] of its own)",
}


def syntax_problem(text: str, error: ValueError) -> tuple[int, str]:
    """The line, counted from 1, and what is wrong there.

    :param error: what ``tomllib`` raised on ``text``.
    """
    said = str(error)
    if text.startswith("\ufeff"):
        return 1, "not TOML: the file begins with a byte order mark (save it as UTF-8 without one)"
    if not isinstance(error, tomllib.TOMLDecodeError):  # an integer of thousands of digits
        long = next((found.start() for found in _DIGITS.finditer(text) if len(found[0]) >= 4000), 0)
        return text.count("\n", 0, long) + 1, "not TOML: a number is too large"
    where = _WHERE.search(said)
    message = f"not TOML: {_in_words(_WHERE.sub('', said))}"
    if where is None or where[1] is None:
        return text.count("\n", 0, len(text.rstrip())) + 1, f"{message} at the end of the file"
    return int(where[1]), f"{message}, column {where[2]}"


def _in_words(said: str) -> str:
    twice, extended = _TWICE.fullmatch(said), _EXTENDED.fullmatch(said)
    if twice is not None:
        return f"[{_name(twice[1])}] is there already (each table once, in one place)"
    if extended is not None:
        return f"{_name(extended[1])} is complete above, nothing can be added to it (all of it in one place)"
    return next((words for begin, words in _WORDS.items() if said.startswith(begin)), said)


def _name(parts: str) -> str:
    """A key from the tuple that the reader shows."""
    try:
        return dotted(tuple(map(str, ast.literal_eval(parts))))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "this table"
