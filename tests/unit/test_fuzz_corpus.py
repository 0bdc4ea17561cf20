"""What the fuzz targets start from, and what once broke one of them, breaks none."""

from __future__ import annotations

from twisted.trial import unittest

from tests.fuzz.__main__ import CORPUS
from tests.fuzz.targets import TARGETS


class CorpusTests(unittest.TestCase):
    """tests/fuzz/corpus"""

    def test_every_input_is_read(self) -> None:
        """Without any exception but those that the parser names, and alike in whatever pieces."""
        for name, target in TARGETS.items():
            for path in sorted((CORPUS / name).iterdir()):
                try:
                    target(path.read_bytes())
                except Exception as error:
                    raise AssertionError(f"{name}: {path.name}") from error

    def test_every_target_has_some(self) -> None:
        """And no folder is for a target that is gone."""
        self.assertEqual({path.name for path in CORPUS.iterdir()}, set(TARGETS))
        for name in TARGETS:
            self.assertGreaterEqual(len(list((CORPUS / name).iterdir())), 2, name)
