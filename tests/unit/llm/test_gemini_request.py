"""Calls as Gemini's requests, from what the clients send to what Google gets."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.call import Call, Document, Reasoning, ReasoningWish, Text, ToolCall, ToolResult, Turn
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.providers.base import Place
from aigw.llm.providers.gemini import GEMINI, GeminiWire, model_path
from aigw.llm.providers.gemini.schema import cleaned, parameters
from aigw.llm.providers.gemini.signatures import SKIP, own
from aigw.llm.providers.gemini.thinking import Model
from aigw.llm.providers.vertex import VertexWire
from aigw.llm.wire import EmbeddingCall
from tests.unit.llm.streams import NO_RECORDED, RECORDED
from tests.unit.llm.test_openai_chat_request import OPTIONS, TURNS

WIRE = GeminiWire()
PIXEL = "iVBORw0KGgo="
#: How signatures begin, as they were seen: Gemini 3's, Gemini 2.5's, Anthropic's, OpenAI's.
GEMINI_3 = "EjQKMgG+Pvb7a+BCB+Y31VaoyKyrqwNLWNCEjl8bzr3GjnEO"
GEMINI_25 = "CiQBvj72+6HI8+eJU+HjXyUghM3MM47797x9IOCmyx0odxqx3BsK"
CLAUDE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYd"
CLAUDE_OLD = "EqMDCkYICRgCKkAH0AN4D9k63uMdx9oxQba1K1kY9liw5lWVneiT"
FERNET = "gAAAAABopRjkxnF3t8uK"
#: A protocol buffer of the same build, with nothing in it that tells.
OTHER = "EgQaAhoA"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

CLOCK = {"type": "function", "function": {"name": "clock"}}


def chat(drop: bool = False, **fields: Any) -> Call:
    """The call of a chat client."""
    fields.setdefault("model", "gemini-2.5-flash")
    fields.setdefault("messages", [{"role": "user", "content": "Hello"}])
    call = Chat().read(fields)
    call.drop_unsupported = drop
    return call


def body(**fields: Any) -> dict[str, Any]:
    """The body of the request that a chat client's becomes; Google must be able to read it."""
    written = WIRE.request(chat(**fields)).body
    orjson.dumps(written)
    return written


def contents(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The conversation that becomes of a chat client's messages."""
    found: list[dict[str, Any]] = body(messages=list(messages), **fields)["contents"]
    return found


def user(content: Any) -> dict[str, Any]:
    """What a user says."""
    return {"role": "user", "content": content}


def calls(*named: tuple[str, str, str], content: str | None = None, **more: Any) -> dict[str, Any]:
    """What an assistant calls: ids, names and arguments."""
    written = [
        {"id": each, "type": "function", "function": {"name": name, "arguments": arguments}}
        for each, name, arguments in named
    ]
    return {"role": "assistant", "content": content, "tool_calls": written, **more}


def result(call_id: str, content: Any) -> dict[str, Any]:
    """What a tool answered."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


class RequestCase(unittest.TestCase):
    """Refusals name the client's field, and are no more under ``drop_unsupported``."""

    def refused(self, field: str, says: str = "", **fields: Any) -> None:
        """It is a 400, or the field is left out."""
        error = self.assertRaises(BadRequest, WIRE.request, chat(**fields))
        self.assertEqual((error.param, error.status), (field, 400))
        self.assertIn(says, error.message)
        WIRE.request(chat(drop=True, **fields))


class PlainTests(RequestCase):
    """Where a call goes, and its options."""

    def test_least(self) -> None:
        """Nothing but the conversation."""
        request = WIRE.request(chat())
        self.assertEqual(request.path, b"/v1beta/models/gemini-2.5-flash:generateContent")
        self.assertEqual(request.body, {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})

    def test_stream(self) -> None:
        """Is asked for by the path, always as events."""
        request = WIRE.request(chat(stream=True))
        self.assertEqual(request.path, b"/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
        self.assertNotIn("stream", request.body)

    def test_version(self) -> None:
        """As the backend says."""
        for version, begin in ((None, b"/v1beta/models/"), ("v1", b"/v1/models/")):
            there = GEMINI.at(GEMINI, Place(api_version=version))
            assert there.wire is not None
            self.assertTrue(there.wire.request(chat()).path.startswith(begin))

    def test_model_cannot_leave_its_place(self) -> None:
        """A model's name is one segment of the path, whatever is in it."""
        self.assertEqual(model_path("a/../b?x=1&key=#"), "models/a%2F..%2Fb%3Fx%3D1%26key%3D%23")
        self.assertEqual(model_path("models/gemini-2.5-pro"), "models/gemini-2.5-pro")
        self.assertEqual(model_path("tunedModels/mine"), "tunedModels/mine")

    def test_options(self) -> None:
        """By table, clamped to Gemini's ranges."""
        written = body(
            max_completion_tokens=1000,
            temperature=2.5,
            top_p=0.9,
            top_k=40,
            n=3,
            stop=["\n\n", "END"],
            presence_penalty=0.1,
            frequency_penalty=0.2,
            seed=42,
            modalities=["text", "image"],
            service_tier="flex",
        )
        self.assertEqual(
            written["generationConfig"],
            {
                "maxOutputTokens": 1000,
                "temperature": 2,
                "topP": 0.9,
                "topK": 40,
                "candidateCount": 3,
                "stopSequences": ["\n\n", "END"],
                "presencePenalty": 0.1,
                "frequencyPenalty": 0.2,
                "seed": 42,
                "responseModalities": ["TEXT", "IMAGE"],
            },
        )
        self.assertEqual(written["serviceTier"], "flex")

    def test_options_that_ask_for_nothing(self) -> None:
        """Are not sent: some models refuse a penalty of 0."""
        written = body(
            n=1, presence_penalty=0, frequency_penalty=0.0, stop=[], modalities=["text"], user="u", store=False
        )
        self.assertEqual(set(written), {"contents"})

    def test_seed_beyond_32_bits(self) -> None:
        """Is folded: Gemini's is an int32."""
        self.assertEqual(body(seed=2**40 + 5)["generationConfig"]["seed"], 5)

    def test_unsupported(self) -> None:
        """What cannot be told back, or is not there at all."""
        self.refused("logprobs", logprobs=True)
        self.refused("logit_bias", logit_bias={"1": 2})
        self.refused("parallel_tool_calls", tools=[WEATHER, CLOCK], parallel_tool_calls=False)
        self.refused("tools[0]", tools=[{"type": "custom", "custom": {"name": "c"}}])

    def test_wrong_values(self) -> None:
        """Name the field by the client's name for it."""
        for fields in ({"temperature": "hot"}, {"max_completion_tokens": 0}, {"modalities": ["audio"]}):
            error = self.assertRaises(BadRequest, WIRE.request, chat(**fields))
            self.assertEqual(error.param, next(iter(fields)))

    def test_google_s_own_fields(self) -> None:
        """Go up as they are, filled up by OpenAI's; so do those of Google's compatible endpoint."""
        written = body(
            safetySettings=[{"category": "C", "threshold": "BLOCK_NONE"}],
            generationConfig={"mediaResolution": "LOW"},
            temperature=1,
            extra_body={
                "google": {"cached_content": "cachedContents/1", "thinking_config": {"include_thoughts": True}}
            },
        )
        self.assertEqual(written["safetySettings"][0]["threshold"], "BLOCK_NONE")
        self.assertEqual(written["cached_content"], "cachedContents/1")
        self.assertEqual(
            written["generationConfig"],
            {"mediaResolution": "LOW", "temperature": 1, "thinkingConfig": {"include_thoughts": True}},
        )

    def test_a_client_s_objects_are_not_changed(self) -> None:
        """They belong to the request, which may be translated again for another target."""
        config = {"mediaResolution": "LOW"}
        body(generationConfig=config, temperature=1)
        self.assertEqual(config, {"mediaResolution": "LOW"})

    def test_key_header(self) -> None:
        """The key is in a header of its own; a URL with a key would be in every log."""
        self.assertEqual((GEMINI.key_header, GEMINI.key_prefix), (b"x-goog-api-key", b""))

    def test_kong_s_request(self) -> None:
        """As Kong writes the same one, except for its own defaults."""
        path = RECORDED / "kong" / "expected-requests" / "gemini" / "llm-v1-chat.json"
        if not path.exists():
            raise unittest.SkipTest(NO_RECORDED)
        expected = orjson.loads(path.read_bytes())
        roles = {"user": "user", "model": "assistant"}
        messages = [{"role": "system", "content": "You are a mathematician."}] + [
            {"role": roles[each["role"]], "content": each["parts"][0]["text"]} for each in expected["contents"]
        ]
        written = body(messages=messages, temperature=0.8, top_k=1, top_p=0.6, max_tokens=8192)
        self.assertEqual(written, expected)


class ConversationTests(RequestCase):
    """Turns and their parts."""

    def test_system(self) -> None:
        """Is no turn; all that the system says is together."""
        messages = [{"role": "developer", "content": "A"}, user("Hi"), {"role": "system", "content": "B"}]
        written = body(messages=messages)
        self.assertEqual(written["systemInstruction"], {"parts": [{"text": "A"}, {"text": "B"}]})
        self.assertEqual(written["contents"], [{"role": "user", "parts": [{"text": "Hi"}]}])

    def test_neighbours_are_merged(self) -> None:
        """And empty text, which Gemini refuses, is left out."""
        messages = (user("A"), user([{"type": "text", "text": ""}, {"type": "text", "text": "B"}]))
        self.assertEqual(contents(*messages), [{"role": "user", "parts": [{"text": "A"}, {"text": "B"}]}])

    def test_user_first(self) -> None:
        """A conversation that the client's model begins, or the system alone, is preceded by a user's nothing."""
        nothing = {"role": "user", "parts": [{"text": " "}]}
        self.assertEqual(contents({"role": "assistant", "content": "Hi"})[0], nothing)
        self.assertEqual(contents({"role": "system", "content": "Hi"}), [nothing])

    def test_images(self) -> None:
        """Data is inline; what is on the web or at Google is fetched by Google."""
        urls = [f"data:image/webp;base64,{PIXEL}", "https://x.test/a.png?s=1", "gs://bucket/b", "https://x.test/c"]
        parts = contents(user([{"type": "image_url", "image_url": {"url": url}} for url in urls]))[0]["parts"]
        self.assertEqual(
            parts,
            [
                {"inlineData": {"mimeType": "image/webp", "data": PIXEL}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.png?s=1"}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/b"}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/c"}},
            ],
        )

    def test_models_that_do_not_fetch(self) -> None:
        """Say so before Google does, and what to do instead."""
        image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
        self.refused("messages[0]", "send the data", model="gemini-2.0-flash", messages=[user([image])])

    def test_sound_and_files(self) -> None:
        """Are inline data; Google's own files are named by where they are."""
        parts = contents(
            user(
                [
                    {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_id": "files/abc"}},
                    {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
                ]
            )
        )[0]["parts"]
        self.assertEqual(parts[0], {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}})
        self.assertEqual(parts[1], {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}})
        self.assertEqual(parts[2]["fileData"]["fileUri"], "https://generativelanguage.googleapis.com/v1beta/files/abc")
        self.assertEqual(parts[3]["fileData"], {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"})

    def test_plain_documents(self) -> None:
        """Are text."""
        call = Call("gemini-2.5-flash", (Turn("user", (Document(text="Once"),)),))
        self.assertEqual(WIRE.request(call).body["contents"][0]["parts"], [{"text": "Once"}])

    def test_foreign_files_and_parts(self) -> None:
        """Another provider's file, a part that nobody knows, a picture from the system: refused."""
        self.refused("messages[1]", messages=[user("x"), user([{"type": "file", "file": {"file_id": "file-1"}}])])
        self.refused("messages[0]", "'hologram'", messages=[user([{"type": "hologram"}])])
        picture = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
        self.refused("messages[0]", messages=[{"role": "system", "content": [picture]}, user("Hi")])


class ToolTests(RequestCase):
    """Functions, calls of them, what they answered."""

    def test_declarations(self) -> None:
        """JSON Schema goes as such; a function without arguments has none."""
        clock = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
        written = body(tools=[WEATHER, clock])
        self.assertEqual(
            written["tools"],
            [
                {
                    "functionDeclarations": [
                        {
                            "name": "get_weather",
                            "description": "Tells the weather.",
                            "parametersJsonSchema": WEATHER["function"]["parameters"],  # type: ignore[index]
                        },
                        {"name": "clock"},
                    ]
                }
            ],
        )
        self.assertNotIn("toolConfig", written)

    def test_choices(self) -> None:
        """Each mode; without functions there is nothing to choose."""
        modes: list[tuple[Any, dict[str, Any]]] = [
            ("auto", {"mode": "AUTO"}),
            ("none", {"mode": "NONE"}),
            ("required", {"mode": "ANY"}),
            ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ]
        for choice, expected in modes:
            written = body(tools=[WEATHER], tool_choice=choice)
            self.assertEqual(written["toolConfig"], {"functionCallingConfig": expected})
        self.assertNotIn("toolConfig", body(tool_choice="none"))

    def test_tools_that_google_runs(self) -> None:
        """By Google's names, or what other providers call the like."""
        tools = [
            {"googleSearch": {}},
            {"url_context": {}},
            {"type": "web_search_preview"},
            {"type": "code_interpreter"},
        ]
        self.assertEqual(
            body(tools=tools)["tools"],
            [{"googleSearch": {}}, {"urlContext": {}}, {"googleSearch": {}}, {"codeExecution": {}}],
        )
        self.assertEqual(body(web_search_options={})["tools"], [{"googleSearch": {}}])
        filters = {"allowed_domains": ["example.com"]}
        self.refused("tools[0]", "filters", tools=[{"type": "web_search", "filters": filters}])

    def test_one_tool_at_a_time(self) -> None:
        """Is no wish where there is one tool, or none to be called."""
        for fields in (
            {"tools": [WEATHER]},
            {"tools": [WEATHER, CLOCK], "tool_choice": "none"},
            {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "function": {"name": "clock"}}},
            {},
        ):
            self.assertEqual(body(**fields, parallel_tool_calls=False), body(**fields))

    def test_googles_tools_beside_functions(self) -> None:
        """Since Gemini 3, and AI Studio wants to be told; before, it is the one or the other."""
        search = {"type": "web_search"}
        for fields in ({"tools": [WEATHER, search]}, {"tools": [WEATHER], "web_search_options": {}}):
            asked = {"model": "gemini-3.1-pro", **fields}
            written = body(**asked, tool_choice="auto")
            self.assertEqual([*map(list, written["tools"])], [["functionDeclarations"], ["googleSearch"]])
            told = {"functionCallingConfig": {"mode": "AUTO"}, "includeServerSideToolInvocations": True}
            self.assertEqual(written["toolConfig"], told)
            at_vertex = VertexWire("/v1").request(chat(**asked)).body
            self.assertNotIn("toolConfig", at_vertex)
            self.assertEqual(at_vertex["tools"], written["tools"])
        self.refused("tools[1]", "not both", tools=[WEATHER, search])
        self.refused("web_search_options", "not both", tools=[WEATHER], web_search_options={})
        self.assertNotIn("toolConfig", body(model="gemini-3.1-pro", tools=[search]))

    def test_history(self) -> None:
        """Calls at once, answered in another order; results come in the order of the calls, names found by their ids.

        Vertex AI refuses ids in either, so there are none.
        """
        written = contents(
            user("Weather?"),
            calls(("c1", "get_weather", '{"city":"Rome"}'), ("c2", "clock", "")),
            result("c2", "12:00"),
            result("c1", '{"temp":15}'),
            user("Thanks"),
        )
        self.assertEqual(
            written[1:],
            [
                {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}},
                        {"functionCall": {"name": "clock", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "get_weather", "response": {"temp": 15}}},
                        {"functionResponse": {"name": "clock", "response": {"output": "12:00"}}},
                        {"text": "Thanks"},
                    ],
                },
            ],
        )

    def test_ids_used_again(self) -> None:
        """Each result belongs to the call before it."""
        written = contents(
            user("x"),
            calls(("0", "f", "{}"), ("1", "g", "{}")),
            result("1", "b"),
            result("0", "a"),
            calls(("0", "g", "{}"), ("1", "f", "{}")),
            result("1", "d"),
            result("0", "c"),
        )
        told = [
            (each["functionResponse"]["name"], each["functionResponse"]["response"]["output"])
            for content in (written[2], written[4])
            for each in content["parts"]
        ]
        self.assertEqual(told, [("f", "a"), ("g", "b"), ("g", "c"), ("f", "d")])

    def test_results_are_objects(self) -> None:
        """Whatever the tool answered."""
        for text, expected in (
            ('{"a":1}', {"a": 1}),
            ("[1]", {"output": "[1]"}),
            ("{not json", {"output": "{not json"}),
            ("", {"output": ""}),
        ):
            response = contents(user("x"), calls(("c", "f", "{}")), result("c", text))[2]["parts"][0]
            self.assertEqual(response["functionResponse"]["response"], expected)

    def test_failed_tools(self) -> None:
        """Say so in the API's own field."""
        turns = (
            Turn("user", (Text("x"),)),
            Turn("assistant", (ToolCall("c", "f"),)),
            Turn("user", (ToolResult("c", (Text("no such city"),), error=True),)),
        )
        part = WIRE.request(Call("gemini-2.5-flash", turns)).body["contents"][2]["parts"][0]
        self.assertEqual(part["functionResponse"]["response"], {"error": "no such city"})

    def test_pictures_in_results(self) -> None:
        """Are in the response from Gemini 3 on, beside it before."""
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        messages = (user("x"), calls(("c", "f", "{}")), result("c", [{"type": "text", "text": "see"}, picture]))
        inline = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        response = {"name": "f", "response": {"output": "see"}}
        self.assertEqual(contents(*messages)[2]["parts"], [{"functionResponse": response}, inline])
        newer = contents(*messages, model="gemini-3-pro-preview")[2]["parts"]
        self.assertEqual(newer, [{"functionResponse": {**response, "parts": [inline]}}])

    def test_result_of_nothing(self) -> None:
        """Names the message."""
        error = self.assertRaises(BadRequest, WIRE.request, chat(messages=[user("x"), result("c9", "y")]))
        self.assertEqual(error.param, "messages[1]")
        self.assertIn("c9", error.message)

    def test_arguments_that_are_none(self) -> None:
        """A call that was cut off is wrapped, so that the conversation can go on."""
        made = WIRE.request(chat(messages=[user("x"), calls(("c", "f", '{"a":'))])).body["contents"][1]
        self.assertEqual(made["parts"][0]["functionCall"]["args"], {"INVALID_JSON": '{"a":'})


class SignatureTests(unittest.TestCase):
    """Gemini's proofs of what it thought."""

    def test_chat_clients_give_them_back(self) -> None:
        """In ``extra_content``, as Google's compatible endpoint does it."""
        said = calls(("c1", "f", "{}"), ("c2", "g", "{}"))
        said["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": GEMINI_3}}
        parts = contents(user("x"), said, model="gemini-3-flash-preview")[1]["parts"]
        self.assertEqual(parts[0]["thoughtSignature"], GEMINI_3)
        self.assertNotIn("thoughtSignature", parts[1])

    def test_anthropic_clients_give_them_back(self) -> None:
        """In a thinking block before the call."""
        fields = {
            "model": "gemini-3-flash-preview",
            "max_tokens": 100,
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "", "signature": f"aigw-tool:{GEMINI_3}"},
                        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "y"}]},
            ],
        }
        said = WIRE.request(Messages().read(fields)).body["contents"][1]
        call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": GEMINI_3}
        self.assertEqual(said, {"role": "model", "parts": [call]})

    def test_thoughts_with_a_signature(self) -> None:
        """It belongs to the call behind them, else to the text; the thoughts themselves are not sent again."""
        thought = Reasoning("hm", GEMINI_3)
        for parts, expected in (
            ((thought, Text("a"), ToolCall("c", "f")), [{"text": "a"}, {**CALLED, "thoughtSignature": GEMINI_3}]),
            ((thought, Text("a")), [{"text": "a", "thoughtSignature": GEMINI_3}]),
            ((Text("a"), thought), [{"text": "a", "thoughtSignature": GEMINI_3}]),
            ((thought,), [{"text": "", "thoughtSignature": GEMINI_3}]),
            ((Reasoning("hm"), Text("a")), [{"text": "a"}]),
        ):
            turns = (Turn("user", (Text("x"),)), Turn("assistant", parts))
            self.assertEqual(WIRE.request(Call("gemini-2.5-pro", turns)).body["contents"][1]["parts"], expected)

    def test_missing_on_gemini_3(self) -> None:
        """The check is switched off for the first call of each step; older models do not check."""
        messages = (user("x"), calls(("c", "f", "{}"), ("d", "g", "{}")), result("c", "y"), result("d", "z"))
        parts = contents(*messages, model="gemini-3-pro-preview")[1]["parts"]
        self.assertEqual([part.get("thoughtSignature") for part in parts], [SKIP, None])
        self.assertNotIn("thoughtSignature", contents(*messages, model="gemini-2.5-pro")[1]["parts"][0])

    def test_another_provider_s(self) -> None:
        """Would be refused as corrupted: a conversation that Claude began can go on with Gemini."""
        for foreign in (CLAUDE, CLAUDE_OLD, FERNET):
            turns = (
                Turn("user", (Text("x"),)),
                Turn("assistant", (Reasoning("hm", foreign), ToolCall("c", "f"))),
                Turn("user", (ToolResult("c", (Text("y"),)),)),
            )
            part = WIRE.request(Call("gemini-3-pro-preview", turns)).body["contents"][1]["parts"][0]
            self.assertEqual(part["thoughtSignature"], SKIP)

    def test_own(self) -> None:
        """What is Gemini's, or nobody's that is known, is kept."""
        for signature in (GEMINI_3, GEMINI_25, OTHER, SKIP, "not base64!", "Eg==", "E"):
            self.assertEqual(own(signature), signature)
        self.assertIsNone(own(None))
        self.assertIsNone(own(""))

    @given(st.text())
    def test_any(self, signature: str) -> None:
        """Clients may send anything."""
        self.assertIn(own(signature), (signature, None))


CALLED = {"functionCall": {"name": "f", "args": {}}}


class FormatTests(unittest.TestCase):
    """Answers of a form."""

    def test_json(self) -> None:
        """Any JSON."""
        config = body(response_format={"type": "json_object"})["generationConfig"]
        self.assertEqual(config, {"responseMimeType": "application/json"})

    def test_schema(self) -> None:
        """JSON Schema as such, with what Gemini does not know of it written out."""
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"person": {"$ref": "#/$defs/Person", "description": "who"}, "kind": {"const": "p"}},
            "required": ["person"],
            "additionalProperties": False,
            "$defs": {"Person": {"type": "object", "properties": {"age": {"type": ["integer", "null"]}}}},
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
        config = body(response_format=wanted)["generationConfig"]
        self.assertEqual(
            config["responseJsonSchema"],
            {
                "type": "object",
                "properties": {
                    "person": {
                        "type": "object",
                        "properties": {"age": {"type": ["integer", "null"]}},
                        "description": "who",
                    },
                    "kind": {"enum": ["p"]},
                },
                "required": ["person"],
                "additionalProperties": False,
            },
        )
        self.assertIn("$defs", schema)  # the client's own is as it was


class SchemaTests(unittest.TestCase):
    """JSON Schema in Gemini's form."""

    def test_references_to_anywhere(self) -> None:
        """Zod's point into properties, older drafts' into ``definitions``."""
        schema = {
            "properties": {
                "a": {"type": "string"},
                "b": {"$ref": "#/properties/a"},
                "c": {"$ref": "#/definitions/C~1"},
            },
            "definitions": {"C/": {"type": "number"}},
        }
        clean = cleaned(schema)
        self.assertEqual(clean["properties"]["b"], {"type": "string"})
        self.assertEqual(clean["properties"]["c"], {"type": "number"})
        self.assertNotIn("definitions", clean)

    def test_circles(self) -> None:
        """Keep the reference, alone, and its definition under ``$defs``."""
        schema = {
            "properties": {"tree": {"$ref": "#/definitions/Node"}},
            "definitions": {"Node": {"properties": {"next": {"$ref": "#/definitions/Node", "title": "n"}}}, "X": {}},
        }
        clean = cleaned(schema)
        self.assertEqual(clean["properties"]["tree"], {"properties": {"next": {"$ref": "#/$defs/Node"}}})
        self.assertEqual(clean["$defs"], {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}})

    def test_circles_end(self) -> None:
        """What a circle goes through is optional, or an array that may be empty: Gemini refuses any other."""
        node = {"$ref": "#/$defs/Node"}
        for way, released in (
            (node, True),
            ({"anyOf": [node, {"type": "null"}]}, True),
            ({"type": "object", "properties": {"a": node}, "required": ["a"]}, False),  # "a" itself is released
            ({"type": "array", "items": node}, False),
            ({"type": "array", "items": node, "minItems": 1}, True),
            ({"type": ["array", "null"], "items": node}, True),
            ({"type": "string"}, False),
        ):
            definition = {"type": "object", "properties": {"way": way, "name": {}}, "required": ["way", "name"]}
            clean = cleaned({"type": "object", "properties": {"top": node}, "$defs": {"Node": definition}})
            required = ["name"] if released else ["way", "name"]
            self.assertEqual(clean["properties"]["top"]["required"], required, way)
            if "$defs" in clean:
                self.assertEqual(clean["$defs"]["Node"]["required"], required, way)
        inner = cleaned(
            {"properties": {"top": node}, "$defs": {"Node": {"properties": {"a": node}, "required": ["a"]}}}
        )
        self.assertEqual(inner["$defs"]["Node"]["required"], [])

    def test_circles_through_the_root(self) -> None:
        """Keep a reference too: ``#`` is a definition of its own."""
        schema = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
        reference = {"$ref": "#/$defs/__root__"}
        clean = cleaned({"$schema": "x", **schema, "required": ["children"]})
        written = {"type": "object", "properties": {"children": {"type": "array", "items": reference}}}
        root = {**written, "required": ["children"]}
        self.assertEqual(clean, {**root, "$defs": {"__root__": root}})

    def test_references_to_nothing(self) -> None:
        """Say nothing."""
        self.assertEqual(cleaned({"items": {"$ref": "https://x.test/schema"}}), {"items": {}})
        self.assertEqual(cleaned({"$ref": "#/$defs/Gone"}), {"$ref": "#/$defs/Gone", "$defs": {"Gone": {}}})

    def test_bomb(self) -> None:
        """A schema that doubles with each reference does not become one of a billion parts."""
        definitions = {
            f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
            for level in range(40)
        }
        clean = cleaned({"$ref": "#/$defs/d0", "$defs": definitions})
        self.assertLess(len(orjson.dumps(clean)), 500_000)

    def test_deep(self) -> None:
        """As deep as a request may be, and references on top of it."""
        schema: dict[str, Any] = {"$ref": "#/$defs/D"}
        for _ in range(190):
            schema = {"items": schema}
        cleaned({**schema, "$defs": {"D": {"items": {"$ref": "#"}, "not": schema}}})

    def test_parameters(self) -> None:
        """Are an object; none at all for a function without."""
        self.assertIsNone(parameters(None))
        self.assertIsNone(parameters({}))
        self.assertIsNone(parameters({"type": "object", "properties": {}, "required": []}))
        self.assertEqual(parameters({"properties": {"a": {}}}), {"properties": {"a": {}}, "type": "object"})
        self.assertEqual(parameters({"type": "object", "additionalProperties": {}})["type"], "object")  # type: ignore[index]

    @given(
        st.recursive(
            st.none() | st.integers(-9, 9) | st.sampled_from(["#/$defs/a", "object"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["$ref", "$defs", "a", "properties", "anyOf", "items", "const", "definitions"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_any(self, value: Any) -> None:
        """Whatever a client calls a schema can be sent."""
        if isinstance(value, dict):
            orjson.dumps(cleaned(value))
            parameters(value)


class ThinkingTests(unittest.TestCase):
    """A budget or a level, never both."""

    def config(self, model: str, **wish: Any) -> Any:
        """The ``thinkingConfig`` that a wish comes to."""
        call = Call(model, (Turn("user", (Text("x"),)),), reasoning=ReasoningWish(**wish))
        return WIRE.request(call).body.get("generationConfig", {}).get("thinkingConfig")

    def test_effort(self) -> None:
        """The word of OpenAI's clients, for each family of models."""
        for model, effort, expected in (
            ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
            ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
            ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
            ("gemini-2.5-flash", "high", {"thinkingBudget": 24576}),
            ("gemini-2.5-flash", "max", {"thinkingBudget": 24576}),
            ("gemini-2.5-flash-lite", "none", {"thinkingBudget": 0}),
            ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
            ("gemini-2.5-pro", "max", {"thinkingBudget": 32768}),
            ("gemini-3-pro-preview", "none", {"thinkingLevel": "LOW"}),
            ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH"}),
            ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
            ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL"}),
            ("gemini-3.8-flash", "minimal", {"thinkingLevel": "LOW"}),
            ("models/gemini-3.5-flash-lite", "none", {"thinkingLevel": "MINIMAL"}),
            ("gemini-flash-latest", "minimal", {"thinkingLevel": "LOW"}),
            ("gemini-4-argon", "xhigh", {"thinkingLevel": "HIGH"}),
        ):
            shown = {} if effort == "none" else {"includeThoughts": True}
            self.assertEqual(self.config(model, effort=effort), {**expected, **shown}, (model, effort))

    def test_budget(self) -> None:
        """The number of Anthropic's clients; a level near to it where there are levels."""
        for model, budget, expected in (
            ("gemini-2.5-flash", 10_000, {"thinkingBudget": 10_000}),
            ("gemini-2.5-flash-lite", 100, {"thinkingBudget": 512}),
            ("gemini-2.5-pro", 50_000, {"thinkingBudget": 32768}),
            ("gemini-3-flash-preview", 1024, {"thinkingLevel": "LOW"}),
            ("gemini-3-flash-preview", 4000, {"thinkingLevel": "MEDIUM"}),
            ("gemini-3-flash-preview", 31_999, {"thinkingLevel": "HIGH"}),
        ):
            self.assertEqual(self.config(model, budget=budget), {**expected, "includeThoughts": True}, (model, budget))

    def test_adaptive(self) -> None:
        """The model decides, which those with levels do anyway."""
        self.assertEqual(self.config("gemini-2.5-pro", adaptive=True), {"thinkingBudget": -1, "includeThoughts": True})
        self.assertEqual(self.config("gemini-3-pro-preview", adaptive=True), {"includeThoughts": True})
        self.assertEqual(self.config("gemini-3-pro-preview", adaptive=True, show=False), None)

    def test_models_that_do_not_think(self) -> None:
        """Are not told to."""
        for model in ("gemini-2.0-flash", "gemini-1.5-pro", "gemma-3-27b-it", "gemini-2.5-flash-image"):
            self.assertFalse(Model.of(model).thinks)
            error = self.assertRaises(BadRequest, self.config, model, effort="low")
            self.assertEqual(error.param, "reasoning_effort")
            self.assertIsNone(self.config(model, effort="none"))

    def test_versions(self) -> None:
        """As names have them; a date is no version."""
        for name, version in (
            ("gemini-2.5-flash-preview-04-17", (2, 5)),
            ("publishers/google/models/gemini-3-pro-preview", (3, 0)),
            ("gemini-2.0-flash-001", (2, 0)),
            ("gemini-4-argon", (4, 0)),
            ("gemini-pro", None),
            ("1234567890", None),
        ):
            self.assertEqual(Model.of(name).version, version)


class AnyCallTests(unittest.TestCase):
    """Whatever a client says is written or refused."""

    @given(
        st.sampled_from([WIRE, VertexWire("/v1/projects/p/locations/l")]),
        st.sampled_from(["gemini-2.0-flash", "gemini-3-pro-preview", "claude-sonnet-4-5@20250929"]),
        st.lists(TURNS, max_size=4),
        OPTIONS,
        st.booleans(),
    )
    def test_any_call(self, wire: Any, model: str, turns: list[Turn], options: dict[str, Any], drop: bool) -> None:
        """By nothing but a BadRequest that names a field; the call stays as it was, for another target."""
        asked = Call(model, tuple(turns), options=options, drop_unsupported=drop)
        before = copy.deepcopy(asked)
        try:
            request = wire.request(asked)
        except BadRequest as error:
            self.assertTrue(error.param)
        else:
            orjson.dumps(request.body)
            roles = [each["role"] for each in request.body.get("contents", ())]
            self.assertEqual(roles, [("user", "model")[index % 2] for index in range(len(roles))])
            self.assertTrue(all(each["parts"] for each in request.body.get("contents", ())))
        self.assertEqual(asked, before)


class CountAndEmbeddingTests(unittest.TestCase):
    """The operations beside conversations."""

    def test_count(self) -> None:
        """All of the request is counted."""
        request = WIRE.count_request(chat(tools=[WEATHER]))
        self.assertEqual(request.path, b"/v1beta/models/gemini-2.5-flash:countTokens")
        counted = request.body["generateContentRequest"]
        self.assertEqual((counted["model"], set(counted)), ("models/gemini-2.5-flash", {"model", "contents", "tools"}))
        self.assertEqual(WIRE.count({"totalTokens": 31}), 31)
        for wrong in ({}, None, [], {"totalTokens": "x"}, {"totalTokens": -1}):
            self.assertRaises(ValueError, WIRE.count, wrong)

    def test_embeddings(self) -> None:
        """As one batch, in order."""
        call = EmbeddingCall("gemini-embedding-001", ("First", "Second"), 768, {"task_type": "RETRIEVAL_QUERY"})
        request = WIRE.embedding_request(call)
        self.assertEqual(request.path, b"/v1beta/models/gemini-embedding-001:batchEmbedContents")
        self.assertEqual(
            request.body["requests"][1],
            {
                "model": "models/gemini-embedding-001",
                "outputDimensionality": 768,
                "taskType": "RETRIEVAL_QUERY",
                "content": {"parts": [{"text": "Second"}]},
            },
        )
        told = WIRE.embeddings({"embeddings": [{"values": [0.5, 1]}, {"values": [2]}]})
        self.assertEqual((told.vectors, told.usage), (([0.5, 1], [2]), None))

    def test_embeddings_that_are_none(self) -> None:
        """Numbers of another provider's tokens; answers without vectors."""
        error = self.assertRaises(BadRequest, WIRE.embedding_request, EmbeddingCall("m", ([1, 2],)))
        self.assertEqual(error.param, "input")
        for wrong in (None, [], {}, {"embeddings": [{}]}, {"embeddings": [{"values": ["x"]}]}, {"embeddings": {}}):
            self.assertRaises(ValueError, WIRE.embeddings, wrong)
