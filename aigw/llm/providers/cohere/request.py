"""A call as a request for Cohere's chat (https://docs.cohere.com/reference/chat).

What is not here as a rule is in the table :data:`OPTIONS`; what neither has is refused or left out by
:func:`aigw.llm.options.write_options`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import hosted_tools
from aigw.llm.arguments import as_text
from aigw.llm.options import Table, To, number, strings, whole_number, write_options
from aigw.llm.providers.openai_chat import parts
from aigw.llm.tool_fields import description, refuse_fields

NAME = "cohere"


def _within(least: float, most: float) -> Callable[[Any], float | int]:
    """Numbers beyond Cohere's range become its end."""
    return lambda value: max(least, min(number(value), most))


def _penalty(value: Any) -> float | int:
    if number(value) < 0:
        raise ValueError("must be between 0 and 1 for this provider")
    return min(number(value), 1)


OPTIONS: Table = {
    "max_tokens": To("max_tokens", whole_number),
    "temperature": To("temperature", number),
    "top_p": To("p", _within(0.01, 0.99)),
    "top_k": To("k", number),
    "seed": To("seed", number),
    "stop": To("stop_sequences", strings),
    "frequency_penalty": To("frequency_penalty", _penalty),
    "presence_penalty": To("presence_penalty", _penalty),
}

#: Tokens that an effort may think; those that are not here think as long as they like.
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384}
#: Models that have no thoughts to be switched off.
_PLAIN = re.compile(r"command-(?:r|light|nightly|a-(?:0|vision|translate))|command$|aya")

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
#: The content of a result that has none.
_NO_OUTPUT = "(no output)"


def chat_body(call: c.Call) -> dict[str, Any]:
    """``call`` as the body of a request.

    :raises BadRequest: it cannot be expressed; names the client's field.
    """
    body: dict[str, Any] = {"model": call.model, "messages": Messages(call).all()}
    if call.stream:
        body["stream"] = True
    _write_tools(call, body)
    if call.format is not None:
        schema = {"json_schema": call.format.schema} if call.format.kind == "schema" else {}
        body["response_format"] = {"type": "json_object", **schema}
    thinking = _thinking(call)
    if thinking is not None:
        body["thinking"] = thinking
    write_options(call, OPTIONS, body, NAME)
    return body


def _write_tools(call: c.Call, body: dict[str, Any]) -> None:
    refuse_fields(call, NAME)
    tools = [tool for index, tool in enumerate(call.tools) if _is_function(call, tool, index)]
    choice = call.tool_choice
    if choice is not None and choice.mode == "one":
        tools = [tool for tool in tools if tool.name == choice.name]  # type: ignore[union-attr]
        if not tools:
            message = f"tool_choice names the tool {choice.name}, which is not in tools"
            raise BadRequest(message, param="tool_choice", code="invalid_value")
    if not tools:
        return
    body["tools"] = [_tool(tool) for tool in tools]
    if all(tool.strict for tool in tools):  # type: ignore[union-attr]
        body["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    call.check_parallel_tools(NAME)


def _is_function(call: c.Call, tool: c.Tool | c.Foreign, index: int) -> bool:
    if isinstance(tool, c.Foreign):
        call.unsupported(f"tools[{index}]", NAME, hosted_tools.why_not(tool))
        return False
    return True


def _tool(tool: Any) -> dict[str, Any]:
    told = description(tool)
    function = {"name": tool.name} | ({"description": told} if told else {})
    return {"type": "function", "function": {**function, "parameters": tool.schema or _NO_PARAMETERS}}


def _thinking(call: c.Call) -> dict[str, Any] | None:
    wish = call.reasoning
    if wish is None:
        return None
    if _PLAIN.search(call.model) and (wish.effort in (None, "none") or wish.adaptive):
        return None  # they do not think; who names an effort is told so by Cohere
    if wish.effort == "none":
        return {"type": "disabled"}
    budget = _BUDGETS.get(wish.effort) if wish.effort is not None else wish.budget
    return {"type": "enabled"} | ({"token_budget": budget} if budget is not None else {})


class Messages:
    """The messages of a call, one for each turn; the results of tools are messages of their own before the user's."""

    def __init__(self, call: c.Call) -> None:
        self._call = call
        self._written: list[dict[str, Any]] = []

    def all(self) -> list[dict[str, Any]]:
        """Of all turns."""
        for turn in c.results_first(self._call.turns):
            if turn.role == "assistant":
                self._assistant(turn)
            else:
                for part in turn.parts:
                    if isinstance(part, c.ToolResult):
                        self._result(part, turn.field)
                rest = [part for part in turn.parts if not isinstance(part, c.ToolResult)]
                self._add(turn.role, self._content(rest, turn.field))
        return self._written

    def _add(self, role: str, content: Any) -> None:
        if content:
            self._written.append({"role": role, "content": content})

    def _result(self, result: c.ToolResult, field: str) -> None:
        texts = [block["text"] for block in self._blocks(result.parts, field, texts_only=True)]
        content = "\n".join([*(["Error:"] if result.error else []), *texts]) or _NO_OUTPUT
        self._written.append({"role": "tool", "tool_call_id": result.id, "content": content})

    def _assistant(self, turn: c.Turn) -> None:
        calls = [_call(part) for part in turn.parts if isinstance(part, c.ToolCall)]
        thoughts = "".join(part.text for part in turn.parts if isinstance(part, c.Reasoning))
        said = [part for part in turn.parts if not isinstance(part, c.ToolCall | c.Reasoning)]
        content = self._content(said, turn.field, texts_only=True)
        if thoughts and not calls and content:
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            content = [{"type": "thinking", "thinking": thoughts}, *blocks]
        message = {"role": "assistant"} | ({"content": content} if content else {})
        if calls:
            message |= {"tool_calls": calls} | ({"tool_plan": thoughts} if thoughts else {})
        if len(message) > 1:
            self._written.append(message)

    def _content(self, given: Iterable[c.Part], field: str, *, texts_only: bool = False) -> Any:
        """A string if it is one text, else blocks; empty if there is nothing."""
        blocks = self._blocks(given, field, texts_only=texts_only)
        return blocks[0]["text"] if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks

    def _blocks(self, given: Iterable[c.Part], field: str, *, texts_only: bool) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        for part in given:
            if isinstance(part, c.Text):
                blocks += [{"type": "text", "text": part.text}] if part.text else []
            elif isinstance(part, c.Document) and part.text is not None:
                blocks.append({"type": "text", "text": parts.titled(part)})
            elif isinstance(part, c.Image) and not texts_only and part.file_id is None:
                detail = {"detail": part.detail} if part.detail in ("auto", "low", "high") else {}
                blocks.append({"type": "image_url", "image_url": {"url": parts.image_url(part), **detail}})
            elif not (isinstance(part, c.Foreign) and hosted_tools.is_trace(part)):
                self._call.unsupported(field, NAME, _why(part))
        return blocks


def _call(part: c.ToolCall) -> dict[str, Any]:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": as_text(part.arguments)}}


def _why(part: c.Part) -> str:
    if isinstance(part, c.Foreign):
        return f"it has no parts of type {part.fields.get('type')}"
    if isinstance(part, c.Document):
        return "documents must be text"
    return f"there can be no {type(part).__name__.lower()} there"
