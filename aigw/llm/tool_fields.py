"""What Anthropic's tools say besides their name, description and schema, at providers that have no fields for it.

Nothing of it is dropped in silence. Examples of inputs (``input_examples``) are told in the description, where every
model reads them. That a tool's input may come before it is checked (``eager_input_streaming``) asks for nothing that
other providers' streams do not do. What would change when or by whom a tool is called is refused.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview (``ToolParam`` of anthropic-sdk-python).
"""

from __future__ import annotations

from typing import Any

import orjson

from aigw.llm.call import Call, Tool

#: Fields that a tool cannot do without, and the values that ask for nothing.
_NEEDED: dict[str, tuple[Any, ...]] = {"defer_loading": (None, False), "allowed_callers": (None, [], ["direct"])}


def description(tool: Tool) -> str | None:
    """A tool's description with its examples."""
    given = tool.own.get("input_examples")
    examples = given if isinstance(given, list) else []
    if not examples:
        return tool.description
    written = "\n".join(orjson.dumps(example).decode() for example in examples)
    return "\n\n".join(filter(None, (tool.description, f"Examples of its input:\n{written}")))


def refuse_fields(call: Call, provider: str) -> None:
    """Refuse what ``provider`` has nothing like.

    :raises aigw.errors.BadRequest: there is such a field, and leaving it out is not allowed.
    """
    for index, tool in enumerate(call.tools):
        own = tool.own if isinstance(tool, Tool) else {}
        for name in _NEEDED.keys() & own.keys():
            if own[name] not in _NEEDED[name]:
                call.unsupported(f"tools[{index}].{name}", provider, "it declares all tools, to the model itself")


def streams_eagerly(call: Call) -> bool:
    """Whether a tool's input is to be streamed before it is checked."""
    return any(isinstance(tool, Tool) and tool.own.get("eager_input_streaming") is True for tool in call.tools)
