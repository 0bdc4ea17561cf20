"""Places that Google counts in bytes are told in characters, wherever they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.providers.gemini.citations import _Said

_TEXTS = st.lists(st.text("aé€😀\udc80", max_size=90) | st.text("aé€😀", min_size=200, max_size=400), max_size=6)


class SaidTests(unittest.SynchronousTestCase):
    """_Said"""

    @given(_TEXTS, st.lists(st.integers(0, 6000), max_size=12))
    def test_any_place(self, texts: list[str], places: list[int]) -> None:
        """As many characters as are whole before it, however the text came and however often one asks."""
        said, whole = _Said(), b""
        for text in texts:
            said.add(text)
            whole += text.encode("utf-8", "replace")
            for place in places:
                expected = len(whole[:place].decode("utf-8", "ignore"))
                self.assertEqual(said.characters(place), expected)
        self.assertEqual(said.size(), len(whole))
