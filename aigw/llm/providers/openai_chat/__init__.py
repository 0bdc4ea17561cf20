"""OpenAI's chat completions behind: the wire of OpenAI and of everything that speaks as it does.

:mod:`~aigw.llm.providers.openai_chat.server` has, as a table, what servers want differently;
:mod:`~aigw.llm.providers.openai_chat.request` writes calls, :mod:`~aigw.llm.providers.openai_chat.reply` reads answers
and streams (with :mod:`~aigw.llm.providers.openai_chat.calls` for the tool calls in them), and
:mod:`~aigw.llm.providers.openai_chat.errors` understands what servers complain of.
"""

from __future__ import annotations

from aigw.llm.providers.openai_chat.errors import provider_error
from aigw.llm.providers.openai_chat.reply import ChatReader
from aigw.llm.providers.openai_chat.server import Server
from aigw.llm.providers.openai_chat.wire import ChatWire

__all__ = ["ChatReader", "ChatWire", "Server", "provider_error"]
