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

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@attrs.define
class Called:
    """One tool call."""

    id: str
    name: str
    arguments: str = ""
    signature: str | None = None


@attrs.define
class Choice:
    """One choice of an answer.

    :ivar order: the blocks in the order in which they began: ``text``, ``reasoning`` or ``tool``, with the index in
        :attr:`reasoning` or :attr:`calls`; all text is one block.
    """

    text: str = ""
    refusal: str = ""
    reasoning: list[Thoughts] = attrs.Factory(list)
    calls: list[Called] = attrs.Factory(list)
    citations: list[dict[str, Any]] = attrs.Factory(list)
    finish: reply.Finish | None = None
    order: list[tuple[str, int]] = attrs.Factory(list)

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
            case reply.Ping() | reply.Failed() | reply.End():
                pass
            case _:
                _add(self.choice(event.choice), event)


def _add(choice: Choice, event: Any) -> None:
    match event:
        case reply.TextDelta(text):
            if not choice.text:
                choice.order.append(("text", 0))
            choice.text += text
        case reply.RefusalDelta(text):
            choice.refusal += text
        case reply.ReasoningDelta(text):
            _thoughts(choice).text += text
        case reply.ReasoningSignature(signature):
            thoughts = _thoughts(choice)
            thoughts.signature = (thoughts.signature or "") + signature
        case reply.RedactedReasoning(data):
            choice.reasoning.append(Thoughts(redacted=data))
            choice.order.append(("reasoning", len(choice.reasoning) - 1))
        case reply.ToolStart(_, call_id, name, _, signature):
            choice.calls.append(Called(call_id, name, signature=signature))
            choice.order.append(("tool", len(choice.calls) - 1))
        case reply.ToolArguments(number, fragment) if number < len(choice.calls):
            choice.calls[number].arguments += fragment
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
        if last.redacted is None and last.signature is None:
            return last
    choice.reasoning.append(Thoughts())
    choice.order.append(("reasoning", len(choice.reasoning) - 1))
    return choice.reasoning[-1]
