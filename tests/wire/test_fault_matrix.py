"""Every way a provider can fail, with and without another target, streaming and not, both dialects in front.

No outcome but two: the complete answer, or one clean error within the configured time. For each fault the table
:data:`FAULTS` says what the client gets, and how often each provider is asked; after each call the gateway is as it was
before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
from twisted.trial import unittest

from aigw.testing import FAULTS as PLAYED
from aigw.testing import Act, Answer, answers
from aigw.testing.openai import TEXT
from tests.dist.daemon import free_port
from tests.wire.stage import TIMEOUTS, Answered, StageTestCase

CONFIG = f"""
[backends.one]
provider = "openai"
url = "one_URL"
timeouts = {TIMEOUTS}
[backends.two]
provider = "openai"
url = "two_URL"
timeouts = {TIMEOUTS}
[backends.refusing]
provider = "openai"
url = "http://127.0.0.1:REFUSING/v1"
timeouts = {TIMEOUTS}
[backends.nameless]
provider = "openai"
url = "http://no-such-host.invalid/v1"
timeouts = {TIMEOUTS}
[backends.plain]
provider = "openai"
url = "https://127.0.0.1:PLAIN/v1"
timeouts = {TIMEOUTS}
[routes.all]
paths = ["/v1"]
auth = "none"
"""
MODEL = """
[models.{name}]
targets = [{targets}]
retry = {{ backoff = "2ms", max_wait = "250ms" }}
breaker = {{ failures = 0 }}
"""
BACKENDS = ("one", "refusing", "nameless", "plain")

COMPLETE, CUT = "complete", "cut"
BOTH, STREAM, WHOLE = (True, False), (True,), (False,)


@attrs.frozen
class Fault:
    """A row of the table.

    :ivar answer: what the first target does; None where it cannot be asked at all.
    :ivar alone: what the client gets where there is no other target: a status, ``COMPLETE`` or ``CUT``.
    :ivar tries: how often that one is asked then.
    :ivar pair: what the client gets where there is another target, which is well.
    :ivar elsewhere: whether that one is asked.
    :ivar modes: streaming or not.
    :ivar backend: who fails.
    :ivar apart: seconds between two tries, at least.
    """

    answer: Callable[[], Answer] | None
    alone: int | str
    tries: int
    pair: int | str = COMPLETE
    elsewhere: bool = True
    modes: tuple[bool, ...] = BOTH
    backend: str = "one"
    apart: float = 0.0


def played(name: str) -> Callable[[], Answer]:
    return lambda: PLAYED[name]


def first(count: int, *failing: str) -> Callable[[], Answer]:
    """``failing`` so many times, then the usual answer."""

    def made() -> Answer:
        turns = itertools.chain(*(itertools.repeat(PLAYED[name], count) for name in failing), itertools.repeat(None))
        return lambda request: (next(turns) or answers.openai())(request)

    return made


def stalling_body() -> Answer:
    body = b'{"object": "chat.completion", '
    return answers.raw(
        answers.head(200, [(b"content-type", b"application/json"), (b"content-length", b"100")]) + body, Act.HANG
    )


def soon(status: int) -> Callable[[], Answer]:
    """An error after which to come again in 60 ms."""
    return lambda: answers.overloaded(status, [(b"retry-after-ms", b"60")])


def refused(status: int) -> Callable[[], Answer]:
    return lambda: answers.error(status, "no", "invalid_request_error", headers=[(b"x-should-retry", b"true")])


FAULTS = {
    "refused": Fault(None, 502, 3, backend="refusing"),
    "no_such_host": Fault(None, 502, 3, backend="nameless"),
    "tls_failure": Fault(None, 502, 1, backend="plain"),
    "reset_before_headers": Fault(played("reset before headers"), 502, 3),
    "closed_before_headers": Fault(played("close before headers"), 502, 3),
    "no_answer": Fault(played("no answer"), 504, 1),
    "slow_first_byte": Fault(played("slow first byte"), 504, 1),
    "slow_first_token": Fault(played("slow first token"), 504, 1, modes=STREAM),
    "pings_for_ever": Fault(played("pings for ever"), 504, 1, modes=STREAM),
    "dies_before_first_token": Fault(played("dies before the first token"), 502, 3, modes=STREAM),
    "stall": Fault(played("stall"), CUT, 1, CUT, False, STREAM),
    "stall_in_a_body": Fault(stalling_body, 504, 1, modes=WHOLE),
    "cut": Fault(played("cut"), CUT, 1, CUT, False, STREAM),
    "cut_by_reset": Fault(played("cut by reset"), CUT, 1, CUT, False, STREAM),
    "malformed_event": Fault(played("malformed event"), CUT, 1, CUT, False, STREAM),
    "no_done": Fault(played("no [DONE]"), COMPLETE, 1, COMPLETE, False, STREAM),
    "lying_content_length": Fault(played("lying content-length"), 502, 3, modes=WHOLE),
    "oversized_headers": Fault(played("oversized headers"), 502, 1),
    "garbage": Fault(played("garbage"), 502, 1),
    "not_an_answer": Fault(played("not an answer"), 502, 1),
    "rate_limit_for_long": Fault(played("429"), 429, 1),
    "rate_limit_for_short": Fault(soon(429), 429, 3, apart=0.06),
    "rate_limit_until_reset": Fault(played("429 without retry-after"), 429, 1),
    "rate_limit_without_a_word": Fault(lambda: answers.error(429, "slow down", "requests"), 429, 3),
    "no_credit": Fault(played("429 for lack of credit"), 429, 1),
    "server_error_once": Fault(first(1, "500"), COMPLETE, 2),
    "server_error_for_ever": Fault(played("500"), 500, 3),
    "overloaded_for_ever": Fault(played("503"), 503, 3),
    "overloaded_with_retry_after": Fault(soon(503), 503, 3, apart=0.06),
    "overloaded_529": Fault(played("529"), 529, 3),
    "flapping": Fault(first(2, "503"), COMPLETE, 3),
    "context_length": Fault(played("context too long"), 400, 1),
    "content_filter": Fault(played("content filter"), 400, 1, 400, False),
    "wrong_key": Fault(refused(401), 401, 1, 401, False),
    "not_found": Fault(refused(404), 404, 1, 404, False),
    "unprocessable": Fault(refused(422), 422, 1, 422, False),
    "error_first": Fault(played("error first"), 529, 3, modes=STREAM),
}


@attrs.frozen
class Front:
    """A dialect in front.

    :ivar fields: of a request.
    """

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
    "openai": Front("/v1/chat/completions", {"messages": _TURNS}),
    "anthropic": Front("/v1/messages", {"messages": _TURNS, "max_tokens": 100}),
}


class FaultMatrixTests(StageTestCase):
    """One test for each row of the table, for both fronts, with and without another target."""

    def setUp(self) -> None:
        super().setUp()
        one, _ = self.upstream("one"), self.upstream("two")
        models = [MODEL.format(name="healthy", targets='{ backend = "two" }')]
        for name in BACKENDS:
            target = f'{{ backend = "{name}" }}'
            models.append(MODEL.format(name=f"{name}-alone", targets=target))
            models.append(MODEL.format(name=f"{name}-pair", targets=f'{target}, {{ backend = "two", priority = 1 }}'))
        config = CONFIG + "".join(models)
        self.serve(config.replace("REFUSING", str(free_port())).replace("PLAIN", str(one.port)))

    async def check(self, fault: Fault) -> None:
        for (name, front), stream, pair in itertools.product(FRONTS.items(), fault.modes, (False, True)):
            where = f"{name} in front, {'stream' if stream else 'whole'}, {'pair' if pair else 'alone'}"
            await self.check_one(fault, front, stream, pair, where)

    async def check_one(self, fault: Fault, front: Front, stream: bool, pair: bool, where: str) -> None:
        one, two = self.upstreams["one"], self.upstreams["two"]
        if fault.answer is not None:
            one.standing = fault.answer()
        for upstream in (one, two):
            upstream.requests.clear()
        for times in self.arrivals.values():
            times.clear()
        self.forget()
        model = f"{fault.backend}-{'pair' if pair else 'alone'}"
        answered = await self.ask(front.request(model, stream), front.path)
        self.assert_outcome(fault.pair if pair else fault.alone, front, stream, answered, where)
        self.assert_attempts(fault, pair, where)
        await self.assert_nothing_left()
        after = await self.ask(front.request("healthy", stream), front.path)
        self.assert_outcome(COMPLETE, front, stream, after, f"afterwards: {where}")

    def forget(self) -> None:
        """What one case has taught the gateway of its targets is not the next one's business."""
        for health in self.snapshot.book._health.values():
            health.resting_until = 0.0

    def assert_outcome(self, wanted: int | str, front: Front, stream: bool, answered: Answered, where: str) -> None:
        told = f"{where}: {answered}"
        if wanted == COMPLETE:
            self.assertEqual((answered.status, answered.whole), (200, True), told)
            self.assertEqual(front.text(answered, stream), TEXT, told)
        elif wanted == CUT:
            self.assertEqual((answered.status, answered.whole), (200, False), told)
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

    def assert_attempts(self, fault: Fault, pair: bool, where: str) -> None:
        account = self.ledger.closed[-1]
        own = 1 if pair and fault.elsewhere else fault.tries
        self.assertEqual(account.attempts, own + (pair and fault.elsewhere), where)
        if fault.answer is not None:
            self.assertEqual(len(self.upstreams["one"].requests), own, where)
        self.assertEqual(len(self.upstreams["two"].requests), int(pair and fault.elsewhere), where)
        for earlier, later in itertools.pairwise(self.arrivals["one"]):
            self.assertGreaterEqual(later - earlier, fault.apart, where)


def _test(name: str) -> Callable[[FaultMatrixTests], Any]:
    async def test(self: FaultMatrixTests) -> None:
        await self.check(FAULTS[name])

    test.__doc__ = f"See :data:`FAULTS`: {name}."
    return test


for _name in FAULTS:
    setattr(FaultMatrixTests, f"test_{_name}", _test(_name))


class TableTests(unittest.TestCase):
    """The table itself."""

    def test_every_fault_that_can_be_played_is_in_it(self) -> None:
        """What ``aigw.testing`` can do is done here."""
        answered = {id(fault.answer()) for fault in FAULTS.values() if fault.answer is not None}
        played = {name for name, answer in PLAYED.items() if id(answer) in answered}
        self.assertEqual(set(PLAYED) - played, {"refuse later"})
