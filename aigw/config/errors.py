"""What is wrong with a configuration file, each fault at its place."""

from __future__ import annotations

import bisect
import difflib
import functools
from collections.abc import Iterable, Sequence

import attrs

#: Where something is in the file: names of tables and keys, positions in arrays counted from 0.
KeyPath = tuple[str | int, ...]

#: A fault before it has got its file and line.
Fault = tuple[KeyPath, str]

_MOST_LISTED = 24
_NEAR = 20
_MOST_COMPARED = 100


@attrs.frozen
class Problem:
    """One fault: ``FILE:LINE: path.to.key: what is wrong (what is allowed)``. Never holds a secret's value.

    :ivar line: counted from 1; 0 where there are no lines, because the file cannot be read.
    :ivar key: as :func:`aigw.config.dotted.dotted` writes it; empty where the fault is no key's.
    """

    file: str
    line: int
    key: str
    message: str

    def text(self, label: str = "") -> str:
        """The line to print; ``label``, such as ``"warning: "``, comes behind the place."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {label}{key}{self.message}"

    def __str__(self) -> str:
        return self.text()


class ConfigError(Exception):
    """A configuration that cannot be used.

    :ivar problems: every fault that was found, in the order of the file; ``str()`` has one a line.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda one: (one.file, one.line, one.key, one.message))
        super().__init__("\n".join(map(str, self.problems)))


def allowed(given: str, known: Iterable[str], none: str = "there are none") -> str:
    """What could stand in place of ``given``, in brackets: the name that was probably meant, else all of them.

    :param none: what to say where nothing could.
    """
    return _allowed(given, tuple(sorted(known)), none)


def nearest(given: str, known: Sequence[str]) -> Sequence[str]:
    """Of very many names, in order, those that begin like ``given``: what :func:`allowed` looks at anyway."""
    if len(known) <= _MOST_COMPARED:
        return known
    at = bisect.bisect(known, given)
    return known[max(0, at - _NEAR) : at + _NEAR]


@functools.lru_cache(1024)  # thousands of entries may repeat one fault
def _allowed(given: str, known: tuple[str, ...], none: str) -> str:
    close = [name for name in known if name.lower() == given.lower()]
    if not close:
        # Comparing takes its time: of very many, only with those that begin alike.
        at = bisect.bisect(known, given)
        close = difflib.get_close_matches(given, known[max(0, at - _NEAR) : at + _NEAR], n=1)
    if close:
        return f" (did you mean {close[0]}?)"
    listed = ", ".join(known[:_MOST_LISTED]) + (", …" if len(known) > _MOST_LISTED else "")
    return f" (allowed: {listed})" if listed else f" ({none})"
