"""Anthropic's messages in front: reading requests (https://platform.claude.com/docs/en/api/messages).

The answers are written by :mod:`aigw.llm.dialects.messages_reply`.

What speaks of Anthropic's own service and changes nothing that is said (where its caches are, what it clears away of
a long conversation, which of its accounts is billed) is not for other providers and stays here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import json_schema, media_types
from aigw.llm.betas import betas_in
from aigw.llm.dialects.fields import array_of, name_of, object_of, text_of, wrong
from aigw.llm.dialects.messages_reply import TOOL_SIGNATURE, MessagesWriter
from aigw.llm.dialects.messages_shapes import error_body
from aigw.llm.reply import ProviderError

#: Fields that a :class:`~aigw.llm.call.Call` has a place of its own for, or that are not for other providers.
_OWN = frozenset(
    (
        "betas",
        "anthropic_beta",
        "anthropic_version",
        "cache_control",
        "context_management",
        "diagnostics",
        "messages",
        "metadata",
        "model",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "thinking",
        "thread",
        "tool_choice",
        "tools",
        "user_profile_id",
    )
)

#: Of these, what Claude takes wherever it speaks this dialect.
_CLAUDES = ("cache_control", "context_management", "diagnostics", "speed")

#: What the client calls fields that have another name in a call.
_NAMES = {
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "thinking",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
}

#: The first line of what Claude Code puts in front of its system text; it differs from call to call, and is only for
#: Anthropic's own service.
_BILLING = "x-anthropic-billing-header:"


class Messages:
    """See :class:`aigw.llm.wire.Dialect`."""

    def read(self, fields: Mapping[str, Any]) -> c.Call:
        """See :class:`aigw.llm.wire.Dialect`."""
        refuse_thread(fields)
        output = _optional(fields.get("output_config"), "output_config")
        choice, parallel = _tool_choice(fields.get("tool_choice"))
        return c.Call(
            model=fields.get("model") or "",
            turns=(*_system(fields.get("system")), *_turns(fields["messages"])),
            stream=fields.get("stream") is True,
            include_usage=True,
            tools=tuple(
                _tool(each, f"tools[{index}]") for index, each in enumerate(array_of(fields.get("tools"), "tools"))
            ),
            tool_choice=choice,
            parallel_tools=parallel,
            format=_format(output.get("format"), fields.get("output_format")),
            reasoning=_reasoning(fields.get("thinking"), output.get("effort")),
            options=_options(fields),
            names=dict(_NAMES),
            betas=betas_in(fields.get("anthropic_beta"), fields.get("betas")),
            own={name: fields[name] for name in _CLAUDES if fields.get(name) is not None},
        )

    def writer(self, call: c.Call, *, answer_id: str, now: float) -> MessagesWriter:
        """See :class:`aigw.llm.wire.Dialect`."""
        return MessagesWriter(call.model, answer_id)

    def error(self, error: ProviderError, request_id: str) -> bytes:
        """See :class:`aigw.llm.wire.Dialect`."""
        return error_body(error, request_id)


def refuse_thread(fields: Mapping[str, Any]) -> None:
    """A conversation of which Anthropic keeps the beginning (``thread``, beta ``message-threads``) is only there.

    Anthropic's SDKs and Claude Code know this error by its details, and send all of the conversation from then on
    (``ThreadUnsupportedRequestErrorDetails`` of anthropic-sdk-python 2.15).

    :raises BadRequest: the client wants one.
    """
    if fields.get("thread") is not None:
        raise BadRequest(
            "thread is not supported here: nothing keeps conversations; send the full conversation without thread",
            param="thread",
            code="unsupported_parameter",
            details={"error_code": "thread_unsupported_request"},
        )


# -- options


def _options(fields: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in fields.items() if name not in _OWN and value is not None}
    if fields.get("stop_sequences") is not None:
        options["stop"] = fields["stop_sequences"]
    user = _optional(fields.get("metadata"), "metadata").get("user_id")
    if isinstance(user, str) and user:
        options["user"] = user
    tier = fields.get("service_tier")
    if tier is not None:
        options["service_tier"] = "default" if tier == "standard_only" else tier
    return options


def _reasoning(thinking: Any, effort: Any) -> c.ReasoningWish | None:
    effort = text_of(effort, "output_config.effort") if effort is not None else None
    if thinking is None:
        return c.ReasoningWish(effort=effort) if effort is not None else None
    wish = object_of(thinking, "thinking")
    display = wish.get("display")
    show = None if display is None else display != "omitted"
    kind = wish.get("type")
    if kind in ("disabled", "between_tools"):
        return c.ReasoningWish(effort="none")
    if kind == "adaptive":
        return c.ReasoningWish(effort=effort, adaptive=True, show=show)
    if kind != "enabled":
        raise wrong("thinking.type", "must be enabled, adaptive or disabled")
    budget = wish.get("budget_tokens")
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise wrong("thinking.budget_tokens", "must be a whole number of at least 1")
    return c.ReasoningWish(effort=effort, budget=budget, show=show)


def _format(value: Any, older: Any) -> c.ResponseFormat | None:
    """The answer's format, also where it was before it had its place in ``output_config``."""
    if value is None and isinstance(older, dict):
        value = older
    if value is None:
        return None
    form = object_of(value, "output_config.format")
    if form.get("type") != "json_schema":
        raise wrong("output_config.format.type", "must be json_schema")
    schema = json_schema.normalised(object_of(form.get("schema"), "output_config.format.schema"))
    return c.ResponseFormat("schema", schema, "structured_output", strict=True)


# -- tools


def _tool(tool: Any, field: str) -> c.Tool | c.Foreign:
    tool = object_of(tool, field)
    if tool.get("type") not in (None, "custom"):
        return c.Foreign("anthropic", tool)  # what Anthropic's service does itself, or knows by heart
    schema, strict, description = tool.get("input_schema"), tool.get("strict"), tool.get("description")
    return c.Tool(
        name_of(tool.get("name"), f"{field}.name"),
        description if isinstance(description, str) else None,
        json_schema.normalised(object_of(schema, f"{field}.input_schema")) if schema is not None else None,
        strict if isinstance(strict, bool) else None,
        _cache(tool),
        tool,
    )


_MODES = {"auto": c.ToolChoice("auto"), "any": c.ToolChoice("any"), "none": c.ToolChoice("none")}


def _tool_choice(value: Any) -> tuple[c.ToolChoice | None, bool | None]:
    """The choice, and whether tools may be called in parallel if the client says so."""
    if value is None:
        return None, None
    choice = object_of(value, "tool_choice")
    alone = choice.get("disable_parallel_tool_use")
    parallel = not alone if isinstance(alone, bool) else None
    kind = choice.get("type")
    if kind == "tool":
        return c.ToolChoice("one", text_of(choice.get("name"), "tool_choice.name")), parallel
    mode = _MODES.get(kind) if isinstance(kind, str) else None
    if mode is None:
        raise wrong("tool_choice.type", "must be auto, any, tool or none")
    return mode, parallel


# -- system and messages


def _system(system: Any) -> list[c.Turn]:
    if system is None or system == "":
        return []
    parts = tuple(part for part in _content(system, "system") if not _is_billing(part))
    return [c.Turn("system", parts, "system")] if parts else []


def _is_billing(part: c.Part) -> bool:
    return isinstance(part, c.Text) and part.text.startswith(_BILLING)


def _turns(messages: Any) -> list[c.Turn]:
    return [_turn(message, f"messages[{index}]") for index, message in enumerate(array_of(messages, "messages"))]


def _turn(message: Any, field: str) -> c.Turn:
    message = object_of(message, field)
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise wrong(f"{field}.role", "must be user, assistant or system")
    parts = _content(message.get("content"), f"{field}.content")
    return c.Turn(role, _signed(parts) if role == "assistant" else parts, field)


def _signed(parts: tuple[c.Part, ...]) -> tuple[c.Part, ...]:
    """Tool calls with the signatures that :class:`MessagesWriter` gave out in thoughts before them."""
    signed: list[c.Part] = []
    signature: str | None = None
    for part in parts:
        if isinstance(part, c.Reasoning) and (part.signature or "").startswith(TOOL_SIGNATURE):
            signature = (part.signature or "")[len(TOOL_SIGNATURE) :]
        elif isinstance(part, c.ToolCall) and signature is not None:
            signed.append(c.ToolCall(part.id, part.name, part.arguments, signature, part.cache))
            signature = None
        else:
            signed.append(part)
    return tuple(signed)


def _content(content: Any, field: str) -> tuple[c.Part, ...]:
    if isinstance(content, str):
        return (c.Text(content),) if content else ()
    if content is not None and not isinstance(content, list):
        raise wrong(field, "must be a string or an array of blocks")
    blocks = content or []
    return tuple(part for index, block in enumerate(blocks) for part in _block(block, f"{field}[{index}]"))


def _block(block: Any, field: str) -> tuple[c.Part, ...]:
    block = object_of(block, field)
    kind = block.get("type")
    read = _BLOCKS.get(kind) if isinstance(kind, str) else None
    return read(block, field) if read is not None else (c.Foreign("anthropic", block),)


def _text_block(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    text = text_of(block.get("text"), f"{field}.text")
    return (c.Text(text, _cache(block)),) if text else ()


def _image(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    source = object_of(block.get("source"), f"{field}.source")
    return (c.Image(**_place(source, f"{field}.source"), cache=_cache(block)),)


def _document(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    source = object_of(block.get("source"), f"{field}.source")
    if _optional(block.get("citations"), f"{field}.citations").get("enabled") is True:
        return (c.Foreign("anthropic", block),)  # nobody else cites by the passage
    title, context = block.get("title"), block.get("context")
    before = (c.Text(context),) if isinstance(context, str) and context else ()
    name = title if isinstance(title, str) and title else None
    if source.get("type") == "text":
        text = text_of(source.get("data"), f"{field}.source.data")
        return (*before, c.Document("text/plain", text=text, name=name, cache=_cache(block)))
    if source.get("type") == "content":
        return (*before, *_content(source.get("content"), f"{field}.source.content"))
    return (*before, c.Document(**_place(source, f"{field}.source"), name=name, cache=_cache(block)))


def _search_result(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    """A text for whoever reads it; the passages are cited by Claude only."""
    source, title = text_of(block.get("source"), f"{field}.source"), text_of(block.get("title"), f"{field}.title")
    if _optional(block.get("citations"), f"{field}.citations").get("enabled") is True:
        return (c.Foreign("anthropic", block),)
    texts = [text_of(object_of(each, field).get("text"), f"{field}.content.text") for each in _listed(block, field)]
    text = "\n\n".join((source, *texts))
    return (c.Document("text/plain", text=text, name=title or None, cache=_cache(block), own=block),)


def _listed(block: dict[str, Any], field: str) -> list[Any]:
    return array_of(block.get("content"), f"{field}.content")


def _place(source: dict[str, Any], field: str) -> dict[str, Any]:
    """Where the bytes of an image or a document are."""
    kind = source.get("type")
    if kind == "base64":
        media_type = media_types.registered(text_of(source.get("media_type"), f"{field}.media_type"))
        return {"media_type": media_type, "data": text_of(source.get("data"), f"{field}.data")}
    if kind == "url":
        return {"url": text_of(source.get("url"), f"{field}.url")}
    if kind == "file":
        return {"file_id": text_of(source.get("file_id"), f"{field}.file_id")}
    raise wrong(f"{field}.type", "must be base64, url or file")


def _tool_use(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    given = block.get("input")
    # What is no object was broken by whoever sent it, and is wrapped by the provider's side.
    written = given if isinstance(given, str) else orjson.dumps(given).decode()
    call_id, name = text_of(block.get("id"), f"{field}.id"), name_of(block.get("name"), f"{field}.name")
    return (c.ToolCall(call_id, name, written if given is not None else "{}", cache=_cache(block)),)


def _tool_result(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    call_id = text_of(block.get("tool_use_id"), f"{field}.tool_use_id")
    parts = _content(block.get("content"), f"{field}.content")
    return (c.ToolResult(call_id, parts, block.get("is_error") is True, cache=_cache(block)),)


def _thinking(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    signature = block.get("signature")
    text = text_of(block.get("thinking"), f"{field}.thinking")
    if not text and not signature:
        return ()
    return (c.Reasoning(text, signature if isinstance(signature, str) and signature else None),)


def _redacted(block: dict[str, Any], field: str) -> tuple[c.Part, ...]:
    return (c.Reasoning(redacted=text_of(block.get("data"), f"{field}.data")),)


_BLOCKS: dict[str, Callable[[dict[str, Any], str], tuple[c.Part, ...]]] = {
    "document": _document,
    "image": _image,
    "redacted_thinking": _redacted,
    "search_result": _search_result,
    "text": _text_block,
    "thinking": _thinking,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
}


def _optional(value: Any, field: str) -> dict[str, Any]:
    return {} if value is None else object_of(value, field)


def _cache(block: Mapping[str, Any]) -> dict[str, Any] | None:
    cache = block.get("cache_control")
    return cache if isinstance(cache, dict) else None
