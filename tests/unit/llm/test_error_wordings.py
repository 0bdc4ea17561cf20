"""What providers say of prompts that are too long and of accounts without money, sentence by sentence.

Each is told as its provider tells it, to the reader that gets to see it. A new one needs its sentence here and a piece
of it in ``aigw/llm/error_wordings.py``.
"""

from __future__ import annotations

from typing import Any

import orjson
from twisted.trial import unittest

from aigw.llm.error_wordings import has_no_quota, is_too_long
from aigw.llm.providers.anthropic.errors import from_body
from aigw.llm.providers.bedrock.errors import from_answer
from aigw.llm.providers.gemini.errors import google_error
from aigw.llm.providers.openai_chat import provider_error
from aigw.llm.refusals import reason
from aigw.llm.reply import ProviderError
from aigw.routing.retry import KINDS, Failure, RetryRules, Where, kind_of_status, where_next


def openai(message: str, code: Any = None, kind: Any = "invalid_request_error") -> dict[str, Any]:
    """OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def google(message: str, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": 400, "message": message, "status": status, "details": list(details)}}


#: Provider, status, body.
TOO_LONG: list[tuple[str, int, Any]] = [
    ("xAI", 400, {"code": "Client specified an invalid argument",
                  "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."}),
    ("xAI", 400, {"code": "invalid-argument",
                  "error": "[input_too_large] Current message (1149677 tokens) exceeds budget (975424 tokens)"}),
    ("SGLang", 400, {"object": "error", "type": "BadRequestError", "param": None, "code": 400,
                     "message": "The input (40961 tokens) is longer than the model's context length (40960 tokens)."}),
    ("Kimi", 400, openai("Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)")),
    ("Zhipu", 400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}),
    ("MiniMax", 400, openai("invalid params, context window exceeds limit (2013)", "2013")),
    ("DashScope", 400, openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 983616]",
                              "invalid_parameter_error")),
    ("Together", 422, openai("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 131073. "
                             "Given: 130000 `inputs` tokens and 8192 `max_new_tokens`")),
    ("Copilot", 400, openai("prompt token count of 150000 exceeds the limit of 128000",
                            "model_max_prompt_tokens_exceeded")),
    ("DeepInfra", 400, openai("Requested input length 140000 exceeds maximum input length 131071")),
    ("LM Studio", 400, {"error": "The number of tokens to keep from the initial prompt is greater than the context "
                                 "length. Try to load the model with a larger context length, or a shorter input"}),
    ("OpenAI", 400, openai("Your input exceeds the context window of this model. Please adjust your input.",
                           "context_length_exceeded")),
    ("OpenAI", 400, openai("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.")),
    ("LiteLLM", 400, openai("Requested token count exceeds the model's maximum context length of 131072 tokens")),
    ("vLLM", 400, openai("Input length (265330) exceeds model's maximum context length (262144).")),
    ("vLLM", 400, openai("The decoder prompt (length 9000) is longer than the maximum model length of 8192.")),
    ("Groq", 400, openai("Please reduce the length of the messages or completion.", "context_length_exceeded")),
    ("OpenRouter", 400, openai("This endpoint's maximum context length is 4096 tokens. However, you requested about "
                               "5000 tokens", 400)),
    ("Poolside", 400, openai("Input length 9 exceeds the maximum allowed input length of 8 tokens.")),
    ("Mistral", 400, openai("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
                            "context length")),
    ("Databricks", 400, openai("tokens in request more than max tokens allowed")),
    ("Ollama", 400, {"error": "prompt too long; exceeded max context length by 12 tokens"}),
    ("Ollama", 400, {"error": "the input length exceeds the context length"}),
    ("llama.cpp", 400, openai("the request exceeds the available context size, try increasing it")),
    ("llama-cpp-python", 500, openai("Requested tokens (3000) exceed context window of 2048")),
    ("SiliconFlow", 400, {"code": 20015, "message": "length of prompt_tokens (9000) must be less than max_seq_len (8192).",
                          "data": None}),
    ("watsonx", 400, {"errors": [{"code": "invalid_input_argument", "message": "the number of input tokens 9 cannot "
                                  "exceed the total tokens limit 8 for this model"}]}),
    # Nobody's in particular: the general rule.
    ("another", 400, openai("The prompt has 9000 tokens, which is more than the 8192 tokens that fit.")),
    ("another", 413, openai("Conversation too long: 9000 tokens exceed 8192")),
    ("another", 400, openai("input exceeds the context size of the model")),
]  # fmt: skip

#: Such of other limits than the prompt's.
NOT_TOO_LONG: list[tuple[int, Any]] = [
    (400, openai("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.")),
    (400, openai("max_completion_tokens: 100000 exceeds the maximum of 16384 tokens for this input")),
    (400, openai("Invalid 'input[0].image_url': image exceeds 20 MB of input tokens")),
    (400, openai("Invalid 'messages[0].tool_calls[0].function.name': string too long.")),
    (400, openai("thinking.budget_tokens must be less than max_tokens; more than the input allows")),
    (400, openai("Tool argument validation failed: input length exceeds 1000 characters")),
    (429, openai("Rate limit reached: too many tokens per minute for this input")),
    (429, openai("Too many tokens, please wait before trying again.")),
    (401, openai("The prompt exceeds what this token may do")),
]

#: Provider, status, body: no money, or nothing left of what may be spent or used.
NO_QUOTA: list[tuple[str, int, Any]] = [
    ("OpenAI", 429, openai("You exceeded your current quota, please check your plan and billing details.",
                           "insufficient_quota", "insufficient_quota")),
    ("OpenAI", 400, openai("Billing hard limit has been reached", "billing_hard_limit_reached")),
    ("OpenAI", 429, openai("Your account is not active, please check your billing details on our website.",
                           "billing_not_active")),
    ("Azure", 403, {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 5 days."}),
    ("OpenRouter", 402, openai("Insufficient credits. Add more using https://openrouter.ai/credits", 402)),
    ("OpenRouter", 403, openai("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
                               403)),
    ("OpenRouter", 402, openai("This request requires more credits, or fewer max_tokens. You can only afford 0", 402)),
    ("xAI", 403, {"code": "permission-denied",
                  "error": "Your team 16f2 has either used all available credits or reached its monthly spending "
                           "limit. To continue making API requests, please purchase more credits."}),
    ("xAI", 429, {"code": "Some resource has been exhausted",
                  "error": "Your team 16f2 has either used all available credits or reached its monthly spending limit."}),
    ("xAI", 403, {"code": "permission-denied", "error": "Your newly created team doesn't have any credits yet."}),
    ("DeepSeek", 402, openai("Insufficient Balance", "invalid_request_error")),
    ("Kimi", 429, openai("Your account org-1 is suspended due to insufficient balance", None,
                         "exceeded_current_quota_error")),
    ("Zhipu", 429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}),
    ("Zhipu", 429, {"error": {"code": "1308", "message": "Usage limit reached for 5 hour. It will reset at 12:00"}}),
    ("MiniMax", 500, openai("insufficient balance (1008)", "1008")),
    ("DashScope", 400, {"error": {"code": "Arrearage", "type": "Arrearage", "message": "Access denied, please make sure "
                                  "your account is in good standing."}}),
    ("DashScope", 403, {"error": {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has "
                                  "been exhausted."}}),
    ("SiliconFlow", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    ("Together", 402, openai("Credit limit exceeded, please navigate to https://api.together.ai/settings/billing")),
    ("Fireworks", 412, openai("Account x is suspended, possibly due to reaching the monthly spending limit")),
    ("Groq", 400, openai("Your organization has reached its limit", "insufficient_quota")),
    ("Hugging Face", 402, {"error": "You have exceeded your monthly included credits for Inference Providers."}),
    ("Perplexity", 401, openai("You exceeded your current quota", 401, "insufficient_quota")),
    ("Copilot", 402, openai("You have no quota", "quota_exceeded")),
    ("Cohere", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}),
    ("Mistral", 402, {"message": "Payment required"}),
    ("LiteLLM", 400, openai("Budget has been exceeded! Current cost: 1.1, Max budget: 1.0", "400", "budget_exceeded")),
    ("New API", 403, openai("user quota is not enough", "insufficient_user_quota", "new_api_error")),
    ("AtlasCloud", 500, openai("Your team has either used all available credits or reached its limit")),
]  # fmt: skip

#: The client's or a limited rate: no word of the account.
NOT_NO_QUOTA: list[tuple[int, Any]] = [
    (429, openai("Rate limit reached for gpt-4o on tokens per min (TPM)", "rate_limit_exceeded", "tokens")),
    (429, {"message": "You are using a Trial key, which is limited to 20 API calls / minute."}),
    (400, openai("Invalid value: 'insufficient balance'. Supported values are: 'user', 'assistant'.")),
    (422, openai("messages.0.role: your credit balance is too low is no role")),
    (404, openai("The model `insufficient balance` does not exist")),
    (404, openai("model: credit balance is too low")),
    (403, openai("You may not use this model")),
    (400, openai("m")),
]


class OpenAITests(unittest.SynchronousTestCase):
    """Errors of servers that speak OpenAI's dialect, more or less."""

    def error(self, status: int, body: Any) -> ProviderError:
        return provider_error(status, (), orjson.dumps(body))

    def test_too_long(self) -> None:
        """Is a 400, whatever it was, and goes to another target."""
        for provider, status, body in TOO_LONG:
            error = self.error(status, body)
            self.assertEqual((error.code, error.status), ("context_length_exceeded", 400), (provider, body))
            self.assertEqual(kind_of_status(error.status, reason(error)), "context_length")

    def test_what_is_not(self) -> None:
        for status, body in NOT_TOO_LONG:
            self.assertNotEqual(self.error(status, body).code, "context_length_exceeded", body)

    def test_no_money(self) -> None:
        """Keeps its status, and goes to another target."""
        for provider, status, body in NO_QUOTA:
            error = self.error(status, body)
            self.assertEqual((error.code, error.status), ("insufficient_quota", status), (provider, body))
            kind = kind_of_status(error.status, reason(error))
            self.assertIs(where_next(Failure(kind), RetryRules()), Where.OTHER, provider)
            self.assertTrue(KINDS[kind].counts)

    def test_money_is_not_the_trouble(self) -> None:
        """Also not where a client's own words are quoted, who could have a breaker open for everybody otherwise."""
        for status, body in NOT_NO_QUOTA:
            self.assertNotEqual(self.error(status, body).code, "insufficient_quota", body)

    def test_googles_rates(self) -> None:
        """Are worded as a quota; the details say that it is a matter of seconds."""
        body = google("You exceeded your current quota, please check your plan and billing details.", "RESOURCE_EXHAUSTED",
                      {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"})  # fmt: skip
        self.assertEqual(self.error(429, [body]).code, "rate_limit_exceeded")


class AnthropicTests(unittest.SynchronousTestCase):
    """Errors in Anthropic's form, be they from a server that is compatible."""

    def error(self, status: int, message: str, kind: str = "invalid_request_error", **more: Any) -> ProviderError:
        fields = {"type": "error", "error": {"type": kind, "message": message, **more}}
        return from_body(status, orjson.dumps(fields))

    def test_too_long(self) -> None:
        for message in (
            "prompt is too long: 213462 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "Your request exceeded model token limit: 262144 (requested: 291351)",  # Kimi
            "Prompt exceeds max length",  # Zhipu
            "invalid params, context window exceeds limit (2013)",  # MiniMax
        ):
            self.assertEqual(self.error(400, message).code, "context_length_exceeded", message)

    def test_no_money(self) -> None:
        """With the status that it has."""
        for status, message, more in (
            (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.", {}),
            (400, "You have reached your specified API usage limits. You will regain access on 2026-12-01.", {}),
            (400, "You have reached your specified workspace API usage limits.", {}),
            (402, "billing", {}),
            (403, "Insufficient balance", {}),
            (429, "m", {"details": {"error_code": "enforced_spend_limit_reached"}}),
        ):
            error = self.error(status, message, **more)
            self.assertEqual((error.code, error.status), ("insufficient_quota", status), message)
            self.assertEqual(kind_of_status(error.status, reason(error)), "quota")

    def test_what_is_neither(self) -> None:
        for status, message in (
            (400, "messages.0.content: your credit balance is too low"),
            (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"),
            (404, "model: your credit balance is too low"),
            (429, "This request would exceed your organization's rate limit of 50,000 input tokens per minute"),
        ):
            self.assertNotIn(self.error(status, message).code, ("insufficient_quota", "context_length_exceeded"))


class GoogleTests(unittest.SynchronousTestCase):
    """Errors of Gemini and Vertex AI."""

    def error(self, status: int, message: str, *details: dict[str, Any]) -> ProviderError:
        return google_error(status, orjson.dumps(google(message, "X", *details)))

    def test_no_money(self) -> None:
        reason_ = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BILLING_DISABLED"}
        for status, message, details in (
            (403, "This API method requires billing to be enabled.", ()),
            (403, "m", (reason_,)),
            (429, "Your prepayment credits are depleted. Please go to AI Studio.", ()),
            (400, "Gemini API free tier is not available in your country. Please enable billing.", ()),
        ):
            error = self.error(status, message, *details)
            self.assertEqual((error.code, error.status), ("insufficient_quota", status), message)

    def test_a_day_and_a_minute(self) -> None:
        """A day's quota is used up, however soon one may ask again; a minute's is a rate."""
        message = "You exceeded your current quota, please check your plan and billing details."
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
        for quota, code in (
            ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "insufficient_quota"),
            ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "rate_limit_exceeded"),
        ):
            failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}
            self.assertEqual(self.error(429, message, failure, info).code, code, quota)
        for odd in (None, 5, "PerDay", [], [None], [5], [{"quotaId": 5}], [{}]):
            self.assertEqual(self.error(429, message, {"violations": odd}).code, "rate_limit_exceeded", odd)

    def test_too_long(self) -> None:
        message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
        self.assertEqual(self.error(400, message).code, "context_length_exceeded")


class BedrockTests(unittest.SynchronousTestCase):
    """Errors of Bedrock."""

    def error(self, status: int, name: str, message: str) -> ProviderError:
        headers = [(b"x-amzn-errortype", name.encode())]
        return from_answer(status, headers, orjson.dumps({"message": message}))

    def test_too_long(self) -> None:
        for message in (
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input.",  # Nova
            "Input is too long for requested model.",
            "The model returned the following errors: prompt is too long: 213462 tokens > 200000 maximum",
            "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        ):
            error = self.error(400, "ValidationException", message)
            self.assertEqual((error.code, error.status), ("context_length_exceeded", 400), message)

    def test_no_money(self) -> None:
        for status, name, message in (
            (403, "AccessDeniedException", "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment "
             "instrument must be provided."),
            (429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
        ):  # fmt: skip
            error = self.error(status, name, message)
            self.assertEqual((error.code, error.status), ("insufficient_quota", status), message)
        waits = self.error(429, "ThrottlingException", "Too many tokens, please wait before trying again.")
        self.assertEqual(waits.code, "rate_limit_exceeded")


class BoundTests(unittest.SynchronousTestCase):
    """The work, whatever the length."""

    def test_only_the_beginning_counts(self) -> None:
        far = "x" * 5000 + " prompt is too long, insufficient balance"
        self.assertFalse(is_too_long(far, "", 400))
        self.assertFalse(has_no_quota(far, "", 403))
