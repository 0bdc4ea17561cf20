"""What workers tell of themselves, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def together(facts: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of several workers as those of one gateway.

    Amounts are added up. What all workers agree on is said once; where they differ each one's word is there with its
    number.

    :param facts: of each worker, by its number; as :meth:`aigw.serving.Serving.overview` has them.
    """
    titles = dict.fromkeys(title for one in facts.values() for title in one)
    return {title: _one({number: one[title] for number, one in facts.items() if title in one}) for title in titles}


def _one(said: Mapping[int, Any]) -> Any:
    words = list(said.values())
    if all(_is_amount(word) for word in words):
        return sum(words)
    if all(word == words[0] for word in words):
        return words[0]
    if all(isinstance(word, Mapping) for word in words):
        names = dict.fromkeys(name for word in words for name in word)
        return {name: _one({number: word[name] for number, word in said.items() if name in word}) for name in names}
    return "; ".join(f"worker {number}: {word}" for number, word in said.items())


def _is_amount(word: Any) -> bool:
    return isinstance(word, int | float) and not isinstance(word, bool)
