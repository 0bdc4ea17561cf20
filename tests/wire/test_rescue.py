"""Streams that break off and are taken up by another target, over real sockets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from aigw.testing import Act, Answer, ReceivedRequest, answers, anthropic, chat
from aigw.testing.openai import TEXT, words
from aigw.testing.said import REASONED, TOOLS, Said
from aigw.testing.script import Step
from tests.wire.faults import FRONTS, Front
from tests.wire.stage import TIMEOUTS, Answered, StageTestCase

WORDS = len(words(TEXT))

CONFIG = f"""
[backends.one]
provider = "openai"
url = "one_URL"
timeouts = {TIMEOUTS}
[backends.two]
provider = "openai"
url = "two_URL"
timeouts = {TIMEOUTS}
[backends.claude]
provider = "anthropic"
url = "claude_URL"
timeouts = {TIMEOUTS}
[models.pair]
targets = [{{ backend = "one" }}, {{ backend = "two", priority = 1 }}]
retry = {{ backoff = "2ms", max_wait = "50ms" }}
on_stream_cut = "continue"
[models.three]
targets = [{{ backend = "one" }}, {{ backend = "two", priority = 1 }}, {{ backend = "claude", priority = 2, prefill = false }}]
retry = {{ backoff = "2ms", max_wait = "50ms" }}
on_stream_cut = "continue"
[models.claude]
targets = [{{ backend = "one" }}, {{ backend = "claude", model = "claude-sonnet-4-5", priority = 1 }}]
retry = {{ backoff = "2ms", max_wait = "50ms" }}
on_stream_cut = "continue"
[models.once]
targets = [{{ backend = "one" }}, {{ backend = "two", priority = 1 }}]
retry = {{ attempts = 1 }}
on_stream_cut = "continue"
[routes.all]
paths = ["/v1"]
auth = "none"
"""


def going_on(request: ReceivedRequest) -> Iterable[Step]:
    """A Claude that goes on with the beginning it was given."""
    last = request.fields()["messages"][-1]
    assert last["role"] == "assistant", last
    content = last["content"]
    given = content if isinstance(content, str) else content[0]["text"]
    assert TEXT.startswith(given) and given == given.rstrip(), given
    return anthropic.answer(Said(TEXT[len(given) :]))(request)


def refusing_prefill(request: ReceivedRequest) -> Iterable[Step]:
    """A newer one, that does not take it."""
    if request.fields()["messages"][-1]["role"] == "assistant":
        message = (
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
        return answers.reply(error, 400)(request)
    return anthropic.answer(Said(TEXT))(request)


def cut_tools(request: ReceivedRequest) -> Iterator[Step]:
    """A stream that breaks off within a tool's call."""
    events = list(chat.events(TOOLS, request.fields()))
    return iter(answers.stream(events[:4], ending=Act.CLOSE)(request))


class RescueTests(StageTestCase):
    """``on_stream_cut = "continue"``."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("one", "two", "claude"):
            self.upstream(name)
        self.upstreams["claude"].standing = anthropic.answer(Said(TEXT))
        self.serve(CONFIG)

    async def ask_all(self, model: str, one: Answer, two: Answer | None = None) -> Iterator[tuple[Front, Answered]]:
        """Both fronts' answers."""
        found = []
        for front in FRONTS.values():
            self.forget()
            for upstream in self.upstreams.values():
                upstream.requests.clear()
            self.upstreams["one"].standing = one
            self.upstreams["two"].standing = two or answers.openai()
            found.append((front, await self.ask(front.request(model, True), front.path)))
            await self.assert_nothing_left()
        return iter(found)

    def assert_one_whole_stream(self, front: Front, answered: Answered, backends: str) -> None:
        self.assertEqual((answered.status, answered.whole), (200, True), answered)
        self.assertEqual(front.text(answered, True), TEXT, answered)
        self.assertIn(f": one stream of backends {backends}\n".encode(), answered.body)
        ids = {event["id"] for event in answered.events() if isinstance(event, dict) and "id" in event}
        self.assertLessEqual(len(ids), 1, "an answer has one id")
        self.assertEqual(answered.body.count(b'"role":"assistant"'), 1, "and begins once")

    def assert_broken(self, answered: Answered, word: str = "one") -> None:
        """An honest end: one error event, and behind it that of the body."""
        self.assertEqual((answered.status, answered.whole), (200, True), answered)
        self.assertIn(f"backend {word}", answered.events()[-1]["error"]["message"])
        self.assertNotIn(b"one stream of", answered.body)

    async def test_the_next_target_repeats_and_goes_on(self) -> None:
        """Wherever the first one broke off, however."""
        breaking = [answers.cut_after(count, how) for count in (2, 3, 4) for how in (Act.CLOSE, Act.RESET)]
        for answer in (*breaking, answers.stall_after(3), answers.malformed_event(3)):
            for front, answered in await self.ask_all("pair", answer):
                self.assert_one_whole_stream(front, answered, "one, two")
                account = self.ledger.closed[-1]
                self.assertEqual([each[0] for each in account.tried], ["one", "two"])
                self.assertTrue(account.continued)
                self.assertEqual(self.upstreams["two"].requests[0].fields()["messages"][-1]["role"], "user")

    async def test_usage_is_that_of_both_and_says_so(self) -> None:
        for front, answered in await self.ask_all("pair", answers.cut_after(3)):
            usage = self.ledger.closed[-1].usage
            assert usage is not None
            # Two words of the one that broke off, all of the one that repeated them and went on.
            self.assertEqual((usage.input, usage.output, usage.partial), (9, 2 + WORDS, True))
            if front is FRONTS["anthropic"]:
                self.assertIn(b'"output_tokens":%d' % usage.output, answered.body)

    async def test_usage_of_three_counts_each_once(self) -> None:
        """Of a provider that tells it at the beginning, too; and of one whose client leaves."""
        self.upstreams["two"].standing = answers.cut_after(4)
        for front in FRONTS.values():
            for leaves in (False, True):
                self.forget()
                self.upstreams["one"].standing = answers.cut_after(3)
                claude = self.upstreams["claude"]
                claude.requests.clear()
                claude.standing = anthropic.stall_after(WORDS + 2) if leaves else anthropic.answer(Said(TEXT))
                client: Any = await self.send(front.request("three", True), front.path)
                if leaves:
                    await client.until(b" scripted")
                    client.leave()
                else:
                    await client.until(b"0\r\n\r\n")
                    client.leave()
                await self.assert_nothing_left()
                usage = self.ledger.closed[-1].usage
                assert usage is not None
                # Two words of the first, one more of the second; of the third what it tells, or two tokens' worth of text.
                wrote = 2 + 1 + (2 if leaves else WORDS)
                self.assertEqual((usage.input, usage.output, usage.partial), (9, wrote, True), (front.path, leaves))

    async def test_another_answer_is_not_glued_to_the_first(self) -> None:
        for _, answered in await self.ask_all("pair", answers.cut_after(3), answers.openai("Something else.")):
            self.assert_broken(answered)
            self.assertNotIn(b"Something", answered.body)

    async def test_one_that_goes_on_may_break_off_as_well(self) -> None:
        """The third has to repeat what both have said; it speaks another dialect."""
        for front, answered in await self.ask_all("three", answers.cut_after(3), answers.cut_after(4)):
            self.assert_one_whole_stream(front, answered, "one, two, claude")

    async def test_a_target_that_takes_the_beginning_is_given_it(self) -> None:
        self.upstreams["claude"].standing = going_on
        for count in (2, 3, 4):
            for front, answered in await self.ask_all("claude", answers.cut_after(count)):
                self.assert_one_whole_stream(front, answered, "one, claude")
                self.assertEqual(len(self.upstreams["claude"].requests), 1)

    async def test_a_target_that_refuses_it_is_asked_anew(self) -> None:
        self.upstreams["claude"].standing = refusing_prefill
        for front, answered in await self.ask_all("claude", answers.cut_after(3)):
            self.assert_one_whole_stream(front, answered, "one, claude")
            self.assertEqual(len(self.upstreams["claude"].requests), 2)

    async def test_tools_half_called_are_not_continued(self) -> None:
        for _, answered in await self.ask_all("pair", cut_tools, chat.answer(TOOLS)):
            self.assert_broken(answered)
            self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_one_of_several_choices_is_not_continued(self) -> None:
        """Even if only the first has said something yet: the others would be the next target's own."""
        self.upstreams["one"].standing = answers.cut_after(3)
        answered = await self.ask({**FRONTS["openai"].request("pair", True), "n": 2})
        self.assert_broken(answered)
        self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_what_no_other_dialect_has_passes_all_the_same(self) -> None:
        """As if there were no rescue; a stream that breaks off then ends with the plain error event."""
        fields = {**FRONTS["openai"].request("pair", True), "logprobs": True}
        answered = await self.ask(fields)
        self.assertEqual(FRONTS["openai"].text(answered, True), TEXT)
        self.assertIs(self.upstreams["one"].requests[-1].fields()["logprobs"], True)
        self.upstreams["one"].standing = answers.cut_after(3)
        self.assert_broken(await self.ask(fields))
        self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_responses_are_not_continued(self) -> None:
        """Nor anything else but chats and messages: the plain error event, in their dialect."""
        self.upstreams["one"].standing = answers.cut_after(6)
        answered = await self.ask({"model": "pair", "stream": True, "input": "Say hello."}, "/v1/responses")
        self.assertEqual((answered.status, answered.whole, answered.events()[-1]["type"]), (200, True, "error"))
        self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_thoughts_are_not_continued(self) -> None:
        def cut(request: ReceivedRequest) -> Iterable[Step]:
            return answers.stream(list(chat.events(REASONED, request.fields()))[:3], ending=Act.CLOSE)(request)

        for _, answered in await self.ask_all("pair", cut, chat.answer(REASONED)):
            self.assertIn("error", answered.events()[-1])
            self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_not_beyond_the_attempts(self) -> None:
        for _, answered in await self.ask_all("once", answers.cut_after(3)):
            self.assert_broken(answered)
            self.assertEqual(len(self.upstreams["two"].requests), 0)

    async def test_nobody_can_go_on(self) -> None:
        """The client is told what broke its stream, not what became of the rescue."""
        for two in (answers.overloaded(), answers.content_filter(), answers.raw(Act.RESET), answers.raw(Act.HANG)):
            for _, answered in await self.ask_all("pair", answers.cut_after(3), two):
                self.assert_broken(answered)

    def forget(self) -> None:
        for health in self.snapshot.health_registry._health.values():
            health.resting_until = 0.0
        for breaker in self.snapshot.health_registry._breakers.values():
            breaker.is_open = False
            breaker._forget()

    async def test_a_stream_that_does_not_break_is_left_alone(self) -> None:
        """Translated, and whole."""
        for front, answered in await self.ask_all("pair", answers.openai()):
            self.assertEqual(front.text(answered, True), TEXT)
            self.assertNotIn(b"one stream of", answered.body)
            self.assertFalse(self.ledger.closed[-1].continued)

    async def test_whole_answers_pass_as_ever(self) -> None:
        self.upstreams["one"].standing = answers.openai()
        answered = await self.ask(FRONTS["openai"].request("pair", False))
        self.assertIn("system_fingerprint", answered.json())

    async def test_clients_that_leave_while_it_is_taken_up(self) -> None:
        """In every phase: nothing is left."""
        for answer, front in itertools.product(
            (answers.raw(Act.HANG), answers.dies_before_first_token(Act.HANG), answers.stall_after(4)), FRONTS.values()
        ):
            self.upstreams["one"].standing = answers.cut_after(3)
            two = self.upstreams["two"]
            two.standing = answer
            two.requests.clear()
            client: Any = await self.send(front.request("pair", True), front.path)
            await two.request(1)
            client.leave()
            await self.assert_nothing_left()
            self.assertEqual(self.ledger.closed[-1].error, "client_gone")
            self.forget()
