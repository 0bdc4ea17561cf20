"""Calls as requests for Bedrock's Converse, with botocore's model of the API as the judge of their shapes."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import attrs
import orjson
from botocore.session import Session
from botocore.validate import ParamValidator
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
from aigw.llm.count_pair import CountPair
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.operations import CHAT
from aigw.llm.providers.base import Place
from aigw.llm.providers.bedrock import BEDROCK, BedrockWire
from aigw.llm.providers.bedrock.models import base_model
from aigw.llm.providers.bedrock.names import DocumentNames
from aigw.llm.wire import EmbeddingCall
from tests.unit.llm.streams import NO_RECORDED, RECORDED

WIRE = BedrockWire()
CLAUDE = "us.anthropic.claude-sonnet-4-20250514-v1:0"
CLAUDE_45 = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"

HELLO = (Turn("user", (Text("Hello"),), "messages[0]"),)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Tells the weather.", SCHEMA)
SPEC = {"name": "get_weather", "description": "Tells the weather.", "inputSchema": {"json": SCHEMA}}
PIXEL = "iVBORw0KGgo="


@lru_cache
def service() -> Any:
    """Botocore's model of the API; no network, no credentials."""
    return Session().get_service_model("bedrock-runtime")


def judge(body: dict[str, Any], model: str = CLAUDE) -> None:
    """:raises AssertionError: Converse has no such fields, or not of these types."""
    shape = service().operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": model, **body}, shape)
    assert not report.has_errors(), report.generate_report()


def call(*turns: Turn, model: str = CLAUDE, **more: Any) -> Call:
    """A call, of a greeting if nothing else is said."""
    return Call(model, turns or HELLO, **more)


def body(*turns: Turn, judged: bool = True, **more: Any) -> dict[str, Any]:
    """The body that it becomes."""
    made = call(*turns, **more)
    written = WIRE.request(made).body
    if judged:
        judge(written, made.model)
    orjson.dumps(written)
    return written


def chat(model: str = CLAUDE, **fields: Any) -> dict[str, Any]:
    """What becomes of the request of a chat client."""
    fields.setdefault("messages", [{"role": "user", "content": "Hello"}])
    written = WIRE.request(Chat().read({"model": model, **fields})).body
    judge(written, model)
    return written


def user(*parts: Any, field: str = "messages[0]") -> Turn:
    """A user's turn."""
    return Turn("user", parts, field)


def assistant(*parts: Any) -> Turn:
    """An assistant's turn."""
    return Turn("assistant", parts, "messages[1]")


def content(*parts: Any, **more: Any) -> list[dict[str, Any]]:
    """The content of the only message."""
    (message,) = body(user(*parts), **more)["messages"]
    return message["content"]  # type: ignore[no-any-return]


class Asking(unittest.TestCase):
    """What the test cases here have in common."""

    def refused(self, field: str, *turns: Turn, **more: Any) -> BadRequest:
        """The call is refused because of the client's ``field``, and goes without it where that is allowed."""
        error = self.assertRaises(BadRequest, body, *turns, **more)
        self.assertEqual(error.param, field)
        self.assertIn(field, str(error))
        body(*turns, **more, drop_unsupported=True)
        return error


class PlaceTests(unittest.TestCase):
    """Where requests go."""

    def test_paths(self) -> None:
        """A model's id is one segment, whatever is in it (wire.md, case 64)."""
        arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0"
        path = b"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-sonnet-4-20250514-v1%3A0"
        self.assertEqual(WIRE.request(call(model=arn)).path, path + b"/converse")
        self.assertEqual(WIRE.request(call(model=arn, stream=True)).path, path + b"/converse-stream")
        self.assertEqual(WIRE.request(call(model="a?b#c/../d é")).path, b"/model/a%3Fb%23c%2F..%2Fd%20%C3%A9/converse")

    def test_regions(self) -> None:
        """China is a partition of its own; elsewhere the url says where."""
        for region, host in (
            ("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com"),
            ("eu-central-2", "bedrock-runtime.eu-central-2.amazonaws.com"),
            ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ):
            self.assertEqual(BEDROCK.at(BEDROCK, Place(region=region)).default_url, f"https://{host}")

    def test_no_operation_passes_byte_for_byte(self) -> None:
        """Converse is nobody's dialect in front."""
        self.assertEqual(BEDROCK.at(BEDROCK, Place(region="us-east-1")).paths, {})

    def test_openai_endpoint(self) -> None:
        """A url that ends in /v1 is one of those that speak OpenAI's dialect."""
        at = BEDROCK.at(BEDROCK, Place("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "us-west-2"))
        self.assertEqual((at.name, at.paths[CHAT]), ("bedrock", "/chat/completions"))
        self.assertIn(CHAT, at.asks_usage)
        self.assertIsNone(at.embedding_wire)


class TextTests(Asking):
    """Conversations of words."""

    def test_system_and_turns(self) -> None:
        """System text is a field of its own; a stream is not asked for in the body."""
        self.assertEqual(
            body(Turn("system", (Text("Be brief."),)), *HELLO, assistant(Text("Hi")), user(Text("Bye")), stream=True),
            {
                "system": [{"text": "Be brief."}],
                "messages": [
                    {"role": "user", "content": [{"text": "Hello"}]},
                    {"role": "assistant", "content": [{"text": "Hi"}]},
                    {"role": "user", "content": [{"text": "Bye"}]},
                ],
            },
        )

    def test_system_in_the_middle_goes_to_the_top(self) -> None:
        """There is no other place for it; its neighbours are merged."""
        made = body(*HELLO, Turn("system", (Text("Now in French."),)), user(Text("Go on")))
        self.assertEqual(made["system"], [{"text": "Now in French."}])
        self.assertEqual(made["messages"], [{"role": "user", "content": [{"text": "Hello"}, {"text": "Go on"}]}])

    def test_blank_text_is_left_out(self) -> None:
        """It is a ValidationException (wire.md, case 19); neighbours that this makes are merged."""
        made = body(user(Text(" "), Text("a")), assistant(Text("\n")), user(Text("b")))
        self.assertEqual(made["messages"], [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}])

    def test_begins_with_the_user(self) -> None:
        """Whoever began the client's conversation."""
        made = body(assistant(Text("Welcome!")), user(Text("Hi")))
        self.assertEqual(made["messages"][0], {"role": "user", "content": [{"text": "Please continue."}]})

    def test_system_alone(self) -> None:
        """OpenAI answers it, so it becomes the user's."""
        made = body(Turn("system", (Text("Say hi."),)))
        self.assertEqual(made, {"messages": [{"role": "user", "content": [{"text": "Say hi."}]}]})

    def test_text_to_go_on_with_ends_without_blanks(self) -> None:
        """The last assistant's turn is continued; earlier ones stay."""
        made = body(*HELLO, assistant(Text("One ")), user(Text("b")), assistant(Text("Two \n")))
        texts = [block["text"] for message in made["messages"] for block in message["content"]]
        self.assertEqual(texts, ["Hello", "One ", "b", "Two"])

    def test_pictures_in_system_text(self) -> None:
        """Have no place."""
        self.refused("messages[0]", Turn("system", (Image("image/png", PIXEL), Text("x")), "messages[0]"), *HELLO)

    def test_recorded_requests(self) -> None:
        """The requests that agentgateway and Kong are tested with become what Converse knows."""
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)
        folder = RECORDED / "agentgateway" / "requests"
        for dialect, kind in ((Chat(), "completions"), (Messages(), "messages")):
            for path in sorted((folder / kind).glob("*.bedrock.snap")):
                fields = orjson.loads((folder / kind / f"{path.name.partition('.')[0]}.json").read_bytes())
                for model in (CLAUDE, CLAUDE_45, NOVA, LLAMA, PROFILE):
                    made = dialect.read({**fields, "model": model})
                    made.drop_unsupported = True
                    judge(WIRE.request(made).body)
        kong = orjson.loads((RECORDED / "kong" / "expected-requests" / "bedrock" / "llm-v1-chat.json").read_bytes())
        messages = [{"role": each["role"], "content": each["content"][0]["text"]} for each in kong["messages"]]
        system = {"role": "system", "content": kong["system"][0]["text"]}
        made = chat(NOVA, messages=[system, *messages], max_tokens=8192, temperature=0.8, top_p=0.6)
        self.assertEqual(made, {name: kong[name] for name in ("system", "messages", "inferenceConfig")})


class OptionTests(Asking):
    """Options, by table."""

    def test_inference(self) -> None:
        """What all models have."""
        made = chat(NOVA, max_tokens=9, temperature=0.5, top_p=0.9, stop=["a", "", "\n"])
        self.assertEqual(
            made["inferenceConfig"], {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "\n"]}
        )

    def test_ranges(self) -> None:
        """Temperatures end at 1; what is no number is the client's mistake; Claude takes no blank stop sequences."""
        self.assertEqual(chat(temperature=2)["inferenceConfig"], {"temperature": 1.0})
        error = self.assertRaises(BadRequest, chat, max_completion_tokens="many")
        self.assertEqual(error.param, "max_completion_tokens")
        self.assertNotIn("inferenceConfig", chat(stop=["\n", " "]))

    def test_no_field_where_nothing_is_asked(self) -> None:
        """Neutral values and hints need none."""
        made = chat(n=1, seed=None, logprobs=False, presence_penalty=0, prompt_cache_key="k", service_tier="auto")
        self.assertEqual(list(made), ["messages"])

    def test_what_is_not_there(self) -> None:
        """Is refused by the client's own name for it."""
        for name, value in (
            ("n", 2),
            ("seed", 7),
            ("logprobs", True),
            ("presence_penalty", 1),
            ("logit_bias", {"1": 1}),
        ):
            self.refused(name, options={name: value})

    def test_top_k(self) -> None:
        """A field of the model's own, where it has one."""
        made = {
            model: body(model=model, options={"top_k": 5})
            for model in (CLAUDE, NOVA, "mistral.mistral-large-2402-v1:0")
        }
        self.assertEqual(made[CLAUDE]["additionalModelRequestFields"], {"top_k": 5})
        self.assertEqual(made[NOVA]["additionalModelRequestFields"], {"inferenceConfig": {"topK": 5}})
        self.refused("top_k", model=LLAMA, options={"top_k": 5})

    def test_tiers(self) -> None:
        """OpenAI's words; Anthropic's for the standard one."""
        self.assertEqual(chat(service_tier="priority")["serviceTier"], {"type": "priority"})
        self.assertEqual(body(options={"service_tier": "standard_only"})["serviceTier"], {"type": "default"})
        self.assertRaises(BadRequest, chat, service_tier="gold")

    def test_metadata(self) -> None:
        """Goes along as far as it fits; it changes nothing, so the rest stays behind."""
        made = chat(user="me@example.com", metadata={"team": "a/b", "bad": "{}", "": "x", "n": 3, "long": "x" * 257})
        self.assertEqual(made["requestMetadata"], {"team": "a/b", "user": "me@example.com"})
        self.assertEqual(len(chat(metadata={f"k{n}": "v" for n in range(40)})["requestMetadata"]), 16)

    def test_converses_own_fields(self) -> None:
        """Clients may send them; what they say wins."""
        guard = {"guardrailIdentifier": "g1", "guardrailVersion": "1"}
        made = chat(
            guardrailConfig=guard,
            inferenceConfig={"topP": 0.1},
            max_tokens=5,
            additionalModelRequestFields={"top_k": 9},
            top_k=1,
            performanceConfig={"latency": "optimized"},
        )
        self.assertEqual(made["guardrailConfig"], guard)
        self.assertEqual(made["inferenceConfig"], {"maxTokens": 5, "topP": 0.1})
        self.assertEqual(made["additionalModelRequestFields"], {"top_k": 9})
        error = self.assertRaises(BadRequest, chat, inferenceConfig="x")
        self.assertEqual((error.param, str(error)), ("inferenceConfig", "inferenceConfig must be an object"))

    def test_the_clients_objects_stay_as_they_are(self) -> None:
        """Another attempt reads them again."""
        fields: dict[str, Any] = {"inferenceConfig": {"topP": 0.1}, "max_tokens": 5, "temperature": 0.1}
        before = orjson.dumps(fields)
        chat(**fields)
        self.assertEqual(orjson.dumps(fields), before)

    def test_unknown_fields_are_the_models(self) -> None:
        """They go where Converse has them; betas as a list."""
        made = chat(anthropic_beta="a-1, b-2", max_gen_len=3)
        self.assertEqual(made["additionalModelRequestFields"], {"anthropic_beta": ["a-1", "b-2"], "max_gen_len": 3})


class FileTests(Asking):
    """Pictures, documents, sound, videos."""

    def test_pictures(self) -> None:
        """By their bytes, or where they are in S3."""
        self.assertEqual(
            content(Text("x"), Image("image/jpg", PIXEL), Image(url="s3://bucket/cat.webp"), Image("image/gif", PIXEL)),
            [
                {"text": "x"},
                {"image": {"format": "jpeg", "source": {"bytes": PIXEL}}},
                {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/cat.webp"}}}},
                {"image": {"format": "gif", "source": {"bytes": PIXEL}}},
            ],
        )

    def test_what_is_not_fetched(self) -> None:
        """URLs, ids of files, and formats that there are not."""
        error = self.refused("messages[0]", user(Text("x"), Image(url="https://example.com/cat.png")))
        self.assertIn("data: URL", str(error))
        self.refused("messages[0]", user(Text("x"), Image(file_id="file-1")))
        self.refused("messages[0]", user(Text("x"), Image("image/bmp", PIXEL)))
        self.refused("messages[0]", user(Text("x"), Image(url="s3://bucket/cat")))
        self.refused("messages[0]", user(Text("x"), Document(url="https://example.com/a.pdf")))
        self.refused("messages[0]", user(Text("x"), Document("application/zip", PIXEL)))
        self.refused("messages[0]", user(Text("x"), Audio(PIXEL, "midi")))

    def test_names_of_documents(self) -> None:
        """Each has one of its own, whatever names the others have been given."""
        names = DocumentNames()
        given = ("a.pdf", "a (2).pdf", "a.pdf", "a.pdf", "a (2).pdf", None, "a (4).txt", "a.pdf")
        told = [names.name(each) for each in given]
        self.assertEqual(told[:4], ["a", "a (2)", "a (3)", "a (4)"])
        self.assertEqual(len(set(told)), len(given))
        again = DocumentNames()
        self.assertEqual([again.name(each) for each in given], told)

    def test_documents(self) -> None:
        """By media type, else by the name's end; text is text."""
        text = base64.b64encode("Größe".encode()).decode()
        self.assertEqual(
            content(
                Text("Read these."),
                Document("application/pdf", PIXEL, name="Q3 report (final)_v2.pdf"),
                Document("application/octet-stream", PIXEL, name="sheet.xlsx"),
                Document("text/x-python", PIXEL),
                Document("text/plain", text="Größe", name="größe.txt"),
            ),
            [
                {"text": "Read these."},
                {"document": {"name": "Q3 report (final) v2", "format": "pdf", "source": {"bytes": PIXEL}}},
                {"document": {"name": "sheet", "format": "xlsx", "source": {"bytes": PIXEL}}},
                {"document": {"name": "document", "format": "txt", "source": {"bytes": PIXEL}}},
                {"document": {"name": "gr e", "format": "txt", "source": {"bytes": text}}},
            ],
        )

    def test_names_are_there_once(self) -> None:
        """In the whole conversation (wire.md, case 56), and the same each time."""
        pdf = Document("application/pdf", PIXEL, name="a.pdf")
        turns = (user(Text("x"), pdf, pdf), assistant(Text("ok")), user(Text("y"), pdf))
        made = body(*turns)
        names = [
            block["document"]["name"] for each in made["messages"] for block in each["content"] if "document" in block
        ]
        self.assertEqual(names, ["a", "a (2)", "a (3)"])
        self.assertEqual(body(*turns), made)

    def test_a_document_has_text_beside_it(self) -> None:
        """Its name, if the client wrote nothing; behind the results of tools."""
        pdf = Document("application/pdf", PIXEL, name="a.pdf")
        self.assertEqual([next(iter(block)) for block in content(pdf)], ["text", "document"])
        self.assertEqual(content(pdf)[0], {"text": "a"})
        made = body(*HELLO, assistant(ToolCall("t", "f")), user(pdf, ToolResult("t", (Text("r"),))), tools=(WEATHER,))
        self.assertEqual(
            [next(iter(block)) for block in made["messages"][2]["content"]], ["toolResult", "text", "document"]
        )

    def test_sound_and_videos(self) -> None:
        """As parts of their own, or as files."""
        video = {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{PIXEL}"}}
        self.assertEqual(
            content(
                Text("x"),
                Audio(PIXEL, "mp3"),
                Document("audio/x-wav", PIXEL),
                Document("video/quicktime", PIXEL),
                Document("image/png", PIXEL),
                Foreign("openai", video),
                Foreign("openai", {"type": "video_url", "video_url": "s3://b/film.mkv"}),
            )[1:],
            [
                {"audio": {"format": "mp3", "source": {"bytes": PIXEL}}},
                {"audio": {"format": "wav", "source": {"bytes": PIXEL}}},
                {"video": {"format": "mov", "source": {"bytes": PIXEL}}},
                {"image": {"format": "png", "source": {"bytes": PIXEL}}},
                {"video": {"format": "mp4", "source": {"bytes": PIXEL}}},
                {"video": {"format": "mkv", "source": {"s3Location": {"uri": "s3://b/film.mkv"}}}},
            ],
        )
        self.refused(
            "messages[0]", user(Text("x"), Foreign("openai", {"type": "video_url", "video_url": "https://a/b.mp4"}))
        )

    def test_own_blocks(self) -> None:
        """Of clients that know Bedrock; those of others are refused."""
        guard = {"guardContent": {"text": {"text": "check this"}}}
        self.assertEqual(content(Text("x"), Foreign("openai", {"type": "guard", **guard}))[1], guard)
        self.refused("messages[0]", user(Text("x"), Foreign("anthropic", {"type": "search_result", "document": {}})))

    def test_search_results_of_anthropic_s(self) -> None:
        """Are Converse's for Claude, also in a tool's result; other models are not known to have any."""
        found = {"type": "search_result", "source": "https://s", "title": "T", "citations": {"enabled": True}}
        found["content"] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, 5]
        block = {"source": "https://s", "title": "T", "content": [{"text": "a"}, {"text": "b"}]}
        expected = {"searchResult": {**block, "citations": {"enabled": True}}}
        part = Foreign("anthropic", {**found, "cache_control": {"type": "ephemeral"}})
        self.assertEqual(content(part), [expected, {"cachePoint": {"type": "default"}}])
        result = content(Text("x"), ToolResult("t", (Foreign("anthropic", found),)))[0]["toolResult"]
        self.assertEqual(result["content"], [expected])
        plain = Foreign("anthropic", {**found, "citations": {"enabled": False}})
        self.assertEqual(content(plain), [{"searchResult": block}])
        uncited = Document("text/plain", text="x", name="T", own={**found, "citations": None})
        self.assertEqual(content(uncited), [{"searchResult": block}])
        self.assertEqual(list(content(Text("x"), uncited, model=NOVA)[1]), ["document"])
        for wrong in ({"source": 5}, {"title": None}):
            self.refused("messages[0]", user(Foreign("anthropic", {**found, **wrong})))
        self.refused("messages[0]", user(Foreign("anthropic", found)), model=NOVA)

    def test_documents_to_cite_from(self) -> None:
        """Keep their context; a text stays a text, since it is cited by its characters."""
        asked = {"type": "document", "citations": {"enabled": True}, "title": "A.pdf", "context": "c"}
        more = {"name": "A", "context": "c", "citations": {"enabled": True}}
        for source, expected in (
            ({"type": "text", "data": "abc"}, {"format": "txt", "source": {"text": "abc"}}),
            (
                {"type": "base64", "media_type": "application/pdf", "data": PIXEL},
                {"format": "pdf", "source": {"bytes": PIXEL}},
            ),
            (
                {"type": "content", "content": [{"type": "text", "text": "a"}]},
                {"format": "txt", "source": {"content": [{"text": "a"}]}},
            ),
            ({"type": "content", "content": "a"}, {"format": "txt", "source": {"content": [{"text": "a"}]}}),
        ):
            made = content(Text("x"), Foreign("anthropic", {**asked, "source": source}))
            self.assertEqual(made[1], {"document": {**more, **expected}})
        for wrong in (None, {"type": "url", "url": "https://x"}, {"type": "text", "data": 5}):
            self.refused("messages[0]", user(Foreign("anthropic", {**asked, "source": wrong})))


class ToolTests(Asking):
    """Tools, their calls and their results."""

    HISTORY = (
        *HELLO,
        assistant(Text("Let me see."), ToolCall("t1", "get_weather", '{"city":"Bern"}'), ToolCall("t2", "get_weather")),
        user(Text("and?"), ToolResult("t1", (Text("15"),)), ToolResult("t2", (), error=True)),
    )

    def test_declarations(self) -> None:
        """A description must not be empty; a schema is an object's."""
        made = body(tools=(WEATHER, Tool("f", ""), Tool("g", None, {"properties": {}})))
        empty = {"type": "object", "properties": {}}
        self.assertEqual(
            made["toolConfig"],
            {
                "tools": [
                    {"toolSpec": SPEC},
                    {"toolSpec": {"name": "f", "inputSchema": {"json": empty}}},
                    {"toolSpec": {"name": "g", "inputSchema": {"json": empty}}},
                ]
            },
        )

    def test_history(self) -> None:
        """Results come first and together, directly behind their calls (wire.md, case 53)."""
        made = body(*self.HISTORY, tools=(WEATHER,))
        self.assertEqual(
            made["messages"][1:],
            [
                {
                    "role": "assistant",
                    "content": [
                        {"text": "Let me see."},
                        {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Bern"}}},
                        {"toolUse": {"toolUseId": "t2", "name": "get_weather", "input": {}}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"toolResult": {"toolUseId": "t1", "content": [{"text": "15"}]}},
                        {"toolResult": {"toolUseId": "t2", "content": [{"text": "(no output)"}], "status": "error"}},
                        {"text": "and?"},
                    ],
                },
            ],
        )

    def test_history_without_tools(self) -> None:
        """There must be one where there are calls (wire.md, case 55); so with tools that must not be called."""
        for more in ({}, {"tools": (WEATHER,), "tool_choice": ToolChoice("none")}):
            (tool,) = body(*self.HISTORY, **more)["toolConfig"]["tools"]
            self.assertEqual(tool["toolSpec"]["name"], "no_tool_available")
        self.assertNotIn("toolConfig", body(tools=(WEATHER,), tool_choice=ToolChoice("none")))

    def test_models_without_a_status(self) -> None:
        """Are told of an error in words."""
        made = body(*self.HISTORY, model=LLAMA, tools=(WEATHER,))
        self.assertEqual(
            made["messages"][2]["content"][1], {"toolResult": {"toolUseId": "t2", "content": [{"text": "Error:"}]}}
        )

    def test_results_with_pictures(self) -> None:
        """May be there as they are."""
        result = ToolResult("t1", (Text("see"), Image("image/png", PIXEL)))
        made = body(*HELLO, assistant(ToolCall("t1", "f")), user(result))
        self.assertEqual(
            made["messages"][2]["content"][0]["toolResult"]["content"],
            [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}],
        )

    def test_ids_and_names_that_do_not_fit(self) -> None:
        """Become digests, the same in call, result, declaration and choice; the reader knows what they were."""
        name, call_id = "mcp.server/" + "x" * 70, "call|" + "y" * 70
        turns = (*HELLO, assistant(ToolCall(call_id, name)), user(ToolResult(call_id, (Text("r"),))))
        choice = ToolChoice("one", name)
        made = body(*turns, tools=(attrs.evolve(WEATHER, name=name),), tool_choice=choice)
        use = made["messages"][1]["content"][0]["toolUse"]
        self.assertRegex(use["toolUseId"], r"^call_[0-9a-f]{24}$")
        self.assertEqual(made["messages"][2]["content"][0]["toolResult"]["toolUseId"], use["toolUseId"])
        self.assertRegex(use["name"], r"^mcp_server_x{44}_[0-9a-f]{8}$")
        self.assertEqual(made["toolConfig"]["tools"][0]["toolSpec"]["name"], use["name"])
        self.assertEqual(made["toolConfig"]["toolChoice"], {"tool": {"name": use["name"]}})
        reader = WIRE.reader(call(*turns, tools=(attrs.evolve(WEATHER, name=name),)))
        self.assertEqual(reader._names, {use["name"]: name})

    def test_arguments_that_are_no_object(self) -> None:
        """Are wrapped as they are; ``null`` is none."""
        for arguments, expected in (("[1]", {"INVALID_JSON": "[1]"}), ("null", {})):
            made = body(*HELLO, assistant(ToolCall("t", "f", arguments)), user(ToolResult("t", (Text("r"),))))
            self.assertEqual(made["messages"][1]["content"][0]["toolUse"]["input"], expected)

    def test_choices(self) -> None:
        """``auto`` goes without saying."""
        for choice, written in (
            (ToolChoice("auto"), None),
            (ToolChoice("any"), {"any": {}}),
            (ToolChoice("one", "get_weather"), {"tool": {"name": "get_weather"}}),
        ):
            made = body(tools=(WEATHER,), tool_choice=choice)["toolConfig"]
            self.assertEqual(made.get("toolChoice"), written)

    def test_models_that_cannot_be_made_to_call(self) -> None:
        """Only some families can; Mistral not one by its name."""
        self.refused("tool_choice", model=LLAMA, tools=(WEATHER,), tool_choice=ToolChoice("any"))
        mistral = "mistral.mistral-large-2402-v1:0"
        self.refused("tool_choice", model=mistral, tools=(WEATHER,), tool_choice=ToolChoice("one", "get_weather"))
        self.assertEqual(
            body(model=mistral, tools=(WEATHER,), tool_choice=ToolChoice("any"))["toolConfig"]["toolChoice"],
            {"any": {}},
        )

    def test_one_call_at_a_time(self) -> None:
        """Only Claude can be told so, in a field of its own."""
        made = body(tools=(WEATHER,), parallel_tools=False)
        alone = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
        self.assertEqual(made["additionalModelRequestFields"], alone)
        made = body(tools=(WEATHER,), parallel_tools=False, tool_choice=ToolChoice("one", "get_weather"))
        self.assertEqual(made["additionalModelRequestFields"]["tool_choice"]["name"], "get_weather")
        self.assertNotIn("toolChoice", made["toolConfig"])
        self.assertNotIn("additionalModelRequestFields", body(tools=(WEATHER,), parallel_tools=True))
        self.assertNotIn("additionalModelRequestFields", body(parallel_tools=False))
        self.refused("parallel_tool_calls", model=NOVA, tools=(WEATHER, Tool("f")), parallel_tools=False)
        self.assertEqual(body(model=NOVA, tools=(WEATHER,), parallel_tools=False), body(model=NOVA, tools=(WEATHER,)))

    def test_strict_tools(self) -> None:
        """Where the model has structured output; the schema is closed then."""
        strict = attrs.evolve(WEATHER, strict=True)
        spec = body(model=CLAUDE_45, tools=(strict,))["toolConfig"]["tools"][0]["toolSpec"]
        self.assertIs(spec["strict"], True)
        self.assertIs(spec["inputSchema"]["json"]["additionalProperties"], False)
        self.assertNotIn("strict", body(tools=(strict,))["toolConfig"]["tools"][0]["toolSpec"])

    def test_novas_schemas(self) -> None:
        """Have nothing at their top but type and properties."""
        tool = Tool("f", "d", {**SCHEMA, "$schema": "x", "additionalProperties": False, "title": "T"})
        spec = body(model=NOVA, tools=(tool,))["toolConfig"]["tools"][0]["toolSpec"]
        self.assertEqual(spec["inputSchema"]["json"], SCHEMA)

    def test_tools_of_others(self) -> None:
        """Are refused."""
        self.refused("tools[0]", tools=(Foreign("anthropic", {"type": "web_search_20250305", "name": "web_search"}),))


class FormatTests(Asking):
    """Structured output."""

    WANTED = ResponseFormat(
        "schema", {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}, "my name"
    )

    def test_schema(self) -> None:
        """Where the model has it: as text, closed; what its words cannot say is in the description."""
        form = body(model=CLAUDE_45, format=self.WANTED)["outputConfig"]["textFormat"]
        self.assertEqual(form["type"], "json_schema")
        definition = form["structure"]["jsonSchema"]
        self.assertEqual(definition["name"], "my_name")
        written = orjson.loads(definition["schema"])
        self.assertEqual(written["additionalProperties"], False)
        self.assertEqual(written["properties"]["n"], {"type": "integer", "description": "{minimum: 1}"})

    def test_models_without_it(self) -> None:
        """Call a tool with the answer; Nova and older Claudes can be made to."""
        for model in (CLAUDE, NOVA):
            config = body(model=model, format=self.WANTED)["toolConfig"]
            self.assertEqual(config["tools"][0]["toolSpec"]["name"], "json_tool_call")
            self.assertEqual(config["toolChoice"], {"tool": {"name": "json_tool_call"}})
        config = body(model="mistral.mistral-large-2407-v1:0", format=self.WANTED)["toolConfig"]
        self.assertEqual(config["toolChoice"], {"any": {}})
        config = body(format=self.WANTED, tools=(WEATHER,))["toolConfig"]
        self.assertEqual((len(config["tools"]), config["toolChoice"]), (2, {"any": {}}))

    def test_one_call_at_a_time_with_the_tool(self) -> None:
        """Both say what must be called, in one field."""
        made = body(format=self.WANTED, tools=(WEATHER,), parallel_tools=False)
        self.assertEqual(
            made["additionalModelRequestFields"]["tool_choice"], {"type": "any", "disable_parallel_tool_use": True}
        )
        self.assertNotIn("toolChoice", made["toolConfig"])

    def test_models_with_neither(self) -> None:
        """Refuse."""
        self.refused("response_format", model=LLAMA, format=self.WANTED)

    def test_any_json(self) -> None:
        """There is no such format: the model is told."""
        self.assertIn("JSON", body(format=ResponseFormat("json"))["system"][0]["text"])


class ReasoningTests(Asking):
    """Thinking, before and now."""

    def extra(self, model: str, **more: Any) -> dict[str, Any]:
        return body(model=model, **more).get("additionalModelRequestFields", {})  # type: ignore[no-any-return]

    def test_claude_by_budget(self) -> None:
        """A budget needs room in the tokens of the answer."""
        made = body(reasoning=ReasoningWish(effort="medium"), options={"max_tokens": 9000})
        self.assertEqual(made["additionalModelRequestFields"], {"thinking": {"type": "enabled", "budget_tokens": 2048}})
        self.assertEqual(made["inferenceConfig"], {"maxTokens": 9000})
        made = body(reasoning=ReasoningWish(budget=5000))
        self.assertEqual(made["additionalModelRequestFields"]["thinking"]["budget_tokens"], 5000)
        self.assertGreater(made["inferenceConfig"]["maxTokens"], 5000)

    def test_claude_adaptive(self) -> None:
        """Newer ones decide themselves, by an effort."""
        made = body(model="us.anthropic.claude-opus-4-6-v1", reasoning=ReasoningWish(effort="high"))
        self.assertEqual(
            made["additionalModelRequestFields"],
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        )
        self.assertNotIn("inferenceConfig", made)

    def test_claude_takes_no_sampling_while_it_thinks(self) -> None:
        """It is left out."""
        wish = ReasoningWish(effort="low")
        made = body(reasoning=wish, options={"temperature": 1, "max_tokens": 4000})
        self.assertEqual(made["inferenceConfig"], {"maxTokens": 4000})
        for name, value in (("temperature", 0.2), ("top_k", 4)):
            self.assertNotIn(name, repr(body(reasoning=wish, options={name: value})))

    def test_claude_as_the_client_says(self) -> None:
        """``thinking`` of a chat client goes to the model as it is."""
        made = chat(thinking={"type": "enabled", "budget_tokens": 1024})
        self.assertEqual(made["additionalModelRequestFields"]["thinking"], {"type": "enabled", "budget_tokens": 1024})

    def test_others(self) -> None:
        """Each family in its own field."""
        high, none = ReasoningWish(effort="xhigh"), ReasoningWish(effort="none")
        self.assertEqual(self.extra(GPT_OSS, reasoning=high), {"reasoning_effort": "high"})
        self.assertEqual(self.extra(GPT_OSS, reasoning=ReasoningWish(budget=2048)), {"reasoning_effort": "medium"})
        self.assertEqual(self.extra("openai.gpt-5.4", reasoning=high), {"reasoning": {"effort": "xhigh"}})
        config = {"type": "enabled", "maxReasoningEffort": "medium"}
        self.assertEqual(self.extra(NOVA_2, reasoning=ReasoningWish(adaptive=True)), {"reasoningConfig": config})
        self.assertEqual(self.extra(NOVA_2, reasoning=none), {"reasoningConfig": {"type": "disabled"}})
        self.assertEqual(self.extra("us.deepseek.r1-v1:0", reasoning=high), {})
        self.refused("reasoning_effort", model="us.deepseek.r1-v1:0", reasoning=none)
        self.assertEqual(self.extra(LLAMA, reasoning=none), {})
        self.refused("reasoning_effort", model=LLAMA, reasoning=high)
        for wish in (ReasoningWish(effort="high", adaptive=True), ReasoningWish(budget=4096)):  # Claude Code's
            self.assertEqual(self.extra(LLAMA, reasoning=wish), {})

    def test_ids_that_tell_no_model(self) -> None:
        """May be a Claude's: a budget is what most of them take."""
        made = body(model=PROFILE, reasoning=ReasoningWish(adaptive=True), options={"temperature": 0.5, "top_k": 3})
        self.assertEqual(made["additionalModelRequestFields"]["thinking"]["type"], "enabled")
        self.assertEqual(made["additionalModelRequestFields"]["top_k"], 3)

    def test_thoughts_go_back_with_their_signature(self) -> None:
        """Or not at all; redacted ones as they came."""
        made = body(
            *HELLO,
            assistant(Reasoning("hm", "SIG"), Reasoning(redacted="b64"), Reasoning("lost"), Text("Hi")),
            user(Text("x")),
        )
        self.assertEqual(
            made["messages"][1]["content"],
            [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SIG"}}},
                {"reasoningContent": {"redactedContent": "b64"}},
                {"text": "Hi"},
            ],
        )


class CacheTests(unittest.TestCase):
    """Cache marks."""

    MARK = {"type": "ephemeral"}
    POINT = {"cachePoint": {"type": "default"}}

    def turns(self) -> tuple[Turn, ...]:
        return Turn("system", (Text("s", self.MARK),)), user(Text("a", {**self.MARK, "ttl": "1h"}), Text("b"))

    def test_points(self) -> None:
        """A block behind what is marked, with its time if that is the longer one."""
        made = body(*self.turns(), tools=(attrs.evolve(WEATHER, cache=self.MARK),))
        self.assertEqual(made["system"], [{"text": "s"}, self.POINT])
        hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
        self.assertEqual(made["messages"][0]["content"], [{"text": "a"}, hour, {"text": "b"}])
        self.assertEqual(made["toolConfig"]["tools"][1], self.POINT)

    def test_families_without(self) -> None:
        """Nova caches no tools, Llama nothing at all; a mark changes no answer, so it is left out."""
        tools = (attrs.evolve(WEATHER, cache=self.MARK),)
        made = body(*self.turns(), model=NOVA, tools=tools)
        self.assertEqual((made["system"][1], len(made["toolConfig"]["tools"])), (self.POINT, 1))
        self.assertNotIn(b"cachePoint", orjson.dumps(body(*self.turns(), model=LLAMA, tools=tools)))


class CountTests(unittest.TestCase):
    """Counting tokens."""

    def test_request(self) -> None:
        """Only what is counted, by the model itself."""
        turns = (Turn("system", (Text("s"),)), *HELLO)
        request = WIRE.count_request(call(*turns, tools=(WEATHER,), options={"max_tokens": 5, "user": "u"}))
        self.assertEqual(request.path, b"/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens")
        self.assertEqual(sorted(request.body["input"]["converse"]), ["messages", "system", "toolConfig"])
        shape = service().operation_model("CountTokens").input_shape
        report = ParamValidator().validate({"modelId": "m", **request.body}, shape)
        self.assertFalse(report.has_errors(), report.generate_report())

    def test_answer(self) -> None:
        """A number, or none."""
        self.assertEqual(WIRE.count({"inputTokens": 42}), 42)
        for fields in (None, [], {}, {"inputTokens": "42"}, {"inputTokens": -1}, {"inputTokens": True}):
            self.assertRaises(ValueError, WIRE.count, fields)

    def test_models_of_profiles(self) -> None:
        """Geographies are left out, nothing else is."""
        self.assertEqual(base_model("eu.amazon.nova-lite-v1:0"), "amazon.nova-lite-v1:0")
        self.assertEqual(base_model("anthropic.claude-v2"), "anthropic.claude-v2")
        self.assertEqual(base_model(PROFILE), PROFILE)
        arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-6-v1"
        self.assertEqual(base_model(arn), "anthropic.claude-opus-4-6-v1")
        self.assertEqual(
            base_model("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"), "amazon.nova-lite-v1:0"
        )

    def test_models_that_do_not_count(self) -> None:
        """Say so with a 400; the client gets an estimate."""
        counted = CountPair(WIRE).translate({"model": NOVA, "messages": [{"role": "user", "content": "Hello"}]}, "a", 0)
        for words in (
            "The provided model doesn't support counting tokens.",
            "The provided model identifier is invalid.",
        ):
            answer = counted.error(400, (), orjson.dumps({"message": words}), "r")
            self.assertEqual((answer.status, orjson.loads(answer.body)["estimated"]), (200, True))
        self.assertEqual(counted.error(400, (), b'{"message":"bad"}', "r").status, 400)


class EmbeddingTests(unittest.TestCase):
    """Vectors, through invoke."""

    def made(self, model: str, *inputs: Any, **more: Any) -> dict[str, Any]:
        return WIRE.embedding_request(EmbeddingCall(model, inputs, **more)).body

    def test_families(self) -> None:
        """Each has a body of its own."""
        for model, more, expected in (
            ("amazon.titan-embed-text-v1", {}, {"inputText": "a"}),
            ("amazon.titan-embed-text-v2:0", {"dimensions": 256}, {"inputText": "a", "dimensions": 256}),
            (
                "amazon.titan-embed-image-v1",
                {"dimensions": 384},
                {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 384}},
            ),
            ("cohere.embed-english-v3", {}, {"texts": ["a"], "input_type": "search_document"}),
            (
                "us.cohere.embed-v4:0",
                {"dimensions": 512, "options": {"input_type": "search_query", "user": "u"}},
                {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 512},
            ),
            (
                "amazon.nova-2-multimodal-embeddings-v1:0",
                {"dimensions": 1024, "options": {"embeddingPurpose": "TEXT_RETRIEVAL"}},
                {
                    "taskType": "SINGLE_EMBEDDING",
                    "singleEmbeddingParams": {
                        "embeddingPurpose": "TEXT_RETRIEVAL",
                        "embeddingDimension": 1024,
                        "text": {"truncationMode": "END", "value": "a"},
                    },
                },
            ),
        ):
            self.assertEqual(self.made(model, "a", **more), expected, model)

    def test_path(self) -> None:
        """Encoded as all ids are."""
        request = WIRE.embedding_request(EmbeddingCall("amazon.titan-embed-text-v2:0", ("a",)))
        self.assertEqual(request.path, b"/model/amazon.titan-embed-text-v2%3A0/invoke")

    def test_several_inputs(self) -> None:
        """Cohere takes lists; the others one text a call, and say so."""
        self.assertEqual(self.made("cohere.embed-english-v3", "a", "b")["texts"], ["a", "b"])
        for model in ("amazon.titan-embed-text-v2:0", "amazon.nova-2-multimodal-embeddings-v1:0"):
            error = self.assertRaises(BadRequest, self.made, model, "a", "b")
            self.assertEqual(error.param, "input")
            self.assertIn("one text a call", str(error))

    def test_what_cannot_be(self) -> None:
        """Tokens, models that are none, dimensions that cannot be chosen."""
        for field, model, inputs, more in (
            ("input", "cohere.embed-english-v3", ([1, 2],), {}),
            ("model", CLAUDE, ("a",), {}),
            ("dimensions", "amazon.titan-embed-text-v1", ("a",), {"dimensions": 5}),
            ("dimensions", "cohere.embed-english-v3", ("a",), {"dimensions": 5}),
        ):
            self.assertEqual(self.assertRaises(BadRequest, self.made, model, *inputs, **more).param, field)
        self.assertEqual(
            self.made("amazon.titan-embed-text-v1", "a", dimensions=5, drop_unsupported=True), {"inputText": "a"}
        )

    def test_recorded_answers(self) -> None:
        """Titan's, Cohere's and Nova's."""
        if not RECORDED.exists():
            raise unittest.SkipTest(NO_RECORDED)
        lengths = {}
        for name in ("titan", "cohere", "nova"):
            path = RECORDED / "agentgateway" / "response" / f"bedrock-{name}" / "embeddings.json"
            embeddings = WIRE.embeddings(orjson.loads(path.read_bytes()))
            lengths[name] = [len(vector) for vector in embeddings.vectors], embeddings.usage and embeddings.usage.input
        self.assertEqual(lengths, {"titan": ([3], 3), "cohere": ([3, 3], None), "nova": ([3], None)})

    def test_answers_by_type(self) -> None:
        """Where types were asked for."""
        self.assertEqual(WIRE.embeddings({"embeddings": {"float": [[1.0], [2]]}}).vectors, ([1.0], [2]))
        self.assertEqual(WIRE.embeddings({"embeddingsByType": {"float": [1.0]}}).vectors, ([1.0],))

    def test_answers_that_are_none(self) -> None:
        """Are told from others."""
        for fields in (
            None,
            [],
            {},
            {"embedding": "x"},
            {"embeddings": []},
            {"embeddings": [["1"]]},
            {"embeddings": {}},
        ):
            self.assertRaises(ValueError, WIRE.embeddings, fields)


TEXTS = st.text(max_size=12)
PARTS = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(
        Image,
        st.sampled_from(("image/png", "image/bmp", None)),
        st.one_of(st.none(), st.just(PIXEL)),
        st.one_of(st.none(), TEXTS),
    ),
    st.builds(
        Document,
        st.sampled_from(("application/pdf", "text/plain", "video/mp4", "", None)),
        st.just(PIXEL),
        name=st.one_of(st.none(), TEXTS),
    ),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(ToolResult, TEXTS, st.lists(st.builds(Text, TEXTS), max_size=2).map(tuple), st.booleans()),
    st.builds(Reasoning, TEXTS, st.one_of(st.none(), TEXTS), st.one_of(st.none(), TEXTS)),
    st.builds(
        Foreign,
        st.sampled_from(("openai", "anthropic")),
        st.dictionaries(st.sampled_from(("type", "video_url")), TEXTS, max_size=2),
    ),
)
TURNS = st.lists(
    st.builds(Turn, st.sampled_from(("system", "user", "assistant")), st.lists(PARTS, max_size=4).map(tuple)),
    max_size=6,
)
OPTIONS = st.dictionaries(
    st.sampled_from(
        ("max_tokens", "temperature", "top_k", "stop", "inferenceConfig", "metadata", "service_tier", "other")
    ),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        TEXTS,
        st.lists(TEXTS, max_size=2),
        st.dictionaries(TEXTS, TEXTS, max_size=2),
    ),
    max_size=4,
)


class PropertyTests(unittest.TestCase):
    """What hypothesis thinks of."""

    @given(TURNS, OPTIONS, st.sampled_from((CLAUDE, NOVA, LLAMA, PROFILE)), st.booleans())
    def test_any_call(self, turns: list[Turn], options: dict[str, Any], model: str, drop: bool) -> None:
        """Becomes alternating messages that begin with the user's, or is refused."""
        made = Call(model, tuple(turns), options=options, drop_unsupported=drop)
        try:
            written = WIRE.request(made).body
        except BadRequest:
            return
        roles = [message["role"] for message in written["messages"]]
        self.assertEqual(roles, ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2))
        self.assertTrue(all(message["content"] for message in written["messages"]))
        orjson.dumps(written)
