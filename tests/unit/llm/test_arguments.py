"""Arguments that come in pieces are whole when they are JSON, however they are cut and however often one asks."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.arguments import Arguments

#: Brackets, quotes and backslashes in any order, and objects that are full of them.
_ANYTHING = st.text('{}[]"\\:,a1 \n', max_size=16)
_OBJECTS = st.dictionaries(_ANYTHING, st.recursive(_ANYTHING | st.integers(), st.lists, max_leaves=4), max_size=3)
_TEXTS = _ANYTHING | _OBJECTS.map(json.dumps) | st.tuples(_OBJECTS.map(json.dumps), _ANYTHING).map("".join)


def is_object(text: str) -> bool:
    """What is to come out."""
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except ValueError:
        return False


class ArgumentsTests(unittest.SynchronousTestCase):
    """Arguments"""

    @given(_TEXTS, st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
    def test_any_pieces(self, text: str, cuts: list[tuple[int, bool]]) -> None:
        """The same as parsing all of it each time."""
        arguments, at = Arguments(), 0
        for length, asks in [*cuts, (len(text), True)]:
            arguments.add(text[at : at + length])
            at += length
            if asks:
                self.assertEqual(arguments.is_object(), is_object(text[:at]), text[:at])
        self.assertEqual((str(arguments), arguments.size), (text, len(text)))

    def test_parsed_once(self) -> None:
        """What is whole is not looked at again, and what is broken never becomes whole."""
        arguments = Arguments()
        for piece, whole in (("{}", True), (" ", True), ("", True), ("}", False), (" {}", False)):
            arguments.add(piece)
            self.assertEqual(arguments.is_object(), whole, str(arguments))
