"""Amazon Bedrock's Converse API, for all models that are there (https://docs.aws.amazon.com/bedrock/latest/APIReference).

- :mod:`~aigw.llm.providers.bedrock.models`: what each family of models has, as a table
- :mod:`~aigw.llm.providers.bedrock.request`: a call as a request; its turns in ``content`` (with the formats of files
  in ``media`` and what things are called in ``names``), its wish for reasoning in ``thinking``
- :mod:`~aigw.llm.providers.bedrock.reply`: streams and whole answers as events
- :mod:`~aigw.llm.providers.bedrock.errors`: what went wrong
- :mod:`~aigw.llm.providers.bedrock.embeddings`: texts to vectors, through ``invoke``
- :mod:`~aigw.llm.providers.bedrock.wire`: all of it as one Wire

Its streams are cut by :mod:`aigw.llm.eventstream`. Requests carry an API key as a bearer token, or are signed:
:mod:`aigw.upstream.aws`.
"""

from __future__ import annotations

import attrs

from aigw.llm.operations import CHAT, MODELS, RESPONSES
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.bedrock.wire import BedrockWire
from aigw.llm.providers.openai import OPENAI_COMPATIBLE, PATHS

#: What the endpoints that speak OpenAI's dialect have (``…/openai/v1``).
_OPENAI_PATHS = {operation: PATHS[operation] for operation in (CHAT, RESPONSES, MODELS)}


def _at(provider: Provider, place: Place) -> Provider:
    """In a region; or, where the backend's url ends in ``/v1``, in OpenAI's dialect, byte for byte."""
    if place.url is not None and place.url.rstrip("/").endswith("/v1"):
        return attrs.evolve(
            OPENAI_COMPATIBLE, name=provider.name, genai_name=provider.genai_name, paths=_OPENAI_PATHS, at=_at
        )
    if place.region is None:
        return provider
    partition = ".cn" if place.region.startswith("cn-") else ""
    return attrs.evolve(provider, default_url=f"https://bedrock-runtime.{place.region}.amazonaws.com{partition}")


_WIRE = BedrockWire()

BEDROCK = Provider(
    name="bedrock",
    genai_name="aws.bedrock",
    wire=_WIRE,
    embedding_wire=_WIRE,
    count_wire=_WIRE,
    at=_at,
)

__all__ = ["BEDROCK", "BedrockWire"]
