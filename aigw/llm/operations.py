"""The calls of an LLM API, by the names that the configuration, metrics and logs use."""

from __future__ import annotations

from typing import Final

CHAT: Final = "chat"
COMPLETIONS: Final = "completions"
EMBEDDINGS: Final = "embeddings"
RESPONSES: Final = "responses"
MESSAGES: Final = "messages"
COUNT_TOKENS: Final = "count_tokens"
MODELS: Final = "models"
RAW: Final = "raw"

OPERATIONS: Final = frozenset((CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MESSAGES, COUNT_TOKENS, MODELS, RAW))

#: Those whose answers can be streamed.
STREAMED: Final = frozenset((CHAT, COMPLETIONS, RESPONSES, MESSAGES))

#: The methods of each operation; ``raw`` has them all.
METHODS: dict[str, tuple[bytes, ...]] = {
    CHAT: (b"POST",),
    COMPLETIONS: (b"POST",),
    EMBEDDINGS: (b"POST",),
    RESPONSES: (b"POST",),
    MESSAGES: (b"POST",),
    COUNT_TOKENS: (b"POST",),
    MODELS: (b"GET", b"HEAD"),
}

#: Ends of paths, the longest first (contract section 2, "Operation and upstream path").
_ENDS: Final = (
    (b"/chat/completions", CHAT),
    (b"/messages/count_tokens", COUNT_TOKENS),
    (b"/completions", COMPLETIONS),
    (b"/embeddings", EMBEDDINGS),
    (b"/responses", RESPONSES),
    (b"/messages", MESSAGES),
    (b"/models", MODELS),
)


def by_path(path: bytes) -> str:
    """The operation that the end of a path names, by whole segments; ``raw`` if it names none.

    A slash at the end makes no difference: providers do not see one either, and limits must not either.
    """
    path = path.rstrip(b"/")
    return next((operation for end, operation in _ENDS if path.endswith(end)), RAW)


def dialect(operation: str) -> str:
    """Whose API the client of an operation speaks: ``openai`` or ``anthropic``."""
    return "anthropic" if operation in (MESSAGES, COUNT_TOKENS) else "openai"
