"""``HTTPRoute``: one aigw route for each rule, or several where its matches differ in more than their paths."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import attrs

from aigw.config.errors import allowed
from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.access import AccessReader
from aigw.config.importers.kubernetes.backends import BackendReader, Served
from aigw.config.importers.kubernetes.operations import Operations, by_end, read_operations
from aigw.config.importers.kubernetes.resource import BACKENDS, Resource
from aigw.config.importers.kubernetes.resources import Resources
from aigw.config.importers.nodes import MissingReference, Node, Refused
from aigw.config.values import host_rule, method, path_rule, set_header_name

_DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?(?:(\d{1,5})ms)?")


@attrs.frozen
class _Shared:
    """What all rules of an HTTPRoute have in common.

    :ivar closed: a comment: by which policy its routes are.
    :ivar operations: which paths are which operation, where a policy for it says that.
    :ivar parents: the names of its Gateways.
    """

    resource: Resource
    hosts: list[str]
    auth: str
    closed: str
    operations: Operations | None
    parents: frozenset[str]


@attrs.frozen
class _Taken:
    """A route that was made, as another one with the same conditions sees it."""

    auth: str
    name: str
    parents: frozenset[str]


class RouteReader:
    """Turns HTTPRoutes into routes."""

    def __init__(self, draft: Draft, resources: Resources, backends: BackendReader, access: AccessReader) -> None:
        self.draft = draft
        self.resources = resources
        self.backends = backends
        self.access = access
        self._operations_of: dict[int, Operations] = {}  # what policies say, by their id()
        self._taken: dict[str, _Taken] = {}  # routes by what they match
        self._asked: set[int] = set()  # backends of which some route asks for the path that they have of their own

    def close(self) -> None:
        """Say what paths of backends no route asks for."""
        for served in self.backends.with_paths():
            if id(served) not in self._asked and served.told is not None:
                self.draft.warn(served.told, "no route that was imported asks for it")

    def read(self, resource: Resource) -> None:
        """All rules of one HTTPRoute; a rule that cannot be had is left out whole, with a warning."""
        node = resource.node
        parents = node.maps("spec", "parentRefs")
        self.draft.note(node.get("spec", "parentRefs"), "aigw has one gateway")
        hosts = [self._host(each) for each in node.elements("spec", "hostnames")]
        rules = node.maps("spec", "rules")
        if not rules:
            raise node.refuse("has no rules")
        filters = [each for rule in rules for each in rule.maps("filters")]
        extensions = [told.scalar() for each in filters if (told := each.get("extensionRef", "name")) is not None]
        auth, policy = self.access.auth(resource, parents, extensions)
        closed = f"; closed by {policy.node.label}" if policy is not None else ""
        gateways = frozenset(parent.text("name") or "" for parent in parents)
        shared = _Shared(resource, hosts, auth, closed, self._operations(resource), gateways)
        for index, rule in enumerate(rules):
            name = resource.name if index == 0 else f"{resource.name}-{index + 1}"
            if len(rules) > 1:
                rule.label = f"{node.label}: rule {index + 1}"
            try:
                self._rule(shared, rule, rule.text("name") or name)
            except Refused as refused:
                if isinstance(refused, MissingReference) and rule.file not in self.draft.pages:
                    raise
                self.draft.refuse(refused, rule)

    def _operations(self, resource: Resource) -> Operations | None:
        """What a policy for the route says of which paths are which operation."""
        for policy, routes in self.resources.attached(resource, "backend", "ai", "routes"):
            if id(policy) not in self._operations_of:
                self.resources.used(policy)
                self._operations_of[id(policy)] = read_operations(self.draft, routes)
            return self._operations_of[id(policy)]
        return None

    def _rule(self, shared: _Shared, rule: Node, name: str) -> None:
        changes = self._filters(rule)
        conditions = self._untaken(shared, rule)
        served = self._served(shared.resource, rule, name, changes.pop("headers", {}))
        rewrite = changes.pop("rewrite", None)
        common = ({"hosts": shared.hosts} if shared.hosts else {}) | served.choice() | _timeouts(rule)
        routes = list(self._divided(rule, conditions, shared.operations or served.operations, rewrite, served))
        auth = self.draft.open_route(shared.resource.node) if shared.auth == "none" else shared.auth
        if auth != "key":
            common["auth"] = auth
        for values in routes:
            if values.get("rewrite") == {"full_path": served.full_path}:
                self._asked.add(id(served))
            self._route(shared, rule, name, values | common)
        self._take(shared, conditions, name)
        if rewrite is not None and all(values.get("rewrite") != rewrite for values in routes):
            filters = [node.get("urlRewrite", "path") for node in rule.maps("filters")]
            self.draft.note(filters, "the provider's own path for the operation is asked for")

    def _divided(
        self,
        rule: Node,
        conditions: list[dict[str, Any]],
        operations: Operations | None,
        rewrite: dict[str, str] | None,
        served: Served,
    ) -> Iterator[dict[str, Any]]:
        """Paths with their conditions, their operation and what the upstream is asked for, each of which is a route.

        :raises Refused: a rewrite fits no route of ours.
        """
        if operations is None:
            by_path = all(by_end(path) for each in conditions for path in each["paths"])
            operations = Operations(None if by_path else "chat")
        for condition in conditions:
            for paths, operation in operations.divided(condition["paths"]):
                values = condition | {"paths": paths} | _path_upstream(operation, rewrite, served)
                if "prefix" in values.get("rewrite", {}) and _regular(values):
                    if not operations.ends:
                        raise rule.refuse(
                            "replaces a prefix (ReplacePrefixMatch), but its path is not one (PathPrefix)"
                        )
                    del values["rewrite"]  # The provider's own path for each of them is right
                yield values

    def _route(self, shared: _Shared, rule: Node, name: str, values: dict[str, Any]) -> None:
        entry = self.draft.add("routes", name, values)
        entry.origin = rule
        self.draft.own(rule, entry)
        self.draft.own(shared.resource.node, entry)
        entry.comments.append(f"{rule.entity.label}, {rule.file}:{rule.line}{shared.closed}")

    def _host(self, node: Node) -> str:
        return _checked(node, host_rule, self.backends.texts.filled(node) or "")

    # -- when it matches

    def _untaken(self, shared: _Shared, rule: Node) -> list[dict[str, Any]]:
        """The conditions of a rule, without the paths that an earlier one has under the same.

        On one Gateway that one gets all requests (Gateway API, HTTPRouteRule: the oldest route, then the first rule).
        Where one of them is open and the other is not, both stay, and the check says that they cannot be told apart.

        :raises Refused: nothing is left.
        """
        found, first = [], None
        for condition in self._conditions(rule):
            taken = {path: self._taken.get(key) for path, key in _keys(shared, condition)}
            alike = [other for other in taken.values() if other is not None and other.auth == shared.auth]
            first = alike[0] if alike else first
            paths = [path for path, other in taken.items() if other is None or other.auth != shared.auth]
            found += [condition | {"paths": paths}] if paths else []
        if first is not None:
            why = "comes first" if first.parents == shared.parents else "is another Gateway's, of which aigw has one"
            if not found:
                raise rule.refuse(f"has the same conditions as route {first.name}, which {why}")
            self.draft.warn(rule, f"has a path under the same conditions as route {first.name}, which {why}")
        return found

    def _take(self, shared: _Shared, conditions: list[dict[str, Any]], name: str) -> None:
        for condition in conditions:
            for _, key in _keys(shared, condition):
                self._taken.setdefault(key, _Taken(shared.auth, name, shared.parents))

    def _conditions(self, rule: Node) -> list[dict[str, Any]]:
        """The matches, those together that differ in their paths only.

        :raises Refused: one has a condition that aigw's routes cannot have.
        """
        groups: dict[str, tuple[dict[str, Any], dict[str, None]]] = {}
        for match in rule.maps("matches"):
            path, rest = self._match(match)
            groups.setdefault(json.dumps(rest, sort_keys=True), (rest, {}))[1][path] = None
        if not groups:
            return [{"paths": ["/"]}]
        return [{"paths": list(paths)} | rest for rest, paths in groups.values()]

    def _match(self, match: Node) -> tuple[str, dict[str, Any]]:
        rest: dict[str, Any] = {}
        verb = match.get("method")
        if verb is not None:
            rest["methods"] = [_checked(verb, method, verb.scalar())]
        headers: dict[str, list[str]] = {}
        for header in match.maps("headers"):
            if header.text("type") not in (None, "Exact"):
                raise header.refuse("is a regular expression; aigw compares headers as they are")
            headers[header.text("name") or ""] = [header.text("value") or ""]
        if headers:
            rest["headers"] = headers
        if match.elements("queryParams"):
            raise match.elements("queryParams")[0].refuse("is a condition that aigw's routes cannot have")
        return self._path(match), rest

    def _path(self, match: Node) -> str:
        kind, value = match.text("path", "type") or "PathPrefix", match.text("path", "value") or "/"
        node = match.get("path") or match
        if kind == "Exact":
            return _checked(node, path_rule, f"={value}")
        if kind == "RegularExpression":
            # In the Gateway API's implementations the expression is for the whole path.
            return _checked(node, path_rule, f"~{value}" if value.endswith("$") else f"~(?:{value})$")
        if kind != "PathPrefix":
            raise node.refuse(
                f"has a type that is not known{allowed(kind, ['PathPrefix', 'Exact', 'RegularExpression'])}"
            )
        return _checked(node, path_rule, value)

    # -- what is changed on the way

    def _filters(self, rule: Node) -> dict[str, Any]:
        """``rewrite`` of the route and ``headers`` of its backend."""
        changes: dict[str, Any] = {}
        for node in rule.maps("filters"):
            kind = node.text("type")
            if kind == "URLRewrite":
                if "rewrite" in changes:
                    raise node.refuse("rewrites what another filter does, too")
                rewrite = self._rewrite(node)
                if rewrite:
                    changes["rewrite"] = rewrite
            elif kind == "RequestHeaderModifier":
                self._headers(node, changes.setdefault("headers", {}))
            elif kind in ("RequestRedirect",):
                raise node.refuse("is a redirect; aigw's routes lead to providers")
            else:
                self.draft.drop(node, "aigw has no such filter")
        return changes

    def _rewrite(self, node: Node) -> dict[str, str]:
        host = node.get("urlRewrite", "hostname")
        if host is not None:
            self.draft.drop(host, "a provider is called by its own name")
        path = node.get("urlRewrite", "path")
        if path is None:
            return {}
        kind = path.text("type")
        for key, ours in (("replaceFullPath", "full_path"), ("replacePrefixMatch", "prefix")):
            value = path.get(key)
            if value is not None and kind in (None, key[0].upper() + key[1:]):
                return {ours: _checked(value, path_rule, value.scalar() or "/")}
        raise path.refuse("has neither replaceFullPath nor replacePrefixMatch")

    def _headers(self, node: Node, headers: dict[str, Any]) -> None:
        for verb in ("set", "add"):
            for each in node.maps("requestHeaderModifier", verb):
                name = each.text("name") or ""
                try:
                    set_header_name(name)
                except ValueError as error:
                    self.draft.drop(each, str(error))
                    continue
                headers.setdefault("set", {})[name] = each.text("value") or ""
        removed = node.texts("requestHeaderModifier", "remove")
        if removed:
            headers.setdefault("remove", []).extend(removed)

    # -- where it leads

    def _served(self, resource: Resource, rule: Node, name: str, headers: dict[str, Any]) -> Served:
        """:raises Refused: there is no backend, or one that aigw cannot call."""
        references = rule.maps("backendRefs")
        found: list[tuple[Served, int]] = []
        for reference in references:
            weight = reference.number("weight")
            found.append((self._referred(resource, reference, headers), 1 if weight is None else int(weight)))
        if not found:
            raise rule.refuse("has no backendRefs")
        if len(found) == 1:
            self._alone(references[0], found[0][1])
            return found[0][0]
        return self._weighted(rule, name, found)

    def _alone(self, reference: Node, weight: int) -> None:
        """A weight says nothing where nothing is beside it, but that a backend with 0 gets no requests at all."""
        given = reference.get("weight")
        if given is not None and weight == 0:
            self.draft.warn(given, "is 0, so that this route has no backend; here the one that it names answers")
        else:
            self.draft.note(given, "one backend gets all requests")

    def _referred(self, resource: Resource, reference: Node, headers: dict[str, Any]) -> Served:
        group, kind = reference.text("group"), reference.text("kind") or "Service"
        name, namespace = reference.text("name") or "", reference.text("namespace") or resource.namespace
        self.draft.note(reference.get("port"), "a backend has its port in its url")
        self.draft.note(reference.get("namespace"), "aigw has no namespaces")
        if kind not in BACKENDS or (group is not None and not _fits(group, kind)):
            raise reference.refuse(f"refers to a {kind}; aigw calls LLM providers only ({', '.join(BACKENDS)})")
        for each in reference.maps("filters"):
            self.draft.drop(each, "aigw has filters for a whole route only")
        return self.backends.served(self.resources.referred(reference, (kind,), namespace, name), headers)

    def _weighted(self, rule: Node, name: str, found: list[tuple[Served, int]]) -> Served:
        """Several references as a model of their own.

        :raises Refused: one of them is several itself.
        """
        targets = []
        for served, weight in found:
            if served.model is not None or served.full_path is not None:
                raise rule.refuse("gives weights to backends, of which one is a pool itself or has a path of its own")
            targets.append({"backend": served.backends[0][0].name, "weight": weight})
        model = self.draft.add("models", name, {"targets": targets})
        model.comments.append(f"backendRefs of {rule.entity.label}, {rule.file}:{rule.line}")
        backends = tuple(backend for served, _ in found for backend in served.backends)
        operations = found[0][0].operations
        if any(served.operations != operations for served, _ in found):
            self.draft.warn(rule, "its backends differ in which paths are which operation; it is as with the first")
        return Served(backends, model.name, None, operations)


def _keys(shared: _Shared, condition: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each path of a condition, and a text that is the same where the same requests are meant."""
    rest = {key: value for key, value in condition.items() if key != "paths"}
    same = json.dumps([sorted(shared.hosts), rest], sort_keys=True)
    for path in condition["paths"]:
        yield path, f"{path} {same}"


def _path_upstream(operation: str | None, rewrite: dict[str, str] | None, served: Served) -> dict[str, Any]:
    """``rewrite`` and ``operation`` of a route."""
    if served.full_path is not None:
        rewrite = {"full_path": served.full_path}
    told = next(iter(rewrite.values()), "") if rewrite is not None else ""
    if operation is None or (rewrite is not None and "full_path" in rewrite and by_end(told)):
        return {"rewrite": rewrite} if rewrite is not None else {}
    # Otherwise the provider's own path is asked for there, whatever the filter made of the client's.
    kept = rewrite is not None and (by_end(told) or served.full_path is not None)
    return ({"rewrite": rewrite} if kept else {}) | {"operation": operation}


def _fits(group: str, kind: str) -> bool:
    return group == BACKENDS[kind] or group.endswith(("kgateway.dev", "agentgateway.dev", "solo.io"))


def _regular(conditions: dict[str, Any]) -> bool:
    return any(path.startswith("~") for path in conditions["paths"])


def _checked(node: Node, check: Any, value: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(check(value))
    except ValueError as error:
        raise node.refuse(str(error)) from None


def _timeouts(rule: Node) -> dict[str, Any]:
    """``timeouts.request`` and ``backendRequest``; the Gateway API counts both for the whole."""
    seconds = []
    for key in ("request", "backendRequest"):
        node = rule.get("timeouts", key)
        if node is None:
            continue
        found = _DURATION.fullmatch(node.scalar())
        if found is None or not any(found.groups()):
            raise node.refuse('must be a duration such as "30s"')
        hours, minutes, secs, millis = (int(part or 0) for part in found.groups())
        seconds.append(hours * 3600 + minutes * 60 + secs + millis / 1000)
    wanted = [each for each in seconds if each > 0]  # 0 is none
    if not wanted:
        return {}
    total = min(wanted)
    return {"timeouts": {"total": f"{int(total)}s" if total == int(total) else f"{round(total * 1000)}ms"}}
