"""Regular expressions whose work grows faster than the text they read.

Python's ``re`` tries one way after the other. Where a text can be divided between two repetitions in many ways and the
rest does not fit, it tries them all: ``\\s*(.*?)\\s*<`` takes the cube of the text's length, ``(a|a)*b`` doubles with
each character. :func:`weakness` finds such expressions without running them.

The expression becomes its position automaton (Glushkov): a state for each place where a character is read, and a first
one that goes on for ever where matches are searched for. Two states make it slow (Weber and Seidl 1991, "On the degree
of ambiguity of finite automata"; Weideman and others 2016, "Analyzing matching time behavior of backtracking regular
expression matchers"): *p* and *q* with one word that leads from *p* to *p*, from *p* to *q* and from *q* to *q* (a
power of the length); or *p* with two ways back to itself for one word (exponential). Not if the expression may end at
*q*: then the first try succeeds.

What it is silent on is linear, with two exceptions: repetitions up to :data:`MANY` times count as a constant, and of
those only two rounds are looked at. What it warns of need not be slow: conditions on what is around (``\\b``,
``(?=…)``) count as met, and a reference to a group as anything that the group matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import attrs

from aigw.config import expressions
from aigw.config.expressions import matches

Use = Literal["match", "fullmatch", "search"]

#: Rounds up to which a repetition is a constant.
MANY = 1000
#: States of an automaton up to which it is looked at, and steps through triples of them: about a second.
MOST_STATES, MOST_STEPS = 400, 1_000_000


@attrs.frozen
class Weakness:
    """Why an expression may be slow, and a text that shows it: ``before`` once, ``again`` often, ``behind`` once.

    :ivar exponential: else a power of the text's length.
    """

    exponential: bool
    before: str
    again: str
    behind: str

    def text(self, length: int) -> str:
        """A text of about that many characters."""
        return self.before + self.again * (length // len(self.again)) + self.behind


def weakness(pattern: re.Pattern[Any] | str | bytes, use: Use = "search") -> Weakness | None:
    """Why ``pattern`` may take more than linear time in that use; None if it does not.

    :param use: ``findall``, ``finditer``, ``sub`` and ``split`` search.
    :raises re.error: it is no expression.
    :raises ValueError: it is too large to be looked at.
    """
    automaton = Automaton(pattern, use)
    return automaton.exponential() or automaton.polynomial()


def runs(pattern: re.Pattern[Any] | str | bytes, use: Use = "search") -> list[Weakness]:
    """The worst texts for an expression without a weakness: into each of its repetitions, round and round, and out."""
    return list(Automaton(pattern, use).loops())


@attrs.define
class _Part:
    """A part of an expression: the states that it may begin and end with, and whether it may be empty."""

    first: list[int] = attrs.field(factory=list)
    last: list[int] = attrs.field(factory=list)
    empty: bool = True


class Automaton:
    """See the module's head.

    :ivar letters: a character for each class of those that the expression does not tell apart.
    :ivar reads: of each state, the letters that it reads, as bits.
    :ivar follow: of each state, those that may come next.
    :ivar ends: states behind which the expression may end, whatever comes.
    """

    def __init__(self, pattern: re.Pattern[Any] | str | bytes, use: Use) -> None:
        text, flags = (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else (pattern, 0)
        parsed, self._flags = expressions.parse(text, flags)
        self._groups: dict[int, Any] = {}
        self._sets: list[frozenset[str]] = []
        self._atomic: list[tuple[set[int], bool]] = []  # states, and whether the group is itself repeated
        self._unbounded = self._empty_twice = self._steps = 0
        self._doubled: list[tuple[int, int]] = []
        self.follow: list[dict[int, None]] = []
        self._samples = expressions.samples(parsed, of_bytes=isinstance(text, bytes))
        whole = self._sequence(parsed)
        self.ends = set(whole.last) if use != "fullmatch" and not expressions.tied_to_end(parsed) else set()
        self.start = self._enter(whole, parsed, use)
        if len(self._sets) > MOST_STATES:
            raise ValueError(f"more than {MOST_STATES} states")
        self.letters, self.reads = self._classes()
        self._reached = [self._reachable(state) if self.reads[state] else set() for state in range(len(self.follow))]

    # -- making it

    def _enter(self, whole: _Part, parsed: Any, use: Use) -> int:
        """The first state; it reads anything, and in a search goes on reading."""
        start = self._state(self._samples)
        self.follow[start] = dict.fromkeys(whole.first)
        tied = expressions.tied_to_begin(parsed)
        if use == "search" and not (tied and not self._flags & re.MULTILINE):
            if tied:
                line = self._state(frozenset("\n"))
                self.follow[line] = dict.fromkeys(whole.first)
                self.follow[start] = {line: None}
            self.follow[start][start] = None
        return start

    def _state(self, characters: frozenset[str]) -> int:
        self._sets.append(characters)
        self.follow.append({})
        return len(self._sets) - 1

    def _connect(self, ends: Iterable[int], begins: Iterable[int], *, again: bool = False) -> None:
        begins = list(begins)
        for end in ends:
            for begin in begins:
                if again and begin in self.follow[end]:
                    self._doubled.append((end, begin))  # by an inner repetition as well as by this one
                self.follow[end][begin] = None

    def _sequence(self, nodes: Iterable[tuple[Any, Any]]) -> _Part:
        whole = _Part()
        for node in nodes:
            whole = self._behind(whole, self._node(*node))
        return whole

    def _behind(self, one: _Part, other: _Part) -> _Part:
        self._connect(one.last, other.first)
        return _Part(
            one.first + (other.first if one.empty else []),
            other.last + (one.last if other.empty else []),
            one.empty and other.empty,
        )

    def _node(self, kind: Any, value: Any) -> _Part:
        name = str(kind)
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "RANGE", "CATEGORY"):
            state = self._state(frozenset(each for each in self._samples if matches(kind, value, each, self._flags)))
            return _Part([state], [state], False)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(name, *value)
        if name == "BRANCH":
            return self._branch([self._sequence(each) for each in value[1]])
        if name == "SUBPATTERN":
            group, _, _, inner = value
            if group is not None:
                self._groups[group] = inner
            return self._sequence(inner)
        if name == "ATOMIC_GROUP":
            return self._whole(lambda: self._sequence(value))
        if name in ("ASSERT", "ASSERT_NOT"):
            return self._looked_at(value)
        if name == "GROUPREF":
            return self._sequence(self._groups[value])
        if name == "GROUPREF_EXISTS":
            return self._branch([self._sequence(each) if each is not None else _Part() for each in value[1:]])
        return _Part()  # AT: a place

    def _branch(self, parts: Sequence[_Part]) -> _Part:
        self._empty_twice += sum(part.empty for part in parts) > 1
        first = [state for part in parts for state in part.first]
        return _Part(first, [state for part in parts for state in part.last], any(part.empty for part in parts))

    def _looked_at(self, value: Any) -> _Part:
        """A condition is read as far as it goes, and then leads nowhere; what follows begins where it did."""
        direction, inner = value
        if direction < 0:
            return _Part()
        return _Part(self._sequence(inner).first, [], True)

    def _whole(self, make: Any) -> _Part:
        """What is matched in one way only, once it is."""
        begin = len(self._sets)
        part: _Part = make()
        self._atomic.append((set(range(begin, len(self._sets))), self._unbounded > 0))
        return part

    def _repeat(self, name: str, least: int, most: int, inner: Any) -> _Part:
        if name == "POSSESSIVE_REPEAT":
            return self._whole(lambda: self._repeat("MAX_REPEAT", least, most, inner))
        whole = _Part()
        if most > MANY:
            for _ in range(min(least, 2) - 1):
                whole = self._behind(whole, self._sequence(inner))
            self._unbounded += 1
            ambiguous, part = self._empty_twice, self._sequence(inner)
            self._unbounded -= 1
            self._connect(part.last, part.first, again=True)
            if self._empty_twice > ambiguous:
                self._doubled += [(end, begin) for end in part.last for begin in part.first]
            return self._behind(whole, attrs.evolve(part, empty=part.empty or least == 0))
        for count in range(min(most, max(2, least if most == least and least <= 4 else 2))):
            part = self._sequence(inner)
            whole = self._behind(whole, attrs.evolve(part, empty=part.empty or count >= min(least, 2)))
        return whole

    # -- characters

    def _classes(self) -> tuple[list[str], list[int]]:
        classes: dict[tuple[bool, ...], str] = {}
        for each in sorted(self._samples):
            classes.setdefault(tuple(each in one for one in self._sets), each)
        letters = list(classes.values())
        reads = [sum(1 << bit for bit, letter in enumerate(letters) if letter in one) for one in self._sets]
        return letters, reads

    # -- looking at it

    def exponential(self) -> Weakness | None:
        """A state with two ways back to itself."""
        for end, begin in self._doubled:
            if begin not in self.ends and (again := self._word(begin, end)) is not None:
                return self._weakness(True, begin, again + self._letter(self.reads[begin]))
        for p in self._cyclic():
            if p not in self.ends and (found := self._two_ways(p)) is not None:
                return self._weakness(True, p, found)
        return None

    def polynomial(self) -> Weakness | None:
        """Two states among which one word can be divided."""
        cyclic = self._cyclic()
        for p in cyclic:
            for q in cyclic:
                if p != q and q not in self.ends and not self._cut_off(p, q):
                    found = self._divided(p, q)
                    if found is not None:
                        return self._weakness(False, p, found)
        return None

    def loops(self) -> Iterator[Weakness]:
        """A text for each state that may come again."""
        for p in self._cyclic():
            yield self._weakness(False, p, self._word(p, p) or self._letter(self.reads[p]))

    def _cut_off(self, p: int, q: int) -> bool:
        """Whether what is matched around ``p`` is not matched in another way once ``q`` was reached."""
        return any(p in states and q not in states and not repeated for states, repeated in self._atomic)

    def _cyclic(self) -> list[int]:
        """The states that may come again, in the expression's order, the first one in front."""
        found = [state for state, reached in enumerate(self._reached) if state in reached]
        return sorted(found, key=lambda state: (state != self.start, state))

    def _reachable(self, state: int) -> set[int]:
        found: set[int] = set()
        left = [state]
        while left:
            for each in self.follow[left.pop()]:
                if each not in found and self.reads[each]:
                    found.add(each)
                    left.append(each)
        return found

    def _two_ways(self, p: int) -> str | None:
        """A word that leads from ``p`` to ``p`` in two ways."""
        ways = self._search(
            (p, p, False),
            lambda at: (
                ((a, b, at[2] or a != b), self.reads[a] & self.reads[b])
                for a in self.follow[at[0]]
                for b in self.follow[at[1]]
            ),
            (p, p, True),
        )
        return self._spelt(ways)

    def _divided(self, p: int, q: int) -> str | None:
        """A word that leads from ``p`` to ``p``, from ``p`` to ``q`` and from ``q`` to ``q``."""
        around = self._reached[p]
        if q not in around:
            return None
        home = {state for state in around if p in self._reached[state]}
        back = {state for state in self._reached[q] if q in self._reached[state]}
        if p == self.start:  # where a match has got further than to q, the next one begins behind it
            back -= self.ends
        ways = self._search(
            (p, p, q),
            lambda at: (
                ((a, b, c), self.reads[a] & self.reads[b] & self.reads[c])
                for a in self.follow[at[0]]
                if a in home
                for c in self.follow[at[2]]
                if c in back and self.reads[a] & self.reads[c]
                for b in self.follow[at[1]]
            ),
            (p, q, q),
        )
        return self._spelt(ways)

    def _search(self, begin: Any, steps: Any, end: Any) -> list[int] | None:
        """The shortest way (at least one step) from ``begin`` to ``end``: the letters of each step, as bits.

        :raises ValueError: all searches together have taken more than :data:`MOST_STEPS`.
        """
        came: dict[Any, tuple[Any, int]] = {}
        layer = [begin]
        while layer:
            further = []
            for at in layer:
                for to, reads in steps(at):
                    self._steps += 1
                    if reads and to not in came:
                        came[to] = (at, reads)
                        further.append(to)
                        if to == end:
                            return _way(came, begin, end)
            if self._steps > MOST_STEPS:
                raise ValueError("too large to be looked at")
            layer = further
        return None

    def _word(self, begin: int, end: int) -> str | None:
        """What is read from behind ``begin`` up to and with ``end``."""
        return self._spelt(self._search(begin, lambda at: ((each, self.reads[each]) for each in self.follow[at]), end))

    def _spelt(self, ways: list[int] | None) -> str | None:
        return "".join(map(self._letter, ways)) if ways is not None else None

    def _letter(self, reads: int) -> str:
        letters = [letter for bit, letter in enumerate(self.letters) if reads >> bit & 1]
        return min(letters, key=lambda each: (not each.isprintable(), not each.isalnum(), each))

    def _weakness(self, exponential: bool, p: int, again: str) -> Weakness:
        before = "" if p == self.start else self._word(self.start, p) or ""
        follow = 0
        for state in range(len(self.follow)):
            if p in self._reached[state] or state == p:
                for each in self.follow[state]:
                    follow |= self.reads[each] if each != self.start else 0
        others = [letter for bit, letter in enumerate(self.letters) if not follow >> bit & 1]
        return Weakness(exponential, before, again, others[0] if others else "")


def _way(came: dict[Any, tuple[Any, int]], begin: Any, end: Any) -> list[int]:
    way, at = [], end
    while True:
        at, reads = came[at]
        way.append(reads)
        if at == begin:
            return way[::-1]
