"""Durations and sizes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.config.units import seconds, size, some_seconds, written_seconds, written_size


class DurationTests(unittest.TestCase):
    """Seconds, however they are written."""

    def test_units(self) -> None:
        for text, expected in (("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h", 3600), ("1.5 h", 5400), ("2d", 172800)):
            self.assertEqual(seconds(text), expected)

    def test_numbers_are_seconds(self) -> None:
        self.assertEqual((seconds(3), seconds(0.25), seconds(0)), (3.0, 0.25, 0.0))

    def test_everything_else_is_refused(self) -> None:
        for value in ("", "5", "m", "5x", "-5s", "5m\n", "1e3s", "5M", True, -1, math.nan, math.inf, 1e9, None, [5]):
            self.assertRaises(ValueError, seconds, value)

    def test_zero_is_no_timeout(self) -> None:
        for value in (0, 0.0, "0s"):
            self.assertRaises(ValueError, some_seconds, value)

    @given(st.floats(0, 365 * 86400, allow_subnormal=False))
    def test_what_is_written_is_read_back(self, value: float) -> None:
        self.assertEqual(seconds(written_seconds(value)), value)

    def test_written_as_people_would(self) -> None:
        for value, expected in ((0.02, "20ms"), (30.0, "30s"), (600.0, "10m"), (90.0, "90s"), (0.0, "0s")):
            self.assertEqual(written_seconds(value), expected)


class SizeTests(unittest.TestCase):
    """Bytes, however they are written."""

    def test_units(self) -> None:
        for text, expected in (("32MiB", 33554432), ("1kB", 1000), ("1.5KiB", 1536), ("7B", 7), (12, 12)):
            self.assertEqual(size(text), expected)

    def test_everything_else_is_refused(self) -> None:
        for value in ("", "32", "32Mb", "32 mib", 0, -1, 1.5, True, math.nan, "0MiB", "99999GiB", None):
            self.assertRaises(ValueError, size, value)

    @given(st.integers(1, 1 << 40))
    def test_what_is_written_is_read_back(self, value: int) -> None:
        self.assertEqual(size(written_size(value)), value)
