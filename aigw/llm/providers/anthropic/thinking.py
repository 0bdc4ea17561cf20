"""A call's wish for reasoning as Claude takes it: adaptive with an effort, or with a budget of tokens.

Which of the two depends on the model; so does what cannot be had together with it.
"""

from __future__ import annotations

from typing import Any

from aigw.errors import BadRequest
from aigw.llm.call import Call, Reasoning, ToolCall, ToolResult
from aigw.llm.providers.anthropic.models import Traits
from aigw.llm.signatures import may_be

#: Tokens that an effort stands for where the model counts in them; the smallest is the least that it takes.
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_LEAST = BUDGETS["low"]

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def write_thinking(call: Call, traits: Traits, body: dict[str, Any], provider: str, forced: bool) -> bool:
    """Put ``thinking`` and ``output_config.effort`` into ``body``, which has its ``max_tokens``.

    :param forced: the model must call a tool, before which it cannot think.
    :returns: whether the model was told to think.
    """
    wish, field = call.reasoning, call.spelt("reasoning_effort")
    if wish is None or "thinking" in body:  # which the client may have sent in Anthropic's own words
        return _is_on(body.get("thinking"))
    if wish.effort == "none":
        _switch_off(traits, body)
        return False
    if traits.thinking == "none":
        call.unsupported(field, provider, f"{call.model} does not reason")
        return False
    if forced and traits.thinking != "adaptive":
        call.unsupported(field, provider, "the model cannot reason before a tool that it is forced to call")
        return False
    if traits.thinking == "adaptive" or (traits.thinking == "both" and wish.budget is None):
        _adaptive(call, traits, body)
        return True
    return _budgeted(call, body)


def _is_on(thinking: Any) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def output_config(body: dict[str, Any]) -> dict[str, Any]:
    """The ``output_config`` of ``body``, made if it is not there.

    :raises BadRequest: the client sent one that is no object.
    """
    config = body.setdefault("output_config", {})
    if not isinstance(config, dict):
        raise BadRequest("output_config must be an object", param="output_config", code="invalid_value")
    return config


def _switch_off(traits: Traits, body: dict[str, Any]) -> None:
    if traits.off == "never":
        output_config(body)["effort"] = "low"
    elif traits.off:
        body["thinking"] = {"type": traits.off}


def _adaptive(call: Call, traits: Traits, body: dict[str, Any]) -> None:
    wish = call.reasoning
    assert wish is not None
    body["thinking"] = {"type": "adaptive", **_display(wish.show, traits)}
    effort = effort_of(wish.budget) if wish.effort is None and wish.budget is not None else wish.effort
    effort = _EFFORTS.get(effort, effort) if effort is not None else None
    if effort == "xhigh" and not traits.xhigh:
        effort = "high"
    if effort is not None:
        output_config(body)["effort"] = effort


def effort_of(budget: int) -> str:
    """The effort that a budget stands for."""
    return "high" if budget >= BUDGETS["high"] else "medium" if budget >= BUDGETS["medium"] else "low"


def _budgeted(call: Call, body: dict[str, Any]) -> bool:
    wish = call.reasoning
    assert wish is not None
    if _calls_without_thoughts(call):
        return False
    budget = wish.budget
    if budget is None:
        budget = min(BUDGETS.get(wish.effort or "high", BUDGETS["high"]), body["max_tokens"] - 1)
        if budget < _LEAST:
            return False  # no room to think in
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if wish.show is False:
        body["thinking"]["display"] = "omitted"
    return True


def _display(show: bool | None, traits: Traits) -> dict[str, str]:
    if show is False:
        return {"display": "omitted"}
    return {"display": "summarized"} if traits.hides_thoughts else {}


def _calls_without_thoughts(call: Call) -> bool:
    """Whether the last assistant's turn called tools and its thoughts are lost.

    With a budget of thinking such a turn is a 400, and most of OpenAI's clients do not send thoughts back.
    """
    for turn in reversed(call.turns):
        if turn.role == "assistant":
            calls = any(isinstance(part, ToolCall) for part in turn.parts)
            return calls and not any(isinstance(part, Reasoning) and is_proven(part) for part in turn.parts)
        if turn.role == "user" and not any(isinstance(part, ToolResult) for part in turn.parts):
            return False
    return False


def is_proven(thought: Reasoning) -> bool:
    """Whether a thought can be sent back: Claude takes only its own, with their signature."""
    return bool(thought.redacted) or may_be(thought.signature, "anthropic")
