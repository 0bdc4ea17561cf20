"""An event that is no JSON: something is lost, so a stream that has one is not whole, whoever's it is."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm import reply as r
from aigw.llm.body import Adjustments
from aigw.llm.decoders import Frame
from aigw.llm.operations import CHAT
from aigw.llm.pairing import pairing
from aigw.llm.translation import Pair
from aigw.llm.wire import Reader
from tests.unit.llm.recordings import translating

#: An event of each provider's in which a piece of text comes, as its frame's kind says.
KINDS = {"bedrock": b"contentBlockDelta", "anthropic": b"content_block_delta"}
HALF = b'{"type":"content_block_delta","delta":{"text":'


def readers() -> dict[str, Reader]:
    """One of each provider that can be translated."""
    made: dict[str, Reader] = {}
    for provider in translating():
        pair = pairing(CHAT, provider, Adjustments(defaults={}, overrides={}), drop_unsupported=True)
        if isinstance(pair, Pair):
            fields: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
            made[provider.name] = pair.wire.reader(pair.dialect.read(fields))
    return made


class BrokenJsonTests(unittest.TestCase):
    """See the module's head."""

    def test_it_is_the_answers_failure(self) -> None:
        found = readers()
        self.assertLessEqual({"anthropic", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai"}, set(found))
        for name, reader in found.items():
            events = list(reader.frame(Frame(KINDS.get(name, b""), HALF)))
            self.assertEqual(events, [r.Failed(r.NOT_JSON)], name)
            self.assertEqual(list(reader.end()), [], name)

    def test_what_says_nothing_breaks_nothing(self) -> None:
        """Empty data, ``null``; and OpenAI's end, which servers of other dialects send behind their own."""
        for data in (b"", b" ", b"null", b"[DONE]"):
            for name, reader in readers().items():
                events = list(reader.frame(Frame(KINDS.get(name, b""), data)))
                self.assertNotIn(r.Failed(r.NOT_JSON), events, (name, data))
