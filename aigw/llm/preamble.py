"""The events before the first that says something: greetings, pings, empty beginnings.

A provider that is about to fail often greets first: OpenAI's servers with a chunk that has a role and no text,
Anthropic's with ``message_start`` and a ``ping``, a stream of responses with ``response.created``. Nothing of an answer
has come with these; as long as no more has, another target can still be asked. Nor has any with what is no event of the
dialect: a chunk without choices, an event without a type.
"""

from __future__ import annotations

from typing import Any

from aigw.llm.operations import CHAT, COMPLETIONS, MESSAGES, RESPONSES

_GREETINGS = {
    MESSAGES: frozenset(("message_start", "ping")),
    RESPONSES: frozenset(("response.created", "response.queued", "response.in_progress")),
}
#: Events that open a part of the answer, and where that part is.
_OPENERS = {
    "content_block_start": "content_block",
    "response.output_item.added": "item",
    "response.content_part.added": "part",
    "response.reasoning_summary_part.added": "part",
}
#: Kinds of parts that are empty as long as no text is in them; what is of another kind, such as a tool's call, says
#: something by being there.
_TEXTS = frozenset(("text", "thinking", "message", "reasoning", "output_text", "summary_text", "reasoning_text"))
_TEXT_MEMBERS = ("text", "thinking", "content", "summary")


def is_preamble(fields: Any, operation: str) -> bool:
    """Whether an event of a stream of ``operation`` says nothing of the answer yet.

    :param fields: its data, as JSON.
    """
    if not isinstance(fields, dict):
        return False
    if operation in (CHAT, COMPLETIONS):
        choices = fields.get("choices")
        return not isinstance(choices, list) or (not fields.get("usage") and _empty_choices(choices))
    greetings, kind = _GREETINGS.get(operation), fields.get("type")
    if greetings is None:
        return False
    if not isinstance(kind, str):
        return True
    if kind in greetings:
        return True
    part = fields.get(_OPENERS.get(kind, ""))
    if not isinstance(part, dict) or str(part.get("type")) not in _TEXTS:
        return False
    return not any(part.get(name) for name in _TEXT_MEMBERS)


def _empty_choices(choices: list[Any]) -> bool:
    return all(isinstance(choice, dict) and _empty(choice) for choice in choices)


def _empty(choice: dict[str, Any]) -> bool:
    if choice.get("finish_reason"):
        return False
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return not any(value for name, value in delta.items() if name != "role")
    return not choice.get("text")
