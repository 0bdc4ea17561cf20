"""One LLM behind Kong, ``ai-proxy`` or one of ``ai-proxy-advanced``'s targets, as a backend of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from aigw.config.importers.credentials import Credential, auth, secret, understand
from aigw.config.importers.draft import Draft
from aigw.config.importers.kong.entities import Entities
from aigw.config.importers.nodes import Node
from aigw.config.importers.texts import Texts
from aigw.config.importers.upstreams import BY_HOST, KINDS, OPENAI_LIKE, Kind, base_url, by_header

#: What of the routes' types aigw has an operation for.
OPERATIONS = {
    "llm/v1/chat": "chat",
    "llm/v1/completions": "completions",
    "llm/v1/embeddings": "embeddings",
    "llm/v1/responses": "responses",
}
_BODY_OPTIONS = ("max_tokens", "temperature", "top_p", "top_k")
_COSTS = ("input_cost", "output_cost", "cache_read_cost", "cache_write_cost", "cache_write_cost_list")
#: The providers that are really a format, which an option of theirs says; formats without one are none of ours.
_FORMATS = {
    "llama2": {"ollama": "ollama", "openai": "openai-compatible"},
    "mistral": {"ollama": "ollama", "openai": "mistral"},
}


@attrs.define(eq=False)
class Target:
    """What one target comes to.

    :ivar values: the backend's keys, but for ``auth``.
    :ivar operation: None: by the end of the path.
    :ivar full_path: what the upstream is asked for in any case.
    :ivar alias: the name that clients ask for it by.
    """

    node: Node
    kind: Kind
    values: dict[str, Any]
    operation: str | None
    full_path: str | None = None
    alias: str | None = None
    weight: int | None = None

    @property
    def provider(self) -> str:
        """aigw's name of the provider."""
        return str(self.values["provider"])


class TargetReader:
    """Reads targets, and what they need: texts with variables in them, credentials."""

    def __init__(self, draft: Draft, entities: Entities) -> None:
        self.draft = draft
        self.entities = entities
        self.texts = Texts(entities.environ, entities.variables)

    # -- the backend

    def read(self, config: Node) -> Target:
        """A target from ``config``: the plugin's own, or one of its ``targets``.

        :raises Refused: aigw has no such provider, or no such operation.
        """
        operation = self._operation(config)
        model, options = config.get("model"), config.get("model", "options")
        if model is None:
            raise config.refuse("has no model")
        kind = self._kind(model, options)
        target = Target(config, kind, {"provider": kind.provider}, operation)
        if kind.url:
            target.values["url"] = kind.url
        self._name(target, model)
        if options is not None:
            self._place(target, options)
            self._body(target, options)
        if target.provider == "bedrock":
            self._region(target, model)
        if target.provider == "azure" and "url" not in target.values:
            raise model.refuse("has no azure_instance and no upstream_url")
        if target.provider == "openai-compatible" and "url" not in target.values:
            raise model.refuse("has no upstream_url, and aigw does not know where this provider is")
        target.alias = self.texts.filled(model.get("model_alias"))
        if target.provider not in OPENAI_LIKE:
            target.values["drop_unsupported"] = True
        return target

    def _operation(self, config: Node) -> str | None:
        route_type, llm_format = config.get("route_type"), config.text("llm_format") or "openai"
        if route_type is None:
            return "chat" if llm_format == "openai" else self._native(config, llm_format)
        name = route_type.scalar()
        if name not in OPERATIONS and name != "preserve":
            raise route_type.refuse(
                f"{name} is an operation that aigw does not have (allowed: {', '.join(OPERATIONS)})"
            )
        if llm_format != "openai":
            return self._native(config, llm_format)
        return OPERATIONS.get(name)

    def _native(self, config: Node, llm_format: str) -> str:
        """What clients speak if it is not OpenAI's API."""
        if llm_format == "anthropic":
            return "messages"
        around = config.get("llm_format") or config
        raise around.refuse("is a dialect that aigw's clients cannot speak (allowed: openai, anthropic)")

    def _kind(self, model: Node, options: Node | None) -> Kind:
        """:raises Refused: aigw has no such provider."""
        name = model.text("provider")
        if name is None:
            raise model.refuse("has no provider")
        flavour = options.get(f"{name}_format") if options is not None and name in _FORMATS else None
        if flavour is not None:
            formats = _FORMATS[name]
            if flavour.scalar() not in formats:
                raise flavour.refuse(f"is a format that aigw does not speak (allowed: {', '.join(sorted(formats))})")
            name = formats[flavour.scalar()]
        elif name == "gemini" and options is not None and options.get("gemini", "project_id") is not None:
            name = "vertex"
        elif name in ("huggingface", "databricks", "llama2") and options is not None and options.get("upstream_url"):
            name = "openai-compatible"
        if name not in KINDS:
            node = model.get("provider") or model
            raise node.refuse(f"{name} is a provider that aigw does not have")
        return KINDS[name]

    def _name(self, target: Target, model: Node) -> None:
        name = model.get("name")
        if name is None:
            return
        if "$(" in str(name.content):
            self.draft.drop(name, "a template; the model that the client names is asked for")
            return
        target.values["model"] = self.texts.filled(name)
        target.values["on_model_mismatch"] = "reject"

    def _place(self, target: Target, options: Node) -> None:
        """Where the provider is, and the names that it has for things."""
        values = target.values
        azure = options.get("azure_instance")
        if azure is not None and target.provider == "azure":
            values["url"] = f"https://{self._fixed(azure)}.openai.azure.com"
        deployment = options.get("azure_deployment_id")
        if deployment is not None and target.provider == "azure":
            self._deployment(target, deployment)
        if target.provider in ("azure", "anthropic"):
            key = "azure_api_version" if target.provider == "azure" else "anthropic_version"
            version = self.texts.filled(options.get(key))
            if version is not None:
                values["api_version"] = version
        self._cloud(target, options)
        url = options.get("upstream_url")
        if url is not None:
            given = self._fixed(url)
            values["url"], target.full_path = base_url(target.provider, given)
            if target.provider in BY_HOST and given.rstrip("/") != values["url"]:
                self.draft.warn(url, "only the host of it is used: the paths are the provider's own")
            if azure is not None:
                self.draft.note(azure, "upstream_url says where it is")
            if target.full_path is not None and target.provider not in OPENAI_LIKE:
                raise url.refuse("has a path that none of the provider's operations has")

    def _deployment(self, target: Target, deployment: Node) -> None:
        """Azure is asked for deployments; the model's name is for clients."""
        if "$(" in str(deployment.content):
            self.draft.drop(deployment, "a template; the deployment that the client names as its model is asked for")
            return
        name = self.texts.filled(deployment)
        if target.values.get("model") not in (None, name):
            node = target.node.get("model", "name")
            self.draft.note(node, f"Azure is asked for the deployment {name}; clients may name any model")
            target.values["on_model_mismatch"] = "override"
        else:
            target.values["on_model_mismatch"] = "reject"
        target.values["model"] = name

    def _region(self, target: Target, model: Node) -> None:
        region = model.get("options", "bedrock", "aws_region")
        target.values["region"] = self._fixed(region) if region is not None else "us-east-1"
        if region is None:
            self.draft.warn(model, "has no options.bedrock.aws_region: us-east-1 is used (region)")

    def _cloud(self, target: Target, options: Node) -> None:
        values = target.values
        if target.provider == "vertex":
            values["project"] = self._fixed(options.get("gemini", "project_id"))
            location = options.get("gemini", "location_id")
            if location is not None:
                values["location"] = self._fixed(location)
            endpoint = options.get("gemini", "api_endpoint")
            if endpoint is not None:
                host = self._fixed(endpoint)
                usual = f"{values.get('location', '')}-aiplatform.googleapis.com"
                if host in (usual, "aiplatform.googleapis.com"):
                    self.draft.note(endpoint, "follows from the location")
                else:
                    values["url"] = host if "://" in host else f"https://{host}"

    def _fixed(self, node: Node | None) -> str:
        """A text that says where to go: never a template, for no client may change that.

        :raises Refused: it is one.
        """
        assert node is not None
        if "$(" in str(node.content):
            raise node.refuse("is a template; where aigw calls is never up to the request")
        return self.texts.filled(node) or ""

    def _body(self, target: Target, options: Node) -> None:
        overrides: dict[str, Any] = {}
        for name in _BODY_OPTIONS:
            node = options.get(name)
            if node is None:
                continue
            if target.operation in ("embeddings",):
                self.draft.note(node, "means nothing to embeddings, in Kong neither")
            elif "$(" in str(node.content):
                self.draft.drop(node, "a template; the client's own value is used")
            else:
                overrides[name] = self.texts.number(node)
        if target.operation == "embeddings" and options.get("embeddings_dimensions") is not None:
            overrides["dimensions"] = options.number("embeddings_dimensions")
        if overrides:
            target.values["overrides"] = overrides
        for name in _COSTS:
            cost = options.get(name)
            if cost is not None:
                self.draft.drop(cost, "aigw counts tokens, not costs")
        if options.text("mistral_format") not in (None, "openai"):
            self.draft.note(options.get("mistral_format"), "the provider says it")

    # -- the credential

    def auth(self, target: Target) -> dict[str, Any]:
        """The backend's ``auth``. Adds to the draft's secrets what it needs."""
        node = target.node.get("auth")
        if node is None:
            return self._no_auth(target)
        if node.flag("allow_override"):
            self.draft.drop(
                _got(node, "allow_override"), "a client's own credential never wins over the configured one"
            )
        elif node.get("allow_override") is not None:
            self.draft.note(node.get("allow_override"), "aigw always does that")
        for chain in (self._google, self._amazon, self._azure, self._header, self._parameter):
            found = chain(target, node)
            if found is not None:
                return found
        return self._no_auth(target)

    def _no_auth(self, target: Target) -> dict[str, Any]:
        if target.provider in ("bedrock", "vertex"):
            return {"ambient": True}
        return {"passthrough": True}

    def _google(self, target: Target, node: Node) -> dict[str, Any] | None:
        account = node.get("gcp_service_account_json")
        if not node.flag("gcp_use_service_account"):
            return None
        if target.provider != "vertex":
            raise node.refuse("a service account is for Vertex AI (model.options.gemini.project_id)")
        if account is None:
            return {"ambient": True}
        credential = understand(account.scalar(), "GCP_SERVICE_ACCOUNT_JSON", self.entities.variables)
        if credential.literal:
            self.draft.drop(account, "a key in the file: it is read from $GCP_SERVICE_ACCOUNT_JSON")
            credential = Credential("GCP_SERVICE_ACCOUNT_JSON")
        elif credential.said:
            self.draft.warn(account, credential.said)
        return {"service_account": secret(self.draft, credential.env, account)}

    def _amazon(self, target: Target, node: Node) -> dict[str, Any] | None:
        if target.provider != "bedrock":
            return None
        identity, key = node.get("aws_access_key_id"), node.get("aws_secret_access_key")
        if identity is None or key is None:
            return None
        known = understand(identity.scalar(), "", self.entities.variables)
        if known.literal:
            made = understand(key.scalar(), "AWS_SECRET_ACCESS_KEY", self.entities.variables)
            return {"access_key": known.literal, **auth(self.draft, made, key)}
        self.draft.note(key, "found where the id is found")
        self.draft.warn(identity, "is looked for as AWS's own tools do: $AWS_ACCESS_KEY_ID, profiles, roles")
        return {"ambient": True}

    def _azure(self, target: Target, node: Node) -> dict[str, Any] | None:
        if not node.flag("azure_use_managed_identity"):
            return None
        identity = _got(node, "azure_use_managed_identity")
        self.draft.drop(identity, f"aigw knows no managed identities: the key is read from ${target.kind.env}")
        return {"secret": secret(self.draft, target.kind.env, identity)}

    def _header(self, target: Target, node: Node) -> dict[str, Any] | None:
        value = node.get("header_value")
        if value is None:
            return None
        header = node.text("header_name")
        credential = understand(value.scalar(), self._usual_env(target), self.entities.variables)
        bearer = credential.bearer or (header or "").lower() == "authorization"
        return auth(self.draft, credential, value) | by_header(target.kind, header or "", bearer)

    def _parameter(self, target: Target, node: Node) -> dict[str, Any] | None:
        value = node.get("param_value")
        if value is None:
            return None
        name, place = node.get("param_name"), node.get("param_location")
        if target.provider != "gemini" or str(name.content if name else "") != "key":
            raise value.refuse("goes into the query or the body; aigw sends credentials in headers")
        self.draft.note([name, place], "the same key goes into the header x-goog-api-key")
        return auth(self.draft, understand(value.scalar(), target.kind.env, self.entities.variables), value)

    def _usual_env(self, target: Target) -> str:
        """Where the key is if the file does not have it: what the page exports for this provider, if it does."""
        word = target.kind.env.partition("_")[0]
        exported = [name for name in self.entities.exports if word in name]
        return exported[0] if len(exported) == 1 else target.kind.env


def _got(node: Node, key: str) -> Node:
    found = node.get(key)
    assert found is not None
    return found


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two backends differ."""
    return [key for key in {**one, **other} if one.get(key) != other.get(key)]
