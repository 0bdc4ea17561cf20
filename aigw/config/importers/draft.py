"""A configuration in the making: entries with where they came from, and everything there is to say about them.

Three things are said, each with its place in the input: errors (there will be no output), warnings (something is
different, or left out), notes (something is left out that changes nothing). What nobody said anything about, and nobody
made use of, :meth:`Draft.close` reports as not imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import attrs

from aigw.config.errors import Problem
from aigw.config.importers.nodes import Node, Refused

Made = TypeVar("Made")

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
#: Names of fields whose values are, or may be, credentials: those are not repeated in comments.
_CREDENTIAL = re.compile(
    r"(?:auth|authorization|cookie|credentials?|keys?|apikey|passw(?:or)?d|secret|token|cert|certificate|value|json|pem"
    r"|inline|username)(?:\[\d+\])*$",
    re.I,
)
_LONGEST_VALUE = 60


@attrs.define(eq=False)
class Entry:
    """One table of the output.

    :ivar values: its keys, in any order; nested dictionaries are written inline, but for a consumer's ``backends``.
    :ivar origin: what it was made of first of all.
    :ivar comments: lines above it.
    :ivar beside: comments at the ends of its keys' lines.
    """

    section: str
    name: str
    values: dict[str, Any] = attrs.field(repr=False)
    origin: Node | None = attrs.field(default=None, repr=False)
    comments: list[str] = attrs.field(factory=list)
    beside: dict[str, str] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Draft:
    """See the module's head.

    :ivar digests: consumers' keys are to be written as digests.
    :ivar server: keys of ``[server]``.
    :ivar entries: by section and name, in the order of their making.
    """

    digests: bool = False
    server: dict[str, Any] = attrs.field(factory=dict)
    entries: dict[tuple[str, str], Entry] = attrs.field(factory=dict)
    errors: list[Problem] = attrs.field(factory=list)
    warnings: list[Problem] = attrs.field(factory=list)
    notes: list[Problem] = attrs.field(factory=list)
    _left_out: list[tuple[Node, str]] = attrs.field(factory=list, repr=False)
    _said: set[Problem] = attrs.field(factory=set, repr=False)
    _owners: dict[int, Entry] = attrs.field(factory=dict, repr=False)
    _kept: list[Node] = attrs.field(factory=list, repr=False)

    # -- entries

    def add(self, section: str, wanted: str, values: dict[str, Any], origin: Node | None = None) -> Entry:
        """A new entry under the name ``wanted``, made into one that is allowed and free.

        :param origin: where it comes from. Comments about that, and about what is in it, go to this entry.
        """
        name = self.free_name(section, wanted, origin)
        entry = Entry(section, name, values, origin)
        self.entries[section, name] = entry
        if origin is not None:
            self.own(origin, entry)
        return entry

    def whole(self, node: Node | None, make: Callable[..., Made], *arguments: Any) -> Made:
        """What ``make`` returns. Where it is refused, the entries that it has made already are taken back.

        :param node: what they are made of; nothing of it is in the output then.
        :raises Refused: by ``make``.
        """
        before = dict(self.entries)
        left = node.open_leaves() if node is not None else []
        try:
            return make(*arguments)
        except Refused:
            self.entries = before
            for leaf in left:
                leaf.settled = leaf.reported
            raise

    def own(self, node: Node, entry: Entry) -> None:
        """What is said about ``node`` goes to ``entry``."""
        self._kept.append(node)  # or its id() could come again
        self._owners.setdefault(id(node), entry)

    def free_name(self, section: str, wanted: str, origin: Node | None = None) -> str:
        """``wanted``, made into a name, numbered where there is such an entry already."""
        name = wanted if section == "models" else _NOT_IN_NAMES.sub("-", wanted).strip("-")
        name = name or section.removesuffix("s")
        if name == "none" and section == "auth":
            name = "none-auth"
        if origin is not None and name != wanted:
            self.warn(origin, f"is called {name} here: names have letters, digits, _ . and -")
        number, free = 2, name
        while (section, free) in self.entries:
            number, free = number + 1, f"{name}-{number}"
        return free

    def section(self, name: str) -> list[Entry]:
        """The entries of a section."""
        return [entry for (section, _), entry in self.entries.items() if section == name]

    # -- what is to be said

    def attempt(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """What ``make`` returns; None where it is refused, which becomes an error."""
        try:
            return make(*arguments)
        except Refused as refused:
            self.errors.append(refused.problem)
            return None

    def warn(self, node: Node, message: str) -> None:
        """Something is different here from what it was there."""
        self._say(self.warnings, node.problem(message))

    def drop(self, node: Node, why: str = "") -> None:
        """What is here is not imported, all of it: a warning, and a comment in the output."""
        self.drop_all([node], why)

    def drop_all(self, nodes: list[Node], why: str) -> None:
        """The same for several fields of one entity, in one warning."""
        if not nodes:
            return
        first, entity = nodes[0], nodes[0].entity
        lines = [line for node in nodes for line in describe(node, entity)]
        names = [line.partition(" = ")[0] for line in lines]
        alone = len(nodes) == 1 and first is not entity and [first.field] == names
        fields = "" if alone else f" ({', '.join(names)})" if names else ""
        key = first.title if alone or (len(nodes) == 1) else entity.title
        reason = f": {why}" if why else ""
        self._say(self.warnings, Problem(first.file, first.line, key, f"not imported{fields}{reason}"))
        comment = "not imported: " + ": ".join(filter(None, (entity.label, ", ".join(lines))))
        self._left_out.append((first, f"{comment} ({why})" if why else comment))
        for node in nodes:
            node.report()

    def refuse(self, refused: Refused, *without: Node) -> None:
        """Something that cannot be had: a warning at its cause, and all that is not imported for it.

        :param without: what is left out whole.
        """
        self._say(self.warnings, refused.problem)
        for node in without:
            same = any(around is node for around in refused.node.around())
            self.drop(node, refused.why if same else str(refused))

    def note(self, nodes: Node | Iterable[Node | None] | None, why: str) -> None:
        """What is here needs no place in the output; nothing is lost by that."""
        given = [nodes] if isinstance(nodes, Node) or nodes is None else list(nodes)
        found = [node for node in given if node is not None]
        entities: dict[int, list[Node]] = {}
        for node in found:
            node.report()
            entities.setdefault(id(node.entity), []).append(node)
        for together in entities.values():
            first = min(together, key=lambda node: node.line)
            fields = ", ".join(node.field for node in together if node.field)
            key = ": ".join(filter(None, (first.entity.label, fields)))
            self._say(self.notes, Problem(first.file, first.line, key, why))

    def close(self, documents: Iterable[Node]) -> None:
        """Report everything that nobody has made use of or said anything about."""
        for document in documents:
            self._close(document)

    def _close(self, node: Node) -> None:
        leaves = list(node.leaves())
        left = [leaf for leaf in leaves if not leaf.settled]
        if not left:
            return
        # One entity is one warning, but a list of entities is as many as there are.
        several = isinstance(node.content, list) and any(child.label for child in node.children())
        if len(left) == len(leaves) and not several and (node.parent is not None or not isinstance(node.content, dict)):
            self.drop(node)
            return
        for child in node.children():
            self._close(child)

    def left_out(self) -> dict[tuple[str, str] | None, list[str]]:
        """What was not imported, by section and name of the entry that it belongs to; None: of no entry."""
        found: dict[tuple[str, str] | None, list[str]] = {}
        for node, text in self._left_out:
            found.setdefault(self._owner(node), []).append(text)
        return found

    def _owner(self, node: Node) -> tuple[str, str] | None:
        for around in node.around():
            owner = self._owners.get(id(around))
            if owner is not None and self.entries.get((owner.section, owner.name)) is owner:
                return owner.section, owner.name
        return None

    def _say(self, where: list[Problem], problem: Problem) -> None:
        if problem not in self._said:
            self._said.add(problem)
            where.append(problem)


def describe(node: Node, entity: Node) -> list[str]:
    """Each leaf at ``node`` as ``field = value``; values that may be credentials as ``***``.

    Leaves that were reported already are left out.
    """
    lines = []
    for leaf in [leaf for leaf in node.leaves() if not leaf.reported]:
        field = leaf.path[len(entity.path) :].lstrip(".")
        lines.append(f"{field} = {_shown(leaf)}" if field else _shown(leaf))
    return lines


def _shown(leaf: Node) -> str:
    if isinstance(leaf.content, str):
        text = " ".join(leaf.content.split())
    else:
        text = "{}" if isinstance(leaf.content, dict) else "[]"
    if _CREDENTIAL.search(leaf.path.rpartition(".")[2]) or _CREDENTIAL.search(leaf.entity.label.partition(" ")[0]):
        return "***"
    if len(text) > _LONGEST_VALUE:
        text = text[: _LONGEST_VALUE - 1] + "…"
    return text if text.isprintable() else repr(text)
