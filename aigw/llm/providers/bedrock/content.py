"""A call's turns as Converse's ``system`` and ``messages``.

The rules that are not visible in the shapes: messages alternate and begin with a user's; the results of tools come
first in the message behind the calls; blocks of blank text are refused; a document needs text beside it and a name
of its own; thoughts go back only with their signature. A cache mark is a block of its own behind the marked one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aigw.llm import call as c
from aigw.llm.arguments import as_object
from aigw.llm.providers.bedrock.media import AUDIO, DOCUMENTS, IMAGES, VIDEOS, format_of
from aigw.llm.providers.bedrock.models import Family
from aigw.llm.providers.bedrock.names import DocumentNames, tool_id
from aigw.llm.providers.bedrock.own_blocks import cited_document, search_result
from aigw.llm.signatures import may_be

Block = dict[str, Any]
#: A part with the name of the client's field that it is in.
Placed = tuple[c.Part, str]

#: Said by the user where the client's conversation begins with the assistant.
_GO_ON = "Please continue."
#: The content of a result that has none.
_NO_OUTPUT = "(no output)"

#: Converse's own blocks, which clients of Bedrock may put among their parts.
_OWN_BLOCKS = frozenset(("audio", "cachePoint", "document", "guardContent", "image", "searchResult", "video"))


class Conversation:
    """Writes the turns of one call.

    :param names: see :func:`aigw.llm.tool_names.fitting_names`.
    :ivar calls: whether there are calls of tools, or results of them.
    """

    def __init__(self, call: c.Call, family: Family, names: dict[str, str], provider: str) -> None:
        self.calls = False
        self._call = call
        self._family = family
        self._names = names
        self._provider = provider
        self._documents = DocumentNames()

    def written(self, hint: str | None = None) -> tuple[list[Block], list[Block]]:
        """``system``, empty if there is none, and ``messages``.

        :param hint: added to the system's text.
        """
        system = self._blocks(_parts(turn for turn in self._call.turns if turn.role == "system"), "system")
        messages: list[Block] = []
        for role, parts in _runs(turn for turn in self._call.turns if turn.role != "system"):
            self._add(messages, role, self._blocks(parts))
        if messages and messages[0]["role"] == "assistant":
            messages.insert(0, {"role": "user", "content": [{"text": _GO_ON}]})
        if messages and messages[-1]["role"] == "assistant":
            _strip_end(messages[-1]["content"])
        if not messages and system:  # system text alone is a request that OpenAI answers
            messages, system = [{"role": "user", "content": system}], []
        if hint is not None:
            system.append({"text": hint})
        return system, messages

    def _add(self, messages: list[Block], role: str, content: list[Block]) -> None:
        named = [block["document"]["name"] for block in content if isinstance(block.get("document"), dict)]
        if named and not any("text" in block for block in content):
            # Behind the results of tools, which come first.
            results = sum("toolResult" in block for block in content)
            content.insert(results, {"text": ", ".join(map(str, named))})
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += content
        elif content:
            messages.append({"role": role, "content": content})

    # -- blocks

    def _blocks(self, parts: Iterable[Placed], where: str = "messages") -> list[Block]:
        blocks: list[Block] = []
        for part, field in parts:
            if where == "system" and not isinstance(part, c.Text | c.Foreign):
                self._without(field, "system messages must be text")
                continue
            block = _WRITE[type(part)](self, part, field)
            if block is not None:
                blocks.append(block)
                blocks += self._mark(_cache_of(part), where)
        return blocks

    def _mark(self, cache: dict[str, Any] | None, where: str) -> list[Block]:
        return [cache_point(cache)] if cache is not None and where in self._family.caches else []

    def _text(self, part: c.Text, field: str) -> Block | None:
        return {"text": part.text} if part.text.strip() else None

    def _image(self, part: c.Image, field: str) -> Block | None:
        return self._media("image", IMAGES, part.media_type, part, field)

    def _audio(self, part: c.Audio, field: str) -> Block | None:
        if part.format not in AUDIO.values():
            return self._without(field, f"there is no sound of format {part.format}")
        return {"audio": {"format": part.format, "source": {"bytes": part.data}}}

    def _document(self, part: c.Document, field: str) -> Block | None:
        own = search_result(part.own) if part.own is not None and self._family.reasoning == "claude" else None
        if own is not None:
            return own
        kind = (part.media_type or "").partition("/")[0]
        if kind == "image":
            return self._media("image", IMAGES, part.media_type, part, field)
        if kind == "video":
            return self._media("video", VIDEOS, part.media_type, part, field)
        if kind == "audio":
            return self._media("audio", AUDIO, part.media_type, part, field)
        if part.text is not None:
            data = base64.b64encode(part.text.encode("utf-8", "replace")).decode("ascii")
            return self._named(part, {"format": "txt", "source": {"bytes": data}})
        block = self._media("document", DOCUMENTS, part.media_type, part, field)
        return self._named(part, block["document"]) if block is not None else None

    def _named(self, part: c.Document, document: Block) -> Block:
        return {"document": {"name": self._documents.name(part.name), **document}}

    def _media(
        self, kind: str, formats: dict[str, str], media_type: str | None, part: c.Image | c.Document, field: str
    ) -> Block | None:
        source = self._source(part, field)
        if source is None:
            return None
        name = part.name if isinstance(part, c.Document) else None
        form = format_of(formats, media_type, name or part.url)
        if form is None:
            return self._without(field, f"{media_type or 'a file'} is no {kind} that it takes")
        return {kind: {"format": form, "source": source}}

    def _source(self, part: c.Image | c.Document, field: str) -> Block | None:
        if part.data is not None:
            return {"bytes": part.data}
        if part.url is not None and part.url.startswith("s3://"):
            return {"s3Location": {"uri": part.url}}
        if part.url is not None:
            return self._without(field, "it fetches nothing; send the data itself (a data: URL), or an s3:// URL")
        return self._without(field, "it keeps no files; send the data itself")

    def _reasoning(self, part: c.Reasoning, field: str) -> Block | None:
        if part.redacted is not None:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        if not may_be(part.signature, "anthropic"):
            return None
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}

    def _tool_call(self, part: c.ToolCall, field: str) -> Block | None:
        self.calls = True
        name = self._names.get(part.name, part.name)
        return {"toolUse": {"toolUseId": tool_id(part.id), "name": name, "input": as_object(part.arguments)}}

    def _tool_result(self, part: c.ToolResult, field: str) -> Block | None:
        self.calls = True
        content = self._blocks(((each, field) for each in part.parts), where="results")
        if part.error and not self._family.statuses:
            content.insert(0, {"text": "Error:"})
        result: Block = {"toolUseId": tool_id(part.id), "content": content or [{"text": _NO_OUTPUT}]}
        if part.error and self._family.statuses:
            result["status"] = "error"
        return {"toolResult": result}

    def _foreign(self, part: c.Foreign, field: str) -> Block | None:
        kind = part.fields.get("type")
        if part.dialect == "anthropic" and self._family.reasoning == "claude":
            block = self._own_block(kind, part.fields)
            if block is not None:
                return block
        own = [name for name in part.fields if name in _OWN_BLOCKS]
        if part.dialect == "openai" and len(own) == 1:
            return {own[0]: part.fields[own[0]]}
        video = part.fields.get("video_url")
        url = video.get("url") if isinstance(video, dict) else video
        if part.dialect == "openai" and isinstance(url, str):
            return self._video(url, field)
        return self._without(field, f"it has no parts of type {kind}")

    def _own_block(self, kind: Any, fields: dict[str, Any]) -> Block | None:
        """A block of Anthropic's own, where Converse has it for Claude."""
        if kind == "search_result":
            return search_result(fields)
        return cited_document(fields, self._documents) if kind == "document" else None

    def _video(self, url: str, field: str) -> Block | None:
        """A video by its URL, as compatible servers take it."""
        head, comma, data = url.removeprefix("data:").partition(";base64,")
        part = c.Document(head, data) if comma and url.startswith("data:") else c.Document(url=url)
        return self._media("video", VIDEOS, part.media_type, part, field)

    def _without(self, field: str, why: str) -> Block | None:
        """No block, where that is allowed."""
        self._call.unsupported(field, self._provider, why)
        return None


_WRITE: dict[type, Callable[[Conversation, Any, str], Block | None]] = {
    c.Text: Conversation._text,
    c.Image: Conversation._image,
    c.Audio: Conversation._audio,
    c.Document: Conversation._document,
    c.Reasoning: Conversation._reasoning,
    c.ToolCall: Conversation._tool_call,
    c.ToolResult: Conversation._tool_result,
    c.Foreign: Conversation._foreign,
}


def _cache_of(part: c.Part) -> dict[str, Any] | None:
    """The mark of a part. Inside of a tool's result there can be none, so one that is there is behind the result."""
    cache: Any = part.fields.get("cache_control") if isinstance(part, c.Foreign) else getattr(part, "cache", None)
    if cache is None and isinstance(part, c.ToolResult):
        cache = next((mark for each in reversed(part.parts) if (mark := getattr(each, "cache", None))), None)
    return cache if isinstance(cache, dict) else None


def cache_point(cache: dict[str, Any]) -> Block:
    """Anthropic's cache mark as Converse has it."""
    ttl = {"ttl": "1h"} if cache.get("ttl") == "1h" else {}
    return {"cachePoint": {"type": "default", **ttl}}


def _parts(turns: Iterable[c.Turn]) -> list[Placed]:
    return [(part, turn.field) for turn in turns for part in turn.parts]


def _runs(turns: Iterable[c.Turn]) -> list[tuple[str, Sequence[Placed]]]:
    """Neighbours of one role together; in a user's run the results of tools come first."""
    runs: list[tuple[str, list[Placed]]] = []
    for turn in turns:
        if not runs or runs[-1][0] != turn.role:
            runs.append((turn.role, []))
        runs[-1][1].extend(_parts((turn,)))
    return [(role, sorted(parts, key=lambda each: not isinstance(each[0], c.ToolResult))) for role, parts in runs]


def _strip_end(content: list[Block]) -> None:
    """Text that the model is to continue must not end in blanks."""
    text = content[-1].get("text")
    if isinstance(text, str):
        content[-1] = {"text": text.rstrip()}
