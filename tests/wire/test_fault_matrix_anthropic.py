"""The same as :mod:`tests.wire.test_fault_matrix` of providers that speak Anthropic's dialect.

Byte for byte for messages, translated for chats; what answers in their stead speaks the one dialect or the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.trial import unittest

from aigw.testing import Answer, anthropic
from aigw.testing.anthropic import FAULTS as PLAYED
from aigw.testing.said import HELLO
from tests.wire.faults import COMPLETE, CUT, FRONTS, STREAM, Fault, Front, MatrixTestCase, in_turn
from tests.wire.stage import TIMEOUTS

CONFIG = f"""
[backends.one]
provider = "anthropic"
url = "one_URL"
model = "claude-sonnet-5"
timeouts = {TIMEOUTS}
[backends.two]
provider = "openai"
url = "two_URL"
timeouts = {TIMEOUTS}
[backends.claude]
provider = "anthropic"
url = "claude_URL"
timeouts = {TIMEOUTS}
[routes.all]
paths = ["/v1"]
auth = "none"
"""


def played(name: str) -> Callable[[], Answer]:
    return lambda: PLAYED[name]


def once(name: str) -> Callable[[], Answer]:
    return in_turn(1, PLAYED[name], then=lambda: anthropic.answer(HELLO))


FAULTS = {
    "slow_first_byte": Fault(played("slow first byte"), 504, 1),
    "slow_first_token": Fault(played("slow first token"), 504, 1, modes=STREAM),
    "pings_for_ever": Fault(played("pings for ever"), 504, 1, modes=STREAM),
    "dies_before_first_token": Fault(played("dies before the first token"), 502, 3, modes=STREAM),
    "stall": Fault(played("stall"), CUT, 1, CUT, False, STREAM),
    "cut": Fault(played("cut"), CUT, 1, CUT, False, STREAM),
    "cut_by_reset": Fault(played("cut by reset"), CUT, 1, CUT, False, STREAM),
    "malformed_event": Fault(played("malformed event"), CUT, 1, CUT, False, STREAM),
    "no_message_stop": Fault(played("no message_stop"), CUT, 1, CUT, False, STREAM),
    "no_message_delta": Fault(played("no message_delta"), CUT, 1, CUT, False, STREAM),
    "error_first": Fault(played("error first"), 529, 3, modes=STREAM),
    "error_behind_the_greeting": Fault(played("error behind the greeting"), 529, 3, modes=STREAM),
    "error_in_the_middle": Fault(played("error in the middle"), CUT, 1, CUT, False, STREAM),
    "rate_limit": Fault(played("429"), 429, 1),
    "server_error_once": Fault(once("500"), COMPLETE, 2),
    "server_error_for_ever": Fault(played("500"), 500, 3),
    "overloaded_529": Fault(played("529"), 529, 3),
    "context_length": Fault(played("context too long"), 400, 1),
}


class AnthropicFaultMatrixTests(MatrixTestCase):
    """One test for each row of the table."""

    config = CONFIG
    table = FAULTS
    others = ("two", "claude")

    def answer_well(self) -> None:
        self.upstreams["claude"].standing = anthropic.answer(HELLO)


AnthropicFaultMatrixTests.add_tests()


class PrefillingFront(Front):
    """A client that gives the beginning of the answer itself."""

    def request(self, model: str, stream: bool) -> dict[str, Any]:
        fields = super().request(model, stream)
        return {**fields, "messages": [*fields["messages"], {"role": "assistant", "content": "Hello"}]}


class RefusedPrefillTests(MatrixTestCase):
    """A client's own prefill, refused: that is a 400 like any other, and goes nowhere else."""

    config = CONFIG
    table = {"prefill_refused": Fault(played("prefill refused"), 400, 1, 400, False)}
    others = ("two", "claude")

    def answer_well(self) -> None:
        self.upstreams["claude"].standing = anthropic.answer(HELLO)

    def cases(self, fault: Fault) -> Iterator[tuple[Front, bool, str]]:
        for front, stream, other in super().cases(fault):
            yield PrefillingFront(front.name, front.path, front.fields), stream, other


RefusedPrefillTests.add_tests()


class TableTests(unittest.TestCase):
    """The table itself."""

    def test_every_fault_that_can_be_played_is_in_it(self) -> None:
        """What ``aigw.testing`` can do is done here."""
        rows = [*FAULTS.values(), *RefusedPrefillTests.table.values()]
        answered = {id(fault.answer()) for fault in rows if fault.answer is not None}
        self.assertEqual({name for name, answer in PLAYED.items() if id(answer) not in answered} - {"500"}, set())

    def test_both_fronts(self) -> None:
        """One is passed byte for byte, one is translated."""
        self.assertEqual(set(FRONTS), {"openai", "anthropic"})
