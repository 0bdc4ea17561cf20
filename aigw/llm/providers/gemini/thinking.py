"""How much a Gemini model is to think: a budget in tokens up to 2.5, a level from 3 on, never both in one request.

The numbers behind the words of ``reasoning_effort`` are those of Google's own OpenAI-compatible endpoint
(https://ai.google.dev/gemini-api/docs/openai), ranges and levels those of
https://ai.google.dev/gemini-api/docs/thinking and Google Cloud's page of the same name.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from aigw.llm.call import Call, ReasoningWish

_VERSION = re.compile(r"gemini-([0-9]{1,4})(?![0-9])(?:[.-]([0-9])(?![0-9]))?")

#: Effort to budget. ``none`` is the least that the model can.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
#: Effort to level. Every model that has levels has LOW and HIGH.
_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
#: Budgets that a model has, by words in its name; the first counts. 0 is allowed where it switches thinking off.
_RANGES = (("pro", 128, 32768, False), ("flash-lite", 512, 24576, True), ("", 1, 24576, True))


@attrs.frozen
class Model:
    """What a model's name tells.

    :ivar version: major and minor; None if the name has none.
    """

    name: str
    version: tuple[int, int] | None

    @classmethod
    def of(cls, name: str) -> Model:
        """:param name: as it is asked for, a path of resources or not."""
        name = name.rpartition("/")[2].lower()
        found = _VERSION.match(name)
        if found:
            return cls(name, (int(found[1]), int(found[2] or 0)))
        # gemini-flash-latest and its like follow the newest models.
        return cls(name, (3, 9) if name.startswith("gemini-") and name.endswith("-latest") else None)

    @property
    def has_levels(self) -> bool:
        """It is told how much to think by a level."""
        return self.version is not None and self.version >= (3, 0)

    @property
    def thinks(self) -> bool:
        """It can think at all. A name that tells nothing, of a tuned model for instance, is given the chance."""
        if self.name.startswith(("gemma", "learnlm")):
            return False
        if self.version is None or self.version >= (3, 0):
            return True
        return self.version >= (2, 5) and not any(word in self.name for word in ("image", "tts", "live", "audio"))

    @property
    def wants_signatures(self) -> bool:
        """It refuses calls in the history of which it does not get the proof back."""
        return self.has_levels

    def budget(self, tokens: int) -> int:
        """The nearest budget that it has."""
        least, most, off = next((low, high, off) for word, low, high, off in _RANGES if word in self.name)
        return 0 if tokens <= 0 and off else max(least, min(most, tokens))

    def level(self, level: str) -> str:
        """The nearest level that it has."""
        if level == "MINIMAL" and not self._has_minimal():
            return "LOW"
        if level == "MEDIUM" and self.version == (3, 0) and "pro" in self.name:
            return "HIGH"
        return level

    def _has_minimal(self) -> bool:
        return "flash-lite" in self.name or ("flash" in self.name and (self.version or (9, 9)) <= (3, 6))


def thinking_config(call: Call, provider: str) -> dict[str, Any] | None:
    """``thinkingConfig`` for what the client wants; None if it does not say, or says what is so anyway.

    :raises aigw.errors.BadRequest: the model cannot think.
    """
    wish, model = call.reasoning, Model.of(call.model)
    if wish is None:
        return None
    if not model.thinks:
        if not _wants_none(wish):
            call.unsupported(call.spelt("reasoning_effort"), provider, f"model {call.model} does not think")
        return None
    config = _level(wish, model) if model.has_levels else _budget(wish, model)
    if wish.show is not False and not _wants_none(wish):
        config["includeThoughts"] = True
    return config


def _wants_none(wish: ReasoningWish) -> bool:
    return wish.effort == "none" or (wish.effort is None and wish.budget is not None and wish.budget <= 0)


def _level(wish: ReasoningWish, model: Model) -> dict[str, Any]:
    if wish.effort in _LEVELS:
        return {"thinkingLevel": model.level(_LEVELS[wish.effort])}
    if wish.budget is None:
        return {}  # it decides by itself anyway
    words = ("none", 0), ("low", 1024), ("medium", 8192)
    word = next((word for word, most in words if wish.budget <= most), "high")
    return {"thinkingLevel": model.level(_LEVELS[word])}


def _budget(wish: ReasoningWish, model: Model) -> dict[str, Any]:
    if wish.budget is not None:
        return {"thinkingBudget": model.budget(wish.budget)}
    if wish.effort in _BUDGETS:
        return {"thinkingBudget": model.budget(_BUDGETS[wish.effort])}
    return {"thinkingBudget": -1} if wish.adaptive else {}
