"""A call as a request for Anthropic's messages.

What is not here as a rule is in the table :data:`OPTIONS`; what neither has is refused or left out by
:func:`aigw.llm.options.write_options`.
"""

from __future__ import annotations

from typing import Any

import attrs

from aigw.llm import call as c
from aigw.llm import hosted_tools
from aigw.llm.betas import betas_in
from aigw.llm.options import Table, To, at_most, number, strings, whole_number, write_options
from aigw.llm.providers.anthropic import schema
from aigw.llm.providers.anthropic.content import Conversation
from aigw.llm.providers.anthropic.models import Traits, traits
from aigw.llm.providers.anthropic.sampling import check_sampling
from aigw.llm.providers.anthropic.thinking import output_config, write_thinking

_SEARCH = "web_search_options"
#: Of OpenAI's search tool, what Anthropic's has beside the hints.
_SEARCH_FIELDS = frozenset(("filters",))
_BETAS = "anthropic_beta"
#: Fields of a tool that are written from what is known of it.
_WRITTEN = frozenset(("name", "description", "input_schema", "strict", "cache_control"))

#: The tool whose input is the answer, where a model has no structured output of its own.
FORMAT_TOOL = "json_tool_call"

_FORMAT_HINT = "Answer with one valid JSON object and nothing else: no code fence, no words around it."


def _user(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _tier(value: Any) -> str:
    """OpenAI's tiers: what may be had at once, or never more than the standard."""
    tiers = {"auto": "auto", "priority": "auto", "default": "standard_only", "standard_only": "standard_only"}
    if value not in tiers:
        raise ValueError(f"must be one of {', '.join(tiers)} for this provider")
    return tiers[value]


def _stops(value: Any) -> list[str]:
    return [each for each in strings(value) if each.strip()]  # blanks alone are a 400


OPTIONS: Table = {
    "max_tokens": To("max_tokens", whole_number),
    "temperature": To("temperature", at_most(1.0)),
    "top_p": To("top_p", number),
    "top_k": To("top_k", whole_number),
    "stop": To("stop_sequences", _stops),
    "safety_identifier": To("metadata.user_id", _user),
    "user": To("metadata.user_id", _user),
    "service_tier": To("service_tier", _tier),
    "cache_control": To("cache_control"),
    "container": To("container"),
    "mcp_servers": To("mcp_servers"),
}


def uses_format_tool(call: c.Call) -> bool:
    """Whether the answer to ``call`` is asked for as a tool's input."""
    return call.format is not None and call.format.kind == "schema" and not traits(call.model).formats


class MessagesRequest:
    """Makes one request.

    :param provider: its name, for error messages.
    :param fetches_urls: see :class:`~aigw.llm.providers.anthropic.wire.AnthropicWire`; so for ``has_files`` and
        ``version``.
    :ivar betas: what the request needs, or the client wants, that is not in the API's version.
    """

    def __init__(
        self, call: c.Call, provider: str, *, fetches_urls: bool, has_files: bool, version: str | None
    ) -> None:
        # A chat has its betas among the fields that no dialect knows.
        self.betas: set[str] = {*call.betas, *betas_in(call.options.get(_BETAS))}
        self._version = version
        self._call = call
        self._provider = provider
        self._traits: Traits = traits(call.model)
        self._conversation = Conversation(
            call, self._traits, provider, self.betas, fetches_urls=fetches_urls, has_files=has_files
        )

    def body(self) -> dict[str, Any]:
        """The request's body.

        :raises aigw.errors.BadRequest: it cannot be expressed.
        """
        call, provider = self._call, self._provider
        body: dict[str, Any] = {"model": call.model, "max_tokens": self._traits.max_tokens}
        hint = _FORMAT_HINT if call.format is not None and call.format.kind == "json" else None
        system, body["messages"] = self._conversation.written(hint)
        if system:
            body["system"] = system
        self._write_tools(body)
        write_options(self._without(_SEARCH, _BETAS), OPTIONS, body, provider)
        if not body.get("stop_sequences", True):
            del body["stop_sequences"]
        self._write_format(body)
        thinks = write_thinking(call, self._traits, body, provider, _is_forced(body))
        check_sampling(call, self._traits, body, thinks, self._version)
        for name, value in call.own.items():
            body.setdefault(name, value)
        if call.stream:
            body["stream"] = True
        return body

    # -- tools

    def _write_tools(self, body: dict[str, Any]) -> None:
        tools = [written for index, tool in enumerate(self._call.tools) if (written := self._tool(tool, index))]
        if _SEARCH in self._call.options:
            tools += web_search(self._call.options[_SEARCH])
        choice = self._choice() if tools else None
        if not tools:
            # A conversation with calls in it must declare tools (OpenAI's need not); none is to be called again.
            tools = [{"name": name, "input_schema": schema.of_tool(None)} for name in self._conversation.called]
            choice = {"type": "none"} if tools else None
        if tools:
            body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = choice

    def _tool(self, tool: c.Tool | c.Foreign, index: int) -> dict[str, Any] | None:
        if isinstance(tool, c.Foreign):
            if tool.dialect == "anthropic":
                return tool.fields
            domains = hosted_tools.allowed_domains(tool)
            if hosted_tools.is_search(tool) and domains is not None and not hosted_tools.unmet(tool, _SEARCH_FIELDS):
                return search_tool(tool.fields.get("user_location"), domains)
            self._call.unsupported(f"tools[{index}]", self._provider, hosted_tools.why_not(tool))
            return None
        strict = bool(tool.strict) and self._traits.formats
        written: dict[str, Any] = {"name": tool.name}
        if tool.description:
            written["description"] = tool.description
        written["input_schema"] = schema.of_tool(tool.schema, strict=strict)
        if strict:
            written["strict"] = True
        if tool.cache is not None:
            written["cache_control"] = tool.cache
        return {**{name: value for name, value in tool.own.items() if name not in _WRITTEN}, **written}

    def _choice(self) -> dict[str, Any] | None:
        call, choice = self._call, self._call.tool_choice
        forces = choice is not None and choice.mode in ("any", "one")
        if forces and not self._traits.forced_tools:
            why = f"{call.model} always reasons and cannot be forced to call a tool"
            call.unsupported("tool_choice", self._provider, why)
            choice = None
        written: dict[str, Any] | None = None
        if choice is not None:
            written = {"type": "tool", "name": choice.name} if choice.mode == "one" else {"type": choice.mode}
        if call.parallel_tools is False and (choice is None or choice.mode != "none"):
            written = {**(written or {"type": "auto"}), "disable_parallel_tool_use": True}
        return written

    def _without(self, *names: str) -> c.Call:
        options = {name: value for name, value in self._call.options.items() if name not in names}
        return attrs.evolve(self._call, options=options)

    # -- the answer's format

    def _write_format(self, body: dict[str, Any]) -> None:
        wanted = self._call.format
        if wanted is None or wanted.kind != "schema":
            return
        if not uses_format_tool(self._call):
            form = {"type": "json_schema", "schema": schema.closed(wanted.schema or {"type": "object"})}
            output_config(body)["format"] = form
            return
        tool = {
            "name": FORMAT_TOOL,
            "description": wanted.description or "Give the answer by calling this tool with it.",
            "input_schema": schema.of_tool(wanted.schema),
        }
        others = self._call.tools and body.get("tool_choice", {}).get("type") != "none"
        body["tools"] = [*body.get("tools", []), tool] if others else [tool]
        body["tool_choice"] = {"type": "any"} if others else {"type": "tool", "name": FORMAT_TOOL}


def web_search(wish: Any) -> list[dict[str, Any]]:
    """OpenAI's ``web_search_options`` as the tool with which Anthropic searches; none if nothing was wished for."""
    if not isinstance(wish, dict):
        return []
    place = wish.get("user_location")
    return [search_tool(place.get("approximate") if isinstance(place, dict) else None, [])]


def search_tool(near: Any, domains: list[Any]) -> dict[str, Any]:
    """The tool with which Anthropic searches.

    :param near: where the user is, as OpenAI's and Anthropic's fields have it alike.
    :param domains: to search only; empty: all.
    """
    tool: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
    if domains:
        tool["allowed_domains"] = domains
    if isinstance(near, dict):
        tool["user_location"] = {**near, "type": "approximate"}
    return tool


def _is_forced(body: dict[str, Any]) -> bool:
    return body.get("tool_choice", {}).get("type") in ("any", "tool")
