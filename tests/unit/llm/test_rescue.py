"""Taking up a stream that broke off: nothing twice, nothing left out, nothing glued together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.decoders import Frame
from aigw.llm.rescue import RescueReader, RescueWriter, Said, added, takes_prefill
from aigw.llm.usage import Usage

FRAME = Frame(b"", b"")


class Scripted:
    """A reader that reads what it was given."""

    def __init__(self, events: list[r.Event]) -> None:
        self.events = events

    def frame(self, frame: Frame) -> Iterable[r.Event]:
        return self.events

    def whole(self, fields: Any) -> Iterable[r.Event]:
        return self.events

    def end(self) -> Iterable[r.Event]:
        return [r.End()]


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    """The text in pieces."""
    points = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in itertools.pairwise(points)]


def telling(*texts: str) -> list[r.Event]:
    return [r.Start("id", "m"), *map(r.TextDelta, texts), r.Finish(r.STOP), r.UsageTold(Usage(9, 5)), r.End()]


def read(events: list[r.Event], said: Said, skip: str, strict: bool = True) -> list[r.Event]:
    return list(RescueReader(Scripted(events), said, skip, strict).frame(FRAME))


def text_of(events: Iterable[r.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, r.TextDelta))


class RestartTests(unittest.TestCase):
    """A target that is asked anew."""

    @given(st.text(min_size=1), st.lists(st.integers(0, 200)), st.integers(0, 200))
    def test_the_client_gets_the_text_once(self, text: str, cuts: list[int], broke_off: int) -> None:
        """However it was cut, before and after."""
        sent = text[: 1 + broke_off % len(text)]
        events = read(telling(*pieces(text, cuts)), Said(sent), sent)
        self.assertEqual(sent + text_of(events), text)
        self.assertEqual([type(event) for event in events[-3:]], [r.Finish, r.UsageTold, r.End])
        self.assertFalse(any(isinstance(event, r.Start | r.Failed) for event in events))

    @given(st.text(min_size=1), st.text(), st.lists(st.integers(0, 200)))
    def test_another_text_is_none_of_it(self, sent: str, other: str, cuts: list[int]) -> None:
        """Not one letter of it; the attempt has failed."""
        if other.startswith(sent):
            return
        events = read(telling(*pieces(other, cuts)), Said(sent), sent)
        self.assertEqual(text_of(events), "")
        self.assertIsInstance(events[-1], r.Failed)
        self.assertFalse(any(isinstance(event, r.Finish | r.End) for event in events))

    def test_something_else_than_text_is_no_repetition(self) -> None:
        tool = r.ToolStart(0, "call_1", "f")
        self.assertIsInstance(read([r.Start(), r.TextDelta("He"), tool], Said("Hello"), "Hello")[-1], r.Failed)

    def test_thoughts_before_the_text_are_kept_back(self) -> None:
        """The client has the beginning of what came after them."""
        events = read([r.Start(), r.ReasoningDelta("hm"), *telling("Hello", " you")[1:]], Said("Hello"), "Hello")
        self.assertFalse(any(isinstance(event, r.ReasoningDelta) for event in events))
        self.assertEqual(text_of(events), " you")

    def test_usage_is_its_own(self) -> None:
        """Or that of the first attempt would be counted once more with each."""
        said = Said("Hello", Usage(9, 2, partial=True))
        told = [event.usage for event in read(telling("Hello you"), said, "Hello") if isinstance(event, r.UsageTold)]
        self.assertEqual(told, [Usage(9, 5)])


class Written:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.written: list[r.Event] = []

    def events(self, events: Iterable[r.Event]) -> bytes:
        self.written += events
        return b"events"

    def whole(self, events: Iterable[r.Event]) -> bytes:
        self.written += events
        return b"whole"

    def failure(self, error: r.ProviderError) -> bytes:
        return error.message.encode()


class WriterTests(unittest.TestCase):
    """What the client is told."""

    def test_usage_is_that_of_all(self) -> None:
        """However it is written; everything else is as it was."""
        inner = Written()
        writer = RescueWriter(inner, Usage(9, 2, partial=True))
        text = r.TextDelta("He")
        self.assertEqual(writer.events([text, r.UsageTold(Usage(9, 5))]), b"events")
        self.assertEqual(writer.whole([text, r.UsageTold(Usage(1, 1))]), b"whole")
        summed = [r.UsageTold(Usage(18, 7, partial=True)), r.UsageTold(Usage(10, 3, partial=True))]
        self.assertEqual(inner.written, [text, summed[0], text, summed[1]])
        self.assertEqual(writer.failure(r.ProviderError(502, "server_error", "no")), b"no")


class PrefillTests(unittest.TestCase):
    """A target that was given the beginning."""

    def test_what_it_says_is_the_rest(self) -> None:
        self.assertEqual(text_of(read(telling(" you", "!"), Said("Hello"), "", False)), " you!")

    def test_blanks_that_it_was_not_given_are_not_said_twice(self) -> None:
        """Whether it says them or not."""
        for rest in (" you", "you"):
            self.assertEqual("Hello " + text_of(read(telling(rest), Said("Hello "), " ", False)), "Hello you")
        self.assertEqual(text_of(read(telling("\n", "\n- b"), Said("- a\n\n"), "\n\n", False)), "- b")

    def test_models(self) -> None:
        """Claude up to 4.5, wherever it is; Mistral's."""
        for provider, model in (
            ("anthropic", "claude-3-5-haiku-latest"),
            ("anthropic", "claude-sonnet-4-20250514"),
            ("anthropic", "claude-opus-4-1-20250805"),
            ("anthropic", "claude-sonnet-4-5"),
            ("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
            ("bedrock", "anthropic.claude-v2:1"),
            ("vertex", "claude-sonnet-4@20250514"),
            ("mistral", "mistral-large-latest"),
        ):
            self.assertTrue(takes_prefill(provider, model), model)
        for provider, model in (
            ("anthropic", "claude-opus-4-6"),
            ("anthropic", "claude-sonnet-5"),
            ("anthropic", "claude-opus-4-10"),
            ("anthropic", "claude-fable-5"),
            ("bedrock", "amazon.nova-pro-v1:0"),
            ("vertex", "gemini-2.5-pro"),
            ("openai", "gpt-4o"),
            ("openai-compatible", "claude-3-haiku"),
        ):
            self.assertFalse(takes_prefill(provider, model), model)


class FirstTests(unittest.TestCase):
    """The attempt that may break off."""

    def reader(self, *events: r.Event) -> RescueReader:
        reader = RescueReader(Scripted(list(events)), Said(), "", True)
        self.assertEqual(list(reader.frame(FRAME)), list(events))
        return reader

    def test_text_can_be_taken_up(self) -> None:
        reader = self.reader(r.Start("id", "m"), r.TextDelta("He"), r.Ping(), r.TextDelta("llo"))
        self.assertEqual((reader.text, reader.plain, reader.ended), ("Hello", True, False))

    def test_nothing_else_can(self) -> None:
        """Half a tool's call, a thought that a provider has signed, a second choice."""
        for event in (
            r.ToolStart(0, "c", "f"),
            r.ToolArguments(0, '{"a'),
            r.ReasoningDelta("hm"),
            r.RefusalDelta("no"),
            r.TextDelta("x", 1),
            r.Citation({}),
        ):
            self.assertFalse(self.reader(r.Start(), r.TextDelta("a"), event).plain, event)

    def test_what_has_ended_needs_no_rescue(self) -> None:
        self.assertTrue(self.reader(r.TextDelta("a"), r.Finish(r.STOP)).ended)


class UsageTests(unittest.TestCase):
    """Tokens of several attempts."""

    def test_added(self) -> None:
        self.assertIsNone(added(None, None))
        self.assertEqual(added(None, Usage(1, 2)), Usage(1, 2))
        self.assertEqual(added(Usage(1, 2), None), Usage(1, 2))
        one, other = Usage(1, 2, 3, 4, 5), Usage(10, 20, 30, 40, 50, partial=True)
        self.assertEqual(added(one, other), Usage(11, 22, 33, 44, 55, partial=True))
