"""What the names of models tell, where servers treat their models differently."""

from __future__ import annotations

import re

#: OpenAI's models that think: the o-series, and all since gpt-5. With a vendor or a fine-tune's mark before the name.
_REASONING = re.compile(r"(?:.*[/:])?(?:o\d|gpt-(?:[5-9]|\d\d))(?![a-z])", re.ASCII)
#: Those that do not.
_PLAIN = re.compile(r"(?:.*[/:])?(?:chatgpt|gpt-?3|gpt-?4|davinci|babbage)", re.ASCII)
_VERSION = re.compile(r"(?:.*[/:])?gpt-(\d{1,3})(?:\.(\d{1,3}))?(?![\da-z])", re.ASCII)
#: The last version whose chat completions take function tools and reasoning together.
_LAST_WITH_BOTH = (5, 2)
#: Open models whose chat templates read the thoughts of earlier turns, wherever they are served.
_REPLAYING = re.compile(r"deepseek|kimi|glm-|minimax", re.IGNORECASE)


def bare_name(model: str) -> str:
    """A model's name without a vendor or a fine-tune's mark before it, and without what a fine-tune has behind it."""
    name = model.removeprefix("ft:").partition(":")[0]
    return name.rpartition("/")[2]


def reasons(model: str) -> bool:
    """Whether this is one of OpenAI's models that think, as far as its name tells."""
    return _REASONING.match(model) is not None


def is_plain(model: str) -> bool:
    """Whether this is one of OpenAI's models that do not think, as far as its name tells."""
    return _PLAIN.match(model) is not None


def version(model: str) -> tuple[int, int] | None:
    """The version of a gpt model; None for any other."""
    found = _VERSION.match(model)
    return (int(found[1]), int(found[2] or 0)) if found is not None else None


def refuses_tools_with_reasoning(model: str) -> bool:
    """Whether chat completions refuse function tools unless ``reasoning_effort`` is ``none``.

    So since gpt-5.4: "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    """
    return (version(model) or _LAST_WITH_BOTH) > _LAST_WITH_BOTH


def replays_thoughts(model: str) -> bool:
    """Whether an open model is told its earlier thoughts again."""
    return _REPLAYING.search(model) is not None
