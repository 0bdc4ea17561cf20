"""Anthropic's betas, and which of them the other platforms that serve Claude have.

A client names them in the header ``anthropic-beta``, separated by commas. Vertex AI takes that header, Bedrock a list
in the body. Both refuse the whole request for a beta that they do not have, and clients send what Anthropic's own
service has (Claude Code: nearly ten in each request), so the others stay here. Betas are known without their dates: a
tool's next version has the same name.

Sources: https://platform.claude.com/docs/en/api/beta-headers and the features by platform below
https://platform.claude.com/docs/en/build-with-claude/overview; for Bedrock
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html;
what other gateways learnt of either (BerriAI/litellm, ``anthropic_beta_headers_config.json``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_DATE: Final = re.compile(r"-20\d\d-\d\d-\d\d")
#: Betas of one request.
_MOST: Final = 64

#: Betas that a platform has, by their names without dates, and what it calls them where that is something else.
Platform = Mapping[str, str]


def _same(*names: str) -> Platform:
    return dict.fromkeys(names, "")


VERTEX: Final[Platform] = {
    **_same("compact", "computer-use", "context-1m", "context-management", "dangerous-tool-use"),
    **_same("interleaved-thinking", "per-turn-control", "thinking-binding-controls", "thinking-display-updates"),
    **_same("tool-search-tool", "web-search"),
    "advanced-tool-use": "tool-search-tool-2025-10-19",
}
BEDROCK: Final[Platform] = {
    **_same("compact", "computer-use", "context-1m", "context-management", "dev-full-thinking", "effort"),
    **_same("fine-grained-tool-streaming", "interleaved-thinking", "output-128k", "thinking-binding-controls"),
    **_same("thinking-display-updates", "token-efficient-tools", "tool-examples", "tool-search-tool"),
    "advanced-tool-use": "tool-search-tool-2025-10-19",
}


def betas_in(*told: Any) -> tuple[str, ...]:
    """The betas that headers' values or fields of a body name, each once; what can be none is left out."""
    words: dict[str, None] = {}
    for text in _texts(told):
        for word in text.split(",", _MOST)[:_MOST]:
            if len(words) < _MOST and _NAME.fullmatch(word.strip()):
                words[word.strip()] = None
    return tuple(words)


def betas_at(platform: Platform, betas: Iterable[str]) -> list[str]:
    """Those of ``betas`` that ``platform`` has, as it calls them."""
    known: dict[str, None] = {}
    for beta in betas:
        renamed = platform.get(_DATE.sub("", beta))
        if renamed is not None:
            known[renamed or beta] = None
    return list(known)


def beta_header(betas: Iterable[str]) -> tuple[tuple[bytes, bytes], ...]:
    """The header that names ``betas``; none where there are none."""
    told = ",".join(sorted(set(betas))).encode("ascii")
    return ((b"anthropic-beta", told),) if told else ()


def without_scopes(fields: dict[str, Any]) -> None:
    """Take out of a body of messages what a beta of Anthropic's own service adds to cache marks (``scope``), and other
    platforms refuse.

    :param fields: its marks are changed in place.
    """
    _unscoped(fields)
    for blocks in (fields.get("system"), fields.get("tools"), fields.get("messages")):
        _unscope_all(blocks)
        for message in blocks if isinstance(blocks, list) else ():
            _unscope_content(message)


def _unscope_content(block: Any) -> None:
    content = block.get("content") if isinstance(block, dict) else None
    _unscope_all(content)
    for each in content if isinstance(content, list) else ():
        if isinstance(each, dict):
            _unscope_all(each.get("content"))


def _unscope_all(blocks: Any) -> None:
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict):
            _unscoped(block)


def _unscoped(block: dict[str, Any]) -> None:
    cache = block.get("cache_control")
    if isinstance(cache, dict) and "scope" in cache:
        block["cache_control"] = {name: value for name, value in cache.items() if name != "scope"}


def _texts(told: Iterable[Any]) -> Iterable[str]:
    for each in told:
        for text in each[:_MOST] if isinstance(each, list) else (each,):
            if isinstance(text, bytes):
                yield text.decode("latin-1")
            elif isinstance(text, str):
                yield text
