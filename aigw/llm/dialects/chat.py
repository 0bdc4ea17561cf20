"""OpenAI's chat completions in front: reading requests (https://platform.openai.com/docs/api-reference/chat).

The answers are written by :mod:`aigw.llm.dialects.chat_reply`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from aigw.llm import call as c
from aigw.llm import json_schema, media_types
from aigw.llm.dialects.chat_reply import ChatWriter
from aigw.llm.dialects.fields import array_of, name_of, object_of, optional_text, text_of, wrong
from aigw.llm.dialects.openai_shapes import error_body
from aigw.llm.reply import ProviderError

#: Fields that a :class:`~aigw.llm.call.Call` has a place of its own for; all others are its options.
_OWN = frozenset(
    (
        "max_completion_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
    )
)


class Chat:
    """See :class:`aigw.llm.wire.Dialect`."""

    def read(self, fields: Mapping[str, Any]) -> c.Call:
        """See :class:`aigw.llm.wire.Dialect`."""
        options = {name: value for name, value in fields.items() if name not in _OWN}
        names = {}
        if fields.get("max_completion_tokens") is not None:
            options["max_tokens"] = fields["max_completion_tokens"]
            names["max_tokens"] = "max_completion_tokens"
        stream_options = fields.get("stream_options")
        tools, choice = _tools(fields)
        effort = fields.get("reasoning_effort")
        return c.Call(
            model=fields.get("model") or "",
            turns=tuple(_turn(message, f"messages[{index}]") for index, message in enumerate(fields["messages"])),
            stream=fields.get("stream") is True,
            include_usage=isinstance(stream_options, dict) and stream_options.get("include_usage") is True,
            tools=tools,
            tool_choice=choice,
            parallel_tools=fields.get("parallel_tool_calls"),
            format=response_format(fields.get("response_format")),
            reasoning=c.ReasoningWish(effort=text_of(effort, "reasoning_effort")) if effort is not None else None,
            options=options,
            names=names,
        )

    def writer(self, call: c.Call, *, answer_id: str, now: float) -> ChatWriter:
        """See :class:`aigw.llm.wire.Dialect`."""
        return ChatWriter(call.model, call.include_usage, answer_id, now)

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """See :class:`aigw.llm.wire.Dialect`."""
        return error_body(error, request_id)


# -- messages


def _turn(message: Any, field: str) -> c.Turn:
    message = object_of(message, field)
    role = message.get("role")
    read = _ROLES.get(role) if isinstance(role, str) else None
    if read is None:
        raise wrong(f"{field}.role", f"must be one of {', '.join(_ROLES)}")
    turn, cache = read(message, field), cache_of(message)
    return turn if cache is None else attrs.evolve(turn, parts=_marked(turn.parts, cache))


def cache_of(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cache mark of a message, a part or a tool, as Anthropic has it.

    OpenAI has none; clients that know that Claude answers put it wherever LiteLLM and OpenRouter take it
    (https://openrouter.ai/docs/features/prompt-caching, https://docs.litellm.ai/docs/completion/prompt_caching).
    """
    cache = fields.get("cache_control")
    return cache if isinstance(cache, dict) else None


def _marked(parts: tuple[c.Part, ...], cache: dict[str, Any]) -> tuple[c.Part, ...]:
    """A mark of a whole message is behind the last of its parts that can have one."""
    for at in reversed(range(len(parts))):
        part = parts[at]
        if isinstance(part, c.Text | c.Image | c.Document | c.ToolCall | c.ToolResult):
            marked = part if part.cache is not None else attrs.evolve(part, cache=cache)
            return (*parts[:at], marked, *parts[at + 1 :])
    return parts


def _system(message: dict[str, Any], field: str) -> c.Turn:
    return c.Turn("system", _content(message, field), field, optional_text(message.get("name")))


def _user(message: dict[str, Any], field: str) -> c.Turn:
    return c.Turn("user", _content(message, field), field, optional_text(message.get("name")))


def _tool(message: dict[str, Any], field: str) -> c.Turn:
    call_id = text_of(message.get("tool_call_id"), f"{field}.tool_call_id")
    return c.Turn(
        "user", (c.ToolResult(call_id, _content(message, field), name=optional_text(message.get("name"))),), field
    )


def _function(message: dict[str, Any], field: str) -> c.Turn:
    name = name_of(message.get("name"), f"{field}.name")
    return c.Turn("user", (c.ToolResult(_legacy_id(name), _content(message, field), name=name),), field)


def _assistant(message: dict[str, Any], field: str) -> c.Turn:
    parts = [*_reasoning(message), *_content(message, field)]
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append(c.Text(refusal))
    for index, each in enumerate(array_of(message.get("tool_calls"), f"{field}.tool_calls")):
        parts.append(_tool_call(each, f"{field}.tool_calls[{index}]"))
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        name = name_of(legacy.get("name"), f"{field}.function_call.name")
        parts.append(c.ToolCall(_legacy_id(name), name, _arguments(legacy.get("arguments"))))
    return c.Turn("assistant", tuple(parts), field, optional_text(message.get("name")))


_ROLES: dict[str, Callable[[dict[str, Any], str], c.Turn]] = {
    "developer": _system,
    "system": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
    "function": _function,
}


def _legacy_id(name: str) -> str:
    """The deprecated function calls have no ids; a function's name has to do."""
    return f"call_{name}"


def _reasoning(message: dict[str, Any]) -> list[c.Part]:
    """The thoughts of an earlier answer, in the forms in which :class:`ChatWriter` gives them out.

    ``thinking_blocks`` have the signatures, so they are preferred to the bare ``reasoning_content``.
    """
    blocks = message.get("thinking_blocks")
    parts: list[c.Part] = []
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "redacted_thinking" and isinstance(block.get("data"), str):
            parts.append(c.Reasoning(redacted=block["data"]))
        elif isinstance(block.get("thinking"), str):
            signature = block.get("signature")
            parts.append(c.Reasoning(block["thinking"], signature if isinstance(signature, str) else None))
    text = message.get("reasoning_content") or message.get("reasoning")
    if not parts and isinstance(text, str) and text:
        parts.append(c.Reasoning(text))
    return parts


def _tool_call(call: Any, field: str) -> c.Part:
    call = object_of(call, field)
    function = call.get("function")
    if not isinstance(function, dict):
        return c.Foreign("openai", call)
    google = call.get("extra_content")
    google = google.get("google") if isinstance(google, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return c.ToolCall(
        text_of(call.get("id"), f"{field}.id"),
        name_of(function.get("name"), f"{field}.function.name"),
        _arguments(function.get("arguments")),
        signature if isinstance(signature, str) else None,
    )


def _arguments(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else "{}"


# -- content


def _content(message: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    content = message.get("content")
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (c.Text(content),)
    parts = array_of(content, f"{field}.content")
    return tuple(_part(part, f"{field}.content[{index}]") for index, part in enumerate(parts))


def _part(part: Any, field: str) -> c.Part:
    part = object_of(part, field)
    kind = part.get("type")
    read = _PARTS.get(kind) if isinstance(kind, str) else None
    return read(part, field) if read is not None else c.Foreign("openai", part)


def _text_part(part: dict[str, Any], field: str) -> c.Part:
    return c.Text(text_of(part.get("text"), f"{field}.text"), cache_of(part))


def _refusal_part(part: dict[str, Any], field: str) -> c.Part:
    return c.Text(text_of(part.get("refusal"), f"{field}.refusal"))


def _image_part(part: dict[str, Any], field: str) -> c.Part:
    image = part.get("image_url")
    detail = image.get("detail") if isinstance(image, dict) else None
    url = image.get("url") if isinstance(image, dict) else image
    return _cached(image_of(text_of(url, f"{field}.image_url.url"), detail, f"{field}.image_url.url"), part)


def _audio_part(part: dict[str, Any], field: str) -> c.Part:
    audio = object_of(part.get("input_audio"), f"{field}.input_audio")
    return c.Audio(
        text_of(audio.get("data"), f"{field}.input_audio.data"),
        text_of(audio.get("format"), f"{field}.input_audio.format"),
    )


def _file_part(part: dict[str, Any], field: str) -> c.Part:
    file = object_of(part.get("file"), f"{field}.file")
    return _cached(document_of(file.get("file_data"), file.get("file_id"), file.get("filename"), f"{field}.file"), part)


def _cached(part: c.Image | c.Document, fields: Mapping[str, Any]) -> c.Part:
    cache = cache_of(fields)
    return part if cache is None else attrs.evolve(part, cache=cache)


_PARTS: dict[str, Callable[[dict[str, Any], str], c.Part]] = {
    "text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
}


def image_of(url: str, detail: Any, field: str) -> c.Image:
    """An image by its URL, which may be its data."""
    detail = detail if isinstance(detail, str) else None
    if not url.startswith("data:"):
        return c.Image(url=url, detail=detail)
    media_type, data = data_url(url, field)
    return c.Image(media_type, data, detail=detail)


def document_of(data: Any, file_id: Any, name: Any, field: str) -> c.Document:
    """A file by its data or by its id.

    :raises BadRequest: it has neither.
    """
    name = name if isinstance(name, str) else None
    if isinstance(data, str):
        media_type, data = data_url(data, field) if data.startswith("data:") else ("application/pdf", data)
        return c.Document(media_type, data, name=name)
    if not isinstance(file_id, str):
        raise wrong(field, "must have file_data or file_id")
    return c.Document(file_id=file_id, name=name)


def data_url(url: str, field: str) -> tuple[str, str]:
    """The media type and the base64 of a ``data:`` URL (RFC 2397).

    :raises BadRequest: it is not base64.
    """
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters:
        raise wrong(field, "must be a URL, or data:MEDIA-TYPE;base64,… with the data")
    return media_types.registered(media_type) or "application/octet-stream", data


# -- tools


def _tools(fields: Mapping[str, Any]) -> tuple[tuple[c.Tool | c.Foreign, ...], c.ToolChoice | None]:
    tools = tuple(
        _tool_of(each, f"tools[{index}]") for index, each in enumerate(array_of(fields.get("tools"), "tools"))
    )
    choice = fields.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = object_of(choice.get("allowed_tools"), "tool_choice.allowed_tools")
        names = {_name_of_choice(each) for each in array_of(allowed.get("tools"), "tool_choice.allowed_tools.tools")}
        tools = tuple(tool for tool in tools if isinstance(tool, c.Tool) and tool.name in names)
        choice = allowed.get("mode")
    return tools, tool_choice(choice)


def _tool_of(tool: Any, field: str) -> c.Tool | c.Foreign:
    tool = object_of(tool, field)
    function = tool.get("function")
    if not isinstance(function, dict):
        return c.Foreign("openai", tool)
    written, cache = tool_of(function, f"{field}.function"), cache_of(tool)
    return written if cache is None else attrs.evolve(written, cache=cache)


def tool_of(function: Mapping[str, Any], field: str) -> c.Tool:
    """A function's declaration: of chat's ``tools[].function``, or of a tool of responses."""
    schema = function.get("parameters")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(f"{field}.parameters", "must be a JSON Schema object")
    description, strict = function.get("description"), function.get("strict")
    return c.Tool(
        name_of(function.get("name"), f"{field}.name"),
        description if isinstance(description, str) else None,
        json_schema.normalised(schema) if schema is not None else None,
        strict if isinstance(strict, bool) else None,
        cache_of(function),
    )


_MODES: dict[str, c.ToolChoice] = {
    "auto": c.ToolChoice("auto"),
    "required": c.ToolChoice("any"),
    "any": c.ToolChoice("any"),
    "none": c.ToolChoice("none"),
}


def tool_choice(choice: Any) -> c.ToolChoice | None:
    """OpenAI's ``tool_choice``: a word, or a function's name in an object."""
    if choice is None:
        return None
    mode = _MODES.get(choice) if isinstance(choice, str) else None
    if mode is not None:
        return mode
    name = _name_of_choice(choice)
    if name is None:
        raise wrong("tool_choice", 'must be "none", "auto", "required" or a function by its name')
    return c.ToolChoice("one", name)


def _name_of_choice(choice: Any) -> str | None:
    """The function that an object names, as chat (inside ``function``) or responses (beside ``type``) do."""
    if not isinstance(choice, dict):
        return None
    inside = choice.get("function")
    name = inside.get("name") if isinstance(inside, dict) else choice.get("name")
    return name if isinstance(name, str) else None


def response_format(value: Any) -> c.ResponseFormat | None:
    """OpenAI's ``response_format``."""
    if value is None:
        return None
    kind = object_of(value, "response_format").get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return c.ResponseFormat("json")
    if kind != "json_schema":
        raise wrong("response_format.type", "must be text, json_object or json_schema")
    return schema_format(
        object_of(value.get("json_schema"), "response_format.json_schema"), "response_format.json_schema"
    )


def schema_format(value: Mapping[str, Any], field: str) -> c.ResponseFormat:
    """A ``json_schema`` with its name: of chat's ``response_format``, or of responses' ``text.format``."""
    schema = value.get("schema")
    description, strict, name = value.get("description"), value.get("strict"), value.get("name")
    return c.ResponseFormat(
        "schema",
        json_schema.normalised(object_of(schema, f"{field}.schema")) if schema is not None else {},
        name if isinstance(name, str) and name else "response",
        description if isinstance(description, str) else None,
        strict if isinstance(strict, bool) else None,
    )
