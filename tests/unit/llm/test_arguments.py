"""Arguments that come in pieces are whole when they are JSON, however they are cut and however often one asks."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm import events
from aigw.llm.arguments import Arguments, as_object, as_text
from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.translation import Pair

#: Brackets, quotes and backslashes in any order, and objects that are full of them.
_ANYTHING = st.text('{}[]"\\:,a1 \n', max_size=16)
_OBJECTS = st.dictionaries(_ANYTHING, st.recursive(_ANYTHING | st.integers(), st.lists, max_leaves=4), max_size=3)
_TEXTS = _ANYTHING | _OBJECTS.map(json.dumps) | st.tuples(_OBJECTS.map(json.dumps), _ANYTHING).map("".join)


def is_object(text: str) -> bool:
    """What is to come out."""
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except ValueError:
        return False


class ArgumentsTests(unittest.SynchronousTestCase):
    """Arguments"""

    @given(_TEXTS, st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
    def test_any_pieces(self, text: str, cuts: list[tuple[int, bool]]) -> None:
        """The same as parsing all of it each time."""
        arguments, at = Arguments(), 0
        for length, asks in [*cuts, (len(text), True)]:
            arguments.add(text[at : at + length])
            at += length
            if asks:
                self.assertEqual(arguments.is_object(), is_object(text[:at]), text[:at])
        self.assertEqual((str(arguments), arguments.size), (text, len(text)))

    def test_parsed_once(self) -> None:
        """What is whole is not looked at again, and what is broken never becomes whole."""
        arguments = Arguments()
        for piece, whole in (("{}", True), (" ", True), ("", True), ("}", False), (" {}", False)):
            arguments.add(piece)
            self.assertEqual(arguments.is_object(), whole, str(arguments))


class HistoryTests(unittest.TestCase):
    """Arguments of earlier calls, which were answered with an error long ago."""

    BROKEN: ClassVar[dict[str, dict[str, Any]]] = {
        '{"a": 1}': {"a": 1},
        "{}": {},
        "": {},
        "  ": {},
        "null": {},
        " null\n": {},
        '{"a":': {"INVALID_JSON": '{"a":'},
        "[1]": {"INVALID_JSON": "[1]"},
        '"x"': {"INVALID_JSON": '"x"'},
        "{" * 3000: {"INVALID_JSON": "{" * 3000},
        '{"a":' * 300 + "1" + "}" * 300: {"INVALID_JSON": '{"a":' * 300 + "1" + "}" * 300},
    }

    def test_as_objects(self) -> None:
        """What is none is wrapped; all can be written again."""
        for text, expected in self.BROKEN.items():
            self.assertEqual(as_object(text), expected, text[:40])
            orjson.dumps(as_object(text))

    def test_as_texts(self) -> None:
        """Those of an object stay letter by letter."""
        for text, expected in self.BROKEN.items():
            written = as_text(text)
            self.assertEqual(orjson.loads(written), expected, text[:40])
            if isinstance(events.read(text.encode()), dict) and len(text) < 1000:
                self.assertEqual(written, text)

    def test_every_provider(self) -> None:
        """Takes the history of every client, and gets an object, or the text of one."""
        models = {"vertex": "gemini-2.5-pro", "vertex-claude": "claude-sonnet-4-5@20250929"}
        for name in ("anthropic", "azure", "bedrock", "cohere", "gemini", "mistral", "ollama", *models):
            kind = provider(name.partition("-")[0])
            kind = kind.at(kind, Place(None, "us-east-1", "p"))
            for operation, fields in histories():
                pair = pairing(operation, kind, Adjustments({}, {}), False)
                if not isinstance(pair, Pair):
                    continue
                body = pair.translate({"model": models.get(name, "m"), **fields}, "a", 0.0).request.body
                text = orjson.dumps(body).decode().replace("\\\\", "").replace('\\"', '"')
                self.assertIn('"INVALID_JSON":"{"a":"', text, (name, operation))
                self.assertNotIn('"null"', text)


def histories() -> list[tuple[str, dict[str, Any]]]:
    """Conversations with a broken call and one with ``null``, in every dialect."""
    broken = ('{"a":', "null")
    called = [
        {"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": each}}
        for at, each in enumerate(broken)
    ]
    results = [{"role": "tool", "tool_call_id": f"c{at}", "content": "error"} for at in range(2)]
    asked = {"role": "user", "content": "q"}
    items = [
        each
        for at, arguments in enumerate(broken)
        for each in (
            {"type": "function_call", "call_id": f"c{at}", "name": "f", "arguments": arguments},
            {"type": "function_call_output", "call_id": f"c{at}", "output": "error"},
        )
    ]
    used = [{"type": "tool_use", "id": f"c{at}", "name": "f", "input": each} for at, each in enumerate(broken)]
    answered = [{"type": "tool_result", "tool_use_id": f"c{at}", "content": "error"} for at in range(2)]
    said = [asked, {"role": "assistant", "content": used}, {"role": "user", "content": answered}]
    return [
        (CHAT, {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": called}, *results, asked]}),
        (RESPONSES, {"input": [asked, *items, asked]}),
        (MESSAGES, {"messages": said, "max_tokens": 9}),
    ]
