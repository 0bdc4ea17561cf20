"""Google tells in the body of an error when to come again, which counts as a header does."""

from __future__ import annotations

from aigw.testing import gemini
from aigw.testing.said import HELLO
from tests.wire.faults import COMPLETE, Fault, Front, MatrixTestCase, Outcome, in_turn
from tests.wire.stage import TIMEOUTS, Answered

CONFIG = f"""
[backends.one]
provider = "gemini"
url = "one_URL"
model = "gemini-2.5-flash"
timeouts = {TIMEOUTS}
[backends.two]
provider = "openai"
url = "two_URL"
timeouts = {TIMEOUTS}
[routes.all]
paths = ["/v1"]
auth = "none"
"""


class RetryInfoTests(MatrixTestCase):
    """With another target, that one is asked at once; without, it is waited for as long as is sensible."""

    config = CONFIG
    table = {
        "for_short": Fault(
            in_turn(2, gemini.error(429, "0.08s"), then=lambda: gemini.answer(HELLO)), COMPLETE, 3, apart=0.08
        ),
        "for_long": Fault(lambda: gemini.error(429, "37s"), 429, 1),
    }

    def assert_outcome(self, wanted: Outcome, front: Front, stream: bool, answered: Answered, where: str) -> None:
        """What is not waited for here, the client is told."""
        super().assert_outcome(wanted, front, stream, answered, where)
        self.assertEqual(answered.headers.get("retry-after"), "37" if wanted == 429 else None)


RetryInfoTests.add_tests()
