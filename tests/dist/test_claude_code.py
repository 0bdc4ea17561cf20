"""Claude Code through the real daemon: its headers, its odd fields, its counting, to Anthropic and to others."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from aigw.testing import Act, ReceivedRequest, ScriptedUpstream, answers
from aigw.testing.openai import DONE, event
from tests.dist.daemon import DaemonTestCase

CONFIG = """
[backends.local]
provider = "openai-compatible"
url = "{url}"
auth = {{ inline = "sk-local" }}

[backends.claude]
provider = "anthropic"
url = "{url}"
auth = {{ inline = "sk-ant-provider" }}

[models.local]
targets = [{{ backend = "local", model = "qwen3" }}]
[models.claude-sonnet-4-5]
targets = [{{ backend = "claude" }}]
retry = {{ attempts = 1 }}

[routes.all]
paths = ["/"]

[consumers.tester]
keys = ["tester-key"]
"""

#: What it sends, version 2.x: both ways of telling a key, and betas by the dozen.
HEADERS = {
    "authorization": "Bearer tester-key",
    "x-api-key": "tester-key",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "6d2c",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,some-beta-of-tomorrow",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-stainless-lang": "js",
}
TOOL = {"name": "Bash", "description": "Runs a command.", "input_schema": {"type": "object", "properties": {}}}
FIELDS: dict[str, Any] = {
    "max_tokens": 32000,
    "stream": True,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "medium"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "user_%s_account__session_6d2c" % ("a" * 64)},
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0; cch=00000;"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [TOOL],
    "messages": [
        {
            "role": "user",
            "content": [{"type": "text", "text": "List the files.", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "ls will do.", "signature": ""},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a\nb"}]},
    ],
}


def chunk(**delta: Any) -> bytes:
    """One piece of a chat."""
    finish = delta.pop("finish", None)
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "qwen3", "choices": [choice]})


CHAT_STREAM = [
    chunk(role="assistant", content=""),
    chunk(reasoning_content="One more."),
    chunk(content="And now?"),
    chunk(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "Bash", "arguments": ""}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"command": "pwd"}'}}]),
    chunk(finish="tool_calls"),
    event({"id": "c", "choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}}),
    DONE,
]

MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
NATIVE_STREAM = [
    event(
        {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 5, "output_tokens": 1}}},
        "message_start",
    ),
    event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        "content_block_start",
    ),
    event({"type": "ping"}, "ping"),
    event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        "content_block_delta",
    ),
    event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    event(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}, "message_delta"
    ),
    event({"type": "message_stop"}, "message_stop"),
]


def kinds(body: str) -> list[str]:
    """The types of a stream's events."""
    return [line[7:] for line in body.split("\n") if line.startswith("event: ")]


class ClaudeCodeTests(DaemonTestCase):
    """One daemon, a scripted provider behind it."""

    async def start(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.daemon = await self.start_daemon(CONFIG.format(url=self.upstream.url))

    async def ask(self, path: str, model: str, **fields: Any) -> httpx2.Response:
        """What it gets for a request with these fields."""
        body = orjson.dumps({**FIELDS, "model": model, **fields})
        url = f"{self.daemon.url}{path}"
        headers = {**HEADERS, "content-type": "application/json"}
        response: httpx2.Response = await deferToThread(httpx2.post, url, content=body, headers=headers, timeout=30)
        return response

    def only_request(self) -> ReceivedRequest:
        """The one that the provider got; of the consumer's key it has nothing."""
        (request,) = self.upstream.requests
        self.assertNotIn(b"tester-key", repr((request.target, request.headers, request.body)).encode())
        return request

    async def test_other_providers(self) -> None:
        """A chat goes out and a message comes back, with thoughts, words and a call; nothing of its own goes along."""
        await self.start()
        self.upstream.script(answers.stream(CHAT_STREAM))
        response = await self.ask("/v1/messages?beta=true", "local")
        self.assertEqual(response.status_code, 200)
        blocks = ["content_block_start", "content_block_delta", "content_block_stop"]
        call = ["content_block_start", *(["content_block_delta"] * 2), "content_block_stop"]
        told = [kind for kind in kinds(response.text) if kind != "ping"]
        self.assertEqual(told[0], "message_start")
        self.assertEqual(told[1:7], blocks * 2)
        self.assertIn(told[7:-2], (call, blocks))
        self.assertEqual(told[-2:], ["message_delta", "message_stop"])
        self.assertIn('"stop_reason":"tool_use"', response.text)
        self.assertIn('"input_tokens":50', response.text)
        request = self.only_request()
        self.assertEqual(request.target, b"/v1/chat/completions")
        self.assertEqual(request.header_values(b"authorization"), [b"Bearer sk-local"])
        own = (b"anthropic-beta", b"anthropic-version", b"x-app", b"x-claude-code-session-id")
        for name in (*own, b"x-api-key", b"x-stainless-lang"):
            self.assertEqual(request.header_values(name), [], name)
        body = request.json()
        self.assertEqual([message["role"] for message in body["messages"]], ["system", "user", "assistant", "tool"])
        self.assertNotIn("billing", request.body.decode())
        self.assertNotIn("context_management", body)
        self.assertEqual((body["model"], body["tools"][0]["function"]["name"]), ("qwen3", "Bash"))

    async def test_anthropic_itself(self) -> None:
        """Everything passes byte for byte, betas and all; only the key is another."""
        await self.start()
        self.upstream.script(answers.stream(NATIVE_STREAM))
        response = await self.ask("/v1/messages?beta=true", "claude-sonnet-4-5")
        self.assertEqual(response.content, b"".join(NATIVE_STREAM))
        request = self.only_request()
        self.assertEqual(request.target, b"/v1/messages?beta=true")
        self.assertEqual(request.json(), {**FIELDS, "model": "claude-sonnet-4-5"})
        self.assertEqual(request.header_values(b"x-api-key"), [b"sk-ant-provider"])
        self.assertEqual(request.header_values(b"authorization"), [])
        self.assertEqual(request.header_values(b"anthropic-version"), [b"2023-06-01"])
        self.assertEqual(request.header_values(b"anthropic-beta"), [HEADERS["anthropic-beta"].encode()])

    async def test_overload_at_the_beginning_of_a_stream(self) -> None:
        """Is the answer that it should have been, in Anthropic's own words."""
        await self.start()
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        for before in ([], [event({"type": "ping"}, "ping")]):
            self.upstream.script(answers.stream([*before, event(error, "error")]))
            response = await self.ask("/v1/messages", "claude-sonnet-4-5")
            self.assertEqual((response.status_code, response.json()), (529, error))

    async def test_stream_that_breaks_off(self) -> None:
        """Never looks complete: an error event and no ``message_stop``; behind it the body ends properly."""
        await self.start()
        self.upstream.script(answers.stream(CHAT_STREAM[:3], ending=Act.CLOSE))
        pieces: list[bytes] = []

        def read() -> None:
            body = orjson.dumps({**FIELDS, "model": "local"})
            with httpx2.stream("POST", f"{self.daemon.url}/v1/messages", content=body, headers=HEADERS) as response:
                for piece in response.iter_raw():
                    pieces.append(piece)

        await deferToThread(read)
        told = kinds(b"".join(pieces).decode())
        self.assertEqual(told[-1], "error")
        self.assertNotIn("message_stop", told)

    async def test_counting(self) -> None:
        """The provider's count where it has one; an estimate that says so elsewhere, without a call."""
        await self.start()
        fields = {"stream": None, "max_tokens": None}
        estimated = await self.ask("/v1/messages/count_tokens?beta=true", "local", **fields)
        self.assertEqual((estimated.status_code, estimated.json()["estimated"]), (200, True))
        self.assertTrue(50 < estimated.json()["input_tokens"] < 150, estimated.json())
        self.assertEqual(self.upstream.requests, [])
        self.upstream.script(answers.reply({"input_tokens": 42}))
        counted = await self.ask("/v1/messages/count_tokens?beta=true", "claude-sonnet-4-5", **fields)
        self.assertEqual(counted.json(), {"input_tokens": 42})
        self.assertEqual(self.only_request().target, b"/v1/messages/count_tokens?beta=true")

    async def test_errors_are_anthropics(self) -> None:
        """Of other providers, and of the gateway itself."""
        await self.start()
        self.upstream.script(answers.error(400, "Too many tokens.", "invalid_request_error", "context_length_exceeded"))
        response = await self.ask("/v1/messages", "local")
        self.assertEqual((response.status_code, response.json()["type"]), (400, "error"))
        self.assertEqual(response.json()["error"]["message"], "prompt is too long: Too many tokens.")
        self.assertTrue(response.headers["request-id"])
        response = await self.ask("/v1/messages", "local", messages=[{"role": "nobody", "content": "x"}])
        self.assertEqual((response.status_code, response.json()["type"]), (400, "error"))
        self.assertIn("messages[0].role", response.json()["error"]["message"])
