"""Calls as requests for Anthropic's messages."""

from __future__ import annotations

import base64
from typing import Any

import attrs
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.call import (
    Audio,
    Call,
    Document,
    Foreign,
    Image,
    Reasoning,
    ReasoningWish,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.providers.anthropic import ANTHROPIC, AnthropicWire
from aigw.llm.providers.anthropic.models import Traits, traits
from aigw.llm.providers.anthropic.schema import closed
from aigw.llm.providers.base import Place
from tests.unit.llm.streams import NO_RECORDED, RECORDED

WIRE = AnthropicWire()
HELLO = (Turn("user", (Text("Hello"),)),)
WEATHER = Tool("get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
PIXEL = "iVBORw0KGgo="


def call(*turns: Turn, model: str = "claude-sonnet-4-5", **more: Any) -> Call:
    """A call, of a greeting if nothing else is said."""
    return Call(model, turns or HELLO, **more)


def body(*turns: Turn, **more: Any) -> dict[str, Any]:
    """The body that it becomes."""
    return WIRE.request(call(*turns, **more)).body


def chat(**fields: Any) -> dict[str, Any]:
    """What becomes of the request of a chat client."""
    fields.setdefault("model", "claude-sonnet-4-5")
    fields.setdefault("messages", [{"role": "user", "content": "Hello"}])
    return WIRE.request(Chat().read(fields)).body


class RequestCase(unittest.TestCase):
    """Requests, and refusals that name a field."""

    def refused(self, field: str, *turns: Turn, **more: Any) -> BadRequest:
        """The refusal; with ``drop_unsupported`` there is none."""
        error = self.assertRaises(BadRequest, WIRE.request, call(*turns, **more))
        self.assertEqual((error.param, error.status), (field, 400))
        self.assertIn(field, error.message)
        WIRE.request(call(*turns, drop_unsupported=True, **more))
        return error


class PlainRequestTests(RequestCase):
    """The shape of a request."""

    def test_least(self) -> None:
        """A greeting; ``max_tokens`` is required, so it is there."""
        request = WIRE.request(call())
        self.assertEqual(request.path, b"/v1/messages")
        self.assertEqual(request.headers, ((b"anthropic-version", b"2023-06-01"),))
        self.assertEqual(
            request.body,
            {
                "model": "claude-sonnet-4-5",
                "max_tokens": 64000,
                "messages": [{"role": "user", "content": "Hello"}],
            },
        )

    def test_every_option(self) -> None:
        """Under Anthropic's names and within its ranges."""
        made = chat(
            max_completion_tokens=100,
            temperature=1.7,
            top_k=40,
            stop=["END", "\n\n", ""],
            user="u1",
            service_tier="default",
            stream=True,
            seed=None,
            n=1,
            frequency_penalty=0,
            metadata={"a": "b"},
            store=False,
            custom_field={"x": 1},
        )
        del made["messages"], made["model"]
        self.assertEqual(
            made,
            {
                "max_tokens": 100,
                "temperature": 1.0,
                "top_k": 40,
                "stop_sequences": ["END"],
                "metadata": {"user_id": "u1"},
                "service_tier": "standard_only",
                "stream": True,
                "custom_field": {"x": 1},
            },
        )

    def test_blank_stop_sequences_are_none(self) -> None:
        """They would be refused."""
        self.assertNotIn("stop_sequences", chat(stop="\n"))

    def test_what_it_has_nothing_like_is_refused_by_name(self) -> None:
        """Or left out, where that is allowed."""
        for name, value in {
            "n": 2,
            "seed": 7,
            "logprobs": True,
            "frequency_penalty": 0.5,
            "presence_penalty": 0.5,
            "logit_bias": {"1": 2},
            "modalities": ["text", "audio"],
        }.items():
            self.refused(name, options={name: value})

    def test_wrong_values_are_refused(self) -> None:
        """With what they should be."""
        for name, value in {
            "max_tokens": "many",
            "temperature": "hot",
            "stop": 5,
            "user": 5,
            "service_tier": "x",
        }.items():
            error = self.assertRaises(BadRequest, body, options={name: value}, drop_unsupported=True)
            self.assertEqual(error.param, name)

    def test_default_of_max_tokens_follows_the_model(self) -> None:
        """As much as the model takes beside a long prompt."""
        for model, tokens in {
            "claude-3-haiku-20240307": 4096,
            "claude-3-5-haiku-20241022": 8192,
            "claude-opus-4-20250514": 32000,
            "claude-haiku-4-5": 64000,
            "my-own-alias": 8192,
        }.items():
            self.assertEqual(body(model=model)["max_tokens"], tokens, model)
            self.assertEqual(body(model=model, options={"max_tokens": 5})["max_tokens"], 5)

    def test_other_places(self) -> None:
        """Claude elsewhere: no model in the body, a version instead of a header, another path."""
        wire = AnthropicWire(
            name="vertex",
            version=None,
            path=lambda call: b"/models/%s:rawPredict" % call.model.encode(),
            model_in_body=False,
            constants={"anthropic_version": "vertex-2023-10-16"},
            fetches_urls=False,
            has_files=False,
        )
        request = wire.request(call())
        self.assertEqual((request.path, request.headers), (b"/models/claude-sonnet-4-5:rawPredict", ()))
        self.assertEqual(set(request.body), {"max_tokens", "messages", "anthropic_version"})
        for image in (Image(url="https://x/y.png"), Image(file_id="file_1")):
            error = self.assertRaises(BadRequest, wire.request, call(Turn("user", (image,), "messages[4]")))
            self.assertEqual(error.param, "messages[4]")
            self.assertIn("provider vertex", error.message)

    def test_provider(self) -> None:
        """Where it is, how its key goes, and that its version can be chosen."""
        self.assertEqual(ANTHROPIC.default_url, "https://api.anthropic.com")
        self.assertEqual((ANTHROPIC.key_header, ANTHROPIC.key_prefix), (b"x-api-key", b""))
        self.assertEqual(ANTHROPIC.passthrough_headers, (b"x-api-key", b"authorization"))
        self.assertEqual(ANTHROPIC.headers, {b"anthropic-version": b"2023-06-01"})
        self.assertIs(ANTHROPIC.at(ANTHROPIC, Place()), ANTHROPIC)
        newer = ANTHROPIC.at(ANTHROPIC, Place(api_version="2026-10-21"))
        self.assertEqual(newer.headers, {b"anthropic-version": b"2026-10-21"})
        assert newer.wire is not None
        self.assertEqual(newer.wire.request(call()).headers, ((b"anthropic-version", b"2026-10-21"),))


class TurnTests(RequestCase):
    """System and messages."""

    def test_system_goes_to_the_top(self) -> None:
        """As a string, or as blocks where there are several or marked ones."""
        for parts, written in (
            ((Text("Be brief."),), "Be brief."),
            ((Text("A"), Text("B")), [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]),
            (
                (Text("A", {"type": "ephemeral"}),),
                [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}],
            ),
        ):
            made = body(Turn("system", parts), *HELLO)
            self.assertEqual(made["system"], written)
            self.assertEqual(len(made["messages"]), 1)

    def test_later_system_stays_where_the_model_takes_it(self) -> None:
        """Behind the user's turn beside it; else it goes to the top."""
        turns = (
            Turn("system", (Text("S0"),)),
            Turn("user", (Text("U1"),)),
            Turn("assistant", (Text("A1"),)),
            Turn("system", (Text("S1"),)),
            Turn("user", (Text("U2"),)),
        )
        made = body(*turns, model="claude-opus-4-8")
        self.assertEqual(made["system"], "S0")
        self.assertEqual([(each["role"], each["content"]) for each in made["messages"]],
                         [("user", "U1"), ("assistant", "A1"), ("user", "U2"), ("system", "S1")])  # fmt: skip
        made = body(*turns, model="claude-sonnet-4-5")
        self.assertEqual([each["text"] for each in made["system"]], ["S0", "S1"])
        self.assertEqual([each["role"] for each in made["messages"]], ["user", "assistant", "user"])

    def test_system_without_a_user_beside_it_goes_to_the_top(self) -> None:
        """Even if the model took it elsewhere."""
        made = body(
            *HELLO, Turn("assistant", (Text("A"),)), Turn("system", (Text("S"),)), Turn("assistant", (Text("B"),)),
            model="claude-opus-4-8",
        )  # fmt: skip
        self.assertEqual(made["system"], "S")

    def test_system_alone_is_asked_by_the_user(self) -> None:
        """OpenAI answers that; Anthropic wants a message."""
        made = body(Turn("system", (Text("Say hi."),)))
        self.assertEqual(made["messages"], [{"role": "user", "content": "Say hi."}])
        self.assertNotIn("system", made)

    def test_neighbours_are_merged_and_results_come_first(self) -> None:
        """All results of one turn's calls in one message, before any text."""
        made = body(
            *HELLO,
            Turn("assistant", (Text("Let me see."), ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g"))),
            Turn("user", (ToolResult("c1", (Text("one"),)),)),
            Turn("user", (Text("and?"),)),
            Turn("user", (ToolResult("c2", (Text("two"), Image("image/png", PIXEL)), error=True),)),
            tools=(WEATHER,),
        )
        self.assertEqual(
            made["messages"][1:],
            [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Let me see."},
                        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
                        {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "c2",
                            "content": [
                                {"type": "text", "text": "two"},
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                                },
                            ],
                            "is_error": True,
                        },
                        {"type": "text", "text": "and?"},
                    ],
                },
            ],
        )

    def test_blank_text_is_left_out(self) -> None:
        """And messages that have nothing else; blanks at the very end of what is to be continued, too."""
        made = body(*HELLO, Turn("assistant", (Text(""), Text(" \n"))), Turn("user", (Text("x"),)))
        self.assertEqual([each["content"] for each in made["messages"]], ["Hello", "x"])
        made = body(*HELLO, Turn("assistant", (Text("The answer is "),)))
        self.assertEqual(made["messages"][-1], {"role": "assistant", "content": "The answer is"})
        made = body(*HELLO, Turn("assistant", (Text("A "), Text("B "))))
        self.assertEqual([each["text"] for each in made["messages"][-1]["content"]], ["A ", "B"])

    def test_empty_result_has_no_content(self) -> None:
        """A tool may answer nothing."""
        made = body(Turn("user", (ToolResult("c1"),)))
        self.assertEqual(made["messages"][0]["content"], [{"type": "tool_result", "tool_use_id": "c1"}])

    def test_ids_are_made_acceptable_alike(self) -> None:
        """For the call and its result."""
        made = body(Turn("assistant", (ToolCall("call:1|x", "f"),)), Turn("user", (ToolResult("call:1|x"),)))
        self.assertEqual(made["messages"][0]["content"][0]["id"], "call_1_x")
        self.assertEqual(made["messages"][1]["content"][0]["tool_use_id"], "call_1_x")

    def test_arguments_that_are_no_object(self) -> None:
        """Are wrapped as Anthropic advises; ``null`` is none."""
        for arguments in ("[1]", '"x"', '{"a": '):
            made = body(*HELLO, Turn("assistant", (ToolCall("c1", "f", arguments),), "messages[1]"))
            self.assertEqual(made["messages"][1]["content"][0]["input"], {"INVALID_JSON": arguments})
        for arguments in ("null", " ", ""):
            made = body(*HELLO, Turn("assistant", (ToolCall("c1", "f", arguments),), "messages[1]"))
            self.assertEqual(made["messages"][1]["content"][0]["input"], {})

    def test_thoughts_go_back_with_their_proof(self) -> None:
        """Those without one are another provider's."""
        made = body(
            *HELLO,
            Turn("assistant", (Reasoning("Hm.", "SIG"), Reasoning(redacted="OPAQUE"), Reasoning("Hm?"), Text("Hi"))),
            *HELLO,
        )
        self.assertEqual(
            made["messages"][1]["content"],
            [
                {"type": "thinking", "thinking": "Hm.", "signature": "SIG"},
                {"type": "redacted_thinking", "data": "OPAQUE"},
                {"type": "text", "text": "Hi"},
            ],
        )

    def test_pictures(self) -> None:
        """By their data or where they are."""
        made = body(
            Turn(
                "user",
                (
                    Image("image/png", PIXEL, cache={"type": "ephemeral"}),
                    Image(url="https://x/y.png", detail="high"),
                    Image(file_id="file_1"),
                ),
            )
        )
        self.assertEqual(
            made["messages"][0]["content"],
            [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            ],
        )
        self.refused("messages[0]", Turn("user", (Image("image/tiff", PIXEL),), "messages[0]"))
        self.refused("messages[0]", Turn("user", (Image(url="gs://bucket/x"),), "messages[0]"))

    def test_files_by_id_ask_for_their_beta(self) -> None:
        """Which the version of the API lacks."""
        request = WIRE.request(call(Turn("user", (Document(file_id="file_1", name="a.pdf"),))))
        self.assertIn((b"anthropic-beta", b"files-api-2025-04-14"), request.headers)
        source = {"type": "file", "file_id": "file_1"}
        self.assertEqual(
            request.body["messages"][0]["content"], [{"type": "document", "source": source, "title": "a.pdf"}]
        )

    def test_documents(self) -> None:
        """PDF as it is, text as text, nothing else."""
        text = base64.b64encode("Grüße".encode()).decode()
        made = body(
            Turn(
                "user",
                (
                    Document("application/pdf", "JVBERi0=", name="a.pdf"),
                    Document("text/markdown", text),
                    Document(text="plain"),
                    Document(url="https://x/y.pdf"),
                ),
            )
        )
        self.assertEqual(
            [block["source"] for block in made["messages"][0]["content"]],
            [
                {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                {"type": "text", "media_type": "text/plain", "data": "Grüße"},
                {"type": "text", "media_type": "text/plain", "data": "plain"},
                {"type": "url", "url": "https://x/y.pdf"},
            ],
        )
        self.refused("messages[0]", Turn("user", (Document("application/zip", "UEs="),), "messages[0]"))
        broken = Turn("user", (Document("text/plain", "%%%"),), "messages[0]")
        self.assertRaises(BadRequest, body, broken, drop_unsupported=True)

    def test_sound_and_strange_parts_are_refused(self) -> None:
        """But Anthropic's own go as they came."""
        self.refused("messages[0]", Turn("user", (Audio("AAAA"), Text("x")), "messages[0]"))
        self.refused("messages[0]", Turn("user", (Foreign("openai", {"type": "video"}), Text("x")), "messages[0]"))
        own = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
        made = body(*HELLO, Turn("assistant", (Foreign("anthropic", own),)), *HELLO)
        self.assertEqual(made["messages"][1]["content"], [own])


class ToolTests(RequestCase):
    """Tools and the choice of them."""

    def test_tools(self) -> None:
        """With schemas that are an object's, and cache marks."""
        tools = (WEATHER, Tool("now"), Tool("any", schema={"properties": {}}, cache={"type": "ephemeral"}))
        self.assertEqual(
            body(tools=tools)["tools"],
            [
                {"name": "get_weather", "description": "Tells the weather.", "input_schema": WEATHER.schema},
                {"name": "now", "input_schema": {"type": "object", "properties": {}}},
                {
                    "name": "any",
                    "input_schema": {"type": "object", "properties": {}},
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        )

    def test_strict_tools_are_closed_where_the_model_knows_them(self) -> None:
        """Older models take them unchecked."""
        strict = attrs.evolve(WEATHER, strict=True)
        written = body(tools=(strict,))["tools"][0]
        self.assertTrue(written["strict"])
        self.assertIs(written["input_schema"]["additionalProperties"], False)
        older = body(tools=(strict,), model="claude-3-7-sonnet-latest")["tools"][0]
        self.assertEqual((older["input_schema"], "strict" in older), (WEATHER.schema, False))

    def test_choices(self) -> None:
        """Anthropic's words; ``any`` is OpenAI's ``required``."""
        for choice, parallel, written in (
            (None, None, None),
            (None, True, None),
            (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
            (ToolChoice("auto"), None, {"type": "auto"}),
            (ToolChoice("any"), False, {"type": "any", "disable_parallel_tool_use": True}),
            (ToolChoice("none"), False, {"type": "none"}),
            (ToolChoice("one", "get_weather"), None, {"type": "tool", "name": "get_weather"}),
        ):
            made = body(tools=(WEATHER,), tool_choice=choice, parallel_tools=parallel)
            self.assertEqual(made.get("tool_choice"), written)

    def test_choice_without_tools_is_none(self) -> None:
        """It would be refused."""
        made = body(tool_choice=ToolChoice("auto"), parallel_tools=False)
        self.assertEqual(set(made), {"model", "max_tokens", "messages"})

    def test_history_with_calls_declares_their_tools(self) -> None:
        """Though none is to be called again."""
        turns = (Turn("assistant", (ToolCall("c1", "f"), ToolCall("c2", "f"))), Turn("user", (ToolResult("c1"),)))
        made = body(*HELLO, *turns)
        self.assertEqual([tool["name"] for tool in made["tools"]], ["f"])
        self.assertEqual(made["tool_choice"], {"type": "none"})

    def test_own_tools_pass_and_others_are_refused(self) -> None:
        """Anthropic's server tools are its own."""
        search = {"type": "web_search_20250305", "name": "web_search"}
        self.assertEqual(body(tools=(Foreign("anthropic", search),))["tools"], [search])
        error = self.refused("tools[1]", tools=(WEATHER, Foreign("openai", {"type": "custom", "custom": {}})))
        self.assertIn("type custom", error.message)

    def test_search_of_the_web_is_a_tool(self) -> None:
        """Anthropic's own, near where the user is."""
        near = {"type": "approximate", "approximate": {"city": "Bern", "country": "CH"}}
        made = chat(web_search_options={"search_context_size": "low", "user_location": near})
        self.assertEqual(
            made["tools"],
            [
                {
                    "type": "web_search_20250305",
                    "name": "web_search",
                    "user_location": {"type": "approximate", "city": "Bern", "country": "CH"},
                }
            ],
        )
        self.assertNotIn("web_search_options", made)
        self.assertEqual(chat(web_search_options={})["tools"], [{"type": "web_search_20250305", "name": "web_search"}])
        self.assertNotIn("tools", chat(web_search_options=None))

    def test_models_that_always_think_cannot_be_forced(self) -> None:
        """So that is refused, or left to them."""
        more = {"model": "claude-opus-5-5", "tools": (WEATHER,), "tool_choice": ToolChoice("any")}
        self.refused("tool_choice", **more)
        self.assertNotIn("tool_choice", body(**more, drop_unsupported=True))
        self.assertEqual(body(**{**more, "model": "claude-opus-5"})["tool_choice"], {"type": "any"})


class FormatTests(RequestCase):
    """Structured output."""

    SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}

    def test_schema_is_closed(self) -> None:
        """What is not understood is told in words."""
        made = body(format=ResponseFormat("schema", self.SCHEMA))
        self.assertEqual(
            made["output_config"],
            {
                "format": {
                    "type": "json_schema",
                    "schema": {
                        "type": "object",
                        "properties": {"age": {"type": "integer", "description": "{minimum: 0}"}},
                        "required": ["age"],
                        "additionalProperties": False,
                    },
                }
            },
        )

    def test_older_models_answer_by_a_tool(self) -> None:
        """Which they are made to call; or one of them, where there are others."""
        made = body(format=ResponseFormat("schema", self.SCHEMA), model="claude-3-5-sonnet-20241022")
        self.assertEqual([tool["name"] for tool in made["tools"]], ["json_tool_call"])
        self.assertEqual(made["tools"][0]["input_schema"], self.SCHEMA)
        self.assertEqual(made["tool_choice"], {"type": "tool", "name": "json_tool_call"})
        made = body(format=ResponseFormat("schema", self.SCHEMA), model="claude-opus-4-1", tools=(WEATHER,))
        self.assertEqual([tool["name"] for tool in made["tools"]], ["get_weather", "json_tool_call"])
        self.assertEqual(made["tool_choice"], {"type": "any"})

    def test_json_without_a_schema_is_asked_for_in_words(self) -> None:
        """There is nothing else for it."""
        made = body(Turn("system", (Text("Be brief."),)), *HELLO, format=ResponseFormat("json"))
        self.assertEqual(made["system"][0]["text"], "Be brief.")
        self.assertIn("JSON", made["system"][1]["text"])
        self.assertIn("JSON", body(format=ResponseFormat("json"))["system"])

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "properties", "items", "anyOf", "oneOf", "$defs", "format", "minItems", "x", "enum"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    def test_any_schema_survives(self, schema: Any) -> None:
        """And is not changed itself."""
        before = orjson.dumps(schema)
        orjson.dumps(closed(schema))
        self.assertEqual(orjson.dumps(schema), before)

    def test_schema_of_the_sdk_is_the_same(self) -> None:
        """For what both keep: Anthropic's SDK as the judge."""
        from anthropic import transform_schema

        schema = {
            "type": "object",
            "title": "T",
            "properties": {
                "name": {"type": "string", "minLength": 3, "description": "A name"},
                "when": {"type": "string", "format": "date-time"},
                "mail": {"type": "string", "format": "idn-email"},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}, "minItems": 1},
                "one": {"oneOf": [{"type": "null"}, {"type": "number", "multipleOf": 2}]},
            },
            "required": ["name"],
            "$defs": {"Tag": {"type": "object", "properties": {}, "additionalProperties": True}},
        }
        theirs, ours = transform_schema(schema), closed(schema)
        self.assertEqual(set(ours["properties"]), set(theirs["properties"]))
        for name in ("when", "tags"):
            self.assertEqual(ours["properties"][name], theirs["properties"][name])
        self.assertEqual(ours["$defs"], theirs["$defs"])
        self.assertEqual(ours["properties"]["name"], theirs["properties"]["name"])
        self.assertEqual(ours["properties"]["one"], theirs["properties"]["one"])
        self.assertEqual(ours["additionalProperties"], theirs["additionalProperties"])


class ReasoningTests(RequestCase):
    """Effort, budgets, and what cannot be had beside them."""

    def thinking(self, model: str, **wish: Any) -> tuple[Any, Any]:
        """``thinking`` and the effort that a wish becomes."""
        made = body(model=model, reasoning=ReasoningWish(**wish))
        return made.get("thinking"), made.get("output_config", {}).get("effort")

    def test_effort(self) -> None:
        """A budget for older models, an effort for newer ones."""
        shown = {"type": "adaptive", "display": "summarized"}
        for model, effort, expected in (
            ("claude-sonnet-4-5", "low", ({"type": "enabled", "budget_tokens": 1024}, None)),
            ("claude-sonnet-4-5", "high", ({"type": "enabled", "budget_tokens": 4096}, None)),
            ("claude-3-7-sonnet-20250219", "max", ({"type": "enabled", "budget_tokens": 16384}, None)),
            ("claude-opus-4-6", "minimal", ({"type": "adaptive"}, "low")),
            ("claude-opus-4-6", "xhigh", ({"type": "adaptive"}, "high")),
            ("claude-opus-4-7", "xhigh", (shown, "xhigh")),
            ("claude-haiku-5-5", "medium", (shown, "medium")),
        ):
            self.assertEqual(self.thinking(model, effort=effort), expected, (model, effort))

    def test_no_effort_at_all(self) -> None:
        """Each generation says it differently; some cannot."""
        for model, expected in {
            "claude-sonnet-4-5": (None, None),
            "claude-opus-4-7": (None, None),
            "claude-opus-5": ({"type": "disabled"}, None),
            "claude-sonnet-5-5": ({"type": "between_tools"}, None),
            "claude-opus-5-5": (None, "low"),
            "claude-3-haiku-20240307": (None, None),
        }.items():
            self.assertEqual(self.thinking(model, effort="none"), expected, model)

    def test_budget(self) -> None:
        """As it is where the model has budgets, an effort like it where not."""
        self.assertEqual(
            self.thinking("claude-opus-4-6", budget=9000, show=False),
            ({"type": "enabled", "budget_tokens": 9000, "display": "omitted"}, None),
        )
        for budget, effort in ((31999, "high"), (2500, "medium"), (1024, "low")):
            self.assertEqual(self.thinking("claude-opus-5", budget=budget)[1], effort)

    def test_adaptive(self) -> None:
        """The model decides; older ones get a budget."""
        self.assertEqual(self.thinking("claude-opus-4-6", adaptive=True), ({"type": "adaptive"}, None))
        self.assertEqual(
            self.thinking("claude-sonnet-4-5", adaptive=True), ({"type": "enabled", "budget_tokens": 4096}, None)
        )
        hidden = self.thinking("claude-opus-4-8", adaptive=True, show=False)
        self.assertEqual(hidden, ({"type": "adaptive", "display": "omitted"}, None))

    def test_budget_fits_below_max_tokens(self) -> None:
        """Or there is no room to think in."""
        wish = ReasoningWish(effort="high")
        made = body(reasoning=wish, options={"max_tokens": 2000})
        self.assertEqual(made["thinking"]["budget_tokens"], 1999)
        self.assertNotIn("thinking", body(reasoning=wish, options={"max_tokens": 1024}))

    def test_models_without_it(self) -> None:
        """Say so, by the client's own name for it."""
        self.refused("reasoning_effort", model="claude-3-5-haiku-latest", reasoning=ReasoningWish(effort="low"))
        fields = {
            "model": "claude-3-5-haiku-latest",
            "messages": [],
            "thinking": {"type": "enabled", "budget_tokens": 2000},
        }
        error = self.assertRaises(BadRequest, WIRE.request, Messages().read(fields))
        self.assertEqual(error.param, "thinking")

    def test_own_words_of_a_client_go_first(self) -> None:
        """As ``extra_body`` brings them; with what belongs together checked all the same."""
        thinking = {"type": "enabled", "budget_tokens": 5000}
        made = chat(thinking=thinking, reasoning_effort="low", temperature=1)
        self.assertEqual((made["thinking"], "temperature" in made), (thinking, False))
        made = chat(output_config={"effort": "max"}, model="claude-opus-4-6")
        self.assertEqual(made["output_config"], {"effort": "max"})
        fields = {"output_config": "x", "reasoning_effort": "low", "model": "claude-opus-4-6"}
        self.assertEqual(self.assertRaises(BadRequest, chat, **fields).param, "output_config")

    def test_not_before_a_forced_tool(self) -> None:
        """The tool was asked for more clearly."""
        more = {"tools": (WEATHER,), "tool_choice": ToolChoice("any"), "reasoning": ReasoningWish(effort="low")}
        self.refused("reasoning_effort", **more)
        made = body(**more, drop_unsupported=True)
        self.assertEqual((made["tool_choice"], "thinking" in made), ({"type": "any"}, False))

    def test_not_where_the_thoughts_before_a_call_are_lost(self) -> None:
        """With a budget that would be a 400 in the middle of every chat client's tool loop."""
        wish = ReasoningWish(effort="low")
        result = Turn("user", (ToolResult("c1"),))
        bare = Turn("assistant", (ToolCall("c1", "f"),))
        proven = Turn("assistant", (Reasoning("Hm.", "SIG"), ToolCall("c1", "f")))
        for lost in (wish, ReasoningWish(budget=2000)):
            self.assertNotIn("thinking", body(*HELLO, bare, result, reasoning=lost, tools=(WEATHER,)))
        self.assertIn("thinking", body(*HELLO, proven, result, reasoning=wish, tools=(WEATHER,)))
        self.assertIn("thinking", body(*HELLO, bare, result, *HELLO, reasoning=wish, tools=(WEATHER,), model="claude-opus-4-6"))  # fmt: skip
        self.assertIn("thinking", body(*HELLO, Turn("assistant", (Text("x"),)), *HELLO, reasoning=wish))

    def test_sampling_while_it_thinks(self) -> None:
        """Only what asks for nothing, and a narrow ``top_p``."""
        wish = ReasoningWish(effort="low")
        self.assertNotIn("temperature", body(reasoning=wish, options={"temperature": 1}))
        self.assertEqual(body(reasoning=wish, options={"top_p": 0.97})["top_p"], 0.97)
        for name, value in (("temperature", 0.2), ("top_p", 0.5), ("top_k", 40)):
            self.assertNotIn(name, body(reasoning=wish, options={name: value}))
        made = body(reasoning=wish, options={"temperature": 0.2, "top_k": 4})
        self.assertEqual(set(made), {"model", "max_tokens", "messages", "thinking"})

    def test_temperature_or_top_p(self) -> None:
        """Newer models take one of them."""
        both = {"temperature": 0.2, "top_p": 0.9}
        self.assertEqual(body(model="claude-opus-4-20250514", options=both)["top_p"], 0.9)
        made = body(options=both)
        self.assertEqual((made["temperature"], "top_p" in made), (0.2, False))
        made = body(options={"temperature": 1, "top_p": 0.9})
        self.assertEqual((made["top_p"], "temperature" in made), (0.9, False))
        made = body(options={"temperature": 0.3, "top_p": 1})
        self.assertEqual((made["temperature"], "top_p" in made), (0.3, False))

    def test_newest_models_take_neither(self) -> None:
        """Whatever a value asks for."""
        for name, value in (("temperature", 0.0), ("top_p", 0.9), ("top_k", 5)):
            made = body(model="claude-opus-4-7", options={name: value})
            self.assertEqual(set(made), {"model", "max_tokens", "messages"}, name)
        made = body(model="claude-sonnet-5", options={"temperature": 1.0, "top_p": 1})
        self.assertEqual(set(made), {"model", "max_tokens", "messages"})


class AnyChatTests(unittest.TestCase):
    """Whatever a chat client sends."""

    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    "max_tokens",
                    "temperature",
                    "top_p",
                    "top_k",
                    "stop",
                    "user",
                    "service_tier",
                    "thinking",
                    "output_config",
                    "system",
                    "metadata",
                    "stop_sequences",
                    "web_search_options",
                    "cache_control",
                    "n",
                    "seed",
                    "betas",
                ]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(-1, 2) | st.text(max_size=3),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
                max_leaves=4,
            ),
        ),
        st.sampled_from(["claude-3-5-haiku-latest", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5-5", "x"]),
        st.sampled_from([None, "none", "minimal", "high", "strange"]),
        st.booleans(),
    )
    def test_is_a_request_or_a_bad_one(self, fields: dict[str, Any], model: str, effort: Any, drop: bool) -> None:
        """Nothing else comes of it."""
        messages = [{"role": "user", "content": "Hello"}]
        call = Chat().read({**fields, "model": model, "messages": messages, "reasoning_effort": effort})
        call.drop_unsupported = drop
        try:
            orjson.dumps(WIRE.request(call).body)
        except BadRequest as error:
            self.assertTrue(error.param)


class ModelTests(unittest.TestCase):
    """traits()"""

    def test_names_of_all_places(self) -> None:
        """A model is the same wherever it is served."""
        for names in (
            ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
             "claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4.5", "anthropic/claude-4.5-sonnet"),
            ("claude-opus-4-20250514", "claude-opus-4-0", "claude-4-opus-20250514", "claude-opus-4@20250514"),
            ("claude-3-5-haiku-20241022", "claude-3-5-haiku@20241022", "anthropic.claude-3-5-haiku-20241022-v1:0"),
            ("claude-2.1", "claude-instant-1.2", "anthropic.claude-v2:1"),
        ):  # fmt: skip
            self.assertEqual({traits(name) for name in names}, {traits(names[0])}, names)

    def test_unknown_models_are_not_restricted(self) -> None:
        """Whatever they are, they will say what they do not take."""
        for name in ("smart", "claude-next", "claude-sonnet", "gpt-4o", ""):
            self.assertEqual(traits(name), Traits(8192, thinking="adaptive", formats=True))

    def test_versions_to_come_are_as_the_newest(self) -> None:
        """Nothing was ever taken back."""
        self.assertEqual(traits("claude-opus-7"), traits("claude-opus-5-5"))
        self.assertEqual(traits("claude-sonnet-6-1"), traits("claude-sonnet-5-5"))


class CountTests(RequestCase):
    """Counting tokens."""

    def test_request(self) -> None:
        """What is counted, and nothing of how it is to be answered."""
        made = WIRE.count_request(
            call(Turn("system", (Text("S"),)), *HELLO, tools=(WEATHER,), stream=True, options={"temperature": 0.5})
        )
        self.assertEqual(made.path, b"/v1/messages/count_tokens")
        self.assertEqual(set(made.body), {"model", "messages", "system", "tools"})

    def test_answer(self) -> None:
        """A number, or it is none."""
        self.assertEqual(WIRE.count({"input_tokens": 42}), 42)
        for fields in (None, [], {}, {"input_tokens": "x"}, {"input_tokens": -1}, {"input_tokens": True}):
            self.assertRaises(ValueError, WIRE.count, fields)


class RecordedRequestTests(unittest.TestCase):
    """Requests of real clients, compared with what another gateway makes of them."""

    def test_chat_requests(self) -> None:
        """The conversations agree."""
        folder = RECORDED / "agentgateway" / "requests" / "completions"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for name in ("basic", "tool-call", "image-url", "reasoning"):
            fields = orjson.loads((folder / f"{name}.json").read_bytes())
            snap = (folder / f"{name}.anthropic.snap").read_text().split("\n---\n", 1)[1]
            theirs = orjson.loads(snap)["request"]
            ours = WIRE.request(Chat().read({**fields, "model": "claude-sonnet-4-5"})).body
            self.assertEqual(_plain(ours["messages"]), _plain(theirs["messages"]), name)

    def test_kongs_request(self) -> None:
        """The same conversation as Kong sends it."""
        folder = RECORDED / "kong"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        asked = orjson.loads((folder / "requests" / "llm-v1-chat.json").read_bytes())
        expected = orjson.loads((folder / "expected-requests" / "anthropic" / "llm-v1-chat.json").read_bytes())
        made = chat(**asked, model="claude-2.1", max_tokens=512, temperature=0.5)
        self.assertEqual({**made, "stream": False}, expected)

    def test_every_recorded_messages_request_comes_back(self) -> None:
        """Read as a call and written again, nothing of the conversation is lost."""
        folder = RECORDED / "agentgateway" / "requests" / "messages"
        if not folder.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for path in sorted(folder.glob("*.json")):
            fields = orjson.loads(path.read_bytes())
            ours = WIRE.request(attrs.evolve(Messages().read(fields), model="claude-opus-4-8", options={})).body
            self.assertEqual(_plain(ours["messages"]), _plain(fields["messages"]), path.stem)
            if "tools" in fields:
                self.assertEqual(
                    [tool.get("name") for tool in ours["tools"]], [tool.get("name") for tool in fields["tools"]]
                )


def _plain(messages: list[dict[str, Any]]) -> list[Any]:
    """Messages with their text in one form, without what stands for nothing, neighbours of one role in one."""
    plain: list[Any] = []
    for each in messages:
        if plain and plain[-1][0] == each["role"]:
            plain[-1][1].extend(_blocks(each["content"]))
        else:
            plain.append((each["role"], _blocks(each["content"])))
    return plain


def _blocks(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = []
    for block in content:
        kept = {name: value for name, value in block.items() if value is not None}
        if "content" in kept:
            kept["content"] = _blocks(kept["content"])
        blocks.append(kept)
    return blocks
