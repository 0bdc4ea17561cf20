"""What is wrong with a configuration file, each fault at its place."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen
class Problem:
    """One fault: ``FILE:LINE: path.to.key: what is wrong (what is allowed)``. Never holds a secret's value.

    :ivar line: counted from 1; 0 where the fault is nowhere in particular.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used.

    :ivar problems: every fault that was found, in the order of the file; ``str()`` has one a line.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.key))
        super().__init__("\n".join(map(str, self.problems)))
