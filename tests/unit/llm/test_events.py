"""Taking events apart as the HTML standard says."""

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events

LINES = st.sampled_from(
    [b"data: 1", b"data:1", b"data", b"data:", b"data:  x", b": data: no", b"event: error", b"event:x", b"id: 7", b"dat",
     b"data : 1", b" data: 1", "data: \u2028\u0085".encode(), b"\x0bdata: 1"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def slowly(event: bytes) -> tuple[bytes, bytes]:
    """Type and data of an event by the letter of the standard."""
    kind, values = b"", []
    text = event.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            values.append(value[1:] if value[:1] == b" " else value)
        if name == b"event":
            kind = value[1:] if value[:1] == b" " else value
    return kind, b"\n".join(values)


class EventTests(unittest.TestCase):
    """events.data(), .kind(), .split()"""

    def test_usual_event(self) -> None:
        """With and without the space."""
        self.assertEqual(events.data(b"data: {}\n\n"), b"{}")
        self.assertEqual(events.data(b"data:{}\n\n"), b"{}")
        self.assertEqual(events.data(b"event: error\ndata: {}\n\n"), b"{}")
        self.assertEqual(events.kind(b"event: error\ndata: {}\n\n"), b"error")

    def test_comment_has_no_data(self) -> None:
        """Nor does an event of other fields."""
        for event in (b": data: x\n\n", b"\n\n", b"id: 1\n\n", b""):
            self.assertEqual(events.data(event), b"")

    def test_byte_order_mark_is_no_part_of_the_first_event(self) -> None:
        """Some servers begin with one."""
        self.assertEqual(events.data(b"\xef\xbb\xbfdata: 1\n\n"), b"1")

    def test_broken_json_is_nothing(self) -> None:
        """And does not raise."""
        self.assertIsNone(events.read(b"{"))
        self.assertIsNone(events.read(b"\xff"))

    @given(st.lists(st.tuples(LINES, ENDS), max_size=6), ENDS, st.booleans())
    @example([(b"data: 1", b"\n"), (b"data: 1", b"\n")], b"\n", True)
    @example([(b"data", b"\n"), (b"data: 1", b"\n")], b"\n", False)
    def test_any_lines_are_read_by_the_standard(self, lines: list[tuple[bytes, bytes]], end: bytes, bom: bool) -> None:
        """Whatever the fast ways are."""
        event = b"\xef\xbb\xbf" * bom + b"".join(line + ending for line, ending in lines) + end
        self.assertEqual((events.kind(event), events.data(event)), slowly(event))

    @given(st.lists(st.tuples(st.lists(LINES, min_size=1, max_size=3), ENDS), max_size=5))
    def test_run_splits_into_its_events(self, made: list[tuple[list[bytes], bytes]]) -> None:
        """One by one, byte for byte."""
        # A CR that ends an event and an LF that begins the next would be one line's end.
        wanted = [b"".join(line + end for line in lines) + end for lines, end in made]
        self.assertEqual(events.split(b"".join(wanted)), wanted)
