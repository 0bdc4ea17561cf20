"""The life of one call: whole answers, streams, the five timeouts, cancellation; each settled exactly once."""

import base64
import gzip
import itertools
import re
import zlib
from typing import Any
from urllib.parse import quote

import orjson
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import Overloaded
from aigw.http.failures import CallFailure
from aigw.llm.operations import RESPONSES
from aigw.upstream.credential import Credential, Passthrough
from tests.unit.proxy.fakes import Scene

ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }
)


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    delta = {"content": content} if content is not None else {}
    fields = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return b"data: " + orjson.dumps(fields) + b"\n\n"


USAGE_CHUNK = (
    b"data: "
    + orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": "gpt-4o-2024-08-06",
            "choices": [],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }
    )
    + b"\n\n"
)
DONE = b"data: [DONE]\n\n"


class Maker:
    """Makes a credential for each call, with a token in it."""

    partition = b"maker"

    def __init__(self, token: str) -> None:
        self.token = token

    def lines(self, *request: bytes) -> Any:
        raise NotImplementedError

    def secrets(self) -> tuple[bytes, ...]:
        return (self.token.encode(),)


class SettledMixin:
    """What every way to end has in common."""

    def assert_settled(self: Any, scene: Scene, outcome: str) -> None:
        self.assertEqual([outcome for _, outcome in scene.ledger.outcomes], [outcome])
        self.assertEqual(scene.ledger.closed, [scene.account])
        scene.pass_time(700)  # no timer of a finished exchange fires
        self.assertEqual(len(scene.ledger.closed), 1)
        self.assertEqual(scene.clock.getDelayedCalls(), [])


class WholeAnswerTests(SettledMixin, unittest.TestCase):
    """JSON answers."""

    def test_short_answer_goes_out_in_one_piece(self) -> None:
        """Byte for byte, with its usage noted."""
        scene = Scene()
        sink = scene.head(content_length=b"%d" % len(ANSWER))
        sink.on_data(ANSWER[:50])
        self.assertEqual(scene.request.status, 0)
        sink.on_data(ANSWER[50:])
        sink.on_end(True)
        self.assertEqual((scene.request.status, scene.request.body), (200, ANSWER))
        usage = scene.account.usage
        assert usage is not None
        self.assertEqual((usage.input, usage.output), (9, 12))
        self.assertEqual(scene.account.response_model, "gpt-4o-2024-08-06")
        self.assert_settled(scene, "ok")

    def test_answer_names_backend_and_request(self) -> None:
        """Contract section 4: every proxied response says where it came from."""
        scene = Scene()
        scene.account.sent_model = b"gpt-4o"
        sink = scene.head(x_request_id=b"req_openai", set_cookie=b"a=b", openai_organization=b"org-1")
        sink.on_data(ANSWER)
        sink.on_end(True)
        headers = scene.request.response_headers
        self.assertEqual(headers[b"x-aigw-backend"], b"openai")
        self.assertEqual(headers[b"x-aigw-model"], b"gpt-4o")
        self.assertEqual(headers[b"x-request-id"], b"req-1")
        self.assertEqual(headers[b"via"], b"1.1 aigw")
        self.assertIn(b"gw;dur=", headers[b"server-timing"])
        self.assertNotIn(b"set-cookie", headers)
        self.assertNotIn(b"openai-organization", headers)

    def test_upstream_error_is_passed_on(self) -> None:
        """Status, body, retry-after and rate-limit headers are the upstream's."""
        scene = Scene()
        body = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded","param":null}}'
        sink = scene.head(429, retry_after=b"7", x_ratelimit_remaining_requests=b"0")
        sink.on_data(body)
        sink.on_end(True)
        self.assertEqual((scene.request.status, scene.request.body), (429, body))
        self.assertEqual(scene.request.response_headers[b"retry-after"], b"7")
        self.assertEqual(scene.request.response_headers[b"x-ratelimit-remaining-requests"], b"0")
        self.assert_settled(scene, "status_4xx")

    def test_error_that_echoes_our_credential_does_not_hand_it_out(self) -> None:
        """Some upstreams print the Authorization header they were sent; wherever in the error, in whatever pieces."""
        told = b'{"error":{"message":"' + b"x" * 200_000 + b' bad key sk-upstream-secret"}}'
        for size in (7, 65_536, len(told)):
            scene = Scene()
            sink = scene.head(401, www_authenticate=b"Bearer error=sk-upstream-secret")
            for at in range(0, len(told), size):
                sink.on_data(told[at : at + size])
            sink.on_end(True)
            self.assertEqual(scene.request.body, told.replace(b"sk-upstream-secret", b"***"))
            self.assertEqual(scene.request.response_headers[b"www-authenticate"], b"Bearer error=***")

    def test_a_refused_key_that_is_ours_is_not_to_be_tried_again(self) -> None:
        """By the client, which cannot mend it; its own is its own affair, and what a provider says of it stays."""
        for credential, sent, told in (
            (None, {}, b"false"),
            (None, {"x_should_retry": b"true"}, b"true"),
            (Passthrough((b"authorization",)), {}, None),
        ):
            scene = Scene(credential=credential) if credential is not None else Scene()
            sink = scene.head(401, **sent)
            sink.on_data(b'{"error":{"message":"bad key"}}')
            sink.on_end(True)
            self.assertEqual(scene.request.response_headers.get(b"x-should-retry"), told)

    def test_each_form_of_each_secret(self) -> None:
        """Of the credential, and of what is sent beside it; in headers and in the body, on every backend."""
        secrets = ("sk-up+stream/secret=", "x-second+token/0123")
        for secret in secrets:
            encoded = base64.b64encode(f"user:{secret}".encode()).decode()
            for form in (secret, quote(secret, safe=""), secret.replace("/", "\\/"), encoded, quote(encoded)):
                for credential in (
                    Credential.of(secrets[0].encode(), b"x-key", b"Token "),
                    Passthrough(()),
                    Maker(secrets[0]),
                ):
                    if isinstance(credential, Passthrough) and secret == secrets[0]:
                        continue  # the client's own, which it may see
                    scene = Scene(credential=credential, secrets=secrets[1:])
                    sink = scene.head(403, x_echo=form.encode())
                    sink.on_data(b'{"error":{"message":"bad %s"}}' % form.encode())
                    sink.on_end(True)
                    told = scene.request.body + scene.request.response_headers[b"x-echo"]
                    self.assertNotIn(form.encode(), told)
                    self.assertEqual(told.count(b"***"), 2, told)

    def test_an_answer_that_turns_out_to_be_an_error(self) -> None:
        """Its headers are searched, too; whole, and as the first event of a stream."""
        for stream, told in ((False, b'{"error":{"message":"x"}}'), (True, b'data: {"error":{"message":"x"}}\n\n')):
            scene = Scene(stream=stream)
            sink = scene.head(
                200, b"text/event-stream" if stream else b"application/json", x_echo=b"sk-upstream-secret"
            )
            sink.on_data(told)
            if not scene.request.status:
                sink.on_end(True)
            self.assertGreaterEqual(scene.request.status, 400)
            self.assertEqual(scene.request.response_headers[b"x-echo"], b"***")

    def test_what_the_gateway_says_of_an_answer(self) -> None:
        """May quote the upstream, too."""
        scene = Scene(stream=True)
        scene.head(200, b"text/sk-upstream-secret")
        self.assertEqual(scene.request.status, 502)
        self.assertIn(b"with text/***", scene.request.body)

    def test_error_in_a_coding_is_searched_as_well(self) -> None:
        """Nobody asked for one, so the client gets it without."""
        told = b'{"error":{"message":"bad key sk-upstream-secret"}}'
        for coding, body in ((b"gzip", gzip.compress(told)), (b"deflate", zlib.compress(told))):
            scene = Scene()
            sink = scene.head(401, content_encoding=coding)
            sink.on_data(body)
            sink.on_end(True)
            self.assertEqual(scene.request.body, told.replace(b"sk-upstream-secret", b"***"))
            self.assertNotIn(b"content-encoding", scene.request.response_headers)

    def test_error_in_a_coding_that_cannot_be_read_is_not_shown(self) -> None:
        """Its status is. A small piece of gzip can be gigabytes of text."""
        bomb = gzip.compress(bytes(2_000_000))
        for coding, body in ((b"br", b"sk-upstream-secret"), (b"gzip", b"sk-upstream-secret"), (b"gzip", bomb)):
            scene = Scene()
            sink = scene.head(402, content_encoding=coding)
            sink.on_data(body)
            sink.on_end(True)
            self.assertEqual(scene.request.status, 402)
            self.assertEqual(orjson.loads(scene.request.body)["error"]["code"], "upstream_error")
            self.assertNotIn(b"sk-upstream-secret", scene.request.body)
            self.assertNotIn(b"content-encoding", scene.request.response_headers)
            self.assert_settled(scene, "status_4xx")

    def test_success_that_is_an_error_gets_an_error_status(self) -> None:
        """The SDKs would take a 200 with an error object for an empty answer."""
        scene = Scene()
        sink = scene.head(200)
        sink.on_data(b'{"error":{"message":"busy","type":"overloaded_error","code":null}}')
        sink.on_end(True)
        self.assertGreaterEqual(scene.request.status, 500)

    def test_success_that_is_no_answer(self) -> None:
        """In every dialect: an error of the client's own form, in the provider's words where it has some."""
        for operation in ("chat", "completions", "embeddings", "responses", "messages", "count_tokens"):
            scene = Scene(operation=operation)
            sink = scene.head(200, x_echo=b"sk-upstream-secret")
            sink.on_data(b'{"errors":[{"message":"bad key sk-upstream-secret","code":"429"}]}')
            sink.on_end(True)
            told = orjson.loads(scene.request.body)
            anthropic = operation in ("messages", "count_tokens")
            self.assertEqual(told.get("type"), "error" if anthropic else None, operation)
            self.assertEqual(scene.request.response_headers[b"x-echo"], b"***")
            self.assertNotIn(b"sk-upstream-secret", scene.request.body)
            self.assertEqual((scene.request.status, told["error"]["message"]), (429, "bad key ***"), operation)
            self.assert_settled(scene, "status_4xx")

    def test_cut_short_answer_is_a_plain_502(self) -> None:
        """Nothing was sent yet, so nothing half goes out."""
        scene = Scene()
        sink = scene.head(content_length=b"%d" % len(ANSWER))
        sink.on_data(ANSWER[:50])
        sink.on_failure(CallFailure("cut", "api.openai.com:443 closed the connection", began=True))
        self.assertEqual(scene.request.status, 502)
        self.assertIn("openai", orjson.loads(scene.request.body)["message"])
        self.assert_settled(scene, "cut")

    def test_long_answer_is_passed_on_and_its_usage_still_found(self) -> None:
        """Embeddings of megabytes are not kept in memory."""
        scene = Scene(operation="embeddings")
        sink = scene.head()
        vectors = b'{"object":"list","data":[' + b"1.25," * 40000 + b"1]"
        body = vectors + b',"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}'
        for at in range(0, len(body), 16384):
            sink.on_data(body[at : at + 16384])
        self.assertGreater(scene.request.writes, 3)
        sink.on_end(True)
        self.assertEqual((scene.request.body, scene.request.ended), (body, "finished"))
        assert scene.account.usage is not None
        self.assertEqual(scene.account.usage.input, 8)

    def test_long_answer_that_breaks_has_no_end(self) -> None:
        """The client sees by the framing that something is missing."""
        scene = Scene()
        sink = scene.head(content_length=b"200000")
        sink.on_data(b"x" * 70000)
        sink.on_failure(CallFailure("cut", "closed", began=True))
        self.assertEqual(scene.request.ended, "aborted")
        self.assert_settled(scene, "cut")

    def test_json_for_a_stream_is_refused(self) -> None:
        """The SDK would silently show an empty stream."""
        scene = Scene(stream=True)
        scene.head(200, b"application/json")
        self.assertEqual(scene.request.status, 502)
        self.assertTrue(scene.call.cancelled)

    def test_unreachable_backend_is_named(self) -> None:
        """502, with the backend's name and the reason; not with its host."""
        scene = Scene()
        scene.upstream.sink.on_failure(CallFailure("connect", "127.0.0.1:9 refused", began=False))
        self.assertEqual(scene.request.status, 502)
        error = orjson.loads(scene.request.body)["error"]
        self.assertEqual(error["message"], "backend openai could not be reached: refused")
        self.assertEqual(error["code"], "upstream_connect")
        self.assert_settled(scene, "connect")


class StreamTests(SettledMixin, unittest.TestCase):
    """Server-sent events."""

    def test_stream_passes_byte_for_byte(self) -> None:
        """Each event as it comes, one write each, and a proper end. A greeting waits for the first word."""
        scene = Scene(stream=True)
        sink = scene.events()
        stream = [chunk(""), chunk("he"), chunk("llo"), chunk(None, "stop"), DONE]
        sink.on_data(stream[0])
        self.assertEqual((scene.request.status, scene.request.writes), (0, 0))
        for number, event in enumerate(stream[1:], 1):
            sink.on_data(event)
            self.assertEqual(scene.request.writes, number)
        sink.on_end(True)
        self.assertEqual((scene.request.status, scene.request.body), (200, b"".join(stream)))
        self.assertEqual(scene.request.ended, "finished")
        self.assert_settled(scene, "ok")

    @given(st.lists(st.integers(0, 2000), max_size=12))
    def test_any_split_gives_the_same_stream(self, cuts: list[int]) -> None:
        """TCP may cut events anywhere."""
        stream = b"".join([chunk(""), chunk("hé"), chunk("llo"), chunk(None, "stop"), USAGE_CHUNK, DONE])
        scene = Scene(stream=True, hide_usage=True)
        sink = scene.events()
        points = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
        for start, end in itertools.pairwise(points):
            sink.on_data(stream[start:end])
        sink.on_end(True)
        self.assertEqual(scene.request.body, stream.replace(USAGE_CHUNK, b""))
        self.assertEqual(scene.request.ended, "finished")
        assert scene.account.usage is not None
        self.assertEqual(scene.account.usage.output, 3)

    def test_usage_the_client_asked_for_is_not_hidden(self) -> None:
        """Only what the gateway asked for is taken out."""
        scene = Scene(stream=True, hide_usage=False)
        sink = scene.events()
        for event in (chunk("a"), chunk(None, "stop"), USAGE_CHUNK, DONE):
            sink.on_data(event)
        sink.on_end(True)
        self.assertIn(USAGE_CHUNK, scene.request.body)

    def test_error_as_first_event_is_an_http_error(self) -> None:
        """Nothing was sent, so the status can still tell the truth."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(b": ping\n\n")
        sink.on_data(b'data: {"error":{"message":"no","type":"rate_limit_error","code":"rate_limit_exceeded"}}\n\n')
        self.assertEqual(scene.request.status, 429)
        self.assertEqual(scene.request.response_headers[b"content-type"], b"application/json")
        self.assertTrue(scene.call.cancelled)
        self.assert_settled(scene, "status_4xx")

    def test_error_in_the_middle_does_not_quote_our_credential(self) -> None:
        """It is passed on as it came, but for that."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        sink.on_data(b'data: {"error":{"message":"wrong key sk-upstream-secret","type":"server_error"}}\n\n')
        self.assertIn(b'{"error":{"message":"wrong key ***","type":"server_error"}}', scene.request.body)

    def test_nor_in_a_stream_that_nobody_reads(self) -> None:
        """An error in one of a raw call."""
        scene = Scene(stream=True, operation="raw")
        sink = scene.events()
        sink.on_data(b'data: {"delta":"he"}\n\n')
        sink.on_data(b'event: error\ndata: {"error":{"message":"wrong key sk-upstream-secret"}}\n\n')
        self.assertIn(b"wrong key ***", scene.request.body)

    def test_cut_stream_says_so_and_has_no_end(self) -> None:
        """One error event in the client's dialect, no [DONE]; then the body ends properly, or clients that read the
        event would show a transport error instead of it (contract section 4)."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        sink.on_failure(CallFailure("cut", "connection lost", began=True))
        body = scene.request.body
        self.assertTrue(body.startswith(chunk("he")))
        self.assertIn(b'"error"', body)
        self.assertNotIn(b"[DONE]", body)
        self.assertEqual(scene.request.ended, "finished")
        assert scene.account.usage is not None
        self.assertTrue(scene.account.usage.partial)
        self.assert_settled(scene, "cut")

    def test_clean_end_without_terminator_is_a_cut(self) -> None:
        """No [DONE] and no finish_reason: the answer is not whole, whatever HTTP says."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        sink.on_end(True)
        self.assertEqual((scene.request.ended, scene.account.error), ("finished", "upstream_failed"))
        self.assertIn(b'"error"', scene.request.body)
        self.assert_settled(scene, "cut")

    def test_clean_end_after_finish_reason_is_whole(self) -> None:
        """Some compatible servers never send [DONE]."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        sink.on_data(chunk(None, "stop"))
        sink.on_end(True)
        self.assertEqual(scene.request.ended, "finished")
        self.assert_settled(scene, "ok")

    def test_done_without_its_blank_line_is_whole(self) -> None:
        """And goes down with one, or clients would drop it."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he") + b"data: [DONE]")
        sink.on_end(True)
        self.assertTrue(scene.request.body.endswith(b"data: [DONE]\n\n"))
        self.assertEqual(scene.request.ended, "finished")

    def test_break_behind_done_loses_nothing(self) -> None:
        """The stream was whole before the connection broke."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he") + DONE)
        sink.on_failure(CallFailure("cut", "reset", began=True))
        self.assertEqual(scene.request.ended, "finished")
        self.assertNotIn(b'"error"', scene.request.body)
        self.assert_settled(scene, "ok")

    def test_upstream_that_lingers_behind_done_is_not_waited_for(self) -> None:
        """The client's answer ends within seconds; the upstream's connection is given up."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he") + DONE)
        scene.pass_time(1.5)
        self.assertEqual(scene.request.ended, "finished")
        self.assertTrue(scene.call.cancelled)
        self.assertEqual(scene.ledger.timeouts, [])
        self.assert_settled(scene, "ok")

    def test_error_event_midstream_is_passed_on_without_an_end(self) -> None:
        """vLLM sends an error and then [DONE]: the stream is not whole. Its body is."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        error = b'data: {"error":{"message":"gpu fell off","type":"server_error","code":500}}\n\n'
        sink.on_data(error)
        sink.on_end(True)
        self.assertIn(error, scene.request.body)
        self.assertEqual(scene.request.body.count(b'"error"'), 1)
        self.assertEqual((scene.request.ended, scene.account.error), ("finished", "upstream_error"))

    def test_nothing_behind_an_error_makes_a_stream_look_whole(self) -> None:
        """No ``[DONE]``, no ``finish_reason``, however the upstream goes on; nor is a second error told."""
        error = b'data: {"error":{"message":"gpu fell off","type":"server_error","code":500}}\n\n'
        for behind in ([DONE], [chunk("llo"), chunk(None, "stop") + DONE], [chunk("he"), chunk("he")]):
            for end in ("end", "cut", "linger"):
                scene = Scene(stream=True)
                sink = scene.events()
                for event in (chunk("he"), chunk("he"), error, *behind):
                    sink.on_data(event)
                if end == "end":
                    sink.on_end(True)
                elif end == "cut":
                    sink.on_failure(CallFailure("cut", "connection lost", began=True))
                else:
                    scene.pass_time(1.5)  # nobody waits for what would not be passed on
                self.assertEqual((scene.request.body, scene.request.ended), (chunk("he") * 2 + error, "finished"))
                self.assertEqual(scene.account.error, "upstream_error")
                self.assert_settled(scene, "cut")

    def test_an_error_of_responses_is_followed_by_their_failure(self) -> None:
        """Codex reads ``response.failed`` only; what a provider says itself is not said again."""
        begun = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"m"}}\n\n'
        begun += b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"he"}\n\n'
        error = b'event: error\ndata: {"type":"error","message":"gpu fell off","code":"server_error"}\n\n'
        own = b'event: response.failed\ndata: {"type":"response.failed","response":{"status":"failed"}}\n\n'
        for behind in ("end", "cut", "linger", "own"):
            scene = Scene(stream=True, operation=RESPONSES)
            sink = scene.events()
            sink.on_data(begun)
            sink.on_data(error)
            if behind == "own":
                sink.on_data(own)
            if behind == "cut":
                sink.on_failure(CallFailure("cut", "connection lost", began=True))
            elif behind == "linger":
                scene.pass_time(1.5)
            else:
                sink.on_end(True)
            body = scene.request.body
            self.assertTrue(body.startswith(begun + error), behind)
            self.assertEqual(body.count(b"event: response.failed"), 1, behind)
            last = orjson.loads(body.rpartition(b"data: ")[2])
            self.assertEqual(last["response"]["status"], "failed")
            if behind != "own":
                self.assertEqual((last["response"]["id"], last["sequence_number"]), ("resp_1", 3), behind)
                self.assertEqual(last["response"]["error"]["message"], "gpu fell off")
            self.assertEqual((scene.request.ended, scene.account.error), ("finished", "upstream_error"), behind)

    def test_malformed_event_ends_the_stream_honestly(self) -> None:
        """The SDK would stumble over it; what came before it is passed on."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he") + b'data: {"choices": [{"delta"\n\n' + chunk("llo"))
        self.assertTrue(scene.request.body.startswith(chunk("he")))
        self.assertIn(b"not JSON", scene.request.body)
        self.assertNotIn(b'"delta"\n', scene.request.body)
        self.assertEqual(scene.request.ended, "finished")
        self.assert_settled(scene, "cut")

    def test_raw_stream_that_breaks_is_cut(self) -> None:
        """Nobody knows how its client is told of an error; without the final chunk it sees that there is one."""
        for break_off in (
            lambda scene, sink: sink.on_failure(CallFailure("cut", "connection lost", began=True)),
            lambda scene, sink: scene.exchange.cut(Overloaded("going down", code="draining")),
            lambda scene, sink: scene.pass_time(21),
        ):
            scene = Scene(stream=True, operation="raw")
            sink = scene.events()
            sink.on_data(b'data: {"delta":"he"}\n\n')
            break_off(scene, sink)
            self.assertEqual((scene.request.body, scene.request.ended), (b'data: {"delta":"he"}\n\n', "aborted"))

    def test_raw_stream_with_an_error_ends_as_it_does_upstream(self) -> None:
        """Properly, or not; and is no success."""
        error = b'event: error\ndata: {"error":{"message":"gpu fell off"}}\n\n'
        for delimited, ended in ((True, "finished"), (False, "aborted")):
            scene = Scene(stream=True, operation="raw")
            sink = scene.events()
            sink.on_data(b'data: {"delta":"he"}\n\n')
            sink.on_data(error)
            sink.on_end(delimited)
            self.assertEqual((scene.request.body[-len(error) :], scene.request.ended), (error, ended))
            self.assert_settled(scene, "cut")

    def test_a_drain_is_told_in_a_stream(self) -> None:
        """In every dialect, as its last event."""
        for operation in ("chat", "completions", "messages", "responses"):
            scene = Scene(stream=True, operation=operation)
            sink = scene.events()
            kind = {"messages": "content_block_delta", "responses": "response.output_text.delta"}.get(operation)
            first = chunk("he") if kind is None else b"data: " + orjson.dumps({"type": kind, "delta": {}}) + b"\n\n"
            sink.on_data(first)
            scene.exchange.cut(Overloaded("going down", code="draining"))
            self.assertIn(b"going down", scene.request.body, operation)
            self.assertEqual((scene.request.ended, scene.account.error), ("finished", "draining"), operation)
            self.assert_settled(scene, "cancelled")

    def test_a_response_that_the_provider_says_has_failed(self) -> None:
        """Passes as it came, without our credential, and is no success in the books."""
        scene = Scene(stream=True, operation="responses")
        sink = scene.events()
        sink.on_data(b'data: {"type":"response.output_text.delta","delta":"he"}\n\n')
        failed = {"error": {"code": "server_error", "message": "bad key sk-upstream-secret"}, "status": "failed"}
        sink.on_data(b"data: " + orjson.dumps({"type": "response.failed", "response": failed}) + b"\n\n")
        sink.on_end(True)
        self.assertIn(b"bad key ***", scene.request.body)
        self.assertEqual((scene.request.ended, scene.account.error), ("finished", "upstream_error"))
        self.assertEqual(scene.request.body.count(b"response.failed"), 1)
        self.assert_settled(scene, "cut")

    def test_responses_fail_with_two_events(self) -> None:
        """``response.failed`` for Codex, ``error`` for OpenAI's SDK, both numbered, both of the response that began."""
        scene = Scene(stream=True, operation="responses")
        sink = scene.events()
        created = {"type": "response.created", "response": {"id": "resp_1", "created_at": 7, "model": "gpt-5"}}
        delta = {"type": "response.output_text.delta", "delta": "he"}
        for fields in (created, delta):
            sink.on_data(b"data: " + orjson.dumps(fields) + b"\n\n")
        sink.on_failure(CallFailure("cut", "connection lost", began=True))
        *_, failed, error = [orjson.loads(each) for each in re.findall(rb"data: (.*)", scene.request.body)]
        self.assertEqual([each["type"] for each in (failed, error)], ["response.failed", "error"])
        self.assertEqual([each["sequence_number"] for each in (failed, error)], [2, 3])
        response = failed["response"]
        self.assertEqual((response["id"], response["created_at"], response["status"]), ("resp_1", 7, "failed"))
        self.assertIn("broke off", response["error"]["message"])
        self.assertEqual((error["code"], error["error"]["code"]), ("upstream_cut", "upstream_cut"))
        self.assertEqual(scene.request.ended, "finished")


class FaultTests(SettledMixin, unittest.TestCase):
    """Faults of the gateway's own cost one request, which ends at once, and leave nothing behind."""

    def faulty(self, scene: Scene, *names: str) -> None:
        """Methods of the attempt's relay raise from now on."""

        def raising(*_arguments: Any) -> None:
            raise ZeroDivisionError

        relay: Any = scene.exchange.attempt.relay  # type: ignore[union-attr]
        faulty = type("Faulty", (), dict.fromkeys(("data", "end", "broken", "seen"), raising))()
        for name in {"data", "end", "broken", "seen"} - set(names):
            setattr(faulty, name, getattr(relay, name))
        scene.exchange.attempt.relay = faulty  # type: ignore[union-attr]

    def assert_told(self, scene: Scene, faults: int = 1) -> None:
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), faults)
        self.assertEqual(scene.account.error, "internal_error")
        self.assert_settled(scene, "cancelled")

    def test_in_an_answer(self) -> None:
        for name in ("data", "end"):
            scene = Scene()
            sink = scene.head()
            self.faulty(scene, name)
            sink.on_data(ANSWER)
            if name == "end":
                sink.on_end(True)
            self.assertEqual(scene.request.status, 500, name)
            self.assertIn(b"internal_error", scene.request.body)
            self.assert_told(scene)

    def test_in_a_stream(self) -> None:
        """It is an error event, and no end."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        self.faulty(scene, "data")
        sink.on_data(chunk("llo"))
        self.assertIn(b'"internal_error"', scene.request.body)
        self.assertNotIn(b"[DONE]", scene.request.body)
        self.assertEqual(scene.request.ended, "finished")
        self.assertTrue(scene.call.cancelled)
        self.assert_told(scene)

    def test_in_telling_of_it(self) -> None:
        """Then the connection's end has to."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        self.faulty(scene, "data", "broken", "seen")
        sink.on_data(chunk("llo"))
        self.assertEqual(scene.request.ended, "aborted")
        self.assertTrue(scene.call.cancelled)
        self.assert_told(scene, 2)

    def test_in_a_failure_and_in_a_timeout(self) -> None:
        for failing in (lambda scene, sink: sink.on_failure(CallFailure("cut", "gone", began=True)),
                        lambda scene, sink: scene.pass_time(700)):  # fmt: skip
            scene = Scene(stream=True)
            sink = scene.events()
            sink.on_data(chunk("he"))
            self.faulty(scene, "broken")
            failing(scene, sink)
            self.assertEqual(scene.request.ended, "aborted")
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
            scene.pass_time(700)
            self.assertEqual(scene.ledger.closed, [scene.account])
            self.assertEqual(scene.clock.getDelayedCalls(), [])

    def test_in_a_wait(self) -> None:
        """A place in a queue is given up, whether the client can be told or not."""
        for can_be_told in (True, False):
            scene = Scene()
            exchange: Any = scene.exchange
            left: list[bool] = []
            exchange._place = type("Place", (), {"leave": lambda _self, left=left: left.append(True)})()
            exchange._wake = lambda: 1 / 0
            if not can_be_told:
                exchange.attempt.cut = lambda error: 1 / 0
            exchange._expired()
            self.assertEqual((left, scene.request.status), ([True], 500 if can_be_told else 0))
            self.assert_told(scene, 1 if can_be_told else 2)

    def test_in_the_books(self) -> None:
        """They are closed all the same."""
        scene = Scene()
        sink = scene.head()
        close = scene.exchange.attempt.close  # type: ignore[union-attr]
        calls: list[str] = []

        def closing(outcome: str = "") -> None:
            close(outcome)
            calls.append(outcome)
            if len(calls) == 1:
                raise ZeroDivisionError

        scene.exchange.attempt.close = closing  # type: ignore[union-attr, method-assign]
        sink.on_data(ANSWER)
        sink.on_end(True)
        self.assertEqual(scene.request.status, 200)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(scene.ledger.closed, [scene.account])


class TimeoutTests(SettledMixin, unittest.TestCase):
    """Five timeouts, told apart."""

    def assert_timeout(self, scene: Scene, which: str) -> None:
        self.assertEqual(scene.request.status, 504)
        error = orjson.loads(scene.request.body)["error"]
        self.assertEqual(error["code"], f"{which}_timeout")
        self.assertIn(which, error["message"])
        self.assertTrue(scene.call.cancelled)
        self.assertEqual(scene.ledger.timeouts, [("openai", which)])
        self.assert_settled(scene, "timeout")

    def test_connect(self) -> None:
        scene = Scene()
        scene.pass_time(4.9)
        self.assertEqual(scene.request.status, 0)
        scene.pass_time(0.3)
        self.assert_timeout(scene, "connect")

    def assert_busy(self, scene: Scene) -> None:
        """It is not the upstream that is slow: the client is told what there is too little of."""
        error = orjson.loads(scene.request.body)["error"]
        self.assertEqual((scene.request.status, error["code"]), (503, "backend_busy"))
        self.assertIn("backends.openai.pool.max_connections", error["message"])
        self.assertIn(b"retry-after", scene.request.response_headers)
        self.assertEqual(scene.ledger.timeouts, [])
        self.assert_settled(scene, "connect")

    def test_waiting_for_a_connection_is_not_connecting(self) -> None:
        scene = Scene()
        scene.call.queued = True
        scene.pass_time(5.2)
        self.assert_busy(scene)
        self.assertTrue(scene.call.cancelled)

    def test_too_many_wait_for_a_connection(self) -> None:
        scene = Scene()
        scene.upstream.sink.on_failure(CallFailure("queue_full", "h:443: too many calls wait", began=False))
        self.assert_busy(scene)

    def test_first_byte(self) -> None:
        scene = Scene()
        scene.sent()
        scene.pass_time(59)
        self.assertEqual(scene.request.status, 0)
        scene.pass_time(2)
        self.assert_timeout(scene, "first_byte")

    def test_first_token(self) -> None:
        """Comments are not tokens."""
        scene = Scene(stream=True)
        sink = scene.events()
        for _ in range(3):
            scene.pass_time(8)
            sink.on_data(b": still working\n\n")
        scene.pass_time(31)
        self.assert_timeout(scene, "first_token")

    def test_idle_in_an_answer(self) -> None:
        scene = Scene()
        sink = scene.head()
        sink.on_data(b"{")
        scene.pass_time(21)
        self.assert_timeout(scene, "idle")

    def test_idle_in_a_stream(self) -> None:
        """An error event, since the answer has begun; chunks put it off."""
        scene = Scene(stream=True)
        sink = scene.events()
        for _ in range(5):
            sink.on_data(chunk("he"))
            scene.pass_time(15)
        self.assertEqual(scene.request.ended, "")
        scene.pass_time(6)
        self.assertEqual(scene.request.ended, "finished")
        self.assertIn(b"idle_timeout", scene.request.body)
        self.assert_settled(scene, "timeout")

    def test_total(self) -> None:
        """However lively the stream."""
        scene = Scene(stream=True)
        sink = scene.events()
        for _ in range(70):
            if scene.exchange.over:
                break
            sink.on_data(chunk("he"))
            scene.pass_time(10)
        self.assertIn(b"total_timeout", scene.request.body)
        self.assertEqual(scene.request.ended, "finished")
        self.assertEqual(scene.ledger.timeouts, [("openai", "total")])

    def test_slow_reader_is_not_the_upstreams_silence(self) -> None:
        """While the client does not read, the upstream is paused and its idle time stands still."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(chunk("he"))
        scene.request.producer.pauseProducing()
        self.assertTrue(scene.call.paused)
        scene.pass_time(50)
        self.assertEqual(scene.request.ended, "")
        scene.request.producer.resumeProducing()
        self.assertFalse(scene.call.paused)
        scene.pass_time(21)
        self.assertEqual((scene.request.ended, scene.account.error), ("finished", "idle_timeout"))


class ClientGoneTests(SettledMixin, unittest.TestCase):
    """A client that leaves takes its upstream call along, in every phase."""

    def assert_cancelled(self, scene: Scene) -> None:
        scene.request.leave()
        self.assertTrue(scene.call.cancelled)
        self.assertEqual(scene.account.error, "client_gone")
        self.assert_settled(scene, "cancelled")

    def test_while_connecting(self) -> None:
        self.assert_cancelled(Scene())

    def test_before_headers(self) -> None:
        scene = Scene()
        scene.sent()
        self.assert_cancelled(scene)

    def test_before_the_first_token(self) -> None:
        scene = Scene(stream=True)
        scene.events()
        self.assert_cancelled(scene)

    def test_in_a_stream_with_its_usage_so_far(self) -> None:
        """What was generated was paid for: it is booked, marked partial."""
        scene = Scene(stream=True)
        sink = scene.events()
        for _ in range(10):
            sink.on_data(chunk("words and words "))
        self.assert_cancelled(scene)
        assert scene.account.usage is not None
        self.assertTrue(scene.account.usage.partial)
        self.assertGreater(scene.account.usage.output, 0)

    def test_in_a_whole_answer(self) -> None:
        scene = Scene()
        scene.head().on_data(b"{")
        self.assert_cancelled(scene)
