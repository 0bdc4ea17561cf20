"""Parts of turns as chat completions write them, one function each.

A function returns None for what the API has no form for; the caller says so to the client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aigw.llm import call as c

Written = dict[str, Any] | None
Parts = Mapping[type, Callable[[Any], Written]]


def text(part: c.Text) -> Written:
    """Some text."""
    return {"type": "text", "text": part.text}


def image_url(part: c.Image) -> str | None:
    """Where an image is; that may be a ``data:`` URL. None if it is an uploaded file."""
    if part.data is not None:
        return f"data:{part.media_type or 'image/png'};base64,{part.data}"
    return part.url


def image(part: c.Image) -> Written:
    """A picture by its URL."""
    url = image_url(part)
    if url is None:
        return None
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def audio(part: c.Audio) -> Written:
    """Sound."""
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


def document(part: c.Document) -> Written:
    """A file: its text as text, its bytes with a name, or the id of an uploaded one. URLs are not fetched."""
    if part.text is not None:
        return {"type": "text", "text": titled(part)}
    if part.data is not None:
        media_type = part.media_type or "application/pdf"
        name = part.name or f"document.{media_type.rpartition('/')[2]}"
        return {"type": "file", "file": {"filename": name, "file_data": f"data:{media_type};base64,{part.data}"}}
    return {"type": "file", "file": {"file_id": part.file_id}} if part.file_id is not None else None


def titled(part: c.Document) -> str:
    """The text of a document, below its name if it has one."""
    return f"{part.name}\n\n{part.text}" if part.name else part.text or ""


def foreign(part: c.Foreign) -> Written:
    """What only OpenAI has goes there as it is."""
    return part.fields if part.dialect == "openai" else None


PARTS: Parts = {c.Text: text, c.Image: image, c.Audio: audio, c.Document: document, c.Foreign: foreign}
