"""The programs that ``docs/clients.md`` shows for SDKs and frameworks, run as they are printed.

Each of them prints the words of one streamed answer. What its users see of a wrong key, of a model that nobody serves
and of a provider that fails in the middle of its answer is what it leaves on its standard error: each ends with a
status other than 0, and says there what the gateway or the provider said.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable

import attrs
import yaml
from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred, gatherResults
from twisted.trial import unittest

from aigw.testing.openai import TEXT
from aigw.testing.said import BUSY, Said
from tests.dist.client import CLIENTS, KEY, PROVIDERS, ClientTestCase, Page
from tests.dist.daemon import CHECKOUT, Finished

HEADINGS = (
    "OpenAI SDK",
    "Anthropic SDK",
    "Google GenAI SDK",
    "Mistral SDK",
    "Cohere SDK",
    "LangChain",
    "Vercel AI SDK",
)
#: Which provider serves a model of this name.
SERVED = {
    "gpt-6.1-sol": "openai",
    "claude-sonnet-5-5": "anthropic",
    "gemini": "gemini",
    "mistral": "mistral",
    "command": "cohere",
}
#: The models of the two dialects that the gateway translates between.
OTHER = {"gpt-6.1-sol": "claude-sonnet-5-5", "claude-sonnet-5-5": "gpt-6.1-sol"}
NOBODYS = "nobody-has-this-model"


@attrs.frozen
class Example:
    """One program of the page.

    :ivar model: the name that it asks for.
    """

    heading: str
    language: str
    model: str
    text: str

    def __str__(self) -> str:
        return f"{self.heading}, {self.language}: {self.model}"

    @property
    def provider(self) -> str:
        """Who serves this model, by its beginning."""
        return next(provider for name, provider in SERVED.items() if self.model.startswith(name))

    def with_model(self, model: str) -> Example:
        """The same program, with another model's name in it."""
        return attrs.evolve(self, model=model, text=self.text.replace(self.model, model))

    def command(self, text: str) -> list[str]:
        """How it is run with this text."""
        return ["python", "-c", text] if self.language == "python" else ["node", "example.mjs"]


def example(heading: str, language: str, text: str) -> Example:
    """A program of the page; the model is the first text in it that begins as one."""
    found = re.search(rf"""["']((?:{"|".join(map(re.escape, SERVED))})[^"']*)["']""", text)
    assert found is not None, text
    return Example(heading, language, found[1], text)


EXAMPLES = [
    example(heading, language, text)
    for heading in HEADINGS
    for language in ("python", "js")
    for text in Page.of(heading).blocks(language)
]
#: Those whose model the request's body names, so that it can be another provider's or nobody's.
BY_MODEL = [each for each in EXAMPLES if each.model in OTHER]


class PageTests(unittest.TestCase):
    """What can be said of the page without its clients."""

    def sections(self) -> dict[str, Page]:
        """Its clients."""
        text = (CHECKOUT / "docs" / "clients.md").read_text()
        return {heading: Page.of(heading) for heading in re.findall(r"^## (.+)$", text, re.M)}

    def test_each_client_is_listed_and_names_its_source(self) -> None:
        """The table at the top leads to each section, and each says where its settings are from."""
        table = re.findall(r"\[[^\]]+\]\(#([\w-]+)\)", Page.of("Clients").text)
        self.assertEqual(table, [heading.lower().replace(" ", "-") for heading in self.sections()])
        for heading, page in self.sections().items():
            self.assertRegex(page.text, r"(?m)^Source: \[[^\]]+\]\(https://", heading)

    def test_files_can_be_read(self) -> None:
        """Each JSON, TOML and YAML block is one, for the clients that no test runs, too."""
        readers: dict[str, Callable[[str], object]] = {
            "json": json.loads,
            "toml": tomllib.loads,
            "yaml": yaml.safe_load,
        }
        read = [
            readers[language](block)
            for page in self.sections().values()
            for language in readers
            for block in page.blocks(language)
        ]
        self.assertGreaterEqual(len(read), 7)


class ExampleTests(ClientTestCase):
    """Every program of the page, two at a time."""

    def run_example(self, example: Example, number: int, key: str) -> Deferred[Finished]:
        """Run one in a folder of its own, where JavaScript finds its packages."""
        text = self.here(example.text, key)
        folder = self.fresh_directory(f"example-{number}")
        (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
        (folder / "example.mjs").write_text(text)
        return ensureDeferred(self.run_client(example.heading, example.command(text), key=key, folder=folder))

    async def each(self, examples: list[Example], look: Callable[[Finished], str], key: str = KEY) -> None:
        """Run each of them; ``look`` says what is wrong with what one left, if something is."""
        slots = DeferredSemaphore(2)
        running = [slots.run(self.run_example, each, number, key) for number, each in enumerate(examples)]
        finished = await gatherResults(running, consumeErrors=True)
        wrong = [f"{each}: {look(left)}" for each, left in zip(examples, finished, strict=True) if look(left)]
        self.assertEqual(wrong, [], "\n".join(wrong))

    def answered(self, finished: Finished) -> str:
        """It printed the answer and nothing else."""
        return "" if (finished.status, finished.stdout) == (0, TEXT) else f"no answer: {finished}"

    def refused(self, words: str) -> Callable[[Finished], str]:
        """It ended with an error that has these words."""

        def look(finished: Finished) -> str:
            told = finished.status != 0 and words in finished.stderr
            return "" if told else f"does not say {words!r}: {finished}"

        return look

    def test_there_are_examples(self) -> None:
        """Python's and JavaScript's, of each section; a block that is written in another way would be none."""
        self.assertEqual({example.heading for example in EXAMPLES}, set(HEADINGS))
        self.assertGreaterEqual(len(EXAMPLES), 15)

    async def test_answers(self) -> None:
        """The answer comes streamed, from the provider whose model it is, which saw nothing of the consumer's key."""
        await self.start()
        await self.each(EXAMPLES, self.answered)
        for name in PROVIDERS:
            expected = sum(example.provider == name for example in EXAMPLES)
            self.assertEqual(len(self.asked(name)), expected, name)

    async def test_models_of_another_dialect(self) -> None:
        """OpenAI's clients are served by Anthropic, and Anthropic's by OpenAI."""
        await self.start()
        swapped = [each.with_model(OTHER[each.model]) for each in BY_MODEL]
        await self.each(swapped, self.answered)
        for name in ("openai", "anthropic"):
            expected = sum(example.provider == name for example in swapped)
            self.assertEqual(len(self.asked(name)), expected, name)

    async def test_wrong_key(self) -> None:
        """Says that the key is the matter, and no provider is asked."""
        await self.start()
        await self.each(EXAMPLES, self.refused("Unauthorized"), key="not-a-key")
        self.assertEqual([name for name in PROVIDERS if self.asked(name)], [])

    async def test_unknown_model(self) -> None:
        """Names the model."""
        await self.start()
        await self.each([each.with_model(NOBODYS) for each in BY_MODEL], self.refused(NOBODYS))

    async def test_failure_in_the_middle(self) -> None:
        """Says what the provider said, after its first words.

        Mistral's and Cohere's SDKs are left out: what they are told on their raw routes is the provider's own, and
        they do not show it.
        """
        await self.start()
        for name, provider in PROVIDERS.items():
            self.upstreams[name].standing = provider.failing(Said())
        told = [each for each in EXAMPLES if each.provider not in ("mistral", "cohere")]
        await self.each(told, self.refused(BUSY))

    async def test_failure_of_another_dialect_in_the_middle(self) -> None:
        """Is told in the client's own dialect, with the provider's words."""
        await self.start()
        for name in ("openai", "anthropic"):
            self.upstreams[name].standing = PROVIDERS[name].failing(Said())
        await self.each([each.with_model(OTHER[each.model]) for each in BY_MODEL], self.refused(BUSY))
