"""Anthropic's clients at a Claude of Vertex AI or Bedrock, and what a configuration adds to their calls: on the wire."""

from __future__ import annotations

from typing import Any

import orjson

from aigw.testing import ReceivedRequest, anthropic, bedrock
from aigw.testing.said import HELLO, streamed, whole
from tests.wire.stage import TIMEOUTS, Answered, StageTestCase

CONFIG = f"""
[backends.vertex]
provider = "vertex"
url = "vertex_URL"
project = "p"
location = "us-east5"
auth = {{ inline = "token-of-google" }}
timeouts = {TIMEOUTS}
[backends.bedrock]
provider = "bedrock"
url = "bedrock_URL"
region = "us-east-1"
auth = {{ inline = "key-of-amazon" }}
timeouts = {TIMEOUTS}
[backends.claude]
provider = "anthropic"
url = "claude_URL"
auth = {{ inline = "sk-ant-1" }}
defaults = {{ temperature = 0.5 }}
timeouts = {TIMEOUTS}
[models.taken-up]
targets = [{{ backend = "vertex", model = "claude-sonnet-4-5@20250929" }}]
on_stream_cut = "continue"
[models.taken-up-at-anthropic]
targets = [{{ backend = "claude", model = "claude-sonnet-4-5" }}]
on_stream_cut = "continue"
[routes.vertex]
paths = ["/vertex"]
backend = "vertex"
auth = "none"
[routes.bedrock]
paths = ["/bedrock"]
backend = "bedrock"
auth = "none"
[routes.claude]
paths = ["/claude"]
backend = "claude"
auth = "none"
[routes.models]
paths = ["/v1"]
auth = "none"
"""
CLAUDE = "claude-sonnet-4-5@20250929"
BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14"
USED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
ANSWER = {
    "id": "msg_vrtx_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [USED, {"type": "text", "text": "x", "citations": [{"type": "of_tomorrow", "encrypted_index": "E"}]}],
    "stop_reason": "pause_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"web_search_requests": 1}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


class ElsewhereTests(StageTestCase):
    """See the module's head."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("vertex", "bedrock", "claude"):
            self.upstream(name).standing = (bedrock if name == "bedrock" else anthropic).answer(HELLO)
        # A url that ends in /v1 is one of those of Bedrock's that speak OpenAI's dialect.
        self.serve(CONFIG.replace("bedrock_URL", self.upstreams["bedrock"].url.removesuffix("/v1")))

    async def messages(self, where: str, model: str, headers: dict[str, str] | None = None, **fields: Any) -> Answered:
        """A question of an Anthropic client's."""
        asked = {"model": model, "messages": [{"role": "user", "content": "q"}], "max_tokens": 9, **fields}
        answered = await self.ask(asked, f"{where}/v1/messages", **(headers or {}))
        self.assertEqual(self.left_over(), [])
        return answered

    def told(self, name: str) -> tuple[ReceivedRequest, Any]:
        """What a provider got last, and its body."""
        request = self.upstreams[name].requests[-1]
        return request, orjson.loads(request.body)

    async def test_vertex(self) -> None:
        """The betas that it has, in its header; the version in the body, and nowhere else; the answer as it is."""
        self.upstreams["vertex"].script(whole(ANSWER))
        headers = {"anthropic_beta": BETAS, "anthropic_version": "2026-10-21"}
        answered = await self.messages("/vertex", CLAUDE, headers, tools=[SEARCH])
        self.assertEqual(answered.json(), ANSWER)
        request, body = self.told("vertex")
        self.assertEqual(request.header_values(b"anthropic-beta"), [b"interleaved-thinking-2025-05-14"])
        self.assertEqual(request.header_values(b"anthropic-version"), [])
        self.assertEqual((body["anthropic_version"], body["tools"]), ("vertex-2023-10-16", [SEARCH]))
        self.assertNotIn("model", body)
        self.assertTrue(request.path.endswith(b":rawPredict"))

    async def test_vertex_streams(self) -> None:
        """Event by event; its usage is in the account."""
        answered = await self.messages("/vertex", CLAUDE, stream=True)
        self.assertTrue(answered.whole)
        self.assertEqual(answered.events()[-1], {"type": "message_stop"})
        usage = self.ledger.closed[-1].usage
        self.assertTrue(usage is not None and usage.input and usage.output)

    async def test_vertex_streams_that_others_may_take_up(self) -> None:
        """Have Anthropic's own blocks all the same, where the model may say some; at Anthropic as well."""
        events = [
            {"type": "message_start", "message": {**ANSWER, "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": USED},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
        sent = b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), orjson.dumps(each)) for each in events)  # type: ignore[attr-defined]
        for name, model in (("vertex", "taken-up"), ("claude", "taken-up-at-anthropic")):
            self.upstreams[name].script(streamed([sent], b"text/event-stream"))
            answered = await self.messages("", model, tools=[SEARCH], stream=True)
            self.assertEqual(answered.body, sent, name)

    async def test_vertex_errors(self) -> None:
        """Are Anthropic's, with their status."""
        self.upstreams["vertex"].script(anthropic.error(529))
        answered = await self.messages("/vertex", CLAUDE)
        self.assertEqual((answered.status, answered.json()["error"]["type"]), (529, "overloaded_error"))

    async def test_bedrock(self) -> None:
        """The betas that it has, among the model's own fields."""
        answered = await self.messages("/bedrock", BEDROCK, {"anthropic_beta": BETAS})
        self.assertEqual(answered.status, 200)
        request, body = self.told("bedrock")
        expected = {"anthropic_beta": ["interleaved-thinking-2025-05-14"]}
        self.assertEqual(body["additionalModelRequestFields"], expected)
        self.assertEqual(request.header_values(b"anthropic-beta"), [])

    async def test_chats(self) -> None:
        """Tell their betas to Anthropic as well."""
        asked = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "q"}]}
        answered = await self.ask(asked, "/claude/v1/chat/completions", anthropic_beta=BETAS)
        self.assertEqual(answered.status, 200)
        self.assertEqual(self.told("claude")[0].header_values(b"anthropic-beta"), [BETAS.encode()])

    async def test_threads(self) -> None:
        """Are refused in the words by which SDKs fall back, but at Anthropic itself."""
        thread = {"type": "continue", "previous_message_id": "msg_1"}
        for where, model in (("/vertex", CLAUDE), ("/vertex", "gemini-2.5-pro"), ("/bedrock", BEDROCK)):
            answered = await self.messages(where, model, thread=thread)
            body = answered.json()
            self.assertEqual((answered.status, body["type"]), (400, "error"))
            self.assertEqual(body["error"]["type"], "invalid_request_error")
            self.assertEqual(body["error"]["details"], {"error_code": "thread_unsupported_request"})
        await self.messages("/claude", "claude-sonnet-4-5", thread=thread)
        self.assertEqual(self.told("claude")[1]["thread"], thread)

    async def test_sampling(self) -> None:
        """Of the configuration goes where the version that the client asks for has it."""
        for version, expected in (("2023-06-01", 0.5), ("2026-10-21", None)):
            await self.messages("/claude", "claude-sonnet-4-5", {"anthropic_version": version})
            self.assertEqual(self.told("claude")[1].get("temperature"), expected)
