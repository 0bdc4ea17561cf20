"""OpenAI, and everything that speaks as it does.

Chat completions, completions, embeddings, responses and models pass byte for byte. What is not there, Anthropic's
messages above all, or what a backend's ``operations`` says its server lacks, is translated to chat completions.
"""

from __future__ import annotations

import attrs

from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RESPONSES
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.openai_chat import ChatWire
from aigw.llm.providers.openai_chat import server as servers

PATHS = {
    CHAT: "/chat/completions",
    COMPLETIONS: "/completions",
    EMBEDDINGS: "/embeddings",
    RESPONSES: "/responses",
    MODELS: "/models",
}

#: https://platform.openai.com/docs/api-reference
OPENAI = Provider(
    name="openai",
    genai_name="openai",
    default_url="https://api.openai.com/v1",
    paths=PATHS,
    wire=ChatWire(servers.OPENAI),
    asks_usage=frozenset((CHAT, COMPLETIONS)),
)


def _compatible_at(provider: Provider, place: Place) -> Provider:
    return attrs.evolve(provider, wire=ChatWire(servers.server_at(place.url)))


#: vLLM, llama.cpp, Groq, DeepSeek, OpenRouter, Together, LiteLLM and the like; they have no common address.
OPENAI_COMPATIBLE = attrs.evolve(
    OPENAI,
    name="openai-compatible",
    genai_name="openai-compatible",
    default_url=None,
    wire=ChatWire(servers.COMPATIBLE),
    at=_compatible_at,
)
