"""Who may come in: policies with ``apiKeyAuthentication`` as consumers, everything else as a closed door."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resources import POLICIES, Resource, Resources
from aigw.config.importers.nodes import Node

#: Parts of policies that decide who may come in, where aigw has another way.
_OTHER_WAYS = (
    "jwtAuthentication",
    "jwt",
    "basicAuthentication",
    "basicAuth",
    "extAuth",
    "oidc",
    "rbac",
    "authorization",
)


class AccessReader:
    """Looks at the policies once, and tells of each route whether it is open."""

    def __init__(self, draft: Draft, resources: Resources) -> None:
        self.draft = draft
        self.resources = resources
        self._keys: list[Resource] = []
        self._others: list[Resource] = []
        self._made: set[int] = set()
        for policy in resources.of_kind(*POLICIES):
            draft.attempt(self._policy, policy)

    def _policy(self, policy: Resource) -> None:
        holder = policy.spec("traffic") or policy.spec()
        if holder is None:
            return
        if _keys(holder) is not None:
            self._keys.append(policy)
        elif any(holder.get(way) is not None for way in _OTHER_WAYS):
            self._others.append(policy)

    def auth(self, route: Resource, gateways: list[str]) -> str:
        """What the route's ``auth`` is.

        :param gateways: the names of its parents.
        """
        for policy in self._keys:
            if self._meant(policy, route, gateways):
                self._consumers(policy)
                return "key"
        for policy in self._others:
            if self._meant(policy, route, gateways):
                why = "aigw knows consumers by keys only. The route stays closed: give its consumers keys"
                self.draft.drop(policy.node, why)
                return "key"
        self.draft.warn(route.node, 'nobody is asked for a key, so auth = "none": whoever reaches the port is served')
        return "none"

    def _meant(self, policy: Resource, route: Resource, gateways: list[str]) -> bool:
        for reference in policy.node.maps("spec", "targetRefs"):
            kind, name = reference.get("kind"), reference.get("name")
            if kind is None or name is None:
                continue
            if (kind.content == "HTTPRoute" and name.content == route.name) or (
                kind.content == "Gateway" and name.content in gateways
            ):
                return True
        return False

    def _consumers(self, policy: Resource) -> None:
        """A consumer for each key that the policy's Secrets have."""
        if id(policy) in self._made:
            return
        self._made.add(id(policy))
        references = policy.spec("targetRefs")
        if references is not None:
            references.settle()
        holder = policy.spec("traffic") or policy.spec()
        assert holder is not None
        keys = _keys(holder)
        assert keys is not None
        mode = keys.get("mode")
        if mode is not None and mode.content != "Strict":
            self.draft.drop(mode, "a route is closed or open: here it is closed")
        elif mode is not None:
            mode.settle()
        for secret in self._secrets(policy, keys):
            self._secret(secret)

    def _secrets(self, policy: Resource, keys: Node) -> list[Resource]:
        reference, selector = keys.get("secretRef"), keys.get("secretSelector", "matchLabels")
        found: list[Resource] = []
        if reference is not None:
            name = reference.text("name") or ""
            secret = self.resources.find("Secret", name, reference.text("namespace") or policy.namespace)
            if secret is None:
                self.draft.warn(
                    reference, f"Secret {name} is not in these files: its consumers are missing ('aigw key' makes keys)"
                )
            else:
                found.append(secret)
        if selector is not None:
            wanted = {key: selector.text(key) for key in selector.names()}
            found += [each for each in self.resources.of_kind("Secret") if wanted.items() <= each.labels().items()]
            if not found:
                self.draft.warn(
                    selector, "no Secret of these files has the labels: consumers are missing ('aigw key' makes keys)"
                )
        return found

    def _secret(self, secret: Resource) -> None:
        if id(secret) in self._made:
            return
        self._made.add(id(secret))
        values = self.resources.secret_values(secret)
        for name, value in values.items():
            key = _key(value)
            wanted = secret.name if len(values) == 1 and name in ("api-key", "apiKey", "key") else name
            if not key or "$" in key:
                self.draft.warn(secret.node, f"the key of {name} is not in the file: its consumer is missing")
                continue
            digest = hashlib.sha256(key.encode()).hexdigest()
            entry = self.draft.add("consumers", wanted, {"keys": [f"sha256:{digest}"]})
            entry.origin = secret.node
            entry.comments.append(f"{secret.node.label}, {secret.node.file}:{secret.node.line}; the key stays as it is")


def _keys(holder: Node) -> Node | None:
    return holder.get("apiKeyAuthentication") or holder.get("apiKeyAuth")


def _key(value: str) -> str:
    """The key: the text itself, or ``key`` of a JSON object."""
    try:
        read: Any = json.loads(value)
    except ValueError:
        return value.strip()
    return str(read.get("key") or "") if isinstance(read, dict) else value.strip()
