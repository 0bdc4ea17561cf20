"""What a plan makes of a client's body."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial import unittest

from aigw.consumers.key_filter import KeyFilter
from aigw.llm.body import Adjustments
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


class SamplingTests(unittest.TestCase):
    """Sampling that the configuration adds to Anthropic's messages, which pass byte for byte."""

    CONFIG = Adjustments(defaults={"temperature": 0.5}, overrides={"top_k": 5})

    def sent(self, model: str, version: bytes | None, versions: Any = (None, "2023-06-01"), **fields: Any) -> Any:
        """What goes up of it, and the names that are told in the log."""
        changes = {"operation": "messages", "adjustments": self.CONFIG, "adjusts": True, "version": versions}
        plan = make_plan(None, asks_usage=False, **changes)
        body = orjson.dumps({"model": model, **fields})
        made, _ = plan.adjust(body, orjson.loads(body), version=version)
        return {name: value for name, value in orjson.loads(made).items() if name != "model"}, plan.told

    def test_versions(self) -> None:
        """The newer one of Anthropic's SDKs has none: the client's header says it, or what the backend sets."""
        both, none = {"temperature": 0.5, "top_k": 5}, {"temperature", "top_k"}
        for version, versions, expected in (
            (b"2026-10-21", (None, "2023-06-01"), ({}, none)),
            (b"2023-06-01", (None, "2023-06-01"), (both, set())),
            (None, (None, "2023-06-01"), (both, set())),
            (None, (None, "2026-10-21"), ({}, none)),
            (b"2026-10-21", ("2023-06-01", "2023-06-01"), (both, set())),
            (b"2023-06-01", ("2026-10-21", "2023-06-01"), ({}, none)),
        ):
            self.assertEqual(self.sent("claude-sonnet-4-5", version, versions), expected, (version, versions))

    def test_models(self) -> None:
        """So have newer models; the client's own value goes up all the same, and its answer comes down."""
        sent, told = self.sent("claude-opus-4-7", None, temperature=0.2)
        self.assertEqual((sent, told), ({"temperature": 0.2}, {"top_k"}))

    def test_other_operations(self) -> None:
        """Are none of its business."""
        changes = {"operation": "chat", "adjustments": self.CONFIG, "adjusts": True}
        plan = make_plan(None, asks_usage=False, **changes)
        body = orjson.dumps({"model": "claude-opus-4-7"})
        made, _ = plan.adjust(body, orjson.loads(body), version=b"2026-10-21")
        self.assertEqual(orjson.loads(made)["temperature"], 0.5)

    def test_told_once(self) -> None:
        """Not with every call."""
        plan = make_plan(None, model="claude-opus-4-7")
        plan.leave_out(("temperature",))
        plan.leave_out(("temperature", "top_p"))
        self.assertEqual(plan.told, {"temperature", "top_p"})
        lines = [each for each in self.logged if "left out" in each]
        self.assertEqual([line.split(": ")[1].removesuffix(" left out") for line in lines], ["temperature", "top_p"])

    def setUp(self) -> None:
        """Hear what is logged."""
        self.logged: list[str] = []

        def hear(event: Any) -> None:
            self.logged.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)


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
