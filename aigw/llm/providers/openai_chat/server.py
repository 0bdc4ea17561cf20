"""What servers of chat completions want differently, as a table.

:data:`OPENAI` is the original; :data:`COMPATIBLE` is what can be expected of a server that is not known; those that
are known are found by their host in :data:`HOSTS`. Only translated calls are written after this table: a client that
speaks chat completions itself is passed on byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

from aigw.llm.call import Call
from aigw.llm.options import Table, To, number, strings, whole_number
from aigw.llm.providers.openai_chat import efforts
from aigw.llm.providers.openai_chat.models import reasons, replays_thoughts
from aigw.llm.providers.openai_chat.parts import PARTS, Parts

#: Characters of ``user`` and of a tool call's id, at OpenAI.
_MOST_USER, _MOST_ID = 64, 40


@attrs.frozen
class Server:
    """One kind of server.

    :ivar name: the provider's, for error messages.
    :ivar path: of chat completions below the backend's ``url``; ``{model}`` in it is the model. May have a query.
    :ivar table: the options that it has; see :mod:`aigw.llm.options`. ``max_tokens`` is not among them.
    :ivar max_tokens: the name of that field for a model.
    :ivar system: the role of system messages for a model.
    :ivar effort: what says how much to think.
    :ivar most_stops: stop sequences that it takes, None: any number.
    :ivar tells_usage: whether streams are asked for their usage with ``stream_options``.
    :ivar wants_thoughts: whether a model wants its earlier thoughts back, as ``reasoning_content``.
    :ivar needs_thoughts: whether each turn that calls tools must have some, be they empty.
    :ivar signatures: whether tool calls carry Gemini's thought signatures, in ``extra_content``.
    :ivar lists: whether several texts in a row stay several; otherwise they are joined, since many servers read
        a content of text only as a string.
    :ivar strict: whether functions may have ``strict``.
    :ivar strict_subset: whether ``strict`` may only be asked of a schema that OpenAI's strict mode takes; see
        :func:`aigw.llm.json_schema.is_strict`.
    :ivar schemas: whether ``response_format`` may have a schema.
    :ivar tool_id: what becomes of a tool call's id, in the call and in its result.
    :ivar parts: what writes parts of turns; see :mod:`aigw.llm.providers.openai_chat.parts`.
    """

    name: str
    path: str = "/chat/completions"
    table: Table = attrs.field(factory=dict)
    max_tokens: Callable[[str], str] = lambda model: "max_completion_tokens" if reasons(model) else "max_tokens"
    system: Callable[[str], str] = lambda model: "system"
    effort: Callable[[Call], dict[str, Any]] = efforts.compatible
    most_stops: int | None = None
    tells_usage: bool = True
    wants_thoughts: Callable[[str], bool] = lambda model: False
    needs_thoughts: bool = False
    signatures: bool = False
    lists: bool = False
    strict: bool = True
    strict_subset: bool = True
    schemas: bool = True
    tool_id: Callable[[str], str] = lambda tool_id: short(tool_id, _MOST_ID, "call_")
    parts: Parts = PARTS


def short(word: str, most: int, prefix: str = "") -> str:
    """``word`` if it has no more than ``most`` characters, else its digest in hexadecimal."""
    return word if len(word) <= most else prefix + hashlib.sha256(word.encode()).hexdigest()[: most - len(prefix)]


def _user(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return short(value, _MOST_USER)


def _same(*names: str) -> dict[str, To]:
    return {name: To(name) for name in names}


#: What every server is taken to know. ``logprobs``, ``audio`` and other modalities are missing on purpose: an answer
#: in another dialect has no place for them.
COMMON: Table = {
    **_same("logit_bias", "n", "seed", "verbosity", "web_search_options", "functions", "function_call", "store"),
    **_same("service_tier"),
    "frequency_penalty": To("frequency_penalty", number),
    "presence_penalty": To("presence_penalty", number),
    "temperature": To("temperature", number),
    "top_p": To("top_p", number),
    "stop": To("stop", strings),
    "user": To("user", _user),
}

#: Under either name of it.
MAX_TOKENS: dict[str, Table] = {
    name: {"max_tokens": To(name, whole_number)} for name in ("max_tokens", "max_completion_tokens")
}

OPENAI = Server(
    name="openai",
    table={
        **COMMON,
        **_same("moderation", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        **_same("safety_identifier"),
    },
    max_tokens=lambda model: "max_completion_tokens",
    system=lambda model: "developer" if reasons(model) else "system",
    effort=efforts.openai,
    most_stops=4,
    lists=True,
)

COMPATIBLE = Server(
    name="openai-compatible", table={**COMMON, "top_k": To("top_k", number)}, wants_thoughts=replays_thoughts
)

#: https://api-docs.deepseek.com/guides/thinking_mode; wire.md 1.1
DEEPSEEK = attrs.evolve(
    COMPATIBLE,
    effort=efforts.deepseek,
    wants_thoughts=lambda model: True,
    needs_thoughts=True,
    schemas=False,
)

#: https://console.groq.com/docs/openai
GROQ = attrs.evolve(
    COMPATIBLE,
    table=COMMON,
    max_tokens=lambda model: "max_completion_tokens",
    effort=efforts.groq,
    most_stops=4,
    wants_thoughts=lambda model: False,
)

#: https://docs.x.ai/docs/api-reference
XAI = attrs.evolve(COMPATIBLE, table=COMMON, effort=efforts.xai, strict=False, wants_thoughts=lambda model: False)

#: https://openrouter.ai/docs/api-reference/parameters
OPENROUTER = attrs.evolve(COMPATIBLE, effort=efforts.openrouter)

#: Gemini's compatible API, https://ai.google.dev/gemini-api/docs/openai
GOOGLE = attrs.evolve(COMPATIBLE, signatures=True, wants_thoughts=lambda model: False)

#: Servers by the end of their host's name.
HOSTS: dict[str, Server] = {
    "deepseek.com": DEEPSEEK,
    "groq.com": GROQ,
    "x.ai": XAI,
    "openrouter.ai": OPENROUTER,
    "generativelanguage.googleapis.com": GOOGLE,
}


def server_at(url: str | None) -> Server:
    """The server at ``url``, as far as it is known."""
    host = (urlsplit(url).hostname or "") if url else ""
    return next((server for end, server in HOSTS.items() if host == end or host.endswith("." + end)), COMPATIBLE)
