"""Names of tools as providers take them: one that does not fit becomes another, and its own again in the answer.

Clients call tools as they like (``files/read``, ``github.create_issue``, an MCP server's name before each), and most
providers refuse the whole request for one name. What does not fit is replaced by as much of it as does and a digest, so
that it is the same in declarations, in the choice of a tool, in every earlier call, and in every turn: caches go on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import attrs

from aigw.llm.call import Call, Foreign, Part, Tool, ToolCall, ToolResult, Turn

#: Characters of a name, and of the digest behind what is left of one, with the line before it.
_MOST = 64
_DIGEST = 8


@attrs.frozen
class NameRule:
    """Which names a provider takes; none has more than 64 characters.

    :ivar fits: matches those as a whole.
    :ivar wrong: matches a character that none may have.
    """

    fits: re.Pattern[str]
    wrong: re.Pattern[str]


#: OpenAI (https://platform.openai.com/docs/api-reference/chat/create), Anthropic
#: (https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools; the platforms that serve Claude besides
#: have 64 characters, it has 128), Mistral (https://docs.mistral.ai/api), Bedrock (``ToolName`` of its API's model).
PLAIN = NameRule(re.compile(r"[a-zA-Z0-9_-]{1,64}"), re.compile(r"[^a-zA-Z0-9_-]"))

#: Google's APIs differ on dots, colons and the length (``FunctionDeclaration.name`` of ``generativelanguage`` and of
#: ``aiplatform``, v1 and v1beta1); all take these.
GOOGLE = NameRule(re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}"), re.compile(r"[^a-zA-Z0-9_-]"))

#: Identifiers: no dashes, no digit in front (https://docs.cohere.com/v1/reference/chat, ``tools.name``).
IDENTIFIERS = NameRule(re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}"), re.compile(r"[^a-zA-Z0-9_]"))


def fitting_names(call: Call, rule: NameRule) -> dict[str, str]:
    """The names of tools in ``call`` that do not fit, and what they are called instead."""
    return {name: _fitting(name, rule) for name in _named(call) if not rule.fits.fullmatch(name)}


def own_names(call: Call, rule: NameRule) -> dict[str, str]:
    """The other way: the names that a provider was told, and the client's own."""
    return {fitting: name for name, fitting in fitting_names(call, rule).items()}


def fitted(call: Call, rule: NameRule) -> Call:
    """``call`` with names that fit, wherever they stand; itself, where all do."""
    names = fitting_names(call, rule)
    if not names:
        return call
    choice = call.tool_choice
    return attrs.evolve(
        call,
        tools=tuple(_renamed_tool(tool, names) for tool in call.tools),
        tool_choice=choice and attrs.evolve(choice, name=_name(choice.name, names)),
        turns=tuple(_renamed_turn(turn, names) for turn in call.turns),
    )


def _renamed_tool(tool: Tool | Foreign, names: Mapping[str, str]) -> Tool | Foreign:
    return attrs.evolve(tool, name=names[tool.name]) if isinstance(tool, Tool) and tool.name in names else tool


def _renamed_turn(turn: Turn, names: Mapping[str, str]) -> Turn:
    return attrs.evolve(turn, parts=tuple(_renamed_part(part, names) for part in turn.parts))


def _renamed_part(part: Part, names: Mapping[str, str]) -> Part:
    if isinstance(part, ToolCall):
        return attrs.evolve(part, name=names.get(part.name, part.name))
    return attrs.evolve(part, name=_name(part.name, names)) if isinstance(part, ToolResult) else part


def _name(name: str | None, names: Mapping[str, str]) -> str | None:
    return names.get(name, name) if name is not None else None


def _named(call: Call) -> set[str]:
    """All names that the call has for tools, wherever they stand."""
    names = {tool.name for tool in call.tools if isinstance(tool, Tool)}
    if call.tool_choice is not None and call.tool_choice.name is not None:
        names.add(call.tool_choice.name)
    for turn in call.turns:
        names.update(_in_parts(turn.parts))
    return names


def _in_parts(parts: Iterable[object]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, ToolCall | ToolResult) and part.name is not None:
            yield part.name


def _fitting(name: str, rule: NameRule) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    kept = rule.wrong.sub("_", name)[: _MOST - _DIGEST - 1]
    fitting = f"{kept}_{digest}"
    return fitting if rule.fits.fullmatch(fitting) else f"_{fitting[1:]}"
