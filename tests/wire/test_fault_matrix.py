"""Every way a provider can fail, with and without another target, streaming and not, both dialects in front.

See :mod:`tests.wire.faults`; the providers of this one speak OpenAI's dialect.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial import unittest

from aigw.testing import FAULTS as PLAYED
from aigw.testing import Act, Answer, answers
from tests.dist.daemon import free_port
from tests.wire.faults import COMPLETE, CUT, STREAM, WHOLE, Fault, MatrixTestCase, in_turn
from tests.wire.stage import TIMEOUTS

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


def played(name: str) -> Callable[[], Answer]:
    return lambda: PLAYED[name]


def first(count: int, *failing: str) -> Callable[[], Answer]:
    """``failing`` so many times, then the usual answer."""
    return in_turn(count, *(PLAYED[name] for name in failing), then=answers.openai)


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


def error_in_a_choice() -> Answer:
    """As OpenRouter tells that its provider failed."""
    choice = {"index": 0, "message": {"content": ""}, "error": {"code": 503, "message": "overloaded"}}
    return answers.reply({"choices": [choice]})


def no_choices_streamed() -> Answer:
    return answers.stream([b'data: {"choices":null}\n\n', b"data: [DONE]\n\n"])


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
    "no_choices": Fault(lambda: answers.reply({"choices": None}), 502, 1, modes=WHOLE),
    "error_in_a_choice": Fault(error_in_a_choice, 503, 3, modes=WHOLE),
    "stream_of_no_choices": Fault(no_choices_streamed, 502, 1, modes=STREAM),
    "error_first": Fault(played("error first"), 529, 3, modes=STREAM),
}


class FaultMatrixTests(MatrixTestCase):
    """One test for each row of the table."""

    config = CONFIG
    table = FAULTS
    failing = ("one", "refusing", "nameless", "plain")

    def configuration(self) -> str:
        plain = str(self.upstreams["one"].port)
        return super().configuration().replace("REFUSING", str(free_port())).replace("PLAIN", plain)


FaultMatrixTests.add_tests()


class TableTests(unittest.TestCase):
    """The table itself."""

    def test_every_fault_that_can_be_played_is_in_it(self) -> None:
        """What ``aigw.testing`` can do is done here."""
        answered = {id(fault.answer()) for fault in FAULTS.values() if fault.answer is not None}
        played = {name for name, answer in PLAYED.items() if id(answer) in answered}
        self.assertEqual(set(PLAYED) - played, {"refuse later"})
