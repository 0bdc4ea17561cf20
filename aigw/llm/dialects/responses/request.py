"""Requests of the Responses API, read into calls. See the package's head for what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm.dialects.chat import schema_format
from aigw.llm.dialects.fields import array_of, object_of, optional_text, text_of, unsupported, wrong
from aigw.llm.dialects.openai_shapes import error_body
from aigw.llm.dialects.responses.items import Conversation
from aigw.llm.dialects.responses.reply import ResponsesWriter
from aigw.llm.dialects.responses.tools import Toolbox
from aigw.llm.reply import ProviderError

#: Fields that a :class:`~aigw.llm.call.Call` has a place of its own for, or that are read here; others are options.
_OWN = frozenset(
    (
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "stream",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
    )
)

#: What cannot change what the answer says where there are no hosted tools and nothing is stored.
_IDLE = frozenset(("access_programs", "client_metadata", "image", "max_tool_calls", "stream_options"))

_WHOLE = "nothing is stored; send the whole conversation in input"
_REFUSED = {
    "conversation": _WHOLE,
    "previous_response_id": _WHOLE,
    "prompt": "only OpenAI has its templates; send the text in instructions or input",
}

#: What the client calls what providers know by other names.
_NAMES = {
    "max_tokens": "max_output_tokens",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
}

_LOGPROBS = "message.output_text.logprobs"

#: What a response repeats of its request.
_ECHOED = frozenset(
    (
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    )
)


@attrs.define
class ResponsesCall(c.Call):
    """A call with what its response repeats.

    :ivar echo: fields of the request.
    :ivar toolbox: what the client calls its tools.
    """

    echo: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    toolbox: Toolbox = attrs.field(factory=Toolbox, repr=False)


class Responses:
    """See :class:`aigw.llm.wire.Dialect`."""

    def read(self, fields: Mapping[str, Any]) -> ResponsesCall:
        """See :class:`aigw.llm.wire.Dialect`."""
        for name, why in _REFUSED.items():
            if fields.get(name) is not None:
                raise unsupported(name, why)
        toolbox = Toolbox()
        toolbox.add_all(fields.get("tools"), "tools")
        turns = _turns(fields, toolbox)
        text = object_of(fields.get("text") or {}, "text")
        choice = toolbox.choose(fields.get("tool_choice"))
        return ResponsesCall(
            model=fields.get("model") or "",
            turns=turns,
            stream=fields.get("stream") is True,
            include_usage=True,
            tools=tuple(toolbox.tools),
            tool_choice=choice,
            parallel_tools=fields.get("parallel_tool_calls"),
            format=_format(text.get("format")),
            reasoning=_reasoning(fields.get("reasoning")),
            options=_options(fields, text),
            names=_names(fields),
            echo={name: fields[name] for name in _ECHOED if fields.get(name) is not None},
            toolbox=toolbox,
        )

    def writer(self, call: c.Call, *, answer_id: str, now: float) -> ResponsesWriter:
        """See :class:`aigw.llm.wire.Dialect`."""
        if isinstance(call, ResponsesCall):
            return ResponsesWriter(call.model, call.echo, call.toolbox, answer_id, now)
        return ResponsesWriter(call.model, {}, Toolbox(), answer_id, now)

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """See :class:`aigw.llm.wire.Dialect`."""
        return error_body(error, request_id)


def _turns(fields: Mapping[str, Any], toolbox: Toolbox) -> tuple[c.Turn, ...]:
    if fields.get("input") is None:
        raise BadRequest("input is missing in the request body", param="input", code="missing_required_parameter")
    conversation = Conversation(toolbox)
    instructions = fields.get("instructions")
    if instructions:
        conversation.instruct(text_of(instructions, "instructions"))
    conversation.read(fields["input"])
    return conversation.turns()


def _options(fields: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in fields.items() if name not in _OWN and name not in _IDLE}
    if fields.get("max_output_tokens") is not None:
        options["max_tokens"] = fields["max_output_tokens"]
    if text.get("verbosity") is not None:
        options["verbosity"] = text["verbosity"]
    # What else can be included is of hosted tools, or is there anyway; nothing here can tell probabilities.
    if _LOGPROBS in array_of(fields.get("include"), "include") or fields.get("top_logprobs"):
        options["include"] = [_LOGPROBS]
    return options


def _names(fields: Mapping[str, Any]) -> dict[str, str]:
    return {**_NAMES, "include": "top_logprobs"} if fields.get("top_logprobs") else dict(_NAMES)


def _format(value: Any) -> c.ResponseFormat | None:
    """``text.format``, which has a schema's name beside its type."""
    if value is None:
        return None
    match object_of(value, "text.format").get("type"):
        case "text":
            return None
        case "json_object":
            return c.ResponseFormat("json")
        case "json_schema":
            return schema_format(value, "text.format")
    raise wrong("text.format.type", "must be text, json_object or json_schema")


def _reasoning(value: Any) -> c.ReasoningWish | None:
    if value is None:
        return None
    wish = object_of(value, "reasoning")
    if wish.get("mode") not in (None, "standard"):
        raise unsupported("reasoning.mode", "only OpenAI's own API has it")
    effort = wish.get("effort")
    if effort is not None:
        text_of(effort, "reasoning.effort")
    summary = optional_text(wish.get("summary")) or optional_text(wish.get("generate_summary"))
    return c.ReasoningWish(effort=effort, show=True if summary else None) if effort or summary else None
