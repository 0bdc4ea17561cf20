"""Where configuration is in pages and in shell scripts: fences, Kong's blocks, here-documents, ``echo``.

A fence is CommonMark's (https://spec.commonmark.org/0.31.2/#fenced-code-blocks) with one difference: a line that could
only open another one (it has an info string) ends a fence that nobody closed. A here-document is the shell's (POSIX.1,
XCU 2.7.4); one without its last line ends where the next one begins, or with its fence.

Whatever a text has, it is gone through a fixed number of times, and no line is in two snippets.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator

import attrs

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<ticks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^\n`]*)$")
_BLOCK = re.compile(r"^\s*\{%-?\s*(?P<end>end)?(?P<name>entity_examples?)\b")
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_HERE = re.compile(r"<<(-?)[ \t]*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2(?=[\s|;&)>]|$)")
#: What a backslash takes the meaning from, in a here-document without quotes and in double quotes.
_HERE_ESCAPE = re.compile(r"\\([\\$`])")
_QUOTED_ESCAPE = re.compile(r"\\([\\$`\"])")
#: The kind of file that a command writes.
_TARGET = re.compile(r">[ \t]*[^\s>&|]+\.(\w+)\b")
#: What is echoed into a command: a quote at a line's end, and the same quote in front of a pipe.
_ECHO = re.compile(r"\becho[ \t]+(['\"])(?=[ \t]*\n)")
_ECHOED = re.compile(r"(['\"])[ \t]*\|")
#: What is assigned to a variable, and where that ends.
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:export[ \t]+|local[ \t]+)?[A-Za-z_]\w*=(['\"])(?=(?:apiVersion|_format_version):)", re.M
)
_ASSIGNED = re.compile(r"(?<!\\)(['\"])[ \t]*$", re.MULTILINE)
_CONFIGURATION = re.compile(
    r"^[ \t]*(?:-[ \t]*)?"
    r"(?:apiVersion|kind|_format_version|entities|plugins|services|routes|consumers|consumer_groups"
    r"|binds|gateways|llm|model_list"  # what is named as none that is read
    r"|type(?=[ \t]*:[ \t]*(?:plugin|service|route|consumer|consumer_group)\b))[ \t]*:",
    re.MULTILINE,
)
#: The first keys of files that are configuration as a whole.
_FIRST = re.compile(
    r"(?:apiVersion|kind|metadata|items|_\w+|variables|entities|plugins|services|routes|consumers|consumer_groups"
    r"|upstreams|vaults|keyauth_credentials)[ \t]*:"
)


@attrs.frozen
class Snippet:
    """Lines of a text, from line ``start`` on, counted from 0."""

    start: int
    text: str

    def within(self, start: int, text: str) -> Snippet:
        """A part of it.

        :param start: its first line, counted from 0 in this snippet.
        """
        return Snippet(self.start + start, text)


def snippets(text: str) -> list[Snippet] | None:
    """What may be configuration in a page or a script; None where the text is neither, and so YAML as a whole."""
    whole = Snippet(0, text)
    fenced = list(_fenced(whole))
    if fenced:
        return [inner for piece in fenced for inner in _unwrapped(piece) if _CONFIGURATION.search(inner.text)]
    found = list(_unwrapped(whole))
    return None if found == [whole] else found


def begins_as_configuration(text: str) -> bool:
    """Whether the first line that says anything begins as a Kubernetes resource, or a file of Kong's, does."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip()
        if line and not line.startswith(("#", "---", "%")):
            return _FIRST.match(line) is not None
        at = end + 1
    return False


def line_ends(text: str) -> list[int]:
    """Where lines end: as many as are before a place, so many lines are before its own."""
    return [match.start() for match in re.finditer("\n", text)]


# -- pages


@attrs.frozen
class _Opened:
    """What is to be closed: a fence (its ticks), or one of Kong's blocks (its name).

    :ivar start: its first line.
    :ivar quoted: it stands in a quotation, whose ``>`` are at the beginning of each line.
    """

    start: int
    ticks: str = ""
    block: str = ""
    quoted: bool = False

    def ended(self, fence: re.Match[str] | None, block: re.Match[str] | None) -> bool:
        """Whether a line ends it."""
        if self.block:
            return block is not None and (not block["end"] or block["name"] == self.block)
        return fence is not None and fence["ticks"].startswith(self.ticks)


def _fenced(whole: Snippet) -> Iterator[Snippet]:
    """The contents of fences and of Kong's blocks."""
    lines = whole.text.split("\n")
    opened: _Opened | None = None
    for at, line in enumerate(lines):
        fence, block = _FENCE.match(line), _BLOCK.match(line)
        if opened is not None:
            if not opened.ended(fence, block):
                continue
            yield _content(whole, lines, opened, at)
        closing = opened is not None and fence is not None and not fence["info"]
        opened = None if closing else _opened(at + 1, fence, block)
    if opened is not None:
        yield _content(whole, lines, opened, len(lines))


def _opened(start: int, fence: re.Match[str] | None, block: re.Match[str] | None) -> _Opened | None:
    if fence is not None:
        return _Opened(start, ticks=fence["ticks"], quoted=">" in fence["indent"])
    return _Opened(start, block=block["name"]) if block is not None and not block["end"] else None


def _content(whole: Snippet, lines: list[str], opened: _Opened, end: int) -> Snippet:
    inside = lines[opened.start : end]
    if opened.quoted:
        inside = [_QUOTE.sub("", line) for line in inside]
    return whole.within(opened.start, "\n".join(inside))


# -- shell


def _unwrapped(piece: Snippet) -> Iterator[Snippet]:
    """The YAML that shell commands have in them, or the text itself where there are none, or it is no shell's."""
    bodies = [] if begins_as_configuration(piece.text) else list(_here_documents(piece))
    found = [body for body, wanted in bodies if wanted]
    found += [*_quoted(piece, _ECHO, _ECHOED), *_quoted(piece, _ASSIGNMENT, _ASSIGNED)]
    yield from sorted(found, key=lambda each: each.start) if bodies or found else [piece]


def _here_documents(piece: Snippet) -> Iterator[tuple[Snippet, bool]]:
    """Each here-document, and whether it may be configuration: other languages have colons, too."""
    lines = piece.text.split("\n")
    found = [(at, here) for at, line in enumerate(lines) if (here := _HERE.search(line)) is not None]
    ends = _Ends(lines, [(at, here[3]) for at, here in found])
    behind = 0
    for at, here in found:
        quoted, word = here[2], here[3]
        if at < behind:
            continue
        behind = ends.end(at, word)
        body, target = "\n".join(lines[at + 1 : behind]), _TARGET.search(lines[at])
        body = body if quoted else _HERE_ESCAPE.sub(r"\1", body)
        fits = target is None or target[1].lower() in ("yaml", "yml", "json")
        yield piece.within(at + 1, body), fits and _CONFIGURATION.search(body) is not None


class _Ends:
    """Where here-documents end."""

    def __init__(self, lines: list[str], openings: list[tuple[int, str]]) -> None:
        self._last = len(lines)
        self._openings = [at for at, _ in openings]
        self._words: defaultdict[str, list[int]] = defaultdict(list)  # of what each line is without its indent
        self._again: defaultdict[str, list[int]] = defaultdict(list)
        for at, line in enumerate(lines):
            self._words[line.strip()].append(at)
        for at, word in openings:
            self._again[word].append(at)

    def end(self, at: int, word: str) -> int:
        """The line behind a here-document that is opened on line ``at``.

        One that has the next one's opening in it was never ended: no text has its own last line in the middle.
        """
        end, again = _next(self._words.get(word, []), at + 1), _next(self._again[word], at + 1)
        if end is not None and (again is None or end < again):
            return end
        following = _next(self._openings, at + 1)
        return self._last if following is None else following


def _next(places: list[int], at: int) -> int | None:
    """The first of ``places``, in order, that is not before ``at``."""
    index = bisect.bisect_left(places, at)
    return places[index] if index < len(places) else None


def _quoted(piece: Snippet, begin: re.Pattern[str], close: re.Pattern[str]) -> Iterator[Snippet]:
    """The texts in quotation marks that begin and end so; the first group of both is the mark."""
    text, behind = piece.text, 0
    ends: dict[str, list[int]] = {"'": [], '"': []}
    for closing in close.finditer(text):
        ends[closing[1]].append(closing.start())
    lines = line_ends(text)
    for opening in begin.finditer(text):
        end = _next(ends[opening[1]], opening.end()) if opening.start() >= behind else None
        if end is None:
            continue
        behind, body = end, text[opening.end() : end]
        if _CONFIGURATION.search(body):
            body = body if opening[1] == "'" else _QUOTED_ESCAPE.sub(r"\1", body)
            yield piece.within(bisect.bisect_left(lines, opening.end()), body)
