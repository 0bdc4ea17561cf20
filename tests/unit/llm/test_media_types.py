"""Pictures go to every provider by the registered name of their type, whatever the client calls it."""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.media_types import registered
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.providers import PROVIDERS
from aigw.llm.providers.base import Place, Provider
from aigw.llm.translation import DIALECTS, Pair
from tests.unit.llm.recordings import wire_of

DATA = "/9j/4AAQSkZJRg=="
#: Models that see, by provider; each provider that may be sent a picture's data.
SEEING = {
    "anthropic": "claude-sonnet-4-5",
    "azure": "gpt-4o",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-vision",
    "gemini": "gemini-2.5-flash",
    "mistral": "pixtral-12b",
    "openai": "gpt-4o",
    "openai-compatible": "qwen3-vl",
    "vertex": "claude-sonnet-4-5@20250929",
}


def sent(provider: str, operation: str, fields: dict[str, Any]) -> bytes:
    """The body of a provider's request."""
    kind: Provider = PROVIDERS[provider]
    kind = kind.at(kind, Place("http://x/v1" if provider == "openai-compatible" else None, "us-east-1", "p", "l", None))
    pair = Pair(DIALECTS[operation], wire_of(kind), Adjustments(defaults={}, overrides={}))
    request = pair.translate({"model": SEEING[provider], "max_tokens": 9, **fields}, "a", 0.0).request
    return orjson.dumps(request.body)


class MediaTypeTests(unittest.TestCase):
    """``image/jpg`` and its like."""

    def test_names(self) -> None:
        """Those that are registered stay, in lower case."""
        for told in ("image/jpg", "image/pjpeg", "IMAGE/JPG", " image/jpeg "):
            self.assertEqual(registered(told), "image/jpeg")
        for told in ("image/png", "application/pdf", "video/mp4", "", "x"):
            self.assertEqual(registered(told), told)

    def test_every_dialect_and_provider(self) -> None:
        """Of pictures in messages, and in the results of tools where the dialect has such."""
        url = f"data:image/jpg;base64,{DATA}"
        block = {"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": DATA}}
        call = {"type": "tool_use", "id": "A", "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "A", "content": [block]}
        picture = {"type": "input_image", "image_url": url}
        asked: list[tuple[str, dict[str, Any]]] = [
            (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}),
            (MESSAGES, {"messages": [{"role": "user", "content": [block]}]}),
            (RESPONSES, {"input": [{"role": "user", "content": [picture]}]}),
            (
                MESSAGES,
                {
                    "messages": [
                        {"role": "user", "content": "q"},
                        {"role": "assistant", "content": [call]},
                        {"role": "user", "content": [result]},
                    ],
                    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                },
            ),
        ]
        for operation, fields in asked:
            for provider in SEEING:
                if "tools" in fields and provider == "cohere":
                    continue  # whose results are texts
                body = sent(provider, operation, fields)
                self.assertNotIn(b"jpg", body, provider)
                self.assertIn(b"jpeg", body, provider)

    def test_files_and_videos(self) -> None:
        """A picture that comes as a file, a video as compatible servers take it."""
        file = {"type": "file", "file": {"file_data": f"data:image/jpg;base64,{DATA}"}}
        body = sent("gemini", CHAT, {"messages": [{"role": "user", "content": [file]}]})
        self.assertIn(b'"mimeType":"image/jpeg"', body)
        video = {"type": "video_url", "video_url": {"url": "data:Video/MP4;base64,AAAA"}}
        body = sent("gemini", CHAT, {"messages": [{"role": "user", "content": [video]}]})
        self.assertIn(b'"mimeType":"video/mp4"', body)
