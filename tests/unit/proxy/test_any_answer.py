"""Whatever an upstream answers, in whatever pieces: the client is answered once, and the account is closed once."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.failures import CallFailure
from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RAW, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import PROVIDERS
from aigw.llm.translation import Translating
from tests.unit.llm.recordings import EVENT_STREAM, LINES, SSE, pieces, played, recordings, translating
from tests.unit.proxy.fakes import Scene

ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}]},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100},
}
KINDS = st.sampled_from([b"application/json", SSE, SSE + b"; charset=utf-8", EVENT_STREAM, LINES, b"text/html", b""])
STATUSES = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 404, 429, 500, 503, 529])
NOISE = st.binary(max_size=4) | st.sampled_from([b"\n\n", b"data: {}\n\n", b"data: [DONE]\n\n", b"\xff", b"\0" * 16])
CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)


def translation(provider: str, operation: str, stream: bool) -> Translating:
    pair = pairing(operation, PROVIDERS[provider], Adjustments(defaults={}, overrides={}), drop_unsupported=True)
    assert pair is not None
    fields = {"model": "m", "stream": stream, **ASKED[operation]}
    return pair.translate(orjson.loads(orjson.dumps(fields)), "a1", 0.0)


class AnyAnswerTests(unittest.TestCase):
    """See the module's head."""

    def play(self, data: st.DataObject, scene: Scene, provider: str) -> None:
        """Some answer of anybody's, with some noise in it, that ends or breaks off."""
        one = data.draw(st.sampled_from(recordings() + played(provider, stream=True) + played(provider, stream=False)))
        kind = data.draw(st.just(one.content_type) | KINDS)
        sink = scene.head(data.draw(STATUSES), kind)
        for piece in pieces(one.body, data.draw(CUTS)):
            if not scene.ledger.closed:
                sink.on_data(data.draw(st.just(piece) | NOISE))
        if scene.ledger.closed:
            return
        if data.draw(st.booleans()):
            sink.on_end(data.draw(st.booleans()))
        else:
            sink.on_failure(CallFailure("cut", "connection lost", began=True))

    def assert_answered(self, scene: Scene, operation: str, *, streamed: bool) -> None:
        """Once, in a form that the client can read; and nothing that is not whole looks so."""
        request = scene.request
        self.assertEqual((len(scene.ledger.closed), len(scene.ledger.outcomes)), (1, 1))
        self.assertIn(request.ended, ("finished", "aborted"))
        self.assertTrue(200 <= request.status <= 599)
        if request.ended == "aborted":
            self.assertTrue(request.length is None or request.length > len(request.body))
        failed = request.ended == "aborted" or scene.account.error
        # A raw one's bytes are nobody's business, and an answer of an error's status is no stream.
        if failed and streamed and request.status < 400 and operation not in (RESPONSES, RAW):
            self.assertNotIn(b"data: [DONE]\n\n", request.body[-20:])
        if request.status >= 400 and request.status != 404:
            self.assertEqual(request.ended, "finished")

    @given(st.data(), st.sampled_from(translating()), st.sampled_from(sorted(ASKED)), st.booleans())
    @settings(suppress_health_check=list(HealthCheck), deadline=None)
    def test_translated(self, data: st.DataObject, provider: Any, operation: str, stream: bool) -> None:
        """Of every provider, to every front."""
        translated = translation(provider.name, operation, stream)
        scene = Scene(stream=stream, translation=translated, operation=operation, provider=provider.name)
        self.play(data, scene, provider.name)
        self.assert_answered(scene, operation, streamed=stream)
        if scene.request.ended == "finished" and not (stream and scene.request.status < 300):
            self.assertIsInstance(orjson.loads(scene.request.body), dict)

    @given(st.data(), st.sampled_from([*sorted(ASKED), "raw", "completions", "embeddings"]), st.booleans())
    @settings(suppress_health_check=list(HealthCheck), deadline=None)
    def test_passed_on(self, data: st.DataObject, operation: str, stream: bool) -> None:
        """Where client and provider speak one dialect."""
        scene = Scene(stream=stream, operation=operation, hide_usage=data.draw(st.booleans()))
        self.play(data, scene, "openai")
        self.assert_answered(scene, operation, streamed=stream)
