"""A call as a request for Ollama's chat (https://docs.ollama.com/api/chat).

What is not here as a rule is in the table :data:`TABLE`. Fields that neither OpenAI nor Ollama's requests have belong
into its ``options`` (``num_ctx``, ``repeat_penalty``, ``min_p`` …).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import hosted_tools
from aigw.llm.arguments import as_object
from aigw.llm.options import Table, To, number, strings, whole_number, write_options
from aigw.llm.providers.openai_chat import parts
from aigw.llm.providers.openai_chat.efforts import effort_of
from aigw.llm.tool_fields import description, refuse_fields

NAME = "ollama"

TABLE: Table = {
    "frequency_penalty": To("options.frequency_penalty", number),
    "max_tokens": To("options.num_predict", whole_number),
    "presence_penalty": To("options.presence_penalty", number),
    "seed": To("options.seed", number),
    "stop": To("options.stop", strings),
    "temperature": To("options.temperature", number),
    "top_k": To("options.top_k", number),
    "top_p": To("options.top_p", number),
}
#: Ollama's own fields beside its ``options``, where all other fields that OpenAI does not have belong.
_OWN = frozenset(("format", "keep_alive", "options", "shift", "think", "truncate"))

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def chat_body(call: c.Call) -> dict[str, Any]:
    """``call`` as the body of a request.

    :raises BadRequest: it cannot be expressed; names the client's field.
    """
    body: dict[str, Any] = {"model": call.model, "messages": Messages(call).all(), "stream": call.stream}
    _write_tools(call, body)
    if call.format is not None:
        body["format"] = "json" if call.format.kind == "json" else call.format.schema or {"type": "object"}
    think = _think(call)
    if think is not None:
        body["think"] = think
    _write_options(call, body)
    return body


def _write_options(call: c.Call, body: dict[str, Any]) -> None:
    given = call.options.get("options")
    if given is not None and not isinstance(given, dict):
        raise BadRequest("options must be an object", param="options", code="invalid_value")
    ours = {name: value for name, value in call.options.items() if name not in _OWN}
    written: dict[str, Any] = {}
    write_options(attrs.evolve(call, options=ours), TABLE, written, NAME)
    options = {**written.pop("options", {}), **written, **(given or {})}
    if options:
        body["options"] = options
    for name in _OWN - {"options"}:
        if call.options.get(name) is not None:
            body[name] = call.options[name]


def _think(call: c.Call) -> bool | str | None:
    """A switch; gpt-oss cannot be switched off, and has levels instead.

    Models that can think do so unless told otherwise, and those that cannot refuse the field: a budget, or thinking as
    the model likes, is not asked for.
    """
    wish = call.reasoning
    if wish is None:
        return None
    effort = effort_of(wish)
    if "gpt-oss" in call.model and effort is not None:
        return {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)
    if wish.effort is None or (wish.adaptive and effort != "none"):
        return None
    return effort != "none"


def _write_tools(call: c.Call, body: dict[str, Any]) -> None:
    choice = call.tool_choice
    if choice is not None and choice.mode == "none":
        return
    if choice is not None and choice.mode != "auto":
        call.unsupported("tool_choice", NAME, "models call tools as they like")
    call.check_parallel_tools(NAME)
    refuse_fields(call, NAME)
    tools = []
    for index, tool in enumerate(call.tools):
        if isinstance(tool, c.Foreign):
            call.unsupported(f"tools[{index}]", NAME, hosted_tools.why_not(tool))
            continue
        function: dict[str, Any] = {"name": tool.name, "description": description(tool) or ""}
        tools.append({"type": "function", "function": {**function, "parameters": tool.schema or _NO_PARAMETERS}})
    if tools:
        body["tools"] = tools


class Messages:
    """The messages of a call, one for each turn; the results of tools are messages of their own before the user's."""

    def __init__(self, call: c.Call) -> None:
        self._call = call
        self._names = c.tool_names(call.turns)
        self._written: list[dict[str, Any]] = []
        self._shown: list[c.Part] = []

    def all(self) -> list[dict[str, Any]]:
        """Of all turns."""
        for turn in c.results_first(self._call.turns):
            if turn.role == "user":
                self._user(turn)
                continue
            self._show(turn.field)
            if turn.role == "assistant":
                self._assistant(turn)
            else:
                self._add(turn.role, turn.parts, turn.field)
        self._show("messages")
        return self._written

    def _user(self, turn: c.Turn) -> None:
        """The result of a tool, whose pictures are kept for later; or what the user says, behind these."""
        said: list[c.Part] = []
        for part in turn.parts:
            if isinstance(part, c.ToolResult):
                self._shown += self._result(part, turn.field)
            else:
                said.append(part)
        if said:
            shown, self._shown = self._shown, []
            self._add("user", [*shown, *said], turn.field)

    def _show(self, field: str) -> None:
        """Write the pictures of results as the user's message, if no word of the user's own took them along."""
        shown, self._shown = self._shown, []
        self._add("user", shown, field)

    def _add(self, role: str, given: Iterable[c.Part], field: str, **more: Any) -> None:
        texts, images = self._content(given, field)
        message = {"role": role, "content": "\n".join(texts), **({"images": images} if images else {}), **more}
        if len(message) > 2 or message["content"]:
            self._written.append(message)

    def _result(self, result: c.ToolResult, field: str) -> list[c.Part]:
        """Write a tool's result; returns its pictures, which must follow in the user's message."""
        shown = [part for part in result.parts if isinstance(part, c.Image)]
        texts, _ = self._content((part for part in result.parts if not isinstance(part, c.Image)), field)
        content = "\n".join([*(["Error:"] if result.error else []), *texts])
        name = result.name or self._names.get(result.id)
        message = {"role": "tool", "content": content, "tool_call_id": result.id}
        self._written.append(message | ({"tool_name": name} if name else {}))
        return list(shown)

    def _assistant(self, turn: c.Turn) -> None:
        calls = [_called(part) for part in turn.parts if isinstance(part, c.ToolCall)]
        thoughts = "".join(part.text for part in turn.parts if isinstance(part, c.Reasoning))
        said = [part for part in turn.parts if not isinstance(part, c.ToolCall | c.Reasoning)]
        more = ({"thinking": thoughts} if thoughts else {}) | ({"tool_calls": calls} if calls else {})
        self._add("assistant", said, turn.field, **more)

    def _content(self, given: Iterable[c.Part], field: str) -> tuple[list[str], list[str]]:
        """The texts, and the pictures in base64."""
        texts: list[str] = []
        images: list[str] = []
        for part in given:
            if isinstance(part, c.Text):
                texts += [part.text] if part.text else []
            elif isinstance(part, c.Document) and part.text is not None:
                texts.append(parts.titled(part))
            elif isinstance(part, c.Image) and part.data is not None:
                images.append(part.data)
            elif not (isinstance(part, c.Foreign) and hosted_tools.is_trace(part)):
                self._call.unsupported(field, NAME, _why(part))
        return texts, images


def _called(part: c.ToolCall) -> dict[str, Any]:
    return {"id": part.id, "function": {"name": part.name, "arguments": as_object(part.arguments)}}


def _why(part: c.Part) -> str:
    if isinstance(part, c.Image):
        return "it fetches nothing; send the data itself (a data: URL)"
    if isinstance(part, c.Foreign):
        return f"it has no parts of type {part.fields.get('type')}"
    return "documents must be text" if isinstance(part, c.Document) else "it does not hear"
