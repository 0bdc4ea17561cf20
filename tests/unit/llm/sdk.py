"""The official SDKs as oracles: they read bytes that a writer made, without a network."""

from __future__ import annotations

from typing import Any

import httpx2
import openai


def openai_client(body: bytes, content_type: str = "application/json", status: int = 200) -> openai.OpenAI:
    """A client of OpenAI's whose every request is answered with ``body``."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": content_type}, content=body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)


def chat_stream(body: bytes) -> list[Any]:
    """The chunks that ``stream=True`` yields."""
    client = openai_client(body, "text/event-stream")
    with client.chat.completions.create(model="m", messages=[], stream=True) as stream:
        return list(stream)


def chat_final(body: bytes) -> Any:
    """What the ``.stream()`` helper puts together; it is strict about indexes and order."""
    client = openai_client(body, "text/event-stream")
    with client.chat.completions.stream(model="m", messages=[]) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


def chat_whole(body: bytes) -> Any:
    """A whole completion."""
    return openai_client(body).chat.completions.create(model="m", messages=[])
