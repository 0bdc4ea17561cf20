"""How much a model is to think, as servers of chat completions are told.

An effort that the client names is passed on as far as the server has one like it. A budget of tokens, and leaving it
to the model, are Anthropic's ways to ask; they are wishes that a model which does not think leaves unfulfilled, so they
are asked only where the server is known to have something like it or to ignore what it does not know.
"""

from __future__ import annotations

from typing import Any

from aigw.llm.call import Call, Foreign, ReasoningWish
from aigw.llm.providers.openai_chat.models import is_plain, reasons, refuses_tools_with_reasoning, version

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
    """OpenAI's, within what a model has. Models that do not think are not asked to."""
    wish, model = call.reasoning, call.model
    if refuses_tools_with_reasoning(model) and any(not isinstance(tool, Foreign) for tool in call.tools):
        return {"reasoning_effort": "none"}
    if wish is None or is_plain(model) or (wish.effort is None and not reasons(model)):
        return {}
    effort = effort_of(wish) or ("medium" if wish.adaptive else None)
    if effort is None or not reasons(model):  # a deployment of any name
        return _written(effort)
    return _written(_of_model(effort, version(model)))


def _of_model(effort: str, version: tuple[int, int] | None) -> str:
    """The effort of a model that comes closest; see :data:`_RANGES`."""
    least, most, none = next(has for since, has in _RANGES if (version or (0, 0)) >= since)
    return effort if effort == "none" and none else _clipped(effort, least, most)


#: Since which version which efforts there are, ``none`` apart; the o-series has no version.
#: https://developers.openai.com/api/docs/guides/reasoning
_RANGES: tuple[tuple[tuple[int, int], tuple[str, str, bool]], ...] = (
    ((5, 6), ("low", "max", True)),
    ((5, 2), ("low", "xhigh", True)),
    ((5, 1), ("low", "high", True)),
    ((5, 0), ("minimal", "high", False)),
    ((0, 0), ("low", "high", False)),
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
