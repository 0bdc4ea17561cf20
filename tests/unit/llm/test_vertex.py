"""Vertex AI: where calls go, and both kinds of models behind it."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import reply as r
from aigw.llm.call import Call, Image, Text, Turn
from aigw.llm.decoders import Frame
from aigw.llm.dialects.messages import Messages
from aigw.llm.providers import provider
from aigw.llm.providers.base import Place
from aigw.llm.providers.vertex import VertexWire
from aigw.llm.usage import Usage
from aigw.llm.wire import EmbeddingCall
from tests.unit.llm.streams import NO_RECORDED, RECORDED, sse

BASE = "/v1/projects/p-1/locations/europe-west4"
WIRE = VertexWire(BASE)
CLAUDE = "claude-sonnet-4-5@20250929"
HELLO = (Turn("user", (Text("Hello"),)),)


def path(model: str, stream: bool = False) -> str:
    """Where a call of that model goes."""
    return WIRE.request(Call(model, HELLO, stream=stream)).path.decode()


class PlaceTests(unittest.TestCase):
    """From a backend's settings to hosts and paths."""

    def at(self, **place: Any) -> Any:
        """The provider at a place, and where it sends a greeting."""
        vertex = provider("vertex")
        there = vertex.at(vertex, Place(**place))
        return there.default_url, there.wire.request(Call("gemini-2.5-pro", HELLO)).path.decode()

    def test_hosts(self) -> None:
        """A region, the world, a part of it."""
        for location, host in (
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            (None, "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ):
            url, target = self.at(project="p-1", location=location)
            self.assertEqual(url, f"https://{host}")
            place = f"/v1/projects/p-1/locations/{location or 'global'}"
            self.assertEqual(target, f"{place}/publishers/google/models/gemini-2.5-pro:generateContent")

    def test_version(self) -> None:
        """As the backend says."""
        self.assertIn("/v1beta1/projects/p-1/", self.at(project="p-1", api_version="v1beta1")[1])

    def test_the_provider_itself_is_unchanged(self) -> None:
        """Backends differ in their places."""
        self.at(project="p-1")
        self.assertIsNone(provider("vertex").wire)

    def test_models(self) -> None:
        """Of Google and Anthropic by name, of others by their whole name, of the project's own by number."""
        google, anthropic = f"{BASE}/publishers/google/models", f"{BASE}/publishers/anthropic/models"
        for model, expected in (
            ("gemini-2.5-flash", f"{google}/gemini-2.5-flash:generateContent"),
            ("google/gemini-2.5-flash", f"{google}/gemini-2.5-flash:generateContent"),
            ("publishers/google/models/gemini-2.5-flash", f"{google}/gemini-2.5-flash:generateContent"),
            ("publishers/acme/models/m@1", f"{BASE}/publishers/acme/models/m@1:generateContent"),
            ("endpoints/1234567890", f"{BASE}/endpoints/1234567890:generateContent"),
            ("1234567890", f"{BASE}/endpoints/1234567890:generateContent"),
            ("a?b#c", f"{google}/a%3Fb%23c:generateContent"),
            (CLAUDE, f"{anthropic}/{CLAUDE}:rawPredict"),
            ("anthropic/claude-opus-4-1", f"{anthropic}/claude-opus-4-1:rawPredict"),
            (f"publishers/anthropic/models/{CLAUDE}", f"{anthropic}/{CLAUDE}:rawPredict"),
        ):
            self.assertEqual(path(model), expected)

    def test_streams(self) -> None:
        """Have methods of their own."""
        self.assertTrue(path("gemini-2.5-flash", stream=True).endswith(":streamGenerateContent?alt=sse"))
        self.assertTrue(path(CLAUDE, stream=True).endswith(f"{CLAUDE}:streamRawPredict"))

    def test_models_that_lead_elsewhere(self) -> None:
        """A client's model stays within the project."""
        for model in ("../../evil", "publishers/x/models/../y", "projects/other/x", ""):
            error = self.assertRaises(BadRequest, path, model)
            self.assertEqual((error.param, error.code), ("model", "model_not_found"))

    @given(st.text(min_size=1))
    def test_any_model(self, model: str) -> None:
        """Refused, or below the location."""
        try:
            target = path(model)
        except (BadRequest, UnicodeEncodeError):
            return
        self.assertTrue(target.startswith(BASE + "/"))
        self.assertNotIn("/../", target)
        self.assertTrue(target.isascii())


class GeminiTests(unittest.TestCase):
    """Google's models speak as on AI Studio, but for a few fields."""

    def test_body(self) -> None:
        """The same; the service tier is AI Studio's."""
        self.assertEqual(
            WIRE.request(Call("gemini-2.5-pro", HELLO)).body,
            {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        )
        call = Call("gemini-2.5-pro", HELLO, options={"service_tier": "flex"})
        self.assertEqual(self.assertRaises(BadRequest, WIRE.request, call).param, "service_tier")

    def test_it_fetches(self) -> None:
        """From the web, with any model."""
        turns = (Turn("user", (Image(url="https://x.test/a.png"),)),)
        part = WIRE.request(Call("gemini-2.0-flash", turns)).body["contents"][0]["parts"][0]
        self.assertEqual(part, {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.png"}})

    def test_answers(self) -> None:
        """Are Gemini's."""
        fields = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
        events = list(WIRE.reader(Call("gemini-2.5-pro", ())).whole(fields))
        self.assertEqual(events, [r.Start(), r.TextDelta("Hi"), r.Finish(r.STOP), r.End()])

    def test_count(self) -> None:
        """Is asked for without the wrapping that AI Studio has."""
        request = WIRE.count_request(Call("gemini-2.5-pro", HELLO, options={"safetySettings": []}))
        self.assertTrue(request.path.endswith(b"/publishers/google/models/gemini-2.5-pro:countTokens"))
        self.assertEqual(set(request.body), {"contents"})
        self.assertEqual(WIRE.count({"totalTokens": 7, "totalBillableCharacters": 20}), 7)


class ClaudeTests(unittest.TestCase):
    """Anthropic's models speak as Anthropic does."""

    def test_body(self) -> None:
        """The version is in the body, the model in the path only; a stream is asked for in both."""
        request = WIRE.request(Call(CLAUDE, HELLO, stream=True, options={"max_tokens": 9}))
        self.assertEqual(
            request.body,
            {
                "anthropic_version": "vertex-2023-10-16",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "Hello"}],
                "stream": True,
            },
        )
        self.assertNotIn(b"anthropic-version", dict(request.headers))

    def test_anthropic_s_own_clients(self) -> None:
        """Are translated too: the body is another."""
        fields = {"model": CLAUDE, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
        request = WIRE.request(Messages().read(fields))
        self.assertEqual(request.path.decode(), f"{BASE}/publishers/anthropic/models/{CLAUDE}:rawPredict")
        self.assertEqual(request.body["anthropic_version"], "vertex-2023-10-16")
        self.assertNotIn("model", request.body)

    def test_pictures_by_url(self) -> None:
        """Are not fetched for Claude."""
        turns = (Turn("user", (Image(url="https://x.test/a.png"),)),)
        error = self.assertRaises(BadRequest, WIRE.request, Call(CLAUDE, turns))
        self.assertIn("vertex", error.message)

    def test_answers(self) -> None:
        """Whole and in a stream."""
        fields = {
            "id": "msg_vrtx_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 8, "output_tokens": 2},
        }
        events = list(WIRE.reader(Call(CLAUDE, ())).whole(fields))
        self.assertIn(r.TextDelta("Hi"), events)
        self.assertEqual(events[-1], r.End())
        reader, decoder = WIRE.reader(Call(CLAUDE, ())), WIRE.decoder(b"text/event-stream")
        started = {**fields, "content": [], "stop_reason": None}
        stream = sse({"type": "message_start", "message": started}, "message_start")
        stream += sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
        read = [event for frame in decoder.feed(stream) for event in reader.frame(frame)]
        self.assertEqual(read[-1], r.TextDelta("Hi"))

    def test_count(self) -> None:
        """A model of its own counts; the one that is meant is in the body."""
        request = WIRE.count_request(Call(f"anthropic/{CLAUDE}", HELLO))
        self.assertEqual(request.path.decode(), f"{BASE}/publishers/anthropic/models/count-tokens:rawPredict")
        self.assertEqual(request.body["model"], CLAUDE)
        self.assertEqual(WIRE.count({"input_tokens": 9}), 9)
        for wrong in (None, [], {}, {"input_tokens": "x"}):
            self.assertRaises(ValueError, WIRE.count, wrong)


class ErrorTests(unittest.TestCase):
    """Google's, Anthropic's, and one in the other."""

    def test_google(self) -> None:
        """With Google's words."""
        denied = {
            "code": 403,
            "message": "Permission 'aiplatform.endpoints.predict' denied",
            "status": "PERMISSION_DENIED",
        }
        error = WIRE.error(403, (), orjson.dumps({"error": denied}))
        self.assertEqual((error.status, error.type, error.message), (403, "permission_error", denied["message"]))
        self.assertEqual(WIRE.error(404, (), b"<!DOCTYPE html><html>").type, "not_found_error")

    def test_anthropic(self) -> None:
        """With Anthropic's."""
        inner = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        for body in (
            inner,
            {"error": {"code": 529, "message": orjson.dumps(inner).decode(), "status": "UNKNOWN"}},
            [{"error": {"message": orjson.dumps(inner).decode()}}],
        ):
            error = WIRE.error(529, (), orjson.dumps(body))
            self.assertEqual((error.status, error.type, error.message), (529, "overloaded_error", "Overloaded"))

    @given(
        st.integers(400, 599),
        st.binary(max_size=40)
        | st.sampled_from([b'{"error":{"message":"{}"}}', b'{"type":"error"}', b'{"error":{"message":"{\\"a\\":1}"}}']),
    )
    def test_any(self, status: int, body: bytes) -> None:
        """Whatever is said."""
        error = WIRE.error(status, (), body)
        self.assertTrue(error.message and 400 <= error.status <= 599)

    @given(st.sampled_from([CLAUDE, "gemini-2.5-pro"]), st.binary(max_size=30))
    def test_any_frame(self, model: str, data: bytes) -> None:
        """Likewise in streams."""
        list(WIRE.reader(Call(model, ())).frame(Frame(b"", data)))


class EmbeddingTests(unittest.TestCase):
    """Texts as vectors, by two methods."""

    def test_predict(self) -> None:
        """As agentgateway writes the same request."""
        options = {"task_type": "RETRIEVAL_DOCUMENT", "title": "My Document", "auto_truncate": True}
        call = EmbeddingCall("text-embedding-005", ("hello", "world"), 512, options)
        request = WIRE.embedding_request(call)
        self.assertEqual(request.path.decode(), f"{BASE}/publishers/google/models/text-embedding-005:predict")
        common = {"task_type": "RETRIEVAL_DOCUMENT", "title": "My Document"}
        self.assertEqual(
            request.body,
            {
                "instances": [{"content": "hello", **common}, {"content": "world", **common}],
                "parameters": {"outputDimensionality": 512, "autoTruncate": True},
            },
        )
        least = WIRE.embedding_request(EmbeddingCall("gemini-embedding-001", ("a",)))
        self.assertEqual(least.body, {"instances": [{"content": "a"}]})

    def test_predictions(self) -> None:
        """Vectors with their tokens, from what was recorded."""
        recorded = RECORDED / "agentgateway" / "response" / "vertex" / "embeddings.json"
        if not recorded.exists():
            raise unittest.SkipTest(NO_RECORDED)
        told = WIRE.embeddings(orjson.loads(recorded.read_bytes()))
        self.assertEqual([len(vector) for vector in told.vectors], [3, 3])
        self.assertEqual(told.usage, Usage(input=9))

    def test_embed_content(self) -> None:
        """The newer models' method takes one text at a time."""
        request = WIRE.embedding_request(EmbeddingCall("gemini-embedding-2", ("a",), 768))
        self.assertTrue(request.path.endswith(b"gemini-embedding-2:embedContent"))
        self.assertEqual(
            request.body, {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"outputDimensionality": 768}}
        )
        told = WIRE.embeddings({"embedding": {"values": [1.5]}, "usageMetadata": {"promptTokenCount": 3}})
        self.assertEqual((told.vectors, told.usage), (([1.5],), Usage(input=3)))
        error = self.assertRaises(BadRequest, WIRE.embedding_request, EmbeddingCall("gemini-embedding-2", ("a", "b")))
        self.assertEqual(error.param, "input")

    def test_no_embeddings(self) -> None:
        """Are an error."""
        for wrong in (None, [], {}, {"predictions": [{}]}, {"predictions": {}}, {"embedding": None}):
            self.assertRaises(ValueError, WIRE.embeddings, wrong)


class ProviderTests(unittest.TestCase):
    """What the gateway knows of it."""

    def test_nothing_passes_byte_for_byte(self) -> None:
        """Not even Anthropic's messages: their model and version are elsewhere."""
        vertex = provider("vertex")
        self.assertEqual(dict(attrs.evolve(vertex).paths), {})
        self.assertTrue(vertex.available)
