"""Who may come in: policies that ask for API keys as consumers, every other policy about access as a closed door.

A route is imported as an open one only where no policy that is meant for it has anything to do with access.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resources import Resource, Resources
from aigw.config.importers.nodes import Node

_ABOUT_ACCESS = re.compile(r"auth|jwt|oidc|rbac|api_?key|acl", re.I)
#: Parts of policies that are about the way to the provider, or about whom the policy is for.
_NOT_ABOUT_CLIENTS = ("backend", "targetRefs", "targetRef", "targetSelectors")
_OPEN_KEYS = ("api-key", "apiKey", "apikey", "key")


class AccessReader:
    """Looks at the policies once, and tells of each route whether it is open."""

    def __init__(self, draft: Draft, resources: Resources) -> None:
        self.draft = draft
        self.resources = resources
        self._made: set[int] = set()

    def auth(self, route: Resource, gateways: list[str], extensions: list[str]) -> tuple[str, Resource | None]:
        """What the route's ``auth`` is, and the policy that says so.

        :param gateways: the names of its parents.
        :param extensions: the names of resources that its filters refer to.
        """
        targets = [("HTTPRoute", route.name), *(("Gateway", name) for name in gateways)]
        meant = self.resources.policies_for(targets, extensions)
        about = [policy for policy in meant if any(_about_access(policy))]
        for policy in about:
            keys = self._api_keys(policy)
            if keys is not None:
                return self._key_auth(policy, keys), policy
        for policy in about:
            if policy.node.open_leaves():
                why = "aigw knows consumers by keys only. The route stays closed: give its consumers keys"
                self.draft.drop(policy.node, why)
        if about:
            return "key", about[0]
        self.draft.warn(route.node, 'nobody is asked for a key, so auth = "none": whoever reaches the port is served')
        return "none", None

    def _api_keys(self, policy: Resource) -> Node | None:
        """Where the policy says which keys there are, if it is about keys: in itself, or in Gloo's ``AuthConfig``."""
        for node in _about_access(policy):
            found = node.get("apiKeyAuthentication") or node.get("apiKeyAuth")
            if found is not None:
                return found
            reference = node.get("entExtAuth", "authConfigRef") or node.get("extauth", "configRef")
            name = reference.get("name") if reference is not None else None
            if reference is None or name is None:
                continue
            namespace = reference.text("namespace") or policy.namespace
            config = self.resources.find("AuthConfig", name.scalar(), namespace)
            configs = config.node.maps("spec", "configs") if config is not None else []
            if config is not None and len(configs) == 1 and configs[0].get("apiKeyAuth") is not None:
                self.resources.used(config)
                return configs[0].get("apiKeyAuth")
        return None

    def _key_auth(self, policy: Resource, keys: Node) -> str:
        """The consumers of a policy; the name of the table that says where their keys are looked for."""
        if id(policy) not in self._made:
            self._made.add(id(policy))
            self.resources.used(policy)
            for reference in policy.references():
                for key in ("kind", "name"):
                    reference.text(key)
                self.draft.note(reference.get("group"), "follows from the kind")
            self._mode(keys)
            for secret in self._secrets(policy, keys):
                self._secret(secret)
        return self._table(policy, keys)

    def _mode(self, keys: Node) -> None:
        mode = keys.get("mode")
        if mode is not None and mode.content != "Strict":
            self.draft.drop(mode, "a route is closed or open: here it is closed")
        elif mode is not None:
            mode.settle()

    def _table(self, policy: Resource, keys: Node) -> str:
        """Gloo's ``headerName``; agentgateway's Bearer tokens are found without a word."""
        header = keys.text("headerName")
        if header is None:
            return "key"
        for entry in self.draft.section("auth"):
            if entry.values.get("key_names") == [header]:
                return entry.name
        name = "key" if not self.draft.section("auth") else f"key-{policy.name}"
        entry = self.draft.add("auth", name, {"type": "key", "key_names": [header], "bearer": False}, keys)
        entry.comments.append(f"{keys.entity.label}, {keys.file}:{keys.line}")
        return entry.name

    def _secrets(self, policy: Resource, keys: Node) -> list[Resource]:
        store = keys.get("k8sSecretApikeyStorage") or keys
        references = [*store.maps("apiKeySecretRefs")]
        single = store.get("secretRef")
        if single is not None:
            references.append(single)
        found: list[Resource] = []
        for reference in references:
            name = reference.text("name") or ""
            secret = self.resources.find("Secret", name, reference.text("namespace") or policy.namespace)
            if secret is None:
                self.draft.warn(reference, f"Secret {name} is not in these files: its consumers are missing")
            else:
                found.append(secret)
        selector = store.get("secretSelector", "matchLabels") or store.get("labelSelector")
        if selector is not None:
            wanted = {key: selector.text(key) for key in selector.names()}
            chosen = [each for each in self.resources.of_kind("Secret") if wanted.items() <= each.labels().items()]
            if not chosen:
                self.draft.warn(selector, "no Secret of these files has the labels: its consumers are missing")
            found += chosen
        return found

    def _secret(self, secret: Resource) -> None:
        """A consumer for each key that a Secret has."""
        if id(secret) in self._made:
            return
        self._made.add(id(secret))
        values = self.resources.secret_values(secret)
        marked = [name for name in values if name in _OPEN_KEYS]
        for name in marked or list(values):
            key = _key(values[name])
            wanted = secret.name if marked else name
            if not key or "$" in key:
                self.draft.warn(secret.node, f"the key of {wanted} is not in the file: its consumer is missing")
                continue
            digest = hashlib.sha256(key.encode()).hexdigest()
            entry = self.draft.add("consumers", wanted, {"keys": [f"sha256:{digest}"]})
            entry.origin = secret.node
            entry.comments.append(f"{secret.node.label}, {secret.node.file}:{secret.node.line}; the key stays as it is")
        for name in values if marked else ():
            if name not in marked:
                self.draft.warn(secret.node, f"{name} is not imported: a consumer has a name and keys")


def _about_access(policy: Resource) -> Iterator[Node]:
    """Parts of a policy's spec that have something about access in them."""

    def look(node: Node, depth: int) -> Iterator[Node]:
        if any(_ABOUT_ACCESS.search(name) and node.get(name, "disable") is None for name in node.names()):
            yield node
        for name in node.names():
            child = node.get(name)
            if child is not None and depth < 3 and name not in _NOT_ABOUT_CLIENTS:
                yield from look(child, depth + 1)

    spec = policy.spec()
    if spec is not None:
        yield from look(spec, 0)


def _key(value: str) -> str:
    """The key: the text itself, or ``key`` of a JSON object."""
    try:
        read: Any = json.loads(value)
    except ValueError:
        return value.strip()
    return str(read.get("key") or "") if isinstance(read, dict) else value.strip()
