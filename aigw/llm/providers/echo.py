"""The built-in provider, which needs no account and no network; its answers are made in :mod:`aigw.llm.echo`."""

from __future__ import annotations

from aigw.llm.operations import CHAT, COMPLETIONS
from aigw.llm.providers.base import Provider
from aigw.llm.providers.openai import PATHS

ECHO = Provider(name="echo", genai_name="aigw.echo", paths=PATHS, asks_usage=frozenset((CHAT, COMPLETIONS)))
