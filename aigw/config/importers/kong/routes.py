"""Kong's routes: when they match, in aigw's words."""

from __future__ import annotations

import re
import warnings
from typing import Any
from urllib.parse import quote, unquote

from aigw.config.importers.draft import Draft
from aigw.config.importers.kong.entities import Route, is_old_regex
from aigw.config.importers.nodes import Node
from aigw.config.importers.texts import Texts
from aigw.config.values import host_rule, method, path_rule

#: Fields that Kong fills in by itself, with values that change nothing here.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "https_redirect_status_code": ("426",),
    "path_handling": ("v0", "v1"),
    "preserve_host": ("false",),
    "regex_priority": ("0",),
    "request_buffering": ("true", "false"),
    "response_buffering": ("true", "false"),
    "strip_path": ("true", "false"),
}
_PROTOCOLS = ("http", "https")
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")


def conditions(draft: Draft, texts: Texts, route: Route) -> dict[str, Any]:
    """``paths``, ``hosts``, ``methods`` and ``headers`` of a route.

    :raises Refused: it has a condition that aigw cannot have: without it, it would match what it should not.
    """
    node = route.node
    if node is None:
        return {}
    values: dict[str, Any] = {}
    for key, read in (("paths", _path), ("hosts", _host), ("methods", _method)):
        found = [read(draft, each, texts.decks(each), route) for each in node.elements(key)]
        if found:
            values[key] = list(dict.fromkeys(found))
    headers = node.get("headers")
    if headers is not None and headers.names():
        values["headers"] = {name: _values(headers, name) for name in headers.names()}
    for key in ("snis", "sources", "destinations", "expression"):
        condition = node.get(key)
        if condition is not None and condition.content:
            raise condition.refuse("is a condition that aigw's routes cannot have")
    _rest(draft, node)
    return values


def priority(route: Route) -> float:
    """Where regular expressions stand: the highest first, as aigw takes the first in the file."""
    node = route.node.get("regex_priority") if route.node is not None else None
    try:
        return -float(str(node.content)) if node is not None else 0.0
    except ValueError:
        return 0.0


def _path(draft: Draft, node: Node, text: str, route: Route) -> str:
    if text.startswith("~"):
        return _regex(node, text[1:])
    if route.old_paths and is_old_regex(text):
        return _regex(node, text)
    path = quote(unquote(text), safe="/!$&'()*+,;=:@-._~")
    if not path.startswith("/"):
        raise node.refuse("must begin with /")
    return _checked(node, path)


def _regex(node: Node, pattern: str) -> str:
    """Kong's engine (PCRE, then Rust's) and Python's write named groups differently."""
    pattern = _NAMED_GROUP.sub("(?P<", pattern)
    return _checked(node, f"~{pattern}")


def _checked(node: Node, rule: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return path_rule(rule)
    except ValueError as error:
        raise node.refuse(str(error)) from None


def _host(draft: Draft, node: Node, text: str, route: Route) -> str:
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit():
        draft.warn(node, "aigw's hosts have no ports: any port of this host")
        text = host
    try:
        return host_rule(text)
    except ValueError as error:
        raise node.refuse(str(error)) from None


def _method(draft: Draft, node: Node, text: str, route: Route) -> str:
    try:
        return method(text)
    except ValueError as error:
        raise node.refuse(str(error)) from None


def _values(headers: Node, name: str) -> list[str]:
    node = headers.get(name)
    assert node is not None
    values = [each.scalar() for each in headers.elements(name)]
    if any(value.startswith("~*") for value in values):
        raise node.refuse("is a regular expression; aigw compares headers as they are")
    return values


def _rest(draft: Draft, node: Node) -> None:
    settled = [
        found
        for key, harmless in _DEFAULTS.items()
        if (found := node.get(key)) is not None and str(found.content).lower() in harmless
    ]
    draft.note(settled, "changes nothing here: a provider is asked by its own name and path")
    regex = node.get("regex_priority")
    if regex is not None and not regex.settled:
        draft.note(regex, "is the order of the routes in the file")
    protocols = [protocol for protocol in node.elements("protocols") if str(protocol.content) in _PROTOCOLS]
    if [str(protocol.content) for protocol in protocols] == ["https"]:
        draft.drop(protocols[0], "aigw does not tell HTTP from HTTPS: listen in [server] says what there is")
    draft.note([each for each in protocols if not each.settled], "listen in [server] says what there is")
