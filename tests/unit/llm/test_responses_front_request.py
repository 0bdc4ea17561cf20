"""OpenAI's responses in front: requests."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import reply as r
from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.responses import Responses
from aigw.llm.dialects.responses.tools import name_behind
from aigw.llm.options import write_options
from tests.unit.llm.streams import NO_RECORDED, RECORDED

REQUESTS = RECORDED / "agentgateway" / "requests" / "responses"

FUNCTION = {"type": "function", "name": "f", "description": "F.", "parameters": {"type": "object"}, "strict": True}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
NAMESPACE = {"type": "namespace", "name": "mcp__git", "description": "Git", "tools": [{**FUNCTION, "name": "log"}]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(given_input: Any = "Hi", **fields: Any) -> Any:
    return Responses().read({"model": "m", "input": given_input, **fields})


def turns(*items: Any, **fields: Any) -> list[tuple[Any, ...]]:
    """Roles with their parts."""
    return [(turn.role, *turn.parts) for turn in read(list(items), **fields).turns]


class ItemTests(unittest.TestCase):
    """``input``."""

    def test_text(self) -> None:
        """A text is a user's turn; instructions come before it."""
        self.assertEqual(turns({"role": "user", "content": "Hi"}), [("user", c.Text("Hi"))])
        call = read("Hi", instructions="Be brief.")
        self.assertEqual(
            [(turn.role, turn.parts) for turn in call.turns],
            [
                ("system", (c.Text("Be brief."),)),
                ("user", (c.Text("Hi"),)),
            ],
        )

    def test_messages(self) -> None:
        """With and without a type, of all roles, of texts and parts; empty content says nothing."""
        said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        self.assertEqual(
            turns(
                {"role": "developer", "content": "d"},
                {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
                {"role": "user", "content": ""},
                {**said, "content": [{"type": "output_text", "text": "a", "annotations": []}]},
                {**said, "content": [{"type": "refusal", "refusal": "no"}]},
            ),
            [("system", c.Text("d")), ("system", c.Text("s")), ("user",), ("assistant", c.Text("a"), c.Text("no"))],
        )

    def test_media(self) -> None:
        """Images and files, by data, URL and id."""
        content = [
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            {"type": "input_image", "file_id": "file_1", "image_url": None},
            {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://x/a.pdf"},
            {"type": "input_file", "file_id": "file_2"},
            {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
            {"type": "input_video", "video": 1},
        ]
        ((_, *parts),) = turns({"role": "user", "content": content})
        self.assertEqual(
            parts,
            [
                c.Image(url="https://x/y.png", detail="low"),
                c.Image("image/png", "AAAA", detail="auto"),
                c.Image(file_id="file_1"),
                c.Document("application/pdf", "BBBB", name="a.pdf"),
                c.Document(url="https://x/a.pdf"),
                c.Document(file_id="file_2"),
                c.Audio("CCCC", "mp3"),
                c.Foreign("responses", {"type": "input_video", "video": 1}),
            ],
        )

    def test_cache_marks(self) -> None:
        """OpenAI's breakpoints and Anthropic's marks."""
        marks = (
            {"prompt_cache_breakpoint": {"mode": "explicit"}},
            {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        )
        content = [{"type": "input_text", "text": "t", **mark} for mark in marks]
        ((_, *parts),) = turns({"role": "user", "content": content})
        self.assertEqual([part.cache for part in parts], [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])

    def test_calls_and_outputs(self) -> None:
        """Parallel calls are one turn, with what was thought and said around them; each output is a turn."""
        self.assertEqual(
            turns(
                {"role": "user", "content": "Hi"},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
                {"type": "message", "role": "assistant", "content": "Let me see"},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""},
                {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}', "status": "completed"},
                {"type": "function_call_output", "call_id": "c1", "output": "one"},
                {
                    "type": "function_call_output",
                    "call_id": "c2",
                    "output": [
                        {"type": "input_text", "text": "two"},
                        {"type": "input_image", "image_url": "https://x"},
                    ],
                },
            ),
            [
                ("user", c.Text("Hi")),
                (
                    "assistant",
                    c.Reasoning("Hm"),
                    c.Text("Let me see"),
                    c.ToolCall("c1", "f", "{}"),
                    c.ToolCall("c2", "g", '{"a":1}'),
                ),
                ("user", c.ToolResult("c1", (c.Text("one"),))),
                ("user", c.ToolResult("c2", (c.Text("two"), c.Image(url="https://x")))),
            ],
        )

    def test_output_behind_a_message(self) -> None:
        """A message between a call and its output is moved behind both; one between two rounds stays."""
        calls = [{"type": "function_call", "call_id": f"c{n}", "name": "f", "arguments": "{}"} for n in (1, 2)]
        outputs = [{"type": "function_call_output", "call_id": f"c{n}", "output": str(n)} for n in (1, 2)]
        note = {"role": "developer", "content": "note"}
        said = {"role": "assistant", "content": "said"}
        self.assertEqual(
            [role for role, *_ in turns(calls[0], calls[1], note, outputs[0], outputs[1])],
            ["assistant", "user", "user", "system"],
        )
        self.assertEqual(
            [role for role, *_ in turns(calls[0], outputs[0], note, calls[1], outputs[1])],
            ["assistant", "user", "system", "assistant", "user"],
        )
        self.assertEqual([role for role, *_ in turns(calls[0], said, outputs[0])], ["assistant", "user"])
        self.assertEqual([role for role, *_ in turns(note, outputs[0])], ["system", "user"])
        self.assertEqual([role for role, *_ in turns(calls[0], note, outputs[1])], ["assistant", "system", "user"])

    def test_reasoning(self) -> None:
        """Signatures come back as they went out; what only OpenAI can read is left out."""

        def thought(summary: str, content: str | None) -> Any:
            item = {"type": "reasoning", "id": "rs", "encrypted_content": content, "content": None}
            found = turns({**item, "summary": [{"type": "summary_text", "text": summary}] if summary else []})
            return found[0][1] if found else None

        self.assertEqual(thought("Hm", "sig"), c.Reasoning("Hm", "sig"))
        self.assertEqual(thought("", "sig"), c.Reasoning("", "sig"))
        self.assertEqual(thought("Hm", None), c.Reasoning("Hm"))
        self.assertEqual(thought("Hm", "gAAAAABo…"), c.Reasoning("Hm"))
        self.assertIsNone(thought("", "gAAAAABo…"))
        self.assertIsNone(thought("", None))
        self.assertEqual(thought("", "aigw:redacted:data"), c.Reasoning(redacted="data"))
        for broken in ("aigw:call:", "aigw:call:x:y", "aigw:call:²:y"):
            self.assertIsNone(thought("", broken))

    def test_reasoning_text(self) -> None:
        """Open models tell their thoughts in ``content``."""
        item = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}
        self.assertEqual(turns(item), [("assistant", c.Reasoning("Hm"))])

    def test_custom_calls(self) -> None:
        """A custom tool's call is a function's with one string, and so are the two in the history."""
        self.assertEqual(
            turns(
                {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a "b"\n'},
                {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
            ),
            [
                ("assistant", c.ToolCall("c", "patch", '{"input":"a \\"b\\"\\n"}')),
                ("user", c.ToolResult("c", (c.Text("done"),))),
            ],
        )

    def test_own_answers_come_back(self) -> None:
        """Whatever an answer says, sent back as items it is the same turn again: signatures, custom tools, all."""
        tools = [FUNCTION, {"type": "custom", "name": "patch"}, NAMESPACE]
        events: list[r.Event] = [
            r.ReasoningDelta("Hm"),
            r.ReasoningSignature("sig"),
            r.RedactedReasoning("hidden"),
            r.TextDelta("text"),
            r.ToolStart(0, "c:1", "f", signature="proof:1"),
            r.ToolArguments(0, '{"a":1}'),
            r.ToolStart(1, "c2", "patch"),
            r.ToolArguments(1, '{"input":"x"}'),
            r.ToolStart(2, "c3", "mcp__git__log"),
            r.ToolArguments(2, "{}"),
            r.Finish(r.TOOL_CALLS),
            r.End(),
        ]
        dialect = Responses()
        answer = orjson.loads(dialect.writer(read(tools=tools), answer_id="a", now=0.0).whole(events))
        self.assertEqual(
            turns(*answer["output"], tools=tools),
            [
                (
                    "assistant",
                    c.Reasoning("Hm", "sig"),
                    c.Reasoning(redacted="hidden"),
                    c.Text("text"),
                    c.ToolCall("c:1", "f", '{"a":1}', "proof:1"),
                    c.ToolCall("c2", "patch", '{"input":"x"}'),
                    c.ToolCall("c3", "mcp__git__log", "{}"),
                )
            ],
        )

    def test_unknown_items(self) -> None:
        """Are for the provider to refuse."""
        item = {"type": "to_be_invented", "id": "x_1", "status": "completed"}
        self.assertEqual(turns(item), [("assistant", c.Foreign("responses", item))])

    def test_what_hosted_tools_did(self) -> None:
        """In a conversation that began at OpenAI, is left out: nobody else can do anything with it."""
        for kind in (
            "web_search_call",
            "file_search_call",
            "code_interpreter_call",
            "image_generation_call",
            "mcp_list_tools",
            "mcp_call",
            "mcp_approval_request",
            "mcp_approval_response",
            "tool_search_call",
            "tool_search_output",
            "program",
            "program_output",
        ):
            item = {"type": kind, "id": "x_1", "call_id": "x", "status": "completed", "action": {"type": "search"}}
            said = {"role": "assistant", "content": "Found."}
            self.assertEqual(turns(item, said), [("assistant", c.Text("Found."))], kind)
            asked = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
            answered = {"type": "function_call_output", "call_id": "c", "output": "o"}
            self.assertEqual(turns(asked, item, answered), turns(asked, answered), kind)

    def test_tools_that_clients_run_for_openai(self) -> None:
        """Are called and answered as functions are, whatever their items are named."""
        for call, output, expected in (
            (
                {"type": "local_shell_call", "call_id": "c", "id": "i", "action": {"command": ["ls"]}},
                {"type": "local_shell_call_output", "id": "c", "output": "a.txt"},
                (c.ToolCall("c", "local_shell", '{"command":["ls"]}'), c.ToolResult("c", (c.Text("a.txt"),))),
            ),
            (
                {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
                {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a.txt"}]},
                (
                    c.ToolCall("c", "shell", '{"commands":["ls"]}'),
                    c.ToolResult("c", (c.Text('[{"stdout":"a.txt"}]'),)),
                ),
            ),
            (
                {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
                {"type": "apply_patch_call_output", "call_id": "c", "output": "done"},
                (
                    c.ToolCall("c", "apply_patch", '{"type":"delete_file","path":"a"}'),
                    c.ToolResult("c", (c.Text("done"),)),
                ),
            ),
            (
                {"type": "computer_call", "call_id": "c", "action": {"type": "click"}},
                {"type": "computer_call_output", "call_id": "c", "output": {"image_url": "data:image/png;base64,AA=="}},
                (
                    c.ToolCall("c", "computer", '{"type":"click"}'),
                    c.ToolResult("c", (c.Image("image/png", "AA=="),)),
                ),
            ),
        ):
            self.assertEqual(turns(call, output), [("assistant", expected[0]), ("user", expected[1])])
            self.assertEqual(turns({"type": call["type"]}, {"type": output["type"]}), [])

    def test_what_is_stored_elsewhere(self) -> None:
        """References and compacted conversations are refused by name, with the remedy."""
        for item in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}, {"type": "compaction", "id": "c"}):
            error = self.assertRaises(BadRequest, read, [{"role": "user", "content": "Hi"}, item])
            self.assertEqual((error.param, error.code), ("input[1]", "unsupported_parameter"))
            self.assertIn("send", error.message)
            if item.get("type") != "compaction":
                self.assertIn("store: false", error.message)

    def test_more_tools(self) -> None:
        """Items may bring tools."""
        call = read([{"type": "additional_tools", "role": "developer", "tools": [FUNCTION]}])
        self.assertEqual([tool.name for tool in call.tools], ["f"])

    def test_errors_name_the_place(self) -> None:
        """Malformed input is a 400 with the field's path."""
        for item, param in (
            ("text", "input[0]"),
            ({"role": "tool", "content": "x"}, "input[0].role"),
            ({"role": ["user"], "content": "x"}, "input[0].role"),
            ({"role": "user", "content": 1}, "input[0].content"),
            ({"role": "user", "content": [1]}, "input[0].content[0]"),
            ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
            ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0].image_url"),
            ({"role": "user", "content": [{"type": "input_file"}]}, "input[0].content[0]"),
            ({"type": "function_call", "name": "f"}, "input[0].call_id"),
            ({"type": "function_call", "call_id": "c"}, "input[0].name"),
            ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input[0].input"),
            ({"type": "function_call_output", "output": "x"}, "input[0].call_id"),
            ({"type": "reasoning", "summary": "x"}, "input[0].summary"),
        ):
            error = self.assertRaises(BadRequest, read, [item])
            self.assertEqual(error.param, param)
        self.assertEqual(self.assertRaises(BadRequest, read, 1).param, "input")
        missing = self.assertRaises(BadRequest, Responses().read, {"model": "m"})
        self.assertEqual((missing.param, missing.code), ("input", "missing_required_parameter"))


class ToolTests(unittest.TestCase):
    """``tools`` and ``tool_choice``."""

    def test_functions(self) -> None:
        """Flat, as responses have them."""
        self.assertEqual(read(tools=[FUNCTION]).tools, (c.Tool("f", "F.", {"type": "object"}, True),))
        bare = {"type": "function", "name": "f", "parameters": None, "strict": None}
        self.assertEqual(read(tools=[bare]).tools, (c.Tool("f"),))

    def test_custom(self) -> None:
        """A function with one string; the grammar is told in words."""
        (tool,) = read(tools=[{"type": "custom", "name": "patch", "description": "Edit.", "format": GRAMMAR}]).tools
        self.assertEqual(tool.schema["required"], ["input"])
        self.assertEqual(tool.description, "Edit.\n\nThe input must match this grammar (lark):\nstart: X")
        (plain,) = read(tools=[{"type": "custom", "name": "run", "format": {"type": "text"}}]).tools
        self.assertIsNone(plain.description)

    def test_namespaces(self) -> None:
        """Flattened, in declarations, history and choice alike."""
        default = {**NAMESPACE, "name": "functions", "tools": [FUNCTION, {"type": "custom", "name": "exec"}]}
        call = read(
            [{"type": "function_call", "call_id": "c", "name": "log", "namespace": "mcp__git", "arguments": "{}"}],
            tools=[NAMESPACE, default],
            tool_choice={"type": "function", "name": "log", "namespace": "mcp__git"},
        )
        self.assertEqual([tool.name for tool in call.tools], ["mcp__git__log", "f", "exec"])
        self.assertEqual(call.turns[0].parts[0].name, "mcp__git__log")
        self.assertEqual(call.tool_choice, c.ToolChoice("one", "mcp__git__log"))

    def test_long_names(self) -> None:
        """Names that providers would refuse are shortened, and stay apart."""
        names = {name_behind(f"{letter}" * 60, "namespace") for letter in "ab"}
        self.assertEqual({len(name) for name in names}, {64})
        self.assertEqual(len(names), 2)
        self.assertEqual(name_behind("x", "mcp__git__"), "mcp__git__x")

    def test_names_that_meet(self) -> None:
        """Two tools that would be one for the provider are refused."""
        error = self.assertRaises(BadRequest, read, tools=[{**FUNCTION, "name": "mcp__git__log"}, NAMESPACE])
        self.assertEqual(error.param, "tools[1].tools[0].name")

    def test_hosted(self) -> None:
        """Tools that OpenAI runs itself are for the provider to refuse, or to leave out where that is allowed."""
        tool = {"type": "web_search", "search_context_size": "low"}
        self.assertEqual(read(tools=[tool]).tools, (c.Foreign("responses", tool),))

    def test_search_among_tools(self) -> None:
        """Is left out: what it would find is declared; where the client is to search, it is not."""
        deferred = {**FUNCTION, "defer_loading": True}
        self.assertEqual(read(tools=[deferred, {"type": "tool_search"}]).tools, read(tools=[FUNCTION]).tools)
        asked = {"type": "tool_search", "execution": "client", "parameters": {}}
        self.assertEqual(read(tools=[asked]).tools, (c.Foreign("responses", asked),))

    def test_choices(self) -> None:
        """All forms."""
        tools = [FUNCTION, {**FUNCTION, "name": "g"}, {"type": "custom", "name": "patch"}, {"type": "web_search"}]
        for choice, expected in (
            (None, None),
            ("auto", c.ToolChoice("auto")),
            ("required", c.ToolChoice("any")),
            ("none", c.ToolChoice("none")),
            ({"type": "function", "name": "g"}, c.ToolChoice("one", "g")),
            ({"type": "custom", "name": "patch"}, c.ToolChoice("one", "patch")),
        ):
            self.assertEqual(read(tools=tools, tool_choice=choice).tool_choice, expected)
        allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
        call = read(tools=tools, tool_choice=allowed)
        self.assertEqual(([tool.name for tool in call.tools], call.tool_choice), (["g"], c.ToolChoice("any")))
        for wrong in ({"type": "web_search"}, {"type": "mcp", "server_label": "x"}, "sometimes", {"type": "function"}):
            error = self.assertRaises(BadRequest, read, tools=tools, tool_choice=wrong)
            self.assertTrue(error.param.startswith("tool_choice"), error.param)


class FieldTests(unittest.TestCase):
    """All other fields."""

    def test_codex(self) -> None:
        """What Codex sends, as it sends it, needs no allowance."""
        call = read(
            [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
            instructions="You are Codex.",
            tools=[FUNCTION, {"type": "custom", "name": "apply_patch", "format": GRAMMAR}, NAMESPACE],
            tool_choice="auto",
            parallel_tool_calls=True,
            reasoning={"effort": "medium", "summary": "auto"},
            store=False,
            stream=True,
            include=["reasoning.encrypted_content"],
            prompt_cache_key="session",
            text={"verbosity": "low"},
            client_metadata={"x": "y"},
        )
        self.assertEqual(call.reasoning, c.ReasoningWish("medium", show=True))
        self.assertEqual((call.stream, call.include_usage, call.parallel_tools), (True, True, True))
        body: dict[str, Any] = {}
        write_options(call, {}, body, "acme")
        self.assertEqual(call.left_out, ["verbosity"])
        self.assertEqual(body, {})

    def test_names_of_options(self) -> None:
        """Refusals name the client's fields."""
        for fields, name in (
            ({"max_output_tokens": 5}, "max_output_tokens"),
            ({"top_logprobs": 2}, "top_logprobs"),
            ({"include": ["message.output_text.logprobs"]}, "include"),
            ({"background": True}, "background"),
            ({"store": True}, "store"),
            ({"truncation": "auto"}, "truncation"),
        ):
            error = self.assertRaises(BadRequest, write_options, read(**fields), {}, {}, "acme")
            self.assertEqual(error.param, name)

    def test_what_needs_memory(self) -> None:
        """Refused whatever is allowed to be dropped: without it the model would not know what the client means."""
        for name in ("previous_response_id", "conversation", "prompt"):
            error = self.assertRaises(BadRequest, read, **{name: "resp_1"})
            self.assertEqual((error.param, error.code), (name, "unsupported_parameter"))
            self.assertIn("send", error.message)
        read(previous_response_id=None, conversation=None)

    def test_what_changes_nothing(self) -> None:
        """Fields about hosted tools, storage and padding of streams."""
        idle = {
            "max_tool_calls": 3,
            "stream_options": {"include_obfuscation": False},
            "include": ["file_search_call.results"],
        }
        self.assertEqual(read(**idle, top_logprobs=0).options, {})

    def test_options(self) -> None:
        """By OpenAI's common names; unknown ones as they are."""
        call = read(max_output_tokens=5, temperature=0.5, user="u", top_k=3)
        self.assertEqual(call.options, {"max_tokens": 5, "temperature": 0.5, "user": "u", "top_k": 3})

    def test_formats(self) -> None:
        """``text.format``, with the name beside the type."""
        schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
        self.assertEqual(
            read(text={"format": schema}).format, c.ResponseFormat("schema", {"type": "object"}, "n", None, True)
        )
        self.assertEqual(read(text={"format": {"type": "json_object"}}).format, c.ResponseFormat("json"))
        self.assertIsNone(read(text={"format": {"type": "text"}}).format)
        error = self.assertRaises(BadRequest, read, text={"format": {"type": "grammar"}})
        self.assertEqual(error.param, "text.format.type")

    def test_reasoning(self) -> None:
        """Effort and whether to show it."""
        self.assertIsNone(read(reasoning={"effort": None, "summary": None}).reasoning)
        self.assertEqual(read(reasoning={"effort": "low"}).reasoning, c.ReasoningWish("low"))
        self.assertEqual(read(reasoning={"summary": "concise"}).reasoning, c.ReasoningWish(show=True))
        self.assertEqual(self.assertRaises(BadRequest, read, reasoning={"mode": "pro"}).param, "reasoning.mode")
        self.assertEqual(self.assertRaises(BadRequest, read, reasoning={"effort": 1}).param, "reasoning.effort")

    @given(JSON, st.dictionaries(st.sampled_from(["tools", "tool_choice", "text", "reasoning", "include"]), JSON))
    def test_any_json(self, given_input: Any, fields: dict[str, Any]) -> None:
        """Nothing but a call or an error that names a field."""
        try:
            read(given_input, **fields)
        except BadRequest as error:
            self.assertTrue(error.param)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(
                        ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call"]
                    )
                },
                optional={
                    "role": st.sampled_from(["user", "assistant", "x"]),
                    "content": JSON,
                    "output": JSON,
                    "summary": JSON,
                    "encrypted_content": JSON,
                    "call_id": st.sampled_from(["c1", "c2"]),
                    "name": JSON,
                    "arguments": JSON,
                    "input": JSON,
                    "namespace": JSON,
                },
            )
        )
    )
    def test_any_items(self, items: list[Any]) -> None:
        """The same for what looks like items."""
        try:
            read(items)
        except BadRequest as error:
            self.assertTrue(error.param)


class RecordedTests(unittest.TestCase):
    """Requests that other gateways test with."""

    def test_recorded_requests_can_be_read(self) -> None:
        """All of them, and they say the same as the chat they mean."""
        if not REQUESTS.is_dir():
            raise unittest.SkipTest(NO_RECORDED)
        for path in sorted(REQUESTS.glob("*.json")):
            call = Responses().read(orjson.loads(path.read_bytes()))
            self.assertTrue(call.turns, path.name)
            foreign = [part for turn in call.turns for part in turn.parts if isinstance(part, c.Foreign)]
            self.assertEqual(foreign, [], path.name)

    def test_same_as_chat(self) -> None:
        """The same conversation through both of OpenAI's APIs is the same call."""
        chat = Chat().read(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "u"},
                    {
                        "role": "assistant",
                        "content": "a",
                        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    {"role": "tool", "tool_call_id": "c", "content": "r"},
                ],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "max_completion_tokens": 5,
            }
        )
        responses = read(
            [
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "a"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "r"},
            ],
            instructions="s",
            tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}],
            max_output_tokens=5,
        )
        for name in ("tools", "tool_choice", "format", "reasoning", "options"):
            self.assertEqual(getattr(chat, name), getattr(responses, name), name)
        said = [[(turn.role, turn.parts) for turn in call.turns] for call in (chat, responses)]
        self.assertEqual(said[0], said[1])
