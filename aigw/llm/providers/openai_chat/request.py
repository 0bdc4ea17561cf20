"""Writing a call as a request for chat completions.

Turns become messages, one each but for the users': the results of tools are messages of their own there, and come
first, so that they follow their calls directly, whichever turns they were in. A tool's message can hold text only;
pictures and files that tools returned follow in the user's message behind the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aigw.llm import call as c
from aigw.llm import hosted_tools, json_schema
from aigw.llm.arguments import as_text
from aigw.llm.options import write_options
from aigw.llm.providers.openai_chat.server import MAX_TOKENS, Server
from aigw.llm.tool_fields import description, refuse_fields
from aigw.llm.tool_names import PLAIN, fitting_names

#: What a result is called whose content is no text.
_ELSEWHERE = "The result is in the message that follows."
#: For servers that want thoughts where there are none; DeepSeek takes an empty text for a missing one.
_NO_THOUGHTS = " "
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def chat_body(call: c.Call, server: Server, messages: type[Messages] | None = None) -> dict[str, Any]:
    """``call`` as the JSON of a request.

    :param messages: what writes them, if not :class:`Messages`.
    :raises aigw.errors.BadRequest: it cannot be expressed; names the client's field.
    """
    names = fitting_names(call, PLAIN)
    body: dict[str, Any] = {"model": call.model, "messages": (messages or Messages)(call, server, names).all()}
    if call.stream:
        body["stream"] = True
        if server.tells_usage:
            body["stream_options"] = {"include_usage": True}
    _write_tools(call, server, names, body)
    if call.format is not None:
        body["response_format"] = _format(call, call.format, server)
    body |= server.effort(call)
    write_options(call, {**server.table, **MAX_TOKENS[server.max_tokens(call.model)]}, body, server.name)
    _cut_stops(call, server, body)
    return body


def _cut_stops(call: c.Call, server: Server, body: dict[str, Any]) -> None:
    stops, most = body.get("stop"), server.most_stops
    if most is not None and stops is not None and len(stops) > most:
        call.unsupported(call.spelt("stop"), server.name, f"no more than {most} stop sequences are possible")
        body["stop"] = stops[:most]


def _write_tools(call: c.Call, server: Server, names: dict[str, str], body: dict[str, Any]) -> None:
    refuse_fields(call, server.name)
    written = [_tool(call, tool, server, names, f"tools[{index}]") for index, tool in enumerate(call.tools)]
    tools = [tool for tool in written if tool is not None]
    if tools:
        body["tools"] = tools
        if call.parallel_tools is False:
            body["parallel_tool_calls"] = False
    choice = call.tool_choice
    if choice is not None and (tools or choice.mode in ("any", "one")):
        body["tool_choice"] = tool_choice(choice, names)


def _tool(
    call: c.Call, tool: c.Tool | c.Foreign, server: Server, names: dict[str, str], field: str
) -> dict[str, Any] | None:
    if isinstance(tool, c.Foreign):
        if tool.dialect != "openai":
            call.unsupported(field, server.name, hosted_tools.why_not(tool))
            return None
        return tool.fields
    function: dict[str, Any] = {"name": names.get(tool.name, tool.name)}
    told = description(tool)
    if told is not None:
        function["description"] = told
    function["parameters"] = tool.schema if tool.schema is not None else _NO_PARAMETERS
    if tool.strict is not None and server.strict:
        function["strict"] = _strict(tool.strict, tool.schema, server)
    return {"type": "function", "function": function}


def _strict(wanted: bool, schema: dict[str, Any] | None, server: Server) -> bool:
    """Whether to ask for ``strict``: a schema that strict mode does not take is a 400, without it it is a wish."""
    return wanted and (not server.strict_subset or json_schema.is_strict(schema))


_MODES = {"auto": "auto", "any": "required", "none": "none"}


def tool_choice(choice: c.ToolChoice, names: dict[str, str]) -> str | dict[str, Any]:
    """``choice`` in OpenAI's words."""
    if choice.mode != "one":
        return _MODES[choice.mode]
    name = choice.name or ""
    return {"type": "function", "function": {"name": names.get(name, name)}}


def _format(call: c.Call, wanted: c.ResponseFormat, server: Server) -> dict[str, Any]:
    if wanted.kind == "schema" and not server.schemas:
        call.unsupported(call.spelt("response_format"), server.name, "the server has JSON without a schema only")
    if wanted.kind == "json" or not server.schemas:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = _strict(wanted.strict, wanted.schema, server)
    return {"type": "json_schema", "json_schema": schema}


class Messages:
    """The messages of a call.

    :param names: see :func:`aigw.llm.tool_names.fitting_names`.
    """

    def __init__(self, call: c.Call, server: Server, names: dict[str, str]) -> None:
        self.call = call
        self.server = server
        self.names = names
        self.written: list[dict[str, Any]] = []
        self._shown: list[c.Part] = []
        self._system = server.system(call.model)
        self._wants_thoughts = server.wants_thoughts(call.model)

    def all(self) -> list[dict[str, Any]]:
        """Of all turns."""
        for turn in c.results_first(self.call.turns):
            # Not by a table of bound methods: it would know us, and the call would wait for the garbage collector.
            if turn.role == "user":
                self.user(turn)
                continue
            self._show(turn.field)
            if turn.role == "assistant":
                self.assistant(turn)
            else:
                self.system(turn)
        self._show("messages")
        return self.written

    def system(self, turn: c.Turn) -> None:
        """Instructions, wherever in the conversation they are."""
        self.add(self._system, self.content(turn.parts, turn.field), turn.name)

    def user(self, turn: c.Turn) -> None:
        """The result of a tool, of which what is no text is kept for later; or what the user says, behind that."""
        said: list[c.Part] = []
        for part in turn.parts:
            if isinstance(part, c.ToolResult):
                self._shown += self.result(part, turn.field)
            else:
                said.append(part)
        if said:
            shown, self._shown = self._shown, []
            self.add("user", self.content([*shown, *said], turn.field), turn.name)

    def _show(self, field: str) -> None:
        """Write what results had beside text, as the user's message, if no word of the user's own took it along."""
        shown, self._shown = self._shown, []
        self.add("user", self.content(shown, field), None)

    def result(self, result: c.ToolResult, field: str) -> list[c.Part]:
        """Write a tool's result; returns what of it must follow in the user's message."""
        said = [part for part in result.parts if _is_text(part)]
        shown = [part for part in result.parts if not _is_text(part)]
        content = self.joined(said, field) or (_ELSEWHERE if shown else "")
        if result.error:
            content = f"Error: {content}"
        self.written.append({"role": "tool", "tool_call_id": self.server.tool_id(result.id), "content": content})
        return [c.Text(f"The result of tool call {self.server.tool_id(result.id)}:"), *shown] if shown else []

    def assistant(self, turn: c.Turn) -> None:
        """What the model said, thought and called."""
        calls = [self.call_of(part) for part in turn.parts if _is_call(part)]
        said = [part for part in turn.parts if not _is_call(part) and not isinstance(part, c.Reasoning)]
        content = self.content(said, turn.field)
        if content is None and not calls:
            return
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if turn.name is not None:
            message["name"] = turn.name
        message |= self.thoughts(
            "".join(part.text for part in turn.parts if isinstance(part, c.Reasoning)), bool(calls)
        )
        if calls:
            message["tool_calls"] = calls
        self.written.append(message)

    def thoughts(self, text: str, called: bool) -> dict[str, Any]:
        """The field for thoughts, if the server wants them."""
        if not self._wants_thoughts:
            return {}
        if not text and called and self.server.needs_thoughts:
            text = _NO_THOUGHTS
        return {"reasoning_content": text} if text else {}

    def call_of(self, part: Any) -> dict[str, Any]:
        """A tool that the model called."""
        if isinstance(part, c.Foreign):
            return part.fields
        function = {"name": self.names.get(part.name, part.name), "arguments": as_text(part.arguments)}
        written: dict[str, Any] = {"id": self.server.tool_id(part.id), "type": "function", "function": function}
        if part.signature is not None and self.server.signatures:
            written["extra_content"] = {"google": {"thought_signature": part.signature}}
        return written

    def add(self, role: str, content: Any, name: str | None) -> None:
        """A message, unless there is nothing in it."""
        if content is not None:
            self.written.append({"role": role, "content": content} | ({"name": name} if name is not None else {}))

    # -- content

    def content(self, parts: Iterable[c.Part], field: str) -> str | list[dict[str, Any]] | None:
        """Parts as a message's content: a string if it is text only; None if there is nothing."""
        written = self.parts(parts, field)
        if not written:
            return None
        if all(part.get("type") == "text" for part in written) and (len(written) == 1 or not self.server.lists):
            return "\n".join(str(part["text"]) for part in written)
        return written

    def joined(self, parts: Iterable[c.Part], field: str) -> str:
        """Texts as one string."""
        return "\n".join(str(part["text"]) for part in self.parts(parts, field))

    def parts(self, parts: Iterable[c.Part], field: str) -> list[dict[str, Any]]:
        """Parts one by one; empty texts are left out, since half of the servers refuse them."""
        written = []
        for part in parts:
            if (isinstance(part, c.Text) and not part.text) or _is_trace(part):
                continue
            write = self.server.parts.get(type(part))
            one = write(part) if write is not None else None
            if one is not None:
                written.append(one)
            else:
                self.call.unsupported(f"{field}.content", self.server.name, _why(part))
        return written


def _is_text(part: c.Part) -> bool:
    return isinstance(part, c.Text) or (isinstance(part, c.Document) and part.text is not None)


def _is_trace(part: c.Part) -> bool:
    return isinstance(part, c.Foreign) and hosted_tools.is_trace(part)


def _is_call(part: c.Part) -> bool:
    """Whether this is a tool call: of a function, or of a tool that only OpenAI has."""
    return isinstance(part, c.ToolCall) or (
        isinstance(part, c.Foreign) and part.dialect == "openai" and "id" in part.fields
    )


def _why(part: c.Part) -> str:
    if isinstance(part, c.Foreign):
        return f"it has no parts of type {part.fields.get('type')}"
    if isinstance(part, c.Document | c.Image):
        return "send the data itself in place of a URL or an id of an uploaded file"
    return f"it has nothing like {type(part).__name__.lower()} there"
