"""Why servers of chat completions end an answer, as a table of their words.

Words are compared in lower case. One that is in neither table ends the answer as ``stop`` does, and is told in the log
(:class:`aigw.llm.reply.Finish`). A word that means two things at two servers must not be added: what a server says
beside it would have to decide.

================== =======================================================================================
OpenAI, Azure      stop, length, tool_calls, content_filter, function_call (``openai.types.chat``)
Mistral            stop, length, model_length, error, tool_calls (``mistralai``: ChatCompletionChoiceFinishReason)
DeepSeek           stop, length, content_filter, tool_calls, insufficient_system_resource
                   (https://api-docs.deepseek.com/api/create-chat-completion)
Zhipu, Z.ai        stop, tool_calls, length, sensitive, network_error, model_context_window_exceeded
                   (https://docs.z.ai/api-reference/llm/chat-completion)
OpenRouter         tool_calls, stop, length, content_filter, error (https://openrouter.ai/docs/api-reference/overview)
vLLM, SGLang       stop, length, tool_calls, abort, error
Together           stop, eos, length, tool_calls, function_call (https://docs.together.ai/reference/chat-completions-1)
TGI                length, eos_token, stop_sequence
Gemini's, Claude's end_turn, max_tokens, tool_use, refusal, safety …: as proxies in front of them pass them on
================== =======================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aigw.llm import reply
from aigw.llm.reply import ProviderError

#: What ends an answer, and what it means.
REASONS: Final[Mapping[str, str]] = {
    "blocklist": reply.CONTENT_FILTER,
    "complete": reply.STOP,
    "content_filter": reply.CONTENT_FILTER,
    "end_turn": reply.STOP,
    "eos": reply.STOP,
    "eos_token": reply.STOP,
    "function_call": reply.TOOL_CALLS,
    "length": reply.LENGTH,
    "max_output_tokens": reply.LENGTH,
    "max_tokens": reply.LENGTH,
    "model_context_window_exceeded": reply.LENGTH,
    "model_length": reply.LENGTH,
    "pause_turn": reply.PAUSE,
    "prohibited_content": reply.CONTENT_FILTER,
    "recitation": reply.CONTENT_FILTER,
    "refusal": reply.REFUSAL,
    "safety": reply.CONTENT_FILTER,
    "sensitive": reply.CONTENT_FILTER,
    "stop": reply.STOP,
    "stop_sequence": reply.STOP,
    "tool_calls": reply.TOOL_CALLS,
    "tool_use": reply.TOOL_CALLS,
}

_ABORTED: Final = ProviderError(502, "server_error", "the provider aborted the answer", "aborted")
_ERROR: Final = ProviderError(502, "server_error", "the provider ended the answer with an error", "upstream_error")
_OVERLOADED: Final = ProviderError(
    503, "overloaded_error", "the provider ran out of resources in the middle of the answer", "overloaded"
)
_BROKEN: Final = ProviderError(
    502, "server_error", "the model wrote a call of a tool that cannot be read", "malformed_function_call"
)

#: What means that the answer failed, and how.
FAILURES: Final[Mapping[str, ProviderError]] = {
    "abort": _ABORTED,
    "aborted": _ABORTED,
    "cancelled": _ABORTED,
    "error": _ERROR,
    "insufficient_system_resource": _OVERLOADED,
    "malformed_function_call": _BROKEN,
    "network_error": _ERROR,
}
