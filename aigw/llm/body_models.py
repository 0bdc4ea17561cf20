"""Which models a JSON body names beside its ``model``: fallbacks, tools that ask a model of their own, stored prompts.

Read for consumers that are limited to certain models. A body is searched from its top level down, by the names of its
members (:data:`_ENDS`). Members that hold a conversation, a schema or a caller's own data are left out
(:data:`_CONTENT`): no provider takes a model from them. What is not known is searched, so that a new field that names
a model is judged before anybody here has heard of it. The work is bounded by :data:`_MOST_MEMBERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aigw.llm.model_names import check_spelling, every_request_names_one

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
#: What most calls are made of, and nothing else: no model is named in them, so there is nothing to look for.
_USUAL: Final = frozenset(
    (
        "dimensions",
        "encoding_format",
        "frequency_penalty",
        "input",
        "instructions",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "presence_penalty",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "stop_sequences",
        "store",
        "stream",
        "stream_options",
        "system",
        "temperature",
        "text",
        "thinking",
        "top_k",
        "top_p",
        "user",
    )
)
#: Members and elements, outside of conversations and schemas, that are looked through: a call has a few hundred.
_MOST_MEMBERS: Final = 20_000
#: Names of members that are remembered, and characters up to which one is.
_MOST_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 64

_remembered: Final[dict[str, bool]] = {}

#: What a small letter is escaped with, as nobody does who does not want to hide it.
_ESCAPED: Final = b"\\u00"
_ESCAPED_LETTER: Final = b"\\u006"
_ESCAPED_LATER_LETTER: Final = b"\\u007"

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

#: Ollama's calls by name (``…/api/pull``), and the members that name a model there.
_OLLAMA: Final = frozenset((b"copy", b"create", b"delete", b"pull", b"push", b"show"))
_OLLAMA_MEMBERS: Final = ("name", "from", "source", "destination")

#: Calls whose model is a member of another name, by the end of their path: Amazon's.
_MODEL_ID: Final = (b"/async-invoke", b"/model-invocation-job")


class BodyNames:
    """The models that a JSON body names, but for its own ``model``.

    :param fields: the body, parsed.
    :param body: as it came.
    :param path: of the request; Ollama's calls are told by it. Empty where the operation is a known one.
    :ivar names: each as it stands there.
    :ivar has_model: one of them is, at this path, what ``model`` is elsewhere.
    :ivar unknown: why some of its models cannot be known; empty if all can be.
    :ivar decides: a member that may name models is there, or one may be hidden behind another of its name: what was
        read is to be sent, not the client's bytes, of which another reader may take the other one.
    :raises BadRequest: ``model`` is there in another spelling.
    """

    def __init__(self, fields: Mapping[str, Any], body: bytes, path: bytes = b"") -> None:
        self.names: list[str] = []
        self.has_model = False
        self.unknown = ""
        self.decides = False
        if fields.keys() <= _USUAL and not isinstance(fields.get("input"), dict):
            return
        self.decides = _ESCAPED in body and (_ESCAPED_LETTER in body or _ESCAPED_LATER_LETTER in body)
        self._left = _MOST_MEMBERS
        check_spelling(fields)
        for key, value in fields.items():
            if key == "model":
                continue
            if isinstance(value, list | dict) and key not in _CONTENT and key not in _USUAL:
                self.decides = self.decides or body.count(b'"%s"' % key.encode()) > 1
            self._member(key, value)
        self._kept(fields)
        if path:
            self._by_path(path.rstrip(b"/"), fields)
        if self._left < 0:
            self.unknown = "its body has too many members to be looked through"

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

    def _by_path(self, path: bytes, fields: Mapping[str, Any]) -> None:
        """What has another name than ``model`` in some calls."""
        before, _, last = path.rpartition(b"/")
        session, model_id = fields.get("session"), fields.get("modelId")
        if path.endswith(_MODEL_ID):
            self.has_model = isinstance(model_id, str) and model_id != ""
        elif b"/realtime/" in path and isinstance(session, dict):
            self.has_model = isinstance(session.get("model"), str) and session["model"] != ""
        elif last == b"batches":
            self.has_model = every_request_names_one(fields)
        if before.endswith(b"/api") and last in _OLLAMA:
            for key in _OLLAMA_MEMBERS:
                name = fields.get(key)
                if isinstance(name, str) and name:
                    self.names.append(name)
                    self.decides = self.has_model = True

    def _member(self, key: str, value: Any) -> None:
        if key == "tools":
            self._tools(value)
        elif names_models(key):
            self.decides = True
            self._named(value)
        elif isinstance(value, list | dict) and (key not in _CONTENT or _is_settings(key, value)):
            self._inside(value)

    def _inside(self, value: Any) -> None:
        self._left -= len(value)
        if self._left < 0:
            return
        if isinstance(value, dict):
            for key, each in value.items():
                self._member(key, each)
        else:
            for each in value:
                if isinstance(each, list | dict):
                    self._inside(each)

    def _named(self, value: Any) -> None:
        """The value of a member that names models: a name, several, or something with names in it."""
        if isinstance(value, str):
            if value:
                self.names.append(value)
        elif isinstance(value, list):
            self._left -= len(value)
            for each in value if self._left >= 0 else ():
                self._named(each)
        elif isinstance(value, dict):
            if "type" in value or any(names_models(key) for key in value):
                self._inside(value)
            else:  # LiteLLM's {"gpt-4o": ["claude-sonnet-4-5"]}
                self._named(list(value.values()))

    def _tools(self, tools: Any) -> None:
        """Those that are not the caller's own functions may have models of their own."""
        if not isinstance(tools, list):
            self.decides = True
            if isinstance(tools, dict):
                self._inside(tools)
            return
        self._left -= len(tools)
        for tool in tools if self._left >= 0 else ():
            if not isinstance(tool, dict):
                continue
            kind = tool.get("type")
            own = isinstance(kind, str) and kind in _FUNCTIONS
            if kind is not None and not own:
                self.decides = True
            for key, each in tool.items():
                if not (own and key == "parameters"):
                    self._member(key, each)


def _is_settings(key: str, value: object) -> bool:
    """Whether ``input`` is not what a model is told: a session has settings in its ``audio.input``."""
    return key == "input" and isinstance(value, dict)


def names_models(key: str) -> bool:
    """Whether a member of this name says which models are to be used. Remembered: calls have the same few members."""
    known = _remembered.get(key)
    if known is None:
        known = key.casefold().replace("_", "").replace("-", "").endswith(_ENDS)
        if len(key) <= _LONGEST_REMEMBERED:
            if len(_remembered) >= _MOST_REMEMBERED:
                _remembered.clear()
            _remembered[key] = known
    return known
