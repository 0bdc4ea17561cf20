"""``GET /v1/models``: what is served here, as a consumer may see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from aigw.consumers.consumer import Consumer
from aigw.errors import ModelNotFound

#: All entries have the same birthday: a configuration file does not say when its models were made.
_CREATED = 1704067200
_CREATED_AT = "2024-01-01T00:00:00Z"


class Catalogue:
    """The public model names of one snapshot.

    :param names: name to owner (the provider behind it), in the configuration's order.
    :param owner_of: the owner of any name that can be asked for, also of what a wildcard takes; empty for others.
    """

    def __init__(self, names: Iterable[tuple[str, str]], owner_of: Callable[[str], str] = lambda name: "") -> None:
        self._names = dict(names)
        self._owner_of = owner_of

    def __bool__(self) -> bool:
        return bool(self._names)

    def owner(self, name: str) -> str:
        """Who serves the model ``name``; empty if nobody does."""
        return self._names.get(name) or self._owner_of(name)

    def visible(self, consumer: Consumer | None, further: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """Names and owners that ``consumer`` may use; None may use all.

        A wildcard is no name that could be listed, but those that a consumer is limited to are, and they may be served
        by one.

        :param further: names that wildcards are known to take.
        """
        names = dict(self._names)
        for name, owner in further:
            names.setdefault(name, owner)
        if consumer is None or consumer.models is None:
            return list(names.items())
        found = {name: owner for name, owner in names.items() if consumer.may_use_model(name)}
        for name in consumer.models.patterns:
            if "*" not in name and name not in found and (owner := self._owner_of(name)):
                found[name] = owner
        return list(found.items())

    def listing(self, consumer: Consumer | None, *, anthropic: bool, further: Iterable[tuple[str, str]] = ()) -> bytes:
        """The list as JSON: OpenAI's shape, or Anthropic's with ``data``, ``has_more``, ``first_id``, ``last_id``.

        :param further: see :meth:`visible`.
        """
        visible = self.visible(consumer, further)
        data = [entry(name, owner, anthropic=anthropic) for name, owner in visible]
        if anthropic:
            first, last = (visible[0][0], visible[-1][0]) if visible else (None, None)
            return orjson.dumps({"data": data, "has_more": False, "first_id": first, "last_id": last})
        return orjson.dumps({"object": "list", "data": data})

    def one(self, name: str, consumer: Consumer | None, *, anthropic: bool) -> bytes:
        """One entry as JSON.

        :raises ModelNotFound: it is not there for this consumer.
        """
        owner = self.owner(name) if consumer is None or consumer.may_use_model(name) else ""
        if not owner:
            raise ModelNotFound("this model is not served here", param="model")
        return orjson.dumps(entry(name, owner, anthropic=anthropic))


def entry(name: str, owner: str, *, anthropic: bool) -> dict[str, object]:
    """One model in the client's dialect."""
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}
