"""What a plan makes of a client's body."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.consumers.key_filter import KeyFilter
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


class ViaTests(unittest.TestCase):
    """``Via`` of the request that goes up."""

    def via(self, *values: bytes, nominated: frozenset[bytes] = frozenset(), **changes: Any) -> list[bytes]:
        """Its values."""
        plan = make_plan(None, **changes)
        headers = [(b"accept", b"a"), *((b"via", value) for value in values), (b"x-a", b"b")]
        payload = plan.payload(b"POST", b"/", headers, b"{}", "id", None, nominated)
        head = payload.data.partition(b"\r\n\r\n")[0]
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        self.assertEqual([value for name, _, value in lines if name == b"x-a"], [b"b"])
        return [value for name, _, value in lines if name == b"via"]

    def test_behind_those_that_were_there_before(self) -> None:
        """In the order of their fields, as RFC 9110 section 7.6.3 has it."""
        self.assertEqual(self.via(), [b"1.1 aigw"])
        self.assertEqual(self.via(b"1.0 fred"), [b"1.0 fred, 1.1 aigw"])
        self.assertEqual(self.via(b"1.0 fred, 1.1 p", b"2 q"), [b"1.0 fred, 1.1 p, 2 q, 1.1 aigw"])

    def test_what_stays_here(self) -> None:
        """A consumer's key, and what ``Connection`` names."""
        keys = KeyFilter(lambda token: token == b"consumer-key")
        self.assertEqual(self.via(b"consumer-key", b"1.0 fred", keys=keys), [b"1.0 fred, 1.1 aigw"])
        self.assertEqual(self.via(b"1.0 fred", nominated=frozenset((b"via",))), [b"1.1 aigw"])
