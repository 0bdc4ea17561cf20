"""A provider's JSON is read even if a byte of it is wrong."""

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import lenient


class LenientTests(unittest.TestCase):
    """loads() and dumps()"""

    def test_what_is_right_stays(self) -> None:
        """With every character."""
        fields = {"text": "zażółć \U0001f600", "n": [1, 2.5, None, True]}
        self.assertEqual(lenient.loads(orjson.dumps(fields)), fields)

    def test_half_a_character_is_replaced(self) -> None:
        """The rest of the text is not lost (wire.md, case 10)."""
        self.assertEqual(lenient.loads(b'{"content": "gr\xc3 und"}'), {"content": "gr\ufffd und"})

    def test_half_a_surrogate_pair_is_replaced(self) -> None:
        """A whole one is a character (case 11)."""
        self.assertEqual(
            lenient.loads(rb'["\ud83d", "\ud83d\ude00", {"\udc00": 1}]'), ["\ufffd", "\U0001f600", {"\ufffd": 1}]
        )

    def test_control_characters_and_marks_are_read(self) -> None:
        """Raw line ends in strings, a byte order mark, NaN."""
        self.assertEqual(lenient.loads(b'\xef\xbb\xbf{"a": "x\ty", "b": 1}'), {"a": "x\ty", "b": 1})
        self.assertIsNotNone(lenient.loads(b'{"a": NaN}'))

    def test_what_is_no_json_is_none(self) -> None:
        """Cut, nested without end, empty."""
        for text in (b"", b"{", b"hello", b"\xff", b"[" * 100_000, b"9" * 10_000):
            self.assertIsNone(lenient.loads(text), text[:20])

    @given(st.binary(max_size=60))
    def test_never_raises(self, text: bytes) -> None:
        """And what was read can be written as UTF-8."""
        value = lenient.loads(b'["' + text + b'"]')
        lenient.dumps(value).encode()

    def test_what_could_not_be_written_again_is_none(self) -> None:
        """Writers put a few levels around it; 200 can be read, as in a client's request."""
        for levels in (200, 201, 254, 300, 1000):
            for inner in (b"1", b'"\xff"'):
                value = lenient.loads(b"[" * levels + inner + b"]" * levels)
                self.assertEqual(value is None, levels > 200, levels)
        self.assertEqual(len(lenient.loads(b"[" + b"[]," * 1000 + b"[]]")), 1001)

    def test_whole_numbers_are_read_alike(self) -> None:
        """A byte elsewhere that is wrong makes no other number of them, nor one that cannot be written."""
        digits = b"9" * 30
        self.assertEqual(lenient.loads(b"[%s]" % digits), [1e30])
        self.assertEqual(lenient.loads(b'[%s, "\xff"]' % digits), [1e30, "\ufffd"])
        self.assertIsNone(lenient.loads(b'[%s, "\xff"]' % (b"9" * 400)))

    def test_long_numbers_are_written(self) -> None:
        """orjson does not."""
        self.assertEqual(lenient.dumps({"n": 2**70, "s": "é"}), f'{{"n":{2**70},"s":"\\u00e9"}}')
