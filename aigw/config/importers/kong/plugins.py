"""Which instance of a plugin acts: Kong's precedence. What is to be said of plugins that have no counterpart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aigw.config.importers.kong.entities import Consumer, Entities, Plugin, Route

#: Scopes from the most special to the most general: which of consumer, group, route, service an instance names.
_ORDER = (
    "consumer route service",
    "group route service",
    "consumer route",
    "consumer service",
    "group route",
    "group service",
    "route service",
    "consumer",
    "group",
    "route",
    "service",
    "",
)

#: Plugins that call an LLM provider.
AI = ("ai-proxy", "ai-proxy-advanced")
KEY_AUTH = ("key-auth", "key-auth-enc")
#: Plugins that decide who may come in. A route that has one of these is never imported as an open one.
OTHER_AUTH = (
    "ace",
    "ai-mcp-oauth2",
    "basic-auth",
    "header-cert-auth",
    "hmac-auth",
    "ip-restriction",
    "jwt",
    "jwt-signer",
    "ldap-auth",
    "ldap-auth-advanced",
    "mtls-auth",
    "oauth2",
    "oauth2-introspection",
    "opa",
    "openid-connect",
    "saml",
    "session",
    "vault-auth",
)
BEARER_COPIERS = ("pre-function", "post-function")

KEYS_ONLY = "aigw knows consumers by keys only"
#: What to say of plugins that aigw has no counterpart for, or has one of another kind.
INSTEAD = {
    "ai-a2a-proxy": "it serves agents; what is imported are LLMs",
    "ai-aws-guardrails": "aigw has no content filters",
    "ai-azure-content-safety": "aigw has no content filters",
    "ai-custom-guardrail": "aigw has no content filters",
    "ai-gcp-model-armor": "aigw has no content filters",
    "ai-lakera-guard": "aigw has no content filters",
    "ai-llm-as-judge": "aigw judges no answers",
    "ai-mcp-proxy": "it serves MCP; what is imported are LLMs",
    "ai-prompt-compressor": "aigw changes no prompts",
    "ai-prompt-decorator": "aigw changes no prompts",
    "ai-prompt-guard": "aigw has no content filters",
    "ai-prompt-template": "aigw changes no prompts",
    "ai-rag-injector": "aigw changes no prompts",
    "ai-rate-limiting-advanced": "aigw has no token limits; max_in_flight on a consumer limits its requests at a time",
    "ai-request-transformer": "aigw changes no prompts",
    "ai-response-transformer": "aigw changes no answers",
    "ai-sanitizer": "aigw has no content filters",
    "ai-semantic-cache": "aigw has no cache",
    "ai-semantic-prompt-guard": "aigw has no content filters",
    "ai-semantic-response-guard": "aigw has no content filters",
    "correlation-id": "every response has X-Request-Id as it is",
    "cors": "aigw answers no preflights itself",
    "file-log": "access_log in [server] is where aigw logs",
    "http-log": "access_log in [server] is where aigw logs",
    "ip-restriction": "aigw does not look at clients' addresses",
    "loggly": "access_log in [server] is where aigw logs",
    "opentelemetry": "metrics are at /metrics on the admin listener",
    "prometheus": "metrics are at /metrics on the admin listener, without a plugin",
    "proxy-cache": "aigw has no cache",
    "proxy-cache-advanced": "aigw has no cache",
    "rate-limiting": "there are no limits over time; max_in_flight on a consumer limits its requests at a time",
    "rate-limiting-advanced": "there are no limits over time; max_in_flight on a consumer limits its requests at once",
    "request-size-limiting": "max_request_body in [server] is the limit of all routes",
    "request-termination": "the route is answered by its backend",
    "request-transformer": "headers = { set = ..., remove = [...] } on a backend changes headers",
    "request-transformer-advanced": "headers = { set = ..., remove = [...] } on a backend changes headers",
    "response-transformer": "aigw does not change responses' headers",
    "syslog": "access_log in [server] is where aigw logs",
    "tcp-log": "access_log in [server] is where aigw logs",
    "udp-log": "access_log in [server] is where aigw logs",
    "zipkin": "metrics are at /metrics on the admin listener",
    **{name: KEYS_ONLY for name in OTHER_AUTH if name != "ip-restriction"},
}


#: An instance's scope: its route, service, consumer by their id(), its group; None for those that it does not name.
Scope = tuple[int | None, int | None, int | None, str | None]


class Acting:
    """Finds the instances that act. All plugins must have been read and connected by now."""

    def __init__(self, entities: Entities) -> None:
        self._scopes: dict[str, dict[Scope, Plugin]] = {}
        for plugin in entities.plugins:
            if enabled(plugin):
                self._scopes.setdefault(plugin.name, {}).setdefault(scope_of(plugin), plugin)

    def on(self, names: Iterable[str], route: Route, consumer: Consumer | None = None) -> Plugin | None:
        """The instance of one of these plugins that acts on a route, for a consumer or else for nobody in particular.

        The most special one that is enabled, whole; nothing is merged. Of several groups the first by name counts, as
        in Kong; of two plugins in one scope the one that is named first.
        """
        fitting = [plugin for name in names for plugin in self._fitting(name, route, consumer)]
        return min(fitting, key=lambda plugin: (rank(plugin), plugin.group or ""), default=None)

    def _fitting(self, name: str, route: Route, consumer: Consumer | None) -> Iterator[Plugin]:
        scopes = self._scopes.get(name)
        if scopes is None:
            return
        holders: list[tuple[int | None, str | None]] = [(None, None)]
        if consumer is not None:
            holders += [(id(consumer), None), *((None, group) for group in dict.fromkeys(consumer.groups))]
        services = dict.fromkeys((None, id(route.service) if route.service is not None else None))
        for consumer_id, group in holders:
            for service_id in services:
                for route_id in (None, id(route)):
                    plugin = scopes.get((route_id, service_id, consumer_id, group))
                    if plugin is not None:
                        yield plugin


def scope_of(plugin: Plugin) -> Scope:
    """What an instance is for."""
    route, service, consumer = (
        None if one is None else id(one) for one in (plugin.route, plugin.service, plugin.consumer)
    )
    return route, service, consumer, plugin.group


def rank(plugin: Plugin) -> int:
    """Where an instance stands among those of its plugin: the smallest wins."""
    scopes = (
        ("consumer", plugin.consumer),
        ("group", plugin.group),
        ("route", plugin.route),
        ("service", plugin.service),
    )
    kind = " ".join(name for name, scope in scopes if scope is not None)
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def enabled(plugin: Plugin) -> bool:
    """Whether an instance is switched on: without a word it is."""
    node = plugin.node.get("enabled")
    return node is None or node.content not in ("false", "no", "off", "False")
