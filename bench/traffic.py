"""What is asked and what is answered: the same bytes for every peer, made up but shaped like OpenAI's.

The consumer's key goes to the gateway, the provider's key to the upstream; the upstreams of the bench refuse
a request that carries the wrong one, so a gateway that forgets to swap them cannot be fast.
"""

from __future__ import annotations

import json

CONSUMER_KEY = "bench-consumer-key-3f1c5a7e9b2d"
PROVIDER_KEY = "sk-bench-provider-8d2e4f6a1c3b5d7f"
CLIENT_PATH = "/llm/v1/chat"
PROVIDER_PATH = "/v1/chat/completions"
TRANSLATED_PATH = "/v1/messages"
STREAM_PATH = "/llm/v1/stream"
SENT_TEMPERATURE = "0.7"
OVERRIDDEN_TEMPERATURE = "1.0"
PROMPT_TOKENS = 43

CLIENT_HEADERS = {"content-type": "application/json", "apikey": CONSUMER_KEY}
STRANGERS = tuple({"content-type": "application/json"} | key for key in ({}, {"apikey": "not-a-key"}))
PROVIDER_HEADERS = {"content-type": "application/json", "authorization": f"Bearer {PROVIDER_KEY}"}

_QUESTION = {
    "model": "gpt-4o",
    "temperature": float(SENT_TEMPERATURE),
    "max_tokens": 256,
    "messages": [
        {"role": "system", "content": "You are a terse assistant for the operators of a small data centre."},
        {"role": "user", "content": "Why does a reverse proxy keep idle connections to its upstream open?"},
    ],
}
_ANSWER = {
    "id": "chatcmpl-BnchA1b2C3d4E5f6G7h8I9j0K1l2M",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "To save the TCP and TLS handshakes and the slow start that a fresh connection "
                "pays, so that the next request leaves at once.",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": 28,
        "total_tokens": PROMPT_TOKENS + 28,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": "fp_bench0123456",
}


def compact(value: object) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


CHAT_REQUEST = compact(_QUESTION)
CHAT_ANSWER = compact(_ANSWER)


def consumer_key(number: int) -> str:
    """The key of a consumer; number 0 has the one that everybody uses where there is one."""
    return CONSUMER_KEY if not number else f"{CONSUMER_KEY}-{number:05d}"


def client_path(number: int) -> str:
    """The path of a route; number 0 has the one that everybody uses where there is one."""
    return CLIENT_PATH if not number else f"{CLIENT_PATH}-{number:05d}"


def chat_answer(temperature: str) -> bytes:
    """The answer of an upstream that tells what temperature it was asked for."""
    return compact({**_ANSWER, "system_fingerprint": f"fp_{temperature}"})


def stream_request(stream: str) -> bytes:
    """The body that asks for a stream. ``stream`` comes back in every chunk's ``id``."""
    return compact({**_QUESTION, "stream": True, "stream_options": {"include_usage": True}, "user": stream})
