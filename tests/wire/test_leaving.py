"""Ten thousand clients that leave when they like: afterwards everything is as it was."""

from __future__ import annotations

import gc
import random
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from aigw.proxy.attempt import Attempt
from aigw.proxy.client_call import ClientCall
from aigw.proxy.exchange import Exchange
from aigw.testing import Act, Answer, ReceivedRequest, answers
from tests.dist.raw import connect, post
from tests.wire.faults import FRONTS
from tests.wire.stage import StageTestCase, wait

CONFIG = """
[backends.one]
provider = "openai"
url = "one_URL"
max_in_flight = 20
queue = { size = 20, timeout = "50ms" }
timeouts = { connect = "200ms", first_byte = "60ms", first_token = "60ms", idle = "60ms", total = "1s" }
[backends.two]
provider = "openai"
url = "two_URL"
timeouts = { connect = "200ms", first_byte = "60ms", first_token = "60ms", idle = "60ms", total = "1s" }
[models.m]
balance = "least-busy"
targets = [{ backend = "one" }, { backend = "two" }]
retry = { attempts = 4, backoff = "20ms", max_wait = "50ms" }
breaker = { failures = 50, cool_down = "20ms" }
[models.patient]
targets = [{ backend = "one" }, { backend = "two", priority = 1 }]
retry = { attempts = 4, backoff = "20ms", max_wait = "50ms" }
breaker = { failures = 50, cool_down = "20ms" }
on_stream_cut = "continue"
patience = "20ms"
[routes.all]
paths = ["/v1"]
auth = "none"
"""
CALLS, AT_A_TIME = 10_000, 60


def moody(chance: random.Random) -> Answer:
    """A provider that does anything, and mostly takes its time over it."""
    moods = [
        answers.openai(),
        answers.openai(delay=0.002),
        answers.openai(delay=0.01),
        answers.slow_first_byte(0.01),
        answers.raw(Act.HANG),
        answers.raw(Act.RESET),
        answers.overloaded(),
        answers.overloaded(429, [(b"retry-after-ms", b"10")]),
        answers.cut_after(3),
        answers.stall_after(3),
        answers.dies_before_first_token(Act.HANG),
    ]

    def answer(request: ReceivedRequest) -> Any:
        return chance.choice(moods)(request)

    return answer


class LeavingTests(StageTestCase):
    """Clients that leave before, in and after everything."""

    timeout = 240

    async def test_nothing_is_left_of_ten_thousand(self) -> None:
        """Connections, places, counters, timers, objects."""
        chance = random.Random(20261121)
        for name in ("one", "two"):
            upstream = self.upstream(name)
            upstream.standing = moody(chance)
        self.serve(CONFIG)
        await self._calls(chance, 200)  # whatever is made once is there now
        await self.assert_nothing_left()
        self.ledger.closed.clear()
        before = self._objects()
        await self._calls(chance, CALLS)
        await self.assert_nothing_left()
        self.ledger.closed.clear()
        self.assertEqual(self._objects(), before)
        outcomes = {outcome for _, outcome in self.outcomes()}
        self.assertEqual(outcomes, {"ok", "cancelled", "timeout", "cut", "status_4xx", "status_5xx"}, "all phases")
        await self.until(lambda: not self.factory.channels)

    async def _calls(self, chance: random.Random, count: int) -> None:
        left = iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                await self._call(chance)
                # Remembering them would be a leak of the test's own.
                self.ledger.closed.clear()
                for upstream in self.upstreams.values():
                    upstream.requests.clear()
                for times in self.arrivals.values():
                    times.clear()

        await defer.gatherResults([Deferred.fromCoroutine(one_after_the_other()) for _ in range(AT_A_TIME)])

    async def _call(self, chance: random.Random) -> None:
        front = chance.choice(list(FRONTS.values()))
        fields = front.request(chance.choice(["m", "patient"]), chance.random() < 0.7)
        client = await connect(self.port)
        request = post(front.path, fields)
        if chance.random() < 0.1:
            client.send(request[: chance.randrange(len(request))])
        else:
            client.send(request)
        await wait(chance.choice([0.0, 0.0, 0.001, 0.005, 0.02, 0.05, 0.1]))
        client.leave()

    def _objects(self) -> dict[str, int]:
        gc.collect()
        kinds = (Exchange, Attempt, ClientCall)
        return {kind.__name__: sum(isinstance(each, kind) for each in gc.get_objects()) for kind in kinds}
