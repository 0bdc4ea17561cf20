"""A call of a model, in the one form that all dialects are read into and all providers are written from.

It is made where client and backend speak different dialects; a pair of the same dialect bypasses it byte for byte.
The vocabulary is the field's: a conversation is a sequence of turns, a turn a sequence of parts, and everything that
steers the answer is an option under OpenAI's name (``max_tokens``, ``temperature``, ``stop`` …), whatever the client's
dialect called it.

Tool results are parts of user turns here, as they are at Anthropic, Gemini and Bedrock; OpenAI's ``tool`` messages
become such turns and user turns are taken apart again where a provider wants messages of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs

from aigw.errors import BadRequest

Role = Literal["system", "user", "assistant"]


@attrs.frozen
class Text:
    """Some text.

    :ivar cache: a cache mark behind it, as Anthropic's ``cache_control`` has it.
    """

    text: str
    cache: dict[str, Any] | None = None


@attrs.frozen
class Image:
    """A picture: its bytes in base64 with their media type, or where it is.

    :ivar detail: OpenAI's ``detail``.
    """

    media_type: str | None = None
    data: str | None = attrs.field(default=None, repr=False)
    url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: dict[str, Any] | None = None


@attrs.frozen
class Audio:
    """Sound: base64, and its format (``wav``, ``mp3``)."""

    data: str = attrs.field(repr=False)
    format: str = "wav"


@attrs.frozen
class Document:
    """A file to read: its bytes in base64 with their media type, or its plain text, or where it is.

    :ivar own: the block of Anthropic's that it was, where Claude knows better what that is (``search_result``).
    """

    media_type: str | None = None
    data: str | None = attrs.field(default=None, repr=False)
    text: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    cache: dict[str, Any] | None = None
    own: dict[str, Any] | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Reasoning:
    """What the model thought in an earlier turn.

    :ivar signature: the provider's proof that it is unchanged, opaque; sent back where it came from.
    :ivar redacted: thoughts that only the provider can read, opaque, instead of ``text``.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@attrs.frozen
class ToolCall:
    """A tool that the model called.

    :ivar arguments: JSON text of an object; never empty.
    :ivar signature: see :class:`Reasoning`; Gemini has one on calls as well.
    """

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None
    cache: dict[str, Any] | None = None


@attrs.frozen
class ToolResult:
    """What a tool answered.

    :ivar id: of the :class:`ToolCall`.
    :ivar name: of the tool, where the client told it; :func:`tool_names` knows it from the conversation.
    """

    id: str
    parts: tuple[Part, ...] = ()
    error: bool = False
    name: str | None = None
    cache: dict[str, Any] | None = None


@attrs.frozen
class Foreign:
    """A part that one dialect has and no other: Anthropic's server tools, for instance.

    :ivar dialect: whose it is: ``openai``, ``anthropic``, …
    :ivar fields: as the client sent it.
    """

    dialect: str
    fields: dict[str, Any]


Part = Text | Image | Audio | Document | Reasoning | ToolCall | ToolResult | Foreign


@attrs.frozen
class Turn:
    """One turn of the conversation.

    :ivar field: where the client wrote it (``messages[3]``), for error messages.
    """

    role: Role
    parts: tuple[Part, ...]
    field: str = "messages"
    name: str | None = None


@attrs.frozen
class Tool:
    """A function that the model may call.

    :ivar schema: JSON Schema of its arguments; None if the client gave none.
    :ivar own: what an Anthropic client says of it besides (``input_examples``); see :mod:`aigw.llm.tool_fields`.
    """

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache: dict[str, Any] | None = None
    own: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)


@attrs.frozen
class ToolChoice:
    """Whether the model is to call tools: as it likes, some, none, or the ``one`` of that name."""

    mode: Literal["auto", "any", "none", "one"]
    name: str | None = None


@attrs.frozen
class ResponseFormat:
    """What the answer is to look like: any JSON, or JSON that fits a schema."""

    kind: Literal["json", "schema"]
    schema: dict[str, Any] | None = None
    name: str = "response"
    description: str | None = None
    strict: bool | None = None


@attrs.frozen
class ReasoningWish:
    """How much the model is to think.

    :ivar effort: ``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh`` or ``max``.
    :ivar budget: tokens, where the dialect counts in them.
    :ivar adaptive: the model decides (Anthropic's ``adaptive``).
    :ivar show: whether the client wants to read the thoughts; None: it did not say.
    """

    effort: str | None = None
    budget: int | None = None
    adaptive: bool = False
    show: bool | None = None


@attrs.define
class Call:
    """See the module's head.

    :ivar stream: the answer is to be streamed.
    :ivar include_usage: the client wants a stream's usage (always, in dialects that do not ask).
    :ivar options: everything else that steers the answer, by OpenAI's name where OpenAI has it, as it was sent.
        Fields that no dialect here knows are among them, and go to the provider as they are.
    :ivar names: what the client called an option, where its dialect has another name for it.
    :ivar drop_unsupported: leave out what the provider has nothing like, instead of refusing it.
    :ivar betas: Anthropic's, that the client wants.
    :ivar own: fields that only Anthropic's own service has, and Claude wherever else it speaks Anthropic's dialect.
    :ivar configured: the options that are the configuration's, not the client's.
    :ivar left_out: options that the model has nothing like and that are left out in any case (a line in the log): those
        of the configuration, which the client cannot mend, and sampling and verbosity, which clients send unasked.
    """

    model: str
    turns: tuple[Turn, ...] = attrs.field(repr=False)
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool | Foreign, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: ResponseFormat | None = None
    reasoning: ReasoningWish | None = None
    options: dict[str, Any] = attrs.field(factory=dict, repr=False)
    names: dict[str, str] = attrs.field(factory=dict, repr=False)
    drop_unsupported: bool = False
    betas: tuple[str, ...] = ()
    own: dict[str, Any] = attrs.field(factory=dict, repr=False)
    configured: set[str] = attrs.field(factory=set)
    left_out: list[str] = attrs.field(factory=list)

    def unsupported(self, field: str, provider: str, why: str = "") -> None:
        """``provider`` has nothing like the client's ``field``: leave it out if that is allowed.

        What is the configuration's is left out in any case, and noted.

        :param field: the client's own name for it, as a path (``messages[2].content[0]``).
        :param why: what would be possible instead, or what exactly is not.
        :raises BadRequest: it is not allowed.
        """
        configured = next((name for name in self.configured if self.spelt(name) == field), None)
        if configured is not None:
            self.left_out.append(configured)
        elif not self.drop_unsupported:
            reason = f": {why}" if why else ""
            raise BadRequest(
                f"{field} is not supported by provider {provider}{reason}", param=field, code="unsupported_parameter"
            )

    def spelt(self, option: str) -> str:
        """What the client calls ``option``."""
        return self.names.get(option, option)

    def check_parallel_tools(self, provider: str) -> None:
        """``provider`` cannot be told to call one tool at a time. With one tool that may be called it says nothing.

        Codex sends the field with each request, and false for some models of OpenAI's, wherever they are mapped to.

        :raises BadRequest: the client wants that, and there are several.
        """
        if self.parallel_tools is not False or (self.tool_choice is not None and self.tool_choice.mode in _SINGLE):
            return
        if sum(1 for tool in self.tools if isinstance(tool, Tool)) > 1:
            self.unsupported(self.spelt("parallel_tool_calls"), provider, _SEVERAL)


#: Choices that leave no two tools to be called.
_SINGLE = ("none", "one")
_SEVERAL = "the model may call several tools at once; drop_unsupported = true on the backend leaves the field out"


def leading_system(turns: Sequence[Turn]) -> tuple[tuple[Part, ...], Sequence[Turn]]:
    """The parts of the system turns at the beginning, and the turns that follow them."""
    count = next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
    return tuple(part for turn in turns[:count] for part in turn.parts), turns[count:]


def alternating(turns: Iterable[Turn]) -> list[Turn]:
    """The conversation with neighbours of one role merged, as most providers want it.

    In a merged user turn the tool results come first: they must follow their calls directly.
    """
    runs: list[tuple[Turn, list[Part]]] = []
    for turn in turns:
        if not runs or runs[-1][0].role != turn.role:
            runs.append((turn, []))
        runs[-1][1].extend(turn.parts)
    return [Turn(turn.role, tuple(_ordered(turn.role, parts)), turn.field, turn.name) for turn, parts in runs]


def _ordered(role: Role, parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: not isinstance(part, ToolResult)) if role == "user" else parts


def results_first(turns: Iterable[Turn]) -> list[Turn]:
    """The conversation with the results of tools right behind the answer that called them, in the order of the calls.

    Each result is a turn of its own; what else was said up to the next answer follows them. So it is for providers that
    want a message for each result (https://platform.openai.com/docs/guides/function-calling): they refuse a word of the
    user between two of them, which is what clients send that give each result a turn, with a picture or text beside it.
    Answers in a row of which one calls tools become one, since nothing may stand between a call and its result.
    """
    ordered: list[Turn] = []
    places: dict[str, int] = {}
    for answers, run in itertools.groupby(turns, key=_is_answer):
        if answers:
            said = list(run)
            called = [part.id for turn in said for part in turn.parts if isinstance(part, ToolCall)]
            places = {call_id: place for place, call_id in enumerate(called)}
            ordered += _joined(said)
        else:
            ordered += _results_then_rest(list(run), places)
    return ordered


def _is_answer(turn: Turn) -> bool:
    return turn.role == "assistant"


def _joined(answers: list[Turn]) -> list[Turn]:
    """Answers in a row as one, if any but the last of them calls a tool."""
    if not any(isinstance(part, ToolCall) for turn in answers[:-1] for part in turn.parts):
        return answers
    return [attrs.evolve(answers[0], parts=tuple(part for turn in answers for part in turn.parts))]


def _results_then_rest(turns: list[Turn], places: dict[str, int]) -> list[Turn]:
    """Turns between two answers: the results, by the places of their calls, and behind them what is left."""
    results = [(turn, part) for turn in turns for part in turn.parts if isinstance(part, ToolResult)]
    if not results:
        return turns
    results.sort(key=lambda each: places.get(each[1].id, len(places)))
    ordered = [attrs.evolve(turn, parts=(part,)) for turn, part in results]
    for turn in turns:
        rest = tuple(part for part in turn.parts if not isinstance(part, ToolResult))
        if rest:
            ordered.append(attrs.evolve(turn, parts=rest))
    return ordered


def tool_names(turns: Iterable[Turn]) -> dict[str, str]:
    """The names of the tools that were called, by the calls' ids."""
    return {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)}


def plain_text(parts: Iterable[Part], between: str = "\n") -> str:
    """The text among ``parts``, joined."""
    return between.join(part.text for part in parts if isinstance(part, Text))
