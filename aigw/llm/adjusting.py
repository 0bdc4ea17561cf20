"""A configuration's ``defaults`` and ``overrides``, whatever the operation.

They are written in OpenAI's vocabulary (``max_tokens``, ``temperature``, ``reasoning_effort`` …), so that one backend
serves clients of all dialects, or in the provider's own (``safetySettings``, ``thinking`` …). Names that OpenAI's chat
knows adjust the call before it is translated; all others adjust the provider's request afterwards. Bodies that pass
byte for byte are adjusted as they are, with what their operation has: :func:`natively`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from aigw.llm.body import Adjustments
from aigw.llm.call import Call, ReasoningWish
from aigw.llm.dialects.chat import response_format, tool_choice
from aigw.llm.operations import COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.options import HINTS, NEUTRAL

#: Spellings of one field.
_SAME = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens", "stop_sequences": "stop"}


def _set_effort(call: Call, value: Any) -> None:
    call.reasoning = ReasoningWish(effort=str(value))


def _set_tool_choice(call: Call, value: Any) -> None:
    call.tool_choice = tool_choice(value)


def _set_format(call: Call, value: Any) -> None:
    call.format = response_format(value)


def _set_parallel(call: Call, value: Any) -> None:
    call.parallel_tools = bool(value)


#: Fields that are no options of a call: whether the client set one, and how it is set.
_PLACES: dict[str, tuple[str, Callable[[Call, Any], None]]] = {
    "reasoning_effort": ("reasoning", _set_effort),
    "tool_choice": ("tool_choice", _set_tool_choice),
    "response_format": ("format", _set_format),
    "parallel_tool_calls": ("parallel_tools", _set_parallel),
}


def is_common(name: str) -> bool:
    """Whether a field is of the vocabulary that all dialects are read into."""
    return name in _PLACES or _SAME.get(name, name) in NEUTRAL or name in HINTS


#: What operations call fields that chat has under other names.
_SPELT: dict[str, dict[str, str]] = {
    COMPLETIONS: {"max_completion_tokens": "max_tokens"},
    MESSAGES: {"max_completion_tokens": "max_tokens", "stop": "stop_sequences"},
    RESPONSES: {"max_completion_tokens": "max_output_tokens", "max_tokens": "max_output_tokens"},
}
#: What messages have of the common vocabulary, by its own names.
_OF_MESSAGES = frozenset(
    (
        *("container", "context_management", "max_tokens", "mcp_servers", "metadata", "service_tier"),
        *("stop_sequences", "temperature", "tool_choice", "top_k", "top_p"),
    )
)
#: Operations that are no conversations, and what of their fields a conversation has as well.
_NO_CONVERSATIONS = {COUNT_TOKENS: ("tool_choice",), EMBEDDINGS: ("user",)}


def natively(adjustments: Adjustments, operation: str) -> Adjustments:
    """What of ``adjustments`` is for bodies of ``operation`` that pass byte for byte, under its own names.

    Providers refuse fields that an operation does not have; one backend has many.
    """

    def own(fields: Mapping[str, Any]) -> dict[str, Any]:
        named = {_native_name(name, operation): value for name, value in fields.items()}
        return {name: value for name, value in named.items() if name is not None}

    return Adjustments(defaults=own(adjustments.defaults), overrides=own(adjustments.overrides))


def left_out_natively(adjustments: Adjustments, operation: str) -> tuple[str, ...]:
    """The fields of a conversation that this one does not have, and that :func:`natively` leaves out."""
    if operation in _NO_CONVERSATIONS:
        return ()  # they were never meant for it
    names = (*adjustments.defaults, *adjustments.overrides)
    return tuple(name for name in names if _native_name(name, operation) is None)


def _native_name(name: str, operation: str) -> str | None:
    """What ``operation`` calls a field; None if it has none such."""
    name = _SPELT.get(operation, {}).get(name, name)
    kept = _OF_MESSAGES if operation == MESSAGES else _NO_CONVERSATIONS.get(operation)
    return name if kept is None or name in kept or not is_common(name) else None


def adjust_call(call: Call, adjustments: Adjustments) -> None:
    """Apply what is in the common vocabulary to ``call``."""
    for name, value in adjustments.overrides.items():
        if is_common(name):
            _set(call, name, value)
    for name, value in adjustments.defaults.items():
        if is_common(name) and not _has(call, name):
            _set(call, name, value)


def _has(call: Call, name: str) -> bool:
    place = _PLACES.get(name)
    if place is not None:
        return getattr(call, place[0]) is not None
    return _SAME.get(name, name) in call.options


def _set(call: Call, name: str, value: Any) -> None:
    place = _PLACES.get(name)
    option = name if place is not None else _SAME.get(name, name)
    if place is not None:
        place[1](call, value)
    else:
        call.options[option] = value
    call.configured.add(option)


def adjust_request(body: dict[str, Any], adjustments: Adjustments) -> None:
    """Apply what is in the provider's own vocabulary to its request; objects are merged, member by member."""
    for name, value in adjustments.overrides.items():
        if not is_common(name):
            body[name] = _merged(body.get(name), value, wins=True)
    for name, value in adjustments.defaults.items():
        if not is_common(name):
            body[name] = _merged(body.get(name), value, wins=False)


def _merged(sent: Any, configured: Any, *, wins: bool) -> Any:
    """``configured`` laid over ``sent``, or under it; never shares an object with the configuration."""
    if isinstance(sent, dict) and isinstance(configured, dict):
        merged = dict(sent)
        for name, value in configured.items():
            merged[name] = _merged(sent.get(name), value, wins=wins)
        return merged
    if sent is not None and not wins:
        return sent
    return orjson.loads(orjson.dumps(configured))
