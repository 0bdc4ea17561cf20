"""Request bodies: read strictly, adjusted, written.

What is judged must be what the provider reads. JSON leaves room for two readers to differ: a member that comes
twice, NaN, lone surrogates, bytes that are not UTF-8. Such bodies are refused (contract section 3). orjson refuses
all but the repeated member and the depth by itself.

Both are looked for in the bytes, since a parsed object no longer knows what it displaced. That is rarely needed: a
search tells whether a body can be repetitive or deep at all. Then its strings are cut out and its brackets counted,
all in C: a body of megabytes must not hold up the event loop longer than its parsing does. Bodies of pictures, the
largest there are, are a few long strings: they are searched from one quote, or bracket, to the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import orjson

from aigw.errors import BadRequest
from aigw.llm import large_json
from aigw.llm.model_names import check_model_name
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES

#: How deep objects and arrays may be nested.
MAX_DEPTH: Final = 200

#: What an operation cannot do without, and the types it may have.
_NEEDED: dict[str, tuple[str, tuple[type, ...]]] = {
    CHAT: ("messages", (list,)),
    COMPLETIONS: ("prompt", (str, list)),
    EMBEDDINGS: ("input", (str, list)),
    MESSAGES: ("messages", (list,)),
    COUNT_TOKENS: ("messages", (list,)),
}

#: As a number: bytes are looked for in bytes at thrice the cost.
_BACKSLASH: Final = 0x5C

#: Bytes of a body from which on it is worth a try to go from quote to quote,
_LONG: Final = 16 * 1024
#: and how many of them.
_FEW_QUOTES: Final = 250

#: Bytes up to which a body is never large,
_SMALL: Final = 128 * 1024
#: from which on it always is, if only for being copied and searched,
_HUGE: Final = 8 * 1024 * 1024
#: and the quotes and commas, of which every value has one, from which on those between are.
_MANY: Final = 8_000

#: What decides about a call, and may stand in its body once.
_ONCE: Final = frozenset(("model", "stream"))
_NO_OBJECT: Final = "the request body must be a JSON object"

#: How many times a client's request its translation may be, and bytes beside. An honest one comes to eight times at
#: the most: a tool of nothing but a short name.
_MOST_TIMES: Final = 16
_MOST_BESIDE: Final = 1024 * 1024

#: The two spellings of one field.
_TWINS: Final = ("max_tokens", "max_completion_tokens")

_DECIDING: Final = re.compile(rb'"(?:model|stream)"')
#: A member's name of as many characters as ``model`` or ``stream`` have, each plain or escaped. A quote that opens a
#: string never has a backslash before it, one inside a string always has.
_NAME: Final = re.compile(rb'(?<!\\)("(?:[^"\\\x00-\x1f]|\\u[0-9a-fA-F]{4}){5,6}")[ \t\r\n]*:')
_OPENING, _CLOSING = b"[{", b"]}"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_OPENING + _CLOSING))
#: Brackets as signed bytes: 1 where one opens, -1 where one closes.
_STEPS: Final = bytes.maketrans(_OPENING + _CLOSING, b"\x01\x01\xff\xff")


def is_large(body: bytes | bytearray) -> bool:
    """Whether reading and translating ``body`` is expected to take longer than about ten milliseconds: it is work for a
    thread then (:mod:`aigw.proxy.offload`)."""
    size = len(body)
    return size > _SMALL and (size > _HUGE or body.count(b'"') + body.count(b",") > _MANY)


def parse(body: bytes, operation: str) -> dict[str, Any]:
    """The body's fields.

    :raises BadRequest: it is not strict JSON, not an object, or lacks what ``operation`` needs; names the field.
    """
    fields = _parse_large(body) if is_large(body) else _parse_small(body)
    _check_types(fields)
    needed = _NEEDED.get(operation)
    if needed is not None:
        _check_needed(fields, *needed)
    return fields


def reread(body: bytes, *, large: bool) -> Any:
    """What :func:`parse` has read already, once more.

    :param large: let other threads run meanwhile.
    """
    return large_json.loads(body, large_json.give_way, MAX_DEPTH) if large else orjson.loads(body)


def _parse_small(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the request body is not valid JSON: {error.msg} (at {error.pos})") from None
    if not isinstance(fields, dict):
        raise BadRequest(_NO_OBJECT)
    if len(body) > 2 * MAX_DEPTH and _opens_many(body) and _depth(body) > MAX_DEPTH:
        raise BadRequest(f"the request body is nested deeper than {MAX_DEPTH} levels")
    _check_repeated(body)
    return fields


def _parse_large(body: bytes) -> dict[str, Any]:
    """The same in slices, between which other threads run."""
    try:
        fields = large_json.loads(body, large_json.give_way, MAX_DEPTH, _ONCE)
    # Three names: compiled, a name is of the type that it had first.
    except large_json.InvalidJson as invalid:
        raise BadRequest(f"the request body is not valid JSON: it {invalid}") from None
    except large_json.JsonTooLarge as too_large:
        raise BadRequest(f"the request body {too_large}") from None
    except large_json.RepeatedMember as repeated:
        raise _repeated(repeated.name) from None
    if not isinstance(fields, dict):
        raise BadRequest(_NO_OBJECT)
    return fields


def _repeated(name: str) -> BadRequest:
    return BadRequest(f"{name} comes twice in the request body", param=name, code="repeated_parameter")


def _check_types(fields: dict[str, Any]) -> None:
    model, stream = fields.get("model"), fields.get("stream")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a string", param="model", code="invalid_type")
    if model:
        check_model_name(model)
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false", param="stream", code="invalid_type")


def _check_needed(fields: dict[str, Any], name: str, types: tuple[type, ...]) -> None:
    value = fields.get(name)
    if value is None:
        raise BadRequest(f"{name} is missing in the request body", param=name, code="missing_required_parameter")
    if not isinstance(value, types):
        raise BadRequest(f"{name} has the wrong type", param=name, code="invalid_type")


def _check_repeated(body: bytes) -> None:
    """:raises BadRequest: ``model`` or ``stream`` comes twice at the top level, in whatever spelling."""
    if not _names_twice(body) and not _spells_letters(body):
        return
    found = [(orjson.loads(match[1]), match.start()) for match in _NAME.finditer(body)]
    for name in sorted(_ONCE):
        starts = [start for spelt, start in found if spelt == name]
        if len(starts) > 1 and _at_top_level(body, starts) > 1:
            raise _repeated(name)


def _names_twice(body: bytes) -> bool:
    """Whether ``"model"`` or ``"stream"`` stands in ``body`` more than once, wherever that is."""
    if len(body) <= _LONG:
        return body.count(b'"model"') > 1 or body.count(b'"stream"') > 1
    found: list[bytes] = []
    at = 0
    for _ in range(_FEW_QUOTES):
        at = body.find(b'"', at)
        if at < 0:
            break
        match = _DECIDING.match(body, at)
        if match is not None:
            found.append(match[0])
        at += 1
    else:
        found += _DECIDING.findall(body, at)
    return found.count(b'"model"') > 1 or found.count(b'"stream"') > 1


def _spells_letters(body: bytes) -> bool:
    """Whether small letters are escaped, as nobody does who does not want to hide them."""
    if _BACKSLASH not in body:
        return False
    return b"\\u006" in body or b"\\u007" in body


def _at_top_level(body: bytes, starts: list[int]) -> int:
    """How many of the places ``starts``, in order and outside of strings, are right inside the outermost object."""
    count = depth = begin = 0
    for start in starts:
        brackets = _brackets(body[begin:start])
        opened = brackets.count(b"[") + brackets.count(b"{")
        depth += 2 * opened - len(brackets)
        count += depth == 1
        begin = start
    return count


def _opens_many(body: bytes) -> bool:
    """Whether more than :data:`MAX_DEPTH` brackets open in ``body``, strings included: nothing is nested deeper."""
    left = MAX_DEPTH
    for bracket in (b"{", b"["):
        at = body.find(bracket)
        while at >= 0:
            left -= 1
            if left < 0:
                return True
            at = body.find(bracket, at + 1)
    return False


def _depth(body: bytes) -> int:
    """How deep the valid JSON ``body`` is nested."""
    steps = _brackets(body).translate(_STEPS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def _brackets(text: bytes) -> bytes:
    """The brackets of a piece of valid JSON that begins and ends outside of strings."""
    if _BACKSLASH in text:  # so that every quote that is left begins or ends a string
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(text.split(b'"')[::2]).translate(None, _NO_BRACKETS)


def serialise(fields: Mapping[str, Any], *, large: bool = False) -> bytes:
    """``fields`` as JSON.

    :param large: they are, or may be, those of a large body: let other threads run meanwhile.
    """
    return large_json.dumps(fields, large_json.give_way) if large else orjson.dumps(fields)


def serialise_translated(fields: Mapping[str, Any], came_in: int, *, large: bool = False) -> bytes:
    """A provider's request as JSON that was made of a client's.

    Everything that translations repeat or write out is bounded where that is done; this is for what nobody thought of.

    :param came_in: bytes of the client's request.
    :param large: see :func:`serialise`.
    :raises BadRequest: it is out of all proportion to that; names what became so large.
    """
    body = serialise(fields, large=large)
    if len(body) > _MOST_TIMES * came_in + _MOST_BESIDE:
        largest = max(fields, key=lambda name: len(orjson.dumps(fields[name])))
        raise BadRequest(
            f"{len(body) >> 10} KiB would have to be sent to the provider for a request of {came_in >> 10} KiB, most of"
            f" them in {largest}: send less that is repeated, such as definitions that are referred to",
            param=largest,
            code="request_too_large",
        )
    return body


@dataclass(frozen=True)
class Adjustments:
    """What a configuration does to bodies.

    ``max_tokens`` and ``max_completion_tokens`` are one field in both: the client's spelling is kept where it sent
    one, and a client that sent both has both overridden.

    :ivar defaults: fields that are filled in where the client sent none; a ``null`` counts as sent.
    :ivar overrides: fields that win over the client's.
    """

    defaults: Mapping[str, Any]
    overrides: Mapping[str, Any]

    def apply(self, fields: dict[str, Any]) -> bool:
        """Adjust ``fields`` in place. The values are shared with the configuration and must not be changed.

        :returns: whether anything changed.
        """
        changed = False
        for name, value in self.overrides.items():
            for spelt in _sent(fields, name) or (name,):
                if spelt not in fields or not _same(fields[spelt], value):
                    fields[spelt] = value
                    changed = True
        for name, value in self.defaults.items():
            if not _sent(fields, name):
                fields[name] = value
                changed = True
        return changed


def _sent(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The names under which ``fields`` has the field ``name``."""
    if name not in _TWINS:
        return (name,) if name in fields else ()
    return tuple([twin for twin in _TWINS if twin in fields])


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; ``1``, ``1.0`` and ``true`` are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict | list):
        return orjson.dumps(one) == orjson.dumps(other)
    return bool(one == other)
