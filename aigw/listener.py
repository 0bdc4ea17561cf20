"""Twisted's endpoint strings, read without Twisted: what they listen on, and with what.

``tcp:8000:interface=127.0.0.1``: a kind, then arguments divided by colons, by position or by name; a backslash takes
a colon's meaning away. What the kinds take is Twisted's, see ``twisted.internet.endpoints.serverFromString``.

Two descriptions with one :attr:`Described.address` are one listener that is spelled, or furnished, in two ways.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import attrs

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
_LIKE_THESE = '("tcp:8000", "tcp:8000:interface=127.0.0.1", "tls:/etc/aigw/pems:443", "unix:/run/aigw/aigw.sock")'


#: Where each kind listens unless it says so.
_EVERY_4, _EVERY = "0.0.0.0", "::"  # noqa: S104 (Twisted's defaults; the second takes IPv4 as well)
_INTERFACES = {"tcp": _EVERY_4, "ssl": _EVERY_4, "tcp6": _EVERY, "tls": _EVERY}

#: What a listener listens on: its family, and the address in it.
Address = tuple[str, str, str]


@attrs.frozen
class Described:
    """A listener's description, taken apart.

    :ivar kind: one of those that are known, without what is around it.
    :ivar proxied: how often the PROXY protocol is around it.
    :ivar arguments: by their names, as they were given.
    """

    kind: str
    proxied: int
    arguments: Mapping[str, str]

    @property
    def address(self) -> Address:
        """What it listens on, equal for all spellings of it."""
        arguments = self.arguments
        if self.kind == "unix":
            return "unix", arguments["address"], ""
        if self.kind == "systemd":
            return "systemd", *(("name", arguments["name"]) if "name" in arguments else ("index", arguments["index"]))
        return "tcp", self.host, str(self.port)

    @property
    def host(self) -> str:
        """The address of a TCP listener; a name stays one."""
        host = self.arguments.get("interface") or _INTERFACES[self.kind]
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return host

    @property
    def port(self) -> int:
        """The port of a TCP listener; 0 for one that the system chooses."""
        return int(self.arguments.get("port", "443"))

    @property
    def backlog(self) -> int:
        """Connections that the kernel keeps until they are accepted."""
        return int(self.arguments.get("backlog", "50"))

    @property
    def mode(self) -> int:
        """Of a Unix socket's file."""
        return int(self.arguments.get("mode", "666"), 8)

    @property
    def locked(self) -> bool:
        """Whether a Unix socket has a lock file beside it."""
        return self.arguments.get("lockfile", "1") != "0"

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken on it."""
        return self.kind in ("ssl", "tls")

    def files(self, directory: Path) -> dict[str, Path]:
        """The files that it names, by argument; for ``path`` it is the directory of them.

        :param directory: of the configuration file, for relative paths.
        """
        arguments = dict(self.arguments)
        if self.kind == "ssl":
            arguments.setdefault("privateKey", "server.pem")
            arguments.setdefault("certKey", arguments["privateKey"])
        named = {"ssl": ("privateKey", "certKey", "extraCertChain", "dhParameters"), "tls": ("path",)}
        return {name: directory / arguments[name] for name in named.get(self.kind, ()) if name in arguments}

    def text(self, **changed: str) -> str:
        """Its description, with some arguments changed or added; all of them by name."""
        named = [f"{name}={_escaped(value)}" for name, value in {**self.arguments, **changed}.items()]
        return ":".join([*["haproxy"] * self.proxied, self.kind, *named])

    def overlaps(self, other: Described) -> bool:
        """Whether the kernel gives only one of the two what both ask for."""
        mine, theirs = self.address, other.address
        if mine[0] != "tcp" or theirs[0] != "tcp":
            return mine == theirs
        if mine[2] != theirs[2] or mine[2] == "0":
            return False
        hosts = {mine[1], theirs[1]}
        if len(hosts) == 1 or _EVERY in hosts:
            return True
        return _EVERY_4 in hosts and not any(":" in host for host in hosts)


class UnknownWord(ValueError):
    """A word that is none of those that may stand there.

    :ivar given: the word.
    :ivar choices: those that may.
    """

    def __init__(self, message: str, given: str, choices: Iterable[str]) -> None:
        super().__init__(message)
        self.given = given
        self.choices = tuple(choices)


@lru_cache(maxsize=256)
def described(value: str) -> Described:
    """A stream server endpoint's description, taken apart.

    :raises ValueError: Twisted would not understand it.
    """
    kind, *pieces = _split(value)
    proxied = 0
    while kind == "haproxy" and pieces:  # the PROXY protocol around one of the others
        proxied += 1
        kind, *pieces = pieces
    if not pieces:
        raise ValueError(f"must be a listener {_LIKE_THESE}")
    if kind not in _KINDS:
        raise UnknownWord("unknown kind of listener", kind, (*_KINDS, "haproxy"))
    needed, others = _KINDS[kind]
    arguments = _arguments(kind, (*needed, *others), pieces)
    for name in needed:
        if not arguments.get(name):
            raise ValueError(f"{name} is missing {_LIKE_THESE}")
    _check(kind, arguments)
    return Described(kind, proxied, arguments)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:")


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
                raise ValueError(f"has too many arguments for {kind}: {_LIKE_THESE}")
            name, argument = names[position], piece
        elif name not in names:
            raise UnknownWord(f"unknown argument of {kind}:", name, names)
        if name in arguments:
            raise ValueError(f"has {name} twice (each argument once)")
        arguments[name] = argument.replace("\\", "")
    return arguments


def _check(kind: str, arguments: dict[str, str]) -> None:
    for name, least, most in (("port", 0, 65535), ("backlog", 1, 65535), ("index", 0, 65535)):
        given = arguments.get(name)
        if given is not None and not (re.fullmatch("[0-9]{1,5}", given) and least <= int(given) <= most):
            raise ValueError(f"{name} must be {least} to {most}")
    if not re.fullmatch("[0-7]{3,4}", arguments.get("mode", "666")):
        raise ValueError("mode must be octal, such as 660")
    if kind == "systemd":
        if arguments["domain"] not in ("INET", "INET6", "UNIX"):
            raise ValueError("domain must be INET, INET6 or UNIX")
        if ("index" in arguments) == ("name" in arguments):
            raise ValueError("must name one of systemd's sockets (index= or name=, one of the two)")
