"""``ai-proxy`` and ``ai-proxy-advanced`` as backends and models: what stands behind a route."""

from __future__ import annotations

import json
from typing import Any

import attrs

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.balancing import KONGS_WEIGHT, balance, prioritise
from aigw.config.importers.kong.entities import Entities, Plugin
from aigw.config.importers.kong.target import Target, TargetReader
from aigw.config.importers.nodes import Node

#: What aigw allows.
_LARGEST_BODY = 2**40


@attrs.frozen
class Served:
    """What a plugin came to: one backend, one model, or several models from which requests pick by name.

    :ivar targets: what was read, for comparison with what consumers have of their own.
    :ivar backends: the backend of each target.
    """

    targets: tuple[Target, ...]
    backends: tuple[Entry, ...]
    model: str | None
    operation: str | None
    streaming: str
    by_name: bool = False

    @property
    def only(self) -> Entry | None:
        """The backend, if there is one only."""
        return self.backends[0] if len(self.targets) == 1 and not self.by_name else None

    def choice(self) -> dict[str, Any]:
        """The route's keys that lead here."""
        if self.by_name:
            return {}
        return {"model": self.model} if self.model else {"backend": self.backends[0].name}


class ServiceReader:
    """Makes each plugin once, however many routes it acts on."""

    def __init__(self, draft: Draft, entities: Entities) -> None:
        self.draft = draft
        self.reader = TargetReader(draft, entities)
        self._made: dict[int, Served] = {}
        self._largest_body = 0

    def served(self, plugin: Plugin, name: str) -> Served:
        """The backends of a plugin.

        :param name: what to call them.
        :raises Refused: aigw has nothing like it.
        """
        if id(plugin) not in self._made:
            self._made[id(plugin)] = self.draft.whole(plugin.node, self._make, plugin, name)
        return self._made[id(plugin)]

    def targets(self, plugin: Plugin) -> list[Target]:
        """What a plugin calls; its settings as a whole are looked at as well.

        :raises Refused: see :meth:`served`.
        """
        config = plugin.config
        if plugin.name == "ai-proxy":
            return [self.reader.read(config)]
        nodes = config.maps("targets")
        if not nodes:
            raise config.refuse("has no targets")
        for index, node in enumerate(nodes):
            node.label = f"{plugin.node.label}: target {index + 1}"
        return [self._one_of(node, config) for node in nodes]

    def _one_of(self, node: Node, config: Node) -> Target:
        target = self.reader.read(node)
        shared = config.get("llm_format")
        if shared is not None and node.get("llm_format") is None:
            name = shared.scalar()
            if name == "anthropic":
                target.operation = "messages"
            elif name != "openai":
                raise shared.refuse("is a dialect that aigw's clients cannot speak (allowed: openai, anthropic)")
        weight = node.number("weight")
        target.weight = int(weight) if weight is not None else None
        self.draft.note([node.get("description"), node.get("metadata")], "a description")
        return target

    def _make(self, plugin: Plugin, name: str) -> Served:
        targets = self.targets(plugin)
        operations = list(dict.fromkeys(target.operation for target in targets))
        if len(operations) > 1:
            raise plugin.config.refuse("has targets of several route_types; aigw's routes have one operation each")
        self._settings(plugin)
        streaming = plugin.config.text("response_streaming") or "allow"
        if len(targets) > 1 and any(target.full_path for target in targets):
            raise plugin.config.refuse(
                "has several targets, one with an upstream_url that is not its provider's usual one"
            )
        backends = tuple(self._backends(plugin, targets, name))
        served = Served(tuple(targets), backends, None, operations[0], streaming)
        if any(target.alias for target in targets):
            self._aliases(plugin, targets, backends)
            return attrs.evolve(served, by_name=True)
        if len(targets) == 1:
            balance(self.draft, plugin.config.get("balancer"), alone=True)
            self.draft.note(targets[0].node.get("weight"), "one target gets all requests")
            return served
        return attrs.evolve(served, model=self._model(plugin, targets, backends, name))

    # -- backends

    def _backends(self, plugin: Plugin, targets: list[Target], name: str) -> list[Entry]:
        """One for each target; targets that differ in nothing but the model share one that names none."""
        auths = [self.reader.auth(target) for target in targets]
        made: dict[str, Entry] = {}
        entries = []
        for target, auth in zip(targets, auths, strict=True):
            values = target.values | {"auth": auth}
            alone = len(targets) == 1
            rest = values if alone else {k: v for k, v in values.items() if k not in ("model", "on_model_mismatch")}
            key = json.dumps(rest, sort_keys=True, default=str)
            known = made.get(key)
            if known is None:
                known = self._backend(plugin, target, rest, name if alone else f"{name}-{target.kind.provider}")
                made[key] = known
            else:
                self.draft.own(target.node, known)
            entries.append(known)
        if len(made) == 1 and len(targets) > 1 and not self.draft.has("backends", name):
            self.draft.rename(next(iter(made.values())), name)  # All targets share it
        return entries

    def _backend(self, plugin: Plugin, target: Target, values: dict[str, Any], name: str) -> Entry:
        entry = self.draft.add("backends", name, dict(values))
        entry.origin = target.node
        self.draft.own(target.node, entry)
        self.draft.own(plugin.node, entry)
        entry.comments.append(f"{target.node.entity.label}, {target.node.file}:{target.node.line}")
        if "drop_unsupported" in values:
            entry.beside["drop_unsupported"] = "as Kong does; without it, such requests are a 400"
        if values.get("auth") == {"passthrough": True}:
            entry.beside["auth"] = "no auth in Kong: the client's own Authorization goes on"
        return entry

    # -- models

    def _aliases(self, plugin: Plugin, targets: list[Target], backends: tuple[Entry, ...]) -> None:
        """``model_alias``: the names that clients ask for."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for target, backend in zip(targets, backends, strict=True):
            public = target.alias or target.values.get("model")
            if not public:
                raise target.node.refuse("has neither a model_alias nor a name, and the other targets have")
            groups.setdefault(public, []).append(_entry(target, backend))
        for public, entries in groups.items():
            if self.draft.has("models", public):
                raise plugin.config.refuse(
                    f"has the alias {public}, and so has another plugin: aigw's model names are for all routes"
                )
            self.draft.add(
                "models", public, {"targets": entries} | balance(self.draft, plugin.config.get("balancer"))
            ).comments.append(f"model_alias of {plugin.node.label}")

    def _model(self, plugin: Plugin, targets: list[Target], backends: tuple[Entry, ...], name: str) -> str:
        entries = [_entry(target, backend) for target, backend in zip(targets, backends, strict=True)]
        if any("weight" in entry for entry in entries):
            entries = [entry | {"weight": entry.get("weight", KONGS_WEIGHT)} for entry in entries]
        values = balance(self.draft, plugin.config.get("balancer"))
        if plugin.config.text("balancer", "algorithm") == "priority":
            prioritise(entries)
            self.draft.note([target.node.get("weight") for target in targets], "only which is larger matters: priority")
        entry = self.draft.add("models", name, {"targets": entries} | values)
        entry.comments.append(f"{plugin.node.label}, {plugin.node.file}:{plugin.node.line}")
        entry.comments.append("Whatever model a client names, one of these answers")
        self.draft.own(plugin.node, entry)
        return entry.name

    # -- the plugin's own settings

    def _settings(self, plugin: Plugin) -> None:
        config = plugin.config
        for key in ("log_statistics", "log_payloads"):
            for where in [config, *config.maps("targets")]:
                node = where.get("logging", key)
                if node is not None and key == "log_payloads" and where.flag("logging", key):
                    self.draft.drop(node, "aigw never logs prompts or answers")
                elif node is not None:
                    self.draft.note(node, "tokens are always counted, prompts never logged")
        header = config.get("model_name_header")
        if header is not None:
            self.draft.note(header, "every proxied response has X-Aigw-Model")
        self.draft.note(config.get("genai_category"), "a category for Kong's analytics")
        self._body_size(config)

    def _body_size(self, config: Node) -> None:
        """The largest of all limits: aigw has one for the whole server."""
        node = config.get("max_request_body_size")
        if node is None:
            return
        size = int(config.number("max_request_body_size") or 0)
        if not 0 <= size <= _LARGEST_BODY:
            raise node.refuse("must be a number of bytes from 0 to 1024 GiB")
        if size == 0:
            self.draft.warn(
                node, "0 is no limit in Kong; here it is max_request_body of [server], 32MiB without a word"
            )
        elif size > self._largest_body:
            self._largest_body = size
            self.draft.server["max_request_body"] = size
            self.draft.warn(node, "is the limit of the whole server here (max_request_body in [server])")
        else:
            self.draft.drop(node, "the limit is one for the whole server, and another plugin's is larger")


def _entry(target: Target, backend: Entry) -> dict[str, Any]:
    entry: dict[str, Any] = {"backend": backend.name}
    if target.values.get("model") and backend.values.get("model") != target.values["model"]:
        entry["model"] = target.values["model"]
    if target.weight is not None:
        entry["weight"] = target.weight
    return entry
