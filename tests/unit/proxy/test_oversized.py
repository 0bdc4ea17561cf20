"""An event of any size passes a stream that is not translated, byte for byte and in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.failures import CallFailure
from aigw.http.sse import EventFramer
from aigw.llm.skimming import Skimmer
from aigw.proxy import event_body
from aigw.proxy.oversized import OversizedEvent
from tests.unit.proxy.fakes import Scene

MIB = 1 << 20
PICTURE = "A" * (2 * MIB)
#: A bound that a test can reach.
SMALL = 2048


def sse(fields: Any, kind: str = "") -> bytes:
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + orjson.dumps(fields) + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    return sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


DONE = b"data: [DONE]\n\n"
USAGE = {"input_tokens": 3, "output_tokens": 7, "total_tokens": 10}


def picture(size: int = 2 * MIB) -> dict[str, Any]:
    return {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}]}


def streams(size: int) -> dict[str, tuple[str, list[bytes]]]:
    """By name: an operation, and a stream of it with an event of more than ``size`` bytes in it."""
    big = "A" * size
    response = {"id": "r", "model": "gpt-5", "status": "in_progress"}
    completed = {**response, "status": "completed", "usage": USAGE}
    output = [{"type": "image_generation_call", "id": "i", "result": big}]
    partial = {"type": "response.image_generation_call.partial_image", "partial_image_b64": big}
    page = {"type": "web_fetch_tool_result", "content": {"source": {"type": "base64", "data": big}}}
    messages = [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": page},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    created = sse({"type": "response.created", "response": response}, "response.created")
    ended = sse({"type": "response.completed", "response": completed}, "response.completed")
    whole = sse({"type": "response.completed", "response": {**completed, "output": output}}, "response.completed")
    usage = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7}})
    return {
        "a chunk with a picture": (
            "chat",
            [chunk({"role": "assistant"}), chunk(picture(size)), chunk({}, "stop"), usage, DONE],
        ),
        "the same behind text": ("chat", [chunk({"content": "Here:"}), chunk(picture(size), "stop"), usage, DONE]),
        "text": (
            "completions",
            [sse({"model": "m", "choices": [{"text": big, "finish_reason": "stop"}]}), usage, DONE],
        ),
        "a partial picture": ("responses", [created, sse(partial, partial["type"]), ended]),
        "a picture in the last event": ("responses", [created, whole]),
        "a page in a message": ("messages", [sse(each, str(each["type"])) for each in messages]),
    }


def played(operation: str, pieces: Sequence[bytes], *, hide: bool = False, end: bool = True) -> Scene:
    """A stream that comes in ``pieces``."""
    scene = Scene(stream=True, operation=operation, hide_usage=hide)
    sink = scene.events()
    for piece in pieces:
        if not scene.exchange.over:
            sink.on_data(piece)
    if end and not scene.exchange.over:
        sink.on_end(True)
    return scene


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def outcome(scene: Scene) -> tuple[Any, ...]:
    """What became of a stream."""
    request, account = scene.request, scene.account
    return (request.status, request.body, request.ended, account.error, account.response_model, account.usage)


class PassedTests(unittest.TestCase):
    """Pictures and pages of megabytes."""

    def test_every_operation(self) -> None:
        """All of it goes down, and model, usage and end are known."""
        for name, (operation, events) in streams(2 * MIB).items():
            stream = b"".join(events)
            scene = played(operation, cut(stream, 65_536))
            self.assertEqual(scene.request.body == stream, True, name)
            self.assertEqual(
                (scene.request.status, scene.request.ended, scene.account.error), (200, "finished", ""), name
            )
            usage = scene.account.usage
            assert usage is not None, name
            self.assertEqual((usage.input, usage.output, usage.partial), (3, 7, False), name)
            self.assertIn(scene.account.response_model, ("m", "gpt-5", "c"), name)

    def test_a_raw_stream(self) -> None:
        """Of pictures, for instance, of which nothing is read."""
        stream = sse({"type": "image_generation.completed", "b64_json": PICTURE}) + b"data: x\n\n"
        scene = played("raw", cut(stream, 65_536))
        self.assertEqual((scene.request.body == stream, scene.request.ended), (True, "finished"))

    def test_passes_as_it_comes(self) -> None:
        """And nothing of it is kept: a slow reader slows the upstream down in the middle of an event."""
        scene = Scene(stream=True)
        sink = scene.events()
        sink.on_data(b'data: {"choices":[{"index":0,"delta":{"images":"' + b"A" * (MIB + 1))
        for number in range(1, 40):
            before = len(scene.request.body)
            sink.on_data(b"A" * 65_536)
            self.assertEqual(len(scene.request.body) - before, 65_536, number)
        relay = scene.exchange.attempt.relay  # type: ignore[union-attr]
        assert isinstance(relay, OversizedEvent)
        self.assertEqual(relay._stream._framer.rest, b"")
        self.assertLess(len(relay._skimmer.event()), 2000)
        scene.request.producer.pauseProducing()
        self.assertTrue(scene.call.paused)

    def test_events_behind_it_are_read_again(self) -> None:
        """Usage is hidden, an error is found, bytes that are no UTF-8 are repaired: as if there had been none."""
        usage = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7}})
        events = [chunk(picture()), chunk({"content": "a"}), usage, chunk({}, "stop"), DONE]
        scene = played("chat", [b"".join(events)], hide=True)
        self.assertEqual(scene.request.body == b"".join(events).replace(usage, b""), True)
        error = b'data: {"error":{"message":"wrong key sk-upstream-secret"}}\n\n'
        scene = played("chat", [chunk({"content": "a"}), chunk(picture()) + error + DONE])
        self.assertTrue(scene.request.body.endswith(error.replace(b"sk-upstream-secret", b"***")))
        self.assertEqual((scene.request.ended, scene.account.error), ("finished", "upstream_error"))

    def test_broken_bytes_in_it(self) -> None:
        """Cost OpenAI's SDK the rest of a stream, in an event of any size; a byte order mark costs the first event."""
        event = chunk(picture()).replace(b'AAAA"', b'AAA\xff\xc3"')
        stream = b"\xef\xbb\xbf" + event + chunk({}, "stop") + DONE
        wanted = event.replace(b"\xff\xc3", b"\xef\xbf\xbd" * 2) + chunk({}, "stop") + DONE
        for size in (len(stream), 65_536, 65_521):
            self.assertEqual(played("chat", cut(stream, size)).request.body == wanted, True, size)

    def test_many_small_values(self) -> None:
        """Are not read beyond a bound, and pass all the same; the end of a response is known by its event's name."""
        output = [{"a": number} for number in range(150_000)]
        created = sse({"type": "response.created", "response": {"id": "r", "model": "gpt-5"}})
        ended = sse({"type": "response.completed", "response": {"output": output}}, "response.completed")
        scene = played("responses", cut(created + ended, 65_536))
        self.assertEqual((scene.request.body == created + ended, scene.request.ended), (True, "finished"))
        self.assertEqual(scene.account.error, "")


class BrokenTests(unittest.TestCase):
    """What happens within an event that is too large to be kept."""

    def begun(self, operation: str = "chat") -> tuple[Scene, Any]:
        scene = Scene(stream=True, operation=operation)
        sink = scene.events()
        sink.on_data(chunk({"content": "a"}))
        sink.on_data(chunk(picture())[:-100_000])
        return scene, sink

    def test_it_breaks_off(self) -> None:
        """No event can say so without being read as part of it: the connection is closed without the final chunk."""
        ends: dict[str, Callable[[Scene, Any], Any]] = {
            "upstream_cut": lambda scene, sink: sink.on_failure(CallFailure("cut", "gone", began=True)),
            "upstream_failed": lambda scene, sink: sink.on_end(True),
            "idle_timeout": lambda scene, sink: scene.pass_time(21),
        }
        for error, end in ends.items():
            for operation in ("chat", "raw"):
                if operation == "raw" and error == "upstream_failed":
                    continue  # nobody knows what is missing
                scene, sink = self.begun(operation)
                sent = scene.request.body
                end(scene, sink)
                self.assertEqual(scene.request.body == sent, True, error)
                self.assertEqual((scene.request.ended, scene.account.error), ("aborted", error), operation)
                self.assertEqual(len(scene.ledger.closed), 1)

    def test_only_its_blank_line_is_missing(self) -> None:
        """Real upstreams leave it off at the end."""
        last = sse({"type": "response.completed", "response": {"output": [{"result": PICTURE}]}}, "response.completed")
        begin = sse({"type": "response.output_text.delta", "delta": "a"})
        for end in (b"", b"\n"):
            scene = played("responses", cut(begin + last.rstrip(b"\n") + end, 65_536))
            self.assertEqual((scene.request.body == begin + last, scene.request.ended), (True, "finished"))
            self.assertEqual(scene.account.error, "")

    def test_an_error(self) -> None:
        """Is not shown, since it cannot be searched for our credential: 502 at the beginning, an error event later."""
        error = sse({"error": {"message": "wrong key sk-upstream-secret " + PICTURE}})
        scene = played("chat", cut(error, 65_536))
        self.assertEqual((scene.request.status, scene.ledger.outcomes), (502, [("openai", "cut")]))
        self.assertNotIn(b"sk-upstream-secret", scene.request.body)
        scene = played("chat", [chunk({"content": "a"}), *cut(error, 65_536)])
        self.assertEqual((scene.request.status, scene.request.ended), (200, "finished"))
        self.assertNotIn(b"sk-upstream-secret", scene.request.body)
        self.assertIn(b"more than 1 MiB", scene.request.body)

    def test_behind_an_error_nothing_passes(self) -> None:
        error = b'data: {"error":{"message":"gpu fell off"}}\n\n'
        scene = played("chat", [chunk({"content": "a"}) + error, *cut(chunk(picture()) + DONE, 65_536)])
        self.assertEqual((scene.request.body, scene.request.ended), (chunk({"content": "a"}) + error, "finished"))

    def test_the_client_leaves(self) -> None:
        scene, _ = self.begun()
        scene.request.leave()
        self.assertTrue(scene.call.cancelled)
        self.assertEqual(len(scene.ledger.closed), 1)


class SplitTests(unittest.TestCase):
    """In whatever pieces it comes, the same becomes of it."""

    def setUp(self) -> None:
        self.patch(event_body, "MAX_EVENT", SMALL)

    def test_at_every_place_and_byte_by_byte(self) -> None:
        for name, (operation, events) in streams(SMALL).items():
            for line_end in (b"\n", b"\r\n"):
                stream = b"".join(events).replace(b"\n", line_end)
                whole = outcome(played(operation, [stream]))
                self.assertEqual(whole[:4], (200, stream, "finished", ""), name)
                for at in itertools.chain(range(1, 400), range(400, len(stream), 37)):
                    self.assertEqual(outcome(played(operation, [stream[:at], stream[at:]])), whole, (name, at))
                for size in (1, 3, 1000):
                    self.assertEqual(outcome(played(operation, cut(stream, size))), whole, (name, size))

    @given(
        st.lists(st.sampled_from(["small", "large", "error", "comment", "broken"]), max_size=6),
        st.lists(st.integers(0, 20_000), max_size=10),
        st.booleans(),
    )
    @settings(suppress_health_check=list(HealthCheck), deadline=None)
    def test_any_stream_in_any_pieces(self, kinds: list[str], cuts: list[int], blank: bool) -> None:
        """Whatever comes before and behind."""
        events = {
            "small": chunk({"content": "a"}),
            "large": chunk(picture(SMALL)),
            "error": b'data: {"error":{"message":"x"}}\n\n',
            "comment": b": " + b"x" * SMALL + b"\n\n",
            "broken": b"data: " + b"{" * SMALL + b"\n\n",
        }
        stream = b"".join([events[kind] for kind in kinds]) + chunk({}, "stop") + DONE
        stream = stream if blank else stream[:-2]
        points = sorted({place % (len(stream) + 1) for place in cuts} | {0, len(stream)})
        pieces = [stream[begin:end] for begin, end in itertools.pairwise(points)]
        self.assertEqual(outcome(played("chat", pieces)), outcome(played("chat", [stream])))


class CostTests(unittest.TestCase):
    """Streams without such events pay nothing."""

    def test_small_events_are_not_skimmed(self) -> None:
        def none(*_arguments: Any) -> None:
            raise AssertionError("skimmed")

        self.patch(Skimmer, "feed", none)
        events = [chunk({"content": "a"})] * 3 + [chunk({}, "stop"), DONE]
        self.assertEqual(played("chat", events).request.body, b"".join(events))
        self.assertIs(type(EventFramer().feed(events[0])), bytes)
