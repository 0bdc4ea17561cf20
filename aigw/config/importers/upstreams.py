"""The providers as other gateways call them, their usual credential headers, and URLs taken apart.

What aigw has no provider of its own for, and what speaks OpenAI's API at a known place, becomes ``openai-compatible``.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import attrs


@attrs.frozen
class Kind:
    """A provider.

    :ivar provider: aigw's name for it.
    :ivar header: where its key goes, in lower case, and
    :ivar prefix: what stands before it.
    :ivar env: where its own SDK looks for a key.
    :ivar url: where it is, if that is one place and its own name does not say it.
    """

    provider: str
    header: str = "authorization"
    prefix: str = "Bearer "
    env: str = "PROVIDER_API_KEY"
    url: str | None = None


KINDS = {
    "openai": Kind("openai", env="OPENAI_API_KEY", url="https://api.openai.com/v1"),
    "azure": Kind("azure", "api-key", "", "AZURE_OPENAI_API_KEY"),
    "anthropic": Kind("anthropic", "x-api-key", "", "ANTHROPIC_API_KEY", "https://api.anthropic.com"),
    "gemini": Kind("gemini", "x-goog-api-key", "", "GEMINI_API_KEY"),
    "vertex": Kind("vertex", env="GOOGLE_APPLICATION_CREDENTIALS_JSON"),
    "mistral": Kind("mistral", env="MISTRAL_API_KEY", url="https://api.mistral.ai/v1"),
    "bedrock": Kind("bedrock", env="AWS_SECRET_ACCESS_KEY"),
    "cohere": Kind("cohere", env="COHERE_API_KEY"),
    "ollama": Kind("ollama", env="OLLAMA_API_KEY"),
    "cerebras": Kind("openai-compatible", env="CEREBRAS_API_KEY", url="https://api.cerebras.ai/v1"),
    "dashscope": Kind(
        "openai-compatible", env="DASHSCOPE_API_KEY", url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    ),
    "deepseek": Kind("openai-compatible", env="DEEPSEEK_API_KEY", url="https://api.deepseek.com/v1"),
    "kimi": Kind("openai-compatible", env="MOONSHOT_API_KEY", url="https://api.moonshot.ai/v1"),
    "vercel": Kind("openai-compatible", env="AI_GATEWAY_API_KEY", url="https://ai-gateway.vercel.sh/v1"),
    "xai": Kind("openai-compatible", env="XAI_API_KEY", url="https://api.x.ai/v1"),
    "vllm": Kind("openai-compatible", env="VLLM_API_KEY"),
    "openai-compatible": Kind("openai-compatible", env="LLM_API_KEY"),
}

#: Providers that speak OpenAI's own API, so that a path given for them is one that they are asked for as it is.
OPENAI_LIKE = frozenset(("openai", "openai-compatible", "azure", "mistral", "ollama"))

#: Ends of paths that name an operation; what is in front of them is where a provider is.
_ENDS = (
    "/v1/chat/completions",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/messages",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/v2/chat",
    "/v2/embed",
    "/v1/chat",
    "/v1/generate",
)
_VERSION = re.compile(r"/v\d[a-z0-9]*$")
#: Providers whose paths have the model, or the deployment, in the middle.
BY_HOST = frozenset(("azure", "gemini", "vertex", "bedrock"))


def base_url(provider: str, url: str) -> tuple[str, str | None]:
    """Where a provider is, from the URL of one of its operations.

    :returns: the base, and the path if it is none of an operation that is known; that has to be asked for as it is.
    """
    parts = urlsplit(url)
    host, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if provider in BY_HOST:
        return host, None
    for end in _ENDS:
        if path.endswith(end):
            kept = path[: -len(end)]
            version = re.match(r"/v\d+", end)
            return host + kept + (version[0] if version else ""), None
    if not path or _VERSION.search(path):
        return host + path, None
    return host, path


def by_header(kind: Kind, header: str, bearer: bool) -> dict[str, str]:
    """``header`` and ``prefix`` of a backend's ``auth``, where they are not the provider's usual ones."""
    changed = {}
    if header and header.lower() != kind.header:
        changed["header"] = header
    if header and ("Bearer " if bearer else "") != kind.prefix and (changed or kind.header != "authorization"):
        changed["prefix"] = "Bearer " if bearer else ""
    return changed
