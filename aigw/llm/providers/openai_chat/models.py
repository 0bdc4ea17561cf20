"""What the names of models tell, where servers treat their models differently."""

from __future__ import annotations

import re

#: OpenAI's models that think: the o-series, and all since gpt-5. With a vendor or a fine-tune's mark before the name.
_REASONING = re.compile(r"(?:.*[/:])?(?:o\d|gpt-(?:[5-9]|\d\d))(?![a-z])", re.ASCII)
_VERSION = re.compile(r"(?:.*[/:])?gpt-(\d+)(?:\.(\d+))?(?![\da-z])", re.ASCII)
#: The last version whose chat completions take function tools and reasoning together.
_LAST_WITH_BOTH = (5, 2)
#: Open models whose chat templates read the thoughts of earlier turns, wherever they are served.
_REPLAYING = re.compile(r"deepseek|kimi|glm-|minimax", re.IGNORECASE)


def reasons(model: str) -> bool:
    """Whether this is one of OpenAI's models that think, as far as its name tells."""
    return _REASONING.match(model) is not None


def refuses_tools_with_reasoning(model: str) -> bool:
    """Whether chat completions refuse function tools unless ``reasoning_effort`` is ``none``.

    So since gpt-5.4: "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    """
    version = _VERSION.match(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) > _LAST_WITH_BOTH


def replays_thoughts(model: str) -> bool:
    """Whether an open model is told its earlier thoughts again."""
    return _REPLAYING.search(model) is not None
