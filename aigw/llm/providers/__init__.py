"""The providers: where they are, how their keys are sent, which paths their operations have.

One module a provider; :data:`PROVIDERS` names them all.
"""

from __future__ import annotations

from aigw.llm.providers.anthropic import ANTHROPIC
from aigw.llm.providers.azure import AZURE
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.bedrock import BEDROCK
from aigw.llm.providers.cohere import COHERE
from aigw.llm.providers.echo import ECHO
from aigw.llm.providers.gemini import GEMINI
from aigw.llm.providers.mistral import MISTRAL
from aigw.llm.providers.ollama import OLLAMA
from aigw.llm.providers.openai import OPENAI, OPENAI_COMPATIBLE
from aigw.llm.providers.vertex import VERTEX

PROVIDERS: dict[str, Provider] = {
    one.name: one
    for one in (
        OPENAI,
        OPENAI_COMPATIBLE,
        ANTHROPIC,
        AZURE,
        BEDROCK,
        COHERE,
        GEMINI,
        MISTRAL,
        OLLAMA,
        VERTEX,
        ECHO,
    )
}


def provider(name: str) -> Provider:
    """The provider of that name.

    :raises KeyError: there is none.
    """
    return PROVIDERS[name]


__all__ = ["PROVIDERS", "Place", "Provider", "provider"]
