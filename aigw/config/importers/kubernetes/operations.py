"""``ai.routes`` of agentgateway's resources and policies: by their ends, which paths are which operation."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from aigw.config.importers.draft import Draft
from aigw.config.importers.nodes import Node

#: The ends of paths that aigw knows, with their operations; the longer before what they end with.
_ENDS = {
    "/chat/completions": "chat",
    "/completions": "completions",
    "/embeddings": "embeddings",
    "/responses": "responses",
    "/messages/count_tokens": "count_tokens",
    "/messages": "messages",
    "/models": "models",
}
#: What agentgateway calls them.
_TYPES = {
    "Completions": "chat",
    "Embeddings": "embeddings",
    "Responses": "responses",
    "AnthropicTokenCount": "count_tokens",
    "Messages": "messages",
    "Models": "models",
}
_AS_IT_IS = ("Passthrough", "Detect")


def by_end(path: str) -> str | None:
    """The operation that aigw reads off a path."""
    return next((operation for end, operation in _ENDS.items() if path.endswith(end)), None)


@attrs.frozen
class Operations:
    """Which paths are which operation.

    :ivar rest: the operation of the paths with no other end; None leaves those as they are, too.
    :ivar ends: of the paths whose operation aigw reads off them.
    """

    rest: str | None = None
    ends: tuple[str, ...] = ()

    def divided(self, paths: Iterable[str]) -> Iterable[tuple[list[str], str | None]]:
        """A route's paths by their operation; None for what the end of the path says."""
        if self.rest is None:
            return [(list(paths), None)]
        told: list[str] = []
        others: list[str] = []
        for path in paths:
            plain = path.startswith("/")
            if path.rstrip("$").endswith(self.ends):
                told.append(path)
                continue
            others.append(path)
            if plain and self.ends:
                told.append(f"~{re.escape(path.rstrip('/'))}(?:/.*)?(?:{'|'.join(map(re.escape, self.ends))})$")
        return [each for each in ((others, self.rest), (told, None)) if each[0]]


def read_operations(draft: Draft, routes: Node) -> Operations:
    """One map of ends to types; what aigw cannot tell from the path is reported."""
    star = routes.get("*")
    rest = _TYPES.get("Completions" if star is None else star.scalar())
    unlike, ends = [], []
    for end in routes.names():
        node = routes.get(end)
        if node is None:
            continue
        if node is star:
            if rest is None and node.scalar() not in _AS_IT_IS:
                unlike.append(node)
            continue
        wanted, known = node.scalar(), by_end(end)
        as_it_is = wanted in _AS_IT_IS and (known is not None or rest is None)
        if as_it_is or (known is not None and _TYPES.get(wanted) == known):
            ends.extend([end] if known != rest else [])
        elif rest is None or _TYPES.get(wanted) != rest:
            unlike.append(node)
    if unlike:
        draft.drop_all(unlike, "aigw reads operations off ends of paths that it knows itself")
    draft.note(
        [node for node in routes.children() if node not in unlike] if unlike else routes,
        "the end of a request's path says which operation it is",
    )
    return Operations(rest, tuple(ends))
