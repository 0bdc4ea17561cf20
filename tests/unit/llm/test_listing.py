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

    def test_what_a_client_may_see(self) -> None:
        """The rest of the list stays as it is, also where it need not be translated."""
        openai = {
            "object": "list",
            "data": [{"id": "a", "context_length": 5}, {"id": "b"}, {"name": "a", "x": 1}, "a", None, {"id": 5}],
            "models": [{"model": "b"}, {"model": "a"}],
            "more": ["b"],
        }
        seen = {
            "object": "list",
            "data": [{"id": "a", "context_length": 5}, {"name": "a", "x": 1}],
            "models": [{"model": "a"}],
            "more": ["b"],
        }
        for name, anthropic, body, expected in (
            ("openai", False, openai, seen),
            ("openai-compatible", False, [{"id": "b"}, {"id": "a"}], [{"id": "a"}]),
            ("openai", False, {"data": None}, {"data": None}),
            ("openai", False, 5, 5),
            (
                "anthropic",
                True,
                {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "first_id": "a", "last_id": "b"},
                {"data": [{"id": "a"}], "has_more": True, "first_id": "a", "last_id": "b"},
            ),
        ):
            made = list_translation(provider(name), anthropic, lambda model: model == "a")
            assert made is not None
            answer = made.whole(orjson.dumps(body), "r")
            self.assertEqual((answer.status, orjson.loads(answer.body)), (200, expected), name)
        made = list_translation(provider("gemini"), False, lambda model: model == "other")
        assert made is not None
        self.assertEqual(orjson.loads(made.whole(GEMINI, "r").body)["data"], [])
        self.assertEqual(made.whole(b"<html>", "r").status, 502)

    def test_one_model(self) -> None:
        """As a client of another dialect reads it; what is in its own is left alone."""
        for name, anthropic, body, expected in (
            ("gemini", False, {"name": "models/gemini-2.5-flash"}, ("gemini-2.5-flash", "object", "model")),
            (
                "anthropic",
                False,
                {"type": "model", "id": "c", "created_at": "2025-01-01T00:00:00Z"},
                ("c", "object", "model"),
            ),
            ("openai", True, {"id": "gpt-4o", "object": "model", "created": 5}, ("gpt-4o", "type", "model")),
        ):
            made = list_translation(provider(name), anthropic, lambda model: False, one=True)
            assert made is not None
            answer = made.whole(orjson.dumps(body), "r")
            found = orjson.loads(answer.body)
            self.assertEqual((answer.status, found["id"], found[expected[1]]), (200, expected[0], expected[2]), name)
            for odd in (b"{}", b"[]", b"5", b"x"):
                self.assertEqual(made.whole(odd, "r").status, 502, odd)
        self.assertIsNone(list_translation(provider("openai"), False, lambda model: False, one=True))
