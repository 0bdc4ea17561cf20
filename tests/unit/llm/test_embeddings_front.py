"""OpenAI's embeddings in front."""

from __future__ import annotations

import base64
import struct
from typing import Any

import openai
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.dialects.embeddings import EmbeddingsFront
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.llm.wire import EmbeddingCall, Embeddings
from tests.unit.llm.sdk import openai_client

FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8)


def read(given_input: Any, **fields: Any) -> EmbeddingCall:
    return EmbeddingsFront().read({"model": "m", "input": given_input, **fields})


def written(embeddings: Embeddings, **fields: Any) -> bytes:
    return EmbeddingsFront().writer({"model": "m", "input": "x", **fields}).write(embeddings)


class RequestTests(unittest.TestCase):
    def test_inputs(self) -> None:
        """A text, tokens, or several of either."""
        for given_input, inputs in (
            ("a", ("a",)),
            (["a", "b"], ("a", "b")),
            ([1, 2], ([1, 2],)),
            ([[1, 2], [3]], ([1, 2], [3])),
        ):
            self.assertEqual(read(given_input).inputs, inputs)

    def test_wrong_inputs(self) -> None:
        """Refused by their place."""
        for given_input, param in (
            ("", "input[0]"),
            (["a", ""], "input[1]"),
            ([], "input"),
            (None, "input"),
            ({"a": 1}, "input"),
            ([[]], "input[0]"),
            (["a", 1], "input[1]"),
            ([1, True], "input[0]"),
            ([[1], [-1]], "input[1]"),
        ):
            self.assertEqual(self.assertRaises(BadRequest, read, given_input).param, param)

    def test_fields(self) -> None:
        """Dimensions, and what other providers need, by their own names."""
        call = read("a", dimensions=256, input_type="search_query", user="u", encoding_format="base64")
        self.assertEqual((call.model, call.dimensions), ("m", 256))
        self.assertEqual(call.options, {"input_type": "search_query", "user": "u"})
        for name, value in (
            ("dimensions", 0),
            ("dimensions", "256"),
            ("dimensions", True),
            ("encoding_format", "int8"),
        ):
            self.assertEqual(self.assertRaises(BadRequest, read, "a", **{name: value}).param, name)
        self.assertEqual(self.assertRaises(BadRequest, read, "a", encoding_format=["float"]).param, "encoding_format")

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=6))
    def test_any_input(self, given_input: Any) -> None:
        try:
            self.assertTrue(read(given_input).inputs)
        except BadRequest as error:
            self.assertTrue(error.param)


class ReplyTests(unittest.TestCase):
    def test_sdk_reads_both_encodings(self) -> None:
        """The same vectors, in their order, with usage and model."""
        vectors = ([0.5, -0.25, 0.1], [1.0, 0.0, 2.0])
        for asked in ("float", "base64"):
            body = written(Embeddings(vectors, Usage(input=7), "real"), encoding_format=asked)
            answer = openai_client(body).embeddings.create(model="m", input="x")
            for found, vector in zip(answer.data, vectors, strict=True):
                for one, other in zip(found.embedding, vector, strict=True):
                    self.assertAlmostEqual(one, other, places=6)
            self.assertEqual([found.index for found in answer.data], [0, 1])
            self.assertEqual((answer.usage.prompt_tokens, answer.usage.total_tokens, answer.model), (7, 7, "real"))

    def test_what_the_provider_does_not_tell(self) -> None:
        """The model that was asked for, and no tokens."""
        answer = orjson.loads(written(Embeddings(([1.0],))))
        self.assertEqual((answer["model"], answer["usage"]), ("m", {"prompt_tokens": 0, "total_tokens": 0}))

    @given(FLOATS)
    def test_base64_is_little_endian(self, vector: list[float]) -> None:
        """32 bits each."""
        told = orjson.loads(written(Embeddings((vector,)), encoding_format="base64"))["data"][0]["embedding"]
        self.assertEqual(list(struct.unpack(f"<{len(vector)}f", base64.b64decode(told))), vector)

    def test_too_large_for_32_bits(self) -> None:
        """Infinite, and no crash."""
        told = orjson.loads(written(Embeddings(([1e300],)), encoding_format="base64"))["data"][0]["embedding"]
        self.assertEqual(struct.unpack("<f", base64.b64decode(told)), (float("inf"),))

    def test_error_body(self) -> None:
        """OpenAI's form."""
        body = EmbeddingsFront().error(ProviderError(429, "rate_limit_error", "slow"), "r")
        call = openai_client(body, status=429).embeddings.create
        self.assertEqual(
            self.assertRaises(openai.RateLimitError, call, model="m", input="x").type, "rate_limit_exceeded"
        )
