"""YAML as a tree of nodes: each knows its file and line, and whether anybody has made use of it.

That last bit is the importers' ledger. Whatever reads a scalar marks it as settled; what is still open when the
import is done has been dropped, and :mod:`aigw.config.importers.draft` says so. Nothing has to remember to report a
field that it does not know.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from typing import Any

import attrs
import yaml

from aigw.config.errors import Problem

#: What the tags of YAML's own types begin with.
TAG = "tag:yaml.org,2002:"
_TRUE = ("true", "yes", "on")
#: A variable of the shell that is a text as a whole.
_VARIABLE = re.compile(r"\$[A-Za-z_]\w{0,60}|\$\{[A-Za-z_]\w{0,60}\}")
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


class MissingReference(Refused):
    """A reference to what no file has: a mistake, or a file too few; nothing that aigw lacks."""


def unlike(node: Node, what: str) -> str:
    """What is wrong with a node that is not ``what``: it may be a variable that stands for it."""
    text = node.content.strip() if isinstance(node.content, str) else ""
    if _VARIABLE.fullmatch(text):
        return f"must be {what}; {text} stands for what is not in the file: write it in its place"
    return f"must be {what}"


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
                raise node.refuse(unlike(node, "a mapping"))
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
        return None if node is None else node.as_number()

    def as_number(self) -> int | float:
        """The number that a scalar is.

        :raises Refused: it is none.
        """
        value = self.plain()
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,400}(\.\d+)?", value):
            value = float(value) if "." in value else int(value)
        endless = isinstance(value, float) and not math.isfinite(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or endless:
            raise self.refuse("must be a number")
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
            node = yaml.ScalarNode(TAG + self.kind, text)
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
