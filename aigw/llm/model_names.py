"""Which models a request names, wherever its provider's API has the name; and what a model's name may look like.

A consumer that is limited to certain models must not get another one by naming it in a place that nobody looks at: a
list of fallbacks, a tool that asks a model of its own, a path, a stored prompt. What is looked at here is read for such
consumers alone; everybody else's calls pay for :func:`check_model_name` only.

A body is searched from its top level down, by the names of its members (:data:`_ENDS`). Members that hold a
conversation, a schema or a caller's own data are left out (:data:`_CONTENT`): what they say is no provider's business.
What is not known is searched, so a new field that names a model is judged before anybody here has heard of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from aigw.errors import BadRequest

#: Bytes of a model's name, in UTF-8. Amazon's resource names, the longest there are, have up to about 200.
MAX_NAME: Final = 256

#: How the names of members end that name models, in lower case and without ``_`` and ``-``. OpenRouter has ``models``,
#: Groq ``answering_model``, Bedrock ``modelId``, Azure ``deployment_name``, LiteLLM ``context_window_fallbacks``.
_ENDS: Final = ("model", "models", "modelid", "modelids", "modelarn", "modelname", "deploymentname", "fallbacks")

#: Members that no provider reads a model's name from.
_CONTENT: Final = frozenset(
    (
        "arguments",
        "content",
        "contents",
        "documents",
        "embeddings",
        "examples",
        "format",
        "function",
        "functionDeclarations",
        "function_declarations",
        "functions",
        "input",
        "inputSchema",
        "input_examples",
        "input_schema",
        "instances",
        "instructions",
        "jsonSchema",
        "json_schema",
        "labels",
        "messages",
        "metadata",
        "outputConfig",
        "output_config",
        "prompt",
        "promptVariables",
        "properties",
        "query",
        "requestMetadata",
        "responseJsonSchema",
        "responseSchema",
        "response_format",
        "schema",
        "system",
        "systemInstruction",
        "system_instruction",
        "text",
        "texts",
        "toolSpec",
        "variables",
    )
)
#: Kinds of tools that are the caller's own functions; their ``parameters`` are a schema.
_FUNCTIONS: Final = frozenset(("function", "custom"))

#: Members of a body that stand for something kept at the provider, whose model is not in the request; with the words
#: that tell so. A model beside them says nothing of the models that are used with it.
_KEPT: Final = (
    ("agent_id", "the agent's model is kept by the provider"),
    ("input_file_id", "the models are in a file"),
    ("input_files", "the models are in files"),
    ("preset", "the preset's models are kept by the provider"),
    ("user_config", "it brings a configuration of models"),
)

#: Segments of paths below which models are in files, or kept by the provider.
_FILES: Final = frozenset((b"evals", b"files", b"uploads"))
_BATCHES: Final = frozenset((b"batch", b"batches"))

#: Ollama's calls by name (``…/api/pull``), and the members that name a model there.
_OLLAMA: Final = frozenset((b"copy", b"create", b"delete", b"pull", b"push", b"show"))
_OLLAMA_MEMBERS: Final = ("name", "from", "source", "destination")

#: What may stand behind ``…/models/`` and is none: the operations of Azure's model inference API.
_NO_MODELS: Final = frozenset((b"chat", b"completions", b"embeddings", b"images", b"info", b"rerank", b"responses"))
#: What may follow a model in a path and is no part of its name.
_BELOW_MODELS: Final = frozenset((b"operations", b"permissions", b"pipeline", b"predictions", b"v1", b"versions"))

#: Resources of Amazon's whose names, behind the slash, are model ids by themselves.
_MODELS_OF_ARNS: Final = (":foundation-model/", ":inference-profile/")


def check_model_name(name: str) -> None:
    """See that a model's name can be part of a path, a label or a line of a log.

    :raises BadRequest: it is longer than :data:`MAX_NAME` bytes, has control characters, or ``.`` or ``..`` among the
        parts between its slashes.
    """
    if not name.isprintable() or len(name) > MAX_NAME or (not name.isascii() and len(name.encode()) > MAX_NAME):
        raise _no_name(f"must be printable and at most {MAX_NAME} bytes long")
    if "%" in name or ("." in name and (name[0] == "." or "/." in name or "\\" in name)):
        parts = unquote(name).replace("\\", "/").split("/")
        if "." in parts or ".." in parts:
            raise _no_name('must not have "." or ".." between slashes')


def _no_name(why: str) -> BadRequest:
    return BadRequest(f"model is not a model's name: it {why}", param="model", code="invalid_value")


# -- paths


def names_in_path(path: bytes, start: int = 0) -> list[tuple[str, ...]]:
    """The models that a path on an upstream names, each in the spellings that mean the same.

    Gemini's and Vertex AI's ``models/X:generateContent``, ``tunedModels/X``, ``publishers/P/models/X`` and
    ``endpoints/X``; Bedrock's ``model/X/converse``, where X may be a resource name; Azure's ``deployments/X``; and what
    else has ``models/X``, ``models/OWNER/X`` or ``engines/X``.

    :param path: normalised, percent-encoded.
    :param start: segments at its beginning that are not looked at for names.
    """
    segments = path.split(b"/")
    found: list[tuple[str, ...]] = []
    for index, segment in enumerate(segments[:-1]):
        kind = segment.lower()
        if index < start or not segments[index + 1]:
            continue
        if kind == b"models":
            found += _of_models(segments, index)
        elif kind in (b"tunedmodels", b"endpoints", b"dynamic"):
            name = _without_method(unquote(segments[index + 1].decode("latin-1")))
            if kind != b"endpoints":
                found.append((f"{segment.decode('latin-1')}/{name}",))
            elif name != "openapi":  # OpenAI's dialect: the body has the model
                found.append((f"endpoints/{name}", name))
        elif kind == b"model":
            found.append(_of_bedrock(segments[index + 1 :]))
        elif kind in (b"deployments", b"engines"):
            found.append((unquote(segments[index + 1].decode("latin-1")),))
    return found


def _of_models(segments: list[bytes], index: int) -> Iterator[tuple[str, ...]]:
    """What ``models/`` at ``index`` is followed by."""
    first, rest = segments[index + 1], segments[index + 2 :]
    if first.lower() in _NO_MODELS:
        return
    name = unquote(first.decode("latin-1"))
    if rest and rest[0] and rest[0] not in _BELOW_MODELS and b":" not in first:
        yield (f"{name}/{_without_method(unquote(rest[0].decode('latin-1')))}",)
        return
    bare = _without_method(name)
    names = [bare, f"models/{bare}"] + ([name] if name != bare else [])
    if index >= 2 and segments[index - 2].lower() == b"publishers":
        publisher = unquote(segments[index - 1].decode("latin-1"))
        names += [f"{publisher}/{bare}", f"publishers/{publisher}/models/{bare}"]
    yield tuple(names)


def _of_bedrock(following: list[bytes]) -> tuple[str, ...]:
    """A model's id, or a resource name; the last segment is what is to be done with it."""
    segments = following[:1] if len(following) < 3 else following[:-1]
    return spellings(unquote(b"/".join(segments).decode("latin-1")))


def _without_method(name: str) -> str:
    """``X`` of Google's ``X:generateContent``. Fine-tuned models of OpenAI's have colons of their own."""
    bare, colon, method = name.rpartition(":")
    return bare if colon and bare and method.isalpha() else name


def has_custom_method(path: bytes) -> bool:
    """Whether the path ends in one of Google's methods (``…:generateContent``)."""
    last = unquote(path.rpartition(b"/")[2].decode("latin-1"))
    return _without_method(last) != last


def spellings(name: str) -> tuple[str, ...]:
    """Everything that a name in a provider's own form may be called in a consumer's ``models``, itself included."""
    if name.startswith("arn:"):
        found = next((kind for kind in _MODELS_OF_ARNS if kind in name), None)
        return (name,) if found is None else (name, name.partition(found)[2])
    before, models, bare = name.rpartition("models/")
    if models and bare and (not before or before.endswith("/")):
        publisher = before.rstrip("/").rpartition("publishers/")[2] if "publishers/" in before else ""
        return (name, bare, f"{publisher}/{bare}") if publisher else (name, bare)
    return (name,)


def why_unknown(path: bytes, fields: Mapping[str, Any] | None) -> str:
    """Why the models of a ``raw`` request cannot be known, whatever else it says; empty if they may be.

    :param path: normalised.
    """
    segments = {segment.partition(b":")[0] for segment in path.lower().split(b"/")}
    if segments & _FILES:
        return "it is about files, and models may be named in them"
    if segments & _BATCHES and not _every_request_names_one(fields):
        return "a batch's models are in a file"
    return ""


def _every_request_names_one(fields: Mapping[str, Any] | None) -> bool:
    """Whether this is a batch as Anthropic has them: its requests are in the body, each with its model."""
    requests = fields.get("requests") if fields is not None else None
    if not isinstance(requests, list) or not requests:
        return False
    parameters = (each.get("params") if isinstance(each, dict) else None for each in requests)
    return all(isinstance(each, dict) and isinstance(each.get("model"), str) for each in parameters)


# -- bodies


class BodyNames:
    """The models that a JSON body names, but for its own ``model``.

    :param fields: the body, parsed.
    :param path: of the request; Ollama's calls are told by it. Empty where the operation is a known one.
    :ivar names: each as it stands there.
    :ivar unknown: why some of its models cannot be known; empty if all can be.
    :ivar looked_into: something that may name models has been found: what it says must be there once.
    :raises BadRequest: ``model`` is there in another spelling, which some providers read as the same.
    """

    def __init__(self, fields: Mapping[str, Any], path: bytes = b"") -> None:
        self.names: list[str] = []
        self.unknown = ""
        self.looked_into = False
        for key in fields:
            if key != "model" and key.casefold() == "model":
                raise BadRequest(
                    'a member of the request body is called like "model" in another case: write it in small letters',
                    param="model",
                    code="repeated_parameter",
                )
        self._members({name: value for name, value in fields.items() if name != "model"})
        self._kept(fields)
        if path:
            self._ollama(path, fields)

    def _kept(self, fields: Mapping[str, Any]) -> None:
        """What is kept at the provider."""
        if isinstance(fields.get("prompt"), dict):
            self.unknown = "the models of a stored prompt are kept by the provider"
        for name, why in _KEPT:
            if fields.get(name):
                self.unknown = why
        if fields.get("assistant_id") and not fields.get("model"):
            self.unknown = "the assistant's model is kept by the provider"
        if fields.get("route") and not fields.get("models"):
            self.unknown = '"route" without "models" leaves the choice to the provider'

    def _ollama(self, path: bytes, fields: Mapping[str, Any]) -> None:
        before, _, last = path.rstrip(b"/").rpartition(b"/")
        if before.endswith(b"/api") and last in _OLLAMA:
            for key in _OLLAMA_MEMBERS:
                name = fields.get(key)
                if isinstance(name, str) and name:
                    self.names.append(name)

    def _members(self, fields: Mapping[str, Any], skipped: str = "") -> None:
        for key, value in fields.items():
            if isinstance(value, str):
                if _names_models(key):
                    self._named(value)
            elif not isinstance(value, list | dict) or key in _CONTENT or key == skipped:
                continue
            elif key == "tools":
                self._tools(value)
            elif _names_models(key):
                self._named(value)
            else:
                self._inside(value)

    def _inside(self, value: Any) -> None:
        if isinstance(value, dict):
            self._members(value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, list | dict):
                    self._inside(each)

    def _named(self, value: Any) -> None:
        """The value of a member that names models: a name, several, or something with names in it."""
        self.looked_into = True
        if isinstance(value, str):
            if value:
                self.names.append(value)
        elif isinstance(value, list):
            for each in value:
                self._named(each)
        elif isinstance(value, dict):
            if "type" in value or any(_names_models(key) for key in value):
                self._members(value)
            else:  # LiteLLM's {"gpt-4o": ["claude-sonnet-4-5"]}
                for each in value.values():
                    self._named(each)

    def _tools(self, tools: Any) -> None:
        for tool in tools if isinstance(tools, list) else [tools]:
            if not isinstance(tool, dict):
                continue
            own = tool.get("type") in _FUNCTIONS if isinstance(tool.get("type"), str) else False
            self.looked_into |= not own and "type" in tool
            self._members(tool, "parameters" if own else "")


def _names_models(key: str) -> bool:
    """Whether a member of this name says which models are to be used."""
    return key.casefold().replace("_", "").replace("-", "").endswith(_ENDS)
