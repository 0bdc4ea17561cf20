"""Bodies and queries taken apart into fields: for keys that come in them, and for a model's name in a form.

What is read here is taken out again before the rest goes on, and what is judged here, the provider must read in the
same way. So a body is taken apart into pieces that make the body again, byte for byte, and one that two readers
could take apart differently (a delimiter in the wrong place, a name that is there twice over) has no fields at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from urllib.parse import unquote_to_bytes

import attrs
import orjson

from aigw.errors import BadRequest

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()

_BOUNDARY = re.compile(rb';[ \t]*boundary=(?:"([^"\\]+)"|([^\s";]+))', re.IGNORECASE)
_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]+)=(?:"([^"]*)"|([^\s";]*))[ \t]*')
_PLAIN_ENCODINGS = (b"7bit", b"8bit", b"binary")


@attrs.frozen
class Form:
    """Fields, and the text they were read from: ``opening``, ``pieces`` with ``separator`` between them, ``closing``.

    :ivar fields: names and values, one for each piece; no value where there is none, or none that is text.
    """

    fields: list[tuple[bytes, bytes | None]] = attrs.field(repr=False)
    pieces: list[bytes] = attrs.field(repr=False)
    opening: bytes = b""
    separator: bytes = b""
    closing: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field. Upper and lower case of names are the same.

        :param name: in lower case.
        """
        return [value for found, value in self.fields if value is not None and found.lower() == name]

    def without(self, names: Container[bytes]) -> bytes | None:
        """The text without the fields ``names``, in lower case; None if it has none of them."""
        return self.where(lambda name, value: name.lower() not in names)

    def where(self, wanted: Callable[[bytes, bytes | None], bool]) -> bytes | None:
        """The text with those fields only that are ``wanted``, by name and value; None if that is all of them."""
        kept = [piece for field, piece in zip(self.fields, self.pieces, strict=True) if wanted(*field)]
        if len(kept) == len(self.pieces):
            return None
        return self.opening + self.separator.join(kept) + self.closing


def form_field(body: bytes, content_type: bytes, name: bytes) -> bytes | None:
    """The value of field ``name``, exactly so spelt; None if the body has none or cannot be read.

    :raises BadRequest: it is there twice: who reads the body next may take the other one.
    """
    form = body_form(body, content_type)
    values = [value for found, value in form.fields if found == name] if form is not None else []
    if len(values) > 1:
        shown = name.decode("ascii", "replace")
        raise BadRequest(f"{shown} comes twice in the request body", param=shown, code="repeated_parameter")
    return values[0] if values else None


def body_form(body: bytes, content_type: bytes) -> Form | None:
    """A body taken apart, as a form if it says that it is one, else as JSON; None if it cannot be."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"application/x-www-form-urlencoded":
        return urlencoded(body)
    if kind == b"multipart/form-data":
        return _multipart(body, content_type)
    return _json(body)


def urlencoded(text: bytes) -> Form:
    """A query, or a form body. A name without ``=`` has no value."""
    fields: list[tuple[bytes, bytes | None]] = []
    pieces = text.split(b"&")
    for piece in pieces:
        name, found, value = piece.replace(b"+", b" ").partition(b"=")
        fields.append((unquote_to_bytes(name), unquote_to_bytes(value) if found else None))
    return Form(fields, pieces, separator=b"&")


# -- JSON


def _json(body: bytes) -> Form | None:
    """An object's members. White space between them is not kept."""
    try:
        # orjson is the judge of what is JSON; the standard library's reader only tells where a value ends.
        return _members(body.decode()) if isinstance(orjson.loads(body), dict) else None
    except (ValueError, RecursionError):
        return None


def _members(text: str) -> Form:
    fields: list[tuple[bytes, bytes | None]] = []
    pieces: list[bytes] = []
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        start = at
        name, at = _DECODER.raw_decode(text, start)
        value, at = _DECODER.raw_decode(text, _skip(text, _skip(text, at) + 1))
        fields.append((name.encode(), value.encode() if isinstance(value, str) else None))
        pieces.append(text[start:at].encode())
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return Form(fields, pieces, b"{", b",", b"}")


def _skip(text: str, at: int) -> int:
    """The next place that is not white space."""
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at


# -- multipart (RFC 7578)


def _multipart(body: bytes, content_type: bytes) -> Form | None:
    """Its parts, if there is one way only to tell them apart: no preamble, no white space behind a delimiter."""
    boundaries = _BOUNDARY.findall(content_type)
    if len(boundaries) != 1:
        return None
    delimiter = b"--" + (boundaries[0][0] or boundaries[0][1])
    first, *parts = body.split(delimiter)
    if first or not parts or parts[-1] not in (b"--", b"--\r\n"):
        return None
    fields: list[tuple[bytes, bytes | None]] = []
    for part in parts[:-1]:
        field = _part(part)
        if field is None:
            return None
        fields.append(field)
    return Form(fields, [delimiter + part for part in parts[:-1]], closing=delimiter + parts[-1])


def _part(part: bytes) -> tuple[bytes, bytes] | None:
    """Name and value of what stands between two delimiters; None if that is not certain."""
    if not part.startswith(b"\r\n") or not part.endswith(b"\r\n"):
        return None
    head, found, value = part[2:-2].partition(b"\r\n\r\n")
    name = None
    for line in head.split(b"\r\n") if found else ():
        field, colon, text = line.partition(b":")
        field, text = field.lower(), text.strip(b" \t")
        if not colon or b"\n" in line or b"\r" in line or field != field.strip():
            return None
        if field == b"content-transfer-encoding" and text.lower() not in _PLAIN_ENCODINGS:
            return None
        if field == b"content-disposition":
            if name is not None:
                return None
            name = _name(text)
    return (name, value) if name is not None else None


def _name(disposition: bytes) -> bytes | None:
    """The name that a ``Content-Disposition`` gives; None if readers differ on it.

    They differ on backslashes, and on ``name*=`` and ``name*0=`` of RFC 2231.
    """
    kind, semicolon, rest = disposition.partition(b";")
    rest = semicolon + rest
    if kind.strip().lower() != b"form-data" or b"\\" in rest or _PARAMETER.sub(b"", rest):
        return None
    parameters = _PARAMETER.findall(rest)
    names = [(key.lower(), quoted or bare) for key, quoted, bare in parameters if key[:4].lower() == b"name"]
    return names[0][1] if len(names) == 1 and names[0][0] == b"name" else None
