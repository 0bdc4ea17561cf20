"""YAML as a tree of nodes: each knows its file and line, and whether anybody has made use of it.

That last bit is the importers' ledger. Whatever reads a scalar marks it as settled; what is still open when the
import is done has been dropped, and :mod:`aigw.config.importers.draft` says so. Nothing has to remember to report a
field that it does not know.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator
from typing import Any

import attrs
import yaml

from aigw.config.errors import ConfigError, Problem

_MOST_NODES = 1_000_000
_DEEPEST = 60
_PREFIX = "tag:yaml.org,2002:"
_TRUE = ("true", "yes", "on")
_BOOLEANS = (*_TRUE, "false", "no", "off")


class Refused(Exception):
    """Something in the input that makes an import impossible.

    :ivar node: where it is.
    :ivar why: what is wrong with it.
    """

    def __init__(self, node: Node, why: str) -> None:
        self.node = node
        self.why = why
        super().__init__(str(self.problem))

    @property
    def problem(self) -> Problem:
        """It as an error."""
        return self.node.problem(self.why)

    def __str__(self) -> str:
        return f"{self.node.title}: {self.why}"


@attrs.define(eq=False, repr=False)
class Node:
    """One value of the input.

    :ivar path: from the top of its document: ``plugins[0].config.auth``.
    :ivar content: a scalar's text as the file has it, a list, or a mapping.
    :ivar kind: ``map``, ``list``, or a scalar's type by YAML's rules: ``str``, ``int``, ``float``, ``bool``, ``null`` …
    :ivar label: what the entity here is called in messages; children are fields of it.
    :ivar settled: of a leaf: it is in the output, or was reported.
    :ivar reported: of a leaf: it was.
    """

    file: str
    line: int
    path: str
    content: str | list[Node] | dict[str, Node]
    kind: str
    parent: Node | None = None
    label: str = ""
    settled: bool = False
    reported: bool = False

    # -- where

    @property
    def entity(self) -> Node:
        """The nearest node around this one that has a label, or else the document."""
        node = self
        while not node.label and node.parent is not None:
            node = node.parent
        return node

    @property
    def field(self) -> str:
        """The path inside the entity; empty for the entity itself."""
        return self.path[len(self.entity.path) :].lstrip(".")

    @property
    def title(self) -> str:
        """Entity and field, as messages name them."""
        return ": ".join(part for part in (self.entity.label, self.field) if part)

    def problem(self, message: str) -> Problem:
        """A fault here."""
        return Problem(self.file, self.line, self.title, message)

    def refuse(self, message: str) -> Refused:
        """An error here, to be raised."""
        return Refused(self, message)

    def around(self) -> Iterator[Node]:
        """This node and all that it is in, from the inside."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    # -- leaves

    def leaves(self) -> Iterator[Node]:
        """What holds no further nodes, nulls excepted: those are as good as absent."""
        if not isinstance(self.content, str) and self.content:
            for child in self.children():
                yield from child.leaves()
        elif self.kind != "null":
            yield self

    def open_leaves(self) -> list[Node]:
        """The leaves that nobody has made use of."""
        return [leaf for leaf in self.leaves() if not leaf.settled]

    def settle(self) -> None:
        """Everything here is in the output."""
        for leaf in self.leaves():
            leaf.settled = True

    def report(self) -> None:
        """Something was said of everything here."""
        for leaf in self.leaves():
            leaf.settled = leaf.reported = True

    # -- reading

    def children(self) -> list[Node]:
        """The values of a mapping, the elements of a list."""
        if isinstance(self.content, dict):
            return list(self.content.values())
        return list(self.content) if isinstance(self.content, list) else []

    def get(self, *keys: str) -> Node | None:
        """What is under these keys; None where there is nothing, or null. Nothing is settled."""
        node = self
        for key in keys:
            if not isinstance(node.content, dict) or key not in node.content:
                return None
            node = node.content[key]
        return None if node.kind == "null" else node

    def names(self) -> list[str]:
        """The keys of a mapping that have a value."""
        return [key for key in self.content if self.get(key) is not None] if isinstance(self.content, dict) else []

    def elements(self, *keys: str) -> list[Node]:
        """The elements of the list under these keys; a single value counts as a list of one.

        :raises Refused: it is a mapping.
        """
        node = self.get(*keys)
        if node is None:
            return []
        if isinstance(node.content, dict):
            raise node.refuse("must be a list, not a mapping")
        if isinstance(node.content, list):
            return [element for element in node.content if element.kind != "null"]
        return [node]

    def maps(self, *keys: str) -> list[Node]:
        """The elements of a list of mappings.

        :raises Refused: an element is none.
        """
        found = self.elements(*keys)
        for node in found:
            if not isinstance(node.content, dict):
                raise node.refuse("must be a mapping")
        return found

    def scalar(self) -> str:
        """The text of a scalar, which is settled by that.

        :raises Refused: it is none.
        """
        if not isinstance(self.content, str):
            raise self.refuse("must be a single value, not a list or a mapping")
        self.settled = True
        return self.content

    def text(self, *keys: str) -> str | None:
        """The text of the scalar under these keys."""
        node = self.get(*keys)
        return None if node is None else node.scalar()

    def texts(self, *keys: str) -> list[str]:
        """The texts of a list of scalars."""
        return [node.scalar() for node in self.elements(*keys)]

    def flag(self, *keys: str) -> bool | None:
        """A boolean.

        :raises Refused: it is none.
        """
        node = self.get(*keys)
        if node is None:
            return None
        if node.kind not in ("bool", "str") or node.scalar().lower() not in _BOOLEANS:
            raise node.refuse("must be true or false")
        return node.scalar().lower() in _TRUE

    def number(self, *keys: str) -> int | float | None:
        """A number.

        :raises Refused: it is none.
        """
        node = self.get(*keys)
        if node is None:
            return None
        value = node.plain()
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value) if "." in value else int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise node.refuse("must be a number")
        return value

    def plain(self) -> Any:
        """The value as Python has it, for what goes on as JSON. Settles it."""
        self.settle()
        if isinstance(self.content, dict):
            return {key: child.plain() for key, child in self.content.items()}
        if isinstance(self.content, list):
            return [child.plain() for child in self.content]
        return self._constructed()

    def _constructed(self) -> Any:
        text = str(self.content)
        if self.kind in ("int", "float", "bool", "null"):
            node = yaml.ScalarNode(_PREFIX + self.kind, text)
            try:
                return yaml.constructor.SafeConstructor().construct_object(node)
            except (ValueError, KeyError, OverflowError):
                return text
        return text

    def decoded(self) -> str | None:
        """A scalar in base64, as text; None where it is not base64 of UTF-8."""
        try:
            return base64.b64decode(re.sub(r"\s", "", self.scalar()), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return None


def documents(file: str, text: str) -> list[Node]:
    """The documents of a YAML text, those that are not empty.

    :param file: what it is called in messages.
    :raises ConfigError: it is not YAML, or a mapping has a key twice; the problem names the line.
    """
    try:
        composed = _composed(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(file, error)]) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ConfigError([Problem(file, line, "", "not YAML: a character that must not be there")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 1, "", "not YAML that can be read: nested too deeply")]) from None
    tree = _Tree(file)
    return [tree.node(root, "", None, 0) for root in composed if root is not None and root.tag != _PREFIX + "null"]


def _composed(text: str) -> list[Any]:
    """PyYAML's own nodes. libyaml is ten times as fast, and its errors say less: they are asked for again."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            return list(yaml.compose_all(text, Loader=fast))
    return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def _syntax(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    said = error.problem or error.context or "cannot be read"
    if "{{" in _line_of(mark) and "template" not in said:
        said += " (a template? it has to be rendered first)"
    return Problem(file, line, "", f"not YAML: {said}")


def _line_of(mark: Any) -> str:
    return str(mark.get_snippet() or "") if mark is not None and getattr(mark, "buffer", None) else ""


class _Tree:
    """Builds nodes; bounded, since aliases in YAML can stand for more than any memory holds."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def node(self, made: yaml.Node, path: str, parent: Node | None, depth: int) -> Node:
        line = made.start_mark.line + 1
        self._count += 1
        if self._count > _MOST_NODES or depth > _DEEPEST:
            raise ConfigError([Problem(self._file, line, path, "is too large or too deep (aliases that multiply?)")])
        node = Node(self._file, line, path, "", made.tag.removeprefix(_PREFIX), parent)
        if isinstance(made, yaml.MappingNode):
            node.kind, node.content = "map", self._mapping(made, node, depth)
        elif isinstance(made, yaml.SequenceNode):
            node.kind = "list"
            node.content = [
                self.node(each, f"{path}[{index}]", node, depth + 1) for index, each in enumerate(made.value)
            ]
        else:
            node.content = made.value
        return node

    def _mapping(self, made: yaml.MappingNode, node: Node, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in made.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(
                    [Problem(self._file, key.start_mark.line + 1, node.path, "has a key that is no text (a template?)")]
                )
            name = str(key.value)
            if key.tag == _PREFIX + "merge":
                merged = self._merged(value, node, depth) | merged
                continue
            if name in found:
                where = f"{node.path}.{name}".lstrip(".")
                raise ConfigError([Problem(self._file, key.start_mark.line + 1, where, "is there twice")])
            found[name] = self.node(value, f"{node.path}.{name}".lstrip("."), node, depth + 1)
            if not found[name].content:  # an empty value has no place of its own
                found[name].line = key.start_mark.line + 1
        return merged | found

    def _merged(self, value: yaml.Node, node: Node, depth: int) -> dict[str, Node]:
        """``<<: *other``, or a list of those, the first of which wins."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        found: dict[str, Node] = {}
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                found = self._mapping(source, node, depth + 1) | found
        return found
