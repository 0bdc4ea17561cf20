"""YAML with lines: what is read, what is refused, what is accounted for."""

from __future__ import annotations

from unittest import mock

import yaml
from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.importers.loading import documents
from aigw.config.importers.nodes import Node, Refused


def one(text: str) -> Node:
    (found,) = documents("f", text)
    return found


class DocumentTests(unittest.TestCase):
    """Texts to trees."""

    def refused(self, text: str) -> tuple[int, str]:
        error = self.assertRaises(ConfigError, documents, "f", text)
        (problem,) = error.problems
        return problem.line, str(problem)

    def test_merged_mappings_that_multiply(self) -> None:
        """Ten times ten times ten: they are counted, empty ones too."""
        levels = "".join(f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 10)}]}}\n" for n in range(1, 9))
        self.assertIn("aliases that multiply", self.refused(f"l0: &l0 {{}}\n{levels}")[1])

    def test_lines_before(self) -> None:
        """Of a text that is a piece of a file."""
        (node,) = documents("f", "a: 1\n", lines_before=7)
        self.assertEqual(node.children()[0].line, 8)
        error = self.assertRaises(ConfigError, documents, "f", "a: 1\na: [", lines_before=7)
        self.assertGreater(error.problems[0].line, 8)

    def test_deep_braces_are_refused_at_once(self) -> None:
        """Without PyYAML, which takes seconds to find out."""
        with mock.patch.object(yaml, "SafeLoader", side_effect=AssertionError):
            for text in ("{" * 5000, "x: " + "{{ " * 1000, "[" * 300, "- " * 2000 + "{"):
                self.assertIn("nested too deeply", self.refused(text)[1])

    def test_long_keys_are_not_repeated_in_every_path(self) -> None:
        node = one("k" * 1000 + ": {a: 1, b: [1, 2]}")
        self.assertLess(max(len(leaf.path) for leaf in node.leaves()), 200)

    def test_lines_and_paths(self) -> None:
        node = one("a:\n  b:\n  - c: 1\n  - d:\n      e: x\n")
        found = node.get("a", "b")
        assert found is not None
        leaf = found.children()[1].get("d", "e")
        assert leaf is not None
        self.assertEqual((leaf.line, leaf.path, leaf.content), (5, "a.b[1].d.e", "x"))

    def test_several_documents_and_empty_ones(self) -> None:
        found = documents("f", "---\na: 1\n---\n---\nb: 2\n...\n")
        self.assertEqual([node.line for node in found], [2, 5])

    def test_broken(self) -> None:
        self.assertEqual(self.refused("a: 1\nb: [1, 2\nc: 3\n")[0], 3)
        self.assertEqual(self.refused("a:\n\t- b\n")[0], 2)
        line, said = self.refused("a: 1\nb: {{ .Values.b }}\n")
        self.assertEqual(line, 2)
        self.assertIn("template", said)

    def test_a_key_twice(self) -> None:
        """YAML's readers take the last one without a word; people do not mean that."""
        self.assertEqual(self.refused("a: 1\nb:\n  c: 1\n  c: 2\n"), (4, "f:4: b.c: is there twice"))

    def test_characters_that_yaml_does_not_allow(self) -> None:
        self.assertEqual(self.refused("a: 1\nb: \x00\n")[0], 2)

    def test_aliases_that_multiply(self) -> None:
        lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
        lines += [
            f"{this}: &{this} [{','.join([f'*{last}'] * 9)}]" for last, this in zip("abcdefg", "bcdefgh", strict=True)
        ]
        self.assertIn("too large", self.refused("\n".join(lines))[1])

    def test_an_alias_of_itself(self) -> None:
        self.assertIn("too deep", self.refused("a: &a\n  b: *a\n")[1])

    def test_nested_too_deeply(self) -> None:
        self.assertIn("deep", self.refused("[" * 5000)[1])

    def test_merge_keys(self) -> None:
        node = one("base: &base {a: 1, b: 2}\nmade:\n  <<: *base\n  b: 3\n")
        made = node.get("made")
        assert made is not None
        self.assertEqual((made.text("a"), made.text("b")), ("1", "3"))


class ReadingTests(unittest.TestCase):
    """Values out of trees."""

    def test_scalars_as_the_file_has_them(self) -> None:
        """A key of digits is a key, not a number."""
        node = one("a: 0123\nb: 1.10\nc: yes\nd: 2026-01-01\ne: null\nf: ''\n")
        self.assertEqual([node.text(key) for key in "abcdef"], ["0123", "1.10", "yes", "2026-01-01", None, ""])

    def test_booleans(self) -> None:
        node = one("a: true\nb: off\nc: 'yes'\nd: 1\n")
        self.assertEqual([node.flag(key) for key in "abcx"], [True, False, True, None])
        self.assertRaises(Refused, node.flag, "d")

    def test_numbers(self) -> None:
        node = one("a: 1\nb: 0.5\nc: '60000'\nd: x\ne: true\n")
        self.assertEqual([node.number(key) for key in "abc"], [1, 0.5, 60000])
        self.assertRaises(Refused, node.number, "d")
        self.assertRaises(Refused, node.number, "e")
        for value in (".inf", ".nan", "1e400", "9" * 5000):
            self.assertRaises(Refused, one(f"a: {value}\n").number, "a")

    def test_lists(self) -> None:
        """One value where a list could stand is a list of one."""
        node = one("a: [x, y]\nb: z\nc: {d: 1}\n")
        self.assertEqual((node.texts("a"), node.texts("b"), node.texts("e")), (["x", "y"], ["z"], []))
        error = self.assertRaises(Refused, node.texts, "c")
        self.assertEqual((error.problem.line, error.problem.key), (3, "c"))

    def test_base64(self) -> None:
        node = one("a: c2stMQ==\nb: '!'\nc: /w==\n")
        found = [child.decoded() for child in node.children()]
        self.assertEqual(found, ["sk-1", None, None])

    def test_what_is_read_is_settled(self) -> None:
        node = one("a: 1\nb: {c: 2, d: 3, e: null}\nf: []\n")
        node.text("b", "c")
        self.assertEqual([leaf.path for leaf in node.open_leaves()], ["a", "b.d", "f"])
        node.plain()
        self.assertEqual(node.open_leaves(), [])

    def test_entities_and_fields(self) -> None:
        node = one("plugins:\n- config: {a: 1}\n")
        plugin = node.elements("plugins")[0]
        plugin.label = "plugin x"
        leaf = plugin.get("config", "a")
        assert leaf is not None
        self.assertEqual((leaf.field, leaf.title), ("config.a", "plugin x: config.a"))
        self.assertEqual(str(leaf.problem("is wrong")), "f:2: plugin x: config.a: is wrong")
