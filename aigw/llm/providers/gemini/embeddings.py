"""Embeddings on AI Studio: ``batchEmbedContents`` (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aigw.errors import BadRequest
from aigw.llm.usage import from_gemini
from aigw.llm.wire import EmbeddingCall, Embeddings

#: What a client may say beside, by the names that it may use.
TASK_TYPES = ("task_type", "taskType", "input_type")


def texts(call: EmbeddingCall, provider: str) -> list[str]:
    """The inputs, which must be texts.

    :raises BadRequest: they are numbers of another provider's tokens.
    """
    if not all(isinstance(each, str) for each in call.inputs):
        raise BadRequest(
            f"input is not supported by provider {provider} as token numbers: send the text",
            param="input",
            code="unsupported_parameter",
        )
    return [each for each in call.inputs if isinstance(each, str)]


def option(call: EmbeddingCall, names: Sequence[str]) -> Any:
    """The first of an option's names that the client used."""
    return next((call.options[name] for name in names if call.options.get(name) is not None), None)


#: Characters of what is said of each text again: a title. Longer ones are no titles.
_LONGEST_OPTION = 1024


def common(call: EmbeddingCall) -> tuple[Any, Any]:
    """The task and the title that the client gives for all of its texts; both are repeated with each.

    :raises BadRequest: one is too long for that.
    """
    for names in (TASK_TYPES, ("title",)):
        for name in names:
            value = call.options.get(name)
            if value is not None and not (isinstance(value, str) and len(value) <= _LONGEST_OPTION):
                message = f"{name} must be a string of at most {_LONGEST_OPTION} characters"
                raise BadRequest(message, param=name, code="invalid_value")
    return option(call, TASK_TYPES), option(call, ("title",))


def batch(call: EmbeddingCall, model: str, provider: str) -> dict[str, Any]:
    """The body of a ``batchEmbedContents`` request.

    :param model: with the ``models/`` that the API wants.
    """
    task, title = common(call)
    shared = {"model": model, "outputDimensionality": call.dimensions, "taskType": task, "title": title}
    shared = {name: value for name, value in shared.items() if value is not None}
    return {"requests": [{**shared, "content": {"parts": [{"text": text}]}} for text in texts(call, provider)]}


def vectors(fields: Any) -> Embeddings:
    """:raises ValueError: it is no answer with embeddings."""
    found = fields.get("embeddings") if isinstance(fields, dict) else None
    if not isinstance(found, list):
        raise ValueError("the answer has no embeddings")
    return Embeddings(tuple(vector(each) for each in found), from_gemini(fields.get("usageMetadata")))


def vector(embedding: Any) -> list[float]:
    """The numbers of one embedding.

    :raises ValueError: it has none.
    """
    values = embedding.get("values") if isinstance(embedding, dict) else None
    if not isinstance(values, list) or not all(isinstance(each, int | float) for each in values):
        raise ValueError("an embedding has no values")
    return values
