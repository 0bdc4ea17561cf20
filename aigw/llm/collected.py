"""All events of an answer put together: what the writers of whole answers need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from aigw.llm import reply
from aigw.llm.usage import Usage


@attrs.define
class Thoughts:
    """One run of reasoning; see :class:`aigw.llm.call.Reasoning`."""

    _texts: list[str] = attrs.Factory(list)
    _signatures: list[str] = attrs.Factory(list)
    redacted: str | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    @property
    def signature(self) -> str | None:
        """Its proof, if there is one."""
        return "".join(self._signatures) if self._signatures else None

    def think(self, text: str) -> None:
        """More of it."""
        self._texts.append(text)

    def sign(self, signature: str) -> None:
        """More of its proof, behind which nothing more is thought."""
        self._signatures.append(signature)

    def is_open(self) -> bool:
        """Whether more may be thought."""
        return self.redacted is None and not self._signatures


@attrs.define
class Called:
    """One tool call."""

    id: str
    name: str
    signature: str | None = None
    _fragments: list[str] = attrs.Factory(list)

    @property
    def arguments(self) -> str:
        """All of them."""
        return "".join(self._fragments)

    def argue(self, fragment: str) -> None:
        """More of its arguments."""
        self._fragments.append(fragment)


@attrs.define
class Choice:
    """One choice of an answer.

    :ivar order: the blocks in the order in which they began: ``text``, ``reasoning`` or ``tool``, with the index in
        :attr:`reasoning` or :attr:`calls`; all text is one block.
    """

    _texts: list[str] = attrs.Factory(list)
    _refusals: list[str] = attrs.Factory(list)
    reasoning: list[Thoughts] = attrs.Factory(list)
    calls: list[Called] = attrs.Factory(list)
    citations: list[dict[str, Any]] = attrs.Factory(list)
    finish: reply.Finish | None = None
    order: list[tuple[str, int]] = attrs.Factory(list)

    @property
    def text(self) -> str:
        """All that is said."""
        return "".join(self._texts)

    @property
    def refusal(self) -> str:
        """All words of a refusal."""
        return "".join(self._refusals)

    def say(self, text: str) -> None:
        """More text."""
        if not self._texts:
            self.order.append(("text", 0))
        self._texts.append(text)

    def refuse(self, text: str) -> None:
        """More words of a refusal."""
        self._refusals.append(text)

    @property
    def reason(self) -> str:
        """Why it ended; a call of a tool is one, whatever the provider says (wire.md, case 24)."""
        reason = self.finish.reason if self.finish is not None else reply.STOP
        return reply.TOOL_CALLS if self.calls and reason == reply.STOP else reason


@attrs.define
class Collected:
    """A whole answer.

    :ivar choices: by index; at least one.
    """

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    choices: list[Choice] = attrs.Factory(lambda: [Choice()])

    @classmethod
    def of(cls, events: Iterable[reply.Event]) -> Collected:
        """Everything that ``events`` say."""
        self = cls()
        for event in events:
            self._take(event)
        return self

    def choice(self, index: int) -> Choice:
        """The choice of that index, made if it is not there."""
        while len(self.choices) <= index:
            self.choices.append(Choice())
        return self.choices[index]

    def _take(self, event: reply.Event) -> None:
        match event:
            case reply.Start(answer_id, model):
                self.id, self.model = answer_id or self.id, model or self.model
            case reply.UsageTold(usage):
                self.usage = usage
            case reply.Ping() | reply.Own() | reply.Failed() | reply.End():
                pass
            case _:
                _add(self.choice(event.choice), event)


def _add(choice: Choice, event: Any) -> None:
    match event:
        case reply.TextDelta(text):
            choice.say(text)
        case reply.RefusalDelta(text):
            choice.refuse(text)
        case reply.ReasoningDelta(text):
            _thoughts(choice).think(text)
        case reply.ReasoningSignature(signature):
            _thoughts(choice).sign(signature)
        case reply.RedactedReasoning(data):
            choice.reasoning.append(Thoughts(redacted=data))
            choice.order.append(("reasoning", len(choice.reasoning) - 1))
        case reply.ToolStart(_, call_id, name, _, signature):
            choice.calls.append(Called(call_id, name, signature=signature))
            choice.order.append(("tool", len(choice.calls) - 1))
        case reply.ToolArguments(number, fragment) if number < len(choice.calls):
            choice.calls[number].argue(fragment)
        case reply.Citation(annotation):
            choice.citations.append(annotation)
        case reply.Finish():
            choice.finish = event
        case _:
            pass


def _thoughts(choice: Choice) -> Thoughts:
    """The run of reasoning that is open: the last block, unless it is redacted or followed by something else."""
    if choice.order and choice.order[-1][0] == "reasoning":
        last = choice.reasoning[choice.order[-1][1]]
        if last.is_open():
            return last
    choice.reasoning.append(Thoughts())
    choice.order.append(("reasoning", len(choice.reasoning) - 1))
    return choice.reasoning[-1]
