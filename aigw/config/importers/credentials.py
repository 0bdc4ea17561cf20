"""Credentials as other systems' files have them, and what becomes of them: a literal only where it was one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from aigw.config.importers.draft import Draft
from aigw.config.importers.nodes import Node

_DECK_ENV = re.compile(r"\$\{\{\s*env\s+\"([^\"]+)\"\s*(?:\|[^{}]*)?\}\}")
_VAULT = re.compile(r"\{vault://([A-Za-z0-9_-]+)/([^}]+)\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)|\$\(([A-Z][A-Z0-9_]*)\)")
#: What pages have where the reader's own key belongs.
_TO_BE_FILLED_IN = re.compile(
    r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|(?:your|my)[-_ ].*|(?:(?!YOUR)[A-Z_])*+YOUR[A-Z_]*|x{3,}|\.{3}|…", re.I
)
_BEARER = re.compile(r"bearer(?:\s+|$)", re.I)
_NOT_IN_ENV = re.compile(r"[^A-Za-z0-9]+")
_ENDINGS = re.compile(r"[-_]?(?:api[-_]?key|api[-_]?token|access[-_]?token|key|token)$", re.I)


@attrs.frozen
class Credential:
    """What a text turned out to be.

    :ivar env: the environment variable that has the value; empty for a literal.
    :ivar literal: the value itself.
    :ivar bearer: it stood behind ``Bearer``.
    :ivar said: what is to be said about it, if anything.
    """

    env: str = ""
    literal: str = attrs.field(default="", repr=False)
    bearer: bool = False
    said: str = ""


def env_name(text: str) -> str:
    """``openai-secret`` as an environment variable: ``OPENAI_SECRET``."""
    name = _NOT_IN_ENV.sub("_", text).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name


def understand(text: str, usual_env: str, variables: Mapping[str, str] = {}) -> Credential:
    """Take a credential's text apart.

    :param usual_env: the variable to read where the text has no value.
    :param variables: what ``${name}`` stands for: another text, usually ``$NAME``.
    """
    value, bearer = text.strip(), False
    for _ in range(5):  # a variable of a variable
        scheme = _BEARER.match(value)
        if scheme is not None:
            value, bearer = value[scheme.end() :].strip(), True
        found = _VARIABLE.fullmatch(value)
        name = (found[1] or found[2] or found[3]) if found is not None else ""
        if name not in variables:
            break
        value = variables[name].strip()
    reference = _reference(value, bearer)
    if reference is not None:
        return reference
    if not value or _TO_BE_FILLED_IN.fullmatch(value):
        return Credential(usual_env, "", bearer, f"has no key in it: it is read from ${usual_env}")
    return Credential("", value, bearer)


def _reference(value: str, bearer: bool) -> Credential | None:
    deck = _DECK_ENV.fullmatch(value)
    if deck is not None:
        return Credential(deck[1], "", bearer)
    variable = _VARIABLE.fullmatch(value)
    if variable is not None:
        name = variable[1] or variable[2] or variable[3]
        return Credential(env_name(name) if variable[1] else name, "", bearer)
    vault = _VAULT.fullmatch(value)
    if vault is not None:
        env = env_name(vault[2])
        if vault[1] == "env":
            return Credential(env, "", bearer)
        return Credential(
            env, "", bearer, f"is kept in the vault {vault[1]}, which aigw does not read: it is read from ${env}"
        )
    if any(pattern.search(value) for pattern in (_DECK_ENV, _VAULT)):
        env = env_name("_".join(match[1] for match in _DECK_ENV.finditer(value))) or "PROVIDER_KEY"
        return Credential(env, "", bearer, f"is put together from parts: the whole of it is read from ${env}")
    return None


def secret(draft: Draft, env: str, origin: Node | None = None, wanted: str = "") -> str:
    """The name of the ``[secrets]`` entry for an environment variable, made if there is none yet.

    :param wanted: its name; without one it is made from the variable's.
    """
    known = draft.secret_called(env, wanted)
    if known is not None:
        return known
    plain = env.removeprefix("DECK_")
    name = wanted or (_ENDINGS.sub("", plain).strip("_-") or plain).lower().replace("_", "-")
    return draft.add_secret(name, env)


def auth(draft: Draft, credential: Credential, origin: Node, wanted: str = "") -> dict[str, Any]:
    """A backend's ``auth`` that sends this credential."""
    if credential.said:
        draft.warn(origin, credential.said)
    if credential.literal:
        draft.warn(origin, "is in plain text, and so it is in the output (secret = …, kept outside by [secrets])")
        return {"inline": credential.literal}
    return {"secret": secret(draft, credential.env, origin, wanted)}
