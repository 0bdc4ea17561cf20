"""Tables of faults, and what the gateway makes of each: what the tests of the fault matrix have in common.

No outcome but two: the complete answer, or one clean error within the configured time. For each fault a table says what
the client gets, and how often each provider is asked; after each call the gateway is as it was before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import attrs

from aigw.testing import Answer
from aigw.testing.openai import TEXT
from tests.wire.stage import TOTAL, Answered, StageTestCase

MODEL = """
[models.{name}]
targets = [{targets}]
retry = {{ backoff = "2ms", max_wait = "250ms" }}
breaker = {{ failures = 0 }}
"""

COMPLETE, CUT = "complete", "cut"
BOTH, STREAM, WHOLE = (True, False), (True,), (False,)

#: What a client gets: a status, ``COMPLETE`` or ``CUT``.
Outcome = int | str


@attrs.frozen
class Fault:
    """A row of a table.

    :ivar answer: what the first target does; None where it cannot be asked at all.
    :ivar alone: what the client gets where there is no other target; by the front's name where they differ.
    :ivar tries: how often that one is asked then.
    :ivar pair: what the client gets where there is another target, which is well.
    :ivar elsewhere: whether that one is asked.
    :ivar modes: streaming or not.
    :ivar backend: who fails.
    :ivar apart: seconds between two tries, at least.
    """

    answer: Callable[[], Answer] | None
    alone: Outcome | Mapping[str, Outcome]
    tries: int
    pair: Outcome | Mapping[str, Outcome] = COMPLETE
    elsewhere: bool = True
    modes: tuple[bool, ...] = BOTH
    backend: str = "one"
    apart: float = 0.0


def in_turn(count: int, *failing: Answer, then: Callable[[], Answer]) -> Callable[[], Answer]:
    """Each of ``failing`` so many times, and from then on ``then``."""

    def made() -> Answer:
        turns = itertools.chain(*(itertools.repeat(answer, count) for answer in failing), itertools.repeat(None))
        return lambda request: (next(turns) or then())(request)

    return made


@attrs.frozen
class Front:
    """A dialect in front.

    :ivar name: its name.
    :ivar fields: of a request.
    """

    name: str
    path: str
    fields: dict[str, Any]

    def request(self, model: str, stream: bool) -> dict[str, Any]:
        return {**self.fields, "model": model, "stream": stream}

    def text(self, answered: Answered, stream: bool) -> str:
        """What a complete answer says; raises where it is not complete."""
        if self.path == "/v1/messages":
            return _messages_text(answered, stream)
        if not stream:
            message = answered.json()["choices"][0]["message"]["content"]
            return str(message)
        choices = [choice for chunk in answered.events() if chunk != b"[DONE]" for choice in chunk["choices"]]
        assert choices[-1]["finish_reason"] == "stop", choices
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def _messages_text(answered: Answered, stream: bool) -> str:
    if not stream:
        text = answered.json()["content"][0]["text"]
        return str(text)
    events = answered.events()
    assert events[-1]["type"] == "message_stop", events[-1]
    return "".join(each["delta"].get("text", "") for each in events if each["type"] == "content_block_delta")


_TURNS = [{"role": "user", "content": "Say hello."}]
FRONTS = {
    "openai": Front("openai", "/v1/chat/completions", {"messages": _TURNS}),
    "anthropic": Front("anthropic", "/v1/messages", {"messages": _TURNS, "max_tokens": 100}),
}


class MatrixTestCase(StageTestCase):
    """A test for each row of :attr:`table`, for both fronts, with and without another target.

    :cvar config: the backends; ``one`` fails, all others are well or cannot be asked.
    :cvar failing: the backends that fail, each of which is a model of its own.
    :cvar others: who is well: each is a model's second target.
    """

    config: ClassVar[str]
    table: ClassVar[Mapping[str, Fault]]
    failing: ClassVar[tuple[str, ...]] = ("one",)
    others: ClassVar[tuple[str, ...]] = ("two",)

    def setUp(self) -> None:
        super().setUp()
        for name in ("one", *self.others):
            self.upstream(name)
        self.answer_well()
        models = [MODEL.format(name=f"healthy-{name}", targets=f'{{ backend = "{name}" }}') for name in self.others]
        for name in self.failing:
            target = f'{{ backend = "{name}" }}'
            models.append(MODEL.format(name=f"{name}-alone", targets=target))
            models += [
                MODEL.format(name=f"{name}-{other}", targets=f'{target}, {{ backend = "{other}", priority = 1 }}')
                for other in self.others
            ]
        self.serve(self.configuration() + "".join(models))

    def answer_well(self) -> None:
        """Have the others answer, if they have to be told how."""

    def configuration(self) -> str:
        """:attr:`config`, with what is only known now."""
        return self.config

    async def check(self, fault: Fault) -> None:
        for front, stream, other in self.cases(fault):
            where = f"{front.name} in front, {'stream' if stream else 'whole'}, with {other or 'nobody'} else"
            await self.check_one(fault, front, stream, other, where)

    def cases(self, fault: Fault) -> Iterator[tuple[Front, bool, str]]:
        yield from itertools.product(FRONTS.values(), fault.modes, ("", *self.others))

    async def check_one(self, fault: Fault, front: Front, stream: bool, other: str, where: str) -> None:
        if fault.answer is not None:
            self.upstreams["one"].standing = fault.answer()
        for upstream in self.upstreams.values():
            upstream.requests.clear()
        for times in self.arrivals.values():
            times.clear()
        self.forget()
        began = self.clock.seconds()
        answered = await self.ask(front.request(f"{fault.backend}-{other or 'alone'}", stream), front.path)
        self.assertLess(self.clock.seconds() - began, TOTAL, where)
        wanted = fault.pair if other else fault.alone
        outcome = wanted[front.name] if isinstance(wanted, Mapping) else wanted
        self.assert_outcome(outcome, front, stream, answered, where)
        self.assert_attempts(fault, other, where)
        await self.assert_nothing_left()
        after = await self.ask(front.request(f"healthy-{other or self.others[0]}", stream), front.path)
        self.assert_outcome(COMPLETE, front, stream, after, f"afterwards: {where}")

    def forget(self) -> None:
        """What one case has taught the gateway of its targets is not the next one's business."""
        for health in self.snapshot.health_registry._health.values():
            health.resting_until = 0.0

    def assert_outcome(self, wanted: Outcome, front: Front, stream: bool, answered: Answered, where: str) -> None:
        told = f"{where}: {answered}"
        if wanted == COMPLETE:
            self.assertEqual((answered.status, answered.whole), (200, True), told)
            self.assertEqual(front.text(answered, stream), TEXT, told)
        elif wanted == CUT:
            # Its framing is whole: clients read the error event and not a transport error.
            self.assertEqual((answered.status, answered.whole), (200, True), told)
            *events, last = answered.events()
            self.assertTrue(last["error"]["message"], told)
            self.assertNotIn(b"[DONE]", events, told)
            self.assertNotIn(b"message_stop", answered.body, told)
            self.assertNotIn(b'"finish_reason":"', answered.body, told)
        else:
            self.assertEqual((answered.status, answered.whole), (wanted, True), told)
            error = answered.json()
            self.assertTrue(error["error"]["message"], told)
            self.assertEqual(error.get("type"), "error" if front.path == "/v1/messages" else None, told)

    def assert_attempts(self, fault: Fault, other: str, where: str) -> None:
        account = self.ledger.closed[-1]
        elsewhere = bool(other) and fault.elsewhere
        own = 1 if elsewhere else fault.tries
        self.assertEqual(account.attempts, own + elsewhere, where)
        if fault.answer is not None:
            self.assertEqual(len(self.upstreams["one"].requests), own, where)
        for name in self.others:
            self.assertEqual(len(self.upstreams[name].requests), int(elsewhere and name == other), where)
        for earlier, later in itertools.pairwise(self.arrivals["one"]):
            self.assertGreaterEqual(later - earlier, fault.apart, where)

    @classmethod
    def add_tests(cls) -> None:
        """One for each row."""
        for name, fault in cls.table.items():

            async def test(self: MatrixTestCase, fault: Fault = fault) -> None:
                await self.check(fault)

            test.__doc__ = f"See the table: {name}."
            setattr(cls, f"test_{name}", test)
