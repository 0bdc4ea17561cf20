"""What ``encrypted_content`` of a reasoning item holds: what only the provider can read, on its way back to it.

Clients keep reasoning items and send them back as they are. So they carry a provider's signature of its thoughts (as
it is), thoughts that are redacted, and Gemini's signature of a tool call, which has no place in a function call that
every client keeps.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from aigw.llm.call import Reasoning

_REDACTED = "aigw:redacted:"
_CALL = "aigw:call:"
#: What OpenAI's own encrypted reasoning begins with (a Fernet token); no other provider can read it.
_OPENAI = "gAAAA"


@attrs.frozen
class CallSignature:
    """A provider's proof of a tool call."""

    call_id: str
    signature: str


def redacted(data: str) -> str:
    """The content that :func:`read` finds redacted thoughts in."""
    return _REDACTED + data


def call_signature(call_id: str, signature: str) -> str:
    """The content that :func:`read` finds a :class:`CallSignature` in."""
    return f"{_CALL}{len(call_id)}:{call_id}{signature}"


def read(content: str | None, text: str) -> Reasoning | CallSignature | None:
    """What a reasoning item says that comes back with ``content`` and, in its summary, ``text``."""
    if content is None or content.startswith(_OPENAI):
        return Reasoning(text) if text else None
    for prefix, reader in _READERS.items():
        if content.startswith(prefix):
            return reader(content[len(prefix) :])
    return Reasoning(text, signature=content)


def _read_call(content: str) -> CallSignature | None:
    length, _, rest = content.partition(":")
    if not length.isascii() or not length.isdigit() or len(length) > 9:
        return None
    return CallSignature(rest[: int(length)], rest[int(length) :])


_READERS: dict[str, Callable[[str], Reasoning | CallSignature | None]] = {
    _REDACTED: lambda data: Reasoning(redacted=data),
    _CALL: _read_call,
}
