"""Which build the tests run: ``make test-compiled`` says that it is the compiled one, and must not mean another."""

from __future__ import annotations

import os

from twisted.trial import unittest

from aigw.http import channel


class BuildTests(unittest.SynchronousTestCase):
    """What was imported."""

    def test_it_is_the_one_that_is_meant(self) -> None:
        """Python finds the checkout, which is not compiled, wherever it stands in front of the installation."""
        compiled = not str(channel.__file__).endswith(".py")
        self.assertEqual(compiled, os.environ.get("AIGW_TEST_COMPILED") == "1", channel.__file__)
