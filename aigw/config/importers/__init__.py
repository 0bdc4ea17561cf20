"""Other gateways' configuration as aigw's: ``aigw import`` without the command line.

:func:`import_texts` takes what the files have, finds the documents (:mod:`.source`), tells by their content whose they
are, has them turned into a :class:`~aigw.config.importers.draft.Draft` (:mod:`.kong`, :mod:`.kubernetes`) and writes
it down (:mod:`.write`). No files, no network, no Twisted; the environment is an argument.

The promise: every value of the input is in the output, or in a warning that names its entity and its field, or in a
note that says why nothing is lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

import attrs

from aigw.config.dotted import dotted
from aigw.config.errors import ConfigError, Problem
from aigw.config.importers.draft import Draft
from aigw.config.importers.embedded import embedded
from aigw.config.importers.kong import import_kong, is_kong
from aigw.config.importers.kubernetes import import_kubernetes, is_kubernetes
from aigw.config.importers.nodes import Node
from aigw.config.importers.source import Source, read
from aigw.config.importers.write import document

#: What is between the names of a key's path.
_STEP = re.compile(r"[.\[]")
_LITELLM = "LiteLLM's configuration, which aigw import does not read"
_STANDALONE = "agentgateway's own configuration file; aigw import reads its Kubernetes resources"
#: Configuration of others, by keys that it has at its top.
_OTHERS = {
    "model_list": _LITELLM,
    "litellm_settings": _LITELLM,
    "binds": _STANDALONE,
    "gateways": _STANDALONE,
    "llm": _STANDALONE,
}


@attrs.frozen
class Imported:
    """What an import came to.

    :ivar text: a configuration file.
    :ivar warnings: what is different, or left out, by its place in the input.
    :ivar notes: what is left out and changes nothing.
    """

    text: str = attrs.field(repr=False)
    warnings: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    _draft: Draft = attrs.field(repr=False)
    _names: tuple[str, ...] = ()

    _places: dict[str, Node] = attrs.field(factory=dict, repr=False)

    def at_home(self, problem: Problem) -> Problem:
        """A problem of the output, with its place in the input."""
        if not self._places:
            entries = [entry for section in self._draft.sections.values() for entry in section.values()]
            self._places.update(
                {dotted((each.section, each.name)): each.origin for each in entries if each.origin is not None}
            )
        for end in [*(found.start() for found in _STEP.finditer(problem.key)), len(problem.key)]:
            at = self._places.get(problem.key[:end])
            if at is not None:
                return Problem(at.file, at.line, at.title, f"{problem.key}: {problem.message}")
        return Problem(self._names[0], 0, problem.key, problem.message)


def import_texts(
    texts: Iterable[tuple[str, str]], environ: Mapping[str, str] = os.environ, *, digests: bool = False
) -> Imported:
    """Turn configuration of Kong, agentgateway, kgateway or Gloo into aigw's.

    :param texts: each file's name, for messages, and what it has.
    :param environ: where variables are looked up that stand for anything but a secret.
    :param digests: write consumers' keys as their digests.
    :raises ConfigError: it cannot be read, contradicts itself, or has nothing for aigw; every problem with its line.
    """
    sources, problems, names = [], [], []
    for name, text in texts:
        names.append(name)
        try:
            sources.append(read(name, text))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    draft = drafted(sources, names, environ, digests)
    if draft.errors:
        raise ConfigError(draft.errors)
    if not draft.section("routes"):
        raise ConfigError(
            [
                *draft.warnings,
                Problem(names[0], 0, "", "has nothing that aigw could serve: no route to an LLM provider is left"),
            ]
        )
    return Imported(document(draft, names), _sorted(draft.warnings), _sorted(draft.notes), draft, tuple(names))


def drafted(sources: list[Source], names: list[str], environ: Mapping[str, str], digests: bool) -> Draft:
    """The configuration that the sources come to, errors and all; its documents' nodes say what became of them."""
    unread = [part for source in sources for part in source.unread]
    pages = frozenset(each.file for source in sources if source.page for each in source.documents)
    draft = Draft(digests=digests, closed=any(part.about_access for part in unread), pages=pages)
    documents = [each for source in sources for each in source.documents]
    for part in unread:
        draft.unread(part.problem)
    if not documents and not any(source.secrets for source in sources):
        raise ConfigError(
            [Problem(names[0], 0, "", "has no configuration in it (Kong's YAML, or Kubernetes resources)")]
        )
    documents = [inner for each in documents for inner in _inside(draft, each)]
    kong = [each for each in documents if is_kong(each)]
    kubernetes = [each for each in documents if is_kubernetes(each) and not is_kong(each)]
    _others(draft, sources)
    exports = list(dict.fromkeys(name for source in sources for name in source.exports))
    if kong:
        draft.attempt(import_kong, draft, kong, exports, environ)
    if kubernetes:
        commands = [each for source in sources for each in source.secrets]
        draft.attempt(import_kubernetes, draft, kubernetes, commands, environ)
    if not draft.errors:
        draft.close([*kong, *kubernetes])
    return draft


def _inside(draft: Draft, document: Node) -> list[Node]:
    """What is to be read of a document: what it holds, if that is all there is to it."""
    found = embedded(document)
    if found:
        document.label = f"ConfigMap {document.text('metadata', 'name') or '?'}"
        draft.note(document, "Kong's configuration in it is read")
    return found or [document]


def _others(draft: Draft, sources: list[Source]) -> None:
    """What belongs to neither: a mistake in a file, something else's configuration on a page."""
    for source in sources:
        for each in source.documents:
            if is_kubernetes(each) or is_kong(each):
                continue
            if source.page:
                each.report()
                draft.unread(_unknown(each))
            else:
                problem = _unknown(each)
                hint = ": import the others without it" if len(sources) > 1 else ""
                draft.errors.append(attrs.evolve(problem, message=problem.message + hint))


def _unknown(node: Node) -> Problem:
    known = next((text for key, text in _OTHERS.items() if node.get(key) is not None), None)
    return node.problem(f"is {known}" if known else "is neither Kong's configuration nor a Kubernetes resource")


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
