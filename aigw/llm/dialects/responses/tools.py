"""Tools of responses, for backends that know functions with JSON arguments only.

A ``custom`` tool, whose input is plain text, becomes a function with one string; its calls are custom calls again on
their way back. The tools of a ``namespace`` (Codex puts those of MCP servers into one) become functions of the names
``NAMESPACE__NAME``, and their calls name both again. Hosted tools, which OpenAI runs itself, stay what they are and
are for the provider to refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from aigw.llm.call import Foreign, Tool, ToolChoice
from aigw.llm.dialects.chat import tool_choice, tool_of
from aigw.llm.dialects.fields import array_of, name_of, object_of, optional_text, text_of, wrong

#: Names that providers take have at most so many characters.
_LONGEST = 64
#: The namespace in which names stand for themselves (Codex).
_DEFAULT_NAMESPACE = "functions"
_INPUT = "input"


@attrs.frozen
class Declared:
    """A tool as the client knows it.

    :ivar custom: its input is plain text.
    """

    name: str
    namespace: str | None = None
    custom: bool = False


def name_behind(name: str, namespace: str | None) -> str:
    """What the provider calls the tool that the client knows by these."""
    if namespace is None or namespace == _DEFAULT_NAMESPACE:
        return name
    joined = f"{namespace.removesuffix('__')}__{name}"
    if len(joined) <= _LONGEST:
        return joined
    digest = hashlib.sha256(joined.encode()).hexdigest()[:8]
    return f"{joined[: _LONGEST - 9]}_{digest}"


class Toolbox:
    """The tools of a request.

    :ivar tools: as the provider is told.
    :ivar declared: as the client knows them, by the provider's names.
    """

    def __init__(self) -> None:
        self.tools: list[Tool | Foreign] = []
        self.declared: dict[str, Declared] = {}

    def add_all(self, tools: Any, field: str, namespace: str | None = None) -> None:
        """Add the tools that the client declares in ``field``.

        :raises BadRequest: they are malformed, or two of one namespace and none would have one name.
        """
        for index, tool in enumerate(array_of(tools, field)):
            self._add(object_of(tool, f"{field}[{index}]"), f"{field}[{index}]", namespace)

    def name_in_front(self, name: str) -> Declared:
        """What the client calls the tool of the provider's ``name``; models also call what is not there."""
        return self.declared.get(name) or Declared(name)

    def _add(self, tool: dict[str, Any], field: str, namespace: str | None) -> None:
        match tool.get("type"):
            case "function":
                self._declare(tool_of(tool, field), Declared(tool["name"], namespace), field)
            case "custom":
                declared = Declared(name_of(tool.get("name"), f"{field}.name"), namespace, custom=True)
                self._declare(_custom(tool, declared.name), declared, field)
            case "namespace" if namespace is None:
                name = name_of(tool.get("name"), f"{field}.name")
                self.add_all(tool.get("tools"), f"{field}.tools", name)
            case "tool_search" if tool.get("execution") != "client":
                pass  # it would find the tools that are declared here anyway, though ``defer_loading`` says to wait
            case _:
                self.tools.append(Foreign("responses", tool))

    def _declare(self, tool: Tool, declared: Declared, field: str) -> None:
        name = name_behind(declared.name, declared.namespace)
        if self.declared.setdefault(name, declared) != declared:
            raise wrong(f"{field}.name", f"would be {name} for the provider, as another tool is already")
        self.tools.append(attrs.evolve(tool, name=name))

    # -- the choice among them

    def choose(self, choice: Any) -> ToolChoice | None:
        """``tool_choice``; one that allows some of the tools removes the others.

        :raises BadRequest: it is malformed, or means a tool that OpenAI runs itself.
        """
        if not isinstance(choice, dict):
            return tool_choice(choice)
        if choice.get("type") == "allowed_tools":
            self._allow(array_of(choice.get("tools"), "tool_choice.tools"))
            return tool_choice(choice.get("mode"))
        if choice.get("type") not in ("function", "custom"):
            raise wrong("tool_choice", 'must be "none", "auto", "required", or a function or custom tool by its name')
        name = text_of(choice.get("name"), "tool_choice.name")
        return ToolChoice("one", name_behind(name, optional_text(choice.get("namespace"))))

    def _allow(self, allowed: list[Any]) -> None:
        named = [each for each in allowed if isinstance(each, dict)]
        names = {
            name_behind(each["name"], optional_text(each.get("namespace")))
            for each in named
            if isinstance(each.get("name"), str)
        }
        kinds = {each.get("type") for each in named if isinstance(each.get("type"), str)}
        self.tools = [
            tool
            for tool in self.tools
            if (tool.name in names if isinstance(tool, Tool) else tool.fields.get("type") in kinds)
        ]


def _custom(tool: Mapping[str, Any], name: str) -> Tool:
    given = tool.get("format")
    grammar = given if isinstance(given, dict) and given.get("type") == "grammar" else {}
    described = [optional_text(tool.get("description")) or ""]
    if isinstance(grammar.get("definition"), str):
        described.append(f"The input must match this grammar ({grammar.get('syntax')}):\n{grammar['definition']}")
    schema = {
        "type": "object",
        "properties": {_INPUT: {"type": "string", "description": "The input of the tool, as plain text."}},
        "required": [_INPUT],
        "additionalProperties": False,
    }
    return Tool(name, "\n\n".join(filter(None, described)) or None, schema)


def custom_arguments(text: str) -> str:
    """The arguments of the function that stands for a custom tool."""
    return orjson.dumps({_INPUT: text}).decode()


def custom_input(arguments: str) -> str:
    """The plain text that a custom tool was called with; the arguments themselves if they are no such thing."""
    try:
        fields = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = fields.get(_INPUT) if isinstance(fields, dict) else None
    return text if isinstance(text, str) else arguments
