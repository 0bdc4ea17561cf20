"""What servers of chat completions complain of, in all the ways they do (wire.md, cases 35, 36, 40, 41)."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.providers.openai_chat import provider_error
from aigw.llm.providers.openai_chat.errors import error_in, stream_error
from aigw.llm.reply import ProviderError
from tests.unit.llm.streams import NO_RECORDED, RECORDED
from tests.unit.llm.test_openai_chat_reply import ANYTHING


def error(status: int, body: Any, *headers: tuple[bytes, bytes]) -> ProviderError:
    """A complaint; ``body`` as it is or to be JSON."""
    return provider_error(status, headers, body if isinstance(body, bytes) else orjson.dumps(body))


def openai(message: str = "m", **more: Any) -> dict[str, Any]:
    """OpenAI's form."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


class ClassTests(unittest.TestCase):
    """Every class of error, by the status and by OpenAI's words."""

    def check(
        self, status: int, body: Any, kind: str, code: str | None, *, becomes: int | None = None
    ) -> ProviderError:
        """Status, type and code of a complaint."""
        found = error(status, body)
        self.assertEqual((found.status, found.type, found.code), (becomes or status, kind, code), body)
        return found

    def test_openais(self) -> None:
        """Keep their codes and params."""
        found = self.check(
            400,
            openai(code="unsupported_parameter", param="max_tokens"),
            "invalid_request_error",
            "unsupported_parameter",
        )
        self.assertEqual((found.message, found.param), ("m", "max_tokens"))
        self.check(401, openai(code="invalid_api_key"), "authentication_error", "invalid_api_key")
        self.check(403, openai(), "permission_error", None)
        self.check(404, openai(code="model_not_found"), "not_found_error", "model_not_found")
        self.check(400, openai(code="context_length_exceeded"), "invalid_request_error", "context_length_exceeded")
        self.check(413, openai(), "invalid_request_error", None)
        self.check(429, openai(type="tokens", code="rate_limit_exceeded"), "rate_limit_error", "rate_limit_exceeded")
        self.check(
            429, openai(type="insufficient_quota", code="insufficient_quota"), "rate_limit_error", "insufficient_quota"
        )
        self.check(500, openai(type="server_error"), "server_error", None)
        self.check(503, openai(type="server_error"), "overloaded_error", None)

    def test_azures(self) -> None:
        """Codes that are statuses, a filter's error inside of the error, deployments instead of models."""
        filtered = {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": {"filtered": True}},
            },
        }
        found = self.check(400, {"error": filtered}, "invalid_request_error", "content_filter")
        self.assertEqual(found.param, "prompt")
        missing = {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}
        self.check(404, {"error": missing}, "not_found_error", "model_not_found")
        self.check(404, {"error": {"code": "404", "message": "Resource not found"}}, "not_found_error", None)
        denied = "Access denied due to invalid subscription key or wrong API endpoint."
        self.check(401, {"error": {"code": "401", "message": denied}}, "authentication_error", "invalid_api_key")
        self.check(401, {"statusCode": 401, "message": denied}, "authentication_error", "invalid_api_key")
        limit = "Requests have exceeded token rate limit. Please retry after 86400 seconds. Please contact Azure."
        found = self.check(429, {"error": {"code": "429", "message": limit}}, "rate_limit_error", "rate_limit_exceeded")
        self.assertEqual(found.retry_after, 86400)

    def test_llama_cpps(self) -> None:
        """Codes that are numbers; a conversation that is too long is the client's fault, whatever it says."""
        body = {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}
        self.check(500, {"error": body}, "invalid_request_error", "context_length_exceeded", becomes=400)
        body = {"code": 400, "message": "m", "type": "exceed_context_size_error", "n_ctx": 256}
        self.check(400, {"error": body}, "invalid_request_error", "context_length_exceeded")
        body = {"code": 503, "message": "Loading model", "type": "unavailable_error"}
        self.check(503, {"error": body}, "overloaded_error", "unavailable_error")
        self.check(
            401,
            {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}},
            "authentication_error",
            "invalid_api_key",
        )

    def test_vllms(self) -> None:
        """Flat, or in OpenAI's form."""
        message = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
        for wrap in (lambda each: {"object": "error", **each}, lambda each: {"error": each}):
            body = wrap({"message": message, "type": "BadRequestError", "param": None, "code": 400})
            self.check(400, body, "invalid_request_error", "context_length_exceeded")
            body = wrap({"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404})
            self.check(404, body, "not_found_error", "model_not_found")

    def test_fastapis(self) -> None:
        """A text, or a list of what is wrong where."""
        self.assertEqual(error(404, {"detail": "Not Found"}).message, "Not Found")
        detail = [
            {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"},
            {"type": "missing", "loc": ["body", "messages", 0, "role"], "msg": "Field required"},
        ]
        for body in (
            {"detail": detail},
            {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"},
        ):
            found = error(422, body)
            self.assertEqual(
                found.message, "stream_options: Extra inputs are not permitted; messages.0.role: Field required"
            )
            self.assertEqual((found.type, found.param), ("invalid_request_error", "stream_options"))

    def test_mistrals(self) -> None:
        """Numbers for codes, words for types."""
        body = {
            "object": "error",
            "message": "Tool call id was x",
            "type": "invalid_function_call",
            "param": None,
            "code": "3280",
        }
        self.check(400, body, "invalid_request_error", "invalid_function_call")
        body = {
            "object": "error",
            "message": "Invalid model: x",
            "type": "invalid_model",
            "param": None,
            "code": "1500",
        }
        self.check(400, body, "invalid_request_error", "model_not_found")
        self.check(401, {"message": "Unauthorized", "request_id": "r"}, "authentication_error", "invalid_api_key")
        self.check(429, {"message": "Requests rate limit exceeded"}, "rate_limit_error", "rate_limit_exceeded")

    def test_xais_and_ollamas(self) -> None:
        """The error is a text; a bad key is one, whatever the status."""
        body = {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***."}
        self.check(400, body, "authentication_error", "invalid_api_key", becomes=401)
        found = error(404, {"error": 'model "x" not found, try pulling it first'})
        self.assertEqual((found.code, found.message), ("model_not_found", 'model "x" not found, try pulling it first'))

    def test_deepseeks_and_openrouters_money(self) -> None:
        """There is none left."""
        self.check(402, openai("Insufficient Balance"), "insufficient_quota", "insufficient_quota")
        self.check(
            402,
            {"error": {"message": "This request requires more credits", "code": 402}},
            "insufficient_quota",
            "insufficient_quota",
        )

    def test_groqs(self) -> None:
        """Codes of its own stay; when to come back is in words."""
        self.check(
            400, openai(code="tool_use_failed", failed_generation="x"), "invalid_request_error", "tool_use_failed"
        )
        found = error(
            429, openai("Rate limit reached. Please try again in 1m7.66s. Visit …", code="rate_limit_exceeded")
        )
        self.assertEqual(found.retry_after, 67.66)

    def test_googles_compatible_api(self) -> None:
        """A list of one, words in capitals, and a bad key that is a 400."""
        body = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
        self.check(400, [{"error": body}], "authentication_error", "invalid_api_key", becomes=401)
        body = {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "34.4s"}]}
        found = self.check(429, [{"error": body}], "rate_limit_error", "rate_limit_exceeded")
        self.assertEqual(found.retry_after, 34.4)

    def test_errors_inside_of_errors(self) -> None:
        """As text in the message, or in OpenRouter's metadata: the innermost message counts."""
        inner = {
            "object": "error",
            "message": "Unexpected role",
            "type": "invalid_request_message_order",
            "code": "3230",
        }
        text = orjson.dumps(inner).decode()
        for body in (
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": text, "provider_name": "Mistral"},
                }
            },
            {"error": {"message": text, "code": 400}},
            {"error": {"message": f"Error code: 400 - {text}", "code": "400"}},
            {"error": {"message": orjson.dumps({"error": inner}).decode()}},
            {"error": {"message": orjson.dumps([{"error": {"message": text}}]).decode()}},
        ):
            found = error(400, body)
            self.assertEqual((found.message, found.code), ("Unexpected role", "invalid_request_message_order"), body)

    def test_json_in_a_message_need_not_be_an_error(self) -> None:
        """A schema or a message that is quoted."""
        message = 'Invalid schema: {"type": "object", "message": "x"}'
        self.assertEqual(error(400, openai(message)).message, message)


class BodyTests(unittest.TestCase):
    """Bodies that are no error object."""

    def test_html(self) -> None:
        """Its title tells."""
        page = b"<html><head><title>502 Bad\n Gateway</title></head><body><center>nginx</center></body></html>"
        found = error(502, page)
        self.assertEqual(found.message, "the provider answered with status 502 and a page of HTML: 502 Bad Gateway")
        self.assertEqual(found.type, "server_error")
        self.assertIn("HTML", error(404, b"<!DOCTYPE html><p>").message)
        for page, words in (
            (b"<title>open <h1 class='x'>Bad <b>Gateway</b></H1>", ": Bad Gateway"),
            (b"<TITLE lang=en>\n 504  Timeout </title><title>x</title>", ": 504 Timeout"),
            (b"<title>" + b" " * 5000 + b"x", "HTML"),
            (b"<titles>no</titles><h1></h1>", "HTML"),
        ):
            self.assertTrue(error(502, b"<html>" + page).message.endswith(words), page[:50])

    def test_text_and_nothing(self) -> None:
        """Text is the message."""
        self.assertEqual(error(503, b"upstream connect error\n").message, "upstream connect error")
        self.assertIn("429", error(429, b"").message)
        self.assertEqual(error(429, b" \n").code, "rate_limit_exceeded")
        self.assertEqual(error(400, b'"a text"').message, "a text")
        self.assertEqual(error(400, b'["a text"]').message, "a text")

    def test_long_ones_are_cut(self) -> None:
        """A message is for people."""
        for body in (b"x" * 10_000, openai("x" * 10_000), b'{"error": {"message": "' + b"x" * (2 << 20)):
            self.assertLessEqual(len(error(400, body).message), 4000)

    def test_strange_statuses(self) -> None:
        """Only errors' are passed on."""
        for status in (0, 200, 302, 399, 600, 999):
            self.assertEqual(error(status, b"x").status, 502)
        self.assertEqual(error(498, b"x").type, "invalid_request_error")
        self.assertEqual(error(529, b"x").type, "overloaded_error")

    def test_header_is_believed_before_the_words(self) -> None:
        """Both Azure's and anybody's."""
        body = openai("Please retry after 20 seconds.")
        for name in (b"retry-after", b"Retry-After-Ms"):
            self.assertIsNone(error(429, body, (name, b"1")).retry_after)
        self.assertEqual(error(429, body).retry_after, 20)
        self.assertIsNone(error(400, body).retry_after)

    def test_retry_words(self) -> None:
        """Hours, minutes, seconds and less."""
        for words, seconds in (
            ("try again in 20ms", 0.02),
            ("try again in 7.66s", 7.66),
            ("try again in 6m0s", 360),
            ("try again in 1h2m3s", 3723),
            ("retry after 1 second", 1),
            ("try again in a while", None),
            ("try again in 1.2.3s", None),
        ):
            self.assertEqual(error(429, openai(words)).retry_after, seconds, words)

    def test_nothing_private_is_kept(self) -> None:
        """Azure once leaked a call stack (case 41): only what has a place goes on."""
        found = error(400, openai(callstack="File /usr/local/bin/gunicorn"))
        self.assertNotIn("gunicorn", repr(found))

    @given(st.integers(0, 1000), ANYTHING)
    def test_any_json(self, status: int, body: Any) -> None:
        """Never raises; what comes out can be written."""
        self.check(error(status, body))
        self.check(error(status, {"error": body}))
        self.check(
            error(status, {"error": {"message": body, "code": body, "type": body, "param": body, "detail": body}})
        )
        self.check(stream_error(orjson.loads(orjson.dumps(body))))

    @given(st.integers(400, 599), st.binary(max_size=50))
    def test_any_bytes(self, status: int, body: bytes) -> None:
        """Likewise."""
        self.check(error(status, body))
        self.check(error(status, b'{"error":{"message":"' + body + b'"}}'))

    def check(self, found: ProviderError) -> None:
        """A complaint is well-formed."""
        self.assertTrue(400 <= found.status <= 599)
        self.assertTrue(found.message)
        for word in (found.code, found.param):
            self.assertTrue(word is None or (isinstance(word, str) and word))
        self.assertTrue(found.retry_after is None or found.retry_after >= 0)
        f"{found.message}{found.code}{found.param}".encode()

    def test_deep_nesting(self) -> None:
        """Ends somewhere."""
        text = "x"
        for _ in range(12):
            text = orjson.dumps({"error": {"message": text}}).decode()
        self.assertTrue(error(400, text.encode()).message)


class StreamErrorTests(unittest.TestCase):
    """stream_error()"""

    def test_status(self) -> None:
        """The one it names, else what its words say, else that the provider failed."""
        for fields, status in (
            ({"error": {"message": "m", "code": 429}}, 429),
            ({"error": {"message": "m", "status_code": "503"}}, 503),
            ({"error": {"message": "m", "type": "overloaded_error"}}, 529),
            ({"error": {"message": "m", "code": "tool_use_failed"}}, 400),
            ({"error": {"message": "m", "status": "UNAVAILABLE"}}, 503),
            ({"error": {"message": "m", "code": 1234}}, 502),
            ({"error": "m"}, 502),
            ("m", 502),
            (None, 502),
        ):
            self.assertEqual(stream_error(fields).status, status, fields)

    def test_what_is_no_error(self) -> None:
        """Is told from one."""
        for fields in ({}, {"id": "c", "choices": []}, None, 5, [], {"error": None}, {"error": {}}):
            self.assertIsNone(error_in(fields), fields)


class RecordedTests(unittest.TestCase):
    """What OpenAI really answered."""

    if not RECORDED.is_dir():
        skip = NO_RECORDED

    def test_cassettes(self) -> None:
        """Their codes and params are kept."""
        for name, status, code, param in (
            ("chat-bad-request", 400, "unsupported_parameter", "max_tokens"),
            ("chat-unknown-model", 404, "model_not_found", None),
            ("chat-no-messages", 400, "empty_array", "messages"),
        ):
            text = (RECORDED / "envoy-ai-gateway" / f"{name}.yaml").read_text()
            at = text.index('"error"', text.index("response:"))
            lines = text[at : text.index("headers:", at)]
            found = error(status, orjson.loads("{" + lines))
            self.assertEqual((found.status, found.code, found.param), (status, code, param))
