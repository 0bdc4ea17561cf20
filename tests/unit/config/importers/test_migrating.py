"""docs/migrating.md says what the command does: its examples are imported, and their outcome compared."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial import unittest

import aigw
from aigw.config.importers import import_texts

PAGE = Path(aigw.__file__).parent.parent / "docs" / "migrating.md"
_EXAMPLE = re.compile(
    r"<!-- example: (\S+) -->\n```yaml\n(.*?)```\n.*?```toml\n(.*?)```\n.*?```text\n(.*?)```\n", re.DOTALL
)


class MigratingTests(unittest.TestCase):
    """The page."""

    maxDiff = None

    def test_examples(self) -> None:
        examples = _EXAMPLE.findall(PAGE.read_text())
        self.assertEqual(len(examples), 3)
        for name, before, after, said in examples:
            imported = import_texts([(name, before)], {})
            self.assertEqual(imported.text, after)
            self.assertEqual("".join(f"{one.text('warning: ')}\n" for one in imported.warnings), said)
