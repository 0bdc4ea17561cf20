"""Media types as providers know them.

Clients name pictures after the ends of files' names. Anthropic, Gemini and Bedrock take registered types only
(https://www.iana.org/assignments/media-types): ``image/jpg`` is a 400 there.
"""

from __future__ import annotations

from typing import Final

#: Names that are used for types, in lower case, and the registered ones.
_REGISTERED: Final = {
    "application/x-pdf": "application/pdf",
    "image/jfif": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-citrix-jpeg": "image/jpeg",
    "image/x-citrix-png": "image/png",
    "image/x-png": "image/png",
}


def registered(told: str) -> str:
    """A media type without parameters, in lower case (RFC 2045, 5.1) and by its registered name."""
    plain = told.strip().lower()
    return _REGISTERED.get(plain, plain)
