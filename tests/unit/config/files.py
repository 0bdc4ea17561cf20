"""Configuration files for tests."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from twisted.trial import unittest

from aigw.config.errors import ConfigError, Problem
from aigw.config.settings import Settings, load

#: Enough to be a good file; tests add to it.
BACKEND = """
[backends.echo]
provider = "echo"
[routes.all]
backend = "echo"
auth = "none"
"""


class FileTestCase(unittest.TestCase):
    """Tests that load what they write."""

    def write(self, text: str, name: str = "gateway.toml") -> Path:
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        path = directory / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(0o600)
        return path

    def load(self, text: str, environ: Mapping[str, str] = {}) -> Settings:
        return load(self.write(text), environ)

    def problems(self, text: str, environ: Mapping[str, str] = {}) -> list[Problem]:
        """What is wrong with a file."""
        error = self.assertRaises(ConfigError, self.load, text, environ)
        return list(error.problems)

    def problem(self, text: str, environ: Mapping[str, str] = {}) -> Problem:
        """The one thing that is wrong."""
        problems = self.problems(text, environ)
        self.assertEqual(len(problems), 1, "\n".join(map(str, problems)))
        return problems[0]

    def assert_wrong(self, text: str, key: str, *words: str) -> None:
        """``text``, added to a good file, makes it bad in one place."""
        problem = self.problem(BACKEND + textwrap.dedent(text))
        self.assertEqual(problem.key, key, problem)
        for word in words:
            self.assertIn(word, problem.message)

    def warnings(self, text: str) -> list[tuple[str, str]]:
        """Keys and messages of a good file's warnings."""
        return [(warning.key, warning.message) for warning in self.load(text).warnings]
