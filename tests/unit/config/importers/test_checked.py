"""What is imported passes ``aigw check``: every provider, credential, operation and shape of route, one with the other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.importers import import_texts
from aigw.config.settings import load
from aigw.snapshot import check

Fields = dict[str, Any]

URL = {"upstream_url": "http://llm.example.com:8000/v1/chat/completions"}
#: Kong's providers, with what each needs.
KONG: dict[str, Fields] = {
    "openai": {},
    "azure": {"azure_instance": "i", "azure_deployment_id": "d", "azure_api_version": "2024-10-21"},
    "anthropic": {"anthropic_version": "2023-06-01"},
    "bedrock": {"bedrock": {"aws_region": "eu-central-1"}},
    "gemini": {"gemini": {"project_id": "p-1", "location_id": "europe-west4", "api_endpoint": "vertex.example.com"}},
    "mistral": {"mistral_format": "openai"},
    "llama2": {"llama2_format": "ollama", "upstream_url": "http://llm.example.com:11434/api/chat"},
    **dict.fromkeys(("huggingface", "databricks", "vllm"), URL),
    **{name: {} for name in ("cerebras", "cohere", "dashscope", "deepseek", "kimi", "ollama", "vercel", "xai")},
}
KONG_AUTHS: list[Fields] = [
    {},
    {"header_name": "Authorization", "header_value": "Bearer sk-1"},
    {"header_name": "x-own", "header_value": '${{ env "DECK_KEY" }}'},
    {"header_name": "x-api-key", "header_value": "{vault://hcv/key}"},
    {"param_name": "key", "param_value": "$KEY", "param_location": "query"},
    {"aws_access_key_id": "AKIA1", "aws_secret_access_key": "$AWS"},
    {"gcp_use_service_account": True, "gcp_service_account_json": '${{ env "DECK_JSON" }}'},
    {"azure_use_managed_identity": True},
]
OPERATIONS = ["llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings", "llm/v1/responses", "preserve"]
KONG_ROUTES: list[Fields] = [
    {"paths": ["/a", "/a/b"]},
    {"paths": ["~/v\\d+/(?<model>[a-z]+)$"], "regex_priority": 5},
    {"hosts": ["api.example.com", "*.example.com:8443"], "methods": ["POST"]},
    {"paths": ["/ä b"], "headers": {"x-team": ["ml", "ops"]}, "protocols": ["https"]},
]
#: The Kubernetes gateways' providers, beside what is common to all.
PROVIDERS: dict[str, Fields] = {
    "openai": {"model": "m"},
    "azureopenai": {"endpoint": "e.openai.azure.com", "deploymentName": "d", "apiVersion": "v1"},
    "anthropic": {"model": "m", "apiVersion": "2023-06-01"},
    "gemini": {"model": "m", "apiVersion": "v1beta"},
    "vertexai": {"model": "m", "projectId": "p-1", "location": "global", "publisher": "GOOGLE"},
    "bedrock": {"model": "m", "region": "us-west-2"},
    "mistral": {"model": "m"},
}
PLACES: list[Fields] = [
    {},
    {"host": "llm.example.com", "port": 8000},
    {"host": "llm.example.com", "port": 443, "path": "/v1/chat/completions"},
]
AUTHS: list[Fields] = [{}, {"key": "sk-1"}, {"secretRef": {"name": "s"}}, {"passthrough": {}}]
MATCHES: list[list[Fields]] = [
    [],
    [{"path": {"type": "PathPrefix", "value": "/a"}}, {"path": {"type": "Exact", "value": "/b"}}],
    [{"path": {"type": "RegularExpression", "value": "/x.*"}, "method": "POST"}],
    [{"path": {"value": "/v1/chat/completions"}, "headers": [{"name": "x-team", "value": "ml"}]}],
]
FILTERS: list[list[Fields]] = [
    [],
    [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/v1/responses"}}}],
    [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}}}],
    [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}}],
]


def kong(provider: str, auth: Fields, operation: str, route: Fields) -> Fields:
    """A service with a route and a provider."""
    model = {"provider": provider, "name": "m", "options": {"max_tokens": 5, **KONG[provider]}}
    config = {"route_type": operation, "model": model, **({"auth": auth} if auth else {})}
    plugins = [{"name": "ai-proxy", "config": config}, {"name": "key-auth"}]
    return {"services": [{"name": "s", "plugins": plugins, "routes": [{"name": "r", **route}]}]}


def kubernetes(kind: str, ai: Fields, policies: Fields, matches: list[Fields], filters: list[Fields]) -> list[Fields]:
    """A backend and the route that leads to it."""
    group = "agentgateway.dev" if kind == "AgentgatewayBackend" else "enterpriseagentgateway.solo.io"
    reference = {"name": "b", "kind": kind, "group": group}
    rule = {"backendRefs": [reference], "matches": matches, "filters": filters, "timeouts": {"request": "1m"}}
    route = {"hostnames": ["api.example.com"], "rules": [rule]}
    return [
        {"apiVersion": f"{group}/v1alpha1", "kind": kind, "metadata": {"name": "b"}, "spec": {"ai": ai, **policies}},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "r"},
            "spec": route,
        },
    ]


class CheckedTests(unittest.TestCase):
    """See the module's head."""

    def passing(self, configurations: Iterable[list[Fields]]) -> int:
        """How many are imported, each of which passes; those that are refused say where."""
        count, path = 0, Path(self.mktemp())
        for documents in configurations:
            text = "\n---\n".join(map(json.dumps, documents))
            try:
                imported = import_texts([("f", text)], {})
            except ConfigError as error:
                self.assertTrue(any(problem.line for problem in error.problems), f"{error}\n{text}")
                continue
            path.write_text(imported.text)
            try:
                problems = check(load(path, {}, read_secrets=False))
            except ConfigError as error:
                problems = error.problems
            self.assertEqual(problems, [], f"{text}\n{imported.text}")
            count += 1
        return count

    def test_kong(self) -> None:
        """Each provider with each credential and operation; each route with each operation."""
        calls = itertools.product(KONG, KONG_AUTHS, OPERATIONS)
        routes = itertools.product(["openai", "anthropic"], KONG_AUTHS[1:2], OPERATIONS, KONG_ROUTES)
        shapes: Iterator[tuple[Any, ...]] = itertools.chain(((*call, KONG_ROUTES[0]) for call in calls), routes)
        self.assertGreater(self.passing([kong(*shape)] for shape in shapes), 400)

    def test_kubernetes(self) -> None:
        """Each provider with each place and credential; each match with each filter; one provider, or two."""
        count = 0
        for kind in ("AgentgatewayBackend", "EnterpriseAgentgatewayBackend"):
            calls = itertools.product(PROVIDERS, PLACES, AUTHS)
            ways = itertools.product(["openai", "anthropic"], PLACES, AUTHS[2:3], MATCHES, FILTERS)
            shapes = itertools.chain(((*call, MATCHES[1], FILTERS[0]) for call in calls), ways)
            for name, place, auth, matches, filters in shapes:
                provider = {name: PROVIDERS[name], **place}
                groups = [{"providers": [{"name": "one", **provider}, {"name": "two", "openai": {}}]}]
                policies = {"policies": {"auth": auth}} if auth else {}
                for ai in ({"provider": provider}, {"groups": groups}):
                    count += self.passing([kubernetes(kind, ai, policies, matches, filters)])
        self.assertGreater(count, 400)
