"""Lists of models, translated."""

from __future__ import annotations

import datetime
from typing import Any

import anthropic
import httpx2
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.dialects.models import ListedModel, anthropic_list, openai_list, read_models, seconds
from aigw.llm.providers import PROVIDERS
from tests.unit.llm.sdk import openai_client

LISTS: dict[str, tuple[Any, list[ListedModel]]] = {
    "openai": (
        {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "system"}]},
        [ListedModel("gpt-4o", 1715367049, "system")],
    ),
    "anthropic": (
        {
            "data": [
                {
                    "type": "model",
                    "id": "claude-sonnet-4-20250514",
                    "display_name": "Claude Sonnet 4",
                    "created_at": "2025-05-14T00:00:00Z",
                }
            ],
            "has_more": False,
            "first_id": "claude-sonnet-4-20250514",
            "last_id": "claude-sonnet-4-20250514",
        },
        [ListedModel("claude-sonnet-4-20250514", 1747180800, "anthropic", "Claude Sonnet 4")],
    ),
    "gemini": (
        {
            "models": [
                {
                    "name": "models/gemini-2.5-flash",
                    "displayName": "Gemini 2.5 Flash",
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                },
                {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
                {"name": "models/aqa", "supportedGenerationMethods": ["generateAnswer"]},
            ],
            "nextPageToken": "x",
        },
        [
            ListedModel("gemini-2.5-flash", 0, "gemini", "Gemini 2.5 Flash"),
            ListedModel("gemini-embedding-001", 0, "gemini"),
        ],
    ),
    "vertex": (
        {"publisherModels": [{"name": "publishers/google/models/gemini-2.5-pro", "versionId": "default"}]},
        [ListedModel("gemini-2.5-pro", 0, "vertex")],
    ),
    "ollama": (
        {
            "models": [
                {"name": "llama3.2:latest", "model": "llama3.2:latest", "modified_at": "2024-11-30T15:16:17.123+01:00"}
            ]
        },
        [ListedModel("llama3.2:latest", 1732976177, "ollama")],
    ),
    "cohere": (
        {
            "models": [
                {"name": "command-a-03-2025", "endpoints": ["chat"]},
                {"name": "rerank-v3.5", "endpoints": ["rerank"]},
            ]
        },
        [ListedModel("command-a-03-2025", 0, "cohere")],
    ),
    "mistral": (
        {
            "object": "list",
            "data": [{"id": "mistral-large-latest", "created": 1720000000, "owned_by": "mistralai", "name": "Large"}],
        },
        [ListedModel("mistral-large-latest", 1720000000, "mistralai", "Large")],
    ),
    "azure": (
        {"data": [{"id": "gpt-4o-2024-08-06", "object": "model", "created_at": 1}]},
        [ListedModel("gpt-4o-2024-08-06", 0, "azure")],
    ),
    "bedrock": (
        {"modelSummaries": [{"modelId": "amazon.nova-pro-v1:0", "modelName": "Nova Pro", "providerName": "Amazon"}]},
        [ListedModel("amazon.nova-pro-v1:0", 0, "Amazon", "Nova Pro")],
    ),
    "openai-compatible": ([{"id": "Qwen/Qwen3"}], [ListedModel("Qwen/Qwen3", 0, "openai-compatible")]),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "created", "created_at", "models", "data", "endpoints"]), inner
        )
    ),
    max_leaves=12,
)


class ReadTests(unittest.TestCase):
    def test_lists_of_all_providers(self) -> None:
        """Each provider's shape, as it sends it; models for other things than calls are left out."""
        for provider, (fields, expected) in LISTS.items():
            self.assertEqual(read_models(provider, fields), expected, provider)
        self.assertEqual(set(LISTS) | {"echo"}, set(PROVIDERS))

    def test_times(self) -> None:
        """Seconds, dates, and what is neither."""
        for value, expected in (
            (1, 1),
            (1.9, 1),
            ("1970-01-01T00:00:10Z", 10),
            ("1970-01-01T00:00:10", 10),
            ("2024-01-01", 1704067200),
            ("yesterday", 0),
            ("1950-01-01", 0),
            (True, 0),
            (-1, 0),
            (1e300, 0),
            (None, 0),
            ([1], 0),
        ):
            self.assertEqual(seconds(value), expected, value)

    @given(st.sampled_from(sorted(LISTS)), JSON)
    def test_any_json(self, provider: str, fields: Any) -> None:
        """Never raises, and what comes out can be written."""
        models = read_models(provider, fields)
        orjson.dumps([openai_list(models), anthropic_list(models)])


class WriteTests(unittest.TestCase):
    models = (ListedModel("a/b:c", 1700000000, "me", "A"), ListedModel("d"))

    def test_openai(self) -> None:
        """As its SDK reads it."""
        page = openai_client(orjson.dumps(openai_list(self.models))).models.list()
        found = [(model.id, model.created, model.owned_by, model.object) for model in page]
        self.assertEqual(found, [("a/b:c", 1700000000, "me", "model"), ("d", 0, "aigw", "model")])

    def test_anthropic(self) -> None:
        """As its SDK reads it."""

        def answer(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json=anthropic_list(self.models))

        http = httpx2.Client(transport=httpx2.MockTransport(answer))
        page = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http).models.list()
        self.assertEqual([(model.id, model.display_name) for model in page.data], [("a/b:c", "A"), ("d", "d")])
        created = datetime.datetime.fromtimestamp(1700000000, datetime.UTC)
        self.assertEqual((page.data[0].created_at, page.has_more, page.last_id), (created, False, "d"))

    def test_empty(self) -> None:
        """A list of nothing."""
        self.assertEqual(openai_list([]), {"object": "list", "data": []})
        self.assertEqual(anthropic_list([]), {"data": [], "has_more": False, "first_id": None, "last_id": None})
