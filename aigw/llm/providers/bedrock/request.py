"""A call as a request for Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).

What is not here as a rule is in the table :data:`OPTIONS`. Fields that neither OpenAI nor Converse has are the
model's own and go into ``additionalModelRequestFields``.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import orjson

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import hosted_tools
from aigw.llm.betas import BEDROCK, betas_at
from aigw.llm.options import Table, To, at_most, number, one_of, put, strings, whole_number, write_options
from aigw.llm.providers.anthropic import schema
from aigw.llm.providers.bedrock.content import Conversation, cache_point
from aigw.llm.providers.bedrock.models import Family, family
from aigw.llm.providers.bedrock.own_blocks import is_clients_tool
from aigw.llm.providers.bedrock.thinking import claude_traits, write_reasoning
from aigw.llm.tool_fields import description, refuse_fields, streams_eagerly
from aigw.llm.tool_names import PLAIN, fitting_names

#: The tool whose input is the answer, where a model has no structured output of its own.
FORMAT_TOOL = "json_tool_call"
#: Stands where a conversation has calls in it and there is nothing to be called: there must be a tool then.
_NO_TOOL = {
    "name": "no_tool_available",
    "description": "Stands for tools that are not there any more. Never call it.",
    "inputSchema": {"json": {"type": "object", "properties": {}}},
}
_FORMAT_HINT = "Answer with one valid JSON object and nothing else: no code fence, no words around it."

#: Converse's own fields, which clients of Bedrock may send beside OpenAI's, and their types.
_OWN: dict[str, type] = {
    "additionalModelRequestFields": dict,
    "additionalModelResponseFieldPaths": list,
    "guardrailConfig": dict,
    "inferenceConfig": dict,
    "outputConfig": dict,
    "performanceConfig": dict,
    "promptVariables": dict,
    "requestMetadata": dict,
    "serviceTier": dict,
}
_EXTRA = "additionalModelRequestFields"
#: How Claude is told here to stream the inputs of tools before they are checked.
_EAGER_BETA = "fine-grained-tool-streaming-2025-05-14"
_TIERS = {"standard_only": "default"}

_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_METADATA = 16


def _tier(value: Any) -> dict[str, str]:
    tier = one_of("auto", "default", "flex", "priority", "reserved", "standard_only")(value)
    return {"type": _TIERS.get(tier, tier)}


OPTIONS: Table = {
    "max_tokens": To("inferenceConfig.maxTokens", whole_number),
    "temperature": To("inferenceConfig.temperature", at_most(1.0)),
    "top_p": To("inferenceConfig.topP", number),
    "stop": To("inferenceConfig.stopSequences", strings),
    "service_tier": To("serviceTier", _tier),
}


def uses_format_tool(call: c.Call) -> bool:
    """Whether the answer to ``call`` is asked for as a tool's input."""
    kind = family(call.model)
    return (
        call.format is not None
        and call.format.kind == "schema"
        and not _has_formats(call.model, kind)
        and bool(kind.choices)
    )


def _has_formats(model: str, kind: Family) -> bool:
    return kind.formats and (not kind.claude or claude_traits(model, kind).formats)


class ConverseRequest:
    """Makes one request.

    :param provider: its name, for error messages.
    """

    def __init__(self, call: c.Call, provider: str) -> None:
        self._call = call
        self._provider = provider
        self._family = family(call.model)
        self._names = fitting_names(call, PLAIN)
        self._formats = _has_formats(call.model, self._family)
        self._takes_own = self._family.reasoning == "claude"

    def body(self) -> dict[str, Any]:
        """The request's body.

        :raises aigw.errors.BadRequest: it cannot be expressed.
        """
        call = self._call
        conversation = Conversation(call, self._family, self._names, self._provider)
        hint = _FORMAT_HINT if call.format is not None and call.format.kind == "json" else None
        system, messages = conversation.written(hint)
        body: dict[str, Any] = {"messages": messages} | ({"system": system} if system else {})
        extra: dict[str, Any] = {}
        inference = self._write_options(body, extra)
        tools = self._tools(extra)
        forced = self._write_choice(tools, extra)
        forced = self._write_format(body, tools, extra) or forced
        if tools.get("tools") or conversation.calls:
            body["toolConfig"] = tools if tools.get("tools") else {"tools": [{"toolSpec": _NO_TOOL}]}
        write_reasoning(call, self._family, inference, extra, self._provider, forced)
        if inference:
            body["inferenceConfig"] = inference
        self._write_own(body, extra)
        return body

    # -- options

    def _write_options(self, body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """Put the options into ``body`` and ``extra``; returns ``inferenceConfig``."""
        call, table = self._call, dict(OPTIONS)
        if self._family.top_k is not None:
            table["top_k"] = To(f"{_EXTRA}.{self._family.top_k}", whole_number)
        written: dict[str, Any] = {}
        ours = {name: value for name, value in call.options.items() if name not in _OWN}
        write_options(attrs.evolve(call, options=ours), table, written, self._provider)
        extra.update(written.pop(_EXTRA, {}))
        inference: dict[str, Any] = written.pop("inferenceConfig", {})
        stops = [each for each in inference.pop("stopSequences", ()) if each.strip() or not self._family.claude]
        if stops:
            inference["stopSequences"] = stops
        tier = written.pop("serviceTier", {"type": "auto"})
        if tier["type"] != "auto":
            body["serviceTier"] = tier
        metadata = _metadata(call)
        if metadata:
            body["requestMetadata"] = metadata
        for name, value in written.items():
            extra.setdefault(name, value)
        self._write_betas(extra)
        return inference

    def _write_betas(self, extra: dict[str, Any]) -> None:
        """Those of the client's that Bedrock has, behind those that its body names."""
        given = extra.get("anthropic_beta")
        if isinstance(given, str):  # as in the header of that name
            given = [beta.strip() for beta in given.split(",") if beta.strip()]
        told = betas_at(BEDROCK, self._call.betas) if self._takes_own else []
        if self._takes_own and self._call.stream and streams_eagerly(self._call):
            told.append(_EAGER_BETA)
        betas = [*given, *(beta for beta in told if beta not in given)] if isinstance(given, list) else given or told
        if betas:
            extra["anthropic_beta"] = betas

    def _write_own(self, body: dict[str, Any], extra: dict[str, Any]) -> None:
        """What the client says in Converse's own words wins."""
        if extra:
            body[_EXTRA] = extra
        for name, kind in _OWN.items():
            value = self._call.options.get(name)
            if value is None:
                continue
            if not isinstance(value, kind):
                what = "an object" if kind is dict else "an array"
                raise BadRequest(f"{name} must be {what}", param=name, code="invalid_value")
            body[name] = {**body.get(name, {}), **value} if isinstance(value, dict) else value

    # -- tools

    def _tools(self, extra: dict[str, Any]) -> dict[str, Any]:
        """``toolConfig`` without its choice; empty if nothing of it may be called.

        :param extra: gets the tools that Claude knows by heart.
        """
        choice = self._call.tool_choice
        refuse_fields(self._call, self._provider)
        if choice is not None and choice.mode == "none":
            return {}
        tools: list[dict[str, Any]] = []
        for index, tool in enumerate(self._call.tools):
            if isinstance(tool, c.Foreign) and self._takes_own and is_clients_tool(tool.fields):
                extra.setdefault("tools", []).append(tool.fields)
                continue
            if isinstance(tool, c.Foreign):
                self._call.unsupported(f"tools[{index}]", self._provider, hosted_tools.why_not(tool))
                continue
            tools.append({"toolSpec": self._spec(tool)})
            if tool.cache is not None and "tools" in self._family.caches:
                tools.append(cache_point(tool.cache))
        return {"tools": tools} if tools else {}

    def _spec(self, tool: c.Tool) -> dict[str, Any]:
        strict = bool(tool.strict) and self._formats
        spec: dict[str, Any] = {"name": self._names.get(tool.name, tool.name)}
        told = description(tool)
        if told and told.strip():
            spec["description"] = told
        spec["inputSchema"] = {"json": self._schema(tool.schema, strict)}
        if strict:
            spec["strict"] = True
        return spec

    def _schema(self, given: dict[str, Any] | None, strict: bool = False) -> dict[str, Any]:
        whole = schema.of_tool(given, strict=strict)
        if not self._family.bare_schemas:
            return whole
        kept = ("type", "properties", "required", "$defs", "definitions")
        return {name: value for name, value in whole.items() if name in kept}

    def _write_choice(self, tools: dict[str, Any], extra: dict[str, Any]) -> bool:
        """Put the choice of a tool where it goes; returns whether one must be called. ``auto`` goes without saying."""
        call, choice = self._call, self._call.tool_choice
        own = extra.get("tools", [])
        if not tools and not own:
            return False
        mode = choice.mode if choice is not None else "auto"
        if mode in ("any", "one") and not self._can(mode):
            call.unsupported("tool_choice", self._provider, f"{call.model} cannot be made to call a tool")
            mode = "auto"
        name = self._names.get(choice.name or "", choice.name) if choice is not None else None
        if call.parallel_tools is False:
            self._write_alone(mode, name, extra)
            if "tool_choice" in extra:
                return mode != "auto"
        if mode != "auto" and (not tools or any(each.get("name") == name for each in own)):
            extra["tool_choice"] = {"type": "tool", "name": name} if mode == "one" else {"type": mode}
        elif mode != "auto":
            tools["toolChoice"] = {"tool": {"name": name}} if mode == "one" else {"any": {}}
        return mode != "auto"

    def _can(self, mode: str) -> bool:
        if self._family.claude and not claude_traits(self._call.model, self._family).forced_tools:
            return False
        return mode in self._family.choices

    def _write_alone(self, mode: str, name: str | None, extra: dict[str, Any]) -> None:
        """One call at a time: Converse has no word for it, Claude has."""
        if self._family.reasoning != "claude":
            self._call.check_parallel_tools(self._provider)
            return
        choice: dict[str, Any] = {"type": "tool", "name": name} if mode == "one" else {"type": mode}
        extra.setdefault("tool_choice", {**choice, "disable_parallel_tool_use": True})

    # -- the answer's format

    def _write_format(self, body: dict[str, Any], tools: dict[str, Any], extra: dict[str, Any]) -> bool:
        """Put a schema where it goes; returns whether a tool must be called for it."""
        wanted = self._call.format
        if wanted is None or wanted.kind != "schema":
            return False
        if self._formats:
            definition = {"schema": orjson.dumps(schema.closed(wanted.schema or {"type": "object"})).decode()}
            definition["name"] = self._format_name(wanted.name)
            if wanted.description:
                definition["description"] = wanted.description
            put(body, "outputConfig.textFormat", {"type": "json_schema", "structure": {"jsonSchema": definition}})
            return False
        return self._write_format_tool(wanted, tools, extra)

    def _format_name(self, name: str) -> str:
        return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "response"

    def _write_format_tool(self, wanted: c.ResponseFormat, tools: dict[str, Any], extra: dict[str, Any]) -> bool:
        call = self._call
        if not uses_format_tool(call):
            call.unsupported(call.spelt("response_format"), self._provider, f"{call.model} has no structured output")
            return False
        spec = {
            "name": FORMAT_TOOL,
            "description": wanted.description or "Give the answer by calling this tool with it.",
            "inputSchema": {"json": self._schema(wanted.schema)},
        }
        others = bool(tools.get("tools"))
        tools["tools"] = [*tools.get("tools", []), {"toolSpec": spec}]
        if not others and "one" in self._family.choices:
            tools["toolChoice"] = {"tool": {"name": FORMAT_TOOL}}
        elif extra.pop("tool_choice", None) is not None:
            self._write_alone("any", None, extra)
        else:
            tools["toolChoice"] = {"any": {}}
        return True


def _metadata(call: c.Call) -> dict[str, str]:
    """What the client says of itself, as far as it may be written into the logs of calls."""
    told = call.options.get("metadata")
    pairs = dict(told) if isinstance(told, dict) else {}
    user = call.options.get("safety_identifier") or call.options.get("user")
    if user is not None:
        pairs.setdefault("user", user)
    fits = [(name, value) for name, value in pairs.items() if name and _fits(name) and _fits(value)]
    return dict(fits[:_MOST_METADATA])


def _fits(value: Any) -> bool:
    return isinstance(value, str) and _METADATA.fullmatch(value) is not None
