"""Request bodies: read strictly, adjusted, written.

What is judged must be what the provider reads. JSON leaves room for two readers to differ: a member that comes
twice, NaN, lone surrogates, bytes that are not UTF-8. Such bodies are refused (contract section 3). orjson refuses
all but the repeated member by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from aigw.errors import BadRequest
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES

#: How deep objects and arrays may be nested.
MAX_DEPTH = 200

#: What an operation cannot do without, and the types it may have.
_NEEDED: dict[str, tuple[str, tuple[type, ...]]] = {
    CHAT: ("messages", (list,)),
    COMPLETIONS: ("prompt", (str, list)),
    EMBEDDINGS: ("input", (str, list)),
    MESSAGES: ("messages", (list,)),
    COUNT_TOKENS: ("messages", (list,)),
}

_TWINS = ("max_tokens", "max_completion_tokens")

#: A short string that is a member's name and holds an escape, which could spell any name.
_ESCAPED_NAME = re.compile(rb'"[^"\\]{0,40}\\(?:[^"\\]|\\.){0,120}"\s*:')
_COLON = re.compile(rb"[ \t\r\n]*:")
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


def parse(body: bytes, operation: str) -> dict[str, Any]:
    """The body's fields.

    :raises BadRequest: it is not strict JSON, not an object, or lacks what ``operation`` needs; names the field.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "UTF-8" in error.msg and "BOM" not in error.msg:
            raise BadRequest("the request body is not valid UTF-8") from None
        raise BadRequest(f"the request body is not valid JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(fields, dict):
        raise BadRequest("the request body must be a JSON object")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise BadRequest(f"the request body is nested deeper than {MAX_DEPTH} levels")
    _check_repeated(body)
    _check_types(fields)
    needed = _NEEDED.get(operation)
    if needed is not None:
        name, types = needed
        value = fields.get(name)
        if value is None:
            raise BadRequest(f"{name} is missing in the request body", param=name, code="missing_required_parameter")
        if not isinstance(value, types):
            raise BadRequest(f"{name} has the wrong type", param=name, code="invalid_type")
    return fields


def _check_types(fields: dict[str, Any]) -> None:
    model, stream = fields.get("model"), fields.get("stream")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a string", param="model", code="invalid_type")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false", param="stream", code="invalid_type")


def _check_repeated(body: bytes) -> None:
    """:raises BadRequest: ``model`` or ``stream`` comes twice at the top level, in whatever spelling."""
    if body.count(b'"model"') < 2 and body.count(b'"stream"') < 2 and not _may_hide_a_name(body):
        return
    names = _top_level_names(body)
    for name in ("model", "stream"):
        if names.count(name) > 1:
            raise BadRequest(f"{name} comes twice in the request body", param=name, code="repeated_parameter")


def _may_hide_a_name(body: bytes) -> bool:
    return b"\\" in body and b"\\u" in body and _ESCAPED_NAME.search(body) is not None


def _top_level_names(body: bytes) -> list[str]:
    """The names of the top-level object's members, repeated ones too. ``body`` is valid JSON."""
    names = []
    depth = 0
    for match in _TOKENS.finditer(body):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and _COLON.match(body, match.end()) is not None:
            names.append(orjson.loads(token))
    return names


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for match in _TOKENS.finditer(body):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"}", b"]"):
            depth -= 1
    return deepest


def serialise(fields: Mapping[str, Any]) -> bytes:
    """``fields`` as JSON."""
    return orjson.dumps(fields)


@attrs.frozen
class Adjustments:
    """What a configuration does to bodies.

    :ivar defaults: fields that are filled in where the client sent none; a ``null`` counts as sent.
    :ivar overrides: fields that win over the client's.
    """

    defaults: Mapping[str, Any]
    overrides: Mapping[str, Any]

    def apply(self, fields: dict[str, Any]) -> bool:
        """Adjust ``fields`` in place. ``max_tokens`` and ``max_completion_tokens`` are one field: the client's
        spelling is kept where it sent one.

        :returns: whether anything changed.
        """
        changed = False
        for name, value in self.defaults.items():
            if _spelt(fields, name) not in fields:
                fields[name] = value
                changed = True
        for name, value in self.overrides.items():
            spelt = _spelt(fields, name)
            if spelt not in fields or fields[spelt] != value or type(fields[spelt]) is not type(value):
                fields[spelt] = value
                changed = True
        return changed


def _spelt(fields: Mapping[str, Any], name: str) -> str:
    """The name under which ``fields`` has, or would have, the field ``name``."""
    if name in _TWINS and name not in fields:
        twin = _TWINS[name == _TWINS[0]]
        if twin in fields:
            return twin
    return name
