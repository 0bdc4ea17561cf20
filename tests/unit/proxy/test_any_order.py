"""Calls with several targets, in any order of events: settled exactly once, always; and nobody gets half an answer.

What providers do, clients that come, stall and leave, time that passes, a gateway that goes down. Whole answers, streams,
and streams that others may take up. More examples: ``AIGW_EXAMPLES=3000``.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial import unittest

from aigw.errors import Overloaded
from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS
from aigw.proxy.exchange import Exchange
from aigw.routing.admission import Slots
from tests.unit.proxy.fakes import FakeRequest
from tests.unit.proxy.test_exchange import ANSWER, DONE, chunk
from tests.unit.proxy.test_failover import EVENTS, JSON, Play, Played

EXAMPLES = int(os.environ.get("AIGW_EXAMPLES", "100"))

ERRORS: dict[str, tuple[int, Any, tuple[tuple[bytes, bytes], ...]]] = {
    "busy": (503, None, ()),
    "slow down": (429, None, ((b"retry-after", b"1"),)),
    "too long": (400, {"error": {"message": "x", "type": "t", "code": "context_length_exceeded"}}, ()),
    "wrong": (400, {"error": {"message": "x", "type": "t", "code": "bad"}}, ()),
    "conflict": (409, None, ((b"x-should-retry", b"true"),)),
}
TOLD = b'data: {"error":{"message":"x","code":500}}\n\n'


class ExchangeMachine(RuleBasedStateMachine):
    """See the module's head.

    :cvar stream: what clients ask for.
    :cvar more: of the group and its rules.
    """

    stream: ClassVar[bool] = True
    more: ClassVar[dict[str, Any]] = {"patience": 3.0}

    def __init__(self) -> None:
        super().__init__()
        slots = {"a": Slots(2, 2), "b": Slots(1, 1)}
        self.play = Play("abc", stream=self.stream, attempts=4, slots=slots, **self.more)
        self.requests: list[FakeRequest] = []
        self.said: dict[int, str] = {}
        self.errors: set[int] = set()
        self.done: set[int] = set()

    def open(self) -> list[Played]:
        """Calls that are under way; nothing is played to one that is over."""
        every = (played for provider in self.play.providers.values() for played in provider.calls)
        return [played for played in every if not played.cancelled and not played.sink.over]

    @rule()
    def come(self) -> None:
        if len(self.requests) < 8:
            self.requests.append(self.play.ask())

    # -- what providers do

    @precondition(lambda self: self.open())
    @rule(which=st.integers(0, 20), how=st.sampled_from(["connect", "tls", "reset", "cut", "protocol"]))
    def fail(self, which: int, how: str) -> None:
        played = self.open()[which % len(self.open())]
        if not played.sink.sent:
            played.fail("tls" if how == "tls" else "connect")
        elif played.sink.relay is None:
            played.fail("protocol" if how == "protocol" else "reset")
        else:
            played.fail("cut", began=True)

    @precondition(lambda self: self.open())
    @rule(which=st.integers(0, 20), error=st.sampled_from(sorted(ERRORS)), whole=st.booleans())
    def refuse(self, which: int, error: str, whole: bool) -> None:
        played = self.open()[which % len(self.open())]
        if played.sink.relay is not None:
            return
        status, fields, headers = ERRORS[error]
        if whole:
            played.refuse(status, fields, *headers)
        else:
            if not played.sink.sent:
                played.sink.on_sent()
            played.sink.on_head(status, [*JSON, *headers])
            self.errors.add(id(played.sink))

    @precondition(lambda self: self.open())
    @rule(which=st.integers(0, 20), stream=st.booleans())
    def proceed(self, which: int, stream: bool) -> None:
        """One phase on: the request is sent, the head comes, the body, its end."""
        sink = self.open()[which % len(self.open())].sink
        if not sink.sent:
            sink.on_sent()
        elif sink.relay is None:
            sink.on_head(200, list(EVENTS if stream and self.stream else JSON))
        elif type(sink.relay).__name__ in ("EventBody", "TranslatedEvents"):
            sink.on_end(True)
        else:
            self.said[id(sink)] = "hi"
            sink.on_data(b'{"error":{"message":"no"}}' if id(sink) in self.errors else ANSWER)
            if not sink.over:
                sink.on_end(True)

    @precondition(lambda self: self.open())
    @rule(
        which=st.integers(0, 20),
        word=st.sampled_from(["he", "he", "he", "ho"]),
        what=st.sampled_from(["greeting", "word", "word", "done", "done", "error", "half", "comment"]),
    )
    def say(self, which: int, word: str, what: str) -> None:
        """The next event of a stream; most say the same, so that others can take them up."""
        sink = self.open()[which % len(self.open())].sink
        if type(sink.relay).__name__ not in ("EventBody", "TranslatedEvents") or id(sink) in self.done:
            return
        if what == "done":
            self.done.add(id(sink))
        if what == "word":
            self.said[id(sink)] = self.said.get(id(sink), "") + word
        events = {
            "greeting": chunk(""),
            "word": chunk(word),
            "done": chunk(None, "stop") + DONE,
            "error": TOLD,
            "half": b'data: {"choices":[{"del\n\n',
            "comment": b": hm\n\n",
        }
        sink.on_data(events[what])

    @precondition(lambda self: self.stream and self.open())
    @rule(which=st.integers(0, 20), words=st.integers(1, 4), ending=st.sampled_from(["", "", "cut", "done"]))
    def speak(self, which: int, words: int, ending: str) -> None:
        """A good part of a stream at once, whatever phase it is in."""
        played = self.open()[which % len(self.open())]
        sink = played.sink
        if not sink.sent:
            sink.on_sent()
        if sink.relay is None:
            sink.on_head(200, list(EVENTS))
        at = self.open().index(played)
        for _ in range(words):
            if not sink.over:
                self.say(at, "he", "word")
        if ending == "cut" and not sink.over:
            played.fail("cut", began=True)
        elif ending == "done" and not sink.over:
            self.say(at, "he", "done")

    # -- what clients do, and time

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 20))
    def leave(self, which: int) -> None:
        request = self.requests[which % len(self.requests)]
        if not request.ended:
            request.leave()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 20), pause=st.booleans())
    def stall(self, which: int, pause: bool) -> None:
        producer = self.requests[which % len(self.requests)].producer
        if producer is not None:
            producer.pauseProducing() if pause else producer.resumeProducing()

    @rule(seconds=st.sampled_from([0.1, 0.1, 0.1, 1.0, 6.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.play.pass_time(seconds)

    @precondition(lambda self: self.play.exchanges)
    @rule(which=st.integers(0, 20), really=st.sampled_from([False, False, False, True]))
    def drain(self, which: int, really: bool) -> None:
        if really:
            self.play.exchanges[which % len(self.play.exchanges)].cut(Overloaded("going down"))

    # -- what holds

    @invariant()
    def books_are_right(self) -> None:
        play = self.play
        closed = [id(account) for account in play.ledger.closed]
        assert len(closed) == len(set(closed)), "settled twice"
        assert len(closed) == sum(exchange.over for exchange in play.exchanges)
        under_way = [exchange.attempt for exchange in play.exchanges if exchange.attempt is not None]
        for name, candidate in play.candidates.items():
            own = sum(attempt.backend == name for attempt in under_way)
            assert candidate.health.in_flight == own, (name, candidate.health.in_flight, own)
            if candidate.slots is not None:
                assert candidate.slots.in_flight == own
        assert len(self.open()) <= len(under_way)
        assert len(play.ledger.outcomes) == sum(len(each.calls) for each in play.providers.values()) - len(under_way)

    @invariant()
    def clients_are_served_honestly(self) -> None:
        for exchange, request in zip(self.play.exchanges, self.requests, strict=True):
            assert exchange.over == bool(request.ended or request.disconnected), (exchange.over, request.ended)
            assert exchange.account.attempts <= 4
            if request.ended == "aborted" or (request.ended and request.status == 200 and exchange.account.error):
                assert b"[DONE]" not in request.body
            elif request.ended and request.status == 200:
                assert text_of(request.body) == self.said.get(id(self.last(exchange)), "")
            elif request.ended:
                assert orjson.loads(request.body)["error"], request.body

    def last(self, exchange: Exchange) -> Any:
        """The attempt that answered; it has said all that its client got."""
        every = [played for each in self.play.providers.values() for played in each.calls]
        return max((each for each in every if each.sink.exchange is exchange), key=lambda each: each.number).sink

    def teardown(self) -> None:
        """However it goes on: within the call's time, everybody has got an end."""
        self.play.pass_time(650)
        assert all(exchange.over for exchange in self.play.exchanges)
        self.books_are_right()
        self.clients_are_served_honestly()
        assert not self.play.clock.getDelayedCalls()


def text_of(body: bytes) -> str:
    """What an answer says, a stream or not."""
    if body.startswith(b"{"):
        return str(orjson.loads(body)["choices"][0]["message"]["content"])
    data = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    choices = [choice for each in data for choice in orjson.loads(each)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


class RescueMachine(ExchangeMachine):
    """Streams that other targets take up when they break off."""

    more: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        pair = pairing(CHAT, PROVIDERS["openai"], Adjustments(defaults={}, overrides={}), drop_unsupported=False)
        for name, plan in self.play.plans.items():
            self.play.plans[name] = dataclasses.replace(plan, rescue=pair)


class WholeMachine(ExchangeMachine):
    """Answers in one piece."""

    stream = False
    more: ClassVar[dict[str, Any]] = {"use_unhealthy": True, "backoff": 1.0}


class AnyOrderTests(unittest.TestCase):
    """See the machines."""

    def run_machine(self, machine: type[ExchangeMachine]) -> None:
        run_state_machine_as_test(
            machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
        )

    def test_streams(self) -> None:
        self.run_machine(ExchangeMachine)

    def test_streams_that_are_taken_up(self) -> None:
        self.run_machine(RescueMachine)

    def test_whole_answers(self) -> None:
        self.run_machine(WholeMachine)
