"""Thought signatures: Gemini's opaque proof of what it thought, to be given back where it came from.

Gemini 3 answers 400 if the first call of a step comes back without its signature. Clients that do not keep it, and
histories that another model wrote, are what :data:`SKIP` is for: Google's documented way to switch the check off for
a part (https://ai.google.dev/gemini-api/docs/thought-signatures, under "FAQs").
"""

from __future__ import annotations

import base64
import binascii

#: Stands in for a signature that is not there.
SKIP = "skip_thought_signature_validator"


def own(signature: str | None) -> str | None:
    """``signature`` if it may be Gemini's; None for those that are known to be another provider's.

    A conversation may have begun with another model, whose signatures Gemini refuses as corrupted. OpenAI's encrypted
    reasoning is a Fernet token. Anthropic's signature is a protocol buffer whose field 2 has a message in field 1;
    where Gemini's has the bytes of a version and a key, Anthropic's has the tags of further fields.
    """
    if not signature or signature.startswith("gAAAA"):
        return None
    head = _decoded(signature[:24])
    if head[:1] != b"\x12":
        return signature
    inner = _behind_length(head, 1)
    if head[inner : inner + 1] != b"\n":
        return signature
    first = _behind_length(head, inner + 1)
    return None if head[first : first + 1] in (b"\x08", b"\x18") else signature


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
