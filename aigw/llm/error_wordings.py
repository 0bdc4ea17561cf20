"""How providers say that a prompt is too long, or that an account has no money or quota left.

Both decide where a call goes (``docs/operations.md``, "When a target fails"), and neither has a status or a code of its
own: the same complaint is a 400, 403, 412, 422, 429 or 500, with a code, with a type, or with nothing but words. So
there is one table of words for each, by the provider that they were seen at. Behind the table for prompts there is a
general rule, since servers of open models word it anew with each version.

To teach the gateway a new wording, add a piece of it, in lower case, to the table and its sentence to
``tests/unit/llm/test_error_wordings.py``. All of it is searched for as text, in a bounded beginning of the message.

Sources: the providers' pages on errors; for what these do not say, reports with the bodies that were received, and the
lists of coding agents that compact on such errors (earendil-works/pi ``packages/ai/src/utils/overflow.ts``,
anomalyco/opencode ``packages/llm/src/provider-error.ts``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

#: Characters of a message that are searched.
_MOST: Final = 1000

#: By provider: pieces of what it says of a prompt that does not fit. Codes are among them.
TOO_LONG: Final[Mapping[str, Sequence[str]]] = {
    "codes": (
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size",
        "context_exceeded",
        "prompt_too_long",
    ),
    "OpenAI, Azure, vLLM": (
        "maximum context length",
        "exceeds the context window",
        "context length of",
        "reduce the length of the messages",
        "reduce the length of the prompt",
        "reduce the length of the input",
        "longer than the maximum model length",
    ),
    "Anthropic": ("prompt is too long", "exceed context limit"),
    "Google": ("exceeds the maximum number of tokens", "input token count"),
    "Bedrock": (
        "input is too long",
        "input tokens exceeded",
        "too many input tokens",
        "number of input tokens exceeds",
        "input length and `max_tokens` exceed",
        "input length and max_tokens exceed",
        "exceeds the model's input",
        "exceed the model's input",
        "context length exceeded",
        "context window exceeded",
    ),
    "Cohere": ("number of tokens (prompt and prediction) cannot exceed",),
    "Copilot": ("model_max_prompt_tokens_exceeded", "prompt token count of"),
    "DashScope": ("range of input length should be",),
    "Databricks": ("tokens in request more than max tokens allowed",),
    "DeepInfra": ("exceeds maximum input length",),
    "Doubao": ("exceed max message tokens",),
    "Kimi": ("exceeded model token limit",),
    "llama.cpp": (
        "exceeds the available context",
        "exceed the available context",
        "exceeds the context",
        "exceed the context",
        "exceed context window of",
        "context size has been exceeded",
        "context size is exceeded",
        "context window has been exceeded",
        "context window is exceeded",
    ),
    "LM Studio": ("greater than the context length",),
    "MiniMax": ("context window exceeds limit",),
    "Mistral": ("too large for model with",),
    "Ollama": ("prompt too long; exceeded", "input length exceeds the context"),
    "Poolside": ("maximum allowed input length",),
    "SGLang": ("longer than the model's context",),
    "SiliconFlow": ("must be less than max_seq_len",),
    "Together, TGI": ("tokens + `max_new_tokens` must be <=", "tokens + max_new_tokens must be <="),
    "watsonx": ("cannot exceed the total tokens limit",),
    "xAI": ("maximum prompt length is", "input_too_large"),
    "Zhipu": ("prompt exceeds max length",),
}

#: By provider: what in an error's code or type says that nothing more can be bought. What stands there is the
#: provider's own word, whatever the status is.
NO_QUOTA_CODES: Final[Mapping[str, Sequence[str]]] = {
    "OpenAI, Azure, Perplexity": ("insufficient_quota", "billing_hard_limit", "billing_not_active"),
    "Anthropic": ("billing_error", "enforced_spend_limit_reached"),
    "Copilot": ("quota_exceeded",),
    "DashScope": ("arrearage", "freetieronly"),
    "DeepSeek and others": ("insufficient_balance", "insufficient_credits", "insufficient_funds"),
    "Google": ("billing_disabled",),
    "LiteLLM": ("budget_exceeded", "exceededbudget"),
    "Moonshot": ("exceeded_current_quota",),
    "One API, New API": ("insufficient_user_quota", "pre_consume_token_quota_failed"),
    "Vercel": ("customer_verification_required",),
}

#: The same of messages: pieces that count where a client has no part in the status (402, 403, 412, 429, 5xx …).
NO_QUOTA: Final[Mapping[str, Sequence[str]]] = {
    "OpenAI, Azure": (
        "exceeded your current quota",
        "billing_hard_limit",
        "check your plan and billing",
        "please check your billing",
        "out of call volume quota",
    ),
    "Anthropic": ("credit balance is too low", "api usage limits"),
    "AWS": ("invalid_payment_instrument", "too many tokens per day"),
    "Cohere": ("api calls / month", "billing limit"),
    "DashScope": ("account is in good standing", "free tier of the model has been exhausted"),
    "DeepInfra": ("please top up",),
    "DeepSeek, Kimi, MiniMax, SiliconFlow, Zhipu": (
        "insufficient balance",
        "insufficient account balance",
        "balance is insufficient",
        "balance is not enough",
    ),
    "Fireworks, Groq": ("monthly spending limit", "spend limit"),
    "Google": (
        "prepayment credits are depleted",
        "requires billing to be enabled",
        "billing account for the owning project is disabled",
    ),
    "Hugging Face": ("monthly included credits",),
    "LiteLLM": ("budget has been exceeded", "exceededbudget"),
    "OpenRouter": (
        "key limit exceeded",
        "insufficient credits",
        "insufficient funds",
        "requires more credits",
        "more credits are required",
        "never purchased credits",
        "with a higher monthly limit",
    ),
    "Poe": ("used up your points",),
    "Together": ("credit limit exceeded",),
    "xAI": ("used all available credits", "doesn't have any credits", "run out of credits"),
    "Zhipu": ("usage limit reached for",),
}

#: The same where the status says that the request is wrong (400, 422). Such a message may quote what a client wrote,
#: who must not be able to have a provider taken for one without money; so these have to be its beginning.
NO_QUOTA_OPENINGS: Final[Mapping[str, Sequence[str]]] = {
    "Anthropic": (
        "your credit balance is too low",
        "you have reached your specified api usage limits",
        "you have reached your specified workspace api usage limits",
    ),
    "DashScope": ("access denied, please make sure your account is in good standing",),
    "DeepSeek, Kimi": ("insufficient balance",),
    "Google": ("gemini api free tier is not available",),
    "LiteLLM": ("budget has been exceeded", "exceededbudget"),
    "OpenAI": ("billing hard limit has been reached", "you exceeded your current quota"),
}

_REQUEST_AT_FAULT: Final = (400, 413, 422)


def _all(table: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece for pieces in table.values() for piece in pieces))


_TOO_LONG: Final = _all(TOO_LONG)
_CODES: Final = _all(NO_QUOTA_CODES)
_NO_QUOTA: Final = _all(NO_QUOTA)
_OPENINGS: Final = _all(NO_QUOTA_OPENINGS)

#: The general rule for prompts: something of each of the first three, and nothing of the last.
_WHAT: Final = ("prompt", "input", "context", "messages", "conversation")
_EXCESS: Final = (
    "exceed",
    "too long",
    "too many",
    "too large",
    "longer than",
    "greater than",
    "larger than",
    "more than",
)
_UNIT: Final = ("token", "context length", "context window", "context size", "prompt length")
_ELSE: Final = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "budget_tokens",
    "output token",
    "completion token",
    "per minute",
    "per day",
    "per month",
    "rate limit",
    "image",
    "audio",
    "file",
    "tool",
    "stop sequence",
    "character",
)


def is_too_long(message: str, words: str, status: int) -> bool:
    """Whether an error says that the prompt does not fit into the model's context.

    :param words: the error's codes and type.
    :param status: by which general words count for what they seem to say; a known wording needs none.
    """
    text = f"{words} {message[:_MOST]}".lower()
    return _has(text, _TOO_LONG) or (status in _REQUEST_AT_FAULT and _is_generally_too_long(text))


def _is_generally_too_long(text: str) -> bool:
    return _has(text, _WHAT) and _has(text, _EXCESS) and _has(text, _UNIT) and not _has(text, _ELSE)


def has_no_quota(message: str, words: str, status: int) -> bool:
    """Whether an error says that the provider's account has no money, or none left of what it may spend or use.

    :param words: the error's codes and type.
    """
    if status == 404:  # whose message is a model's name, as the client wrote it
        return False
    if status == 402 or _has(words.lower(), _CODES):
        return True
    text = message[:_MOST].lower()
    return text.startswith(_OPENINGS) if status in _REQUEST_AT_FAULT else _has(text, _NO_QUOTA)


def _has(text: str, pieces: Sequence[str]) -> bool:
    return any(piece in text for piece in pieces)
