"""Several targets for one call: who is asked, when, what the client is told, and what is left over."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.errors import BadRequest, Overloaded
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.proxy.account import Account
from aigw.proxy.client_body import ClientBody
from aigw.proxy.client_call import ClientCall
from aigw.proxy.exchange import Exchange
from aigw.routing.admission import Slots
from aigw.routing.breaker import Breaker, BreakerRules
from aigw.routing.retry import RetryRules
from aigw.upstream.credential import Passthrough
from tests.unit.proxy.fakes import (
    FakeCall,
    FakeLedger,
    FakePlans,
    FakeRequest,
    make_candidate,
    make_group,
    make_plan,
)
from tests.unit.proxy.test_exchange import ANSWER, DONE, chunk

JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]


_numbers = itertools.count()


class Played:
    """One call to a provider; the test plays the provider.

    :ivar number: later calls have a higher one.
    """

    def __init__(self, payload: Any, sink: Any) -> None:
        self.number = next(_numbers)
        self.payload = payload
        self.sink = sink
        self.call = FakeCall()

    @property
    def cancelled(self) -> bool:
        return self.call.cancelled

    def answer(self) -> None:
        """A whole answer."""
        self.sink.on_sent()
        self.sink.on_head(200, list(JSON))
        self.sink.on_data(ANSWER)
        self.sink.on_end(True)

    def refuse(self, status: int, fields: Any = None, *headers: tuple[bytes, bytes]) -> None:
        """An error."""
        self.sink.on_sent()
        self.sink.on_head(status, [*JSON, *headers])
        self.sink.on_data(
            orjson.dumps(fields or {"error": {"message": "no", "type": "t", "code": None, "param": None}})
        )
        self.sink.on_end(True)

    def stream(self, *events: bytes) -> None:
        """The beginning of a stream."""
        self.sink.on_sent()
        self.sink.on_head(200, list(EVENTS))
        for event in events:
            self.sink.on_data(event)

    def fail(self, kind: str = "connect", began: bool = False) -> None:
        """The call breaks."""
        self.sink.on_failure(CallFailure(kind, f"it is {kind}", began=began))


class Provider:
    """One backend's upstream, as plans have it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[Played] = []

    def send(self, payload: Any, sink: Any) -> FakeCall:
        played = Played(payload, sink)
        self.calls.append(played)
        return played.call

    def retire(self) -> None:
        pass


class Play:
    """A client, and providers ``a``, ``b`` and ``c`` in this order, on a clock that the test turns."""

    def __init__(self, names: str = "ab", *, stream: bool = False, slots: Any = None, **rules: Any) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.providers = {name: Provider(name) for name in names}
        self.plans: dict[str, Any] = {
            name: make_plan(provider, backend=name, down_lines=b"x-aigw-backend: %s\r\n" % name.encode())
            for name, provider in self.providers.items()
        }
        more = {"use_unhealthy": rules.pop("use_unhealthy", True), "patience": rules.pop("patience", 0.0)}
        self.candidates = {
            name: make_candidate(name, breaker=Breaker(BreakerRules(3)), slots=(slots or {}).get(name))
            for name in names
        }
        self.group = make_group(*([each] for each in self.candidates.values()), rules=RetryRules(**rules), **more)
        self.ledger = FakeLedger()
        self.fields = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        self.exchanges: list[Exchange] = []

    def ask(self, headers: Any = (), client: str = "127.0.0.1") -> FakeRequest:
        """A client comes with its call."""
        request = FakeRequest(self.clock)
        request.headers = list(headers)
        account = Account(request, client)  # type: ignore[arg-type]
        call = ClientCall(account, b"/v1")
        body = orjson.dumps(self.fields)
        call.asks("chat", None, ClientBody(body, orjson.loads(body)), "r", FakePlans(self.plans))
        first = self.group.first(call, self.clock.seconds())
        assert first is not None
        exchange = Exchange(call, self.group, self.ledger, self.deadlines, lambda: 1.0)  # type: ignore[arg-type]
        exchange.start(call.attempt(first, call.plan(first)))
        self.exchanges.append(exchange)
        return request

    @property
    def account(self) -> Account:
        return self.exchanges[-1].account

    def asked(self) -> str:
        """Who was asked how often, such as ``a2 b1``."""
        return " ".join(f"{name}{len(each.calls)}" for name, each in self.providers.items())

    def last(self, name: str) -> Played:
        return self.providers[name].calls[-1]

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)


class FailoverTestCase(unittest.TestCase):
    """What all of these have in common."""

    def assert_over(self, play: Play) -> None:
        """Settled once, and nothing is left."""
        self.assertCountEqual(play.ledger.closed, [exchange.account for exchange in play.exchanges])
        self.assertTrue(all(exchange.over for exchange in play.exchanges))
        for candidate in play.candidates.values():
            self.assertEqual(candidate.health.in_flight, 0)
            if candidate.slots is not None:
                self.assertEqual((candidate.slots.in_flight, candidate.slots.queued), (0, 0))
        play.pass_time(700)
        self.assertEqual(play.clock.getDelayedCalls(), [])
        self.assertEqual(len(play.ledger.closed), len(play.exchanges))

    def error(self, request: FakeRequest) -> Any:
        return orjson.loads(request.body)["error"]


class OtherTargetTests(FailoverTestCase):
    """Somebody else is asked."""

    def test_at_once_and_the_client_does_not_notice(self) -> None:
        play = Play()
        request = play.ask()
        play.last("a").refuse(503)
        self.assertEqual((play.asked(), request.status), ("a1 b1", 0))
        play.last("b").answer()
        self.assertEqual((request.status, request.body), (200, ANSWER))
        self.assertEqual(request.response_headers[b"x-aigw-backend"], b"b")
        self.assertEqual(play.ledger.outcomes, [("a", "status_5xx"), ("b", "ok")])
        self.assert_over(play)

    def test_each_gets_the_clients_own_call(self) -> None:
        """What one target's plan changes is not the next one's business."""
        play = Play()
        play.plans["a"] = make_plan(play.providers["a"], backend="a", model="model-of-a")
        play.ask()
        play.last("a").fail()
        seen = [play.last("b").payload.data]
        self.assertIn(b'"model":"m"', seen[0])
        self.assertNotIn(b"model-of-a", seen[0])

    def test_the_log_tells_of_each(self) -> None:
        play = Play()
        play.ask()
        play.pass_time(1)
        play.last("a").fail("reset")
        play.last("b").answer()
        self.assertEqual(play.account.attempts, 2)
        self.assertEqual(
            [(backend, outcome, error) for backend, _, outcome, _, error in play.account.tried],
            [("a", "cut", "upstream_reset"), ("b", "ok", "")],
        )
        self.assertAlmostEqual(play.account.tried[0][3], 1.0)

    def test_a_stream_that_begins_with_an_error(self) -> None:
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(chunk(""), b'data: {"error":{"message":"busy","type":"overloaded_error"}}\n\n')
        self.assertTrue(play.last("a").cancelled)
        play.last("b").stream(chunk(""), chunk("he"), chunk(None, "stop"), DONE)
        play.last("b").sink.on_end(True)
        self.assertEqual((request.status, request.ended), (200, "finished"))
        self.assertNotIn(b"busy", request.body)
        self.assert_over(play)

    def test_an_answer_of_status_200_that_is_none(self) -> None:
        """Choices that are null, an error inside of a choice, an error under another name: the next one answers."""
        choice = {"index": 0, "message": {"content": ""}, "error": {"code": 503, "message": "busy"}}
        minimax = {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
        for fields in ({"choices": None}, {"choices": []}, {"choices": [choice]}, minimax, {"detail": "busy"}, [], "x"):
            play = Play()
            request = play.ask()
            play.last("a").refuse(200, fields)
            self.assertEqual((play.asked(), request.status), ("a1 b1", 0), fields)
            play.last("b").answer()
            self.assertEqual((request.status, request.body), (200, ANSWER))
            self.assertIn(play.ledger.outcomes[0], (("a", "status_5xx"), ("a", "status_4xx")))
            self.assert_over(play)

    def test_what_is_told_of_such_an_answer(self) -> None:
        """An error, in the provider's words where it has some; it counts for the breaker."""
        for fields, status, words in (
            ({"choices": None}, 502, "no choices"),
            ({"choices": None, "base_resp": {"status_code": 1004, "status_msg": "bad key"}}, 401, "bad key"),
        ):
            play = Play("a", attempts=1)
            request = play.ask()
            play.last("a").refuse(200, fields)
            self.assertEqual((request.status, request.ended), (status, "finished"))
            self.assertIn(words, self.error(request)["message"])
            self.assertEqual(request.response_headers[b"content-type"], b"application/json")

    def test_a_stream_that_begins_with_what_is_no_answer(self) -> None:
        """The same in a stream, whatever greets first; so does an end of which there was no choice before."""
        inside = {"index": 0, "delta": {"content": ""}, "error": {"code": 503, "message": "busy"}}
        for events in (
            [b'data: {"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}\n\n'],
            [chunk(""), b"data: %s\n\n" % orjson.dumps({"choices": [inside]})],
            [b'data: {"detail":"busy"}\n\n'],
            [b'data: {"choices":null}\n\n', DONE],
            [DONE],
            [chunk(""), chunk(None, "error")],
        ):
            play = Play(stream=True)
            request = play.ask()
            play.last("a").stream(*events)
            self.assertEqual((play.asked(), request.status), ("a1 b1", 0), events)
            self.assertTrue(play.last("a").cancelled)
            play.last("b").stream(chunk("he"), chunk(None, "stop"), DONE)
            play.last("b").sink.on_end(True)
            self.assertEqual(request.body, chunk("he") + chunk(None, "stop") + DONE)
            self.assert_over(play)

    def test_a_stream_of_nothing_else_is_none_at_its_end(self) -> None:
        """Chunks without choices say nothing of an answer."""
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(b'data: {"choices":null}\n\n', b'data: {"id":"c"}\n\n')
        play.last("a").sink.on_end(True)
        self.assertEqual((play.asked(), request.status), ("a1 b1", 0))
        request.leave()

    def test_an_empty_answer_is_one(self) -> None:
        """A choice that says nothing, and its end."""
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(chunk(""), DONE)
        play.last("a").sink.on_end(True)
        self.assertEqual((play.asked(), request.status), ("a1 b0", 200))
        self.assertEqual(request.body, chunk("") + DONE)

    def test_a_failure_told_as_the_end_of_a_choice(self) -> None:
        """In the middle of a stream: it passes, and nothing behind it makes the stream look whole."""
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(chunk("he"), chunk(None, "error"), DONE)
        play.last("a").sink.on_end(True)
        self.assertEqual((request.body, request.ended), (chunk("he") + chunk(None, "error"), "finished"))
        self.assertEqual(play.account.error, "upstream_error")

    def test_a_stream_that_dies_before_its_first_word(self) -> None:
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(chunk(""))
        play.last("a").fail("cut", began=True)
        play.last("b").stream(chunk("he"), DONE)
        self.assertEqual(request.body, chunk("he") + DONE)

    def test_never_after_the_first_word(self) -> None:
        play = Play(stream=True)
        request = play.ask()
        play.last("a").stream(chunk("he"))
        play.last("a").fail("cut", began=True)
        self.assertEqual((play.asked(), request.ended), ("a1 b0", "finished"))
        self.assertIn(b'"error"', request.body)
        self.assert_over(play)

    def test_a_silent_one_is_left_at_once(self) -> None:
        """For the first byte and for the first token, whatever comments it sends; it is not asked again."""
        play = Play(stream=True, attempts=9)
        request = play.ask()
        play.last("a").sink.on_sent()
        play.pass_time(60.2)
        self.assertTrue(play.last("a").cancelled)
        self.assertEqual(play.asked(), "a1 b1")
        play.last("b").stream()
        for _ in range(6):
            play.pass_time(5)
            play.last("b").sink.on_data(b": ping\n\n")
        play.pass_time(0.5)
        self.assertEqual((play.asked(), request.status), ("a1 b1", 504))
        self.assertEqual(self.error(request)["code"], "first_token_timeout")
        self.assertEqual(request.response_headers[b"x-should-retry"], b"false")
        self.assert_over(play)

    def test_what_the_failed_one_said_of_itself_is_forgotten(self) -> None:
        """Its usage is not the consumer's, nor its model the answer's."""
        play = Play(stream=True)
        play.ask()
        usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
        play.last("a").stream(chunk("", usage=None, model="model-of-a"))
        play.last("a").sink.on_data(b'data: {"error":{"message":"x"},"usage":%s}\n\n' % orjson.dumps(usage))
        play.last("b").fail()
        play.last("b")
        self.assertIsNone(play.account.usage)
        self.assertIsNone(play.account.response_model)

    def test_what_a_failed_answer_said_of_its_tokens_is_forgotten(self) -> None:
        """Some say an error with a 200, and what it has cost beside it; nothing of that was delivered."""
        play = Play()
        play.ask()
        sink = play.last("a").sink
        sink.on_sent()
        sink.on_head(200, list(JSON))
        sink.on_data(b'{"error":{"message":"busy","code":503},"model":"x","usage":{"prompt_tokens":1000}}')
        sink.on_end(True)
        self.assertEqual(play.asked(), "a1 b1")
        play.last("b").fail("tls")
        self.assertIsNone(play.account.usage)
        self.assertIsNone(play.account.response_model)

    def test_who_cannot_be_asked_for_this_is_passed_over(self) -> None:
        play = Play("abc")
        play.plans["b"] = BadRequest("it has no such thing")
        request = play.ask()
        play.last("a").refuse(500)
        self.assertEqual(play.asked(), "a1 b0 c1")
        play.last("c").answer()
        self.assertEqual(request.status, 200)
        self.assert_over(play)

    def test_if_nobody_else_can_the_first_failure_is_told(self) -> None:
        play = Play()
        play.plans["b"] = BadRequest("it has no such thing")
        request = play.ask()
        play.last("a").refuse(401)
        self.assertEqual(request.status, 401)
        request = play.ask()
        play.last("a").fail("tls")
        self.assertEqual((request.status, self.error(request)["code"]), (502, "upstream_tls"))
        self.assert_over(play)

    def test_a_fault_of_our_own_is_told(self) -> None:
        """Nobody waits for ever because of it."""
        play = Play()
        play.plans["b"] = ZeroDivisionError("a mistake")
        request = play.ask()
        play.last("a").refuse(503)
        self.assertEqual((request.status, self.error(request)["code"]), (500, "internal_error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_over(play)


class ToldTests(FailoverTestCase):
    """What the client is told when nobody answers."""

    def test_the_last_failure(self) -> None:
        play = Play(attempts=2)
        request = play.ask()
        play.last("a").refuse(503)
        play.last("b").fail("dns")
        self.assertEqual((request.status, self.error(request)["code"]), (502, "upstream_dns"))
        self.assertEqual(request.response_headers[b"x-should-retry"], b"false")

    def test_what_the_client_can_change_counts_more(self) -> None:
        """A prompt that is too long for one is no news of another that cannot be reached."""
        play = Play(attempts=2)
        request = play.ask()
        told = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
        play.last("a").refuse(400, told)
        play.last("b").fail()
        self.assertEqual((request.status, self.error(request)["code"]), (400, "context_length_exceeded"))

    def test_an_account_without_money(self) -> None:
        """Is asked once; where nobody else is left, the client gets the provider's own status and words."""
        for status, told in (
            (403, {"error": {"message": "Key limit exceeded (total limit)", "code": 403}}),
            (400, {"error": {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"}}),
            (401, {"error": {"message": "m", "type": "insufficient_quota", "code": 401}}),
            (412, {"error": {"message": "Account is suspended: monthly spending limit"}}),
            (402, {"error": {"message": "Insufficient Balance"}}),
        ):
            play = Play()
            request = play.ask()
            play.last("a").refuse(status, told)
            self.assertEqual(play.asked(), "a1 b1")
            play.last("b").refuse(status, told)
            self.assertEqual((play.asked(), request.status), ("a1 b1", status))
            self.assertEqual(self.error(request)["message"], told["error"]["message"])
        play = Play(on=frozenset(("5xx",)))
        request = play.ask()
        play.last("a").refuse(403, {"error": {"message": "Key limit exceeded (total limit)"}})
        self.assertEqual((play.asked(), request.status), ("a1 b0", 403))

    def test_a_content_filter_is_final(self) -> None:
        play = Play()
        request = play.ask()
        play.last("a").refuse(400, {"error": {"message": "no", "type": "t", "code": "content_filter"}})
        self.assertEqual((play.asked(), request.status), ("a1 b0", 400))
        self.assertNotIn(b"x-should-retry", request.response_headers)

    def test_retry_after_lets_the_client_come_again(self) -> None:
        """A client that is told when need not be told that it may not."""
        play = Play(attempts=2)
        request = play.ask()
        play.last("a").refuse(503)
        play.last("b").refuse(429, None, (b"retry-after", b"30"), (b"x-ratelimit-remaining-requests", b"0"))
        self.assertEqual(request.status, 429)
        self.assertEqual(request.response_headers[b"retry-after"], b"30")
        self.assertEqual(request.response_headers[b"x-ratelimit-remaining-requests"], b"0")
        self.assertNotIn(b"x-should-retry", request.response_headers)

    def test_a_first_failure_that_is_final_leaves_the_providers_word(self) -> None:
        play = Play("a", attempts=1)
        request = play.ask()
        play.last("a").refuse(500, None, (b"x-should-retry", b"true"))
        self.assertEqual(request.response_headers[b"x-should-retry"], b"true")
        play = Play(attempts=2)
        request = play.ask()
        play.last("a").refuse(500, None, (b"x-should-retry", b"true"))
        play.last("b").refuse(500, None, (b"x-should-retry", b"true"))
        self.assertEqual(request.response_headers[b"x-should-retry"], b"false")

    def test_an_error_too_long_to_be_searched_is_not_shown(self) -> None:
        """Its status is, and when to come again; or the call goes on, if there is somebody to go on to."""
        for names, status in (("a", 429), ("ab", 0)):
            play = Play(names, attempts=len(names))
            request = play.ask()
            sink = play.last("a").sink
            sink.on_sent()
            sink.on_head(429, [*JSON, (b"retry-after", b"30"), (b"x-internal", b"1")])
            for _ in range(17):
                if not play.last("a").cancelled:
                    sink.on_data(b"x" * 65_536)
            self.assertEqual(request.status, status)
            self.assertTrue(play.last("a").cancelled)
            self.assertEqual(play.ledger.outcomes, [("a", "status_4xx")])
            if status:
                self.assertEqual(self.error(request)["code"], "upstream_error")
                self.assertIn("backend a answered with status 429", self.error(request)["message"])
                self.assertEqual(request.response_headers[b"retry-after"], b"30")
                self.assertNotIn(b"x-internal", request.response_headers)
                self.assert_over(play)
        play.last("b").answer()
        self.assertEqual((request.status, request.body), (200, ANSWER))
        self.assert_over(play)

    def test_an_error_that_breaks_off_is_still_that_error(self) -> None:
        """Its status decides; the client gets no half of it."""
        play = Play(attempts=2)
        request = play.ask()
        for name in "ab":
            sink = play.last(name).sink
            sink.on_sent()
            sink.on_head(503, list(JSON))
            sink.on_data(b'{"error"')
            play.last(name).fail("cut", began=True)
        self.assertEqual((play.asked(), request.status), ("a1 b1", 502))
        self.assertEqual(play.ledger.outcomes, [("a", "status_5xx"), ("b", "status_5xx")])
        self.assert_over(play)


class SameTargetTests(FailoverTestCase):
    """Nobody else is there."""

    def test_after_a_wait_that_grows(self) -> None:
        play = Play("a", backoff=1.0)
        request = play.ask()
        play.last("a").fail("reset")
        play.pass_time(0.9)
        self.assertEqual(play.asked(), "a1")
        play.pass_time(0.2)
        self.assertEqual(play.asked(), "a2")
        play.last("a").fail("reset")
        play.pass_time(1.9)
        self.assertEqual(play.asked(), "a2")
        play.pass_time(0.2)
        play.last("a").answer()
        self.assertEqual((request.status, play.account.attempts), (200, 3))
        self.assert_over(play)

    def test_retry_after_is_a_floor(self) -> None:
        """Also for calls that come meanwhile: they go elsewhere."""
        play = Play(attempts=9)
        play.ask()
        play.last("a").refuse(429, None, (b"retry-after", b"4"))
        self.assertEqual(play.asked(), "a1 b1")
        play.last("b").refuse(500)
        play.pass_time(0.4)
        self.assertEqual(play.asked(), "a1 b2")
        play.ask()
        self.assertEqual(play.asked(), "a1 b3")
        play.pass_time(4)
        play.ask()
        self.assertEqual(play.asked(), "a2 b3")

    def test_the_providers_own_word_counts(self) -> None:
        """``x-should-retry``: false sends a call elsewhere that would wait, true repeats one that would not be."""
        for status, word, asked in (
            (503, b"false", "a1"),
            (503, b"true", "a2"),
            (409, b"true", "a2"),
            (409, b"", "a1"),
        ):
            play = Play("a")
            play.ask()
            play.last("a").refuse(status, None, (b"x-should-retry", word))
            play.pass_time(1)
            self.assertEqual(play.asked(), asked, (status, word))

    def test_calls_pay_for_repetitions(self) -> None:
        """Each that comes for the first time puts a fifth of one in; only where there are any."""
        for attempts, repeated in ((3, 10 + 6), (1, 0)):
            play = Play("a", attempts=attempts)
            play.candidates["a"].breaker = None
            for _ in range(32):
                play.ask()
            for played in list(play.providers["a"].calls):
                played.refuse(500)
            play.clock.advance(0.3)
            self.assertEqual(len(play.providers["a"].calls), 32 + repeated)

    def test_time_runs_out_over_all_attempts(self) -> None:
        """``total`` is the call's, not the attempt's: 504 at its end, however often it was tried."""
        play = Play("a", attempts=9, backoff=5.0)
        play.plans["a"] = make_plan(play.providers["a"], backend="a")
        request = play.ask()
        for _ in range(9):
            if request.status:
                break
            play.pass_time(100)
            if play.last("a").cancelled or play.exchanges[0].attempt is None:
                continue
            play.last("a").fail("reset")
            play.pass_time(10)
        self.assertIn(request.status, (502, 504))
        self.assertLessEqual(play.clock.seconds(), 760)
        self.assert_over(play)

    def test_a_breaker_that_opens_meanwhile_ends_it(self) -> None:
        play = Play("a", attempts=9)
        request = play.ask()
        for _ in range(3):
            play.last("a").fail("reset")
            play.pass_time(2)
        self.assertEqual((play.asked(), request.status), ("a3", 502))
        self.assert_over(play)


class LeavingTests(FailoverTestCase):
    """Clients leave, the gateway goes down: in every phase nothing is left."""

    def test_while_waiting_to_repeat(self) -> None:
        play = Play("a", backoff=5.0)
        request = play.ask()
        play.last("a").fail("reset")
        request.leave()
        self.assertEqual((play.account.error, play.asked()), ("client_gone", "a1"))
        self.assertEqual(play.ledger.outcomes, [("a", "cut")])
        self.assert_over(play)
        self.assertEqual(play.asked(), "a1")

    def test_in_the_second_attempt(self) -> None:
        play = Play()
        request = play.ask()
        play.last("a").fail("reset")
        request.leave()
        self.assertTrue(play.last("b").cancelled)
        self.assertEqual(play.ledger.outcomes, [("a", "cut"), ("b", "cancelled")])
        self.assert_over(play)

    def test_a_probe_whose_client_leaves_frees_the_way(self) -> None:
        """Or the breaker would stay half open for ever."""
        play = Play(attempts=1)
        for _ in range(3):
            play.ask()
            play.last("a").fail("reset")
        play.pass_time(10.1)
        request = play.ask()
        self.assertEqual(play.asked(), "a4 b0")
        request.leave()
        play.ask()
        self.assertEqual(play.asked(), "a5 b0")
        play.ask()
        self.assertEqual(play.asked(), "a5 b1")

    def test_the_gateway_goes_down_while_waiting(self) -> None:
        play = Play("a", backoff=5.0)
        request = play.ask()
        play.last("a").fail("reset")
        play.exchanges[0].cut(Overloaded("going down", code="draining"))
        self.assertEqual((request.status, self.error(request)["code"]), (503, "draining"))
        self.assert_over(play)


class QueueTests(FailoverTestCase):
    """Backends with room for few."""

    def test_the_next_one_goes_on_when_one_is_done(self) -> None:
        play = Play("a", slots={"a": Slots(1, 10)}, attempts=1)
        first, second = play.ask(), play.ask()
        self.assertEqual(play.asked(), "a1")
        play.last("a").answer()
        self.assertEqual((first.status, play.asked()), (200, "a2"))
        play.last("a").answer()
        self.assertEqual(second.status, 200)
        self.assert_over(play)

    def test_a_full_backend_gives_way_to_another(self) -> None:
        play = Play(slots={"a": Slots(1, 10)})
        play.ask()
        play.ask()
        self.assertEqual(play.asked(), "a1 b1")

    def test_who_waited_long_enough_is_told_or_goes_elsewhere(self) -> None:
        play = Play("a", slots={"a": Slots(1, 1)}, attempts=1)
        first, second, third = play.ask(), play.ask(), play.ask()
        self.assertEqual((third.status, self.error(third)["code"]), (503, "backend_busy"))
        self.assertEqual(third.response_headers[b"retry-after"], b"1")
        play.last("a").sink.on_sent()
        play.pass_time(10.2)
        self.assertEqual((second.status, first.status), (503, 0))
        self.assertIn("10 s", self.error(second)["message"])
        play.last("a").answer()
        self.assertEqual(play.account.attempts, 0)
        self.assertEqual(sorted(account.attempts for account in play.ledger.closed), [0, 0, 1])
        self.assertEqual(play.ledger.outcomes, [("a", "ok")])

    def test_whoever_fills_the_queue_makes_room_for_others(self) -> None:
        """The last of its calls is told, and no other; from outside of the call that takes its place."""
        play = Play("a", slots={"a": Slots(1, 3)}, attempts=1)
        play.ask()
        greedy = [play.ask() for _ in range(3)]
        quiet = play.ask(client="192.0.2.7")
        self.assertEqual([request.status for request in (*greedy, quiet)], [0, 0, 0, 0])
        play.pass_time(0.1)
        self.assertEqual([request.status for request in (*greedy, quiet)], [0, 0, 503, 0])
        self.assertEqual(self.error(greedy[2])["code"], "backend_busy")
        self.assertIn("most of the calls waiting for it are this consumer's", self.error(greedy[2])["message"])
        for _ in range(4):
            play.last("a").answer()
        self.assertEqual([request.status for request in (*greedy, quiet)], [200, 200, 503, 200])
        self.assert_over(play)

    def test_who_is_shed_goes_elsewhere_where_there_is_room(self) -> None:
        play = Play(slots={"a": Slots(1, 2), "b": Slots(1, 5)})
        play.ask()
        play.ask()
        greedy = [play.ask() for _ in range(2)]
        self.assertEqual(play.asked(), "a1 b1")
        play.ask(client="192.0.2.7")
        play.pass_time(0.1)
        play.last("b").answer()
        self.assertEqual(play.asked(), "a1 b2")
        play.last("b").answer()
        self.assertEqual([request.status for request in greedy], [0, 200])
        for _ in range(3):
            play.last("a").answer()
        self.assert_over(play)

    def test_who_leaves_while_it_is_shed_leaves_nothing(self) -> None:
        play = Play("a", slots={"a": Slots(1, 2)}, attempts=1)
        play.ask()
        greedy = [play.ask() for _ in range(2)]
        play.ask(client="192.0.2.7")
        greedy[1].leave()
        play.pass_time(0.1)
        for _ in range(3):
            play.last("a").answer()
        self.assertEqual(greedy[0].status, 200)
        self.assert_over(play)

    def test_waiting_does_not_use_up_the_time_to_connect(self) -> None:
        play = Play("a", slots={"a": Slots(1, 10)}, attempts=1)
        play.ask()
        second = play.ask()
        play.pass_time(4.5)
        play.last("a").answer()
        play.pass_time(4.5)
        self.assertEqual(second.status, 0)
        play.last("a").answer()
        self.assertEqual(second.status, 200)
        self.assert_over(play)

    def waiting(self, play: Play, count: int) -> list[FakeRequest]:
        """Calls that wait for ``a``, whose breaker opens meanwhile; ``b`` has no room until then."""
        requests = [play.ask() for _ in range(count)]
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        for _ in range(3):
            breaker.failed(breaker.begin(play.clock.seconds()), play.clock.seconds())
        return requests

    def test_a_queue_does_not_run_into_an_open_breaker(self) -> None:
        """Who waited for a target that others have found failing goes elsewhere at once; nobody is lost."""
        play = Play(slots={"a": Slots(1, 100), "b": Slots(1, 100)})
        requests = self.waiting(play, 30)
        self.assertEqual(play.asked(), "a1 b1")
        play.last("a").answer()
        self.assertEqual(play.asked(), "a1 b1", "29 wait for b now")
        for _ in range(29):
            play.last("b").answer()
        self.assertEqual({request.status for request in requests}, {200})
        self.assertEqual(play.asked(), "a1 b29")
        self.assert_over(play)

    def test_a_queue_before_the_only_target_goes_on(self) -> None:
        """Trying is better than nothing, where the configuration thinks so."""
        play = Play("a", slots={"a": Slots(1, 100)})
        requests = self.waiting(play, 3)
        for _ in range(3):
            play.last("a").answer()
        self.assertEqual(({request.status for request in requests}, play.asked()), ({200}, "a3"))
        self.assert_over(play)

    def test_a_queue_before_the_only_target_is_told(self) -> None:
        """Or else it is not."""
        play = Play("a", slots={"a": Slots(1, 100)}, use_unhealthy=False)
        first, *others = self.waiting(play, 3)
        play.last("a").fail("tls")
        self.assertEqual([first.status, *(each.status for each in others)], [502, 503, 503])
        self.assertEqual(self.error(others[0])["code"], "backend_busy")
        self.assertEqual(others[0].response_headers[b"retry-after"], b"1")
        self.assertEqual(play.asked(), "a1")
        self.assert_over(play)

    def test_who_leaves_the_queue_leaves_nothing(self) -> None:
        play = Play("a", slots={"a": Slots(1, 10)}, attempts=1)
        first, second = play.ask(), play.ask()
        second.leave()
        play.last("a").answer()
        self.assertEqual((first.status, play.asked()), (200, "a1"))
        self.assertEqual({account.error for account in play.ledger.closed}, {"", "client_gone"})


class StreamKeepaliveTests(FailoverTestCase):
    """Clients that would not wait."""

    def test_a_waiting_client_gets_comments_and_then_its_answer(self) -> None:
        """Of another target, if need be: a comment is no event."""
        play = Play(stream=True, patience=10.0)
        request = play.ask()
        play.last("a").sink.on_sent()
        play.pass_time(9.5)
        self.assertEqual((request.status, request.body), (0, b""))
        play.pass_time(15)
        self.assertEqual((request.status, request.body), (200, b": waiting for the model\n\n" * 2))
        self.assertEqual(request.response_headers[b"content-type"], b"text/event-stream; charset=utf-8")
        play.last("a").refuse(503)
        play.last("b").stream(chunk(""), chunk("he"), chunk(None, "stop"), DONE)
        play.last("b").sink.on_end(True)
        self.assertTrue(request.body.endswith(b"model\n\n" + chunk("") + chunk("he") + chunk(None, "stop") + DONE))
        self.assertEqual(request.ended, "finished")
        self.assert_over(play)

    def test_an_error_is_an_event_then(self) -> None:
        """The provider's, or our own; the stream has no end."""
        for status, expected in ((503, b'"message":"no"'), (None, b"upstream_tls")):
            play = Play("a", stream=True, patience=2.0, attempts=1)
            request = play.ask()
            play.pass_time(3)
            play.last("a").refuse(status) if status else play.last("a").fail("tls")
            self.assertIn(expected, request.body)
            self.assertIn(b'data: {"error":{', request.body)
            self.assertNotIn(b"[DONE]", request.body)
            self.assertEqual((request.status, request.ended), (200, "finished"))
            self.assert_over(play)

    def test_nobody_is_told_to_wait_who_gets_an_answer(self) -> None:
        play = Play(stream=True, patience=2.0)
        request = play.ask()
        play.last("a").stream(chunk("he"))
        play.pass_time(10)
        self.assertEqual(request.body, chunk("he"))
        request.leave()
        self.assert_over(play)

    def test_whole_answers_are_waited_for(self) -> None:
        play = Play(patience=2.0)
        request = play.ask()
        play.last("a").sink.on_sent()
        play.pass_time(10)
        self.assertEqual(request.status, 0)

    def test_who_leaves_while_being_comforted(self) -> None:
        play = Play(stream=True, patience=2.0)
        request = play.ask()
        play.last("a").sink.on_sent()
        play.pass_time(5)
        request.leave()
        self.assertTrue(play.last("a").cancelled)
        self.assert_over(play)


class HealthTests(FailoverTestCase):
    """What attempts tell of their targets."""

    def test_failures_open_the_breaker_and_an_answer_closes_it(self) -> None:
        """A secondary serves meanwhile, and the clients notice nothing."""
        play = Play()
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        for _ in range(3):
            request = play.ask()
            play.last("a").refuse(500)
            play.last("b").answer()
            self.assertEqual(request.status, 200)
        self.assertTrue(breaker.is_open)
        play.ask()
        self.assertEqual(play.asked(), "a3 b4")
        play.pass_time(10.1)
        request = play.ask()
        play.last("a").answer()
        self.assertEqual((request.status, breaker.is_open), (200, False))

    def test_a_stream_says_that_it_is_well_with_its_first_word(self) -> None:
        """A probe that talks for ten minutes would keep the others away."""
        play = Play(stream=True)
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        for _ in range(3):
            breaker.failed(breaker.begin(0.0), 0.0)
        play.pass_time(10.1)
        play.ask()
        play.last("a").stream(chunk(""))
        self.assertTrue(breaker.is_open)
        play.last("a").sink.on_data(chunk("he"))
        self.assertFalse(breaker.is_open)

    def test_what_the_client_did_wrong_is_no_failure_of_the_target(self) -> None:
        play = Play("a", attempts=1)
        for status in (400, 401, 403, 404, 413, 422) * 3:
            play.ask()
            play.last("a").refuse(status)
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        self.assertFalse(breaker.is_open)

    def test_who_lingers_behind_the_end_has_not_failed(self) -> None:
        """The answer was whole."""
        play = Play("a", stream=True)
        for _ in range(5):
            request = play.ask()
            play.last("a").stream(chunk("he"), chunk(None, "stop"), DONE)
            play.pass_time(1.5)
            self.assertEqual(request.ended, "finished")
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        self.assertFalse(breaker.is_open)

    def test_how_soon_it_answers_is_measured_where_it_matters(self) -> None:
        """Streams by their first word, whole answers by their head."""
        for stream in (True, False):
            play = Play("a", stream=stream)
            candidate = play.candidates["a"]
            for measured, seconds in ((False, 0.0), (True, 3.0)):
                candidate.measured = measured
                play.ask()
                play.last("a").sink.on_sent()
                play.pass_time(3)
                if stream:
                    play.last("a").sink.on_head(200, list(EVENTS))
                    play.last("a").sink.on_data(chunk("he"))
                else:
                    play.last("a").sink.on_head(200, list(JSON))
                    play.last("a").sink.on_data(ANSWER)
                    play.last("a").sink.on_end(True)
                now = play.clock.seconds()
                self.assertAlmostEqual(candidate.health.latency(stream).now(now), seconds)
                self.assertEqual(candidate.health.latency(not stream).now(now), 0.0)

    def test_limits_of_the_clients_own_account_are_not_the_others(self) -> None:
        """With passthrough, each client has its own at the provider."""
        for credential, rests in ((Passthrough((b"authorization",)), False), (None, True)):
            play = Play("a", attempts=1)
            if credential is not None:
                play.plans["a"] = make_plan(play.providers["a"], backend="a", credential=credential)
            for _ in range(5):
                play.ask([(b"authorization", b"Bearer sk-of-the-client")])
                play.last("a").refuse(429, None, (b"retry-after", b"30"))
            candidate = play.candidates["a"]
            assert candidate.breaker is not None
            self.assertEqual(candidate.breaker.is_open, rests)
            self.assertEqual(candidate.health.resting_until > 0, rests)

    def test_cut_streams_are_failures(self) -> None:
        play = Play("a", stream=True)
        for _ in range(3):
            play.ask()
            play.last("a").stream(chunk("he"))
            play.last("a").fail("cut", began=True)
        breaker = play.candidates["a"].breaker
        assert breaker is not None
        self.assertTrue(breaker.is_open)
