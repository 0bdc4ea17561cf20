"""Where an answer is from, as OpenAI's ``url_citation`` annotations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


#: Bytes of a text whose characters are counted together.
_BLOCK = 256
#: Bytes of UTF-8 that begin no character.
_WITHIN = bytes(range(0x80, 0xC0))
#: How often a source is named again, on the average of all, and characters that are named again beside. Providers cite
#: a page a few times; one that has its address repeated for each word makes megabytes of kilobytes.
_AGAIN, _BESIDE = 16, 64 * 1024


class _Said:
    """What one choice said so far: Google counts places in bytes, OpenAI in characters."""

    __slots__ = ("_before", "_bytes", "_new")

    def __init__(self) -> None:
        self._new: list[str] = []
        self._bytes = bytearray()
        self._before = [0]  # characters that begin before each whole block

    def add(self, text: str) -> None:
        """More of it."""
        self._new.append(text)

    def size(self) -> int:
        """In bytes."""
        if self._new:
            self._bytes += "".join(self._new).encode("utf-8", "replace")
            self._new.clear()
            for begin in range(_BLOCK * (len(self._before) - 1), len(self._bytes) - _BLOCK + 1, _BLOCK):
                self._before.append(self._before[-1] + self._begun(begin, begin + _BLOCK))
        return len(self._bytes)

    def characters(self, place: int) -> int:
        """How many whole characters there are before ``place``, in bytes."""
        place = min(place, self.size())
        block = place // _BLOCK
        begun = self._before[block] + self._begun(block * _BLOCK, place)
        cut = place < len(self._bytes) and 0x80 <= self._bytes[place] < 0xC0
        return begun - cut

    def _begun(self, begin: int, end: int) -> int:
        return len(self._bytes[begin:end].translate(None, _WITHIN))


class Sources:
    """The sources of one choice; each is told once, however often a stream repeats it.

    :ivar said: what was said so far.
    """

    __slots__ = ("_room", "_told", "said")

    def __init__(self) -> None:
        self.said = _Said()
        self._told: set[tuple[str, int, int]] = set()
        self._room = _BESIDE  # characters of sources that may be told again

    def read(self, name: str, metadata: Any) -> list[Json]:
        """The annotations that a candidate's ``citationMetadata`` or ``groundingMetadata`` adds."""
        if not isinstance(metadata, dict):
            return []
        if name == "citationMetadata":
            found = list(_cited(metadata))
        else:
            pages = _pages(metadata)
            self._room += _AGAIN * sum(len(page[0]) + len(page[1]) for page in pages if page is not None)
            found = list(_grounded(metadata, pages))
        annotations = []
        for url, title, start, end in found:
            begin, close = self.said.characters(start), self.said.characters(self.said.size() if end is None else end)
            if self._tells(url, title, begin, close):
                citation = {"start_index": begin, "end_index": close, "url": url, "title": title}
                annotations.append({"type": "url_citation", "url_citation": citation})
        return annotations

    def _tells(self, url: str, title: str, begin: int, close: int) -> bool:
        """Whether a source is told: for the first time at its place, and while there is room."""
        if self._room < 0 or (url, begin, close) in self._told:
            return False
        self._told.add((url, begin, close))
        self._room -= len(url) + len(title)
        return True


_Page = tuple[str, str] | None
_Found = Iterator[tuple[str, str, int, int | None]]


def _cited(metadata: Json) -> _Found:
    """``citationSources`` on AI Studio, ``citations`` on Vertex AI."""
    for each in _objects(metadata.get("citationSources")) + _objects(metadata.get("citations")):
        url = each.get("uri")
        if isinstance(url, str) and url:
            yield url, _title(each), _place(each.get("startIndex")), _end(each.get("endIndex"))


def _pages(metadata: Json) -> list[_Page]:
    chunks = metadata.get("groundingChunks")
    return [_source(chunk) for chunk in chunks] if isinstance(chunks, list) else []


def _grounded(metadata: Json, sources: list[_Page]) -> _Found:
    """What Google searched, by the segments that it supports; or as a whole, where no segment is named."""
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


def _source(chunk: Any) -> _Page:
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
