"""Finding configuration in what people have: YAML files, pages of documentation, shell commands.

A page is Markdown with its configuration in fences, in Kong's ``{% entity_examples %}`` blocks, or in here-documents
of shell commands (:mod:`.snippets`). What is around is prose and not looked at; where nothing of that kind is found,
the text is YAML as a whole. A file has to be YAML from its first line to its last; of a page, the documents that are
YAML are read, and the others are named.
"""

from __future__ import annotations

import bisect
import itertools
import re
import textwrap
from collections.abc import Iterator

import attrs

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers.loading import TEMPLATE, Bounds, documents
from aigw.config.importers.nodes import Node
from aigw.config.importers.snippets import Snippet, begins_as_configuration, line_ends, snippets

#: A here-document with something behind its word, and what tells that this is its YAML.
_HERE_AND_MORE = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1[ \t]+(?=\S)")
_VERSION = re.compile(r"\b(?:apiVersion|_format_version)\s*:")
_FLAT = re.compile(r"[ \t]*(?:---[ \t]+)?apiVersion:[ \t]+\S+[ \t]+(?:kind|metadata|spec):")
_SHORTCODE = re.compile(r"(?<!\$)\{\{([^{}]*)\}\}")
_SECRET_COMMAND = re.compile(r"[ \t]create[ \t]+secret[ \t]+generic[ \t]+(?P<rest>(?:[^\n\\]|\\\n|\\[ \t])+)")
_KUBECTL = re.compile(r"kubectl[ \t]")
_LITERAL = re.compile(r"""--from-literal[= ](?:"([^"]*)"|'([^']*)'|(\S+))""")
_MARKER = re.compile(r"^---(?=[ \t\n]|$)", re.MULTILINE)
_EXPORT = re.compile(r"^[ \t]*export[ \t]+([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
#: What says who may come in: of a part of a page that cannot be read, that is all there is to go by.
_ABOUT_ACCESS = re.compile(
    r"\bkind[ \t]*:[ \t]*['\"]?\w*(?:Policy|Option|AuthConfig)\b"
    r"|\bname[ \t]*:[ \t]*['\"]?(?:acl|basic-auth|hmac-auth|jwt|key-auth|ldap-auth|mtls-auth|oauth2|openid-connect)\b"
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
class Unread:
    """A part of a page that is not YAML.

    :ivar about_access: something in it may say who may come in.
    """

    problem: Problem
    about_access: bool


@attrs.define
class Source:
    """What one file has.

    :ivar documents: its YAML documents that may be configuration.
    :ivar exports: the variables that a page has its reader export.
    :ivar page: it is a page or a script, whose other snippets need not be configuration.
    :ivar unread: the parts of a page that could not be read.
    """

    documents: list[Node] = attrs.field(factory=list)
    secrets: list[SecretCommand] = attrs.field(factory=list)
    exports: list[str] = attrs.field(factory=list)
    page: bool = False
    unread: list[Unread] = attrs.field(factory=list)


def read(file: str, text: str) -> Source:
    """What is to be imported from a text.

    :param file: what it is called in messages.
    :raises ConfigError: it is not YAML where it should be, or nothing of it is; the problems name the lines.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    source = Source(secrets=list(_secret_commands(file, text)), exports=list(dict.fromkeys(_EXPORT.findall(text))))
    found, broken = snippets(text), list(_flattened(file, text))
    if begins_as_configuration(text) or (found is None and not broken):
        try:
            source.documents = _documents(file, Snippet(0, text), Bounds())
            return source
        except ConfigError as error:
            if not found:
                raise
            broken += [Unread(problem, False) for problem in error.problems]
    source.page, source.unread = True, broken
    bounds = Bounds()
    for snippet in found or ():
        _read_snippet(file, snippet, source, bounds)
    if source.unread and not source.documents:
        raise ConfigError(unread.problem for unread in source.unread)
    return source


def _documents(file: str, snippet: Snippet, bounds: Bounds) -> list[Node]:
    text = _without_shortcodes(textwrap.dedent(snippet.text))
    try:
        return documents(file, text, lines_before=snippet.start, bounds=bounds)
    except ConfigError as error:
        lines = snippet.text.split("\n")
        raise ConfigError(_hinted(problem, lines, snippet.start) for problem in error.problems) from None


def _hinted(problem: Problem, lines: list[str], before: int) -> Problem:
    """A problem where a template's directive was, or behind one: what was put in its place says nothing of that."""
    at = problem.line - before - 1
    if TEMPLATE in problem.message or not any("{{" in line for line in lines[max(0, at - 1) : at + 1]):
        return problem
    return attrs.evolve(problem, message=problem.message + TEMPLATE)


def _read_snippet(file: str, snippet: Snippet, source: Source, bounds: Bounds) -> None:
    """All documents of a snippet; where it is not YAML as a whole, each that is."""
    try:
        source.documents += _documents(file, snippet, bounds)
        return
    except ConfigError:
        pass
    for part in _parts(Snippet(snippet.start, textwrap.dedent(snippet.text))):
        try:
            source.documents += _documents(file, part, bounds)
        except ConfigError as error:
            about_access = _ABOUT_ACCESS.search(part.text) is not None
            source.unread += [Unread(problem, about_access) for problem in error.problems]


def _parts(snippet: Snippet) -> Iterator[Snippet]:
    """What is between the markers of documents, which stand nowhere else at the beginning of a line."""
    ends = line_ends(snippet.text)
    places = [0, *(marker.start() for marker in _MARKER.finditer(snippet.text)), len(snippet.text)]
    for start, end in itertools.pairwise(places):
        yield snippet.within(bisect.bisect_left(ends, start), snippet.text[start:end])


def _flattened(file: str, text: str) -> Iterator[Unread]:
    """Parts that were saved with their line breaks lost: YAML's meaning is in them, so nothing can be made of these."""
    why = "the YAML here is all on one line: its line breaks are lost (restore them, or save the page anew)"
    for at, line in enumerate(text.split("\n"), 1):
        if _is_flattened(line):
            yield Unread(Problem(file, at, "", why), _ABOUT_ACCESS.search(line) is not None)


def _is_flattened(line: str) -> bool:
    here = _HERE_AND_MORE.search(line)
    return _FLAT.match(line) is not None or (here is not None and _VERSION.search(line, here.end()) is not None)


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
    ends = line_ends(text)
    for found in _SECRET_COMMAND.finditer(text):
        line = bisect.bisect_left(ends, found.start())
        if not _KUBECTL.search(text, ends[line - 1] + 1 if line else 0, found.start() + 1):
            continue
        rest = found["rest"]
        name = next((word for word in rest.split() if not word.startswith(("-", "\\"))), "")
        values = {}
        for literal in _LITERAL.finditer(rest):
            key, _, value = (literal[1] or literal[2] or literal[3] or "").partition("=")
            values[key] = value
        if name and values:
            yield SecretCommand(file, line + 1, name, values)
