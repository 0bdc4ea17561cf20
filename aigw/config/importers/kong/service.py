"""``ai-proxy`` and ``ai-proxy-advanced`` as backends and models: what stands behind a route."""

from __future__ import annotations

from typing import Any

import attrs

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.entities import Entities, Plugin
from aigw.config.importers.kong.target import Target, TargetReader
from aigw.config.importers.nodes import Node

_BALANCE = {
    "round-robin": "weighted",
    "priority": "weighted",
    "consistent-hashing": "hash",
    "least-connections": "least-busy",
    "lowest-latency": "lowest-latency",
}
_RETRY_ON = {
    "error": "connect",
    "timeout": "timeout",
    "http_429": "429",
    "http_500": "5xx",
    "http_502": "5xx",
    "http_503": "5xx",
    "http_504": "5xx",
}
#: What Kong has without a word; fields that say just that lose nothing by being left out.
_DEFAULTS: dict[str, Any] = {
    "hash_on_header": "X-Kong-LLM-Request-ID",
    "latency_strategy": "tpot",
    "slots": 10000,
    "tokens_count_strategy": "total-tokens",
    "write_timeout": 60000,
    "stop_on_failure": False,
}
_MOST_ATTEMPTS = 10
_KONGS_WEIGHT = 100


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
            self._made[id(plugin)] = self.draft.whole(self._make, plugin, name)
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
            raise plugin.config.refuse("has an upstream_url that is no provider's usual one, among several targets")
        backends = tuple(self._backends(plugin, targets, name))
        served = Served(tuple(targets), backends, None, operations[0], streaming)
        if any(target.alias for target in targets):
            self._aliases(plugin, targets, backends)
            return attrs.evolve(served, by_name=True)
        if len(targets) == 1:
            self._balancer(plugin, None)
            return served
        return attrs.evolve(served, model=self._model(plugin, targets, backends, name))

    # -- backends

    def _backends(self, plugin: Plugin, targets: list[Target], name: str) -> list[Entry]:
        """One for each target; targets that differ in nothing but the model share one that names none."""
        auths = [self.reader.auth(target) for target in targets]
        made: list[tuple[dict[str, Any], Entry]] = []
        entries = []
        for target, auth in zip(targets, auths, strict=True):
            values = target.values | {"auth": auth}
            alone = len(targets) == 1
            rest = values if alone else {k: v for k, v in values.items() if k not in ("model", "on_model_mismatch")}
            known = next((entry for other, entry in made if other == rest), None)
            if known is None:
                known = self._backend(plugin, target, rest, name if alone else f"{name}-{target.kind.provider}")
                made.append((rest, known))
            else:
                self.draft.own(target.node, known)
            entries.append(known)
        if len(made) == 1 and len(targets) > 1:
            self._rename(made[0][1], name)
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

    def _rename(self, entry: Entry, name: str) -> None:
        """All targets share one backend: it can have the plain name, if that is free."""
        if ("backends", name) not in self.draft.entries:
            entries = list(self.draft.entries.values())
            entry.name = self.draft.free_name("backends", name)
            self.draft.entries = {(each.section, each.name): each for each in entries}

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
            if ("models", public) in self.draft.entries:
                raise plugin.config.refuse(
                    f"has the alias {public}, and so has another plugin: aigw's model names are for all routes"
                )
            self.draft.add("models", public, {"targets": entries} | self._balancer(plugin, targets)).comments.append(
                f"model_alias of {plugin.node.label}"
            )

    def _model(self, plugin: Plugin, targets: list[Target], backends: tuple[Entry, ...], name: str) -> str:
        entries = [_entry(target, backend) for target, backend in zip(targets, backends, strict=True)]
        if any("weight" in entry for entry in entries):
            entries = [entry | {"weight": entry.get("weight", _KONGS_WEIGHT)} for entry in entries]
        values = self._balancer(plugin, targets)
        if plugin.config.text("balancer", "algorithm") == "priority":
            _prioritise(entries)
            self.draft.note([target.node.get("weight") for target in targets], "only which is larger matters: priority")
        entry = self.draft.add("models", name, {"targets": entries} | values)
        entry.comments.append(f"{plugin.node.label}, {plugin.node.file}:{plugin.node.line}")
        entry.comments.append("Whatever model a client names, one of these answers")
        self.draft.own(plugin.node, entry)
        return entry.name

    def _balancer(self, plugin: Plugin, targets: list[Target] | None) -> dict[str, Any]:
        """A model's keys from ``balancer``; for one target there is nothing to choose, only to note.

        :raises Refused: the choice depends on what aigw does not look at.
        """
        balancer = plugin.config.get("balancer")
        if balancer is None:
            return {}
        if targets is None:
            self.draft.note(balancer, "there is one target only")
            return {}
        values: dict[str, Any] = {}
        algorithm = balancer.get("algorithm")
        name = algorithm.scalar() if algorithm is not None else "round-robin"
        if name == "semantic":
            assert algorithm is not None
            raise algorithm.refuse("semantic: aigw does not choose by what a prompt says")
        if algorithm is not None and name not in _BALANCE:
            self.draft.drop(algorithm, "aigw has no such choice: by weight, then")
        elif _BALANCE[name] != "weighted":
            values["balance"] = _BALANCE[name]
        if name == "consistent-hashing":
            values["hash_on"] = f"header:{balancer.text('hash_on_header') or _DEFAULTS['hash_on_header']}"
        values.update(_retry(self.draft, balancer))
        values.update(_breaker(balancer))
        if "breaker" not in values:
            fields = [balancer.get("max_fails"), balancer.get("fail_timeout")]
            self.draft.note(fields, "Kong leaves no target alone then; aigw's breaker is the usual one")
        timeouts = timeouts_of(balancer)
        if timeouts:
            values["timeouts"] = timeouts
        for key, default in _DEFAULTS.items():
            node = balancer.get(key)
            if node is not None and str(node.content).lower() == str(default).lower():
                self.draft.note(node, "Kong's default, which has no counterpart here")
        return values

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


def _prioritise(entries: list[dict[str, Any]]) -> None:
    """Kong's ``priority``: targets of one weight are a group, and the heaviest group comes first."""
    weights = sorted({entry.get("weight", _KONGS_WEIGHT) for entry in entries}, reverse=True)
    for entry in entries:
        priority = weights.index(entry.pop("weight", _KONGS_WEIGHT))
        if priority:
            entry["priority"] = priority


def _retry(draft: Draft, balancer: Node) -> dict[str, Any]:
    """``retries`` and ``failover_criteria``."""
    retry: dict[str, Any] = {}
    node, retries = balancer.get("retries"), balancer.number("retries")
    if node is not None and retries is not None:
        retry["attempts"] = min(int(retries) + 1, _MOST_ATTEMPTS)
        if retries + 1 > _MOST_ATTEMPTS:
            draft.warn(node, f"is more than aigw's most: attempts = {_MOST_ATTEMPTS}")
    criteria = {node.scalar(): node for node in balancer.elements("failover_criteria")}
    if criteria:
        retry["on"] = _criteria(draft, criteria)
    return {"retry": retry} if retry else {}


def _criteria(draft: Draft, criteria: dict[str, Node]) -> list[str]:
    """``retry.on``. Kong fails a POST over after it was sent only where ``non_idempotent`` says so."""
    wanted = dict.fromkeys(_RETRY_ON[name] for name in criteria if name in _RETRY_ON)
    unknown = [node for name, node in criteria.items() if name not in _RETRY_ON and name != "non_idempotent"]
    draft.drop_all(unknown, "aigw has no such criterion")
    if "non_idempotent" not in criteria:
        sent = [node for name, node in criteria.items() if _RETRY_ON.get(name, "connect") != "connect"]
        draft.drop_all(
            sent, "without non_idempotent Kong does not repeat a POST that was sent, and all calls are POSTs"
        )
        wanted = dict.fromkeys(ours for ours in wanted if ours == "connect")
    return list(wanted)


def _breaker(balancer: Node) -> dict[str, Any]:
    fails, timeout = balancer.number("max_fails"), balancer.number("fail_timeout")
    if not fails:
        return {}
    breaker: dict[str, Any] = {"failures": int(fails)}
    if timeout:
        breaker |= {"window": milliseconds(timeout), "cool_down": milliseconds(timeout)}
    return {"breaker": breaker}


def timeouts_of(node: Node) -> dict[str, Any]:
    """aigw's timeouts from ``connect_timeout`` and ``read_timeout``, which nginx counts between two reads."""
    connect, read = node.number("connect_timeout"), node.number("read_timeout")
    timeouts: dict[str, Any] = {}
    if connect:
        timeouts["connect"] = milliseconds(connect)
    if read:
        timeouts |= {"first_byte": milliseconds(read), "first_token": milliseconds(read), "idle": milliseconds(read)}
    return timeouts


def milliseconds(value: int | float) -> str:
    """A duration as aigw writes it: ``60000`` as ``"60s"``."""
    return f"{int(value) // 1000}s" if value % 1000 == 0 else f"{int(value)}ms"
