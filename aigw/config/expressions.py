"""What a regular expression consists of, as far as :mod:`aigw.config.backtracking` needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]  # no other module tells

#: Where digits, letters and blanks begin and end, and some beyond ASCII: with the characters that an expression names,
#: and those next to its ranges, there is one of each class that it tells apart.
_SAMPLES = frozenset(
    "\0\x08\t\n\r\x0e\x1b\x1c\x1f !/059:@AKZ[^_`akz{\x7f\x80\x85\xa0éßµμ\u017f\u212a٣\u2028中\U0001f600"
)


def parse(text: str | bytes, flags: int) -> tuple[Any, int]:
    """The nodes of an expression, and its flags; of bytes, letters and digits are ASCII's.

    :raises re.error: it is none.
    """
    nodes = _parser.parse(text, flags & ~re.UNICODE if isinstance(text, bytes) else flags)
    return nodes, nodes.state.flags | (re.ASCII if isinstance(text, bytes) else 0)


def samples(nodes: Any, *, of_bytes: bool) -> frozenset[str]:
    """One character at least of each class that an expression tells apart."""
    known = _SAMPLES.union(_named(nodes))
    return frozenset(each for each in known if each < "\u0100") if of_bytes else known


def matches(kind: Any, value: Any, character: str, flags: int) -> bool:
    """Whether a node of an expression that reads one character reads this one."""
    if not flags & re.IGNORECASE:
        return _is(kind, value, character, flags)
    return any(_is(kind, value, each, flags) for each in {character, *character.lower(), *character.upper()})


def _is(kind: Any, value: Any, character: str, flags: int) -> bool:
    name = str(kind)
    if name == "LITERAL":
        return character == chr(value)
    if name == "NOT_LITERAL":
        return character != chr(value)
    if name == "ANY":
        return character != "\n" or bool(flags & re.DOTALL)
    if name == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    if name == "CATEGORY":
        return _in_category(str(value), character, flags)
    negated = str(value[0][0]) == "NEGATE"
    return any(_is(inner, what, character, flags) for inner, what in value[int(negated) :]) != negated


def _in_category(name: str, character: str, flags: int) -> bool:
    name = name.removeprefix("CATEGORY_")
    if flags & re.ASCII and not character.isascii():
        found = False
    elif name.endswith("DIGIT"):
        found = character.isdecimal()
    elif name.endswith("SPACE"):
        found = character.isspace() and not (flags & re.ASCII and "\x1c" <= character <= "\x1f")
    else:
        found = character.isalnum() or character == "_"
    return found != name.startswith("NOT_")


def _named(nodes: Any) -> Iterator[str]:
    """The characters that an expression names, in both cases, and those next to its ranges."""
    for kind, value in nodes:
        yield from _named_by(str(kind), value)


def _named_by(name: str, value: Any) -> Iterator[str]:
    if name in ("LITERAL", "NOT_LITERAL"):
        yield from {chr(value), *chr(value).lower(), *chr(value).upper()}
    elif name == "RANGE":
        for each in (value[0] - 1, *value, value[1] + 1):
            if 0 <= each < 0x110000:
                yield from {chr(each), *chr(each).lower(), *chr(each).upper()}
    elif name == "IN":
        yield from _named(value)
    elif name.endswith("REPEAT"):
        yield from _named(value[2])
    elif name == "BRANCH":
        for each in value[1]:
            yield from _named(each)
    elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        yield from _named(value[-1])
    elif name == "ATOMIC_GROUP":
        yield from _named(value)


def tied_to_begin(nodes: Any) -> bool:
    """Whether an expression begins with ``^`` or ``\\A`` in each of its alternatives."""
    for kind, value in nodes:
        name = str(kind)
        if name == "AT":
            return str(value) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
        if name == "SUBPATTERN":
            return tied_to_begin(value[-1])
        if name == "BRANCH":
            return all(tied_to_begin(each) for each in value[1])
        if name not in ("ASSERT", "ASSERT_NOT"):
            return False
    return False


def tied_to_end(nodes: Any) -> bool:
    """Whether a place, or a condition, is asked for at an expression's end in one of its alternatives."""
    last = list(nodes)[-1:]
    for kind, value in last:
        name = str(kind)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):
            return True
        if name == "SUBPATTERN":
            return tied_to_end(value[-1])
        if name == "BRANCH":
            return any(tied_to_end(each) for each in value[1])
    return False
