"""What is allowed and not wise, or means nothing: warnings, by their places."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from aigw.config import backtracking
from aigw.config.errors import Fault
from aigw.config.listeners import key_files
from aigw.config.modes import opened_to_others
from aigw.config.placeholders import HIDDEN
from aigw.config.reach import unmatched, unreachable
from aigw.config.sensitive import sent_secrets
from aigw.config.slips import in_the_clear, missing_folder, shared_port
from aigw.config.tables import Backend, BackendAuth, ConsumerBackend, Queue

if TYPE_CHECKING:
    from aigw.config.settings import Settings


def advise(settings: Settings, now: datetime) -> Iterator[Fault]:
    """Every warning about ``settings``.

    :param now: with a time zone; keys that end before it are void.
    """
    plain = list(_plain_secrets(settings))
    yield from plain
    yield from _readable(settings, has_secrets=bool(plain))
    yield from _unused(settings)
    yield from _consumers(settings, now)
    yield from unreachable(settings, now)
    yield from unmatched(settings)
    yield from in_the_clear(settings)
    yield from shared_port(settings)
    yield from missing_folder(settings)
    yield from _without_effect(settings)
    yield from _slow_paths(settings)


def _plain_secrets(settings: Settings) -> Iterator[Fault]:
    for name, consumer in settings.consumers.items():
        for index, key in enumerate(consumer.keys):
            if key.plain:
                yield ("consumers", name, "keys", index), "a key in plain text ('aigw key' makes one with its sha256:)"
    for name, backend in settings.backends.items():
        yield from _inline(("backends", name), backend.auth)
    for name, consumer in settings.consumers.items():
        for backend_name, own in consumer.backends.items():
            yield from _inline(("consumers", name, "backends", backend_name), own.auth)


def _inline(path: tuple[str, ...], auth: BackendAuth | None) -> Iterator[Fault]:
    if auth is not None and auth.inline not in (None, HIDDEN):
        yield (*path, "auth", "inline"), "a provider's token in plain text (secret = …, kept outside by [secrets])"


def _readable(settings: Settings, *, has_secrets: bool) -> Iterator[Fault]:
    """Files with secrets that are open to everybody: the configuration itself, those of ``[secrets]``, listeners' keys.

    :param has_secrets: the configuration has secrets in it that were found already.
    """
    found = opened_to_others(settings.path)
    if found is not None and (has_secrets or _sent_secrets(settings)):
        yield (), f"has secrets in it, and {found}"
    for name, source in settings.secrets.items():
        found = opened_to_others(settings.path.parent / source.file) if source.file is not None else None
        if found is not None:
            yield ("secrets", name, "file"), found
    for index, listener in enumerate(settings.server.listen):
        for file in key_files(listener, settings.path.parent.absolute()):
            found = opened_to_others(file)
            if found is not None:
                yield ("server", "listen", index), f"has a private key in {file.name}, and {found}"


def _sent_secrets(settings: Settings) -> bool:
    """Whether headers or body fields that are set have what looks like a secret."""
    parts: list[Backend | ConsumerBackend] = list(settings.backends.values())
    parts += [own for consumer in settings.consumers.values() for own in consumer.backends.values()]
    return any(True for part in parts for _ in sent_secrets(part))


def _unused(settings: Settings) -> Iterator[Fault]:
    used = {route.backend for route in settings.routes.values()}
    used.update(target.backend for model in settings.models.values() for target in model.targets)
    for name in settings.backends:
        if name not in used:
            yield ("backends", name), "no route and no model uses this backend"
    if settings.models and all(route.backend for route in settings.routes.values()):
        yield ("models",), "no route uses [models]: every route has a backend of its own"


def _consumers(settings: Settings, now: datetime) -> Iterator[Fault]:
    anonymous = {auth.anonymous for auth in settings.auth.values()}
    for name, consumer in settings.consumers.items():
        if not consumer.keys and name not in anonymous:
            yield ("consumers", name), "this consumer has no key, so nobody can call as it ('aigw key NAME' makes one)"
        for index, key in enumerate(consumer.keys):
            if key.expires is not None and key.expires <= now:
                yield ("consumers", name, "keys", index), "this key has expired"


def _without_effect(settings: Settings) -> Iterator[Fault]:
    """Keys that need another one to mean something."""
    for name, backend in settings.backends.items():
        if backend.queue != Queue() and not backend.max_in_flight:
            yield ("backends", name, "queue"), "has no effect without max_in_flight"
    for name, model in settings.models.items():
        if model.hash_on != "consumer" and model.balance != "hash":
            yield ("models", name, "hash_on"), 'has no effect without balance = "hash"'
        if model.on_stream_cut == "continue" and len(model.targets) == 1 and not model.fallback:
            yield (
                ("models", name, "on_stream_cut"),
                "has no effect without a second target, which continues",
            )


def _slow_paths(settings: Settings) -> Iterator[Fault]:
    """Regular expressions that a request's path can keep busy: while one is, nobody else is served."""
    for name, route in settings.routes.items():
        for index, path in enumerate(route.paths):
            found = _weakness(path[1:].encode()) if path.startswith("~") else None
            if found is not None:
                how = (
                    "takes twice as long with each character"
                    if found.exponential
                    else "takes far too long for long ones"
                )
                why = f"a regular expression that {how}: paths such as {found.text(24)!r} and so on"
                yield (
                    ("routes", name, "paths", index),
                    f"{why} (no repetitions inside or beside each other)",
                )


@lru_cache(maxsize=1024)
def _weakness(expression: bytes) -> backtracking.Weakness | None:
    try:
        return backtracking.weakness(expression, "match")
    except ValueError:  # too large to be looked at
        return None
