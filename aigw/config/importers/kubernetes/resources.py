"""Kubernetes resources by kind, namespace and name, and the Secrets among them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from typing import Any

from aigw.config.errors import allowed, nearest
from aigw.config.importers.credentials import Credential, env_name, understand
from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resource import (
    ABOUT_THE_CLUSTER,
    BACKENDS,
    FOR_WHAT,
    INSTEAD,
    MAY_CLOSE,
    OF_ANY_KIND,
    VERSIONS,
    Resource,
    Target,
)
from aigw.config.importers.nodes import MissingReference, Node, Refused, unlike
from aigw.config.importers.source import SecretCommand


class Resources:
    """All resources of all files; of two with one name the later counts, as ``kubectl apply`` has it."""

    def __init__(self, draft: Draft, documents: list[Node], commands: list[SecretCommand]) -> None:
        self.draft = draft
        self._found: dict[tuple[str, str, str], Resource] = {}
        self._commands = {command.name: command for command in commands}
        # What is looked up in the end is found once, not for each route anew.
        self._policies: list[Resource] | None = None
        self._places: dict[int, int] = {}
        self._attached: dict[tuple[Target, tuple[str, ...]], list[tuple[int, Resource, Node]]] = {}
        self._labelled: dict[str, dict[tuple[str, str], list[Resource]]] = {}
        self._names: dict[tuple[str, ...], list[str]] = {}
        self._targets: dict[Target, list[int]] | None = None
        self._selectors: dict[tuple[str, tuple[str, str] | None], list[Target]] = {}
        self._unreadable: Refused | None = None
        self._named: dict[tuple[str, str], list[Resource]] | None = None
        for document in documents:
            self._take(document)

    def _take(self, document: Node) -> None:
        try:
            self._read(document)
        except Refused as refused:
            if document.file not in self.draft.pages:
                self.draft.errors.append(refused.problem)
                return
            self.draft.refuse(refused, document)
            kind = document.get("kind")
            if kind is not None and str(kind.content).endswith(MAY_CLOSE):
                self.draft.closed = True

    def _read(self, node: Node) -> None:
        kind = node.text("kind") or ""
        if kind.endswith("List") and node.get("items") is not None:
            node.text("apiVersion")
            self.draft.note(node.get("metadata"), "about the list")
            for item in node.maps("items"):
                self._read(item)
            return
        name = node.text("metadata", "name")
        node.label = f"{kind} {name or '?'}"
        if name is None:
            raise node.refuse("has no metadata.name")
        group, slash, _version = (node.text("apiVersion") or "").rpartition("/")
        namespace = node.text("metadata", "namespace") or ""
        versions = VERSIONS.get(kind)
        version = node.get("apiVersion")
        if versions is not None and version is not None and version.content not in versions:
            raise version.refuse(f"is a version of {kind} that is not known (allowed: {', '.join(versions)})")
        spec = node.get("spec")
        if spec is not None and isinstance(spec.content, str):
            raise spec.refuse(unlike(spec, "a mapping"))
        self._about(node)
        resource = Resource(kind, group if slash else "", namespace, name, node)
        earlier = self._found.get((kind, namespace, name))
        if earlier is not None:
            self._replaced(earlier, resource)
        self._found[kind, namespace, name] = resource

    def _replaced(self, earlier: Resource, later: Resource) -> None:
        where = f"{later.node.file}:{later.node.line}"
        if _same(earlier.node, later.node):
            self.draft.note(earlier.node, f"is there again, and the same, {where}")
        else:
            self.draft.drop(earlier.node, f"is replaced by the one further down, {where}")

    def _about(self, node: Node) -> None:
        metadata = node.get("metadata")
        assert metadata is not None
        about = [metadata.get(key) for key in metadata.names() if key != "name"]
        self.draft.note([*about, node.get("status")], "for whoever keeps the resources; aigw has no place for it")

    def of_kind(self, *kinds: str) -> list[Resource]:
        """The resources of these kinds, in the order of the files."""
        return [resource for resource in self._found.values() if resource.kind in kinds]

    def labelled(self, kind: str, wanted: dict[str, str]) -> list[Resource]:
        """The resources of a kind that have all of these labels."""
        if kind not in self._labelled:
            by_label = self._labelled[kind] = {}
            for each in self.of_kind(kind):
                for label in (("", ""), *each.labels().items()):
                    by_label.setdefault(label, []).append(each)
        some = self._labelled[kind].get(min(wanted.items(), default=("", "")), [])
        return [each for each in some if wanted.items() <= each.labels().items()]

    def policies(self) -> list[Resource]:
        """Resources that say something about others: by ``targetRefs``, or by being referred to from a filter."""
        if self._policies is None:
            kinds = ("RouteOption", "TrafficPolicy")
            self._policies = [
                each
                for each in self._found.values()
                if each.kind in kinds or any(each.spec(key) is not None for key in FOR_WHAT)
            ]
        return self._policies

    def targets_of(self, resource: Resource) -> list[Target]:
        """What a resource is looked up by: its name, and each set of labels that a policy selects it by.

        :raises Refused: what one of all policies is for cannot be read.
        """
        self._by_target()
        found: list[Target] = [(resource.kind, resource.name)]
        labels = resource.labels()
        for first in (None, *labels.items()):
            for target in self._selectors.get((resource.kind, first), ()):
                wanted = () if isinstance(target[1], str) else target[1]
                if all(labels.get(key) == value for key, value in wanted):
                    found.append(target)
        return found

    def place(self, policy: Resource | None) -> int:
        """Where a policy stands among all."""
        if not self._places:
            self._places = {id(each): place for place, each in enumerate(self.policies())}
        return self._places.get(id(policy), len(self._places))

    def policies_for(self, targets: Iterable[Target]) -> list[Resource]:
        """Those that are for one of ``targets``, or have its name if it is of no kind; in their order.

        :raises Refused: what one of all policies is for cannot be read.
        """
        places: set[int] = set()
        for target in targets:
            places.update(self._by_target().get(target, ()))
        return [self.policies()[place] for place in sorted(places)]

    def _by_target(self) -> dict[Target, list[int]]:
        """The places of policies, by what they are for, and by their own names without a kind."""
        if self._unreadable is not None:
            raise self._unreadable
        if self._targets is None:
            targets: dict[Target, list[int]] = {}
            for place, policy in enumerate(self.policies()):
                try:
                    found = {*policy.targets(), ("", policy.name)}
                except Refused as refused:
                    self._unreadable = refused
                    raise
                for target in found:
                    targets.setdefault(target, []).append(place)
            self._targets = targets
            for kind, wanted in targets:
                if not isinstance(wanted, str):
                    self._selectors.setdefault((kind, wanted[0] if wanted else None), []).append((kind, wanted))
        return self._targets

    def policy_parts(self, key: str, node: Node | None, resource: Resource) -> Iterator[Node]:
        """A part of agentgateway's policies: an LLM's own before its resource's, before those of policies for that.

        :param node: the LLM's, in the resource.
        """
        own = [node.get("policies", key)] if node is not None else []
        for part in (*own, resource.spec("policies", key)):
            if part is not None:
                yield part
        yield from (part for _, part in self.attached(resource, "backend", key))

    def attached(self, resource: Resource, *keys: str) -> Iterator[tuple[Resource, Node]]:
        """The policies for a resource that have something under these keys, and that, in their order."""
        lists = [self._attached_to(target, keys) for target in self.targets_of(resource)]
        last = -1
        for place, policy, part in heapq.merge(*lists, key=lambda each: each[0]):
            if place != last:
                last = place
                yield policy, part

    def _attached_to(self, target: Target, keys: tuple[str, ...]) -> list[tuple[int, Resource, Node]]:
        """Found once for each target, however many resources that is."""
        known = self._attached.get((target, keys))
        if known is None:
            parts = ((policy, policy.spec(*keys)) for policy in self.policies_for([target]))
            known = [(self.place(policy), policy, part) for policy, part in parts if part is not None]
            self._attached[target, keys] = known
        return known

    def find(self, kind: str, name: str, namespace: str) -> Resource | None:
        """One resource. A namespace that is not said, here or there, fits every other one."""
        exact = self._found.get((kind, namespace, name))
        if exact is not None:
            return exact
        if self._named is None:
            self._named = {}
            for each in self._found.values():
                self._named.setdefault((each.kind, each.name), []).append(each)
        loose = (each for each in self._named.get((kind, name), ()) if "" in (each.namespace, namespace))
        return next(loose, None)

    def referred(self, reference: Node, kinds: tuple[str, ...], namespace: str, name: str) -> Resource:
        """What a reference names.

        :raises Refused: nothing of that kind and name.
        """
        for kind in kinds:
            found = self.find(kind, name, namespace)
            if found is not None:
                return found
        if kinds not in self._names:
            self._names[kinds] = sorted(resource.name for resource in self.of_kind(*kinds))
        meant = next((kind for kind in BACKENDS if self.find(kind, name, namespace) is not None), "")
        hint = f" (did you mean {meant} {name}?)" if meant else allowed(name, nearest(name, self._names[kinds]))
        raise MissingReference(reference, f"names no {' or '.join(kinds)} of these files{hint}")

    def used(self, resource: Resource) -> None:
        """A resource of a kind that has many versions was made use of."""
        if resource.kind not in VERSIONS:
            self.draft.note(resource.node.get("apiVersion"), "its fields tell what it says")
        for reference in (*resource.references(), *resource.node.maps("spec", "targetSelectors")):
            self.draft.note(reference.get("group"), "follows from the kind")
            for key in ("kind", "name", "matchLabels"):
                told = reference.get(key)
                if told is not None:
                    told.settle()

    def left(self) -> Iterator[Resource]:
        """Resources that nobody has made anything of."""
        for resource in self._found.values():
            if resource.node.open_leaves():
                yield resource

    def close(self) -> None:
        """Say why what is left is left."""
        known = {*ABOUT_THE_CLUSTER, *BACKENDS, "Secret", "HTTPRoute"}
        policies = set(self.policies())
        unused = "no route that was imported leads to it"
        if not self.of_kind("HTTPRoute"):
            unused = "no file has an HTTPRoute: import it together with the one that leads to it"
        for policy in self.policies():
            if policy.node.open_leaves() and self._touched(policy.node):
                self.used(policy)
        for resource in self._found.values():
            if not set(resource.node.names()) - OF_ANY_KIND:
                self.draft.note(resource.node, "has nothing in it")
        for resource in self.left():
            if resource.kind not in known and resource not in policies:
                self.draft.drop(resource.node, INSTEAD.get(resource.kind, "aigw has nothing like it"))
                continue
            if resource.kind in ABOUT_THE_CLUSTER:
                self.draft.note(resource.node, "about the cluster; aigw is one process with one file")
            elif resource.kind == "Secret" and not self._touched(resource.node):
                self.draft.drop(resource.node, "nothing that was imported refers to it")
            elif resource.kind in BACKENDS and not self._touched(resource.node):
                self.draft.drop(resource.node, unused)
            elif resource in policies and not self._touched(resource.node):
                self.draft.drop(resource.node, "aigw has no policies of its own")

    def _touched(self, node: Node) -> bool:
        content = [node.get(key) for key in ("spec", "data", "stringData")]
        return any(leaf.settled for part in content if part is not None for leaf in part.leaves())

    # -- secrets

    def credential(self, name: str, namespace: str, reference: Node, key: str = "Authorization") -> Credential:
        """Where aigw finds what a Secret has: in the environment, never in its file.

        :param reference: what is named in warnings.
        """
        env = env_name(name)
        value = self._secret_value(name, namespace, key)
        if value is None:
            return Credential(env, said=f"Secret {name} is not in these files: it is read from ${env}")
        found = understand(value, env)
        if found.literal:
            return Credential(env, said=f"the value of Secret {name} is not written down: it is read from ${env}")
        return found

    def _secret_value(self, name: str, namespace: str, key: str) -> str | None:
        resource = self.find("Secret", name, namespace)
        if resource is None:
            command = self._commands.get(name)
            return None if command is None else _pick(command.values, key)
        values = self.secret_values(resource)
        return _pick(values, key)

    def secret_values(self, secret: Resource) -> dict[str, str]:
        """What a Secret has, decoded. Settles it."""
        values: dict[str, str] = {}
        for part in ("data", "stringData"):
            held = secret.node.get(part)
            for key in held.names() if held is not None else ():
                node = held.get(key) if held is not None else None
                if node is not None and isinstance(node.content, str):
                    decoded = node.decoded() if part == "data" else node.scalar()
                    values[key] = decoded if decoded is not None else node.scalar()
        self.draft.note(secret.node.get("type"), "what kind of Secret it is")
        return values


def _pick(values: dict[str, str], key: str) -> str:
    if key in values:
        return values[key]
    return next(iter(values.values())) if len(values) == 1 else ""


def _same(one: Node, other: Node) -> bool:
    def told(node: Node) -> Any:
        if isinstance(node.content, dict):
            return {key: told(child) for key, child in node.content.items()}
        return [told(child) for child in node.content] if isinstance(node.content, list) else node.content

    return json.dumps(told(one), sort_keys=True) == json.dumps(told(other), sort_keys=True)
