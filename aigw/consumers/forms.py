"""One field of a request body: JSON, a form, or multipart; for keys, and models, that come in bodies."""

from __future__ import annotations

from email.message import Message
from urllib.parse import parse_qsl, unquote_plus

import orjson


def content_kind(content_type: bytes) -> bytes:
    """The media type, without its parameters, in lower case."""
    return content_type.split(b";")[0].strip().lower()


def form_field(body: bytes, content_type: bytes, name: bytes) -> bytes | None:
    """The value of field ``name``; None if the body has none or cannot be read."""
    kind = content_kind(content_type)
    if kind == b"application/x-www-form-urlencoded":
        for found, value in parse_qsl(body, keep_blank_values=True):
            if found == name:
                return value
        return None
    if kind == b"multipart/form-data":
        return next((value for found, value in _parts(body, content_type) if found == name), None)
    return _json_field(body, name)


def _json_field(body: bytes, name: bytes) -> bytes | None:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    value = fields.get(name.decode("utf-8", "replace")) if isinstance(fields, dict) else None
    return value.encode() if isinstance(value, str) else None


def _parts(body: bytes, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a multipart form (RFC 7578)."""
    message = Message()
    message["content-type"] = content_type.decode("latin-1")
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        return []
    parts = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))[1:-1]:
        head, found, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _part_name(head) if found else None
        if name is not None:
            parts.append((name, value))
    return parts


def _part_name(head: bytes) -> bytes | None:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"content-disposition":
            message = Message()
            message["content-disposition"] = value.decode("latin-1").strip()
            name = message.get_param("name", header="content-disposition")
            return name.encode("latin-1") if isinstance(name, str) else None
    return None


def without_field(body: bytes, content_type: bytes, name: bytes) -> bytes:
    """The body without field ``name``; as it was where it has none. Multipart parts are cut out whole."""
    if form_field(body, content_type, name) is None:
        return body
    kind = content_kind(content_type)
    if kind == b"application/x-www-form-urlencoded":
        return b"&".join(pair for pair in body.split(b"&") if _pair_name(pair) != name)
    if kind == b"multipart/form-data":
        return _without_part(body, content_type, name)
    fields = orjson.loads(body)
    fields.pop(name.decode("utf-8", "replace"))
    return orjson.dumps(fields)


def _pair_name(pair: bytes) -> bytes:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1"), encoding="latin-1").encode("latin-1")


def _without_part(body: bytes, content_type: bytes, name: bytes) -> bytes:
    message = Message()
    message["content-type"] = content_type.decode("latin-1")
    delimiter = b"\r\n--" + str(message.get_param("boundary")).encode("latin-1")
    first, *parts = (b"\r\n" + body).split(delimiter)
    kept = [part for part in parts if _part_name(part.removeprefix(b"\r\n").partition(b"\r\n\r\n")[0]) != name]
    return delimiter.join([first, *kept]).removeprefix(b"\r\n")


def without_query_field(query: bytes, names: frozenset[bytes]) -> bytes | None:
    """A query string without the fields ``names``; None if nothing is left."""
    kept = [pair for pair in query.split(b"&") if _pair_name(pair).lower() not in names]
    return b"&".join(kept) if kept else None
