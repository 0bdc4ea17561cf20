"""The ``input`` of a request: items, read into turns.

What the model said, thought and called in a row is one turn of its own, whatever number of items it was: providers
want the calls of parallel tools together. The output of a tool belongs directly behind its call; a message that a
client has put between the two (Codex does) is moved behind it.

A conversation may have begun at OpenAI. What its own tools did there (searches, code that it ran, pictures) says
nothing to others, who were not asked for it and have no call that it is the result of: it is left out. Tools that the
client runs for OpenAI (shell, patches) are calls and outputs as those of functions are, and are told as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import orjson

from aigw.llm import call as c
from aigw.llm.dialects.chat import document_of, image_of
from aigw.llm.dialects.fields import array_of, name_of, object_of, optional_text, text_of, unsupported, wrong
from aigw.llm.dialects.responses import sealed
from aigw.llm.dialects.responses.tools import Toolbox, custom_arguments, name_behind

Item = dict[str, Any]

_ROLES: dict[Any, c.Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}

_STORED = (
    "nothing is stored, so no item can be referred to; have the client send items whole, as it does with store: false"
    " (AI SDK: providerOptions.openai.store = false)"
)

#: What OpenAI's own tools did, and what it asked or was told about them.
_HOSTED = frozenset(
    (
        *("code_interpreter_call", "configuration_update", "file_search_call", "image_generation_call"),
        *("mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools", "program", "program_output"),
        *("tool_search_call", "tool_search_output", "web_search_call"),
    )
)
#: Calls of OpenAI's tools that the client runs, with the member that says what to do; their outputs end in ``_output``.
_CLIENT_RUN = {
    "apply_patch_call": "operation",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
}


class Conversation:
    """Turns as they are read.

    :param toolbox: the tools of the request; items may add to them.
    """

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._signatures: dict[str, str] = {}
        #: The turns up to the last answer and the outputs of its calls; messages behind them, which more outputs may
        #: still have to go before.
        self._turns: list[c.Turn] = []
        self._behind: list[c.Turn] = []
        #: The answer that is being read: its parts, and where it began; the calls that outputs at its end may be of.
        self._answer: list[c.Part] | None = None
        self._field = ""
        self._calls: set[str] = set()

    def instruct(self, text: str) -> None:
        """What the client says before its ``input``."""
        self._say("system", (c.Text(text),), "instructions")

    def turns(self) -> tuple[c.Turn, ...]:
        """All that was read."""
        self._end_answer()
        return (*self._turns, *self._behind)

    def read(self, given: Any) -> None:
        """Read ``input``: a text, or items.

        :raises BadRequest: it is malformed, or means something that is stored elsewhere.
        """
        if isinstance(given, str):
            self._say("user", (c.Text(given),), "input")
            return
        if not isinstance(given, list):
            raise wrong("input", "must be a string or an array of items")
        for index, item in enumerate(given):
            self._item(object_of(item, f"input[{index}]"), f"input[{index}]")

    def _item(self, item: Item, field: str) -> None:
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        read = _ITEMS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            read(self, item, field)
        elif not isinstance(kind, str) or kind not in _HOSTED:
            self._say("assistant", (c.Foreign("responses", item),), field)

    def _say(self, role: c.Role, parts: tuple[c.Part, ...], field: str) -> None:
        if role != "assistant":
            self._behind.append(c.Turn(role, parts, field))
            return
        if self._answer is None or self._behind:
            self._end_answer()
            self._take_behind()
            self._answer, self._field = [], field
        self._answer += parts
        self._calls.update(part.id for part in parts if isinstance(part, c.ToolCall))

    def _end_answer(self) -> None:
        if self._answer is not None:
            self._turns.append(c.Turn("assistant", tuple(self._answer), self._field))
            self._answer = None

    def _take_behind(self) -> None:
        """Nothing goes before the messages at the end any more."""
        self._turns += self._behind
        self._behind.clear()
        self._calls.clear()

    # -- items

    def _message(self, item: Item, field: str) -> None:
        role = item.get("role")
        known = _ROLES.get(role) if isinstance(role, str) else None
        if known is None:
            raise wrong(f"{field}.role", f"must be one of {', '.join(_ROLES)}")
        self._say(known, _content(item.get("content"), f"{field}.content"), field)

    def _function_call(self, item: Item, field: str) -> None:
        arguments = item.get("arguments")
        self._call(item, field, arguments if isinstance(arguments, str) and arguments.strip() else "{}")

    def _custom_call(self, item: Item, field: str) -> None:
        self._call(item, field, custom_arguments(text_of(item.get("input"), f"{field}.input")))

    def _call(self, item: Item, field: str, arguments: str) -> None:
        call_id = text_of(item.get("call_id"), f"{field}.call_id")
        name = name_behind(name_of(item.get("name"), f"{field}.name"), optional_text(item.get("namespace")))
        self._say("assistant", (c.ToolCall(call_id, name, arguments, self._signatures.pop(call_id, None)),), field)

    def _client_run(self, item: Item, field: str) -> None:
        """A call of a tool that the client runs; one without an id is OpenAI's own affair."""
        kind = item["type"]
        call_id = optional_text(item.get("call_id")) or optional_text(item.get("id"))
        asked = item.get(_CLIENT_RUN[kind])
        if call_id is not None:
            arguments = orjson.dumps(asked if isinstance(asked, dict) else {}).decode()
            self._say("assistant", (c.ToolCall(call_id, kind.removesuffix("_call"), arguments),), field)

    def _client_output(self, item: Item, field: str) -> None:
        """Its output: a text, a picture of the screen, or something else that is told as JSON."""
        call_id = optional_text(item.get("call_id")) or optional_text(item.get("id"))
        output = item.get("output")
        picture = optional_text(output.get("image_url")) if isinstance(output, dict) else None
        part: c.Part
        if picture is not None:
            part = image_of(picture, None, f"{field}.output.image_url")
        else:
            part = c.Text(output if isinstance(output, str) else orjson.dumps(output).decode())
        if call_id is not None:
            self._answered(c.ToolResult(call_id, (part,)), field)

    def _output(self, item: Item, field: str) -> None:
        call_id = text_of(item.get("call_id"), f"{field}.call_id")
        parts = _content(item.get("output"), f"{field}.output")
        self._answered(c.ToolResult(call_id, parts, name=optional_text(item.get("name"))), field)

    def _answered(self, result: c.ToolResult, field: str) -> None:
        """A result belongs behind its call's turn and the outputs that follow that, one of no call where it is."""
        self._end_answer()
        if self._behind and result.id not in self._calls:
            self._take_behind()
        self._turns.append(c.Turn("user", (result,), field))

    def _reasoning(self, item: Item, field: str) -> None:
        texts = [*_texts(item.get("summary"), f"{field}.summary"), *_texts(item.get("content"), f"{field}.content")]
        thought = sealed.read(optional_text(item.get("encrypted_content")), "\n\n".join(filter(None, texts)))
        if isinstance(thought, sealed.CallSignature):
            self._signatures[thought.call_id] = thought.signature
        elif thought is not None:
            self._say("assistant", (thought,), field)

    def _more_tools(self, item: Item, field: str) -> None:
        self._toolbox.add_all(item.get("tools"), f"{field}.tools")

    def _refuse_reference(self, item: Item, field: str) -> None:
        raise unsupported(field, _STORED)

    def _refuse_compaction(self, item: Item, field: str) -> None:
        raise unsupported(field, "only OpenAI can read what it has compacted; send the conversation itself")


_ITEMS: dict[str, Callable[[Conversation, Item, str], None]] = {
    "message": Conversation._message,
    "function_call": Conversation._function_call,
    "function_call_output": Conversation._output,
    "custom_tool_call": Conversation._custom_call,
    "custom_tool_call_output": Conversation._output,
    **dict.fromkeys(_CLIENT_RUN, Conversation._client_run),
    **dict.fromkeys((f"{kind}_output" for kind in _CLIENT_RUN), Conversation._client_output),
    "reasoning": Conversation._reasoning,
    "additional_tools": Conversation._more_tools,
    "item_reference": Conversation._refuse_reference,
    "compaction": Conversation._refuse_compaction,
    "compaction_trigger": Conversation._refuse_compaction,
}


def _texts(parts: Any, field: str) -> list[str]:
    """The texts of a reasoning item's ``summary`` or ``content``."""
    return [
        text for part in array_of(parts, field) if isinstance(part, dict) and (text := optional_text(part.get("text")))
    ]


# -- content


def _content(content: Any, field: str) -> tuple[c.Part, ...]:
    """A message's content or a tool's output: a text, or parts."""
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (c.Text(content),)
    return tuple(_part(part, f"{field}[{index}]") for index, part in enumerate(array_of(content, field)))


def _part(part: Any, field: str) -> c.Part:
    part = object_of(part, field)
    kind = part.get("type")
    read = _PARTS.get(kind) if isinstance(kind, str) else None
    return read(part, field) if read is not None else c.Foreign("responses", part)


def _text(part: Item, field: str) -> c.Part:
    return c.Text(text_of(part.get("text"), f"{field}.text"), _cache(part))


def _refusal(part: Item, field: str) -> c.Part:
    return c.Text(text_of(part.get("refusal", part.get("text")), f"{field}.refusal"))


def _image(part: Item, field: str) -> c.Part:
    detail = optional_text(part.get("detail"))
    file_id = optional_text(part.get("file_id"))
    if part.get("image_url") is None and file_id is not None:
        return c.Image(file_id=file_id, detail=detail, cache=_cache(part))
    url = text_of(part.get("image_url"), f"{field}.image_url")
    return attrs.evolve(image_of(url, detail, f"{field}.image_url"), cache=_cache(part))


def _file(part: Item, field: str) -> c.Part:
    url, name = optional_text(part.get("file_url")), optional_text(part.get("filename"))
    if url is not None:
        return c.Document(url=url, name=name, cache=_cache(part))
    return attrs.evolve(document_of(part.get("file_data"), part.get("file_id"), name, field), cache=_cache(part))


def _audio(part: Item, field: str) -> c.Part:
    audio = object_of(part.get("input_audio"), f"{field}.input_audio")
    data = text_of(audio.get("data"), f"{field}.input_audio.data")
    return c.Audio(data, text_of(audio.get("format"), f"{field}.input_audio.format"))


def _cache(part: Item) -> dict[str, Any] | None:
    """A cache mark, in Anthropic's form or in OpenAI's (``prompt_cache_breakpoint``)."""
    mark = part.get("cache_control")
    if isinstance(mark, dict):
        return mark
    return {"type": "ephemeral"} if isinstance(part.get("prompt_cache_breakpoint"), dict) else None


_PARTS: dict[str, Callable[[Item, str], c.Part]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
