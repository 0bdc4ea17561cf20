"""Importing small texts, and looking at what came of them."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping
from typing import Any

from twisted.trial import unittest

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers import Imported, import_texts

#: Kong: a service with an AI plugin; routes and more go behind it.
SERVICE = """
_format_version: "3.0"
services:
- name: s
  plugins:
  - name: ai-proxy
    config:
      route_type: llm/v1/chat
      auth: {header_name: Authorization, header_value: Bearer $KEY}
      model: {provider: openai, name: gpt-4o}
  routes:
  - {name: r, paths: [/r]}
"""


class ImportTestCase(unittest.TestCase):
    """Tests that import texts."""

    def imported(self, *texts: str, environ: Mapping[str, str] = {}) -> Imported:
        named = [(f"{number}.yaml", textwrap.dedent(text)) for number, text in enumerate(texts, 1)]
        return import_texts(named, environ)

    def tables(self, *texts: str, environ: Mapping[str, str] = {}) -> Any:
        """The output as tables."""
        return tomllib.loads(self.imported(*texts, environ=environ).text)

    def problems(self, *texts: str, environ: Mapping[str, str] = {}) -> list[Problem]:
        """What is wrong with texts that are refused."""
        error = self.assertRaises(ConfigError, self.imported, *texts, environ=environ)
        return list(error.problems)

    def problem(self, *texts: str, environ: Mapping[str, str] = {}) -> Problem:
        """The one thing that is wrong."""
        problems = self.problems(*texts, environ=environ)
        self.assertEqual(len(problems), 1, "\n".join(map(str, problems)))
        return problems[0]

    def warned(self, text: str, *words: str) -> Problem:
        """The one warning with these words."""
        found = [one for one in self.imported(text).warnings if all(word in str(one) for word in words)]
        self.assertEqual(len(found), 1, (words, list(map(str, self.imported(text).warnings))))
        return found[0]
