"""Where an answer is from, as OpenAI's ``url_citation`` annotations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


class Sources:
    """The sources of one choice; each is told once, however often a stream repeats it.

    :ivar texts: what was said so far: Google counts places in bytes, OpenAI in characters.
    """

    __slots__ = ("_told", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._told: set[tuple[str, int, int]] = set()

    def read(self, name: str, metadata: Any) -> list[Json]:
        """The annotations that a candidate's ``citationMetadata`` or ``groundingMetadata`` adds."""
        if not isinstance(metadata, dict):
            return []
        read = _cited if name == "citationMetadata" else _grounded
        found = list(read(metadata))
        if not found:
            return []
        said = "".join(self.texts).encode("utf-8", "replace")
        annotations = []
        for url, title, start, end in found:
            begin, close = _characters(said, start), _characters(said, len(said) if end is None else end)
            if (url, begin, close) not in self._told:
                self._told.add((url, begin, close))
                citation = {"start_index": begin, "end_index": close, "url": url, "title": title}
                annotations.append({"type": "url_citation", "url_citation": citation})
        return annotations


def _characters(said: bytes, place: int) -> int:
    return len(said[:place].decode("utf-8", "ignore"))


_Found = Iterator[tuple[str, str, int, int | None]]


def _cited(metadata: Json) -> _Found:
    """``citationSources`` on AI Studio, ``citations`` on Vertex AI."""
    for each in _objects(metadata.get("citationSources")) + _objects(metadata.get("citations")):
        url = each.get("uri")
        if isinstance(url, str) and url:
            yield url, _title(each), _place(each.get("startIndex")), _end(each.get("endIndex"))


def _grounded(metadata: Json) -> _Found:
    """What Google searched, by the segments that it supports; or as a whole, where no segment is named."""
    chunks = metadata.get("groundingChunks")
    sources = [_source(chunk) for chunk in chunks] if isinstance(chunks, list) else []
    supports = _objects(metadata.get("groundingSupports"))
    for support in supports:
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            source = sources[index] if type(index) is int and 0 <= index < len(sources) else None
            if source is not None:
                yield *source, _place(segment.get("startIndex")), _end(segment.get("endIndex"))
    if not supports:
        for source in sources:
            if source is not None:
                yield *source, 0, None


def _source(chunk: Any) -> tuple[str, str] | None:
    """Address and title of a page, a document or a place on the map."""
    for kind in ("web", "retrievedContext", "maps"):
        found = chunk.get(kind) if isinstance(chunk, dict) else None
        if isinstance(found, dict) and isinstance(found.get("uri"), str) and found["uri"]:
            return found["uri"], _title(found)
    return None


def _title(source: Json) -> str:
    title = source.get("title")
    return title if isinstance(title, str) else ""


def _objects(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _place(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _end(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
