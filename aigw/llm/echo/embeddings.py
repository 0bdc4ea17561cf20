"""Embeddings: for each input a vector that depends on the input alone."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

import orjson

from aigw.llm.echo.parts import Call, EchoReply, tokens, whole

_DIMENSIONS = 8
_MOST_DIMENSIONS = 4096
#: Bytes of a number in an answer, about.
_PER_NUMBER = 8


def embeddings(call: Call) -> EchoReply:
    """See the module's head; little-endian float32 in base64 where that is asked for."""
    inputs = _inputs(call.fields.get("input"))
    wanted = call.fields.get("dimensions")
    size = wanted if isinstance(wanted, int) and 1 <= wanted <= _MOST_DIMENSIONS else _DIMENSIONS
    call.check(len(inputs) * size * _PER_NUMBER)
    as_text = call.fields.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(_vector(one, size), as_text)}
        for index, one in enumerate(inputs)
    ]
    read = sum(len(one) if isinstance(one, list) else len(tokens(str(one))) for one in inputs)
    used = {"prompt_tokens": read, "total_tokens": read}
    return whole({"object": "list", "data": data, "model": call.model, "usage": used})


def _inputs(value: Any) -> list[Any]:
    """The inputs: one text, a list of texts, or either as token numbers."""
    if not isinstance(value, list) or (value and all(isinstance(one, int) for one in value)):
        return [value]
    return value


def _vector(value: Any, size: int) -> list[float]:
    """``size`` numbers from -1 up to 1, each exact in 32 bits."""
    seed = hashlib.sha256(orjson.dumps(value)).digest()
    blocks = (hashlib.sha256(b"%d %s" % (number, seed)).digest() for number in range(-(-size // 32)))
    return [byte / 128 - 1 for byte in b"".join(blocks)[:size]]


def _encoded(vector: list[float], as_text: bool) -> list[float] | str:
    if not as_text:
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
