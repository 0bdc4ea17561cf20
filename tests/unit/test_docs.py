"""The pages of the documentation: that one finds a provider, and that links lead somewhere."""

from __future__ import annotations

import pathlib
import re

from twisted.trial import unittest

import aigw
from aigw.llm.providers import PROVIDERS

ROOT = pathlib.Path(aigw.__file__).parent.parent
DOCS = ROOT / "docs"


def anchors(page: pathlib.Path) -> set[str]:
    """What a page's headings are called in links, as GitHub makes it of them."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    titles = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


class DocsTestCase(unittest.TestCase):
    """Tests that are skipped where there are no pages: an installation has none."""

    def setUp(self) -> None:
        if not DOCS.exists():
            raise unittest.SkipTest("an installation has no docs")


class LinkTests(DocsTestCase):
    """Links among the pages."""

    def test_pages_and_headings_are_there(self) -> None:
        """Of every page: the file, and the heading in it."""
        broken = []
        for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "bench").glob("*.md")):
            if page.name == "CHANGELOG.md":
                continue
            text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
            for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
                file, _, anchor = target.partition("#")
                there = (page.parent / file).resolve() if file else page
                if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
                    broken.append(f"{page.relative_to(ROOT)}: {target}")
        self.assertEqual(broken, [])


class ProviderTests(DocsTestCase):
    """docs/providers/."""

    def test_index_has_every_provider(self) -> None:
        """With where it is, as the program knows it, and a page whose first lines can be copied."""
        rows = re.findall(r"(?m)^\| \[[^|]*\]\(([a-z]+\.md)[^)]*\)[^|]* \| `\"([a-z-]+)\"` \| ([^|]+) \|", self.index)
        self.assertEqual({name for _, name, _ in rows}, set(PROVIDERS))
        for page, name, where in rows:
            url = PROVIDERS[name].default_url
            if url is not None:
                self.assertEqual(where.strip(), f"`{url}`", name)
            self.assertTrue((DOCS / "providers" / page).exists(), page)
            if name != "echo":
                self.assertIn(
                    f'"{name}"', (DOCS / "providers" / page).read_text().partition("```toml")[2].partition("```")[0]
                )

    def test_every_page_is_on_the_index(self) -> None:
        pages = {page.name for page in (DOCS / "providers").glob("*.md")} - {"README.md"}
        self.assertEqual({page for page in pages if f"({page}" not in self.index}, set())

    @property
    def index(self) -> str:
        """The page that one lands on."""
        return (DOCS / "providers" / "README.md").read_text()
