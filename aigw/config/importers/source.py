"""Finding configuration in what people have: YAML files, pages of documentation, shell commands.

A page is Markdown with its configuration in fences, in Kong's ``{% entity_examples %}`` blocks, or in here-documents
of shell commands. What is around is prose and not looked at; where nothing of that kind is found, the text is YAML as
a whole. Each piece knows how many lines are in front of it, so that the lines that are named are the file's.
"""

from __future__ import annotations

import bisect
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator

import attrs

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers.loading import documents
from aigw.config.importers.nodes import Node

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<ticks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^\n`]*)$")
_BLOCK = re.compile(r"^\s*\{%-?\s*(entity_examples?)\b.*%\}\s*$")
_HERE = re.compile(r"<<(-?)[ \t]*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2(?=[\s|;&)>]|$)")
#: A here-document with something behind its word, and what tells that this is its YAML.
_HERE_AND_MORE = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1[ \t]+(?=\S)")
_VERSION = re.compile(r"\b(?:apiVersion|_format_version)\s*:")
_FLAT = re.compile(r"[ \t]*(?:---[ \t]+)?apiVersion:[ \t]+\S+[ \t]+(?:kind|metadata|spec):")
#: The kind of file that a command writes.
_TARGET = re.compile(r">[ \t]*[^\s>&|]+\.(\w+)\b")
#: What is echoed into a command: a quote at a line's end, and the same quote in front of a pipe.
_ECHO = re.compile(r"\becho[ \t]+(['\"])(?=[ \t]*\n)")
_ECHOED = re.compile(r"(['\"])[ \t]*\|")
_SHORTCODE = re.compile(r"(?<!\$)\{\{([^{}]*)\}\}")
_SECRET_COMMAND = re.compile(r"[ \t]create[ \t]+secret[ \t]+generic[ \t]+(?P<rest>(?:[^\n\\]|\\\n|\\[ \t])+)")
_KUBECTL = re.compile(r"kubectl[ \t]")
_LITERAL = re.compile(r"""--from-literal[= ](?:"([^"]*)"|'([^']*)'|(\S+))""")
_EXPORT = re.compile(r"^[ \t]*export[ \t]+([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
_CONFIGURATION = re.compile(
    r"^[ \t]*(?:-[ \t]*)?"
    r"(?:apiVersion|kind|_format_version|entities|plugins|services|routes|consumers|consumer_groups)[ \t]*:",
    re.MULTILINE,
)

#: What agentgateway's own pages leave to their site generator.
_SNIPPETS = {
    "api-version": "agentgateway.dev/v1alpha1",
    "backend": "AgentgatewayBackend",
    "gateway": "Gateway",
    "group": "agentgateway.dev",
    "policy": "AgentgatewayPolicy",
    "trafficpolicy": "AgentgatewayPolicy",
    "trafficpolicy-apiversion": "agentgateway.dev/v1alpha1",
}


@attrs.frozen
class SecretCommand:
    """``kubectl create secret generic NAME --from-literal=KEY=VALUE`` on a page."""

    file: str
    line: int
    name: str
    values: dict[str, str] = attrs.field(repr=False)


@attrs.frozen
class Source:
    """What one file has.

    :ivar documents: its YAML documents that may be configuration.
    :ivar exports: the variables that a page has its reader export.
    """

    documents: list[Node] = attrs.field(factory=list)
    secrets: list[SecretCommand] = attrs.field(factory=list)
    exports: list[str] = attrs.field(factory=list)


@attrs.frozen
class _Piece:
    """Lines of the text, from line ``start`` on, counted from 0."""

    start: int
    text: str

    def within(self, start: int, text: str) -> _Piece:
        return _Piece(self.start + start, text)


def read(file: str, text: str) -> Source:
    """What is to be imported from a text.

    :param file: what it is called in messages.
    :raises ConfigError: it is not YAML where it should be; the problems name the lines.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    _refuse_flattened(file, text)
    source = Source(secrets=list(_secret_commands(file, text)), exports=list(dict.fromkeys(_EXPORT.findall(text))))
    whole = _Piece(0, text)
    pieces = list(_pieces(whole))
    problems: list[Problem] = []
    for piece in pieces:
        try:
            text = _without_shortcodes(textwrap.dedent(piece.text))
            source.documents.extend(documents(file, text, lines_before=piece.start))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return source


def _refuse_flattened(file: str, text: str) -> None:
    """A page that was saved with its line breaks lost cannot be put together again: YAML's meaning is in them."""
    why = "the YAML here is all on one line: its line breaks are lost (restore them, or save the page anew)"
    problems = [Problem(file, at, "", why) for at, line in enumerate(text.split("\n"), 1) if _is_flattened(line)]
    if problems:
        raise ConfigError(problems)


def _is_flattened(line: str) -> bool:
    here = _HERE_AND_MORE.search(line)
    return _FLAT.match(line) is not None or (here is not None and _VERSION.search(line, here.end()) is not None)


def _pieces(whole: _Piece) -> Iterator[_Piece]:
    fenced = list(_fenced(whole))
    if fenced:
        for piece in fenced:
            yield from (inner for inner in _unwrapped(piece) if _CONFIGURATION.search(inner.text))
    else:
        yield from _unwrapped(whole)


def _fenced(whole: _Piece) -> Iterator[_Piece]:
    """The contents of fences and of Kong's blocks."""
    lines = whole.text.split("\n")
    at = 0
    while at < len(lines):
        fence, block = _FENCE.match(lines[at]), _BLOCK.match(lines[at])
        if fence is None and block is None:
            at += 1
            continue
        start = at + 1
        if fence is not None:
            closing = re.compile(rf"^[ \t>]*{re.escape(fence['ticks'][0])}{{{len(fence['ticks'])},}}[ \t]*$")
        else:
            assert block is not None
            closing = re.compile(rf"^\s*\{{%-?\s*end{block[1]}\b")
        at = next((index for index in range(start, len(lines)) if closing.match(lines[index])), len(lines))
        yield whole.within(start, "\n".join(lines[start:at]))
        at += 1


def _unwrapped(piece: _Piece) -> Iterator[_Piece]:
    """The YAML that shell commands have in them, or the text itself where there are none."""
    bodies = list(_here_documents(piece))
    found = [body for body, wanted in bodies if wanted] + list(_echoed(piece))
    yield from found if bodies or found else [piece]


def _here_documents(piece: _Piece) -> Iterator[tuple[_Piece, bool]]:
    """Each here-document, and whether it may be configuration: other languages have colons, too."""
    lines = piece.text.split("\n")
    places: defaultdict[str, list[int]] = defaultdict(list)  # of what each line is without its indent
    for index, line in enumerate(lines):
        places[line.strip()].append(index)
    at = 0
    while at < len(lines):
        here = _HERE.search(lines[at])
        if here is None:
            at += 1
            continue
        word, target = here[3], _TARGET.search(lines[at])
        end = _next(places.get(word, []), at + 1)
        if end is None:  # a merge key, or prose
            at += 1
            continue
        body = "\n".join(lines[at + 1 : end])
        fits = target is None or target[1].lower() in ("yaml", "yml", "json")
        yield piece.within(at + 1, body), fits and _CONFIGURATION.search(body) is not None
        at = end + 1


def _next(places: list[int], at: int) -> int | None:
    """The first of ``places``, in order, that is not before ``at``."""
    index = bisect.bisect_left(places, at)
    return places[index] if index < len(places) else None


def _echoed(piece: _Piece) -> Iterator[_Piece]:
    text, behind = piece.text, 0
    ends: dict[str, list[int]] = {"'": [], '"': []}
    for closing in _ECHOED.finditer(text):
        ends[closing[1]].append(closing.start())
    line_ends = _line_ends(text)
    for opening in _ECHO.finditer(text):
        end = _next(ends[opening[1]], opening.end()) if opening.start() >= behind else None
        if end is None:
            continue
        behind, body = end, text[opening.end() : end]
        if _CONFIGURATION.search(body):
            body = body if opening[1] == "'" else body.replace('\\"', '"')
            yield piece.within(bisect.bisect_left(line_ends, opening.end()), body)


def _line_ends(text: str) -> list[int]:
    """Where lines end: as many as are before a place, so many lines are before its own."""
    return [match.start() for match in re.finditer("\n", text)]


def _without_shortcodes(text: str) -> str:
    """Site generators' ``{{< reuse "docs/snippets/namespace.md" >}}`` become ``namespace``: something to go on with."""

    def stand_in(found: re.Match[str]) -> str:
        said = found[1]
        said = said[said[:1] in tuple("<%-") :]
        said = said[: len(said) - (said[-1:] in tuple(">%-"))].strip()
        if "\n" in said:
            return found[0]
        quoted = re.search(r'"([^"]*)"', said)
        name = (quoted[1] if quoted else said).rpartition("/")[2].removesuffix(".md")
        if said.lower().startswith("site."):
            name = said
        known = _SNIPPETS.get(name)
        return known or re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") or "template"

    return _SHORTCODE.sub(stand_in, text)


def _secret_commands(file: str, text: str) -> Iterator[SecretCommand]:
    line_ends = _line_ends(text)
    for found in _SECRET_COMMAND.finditer(text):
        line = bisect.bisect_left(line_ends, found.start())
        if not _KUBECTL.search(text, line_ends[line - 1] + 1 if line else 0, found.start() + 1):
            continue
        rest = found["rest"]
        name = next((word for word in rest.split() if not word.startswith(("-", "\\"))), "")
        values = {}
        for literal in _LITERAL.finditer(rest):
            key, _, value = (literal[1] or literal[2] or literal[3] or "").partition("=")
            values[key] = value
        if name and values:
            yield SecretCommand(file, line + 1, name, values)
