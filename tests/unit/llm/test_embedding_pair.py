"""Embeddings across dialects. The provider here is made up."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.embedding_pair import EmbeddingPair, EmbeddingTranslation
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest


class Acme:
    """A provider whose vectors are a list of lists."""

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        return WireRequest(b"/embed", {"texts": list(call.inputs), "size": call.dimensions, **call.options})

    def embeddings(self, fields: Any) -> Embeddings:
        if not isinstance(fields, list):
            raise ValueError("not a list")
        return Embeddings(tuple(fields), Usage(input=4), "acme-embed")

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return ProviderError(429, "rate_limit_error", body.decode(), retry_after=3)


def translation(defaults: Any = (), overrides: Any = (), **fields: Any) -> EmbeddingTranslation:
    pair = EmbeddingPair(Acme(), Adjustments(defaults=dict(defaults), overrides=dict(overrides)))
    return pair.translate({"model": "m", "input": "hi", **fields}, "a", 1.0)


class EmbeddingPairTests(unittest.TestCase):
    """There and back."""

    def test_request(self) -> None:
        """The client's own fields go along."""
        body = translation(input=["a", "b"], dimensions=3, input_type="query").request.body
        self.assertEqual(body, {"texts": ["a", "b"], "size": 3, "input_type": "query"})

    def test_adjustments(self) -> None:
        """The client's vocabulary before, the provider's behind; what is for conversations not at all."""
        body = translation({"truncate": "END", "max_tokens": 5}, {"dimensions": 8, "temperature": 1}).request.body
        self.assertEqual(body, {"texts": ["hi"], "size": 8, "truncate": "END"})

    def test_malformed(self) -> None:
        """Is refused before anything is sent."""
        self.assertRaises(BadRequest, translation, input=[])

    def test_answer(self) -> None:
        """With its usage and the provider's name for the model."""
        answer = translation().whole(b"[[1.0,2.0]]", "r")
        body = orjson.loads(answer.body)
        self.assertEqual((body["data"][0]["embedding"], body["model"]), ([1.0, 2.0], "acme-embed"))
        self.assertEqual((answer.status, answer.usage), (200, Usage(input=4)))

    def test_no_answer(self) -> None:
        """JSON that has none, and what is no JSON: 502."""
        for body in (b"{}", b"<html>"):
            self.assertEqual(translation().whole(body, "r").status, 502)

    def test_error(self) -> None:
        """In OpenAI's shape."""
        answer = translation().error(400, [], b"slow", "r")
        self.assertEqual((answer.status, answer.retry_after), (429, 3))
        self.assertEqual(orjson.loads(answer.body)["error"]["message"], "slow")

    def test_never_a_stream(self) -> None:
        """Whatever the provider calls it."""
        self.assertFalse(translation().is_stream(b"text/event-stream"))
