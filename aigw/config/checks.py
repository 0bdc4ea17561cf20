"""What the entries of a configuration say of each other: references, keys held twice, things that do not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from aigw.config.errors import Problem
from aigw.config.settings import Path_, Settings

Fault = tuple[Path_, str]

_ENDPOINT = re.compile(r"(tcp|tcp4|tcp6|tls|ssl|unix|systemd|fd)(:.+)")


def check(settings: Settings, tables: dict[str, Any]) -> list[Problem]:
    """Every fault between entries.

    :param tables: the file as it is: an entry that is wrong by itself still exists for those that refer to it.
    """
    names = {section: set(tables.get(section) or {}) for section in ("secrets", "backends", "models", "routes")}
    names["consumers"] = set(tables.get("consumers") or {})
    names["auth"] = {*(tables.get("auth") or {}), "key"}
    steps: tuple[Callable[[Settings, dict[str, set[str]]], Iterator[Fault]], ...] = (
        _server,
        _backends,
        _models,
        _auth,
        _routes,
        _consumers,
    )
    return [settings.problem(place, message) for step in steps for place, message in step(settings, names)]


def _reference(place: Path_, name: str, section: str, known: Iterable[str]) -> Iterator[Fault]:
    known = sorted(known)
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else f" (there are: {', '.join(known) or 'none'})"
    yield place, f"no [{section}.{name}]{meant}"


def _server(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    server = settings.server
    for index, text in enumerate(server.listen):
        yield from _endpoint(("server", "listen", index), text)
    if len(set(server.listen)) != len(server.listen):
        yield ("server", "listen"), "names one listener twice"
    if server.admin != "off":
        yield from _endpoint(("server", "admin"), server.admin)
    if server.admin in server.listen:
        yield ("server", "admin"), "is also in listen"


def _endpoint(place: Path_, text: str) -> Iterator[Fault]:
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        yield (
            place,
            "must be a Twisted endpoint such as tcp:8000, tls:/etc/aigw/pems:443, unix:/run/aigw.sock",
        )
        return
    if match[1].startswith("tcp"):
        port = match[2][1:].split(":")[0].removeprefix("port=")
        if not port.isdigit() or int(port) > 65535:
            yield place, "must name a port from 0 to 65535, as in tcp:8000"


def _backends(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    for name, backend in settings.backends.items():
        place = ("backends", name)
        if backend.url is not None:
            yield from _url((*place, "url"), backend.url)
        if backend.auth is not None and backend.auth.secret is not None:
            yield from _reference((*place, "auth", "secret"), backend.auth.secret, "secrets", names["secrets"])


def _url(place: Path_, url: str) -> Iterator[Fault]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield place, "is not a URL"
        return
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        yield place, "must be http:// or https:// with a host"
    if not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        yield place, "must be printable ASCII without spaces"
    if parts.username is not None or parts.password is not None:
        yield place, "must not hold credentials; use auth"
    if parts.query or parts.fragment:
        yield place, "must not have a query or a fragment"


def _models(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    for name, model in settings.models.items():
        for index, target in enumerate(model.targets):
            place = ("models", name, "targets", index, "backend")
            yield from _reference(place, target.backend, "backends", names["backends"])
        for index, other in enumerate(model.fallback):
            yield from _reference(("models", name, "fallback", index), other, "models", names["models"])
        if not any(target.weight for target in model.targets):
            yield ("models", name, "targets"), "none of them has a weight above 0"


def _auth(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    for name, auth in settings.auth.items():
        place = ("auth", name)
        if name == "none":
            yield place, 'is a name that stands for "no authentication"'
        if auth.anonymous:
            yield from _reference((*place, "anonymous"), auth.anonymous, "consumers", names["consumers"])
        if not (auth.bearer or auth.key_in_header or auth.key_in_query or auth.key_in_body):
            yield (
                place,
                "leaves no place for a key: bearer, key_in_header, key_in_query and key_in_body are all false",
            )


def _routes(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    for name, route in settings.routes.items():
        place = ("routes", name)
        if route.backend is not None and route.model is not None:
            yield place, "has both a backend and a model"
        if route.backend is not None:
            yield from _reference((*place, "backend"), route.backend, "backends", names["backends"])
        if route.model is not None:
            yield from _reference((*place, "model"), route.model, "models", names["models"])
        if route.backend is None and route.model is None and not names["models"]:
            yield place, "has neither a backend nor a model, and there are no [models] to pick from"
        if route.auth != "none":
            yield from _reference((*place, "auth"), route.auth, "auth", names["auth"])
        replaces = route.rewrite is not None and route.rewrite.prefix is not None
        if replaces and (not route.paths or any(path.startswith("~") for path in route.paths)):
            yield (*place, "rewrite"), "a prefix can only be replaced where all paths are prefixes"


def _consumers(settings: Settings, names: dict[str, set[str]]) -> Iterator[Fault]:
    holders: dict[str, str] = {}
    for name, consumer in settings.consumers.items():
        place = ("consumers", name)
        for index, key in enumerate(consumer.keys):
            other = holders.setdefault(key.digest, name)
            if other != name:
                yield (*place, "keys", index), f"is also a key of consumer {other}"
        for index, route in enumerate(consumer.routes or ()):
            yield from _reference((*place, "routes", index), route, "routes", names["routes"])
        for backend, own in consumer.backends.items():
            yield from _reference((*place, "backends", backend), backend, "backends", names["backends"])
            if own.auth is not None and own.auth.secret is not None:
                where = (*place, "backends", backend, "auth", "secret")
                yield from _reference(where, own.auth.secret, "secrets", names["secrets"])


def warn(settings: Settings) -> Iterator[Problem]:
    """What is allowed and not wise."""
    for place, message in _warnings(settings):
        yield settings.problem(place, message)


def _warnings(settings: Settings) -> Iterator[Fault]:
    for name, consumer in settings.consumers.items():
        if any(key.plain for key in consumer.keys):
            yield (
                ("consumers", name, "keys"),
                "plain-text key; 'aigw key' makes one whose sha256 the file can hold",
            )
    for name, backend in settings.backends.items():
        if backend.auth is not None and backend.auth.inline is not None:
            yield ("backends", name, "auth"), "the provider's key is in the file; [secrets] keeps it outside"
    used = {route.backend for route in settings.routes.values()}
    used.update(target.backend for model in settings.models.values() for target in model.targets)
    for name in settings.backends:
        if name not in used:
            yield ("backends", name), "is used by no route and no model"
    if settings.server.workers != 1:
        yield ("server", "workers"), "only one process is run so far"
    for name, model in settings.models.items():
        for key in ("fallback", "on_stream_cut"):
            if key in model.model_fields_set:
                yield ("models", name, key), "is accepted and has no effect so far"
