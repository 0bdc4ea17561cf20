"""A call's turns as Anthropic's ``system`` and ``messages``.

The rules that are not visible in the shapes: turns alternate; results of tools come first in the turn behind the one
that called them; blocks of blank text, and messages without any block, are refused; the last assistant's text must
not end in blanks; thoughts go back only with their signature.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Any

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm.arguments import as_object
from aigw.llm.providers.anthropic.models import Traits
from aigw.llm.providers.anthropic.thinking import is_proven

Block = dict[str, Any]

_IMAGES = frozenset(("image/gif", "image/jpeg", "image/png", "image/webp"))
#: Named files are not in the version of the API that is asked for.
_FILES_BETA = "files-api-2025-04-14"

_PLAIN_TEXT = {"type", "text"}
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class Conversation:
    """Writes the turns of one call.

    :param betas: added to where the turns need one.
    :ivar called: the names of all tools that were called, in their order, each once.
    """

    def __init__(
        self, call: c.Call, traits: Traits, provider: str, betas: set[str], *, fetches_urls: bool, has_files: bool
    ) -> None:
        self.called: dict[str, None] = {}
        self._call = call
        self._traits = traits
        self._provider = provider
        self._betas = betas
        self._fetches_urls = fetches_urls
        self._has_files = has_files

    def written(self, hint: str | None = None) -> tuple[str | list[Block], list[Block]]:
        """``system``, empty if there is none, and ``messages``.

        :param hint: added to the system's text.
        """
        system, turns = self._arranged()
        blocks = self._blocks(system)
        messages = []
        for role, parts in turns:
            content = self._blocks(parts)
            if content:
                messages.append({"role": role, "content": _content(content)})
        if messages and messages[-1]["role"] == "assistant":
            _strip_end(messages[-1])
        if not messages and blocks:  # system text alone is a request that OpenAI answers
            messages, blocks = [{"role": "user", "content": _content(blocks)}], []
        if hint is not None:
            blocks.append({"type": "text", "text": hint})
        return _content(blocks), messages

    # -- turns

    def _arranged(self) -> tuple[list[tuple[c.Part, str]], list[tuple[str, list[tuple[c.Part, str]]]]]:
        """The system's parts and the turns in their order, each part with the name of the client's field.

        System turns behind the first others stay where they are if the model takes them behind a user's turn; else
        they go to the top.
        """
        _, rest = c.leading_system(self._call.turns)
        system = _parts(self._call.turns[: len(self._call.turns) - len(rest)])
        turns: list[tuple[str, list[tuple[c.Part, str]]]] = []
        for run in _between_answers(rest):
            later = _parts(turn for turn in run if turn.role == "system")
            said = _parts(turn for turn in run if turn.role == "user")
            if said:
                turns.append(("user", sorted(said, key=lambda each: not isinstance(each[0], c.ToolResult))))
            if later and said and self._traits.system_turns:
                turns.append(("system", later))
            else:
                system += later
            answered = _parts(turn for turn in run if turn.role == "assistant")
            if answered:
                turns.append(("assistant", answered))
        return system, turns

    # -- blocks

    def _blocks(self, parts: Iterable[tuple[c.Part, str]]) -> list[Block]:
        return [block for part, field in parts if (block := _WRITE[type(part)](self, part, field)) is not None]

    def _text(self, part: c.Text, field: str) -> Block | None:
        return _cached({"type": "text", "text": part.text}, part.cache) if part.text.strip() else None

    def _image(self, part: c.Image, field: str) -> Block | None:
        source = self._place(part.url, part.file_id, field)
        if part.data is not None:
            if part.media_type not in _IMAGES:
                return self._without(field, f"images must be {', '.join(sorted(_IMAGES))}, not {part.media_type}")
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return _cached({"type": "image", "source": source}, part.cache) if source is not None else None

    def _document(self, part: c.Document, field: str) -> Block | None:
        if part.own is not None:
            return part.own
        source = self._document_source(part, field)
        if source is None:
            return None
        block: Block = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        return _cached(block, part.cache)

    def _document_source(self, part: c.Document, field: str) -> Block | None:
        text = part.text
        if part.data is not None:
            if part.media_type == "application/pdf":
                return {"type": "base64", "media_type": part.media_type, "data": part.data}
            if not (part.media_type or "").startswith("text/"):
                return self._without(field, f"files must be PDF or text, not {part.media_type}")
            text = _decoded(part.data, field)
        if text is not None:
            return {"type": "text", "media_type": "text/plain", "data": text}
        return self._place(part.url, part.file_id, field)

    def _place(self, url: str | None, file_id: str | None, field: str) -> Block | None:
        """A source that names where something is."""
        if url is not None:
            if not self._fetches_urls or not url.startswith(("https://", "http://")):
                return self._without(field, "send the data itself (a data: URL)")
            return {"type": "url", "url": url}
        if file_id is not None:
            if not self._has_files:
                return self._without(field, "it keeps no files; send the data itself")
            self._betas.add(_FILES_BETA)
            return {"type": "file", "file_id": file_id}
        return None

    def _audio(self, part: c.Audio, field: str) -> Block | None:
        return self._without(field, "it does not hear")

    def _reasoning(self, part: c.Reasoning, field: str) -> Block | None:
        if not is_proven(part):
            return None
        if part.redacted is not None:
            return {"type": "redacted_thinking", "data": part.redacted}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}

    def _tool_call(self, part: c.ToolCall, field: str) -> Block | None:
        self.called[part.name] = None
        block = {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": as_object(part.arguments)}
        return _cached(block, part.cache)

    def _tool_result(self, part: c.ToolResult, field: str) -> Block | None:
        block: Block = {"type": "tool_result", "tool_use_id": _id(part.id)}
        content = self._blocks((each, field) for each in part.parts)
        if content:
            block["content"] = _content(content)
        if part.error:
            block["is_error"] = True
        return _cached(block, part.cache)

    def _foreign(self, part: c.Foreign, field: str) -> Block | None:
        if part.dialect == "anthropic":
            return part.fields
        return self._without(field, f"it has no parts of type {part.fields.get('type')}")

    def _without(self, field: str, why: str) -> Block | None:
        """No block, where that is allowed."""
        self._call.unsupported(field, self._provider, why)
        return None


_WRITE: dict[type, Callable[[Conversation, Any, str], Block | None]] = {
    c.Text: Conversation._text,
    c.Image: Conversation._image,
    c.Document: Conversation._document,
    c.Audio: Conversation._audio,
    c.Reasoning: Conversation._reasoning,
    c.ToolCall: Conversation._tool_call,
    c.ToolResult: Conversation._tool_result,
    c.Foreign: Conversation._foreign,
}


def _between_answers(turns: Iterable[c.Turn]) -> list[list[c.Turn]]:
    """The turns in runs, each of which ends with what the assistant answered to it."""
    runs: list[list[c.Turn]] = [[]]
    for turn in turns:
        if turn.role != "assistant" and runs[-1] and runs[-1][-1].role == "assistant":
            runs.append([])
        runs[-1].append(turn)
    return runs


def _parts(turns: Iterable[c.Turn]) -> list[tuple[c.Part, str]]:
    return [(part, turn.field) for turn in turns for part in turn.parts]


def _content(blocks: list[Block]) -> str | list[Block]:
    """Text alone is a string, as everybody writes it."""
    if len(blocks) == 1 and blocks[0].keys() == _PLAIN_TEXT:
        return blocks[0]["text"]  # type: ignore[no-any-return]
    return blocks


def _strip_end(message: Block) -> None:
    """Text that the model is to continue must not end in blanks."""
    content = message["content"]
    if isinstance(content, str):
        message["content"] = content.rstrip()
    elif content[-1].get("type") == "text" and isinstance(content[-1].get("text"), str):
        content[-1] = {**content[-1], "text": content[-1]["text"].rstrip()}


def _cached(block: Block, cache: dict[str, Any] | None) -> Block:
    if cache is not None:
        block["cache_control"] = cache
    return block


def _id(call_id: str) -> str:
    """The id of a call as it is accepted, the same for the call and its result."""
    return _NOT_IN_ID.sub("_", call_id) or "call"


def _decoded(data: str, field: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise BadRequest(f"{field} must have valid base64", param=field, code="invalid_value") from None
