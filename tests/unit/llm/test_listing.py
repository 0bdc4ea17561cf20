"""A provider's list of models, as another dialect's client reads it."""

from __future__ import annotations

import orjson
from twisted.trial import unittest

from aigw.llm.listing import ListTranslation, list_translation
from aigw.llm.providers import provider

OPENAI = b'{"object":"list","data":[{"id":"gpt-4o","object":"model","created":5,"owned_by":"openai"}]}'
GEMINI = b'{"models":[{"name":"models/gemini-2.5-flash","displayName":"Flash"}]}'


def translation(name: str, *, anthropic: bool = False) -> ListTranslation:
    made = list_translation(provider(name), anthropic=anthropic)
    assert isinstance(made, ListTranslation)
    return made


class ListingTests(unittest.TestCase):
    """Which lists are translated, and into what."""

    def test_where_the_shape_is_the_clients(self) -> None:
        """The list goes through as it is."""
        for name in ("openai", "openai-compatible", "azure", "mistral"):
            self.assertIsNone(list_translation(provider(name), anthropic=False))
        self.assertIsNone(list_translation(provider("anthropic"), anthropic=True))

    def test_for_anthropics_client(self) -> None:
        """OpenAI's list."""
        body = orjson.loads(translation("openai", anthropic=True).whole(OPENAI, "r").body)
        self.assertEqual([model["id"] for model in body["data"]], ["gpt-4o"])
        self.assertEqual((body["first_id"], body["has_more"]), ("gpt-4o", False))

    def test_for_openais_client(self) -> None:
        """A list that no client reads."""
        body = orjson.loads(translation("gemini").whole(GEMINI, "r").body)
        self.assertEqual([(model["id"], model["object"]) for model in body["data"]], [("gemini-2.5-flash", "model")])

    def test_errors(self) -> None:
        """In the client's dialect."""
        refusal = b'{"type":"error","error":{"type":"authentication_error","message":"bad key"}}'
        answer = translation("anthropic").error(401, [], refusal, "r")
        self.assertEqual((answer.status, orjson.loads(answer.body)["error"]["message"]), (401, "bad key"))
        self.assertEqual(translation("gemini").whole(b"<html>", "r").status, 502)
        answer = translation("openai", anthropic=True).error(500, [], b"", "r")
        self.assertEqual(orjson.loads(answer.body)["type"], "error")
