"""Whose a thought's signature is: providers refuse a conversation in which another's comes back to them.

A conversation may go on with another model than it began with, by failover, by weights or by the client's choice.
Signatures are opaque, but for how they begin: OpenAI's encrypted reasoning is a Fernet token. Anthropic's and Gemini's
are protocol buffers; where Gemini's has the bytes of a version and a key, Anthropic's has the tags of further fields.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

from aigw.llm.operations import COUNT_TOKENS, MESSAGES, RESPONSES

Maker = Literal["anthropic", "gemini", "openai", "aigw"]

#: Operations in whose bodies signatures come back.
SIGNED = frozenset((MESSAGES, COUNT_TOKENS, RESPONSES))

#: What begins that which clients of a translation are given in a signature's place.
OWN = "aigw"
_FERNET = "gAAAA"
_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"
#: Begins what Gemini has in the first field.
_VERSION = b"\x01"
#: Tags of the fields that Anthropic has there.
_TAGS = (b"\x08", b"\x18")


def maker(signature: str) -> Maker | None:
    """Who made ``signature``; None for one that nothing is known of."""
    if signature.startswith(_FERNET):
        return "openai"
    if signature.startswith((f"{OWN}-", f"{OWN}:")):
        return "aigw"
    head = _decoded(signature[:24])
    at = _behind_length(head, 1) if head[:1] == _FIELD_2 else 0
    if head[at : at + 1] != _FIELD_1:
        return None
    first = _behind_length(head, at + 1)
    begins = head[first : first + 1]
    if begins == _VERSION:
        return "gemini"
    return "anthropic" if at and begins in _TAGS else None


def may_be(signature: str | None, provider: Maker) -> bool:
    """Whether ``provider`` may have made ``signature``: nobody else is known to have."""
    return bool(signature) and maker(signature or "") in (None, provider)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return b""


def _behind_length(data: bytes, at: int) -> int:
    """Where the bytes behind a varint begin."""
    while at < len(data) and data[at] & 0x80:
        at += 1
    return at + 1


# -- conversations that pass byte for byte


def leave_out_others(fields: dict[str, Any], operation: str) -> bool:
    """Take the thoughts out of a body that are known to be another provider's than that which has ``operation`` itself.

    Claude refuses to think within a budget behind a call whose thoughts are missing, so it is not asked to.

    :param fields: changed in place.
    :returns: whether anything changed.
    """
    if operation in (MESSAGES, COUNT_TOKENS):
        messages = _objects(fields.get("messages"))
        dropped = sum(_drop(each, "content", _is_others_block) for each in messages) > 0
        if dropped and _calls_without_thoughts(messages) and _has_budget(fields.get("thinking")):
            fields["thinking"] = {"type": "disabled"}
        return dropped
    return operation == RESPONSES and _drop(fields, "input", _is_others_item)


def may_have_others(body: bytes, operation: str) -> bool:
    """Whether ``body`` is worth a look by :func:`leave_out_others`."""
    if operation in (MESSAGES, COUNT_TOKENS):
        return b'"signature"' in body
    return operation == RESPONSES and b'"encrypted_content"' in body


def _calls_without_thoughts(messages: list[dict[str, Any]]) -> bool:
    """Whether the last of the assistant's messages called tools, and has no thoughts."""
    said: dict[str, Any] = next((each for each in reversed(messages) if each.get("role") == "assistant"), {})
    kinds = {block.get("type") for block in _objects(said.get("content"))}
    return "tool_use" in kinds and not kinds & {"thinking", "redacted_thinking"}


def _has_budget(thinking: Any) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def _drop(fields: dict[str, Any], name: str, is_others: Any) -> bool:
    entries = fields.get(name)
    if not isinstance(entries, list):
        return False
    kept = [each for each in entries if not (isinstance(each, dict) and is_others(each))]
    fields[name] = kept
    return len(kept) < len(entries)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_others_block(block: dict[str, Any]) -> bool:
    return block.get("type") == "thinking" and _is_others(block.get("signature"), "anthropic")


def _is_others_item(item: dict[str, Any]) -> bool:
    return item.get("type") == "reasoning" and _is_others(item.get("encrypted_content"), "openai")


def _is_others(signature: Any, provider: Maker) -> bool:
    return isinstance(signature, str) and maker(signature) not in (None, provider)
