"""``Backend`` (kgateway), ``AgentgatewayBackend`` and ``Upstream`` (Gloo) as backends and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kubernetes.credentials import CredentialReader, child
from aigw.config.importers.kubernetes.operations import Operations, read_operations
from aigw.config.importers.kubernetes.resource import Resource
from aigw.config.importers.kubernetes.resources import Resources
from aigw.config.importers.nodes import Node
from aigw.config.importers.texts import Texts
from aigw.config.importers.upstreams import KINDS, OPENAI_LIKE, Kind, base_url

#: The keys under which the three systems have their providers.
_NAMES = {
    "openai": "openai",
    "azureopenai": "azure",
    "azure": "azure",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "vertexai": "vertex",
    "bedrock": "bedrock",
    "mistral": "mistral",
    "custom": "openai-compatible",
}
#: What agentgateway calls the APIs that a custom provider speaks.
_FORMATS = {"Completions": "chat", "Responses": "responses", "Embeddings": "embeddings", "Messages": "messages"}
#: What else these resources may be.
_OTHERS = {
    "mcp": "an MCP backend",
    "entMcp": "an MCP backend",
    "a2a": "an A2A backend",
    "static": "a backend at a fixed address, of which nothing says that it is an LLM",
    "aws": "a backend of AWS",
    "awsLambda": "an AWS Lambda function",
    "kube": "a Service of the cluster",
    "dynamicForwardProxy": "a forward proxy",
}


@attrs.define(eq=False)
class Made:
    """One LLM of a resource: a backend's keys, the path that it is asked for in any case (it stands at ``told``)."""

    node: Node
    kind: Kind
    values: dict[str, Any]
    name: str = ""
    full_path: str | None = None
    told: Node | None = None


@attrs.frozen
class Served:
    """What a resource came to.

    :ivar backends: one of each LLM, with its priority.
    :ivar model: the entry of ``[models]`` if there are several.
    :ivar full_path: what it is asked for in any case; where that stands is ``told``.
    :ivar operations: which paths are which operation, where the resource says that.
    """

    backends: tuple[tuple[Entry, int], ...]
    model: str | None
    full_path: str | None
    operations: Operations | None
    told: Node | None = None

    def choice(self) -> dict[str, Any]:
        """The route's keys that lead here."""
        return {"model": self.model} if self.model else {"backend": self.backends[0][0].name}


class BackendReader:
    """Makes each resource once for each set of header edits that routes want."""

    def __init__(self, draft: Draft, resources: Resources, environ: Mapping[str, str]) -> None:
        self.draft = draft
        self.resources = resources
        self.texts = Texts(environ)
        self.credentials = CredentialReader(draft, resources)
        self._made: dict[tuple[int, str], Served] = {}

    def served(self, resource: Resource, headers: dict[str, Any]) -> Served:
        """The backends of a resource.

        :param headers: of a backend: what routes change in requests on the way.
        :raises Refused: aigw has nothing like it.
        """
        key = id(resource), repr(headers)
        if key not in self._made:
            self._made[key] = self.draft.whole(resource.node, self._make, resource, headers)
        return self._made[key]

    def with_paths(self) -> Iterator[Served]:
        """All that have a path of their own."""
        return (served for served in self._made.values() if served.full_path is not None)

    def _make(self, resource: Resource, headers: dict[str, Any]) -> Served:
        ai = resource.spec("ai")
        if ai is None:
            raise resource.node.refuse(_no_llm(resource))
        if resource.spec("type") is not None and resource.node.text("spec", "type") != "AI":
            kind = resource.node.text("spec", "type")
            raise resource.node.refuse(f"has the type {kind}; what is imported are LLMs (type: AI)")
        pools = self._pools(resource, ai)
        if not any(pools):
            raise ai.refuse("has no provider")
        several = sum(len(pool) for pool in pools) > 1
        entries: list[tuple[Entry, int]] = []
        llms: list[Made] = []
        for priority, pool in enumerate(pools):
            for node in pool:
                made = self._llm(node, resource)
                if headers:
                    made.values["headers"] = headers
                entries.append((self._entry(resource, made, several), priority))
                llms.append(made)
        if several and any(made.full_path for made in llms):
            raise resource.node.refuse("has several providers, one with a path that is not its usual one")
        operations = self._operations(resource)
        model = self._model(resource, entries) if several else None
        return Served(tuple(entries), model, llms[0].full_path, operations, llms[0].told)

    def _pools(self, resource: Resource, ai: Node) -> list[list[Node]]:
        """The LLMs by priority, the first first.

        :raises Refused: there are none.
        """
        for outer, inner in (("groups", "providers"), ("priorityGroups", "providers")):
            if ai.get(outer) is not None:
                return [group.maps(inner) for group in ai.maps(outer)]
        for pool in ("multipool", "multi"):
            if ai.get(pool) is not None:
                return [priority.maps("pool") for priority in ai.maps(pool, "priorities")]
        single = ai.get("llm") or ai.get("provider") or ai
        if not isinstance(single.content, dict) or not single.names():
            raise ai.refuse("has no provider")
        return [[single]]

    def _entry(self, resource: Resource, made: Made, several: bool) -> Entry:
        name = resource.name
        if several:
            name = made.name or f"{resource.name}-{made.values.get('model') or made.kind.provider}"
        else:
            self.draft.note(made.node.get("name"), "the resource has a name already")
        entry = self.draft.add("backends", name, made.values)
        entry.origin = made.node
        self.draft.own(made.node, entry)
        self.draft.own(resource.node, entry)
        entry.comments.append(f"{resource.node.label}, {made.node.file}:{made.node.line}")
        if "drop_unsupported" in made.values:
            entry.beside["drop_unsupported"] = "as there; without it, such requests are a 400"
        return entry

    def _model(self, resource: Resource, entries: list[tuple[Entry, int]]) -> str:
        targets = []
        for entry, priority in entries:
            targets.append({"backend": entry.name} | ({"priority": priority} if priority else {}))
        model = self.draft.add("models", resource.name, {"targets": targets})
        model.comments.append(f"{resource.node.label}, {resource.node.file}:{resource.node.line}")
        return model.name

    def _operations(self, resource: Resource) -> Operations | None:
        found = [part.get("routes") for part in self.resources.policy_parts("ai", None, resource)]
        return next((read_operations(self.draft, routes) for routes in found if routes is not None), None)

    # -- one LLM

    def _llm(self, node: Node, resource: Resource) -> Made:
        """One LLM from ``node``: the provider's settings under its name, beside or below what is common to all.

        :raises Refused: aigw has no such provider.
        """
        holder = node
        for wrapper in ("llm", "provider"):
            inner = holder.get(wrapper)
            if inner is not None and isinstance(inner.content, dict):
                holder = inner
        names = [name for name in holder.names() if name.lower() in _NAMES]
        if not names:
            known = [name for name in holder.names() if isinstance(child(holder, name).content, dict)]
            raise (
                child(holder, known[0]).refuse("is a provider that aigw does not have")
                if known
                else holder.refuse("has no provider")
            )
        config = child(holder, names[0])
        if not config.names():
            if config.kind not in ("map", "null"):
                raise config.refuse("must be a mapping")
            config.settle()
        kind = KINDS[_NAMES[names[0].lower()]]
        made = Made(node, kind, {"provider": kind.provider}, node.text("name") or "")
        if kind.url is not None:
            made.values["url"] = kind.url
        if kind.provider not in OPENAI_LIKE:
            made.values["drop_unsupported"] = True
        self._settings(made, config)
        self._place(made, config, [node, holder, config], resource)
        self._policies(made, node, resource)
        made.values["auth"] = self.credentials.auth(made.kind, config, node, resource)
        return made

    def _settings(self, made: Made, config: Node) -> None:
        values, provider = made.values, made.kind.provider
        model = self.texts.filled(config.get("deploymentName")) or self.texts.filled(config.get("model"))
        if model is not None:
            values["model"] = model
        version = config.get("apiVersion") or config.get("version")
        if version is not None and provider in ("azure", "anthropic"):
            if version.content != "v1":
                values["api_version"] = version.scalar()
            else:
                self.draft.note(version, "the version that aigw's azure speaks by itself")
        elif version is not None:
            self.draft.note(version, "which version of its API a provider is asked for, aigw knows itself")
        if provider == "azure":
            self._azure(made, config)
        elif provider == "vertex":
            values["project"] = self.texts.filled(config.get("projectId"))
            location = self.texts.filled(config.get("location") or config.get("region"))
            if location is not None:
                values["location"] = location
            self.draft.note(config.get("publisher"), "follows from the model's name")
        elif provider == "bedrock":
            values["region"] = self.texts.filled(config.get("region")) or "us-east-1"
        formats = config.maps("formats")
        if formats:
            values["operations"] = [self._format(each) for each in formats]

    def _azure(self, made: Made, config: Node) -> None:
        endpoint = config.get("endpoint")
        if endpoint is not None:
            host = str(self.texts.filled(endpoint)).rpartition("://")[2].rstrip("/")
            made.values["url"] = f"https://{host}"
            return
        name, kind = self.texts.filled(config.get("resourceName")), config.text("resourceType")
        if name is None:
            raise config.refuse("has no endpoint and no resourceName")
        domain = "services.ai.azure.com" if kind == "Foundry" else "openai.azure.com"
        made.values["url"] = f"https://{name}.{domain}"

    def _format(self, node: Node) -> str:
        name = node.text("type") or ""
        if name not in _FORMATS:
            raise node.refuse(f"is an API that aigw does not have (allowed: {', '.join(_FORMATS)})")
        return _FORMATS[name]

    def _place(self, made: Made, config: Node, around: list[Node], resource: Resource) -> None:
        """``hostOverride``, ``customHost``, ``host`` and ``port``, ``path``, ``pathPrefix``."""
        host = port = prefix = None
        for node in around:
            for holder in (node.get("hostOverride"), node.get("customHost"), node):
                if holder is not None and holder.get("host") is not None:
                    host, port = host or self.texts.filled(holder.get("host")), port or holder.number("port")
                    prefix = prefix or holder.text("pathPrefix")
            made.told = made.told or node.get("pathOverride", "fullPath") or _path(node)
        path = (made.told.scalar() or None) if made.told is not None else None
        if config.get("backendRef") is not None:
            raise child(config, "backendRef").refuse("is a Service of the cluster; aigw needs host and port")
        if host is None:
            if path is not None and "url" in made.values:
                self._own_path(made, path)
            elif path is not None:
                self.draft.drop(made.node, f"path {path}: the provider's own is asked for")
            return
        if host.endswith((".svc", ".cluster.local")):
            self.draft.warn(made.node, f"{host} is a name inside of the cluster: it has to resolve where aigw runs")
        secure = port in (443, None) or self._tls(around[0], resource)
        default = (port in (None, 443) and secure) or (port == 80 and not secure)
        base = f"{'https' if secure else 'http'}://{host}" + ("" if default else f":{int(port or 0)}")
        self._moved(made, base, path, prefix)

    def _moved(self, made: Made, base: str, path: str | None, prefix: str | None) -> None:
        if made.kind.provider == "openai" and not base.endswith(".openai.com"):
            made.kind = KINDS["openai-compatible"]
            made.values["provider"] = made.kind.provider
        if path is not None:
            made.values["url"], made.full_path = base_url(made.kind.provider, base + path)
        else:
            usual = "/v1" if made.kind.provider in ("openai-compatible", "openai", "anthropic", "mistral") else ""
            made.values["url"] = base + (prefix or usual)
        if made.full_path is not None and made.kind.provider not in OPENAI_LIKE:
            raise made.node.refuse("has a path that none of the provider's operations has")

    def _own_path(self, made: Made, path: str) -> None:
        """A path of its own on the provider's own host."""
        host = "/".join(str(made.values.get("url")).split("/")[:3])
        made.values["url"], made.full_path = base_url(made.kind.provider, host + path)

    def _tls(self, node: Node, resource: Resource) -> bool:
        for tls in self.resources.policy_parts("tls", node, resource):
            self.draft.note(tls if not tls.names() else None, "https in url says it")
            return True
        return False

    def _policies(self, made: Made, node: Node, resource: Resource) -> None:
        """Body fields that ``ai`` policies fill in."""
        for policies in self.resources.policy_parts("ai", node, resource):
            for key in ("defaults", "overrides"):
                fields = {each.text("field") or "": child(each, "value").plain() for each in policies.maps(key)}
                if key == "overrides" and isinstance(fields.get("model"), str):
                    made.values.setdefault("model", fields.pop("model"))
                if fields:
                    made.values[key] = fields | made.values.get(key, {})


def _no_llm(resource: Resource) -> str:
    """Why a resource without ``spec.ai`` is not imported."""
    for key, what in _OTHERS.items():
        if resource.spec(key) is not None:
            return f"is {what} (spec.{key}); what is imported are LLMs (spec.ai)"
    return "has no LLM (spec.ai), and aigw calls LLM providers only"


def _path(node: Node) -> Node | None:
    path = node.get("path")
    return path if path is not None and isinstance(path.content, str) else None
