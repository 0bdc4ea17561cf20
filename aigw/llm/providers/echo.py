"""The built-in provider, which needs no account and no network; its answers are made in :mod:`aigw.llm.echo`."""

from __future__ import annotations

import attrs

from aigw.llm.operations import CHAT, COMPLETIONS
from aigw.llm.providers.base import Provider
from aigw.llm.providers.openai import PATHS
from aigw.llm.providers.openai_chat import ChatWire
from aigw.llm.providers.openai_chat.server import COMPATIBLE

#: It knows no options but those that change an echo, and minds none.
_SERVER = attrs.evolve(COMPATIBLE, name="echo")

ECHO = Provider(
    name="echo",
    genai_name="aigw.echo",
    paths=PATHS,
    wire=ChatWire(_SERVER),
    asks_usage=frozenset((CHAT, COMPLETIONS)),
)
