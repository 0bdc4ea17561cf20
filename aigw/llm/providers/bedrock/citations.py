"""Converse's citations as OpenAI's annotations: pages of the web as they have them, others as Anthropic names them.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CitationLocation.html and
https://platform.claude.com/docs/en/build-with-claude/citations.
"""

from __future__ import annotations

from typing import Any

#: Anthropic's kinds by Converse's, with the names of what is cited, of where that begins and of where it ends.
_KINDS = {
    "documentChar": ("char_location", "document_index", "start_char_index", "end_char_index"),
    "documentChunk": ("content_block_location", "document_index", "start_block_index", "end_block_index"),
    "documentPage": ("page_location", "document_index", "start_page_number", "end_page_number"),
    "searchResultLocation": ("search_result_location", "search_result_index", "start_block_index", "end_block_index"),
}


def annotation_of(citation: dict[str, Any], begin: int, end: int) -> dict[str, Any]:
    """A citation of Converse's.

    :param begin: where the text that it belongs to begins, in characters; ``end``: where it ends.
    """
    where, title = _object(citation.get("location")), _text(citation.get("title"))
    place = {"start_index": begin, "end_index": end}
    url = _object(where.get("web")).get("url")
    if isinstance(url, str):
        return {"type": "url_citation", "url_citation": {"url": url, "title": title, **place}}
    kind = next((each for each in _KINDS if isinstance(where.get(each), dict)), None)
    if kind is None:
        return {"type": "citation", "citation": {**citation, **place}}
    name, index, first, last = _KINDS[kind]
    told = where[kind]
    cited: dict[str, Any] = {"cited_text": _cited_text(citation), **_title(kind, title, citation)}
    cited |= {index: told.get(_index_of(kind)), first: told.get("start"), last: told.get("end")}
    return {"type": name, name: {**cited, **place}}


def _index_of(kind: str) -> str:
    return "searchResultIndex" if kind == "searchResultLocation" else "documentIndex"


def _title(kind: str, title: str, citation: dict[str, Any]) -> dict[str, Any]:
    if kind == "searchResultLocation":
        return {"source": _text(citation.get("source")), "title": title or None}
    return {"document_title": title or None}


def _cited_text(citation: dict[str, Any]) -> str:
    pieces = citation.get("sourceContent")
    return "".join(_text(_object(each).get("text")) for each in pieces) if isinstance(pieces, list) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
