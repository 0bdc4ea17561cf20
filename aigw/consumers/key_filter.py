"""No key of a consumer goes up, wherever it stands: headers of any name, the query, fields of the body, the path.

A client that puts its key where no ``[auth]`` entry looks for it (under another entry's names, on a route that asks for
none, as the whole of ``Authorization``) does not mean it for the provider. Keys are known by their digests, so what may
be one is hashed. Header values repeat from request to request; those that are none are remembered, a bounded number.

Contents of a conversation are not searched, nor are bodies that nobody reads and that are long: see
:meth:`KeyFilter.clean_body`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from aigw.consumers.forms import body_form

#: Values that are remembered, and bytes of the longest of them: 0.3 MiB in all at most.
_MOST_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 256

#: Characters of the longest field of a body that may be a key.
_LONGEST_KEY: Final = 1024

#: Bytes of the longest body that is taken apart only to look for keys in it.
_LONGEST_READ: Final = 256 * 1024

#: Words of a value that are looked at, and bytes of the shortest one that is not where credentials stand: a key as
#: short as a word must not make a key of that word.
_MOST_WORDS: Final = 4
_SHORTEST_WORD: Final = 8

#: Fields of the operations' bodies that hold no key: what the conversation is, or a word out of a few.
_CONTENT: Final = frozenset(
    ("input", "instructions", "model", "prompt", "reasoning_effort", "service_tier", "suffix", "system", "tool_choice")
)


class KeyFilter:
    """See the module's head.

    :param knows: whether a token is the key of a consumer.
    """

    def __init__(self, knows: Callable[[bytes], bool]) -> None:
        self._knows = knows
        self._harmless: set[bytes] = set()

    def holds(self, value: bytes) -> bool:
        """Whether a header's value is a consumer's key, or has one in it as credentials have: behind ``Bearer`` or
        another scheme, as a quoted parameter, in ``Basic`` (RFC 7617)."""
        if value in self._harmless:
            return False
        if self.is_in(value):
            return True
        if len(value) <= _LONGEST_REMEMBERED:
            if len(self._harmless) >= _MOST_REMEMBERED:
                self._harmless.clear()
            self._harmless.add(value)
        return False

    def is_in(self, value: bytes) -> bool:
        """The same, and nothing is remembered: for credentials."""
        if self._knows(value):
            return True
        words = value.split(None, _MOST_WORDS)
        if len(words) == 2 and self._is_credential(words[0].lower(), words[1]):
            return True
        if len(words) > 1 or b"=" in value or b'"' in value:
            return any(self._is_key(word) for word in words if len(word) >= _SHORTEST_WORD)
        return False

    def _is_credential(self, scheme: bytes, word: bytes) -> bool:
        return self._knows(word) or (scheme == b"basic" and any(map(self._knows, _basic(word))))

    def _is_key(self, word: bytes) -> bool:
        """Whether a word of a value is one: as it is, or as a parameter's value."""
        _, equals, parameter = word.rstrip(b",;").partition(b"=")
        return (
            self._knows(word)
            or self._knows(word.strip(b"\"',;"))
            or bool(equals and self._knows(parameter.strip(b"\"'")))
        )

    def clean_query(self, query: bytes, names: frozenset[bytes]) -> bytes | None:
        """A query without keys, as it may go on; None if nothing is left.

        :param names: in lower case: fields that stay here whatever they hold.
        """
        pieces = query.split(b"&")
        kept = [piece for piece in pieces if not self._in_query(piece, names)]
        return query if len(kept) == len(pieces) else b"&".join(kept) or None

    def _in_query(self, piece: bytes, names: frozenset[bytes]) -> bool:
        if not piece:
            return False
        name, equals, value = piece.partition(b"=")
        if unquote_to_bytes(name.replace(b"+", b" ")).lower() in names:
            return True
        if not equals:
            return len(name) >= _SHORTEST_WORD and self._is_text(name)
        return any(self._is_text(text) for text in value.split(b";", _MOST_WORDS) if text)

    def _is_text(self, text: bytes) -> bool:
        """Whether a piece of a query is a key: as it is, or without its escapes."""
        if self.holds(text):
            return True
        if b"%" not in text and b"+" not in text:
            return False
        return self.holds(unquote_to_bytes(text)) or self.holds(unquote_to_bytes(text.replace(b"+", b" ")))

    def clean_path(self, path: bytes) -> bytes:
        """A path as it may be shown: the same object if no segment of it is a key."""
        segments = path.split(b"/")
        shown = [b"***" if len(each) >= _SHORTEST_WORD and self._is_text(each) else each for each in segments]
        return path if shown == segments else b"/".join(shown)

    def clean_fields(self, fields: dict[str, Any]) -> bool:
        """Take keys out of a parsed body.

        :param fields: changed in place.
        :returns: whether there were any.
        """
        found: list[str] = []
        for name, value in fields.items():
            if isinstance(value, str) and name not in _CONTENT and self._is_member(value):
                found.append(name)
        for name in found:
            del fields[name]
        return bool(found)

    def _is_member(self, value: str) -> bool:
        return len(value) <= _LONGEST_KEY and self.holds(value.encode("utf-8", "surrogatepass"))

    def clean_body(self, body: bytes, content_type: bytes) -> bytes:
        """A body that nobody reads, without fields that are keys: the same object if it has none, is longer than
        256 KiB, or is neither JSON nor a form."""
        if not body or len(body) > _LONGEST_READ:
            return body
        is_form = content_type.lower().startswith((b"application/x-www-form-urlencoded", b"multipart/form-data"))
        if not is_form and not self._in_json(body):
            return body
        form = body_form(body, content_type)
        clean = form.where(self._may_go) if form is not None else None
        return body if clean is None else clean

    def _in_json(self, body: bytes) -> bool:
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        return isinstance(fields, dict) and any(
            isinstance(value, str) and self._is_member(value) for value in fields.values()
        )

    def _may_go(self, name: bytes, value: bytes | None) -> bool:
        return value is None or len(value) > _LONGEST_KEY or not self.holds(value)


def _basic(encoded: bytes) -> list[bytes]:
    """User and password of ``Basic`` credentials."""
    try:
        user, _, password = base64.b64decode(encoded).partition(b":")
    except binascii.Error:
        return []
    return [user, password]
