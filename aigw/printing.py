"""What commands print: results to standard output, everything else to standard error, in colour where people look."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

GREEN, RED, YELLOW, CYAN, FAINT = "32", "31", "33", "36", "2"


class CannotPrint(Exception):
    """Standard output does not take what a command was asked for; the message says why."""


def out(text: str, colour: str = "", end: str = "\n") -> None:
    """Print to standard output.

    :raises BrokenPipeError: nobody reads it any more, as behind ``| head``.
    :raises CannotPrint: it cannot be written, as to a disk that is full.
    """
    if sys.stdout is None:
        raise CannotPrint("standard output is closed")
    try:
        sys.stdout.write(coloured(text, colour, sys.stdout) + end)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotPrint(f"standard output cannot be written: {error.strerror}") from None


def flush() -> None:
    """Have everything written that was printed; raises what :func:`out` does."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotPrint(f"standard output cannot be written: {error.strerror}") from None


def forget() -> None:
    """Drop what standard output did not take, which the interpreter would try again to write at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def err(text: str, colour: str = "") -> None:
    """Print a line to standard error; nothing is said where that is closed."""
    if sys.stderr is not None:
        print(coloured(text, colour, sys.stderr), file=sys.stderr)


def toml(text: str) -> None:
    """Print TOML to standard output, its headers and comments in colour."""
    if sys.stdout is not None and _for_people(sys.stdout):
        text = re.sub(r"(?m)^(\[.*\])$", f"\x1b[{CYAN}m\\1\x1b[0m", text)
        text = re.sub(r"(?m)^(#.*)$", f"\x1b[{FAINT}m\\1\x1b[0m", text)
    out(text, end="")


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """``text`` in a colour, where ``stream`` shows any; https://no-color.org."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and _for_people(stream) else text


def _for_people(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")
