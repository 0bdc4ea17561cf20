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
_WITH_BODY: Final = tuple([end for end, operation in _ENDS if operation != MODELS])


#: Calls of a model that are passed on as they are, beside the operations: their model is in the body, a form's or JSON.
MODEL_CALLS: Final = (
    b"/images/generations",
    b"/images/edits",
    b"/images/variations",
    b"/audio/speech",
    b"/audio/transcriptions",
    b"/audio/translations",
    b"/moderations",
    b"/rerank",
)
#: The method of them all.
MODEL_CALL_METHOD: Final = b"POST"

#: Characters of a version in a path: ``v1``, ``v1beta2``.
_LONGEST_VERSION: Final = 16


def tail_of_model_call(path: bytes, operations: bool) -> bytes:
    """The end of ``path`` that is a call of a model with its model in the body, with the version before it if there is
    one (``/v2/rerank``); empty if the path is no such call.

    :param path: normalised.
    :param operations: the operations that have a body are such calls, too.
    """
    stripped = path.rstrip(b"/")
    ends = MODEL_CALLS + _WITH_BODY if operations else MODEL_CALLS
    end = next((each for each in ends if stripped.endswith(each)), b"")
    if not end:
        return b""
    before, slash, version = stripped[: -len(end)].rpartition(b"/")
    return path[len(before) :] if slash and _is_version(version) else path[len(before + slash + version) :]


def _is_version(segment: bytes) -> bool:
    return segment[:1] == b"v" and segment[1:2].isdigit() and len(segment) <= _LONGEST_VERSION and segment.isalnum()


def by_path(path: bytes) -> str:
    """The operation that the end of a path names, by whole segments; ``raw`` if it names none.

    A slash at the end makes no difference: providers do not see one either, and limits must not either.
    """
    path = path.rstrip(b"/")
    return next((operation for end, operation in _ENDS if path.endswith(end)), RAW)


def end_of(path: bytes) -> bytes:
    """The end of a path by which an operation or another call of a model is known; empty if it is none of them."""
    path = path.rstrip(b"/")
    ends = (*(end for end, _ in _ENDS), *MODEL_CALLS)
    return next((end for end in ends if path.endswith(end)), b"")


def dialect(operation: str) -> str:
    """Whose API the client of an operation speaks: ``openai`` or ``anthropic``."""
    return "anthropic" if operation in (MESSAGES, COUNT_TOKENS) else "openai"
