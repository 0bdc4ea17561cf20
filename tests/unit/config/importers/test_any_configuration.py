"""Any configuration at all: it is imported, and passes the check, or it is refused with a place; nothing of it gets lost,
and no secret gets out."""

from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers import Imported, import_texts
from aigw.config.settings import load
from aigw.snapshot import check
from tests.unit.config.importers.accounts import AccountTestCase, documents_of, dumped, paths
from tests.unit.config.importers.grammar import kong, kubernetes
from tests.unit.config.importers.test_samples import ENVIRON, samples

#: More of them: AIGW_EXAMPLES=1000.
EXAMPLES = int(os.environ.get("AIGW_EXAMPLES", "25"))
FEW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
SOURCES = [path for path in samples() if path.name not in ("README.md", "gloo-flattened.txt")]


def flat(path: Path) -> list[Any]:
    return documents_of(path.read_text())


class AnyConfigurationTests(AccountTestCase):
    """See the module's head."""

    def imported(self, text: str) -> Imported | None:
        """What comes of a text: good settings, or None where it is refused, with places."""
        try:
            found = import_texts([("file", text)], ENVIRON)
        except ConfigError as error:
            self.assertTrue(error.problems)
            for problem in error.problems:
                self.assertTrue(problem.line or "nothing that aigw" in problem.message or "in it (" in problem.message)
            return None
        path = Path(self.mktemp())
        path.write_text(found.text)
        try:
            loaded = load(path, {}, read_secrets=False)
        except ConfigError as error:
            self.refused(found, error.problems, text)
            return None
        self.refused(found, check(loaded), text)
        return found

    def refused(self, found: Imported, problems: list[Problem], text: str) -> None:
        """What only shows in the output is said of the input, at its place."""
        for problem in problems:
            at_home = found.at_home(problem)
            self.assertGreater(at_home.line, 0, f"{problem}\n{text}\n{found.text}")

    def look(self, documents: list[Any], chance: random.Random) -> None:
        """Import, and see where some leaves went."""
        text = dumped(documents)
        if self.imported(text) is not None:
            leaves = [(number, path) for number, document in enumerate(documents) for path in paths(document)]
            some = chance.sample(leaves, min(4, len(leaves)))
            self.assert_accounted(text, text, ENVIRON, only=some)

    @FEW
    @given(kong, st.randoms(use_true_random=False))
    def test_kong(self, document: Any, chance: random.Random) -> None:
        """From Kong's grammar."""
        self.look([document], chance)

    @FEW
    @given(kubernetes, st.randoms(use_true_random=False))
    def test_kubernetes(self, documents: list[Any], chance: random.Random) -> None:
        """From the grammar of the Kubernetes gateways."""
        self.look(documents, chance)

    @FEW
    @given(st.sampled_from(SOURCES), st.randoms(use_true_random=False))
    def test_mutations_of_samples(self, path: Path, chance: random.Random) -> None:
        """Real ones with something taken out, put in, exchanged or repeated."""
        documents = flat(path)
        for _ in range(chance.randint(1, 3)):
            documents = mutated(documents, chance)
        self.look(documents, chance)

    @FEW
    @given(st.sampled_from(SOURCES), st.data())
    def test_any_text(self, path: Path, data: st.DataObject) -> None:
        """Real ones with a piece of text cut out, or with rubbish in the middle: never anything but a ConfigError."""
        text = path.read_text()
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 200)))
        rubbish = data.draw(st.text(max_size=20))
        try:
            import_texts([("file", text[:start] + rubbish + text[end:])], ENVIRON)
        except ConfigError as error:
            self.assertTrue(error.problems)

    @FEW
    @given(st.one_of(kong.map(lambda one: [one]), kubernetes))
    def test_no_secret_is_said(self, documents: list[Any]) -> None:
        """Literal tokens and keys are in the file at most, never in what is said, nor in its comments."""
        text = dumped(documents)
        try:
            found = import_texts([("file", text)], ENVIRON)
            said = [*found.warnings, *found.notes]
            comments = [line for line in found.text.splitlines() if line.startswith("#")]
        except ConfigError as error:
            said, comments = list(error.problems), []
        for line in [*map(str, said), *comments]:
            for secret in ("sk-literal", "secret-1", "secret-2", "c2stbGl0ZXJhbA"):
                self.assertNotIn(secret, line)


def mutated(documents: list[Any], chance: random.Random) -> list[Any]:
    """The documents with one thing changed somewhere."""
    documents = copy.deepcopy(documents)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in items:
            places.append((value, key))
            walk(child)

    walk(documents)
    if not places:  # An earlier change took the only document
        return documents
    around, key = chance.choice(places)
    match chance.randint(0, 4):
        case 0 if around is not documents:
            del around[key]
        case 1:
            around[key] = chance.choice([None, True, 7, 0.5, "text", [], {}, ["a", {"b": "c"}], {"name": "n"}])
        case 2 if isinstance(around, list):
            around.append(copy.deepcopy(around[key]))
        case 3 if isinstance(around, dict):
            around[f"{key}-x"] = around.pop(key)
        case _:
            other, name = chance.choice(places)
            around[key] = copy.deepcopy(other[name]) if not _holds(other[name], around) else None
    return [document for document in documents if document is not None]


def _holds(value: Any, wanted: Any) -> bool:
    if value is wanted:
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds(child, wanted) for child in children)
