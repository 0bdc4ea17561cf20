"""TOML to tables, with the line of everything."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.config.dotted import dotted
from aigw.config.errors import ConfigError
from aigw.config.file import Lines, read
from aigw.config.toml_text import Inline, document_text

TEXT = '''\
# a comment with [brackets] and = signs
title = "a # b"   # [no.table]
a.b . "c d" = 1
long = """
[not.a.table]
x = 1
"""
raw = \'\'\'
[nor.this]\'\'\'

[table]
array = [
    1,   # one
    [2, 3], { x = 1, "y" = [
        "]",
    ] },
]
when = 1979-05-27 07:32:00Z
[table.'sub table']
k = 'c:\\'
[[many]]
n = 1
[[many.inner]]
n = 2
[[many.inner]]
[[many]]
[many.after]
n = 3
'''


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path in TOML's tables."""
    found = {path} if path else set()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        found |= paths(each, (*path, key))
    return found


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5) | st.sampled_from(["a", "b.c"])
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=6) | st.datetimes()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3).map(Inline),
    max_leaves=8,
)
documents = st.dictionaries(
    keys, values | st.dictionaries(keys, values | st.dictionaries(keys, values, max_size=2), max_size=3), max_size=4
)


class LinesTests(unittest.TestCase):
    """The second reading of the text."""

    def setUp(self) -> None:
        self.lines = Lines(TEXT)

    def test_every_path_of_the_document_has_a_line(self) -> None:
        """Neither more nor fewer than tomllib finds."""
        self.assertEqual(set(self.lines.known), paths(tomllib.loads(TEXT)))

    def test_lines_are_those_an_editor_shows(self) -> None:
        expected = {
            ("title",): 2,
            ("a",): 3,
            ("a", "b", "c d"): 3,
            ("long",): 4,
            ("raw",): 8,
            ("table",): 11,
            ("table", "array", 0): 13,
            ("table", "array", 1, 1): 14,
            ("table", "array", 2, "y", 0): 15,
            ("table", "when"): 18,
            ("table", "sub table", "k"): 20,
            ("many", 0, "n"): 22,
            ("many", 0, "inner", 0, "n"): 24,
            ("many", 0, "inner", 1): 25,
            ("many", 1, "after", "n"): 28,
        }
        self.assertEqual({path: self.lines.line_of(path) for path in expected}, expected)

    def test_what_is_missing_is_on_the_line_of_what_is_around_it(self) -> None:
        self.assertEqual(self.lines.line_of(("table", "sub table", "gone", 3)), 19)
        self.assertEqual(self.lines.line_of(("gone",)), 1)

    def test_text_is_not_kept(self) -> None:
        """It may hold keys in plain text."""
        self.assertNotIn("not.a.table", repr(vars(self.lines)))

    @settings(deadline=None, max_examples=150)
    @given(documents)
    def test_any_document(self, document: dict[str, Any]) -> None:
        """Whatever can be written: all paths are found, on lines that are there."""
        text = document_text(document)
        lines = Lines(text)
        self.assertEqual(set(lines.known), paths(tomllib.loads(text)))
        self.assertTrue(all(1 <= line <= text.count("\n") + 1 for line in lines.known.values()))

    def test_no_square_of_a_keys_parts_is_kept(self) -> None:
        """Dots, headers and brackets: what is far inside has the line of what it is in."""
        for first, text in (
            ("a", ".".join("a" * 150) + " = 1\n"),
            ("b", "[" + ".".join("b" * 150) + "]\nc = 1\n"),
            ("d", "d = " + "[" * 100 + "1" + "]" * 100 + "\n"),
        ):
            lines = Lines("\n\n" + text)
            self.assertLess(sum(map(len, lines.known)), 300)
            self.assertEqual(lines.line_of((first, *["x"] * 500)), 3)


class DottedTests(unittest.TestCase):
    """Paths as people read them."""

    def test_names_that_need_quotes_have_them(self) -> None:
        self.assertEqual(dotted(("models", "gpt-4.1", "targets", 0, "backend")), 'models."gpt-4.1".targets[0].backend')

    def test_a_path_is_one_line(self) -> None:
        """Whatever its names are made of."""
        self.assertEqual(dotted(("a\nb", 'c"')), r'"a\nb"."c\""')


class ReadTests(unittest.TestCase):
    """Files that are no TOML: one problem, with its line."""

    def write(self, data: bytes) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(data)
        return path

    def refused(self, data: bytes) -> tuple[int, str]:
        (problem,) = self.assertRaises(ConfigError, read, self.write(data)).problems
        return problem.line, problem.message

    def test_syntax_error(self) -> None:
        line, message = self.refused(b"[a]\nb = 1\nc = oops\n")
        self.assertEqual(line, 3)
        self.assertIn("column 5", message)

    def test_error_at_the_end(self) -> None:
        """The file's last line that has anything on it."""
        self.assertEqual(self.refused(b"a = 1\nb = [1,\n\n\n")[0], 2)

    def test_not_utf_8(self) -> None:
        self.assertEqual(self.refused(b"a = 1\nb = '\xff'\n")[0], 2)

    def test_byte_order_mark(self) -> None:
        self.assertIn("byte order mark", self.refused(b"\xef\xbb\xbfa = 1\n")[1])

    def test_number_of_thousands_of_digits(self) -> None:
        line, message = self.refused(b"a = 1\nb = " + b"9" * 5000 + b"\n")
        self.assertEqual(line, 2)
        self.assertIn("too large", message)

    def test_key_of_thousands_of_parts(self) -> None:
        """tomllib takes the square of them; a text that has as many dots in it is none."""
        for key in (".".join("a" * 8000), ".".join(['"a"'] * 8000), "[" + " . ".join("a" * 8000) + "]\nb"):
            line, message = self.refused(f"x = 1\n{key} = 1\n".encode())
            self.assertEqual((line, "200 parts" in message), (2, True))
        text = "a." * 100 + " " + "." * 5000
        self.assertEqual(read(self.write(f'x = "{text}"\n'.encode()))[0], {"x": text})

    def test_nested_too_deeply(self) -> None:
        self.assertIn("nested too deeply", self.refused(b"a = " + b"[" * 100_000)[1])

    def test_line_ends_of_windows(self) -> None:
        tables, lines, _data = read(self.write(b"a = 1\r\nb = 2\r\n"))
        self.assertEqual((tables, lines.line_of(("b",))), ({"a": 1, "b": 2}, 2))

    def test_missing_file(self) -> None:
        error = self.assertRaises(ConfigError, read, Path("nowhere.toml"))
        self.assertEqual(str(error), "nowhere.toml: cannot be read: No such file or directory")
