"""Kong's consumers: their keys, their groups, and what AI plugins have for one consumer alone."""

from __future__ import annotations

import hashlib
from typing import Any

from aigw.config.importers.draft import Draft, Entry
from aigw.config.importers.kong.entities import Consumer, Entities, Plugin
from aigw.config.importers.kong.service import Served, ServiceReader
from aigw.config.importers.kong.target import Target, differing
from aigw.config.importers.nodes import Node, Refused
from aigw.config.values import key_digest

#: What of a backend a consumer can have of its own.
_OWN = ("model", "on_model_mismatch", "overrides", "auth")


class ConsumerReader:
    """Makes the consumers, and lays their own settings over the backends."""

    def __init__(self, draft: Draft, entities: Entities, services: ServiceReader) -> None:
        self.draft = draft
        self.entities = entities
        self.services = services
        self.entries: dict[int, Entry] = {}
        self._laid: set[tuple[int, int, int]] = set()

    def make(self, consumer: Consumer) -> None:
        """The consumer's entry."""
        keys = [key for node in consumer.keys if (key := self._key(node)) is not None]
        values: dict[str, Any] = {"keys": keys} if keys else {}
        if consumer.groups:
            values["groups"] = list(dict.fromkeys(consumer.groups))
        entry = self.draft.add("consumers", consumer.name, values, consumer.node)
        if consumer.node is not None:
            entry.comments.append(f"{consumer.node.label}, {consumer.node.file}:{consumer.node.line}")
            self.draft.note(consumer.node.get("custom_id"), "aigw knows a consumer by one name only")
        self.entries[id(consumer)] = entry

    def _key(self, node: Node) -> Any:
        key = node.get("key")
        if key is None:
            self.draft.warn(node, "has no key: Kong makes one up, 'aigw key' does that here")
            return None
        text = key.scalar()
        if "${{" in text or text.startswith(("${", "{vault:")):
            return self._referred(key)
        if self.draft.digests or text.startswith("sha256:"):  # which would be taken for a digest
            text = _digest(text)
        try:
            key_digest(text)
        except ValueError as error:
            self.draft.drop(key, str(error))
            return None
        if not text.startswith("sha256:"):
            self.draft.warn(key, "is in plain text, and so it is in the output ('aigw key' makes one with its sha256:)")
        return text

    def _referred(self, key: Node) -> Any:
        """A key that is somewhere else: aigw's file can have its digest, if the environment here has it."""
        try:
            text = self.services.reader.texts.filled(key) or ""
        except Refused:
            self.draft.drop(
                key, "is not in the file, and not in the environment here: the consumer gets no key by this"
            )
            return None
        if text == key.content:
            self.draft.drop(key, "is kept in a vault: the consumer gets no key by this")
            return None
        self.draft.warn(key, "was read from the environment here; the output has its digest")
        return _digest(text)

    # -- settings of its own

    def lay(self, consumer: Consumer, plugin: Plugin, served: Served) -> None:
        """What ``plugin`` has for ``consumer`` where everybody else gets ``served``."""
        backend = served.only
        if backend is None:
            self._drop(plugin, "one consumer's own settings of several targets; aigw has those for single backends")
            return
        done = (id(consumer), id(plugin), id(backend))
        if done in self._laid:
            return
        self._laid.add(done)
        targets = self.services.targets(plugin)
        if len(targets) != 1:
            self._drop(plugin, "several targets for one consumer")
            return
        self._lay(consumer, plugin, targets[0], backend)

    def _lay(self, consumer: Consumer, plugin: Plugin, target: Target, backend: Entry) -> None:
        values = target.values | {"auth": self.services.reader.auth(target)}
        differ = differing(values, backend.values)
        others = [key for key in differ if key not in _OWN]
        if others:
            self._drop(plugin, f"another {' and '.join(others)} for one consumer: a consumer cannot change a backend's")
            return
        own = self._own(plugin, values, backend, differ)
        if own:
            entry = self.entries[id(consumer)]
            entry.values.setdefault("backends", {}).setdefault(backend.name, own)
            self.draft.own(plugin.node, entry)
        self.draft.note(plugin.config.get("response_streaming"), "the route says it")

    def _own(self, plugin: Plugin, values: dict[str, Any], backend: Entry, differ: list[str]) -> dict[str, Any]:
        own: dict[str, Any] = {key: values[key] for key in differ if key in values and key != "overrides"}
        lost = [key for key in differ if key not in values]
        mine, theirs = values.get("overrides", {}), backend.values.get("overrides", {})
        changed = {name: value for name, value in mine.items() if theirs.get(name) != value}
        if changed:
            own["overrides"] = changed
        lost = [key for key in lost if key != "overrides"] + [
            f"overrides.{name}" for name in theirs if name not in mine
        ]
        if lost:
            stays = ", ".join(lost)
            why = f"this plugin takes the place of the other one whole in Kong; here {stays} of the backend stays"
            self.draft.warn(plugin.node, why)
        return own

    def _drop(self, plugin: Plugin, why: str) -> None:
        self.draft.drop(plugin.node, why)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
