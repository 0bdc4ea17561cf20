"""What the entries of a configuration say of each other: references, keys held twice, things that do not fit.

The checks read the file's own dictionaries, not validated settings, so that a fault in one key of a table hides no
fault in another. Where a value has not even the right type they look away: that is a fault already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aigw.config.errors import Fault, KeyPath, allowed
from aigw.config.shape import references, walk
from aigw.config.tables import (
    Backend,
    BackendAuth,
    ConsumerBackend,
    HeaderEdits,
    KeyAuth,
    Model,
    Route,
    Server,
    Table,
    Tables,
)
from aigw.config.values import key_digest
from aigw.listener import Described, described

#: Providers that are at no one place, so that a backend of theirs must say where it is.
NEED_URL = frozenset(("azure", "openai-compatible"))

#: Keys of a backend that mean something to certain providers only.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "delay": ("echo",),
    "region": ("bedrock",),
    "project": ("vertex",),
    "location": ("vertex",),
    "api_version": ("azure", "anthropic", "gemini", "vertex"),
}
#: The same for the keys of its ``auth``.
_AUTH_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "ambient": ("bedrock", "vertex"),
    "service_account": ("vertex",),
    "access_key": ("bedrock",),
    "session_token": ("bedrock",),
}
#: What certain providers cannot be called without.
_NEEDED = {"bedrock": "region", "vertex": "project"}


def check(tables: dict[str, Any]) -> Iterator[Fault]:
    """Every fault between keys and between entries; ``tables`` is the file as it is."""
    for path, kind, table in walk(Tables, tables):
        yield from _exclusive(path, kind, table)
        yield from _references(path, kind, table, tables)
        check_table = _CHECKS.get(kind)
        if check_table is not None:
            yield from check_table(path, table)
    yield from _keys_held_twice(tables)
    yield from _routes_to_nowhere(tables)
    yield from _names_of_models(tables)
    yield from _fallback_circles(tables)
    if "none" in _section(tables, "auth"):
        yield ("auth", "none"), 'must not be called "none", which means no authentication in routes (another name)'


def _section(tables: dict[str, Any], name: str) -> dict[str, Any]:
    section = tables.get(name)
    return section if isinstance(section, dict) else {}


def _array(table: dict[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _exclusive(path: KeyPath, kind: type[Table], table: dict[str, Any]) -> Iterator[Fault]:
    given = [key for key in kind.exactly_one if table.get(key, False) is not False]
    # A key that is unknown is most likely one of these, misspelt.
    if kind.exactly_one and len(given) != 1 and (given or not set(table) - set(kind.model_fields)):
        what = "has more than" if given else "needs"
        yield path, f"{what} one of {', '.join(kind.exactly_one)} (exactly one)"
    if kind.at_most_one and all(key in table for key in kind.at_most_one):
        yield path, f"{' and '.join(kind.at_most_one)} exclude each other (one of them, or neither)"


def _references(path: KeyPath, kind: type[Table], table: dict[str, Any], tables: dict[str, Any]) -> Iterator[Fault]:
    for key, names in references(kind).items():
        value = table.get(key)
        known = _section(tables, names.section)
        named: list[tuple[KeyPath, Any]] = [((*path, key), value)]
        if isinstance(value, list):
            named = [((*path, key, index), each) for index, each in enumerate(value)]
        elif isinstance(value, dict):
            named = [((*path, key, each), each) for each in value]
        for place, name in named:
            if isinstance(name, str) and name not in known and name not in names.also:
                choices = [*known, *filter(None, names.also)]
                yield place, f"is not in [{names.section}]{allowed(name, choices)}"


def _server(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    seen: list[Described] = []
    for index, value in enumerate(_array({"listen": [*Server().listen], **table}, "listen")):
        listener = _described(value)
        if listener is None:
            continue
        if any(listener.address == other.address and listener.overlaps(other) for other in seen):
            yield (*path, "listen", index), "is there twice (each listener once)"
        elif any(listener.overlaps(other) for other in seen):
            yield (
                (*path, "listen", index),
                "has the port of a listener above (one of them is for all addresses)",
            )
        seen.append(listener)
    admin = _described(table.get("admin", Server().admin))
    if admin is not None and any(admin.overlaps(other) for other in seen):
        yield (*path, "admin"), 'has the address of a listener in server.listen (a port of its own, or "off")'


def _described(value: Any) -> Described | None:
    """A listener's description, taken apart; None where it is none, which is a fault of its own."""
    try:
        return described(value) if isinstance(value, str) and value != "off" else None
    except ValueError:
        return None


def _backend(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    provider = table.get("provider")
    if isinstance(provider, str) and provider in NEED_URL and "url" not in table:
        yield path, f'url is missing, and provider "{provider}" has no default (url = "https://…")'
    yield from _only_for(path, table, provider, _ONLY_FOR)
    auth = table.get("auth")
    if isinstance(auth, dict):
        yield from _only_for((*path, "auth"), auth, provider, _AUTH_ONLY_FOR)
    needed = _NEEDED.get(provider) if isinstance(provider, str) else None
    if needed is not None and needed not in table:
        yield path, f'{needed} is missing, and provider "{provider}" needs it ({needed} = "…")'
    yield from _credential_set_twice(path, table)


def _only_for(
    path: KeyPath, table: dict[str, Any], provider: Any, only_for: dict[str, tuple[str, ...]]
) -> Iterator[Fault]:
    for key, providers in only_for.items():
        # A switch that is off is as good as absent.
        if table.get(key, False) is not False and provider not in providers:
            yield (*path, key), "is only for provider = " + " or ".join(f'"{name}"' for name in providers)


def _credential_set_twice(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    auth, headers = table.get("auth"), table.get("headers")
    header = auth.get("header") if isinstance(auth, dict) else None
    edits = headers.get("set") if isinstance(headers, dict) else None
    if isinstance(header, str) and isinstance(edits, dict):
        for name in edits:
            if name.lower() == header.lower():
                yield (*path, "headers", "set", name), "is the header that auth sets (one of the two)"


def _header_edits(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    edits = table.get("set")
    seen: set[str] = set()
    for name in edits if isinstance(edits, dict) else ():
        if name.lower() in seen:
            yield (*path, "set", name), "is there twice (upper and lower case are the same)"
        seen.add(name.lower())


def _auth_of_backend(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    if table.get("passthrough") is True:
        for key in ("header", "prefix"):
            if key in table:
                yield (*path, key), "has no effect with passthrough (the client's header goes on as it is)"
    if "access_key" in table and "secret" not in table and "inline" not in table:
        yield (*path, "access_key"), "needs the secret access key beside it (secret = …)"
    if "session_token" in table and "access_key" not in table:
        yield (*path, "session_token"), "needs the id of the access key beside it (access_key = …)"


def _model(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    weights: dict[Any, list[Any]] = {}
    for target in _array(table, "targets"):
        if isinstance(target, dict):
            weights.setdefault(str(target.get("priority", 0)), []).append(target.get("weight", 1))
    for priority, each in weights.items():
        if not any(each):
            yield (*path, "targets"), f"the weights of priority {priority} are all 0 (at least one above 0)"


def _key_auth(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(_array(table, "key_names")):
        if isinstance(name, str):
            if name.lower() in seen:
                yield (*path, "key_names", index), "is there twice (upper and lower case are the same)"
            seen.add(name.lower())
    places = {"bearer": True, "key_in_header": True, "key_in_query": False, "key_in_body": False}
    if all(table.get(key, default) is False for key, default in places.items()):
        yield path, f"reads keys from nowhere (at least one of {', '.join(places)})"


def _route(path: KeyPath, table: dict[str, Any]) -> Iterator[Fault]:
    rewrite = table.get("rewrite")
    if not isinstance(rewrite, dict) or "prefix" not in rewrite:
        return
    for index, rule in enumerate(_array(table, "paths")):
        if isinstance(rule, str) and rule.startswith("~"):
            yield (
                (*path, "paths", index),
                "has no prefix for rewrite to replace (full_path, or a path with /)",
            )


_CHECKS: dict[type[Table], Callable[[KeyPath, dict[str, Any]], Iterator[Fault]]] = {
    Server: _server,
    Backend: _backend,
    BackendAuth: _auth_of_backend,
    ConsumerBackend: _credential_set_twice,
    HeaderEdits: _header_edits,
    Model: _model,
    KeyAuth: _key_auth,
    Route: _route,
}


def _keys_held_twice(tables: dict[str, Any]) -> Iterator[Fault]:
    holders: dict[str, str] = {}
    for name, consumer in _section(tables, "consumers").items():
        for index, key in enumerate(_array(consumer, "keys") if isinstance(consumer, dict) else ()):
            try:
                digest, _plain = key_digest(key.get("key") if isinstance(key, dict) else key)
            except ValueError:
                continue
            if digest in holders:
                who = "this consumer" if holders[digest] == name else f"consumer {holders[digest]}"
                yield ("consumers", name, "keys", index), f"{who} has the same key already (each key once)"
            holders.setdefault(digest, name)


def _routes_to_nowhere(tables: dict[str, Any]) -> Iterator[Fault]:
    if _section(tables, "models"):
        return
    for name, route in _section(tables, "routes").items():
        if isinstance(route, dict) and not {"backend", "model", *_misplaced(Route, route)} & set(route):
            what = "backend = …, model = …, or [models] for requests to choose from"
            yield ("routes", name), f"route {name} has no backend ({what})"


def _misplaced(kind: type[Table], table: dict[str, Any]) -> Iterator[str]:
    """Keys with tables that are not known, such as the rest of a name that should have quotes: faults already."""
    return (key for key, value in table.items() if isinstance(value, dict) and key not in kind.model_fields)


def _names_of_models(tables: dict[str, Any]) -> Iterator[Fault]:
    models = _section(tables, "models")
    holders: dict[str, str] = {name: name for name in models}
    for name, model in models.items():
        for index, alias in enumerate(_array(model, "aliases") if isinstance(model, dict) else ()):
            if isinstance(alias, str) and holders.setdefault(alias, name) is not name:
                yield ("models", name, "aliases", index), f"is the name of model {holders[alias]} already (each once)"


def _fallback_circles(tables: dict[str, Any]) -> Iterator[Fault]:
    """Models that fall back on each other, each circle told once: where it closes, in the order of the file."""
    models = _section(tables, "models")
    clear: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> Iterator[Fault]:
        model = models.get(name)
        for index, other in enumerate(_array(model, "fallback") if isinstance(model, dict) else ()):
            if other in (*way, name):
                circle = " -> ".join([*way, name, other][[*way, name].index(other) :])
                yield ("models", name, "fallback", index), f"is a fallback in a circle: {circle} (no circles)"
            elif isinstance(other, str) and other not in clear:
                yield from visit(other, (*way, name))
        clear.add(name)

    for name in models:
        if name not in clear:
            yield from visit(name, ())
