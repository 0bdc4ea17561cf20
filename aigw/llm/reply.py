"""A model's answer as a list of events, in the one form that all providers are read into and all dialects written from.

A stream and a whole answer are the same list; in a whole one the deltas are longer. The order that readers keep to:
:class:`Start` first; a tool's :class:`ToolStart` before its :class:`ToolArguments`; per choice one :class:`Finish`
behind everything it said; :class:`UsageTold` as often as the provider tells it, the last one counts; :class:`End` only
where the provider really ended the answer. :class:`Failed` may come at any time and is the last.

The values are not to be changed. They are not frozen, since making a frozen one costs twice as much and there is one
for every chunk of every stream; nor tuples, which would be equal to each other whatever their kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from aigw.llm.usage import Usage

#: Why an answer ended, for :class:`Finish`. The first four are OpenAI's words.
STOP = "stop"
LENGTH = "length"
TOOL_CALLS = "tool_calls"
CONTENT_FILTER = "content_filter"
#: One of the client's stop sequences; OpenAI calls that ``stop``.
STOP_SEQUENCE = "stop_sequence"
#: The model would not answer; OpenAI calls that ``content_filter``.
REFUSAL = "refusal"
#: A long turn was suspended and can be continued (Anthropic's ``pause_turn``); OpenAI calls that ``stop``.
PAUSE = "pause_turn"


@attrs.define
class Start:
    """The answer begins.

    :ivar id: the provider's name for it, if it has one.
    :ivar model: the model that answers, if the provider tells.
    """

    id: str | None = None
    model: str | None = None


@attrs.define
class TextDelta:
    """More of what the model says."""

    text: str
    choice: int = 0


@attrs.define
class ReasoningDelta:
    """More of what the model thinks."""

    text: str
    choice: int = 0


@attrs.define
class ReasoningSignature:
    """The provider's proof for the thoughts so far; see :class:`aigw.llm.call.Reasoning`."""

    signature: str
    choice: int = 0


@attrs.define
class RedactedReasoning:
    """Thoughts that only the provider can read, opaque."""

    data: str
    choice: int = 0


@attrs.define
class RefusalDelta:
    """More of the words with which the model refuses (OpenAI's ``refusal``)."""

    text: str
    choice: int = 0


@attrs.define
class ToolStart:
    """The model calls a tool.

    :ivar number: counts the calls of a choice from 0, whatever the provider's own numbers are.
    :ivar id: never empty; readers make one up where the provider has none.
    :ivar signature: see :class:`aigw.llm.call.ToolCall`.
    """

    number: int
    id: str
    name: str
    choice: int = 0
    signature: str | None = None


@attrs.define
class ToolArguments:
    """More of the JSON text of a call's arguments. A call without any has the arguments ``{}``."""

    number: int
    fragment: str
    choice: int = 0


@attrs.define
class Citation:
    """Where something that the model said is from, as one of OpenAI's ``annotations``."""

    annotation: dict[str, Any]
    choice: int = 0


@attrs.define
class Finish:
    """A choice has ended.

    :ivar reason: one of the constants above.
    :ivar sequence: the stop sequence, where that was it and the provider tells.
    :ivar unknown: the provider's word for why, where nothing is known of it: ``reason`` is a guess then.
    """

    reason: str
    choice: int = 0
    sequence: str | None = None
    unknown: str | None = None


def finish(word: str, reasons: Mapping[str, str], choice: int = 0, sequence: str | None = None) -> Finish:
    """The end of a choice, by the provider's word for why.

    :param word: empty if the provider tells none, which is a plain end.
    :param reasons: what the provider's words mean; one that is not among them is taken for a plain end and told as
        :attr:`Finish.unknown`.
    """
    reason = reasons.get(word) if word else STOP
    return Finish(reason or STOP, choice, sequence, None if reason is not None else word)


@attrs.define
class UsageTold:
    """The usage as far as the provider tells it; replaces what was told before."""

    usage: Usage


@attrs.define
class Ping:
    """A sign of life without content."""


@attrs.define
class Own:
    """An event of a stream as it came, between a provider and a client of one dialect.

    :ivar begins: the answer itself has begun with it, or before.
    """

    data: bytes
    begins: bool


@attrs.define
class Failed:
    """The provider reports that the answer failed."""

    error: ProviderError


@attrs.define
class End:
    """The provider has ended the answer."""


@attrs.define
class ProviderError:
    """What a provider complains of, in the form that all dialects can write.

    :ivar status: the HTTP status that it stands for (400 to 599).
    :ivar type: OpenAI's word for its kind: ``invalid_request_error``, ``authentication_error``, ``permission_error``,
        ``not_found_error``, ``rate_limit_error``, ``overloaded_error``, ``timeout_error`` or ``server_error``.
    :ivar message: the provider's own, for people.
    :ivar code: a word for programs: OpenAI's where it has one (``context_length_exceeded``), else the provider's.
    :ivar retry_after: seconds after which a new try makes sense, where the body says so and no header does.
    """

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None


#: A stream of which something is lost is not whole.
NOT_JSON = ProviderError(502, "server_error", "the provider sent an event that is not JSON", "invalid_answer")

Event = (
    Start
    | TextDelta
    | ReasoningDelta
    | ReasoningSignature
    | RedactedReasoning
    | RefusalDelta
    | ToolStart
    | ToolArguments
    | Citation
    | Finish
    | UsageTold
    | Ping
    | Own
    | Failed
    | End
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def type_of_status(status: int) -> str:
    """The kind of error that a status stands for, where the provider has no word of its own."""
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
