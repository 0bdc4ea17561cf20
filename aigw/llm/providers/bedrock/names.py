"""Ids and names of documents as Converse accepts them: what does not fit becomes a digest, the same wherever it
stands. Names of tools: :mod:`aigw.llm.tool_names`."""

from __future__ import annotations

import hashlib
import re

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")

#: Documents' names may have letters, digits, single blanks, hyphens, parentheses and brackets.
_NOT_IN_DOCUMENT = re.compile(r"[^a-zA-Z0-9\-()\[\]]+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_MOST_DOCUMENT = 180


def tool_id(call_id: str) -> str:
    """The id of a call, the same for the call and its result."""
    if _ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


class DocumentNames:
    """What the documents of one conversation are called."""

    def __init__(self) -> None:
        #: The names that are used, and the number behind the last one that was made of each.
        self._numbers: dict[str, int] = {}

    def name(self, given: str | None) -> str:
        """What the next document is called, in the conversation once.

        A file's extension is left out: the format tells it. The names do not depend on chance, or caches would miss.
        """
        bare = _NOT_IN_DOCUMENT.sub(" ", _EXTENSION.sub("", given or ""))
        stem = bare.strip()[:_MOST_DOCUMENT].strip() or "document"
        candidate, number = stem, self._numbers.get(stem, 1)
        while candidate in self._numbers:
            number += 1
            candidate = f"{stem} ({number})"
        self._numbers[stem] = number
        self._numbers.setdefault(candidate, 1)
        return candidate
