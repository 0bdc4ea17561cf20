"""Embeddings on Bedrock, which has no common API for them: each family's own body, through ``invoke``.

Sources: the pages on Titan's, Cohere's and Nova's embeddings below
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aigw import numbers
from aigw.errors import BadRequest
from aigw.llm.options import HINTS
from aigw.llm.usage import MOST_TOKENS, Usage
from aigw.llm.wire import EmbeddingCall, Embeddings

Body = dict[str, Any]

#: What Cohere's texts are for, unless the client says so: to be found.
INPUT_TYPE = "search_document"


def embedding_body(call: EmbeddingCall, provider: str) -> Body:
    """The body for the call's model.

    :raises BadRequest: it cannot be expressed; names the client's field.
    """
    model = call.model.lower()
    write = next((write for part, write in _FAMILIES if part in model), None)
    if write is None:
        message = f"model {call.model} is no embedding model that provider {provider} is known to have"
        raise BadRequest(message, param="model", code="model_not_found")
    texts = [text for text in call.inputs if isinstance(text, str)]
    if len(texts) < len(call.inputs):
        raise _unsupported(provider, "it must be text, not lists of tokens")
    return write(call, texts, provider)


def _unsupported(provider: str, why: str) -> BadRequest:
    message = f"input is not supported by provider {provider}: {why}"
    return BadRequest(message, param="input", code="unsupported_parameter")


def _only(call: EmbeddingCall, texts: list[str], provider: str) -> str:
    if len(texts) != 1:
        raise _unsupported(provider, f"{call.model} takes one text a call, not {len(texts)}")
    return texts[0]


def _options(call: EmbeddingCall) -> Body:
    return {name: value for name, value in call.options.items() if name not in HINTS and value is not None}


def _without_dimensions(call: EmbeddingCall, provider: str) -> None:
    if call.dimensions is not None and not call.drop_unsupported:
        message = f"dimensions is not supported by provider {provider}: {call.model} has no choice of them"
        raise BadRequest(message, param="dimensions", code="unsupported_parameter")


def _titan_1(call: EmbeddingCall, texts: list[str], provider: str) -> Body:
    _without_dimensions(call, provider)
    return {"inputText": _only(call, texts, provider), **_options(call)}


def _titan_2(call: EmbeddingCall, texts: list[str], provider: str) -> Body:
    dimensions = {"dimensions": call.dimensions} if call.dimensions is not None else {}
    return {"inputText": _only(call, texts, provider), **dimensions, **_options(call)}


def _titan_image(call: EmbeddingCall, texts: list[str], provider: str) -> Body:
    config = {"embeddingConfig": {"outputEmbeddingLength": call.dimensions}} if call.dimensions is not None else {}
    return {"inputText": _only(call, texts, provider), **config, **_options(call)}


def _cohere(call: EmbeddingCall, texts: list[str], provider: str) -> Body:
    body: Body = {"texts": texts, "input_type": INPUT_TYPE}
    if "embed-v4" in call.model.lower():
        body["embedding_types"] = ["float"]
        if call.dimensions is not None:
            body["output_dimension"] = call.dimensions
    else:
        _without_dimensions(call, provider)
    return {**body, **_options(call)}


def _nova(call: EmbeddingCall, texts: list[str], provider: str) -> Body:
    options = _options(call)
    truncation = options.pop("truncationMode", "END")
    params: Body = {
        "embeddingPurpose": options.pop("embeddingPurpose", "GENERIC_INDEX"),
        "text": {"truncationMode": truncation, "value": _only(call, texts, provider)},
    }
    if call.dimensions is not None:
        params["embeddingDimension"] = call.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params, **options}


#: Parts of ids and what writes the body; the first that is found counts.
_FAMILIES: tuple[tuple[str, Callable[[EmbeddingCall, list[str], str], Body]], ...] = (
    ("titan-embed-image", _titan_image),
    ("titan-embed-text-v2", _titan_2),
    ("titan-embed", _titan_1),
    ("cohere.embed", _cohere),
    ("nova", _nova),
)


def vectors(fields: Any) -> Embeddings:
    """What an answer of any of the families says.

    :raises ValueError: it is no such answer.
    """
    if not isinstance(fields, dict):
        raise ValueError("the answer is no object")
    found = tuple(_found(fields))
    if not found or not all(_is_vector(each) for each in found):
        raise ValueError("the answer has no vectors")
    count = numbers.count(fields.get("inputTextTokenCount"), MOST_TOKENS)
    usage = Usage(input=count) if count is not None else None
    return Embeddings(found, usage)


def _found(fields: Body) -> list[Any]:
    many = fields.get("embeddings")
    if isinstance(many, dict):  # Cohere, where types were asked for
        many = many.get("float")
    if isinstance(many, list):
        return [each.get("embedding") if isinstance(each, dict) else each for each in many]
    typed = fields.get("embeddingsByType")
    return [fields.get("embedding") or (typed.get("float") if isinstance(typed, dict) else None)]


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )
