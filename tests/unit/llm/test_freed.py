"""Nothing of a translation waits for the garbage collector, which comes seldom: neither the call nor its answer.

Goes over all providers that are registered and all dialects, so that those to come are held to it as well.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.call import Call, Turn
from aigw.llm.operations import CHAT, COMPLETIONS, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS, Provider
from aigw.llm.rescue import Said, rescuable
from aigw.llm.translation import DIALECTS, Pair, Translating
from tests.unit.llm.recordings import MODELS, played, played_errors, translating

NONE = Adjustments(defaults={}, overrides={})
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_PICTURE = "data:image/png;base64," + "A" * 400
_CONVERSATION = {
    "max_tokens": 50,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look."}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "b"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "It is red."}]},
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": _SCHEMA}],
}
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {"url": _PICTURE}}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "It is red."},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA}}],
    },
    MESSAGES: _CONVERSATION,
    COUNT_TOKENS: _CONVERSATION,
    RESPONSES: {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "Look."},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "It is red."},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": _SCHEMA}],
    },
    COMPLETIONS: {"prompt": "Look."},
    EMBEDDINGS: {"input": ["Look.", "It is red."]},
}


@contextlib.contextmanager
def collected() -> Iterator[list[str]]:
    """What the garbage collector has to do for what is done within: names of types, sorted."""
    found: list[str] = []
    gc.disable()
    gc.freeze()  # what is there already need not be looked at
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        kinds = {f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage}
        found += sorted(kinds)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


def translated(provider: Provider, operation: str, model: str, *, stream: bool, **more: Any) -> Translating | None:
    """None where the provider has nothing like it."""
    pair = pairing(operation, provider, NONE, drop_unsupported=not more)
    if pair is None:
        return None
    fields = orjson.loads(orjson.dumps({"model": model, "stream": stream, **ASKED[operation], **more}))
    try:
        return pair.translate(fields, "a1", 0.0)
    except BadRequest:
        return None


class TranslationTests(unittest.TestCase):
    """Every dialect, every provider."""

    def every(self, act: Callable[[Provider, str, str, bool], object]) -> None:
        """What ``act`` does leaves nothing; the first time it may make what is made once."""
        for provider, operation, stream in itertools.product(PROVIDERS.values(), ASKED, (False, True)):
            models = ("amazon.titan-embed-text-v2:0", "text-embedding") if operation == EMBEDDINGS else MODELS
            for model in models:
                act(provider, operation, model, stream)
                with collected() as found:
                    act(provider, operation, model, stream)
                self.assertEqual(found, [], f"{provider.name} {operation} {model} stream={stream}")

    def test_requests(self) -> None:
        def act(provider: Provider, operation: str, model: str, stream: bool) -> None:
            translated(provider, operation, model, stream=stream)

        self.every(act)

    def test_requests_that_are_refused(self) -> None:
        def act(provider: Provider, operation: str, model: str, stream: bool) -> None:
            translated(provider, operation, model, stream=stream, seed=7, logit_bias={"1": 2}, n=3, audio={})

        self.every(act)

    def test_answers(self) -> None:
        """Whole ones, streams, and streams that were cut; what a scripted provider says."""

        def act(provider: Provider, operation: str, model: str, stream: bool) -> None:
            if operation not in DIALECTS or provider not in translating():
                return
            for recording, cut in itertools.product(played(provider.name, stream=stream), (False, True)):
                translation = translated(provider, operation, model, stream=stream)
                if translation is None:
                    return
                if not stream:
                    translation.whole(recording.body, "r1")
                    continue
                reading = translation.stream(recording.content_type)
                reading.feed(recording.body[: len(recording.body) // 2 if cut else None])
                if reading.error is not None:
                    reading.failure(reading.error)
                reading.end()
                reading.partial_usage()

        self.every(act)

    def test_errors(self) -> None:
        def act(provider: Provider, operation: str, model: str, stream: bool) -> None:
            translation = translated(provider, operation, model, stream=stream)
            if translation is None or provider not in translating() or translation.ready is not None:
                return
            for body in played_errors(provider.name):
                translation.error(429, [], body, "r1")
            translation.error(500, [], b"no JSON", "r1")

        self.every(act)

    def test_streams_that_are_taken_up(self) -> None:
        def act(provider: Provider, operation: str, model: str, stream: bool) -> None:
            if operation not in (CHAT, MESSAGES) or provider.wire is None or not stream:
                return
            pair, said = Pair(DIALECTS[operation], provider.wire, NONE, True), Said()
            for prefill in (False, True):
                fields = {"model": model, "stream": True, **orjson.loads(orjson.dumps(ASKED[operation]))}
                with contextlib.suppress(BadRequest):
                    translation = rescuable(pair, fields, "a1", 0.0, said, prefill)
                    recording = played(provider.name, stream=True)[0]
                    translation.stream(recording.content_type).feed(recording.body[: len(recording.body) // 2])
                    said.add(translation.continuable() or "", None)

        self.every(act)


class KeptTests(unittest.TestCase):
    """What a translation keeps of its call while the provider thinks."""

    def test_not_the_conversation(self) -> None:
        """Its parsed form is many times its body's bytes."""
        for provider, operation, model in itertools.product(PROVIDERS.values(), ASKED, MODELS):
            translation = translated(provider, operation, model, stream=True)
            if translation is None:
                continue
            translation.request = None  # type: ignore[assignment]  # which is taken as soon as it is written
            kept = [each for each in reachable(translation) if isinstance(each, Call | Turn)]
            self.assertEqual(kept, [], f"{provider.name} {operation} {model}")


def reachable(root: object) -> list[object]:
    """All that an object of a call keeps; not modules, functions and types."""
    found: dict[int, object] = {}
    new = [root]
    while new:
        each = new.pop()
        if id(each) not in found and not isinstance(each, type) and not callable(each):
            found[id(each)] = each
            new += gc.get_referents(each)
    return list(found.values())
