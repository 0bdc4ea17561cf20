"""Real configurations of other gateways: what becomes of each, to the letter, and that nothing of any is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial import unittest

from aigw.config.errors import ConfigError, Problem
from aigw.config.importers import import_texts
from aigw.config.settings import Settings, load
from aigw.snapshot import check
from tests.unit.config.importers.accounts import AccountTestCase

SAMPLES = Path(__file__).parent / "samples"
PAGES = Path(__file__).parent / "pages"

#: What somebody who imports these would have set.
ENVIRON = {
    "DECK_AZURE_INSTANCE_NAME": "my-instance",
    "DECK_AZURE_DEPLOYMENT_ID": "my-deployment",
    "DECK_AWS_REGION": "us-west-2",
    "DECK_VLLM_UPSTREAM_URL": "http://vllm.example.com:8000/v1/chat/completions",
    "ENDPOINT": "my-endpoint.openai.azure.com",
    "DEPLOYMENT_NAME": "gpt-4o-mini",
}

#: Samples that are refused as a whole, since aigw has nothing for them, with words of the reason.
REFUSED = {
    "deck-consumer-groups": "nothing that aigw could serve",
    "deck-format-1.1": "no AI plugin acts on it",
    "deck-lookup-tags": "nothing that aigw could serve",
    "gloo-flattened": "line breaks are lost",
    "kgateway-backends-alone": "no file has an HTTPRoute",
    "kgateway-static": "is a backend at a fixed address",
    "kong-databricks": "databricks is a provider that aigw does not have",
    "kong-gemini-native": "is a dialect that aigw's clients cannot speak",
    "kong-huggingface": "huggingface is a provider that aigw does not have",
    "kong-semantic": "semantic: aigw does not choose by what a prompt says",
    "kong-speech": "audio/v1/audio/speech is an operation that aigw does not have",
}


def samples() -> Iterator[Path]:
    """All of them, the pages of the end-to-end tests included."""
    for directory in (SAMPLES, PAGES):
        yield from sorted(each for each in directory.iterdir() if each.suffix in (".yaml", ".md", ".txt"))


def outcome(path: Path) -> str:
    """Everything that an import says, in one text."""
    try:
        imported = import_texts([(path.name, path.read_text())], ENVIRON)
    except ConfigError as error:
        return f"{error}\n"
    lines = [problem.text("warning: ") for problem in imported.warnings]
    lines += [problem.text("note: ") for problem in imported.notes]
    return imported.text + "".join(f"{line}\n" for line in lines)


def golden(path: Path) -> Path:
    return SAMPLES / "golden" / f"{path.stem}.txt"


class SampleTests(unittest.TestCase):
    """Each sample by itself."""

    maxDiff = None

    def imported(self) -> Iterator[tuple[Path, Settings]]:
        """The samples that are not refused, with the settings that came of them."""
        for path in samples():
            if path.stem in REFUSED or path.name == "README.md":
                continue
            imported = import_texts([(path.name, path.read_text())], ENVIRON)
            file = Path(self.mktemp())
            file.write_text(imported.text)
            yield path, load(file, {}, read_secrets=False)

    def test_there_are_enough(self) -> None:
        self.assertGreaterEqual(len([path for path in samples() if path.parent == SAMPLES]) - 1, 40)

    def test_to_the_letter(self) -> None:
        for path in samples():
            if path.name != "README.md":
                self.assertEqual(outcome(path), golden(path).read_text(), path.name)

    def test_refused_ones_say_why_and_where(self) -> None:
        for path in samples():
            if path.stem not in REFUSED:
                continue
            error = self.assertRaises(ConfigError, import_texts, [(path.name, path.read_text())], ENVIRON)
            reasons = [problem for problem in error.problems if REFUSED[path.stem] in problem.message]
            self.assertTrue(reasons, f"{path.name}: {error}")
            if "nothing" not in REFUSED[path.stem]:
                self.assertGreater(reasons[0].line, 0, path.name)

    def test_the_others_pass_the_check(self) -> None:
        """The settings' own, and what shows when all is put together."""
        count = 0
        for path, settings in self.imported():
            problems: list[Problem] = [one for one in check(settings) if "not available" not in one.message]
            self.assertEqual(problems, [], path.name)
            count += 1
        self.assertGreaterEqual(count, 40)

    def test_routes_lead_to_something(self) -> None:
        """No sample becomes a file that serves nothing, or backends that nobody can reach."""
        for path, settings in self.imported():
            self.assertTrue(settings.routes, path.name)
            unused = [warning for warning in settings.warnings if "uses this backend" in warning.message]
            self.assertEqual(unused, [], path.name)


class SampleAccountTests(AccountTestCase):
    """Nothing of any sample is dropped in silence."""

    def test_every_leaf_is_accounted_for(self) -> None:
        for path in samples():
            if path.name not in ("README.md", "gloo-flattened.txt"):
                self.assert_accounted(path.name, path.read_text(), ENVIRON)


if __name__ == "__main__":
    for each in samples():
        if each.name != "README.md":
            golden(each).parent.mkdir(exist_ok=True)
            golden(each).write_text(outcome(each))
    sys.exit(0)
