"""A call's wish for reasoning among the fields that a model has of its own (``additionalModelRequestFields``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aigw.llm.call import Call
from aigw.llm.providers.anthropic.models import Traits, traits
from aigw.llm.providers.anthropic.sampling import check_sampling
from aigw.llm.providers.anthropic.thinking import effort_of, write_thinking
from aigw.llm.providers.bedrock.models import Family

#: Of an id that does not tell its model.
_ANY_CLAUDE = Traits(max_tokens=8192, thinking="budget", formats=True)

#: What Claude wants to know of the rest of a request: its names there, and Converse's.
_SAMPLING = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}

#: The nearest of the three efforts that gpt-oss, DeepSeek and Nova have.
_EFFORTS = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}


def claude_traits(model: str, family: Family) -> Traits:
    """What a model of that family takes if it is a Claude."""
    return traits(model) if family.claude else _ANY_CLAUDE


def write_reasoning(
    call: Call, family: Family, inference: dict[str, Any], extra: dict[str, Any], provider: str, forced: bool
) -> None:
    """Put the wish into ``extra``; for Claude, also take out of both what does not go together with it.

    :param inference: ``inferenceConfig``; may get the ``maxTokens`` that a budget of thinking needs.
    :param forced: the model must call a tool.
    :raises aigw.errors.BadRequest: the model cannot do what is asked for.
    """
    if family.reasoning == "claude":
        _claude(call, family, inference, extra, provider, forced)
    elif call.reasoning is not None:
        _WRITE[family.reasoning](call, extra, provider)


def _claude(
    call: Call, family: Family, inference: dict[str, Any], extra: dict[str, Any], provider: str, forced: bool
) -> None:
    has = claude_traits(call.model, family)
    body = {name: inference[theirs] for name, theirs in _SAMPLING.items() if theirs in inference}
    body |= {name: extra[name] for name in ("top_k",) if name in extra}
    body.setdefault("max_tokens", has.max_tokens)
    thinks = write_thinking(call, has, body, provider, forced)
    if family.claude:
        check_sampling(call, has, body, thinks)
    if "budget_tokens" in body.get("thinking", ()):
        inference["maxTokens"] = body["max_tokens"]
    for name, theirs in _SAMPLING.items():
        if name not in body:
            inference.pop(theirs, None)
    if "top_k" not in body:
        extra.pop("top_k", None)
    for name in ("thinking", "output_config"):
        if name in body:
            extra.setdefault(name, body[name])


def _effort(call: Call) -> str:
    wish = call.reasoning
    assert wish is not None
    if wish.effort is None:
        return effort_of(wish.budget) if wish.budget is not None else "medium"
    return wish.effort


def _as_effort(call: Call, extra: dict[str, Any], provider: str) -> None:
    effort = _effort(call)
    extra.setdefault("reasoning_effort", _EFFORTS.get(effort, effort))


def _as_effort_object(call: Call, extra: dict[str, Any], provider: str) -> None:
    extra.setdefault("reasoning", {"effort": _effort(call)})


def _as_nova(call: Call, extra: dict[str, Any], provider: str) -> None:
    effort = _effort(call)
    config = {"type": "enabled", "maxReasoningEffort": _EFFORTS.get(effort, effort)}
    extra.setdefault("reasoningConfig", config if effort != "none" else {"type": "disabled"})


def _always(call: Call, extra: dict[str, Any], provider: str) -> None:
    if _effort(call) == "none":
        call.unsupported(call.spelt("reasoning_effort"), provider, f"{call.model} always reasons")


def _never(call: Call, extra: dict[str, Any], provider: str) -> None:
    wish = call.reasoning
    # A budget, or thinking as the model likes, is a wish left unfulfilled then: Claude Code always has it.
    if wish is not None and wish.effort not in (None, "none") and not wish.adaptive and wish.budget is None:
        call.unsupported(call.spelt("reasoning_effort"), provider, f"{call.model} does not reason")


_WRITE: dict[str, Callable[[Call, dict[str, Any], str], None]] = {
    "effort": _as_effort,
    "effort_object": _as_effort_object,
    "nova": _as_nova,
    "always": _always,
    "none": _never,
}
