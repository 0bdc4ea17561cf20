"""Configurations as Kong and the Kubernetes gateways allow them, at random: known fields and unknown ones, good values
and others, references that lead somewhere and that do not."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

names = st.sampled_from(["alpha", "beta", "gamma-1", "delta.two", "with space", "été"])
models = st.sampled_from(["gpt-4o", "gpt-4o-mini", "claude-3-5-haiku", "$(headers.x-model)", "meta/llama"])
keys = st.sampled_from(
    [
        *("sk-literal-1", "Bearer sk-literal-2", "Bearer", "$TOKEN", "<your-key>", "${page_key}", "Bearer ${page_key}"),
        *('${{ env "DECK_KEY" }}', 'Bearer ${{ env "DECK_KEY" }}', "{vault://env/openai-key}", "{vault://hcv/openai}"),
    ]
)
scalars = st.one_of(
    st.text("abc /$#é'\"", max_size=6), st.integers(-5, 100_000), st.booleans(), st.none(), st.floats(-2, 2, width=16)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=5,
)
#: A field that nobody has heard of, now and then.
unknown = st.one_of(st.just({}), st.just({}), st.just({}), st.dictionaries(st.sampled_from(["foo", "x-bar"]), values))
paths = st.sampled_from(["/a", "/a/b", "/chat/", "~/v\\d+/chat$", "~/(?<model>[a-z]+)/chat", "/ä", "no-slash", "~("])


def table(required: dict[str, Strategy], **optional: Strategy) -> Strategy:
    """A mapping with some of its optional fields, and sometimes others."""
    return st.builds(
        lambda fields, more: {**fields, **more},
        st.fixed_dictionaries(required, optional=optional),
        unknown,
    )


def some(elements: Strategy, most: int = 3) -> Strategy:
    """A short list."""
    return st.lists(elements, min_size=1, max_size=most)


# -- Kong

_options = table(
    {},
    max_tokens=st.integers(1, 4096),
    temperature=st.sampled_from([0, 0.7, 1.0]),
    top_p=st.just(0.5),
    top_k=st.just(40),
    input_cost=st.just(0.1),
    upstream_url=st.sampled_from(
        ["http://llm:8000/v1/chat/completions", "http://llm:11434/api/chat", "http://llm/own"]
    ),
    azure_instance=st.just("instance"),
    azure_deployment_id=st.sampled_from(["deployment", "$(uri_captures.d)"]),
    anthropic_version=st.just("2023-06-01"),
    llama2_format=st.sampled_from(["ollama", "openai", "raw"]),
    mistral_format=st.sampled_from(["openai", "ollama"]),
    bedrock=st.just({"aws_region": "eu-central-1"}),
    gemini=st.just({"project_id": "project", "location_id": "europe-west4", "api_endpoint": "example.com"}),
)
_model = table(
    {
        "provider": st.sampled_from(
            [
                "openai",
                "openai",
                "azure",
                "anthropic",
                "bedrock",
                "gemini",
                "mistral",
                "llama2",
                "cohere",
                "huggingface",
            ]
        )
    },
    name=models,
    options=_options,
    model_alias=st.sampled_from(["fast", "powerful"]),
)
_auth = table(
    {},
    header_name=st.sampled_from(["Authorization", "x-api-key", "api-key"]),
    header_value=keys,
    allow_override=st.booleans(),
    param_name=st.just("key"),
    param_value=keys,
    param_location=st.just("query"),
    aws_access_key_id=st.sampled_from(["AKIA123", "$AWS_ID"]),
    aws_secret_access_key=keys,
    gcp_use_service_account=st.booleans(),
    azure_use_managed_identity=st.booleans(),
)
_target = {
    "model": _model,
}
_target_options = {
    "route_type": st.sampled_from(
        ["llm/v1/chat", "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings", "preserve"]
    ),
    "auth": _auth,
    "logging": table({}, log_statistics=st.booleans(), log_payloads=st.booleans()),
}
_proxy_options = {
    "response_streaming": st.sampled_from(["allow", "deny", "always"]),
    "max_request_body_size": st.sampled_from([0, 8192, 1048576]),
    "model_name_header": st.booleans(),
    "llm_format": st.sampled_from(["openai", "anthropic", "gemini"]),
}
_balancer = table(
    {},
    algorithm=st.sampled_from(["round-robin", "priority", "consistent-hashing", "lowest-usage", "semantic"]),
    retries=st.integers(0, 20),
    failover_criteria=some(st.sampled_from(["error", "timeout", "http_429", "http_500", "http_403", "non_idempotent"])),
    connect_timeout=st.sampled_from([1500, 60000]),
    read_timeout=st.just(60000),
    write_timeout=st.sampled_from([60000, 1]),
    max_fails=st.integers(0, 3),
    fail_timeout=st.just(10000),
    slots=st.just(10000),
    hash_on_header=st.just("X-Who"),
)


def _config(kind: str) -> Strategy:
    if kind == "ai-proxy":
        return table(_target, **_target_options, **_proxy_options)
    if kind == "ai-proxy-advanced":
        target = table(_target, **_target_options, weight=st.integers(1, 100), description=st.just("text"))
        return table({"targets": some(target)}, balancer=_balancer, **_proxy_options)
    if kind == "key-auth":
        return table(
            {},
            key_names=some(st.sampled_from(["apikey", "x-key", "APIKEY"])),
            key_in_header=st.booleans(),
            key_in_query=st.booleans(),
            key_in_body=st.booleans(),
            hide_credentials=st.booleans(),
            anonymous=names,
            realm=st.just("realm"),
            run_on_preflight=st.booleans(),
        )
    return values


def _plugin(scoped: bool) -> Strategy:
    references: dict[str, Strategy] = {}
    if scoped:
        by_name = st.one_of(names, st.builds(lambda name: {"name": name}, names))
        references = {"service": by_name, "route": by_name, "consumer": names}
    kinds = ["ai-proxy", "ai-proxy", "ai-proxy-advanced", "key-auth", "rate-limiting", "jwt", "pre-function"]
    return st.sampled_from(kinds).flatmap(
        lambda kind: table(
            {"name": st.just(kind), "config": _config(kind)},
            enabled=st.sampled_from([True, True, False]),
            instance_name=names,
            tags=st.just(["a"]),
            **references,
        )
    )


_route = table(
    {},
    name=names,
    paths=some(paths),
    hosts=some(st.sampled_from(["example.com", "*.example.com", "example.com:8443", "a*b"])),
    methods=some(st.sampled_from(["POST", "GET", "TRACE"])),
    headers=st.dictionaries(st.just("x-team"), some(st.sampled_from(["ml", "~*re"])), max_size=1),
    protocols=some(st.sampled_from(["http", "https", "grpc"])),
    strip_path=st.booleans(),
    preserve_host=st.booleans(),
    regex_priority=st.sampled_from([0, 10]),
    snis=st.just(["example.com"]),
    plugins=some(_plugin(False), 2),
)
_service = table(
    {"name": names},
    url=st.just("http://localhost:32000"),
    host=st.just("localhost"),
    port=st.just(80),
    connect_timeout=st.sampled_from([60000, 500]),
    read_timeout=st.just(30000),
    retries=st.just(5),
    enabled=st.booleans(),
    routes=some(_route, 2),
    plugins=some(_plugin(False), 2),
    tags=st.just(["a"]),
)
_credential = table(
    {}, key=st.sampled_from(["secret-1", "secret-2", "sha256:x", '${{ env "K" }}', "ü"]), ttl=st.just(60)
)
_consumer = table(
    {"username": names},
    custom_id=names,
    keyauth_credentials=some(_credential, 2),
    groups=st.just([{"name": "gold"}]),
    plugins=some(_plugin(False), 1),
    acls=st.just([{"group": "a"}]),
)
#: One document of Kong's.
kong = table(
    {"_format_version": st.sampled_from(["3.0", "3.0", "3.0", "2.1", "1.1"])},
    services=some(_service, 2),
    routes=some(_route, 1),
    consumers=some(_consumer, 2),
    plugins=some(_plugin(True), 3),
    upstreams=values,
    _info=st.just({"select_tags": ["a"]}),
)

# -- Kubernetes

_namespaces = st.sampled_from(["one", "one", "two"])
_resources = st.sampled_from(["openai", "claude", "pool"])
_token = st.one_of(
    st.builds(lambda key: {"kind": "Inline", "inline": key}, keys),
    st.builds(
        lambda name: {"kind": "SecretRef", "secretRef": {"name": name}}, st.sampled_from(["openai-secret", "gone"])
    ),
    st.just({"kind": "Passthrough"}),
    st.just({"kind": "SecretRef"}),
)
_llm = st.one_of(
    table({"openai": table({"authToken": _token}, model=models)}, hostOverride=st.just({"host": "llm", "port": 8000})),
    table({"openai": table({"authToken": _token}, model=models)}, pathOverride=st.just({"fullPath": "/own/path"})),
    table({"anthropic": table({"authToken": _token}, model=models, apiVersion=st.just("2023-06-01"))}),
    st.builds(
        lambda token: {"azureopenai": {"endpoint": "e.example", "deploymentName": "d", "authToken": token}}, _token
    ),
    table({"bedrock": table({"model": models}, region=st.just("us-west-2"), guardrail=st.just({"identifier": "g"}))}),
    st.just({"unheard-of": {"model": "m"}}),
)
_provider = st.one_of(
    table(
        {"openai": table({}, model=models)}, host=st.just("llm"), port=st.sampled_from([443, 8000]), path=st.just("/p")
    ),
    table({"anthropic": table({}, model=models)}),
    table({"vertexai": table({"projectId": st.just("p1")}, region=st.just("global"))}),
)
_operations = st.dictionaries(
    st.sampled_from(["/v1/chat/completions", "/v1/responses", "/v1/models", "/talk", "*"]),
    st.sampled_from(["Completions", "Responses", "Models", "Messages", "Passthrough", "Detect", "Realtime"]),
    min_size=1,
)
_policies = table(
    {},
    auth=st.one_of(
        st.builds(lambda key: {"key": key}, keys),
        st.builds(lambda name: {"secretRef": {"name": name}}, st.sampled_from(["openai-secret", "gone"])),
        st.just({"passthrough": {}}),
        st.just({"jwtSign": {"a": 1}}),
    ),
    ai=table({}, defaults=st.just([{"field": "max_tokens", "value": 5}]), routes=_operations),
    tls=st.just({}),
)


def _resource(api: str, kind: str, spec: Strategy, name: Strategy = _resources) -> Strategy:
    metadata = table({"name": name}, namespace=_namespaces, labels=st.just({"app": "x"}))
    return table({"apiVersion": st.just(api), "kind": st.just(kind), "metadata": metadata, "spec": spec})


_backend = _resource(
    "gateway.kgateway.dev/v1alpha1",
    "Backend",
    table(
        {
            "ai": st.one_of(
                st.builds(lambda llm: {"llm": llm}, _llm),
                st.builds(
                    lambda pools: {"multipool": {"priorities": [{"pool": pool} for pool in pools]}},
                    some(some(_llm, 2), 2),
                ),
            )
        },
        type=st.sampled_from(["AI", "AI", "Static"]),
    ),
)
_agentgateway = _resource(
    "agentgateway.dev/v1alpha1",
    "AgentgatewayBackend",
    table({"ai": st.builds(lambda provider: {"provider": provider}, _provider)}, policies=_policies),
)
_upstream = _resource(
    "gloo.solo.io/v1",
    "Upstream",
    st.builds(
        lambda token: {"ai": {"openai": {"authToken": token}}},
        st.sampled_from([{"secretRef": {"name": "openai-secret", "namespace": "one"}}, {"inline": "sk-1"}, {}]),
    ),
)
_references = some(
    table(
        {"name": _resources, "kind": st.sampled_from(["Backend", "AgentgatewayBackend", "Upstream", "Service"])},
        namespace=_namespaces,
        weight=st.integers(0, 10),
        port=st.just(80),
    ),
    2,
)
_match = table(
    {},
    path=st.builds(
        lambda kind, value: {"type": kind, "value": value},
        st.sampled_from(["PathPrefix", "PathPrefix", "Exact", "RegularExpression"]),
        st.sampled_from(["/a", "/b", "/v1/chat/completions", "/x.*"]),
    ),
    method=st.sampled_from(["POST", "GET"]),
    headers=st.just([{"name": "x-team", "value": "ml"}]),
    queryParams=st.just([{"name": "a", "value": "b"}]),
)
_filter = st.sampled_from(
    [
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/v1/responses"}}},
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}}},
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}},
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-c"]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x-c"]}},
        {"type": "RequestRedirect", "requestRedirect": {"hostname": "example.com"}},
    ]
)
_httproute = _resource(
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    table(
        {
            "rules": some(
                table(
                    {"backendRefs": _references},
                    matches=some(_match, 2),
                    filters=some(_filter, 2),
                    timeouts=st.sampled_from([{"request": "10s"}, {"request": "1m30s", "backendRequest": "500ms"}]),
                ),
                2,
            )
        },
        hostnames=st.just(["example.com"]),
        parentRefs=st.just([{"name": "gateway"}]),
    ),
    st.sampled_from(["r1", "r2"]),
)
_secret = st.builds(
    lambda value, encoded: {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "openai-secret"},
        **({"data": {"Authorization": "c2stbGl0ZXJhbA=="}} if encoded else {"stringData": {"Authorization": value}}),
    },
    keys,
    st.booleans(),
)
_policy = _resource(
    "agentgateway.dev/v1alpha1",
    "AgentgatewayPolicy",
    st.sampled_from(
        [
            {"targetRefs": [{"kind": "HTTPRoute", "name": "r1"}], "traffic": {"jwtAuthentication": {"mode": "Strict"}}},
            {"targetRefs": [{"kind": "Gateway", "name": "gateway"}], "traffic": {"rateLimit": {"local": []}}},
        ]
    ),
    st.just("policy"),
)
#: Documents of Kubernetes.
kubernetes = st.lists(
    st.one_of(_backend, _backend, _agentgateway, _upstream, _httproute, _httproute, _secret, _policy),
    min_size=2,
    max_size=6,
)
