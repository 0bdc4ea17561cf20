"""``GET …/models``: names that chat serves are there, one by one and, where they are names, in the list."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial import unittest

from aigw.consumers.consumer import Consumer, ModelPatterns
from aigw.errors import ModelNotFound
from aigw.web.catalogue import Catalogue

#: What ``smart``, ``team/best`` and ``gpt-*`` in ``[models]`` come to.
NAMES = {"smart": "anthropic", "team/best": "openai"}


def owner_of(name: str) -> str:
    """As the snapshot's models tell it."""
    return NAMES.get(name, "azure" if name.startswith("gpt-") else "")


def limited(*patterns: str) -> Consumer:
    return Consumer("c", models=ModelPatterns(patterns))


class CatalogueTests(unittest.SynchronousTestCase):
    """Catalogue"""

    def setUp(self) -> None:
        self.catalogue = Catalogue(NAMES.items(), owner_of)

    def listed(self, consumer: Consumer | None) -> list[tuple[str, str]]:
        body: Any = json.loads(self.catalogue.listing(consumer, anthropic=False))
        return [(each["id"], each["owned_by"]) for each in body["data"]]

    def test_one_that_a_wildcard_serves(self) -> None:
        """Is there in either dialect, with whose it is; the wildcard itself is what chat would take it for."""
        for name, owner in (("gpt-4o", "azure"), ("smart", "anthropic"), ("team/best", "openai")):
            found = json.loads(self.catalogue.one(name, None, anthropic=False))
            self.assertEqual((found["id"], found["object"], found["owned_by"]), (name, "model", owner))
            found = json.loads(self.catalogue.one(name, None, anthropic=True))
            self.assertEqual((found["id"], found["type"], found["display_name"]), (name, "model", name))

    def test_one_that_is_not_there(self) -> None:
        """Or not for this consumer, which is told the same."""
        refusals = [
            self.assertRaises(ModelNotFound, self.catalogue.one, name, consumer, anthropic=False)
            for name, consumer in (
                ("nothing", None),
                ("nothing", limited("nothing", "smart")),
                ("gpt-4o", limited("smart")),
                ("gpt-4o", limited()),
            )
        ]
        self.assertEqual({str(each) for each in refusals}, {"this model is not served here"})
        self.assertEqual({each.status for each in refusals}, {404})

    def test_the_list(self) -> None:
        """Has no wildcards, which nobody can ask for; of a limited consumer it has those names that one serves."""
        both = [("smart", "anthropic"), ("team/best", "openai")]
        for consumer, names in (
            (None, both),
            (Consumer("c"), both),
            (limited("*"), both),
            (limited("smart"), both[:1]),
            (limited("gpt-4o", "gpt-4o-*", "smart"), [*both[:1], ("gpt-4o", "azure")]),
            (limited("gpt-4o", "gpt-4o"), [("gpt-4o", "azure")]),
            (limited("other"), []),
            (limited(), []),
        ):
            self.assertEqual(self.listed(consumer), names)
