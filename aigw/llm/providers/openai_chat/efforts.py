"""How much a model is to think, as servers of chat completions are told.

An effort that the client names is passed on as far as the server has one like it. A budget of tokens, and leaving it
to the model, are Anthropic's ways to ask; they are wishes that a model which does not think leaves unfulfilled, so they
are asked only where the server is known to have something like it or to ignore what it does not know.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from aigw.llm.call import Call, Foreign, ReasoningWish
from aigw.llm.providers.openai_chat.models import (
    bare_name,
    is_plain,
    reasons,
    refuses_tools_with_reasoning,
    version,
)

#: Budgets of tokens from which on an effort counts.
_THRESHOLDS = ((4096, "high"), (2048, "medium"), (1024, "low"))
_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _of_budget(budget: int) -> str:
    return next((effort for least, effort in _THRESHOLDS if budget >= least), "minimal")


def effort_of(wish: ReasoningWish) -> str | None:
    """The effort that is wished for, by its name or by a budget; None: as much as the model likes."""
    if wish.effort is not None or wish.budget is None:
        return wish.effort
    return _of_budget(wish.budget)


def _clipped(effort: str, least: str, most: str) -> str:
    """``effort`` within a range; a word that is not known stays as it is, for the server to judge."""
    if effort not in _ORDER:
        return effort
    return _ORDER[min(max(_ORDER.index(effort), _ORDER.index(least)), _ORDER.index(most))]


def _written(effort: str | None) -> dict[str, Any]:
    return {"reasoning_effort": effort} if effort is not None else {}


def openai(call: Call) -> dict[str, Any]:
    """OpenAI's, within what a model takes. Models that do not think are not asked to."""
    wish, model = call.reasoning, call.model
    if refuses_tools_with_reasoning(model) and any(not isinstance(tool, Foreign) for tool in call.tools):
        return _written("none" if "none" in taken(model) else None)
    if wish is None or is_plain(model) or (wish.effort is None and not reasons(model)):
        return {}
    effort = effort_of(wish) or ("medium" if wish.adaptive else None)
    if effort is None or not reasons(model):  # a deployment of any name
        return _written(effort)
    return _written(closest(effort, taken(model)))


def taken(model: str) -> tuple[str, ...]:
    """The efforts that one of OpenAI's models takes, from the least; empty if it refuses the field."""
    name = bare_name(model)
    for pattern, efforts in _BY_NAME:
        if fnmatchcase(name, pattern):
            return efforts
    return next(efforts for since, efforts in _BY_VERSION if (version(model) or (0, 0)) >= since)


def closest(effort: str, efforts: tuple[str, ...]) -> str | None:
    """Of ``efforts`` the one that comes closest, rather more than less; ``none`` only where that is asked for.

    A word that is not known stays as it is, for the server to judge. None: there are none.
    """
    if effort in efforts or effort not in _ORDER:
        return effort if efforts else None
    thinking = [each for each in efforts if each != "none"]
    at_least = [each for each in thinking if _ORDER.index(each) >= _ORDER.index(effort)]
    return at_least[0] if at_least else thinking[-1] if thinking else None


#: What the models take that do not take what their version does, by patterns of their names (fnmatch); the first that
#: fits counts. Errors of the API name the values ("Supported values are: 'medium'."): those of gpt-5-pro, the chat and
#: the pro models are recorded in pydantic-ai (tests/models), those of gpt-5-chat and gpt-5.1-chat-latest told in
#: Laisky/one-api#120 and #266.
_BY_NAME: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("gpt-5-chat*", ()),
    ("gpt-5.[0-9]-chat*", ("medium",)),
    ("gpt-5-pro*", ("high",)),
    ("gpt-5.[0-9]-pro*", ("medium", "high", "xhigh")),
    ("gpt-5-codex*", ("low", "medium", "high")),
    ("gpt-5.1-codex-max*", ("low", "medium", "high", "xhigh")),
    ("gpt-5.1-codex*", ("low", "medium", "high")),
    ("gpt-5.2-codex*", ("low", "medium", "high", "xhigh")),
    ("o1-mini*", ()),
    ("o1-preview*", ()),
)
#: What all other models take, since which version; the o-series has no version.
#: https://developers.openai.com/api/docs/guides/reasoning
_BY_VERSION: tuple[tuple[tuple[int, int], tuple[str, ...]], ...] = (
    ((5, 6), ("none", "low", "medium", "high", "xhigh", "max")),
    ((5, 2), ("none", "low", "medium", "high", "xhigh")),
    ((5, 1), ("none", "low", "medium", "high")),
    ((5, 0), ("minimal", "low", "medium", "high")),
    ((0, 0), ("low", "medium", "high")),
)


def compatible(call: Call) -> dict[str, Any]:
    """Of servers in general: ``low`` to ``high``, and ``none``; OpenAI's own models have more wherever they are."""
    wish = call.reasoning
    if wish is None:
        return {}
    if reasons(call.model):
        return openai(call)
    effort = effort_of(wish)
    return _written(effort if effort is None or effort == "none" else _clipped(effort, "low", "high"))


def deepseek(call: Call) -> dict[str, Any]:
    """DeepSeek's: thinking has a switch of its own, and is ``high`` or ``max``."""
    wish = call.reasoning
    effort = effort_of(wish) if wish is not None else None
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if wish is None or (effort is None and not wish.adaptive):
        return {}
    level = {"reasoning_effort": "max" if effort in ("xhigh", "max") else "high"} if effort is not None else {}
    return {"thinking": {"type": "enabled"}, **level}


def groq(call: Call) -> dict[str, Any]:
    """Groq's: ``low`` to ``high`` for gpt-oss, ``none`` or ``default`` for Qwen; other models refuse the field."""
    wish = call.reasoning
    effort = effort_of(wish) if wish is not None else None
    if wish is None or effort is None:
        return {}
    if "gpt-oss" in call.model:
        return _written(_clipped(effort, "low", "high"))
    if "qwen" in call.model:
        return _written("none" if effort == "none" else "default")
    return _written(wish.effort)


def xai(call: Call) -> dict[str, Any]:
    """xAI's: ``low`` to ``high``, where the client names one: half of its models refuse the field."""
    effort = call.reasoning.effort if call.reasoning is not None else None
    return _written(effort if effort is None or effort == "none" else _clipped(effort, "low", "high"))


def openrouter(call: Call) -> dict[str, Any]:
    """OpenRouter's ``reasoning`` object, which has budgets, and which models that do not think ignore."""
    wish = call.reasoning
    if wish is None:
        return {}
    fields: dict[str, Any] = {}
    if wish.effort is not None:
        fields["effort"] = "xhigh" if wish.effort == "max" else wish.effort
    elif wish.budget is not None:
        fields["max_tokens"] = wish.budget
    elif wish.adaptive:
        fields["enabled"] = True
    if wish.show is False and fields.get("effort") != "none":
        fields["exclude"] = True
    return {"reasoning": fields} if fields else {}
