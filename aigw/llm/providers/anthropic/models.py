"""What Claude's models take and what they refuse, by the version in their name.

A request that was fine for one model is a 400 at the next: budgets of thinking, sampling, switching thinking off,
forcing a tool, system messages in the middle of a conversation. The table below says from which version on each of
these changed; a model has what the rows up to its own version say. Sources: the models overview and the migration
guides of https://platform.claude.com/docs, Bedrock's and Vertex's pages of the same models.
"""

from __future__ import annotations

import re
from typing import Literal

import attrs

from aigw.bounded_cache import remembering


@attrs.frozen
class Traits:
    """One model.

    :ivar max_tokens: sent where the client names none, since the field is required. Every model of that version
        takes it, beside a prompt that is as long as its context allows.
    :ivar thinking: how it is told to think: not at all, with a ``budget`` of tokens, ``adaptive``, or ``both``.
    :ivar off: how it is told not to: by leaving the field out, by a type of its own, or never.
    :ivar sampling: whether it takes ``temperature`` and ``top_p``, ``one`` of them, or ``none``.
    :ivar hides_thoughts: its thoughts come without their text unless that is asked for.
    :ivar xhigh: it knows that effort between ``high`` and ``max``.
    :ivar formats: it has structured output itself (``output_config.format``, ``strict`` tools).
    :ivar system_turns: it takes system messages behind a user's, in the middle of a conversation.
    :ivar forced_tools: it can be made to call a tool.
    """

    max_tokens: int = 4096
    thinking: Literal["none", "budget", "both", "adaptive"] = "none"
    off: Literal["", "disabled", "between_tools", "never"] = ""
    sampling: Literal["free", "one", "none"] = "free"
    hides_thoughts: bool = False
    xhigh: bool = False
    formats: bool = False
    system_turns: bool = False
    forced_tools: bool = True


#: From which version on, in which families (none: all), what is different.
_ROWS: tuple[tuple[tuple[int, int], str, dict[str, object]], ...] = (
    ((3, 5), "", {"max_tokens": 8192}),
    ((3, 7), "", {"max_tokens": 32_000, "thinking": "budget"}),
    ((4, 1), "", {"sampling": "one"}),
    ((4, 5), "", {"max_tokens": 64_000, "formats": True}),
    ((4, 6), "", {"thinking": "both"}),
    ((4, 7), "", {"thinking": "adaptive", "sampling": "none", "hides_thoughts": True, "xhigh": True}),
    ((4, 7), "mythos", {"off": "never"}),
    ((4, 8), "", {"system_turns": True}),
    ((5, 0), "opus sonnet haiku", {"off": "disabled"}),
    ((5, 0), "fable", {"off": "never"}),
    ((5, 0), "sonnet", {"system_turns": False}),
    ((5, 1), "fable mythos", {"forced_tools": False}),
    ((5, 5), "opus", {"off": "never", "forced_tools": False}),
    ((5, 5), "sonnet", {"off": "between_tools", "system_turns": True}),
)

#: A name without a version: an alias, or a server that calls its models as it likes. The client's fields go there as
#: they are; what has to be made up is what most models take.
_UNKNOWN = Traits(max_tokens=8192, thinking="adaptive", formats=True)

_FIRST = re.compile(r"claude-(v?[12](?!\d)|instant)")
_NAME = re.compile(
    r"claude-(?:(?P<major>\d)(?:[-.](?P<minor>\d{1,2}))?-)?(?P<family>opus|sonnet|haiku|fable|mythos)"
    r"(?:-(?P<after>\d{1,2})(?!\d)(?:[-.](?P<point>\d{1,2})(?!\d))?|-(?P<preview>preview))?"
)


@remembering
def traits(model: str) -> Traits:
    """What the model of that name takes; names of Bedrock, Vertex and OpenRouter are understood too."""
    name = model.lower()
    if _FIRST.search(name):
        return Traits()
    found = _NAME.search(name)
    if found is None:
        return _UNKNOWN
    version = _version(found)
    if version is None:
        return _UNKNOWN
    changes: dict[str, object] = {}
    for since, families, change in _ROWS:
        if version >= since and (not families or found["family"] in families):
            changes.update(change)
    return Traits(**changes)  # type: ignore[arg-type]


def _version(found: re.Match[str]) -> tuple[int, int] | None:
    if found["preview"]:
        return 4, 7  # Mythos Preview came with Opus 4.7 and takes what that takes
    major, minor = (found["major"], found["minor"]) if found["major"] else (found["after"], found["point"])
    return (int(major), int(minor or 0)) if major else None
