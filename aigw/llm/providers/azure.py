"""Azure OpenAI and Microsoft Foundry: OpenAI's dialect, at paths and with a key header of its own.

Which paths there are is read off the backend's ``url``:

=================================================  ===================================================================
``https://NAME.openai.azure.com``                  classic: the deployment is in the path, ``api-version`` in the query
``https://NAME.openai.azure.com/openai``           the same
``…/openai/deployments/DEPLOYMENT``                classic, of this one deployment
``…/openai/v1``, also below ``/api/projects/P``    v1: OpenAI's own paths, the deployment is the body's ``model``
``https://NAME.services.ai.azure.com``             v1, or classic where ``api_version`` is a date
``https://NAME.services.ai.azure.com/models``      Foundry's model inference API: chat and embeddings
=================================================  ===================================================================

Client and backend speak one dialect on all of them, so chat, embeddings and whatever else is there pass byte for byte;
other dialects, and responses where only v1 has them, are translated to chat completions.

https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import attrs

from aigw.llm.operations import CHAT, COMPLETIONS, EMBEDDINGS, MODELS
from aigw.llm.providers.base import Place, Provider
from aigw.llm.providers.openai import PATHS
from aigw.llm.providers.openai_chat import ChatWire, Server
from aigw.llm.providers.openai_chat.server import COMMON, OPENAI

#: The newest dated version that is generally available; the v1 paths need none.
GA_VERSION = "2024-10-21"
#: That of Foundry's model inference API.
INFERENCE_VERSION = "2024-05-01-preview"
#: The first version that knows ``max_completion_tokens``, and whose streams can be asked for their usage.
_MODERN = "2024-09-01"

_DATED = re.compile(r"\d{4}-\d\d-\d\d")
#: Deployments of models that never learnt ``max_completion_tokens``, as far as their names tell.
_OLD_MODEL = re.compile(r"gpt-?3\.?5|gpt-?4-turbo", re.IGNORECASE)
_DEPLOYMENT_END = re.compile(r"/openai/deployments/[^/]+$")

#: What a deployment has its own paths for.
_OF_DEPLOYMENTS = (CHAT, COMPLETIONS, EMBEDDINGS)


def _max_tokens(model: str) -> str:
    return "max_tokens" if _OLD_MODEL.search(model) else "max_completion_tokens"


#: System messages keep their role, which all models take; a deployment's name need not tell its model.
_CLASSIC = Server(name="azure", table=COMMON, effort=OPENAI.effort, most_stops=4, lists=True, max_tokens=_max_tokens)
_OLD = attrs.evolve(_CLASSIC, max_tokens=lambda model: "max_tokens", tells_usage=False)
_V1 = attrs.evolve(OPENAI, name="azure")
#: Foundry's inference API serves models of many makers.
_INFERENCE = Server(name="azure", table=COMMON)


def _at(provider: Provider, place: Place) -> Provider:
    parts = urlsplit(place.url or "")
    path, dated = parts.path.rstrip("/"), _DATED.match(place.api_version or "") is not None
    foundry = (parts.hostname or "").endswith(".services.ai.azure.com")
    if path.endswith("/openai/v1"):
        return _v1(provider, "", place.api_version)
    if foundry and path.endswith("/models"):
        return _inference(provider, place.api_version or INFERENCE_VERSION)
    if foundry and not path and not dated:
        return _v1(provider, "/openai/v1", place.api_version)
    return _classic(provider, path, place.api_version or GA_VERSION)


def _v1(provider: Provider, prefix: str, version: str | None) -> Provider:
    query = {"api-version": version} if version else {}
    paths = {operation: prefix + path for operation, path in PATHS.items()}
    return _with(provider, paths, query, _V1)


def _classic(provider: Provider, path: str, version: str) -> Provider:
    general = "" if path.endswith("/openai") else "/openai"
    if _DEPLOYMENT_END.search(path):
        paths = {operation: PATHS[operation] for operation in _OF_DEPLOYMENTS}
    else:
        paths = {operation: f"{general}/deployments/{{model}}{PATHS[operation]}" for operation in _OF_DEPLOYMENTS}
        paths[MODELS] = f"{general}{PATHS[MODELS]}"
    old = _DATED.match(version) is not None and version < _MODERN
    return _with(provider, paths, {"api-version": version}, _OLD if old else _CLASSIC)


def _inference(provider: Provider, version: str) -> Provider:
    paths = {operation: PATHS[operation] for operation in (CHAT, EMBEDDINGS)}
    changed = _with(provider, paths, {"api-version": version}, _INFERENCE)
    return attrs.evolve(changed, genai_name="azure.ai.inference")


def _with(provider: Provider, paths: dict[str, str], query: dict[str, str], server: Server) -> Provider:
    path = paths[CHAT] + "".join(f"?{name}={quote(value, safe='')}" for name, value in query.items())
    return attrs.evolve(
        provider,
        paths=paths,
        query=query,
        wire=ChatWire(attrs.evolve(server, path=path)),
        asks_usage=provider.asks_usage if server.tells_usage else frozenset(),
    )


#: As it is where the ``url`` says nothing of the path: classic.
AZURE = _classic(
    Provider(
        name="azure",
        genai_name="azure.ai.openai",
        key_header=b"api-key",
        key_prefix=b"",
        passthrough_headers=(b"api-key", b"authorization"),
        asks_usage=frozenset((CHAT, COMPLETIONS)),
        at=_at,
    ),
    "",
    GA_VERSION,
)
