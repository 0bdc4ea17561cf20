"""Options of a call, mapped by a table: OpenAI's name on the left, where the provider has it on the right.

A provider's table says for each option that it has something like where it goes and what becomes of its value. What
it does not name is looked up here: an option whose value asks for nothing is left out, so are hints that cannot change
what the answer says; a field that no dialect knows goes to the provider as it is, who can tell best what it thinks of
it; everything else is refused, or left out where the configuration allows that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.llm.call import Call

#: Values that ask for nothing, by option; so does None for each.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "background": (False,),
    "frequency_penalty": (0, 0.0),
    "include": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "presence_penalty": (0, 0.0),
    "prompt": (),
    "seed": (),
    "service_tier": ("auto", "default"),
    "stop": ([], ""),
    "store": (False,),
    "temperature": (),
    "top_k": (),
    "top_logprobs": (0,),
    "top_p": (),
    "truncation": ("disabled",),
    "max_tokens": (),
    "max_tool_calls": (),
    "verbosity": ("medium",),
    "web_search_options": (),
    "functions": ([],),
    "function_call": ("none",),
    "context_management": (),
    "container": (),
    "mcp_servers": ([],),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "conversation": (),
    "previous_response_id": (),
}

#: What clients send unasked and is no reason to refuse a call: Codex says how long answers should be for each model of
#: OpenAI's that it knows, wherever the name leads. It is left out, with a line in the log.
UNASKED = frozenset(("verbosity",))

#: What cannot change what the answer says: who asks, where to cache, what to expect.
HINTS = frozenset(
    (
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "user",
    )
)


@attrs.frozen
class To:
    """Where an option goes.

    :ivar path: the field in the provider's body; dots separate objects (``inferenceConfig.maxTokens``).
    :ivar value: what becomes of the value; may raise :class:`ValueError` with what it should be.
    """

    path: str
    value: Callable[[Any], Any] = lambda value: value


Table = Mapping[str, To]


def write_options(call: Call, table: Table, body: dict[str, Any], provider: str) -> None:
    """Put the options of ``call`` into a provider's ``body``.

    :raises BadRequest: an option has no counterpart, or a value that none could have.
    """
    for name, value in call.options.items():
        if value is None:
            continue
        rule = table.get(name)
        if rule is not None:
            put(body, rule.path, _converted(call, name, rule, value))
        elif name in NEUTRAL:
            if not asks_for_nothing(name, value):
                _leave_out(call, name, provider)
        elif name not in HINTS:
            body.setdefault(name, value)


def _leave_out(call: Call, name: str, provider: str) -> None:
    """:raises BadRequest: the client asks for something by it that the provider has nothing like."""
    if name in UNASKED:
        call.left_out.append(name)
    else:
        call.unsupported(call.spelt(name), provider)


def _converted(call: Call, name: str, rule: To, value: Any) -> Any:
    try:
        return rule.value(value)
    except (ValueError, TypeError) as error:
        field = call.spelt(name)
        raise BadRequest(f"{field} {error}", param=field, code="invalid_value") from None


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path, making the objects on the way."""
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value


def asks_for_nothing(name: str, value: Any) -> bool:
    """Whether an option's value is the one that it has anyway. ``True`` is not ``1`` here."""
    return value is None or any(value == each and type(value) is type(each) for each in NEUTRAL.get(name, ()))


def number(value: Any) -> float | int:
    """:raises ValueError: it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def whole_number(value: Any) -> int:
    """:raises ValueError: it is no whole number of at least 1, or none that JSON can be trusted with."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 2**53 or value != int(value):
        raise ValueError("must be a whole number of at least 1")
    return int(value)


def at_most(most: float) -> Callable[[Any], float | int]:
    """Numbers beyond a provider's range become its end: a hotter temperature than it has is its hottest."""
    return lambda value: min(number(value), most)


def strings(value: Any) -> list[str]:
    """One string or a list of them, as a list without empty ones.

    :raises ValueError: it is neither.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError("must be a string or a list of strings")
    return [each for each in values if each]


def one_of(*allowed: Any) -> Callable[[Any], Any]:
    """Only these values."""

    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(map(str, allowed))}")
        return value

    return check
