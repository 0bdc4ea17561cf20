"""OpenAI's embeddings in front (https://platform.openai.com/docs/api-reference/embeddings/create)."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import orjson

from aigw.llm.dialects.fields import text_of, wrong
from aigw.llm.dialects.openai_shapes import error_body
from aigw.llm.reply import ProviderError
from aigw.llm.usage import Usage
from aigw.llm.wire import EmbeddingCall, Embeddings

_OWN = frozenset(("dimensions", "encoding_format", "input", "model"))


class EmbeddingsFront:
    """Reads requests for embeddings and writes the answers."""

    def read(self, fields: Mapping[str, Any]) -> EmbeddingCall:
        """The client's request. Whatever is not OpenAI's (Cohere's ``input_type``) is among the options.

        :raises BadRequest: it is malformed.
        """
        encoding(fields)
        return EmbeddingCall(
            model=fields.get("model") or "",
            inputs=_inputs(fields.get("input")),
            dimensions=_dimensions(fields.get("dimensions")),
            options={name: value for name, value in fields.items() if name not in _OWN},
        )

    def writer(self, fields: Mapping[str, Any]) -> EmbeddingsWriter:
        """For the answer to that request."""
        return EmbeddingsWriter(fields.get("model") or "", encoding(fields) == "base64")

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """The JSON body of an error."""
        return error_body(error, request_id)


def encoding(fields: Mapping[str, Any]) -> str:
    """``encoding_format``: ``float``, or ``base64`` as OpenAI's SDK asks for unless it is told otherwise.

    :raises BadRequest: it is something else.
    """
    value = fields.get("encoding_format")
    if value is None:
        return "float"
    if value not in ("float", "base64"):
        raise wrong("encoding_format", "must be float or base64")
    return text_of(value, "encoding_format")


def _inputs(given: Any) -> tuple[str | list[int], ...]:
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        raise wrong("input", "must be a text, tokens, or an array of these that is not empty")
    if _is_tokens(given):
        return (given,)
    for index, each in enumerate(given):
        if not (isinstance(each, str) and each) and not _is_tokens(each):
            raise wrong(f"input[{index}]", "must be a text that is not empty, or an array of token numbers")
    return tuple(given)


def _is_tokens(value: Any) -> bool:
    """Whether it is one input as the numbers of its tokens. ``true`` is no number."""
    return isinstance(value, list) and bool(value) and all(type(each) is int and each >= 0 for each in value)


def _dimensions(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise wrong("dimensions", "must be a whole number of at least 1")
    return value


@attrs.frozen
class EmbeddingsWriter:
    """Writes the answer to one request.

    :ivar model: the one that was asked for; the provider's own name for it is told where it says one.
    :ivar packed: vectors are little-endian 32 bit floats in base64.
    """

    model: str
    packed: bool

    def write(self, embeddings: Embeddings) -> bytes:
        """The JSON body."""
        encode = _packed if self.packed else list
        usage = embeddings.usage or Usage()
        body = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": encode(vector)}
                for index, vector in enumerate(embeddings.vectors)
            ],
            "model": embeddings.model or self.model,
            "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        }
        return orjson.dumps(body)


def _packed(vector: Sequence[float]) -> str:
    floats = array("f", vector)  # what is too large for 32 bits becomes infinite
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
