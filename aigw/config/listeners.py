"""Twisted's endpoint strings, judged as far as that is possible without Twisted.

``tcp:8000:interface=127.0.0.1``: a kind, then arguments divided by colons, by position or by name; a backslash takes
a colon's meaning away. What the kinds take is Twisted's, see ``twisted.internet.endpoints.serverFromString``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from aigw.config.errors import allowed

_PIECES = re.compile(r"(?:\\.|[^:\\])*")

#: The arguments of each kind: those without which it cannot be, then the others, in their order.
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tcp": (("port",), ("interface", "backlog")),
    "tcp6": (("port",), ("backlog", "interface")),
    "tls": (("path",), ("port", "backlog", "interface")),
    "ssl": (
        ("port",),
        ("privateKey", "certKey", "sslmethod", "interface", "backlog", "extraCertChain", "dhParameters"),
    ),
    "unix": (("address",), ("mode", "backlog", "lockfile")),
    "systemd": (("domain",), ("index", "name")),
}
_LIKE_THESE = '("tcp:8000", "tcp:8000:interface=127.0.0.1", "tls:/etc/aigw/pems:443", "unix:/run/aigw.sock")'


def listener(value: str) -> str:
    """A stream server endpoint's description.

    :raises ValueError: Twisted would not understand it.
    """
    kind, *pieces = _split(value)
    if kind == "haproxy":  # the PROXY protocol around one of the others
        listener(value.removeprefix("haproxy:"))
        return value
    if kind not in _KINDS or not pieces:
        raise ValueError(f"is not a listener {_LIKE_THESE}" if not pieces else _unknown(kind))
    needed, others = _KINDS[kind]
    arguments = _arguments(kind, (*needed, *others), pieces)
    for name in needed:
        if not arguments.get(name):
            raise ValueError(f"has no {name} {_LIKE_THESE}")
    _check(kind, arguments)
    return value


def _unknown(kind: str) -> str:
    return f"is not a kind of listener that is known{allowed(kind, [*_KINDS, 'haproxy'])}"


def _split(value: str) -> list[str]:
    pieces = [""]
    at = 0
    while True:
        match = _PIECES.match(value, at)
        assert match is not None
        pieces[-1] = match[0]
        at = match.end() + 1
        if match.end() >= len(value):
            return pieces
        pieces.append("")


def _arguments(kind: str, names: tuple[str, ...], pieces: list[str]) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for position, piece in enumerate(pieces):
        name, equals, argument = piece.partition("=")
        if not equals:
            if position >= len(names):
                raise ValueError(f"has more than {kind}: takes {_LIKE_THESE}")
            name, argument = names[position], piece
        elif name not in names:
            raise ValueError(f"has an argument that {kind}: does not take{allowed(name, names)}")
        if name in arguments:
            raise ValueError(f"has {name} twice (once)")
        arguments[name] = argument.replace("\\", "")
    return arguments


def _check(kind: str, arguments: dict[str, str]) -> None:
    for name, least, most in (("port", 0, 65535), ("backlog", 1, 65535), ("index", 0, 65535)):
        given = arguments.get(name)
        if given is not None and not (re.fullmatch("[0-9]{1,5}", given) and least <= int(given) <= most):
            raise ValueError(f"has a {name} that is none (a number from {least} to {most})")
    if not re.fullmatch("[0-7]{3,4}", arguments.get("mode", "666")):
        raise ValueError('has a mode that is none (octal, such as "660")')
    if kind == "systemd":
        if arguments["domain"] not in ("INET", "INET6", "UNIX"):
            raise ValueError("has a domain that is none (allowed: INET, INET6, UNIX)")
        if ("index" in arguments) == ("name" in arguments):
            raise ValueError("names no socket of systemd's (one of index=, name=)")


def key_files(value: str) -> list[Path]:
    """The files with private keys of a listener, as Twisted finds them.

    :param value: a :func:`listener`.
    """
    kind, *pieces = _split(value.removeprefix("haproxy:"))
    if kind not in ("tls", "ssl"):
        return []
    needed, others = _KINDS[kind]
    arguments = _arguments(kind, (*needed, *others), pieces)
    if kind == "tls":
        return sorted(Path(arguments["path"]).glob("*.pem"))
    return [Path(arguments.get("privateKey") or "server.pem")]


def listener_or_off(value: str) -> str:
    """A listener, or ``off`` for none.

    :raises ValueError: it is neither.
    """
    return value if value == "off" else listener(value)


Listener = Annotated[str, AfterValidator(listener)]
ListenerOrOff = Annotated[str, AfterValidator(listener_or_off)]
