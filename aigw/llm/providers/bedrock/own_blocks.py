"""Blocks that only Anthropic's dialect has, as Converse has them for Claude.

Search results and documents that the model is to cite from, and the tools that Claude knows by heart and its client
runs (a computer, a shell, an editor, a memory); the latter go among the model's own fields, as
https://docs.aws.amazon.com/bedrock/latest/userguide/computer-use.html has it. What Anthropic's service runs itself
Bedrock does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aigw.llm.providers.bedrock.names import DocumentNames

Block = dict[str, Any]

_CLIENTS_TOOL = re.compile(r"(?:bash|computer|memory|text_editor)_20\d{6}")


def is_clients_tool(fields: Mapping[str, Any]) -> bool:
    """Whether a tool of Anthropic's is one that Claude knows and the client runs."""
    kind = fields.get("type")
    return isinstance(kind, str) and _CLIENTS_TOOL.fullmatch(kind) is not None


def search_result(block: Mapping[str, Any]) -> Block | None:
    """A ``search_result``; None if it is malformed."""
    source, title = block.get("source"), block.get("title")
    if not isinstance(source, str) or not isinstance(title, str):
        return None
    written: Block = {"source": source, "title": title, "content": _texts(block.get("content"))}
    return {"searchResult": {**written, **_citations(block)}}


def cited_document(block: Mapping[str, Any], names: DocumentNames) -> Block | None:
    """A ``document`` that is to be cited from; None if it has nothing that Converse takes."""
    source = block.get("source")
    made = _source(source) if isinstance(source, dict) else None
    if made is None:
        return None
    title, context = block.get("title"), block.get("context")
    written: Block = {"name": names.name(title if isinstance(title, str) else None), **made, **_citations(block)}
    return {"document": {**written, "context": context} if isinstance(context, str) and context else written}


def _source(source: Mapping[str, Any]) -> Block | None:
    kind, data = source.get("type"), source.get("data")
    if kind == "base64" and isinstance(data, str) and source.get("media_type") == "application/pdf":
        return {"format": "pdf", "source": {"bytes": data}}
    if kind == "text" and isinstance(data, str):
        return {"format": "txt", "source": {"text": data}}
    if kind == "content":
        return {"format": "txt", "source": {"content": _texts(source.get("content"))}}
    return None


def _texts(content: Any) -> list[Block]:
    """The texts of a content, which may be a string; each can be cited by itself."""
    if isinstance(content, str):
        return [{"text": content}]
    blocks = content if isinstance(content, list) else []
    return [{"text": each["text"]} for each in blocks if isinstance(each, dict) and isinstance(each.get("text"), str)]


def _citations(block: Mapping[str, Any]) -> Block:
    wish = block.get("citations")
    enabled = isinstance(wish, dict) and wish.get("enabled") is True
    return {"citations": {"enabled": True}} if enabled else {}
