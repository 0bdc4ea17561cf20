"""OpenAI, and everything that speaks as it does."""

from __future__ import annotations

import attrs

from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RESPONSES
from aigw.llm.providers.base import Provider

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
    asks_usage=frozenset((CHAT, COMPLETIONS)),
)

#: vLLM, llama.cpp, Groq, DeepSeek, OpenRouter, Together, LiteLLM and the like; they have no common address.
OPENAI_COMPATIBLE = attrs.evolve(OPENAI, name="openai-compatible", genai_name="openai-compatible", default_url=None)
