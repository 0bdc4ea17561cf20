"""Calls of any dialect as requests for chat completions."""

from __future__ import annotations

import copy
from typing import Any

import attrs
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm.providers.mistral import MISTRAL
from aigw.llm.providers.openai_chat import ChatWire, Server, server

WEATHER = c.Tool("get_weather", "Get the weather", {"type": "object", "properties": {"city": {"type": "string"}}})
USER = c.Turn("user", (c.Text("Hello"),), "messages[0]")


def call(*turns: c.Turn, model: str = "gpt-4o", **more: Any) -> c.Call:
    """A call; a greeting if nothing is said."""
    return c.Call(model=model, turns=turns or (USER,), **more)


def body(asked: c.Call, at: Server = server.OPENAI) -> dict[str, Any]:
    """The request's JSON."""
    request = ChatWire(at).request(asked)
    orjson.dumps(request.body)
    return request.body


def messages(*turns: c.Turn, at: Server = server.OPENAI, **more: Any) -> list[dict[str, Any]]:
    """The request's messages."""
    written: list[dict[str, Any]] = body(call(*turns, **more), at)["messages"]
    return written


class RequestTests(unittest.TestCase):
    """Refusals name the client's field."""

    def refused(self, field: str, asked: c.Call, at: Server = server.OPENAI) -> BadRequest:
        """The refusal of a call, and that it is none where leaving out is allowed."""
        allowed = copy.copy(asked)
        allowed.drop_unsupported = True
        body(allowed, at)
        error = self.assertRaises(BadRequest, body, asked, at)
        self.assertEqual((error.param, error.code), (field, "unsupported_parameter"))
        self.assertIn(at.name, error.message)
        return error


class MessageTests(RequestTests):
    """Turns become messages."""

    def test_text(self) -> None:
        """A content of one text is a string, as every server reads it."""
        turns = (
            c.Turn("system", (c.Text("Be brief."),)),
            USER,
            c.Turn("assistant", (c.Text("Hi"),)),
            c.Turn("user", (c.Text("Bye"),), name="bob"),
        )
        self.assertEqual(
            body(call(*turns)),
            {
                "model": "gpt-4o",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hello"},
                    {"role": "assistant", "content": "Hi"},
                    {"role": "user", "content": "Bye", "name": "bob"},
                ],
            },
        )

    def test_several_texts(self) -> None:
        """Stay several at OpenAI; many other servers read only strings."""
        turn = c.Turn("user", (c.Text("a"), c.Text(""), c.Text("b")))
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        self.assertEqual(messages(turn), [{"role": "user", "content": parts}])
        self.assertEqual(messages(turn, at=server.COMPATIBLE), [{"role": "user", "content": "a\nb"}])

    def test_instructions_are_the_developers_where_models_think(self) -> None:
        """At OpenAI; other servers may not know that role."""
        turn = c.Turn("system", (c.Text("x"),))
        for model, role in (("o3-mini", "developer"), ("gpt-5.1", "developer"), ("gpt-4o", "system")):
            self.assertEqual(messages(turn, model=model)[0]["role"], role)
            self.assertEqual(messages(turn, model=model, at=server.COMPATIBLE)[0]["role"], "system")

    def test_instructions_in_the_middle_stay_there(self) -> None:
        """Chat completions have them anywhere."""
        roles = [each["role"] for each in messages(USER, c.Turn("system", (c.Text("x"),)), USER)]
        self.assertEqual(roles, ["user", "system", "user"])

    def test_vision(self) -> None:
        """Data, places and how closely to look."""
        turn = c.Turn(
            "user",
            (c.Text("What is this?"), c.Image("image/png", "QUJD"), c.Image(url="https://x/a.png", detail="high")),
        )
        self.assertEqual(
            messages(turn)[0]["content"],
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "high"}},
            ],
        )

    def test_sound_and_files(self) -> None:
        """By their data or their id; the text of a document is text."""
        turn = c.Turn(
            "user",
            (
                c.Audio("QUJD", "mp3"),
                c.Document("application/pdf", "QUJD", name="a.pdf"),
                c.Document("application/pdf", "QUJD"),
                c.Document(file_id="file-1"),
                c.Document(text="Once", name="Tale"),
            ),
        )
        data = "data:application/pdf;base64,QUJD"
        self.assertEqual(
            messages(turn)[0]["content"],
            [
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": data}},
                {"type": "file", "file": {"filename": "document.pdf", "file_data": data}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "text", "text": "Tale\n\nOnce"},
            ],
        )

    def test_what_has_no_form_is_refused(self) -> None:
        """Or left out, where that is allowed."""
        for part in (
            c.Image(file_id="file-1"),
            c.Document(url="https://x/a.pdf"),
            c.Foreign("anthropic", {"type": "container_upload"}),
        ):
            error = self.refused("messages[4].content", call(USER, c.Turn("user", (part,), "messages[4]")))
            self.assertNotIn("None", error.message)

    def test_what_only_openai_has_passes(self) -> None:
        """As the client sent it."""
        part = {"type": "future_part", "x": 1}
        self.assertEqual(messages(c.Turn("user", (c.Foreign("openai", part),)))[0]["content"], [part])

    def test_empty_turns_are_left_out(self) -> None:
        """Servers refuse messages without content."""
        self.assertEqual(len(messages(USER, c.Turn("assistant", ()), c.Turn("user", (c.Text(""),)))), 1)


class ToolHistoryTests(RequestTests):
    """Calls and their results in the conversation."""

    def test_results_are_messages_before_what_the_user_says(self) -> None:
        """In their order; that of an error says so."""
        turns = (
            USER,
            c.Turn(
                "assistant",
                (c.Text("Let me see."), c.ToolCall("t1", "get_weather", '{"city":"Oslo"}'), c.ToolCall("t2", "now")),
            ),
            c.Turn(
                "user",
                (
                    c.Text("Thanks."),
                    c.ToolResult("t1", (c.Text("rain"), c.Text("4 °C"))),
                    c.ToolResult("t2", (c.Text("no clock"),), error=True),
                ),
            ),
        )
        self.assertEqual(
            messages(*turns)[1:],
            [
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                        },
                        {"id": "t2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "t1", "content": "rain\n4 °C"},
                {"role": "tool", "tool_call_id": "t2", "content": "Error: no clock"},
                {"role": "user", "content": "Thanks."},
            ],
        )

    def test_content_is_null_beside_calls_only(self) -> None:
        """Not an empty text, which some servers refuse."""
        message = messages(USER, c.Turn("assistant", (c.ToolCall("t", "f"),)))[1]
        self.assertIsNone(message["content"])

    def test_pictures_of_results_follow_in_a_users_message(self) -> None:
        """A tool's message can hold text only."""
        result = c.ToolResult("t1", (c.Text("seen"), c.Image("image/png", "QUJD")))
        only = c.ToolResult("t2", (c.Image(url="https://x/a.png"),))
        written = messages(c.Turn("user", (result, only, c.Text("And?"))))
        self.assertEqual([each["role"] for each in written], ["tool", "tool", "user"])
        self.assertEqual(written[0]["content"], "seen")
        self.assertTrue(written[1]["content"])
        self.assertEqual(
            [part["type"] for part in written[2]["content"]], ["text", "image_url", "text", "image_url", "text"]
        )
        self.assertIn("t2", written[2]["content"][2]["text"])

    def test_result_without_content(self) -> None:
        """Is an empty one."""
        self.assertEqual(messages(c.Turn("user", (c.ToolResult("t"),)))[0]["content"], "")

    def test_long_ids_are_shortened_alike(self) -> None:
        """OpenAI takes 40 characters; the call and its result keep belonging together."""
        long = "toolu_" + "x" * 80
        turns = (c.Turn("assistant", (c.ToolCall(long, "f"),)), c.Turn("user", (c.ToolResult(long),)))
        asked, answered = messages(*turns)
        self.assertEqual(asked["tool_calls"][0]["id"], answered["tool_call_id"])
        self.assertLessEqual(len(answered["tool_call_id"]), 40)

    def test_calls_that_are_no_functions_pass(self) -> None:
        """OpenAI's custom tools."""
        custom = {"id": "c1", "type": "custom", "custom": {"name": "grep", "input": "x"}}
        message = messages(c.Turn("assistant", (c.Foreign("openai", custom),)))[0]
        self.assertEqual((message["content"], message["tool_calls"]), (None, [custom]))


class ThoughtTests(RequestTests):
    """What the model thought in earlier turns."""

    TURN = c.Turn("assistant", (c.Reasoning("Hm.", signature="s"), c.Text("Yes"), c.ToolCall("t", "f")))

    def test_are_dropped_where_nobody_reads_them(self) -> None:
        """OpenAI's servers and strict ones refuse the field."""
        for at in (server.OPENAI, server.GROQ, server.XAI, server.COMPATIBLE):
            self.assertNotIn("reasoning_content", messages(self.TURN, at=at, model="llama-3")[0])

    def test_go_back_where_they_are_wanted(self) -> None:
        """DeepSeek refuses a conversation without them; its model elsewhere reads them too."""
        for at in (server.DEEPSEEK, server.COMPATIBLE):
            self.assertEqual(messages(self.TURN, at=at, model="deepseek-v4")[0]["reasoning_content"], "Hm.")

    def test_are_made_up_where_a_client_lost_them(self) -> None:
        """Only where the server insists, which is on turns that call tools."""
        lost = c.Turn("assistant", (c.ToolCall("t", "f"),))
        self.assertEqual(messages(lost, at=server.DEEPSEEK)[0]["reasoning_content"], " ")
        said = c.Turn("assistant", (c.Text("x"),))
        self.assertNotIn("reasoning_content", messages(said, at=server.DEEPSEEK)[0])

    def test_redacted_ones_are_nobodys(self) -> None:
        """A turn of nothing else is none."""
        self.assertEqual(len(messages(USER, c.Turn("assistant", (c.Reasoning(redacted="x"),)))), 1)

    def test_geminis_signature_stays_on_its_call(self) -> None:
        """At Google's compatible API only."""
        turn = c.Turn("assistant", (c.ToolCall("t", "f", signature="sig"),))
        google = messages(turn, at=server.GOOGLE)[0]["tool_calls"][0]
        self.assertEqual(google["extra_content"], {"google": {"thought_signature": "sig"}})
        self.assertNotIn("extra_content", messages(turn)[0]["tool_calls"][0])


class ToolTests(RequestTests):
    """Tools and how to choose among them."""

    def test_functions(self) -> None:
        """With an empty schema where there is none."""
        schema = {**(WEATHER.schema or {}), "required": ["city"], "additionalProperties": False}
        tools = (attrs.evolve(WEATHER, schema=schema, strict=True), c.Tool("now"))
        self.assertEqual(
            body(call(tools=tools))["tools"],
            [
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "description": "Get the weather",
                        "parameters": schema,
                        "strict": True,
                    },
                },
                {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
            ],
        )
        self.assertNotIn("strict", body(call(tools=tools), server.XAI)["tools"][0]["function"])

    def test_choice(self) -> None:
        """In OpenAI's words; said only where there is something to choose, unless a tool must be called."""
        for choice, written in (
            (c.ToolChoice("auto"), "auto"),
            (c.ToolChoice("any"), "required"),
            (c.ToolChoice("none"), "none"),
            (c.ToolChoice("one", "get_weather"), {"type": "function", "function": {"name": "get_weather"}}),
        ):
            self.assertEqual(body(call(tools=(WEATHER,), tool_choice=choice))["tool_choice"], written)
        self.assertNotIn("tool_choice", body(call(tool_choice=c.ToolChoice("none"))))

    def test_parallel_calls(self) -> None:
        """Are forbidden where the client does; that they may be is what servers do anyway."""
        self.assertIs(body(call(tools=(WEATHER,), parallel_tools=False))["parallel_tool_calls"], False)
        for asked in (call(tools=(WEATHER,), parallel_tools=True), call(parallel_tools=False)):
            self.assertNotIn("parallel_tool_calls", body(asked))

    def test_long_names_are_shortened_everywhere(self) -> None:
        """Declaration, choice and history agree; two names with one beginning stay two."""
        long, other = "mcp__" + "a" * 70, "mcp__" + "a" * 71
        turns = (USER, c.Turn("assistant", (c.ToolCall("t", long),)))
        written = body(call(*turns, tools=(c.Tool(long), c.Tool(other)), tool_choice=c.ToolChoice("one", long)))
        names = [tool["function"]["name"] for tool in written["tools"]]
        self.assertEqual({len(name) for name in names}, {64})
        self.assertNotEqual(*names)
        self.assertEqual(written["tool_choice"]["function"]["name"], names[0])
        self.assertEqual(written["messages"][1]["tool_calls"][0]["function"]["name"], names[0])

    def test_other_providers_tools_are_refused(self) -> None:
        """OpenAI's own pass."""
        custom = {"type": "custom", "custom": {"name": "grep"}}
        self.assertEqual(body(call(tools=(c.Foreign("openai", custom),)))["tools"], [custom])
        error = self.refused("tools[0]", call(tools=(c.Foreign("anthropic", {"type": "web_search_20250305"}),)))
        self.assertIn("web_search_20250305", error.message)


class FormatTests(RequestTests):
    """Structured output."""

    def test_schema(self) -> None:
        """With its name and its strictness."""
        schema = {"type": "object", "additionalProperties": False}
        wanted = c.ResponseFormat("schema", schema, "answer", "An answer", True)
        self.assertEqual(
            body(call(format=wanted))["response_format"],
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": schema,
                    "description": "An answer",
                    "strict": True,
                },
            },
        )

    def test_any_json(self) -> None:
        """Without one."""
        self.assertEqual(body(call(format=c.ResponseFormat("json")))["response_format"], {"type": "json_object"})

    def test_deepseek_has_no_schemas(self) -> None:
        """It is asked for any JSON where that is allowed."""
        asked = call(format=c.ResponseFormat("schema", {}))
        self.refused("response_format", asked, server.DEEPSEEK)
        asked.drop_unsupported = True
        self.assertEqual(body(asked, server.DEEPSEEK)["response_format"], {"type": "json_object"})


class OptionTests(RequestTests):
    """Everything else that steers an answer."""

    def test_stream_always_tells_its_usage(self) -> None:
        """The gateway counts, whatever the client asks."""
        written = body(call(stream=True))
        self.assertEqual((written["stream"], written["stream_options"]), (True, {"include_usage": True}))
        self.assertNotIn("stream", body(call()))

    def test_max_tokens_by_its_name(self) -> None:
        """At OpenAI the new one; elsewhere only where OpenAI's thinking models are behind."""
        asked = {"options": {"max_tokens": 100}}
        for at, model, name in (
            (server.OPENAI, "gpt-4o", "max_completion_tokens"),
            (server.OPENAI, "o3", "max_completion_tokens"),
            (server.COMPATIBLE, "llama-3.3-70b", "max_tokens"),
            (server.COMPATIBLE, "gpt-4o", "max_tokens"),
            (server.COMPATIBLE, "gpt-oss-120b", "max_tokens"),
            (server.OPENROUTER, "openai/gpt-5-mini", "max_completion_tokens"),
            (server.COMPATIBLE, "ft:o4-mini:me", "max_completion_tokens"),
            (server.GROQ, "llama-3.3-70b", "max_completion_tokens"),
            (server.DEEPSEEK, "deepseek-chat", "max_tokens"),
        ):
            written = body(call(model=model, **copy.deepcopy(asked)), at)
            self.assertEqual({"max_tokens", "max_completion_tokens"} & set(written), {name}, (at.name, model))
            self.assertEqual(written[name], 100)

    def test_common_options_keep_their_names(self) -> None:
        """Unknown ones too: the server can tell best what it thinks of them."""
        options = {
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 7,
            "n": 2,
            "presence_penalty": 1,
            "frequency_penalty": -1,
            "logit_bias": {"50256": -100},
            "stop": ["a"],
            "verbosity": "low",
            "guided_regex": "a+",
        }
        written = body(call(options=dict(options)))
        self.assertEqual({name: written[name] for name in options}, options)

    def test_hints(self) -> None:
        """Go to OpenAI, which has them, and nowhere else but for the user."""
        options = {"user": "u", "prompt_cache_key": "k", "safety_identifier": "s", "metadata": {"a": "b"}}
        self.assertLessEqual({"user", "prompt_cache_key", "safety_identifier"}, set(body(call(options=dict(options)))))
        written = body(call(options=dict(options)), server.COMPATIBLE)
        self.assertEqual(set(written) & set(options), {"user"})

    def test_long_users_are_hashed(self) -> None:
        """OpenAI takes 64 characters, Claude Code sends more; one user stays one."""
        long = {"options": {"user": "user_" + "x" * 100}}
        first, second = (body(call(**copy.deepcopy(long)))["user"] for _ in range(2))
        self.assertEqual((first, len(first)), (second, 64))
        self.assertNotIn("xxxx", first)

    def test_more_than_four_stops_are_refused(self) -> None:
        """By the client's name for them; servers without that limit get them all."""
        stops = list("abcde")
        asked = call(options={"stop": stops}, names={"stop": "stop_sequences"})
        self.assertEqual(body(asked, server.COMPATIBLE)["stop"], stops)
        self.refused("stop_sequences", asked)
        asked = call(options={"stop": stops}, drop_unsupported=True)
        self.assertEqual(body(asked)["stop"], list("abcd"))

    def test_top_k_is_not_openais(self) -> None:
        """vLLM, llama.cpp and others have it."""
        self.assertEqual(body(call(options={"top_k": 5}), server.COMPATIBLE)["top_k"], 5)
        self.refused("top_k", call(options={"top_k": 5}))

    def test_what_an_answer_has_no_place_for_is_refused(self) -> None:
        """Probabilities and sound could not be passed on."""
        self.refused("logprobs", call(options={"logprobs": True}))
        self.refused("audio", call(options={"audio": {"voice": "x"}}))
        self.refused("previous_response_id", call(options={"previous_response_id": "r"}))

    def test_nonsense_is_refused_by_name(self) -> None:
        """The client's."""
        for options in ({"temperature": "hot"}, {"max_tokens": 0}, {"max_tokens": 1e300}, {"user": 7}, {"stop": 5}):
            error = self.assertRaises(BadRequest, body, call(options=dict(options)))
            self.assertEqual(error.param, next(iter(options)))


class EffortTests(RequestTests):
    """How much to think."""

    def effort(self, model: str, wish: c.ReasoningWish | None, at: Server, **more: Any) -> dict[str, Any]:
        """What of a request says so."""
        written = body(call(model=model, reasoning=wish, **more), at)
        return {name: written[name] for name in ("reasoning_effort", "thinking", "reasoning") if name in written}

    def test_at_openai(self) -> None:
        """Efforts within a model's range, budgets by thresholds; models that do not think are not asked to."""
        wish = c.ReasoningWish
        for model, asked, written in (
            ("o3", wish(effort="high"), "high"),
            ("o3", wish(effort="none"), "low"),
            ("o3", wish(effort="max"), "high"),
            ("gpt-5", wish(effort="minimal"), "minimal"),
            ("gpt-5", wish(effort="none"), "minimal"),
            ("gpt-5-mini", wish(effort="xhigh"), "high"),
            ("gpt-5.1", wish(effort="none"), "none"),
            ("gpt-5.1", wish(effort="minimal"), "low"),
            ("gpt-5.4", wish(effort="max"), "xhigh"),
            ("gpt-5.6-terra", wish(effort="max"), "max"),
            ("gpt-5", wish(effort="turbo"), "turbo"),
            ("gpt-5", wish(budget=4096), "high"),
            ("gpt-5", wish(budget=4095), "medium"),
            ("gpt-5", wish(budget=2047), "low"),
            ("gpt-5", wish(budget=1023), "minimal"),
            ("gpt-5", wish(adaptive=True), "medium"),
            ("gpt-4o", wish(effort="high"), None),
            ("gpt-4o", wish(budget=4096), None),
            ("prod", wish(effort="high"), "high"),
            ("prod", wish(budget=4096), None),
            ("gpt-5", None, None),
        ):
            expected = {} if written is None else {"reasoning_effort": written}
            self.assertEqual(self.effort(model, asked, server.OPENAI), expected, (model, asked))

    def test_models_that_take_few_efforts(self) -> None:
        """Or none: what the API names in its refusal, and nothing for those that have no such field."""
        wish = c.ReasoningWish
        for model, asked, written in (
            ("gpt-5-chat-latest", wish(effort="high"), None),
            ("gpt-5-chat", wish(effort="none"), None),
            ("gpt-5-chat-latest", wish(adaptive=True), None),
            ("gpt-5-chat-latest", wish(effort="turbo"), None),
            ("openai/gpt-5.1-chat", wish(effort="high"), "medium"),
            ("gpt-5.1-chat-latest", wish(effort="none"), "medium"),
            ("gpt-5.2-chat-latest", wish(effort="max"), "medium"),
            ("gpt-5.3-chat-latest", wish(budget=100), "medium"),
            ("gpt-5-pro", wish(effort="minimal"), "high"),
            ("gpt-5-pro-2025-10-06", wish(effort="medium"), "high"),
            ("gpt-5.2-pro", wish(effort="low"), "medium"),
            ("gpt-5.4-pro", wish(effort="max"), "xhigh"),
            ("gpt-5-codex", wish(effort="minimal"), "low"),
            ("gpt-5.1-codex-max", wish(effort="xhigh"), "xhigh"),
            ("gpt-5.1-codex-mini", wish(effort="xhigh"), "high"),
            ("gpt-5.3-codex", wish(effort="none"), "none"),
            ("o1-mini", wish(effort="low"), None),
            ("ft:gpt-5-chat:acme::1", wish(effort="low"), None),
        ):
            expected = {} if written is None else {"reasoning_effort": written}
            for at in (server.OPENAI, server.COMPATIBLE):
                self.assertEqual(self.effort(model, asked, at), expected, (model, asked))

    def test_models_with_one_effort_may_call_functions(self) -> None:
        """They are not told "none", which they refuse."""
        for model in ("gpt-5.3-chat-latest", "gpt-5.4-pro"):
            for asked in (None, c.ReasoningWish(effort="high")):
                self.assertEqual(self.effort(model, asked, server.OPENAI, tools=(WEATHER,)), {})

    def test_newer_gpt_does_not_think_where_it_may_call_functions(self) -> None:
        """Its chat completions refuse anything but "none" then (wire.md, case 59)."""
        asked = c.ReasoningWish(effort="high")
        for model in ("gpt-5.4", "gpt-5.6-terra", "gpt-6"):
            for wish in (asked, None):
                effort = self.effort(model, wish, server.OPENAI, tools=(WEATHER,))
                self.assertEqual(effort, {"reasoning_effort": "none"})
            self.assertEqual(self.effort(model, asked, server.OPENAI), {"reasoning_effort": "high"})
        for model in ("gpt-5", "gpt-5.2", "o3", "gpt-5-mini"):
            effort = self.effort(model, asked, server.OPENAI, tools=(WEATHER,))
            self.assertEqual(effort, {"reasoning_effort": "high"})

    def test_elsewhere(self) -> None:
        """In the words of each server, as far as they reach."""
        wish = c.ReasoningWish
        for at, model, asked, written in (
            (server.COMPATIBLE, "qwen3", wish(effort="max"), {"reasoning_effort": "high"}),
            (server.COMPATIBLE, "qwen3", wish(effort="minimal"), {"reasoning_effort": "low"}),
            (server.COMPATIBLE, "qwen3", wish(effort="none"), {"reasoning_effort": "none"}),
            (server.COMPATIBLE, "qwen3", wish(adaptive=True), {}),
            (server.COMPATIBLE, "qwen3", wish(budget=2048), {"reasoning_effort": "medium"}),
            (server.COMPATIBLE, "gpt-5.2", wish(effort="xhigh"), {"reasoning_effort": "xhigh"}),
            (server.COMPATIBLE, "x", wish(effort="turbo"), {"reasoning_effort": "turbo"}),
            (server.DEEPSEEK, "d", wish(effort="none"), {"thinking": {"type": "disabled"}}),
            (server.DEEPSEEK, "d", wish(adaptive=True), {"thinking": {"type": "enabled"}}),
            (
                server.DEEPSEEK,
                "d",
                wish(effort="low"),
                {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
            ),
            (
                server.DEEPSEEK,
                "d",
                wish(effort="xhigh"),
                {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
            ),
            (server.GROQ, "openai/gpt-oss-20b", wish(effort="none"), {"reasoning_effort": "low"}),
            (server.GROQ, "qwen/qwen3-32b", wish(budget=5000), {"reasoning_effort": "default"}),
            (server.GROQ, "qwen/qwen3-32b", wish(effort="none"), {"reasoning_effort": "none"}),
            (server.GROQ, "llama-3.3-70b", wish(budget=5000), {}),
            (server.GROQ, "llama-3.3-70b", wish(effort="high"), {"reasoning_effort": "high"}),
            (server.XAI, "grok-4", wish(budget=5000), {}),
            (server.XAI, "grok-3-mini", wish(effort="max"), {"reasoning_effort": "high"}),
            (server.OPENROUTER, "a/b", wish(budget=5000), {"reasoning": {"max_tokens": 5000}}),
            (server.OPENROUTER, "a/b", wish(effort="max"), {"reasoning": {"effort": "xhigh"}}),
            (
                server.OPENROUTER,
                "a/b",
                wish(adaptive=True, show=False),
                {"reasoning": {"enabled": True, "exclude": True}},
            ),
        ):
            self.assertEqual(self.effort(model, asked, at), written, (at, model, asked))
            self.assertEqual(self.effort(model, None, at), {})


class ServerTests(unittest.TestCase):
    """server_at()"""

    def test_known_by_their_host(self) -> None:
        """And by nothing else of the url."""
        for url, known in (
            ("https://api.deepseek.com/v1", server.DEEPSEEK),
            ("https://api.groq.com/openai/v1", server.GROQ),
            ("https://api.x.ai/v1", server.XAI),
            ("https://openrouter.ai/api/v1", server.OPENROUTER),
            ("https://generativelanguage.googleapis.com/v1beta/openai", server.GOOGLE),
            ("http://localhost:8000/v1", server.COMPATIBLE),
            ("https://proxy.example/api.deepseek.com", server.COMPATIBLE),
            ("https://notx.ai/v1", server.COMPATIBLE),
            (None, server.COMPATIBLE),
        ):
            self.assertIs(server.server_at(url), known, url)


TEXTS = st.text(max_size=6)
PARTS = st.one_of(
    st.builds(c.Text, TEXTS),
    st.builds(c.Image, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    st.builds(c.Audio, TEXTS),
    st.builds(c.Document, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    st.builds(c.Reasoning, TEXTS, st.none() | TEXTS, st.none() | TEXTS),
    st.builds(c.ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(c.Foreign, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)),
)
TURNS = st.builds(
    c.Turn,
    st.sampled_from(["system", "user", "assistant"]),
    st.lists(PARTS | st.builds(c.ToolResult, TEXTS, st.lists(PARTS, max_size=2).map(tuple)), max_size=4).map(tuple),
)
OPTIONS = st.dictionaries(
    st.sampled_from(["max_tokens", "temperature", "stop", "user", "n", "seed", "top_k", "store", "anything"]),
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.lists(TEXTS),
    max_size=3,
)
SERVERS = [server.OPENAI, server.COMPATIBLE, server.DEEPSEEK, server.GROQ, server.XAI, server.OPENROUTER, server.GOOGLE]


class AnyCallTests(unittest.TestCase):
    """Whatever a client says is written or refused."""

    @given(
        st.sampled_from([*map(ChatWire, SERVERS), MISTRAL.wire]), st.lists(TURNS, max_size=4), OPTIONS, st.booleans()
    )
    def test_any_call(self, wire: Any, turns: list[c.Turn], options: dict[str, Any], drop: bool) -> None:
        """By nothing but a BadRequest that names a field; the call stays as it was, for another target."""
        asked = call(*turns, options=options, drop_unsupported=drop)
        before = copy.deepcopy(asked)
        try:
            request = wire.request(asked)
        except BadRequest as error:
            self.assertTrue(error.param)
        else:
            orjson.dumps(request.body, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
            self.check_order(request.body["messages"])
        self.assertEqual(asked, before)

    def check_order(self, written: list[dict[str, Any]]) -> None:
        """Every message has a role and something to say, or calls."""
        for message in written:
            self.assertIn(message["role"], ("system", "developer", "user", "assistant", "tool"))
            self.assertTrue(message["content"] is not None or message.get("tool_calls"))
