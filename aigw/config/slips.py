"""What is valid and most likely not meant: variables that nobody replaces, keys sent in the clear, missing folders."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigw.config.errors import Fault, KeyPath
from aigw.listener import described

if TYPE_CHECKING:
    from aigw.config.settings import Settings

#: How shells, decK, LiteLLM and others write a variable of the environment.
_VARIABLE = re.compile(
    r"""(?:Bearer )?(?:\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|os\.environ/([A-Za-z_][A-Za-z0-9_]*)"""
    r"""|\$\{\{ ?env "([A-Za-z_][A-Za-z0-9_]*)" ?\}\})"""
)

#: Ends of names that no public server has (RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what clusters use).
_PRIVATE_ENDS = (
    *(".local", ".localhost", ".internal", ".home.arpa", ".lan", ".test", ".example", ".invalid", ".alt"),
    *(".svc", ".intranet", ".corp", ".private", ".home"),
)


def variables(tables: dict[str, Any], path: KeyPath = ()) -> Iterator[Fault]:
    """Texts that are a variable of the environment, which stays as it is in this file.

    :param tables: the file's own dictionaries.
    """
    for place, value in _texts(tables, path):
        found = _VARIABLE.fullmatch(value)
        if found is not None:
            name = next(filter(None, found.groups()))
            meant = f'[secrets] NAME = {{ env = "{name}" }}, then auth = {{ secret = "NAME" }}'
            yield (
                place,
                f"is a variable, which this file does not replace ({meant if 'auth' in place else 'its value'})",
            )


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in ("defaults", "overrides"):  # texts for models
                yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))


def in_the_clear(settings: Settings) -> Iterator[Fault]:
    """Backends on public addresses over plain HTTP."""
    for name, backend in settings.backends.items():
        if backend.url is not None and backend.url.lower().startswith("http://") and _is_public(backend.url):
            yield ("backends", name, "url"), "sends keys and prompts over the internet unencrypted (https://)"


def _is_public(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE_ENDS)


def shared_port(settings: Settings) -> Iterator[Fault]:
    """The admin listener beside one for clients, on one port of two addresses."""
    server = settings.server
    admin = described(server.admin) if server.admin != "off" else None
    if admin is None or admin.address[0] != "tcp" or not admin.port:
        return
    for listener in map(described, server.listen):
        if listener.address[0] == "tcp" and listener.port == admin.port:
            yield ("server", "admin"), f"has port {admin.port} of a listener for clients, too (a port of its own)"
            return


def missing_folder(settings: Settings) -> Iterator[Fault]:
    """The access log's folder."""
    log = settings.server.access_log
    folder = Path(log).absolute().parent
    if log not in ("-", "off") and not folder.is_dir():
        yield ("server", "access_log"), f"there is no folder {folder}, so the gateway would not start (mkdir {folder})"
