"""Who may come in: policies that ask for API keys as consumers, every other policy about access as a closed door.

A route is imported as an open one only where no policy that is meant for it has anything to do with access.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resource import FOR_WHAT, LISTENER_SETS, Resource, Target
from aigw.config.importers.kubernetes.resources import Resources
from aigw.config.importers.nodes import Node

_ABOUT_ACCESS = re.compile(r"auth|jwt|oidc|rbac|api_?key|acl", re.I)
#: Parts of policies that are about the way to the provider, or about whom the policy is for.
_NOT_ABOUT_CLIENTS = ("backend", *FOR_WHAT)
_OPEN_KEYS = ("api-key", "apiKey", "apikey", "key")


@attrs.frozen
class _Access:
    """What the policies for something say of who may come in.

    :ivar policies: all that say anything, in the order of the files.
    :ivar keyed: the first of them that asks for keys, and
    :ivar keys: where it says which.
    """

    policies: list[Resource]
    keyed: Resource | None
    keys: Node | None


class AccessReader:
    """Looks at the policies once, and tells of each route whether it is open."""

    def __init__(self, draft: Draft, resources: Resources) -> None:
        self.draft = draft
        self.resources = resources
        self._made: set[int] = set()
        self._accesses: dict[Target, _Access] = {}
        self._closed: set[Target] = set()
        self._keys: dict[str, str] = {}  # whose they are, by their digests
        self._selected: set[str] = set()  # labels whose Secrets were looked up
        self._tables: dict[str, str] = {}  # of [auth], by the headers that they look into

    def auth(self, route: Resource, parents: list[Node], extensions: list[str]) -> tuple[str, Resource | None]:
        """What the route's ``auth`` is, and the policy that says so; ``none`` where no policy says anything.

        :param parents: its ``parentRefs``.
        :param extensions: the names of resources that its filters refer to.
        """
        targets = [
            *self.resources.targets_of(route),
            *self._parents(parents, route),
            *(("", each) for each in extensions),
        ]
        accesses = {target: self._access(target) for target in dict.fromkeys(targets)}
        keyed = [access for access in accesses.values() if access.keys is not None]
        if keyed:
            first = min(keyed, key=lambda access: self.resources.place(access.keyed))
            assert first.keys is not None and first.keyed is not None
            return self._key_auth(first.keyed, first.keys), first.keyed
        closed = [(target, access) for target, access in accesses.items() if access.policies]
        for target, access in closed:
            self._say_closed(target, access)
        if closed:
            return "key", min((access.policies[0] for _, access in closed), key=self.resources.place)
        return "none", None

    def _parents(self, parents: list[Node], route: Resource) -> Iterator[Target]:
        """Gateways, and what adds listeners to them, by their names and labels."""
        for parent in parents:
            found = self._parent(parent, route)
            yield from found[1]
            gateway = found[0].spec("parentRef") if found[0] is not None and found[0].kind in LISTENER_SETS else None
            if gateway is not None:
                yield from self._parent(gateway, route)[1]

    def _parent(self, parent: Node, route: Resource) -> tuple[Resource | None, list[Target]]:
        kind, name = parent.text("kind") or "Gateway", parent.text("name") or ""
        found = self.resources.find(kind, name, parent.text("namespace") or route.namespace)
        return found, [(kind, name)] if found is None else self.resources.targets_of(found)

    def _access(self, target: Target) -> _Access:
        """What the policies for one target say, found once."""
        known = self._accesses.get(target)
        if known is None:
            policies = [each for each in self.resources.policies_for([target]) if any(_about_access(each))]
            found = ((policy, self._api_keys(policy)) for policy in policies)
            keyed, keys = next((each for each in found if each[1] is not None), (None, None))
            known = self._accesses[target] = _Access(policies, keyed, keys)
        return known

    def _say_closed(self, target: Target, access: _Access) -> None:
        if target in self._closed:
            return
        self._closed.add(target)
        for policy in access.policies:
            if policy.node.open_leaves():
                why = "aigw knows consumers by keys only. The route stays closed: give its consumers keys"
                self.draft.drop(policy.node, why)

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
        if header in self._tables:
            return self._tables[header]
        name = "key" if not self.draft.section("auth") else f"key-{policy.name}"
        entry = self.draft.add("auth", name, {"type": "key", "key_names": [header], "bearer": False}, keys)
        entry.comments.append(f"{keys.entity.label}, {keys.file}:{keys.line}")
        self._tables[header] = entry.name
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
            found += self._labelled(selector)
        return found

    def _labelled(self, selector: Node) -> list[Resource]:
        """The Secrets that have the labels; those of another policy's same labels are consumers already."""
        wanted = {key: selector.text(key) or "" for key in selector.names()}
        key = json.dumps(wanted, sort_keys=True)
        if key in self._selected:
            return []
        chosen = self.resources.labelled("Secret", wanted)
        if chosen:
            self._selected.add(key)
        else:
            self.draft.warn(selector, "no Secret of these files has the labels: its consumers are missing")
        return chosen

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
            other = self._keys.setdefault(digest, wanted)
            if other is not wanted:
                self.draft.warn(secret.node, f"the key of {wanted} is {other}'s, too: it is known as {other}")
                continue
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
