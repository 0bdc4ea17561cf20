"""``GET /v1/models``: what is served here, as a consumer may see it."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from aigw.consumers.consumer import Consumer
from aigw.errors import ModelNotFound

#: All entries have the same birthday: a configuration file does not say when its models were made.
_CREATED = 1704067200
_CREATED_AT = "2024-01-01T00:00:00Z"


class Catalogue:
    """The public model names of one snapshot.

    :param names: name to owner (the provider behind it), in the configuration's order.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._names = dict(names)

    def __bool__(self) -> bool:
        return bool(self._names)

    def owner(self, name: str) -> str:
        """Who serves the model ``name``; empty if it is not listed."""
        return self._names.get(name, "")

    def visible(self, consumer: Consumer | None) -> list[tuple[str, str]]:
        """Names and owners that ``consumer`` may use; None may use all."""
        return [
            (name, owner) for name, owner in self._names.items() if consumer is None or consumer.may_use_model(name)
        ]

    def listing(self, consumer: Consumer | None, *, anthropic: bool) -> bytes:
        """The list as JSON: OpenAI's shape, or Anthropic's with ``data``, ``has_more``, ``first_id``, ``last_id``."""
        visible = self.visible(consumer)
        data = [entry(name, owner, anthropic=anthropic) for name, owner in visible]
        if anthropic:
            first, last = (visible[0][0], visible[-1][0]) if visible else (None, None)
            return orjson.dumps({"data": data, "has_more": False, "first_id": first, "last_id": last})
        return orjson.dumps({"object": "list", "data": data})

    def one(self, name: str, consumer: Consumer | None, *, anthropic: bool) -> bytes:
        """One entry as JSON.

        :raises ModelNotFound: it is not there for this consumer.
        """
        for known, owner in self.visible(consumer):
            if known == name:
                return orjson.dumps(entry(known, owner, anthropic=anthropic))
        raise ModelNotFound("this model is not served here", param="model")


def entry(name: str, owner: str, *, anthropic: bool) -> dict[str, object]:
    """One model in the client's dialect."""
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}
