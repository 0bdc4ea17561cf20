"""Lists of models: the providers' read, OpenAI's and Anthropic's written. Pure functions.

Which of the two a client wants is told by its ``anthropic-version`` header; the path is the same.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from aigw import numbers

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
#: The last second that a date can tell.
_LAST = 253402300799


@attrs.frozen
class ListedModel:
    """A model that a provider has.

    :ivar id: what it is called in requests.
    :ivar created: seconds since the epoch; 0 where the provider does not tell.
    :ivar owner: whose it is, as far as the provider tells.
    :ivar name: for people.
    """

    id: str
    created: int = 0
    owner: str | None = None
    name: str | None = None


# -- reading


@attrs.frozen
class _Shape:
    """Where a provider's list has what is wanted; paths of several fields: the first that is there.

    :ivar prefix: what its ids begin with and requests leave out.
    :ivar serves: whether a model is one for conversations or embeddings, where the provider tells.
    """

    models: str
    id: tuple[str, ...]
    created: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    prefix: str = ""
    serves: Callable[[Mapping[str, Any]], bool] = lambda model: True


def _gemini_serves(model: Mapping[str, Any]) -> bool:
    methods = model.get("supportedGenerationMethods")
    return not isinstance(methods, list) or "generateContent" in methods or "embedContent" in methods


def _cohere_serves(model: Mapping[str, Any]) -> bool:
    endpoints = model.get("endpoints")
    return not isinstance(endpoints, list) or "chat" in endpoints or "embed" in endpoints


_OPENAI = _Shape("data", ("id",), ("created",), ("owned_by",), ("name", "display_name"))
_GEMINI = _Shape("models", ("name",), (), (), ("displayName",), "models/", _gemini_serves)

_SHAPES: Mapping[str, _Shape] = {
    "anthropic": _Shape("data", ("id",), ("created_at",), (), ("display_name",)),
    "azure": _OPENAI,
    "bedrock": _Shape("modelSummaries", ("modelId",), (), ("providerName",), ("modelName",)),
    "cohere": _Shape("models", ("name",), serves=_cohere_serves),
    "gemini": _GEMINI,
    "mistral": _OPENAI,
    "ollama": _Shape("models", ("model", "name"), ("modified_at",)),
    "openai": _OPENAI,
    "openai-compatible": _OPENAI,
    "vertex": attrs.evolve(_GEMINI, models="publisherModels", prefix="publishers/google/models/"),
}


def read_models(provider: str, fields: Any) -> list[ListedModel]:
    """The models in one page of a provider's list, in its order; what is malformed is left out.

    :param provider: its name in the configuration; one that is not known here lists as OpenAI does.
    :param fields: the parsed body. Together and llama.cpp have a bare array, or ``models``, there.
    """
    shape = _SHAPES.get(provider, _OPENAI)
    listed = fields
    if isinstance(fields, dict):
        listed = fields.get(shape.models, fields.get("data"))
    found = [_model(shape, provider, model) for model in (listed if isinstance(listed, list) else ())]
    return [model for model in found if model is not None]


def _model(shape: _Shape, provider: str, model: Any) -> ListedModel | None:
    if not isinstance(model, dict) or not shape.serves(model):
        return None
    model_id = _text(model, shape.id)
    if model_id is None:
        return None
    owner = _text(model, shape.owner) or provider
    created = next((model[name] for name in shape.created if name in model), None)
    return ListedModel(model_id.removeprefix(shape.prefix), seconds(created), owner, _text(model, shape.name))


def _text(model: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((value for name in names if isinstance(value := model.get(name), str) and value), None)


def seconds(value: Any) -> int:
    """A time as seconds since the epoch: these, or a date and time (RFC 3339); 0 if it is neither."""
    if isinstance(value, str):
        value = numbers.timestamp(value)
    return numbers.count(value, _LAST) or 0


# -- writing


def openai_model(model: ListedModel) -> dict[str, Any]:
    """One model as OpenAI tells it."""
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner or "aigw"}


def openai_list(models: Iterable[ListedModel]) -> dict[str, Any]:
    """OpenAI's list."""
    return {"object": "list", "data": [openai_model(model) for model in models]}


def anthropic_model(model: ListedModel) -> dict[str, Any]:
    """One model as Anthropic tells it."""
    created = (_EPOCH + datetime.timedelta(seconds=model.created)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.id, "display_name": model.name or model.id, "created_at": created}


def anthropic_list(models: Iterable[ListedModel]) -> dict[str, Any]:
    """Anthropic's list, all on one page."""
    data = [anthropic_model(model) for model in models]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}
