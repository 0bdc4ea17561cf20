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
    :ivar closed: something that may say who may come in could not be read, so that no route may be imported as open.
    :ivar pages: the files that are pages or scripts: what is wrong in a part of those is no reason to refuse the rest.
    :ivar server: keys of ``[server]``.
    :ivar sections: the entries by section and name, in the order of their making.
    """

    digests: bool = False
    closed: bool = False
    pages: frozenset[str] = frozenset()
    server: dict[str, Any] = attrs.field(factory=dict)
    sections: dict[str, dict[str, Entry]] = attrs.field(factory=dict)
    errors: list[Problem] = attrs.field(factory=list)
    warnings: list[Problem] = attrs.field(factory=list)
    notes: list[Problem] = attrs.field(factory=list)
    _left_out: list[tuple[Node | None, str]] = attrs.field(factory=list, repr=False)
    _said: set[Problem] = attrs.field(factory=set, repr=False)
    _owners: dict[int, Entry] = attrs.field(factory=dict, repr=False)
    _kept: list[Node] = attrs.field(factory=list, repr=False)
    _secrets: dict[tuple[str, str], list[Entry]] = attrs.field(factory=dict, repr=False)
    _numbers: dict[tuple[str, str], int] = attrs.field(factory=dict, repr=False)

    # -- entries

    def add(self, section: str, wanted: str, values: dict[str, Any], origin: Node | None = None) -> Entry:
        """A new entry under the name ``wanted``, made into one that is allowed and free.

        :param origin: where it comes from. Comments about that, and about what is in it, go to this entry.
        """
        name = self.free_name(section, wanted, origin)
        entry = Entry(section, name, values, origin)
        self.sections.setdefault(section, {})[name] = entry
        if origin is not None:
            self.own(origin, entry)
        return entry

    def whole(self, node: Node | None, make: Callable[..., Made], *arguments: Any) -> Made:
        """What ``make`` returns. Where it is refused, the entries that it has made already are taken back.

        :param node: what they are made of; nothing of it is in the output then.
        :raises Refused: by ``make``.
        """
        before = {section: len(entries) for section, entries in self.sections.items()}
        left = node.open_leaves() if node is not None else []
        try:
            return make(*arguments)
        except Refused:
            for section, entries in self.sections.items():
                while len(entries) > before.get(section, 0):
                    entries.popitem()
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
        taken = self.sections.get(section, {})
        if name not in taken:
            return name
        number = self._numbers.get((section, name), 2)
        while f"{name}-{number}" in taken:
            number += 1
        self._numbers[section, name] = number + 1
        return f"{name}-{number}"

    def section(self, name: str) -> list[Entry]:
        """The entries of a section."""
        return list(self.sections.get(name, {}).values())

    def has(self, section: str, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self.sections.get(section, ())

    def rename(self, entry: Entry, wanted: str) -> None:
        """Give an entry, one of the last of its section, another name; it stays in its place."""
        section = self.sections[entry.section]
        behind: list[Entry] = []
        while not behind or behind[-1] is not entry:
            behind.append(section.popitem()[1])
        entry.name = self.free_name(entry.section, wanted)
        section.update((each.name, each) for each in reversed(behind))

    def secret_called(self, env: str, wanted: str = "") -> str | None:
        """The name of an entry of ``[secrets]`` for an environment variable.

        :param wanted: only one of this name.
        """
        known = self._known_secrets(env, wanted)
        return known[0].name if known else None

    def _known_secrets(self, env: str, name: str) -> list[Entry]:
        """Entries for a variable; those that were taken back are the last ones."""
        known = self._secrets.setdefault((env, name), [])
        while known and self.sections["secrets"].get(known[-1].name) is not known[-1]:
            known.pop()
        return known

    def add_secret(self, wanted: str, env: str) -> str:
        """A new entry of ``[secrets]``, and its name."""
        entry = self.add("secrets", wanted, {"env": env})
        for name in {"", wanted, entry.name}:
            self._known_secrets(env, name).append(entry)
        return entry.name

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

    def unread(self, problem: Problem) -> None:
        """A part of a page that is not YAML, or no configuration: a warning, and a comment in the output."""
        self._say(self.warnings, attrs.evolve(problem, message=f"not imported: {problem.message}"))
        self._left_out.append((None, f"not imported: {problem}"))

    def open_route(self, node: Node) -> str:
        """``auth`` of a route of which nothing that was read says who may come in: open, unless that is not all.

        :param node: what to name in the warning.
        """
        if self.closed:
            why = "is closed (auth): a part that could not be read may say who may come in. Give its consumers keys"
            self.warn(node, f'{why}, or say auth = "none"')
            return "key"
        self.warn(node, 'nobody is asked for a key, so auth = "none": whoever reaches the port is served')
        return "none"

    def refuse(self, refused: Refused, *without: Node) -> None:
        """Something that cannot be had: a warning at its cause, and all that is not imported for it.

        :param without: what is left out whole.
        """
        if not any(node is refused.node for node in without):
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
            found.setdefault(self._owner(node) if node is not None else None, []).append(text)
        return found

    def _owner(self, node: Node) -> tuple[str, str] | None:
        for around in node.around():
            owner = self._owners.get(id(around))
            if owner is not None and self.sections.get(owner.section, {}).get(owner.name) is owner:
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
