"""What a plan makes of a client's body."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from tests.unit.proxy.fakes import make_plan


def adjusted(fields: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], bool]:
    """The body that goes up, and whether it is the client's own, byte for byte."""
    body = orjson.dumps({"model": "m", **fields})
    sent, _ = make_plan(None, asks_usage=False, **changes).adjust(body, orjson.loads(body))
    return orjson.loads(sent), sent is body


class AdjustTests(unittest.TestCase):
    """Bodies of calls that pass byte for byte where they can."""

    def test_always_streams_what_can_be_streamed(self) -> None:
        """``streaming = "always"`` is not for operations whose answers are never streams."""
        for operation in ("chat", "completions", "responses", "messages"):
            sent, _ = adjusted({}, operation=operation, streaming="always")
            self.assertIs(sent.get("stream"), True, operation)
        for operation in ("embeddings", "count_tokens"):
            sent, same = adjusted({}, operation=operation, streaming="always")
            self.assertNotIn("stream", sent, operation)
            self.assertTrue(same)

    def test_the_name_that_decides(self) -> None:
        """The pinned one where it takes the place of the client's, also where that is refused for it."""
        for pinned, mismatch, asked, decides in (
            (None, "override", "a", "a"),
            (None, "override", None, None),
            ("p", "override", "a", "p"),
            ("p", "override", None, "p"),
            ("p", "reject", "a", "p"),
            ("p", "reject", "p", "p"),
            ("p", "allow", "a", "a"),
            ("p", "allow", None, "p"),
            ("p", "allow", "", "p"),
        ):
            plan = make_plan(None, model=pinned, on_model_mismatch=mismatch)
            self.assertEqual(plan.deciding_model(asked), decides, (pinned, mismatch, asked))
            if decides and mismatch != "reject":
                self.assertEqual(plan.wanted_model(asked), decides)

    def test_signatures_of_others(self) -> None:
        """A thought that the gateway gave out for another provider's call stays behind; all else is as it was."""
        thought = {"type": "thinking", "thinking": "", "signature": "aigw-tool:x"}
        text = {"type": "text", "text": "Hi"}
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought, text]}]
        sent, _ = adjusted({"messages": messages}, operation="messages")
        self.assertEqual(sent["messages"], [messages[0], {"role": "assistant", "content": [text]}])
        sent, same = adjusted({"messages": [{"role": "assistant", "content": [{**thought, "signature": "s"}]}]})
        self.assertTrue(same)
