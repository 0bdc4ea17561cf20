"""Which models a body names beside its ``model``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.body_models import BodyNames, _remembered


def read(fields: dict[str, Any], path: bytes = b"") -> BodyNames:
    return BodyNames(fields, orjson.dumps(fields), path)


def calls(what: Callable[[], object]) -> int:
    """How many calls of Python functions ``what`` makes."""
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        what()
    finally:
        sys.setprofile(before)
    return count


class NamesTests(unittest.TestCase):
    """What is found."""

    def test_members_of_providers(self) -> None:
        """Each as its provider documents it."""
        for fields in (
            {"models": ["x"]},  # OpenRouter
            {"model": "m", "fallbacks": ["x"]},
            {"fallbacks": [{"model": "x", "messages": [{"content": "y"}], "provider": "z"}]},  # AssemblyAI
            {"fallbacks": [{"m": ["x"]}]},  # LiteLLM
            {"content_policy_fallbacks": [{"m": ["x"]}]},
            {"tools": [{"type": "image_generation", "model": "x"}]},
            {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "x"}]},
            {"tools": [{"type": "openrouter:fusion", "parameters": {"analysis_models": ["x"]}}]},
            {"tools": [{"type": "namespace", "tools": [{"type": "image_generation", "model": "x"}]}]},
            {"tool_choice": {"type": "allowed_tools", "tools": [{"type": "image_generation", "model": "x"}]}},
            {"toolConfig": {"tools": [{"systemTool": {"model": "x"}}]}},
            {"plugins": [{"id": "web", "model": "x"}]},
            {"providerOptions": {"gateway": {"models": ["x"]}}},
            {"compound_custom": {"models": {"answering_model": "x"}}},
            {"session": {"model": "x"}},
            {"session": {"audio": {"input": {"transcription": {"model": "x"}}}}},
            {"requests": [{"params": {"model": "x"}}]},
            {"requests": [{"model": "x", "content": {}}]},
            {"generateContentRequest": {"model": "x"}},
            {"data_source": {"type": "completions", "model": "x"}},
            {"modelId": "x"},
            {"generationConfig": {"routingConfig": {"manualMode": {"modelName": "x"}}}},  # Vertex AI
            {"extra_body": {"models": ["x"]}},
            {"data_sources": [{"parameters": {"embedding_dependency": {"type": "d", "deployment_name": "x"}}}]},
            {"MODELS": ["x"]},
            {"plugins": [{"Model": "x"}]},
        ):
            self.assertEqual(read(fields).names, ["x"], fields)
            self.assertEqual(read(fields).unknown, "")

    def test_what_only_looks_like_one(self) -> None:
        """In a conversation, a schema, or a caller's own data; and the body's own ``model``."""
        schema = {"type": "object", "properties": {"model": {"type": "string"}, "models": {"enum": ["x"]}}}
        for fields in (
            {"model": "x"},
            {"messages": [{"model": "x", "tool_calls": [{"function": {"arguments": '{"model":"x"}'}}]}]},
            {"input": [{"type": "image_generation_call", "model": "x"}]},
            {"contents": [{"parts": [{"functionCall": {"args": {"model": "x"}}}]}]},
            {"metadata": {"model": "x"}},
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]},
            {"tools": [{"type": "function", "name": "model", "parameters": {**schema, "model": "x"}}]},
            {"tools": [{"name": "f", "input_schema": schema, "input_examples": [{"model": "x"}]}]},
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]},
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": schema}}}]}},
            {"response_format": {"type": "json_schema", "json_schema": {"schema": schema, "model": "x"}}},
            {"text": {"format": {"type": "json_schema", "schema": {"model": "x"}}}},
            {"models": None, "fallbacks": [], "plugins": [{"model": ""}]},
            {"reasoning": {"effort": "high"}, "stream_options": {"include_usage": True}, "stop": ["model"]},
        ):
            found = read(fields)
            self.assertEqual((found.names, found.unknown), ([], ""), fields)

    @given(st.lists(st.text(max_size=6) | st.none(), max_size=6))
    def test_however_deep(self, way: list[str | None]) -> None:
        """Below members that nobody here has heard of; None is a list on the way."""
        value: Any = {"model": "x"}
        for step in way:
            value = [value] if step is None else {f"?{step}": value}
        self.assertEqual(read({"?": value}).names, ["x"])

    def test_models_that_are_kept_elsewhere(self) -> None:
        """Cannot be known, whatever ``model`` says; an assistant's can be replaced."""
        for fields in (
            {"prompt": {"id": "pmpt_1"}},
            {"prompt": {}},
            {"preset": "p"},
            {"agent_id": "a"},
            {"input_file_id": "f"},
            {"input_files": ["f"]},
            {"user_config": {"model_list": []}},
            {"route": "fallback"},
        ):
            self.assertTrue(read({"model": "m", **fields}).unknown, fields)
        self.assertTrue(read({"assistant_id": "a"}).unknown)
        for fields in ({"assistant_id": "a", "model": "m"}, {"prompt": "p"}, {"prompt": ["p"]}, {"preset": None},
                       {"route": "fallback", "models": ["m"]}):  # fmt: skip
            self.assertFalse(read(fields).unknown, fields)

    def test_calls_that_have_it_by_another_name(self) -> None:
        """Are told by their path."""
        for path, fields in (
            (b"/api/pull", {"name": "x"}),
            (b"/ollama/api/copy/", {"source": "x"}),
            (b"/model-invocation-job", {"modelId": "x"}),
            (b"/v1/messages/batches", {"requests": [{"params": {"model": "x"}}]}),
            (b"/v1/realtime/client_secrets", {"session": {"model": "x"}}),
        ):
            found = read(fields, path)
            self.assertEqual((found.names, found.has_model), (["x"], True), path)
            self.assertFalse(read(fields, b"/v1/other").has_model)
            self.assertFalse(read({}, path).has_model)
        self.assertEqual(read({"name": "x"}, b"/v1/vector_stores").names, [])

    def test_another_spelling_of_model(self) -> None:
        """Is refused."""
        self.assertRaises(BadRequest, read, {"model": "a", "Model": "b"})


class DecidesTests(unittest.TestCase):
    """Whether what was read is sent, and not the client's bytes."""

    def test_usual_calls_stay_as_they_are(self) -> None:
        """Byte for byte."""
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        self.assertFalse(
            read({"model": "m", "messages": [{"content": '"tools"'}], "tools": [tool], "stop": ["x"]}).decides
        )
        self.assertFalse(read({"model": "m", "stream_options": {"include_usage": True}, "metadata": {}}).decides)

    def test_wherever_another_reader_may_find_another_name(self) -> None:
        """The member that names models, even if nothing is in it, and what may hide one."""
        for body in (
            b'{"models":["x"],"models":null}',
            b'{"fallbacks":[]}',
            b'{"tools":[{"type":"image_generation"}]}',
            b'{"tools":[{"type":"image_generation","model":"x"}],"tools":[]}',
            b'{"tools":[{"model":"x"}],"tools":null}',
            b'{"plugins":[{"model":"x"}],"plugins":[]}',
            b'{"t\\u006fols":[{"type":"image_generation","model":"x"}],"tools":[]}',
        ):
            self.assertTrue(BodyNames(orjson.loads(body), body).decides, body)


class BoundTests(unittest.TestCase):
    """How much is looked through."""

    def test_work_grows_with_the_body_at_most(self) -> None:
        """And not at all with what is in a conversation or a schema."""
        for make in (
            lambda n: {"x": [{"a": {}}] * n},
            lambda n: {"models": ["m"] * n},
            lambda n: {"tools": [{"type": "x", "y": {}}] * n},
            lambda n: {f"x{i}": {} for i in range(n)},
        ):
            bodies: list[dict[str, Any]] = [make(n) for n in (500, 1000, 2000)]
            one, two, four = (calls(functools.partial(read, fields)) for fields in bodies)
            self.assertLess(two, 2.1 * one + 20)
            self.assertLess(four, 4.2 * one + 40)
        few, many = ({"messages": [{"model": "x"}] * n, "input": [{}] * n} for n in (1, 10_000))
        self.assertEqual(calls(lambda: read(few)), calls(lambda: read(many)))

    def test_made_up_members_do_not_fill_the_memory(self) -> None:
        """Neither many nor long ones; what they say is the same each time."""
        for _ in range(2):
            self.assertEqual(len(read({f"x{number}_model": "x" for number in range(5000)}).names), 5000)
            self.assertEqual(len(read({f"x{number}": "x" for number in range(5000)}).names), 0)
            read({"x" * 5000: "x"})
        self.assertLessEqual(len(_remembered), 1024)
        self.assertLessEqual(max(map(len, _remembered)), 64)

    def test_more_than_a_call_has_is_not_known(self) -> None:
        """And the search ends."""
        for fields in (
            {"x": [{"a": [1]}] * 100_000},
            {"models": [["m"]] * 100_000},
            {"tools": [{"type": "x"}] * 100_000},
            {"x": {"tools": [{"a": {"b": {}}}] * 100_000}},
        ):
            self.assertTrue(read(fields).unknown)
            self.assertLess(calls(functools.partial(read, fields)), 100_000)

    def test_usual_calls_are_not_looked_through(self) -> None:
        """One look at the names of their members tells that nothing else is in them."""
        usual = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}, "stop": ["x"]}
        other = {**usual, "x": {}}
        self.assertLess(calls(lambda: read(usual)), 4)
        self.assertGreater(calls(lambda: read(other)), 8)
        self.assertEqual(read({"model": "m", "input": {"model": "x"}}).names, ["x"])
